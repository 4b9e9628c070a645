package localaws_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"go.uber.org/goleak"

	"github.com/tintype/tintype/internal/localaws"
	"github.com/tintype/tintype/localawstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type clients struct {
	s3  *s3.Client
	sqs *sqs.Client
	sns *sns.Client
}

func connect(t *testing.T, url, secret string) clients {
	t.Helper()
	c := aws.Config{Region: "us-east-1", BaseEndpoint: &url, RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider("test", secret, "")}
	hc := &http.Client{Transport: &http.Transport{}}
	c.HTTPClient = hc
	t.Cleanup(hc.CloseIdleConnections)
	return clients{s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = true }), sqs.NewFromConfig(c), sns.NewFromConfig(c)}
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

const (
	bucketARN = "arn:aws:s3:::uploads"
	topicARN  = "arn:aws:sns:us-east-1:000000000000:uploaded"
	queueARN  = "arn:aws:sqs:us-east-1:000000000000:work"
)

func policyFor(service, action, resource, source string) string {
	b, _ := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
		"Effect": "Allow", "Principal": map[string]string{"Service": service}, "Action": action, "Resource": resource,
		"Condition": map[string]any{"ArnEquals": map[string]string{"aws:SourceArn": source}},
	}}})
	return string(b)
}

// pipeline makes bucket → topic → queue.
func pipeline(t *testing.T, c clients) (queueURL string) {
	t.Helper()
	ctx := t.Context()
	must(c.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("uploads")}))(t)
	q := must(c.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("work"), Attributes: map[string]string{"Policy": policyFor("sns.amazonaws.com", "SQS:SendMessage", queueARN, topicARN)}}))(t)
	must(c.sns.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("uploaded"), Attributes: map[string]string{"Policy": policyFor("s3.amazonaws.com", "SNS:Publish", topicARN, bucketARN)}}))(t)
	must(c.sns.Subscribe(ctx, &sns.SubscribeInput{TopicArn: aws.String(topicARN), Protocol: aws.String("sqs"), Endpoint: aws.String(queueARN), Attributes: map[string]string{"RawMessageDelivery": "true"}}))(t)
	must(c.s3.PutBucketNotificationConfiguration(ctx, &s3.PutBucketNotificationConfigurationInput{Bucket: aws.String("uploads"), NotificationConfiguration: &s3types.NotificationConfiguration{
		TopicConfigurations: []s3types.TopicConfiguration{{TopicArn: aws.String(topicARN), Events: []s3types.Event{"s3:ObjectCreated:*"}}},
	}}))(t)
	return *q.QueueUrl
}

func put(t *testing.T, c clients, key string) {
	t.Helper()
	must(c.s3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("uploads"), Key: &key, Body: strings.NewReader("x")}))(t)
}

// bodies receives until there is nothing left and returns the messages' bodies.
func bodies(t *testing.T, c clients, url string) (out []string) {
	t.Helper()
	for {
		r := must(c.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10}))(t)
		if len(r.Messages) == 0 {
			return out
		}
		for _, m := range r.Messages {
			out = append(out, *m.Body)
			must(c.sqs.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}))(t)
		}
	}
}

func TestAnUploadIsAMessageAtOnce(t *testing.T) {
	srv := localawstest.New(t)
	c := connect(t, srv.URL, "test")
	url := pipeline(t, c)
	if got := bodies(t, c, url); len(got) != 1 || !strings.Contains(got[0], "s3:TestEvent") {
		t.Fatalf("after the configuration: %q", got)
	}
	put(t, c, "a b+c.jpg")
	// No wait: when the PUT is answered the message is there.
	got := bodies(t, c, url)
	if len(got) != 1 || !strings.Contains(got[0], `"eventName":"ObjectCreated:Put"`) || !strings.Contains(got[0], `"key":"a+b%2Bc.jpg"`) {
		t.Fatalf("after the upload: %q", got)
	}
	// And the next start has what was left.
	put(t, c, "later.jpg")
	srv.Stop()
	again := localawstest.Open(t, srv.Data)
	c = connect(t, again.URL, "test")
	if got := bodies(t, c, again.URL+"/000000000000/work"); len(got) != 1 || !strings.Contains(got[0], "later.jpg") {
		t.Errorf("after the restart: %q", got)
	}
}

