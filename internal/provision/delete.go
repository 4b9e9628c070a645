package provision

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tintype/tintype/internal/provision/declare"
)

// DeleteOptions say how far Delete goes.
type DeleteOptions struct {
	DryRun bool // only say what would go
	// Force names the buckets that go with all that is in them. Others go only when they are
	// empty.
	Force []string
}

// Delete takes down what Ensure made and says what it did: the notification, the topics
// with their subscriptions, the queues, and empty buckets. What does not carry our tag, or
// is used by others, is kept. An interrupted run is completed by the next.
func Delete(ctx context.Context, c Clients, spec Spec, o DeleteOptions) ([]Change, error) {
	e := &ensurer{Clients: c, spec: spec, dry: true}
	if err := e.run(ctx, step{"delete: find the queues", e.locate}); err != nil {
		return nil, err
	}
	e.dry = o.DryRun
	st := e.stack
	steps := []step{{"delete event notification of bucket " + st.Uploads.Name, e.dropNotification}}
	for _, t := range st.Topics() {
		steps = append(steps, step{"delete topic " + t.Name, func(ctx context.Context) error { return e.dropTopic(ctx, t) }})
	}
	// The dead-letter queue last: until then it takes what the other cannot keep.
	for _, q := range []declare.Queue{st.Queue, st.DeadLetterQueue} {
		steps = append(steps, step{"delete queue " + q.Name, func(ctx context.Context) error { return e.dropQueue(ctx, q) }})
	}
	for _, b := range st.Buckets() {
		steps = append(steps, step{"delete bucket " + b.Name, func(ctx context.Context) error { return e.dropBucket(ctx, b, slices.Contains(o.Force, b.Name)) }})
	}
	err := e.run(ctx, steps...)
	return e.changes, err
}

// notOurs is why a resource without our tag is kept.
func notOurs(tags map[string]string) string {
	if tags[declare.TagKey] == declare.TagValue {
		return ""
	}
	return fmt.Sprintf("it has no tag %s=%s: if it is Tintype's, `tintype provision` puts it there", declare.TagKey, declare.TagValue)
}

// dropped deletes unless there is a reason not to.
func (e *ensurer) dropped(ctx context.Context, resource, keep string, remove func(context.Context) error) error {
	if keep != "" {
		e.did(Kept, keep, "%s", resource)
		return nil
	}
	if !e.dry {
		if err := remove(ctx); err != nil {
			return err
		}
	}
	e.did(Deleted, "", "%s", resource)
	return nil
}

func (e *ensurer) dropNotification(ctx context.Context) error {
	n := e.stack.Notification
	have, err := e.S3.GetBucketNotificationConfiguration(ctx, &s3.GetBucketNotificationConfigurationInput{Bucket: &n.Bucket})
	if isBucketGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	left := slices.DeleteFunc(slices.Clone(have.TopicConfigurations), func(t types.TopicConfiguration) bool { return aws.ToString(t.TopicArn) == n.TopicARN })
	if len(left) == len(have.TopicConfigurations) {
		return nil
	}
	return e.dropped(ctx, fmt.Sprintf("event notification of bucket %s to topic %s", n.Bucket, n.Topic), "", func(ctx context.Context) error {
		return e.putNotification(ctx, n.Bucket, &types.NotificationConfiguration{
			EventBridgeConfiguration: have.EventBridgeConfiguration, LambdaFunctionConfigurations: have.LambdaFunctionConfigurations,
			QueueConfigurations: have.QueueConfigurations, TopicConfigurations: left,
		})
	})
}

