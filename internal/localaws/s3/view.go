package s3

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/s3err"
)

// ErrNoView is what the views answer, wrapped, for a bucket or object that does not
// exist.
var ErrNoView = errors.New("s3: no such bucket or object")

// BucketView is a bucket as the console shows it.
type BucketView struct {
	Bucket
	Policy     string // JSON; empty: none
	CORS       string // XML; empty: none
	Ownership  string
	Versioning string // "Enabled", "Suspended"; empty: never versioned
	Tags       map[string]string
}

// ObjectLine is an object, or a common prefix of several, in a list.
type ObjectLine struct {
	Key      string
	Prefix   bool
	Size     int64
	ETag     string
	Modified time.Time
}

// VersionLine is a version of an object, or a delete marker.
type VersionLine struct {
	ID       string
	Size     int64
	ETag     string
	Modified time.Time
	Latest   bool
	Marker   bool // a delete marker
}

// ObjectView is an object as the console shows it. Body is closed by the caller.
type ObjectView struct {
	ContentType string
	Size        int64
	ETag        string
	Version     string
	Modified    time.Time
	Headers     map[string]string // what else was stored with it: "Cache-Control"
	Metadata    map[string]string // the user's
	Tags        map[string]string
	Parts       int
	Body        io.ReadCloser // nil where only the description was asked for
}

const selectBuckets = `SELECT name, created, objects, bytes, coalesce(notification, '') FROM s3_buckets `

// BucketPage returns buckets whose names contain a text, by name: those after one of
// them, at most limit, and whether there are more.
func (s *Service) BucketPage(ctx context.Context, contains, after string, limit int) (page []Bucket, more bool, err error) {
	page, err = s.someBuckets(ctx, selectBuckets+`WHERE name > ?1 AND (?2 = '' OR instr(name, lower(?2)) > 0) ORDER BY name LIMIT ?3`, after, contains, limit+1)
	if len(page) > limit {
		page, more = page[:limit], true
	}
	return page, more, err
}

// Notifying returns the buckets that tell somebody of their events, by name, at most
// limit.
func (s *Service) Notifying(ctx context.Context, limit int) ([]Bucket, error) {
	return s.someBuckets(ctx, selectBuckets+`WHERE notification IS NOT NULL ORDER BY name LIMIT ?`, limit)
}

func (s *Service) someBuckets(ctx context.Context, query string, args ...any) (list []Bucket, err error) {
	rows, err := s.db.Read().QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list buckets: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var b Bucket
		var created int64
		var doc string
		if err := rows.Scan(&b.Name, &created, &b.Objects, &b.Bytes, &doc); err != nil {
			return nil, fmt.Errorf("list buckets: %w", err)
		}
		b.Created = time.UnixMilli(created).UTC()
		if b.Notification, err = decodeDestinations(doc); err != nil {
			return nil, err
		}
		list = append(list, b)
	}
	return list, rows.Err()
}

// Totals returns how many buckets and objects there are, and the objects' bytes.
func (s *Service) Totals(ctx context.Context) (buckets, objects, size int64, err error) {
	err = s.db.Read().QueryRowContext(ctx, `SELECT count(*), coalesce(sum(objects), 0), coalesce(sum(bytes), 0) FROM s3_buckets`).Scan(&buckets, &objects, &size)
	return buckets, objects, size, err
}

// BucketView returns one bucket with its documents.
func (s *Service) BucketView(ctx context.Context, name string) (v BucketView, err error) {
	var policy, cors []byte
	var ownership, tags, versioning sql.NullString
	err = s.db.Read().QueryRowContext(ctx, `SELECT policy, cors, ownership, tags, versioning FROM s3_buckets WHERE name = ?`, name).Scan(&policy, &cors, &ownership, &tags, &versioning)
	if errors.Is(err, sql.ErrNoRows) {
		return v, fmt.Errorf("bucket %s: %w", name, ErrNoView)
	}
	if err != nil {
		return v, fmt.Errorf("read bucket %s: %w", name, err)
	}
	list, err := s.someBuckets(ctx, selectBuckets+`WHERE name = ?`, name)
	if err != nil || len(list) == 0 {
		return v, errors.Join(err, fmt.Errorf("bucket %s: %w", name, ErrNoView))
	}
	v = BucketView{Bucket: list[0], Policy: string(policy), CORS: string(cors), Ownership: ownership.String, Versioning: versioning.String}
	if tags.String != "" {
		if err := json.Unmarshal([]byte(tags.String), &v.Tags); err != nil {
			return v, fmt.Errorf("tags of bucket %s: %w", name, err)
		}
	}
	return v, nil
}

