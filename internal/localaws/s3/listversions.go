package s3

import (
	"context"
	"database/sql"
	"encoding/xml"
	"errors"
	"math"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/s3response"
)

// versionListing is ListVersionsResult. versitygw's own has all delete markers before
// all versions; S3 has them as they follow each other, and some clients rely on it.
// Format: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
type versionListing struct {
	XMLName             xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListVersionsResult"`
	Name                string
	Prefix              string
	KeyMarker           string
	VersionIDMarker     string  `xml:"VersionIdMarker"`
	NextKeyMarker       keyName `xml:",omitempty"`
	NextVersionIDMarker string  `xml:"NextVersionIdMarker,omitempty"`
	MaxKeys             int32
	Delimiter           string             `xml:",omitempty"`
	EncodingType        types.EncodingType `xml:",omitempty"`
	IsTruncated         bool
	Versions            []versionEntry
	CommonPrefixes      []versionPrefix
}

type versionPrefix struct{ Prefix keyName }

// versionEntry is the element Version or DeleteMarker.
type versionEntry struct {
	XMLName           xml.Name
	Key               keyName
	VersionID         string `xml:"VersionId"`
	IsLatest          bool
	LastModified      listTime
	ETag              string                  `xml:",omitempty"`
	ChecksumAlgorithm types.ChecksumAlgorithm `xml:",omitempty"`
	ChecksumType      types.ChecksumType      `xml:",omitempty"`
	Size              *int64                  `xml:",omitempty"`
	Owner             versionOwner
	StorageClass      types.StorageClass `xml:",omitempty"`
}

type versionOwner struct{ ID string }

// versionMark is where a listing of versions goes on: after the version of that seq of
// that key.
type versionMark struct {
	key string
	seq int64
}

// versionMarkOf finds the place of the version named; also where it is gone.
func (s *Service) versionMarkOf(ctx context.Context, bucketID int64, key, version string) (versionMark, error) {
	if version == "" {
		return versionMark{key, math.MinInt64}, nil // after all versions of the key
	}
	if version == nullVersion {
		m := versionMark{key, math.MaxInt64}
		err := s.db.Read().QueryRowContext(requestOf(ctx).ctx, `SELECT seq FROM s3_objects WHERE bucket = ?1 AND key = ?2 AND version IS NULL
			UNION ALL SELECT seq FROM s3_versions WHERE bucket = ?1 AND key = ?2 AND version IS NULL`, bucketID, blobArg(key)).Scan(&m.seq)
		if errors.Is(err, sql.ErrNoRows) {
			err = nil // gone, and its id tells no place: the key from its newest version on
		}
		return m, err
	}
	seq, ok := parseVersionID(version)
	if !ok {
		return versionMark{}, invalidArgument("version-id-marker", version, "Invalid version id specified")
	}
	return versionMark{key, seq}, nil
}

// ListObjectVersions lists all versions and delete markers, by key, the newest of a key
// first.
func (s store) ListObjectVersions(ctx context.Context, in *awss3.ListObjectVersionsInput) (none s3response.ListVersionsResult, err error) {
	requestOf(ctx).answer, err = s.versions(ctx, in)
	return none, err
}

func (s *Service) versions(ctx context.Context, in *awss3.ListObjectVersionsInput) (*versionListing, error) {
	req := requestOf(ctx)
	id, err := s.bucketID(ctx, *in.Bucket)
	if err != nil {
		return nil, err
	}
	prefix, delimiter, marker, version := deref(in.Prefix), deref(in.Delimiter), deref(in.KeyMarker), deref(in.VersionIdMarker)
	if version != "" && marker == "" {
		return nil, invalidArgument("version-id-marker", version, "A version-id marker cannot be specified without a key marker.")
	}
	mark, err := s.versionMarkOf(ctx, id, pastPrefix(marker, prefix, delimiter), version)
	if err != nil {
		return nil, err
	}
	l := &versionListing{
		Name: *in.Bucket, Prefix: *req.encode(prefix), KeyMarker: *req.encode(marker), VersionIDMarker: version, MaxKeys: *in.MaxKeys,
		EncodingType: req.encodingType(),
	}
	if delimiter != "" {
		l.Delimiter = *req.encode(delimiter)
	}
	return l, s.scanVersions(ctx, id, l, prefix, delimiter, mark)
}

