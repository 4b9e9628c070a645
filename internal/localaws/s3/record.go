package s3

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/s3err"

	"github.com/tintype/tintype/internal/localaws/db"
)

// maxKey is the longest key, bytes.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
const maxKey = 1024

// meta is what an object carries besides its bytes; column meta.
type meta struct {
	ContentType        string            `json:"contentType,omitempty"`
	ContentEncoding    string            `json:"contentEncoding,omitempty"`
	ContentDisposition string            `json:"contentDisposition,omitempty"`
	ContentLanguage    string            `json:"contentLanguage,omitempty"`
	CacheControl       string            `json:"cacheControl,omitempty"`
	Expires            string            `json:"expires,omitempty"`
	Redirect           string            `json:"redirect,omitempty"`
	User               map[string]string `json:"user,omitempty"` // names in lower case
	Encryption         *encryption       `json:"encryption,omitempty"`
	Upload             string            `json:"upload,omitempty"`   // id of the multipart upload that it was
	Restored           int64             `json:"restored,omitempty"` // until when, Unix milliseconds; of archived objects
	ACL                *accessList       `json:"acl,omitempty"`      // nil: the owner's alone
}

// part is what is kept of a part after its upload was completed; column parts.
type part struct {
	Number   int32    `json:"n"`
	Size     int64    `json:"size"`
	Checksum checksum `json:"sum,omitzero"`
	Nonce    []byte   `json:"nonce,omitempty"` // where the client provides the key
}

// record is an object's row.
type record struct {
	key      string
	size     int64
	etag     string    // without quotes
	modified time.Time // in whole seconds, as S3 tells it
	written  time.Time // the same, to the millisecond
	checksum checksum
	blob     string
	inlineID int64 // 0: none
	inline   []byte
	meta     meta
	tags     map[string]string
	parts    []part
	class    types.StorageClass // empty: STANDARD
	lock     objectLock
	version  string // id; empty: the version "null"
	seq      int64  // orders the versions of a key
	marker   bool   // a delete marker, not an object
	current  bool   // what a request without a version id means
	// versioned says that the bucket is versioned, or was.
	versioned bool
}

// content is where the record's bytes are.
func (r *record) content() content {
	return content{size: r.size, inline: r.inline, blob: r.blob}
}

// quoted is the ETag as it stands in headers.
func (r *record) quoted() string { return `"` + r.etag + `"` }

// checksum is one of S3's additional checksums.
type checksum struct {
	Algorithm types.ChecksumAlgorithm `json:"a,omitempty"`
	Type      types.ChecksumType      `json:"t,omitempty"`
	Value     string                  `json:"v,omitempty"` // base64, "-N" appended where composite
}

// String is the form of column checksum: three words, or nothing.
func (c checksum) String() string {
	if c.Algorithm == "" {
		return ""
	}
	return string(c.Algorithm) + " " + string(c.Type) + " " + c.Value
}

func parseChecksum(s string) checksum {
	f := strings.SplitN(s, " ", 3)
	if len(f) != 3 {
		return checksum{}
	}
	return checksum{Algorithm: types.ChecksumAlgorithm(f[0]), Type: types.ChecksumType(f[1]), Value: f[2]}
}

// of returns the value where the checksum is of that algorithm.
func (c checksum) of(a types.ChecksumAlgorithm) *string {
	if c.Algorithm != a || c.Value == "" {
		return nil
	}
	return &c.Value
}

// scanner is a row of database/sql, or of package db.
type scanner interface{ Scan(dest ...any) error }

// recordColumns are read by scanRecord, in its order; o is s3_objects or s3_versions.
const recordColumns = `o.key, o.size, o.etag, o.modified, o.checksum, coalesce(o.blob, ''), coalesce(o.inline, 0), o.meta, coalesce(o.tags, ''), coalesce(o.parts, ''),
	coalesce(o.version, ''), o.seq, coalesce(o.class, ''), coalesce(o.lock, '')`

func scanRecord(row scanner, more ...any) (*record, error) {
	var (
		r                            record
		key                          []byte
		modified                     int64
		sum, meta, tags, parts, held string
	)
	dest := append([]any{&key, &r.size, &r.etag, &modified, &sum, &r.blob, &r.inlineID, &meta, &tags, &parts, &r.version, &r.seq, &r.class, &held}, more...)
	if err := row.Scan(dest...); err != nil {
		return nil, err
	}
	r.key, r.modified, r.written, r.checksum = string(key), fromMillis(modified), time.UnixMilli(modified), parseChecksum(sum)
	err := json.Unmarshal([]byte(meta), &r.meta)
	if err == nil && tags != "" {
		err = json.Unmarshal([]byte(tags), &r.tags)
	}
	if err == nil && parts != "" {
		err = json.Unmarshal([]byte(parts), &r.parts)
	}
	if err == nil && held != "" {
		err = json.Unmarshal([]byte(held), &r.lock)
	}
	if err != nil {
		return nil, fmt.Errorf("s3: row of key %q: %w", key, err)
	}
	return &r, nil
}