// ObjectPage lists a bucket's keys that begin with prefix, those up to the next "/" as
// one: at most limit of them after the place where another page ended. It costs about
// as much as it returns, however many keys there are.
func (s *Service) ObjectPage(ctx context.Context, bucket, prefix, after string, limit int) (page []ObjectLine, next string, err error) {
	delimiter, most := "/", int32(limit)
	out, err := s.objectsV2(ctx, &awss3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix, Delimiter: &delimiter, StartAfter: &after, MaxKeys: &most})
	if err != nil {
		return nil, "", unseen(err)
	}
	for _, e := range out.entries {
		page = append(page, ObjectLine{Key: e.key, Prefix: e.prefix, Size: e.size, ETag: e.etag, Modified: e.modified})
	}
	if out.truncated {
		next = out.last()
	}
	return page, next, nil
}

// Versions lists the versions of one key, latest first, at most limit.
func (s *Service) Versions(ctx context.Context, bucket, key string, limit int) (list []VersionLine, more bool, err error) {
	most := int32(limit)
	out, err := s.versions(ctx, &awss3.ListObjectVersionsInput{Bucket: &bucket, Prefix: &key, MaxKeys: &most})
	if err != nil {
		return nil, false, unseen(err)
	}
	for _, v := range out.Versions {
		if string(v.Key) == key {
			list = append(list, VersionLine{
				ID: v.VersionID, Size: deref(v.Size), ETag: v.ETag, Modified: time.Time(v.LastModified), Latest: v.IsLatest, Marker: v.XMLName.Local == "DeleteMarker",
			})
		}
	}
	return list, out.IsTruncated && len(list) == limit, nil
}

// Object describes an object, or that version of it; version may be empty.
func (s *Service) Object(ctx context.Context, bucket, key, version string) (*ObjectView, error) {
	return s.objectView(ctx, bucket, key, version, false)
}

// OpenObject is Object with the bytes.
func (s *Service) OpenObject(ctx context.Context, bucket, key, version string) (*ObjectView, error) {
	return s.objectView(ctx, bucket, key, version, true)
}

func (s *Service) objectView(ctx context.Context, bucket, key, version string, open bool) (*ObjectView, error) {
	if checkKey(key) != nil || checkVersion(ctx, version) != nil {
		return nil, fmt.Errorf("key %q, version %q: %w", key, version, ErrNoView)
	}
	in := &awss3.GetObjectInput{Bucket: &bucket, Key: &key, VersionId: fill(version)}
	out, err := store{Service: s}.GetObject(ctx, in)
	if err != nil {
		return nil, unseen(err)
	}
	v := &ObjectView{
		ContentType: deref(out.ContentType), Size: deref(out.ContentLength), ETag: deref(out.ETag), Version: deref(out.VersionId),
		Modified: deref(out.LastModified), Metadata: out.Metadata, Parts: int(deref(out.PartsCount)), Headers: map[string]string{}, Body: out.Body,
	}
	for name, value := range map[string]*string{
		"Cache-Control": out.CacheControl, "Content-Disposition": out.ContentDisposition, "Content-Encoding": out.ContentEncoding,
		"Content-Language": out.ContentLanguage, "Expires": out.ExpiresString, "x-amz-website-redirect-location": out.WebsiteRedirectLocation,
	} {
		if deref(value) != "" {
			v.Headers[name] = *value
		}
	}
	if !open {
		v.Body = nil
		if err := out.Body.Close(); err != nil {
			return nil, fmt.Errorf("close object: %w", err)
		}
		if v.Tags, err = (store{Service: s}).GetObjectTagging(ctx, bucket, key, version); err != nil && !isCode(err, "NoSuchTagSet") {
			return nil, unseen(err)
		}
	}
	return v, nil
}

// unseen marks what is not there.
func unseen(err error) error {
	for _, code := range []string{"NoSuchBucket", "NoSuchKey", "NoSuchVersion", "MethodNotAllowed"} {
		if isCode(err, code) {
			return fmt.Errorf("%w: %w", ErrNoView, err)
		}
	}
	return err
}

func isCode(err error, code string) bool {
	var e interface{ BaseError() s3err.APIError }
	return errors.As(err, &e) && e.BaseError().Code == code
}
