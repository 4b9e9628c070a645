// Package queue works through an SQS queue: it receives, holds the lease, and
// acknowledges, retries or gives back. It knows nothing of images; of ours it
// imports nothing.
//
// The rules it keeps:
//
//   - It never receives more messages than it has free slots. A message that waits in
//     this process for its turn would be kept from other workers and would use up its
//     lease doing nothing.
//   - One long poll at a time. A poll returns as soon as there is a message; more of them
//     at once would only compete.
//   - A lease is extended from the moment of receipt until the message is deleted. When it
//     is lost all the same, the handler's context ends and what it returns is dropped:
//     somebody else has the message by then.
//   - Receiving and working have two contexts, so that a drain stops the one without
//     cutting the other short.
package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// batch is the most messages in one request of any kind: SQS's limit.
const batch = 10

// Causes of a handler's context ending; see context.Cause.
var (
	// ErrLeaseLost means that the message is, or may be, another worker's by now.
	ErrLeaseLost = errors.New("the lease of the message was lost")
	// ErrDraining means that the time for finishing is over; the message is given back.
	ErrDraining = errors.New("shutting down: the time for finishing is over")
)

// Message is a message as it was received.
type Message struct {
	ID           string // SQS's message id
	Body         string
	ReceiveCount int       // how often it has been received, this time included; from 1
	SentAt       time.Time // when it was put into the queue; zero where the queue does not say
	ReceivedAt   time.Time // by our clock
}

// Handler does the work of one message and says what becomes of it. Its context ends with
// ErrLeaseLost or ErrDraining as the cause. It may be called again for a message that it
// has finished before: SQS delivers at least once. A panic is logged and treated as Retry.
type Handler func(ctx context.Context, m Message) Outcome

// Outcome is what becomes of a message.
type Outcome struct {
	ack   bool
	after time.Duration
}

// Ack says that the work is done: the message is deleted.
func Ack() Outcome { return Outcome{ack: true} }

// Retry lets the message come back after a while, and after the queue's maxReceiveCount
// go to the dead-letter queue. Zero is a time that grows with the receive count (see
// Options.RetryBase).
func Retry(after time.Duration) Outcome { return Outcome{after: max(after, 0)} }

func (o Outcome) String() string {
	switch {
	case o.ack:
		return "ack"
	case o.after == 0:
		return "retry"
	}
	return "retry after " + o.after.String()
}

// Options for an Engine. Zero values stand for the defaults.
type Options struct {
	// QueueURL is the queue to work through. Required.
	QueueURL string
	// Slots is how many messages are handled at once. More than there are cores lets fetching
	// and storing overlap with computing; the handler gates what is bound to cores. Default:
	// twice the number of cores, plus two.
	Slots int
	// Visibility is how long a message stays hidden unless its lease is extended, which
	// happens every third of it. Shorter: a crash is made good sooner. Longer: the engine
	// outlives longer trouble between it and the queue. In whole seconds, at least 3.
	// Default: 30 s.
	Visibility time.Duration
	// Wait is how long one long poll lasts, in whole seconds, at most 20. Default: 20 s.
	Wait time.Duration
	// DrainTimeout is how long handlers may go on after Run's context has ended. Default: 25 s.
	DrainTimeout time.Duration
	// RetryBase bounds the delay of the first retry; each further one may be four times as
	// long, up to RetryMax. The delay is drawn evenly from between one second and that bound
	// ("full jitter"), so that what failed together does not come back together. With five
	// receives the defaults span some minutes: an outage that short sends nothing to the
	// dead-letter queue. Defaults: 5 s, 15 min.
	RetryBase, RetryMax time.Duration
	// Linger is how long an acknowledged message waits for others to be deleted with.
	// Default: 50 ms.
	Linger time.Duration
	// UnreadyAfter is how long receiving may fail before Ready says so. Default: 30 s.
	UnreadyAfter time.Duration
	// Logger gets one line per change of state and per lost or failed message. Default: none.
	Logger *slog.Logger
}

