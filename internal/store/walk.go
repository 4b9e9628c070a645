package store

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/tintype/tintype/internal/fault"
)

// Object is one object of a bucket, as a listing tells of it.
type Object struct {
	Key          string
	Size         int64  // bytes
	ETag         string // without quotes
	LastModified time.Time
	// Archived says that the object lies in a storage class that cannot be read at once.
	// Whether it has been restored for a while only Stat knows.
	Archived bool
}

// Walk yields every object of a bucket under prefix whose key is greater than after, in
// ascending order of keys (by bytes), with one request for every thousand. The error that
// ends it early is the last thing it yields.
func (s *Store) Walk(ctx context.Context, w Which, prefix, after string) iter.Seq2[Object, error] {
	return s.objects(ctx, s.Bucket(w), prefix, after, 0)
}

// objects yields every object under prefix whose key is greater than after. Page is how
// many are asked for at a time, 0 for S3's own 1,000.
func (s *Store) objects(ctx context.Context, bucket, prefix, after string, page int32) iter.Seq2[Object, error] {
	op := "list s3://" + bucket + "/" + prefix
	return func(yield func(Object, error) bool) {
		in := &s3.ListObjectsV2Input{
			Bucket: &bucket,
			// Keys may hold characters that XML cannot.
			EncodingType: types.EncodingTypeUrl,
		}
		if prefix != "" {
			in.Prefix = &prefix
		}
		if after != "" {
			in.StartAfter = &after
		}
		if page > 0 {
			in.MaxKeys = &page
		}
		for {
			out, err := s.client.ListObjectsV2(ctx, in)
			if err != nil {
				yield(Object{}, classify(op, err))
				return
			}
			for _, o := range out.Contents {
				key := aws.ToString(o.Key)
				if out.EncodingType == types.EncodingTypeUrl {
					if key, err = url.QueryUnescape(key); err != nil {
						yield(Object{}, classify(op, fmt.Errorf("the listing holds a key that cannot be decoded: %w", err)))
						return
					}
				}
				if !yield(Object{
					Key: key, Size: aws.ToInt64(o.Size), ETag: bareETag(aws.ToString(o.ETag)), LastModified: aws.ToTime(o.LastModified),
					Archived: archived(string(o.StorageClass)),
				}, nil) {
					return
				}
			}
			if !aws.ToBool(out.IsTruncated) || aws.ToString(out.NextContinuationToken) == "" {
				return
			}
			in.ContinuationToken = out.NextContinuationToken
		}
	}
}

// archived reports whether objects of a storage class must be restored before they can be
// read: https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects.html
func archived(class string) bool {
	return class == string(types.StorageClassGlacier) || class == string(types.StorageClassDeepArchive)
}

// unreadableNow reports whether an object lies in an archive and is not restored.
func unreadableNow(head *s3.HeadObjectOutput) bool {
	if !archived(string(head.StorageClass)) && head.ArchiveStatus == "" {
		return false
	}
	return !strings.Contains(aws.ToString(head.Restore), `ongoing-request="false"`)
}

// OpenResult opens an object of the results bucket; the caller closes it. ErrNotFound where
// there is none.
func (s *Store) OpenResult(ctx context.Context, key string) (io.ReadCloser, error) {
	op := "read s3://" + s.opts.ResultsBucket + "/" + key
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.opts.ResultsBucket, Key: &key})
	if err != nil {
		if is404(err) {
			return nil, sentinel(op, ErrNotFound, fault.CodeNotFound, "there is no such object", err)
		}
		return nil, classify(op, err)
	}
	return &classifiedBody{ReadCloser: out.Body, op: op}, nil
}