// bucket is a bucket's row, without its documents.
type bucket struct {
	id           int64
	name         string
	notification string                       // JSON, may be empty
	versioning   types.BucketVersioningStatus // empty: never versioned
	lock         string                       // JSON of a bucketLock; empty: Object Lock is not enabled
}

func noSuchBucket(name string) error { return s3err.GetBucketErr(s3err.ErrNoSuchBucket, name) }

// bucketID finds a bucket for reading.
func (s *Service) bucketID(ctx context.Context, name string) (int64, error) {
	var id int64
	err := s.db.Read().QueryRowContext(requestOf(ctx).ctx, `SELECT id FROM s3_buckets WHERE name = ?`, name).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, noSuchBucket(name)
	}
	return id, err
}

// bucketTx finds a bucket inside a transaction.
func bucketTx(tx *db.Tx, name string) (bucket, error) {
	b := bucket{name: name}
	err := tx.QueryRow(`SELECT id, coalesce(notification, ''), coalesce(versioning, ''), coalesce(lock, '') FROM s3_buckets WHERE name = ?`, name).
		Scan(&b.id, &b.notification, &b.versioning, &b.lock)
	if errors.Is(err, sql.ErrNoRows) {
		return b, noSuchBucket(name)
	}
	return b, err
}

// record reads an object with its inline bytes: the current one, or the version named.
func (s *Service) record(ctx context.Context, bucketName, key, version string) (*record, error) {
	if version != "" || requestOf(ctx).emptyVersion {
		return s.recordOfVersion(ctx, bucketName, key, version)
	}
	for attempt := 1; ; attempt++ {
		row := s.db.Read().QueryRowContext(requestOf(ctx).ctx, `SELECT `+recordColumns+`, b.versioning IS NOT NULL, i.data FROM s3_buckets b
			JOIN s3_objects o ON o.bucket = b.id AND o.key = ?
			LEFT JOIN s3_inline i ON i.id = o.inline WHERE b.name = ?`, []byte(key), bucketName)
		var data []byte
		var versioned bool
		r, err := scanRecord(row, &versioned, &data)
		if errors.Is(err, sql.ErrNoRows) {
			if err := s.missing(ctx, bucketName, key); err != nil || attempt == openAttempts {
				return nil, err
			}
			continue // an older version became the current one meanwhile
		}
		if err != nil {
			return nil, err
		}
		r.inline, r.current, r.versioned = data, true, versioned
		return r, nil
	}
}

// recordTx reads the current object inside a transaction, without its bytes; nil where
// there is none.
func recordTx(tx *db.Tx, bucketID int64, key string) (*record, error) {
	r, err := scanRecord(tx.QueryRow(`SELECT `+recordColumns+` FROM s3_objects o WHERE o.bucket = ? AND o.key = ?`, bucketID, []byte(key)))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if r != nil {
		r.current = true
	}
	return r, err
}

// insertInline stores the bytes of a small content and returns the columns blob and
// inline of a row that refers to it.
func insertInline(tx *db.Tx, c content) (blob, inline any, err error) {
	switch {
	case c.blob != "":
		return c.blob, nil, nil
	case c.size == 0:
		return nil, nil, nil
	}
	res, err := tx.Exec(`INSERT INTO s3_inline (data) VALUES (?)`, c.inline)
	if err != nil {
		return nil, nil, err
	}
	id, err := res.LastInsertId()
	return nil, id, err
}

func deleteInline(tx *db.Tx, id int64) error {
	if id == 0 {
		return nil
	}
	_, err := tx.Exec(`DELETE FROM s3_inline WHERE id = ?`, id)
	return err
}

// checkKey refuses keys that S3 refuses. Everything else is a key, "..", empty
// segments and all: it never becomes a path.
func checkKey(key string) error {
	switch {
	case len(key) > maxKey:
		return s3err.GetKeyTooLongErr(int64(len(key)), maxKey)
	case key == "", !utf8.ValidString(key):
		return s3err.GetAPIError(s3err.ErrInvalidURI)
	}
	return nil
}

// jsonOrNil is the form of optional JSON columns.
func jsonOrNil[M ~map[string]string](m M) any {
	if len(m) == 0 {
		return nil
	}
	b, _ := json.Marshal(m) // a map of strings always marshals
	return string(b)
}

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// fill is a pointer to s, or nil where s is empty: no header, no element.
func fill[S ~string](s S) *S {
	if s == "" {
		return nil
	}
	return &s
}

// fillPtr is a pointer to v, or nil where v is its type's zero.
func fillPtr[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// fromMillis is the time of a row, in whole seconds, as S3 tells it everywhere:
// conditions then compare what clients saw.
func fromMillis(ms int64) time.Time { return time.UnixMilli(ms).UTC().Truncate(time.Second) }
