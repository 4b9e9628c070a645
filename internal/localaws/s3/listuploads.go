package s3

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"slices"
	"strconv"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// uploadListing is ListMultipartUploadsResult. versitygw's own has elements that say
// nothing, which S3 leaves out.
// Format: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html
type uploadListing struct {
	XMLName            xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListMultipartUploadsResult"`
	Bucket             string
	KeyMarker          string
	UploadIDMarker     string             `xml:"UploadIdMarker"`
	NextKeyMarker      keyName            // S3 has these two also where they are empty
	NextUploadIDMarker string             `xml:"NextUploadIdMarker"`
	Delimiter          string             `xml:",omitempty"`
	Prefix             string             `xml:",omitempty"`
	EncodingType       types.EncodingType `xml:",omitempty"`
	MaxUploads         int
	IsTruncated        bool
	Upload             []uploadEntry
	CommonPrefixes     []versionPrefix
}

type uploadEntry struct {
	Key               keyName
	UploadID          string                  `xml:"UploadId"`
	ChecksumAlgorithm types.ChecksumAlgorithm `xml:",omitempty"`
	ChecksumType      types.ChecksumType      `xml:",omitempty"`
	Initiator         initiator
	Owner             versionOwner
	StorageClass      types.StorageClass
	Initiated         listTime
}

// ListMultipartUploads lists the uploads of a bucket that were neither completed nor
// aborted, by key and then by when they began.
func (s store) ListMultipartUploads(ctx context.Context, in *awss3.ListMultipartUploadsInput) (none s3response.ListMultipartUploadsResult, err error) {
	requestOf(ctx).answer, err = s.uploads(ctx, in)
	return none, err
}

func (s *Service) uploads(ctx context.Context, in *awss3.ListMultipartUploadsInput) (*uploadListing, error) {
	id, err := s.bucketID(ctx, *in.Bucket)
	if err != nil {
		return nil, err
	}
	req := requestOf(ctx)
	prefix, delimiter, keyMarker, idMarker := deref(in.Prefix), deref(in.Delimiter), deref(in.KeyMarker), deref(in.UploadIdMarker)
	l := &uploadListing{
		Bucket: *in.Bucket, KeyMarker: *req.encode(keyMarker), UploadIDMarker: idMarker, Delimiter: *req.encode(delimiter), Prefix: *req.encode(prefix),
		EncodingType: req.encodingType(), MaxUploads: int(*in.MaxUploads),
	}
	if l.MaxUploads <= 0 {
		return l, nil
	}
	if keyMarker == "" {
		idMarker, l.UploadIDMarker = "", "" // alone it means nothing
	}
	keyMarker = pastPrefix(keyMarker, prefix, delimiter)
	if ok, err := s.isUpload(ctx, id, keyMarker, idMarker); err != nil {
		return nil, err
	} else if !ok {
		return nil, invalidArgument("upload-id-marker", idMarker, "Invalid uploadId marker")
	}
	rows, err := s.db.Read().QueryContext(req.ctx, `SELECT key, id, initiated, algorithm, kind, coalesce(class, 'STANDARD') FROM s3_uploads
		WHERE bucket = ?1 AND key >= ?2 AND key < ?3 AND (key > ?4 OR key = ?4 AND ?5 <> '' AND id > ?5) ORDER BY key, id`,
		id, blobArg(max(prefix, keyMarker)), blobArg(successor(prefix)), blobArg(keyMarker), idMarker)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var common string
	for rows.Next() {
		var key []byte
		var initiated int64
		u := uploadEntry{Initiator: s.initiator(), Owner: versionOwner{s.owner}}
		if err := rows.Scan(&key, &u.UploadID, &initiated, &u.ChecksumAlgorithm, &u.ChecksumType, &u.StorageClass); err != nil {
			return nil, err
		}
		cp, grouped := commonPrefix(string(key), prefix, delimiter)
		if grouped && (cp == common || cp == keyMarker) {
			continue
		}
		if len(l.Upload)+len(l.CommonPrefixes) == l.MaxUploads {
			l.IsTruncated = true
			break
		}
		if grouped {
			common = cp
			l.CommonPrefixes = append(l.CommonPrefixes, versionPrefix{keyName(*req.encode(cp))})
			l.NextKeyMarker, l.NextUploadIDMarker = keyName(*req.encode(cp)), ""
			continue
		}
		u.Key, u.Initiated = keyName(*req.encode(string(key))), listTime(fromMillis(initiated))
		l.Upload = append(l.Upload, u)
		l.NextKeyMarker, l.NextUploadIDMarker = u.Key, u.UploadID
	}
	if n := len(l.CommonPrefixes); !l.IsTruncated && n > 0 && l.NextKeyMarker == l.CommonPrefixes[n-1].Prefix {
		l.NextKeyMarker = "" // S3 leaves it empty after a common prefix; where the list goes on, we do not
	}
	return l, rows.Err()
}

