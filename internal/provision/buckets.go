package provision

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// These name our configuration among what others may have on the bucket.
const (
	notificationID = "tintype-uploads"
	corsID         = "tintype-page"
)

func (e *ensurer) bucket(ctx context.Context, name string) error {
	action := Unchanged
	// HeadBucket on a bucket of somebody else is 403, on a missing one 404.
	if _, err := e.S3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &name}); err != nil {
		in := &s3.CreateBucketInput{Bucket: &name}
		if e.spec.Region != "us-east-1" {
			in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(e.spec.Region)}
		}
		_, err := e.S3.CreateBucket(ctx, in)
		var mine *types.BucketAlreadyOwnedByYou
		if err != nil && !errors.As(err, &mine) {
			return err
		}
		if err == nil {
			action = Created
		}
	}
	cors, err := e.cors(ctx, name)
	if err != nil {
		return err
	}
	if action == Unchanged {
		action = cors
	}
	e.did(action, "bucket %s", name)
	return nil
}

// cors lets the page post to the uploads bucket and read from both.
func (e *ensurer) cors(ctx context.Context, bucket string) (Action, error) {
	if len(e.spec.Origins) == 0 {
		return Unchanged, nil
	}
	methods := []string{"GET", "HEAD"}
	if bucket == e.spec.UploadsBucket {
		methods = []string{"GET", "HEAD", "POST"}
	}
	want := types.CORSRule{
		ID: aws.String(corsID), AllowedOrigins: e.spec.Origins, AllowedMethods: methods, AllowedHeaders: []string{"*"},
		ExposeHeaders: []string{"ETag"}, MaxAgeSeconds: aws.Int32(3600),
	}
	have, err := e.S3.GetBucketCors(ctx, &s3.GetBucketCorsInput{Bucket: &bucket})
	if err != nil && code(err) != "NoSuchCORSConfiguration" {
		return "", err
	}
	// What others configured on the bucket stays.
	rules := []types.CORSRule{want}
	if err == nil {
		for _, r := range have.CORSRules {
			if sameRule(r, want) {
				return Unchanged, nil
			}
			if aws.ToString(r.ID) != corsID {
				rules = append(rules, r)
			}
		}
	}
	_, err = e.S3.PutBucketCors(ctx, &s3.PutBucketCorsInput{Bucket: &bucket, CORSConfiguration: &types.CORSConfiguration{CORSRules: rules}})
	return Updated, err
}

func sameRule(a, b types.CORSRule) bool {
	return slices.Equal(a.AllowedOrigins, b.AllowedOrigins) && slices.Equal(a.AllowedMethods, b.AllowedMethods) &&
		slices.Equal(a.AllowedHeaders, b.AllowedHeaders) && slices.Equal(a.ExposeHeaders, b.ExposeHeaders)
}

// notification has S3 announce every created object on the upload topic. What
// others configured on the bucket stays.
func (e *ensurer) notification(ctx context.Context) error {
	bucket := e.spec.UploadsBucket
	have, err := e.S3.GetBucketNotificationConfiguration(ctx, &s3.GetBucketNotificationConfigurationInput{Bucket: &bucket})
	if err != nil {
		return err
	}
	conf := &types.NotificationConfiguration{
		EventBridgeConfiguration:     have.EventBridgeConfiguration,
		LambdaFunctionConfigurations: have.LambdaFunctionConfigurations,
		QueueConfigurations:          have.QueueConfigurations,
	}
	action := Created
	for _, t := range have.TopicConfigurations {
		// Ours is known by its ID or, set up by hand, by doing the same.
		switch same := aws.ToString(t.TopicArn) == e.res.UploadTopicARN && t.Filter == nil && slices.Equal(t.Events, []types.Event{types.EventS3ObjectCreated}); {
		case same:
			e.did(Unchanged, "event notification of bucket %s to topic %s", bucket, e.spec.UploadTopic)
			return nil
		case aws.ToString(t.Id) == notificationID:
			action = Updated
		default:
			conf.TopicConfigurations = append(conf.TopicConfigurations, t)
		}
	}
	conf.TopicConfigurations = append(conf.TopicConfigurations, types.TopicConfiguration{
		Id: aws.String(notificationID), TopicArn: &e.res.UploadTopicARN, Events: []types.Event{types.EventS3ObjectCreated},
	})
	if _, err := e.S3.PutBucketNotificationConfiguration(ctx, &s3.PutBucketNotificationConfigurationInput{Bucket: &bucket, NotificationConfiguration: conf}); err != nil {
		if strings.Contains(err.Error(), "overlap") || strings.Contains(err.Error(), "ambiguous") {
			return fmt.Errorf("another notification of the bucket already covers its object-created events; remove it (aws s3api get-bucket-notification-configuration --bucket %s shows it): %w", bucket, err)
		}
		return err
	}
	e.did(action, "event notification of bucket %s to topic %s", bucket, e.spec.UploadTopic)
	return nil
}

// code is the service's error code, or "".
func code(err error) string {
	var ae smithy.APIError
	if errors.As(err, &ae) {
		return ae.ErrorCode()
	}
	return ""
}
