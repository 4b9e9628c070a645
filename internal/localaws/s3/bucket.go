package s3

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	gateway "github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3err"

	"github.com/tintype/tintype/internal/localaws/db"
)

// store is the backend versitygw's controllers call. What it does not override
// answers NotImplemented.
type store struct {
	gateway.BackendUnsupported
	*Service
}

var _ gateway.Backend = store{}

func (store) String() string { return "tintype" }

// Shutdown does nothing: Service.Close does.
func (store) Shutdown() {}

func (s store) DeleteBucket(ctx context.Context, name string) error {
	var freed []string
	err := s.update(ctx, func(tx *db.Tx) error {
		freed = nil
		b, err := bucketTx(tx, name)
		if err != nil {
			return err
		}
		if err := emptyTx(tx, b); err != nil {
			return err
		}
		// Uploads that were never completed go with the bucket.
		ids, err := uploadsOf(tx, b.id)
		if err != nil {
			return err
		}
		for _, id := range ids {
			blobs, err := dropUpload(tx, id)
			if err != nil {
				return err
			}
			freed = append(freed, blobs...)
		}
		if _, err := tx.Exec(`DELETE FROM s3_configs WHERE bucket = ?`, b.id); err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM s3_buckets WHERE id = ?`, b.id); err != nil {
			return err
		}
		s.forget(tx, name)
		return nil
	})
	if err == nil {
		s.blobs.remove(freed...)
	}
	return err
}

// document reads one of a bucket's documents; missing is the answer where it is not
// set. query selects it by the bucket's name.
func (s store) document(ctx context.Context, name, query string, missing error) ([]byte, error) {
	var doc []byte
	err := s.db.Read().QueryRowContext(requestOf(ctx).ctx, query, name).Scan(&doc)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, noSuchBucket(name)
	case err != nil:
		return nil, err
	case doc == nil:
		return nil, missing
	}
	return doc, nil
}

// setDocument writes one; nil removes it. query updates it by the bucket's name.
func (s store) setDocument(ctx context.Context, name, query string, doc any) error {
	return s.update(ctx, func(tx *db.Tx) error {
		if _, err := bucketTx(tx, name); err != nil {
			return err
		}
		if _, err := tx.Exec(query, doc, name); err != nil {
			return err
		}
		s.forget(tx, name)
		return nil
	})
}

func (s store) GetBucketAcl(ctx context.Context, in *awss3.GetBucketAclInput) ([]byte, error) {
	return s.document(ctx, *in.Bucket, `SELECT acl FROM s3_buckets WHERE name = ?`, noSuchBucket(*in.Bucket))
}

func (s store) PutBucketAcl(ctx context.Context, name string, data []byte) error {
	return s.setDocument(ctx, name, `UPDATE s3_buckets SET acl = ? WHERE name = ?`, data)
}

func (s store) GetBucketPolicy(ctx context.Context, name string) ([]byte, error) {
	return s.document(ctx, name, `SELECT policy FROM s3_buckets WHERE name = ?`, noSuchPolicy(name))
}

func (s store) PutBucketPolicy(ctx context.Context, name string, policy []byte) error {
	var doc any
	if policy != nil {
		doc = policy
	}
	return s.setDocument(ctx, name, `UPDATE s3_buckets SET policy = ? WHERE name = ?`, doc)
}

func (s store) DeleteBucketPolicy(ctx context.Context, name string) error {
	return s.PutBucketPolicy(ctx, name, nil)
}

func (s store) GetBucketCors(ctx context.Context, name string) ([]byte, error) {
	return s.document(ctx, name, `SELECT cors FROM s3_buckets WHERE name = ?`, s3err.GetAPIError(s3err.ErrNoSuchCORSConfiguration))
}

func (s store) PutBucketCors(ctx context.Context, name string, cors []byte) error {
	var doc any
	if cors != nil {
		doc = cors
	}
	return s.setDocument(ctx, name, `UPDATE s3_buckets SET cors = ? WHERE name = ?`, doc)
}

func (s store) DeleteBucketCors(ctx context.Context, name string) error {
	return s.PutBucketCors(ctx, name, nil)
}

func (s store) GetBucketOwnershipControls(ctx context.Context, name string) (types.ObjectOwnership, error) {
	doc, err := s.document(ctx, name, `SELECT ownership FROM s3_buckets WHERE name = ?`, s3err.GetBucketErr(s3err.ErrOwnershipControlsNotFound, name))
	return types.ObjectOwnership(doc), err
}

func (s store) PutBucketOwnershipControls(ctx context.Context, name string, o types.ObjectOwnership) error {
	return s.setDocument(ctx, name, `UPDATE s3_buckets SET ownership = ? WHERE name = ?`, string(o))
}

func (s store) DeleteBucketOwnershipControls(ctx context.Context, name string) error {
	return s.setDocument(ctx, name, `UPDATE s3_buckets SET ownership = ? WHERE name = ?`, nil)
}

func (s store) GetBucketTagging(ctx context.Context, name string) (map[string]string, error) {
	doc, err := s.document(ctx, name, `SELECT tags FROM s3_buckets WHERE name = ?`, s3err.GetBucketErr(s3err.ErrBucketTaggingNotFound, name))
	if err != nil {
		return nil, err
	}
	var tags map[string]string
	return tags, json.Unmarshal(doc, &tags)
}

func (s store) PutBucketTagging(ctx context.Context, name string, tags map[string]string) error {
	return s.setDocument(ctx, name, `UPDATE s3_buckets SET tags = ? WHERE name = ?`, jsonOrNil(tags))
}

func (s store) DeleteBucketTagging(ctx context.Context, name string) error {
	return s.PutBucketTagging(ctx, name, nil)
}

// PutObjectAcl refuses, as S3 does for buckets whose owner owns all objects.
func (s store) PutObjectAcl(context.Context, *awss3.PutObjectAclInput) error {
	return s3err.GetAPIError(s3err.ErrAclNotSupported)
}

// Bucket is what the console shows of a bucket.
type Bucket struct {
	Name    string
	Created time.Time
	// Objects and Bytes count what is in it.
	Objects, Bytes int64
	// Notification is its notification configuration.
	Notification []Destination
}

// Buckets lists all buckets for the console, by name.
func (s *Service) Buckets(ctx context.Context) ([]Bucket, error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT name, created, objects, bytes, coalesce(notification, '') FROM s3_buckets ORDER BY name`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Bucket
	for rows.Next() {
		var b Bucket
		var created int64
		var doc string
		if err := rows.Scan(&b.Name, &created, &b.Objects, &b.Bytes, &doc); err != nil {
			return nil, err
		}
		b.Created = time.UnixMilli(created).UTC()
		if b.Notification, err = decodeDestinations(doc); err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, rows.Err()
}