// scanVersions fills the listing. Like scan, it reads about as many rows as it lists.
func (s *Service) scanVersions(ctx context.Context, bucketID int64, l *versionListing, prefix, delimiter string, mark versionMark) error {
	if l.MaxKeys <= 0 {
		return nil
	}
	req := requestOf(ctx)
	from, seq := prefix, int64(math.MaxInt64)
	if mark.key >= prefix && mark.key != "" {
		from, seq = mark.key, mark.seq
		if common, ok := commonPrefix(mark.key, prefix, delimiter); ok && common == mark.key {
			from, seq = successor(common), math.MaxInt64
		}
	}
	st, err := s.db.Read().PrepareContext(req.ctx, versionsQuery)
	if err != nil {
		return err
	}
	defer st.Close()
	f := versionFill{l: l, s: s, req: req, prefix: prefix, delimiter: delimiter, last: mark.key, begun: mark.seq != math.MinInt64 && mark.seq != math.MaxInt64}
	for end := successor(prefix); from < end; seq = math.MaxInt64 {
		next, err := f.rows(req.ctx, st, bucketID, from, end, seq)
		if err != nil || next == "" {
			return err
		}
		from = next
	}
	return nil
}

// versionsQuery reads both tables in one order: what is left of the key at which the
// listing goes on, and the keys after it.
const versionsQuery = `
	SELECT key, seq, coalesce(version, ''), 0 AS marker, size, etag, modified, checksum, coalesce(class, ''), 1 FROM s3_objects
		WHERE bucket = ?1 AND key >= ?2 AND key < ?3 AND (key > ?2 OR seq < ?4)
	UNION ALL
	SELECT key, seq, coalesce(version, ''), marker, size, etag, modified, checksum, coalesce(class, ''), 0 FROM s3_versions
		WHERE bucket = ?1 AND key = ?2 AND seq < ?4
	UNION ALL
	SELECT key, seq, coalesce(version, ''), marker, size, etag, modified, checksum, coalesce(class, ''), 0 FROM s3_versions
		WHERE bucket = ?1 AND key > ?2 AND key < ?3
	ORDER BY key, seq DESC`

type versionFill struct {
	l                 *versionListing
	s                 *Service
	req               *request
	prefix, delimiter string
	last              string // key of the row before
	begun             bool   // versions of it were before the first row
	common            string // the last common prefix listed
	under             int    // rows seen under it
}

// rows reads until the listing is full, the rows end, or a common prefix has so many
// keys that seeking past it pays: then next is where to go on.
func (f *versionFill) rows(ctx context.Context, st *sql.Stmt, bucketID int64, from, end string, seq int64) (next string, err error) {
	rows, err := st.QueryContext(ctx, bucketID, blobArg(from), blobArg(end), seq)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	for rows.Next() {
		var key []byte
		var r record
		var modified int64
		var sum string
		if err := rows.Scan(&key, &r.seq, &r.version, &r.marker, &r.size, &r.etag, &modified, &sum, &r.class, &r.current); err != nil {
			return "", err
		}
		r.key, r.modified, r.checksum, r.versioned = string(key), fromMillis(modified), parseChecksum(sum), true
		// A delete marker is the latest where nothing newer of its key came before it.
		latest := r.current || r.marker && (!f.begun || f.last != r.key)
		f.last, f.begun = r.key, true
		common, grouped := commonPrefix(r.key, f.prefix, f.delimiter)
		if grouped && common == f.common {
			if f.under++; f.under < skipAfter {
				continue
			}
			return successor(common), nil
		}
		if int32(len(f.l.Versions)+len(f.l.CommonPrefixes)) == f.l.MaxKeys {
			f.l.IsTruncated = true
			return "", nil
		}
		if grouped {
			f.common, f.under = common, 0
			f.l.CommonPrefixes = append(f.l.CommonPrefixes, versionPrefix{keyName(*f.req.encode(common))})
			f.l.NextKeyMarker, f.l.NextVersionIDMarker = keyName(*f.req.encode(common)), ""
			continue
		}
		f.l.Versions = append(f.l.Versions, f.entry(&r, latest))
		f.l.NextKeyMarker, f.l.NextVersionIDMarker = keyName(*f.req.encode(r.key)), r.versionID()
	}
	if !f.l.IsTruncated {
		f.l.NextKeyMarker, f.l.NextVersionIDMarker = "", ""
	}
	return "", rows.Err()
}

func (f *versionFill) entry(r *record, latest bool) versionEntry {
	e := versionEntry{
		XMLName: xml.Name{Local: "Version"}, Key: keyName(*f.req.encode(r.key)), VersionID: r.versionID(), IsLatest: latest,
		LastModified: listTime(r.modified), Owner: versionOwner{f.s.owner},
	}
	if r.marker {
		e.XMLName.Local = "DeleteMarker"
		return e
	}
	e.ETag, e.Size, e.StorageClass = r.quoted(), &r.size, r.storageClass()
	e.ChecksumAlgorithm, e.ChecksumType = r.checksum.Algorithm, r.checksum.Type
	return e
}

// storageClass is the class as listings tell it.
func (r *record) storageClass() types.StorageClass {
	if r.class == "" {
		return types.StorageClassStandard
	}
	return r.class
}