func (e *ensurer) dropTopic(ctx context.Context, t declare.Topic) error {
	tags, err := e.SNS.ListTagsForResource(ctx, &sns.ListTagsForResourceInput{ResourceArn: &t.ARN})
	if isTopicGone(err) || code(err) == "ResourceNotFoundException" || code(err) == "ResourceNotFound" {
		return nil
	}
	if err != nil {
		return err
	}
	there := map[string]string{}
	for _, tag := range tags.Tags {
		there[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	keep := notOurs(there)
	if keep == "" {
		subs, err := e.subscribed(ctx, t.ARN)
		if err != nil {
			return err
		}
		for s := range subs {
			// People's subscriptions by mail are for what ends here; programs may rely on it.
			if !strings.HasPrefix(s, "email ") && s != "sqs "+e.stack.Queue.ARN && !strings.HasPrefix(s, "sqs "+e.spec.QueueARN(declare.WebQueuePrefix)) {
				keep = "others are subscribed to it: " + s
			}
		}
	}
	return e.dropped(ctx, "topic "+t.Name, keep, func(ctx context.Context) error {
		_, err := e.SNS.DeleteTopic(ctx, &sns.DeleteTopicInput{TopicArn: &t.ARN})
		return err
	})
}

func (e *ensurer) dropQueue(ctx context.Context, q declare.Queue) error {
	queueURL, _, err := e.findQueue(ctx, q.Name)
	if isQueueGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	tags, err := e.SQS.ListQueueTags(ctx, &sqs.ListQueueTagsInput{QueueUrl: &queueURL})
	if err != nil {
		return err
	}
	keep := notOurs(tags.Tags)
	if keep == "" && q.Name == e.spec.DeadLetterQueue {
		sources, err := e.SQS.ListDeadLetterSourceQueues(ctx, &sqs.ListDeadLetterSourceQueuesInput{QueueUrl: &queueURL})
		if err != nil {
			return err
		}
		for _, s := range sources.QueueUrls {
			if !strings.HasSuffix(s, "/"+e.spec.Queue) {
				keep = "it is the dead-letter queue of another: " + s
			}
		}
	}
	return e.dropped(ctx, "queue "+q.Name, keep, func(ctx context.Context) error {
		_, err := e.SQS.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &queueURL})
		return err
	})
}

func (e *ensurer) dropBucket(ctx context.Context, b declare.Bucket, force bool) error {
	if _, err := e.S3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &b.Name}); err != nil {
		if isBucketGone(err) {
			return nil
		}
		return err
	}
	have, err := e.S3.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: &b.Name})
	if err != nil && code(err) != "NoSuchTagSet" {
		return err
	}
	tags := map[string]string{}
	if err == nil {
		for _, t := range have.TagSet {
			tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
		}
	}
	// Old versions and delete markers count as well: a bucket with these is not empty.
	some, err := e.S3.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: &b.Name, MaxKeys: aws.Int32(1), EncodingType: types.EncodingTypeUrl})
	if err != nil {
		return err
	}
	keep := notOurs(tags)
	if keep == "" && !force && len(some.Versions)+len(some.DeleteMarkers) > 0 {
		keep = "it is not empty; --force " + b.Name + " deletes it with all that is in it"
	}
	return e.dropped(ctx, "bucket "+b.Name, keep, func(ctx context.Context) error {
		if force {
			if err := e.empty(ctx, b.Name); err != nil {
				return err
			}
		}
		_, err := e.S3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &b.Name})
		return err
	})
}

// empty deletes every version of every object. What is deleted does not come in the next
// listing, so that each begins anew.
func (e *ensurer) empty(ctx context.Context, bucket string) error {
	for {
		// Encoded, because a listing is XML, which cannot carry every key; one by one, because
		// so is the list of a batch.
		page, err := e.S3.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: &bucket, EncodingType: types.EncodingTypeUrl})
		if err != nil {
			return err
		}
		type version struct{ key, id *string }
		var all []version
		for _, v := range page.Versions {
			all = append(all, version{v.Key, v.VersionId})
		}
		for _, m := range page.DeleteMarkers {
			all = append(all, version{m.Key, m.VersionId})
		}
		if len(all) == 0 {
			return nil
		}
		for _, v := range all {
			key := aws.ToString(v.key)
			if page.EncodingType == types.EncodingTypeUrl {
				if key, err = url.QueryUnescape(key); err != nil {
					return fmt.Errorf("the listing holds a key that cannot be decoded: %w", err)
				}
			}
			if _, err := e.S3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: &key, VersionId: v.id}); err != nil {
				return err
			}
		}
	}
}
