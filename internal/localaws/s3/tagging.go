package s3

import (
	"context"
	"errors"

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
	requestOf(ctx).tell("x-amz-version-id", r.versionID())
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
