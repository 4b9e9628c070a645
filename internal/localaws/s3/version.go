package s3

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/s3err"

	"github.com/tintype/tintype/internal/localaws/db"
)

// nullVersion is the id of a version that was stored while the bucket was not
// versioned, or while versioning was suspended.
const nullVersion = "null"

// emptyETag is the MD5 of no bytes: the ETag that events tell of a delete marker.
const emptyETag = "d41d8cd98f00b204e9800998ecf8427e"

// versionAlphabet is base64's in the characters that S3's version ids are made of.
var versionAlphabet = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._").WithPadding(base64.NoPadding)

// newVersionID makes a version id of 32 characters, as S3's have: the version's seq,
// so that a listing finds its way on when the version at its marker is gone; eight
// random bytes; and a check of both, which tells an id that is not ours, which S3
// refuses, from that of a version which does not exist.
func newVersionID(seq int64) string {
	var raw [24]byte
	binary.BigEndian.PutUint64(raw[:8], uint64(seq))
	rand.Read(raw[8:16]) // never fails, see its documentation
	sum := sha256.Sum256(raw[:16])
	copy(raw[16:], sum[:])
	return versionAlphabet.EncodeToString(raw[:])
}

// parseVersionID returns the seq in a version id; ok is false for what is none.
func parseVersionID(id string) (seq int64, ok bool) {
	if len(id) != 32 {
		return 0, false
	}
	raw, err := versionAlphabet.DecodeString(id)
	if err != nil {
		return 0, false
	}
	sum := sha256.Sum256(raw[:16])
	return int64(binary.BigEndian.Uint64(raw)), string(sum[:8]) == string(raw[16:])
}

// checkVersion refuses what is no version id.
func checkVersion(ctx context.Context, id string) error {
	if requestOf(ctx).emptyVersion && id == "" {
		return invalidArgument("versionId", "", "Version id cannot be the empty string")
	}
	if id == "" || id == nullVersion {
		return nil
	}
	if _, ok := parseVersionID(id); !ok {
		return s3err.GetInvalidArgumentErr(s3err.InvalidArgVersionId, id)
	}
	return nil
}

// versionID is the version's id as clients see it; empty in a bucket that never was
// versioned, where nothing is said of versions.
func (r *record) versionID() string {
	switch {
	case !r.versioned:
		return ""
	case r.version == "":
		return nullVersion
	}
	return r.version
}

// noSuchKeyError is NoSuchKey as S3 tells it: with the key.
type noSuchKeyError struct {
	s3err.APIError
	key string
	// marker is the delete marker because of which there is no such key, if that is why.
	marker *record
}

func (e noSuchKeyError) XMLBody(requestID, hostID string) []byte {
	return failure(e.HTTPStatusCode, e.Code, e.Description, "Key", e.key).XMLBody(requestID, hostID)
}

func (e noSuchKeyError) Is(target error) bool {
	t, ok := target.(s3err.APIError)
	return ok && e.APIError == t
}

// refuseMarker answers a request for a version that is a delete marker.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeleteMarker.html
func refuseMarker(ctx context.Context, r *record) error {
	req := requestOf(ctx)
	req.tellMarker(r)
	return s3err.GetMethodNotAllowedErr(req.method, "DeleteMarker", []string{http.MethodDelete})
}

// missing says why there is no current object of that key: NoSuchBucket or NoSuchKey;
// nil where an older version has become the current one since it was looked for.
func (s *Service) missing(ctx context.Context, bucketName, key string) error {
	var id int64
	var versioned bool
	req := requestOf(ctx)
	err := s.db.Read().QueryRowContext(req.ctx, `SELECT id, versioning IS NOT NULL FROM s3_buckets WHERE name = ?`, bucketName).Scan(&id, &versioned)
	if errors.Is(err, sql.ErrNoRows) {
		return noSuchBucket(bucketName)
	}
	if err != nil || !versioned {
		return cmp.Or(err, noSuchKey(key))
	}
	var modified int64
	r := record{key: key, versioned: true}
	err = s.db.Read().QueryRowContext(req.ctx, `SELECT coalesce(version, ''), modified, marker FROM s3_versions WHERE bucket = ? AND key = ? ORDER BY seq DESC LIMIT 1`, id, []byte(key)).
		Scan(&r.version, &modified, &r.marker)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return noSuchKey(key)
	case err != nil:
		return err
	case !r.marker:
		return nil
	}
	r.modified = fromMillis(modified)
	req.tell("x-amz-delete-marker", "true")
	req.tell("x-amz-version-id", r.versionID())
	return noSuchKeyError{APIError: s3err.GetAPIError(s3err.ErrNoSuchKey), key: key, marker: &r}
}

