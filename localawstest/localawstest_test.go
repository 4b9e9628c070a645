package localawstest_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tintype/tintype/localawstest"
)

func TestTheThreeServicesAnswer(t *testing.T) {
	srv := localawstest.New(t)
	ctx := context.Background()
	if _, err := s3.NewFromConfig(srv.Config(), func(o *s3.Options) { o.UsePathStyle = true }).CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("b")}); err == nil {
		t.Error("a bucket of one letter was created")
	}
	if _, err := s3.NewFromConfig(srv.Config(), func(o *s3.Options) { o.UsePathStyle = true }).CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("bucket")}); err != nil {
		t.Error(err)
	}
	if _, err := sns.NewFromConfig(srv.Config()).CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("t")}); err != nil {
		t.Error(err)
	}
	if _, err := sqs.NewFromConfig(srv.Config()).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("q")}); err != nil {
		t.Error(err)
	}
}

func TestWhatIsAcknowledgedIsThereForTheNext(t *testing.T) {
	srv := localawstest.New(t)
	ctx := context.Background()
	if _, err := sqs.NewFromConfig(srv.Config()).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("q")}); err != nil {
		t.Fatal(err)
	}
	srv.Stop()
	srv.Stop()
	again := localawstest.Open(t, srv.Data)
	if _, err := sqs.NewFromConfig(again.Config()).GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("q")}); err != nil {
		t.Error(err)
	}
}

// BenchmarkNew is what a test pays for an endpoint of its own, first request included.
func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		srv := localawstest.New(b)
		if _, err := sqs.NewFromConfig(srv.Config()).ListQueues(context.Background(), nil); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		srv.Stop()
		b.StartTimer()
	}
}
