package sqs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/localaws/db"
)

// inBubble runs f with virtual time: the real service on the real store, the real SDK
// on top, and no socket in between.
func inBubble(t *testing.T, f func(t *testing.T, s *Service, d *db.DB, c *sqs.Client)) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, d := open(t, dir, Options{})
		f(t, s, d, client("http://endpoint", direct{handler(s)}))
	})
}

func TestVisibilityEnds(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Service, d *db.DB, c *sqs.Client) {
		url := create(t, c, "q", map[string]string{"VisibilityTimeout": "30"})
		send(t, c, url, "x")
		first := one(t, c, url, 0)
		time.Sleep(29 * time.Second)
		if got := receive(t, c, url, 0); len(got) != 0 {
			t.Error("received while invisible")
		}
		wantCounts(t, c, url, "0", "1", "0")

		// The lease is extended, and ends later.
		vis := func(m types.Message, seconds int32) error {
			_, err := c.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: seconds})
			return err
		}
		if err := vis(first, 60); err != nil {
			t.Fatal(err)
		}
		time.Sleep(59 * time.Second)
		if got := receive(t, c, url, 0); len(got) != 0 {
			t.Error("received while the lease was extended")
		}
		start := time.Now()
		second := one(t, c, url, 20) // a receiver that waits for it
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("waited %v, want 1s", waited)
		}
		if second.Attributes["ApproximateReceiveCount"] != "2" || *second.ReceiptHandle == *first.ReceiptHandle ||
			second.Attributes["ApproximateFirstReceiveTimestamp"] != first.Attributes["ApproximateFirstReceiveTimestamp"] {
			t.Errorf("second = %+v", second)
		}
		// As on AWS, any handle of a message changes its visibility, also an old one, and
		// also when nobody has it.
		if err := vis(first, 0); err != nil {
			t.Fatal(err)
		}
		wantCounts(t, c, url, "1", "0", "0")
		if err := vis(second, 10); err != nil {
			t.Fatal(err)
		}
		wantCounts(t, c, url, "0", "1", "0")
		// Twelve hours after its receive the message can be kept no longer by that handle.
		if err := vis(second, 43200); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		wantCode(t, vis(second, 43200), "InvalidParameterValue")
		if err := vis(second, 43195); err != nil {
			t.Fatal(err)
		}
		if err := vis(second, 0); err != nil {
			t.Fatal(err)
		}
		one(t, c, url, 0)
		// But an old handle still deletes, as on AWS.
		remove(t, c, url, first)
		wantCounts(t, c, url, "0", "0", "0")
		wantCode(t, vis(second, 10), "InvalidParameterValue")
	})
}

func TestDelays(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Service, d *db.DB, c *sqs.Client) {
		url := create(t, c, "q", map[string]string{"DelaySeconds": "10"})
		send(t, c, url, "queue's delay")
		if _, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("own delay"), DelaySeconds: 3}); err != nil {
			t.Fatal(err)
		}
		wantCounts(t, c, url, "0", "0", "2")
		for _, want := range []struct {
			body  string
			after time.Duration
		}{{"own delay", 3 * time.Second}, {"queue's delay", 7 * time.Second}} {
			start := time.Now()
			if m := one(t, c, url, 20); *m.Body != want.body || time.Since(start) != want.after {
				t.Errorf("%q after %v, want %+v", *m.Body, time.Since(start), want)
			}
		}
		wantCounts(t, c, url, "0", "2", "0")
	})
}

func TestALongPollEnds(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Service, d *db.DB, c *sqs.Client) {
		url := create(t, c, "q", map[string]string{"ReceiveMessageWaitTimeSeconds": "5"})
		for _, p := range []struct {
			wait int32
			want time.Duration
		}{{0, 5 * time.Second}, {20, 20 * time.Second}} { // 0 is left out by the SDK
			start := time.Now()
			if got := receive(t, c, url, p.wait); len(got) != 0 || time.Since(start) != p.want {
				t.Errorf("received %d after %v, want none after %v", len(got), time.Since(start), p.want)
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		time.AfterFunc(2*time.Second, stop)
		start := time.Now()
		if got := receive(t, c, url, 20); len(got) != 0 || time.Since(start) != 2*time.Second {
			t.Errorf("received %d after %v, want none when the service stops", len(got), time.Since(start))
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestWaitingReceiversCostNothingAndWakeAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Service, d *db.DB, c *sqs.Client) {
		const n = 1000
		url := create(t, c, "q", nil)
		q := s.byName("q")
		var wg sync.WaitGroup
		var got, empty, failed atomic.Int64
		for range n {
			wg.Go(func() {
				out, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20})
				switch {
				case err != nil:
					failed.Add(1)
				case len(out.Messages) == 0:
					empty.Add(1)
				default:
					got.Add(1)
				}
			})
		}
		synctest.Wait()
		if q.gate.waiting() != n {
			t.Fatalf("%d receivers wait, want %d", q.gate.waiting(), n)
		}
		// Ten messages let ten through, at the very moment of the send.
		time.Sleep(5 * time.Second)
		in := &sqs.SendMessageBatchInput{QueueUrl: &url}
		for i := range 10 {
			in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), MessageBody: aws.String("x")})
		}
		if _, err := c.SendMessageBatch(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got.Load() != 10 || q.gate.waiting() != n-10 {
			t.Errorf("%d received, %d wait", got.Load(), q.gate.waiting())
		}
		// The others do not touch the store: they end well without it.
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if empty.Load() != n-10 || failed.Load() != 0 {
			t.Errorf("%d empty, %d failed", empty.Load(), failed.Load())
		}
		if out, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url}); err != nil || len(out.Messages) != 0 {
			t.Errorf("a receive from a queue known to be empty: %v %v", out, err)
		}
	})
}

