// Package lambda works off the batches of messages that an event source mapping of AWS
// Lambda takes from an SQS queue, by a handler made for internal/queue. Of ours it imports
// the types of internal/queue alone.
//
// What the queue's engine does elsewhere is the mapping's here: it receives, it deletes what
// the answer does not name as failed, and it lets the rest come back when the visibility
// timeout of the queue is over. So nothing is extended or held: the queue must keep
// messages hidden for longer than the function may run, by AWS's advice six times as long, and a service
// that is down costs a message one of its receives.
package lambda

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/tintype/tintype/internal/queue"
)

// ErrDeadline is the cause of a handler's context ending: the time of the invocation is
// nearly over.
var ErrDeadline = errors.New("the time of this invocation is over; the message comes again")

// DefaultMargin is Options.Margin's default: a failed attempt is put on record, and the
// answer has to arrive.
const DefaultMargin = 5 * time.Second

// Options for a Function.
type Options struct {
	// Handle does the work of one message. Required.
	Handle queue.Handler
	// Slots is how many messages of a batch are handled at once. Required.
	Slots int
	// Margin is how long before the end of an invocation handlers are told to stop. A
	// function that is still at work then is killed, and the whole batch comes again.
	// Default: DefaultMargin.
	Margin time.Duration
	// Logger gets one line per batch that was not done entirely. Default: none.
	Logger *slog.Logger
}

// Function handles batches.
type Function struct {
	opts  Options
	log   *slog.Logger
	batch sync.WaitGroup
}

// New makes a Function.
func New(o Options) (*Function, error) {
	if o.Handle == nil || o.Slots < 1 || o.Margin < 0 {
		return nil, errors.New("lambda: a handler and at least one slot are needed, and no negative margin")
	}
	if o.Margin == 0 {
		o.Margin = DefaultMargin
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Function{opts: o, log: o.Logger}, nil
}

// Batch handles the messages of one invocation and names those that are to come again. An
// error says that this was no batch of a queue; then Lambda sees all of it as failed.
func (f *Function) Batch(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
	f.batch.Add(1)
	defer f.batch.Done()
	answer := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	if err := check(e); err != nil {
		return answer, err
	}
	if end, ok := ctx.Deadline(); ok {
		// A short function keeps half of its time for work.
		margin := min(f.opts.Margin, time.Until(end)/2)
		var stop context.CancelFunc
		ctx, stop = context.WithDeadlineCause(ctx, end.Add(-margin), ErrDeadline)
		defer stop()
	}
	done := f.all(ctx, e.Records)
	for i, m := range e.Records {
		if !done[i] {
			answer.BatchItemFailures = append(answer.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
	}
	if n := len(answer.BatchItemFailures); n > 0 {
		f.log.Warn("messages of a batch come again", "messages", len(e.Records), "again", n)
	}
	return answer, nil
}

// Wait returns when no batch is in work.
func (f *Function) Wait() { f.batch.Wait() }

// check refuses what cannot be answered item by item: Lambda takes an answer that names no
// message for a failure of all, and no answer at all for success.
func check(e events.SQSEvent) error {
	if len(e.Records) == 0 {
		return errors.New("an event without SQS records: this function works off a queue by an event source mapping")
	}
	for _, m := range e.Records {
		if m.EventSource != "aws:sqs" || m.MessageId == "" {
			return fmt.Errorf("a record of source %.40q with message id %.80q: this function works off an SQS queue by an event source mapping, and nothing else", m.EventSource, m.MessageId)
		}
	}
	return nil
}

// all handles the messages, some at once, and says which are done. Once one has found a
// service down, or the time is over, no further one is begun.
func (f *Function) all(ctx context.Context, records []events.SQSMessage) []bool {
	done := make([]bool, len(records))
	var down atomic.Bool
	var next atomic.Int64
	var busy sync.WaitGroup
	for range min(f.opts.Slots, len(records)) {
		busy.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(records) || down.Load() || ctx.Err() != nil {
					return
				}
				o := f.one(ctx, records[i])
				done[i] = o == queue.Ack()
				if o.Held() {
					down.Store(true)
				}
			}
		})
	}
	busy.Wait()
	return done
}

// one handles a message. A panic is a failure of that message alone.
func (f *Function) one(ctx context.Context, m events.SQSMessage) (o queue.Outcome) {
	defer func() {
		if p := recover(); p != nil {
			f.log.Error("a handler panicked", "message", m.MessageId, "panic", p, "stack", string(debug.Stack()))
			o = queue.Retry(0)
		}
	}()
	return f.opts.Handle(ctx, message(m))
}

// message is a message in the queue's words. What SQS does not say is as at the first receive.
func message(m events.SQSMessage) queue.Message {
	q := queue.Message{ID: m.MessageId, Body: m.Body, ReceiveCount: 1, Try: 1, ReceivedAt: time.Now()}
	if n, err := strconv.Atoi(m.Attributes["ApproximateReceiveCount"]); err == nil && n > 0 {
		q.ReceiveCount = n
	}
	if ms, err := strconv.ParseInt(m.Attributes["SentTimestamp"], 10, 64); err == nil && ms > 0 {
		q.SentAt = time.UnixMilli(ms)
	}
	return q
}
