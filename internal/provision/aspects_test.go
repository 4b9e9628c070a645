package provision_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/awstest"
	"github.com/tintype/tintype/internal/provision"
	"github.com/tintype/tintype/internal/provision/declare"
)

// planned checks that a dry run says what a run would do, and does nothing.
func planned(t *testing.T, c provision.Clients) {
	_, changes, err := provision.Check(t.Context(), c, spec())
	if err != nil {
		t.Fatal(err)
	}
	actions := actionsOf(changes)
	all(t, actions, provision.Created)
	if len(actions) != 9 {
		t.Errorf("%d planned: %v", len(actions), actions)
	}
	if queues, err := c.SQS.ListQueues(t.Context(), &sqs.ListQueuesInput{}); err != nil || len(queues.QueueUrls) > 0 {
		t.Errorf("a dry run left queues %v, %v", queues.QueueUrls, err)
	}
	if buckets, err := c.S3.ListBuckets(t.Context(), &s3.ListBucketsInput{}); err != nil || len(buckets.Buckets) > 0 {
		t.Errorf("a dry run left buckets %v, %v", buckets.Buckets, err)
	}
}

// configured asks the services themselves what is there.
func configured(t *testing.T, c provision.Clients, s provision.Spec) {
	ctx := t.Context()
	for _, name := range []string{s.UploadsBucket, s.ResultsBucket} {
		block, err := c.S3.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: &name})
		if err != nil || !aws.ToBool(block.PublicAccessBlockConfiguration.RestrictPublicBuckets) || !aws.ToBool(block.PublicAccessBlockConfiguration.BlockPublicPolicy) {
			t.Errorf("%s: public access block %+v, %v", name, block, err)
		}
		enc, err := c.S3.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: &name})
		if err != nil {
			t.Fatal(err)
		}
		if d := enc.ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault; d.SSEAlgorithm != s3types.ServerSideEncryptionAes256 {
			t.Errorf("%s: encrypted with %s", name, d.SSEAlgorithm)
		}
		life, err := c.S3.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: &name})
		if err != nil {
			t.Fatal(err)
		}
		days := map[string]int32{}
		for _, r := range life.Rules {
			if r.AbortIncompleteMultipartUpload != nil {
				days["abort"] = *r.AbortIncompleteMultipartUpload.DaysAfterInitiation
			}
			if r.Expiration != nil {
				days[*r.Filter.Prefix] = *r.Expiration.Days
			}
		}
		if days["abort"] != 7 || name == s.ResultsBucket && days[".tintype/attempts/"] != 15 || name == s.UploadsBucket && len(days) != 1 {
			t.Errorf("%s: lifecycle %v", name, days)
		}
		tags, err := c.S3.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: &name})
		if err != nil || len(tags.TagSet) != 1 || *tags.TagSet[0].Key != declare.TagKey {
			t.Errorf("%s: tags %v, %v", name, tags, err)
		}
	}
	url, err := c.SQS.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &s.DeadLetterQueue})
	if err != nil {
		t.Fatal(err)
	}
	attrs, err := c.SQS.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: url.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{"All"}})
	if err != nil || attrs.Attributes["MessageRetentionPeriod"] != "1209600" || attrs.Attributes["SqsManagedSseEnabled"] != "true" {
		t.Errorf("dead-letter queue: %v, %v", attrs, err)
	}
	tags, err := c.SQS.ListQueueTags(ctx, &sqs.ListQueueTagsInput{QueueUrl: url.QueueUrl})
	if err != nil || tags.Tags[declare.TagKey] != declare.TagValue {
		t.Errorf("dead-letter queue: tags %v, %v", tags, err)
	}
}