const versionQuery = `SELECT ` + recordColumns + `, 0, 1, b.versioning IS NOT NULL, i.data FROM s3_buckets b
	JOIN s3_objects o ON o.bucket = b.id AND o.key = ?2 AND o.version IS ?3
	LEFT JOIN s3_inline i ON i.id = o.inline WHERE b.name = ?1
	UNION ALL SELECT ` + recordColumns + `, o.marker, 0, 1, i.data FROM s3_buckets b `

// recordOfVersion reads a version with its inline bytes, whichever of the two tables it
// is in: one statement, because it may move from one to the other.
func (s *Service) recordOfVersion(ctx context.Context, bucketName, key, version string) (*record, error) {
	req := requestOf(ctx)
	// Whether there is a bucket comes before what the id is worth.
	if err := checkVersion(ctx, version); err != nil {
		_, berr := s.bucketID(ctx, bucketName)
		return nil, cmp.Or(berr, err)
	}
	var row *sql.Row
	if version == nullVersion {
		row = s.db.Read().QueryRowContext(req.ctx, versionQuery+`JOIN s3_versions o ON o.bucket = b.id AND o.key = ?2 AND o.version IS NULL
			LEFT JOIN s3_inline i ON i.id = o.inline WHERE b.name = ?1`, bucketName, []byte(key), nil)
	} else {
		seq, _ := parseVersionID(version)
		row = s.db.Read().QueryRowContext(req.ctx, versionQuery+`JOIN s3_versions o ON o.bucket = b.id AND o.key = ?2 AND o.seq = ?4 AND o.version = ?3
			LEFT JOIN s3_inline i ON i.id = o.inline WHERE b.name = ?1`, bucketName, []byte(key), version, seq)
	}
	var data []byte
	var marker, current, versioned bool
	r, err := scanRecord(row, &marker, &current, &versioned, &data)
	if errors.Is(err, sql.ErrNoRows) {
		if _, err := s.bucketID(ctx, bucketName); err != nil {
			return nil, err
		}
		return nil, s3err.GetNoSuchVersionErr(key, version)
	}
	if err != nil {
		return nil, err
	}
	r.inline, r.marker, r.current, r.versioned = data, marker, current, versioned
	if marker {
		return nil, refuseMarker(ctx, r)
	}
	return r, nil
}

// versionTx reads a version inside a transaction, without its bytes: the one named, or,
// without an id, the newest, which may be a delete marker. nil where there is none.
func versionTx(tx *db.Tx, b bucket, key, version string) (*record, error) {
	r, err := recordTx(tx, b.id, key)
	if err != nil || b.versioning == "" && (version == "" || version == nullVersion) {
		return r, err
	}
	if r != nil {
		r.versioned = true
		if version == "" || version == r.versionID() {
			return r, nil
		}
	}
	var row db.Row
	switch version {
	case "":
		row = tx.QueryRow(`SELECT `+recordColumns+`, o.marker FROM s3_versions o WHERE o.bucket = ? AND o.key = ? ORDER BY o.seq DESC LIMIT 1`, b.id, []byte(key))
	case nullVersion:
		row = tx.QueryRow(`SELECT `+recordColumns+`, o.marker FROM s3_versions o WHERE o.bucket = ? AND o.key = ? AND o.version IS NULL`, b.id, []byte(key))
	default:
		seq, _ := parseVersionID(version)
		row = tx.QueryRow(`SELECT `+recordColumns+`, o.marker FROM s3_versions o WHERE o.bucket = ? AND o.key = ? AND o.seq = ? AND o.version = ?`, b.id, []byte(key), seq, version)
	}
	var marker bool
	r, err = scanRecord(row, &marker)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r.marker, r.versioned = marker, true
	return r, nil
}

// objectTx is versionTx for what is only done to objects: an absent one and a delete
// marker are errors.
func (s *Service) objectTx(ctx context.Context, tx *db.Tx, b bucket, key, version string) (*record, error) {
	if err := checkVersion(ctx, version); err != nil {
		return nil, err
	}
	r, err := versionTx(tx, b, key, version)
	switch {
	case err != nil:
		return nil, err
	case r == nil && version != "":
		return nil, s3err.GetNoSuchVersionErr(key, version)
	case r == nil:
		return nil, noSuchKey(key)
	case r.marker:
		return nil, refuseMarker(ctx, r)
	}
	return r, nil
}

// versionColumns are those that s3_objects and s3_versions share, but for seq.
const versionColumns = `bucket, key, version, size, etag, modified, checksum, blob, inline, meta, tags, parts, class, lock`

