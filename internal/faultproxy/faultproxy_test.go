package faultproxy_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"

	"github.com/tintype/tintype/internal/awstest"
	"github.com/tintype/tintype/internal/faultproxy"
)

// clients speak through the proxy, and try once.
type clients struct {
	s3    *s3.Client
	sqs   *sqs.Client
	sns   *sns.Client
	queue string
	topic string
}

var bucket, body = aws.String("faulty"), strings.Repeat("what is kept ", 1000)

func open(t *testing.T, p *faultproxy.Proxy, tries int) clients {
	t.Helper()
	cfg := awstest.Config(p.URL)
	cfg.RetryMaxAttempts = tries
	c := clients{s3: s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }), sqs: sqs.NewFromConfig(cfg), sns: sns.NewFromConfig(cfg)}
	ctx := t.Context()
	if _, err := c.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	q, err := c.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("q")})
	if err != nil {
		t.Fatal(err)
	}
	topic, err := c.sns.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("t")})
	if err != nil {
		t.Fatal(err)
	}
	c.queue, c.topic = *q.QueueUrl, *topic.TopicArn
	return c
}

func (c clients) put(ctx context.Context, key string) error {
	_, err := c.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: strings.NewReader(body)})
	return err
}

func (c clients) get(ctx context.Context, key string) (string, error) {
	out, err := c.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: &key})
	if err != nil {
		return "", err
	}
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	return string(b), err
}

func (c clients) send(ctx context.Context, bodies ...string) error {
	for _, b := range bodies {
		if _, err := c.sqs.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &c.queue, MessageBody: &b}); err != nil {
			return err
		}
	}
	return nil
}

func (c clients) receive(ctx context.Context) (bodies []string, err error) {
	out, err := c.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &c.queue, MaxNumberOfMessages: 10, VisibilityTimeout: 60})
	if err != nil {
		return nil, err
	}
	for _, m := range out.Messages {
		bodies = append(bodies, *m.Body)
	}
	return bodies, nil
}

func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

func status(err error) int {
	var resp *awshttp.ResponseError
	if errors.As(err, &resp) {
		return resp.HTTPStatusCode()
	}
	return 0
}

// TestFaults does each fault to real clients in front of each endpoint.
func TestFaults(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		direct := s3.NewFromConfig(awstest.Config(endpoint), func(o *s3.Options) { o.UsePathStyle = true })
		resent := make(chan string, 10)
		p := faultproxy.New(t, faultproxy.Options{Target: endpoint, Seed: 1, Resend: func(_, body string) { resent <- body }})
		c := open(t, p, 1)
		ctx := t.Context()
		key := "a b/ö+%.txt"
		if err := c.put(ctx, key); err != nil {
			t.Fatalf("without rules: %v", err)
		}
		if got, err := c.get(ctx, key); err != nil || got != body {
			t.Fatalf("without rules: %d bytes, %v", len(got), err)
		}
		if n := p.Puts(*bucket, key); n != 1 {
			t.Errorf("%d writes of %q, want 1", n, key)
		}
		there := func(key string) bool {
			_, err := direct.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: &key})
			return err == nil
		}

		p.Set(faultproxy.Rule{Fault: faultproxy.Reset})
		if err := c.put(ctx, "reset"); err == nil || status(err) != 0 || there("reset") {
			t.Errorf("reset: %v, stored: %v", err, there("reset"))
		}
		p.Set(faultproxy.Rule{Fault: faultproxy.Lost})
		if err := c.put(ctx, "lost"); err == nil || status(err) != 0 || !there("lost") {
			t.Errorf("lost: %v, stored: %v", err, there("lost"))
		}
		p.Set(faultproxy.Rule{Fault: faultproxy.Half})
		if got, err := c.get(ctx, key); err == nil || got != body[:len(got)] || len(got) != len(body)/2 {
			t.Errorf("half: %d bytes of %d, %v", len(got), len(body), err)
		}
		if err := c.put(ctx, "half"); err == nil || !there("half") {
			t.Errorf("half of nothing: %v", err)
		}
		p.Set(faultproxy.Rule{Fault: faultproxy.Drip, For: 20 * time.Millisecond}, faultproxy.Rule{Fault: faultproxy.Reset})
		if got, err := c.get(ctx, key); err != nil || got != body {
			t.Errorf("drip: %d bytes, %v", len(got), err)
		}
		p.Set(faultproxy.Rule{Fault: faultproxy.Delay, For: 20 * time.Millisecond})
		if err := c.send(ctx, "late"); err != nil {
			t.Errorf("delay: %v", err)
		}
		p.Set(faultproxy.Rule{Fault: faultproxy.BlackHole})
		soon, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		if err := c.put(soon, "hole"); !errors.Is(err, context.DeadlineExceeded) || there("hole") {
			t.Errorf("black hole: %v", err)
		}
		cancel()

		for fault, want := range map[faultproxy.Fault][3]string{
			faultproxy.Internal: {"InternalError", "InternalFailure", "InternalFailure"}, faultproxy.Throttle: {"SlowDown", "ThrottlingException RequestThrottled", "ThrottlingException Throttled"},
		} {
			p.Set(faultproxy.Rule{Fault: fault})
			_, err := c.sns.Publish(ctx, &sns.PublishInput{TopicArn: &c.topic, Message: aws.String("x")})
			for i, err := range []error{c.put(ctx, "refused"), c.send(ctx, "refused"), err} {
				if code(err) == "" || !slices.Contains(strings.Fields(want[i]), code(err)) {
					t.Errorf("%s: %v, want the code %s", fault, err, want[i])
				}
				if (status(err) >= 500) != (fault == faultproxy.Internal || i == 0) {
					t.Errorf("%s: status %d", fault, status(err))
				}
			}
		}

		p.Set(faultproxy.Rule{Fault: faultproxy.Duplicate, Limit: 1})
		first, err1 := c.receive(ctx)
		second, err2 := c.receive(ctx)
		third, err3 := c.receive(ctx)
		if err := errors.Join(err1, err2, err3); err != nil || !slices.Equal(first, []string{"late"}) || !slices.Equal(second, first) || len(third) != 0 {
			t.Errorf("duplicate: %q, %q, %q, %v", first, second, third, err)
		}
		p.Set(faultproxy.Rule{Fault: faultproxy.Reorder, Limit: 1})
		if err := c.send(ctx, "1", "2", "3"); err != nil {
			t.Fatal(err)
		}
		var all []string
		for len(all) < 3 && t.Context().Err() == nil {
			got, err := c.receive(ctx)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, got...)
		}
		if sorted := slices.Sorted(slices.Values(all)); slices.IsSorted(all) || !slices.Equal(sorted, []string{"1", "2", "3"}) {
			t.Errorf("reorder: %q", all)
		}
		p.Set(faultproxy.Rule{Fault: faultproxy.Copy})
		if err := c.send(ctx, "once more"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.receive(ctx); err != nil {
			t.Fatal(err)
		}
		if got := <-resent; got != "once more" {
			t.Errorf("copy: %q", got)
		}
		if n := p.Injected()["reset s3.PutObject"]; n != 1 {
			t.Errorf("%d resets are counted, want 1: %v", n, p.Injected())
		}
	})
}

