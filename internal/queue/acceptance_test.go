package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/awstest"
)

func TestEngineOnRealEndpoint(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		f := &live{client: sqs.NewFromConfig(awstest.Config(endpoint))}
		t.Run("EveryMessageOnce", f.everyMessageOnce)
		t.Run("Heartbeat", f.heartbeat)
		t.Run("LostLease", f.lostLease)
		t.Run("RetryThenDeadLetter", f.deadLetter)
		t.Run("Release", f.release)
	})
}

type live struct {
	client *sqs.Client
	mu     sync.Mutex
	n      int
}

// queue makes a queue, with a dead-letter queue after two receives where asked for.
func (f *live) queue(t *testing.T, deadLetter bool) (url, dlq string) {
	t.Helper()
	f.mu.Lock()
	f.n++
	name := fmt.Sprintf("engine-%d-%d", time.Now().UnixNano(), f.n)
	f.mu.Unlock()
	in := &sqs.CreateQueueInput{QueueName: aws.String(name), Attributes: map[string]string{}}
	if deadLetter {
		out, err := f.client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(name + "-dlq")})
		if err != nil {
			t.Fatal(err)
		}
		dlq = *out.QueueUrl
		attrs, err := f.client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &dlq, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn}})
		if err != nil {
			t.Fatal(err)
		}
		in.Attributes["RedrivePolicy"] = fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":2}`, attrs.Attributes["QueueArn"])
	}
	out, err := f.client.CreateQueue(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return *out.QueueUrl, dlq
}

func (f *live) send(t *testing.T, url string, n int) {
	t.Helper()
	for i := 0; i < n; i += 10 {
		var entries []types.SendMessageBatchRequestEntry
		for j := i; j < min(n, i+10); j++ {
			entries = append(entries, types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(j)), MessageBody: aws.String("body " + strconv.Itoa(j))})
		}
		if out, err := f.client.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: entries}); err != nil || len(out.Failed) > 0 {
			t.Fatal(err, out)
		}
	}
}

// counts is how many messages wait and how many are in flight.
func (f *live) counts(t *testing.T, url string) (waiting, inFlight string) {
	t.Helper()
	out, err := f.client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url,
		AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameApproximateNumberOfMessages, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible}})
	if err != nil {
		t.Fatal(err)
	}
	return out.Attributes["ApproximateNumberOfMessages"], out.Attributes["ApproximateNumberOfMessagesNotVisible"]
}

// run starts an engine; stop drains it.
func (f *live) run(t *testing.T, url string, opts Options, h Handler) (e *Engine, stop func()) {
	t.Helper()
	opts.QueueURL = url
	e, err := New(f.client, opts, h)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(stop)
	return e, stop
}

// until polls cond until it holds.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(60 * time.Second)
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func (f *live) everyMessageOnce(t *testing.T) {
	url, _ := f.queue(t, false)
	const n = 123
	f.send(t, url, n)
	var mu sync.Mutex
	seen := map[string]int{}
	e, stop := f.run(t, url, Options{Slots: 7}, func(ctx context.Context, m Message) Outcome {
		if m.ReceiveCount != 1 || m.ID == "" || time.Since(m.SentAt) > time.Hour {
			t.Errorf("received %+v", m)
		}
		mu.Lock()
		defer mu.Unlock()
		seen[m.Body]++
		return Ack()
	})
	until(t, "everything deleted", func() bool { return e.Stats().Acked == n })
	if ok, why := e.Ready(); !ok {
		t.Errorf("not ready: %s", why)
	}
	stop()
	if len(seen) != n {
		t.Errorf("saw %d messages of %d", len(seen), n)
	}
	if w, in := f.counts(t, url); w != "0" || in != "0" {
		t.Errorf("%s messages wait, %s are in flight", w, in)
	}
}

func (f *live) heartbeat(t *testing.T) {
	url, _ := f.queue(t, false)
	f.send(t, url, 12)
	release := make(chan struct{})
	e, stop := f.run(t, url, Options{Slots: 12, Visibility: 6 * time.Second}, func(ctx context.Context, m Message) Outcome {
		select {
		case <-release:
		case <-ctx.Done():
			t.Errorf("the context ended: %v", context.Cause(ctx))
		}
		return Ack()
	})
	until(t, "all at work", func() bool { return e.Stats().InFlight == 12 })
	// Longer than a lease: only extensions can have kept them.
	hold := time.NewTimer(7 * time.Second)
	<-hold.C
	close(release)
	until(t, "everything deleted", func() bool { return e.Stats().Acked == 12 })
	stop()
	if s := e.Stats(); s.Received != 12 || s.LostLeases != 0 {
		t.Errorf("stats %+v", s)
	}
}

func (f *live) lostLease(t *testing.T) {
	url, _ := f.queue(t, false)
	f.send(t, url, 1)
	causes := make(chan error, 10)
	e, stop := f.run(t, url, Options{Slots: 1, Visibility: 3 * time.Second}, func(ctx context.Context, m Message) Outcome {
		if _, err := f.client.PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: &url}); err != nil {
			t.Error(err)
		}
		<-ctx.Done()
		causes <- context.Cause(ctx)
		return Ack()
	})
	if err := <-causes; !errors.Is(err, ErrLeaseLost) {
		t.Errorf("cause %v", err)
	}
	stop()
	if s := e.Stats(); s.Acked != 0 || s.LostLeases != 1 {
		t.Errorf("stats %+v", s)
	}
}

func (f *live) deadLetter(t *testing.T) {
	url, dlq := f.queue(t, true)
	f.send(t, url, 3)
	e, stop := f.run(t, url, Options{Slots: 2}, func(ctx context.Context, m Message) Outcome {
		if m.Body == "body 1" {
			return Retry(time.Second)
		}
		return Ack()
	})
	until(t, "the message that always fails is in the dead-letter queue", func() bool {
		w, _ := f.counts(t, dlq)
		return w == "1" && e.Stats().Acked == 2
	})
	stop()
	if s := e.Stats(); s.Retried != 2 || s.Received != 4 {
		t.Errorf("stats %+v", s)
	}
}

func (f *live) release(t *testing.T) {
	url, _ := f.queue(t, false)
	f.send(t, url, 5)
	e, stop := f.run(t, url, Options{Slots: 5, Visibility: 10 * time.Minute, DrainTimeout: 100 * time.Millisecond}, func(ctx context.Context, m Message) Outcome {
		<-ctx.Done()
		return Retry(0)
	})
	until(t, "all at work", func() bool { return e.Stats().InFlight == 5 })
	stop()
	if w, in := f.counts(t, url); w != "5" || in != "0" {
		t.Errorf("after the drain %s messages wait, %s are in flight", w, in)
	}
}
