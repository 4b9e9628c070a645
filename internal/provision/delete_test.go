package provision_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tintype/tintype/internal/awstest"
	"github.com/tintype/tintype/internal/provision"
)

// TestDelete takes everything down, but for what is not empty, not ours, or used by others.
func TestDelete(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		ctx, c := t.Context(), clients(endpoint)
		res, _ := ensure(t, c, spec())
		bucket := aws.String(spec().UploadsBucket)
		keys := []string{"a/b.jpg", "odd\x01key", "a+b &c"}
		if strings.HasSuffix(t.Name(), "/moto") {
			keys = keys[:1] // it does not encode a listing of versions
		}
		for _, key := range keys {
			if _, err := c.S3.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: strings.NewReader("x")}); err != nil {
				t.Fatal(err)
			}
		}
		other, err := c.SQS.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("other")})
		if err != nil {
			t.Fatal(err)
		}
		sub, err := c.SNS.Subscribe(ctx, &sns.SubscribeInput{TopicArn: &res.CompletionTopicARN, Protocol: aws.String("sqs"), Endpoint: aws.String(strings.Replace(res.QueueARN, "ImageApp", "other", 1))})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.S3.DeleteBucketTagging(ctx, &s3.DeleteBucketTaggingInput{Bucket: aws.String(spec().ResultsBucket)}); err != nil {
			t.Fatal(err)
		}
		del := func(o provision.DeleteOptions) map[string]provision.Action {
			t.Helper()
			changes, err := provision.Delete(ctx, c, spec(), o)
			if err != nil {
				t.Fatal(err)
			}
			return actionsOf(changes)
		}
		planned := del(provision.DeleteOptions{DryRun: true})
		_, actions := ensure(t, c, spec()) // which puts the tag back
		all(t, actions, provision.Unchanged, "bucket tintype-results")
		if _, err := c.S3.DeleteBucketTagging(ctx, &s3.DeleteBucketTaggingInput{Bucket: aws.String(spec().ResultsBucket)}); err != nil {
			t.Fatal(err)
		}
		done := del(provision.DeleteOptions{})
		for resource, want := range map[string]provision.Action{
			"event notification of bucket tintype-uploads to topic uploadnotification": provision.Deleted,
			"topic uploadnotification": provision.Deleted, "topic processingnotification": provision.Kept,
			"queue ImageApp": provision.Deleted, "queue ImageApp-dlq": provision.Deleted,
			"bucket tintype-uploads": provision.Kept, "bucket tintype-results": provision.Kept,
		} {
			if planned[resource] != want || done[resource] != want {
				t.Errorf("%s: planned %q, done %q, want %q", resource, planned[resource], done[resource], want)
			}
		}
		if _, err := c.S3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: aws.String("a/b.jpg")}); err != nil {
			t.Errorf("an object of the bucket that was kept: %v", err)
		}
		// What was in the way is gone, or named.
		if _, err := c.SNS.Unsubscribe(ctx, &sns.UnsubscribeInput{SubscriptionArn: sub.SubscriptionArn}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.SQS.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: other.QueueUrl}); err != nil {
			t.Fatal(err)
		}
		ensure(t, c, spec())
		all(t, del(provision.DeleteOptions{Force: []string{spec().UploadsBucket}}), provision.Deleted)
		if left := del(provision.DeleteOptions{}); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
		if buckets, err := c.S3.ListBuckets(ctx, &s3.ListBucketsInput{}); err != nil || len(buckets.Buckets) > 0 {
			t.Errorf("left: %v, %v", buckets.Buckets, err)
		}
	})
}
