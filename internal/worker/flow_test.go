package worker

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tintype/tintype/internal/awstest"
	"github.com/tintype/tintype/internal/queue"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// testFlow is the app tier's whole way on a real endpoint: S3's own event through SNS into
// SQS, the queue's engine, the worker, and the announcement as a web instance receives it.
func testFlow(t *testing.T, endpoint string) {
	b := newBench(t, endpoint, nil)
	cfg := awstest.Config(endpoint)
	name := "flow-" + store.NewID(time.Now())
	snsc, sqsc := sns.NewFromConfig(cfg), sqs.NewFromConfig(cfg)

	uploads, err := snsc.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String(name)})
	if err != nil {
		t.Fatal(err)
	}
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"sns:Publish","Resource":%q}]}`, *uploads.TopicArn)
	if _, err := snsc.SetTopicAttributes(t.Context(), &sns.SetTopicAttributesInput{TopicArn: uploads.TopicArn, AttributeName: aws.String("Policy"), AttributeValue: &policy}); err != nil {
		t.Fatal(err)
	}
	queueURL, queueARN := newQueue(t, sqsc, name, *uploads.TopicArn)
	if _, err := snsc.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: uploads.TopicArn, Protocol: aws.String("sqs"), Endpoint: &queueARN}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.client.PutBucketNotificationConfiguration(t.Context(), &s3.PutBucketNotificationConfigurationInput{Bucket: aws.String(b.Bucket(store.Uploads)),
		NotificationConfiguration: &types.NotificationConfiguration{TopicConfigurations: []types.TopicConfiguration{{TopicArn: uploads.TopicArn, Events: []types.Event{"s3:ObjectCreated:*"}}}}}); err != nil {
		t.Fatal(err)
	}
	completions := newTopic(t, endpoint)

	w := b.newWorker(func(o *Options) { o.Announcer = NewSNSAnnouncer(snsc, completions.arn) })
	e, err := queue.New(sqsc, queue.Options{QueueURL: queueURL, Slots: 4}, w.Handle)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if s := e.Stats(); s.Held != 0 || s.LostLeases != 0 {
			t.Errorf("engine %+v", s)
		}
	}()

	keys := []string{"plain.jpg", "a b+c%41&d=e.jpg", "кошка/猫.jpg"}
	for i := range 9 {
		keys = append(keys, store.UploadKey(store.NewID(time.Now()), fmt.Sprintf("photo %d.jpg", i)))
	}
	for i, key := range keys {
		body := picture(64, 48, uint8(i))
		if i == 5 {
			body = []byte("a poison among the good ones")
		}
		if _, err := b.PutSource(t.Context(), store.PutSource{Key: key, Body: bytes.NewReader(body), Size: int64(len(body)), ContentType: "image/jpeg"}); err != nil {
			t.Fatal(err)
		}
	}
	heard := completions.expectAll(t, len(keys))
	for i, key := range keys {
		m := b.result(key)
		want := recipe.Done
		if i == 5 {
			want = recipe.Failed
		}
		if m.Status != want || m.MessageID == "" || heard[m.ID].Manifest.Source.Key != key {
			t.Errorf("%s: %+v", key, m)
		}
	}
}
