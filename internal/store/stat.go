package store

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/tintype/tintype/internal/fault"
)

// Stat is OpenSource without the bytes: everything that is known of the original at
// key, Body nil. ErrNotFound where there is none.
func (s *Store) Stat(ctx context.Context, key string) (*Source, error) {
	op := "look at s3://" + s.opts.UploadsBucket + "/" + key
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.opts.UploadsBucket, Key: &key})
	if err != nil {
		if is404(err) {
			return nil, sentinel(op, ErrNotFound, fault.CodeNotFound, "there is no such image", err)
		}
		return nil, ofThisObject(op, err)
	}
	src := &Source{
		Size:         aws.ToInt64(out.ContentLength),
		ETag:         bareETag(aws.ToString(out.ETag)),
		VersionID:    realVersion(aws.ToString(out.VersionId)),
		ContentType:  aws.ToString(out.ContentType),
		LastModified: aws.ToTime(out.LastModified),
		Archived:     unreadableNow(out),
	}
	src.Recipe, src.Params, src.MetaErr = decodeMeta(out.Metadata)
	return src, nil
}
