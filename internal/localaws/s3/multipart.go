package s3

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	gateway "github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"

	"github.com/tintype/tintype/internal/localaws/db"
)

// pending is an upload's row.
type pending struct {
	id, bucket, key string
	bucketID        int64
	initiated       time.Time
	algorithm       types.ChecksumAlgorithm // empty: the client asked for none
	kind            types.ChecksumType
	meta            meta
	tags            map[string]string
}

// storedPart is a part's row.
type storedPart struct {
	number   int32
	size     int64
	etag     string
	modified time.Time
	checksum checksum
	crc64    string
	blob     string
	inlineID int64
}

const uploadQuery = `SELECT u.id, u.initiated, u.algorithm, u.kind, u.meta, coalesce(u.tags, ''), b.id
	FROM s3_uploads u JOIN s3_buckets b ON b.id = u.bucket WHERE b.name = ? AND u.key = ? AND u.id = ?`

func scanUpload(row scanner, bucketName, key, id string) (*pending, error) {
	up := pending{bucket: bucketName, key: key}
	var initiated int64
	var doc, tags string
	err := row.Scan(&up.id, &initiated, &up.algorithm, &up.kind, &doc, &tags, &up.bucketID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, s3err.GetNoSuchUploadErr(id)
	}
	if err == nil {
		err = json.Unmarshal([]byte(doc), &up.meta)
	}
	if err == nil && tags != "" {
		err = json.Unmarshal([]byte(tags), &up.tags)
	}
	up.initiated = fromMillis(initiated)
	return &up, err
}

// upload reads an upload's row.
func (s *Service) upload(bucketName, key, id string) (*pending, error) {
	up, err := scanUpload(s.db.Read().QueryRow(uploadQuery, bucketName, []byte(key), id), bucketName, key, id)
	if err != nil {
		if _, berr := s.bucketID(bucketName); berr != nil {
			return nil, berr
		}
	}
	return up, err
}

// CreateMultipartUpload begins an upload.
func (s store) CreateMultipartUpload(ctx context.Context, in s3response.CreateMultipartUploadInput) (s3response.InitiateMultipartUploadResult, error) {
	var out s3response.InitiateMultipartUploadResult
	if in.ObjectLockMode != "" || in.ObjectLockLegalHoldStatus == types.ObjectLockLegalHoldStatusOn {
		return out, s3err.GetAPIError(s3err.ErrMissingObjectLockConfigurationNoSpaces)
	}
	if err := checkKey(*in.Key); err != nil {
		return out, err
	}
	tags, err := parseTags(in.Tagging)
	if err != nil {
		return out, err
	}
	doc, err := json.Marshal(meta{
		ContentType: deref(in.ContentType), ContentEncoding: contentEncoding(in.ContentEncoding), ContentDisposition: deref(in.ContentDisposition),
		ContentLanguage: deref(in.ContentLanguage), CacheControl: deref(in.CacheControl), Expires: deref(in.Expires),
		Redirect: deref(in.WebsiteRedirectLocation), User: in.Metadata,
	})
	if err != nil {
		return out, err
	}
	out.Bucket, out.Key, out.UploadId = *in.Bucket, *in.Key, newBlobID()
	return out, s.update(ctx, func(tx *db.Tx) error {
		b, err := bucketTx(tx, out.Bucket)
		if err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO s3_uploads (id, bucket, key, initiated, algorithm, kind, meta, tags) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			out.UploadId, b.id, []byte(out.Key), s.opts.Now().UnixMilli(), string(in.ChecksumAlgorithm), string(in.ChecksumType), string(doc), jsonOrNil(tags))
		return err
	})
}