func (o *Options) defaults() {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	if o.Slots == 0 {
		o.Slots = 2*runtime.GOMAXPROCS(0) + 2
	}
	set(&o.Visibility, 30*time.Second)
	set(&o.Wait, 20*time.Second)
	set(&o.DrainTimeout, 25*time.Second)
	set(&o.RetryBase, 5*time.Second)
	set(&o.RetryMax, 15*time.Minute)
	set(&o.Linger, 50*time.Millisecond)
	set(&o.UnreadyAfter, 30*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

func (o *Options) validate() error {
	switch {
	case o.QueueURL == "":
		return errors.New("queue: no queue URL")
	case o.Slots < 1:
		return fmt.Errorf("queue: %d slots: at least 1 is needed", o.Slots)
	case o.Visibility < 3*time.Second || o.Visibility > 12*time.Hour || o.Visibility%time.Second != 0:
		return fmt.Errorf("queue: a visibility timeout of %v: whole seconds from 3 s to 12 h are allowed", o.Visibility)
	case o.Wait < time.Second || o.Wait > 20*time.Second || o.Wait%time.Second != 0:
		return fmt.Errorf("queue: a long poll of %v: whole seconds from 1 s to 20 s are allowed", o.Wait)
	case o.RetryBase < time.Second || o.RetryMax < o.RetryBase || o.RetryMax > 11*time.Hour:
		return fmt.Errorf("queue: retries after %v up to %v: from 1 s to 11 h are allowed, the first not over the last", o.RetryBase, o.RetryMax)
	case o.DrainTimeout < 0 || o.Linger < 0 || o.UnreadyAfter < 0:
		return errors.New("queue: a negative duration")
	}
	return nil
}

// Stats are counts since the start, for metrics; InFlight and Held are of this moment.
type Stats struct {
	Received      int64 // messages
	InFlight      int64 // messages with a handler at work
	Held          int64 // messages whose lease is held: in flight, or done and not deleted yet
	Acked         int64 // messages deleted
	Retried       int64 // messages that will come back later
	Released      int64 // messages given back while draining
	LostLeases    int64
	Panics        int64
	ReceiveErrors int64
	DeleteErrors  int64 // messages that a delete request failed for; they are tried again
	// OldestAge is how old the oldest message of the last few receives was when it came; zero
	// once a poll has found nothing. Messages received more than three times are left out, as
	// CloudWatch's ApproximateAgeOfOldestMessage leaves them out: it is they who are late, not
	// the queue.
	OldestAge time.Duration
}

// Engine works through one queue. Make it with New and start it with Run, once.
type Engine struct {
	client  *sqs.Client
	opts    Options
	handler Handler
	log     *slog.Logger

	started  atomic.Bool
	handlers sync.WaitGroup
	wake     chan struct{} // to the receive loop: a slot may be free
	acked    chan struct{} // to the delete loop: there is something to delete

	mu      sync.Mutex
	running int                 // handlers at work
	leases  map[*lease]struct{} // held: from receipt until deleted, retried, released or lost
	pending []*lease            // acknowledged, to be deleted
	polling polling             // how receiving goes, for Ready
	ages    ages                // of what was received

	received, acks, retried, released, lost, panics, receiveErrors, deleteErrors atomic.Int64
}

// New makes an engine that hands each message of a queue to h.
func New(client *sqs.Client, opts Options, h Handler) (*Engine, error) {
	opts.defaults()
	if client == nil || h == nil {
		return nil, errors.New("queue: a client and a handler are needed")
	}
	if err := opts.validate(); err != nil {
		return nil, err
	}
	return &Engine{
		client: client, opts: opts, handler: h,
		log:    opts.Logger.With("queue", opts.QueueURL),
		wake:   make(chan struct{}, 1),
		acked:  make(chan struct{}, 1),
		leases: map[*lease]struct{}{},
	}, nil
}

// flushTimeout bounds what happens after the last handler: deletes that are still to be
// sent, messages given back.
const flushTimeout = 5 * time.Second

// Run receives until ctx ends, then drains: it waits for the handlers at work up to
// DrainTimeout, ends their contexts, gives their messages back, and flushes the deletes.
// It returns nil once everything is settled, an error where a handler did not return.
func (e *Engine) Run(ctx context.Context) error {
	if !e.started.CompareAndSwap(false, true) {
		return errors.New("queue: an engine runs once")
	}
	beyond := context.WithoutCancel(ctx)
	work, stopWork := context.WithCancelCause(beyond)
	hard, stopHard := context.WithCancel(beyond)
	defer stopHard()
	defer stopWork(ErrDraining)

	var background sync.WaitGroup
	handled, flushed := make(chan struct{}), make(chan struct{})
	background.Go(func() { e.heartbeat(hard) })
	background.Go(func() { defer close(flushed); e.deleteLoop(hard, handled) })

	e.log.Info("receiving", "slots", e.opts.Slots, "visibility", e.opts.Visibility)
	e.receiveLoop(ctx, work)

	e.mu.Lock()
	e.polling.draining = true
	e.log.Info("draining", "in_flight", e.running, "timeout", e.opts.DrainTimeout)
	e.mu.Unlock()
	err := e.drain(hard, stopWork)
	close(handled)
	limit := time.AfterFunc(flushTimeout, stopHard)
	<-flushed
	limit.Stop()
	stopHard()
	background.Wait()
	e.log.Info("drained", "acked", e.acks.Load(), "released", e.released.Load())
	return err
}

// drain waits for the handlers, first patiently, then with their contexts ended.
func (e *Engine) drain(hard context.Context, stopWork context.CancelCauseFunc) error {
	done := make(chan struct{})
	go func() { e.handlers.Wait(); close(done) }()
	patience := time.NewTimer(e.opts.DrainTimeout)
	defer patience.Stop()
	select {
	case <-done:
		return nil
	case <-patience.C:
	}
	stopWork(ErrDraining)
	grace := time.NewTimer(flushTimeout)
	defer grace.Stop()
	select {
	case <-done:
		return nil
	case <-grace.C:
	}
	stuck := e.abandonRunning()
	e.log.Error("handlers did not return; their messages are given back", "handlers", len(stuck))
	e.releaseAll(hard, stuck)
	return fmt.Errorf("queue: %d handlers did not return within %v of being told to stop", len(stuck), flushTimeout)
}

// Stats returns the counts of this moment.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	running, held, oldest := e.running, len(e.leases), e.ages.oldest()
	e.mu.Unlock()
	return Stats{
		OldestAge: oldest,
		Received:  e.received.Load(), InFlight: int64(running), Held: int64(held), Acked: e.acks.Load(), Retried: e.retried.Load(),
		Released: e.released.Load(), LostLeases: e.lost.Load(), Panics: e.panics.Load(),
		ReceiveErrors: e.receiveErrors.Load(), DeleteErrors: e.deleteErrors.Load(),
	}
}

// signal wakes whoever waits on c, once.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
