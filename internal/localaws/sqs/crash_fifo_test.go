package sqs

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// lane is one message group as its one sender and the receivers know it.
type lane struct {
	mu      sync.Mutex
	sent    int // acknowledged sends: messages 0 to sent-1
	deleted int // acknowledged deletes, in order
	tried   int // messages that were asked to be deleted: each may or may not be
}

// produce sends the lane's messages one by one until the endpoint dies. The one that
// was not acknowledged is sent again in the next life: deduplication makes it one.
func (l *lane) produce(ctx context.Context, c *sqs.Client, url, group string) {
	for {
		l.mu.Lock()
		n := l.sent
		l.mu.Unlock()
		if _, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(fmt.Sprintf("%s %d", group, n)),
			MessageGroupId: &group, MessageDeduplicationId: aws.String(fmt.Sprintf("%s-%d", group, n))}); err != nil {
			return
		}
		l.mu.Lock()
		l.sent++
		l.mu.Unlock()
	}
}

// TestOrderSurvivesCrashes kills the endpoint in the middle of FIFO traffic: what was
// deleted does not come back, nothing is passed over, and what was sent twice because
// nobody heard of the first time comes once.
func TestOrderSurvivesCrashes(t *testing.T) {
	dir := t.TempDir()
	const lives, groups = 4, 3
	lanes := map[string]*lane{}
	for g := range groups {
		lanes[fmt.Sprint("g", g)] = &lane{}
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	hc := &http.Client{Transport: transport}
	changed := make(chan struct{}, 1<<16)

	// handle checks and deletes what was received.
	handle := func(ctx context.Context, c *sqs.Client, url string, out *sqs.ReceiveMessageOutput) error {
		for _, m := range out.Messages {
			var group string
			var n int
			fmt.Sscan(*m.Body, &group, &n)
			l := lanes[group]
			l.mu.Lock()
			if n < l.deleted || n > l.tried {
				t.Errorf("%s: received %d, with %d deleted and %d tried", group, n, l.deleted, l.tried)
			}
			l.tried = max(l.tried, n+1)
			l.mu.Unlock()
			if _, err := c.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
				return err
			}
			l.mu.Lock()
			l.deleted = max(l.deleted, n+1)
			l.mu.Unlock()
			changed <- struct{}{}
		}
		return nil
	}
	for range lives {
		child := startChild(t, dir)
		c := client(child.url, hc)
		url := create(t, c, "q.fifo", map[string]string{"FifoQueue": "true", "VisibilityTimeout": "2"})
		var wg sync.WaitGroup
		for group, l := range lanes {
			wg.Go(func() { l.produce(t.Context(), c, url, group) })
		}
		for range 2 {
			wg.Go(func() {
				for {
					out, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 2, WaitTimeSeconds: 1})
					if err != nil || handle(t.Context(), c, url, out) != nil {
						return
					}
				}
			})
		}
		for range 25 {
			select {
			case <-changed:
			case <-time.After(30 * time.Second):
				t.Error("no traffic")
			}
		}
		child.kill()
		wg.Wait()
	}

	s, d := open(t, dir, Options{})
	c := client(serve(t, s), nil)
	url := create(t, c, "q.fifo", map[string]string{"FifoQueue": "true"})
	total, deleted := 0, 0
	for group, l := range lanes {
		// The last one is unsure: sent once more, it is there once.
		n := l.sent
		if _, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(fmt.Sprintf("%s %d", group, n)),
			MessageGroupId: &group, MessageDeduplicationId: aws.String(fmt.Sprintf("%s-%d", group, n))}); err != nil {
			t.Fatal(err)
		}
		l.sent++
		total += l.sent
		deleted += l.deleted
	}
	deadline := time.Now().Add(60 * time.Second)
	for len(stock(t, d)) > 0 && time.Now().Before(deadline) {
		out, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: 5})
		if err != nil {
			t.Fatal(err)
		}
		if err := handle(t.Context(), c, url, out); err != nil {
			t.Fatal(err)
		}
	}
	for group, l := range lanes {
		if l.deleted != l.sent {
			t.Errorf("%s: %d deleted of %d sent", group, l.deleted, l.sent)
		}
	}
	if n := groupRows(t, d); n != 0 {
		t.Errorf("%d groups of no messages", n)
	}
	t.Logf("%d kills: %d messages, %d of them deleted before the last", lives, total, deleted)
}