// UploadPart stores a part.
func (s store) UploadPart(ctx context.Context, in *awss3.UploadPartInput) (*awss3.UploadPartOutput, error) {
	up, err := s.upload(*in.Bucket, *in.Key, *in.UploadId)
	if err != nil {
		return nil, err
	}
	u := upload{body: in.Body, size: deref(in.ContentLength), algorithm: in.ChecksumAlgorithm, crc64: true}
	u.pick(map[types.ChecksumAlgorithm]*string{
		types.ChecksumAlgorithmCrc32: in.ChecksumCRC32, types.ChecksumAlgorithmCrc32c: in.ChecksumCRC32C, types.ChecksumAlgorithmCrc64nvme: in.ChecksumCRC64NVME,
		types.ChecksumAlgorithmSha1: in.ChecksumSHA1, types.ChecksumAlgorithmSha256: in.ChecksumSHA256, types.ChecksumAlgorithmSha512: in.ChecksumSHA512,
		types.ChecksumAlgorithmMd5: in.ChecksumMD5, types.ChecksumAlgorithmXxhash64: in.ChecksumXXHASH64, types.ChecksumAlgorithmXxhash3: in.ChecksumXXHASH3,
		types.ChecksumAlgorithmXxhash128: in.ChecksumXXHASH128,
	})
	asked := u.algorithm != ""
	switch {
	case u.algorithm == "":
		u.algorithm = up.algorithm
	case up.algorithm != "" && u.algorithm != up.algorithm:
		return nil, s3err.GetChecksumTypeMismatchErr(up.algorithm, u.algorithm)
	}
	got, err := s.receive(requestOf(ctx).ctx, u)
	if err != nil {
		return nil, err
	}
	p, err := s.commitPart(ctx, up, *in.PartNumber, got)
	if err != nil {
		return nil, err
	}
	out := &awss3.UploadPartOutput{ETag: fill(`"` + p.etag + `"`)}
	if sum := p.checksum; asked || up.algorithm != "" {
		out.ChecksumCRC32, out.ChecksumCRC32C = sum.of(types.ChecksumAlgorithmCrc32), sum.of(types.ChecksumAlgorithmCrc32c)
		out.ChecksumCRC64NVME, out.ChecksumSHA1 = sum.of(types.ChecksumAlgorithmCrc64nvme), sum.of(types.ChecksumAlgorithmSha1)
		out.ChecksumSHA256, out.ChecksumSHA512 = sum.of(types.ChecksumAlgorithmSha256), sum.of(types.ChecksumAlgorithmSha512)
		out.ChecksumMD5, out.ChecksumXXHASH64 = sum.of(types.ChecksumAlgorithmMd5), sum.of(types.ChecksumAlgorithmXxhash64)
		out.ChecksumXXHASH3, out.ChecksumXXHASH128 = sum.of(types.ChecksumAlgorithmXxhash3), sum.of(types.ChecksumAlgorithmXxhash128)
	}
	return out, nil
}

// commitPart makes received bytes a part, in place of one of the same number. On an
// error they are removed.
func (s *Service) commitPart(ctx context.Context, up *pending, number int32, got received) (storedPart, error) {
	now := s.opts.Now().UnixMilli()
	p := storedPart{
		number: number, size: got.size, etag: got.etag(), modified: fromMillis(now), crc64: got.crc64,
		checksum: checksum{Algorithm: got.algorithm, Type: types.ChecksumTypeFullObject, Value: got.sum},
	}
	var freed string
	err := s.update(ctx, func(tx *db.Tx) error {
		freed = ""
		// The upload may have been completed or aborted while the part arrived.
		if _, err := scanUpload(tx.QueryRow(uploadQuery, up.bucket, []byte(up.key), up.id), up.bucket, up.key, up.id); err != nil {
			return err
		}
		var oldInline int64
		err := tx.QueryRow(`SELECT coalesce(blob, ''), coalesce(inline, 0) FROM s3_parts WHERE upload = ? AND number = ?`, up.id, number).Scan(&freed, &oldInline)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err := deleteInline(tx, oldInline); err != nil {
			return err
		}
		blob, inline, err := insertInline(tx, got.content)
		if err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT OR REPLACE INTO s3_parts (upload, number, size, etag, modified, checksum, crc64, blob, inline) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			up.id, number, p.size, p.etag, now, p.checksum.String(), p.crc64, blob, inline)
		return err
	})
	if err != nil {
		s.blobs.remove(got.blob)
		return p, err
	}
	s.blobs.remove(freed)
	return p, nil
}

