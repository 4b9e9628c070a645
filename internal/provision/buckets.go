package provision

import (
	"context"
	"errors"
	"net/http"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/tintype/tintype/internal/provision/declare"
)

// bucket makes a bucket or puts it right, all but its notification.
func (e *ensurer) bucket(ctx context.Context, b declare.Bucket) error {
	resource := "bucket " + b.Name
	isNew := false
	// HeadBucket on a bucket of somebody else is 403, on a missing one 404.
	if _, err := e.S3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &b.Name}); err != nil {
		if e.dry {
			if !isBucketGone(err) {
				return err
			}
			e.settled(resource, true, nil)
			return nil
		}
		in := &s3.CreateBucketInput{Bucket: &b.Name}
		if e.spec.Region != "us-east-1" {
			in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(e.spec.Region)}
		}
		_, err := e.S3.CreateBucket(ctx, in)
		var mine *types.BucketAlreadyOwnedByYou
		if err != nil && !errors.As(err, &mine) {
			return err
		}
		isNew = err == nil
	}
	differed, err := e.aspects(ctx, resource,
		// Closed to the public before anything else is said about it.
		aspect{"public access block", func(ctx context.Context) (func(context.Context) error, error) { return e.publicAccess(ctx, b) }},
		aspect{"encryption", func(ctx context.Context) (func(context.Context) error, error) { return e.encryption(ctx, b) }},
		aspect{"CORS", func(ctx context.Context) (func(context.Context) error, error) { return e.cors(ctx, b) }},
		aspect{"lifecycle", func(ctx context.Context) (func(context.Context) error, error) { return e.lifecycle(ctx, b) }},
		aspect{"tags", func(ctx context.Context) (func(context.Context) error, error) { return e.bucketTags(ctx, b) }},
		aspect{"policy", func(ctx context.Context) (func(context.Context) error, error) { return e.bucketPolicy(ctx, b) }},
	)
	if err != nil {
		return err
	}
	e.settled(resource, isNew, differed)
	return nil
}

func isBucketGone(err error) bool {
	var resp *awshttp.ResponseError
	return errors.As(err, &resp) && resp.HTTPStatusCode() == http.StatusNotFound
}