// tally is what a change does to the bucket's counts, and the blobs that it leaves
// behind, to be removed once it is durable.
type tally struct {
	objects int
	bytes   int64
	freed   []string
}

func (t *tally) empty() bool { return t.objects == 0 && t.bytes == 0 }

func (t *tally) apply(tx *db.Tx, bucketID int64) error {
	_, err := tx.Exec(`UPDATE s3_buckets SET objects = objects + ?, bytes = bytes + ? WHERE id = ?`, t.objects, t.bytes, bucketID)
	return err
}

// supersede makes room for a new version of a key in a bucket that is versioned or was,
// and names it. old is the current object, nil where there is none; its row is gone
// afterwards. While versioning is suspended the new version takes the place of the
// version "null".
func supersede(tx *db.Tx, b bucket, key string, old *record, now time.Time, t *tally) (version string, seq int64, err error) {
	if err := tx.QueryRow(`SELECT coalesce(max(seq), 0) FROM s3_versions WHERE bucket = ? AND key = ?`, b.id, []byte(key)).Scan(&seq); err != nil {
		return "", 0, err
	}
	if old != nil {
		seq = max(seq, old.seq)
	}
	seq = max(seq+1, now.UnixNano())
	if b.versioning == types.BucketVersioningStatusEnabled {
		version = newVersionID(seq)
		if old != nil {
			err = demote(tx, b, old, t)
		}
		return version, seq, err
	}
	if old != nil && old.version != "" {
		if err := demote(tx, b, old, t); err != nil {
			return "", 0, err
		}
		old = nil
	}
	if old == nil {
		if old, err = versionTx(tx, bucket{id: b.id, versioning: b.versioning}, key, nullVersion); err != nil || old == nil {
			return "", seq, err
		}
	}
	return "", seq, dropVersion(tx, b, old, t)
}

// demote makes the current object an older version.
func demote(tx *db.Tx, b bucket, r *record, t *tally) error {
	if _, err := tx.Exec(`INSERT INTO s3_versions (seq, marker, `+versionColumns+`) SELECT seq, 0, `+versionColumns+` FROM s3_objects WHERE bucket = ? AND key = ?`, b.id, []byte(r.key)); err != nil {
		return err
	}
	t.objects--
	_, err := tx.Exec(`DELETE FROM s3_objects WHERE bucket = ? AND key = ?`, b.id, []byte(r.key))
	return err
}

// dropVersion removes one version, or a delete marker.
func dropVersion(tx *db.Tx, b bucket, r *record, t *tally) error {
	if r.current {
		t.objects--
		if _, err := tx.Exec(`DELETE FROM s3_objects WHERE bucket = ? AND key = ?`, b.id, []byte(r.key)); err != nil {
			return err
		}
	} else if _, err := tx.Exec(`DELETE FROM s3_versions WHERE bucket = ? AND key = ? AND seq = ?`, b.id, []byte(r.key), r.seq); err != nil {
		return err
	}
	t.bytes -= r.size
	t.freed = append(t.freed, r.blob)
	return deleteInline(tx, r.inlineID)
}

// promote makes the newest version the current object, unless it is a delete marker or
// there is a current object.
func promote(tx *db.Tx, b bucket, key string, t *tally) error {
	r, err := versionTx(tx, b, key, "")
	if err != nil || r == nil || r.marker || r.current {
		return err
	}
	if _, err := tx.Exec(`INSERT INTO s3_objects (seq, `+versionColumns+`) SELECT seq, `+versionColumns+` FROM s3_versions WHERE bucket = ? AND key = ? AND seq = ?`, b.id, []byte(key), r.seq); err != nil {
		return err
	}
	t.objects++
	_, err = tx.Exec(`DELETE FROM s3_versions WHERE bucket = ? AND key = ? AND seq = ?`, b.id, []byte(key), r.seq)
	return err
}

// emptyTx fails with BucketNotEmpty while a bucket has an object, a version or a delete
// marker.
func emptyTx(tx *db.Tx, b bucket) error {
	var one int
	err := tx.QueryRow(`SELECT 1 FROM (SELECT bucket FROM s3_objects WHERE bucket = ?1 LIMIT 1) UNION ALL SELECT 1 FROM (SELECT bucket FROM s3_versions WHERE bucket = ?1 LIMIT 1) LIMIT 1`, b.id).Scan(&one)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return err
	}
	if b.versioning != "" {
		return s3err.GetBucketErr(s3err.ErrVersionedBucketNotEmpty, b.name)
	}
	return s3err.GetBucketErr(s3err.ErrBucketNotEmpty, b.name)
}