// storedParts reads an upload's parts after a number, by number.
func (s *Service) storedParts(id string, after, limit int) ([]storedPart, error) {
	rows, err := s.db.Read().Query(`SELECT number, size, etag, modified, checksum, crc64, coalesce(blob, ''), coalesce(inline, 0)
		FROM s3_parts WHERE upload = ? AND number > ? ORDER BY number LIMIT ?`, id, after, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []storedPart
	for rows.Next() {
		var p storedPart
		var modified int64
		var sum string
		if err := rows.Scan(&p.number, &p.size, &p.etag, &modified, &sum, &p.crc64, &p.blob, &p.inlineID); err != nil {
			return nil, err
		}
		p.modified, p.checksum = fromMillis(modified), parseChecksum(sum)
		out = append(out, p)
	}
	return out, rows.Err()
}

// CompleteMultipartUpload makes the parts one object. The bytes are copied into one
// blob first; the row, the event and the end of the upload are one transaction.
func (s store) CompleteMultipartUpload(ctx context.Context, in *awss3.CompleteMultipartUploadInput) (s3response.CompleteMultipartUploadResult, string, error) {
	var out s3response.CompleteMultipartUploadResult
	up, err := s.upload(*in.Bucket, *in.Key, *in.UploadId)
	if err != nil {
		return out, "", err
	}
	stored, err := s.storedParts(up.id, 0, maxParts)
	if err != nil {
		return out, "", err
	}
	chosen, err := up.choose(in, stored)
	if err != nil {
		return out, "", err
	}
	w, err := up.assemble(in, chosen)
	if err != nil {
		return out, "", err
	}
	contents := make([]content, len(chosen))
	for i, p := range chosen {
		contents[i] = content{size: p.size, blob: p.blob}
		if p.inlineID != 0 {
			if err := s.db.Read().QueryRow(`SELECT data FROM s3_inline WHERE id = ?`, p.inlineID).Scan(&contents[i].inline); err != nil {
				return out, "", gone(err, up.id)
			}
		}
	}
	if w.content, err = s.concat(contents); err != nil {
		return out, "", gone(err, up.id)
	}
	var freed []string
	w.with = func(tx *db.Tx) error {
		// The parts must still be those that were copied.
		if err := sameParts(tx, up, chosen); err != nil {
			return err
		}
		var err error
		freed, err = dropUpload(tx, up.id)
		return err
	}
	r, err := s.commit(ctx, w)
	if err != nil {
		return out, "", err
	}
	s.blobs.remove(freed...)
	sum := r.checksum
	return s3response.CompleteMultipartUploadResult{
		Bucket: in.Bucket, Key: in.Key, ETag: fill(r.quoted()), ChecksumType: &sum.Type,
		ChecksumCRC32: sum.of(types.ChecksumAlgorithmCrc32), ChecksumCRC32C: sum.of(types.ChecksumAlgorithmCrc32c),
		ChecksumCRC64NVME: sum.of(types.ChecksumAlgorithmCrc64nvme), ChecksumSHA1: sum.of(types.ChecksumAlgorithmSha1),
		ChecksumSHA256: sum.of(types.ChecksumAlgorithmSha256), ChecksumSHA512: sum.of(types.ChecksumAlgorithmSha512),
		ChecksumMD5: sum.of(types.ChecksumAlgorithmMd5), ChecksumXXHASH64: sum.of(types.ChecksumAlgorithmXxhash64),
		ChecksumXXHASH3: sum.of(types.ChecksumAlgorithmXxhash3), ChecksumXXHASH128: sum.of(types.ChecksumAlgorithmXxhash128),
	}, "", nil
}

// maxParts bounds an upload.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
const maxParts = 10_000

// gone answers a part that another request took away: its upload is over.
func gone(err error, id string) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, sql.ErrNoRows) {
		return s3err.GetNoSuchUploadErr(id)
	}
	return err
}