func TestEveryMessageFindsAWaitingReceiver(t *testing.T) {
	// Receivers of one message each, messages that become visible in all the ways there
	// are: none may be left beside a receiver that waits.
	inBubble(t, func(t *testing.T, s *Service, d *db.DB, c *sqs.Client) {
		url := create(t, c, "q", map[string]string{"VisibilityTimeout": "2"})
		const n = 60
		var mu sync.Mutex
		seen := map[string]int{}
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for ctx.Err() == nil {
					out, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20})
					if err != nil {
						if ctx.Err() == nil {
							t.Error(err)
						}
						return
					}
					for _, m := range out.Messages {
						mu.Lock()
						seen[*m.Body]++
						times := seen[*m.Body]
						mu.Unlock()
						switch times {
						case 1: // let the visibility end by itself
						case 2:
							c.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 0})
						default:
							c.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle})
						}
					}
				}
			})
		}
		for i := range n {
			if _, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(fmt.Sprint(i)), DelaySeconds: int32(i % 3)}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Second)
		stop()
		wg.Wait()
		if len(seen) != n {
			t.Errorf("%d messages were received, want %d", len(seen), n)
		}
		wantCounts(t, c, url, "0", "0", "0")
	})
}

func TestExpiredMessagesAreGone(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Service, d *db.DB, c *sqs.Client) {
		url := create(t, c, "q", map[string]string{"MessageRetentionPeriod": "60", "VisibilityTimeout": "50"})
		for range 3 {
			send(t, c, url, "old")
		}
		receive(t, c, url, 0) // their visibility ends at 50s
		time.Sleep(55 * time.Second)
		send(t, c, url, "young")
		wantCounts(t, c, url, "4", "0", "0")
		time.Sleep(5 * time.Second)
		if m := one(t, c, url, 0); *m.Body != "young" {
			t.Errorf("received %q", *m.Body)
		}
		wantCounts(t, c, url, "0", "1", "0")

		// Nobody receives: the attributes and the sweep know, too.
		time.Sleep(time.Minute)
		wantCounts(t, c, url, "0", "0", "0")
		for i := range sweepChunk + 7 {
			if err := d.Update(t.Context(), func(tx *db.Tx) error { return s.EnqueueTx(tx, s.arn("q"), Outbound{Body: fmt.Sprint(i)}) }); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		if err := s.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		var rows int
		if err := d.Read().QueryRow("SELECT (SELECT count(*) FROM sqs_messages) + (SELECT count(*) FROM sqs_bodies)").Scan(&rows); err != nil || rows != 0 {
			t.Errorf("%d rows left, %v", rows, err)
		}
	})
}

func TestDeadLetters(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Service, d *db.DB, c *sqs.Client) {
		dlq := create(t, c, "dlq", nil)
		url := create(t, c, "q", map[string]string{"VisibilityTimeout": "1", "RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dlq","maxReceiveCount":"2"}`})
		id := send(t, c, url, "poison")
		for range 2 {
			if m := one(t, c, url, 5); *m.MessageId != id {
				t.Errorf("message = %+v", m)
			}
		}
		var dead types.Message
		var wg sync.WaitGroup
		wg.Go(func() { dead = one(t, c, dlq, 20) }) // waits there already
		send(t, c, url, "good")
		time.Sleep(time.Second)
		if m := one(t, c, url, 0); *m.Body != "good" {
			t.Errorf("received %q beside the poison", *m.Body)
		}
		wg.Wait()
		if *dead.MessageId != id || *dead.Body != "poison" || dead.Attributes["ApproximateReceiveCount"] != "3" ||
			dead.Attributes["DeadLetterQueueSourceArn"] != "arn:aws:sqs:us-east-1:000000000000:q" {
			t.Errorf("dead letter = %+v", dead)
		}
		wantCounts(t, c, dlq, "0", "1", "0")
		remove(t, c, dlq, dead)
		wantCounts(t, c, dlq, "0", "0", "0")
		wantCounts(t, c, url, "0", "1", "0")
	})
}

func TestAnOldHandleCannotDeleteADeadLetter(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Service, d *db.DB, c *sqs.Client) {
		dlq := create(t, c, "dlq", nil)
		url := create(t, c, "q", map[string]string{"VisibilityTimeout": "1", "RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dlq","maxReceiveCount":1}`})
		send(t, c, url, "x")
		old := one(t, c, url, 0)
		time.Sleep(time.Second)
		if got := receive(t, c, url, 0); len(got) != 0 {
			t.Errorf("received %+v", got)
		}
		remove(t, c, url, old)
		if m := one(t, c, dlq, 0); *m.Body != "x" {
			t.Errorf("message = %+v", m)
		}
	})
}

func TestADeletedQueueEndsItsLongPolls(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Service, d *db.DB, c *sqs.Client) {
		url := create(t, c, "q", nil)
		errs := make(chan error, 3)
		for range cap(errs) {
			go func() {
				_, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20})
				errs <- err
			}()
		}
		synctest.Wait()
		if _, err := c.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: &url}); err != nil {
			t.Fatal(err)
		}
		for range cap(errs) {
			var gone *types.QueueDoesNotExist
			if err := <-errs; !errors.As(err, &gone) {
				t.Errorf("err = %v", err)
			}
		}
	})
}

func TestTheInFlightLimit(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Service, d *db.DB, c *sqs.Client) {
		url := create(t, c, "q", nil)
		send(t, c, url, "x")
		q := s.byName("q")
		q.inFlight.Store(maxInFlight) // all of them ended meanwhile, which a count finds out
		one(t, c, url, 0)
		if n := q.inFlight.Load(); n != 1 {
			t.Errorf("in flight = %d, want 1", n)
		}
	})
}