// TestRetriesComeThrough: the SDK takes what the proxy says for what services say, and tries again.
func TestRetriesComeThrough(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		for _, fault := range []faultproxy.Fault{faultproxy.Reset, faultproxy.Lost, faultproxy.Internal, faultproxy.Throttle} {
			p := faultproxy.New(t, faultproxy.Options{Target: endpoint})
			c := open(t, p, 3)
			p.Set(faultproxy.Rule{Fault: fault, Operation: "PutObject", Limit: 1}, faultproxy.Rule{Fault: fault, Operation: "SendMessage", Limit: 1}, faultproxy.Rule{Fault: fault, Operation: "Publish", Limit: 1})
			_, err := c.sns.Publish(t.Context(), &sns.PublishInput{TopicArn: &c.topic, Message: aws.String("x")})
			if err := errors.Join(err, c.put(t.Context(), "key"), c.send(t.Context(), "message")); err != nil {
				t.Errorf("%s: %v", fault, err)
			}
			if n := len(p.Injected()); n != 3 {
				t.Errorf("%s: %v", fault, p.Injected())
			}
		}
	})
}

// TestASeedIsAPlan: the same seed strikes the same requests, another one others, and about
// as many as it should.
func TestASeedIsAPlan(t *testing.T) {
	plan := func(seed uint64) string {
		p := faultproxy.New(t, faultproxy.Options{Target: "http://127.0.0.1:1", Seed: seed})
		p.Set(faultproxy.Rule{Fault: faultproxy.Internal, Operation: "GetObject", OneIn: 4, First: 5}, faultproxy.Rule{Fault: faultproxy.Throttle})
		var b bytes.Buffer
		for range 200 {
			resp, err := http.Get(p.URL + "/bucket/key")
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			b.WriteByte("01"[min(1, 503-resp.StatusCode)])
		}
		return b.String()
	}
	a, b, other := plan(7), plan(7), plan(8)
	if a != b || a == other {
		t.Errorf("seed 7: %s\n again: %s\nseed 8: %s", a, b, other)
	}
	if n := strings.Count(a, "1"); n < 25 || n > 75 || strings.Contains(a[:5], "1") {
		t.Errorf("%d of 200 requests met a fault of one in 4, after 5 without: %s", n, a)
	}
}