// choose picks the stored parts that the client listed and checks the list.
func (up *pending) choose(in *awss3.CompleteMultipartUploadInput, stored []storedPart) ([]storedPart, error) {
	listed := in.MultipartUpload.Parts
	chosen := make([]storedPart, 0, len(listed))
	for i, l := range listed {
		switch {
		case l.PartNumber == nil || l.ETag == nil:
			return nil, s3err.GetAPIError(s3err.ErrMalformedXML)
		case *l.PartNumber < 1:
			return nil, s3err.GetInvalidArgumentErr(s3err.InvalidArgCompleteMpPartNumber, fmt.Sprint(*l.PartNumber))
		case i > 0 && *l.PartNumber <= *listed[i-1].PartNumber:
			return nil, s3err.GetAPIError(s3err.ErrInvalidPartOrder)
		}
	}
	var total int64
	for i, l := range listed {
		n := *l.PartNumber
		at, ok := slices.BinarySearchFunc(stored, n, func(p storedPart, n int32) int { return int(p.number - n) })
		if !ok || !gateway.AreEtagsSame(stored[at].etag, *l.ETag) {
			return nil, s3err.GetInvalidPartErr(up.id, n, *l.ETag)
		}
		p := stored[at]
		if i < len(listed)-1 && p.size < gateway.MinPartSize {
			return nil, s3err.GetEntityTooSmallErr(p.size, gateway.MinPartSize)
		}
		for a, v := range map[types.ChecksumAlgorithm]*string{
			types.ChecksumAlgorithmCrc32: l.ChecksumCRC32, types.ChecksumAlgorithmCrc32c: l.ChecksumCRC32C, types.ChecksumAlgorithmCrc64nvme: l.ChecksumCRC64NVME,
			types.ChecksumAlgorithmSha1: l.ChecksumSHA1, types.ChecksumAlgorithmSha256: l.ChecksumSHA256,
		} {
			if deref(v) != "" && (p.checksum.Algorithm != a || p.checksum.Value != *v) {
				return nil, s3err.GetInvalidPartErr(up.id, n, *l.ETag)
			}
		}
		chosen, total = append(chosen, p), total+p.size
	}
	if in.MpuObjectSize != nil && *in.MpuObjectSize != total {
		return nil, s3err.GetIncorrectMpObjectSizeErr(total, *in.MpuObjectSize)
	}
	return chosen, nil
}

// assemble describes the object that the parts make, all but its bytes.
func (up *pending) assemble(in *awss3.CompleteMultipartUploadInput, chosen []storedPart) (write, error) {
	w := write{
		bucket: up.bucket, key: up.key, event: "ObjectCreated:CompleteMultipartUpload", meta: up.meta, tags: up.tags,
		ifMatch: in.IfMatch, ifNoneMatch: in.IfNoneMatch,
	}
	if in.ChecksumType != "" && in.ChecksumType != up.kind {
		kind := up.kind
		if kind == "" {
			kind = "null" // as S3 says it
		}
		return w, s3err.GetChecksumTypeMismatchOnMpErr(kind)
	}
	etags := make([]string, len(chosen))
	for i, p := range chosen {
		etags[i] = p.etag
		kept := part{Number: int32(i + 1), Size: p.size}
		if up.algorithm != "" {
			kept.Checksum = p.checksum
		}
		w.parts = append(w.parts, kept)
	}
	w.etag = md5OfMD5s(etags)
	var err error
	if w.checksum, err = up.combine(chosen); err != nil {
		return w, err
	}
	want := map[types.ChecksumAlgorithm]*string{
		types.ChecksumAlgorithmCrc32: in.ChecksumCRC32, types.ChecksumAlgorithmCrc32c: in.ChecksumCRC32C, types.ChecksumAlgorithmCrc64nvme: in.ChecksumCRC64NVME,
		types.ChecksumAlgorithmSha1: in.ChecksumSHA1, types.ChecksumAlgorithmSha256: in.ChecksumSHA256, types.ChecksumAlgorithmSha512: in.ChecksumSHA512,
		types.ChecksumAlgorithmMd5: in.ChecksumMD5, types.ChecksumAlgorithmXxhash64: in.ChecksumXXHASH64, types.ChecksumAlgorithmXxhash3: in.ChecksumXXHASH3,
		types.ChecksumAlgorithmXxhash128: in.ChecksumXXHASH128,
	}[w.checksum.Algorithm]
	if v := deref(want); v != "" && v != w.checksum.Value && v != strings.TrimSuffix(w.checksum.Value, "-"+strconv.Itoa(len(chosen))) {
		return w, s3err.GetChecksumBadDigestErr(w.checksum.Algorithm)
	}
	return w, nil
}