// isUpload says whether an id marker may be one of the key's uploads. One that is gone
// may: clients that empty a bucket page by page ask so.
func (s *Service) isUpload(ctx context.Context, bucketID int64, key, id string) (bool, error) {
	if id == "" {
		return true, nil
	}
	if _, err := hex.DecodeString(id); err != nil || len(id) != blobIDLen {
		return false, nil //nolint:nilerr // that is the answer
	}
	var bucket int64
	var of []byte
	err := s.db.Read().QueryRowContext(requestOf(ctx).ctx, `SELECT bucket, key FROM s3_uploads WHERE id = ?`, id).Scan(&bucket, &of)
	if errors.Is(err, sql.ErrNoRows) {
		return true, nil
	}
	return bucket == bucketID && string(of) == key, err
}

// newUploadID makes an upload's id. Ids sort by when uploads began, which is the order
// of those of one key in a listing.
func newUploadID(now time.Time) string {
	var raw [blobIDLen / 2]byte
	binary.BigEndian.PutUint64(raw[:], uint64(now.UnixNano()))
	rand.Read(raw[8:]) // never fails, see its documentation
	return hex.EncodeToString(raw[:])
}

// partListing is ListPartsResult.
// Format: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html
type partListing struct {
	XMLName              xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListPartsResult"`
	Bucket, Key          string
	UploadID             string `xml:"UploadId"`
	Initiator            initiator
	Owner                versionOwner
	StorageClass         types.StorageClass
	PartNumberMarker     int
	NextPartNumberMarker int
	MaxParts             int
	IsTruncated          bool
	ChecksumAlgorithm    types.ChecksumAlgorithm `xml:",omitempty"`
	ChecksumType         types.ChecksumType      `xml:",omitempty"`
	Part                 []partEntry
}

type partEntry struct {
	PartNumber   int32
	LastModified listTime
	ETag         string
	Size         int64
	checksumElement
}

// checksumElement is a checksum as an element that has the algorithm's name.
type checksumElement struct{ Sum *sumText }

type sumText struct {
	XMLName xml.Name
	Value   string `xml:",chardata"`
}

func (c checksum) element() checksumElement {
	if c.Algorithm == "" || c.Value == "" {
		return checksumElement{}
	}
	return checksumElement{&sumText{XMLName: xml.Name{Local: "Checksum" + string(c.Algorithm)}, Value: c.Value}}
}

// ListParts lists the parts of an upload.
func (s store) ListParts(ctx context.Context, in *awss3.ListPartsInput) (none s3response.ListPartsResult, err error) {
	up, err := s.upload(ctx, *in.Bucket, *in.Key, *in.UploadId)
	if err != nil {
		return none, err
	}
	marker := 0
	if m := deref(in.PartNumberMarker); m != "" {
		if marker, err = strconv.Atoi(m); err != nil {
			return none, s3err.GetInvalidArgMaxLimiter("part-number-marker", m)
		}
	}
	limit := int(*in.MaxParts)
	parts, err := s.storedParts(ctx, up.id, marker, limit+1)
	if err != nil {
		return none, err
	}
	l := &partListing{
		Bucket: up.bucket, Key: up.key, UploadID: up.id, Initiator: s.initiator(), Owner: versionOwner{s.owner},
		StorageClass: (&record{class: up.class}).storageClass(), PartNumberMarker: marker, MaxParts: limit,
		IsTruncated: len(parts) > limit && limit > 0, ChecksumAlgorithm: up.algorithm, ChecksumType: up.kind,
	}
	for _, p := range slices.Clip(parts[:min(limit, len(parts))]) {
		one := partEntry{PartNumber: p.number, LastModified: listTime(p.modified), ETag: `"` + p.etag + `"`, Size: p.size}
		if up.algorithm != "" {
			one.checksumElement = p.checksum.element()
		}
		l.Part = append(l.Part, one)
		l.NextPartNumberMarker = int(p.number)
	}
	requestOf(ctx).answer = l
	return none, nil
}

// initiator is who began an upload: the account's one user, with its key for a name.
type initiator struct{ ID, DisplayName string }

func (s *Service) initiator() initiator { return initiator{s.owner, s.opts.AccessKey} }