func TestPoliciesAreEnforced(t *testing.T) {
	srv := localawstest.New(t)
	c := connect(t, srv.URL, "test")
	url := pipeline(t, c)
	bodies(t, c, url)
	ctx := t.Context()
	configure := func() error {
		_, err := c.s3.PutBucketNotificationConfiguration(ctx, &s3.PutBucketNotificationConfigurationInput{Bucket: aws.String("uploads"), NotificationConfiguration: &s3types.NotificationConfiguration{
			TopicConfigurations: []s3types.TopicConfiguration{{TopicArn: aws.String(topicARN), Events: []s3types.Event{"s3:ObjectCreated:*"}}},
		}})
		return err
	}
	policy := func(p string) {
		must(c.sns.SetTopicAttributes(ctx, &sns.SetTopicAttributesInput{TopicArn: aws.String(topicARN), AttributeName: aws.String("Policy"), AttributeValue: &p}))(t)
	}
	policy(policyFor("s3.amazonaws.com", "SNS:Publish", topicARN, "arn:aws:s3:::another"))
	if err := configure(); err == nil || !strings.Contains(err.Error(), "Unable to validate the following destination configurations") {
		t.Errorf("a topic closed to the bucket is accepted: %v", err)
	}
	put(t, c, "unheard.jpg") // the upload is none the worse for it
	if got := bodies(t, c, url); len(got) != 0 {
		t.Errorf("the topic was closed to S3 and delivered %q", got)
	}
	policy(policyFor("s3.amazonaws.com", "SNS:Publish", topicARN, bucketARN))
	must(c.sqs.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"Policy": ""}}))(t)
	put(t, c, "undelivered.jpg")
	if got := bodies(t, c, url); len(got) != 0 {
		t.Errorf("the queue was closed to SNS and got %q", got)
	}
	must(c.sqs.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"Policy": policyFor("sns.amazonaws.com", "sqs:SendMessage", queueARN, topicARN)}}))(t)
	put(t, c, "heard.jpg")
	if got := bodies(t, c, url); len(got) != 1 || !strings.Contains(got[0], "heard.jpg") {
		t.Errorf("with both policies: %q", got)
	}
}

func TestAWrongSecretIsRefusedEverywhere(t *testing.T) {
	srv := localawstest.New(t)
	pipeline(t, connect(t, srv.URL, "test"))
	c := connect(t, srv.URL, "guess")
	ctx := t.Context()
	_, s3Err := c.s3.ListBuckets(ctx, &s3.ListBucketsInput{})
	_, confErr := c.s3.GetBucketNotificationConfiguration(ctx, &s3.GetBucketNotificationConfigurationInput{Bucket: aws.String("uploads")})
	_, sqsErr := c.sqs.ListQueues(ctx, &sqs.ListQueuesInput{})
	_, snsErr := c.sns.ListTopics(ctx, &sns.ListTopicsInput{})
	for name, err := range map[string]error{"s3": s3Err, "notification": confErr, "sqs": sqsErr, "sns": snsErr} {
		if err == nil || !strings.Contains(err.Error(), "SignatureDoesNotMatch") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestUnsignedRequests: nothing is given away without a signature.
func TestUnsignedRequests(t *testing.T) {
	srv := localawstest.New(t)
	pipeline(t, connect(t, srv.URL, "test"))
	hc := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(hc.CloseIdleConnections)
	for name, tc := range map[string]struct {
		method, path, contentType, target, body string
		status                                  int
	}{
		"health":            {"GET", localaws.HealthPath, "", "", "", 200},
		"buckets":           {"GET", "/", "", "", "", 403},
		"object":            {"GET", "/uploads/x", "", "", "", 403},
		"put":               {"PUT", "/uploads/x", "text/plain", "", "x", 403},
		"notification":      {"GET", "/uploads?notification", "", "", "", 403},
		"sqs by JSON":       {"POST", "/", "application/x-amz-json-1.0", "AmazonSQS.ListQueues", "{}", 403},
		"sqs by form":       {"POST", "/", "application/x-www-form-urlencoded", "", "Action=ListQueues", 403},
		"sns by form":       {"POST", "/", "application/x-www-form-urlencoded", "", "Action=ListTopics", 403},
		"confirm by a lie":  {"GET", "/?Action=ConfirmSubscription&TopicArn=" + topicARN + "&Token=guess", "", "", "", 400},
		"other action":      {"GET", "/?Action=ListTopics", "", "", "", 403},
		"traversal":         {"GET", "/uploads/../../endpoint.db", "", "", "", 403},
		"encoded traversal": {"GET", "/uploads/%2e%2e/%2e%2e/endpoint.db", "", "", "", 403},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), tc.method, srv.URL+tc.path, strings.NewReader(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", tc.contentType)
			if tc.target != "" {
				req.Header.Set("X-Amz-Target", tc.target)
			}
			resp, err := hc.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			b, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != tc.status {
				t.Errorf("%d, want %d: %s", resp.StatusCode, tc.status, b)
			}
		})
	}
}

func TestOneProcessOnADirectory(t *testing.T) {
	srv := localawstest.New(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if s, err := localaws.Open(localaws.Options{Data: srv.Data, API: ln}); err == nil {
		s.Close()
		t.Error("a second endpoint was opened on the directory")
	} else if !strings.Contains(err.Error(), srv.Data) {
		t.Errorf("%v does not name the directory", err)
	}
	ln.Close()
}

// TestStopEndsLongPolls: a stop does not wait for receivers.
func TestStopEndsLongPolls(t *testing.T) {
	srv := localawstest.New(t)
	c := connect(t, srv.URL, "test")
	q := must(c.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("idle")}))(t)
	done := make(chan error, 1)
	go func() {
		_, err := c.sqs.ReceiveMessage(context.Background(), &sqs.ReceiveMessageInput{QueueUrl: q.QueueUrl, WaitTimeSeconds: 20})
		done <- err
	}()
	srv.Stop()
	<-done // with or without an error, but before the test's own timeout
}