// TestForeignConfigurationStays puts beside each thing of ours one of somebody else's.
func TestForeignConfigurationStays(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		ctx, c := t.Context(), clients(endpoint)
		res, _ := ensure(t, c, spec())
		bucket := aws.String(spec().ResultsBucket)
		if _, err := c.S3.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{Bucket: bucket, LifecycleConfiguration: &s3types.BucketLifecycleConfiguration{
			Rules: []s3types.LifecycleRule{{ID: aws.String("theirs"), Status: "Enabled", Filter: &s3types.LifecycleRuleFilter{Prefix: aws.String("old/")}, Expiration: &s3types.LifecycleExpiration{Days: aws.Int32(3)}}},
		}}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.S3.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{Bucket: bucket, Tagging: &s3types.Tagging{TagSet: []s3types.Tag{{Key: aws.String("team"), Value: aws.String("x")}}}}); err != nil {
			t.Fatal(err)
		}
		theirs := `{"Version":"2012-10-17","Statement":[{"Sid":"theirs","Effect":"Allow","Principal":{"AWS":"` + res.Account + `"},"Action":"sqs:ReceiveMessage","Resource":"` + res.QueueARN + `"}]}`
		if _, err := c.SQS.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: &res.QueueURL, Attributes: map[string]string{"Policy": theirs}}); err != nil {
			t.Fatal(err)
		}
		topic := `{"Version":"2012-10-17","Statement":[{"Sid":"theirs","Effect":"Allow","Principal":{"AWS":"` + res.Account + `"},"Action":"sns:Subscribe","Resource":"` + res.UploadTopicARN + `"}]}`
		if _, err := c.SNS.SetTopicAttributes(ctx, &sns.SetTopicAttributesInput{TopicArn: &res.UploadTopicARN, AttributeName: aws.String("Policy"), AttributeValue: &topic}); err != nil {
			t.Fatal(err)
		}
		_, changes, err := provision.Ensure(ctx, c, spec())
		if err != nil {
			t.Fatal(err)
		}
		said := map[string]string{}
		for _, ch := range changes {
			if ch.Action == provision.Updated && ch.Detail != unknownToMoto {
				said[ch.Resource] = ch.Detail
			}
		}
		if len(said) != 3 || said["bucket tintype-results"] != "lifecycle, tags" || said["topic uploadnotification"] != "policy" || said["policy of queue ImageApp"] != declare.SidTopicMaySend {
			t.Errorf("updated: %v", said)
		}
		life, err := c.S3.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: bucket})
		if err != nil || len(life.Rules) != 4 {
			t.Errorf("lifecycle: %+v, %v", life, err)
		}
		tags, err := c.S3.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: bucket})
		if err != nil || len(tags.TagSet) != 2 {
			t.Errorf("tags: %+v, %v", tags, err)
		}
		q, err := c.SQS.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &res.QueueURL, AttributeNames: []sqstypes.QueueAttributeName{"Policy"}})
		if err != nil || !strings.Contains(q.Attributes["Policy"], `"theirs"`) || !strings.Contains(q.Attributes["Policy"], declare.SidTopicMaySend) {
			t.Errorf("policy: %v, %v", q, err)
		}
		_, actions := ensure(t, c, spec())
		all(t, actions, provision.Unchanged)
	})
}

// TestTLSAndKey declares what only AWS itself needs: moto keeps it and asks for nothing.
// Whenever an attribute of a queue is set, moto forgets the queue's policy: the next run
// puts it right.
func TestTLSAndKey(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		if strings.HasSuffix(t.Name(), "/embedded") {
			t.Skip("it speaks plain HTTP, which these policies refuse")
		}
		ctx, c, s := t.Context(), clients(endpoint), spec()
		s.PlainHTTP = false
		res, _ := ensure(t, c, s)
		s.KMSKey = "arn:aws:kms:us-east-1:" + res.Account + ":key/1234abcd-12ab-34cd-56ef-1234567890ab"
		_, actions := ensure(t, c, s)
		all(t, actions, provision.Unchanged, "bucket", "queue", "topic", "policy of queue")
		_, actions = ensure(t, c, s)
		all(t, actions, provision.Unchanged, "policy of queue ImageApp-dlq")
		for _, name := range []string{s.UploadsBucket, s.ResultsBucket} {
			p, err := c.S3.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &name})
			if err != nil || !strings.Contains(aws.ToString(p.Policy), "aws:SecureTransport") {
				t.Errorf("%s: %v, %v", name, p, err)
			}
			enc, err := c.S3.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: &name})
			if err != nil || aws.ToString(enc.ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault.KMSMasterKeyID) != s.KMSKey {
				t.Errorf("%s: %v, %v", name, enc, err)
			}
		}
		for _, topic := range []string{res.UploadTopicARN, res.CompletionTopicARN} {
			a, err := c.SNS.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &topic})
			if err != nil || a.Attributes["KmsMasterKeyId"] != s.KMSKey || !strings.Contains(a.Attributes["Policy"], "aws:SecureTransport") || strings.Contains(a.Attributes["Policy"], "__default_statement") {
				t.Errorf("%s: %v, %v", topic, a, err)
			}
		}
		for _, url := range []string{res.QueueURL, res.DeadLetterQueueURL} {
			a, err := c.SQS.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{"All"}})
			if err != nil || a.Attributes["KmsMasterKeyId"] != s.KMSKey || !strings.Contains(a.Attributes["Policy"], "aws:SecureTransport") {
				t.Errorf("%s: %v, %v", url, a, err)
			}
		}
		// Without the option, what is encrypted with somebody's key stays so.
		s.KMSKey = ""
		_, actions = ensure(t, c, s)
		all(t, actions, provision.Unchanged, "policy of queue ImageApp-dlq")
	})
}

// The queue's visibility timeout is set where it is asked for, and left alone where it is not.
func TestQueueVisibility(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		c, s := clients(endpoint), spec()
		res, _ := ensure(t, c, s)
		visibility := func() string {
			t.Helper()
			a, err := c.SQS.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &res.QueueURL, AttributeNames: []sqstypes.QueueAttributeName{"VisibilityTimeout"}})
			if err != nil {
				t.Fatal(err)
			}
			return a.Attributes["VisibilityTimeout"]
		}
		if v := visibility(); v != "30" {
			t.Errorf("%s s by default, want 30", v)
		}
		s.QueueVisibility = "720"
		ensure(t, c, s)
		if v := visibility(); v != "720" {
			t.Errorf("%s s, want 720", v)
		}
		s.QueueVisibility = ""
		ensure(t, c, s)
		if v := visibility(); v != "720" {
			t.Errorf("%s s without being asked, want the 720 that were there", v)
		}
	})
}
