package s3

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/s3api/controllers"
	"github.com/versity/versitygw/s3err"

	"github.com/tintype/tintype/internal/localaws/db"
)

// GetObjectTagging reads the tags of an object, or of a version.
func (s store) GetObjectTagging(ctx context.Context, bucketName, key, version string) (map[string]string, error) {
	r, err := s.record(ctx, bucketName, key, version)
	var absent noSuchKeyError
	switch {
	case errors.As(err, &absent) && absent.marker != nil:
		return nil, refuseMarker(ctx, absent.marker)
	case errors.As(err, &absent):
		absent.key = bucketName + "/" + key // so S3 says it here, and only here
		return nil, absent
	case err != nil:
		return nil, err
	}
	req := requestOf(ctx)
	req.tell("x-amz-version-id", r.versionID())
	d := newDocument("Tagging")
	d.begin("TagSet")
	for _, k := range slices.Sorted(maps.Keys(r.tags)) {
		d.begin("Tag")
		d.put("Key", k)
		d.put("Value", r.tags[k])
		d.end("Tag")
	}
	d.end("TagSet")
	d.end("Tagging")
	req.answer = d.Bytes()
	return r.tags, nil
}

// PutObjectTagging replaces the tags of an object, or of a version.
func (s store) PutObjectTagging(ctx context.Context, bucketName, key, version string, tags map[string]string) error {
	return s.setTags(ctx, bucketName, key, version, tags, "ObjectTagging:Put")
}

// DeleteObjectTagging removes them.
func (s store) DeleteObjectTagging(ctx context.Context, bucketName, key, version string) error {
	return s.setTags(ctx, bucketName, key, version, nil, "ObjectTagging:Delete")
}

func (s *Service) setTags(ctx context.Context, bucketName, key, version string, tags map[string]string, event string) error {
	var r *record
	err := s.update(ctx, func(tx *db.Tx) error {
		b, err := bucketTx(tx, bucketName)
		if err != nil {
			return err
		}
		if r, err = s.objectTx(ctx, tx, b, key, version); err != nil {
			return err
		}
		if err := setColumn(tx, b, r, setTagsQueries, jsonOrNil(tags)); err != nil {
			return err
		}
		return s.notify(ctx, tx, b, change{event: event, key: key, size: -1, etag: r.etag, version: r.version, when: s.opts.Now()}, nil)
	})
	if err == nil {
		requestOf(ctx).tell("x-amz-version-id", r.versionID())
	}
	return err
}

// The queries that set one column of a version, in s3_objects and in s3_versions.
var (
	setTagsQueries = [2]string{`UPDATE s3_objects SET tags = ? WHERE bucket = ? AND key = ? AND seq = ?`, `UPDATE s3_versions SET tags = ? WHERE bucket = ? AND key = ? AND seq = ?`}
	setLockQueries = [2]string{`UPDATE s3_objects SET lock = ? WHERE bucket = ? AND key = ? AND seq = ?`, `UPDATE s3_versions SET lock = ? WHERE bucket = ? AND key = ? AND seq = ?`}
)

func setColumn(tx *db.Tx, b bucket, r *record, queries [2]string, value any) error {
	query := queries[1]
	if r.current {
		query = queries[0]
	}
	_, err := tx.Exec(query, value, b.id, []byte(r.key), r.seq)
	return err
}

// maxObjectTags is how many tags an object has at most.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
const maxObjectTags = 10

// putTags reads the tags itself, because the library counts bytes where S3 counts
// characters.
func (t *table) putTags(c fiber.Ctx) (*controllers.Response, error) {
	ctx, name := c.RequestCtx(), c.Params("bucket")
	tags, err := parseTagDoc(c.BodyRaw())
	if err != nil {
		return &controllers.Response{}, err
	}
	return &controllers.Response{}, t.be.PutObjectTagging(ctx, name, keyOf(c), c.Query("versionId"), tags)
}

// parseTagDoc reads the document Tagging.
func parseTagDoc(body []byte) (map[string]string, error) {
	var in struct {
		TagSet *struct {
			Tag []struct{ Key, Value *string }
		}
	}
	if err := decodeXML(body, "Tagging", &in); err != nil {
		return nil, err
	}
	if in.TagSet == nil {
		return nil, nil
	}
	tags := make(map[string]string, len(in.TagSet.Tag))
	for _, one := range in.TagSet.Tag {
		if one.Key == nil || one.Value == nil {
			return nil, malformedXML()
		}
		if err := checkTag(*one.Key, *one.Value); err != nil {
			return nil, err
		}
		if _, twice := tags[*one.Key]; twice {
			return nil, failure(http.StatusBadRequest, "InvalidTag", "Cannot provide multiple Tags with the same key", "TagKey", *one.Key)
		}
		tags[*one.Key] = *one.Value
	}
	return tags, limitTags(tags)
}

func limitTags(tags map[string]string) error {
	if len(tags) > maxObjectTags {
		return s3err.GetAPIError(s3err.ErrObjectTaggingLimited)
	}
	return nil
}

// checkTag refuses tags that S3 refuses.
func checkTag(key, value string) error {
	switch {
	case strings.HasPrefix(key, "aws:"):
		return failure(http.StatusBadRequest, "InvalidTag", "Your TagKey cannot be prefixed with aws:", "TagKey", key)
	case key == "", utf8.RuneCountInString(key) > 128, !tagCharacters(key):
		return failure(http.StatusBadRequest, "InvalidTag", "The TagKey you have provided is invalid", "TagKey", key)
	case utf8.RuneCountInString(value) > 256, !tagCharacters(value):
		return failure(http.StatusBadRequest, "InvalidTag", "The TagValue you have provided is invalid", "TagKey", key, "TagValue", value)
	}
	return nil
}

// tagCharacters says whether text has only characters that tags may have.
func tagCharacters(text string) bool {
	for _, r := range text {
		if !unicode.In(r, unicode.L, unicode.Z, unicode.N) && !strings.ContainsRune("_.:/=+-@", r) {
			return false
		}
	}
	return utf8.ValidString(text)
}

// parseTags reads tags in the form of a query, as the header x-amz-tagging has them.
func parseTags(q *string) (map[string]string, error) {
	query := deref(q)
	if query == "" {
		return nil, nil
	}
	bad := invalidArgument("x-amz-tagging", query, "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
	tags := map[string]string{}
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		k, v, _ := strings.Cut(pair, "=")
		if strings.Contains(v, "=") {
			return nil, bad
		}
		key, kerr := url.QueryUnescape(k)
		value, verr := url.QueryUnescape(v)
		if _, twice := tags[key]; twice || kerr != nil || verr != nil || key == "" {
			return nil, bad
		}
		if err := checkTag(key, value); err != nil {
			return nil, err
		}
		tags[key] = value
	}
	return tags, limitTags(tags)
}
