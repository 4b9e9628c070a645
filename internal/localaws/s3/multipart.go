package s3

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"

	"github.com/tintype/tintype/internal/localaws/db"
)

// pending is an upload's row.
type pending struct {
	id, bucket, key string
	bucketID        int64
	initiated       time.Time               // in whole seconds
	begun           time.Time               // the same, to the millisecond
	replaces        bool                    // there was an object when it began
	algorithm       types.ChecksumAlgorithm // empty: the client asked for none
	kind            types.ChecksumType
	meta            meta
	tags            map[string]string
	class           types.StorageClass
	lock            objectLock
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
	nonce    []byte // where the client provides the key
}

const uploadQuery = `SELECT u.id, u.initiated, u.algorithm, u.kind, u.meta, coalesce(u.tags, ''), coalesce(u.class, ''), coalesce(u.lock, ''), u.replaces, b.id
	FROM s3_uploads u JOIN s3_buckets b ON b.id = u.bucket WHERE b.name = ? AND u.key = ? AND u.id = ?`

func scanUpload(row scanner, bucketName, key, id string) (*pending, error) {
	up := pending{bucket: bucketName, key: key}
	var initiated int64
	var doc, tags, held string
	err := row.Scan(&up.id, &initiated, &up.algorithm, &up.kind, &doc, &tags, &up.class, &held, &up.replaces, &up.bucketID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, s3err.GetNoSuchUploadErr(id)
	}
	if err == nil {
		err = json.Unmarshal([]byte(doc), &up.meta)
	}
	if err == nil && tags != "" {
		err = json.Unmarshal([]byte(tags), &up.tags)
	}
	if err == nil && held != "" {
		err = json.Unmarshal([]byte(held), &up.lock)
	}
	up.initiated, up.begun = fromMillis(initiated), time.UnixMilli(initiated)
	return &up, err
}

// upload reads an upload's row.
func (s *Service) upload(ctx context.Context, bucketName, key, id string) (*pending, error) {
	up, err := scanUpload(s.db.Read().QueryRowContext(requestOf(ctx).ctx, uploadQuery, bucketName, []byte(key), id), bucketName, key, id)
	if err != nil {
		if _, berr := s.bucketID(ctx, bucketName); berr != nil {
			return nil, berr
		}
	}
	return up, err
}

// CreateMultipartUpload begins an upload.
func (s store) CreateMultipartUpload(ctx context.Context, in s3response.CreateMultipartUploadInput) (s3response.InitiateMultipartUploadResult, error) {
	var out s3response.InitiateMultipartUploadResult
	if err := checkKey(*in.Key); err != nil {
		return out, err
	}
	attrs, err := s.attributes(ctx, *in.Bucket)
	if err != nil {
		return out, err
	}
	held := lockAsked(in.ObjectLockMode, in.ObjectLockRetainUntilDate, in.ObjectLockLegalHoldStatus)
	tags, err := parseTags(in.Tagging)
	if err != nil {
		return out, err
	}
	m := meta{
		ContentType: deref(in.ContentType), ContentEncoding: contentEncoding(in.ContentEncoding), ContentDisposition: deref(in.ContentDisposition),
		ContentLanguage: deref(in.ContentLanguage), CacheControl: deref(in.CacheControl), Expires: deref(in.Expires),
		Redirect: deref(in.WebsiteRedirectLocation), User: decodeMetadata(in.Metadata), Encryption: attrs.encryption, ACL: attrs.acl,
	}
	doc, err := json.Marshal(m)
	if err != nil {
		return out, err
	}
	out.Bucket, out.Key, out.UploadId = *in.Bucket, *in.Key, newUploadID(s.opts.Now())
	(&record{meta: m}).tell(requestOf(ctx))
	return out, s.update(ctx, func(tx *db.Tx) error {
		b, err := bucketTx(tx, out.Bucket)
		if err != nil {
			return err
		}
		if b.lock == "" && held != (objectLock{}) {
			return s3err.GetAPIError(s3err.ErrMissingObjectLockConfigurationNoSpaces)
		}
		_, err = tx.Exec(`INSERT INTO s3_uploads (id, bucket, key, initiated, algorithm, kind, meta, tags, class, lock, replaces)
			VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, EXISTS (SELECT 1 FROM s3_objects WHERE bucket = ?2 AND key = ?3))`,
			out.UploadId, b.id, []byte(out.Key), s.opts.Now().UnixMilli(), string(in.ChecksumAlgorithm), string(in.ChecksumType), string(doc), jsonOrNil(tags), fillAny(attrs.class), held.column())
		return err
	})
}

// UploadPart stores a part.
func (s store) UploadPart(ctx context.Context, in *awss3.UploadPartInput) (*awss3.UploadPartOutput, error) {
	up, err := s.upload(ctx, *in.Bucket, *in.Key, *in.UploadId)
	if err != nil {
		return nil, err
	}
	key := requestOf(ctx).customer
	if err := up.checkPartKey(key); err != nil {
		return nil, err
	}
	u := upload{body: in.Body, size: deref(in.ContentLength), algorithm: in.ChecksumAlgorithm, crc64: true, key: key}
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
		return nil, invalidRequest("Checksum Type mismatch occurred, expected checksum Type: " + strings.ToLower(string(up.algorithm)) + ", actual checksum Type: " + strings.ToLower(string(u.algorithm)))
	}
	got, err := s.receive(requestOf(ctx).ctx, u)
	if err != nil {
		return nil, partDigest(err)
	}
	p, err := s.commitPart(ctx, up, *in.PartNumber, got)
	if err != nil {
		return nil, err
	}
	(&record{meta: up.meta}).tell(requestOf(ctx))
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

// partDigest tells the MD5 that a client announced of a part as the client did. Of
// whole objects S3 tells it in hexadecimal, as the library does.
func partDigest(err error) error {
	var bad s3err.BadDigestError
	if errors.As(err, &bad) {
		if raw, e := hex.DecodeString(bad.ExpectedDigest); e == nil {
			bad.ExpectedDigest = base64.StdEncoding.EncodeToString(raw)
			return bad
		}
	}
	return err
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
		_, err = tx.Exec(`INSERT OR REPLACE INTO s3_parts (upload, number, size, etag, modified, checksum, crc64, blob, inline, nonce) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			up.id, number, p.size, p.etag, now, p.checksum.String(), p.crc64, blob, inline, got.nonce)
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
func (s *Service) storedParts(ctx context.Context, id string, after, limit int) ([]storedPart, error) {
	rows, err := s.db.Read().QueryContext(requestOf(ctx).ctx, `SELECT number, size, etag, modified, checksum, crc64, coalesce(blob, ''), coalesce(inline, 0), nonce
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
		if err := rows.Scan(&p.number, &p.size, &p.etag, &modified, &sum, &p.crc64, &p.blob, &p.inlineID, &p.nonce); err != nil {
			return nil, err
		}
		p.modified, p.checksum = fromMillis(modified), parseChecksum(sum)
		out = append(out, p)
	}
	return out, rows.Err()
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