// combine calculates the object's checksum from its parts'.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
func (up *pending) combine(chosen []storedPart) (checksum, error) {
	out := checksum{Algorithm: up.algorithm, Type: up.kind}
	if out.Algorithm == "" {
		out.Algorithm, out.Type = types.ChecksumAlgorithmCrc64nvme, types.ChecksumTypeFullObject
	}
	if out.Type == types.ChecksumTypeComposite {
		sum, err := utils.NewCompositeChecksumReader(hashType(out.Algorithm))
		if err != nil {
			return out, err
		}
		for _, p := range chosen {
			if err := sum.Process(p.checksum.Value); err != nil {
				return out, err
			}
		}
		out.Value = sum.Sum() + "-" + strconv.Itoa(len(chosen))
		return out, nil
	}
	for i, p := range chosen {
		value := p.checksum.Value
		if p.checksum.Algorithm != out.Algorithm {
			value = p.crc64
		}
		if i == 0 {
			out.Value = value
			continue
		}
		var err error
		if out.Value, err = utils.AddCRCChecksum(out.Algorithm, out.Value, value, p.size); err != nil {
			return out, fmt.Errorf("combine the checksums of the parts: %w", err)
		}
	}
	return out, nil
}

// sameParts fails with NoSuchUpload or InvalidPart where the parts are no longer
// those that were read.
func sameParts(tx *db.Tx, up *pending, chosen []storedPart) error {
	if _, err := scanUpload(tx.QueryRow(uploadQuery, up.bucket, []byte(up.key), up.id), up.bucket, up.key, up.id); err != nil {
		return err
	}
	for _, p := range chosen {
		var blob string
		var inline int64
		err := tx.QueryRow(`SELECT coalesce(blob, ''), coalesce(inline, 0) FROM s3_parts WHERE upload = ? AND number = ?`, up.id, p.number).Scan(&blob, &inline)
		if errors.Is(err, sql.ErrNoRows) || err == nil && (blob != p.blob || inline != p.inlineID) {
			return s3err.GetInvalidPartErr(up.id, p.number, p.etag)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func uploadsOf(tx *db.Tx, bucketID int64) ([]string, error) {
	rows, err := tx.Query(`SELECT id FROM s3_uploads WHERE bucket = ?`, bucketID)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// dropUpload ends an upload and returns the blobs of its parts, to be removed once
// that is durable.
func dropUpload(tx *db.Tx, id string) ([]string, error) {
	rows, err := tx.Query(`SELECT blob FROM s3_parts WHERE upload = ? AND blob IS NOT NULL`, id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var blobs []string
	for rows.Next() {
		var b string
		if err := rows.Scan(&b); err != nil {
			return nil, err
		}
		blobs = append(blobs, b)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	rows.Close()
	for _, q := range []string{
		`DELETE FROM s3_inline WHERE id IN (SELECT inline FROM s3_parts WHERE upload = ?)`,
		`DELETE FROM s3_parts WHERE upload = ?`,
		`DELETE FROM s3_uploads WHERE id = ?`,
	} {
		if _, err := tx.Exec(q, id); err != nil {
			return nil, err
		}
	}
	return blobs, nil
}

// AbortMultipartUpload ends an upload and removes its parts.
func (s store) AbortMultipartUpload(ctx context.Context, in *awss3.AbortMultipartUploadInput) error {
	var freed []string
	err := s.update(ctx, func(tx *db.Tx) error {
		if _, err := bucketTx(tx, *in.Bucket); err != nil {
			return err
		}
		up, err := scanUpload(tx.QueryRow(uploadQuery, *in.Bucket, []byte(*in.Key), *in.UploadId), *in.Bucket, *in.Key, *in.UploadId)
		if err != nil {
			return err
		}
		if t := in.IfMatchInitiatedTime; t != nil && t.Unix() != up.initiated.Unix() {
			return s3err.GetAPIError(s3err.ErrPreconditionFailed)
		}
		freed, err = dropUpload(tx, up.id)
		return err
	})
	if err == nil {
		s.blobs.remove(freed...)
	}
	return err
}
