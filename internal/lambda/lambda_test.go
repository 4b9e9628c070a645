package lambda_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/tintype/tintype/internal/lambda"
	"github.com/tintype/tintype/internal/queue"
)

func batchOf(bodies ...string) (e events.SQSEvent) {
	for _, b := range bodies {
		e.Records = append(e.Records, events.SQSMessage{MessageId: "id of " + b, Body: b, EventSource: "aws:sqs",
			Attributes: map[string]string{"ApproximateReceiveCount": "3", "SentTimestamp": "1700000000123"}})
	}
	return e
}

func function(t testing.TB, slots int, h queue.Handler) *lambda.Function {
	t.Helper()
	f, err := lambda.New(lambda.Options{Handle: h, Slots: slots})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func failed(ctx context.Context, t *testing.T, f *lambda.Function, e events.SQSEvent) (ids []string) {
	t.Helper()
	answer, err := f.Batch(ctx, e)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range answer.BatchItemFailures {
		ids = append(ids, i.ItemIdentifier)
	}
	return ids
}

func TestOnlyWhatFailedComesAgain(t *testing.T) {
	f := function(t, 4, func(_ context.Context, m queue.Message) queue.Outcome {
		if m.ReceiveCount != 3 || m.Try != 1 || m.SentAt.UnixMilli() != 1700000000123 || m.ReceivedAt.IsZero() {
			t.Errorf("%+v", m)
		}
		switch m.Body {
		case "bad":
			return queue.Retry(time.Minute)
		case "panic":
			panic("of a handler")
		}
		return queue.Ack()
	})
	if got := failed(context.Background(), t, f, batchOf("good", "bad", "fine", "panic")); !slices.Equal(got, []string{"id of bad", "id of panic"}) {
		t.Errorf("failed: %q", got)
	}
	b, err := json.Marshal(must(f.Batch(context.Background(), batchOf("good"))))
	if err != nil || string(b) != `{"batchItemFailures":[]}` {
		t.Errorf("all done: %s, %v", b, err)
	}
}

// TestAnOutageEndsTheBatch: what has not begun when a service is found down is not begun.
func TestAnOutageEndsTheBatch(t *testing.T) {
	calls := 0
	f := function(t, 1, func(_ context.Context, m queue.Message) queue.Outcome {
		calls++
		if m.Body == "b" {
			return queue.Hold("S3 is down")
		}
		return queue.Ack()
	})
	if got := failed(context.Background(), t, f, batchOf("a", "b", "c", "d")); !slices.Equal(got, []string{"id of b", "id of c", "id of d"}) || calls != 2 {
		t.Errorf("failed %q after %d calls", got, calls)
	}
}

// TestTimeRunsOut: handlers hear of it while there is time to answer.
func TestTimeRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var begun atomic.Int32
		f := function(t, 2, func(ctx context.Context, m queue.Message) queue.Outcome {
			begun.Add(1)
			if m.Body == "quick" {
				return queue.Ack()
			}
			<-ctx.Done()
			if !errors.Is(context.Cause(ctx), lambda.ErrDeadline) {
				t.Errorf("cause %v", context.Cause(ctx))
			}
			return queue.Retry(0)
		})
		began := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		got := failed(ctx, t, f, batchOf("quick", "slow", "slow too", "never begun"))
		if !slices.Equal(got, []string{"id of slow", "id of slow too", "id of never begun"}) || begun.Load() != 3 {
			t.Errorf("failed %q, %d begun", got, begun.Load())
		}
		if took := time.Since(began); took != time.Minute-lambda.DefaultMargin {
			t.Errorf("answered after %v", took)
		}
	})
}

func TestWhatIsNoBatchOfAQueue(t *testing.T) {
	f := function(t, 1, func(context.Context, queue.Message) queue.Outcome {
		t.Error("handled")
		return queue.Ack()
	})
	for _, e := range []string{
		`{}`, `{"Records":[]}`, `{"key1":"value1"}`,
		`{"Records":[{"EventSource":"aws:sns","Sns":{"Message":"{}"}}]}`,
		`{"Records":[{"eventSource":"aws:s3"}]}`,
		`{"Records":[{"eventSource":"aws:sqs","body":"no id"}]}`,
	} {
		var event events.SQSEvent
		if err := json.Unmarshal([]byte(e), &event); err != nil {
			t.Fatal(err)
		}
		if answer, err := f.Batch(context.Background(), event); err == nil {
			t.Errorf("%s: %+v", e, answer)
		}
	}
}

// FuzzBatch: whatever Lambda hands over, each failure names a message of the batch, each
// message is handled, and those that the handler refuses fail.
func FuzzBatch(f *testing.F) {
	f.Add([]byte(`{"Records":[{"messageId":"1","eventSource":"aws:sqs","body":"x","attributes":{"ApproximateReceiveCount":"-7","SentTimestamp":"99999999999999999999"}},{"messageId":"2","eventSource":"aws:sqs","body":"no"}]}`))
	f.Add([]byte(`{"Records":null}`))
	fn := function(f, 3, func(_ context.Context, m queue.Message) queue.Outcome {
		if m.ReceiveCount < 1 || m.ID == "" {
			panic("a message that no queue has")
		}
		if m.Body == "no" {
			return queue.Retry(0)
		}
		return queue.Ack()
	})
	f.Fuzz(func(t *testing.T, data []byte) {
		var e events.SQSEvent
		if json.Unmarshal(data, &e) != nil {
			t.Skip()
		}
		answer, err := fn.Batch(context.Background(), e)
		if err != nil {
			return
		}
		var want []events.SQSBatchItemFailure
		for _, m := range e.Records {
			if m.Body == "no" {
				want = append(want, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
			}
		}
		if !slices.Equal(answer.BatchItemFailures, want) {
			t.Errorf("%+v, want %+v", answer.BatchItemFailures, want)
		}
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
