// Package queue works through an SQS queue: it receives, holds the lease, and
// acknowledges, retries or gives back. It knows nothing of images; of ours it
// imports internal/outage alone.
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
//   - A service that is down is no fault of the messages. They are kept in hand, their
//     leases extended, and tried again one at a time and ever more slowly; no further ones are
//     received. So an outage uses up no receives, and sends nothing to the dead-letter queue.
//   - Whoever asks for fewer requests gets fewer: overload halves the handlers at work at
//     once, success adds one by one.
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
	Try          int       // how often the handler has been called in this receive, this time included; from 1
	SentAt       time.Time // when it was put into the queue; zero where the queue does not say
	ReceivedAt   time.Time // by our clock
	TraceHeader  string    // AWSTraceHeader, an X-Ray trace; untrusted, mostly empty
}

// Handler does the work of one message and says what becomes of it. Its context ends with
// ErrLeaseLost or ErrDraining as the cause. It may be called again for a message that it
// has finished before: SQS delivers at least once, and what is held is tried again (see
// Message.Try). A panic is logged and treated as Retry.
type Handler func(ctx context.Context, m Message) Outcome

// Outcome is what becomes of a message.
type Outcome struct {
	ack, hold bool
	final     bool // a retry without further tries in hand
	after     time.Duration
	reason    string
}

// Ack says that the work is done: the message is deleted.
func Ack() Outcome { return Outcome{ack: true} }

// Retry lets the message come back after a while, and after the queue's maxReceiveCount
// go to the dead-letter queue. Zero is a time that grows with the receive count (see
// Options.RetryBase), and says that the fault may pass: on its last receive the message is
// tried some more times in hand before it is given up.
func Retry(after time.Duration) Outcome { return Outcome{after: max(after, 0)} }

// Hold says that a service the work needs is down, asks for fewer requests, or does not accept
// us, and that another message would fare no better. The message stays in hand and is tried
// again until it succeeds, for up to Options.HoldFor. Reason is for people; Ready tells it.
func Hold(reason string) Outcome { return Outcome{hold: true, reason: reason} }

// Held reports whether o is a Hold.
func (o Outcome) Held() bool { return o.hold }

func (o Outcome) String() string {
	switch {
	case o.ack:
		return "ack"
	case o.hold:
		return "hold: " + o.reason
	case o.after == 0:
		return "retry"
	}
	return "retry after " + o.after.String()
}

// Options for an Engine. Zero values stand for the defaults.
type Options struct {
	// QueueURL is the queue to work through. Required.
	QueueURL string
	// Slots is how many messages are handled at once where nothing is overloaded. More than
	// there are cores lets fetching and storing overlap with computing; the handler gates what
	// is bound to cores. Default: twice the number of cores, plus two.
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
	// ("full jitter"), so that what failed together does not come back together. Defaults: 5 s,
	// 15 min.
	RetryBase, RetryMax time.Duration
	// HoldBase bounds the pause before the next try while a service is down; each further one
	// may be twice as long, up to HoldMax, which so is how late its return may be noticed.
	// Defaults: 1 s, 30 s.
	HoldBase, HoldMax time.Duration
	// HoldFor is how long a message is kept in hand for such a service; then it goes back, and
	// the next receive counts. SQS lets nobody have a message for more than 12 hours at a time.
	// Default: 1 h.
	HoldFor time.Duration
	// Linger is how long an acknowledged message waits for others to be deleted with.
	// Default: 50 ms.
	Linger time.Duration
	// LingerBusy is the same while handlers are at work: their messages will be deleted with it.
	// It holds for messages that were received for the first time, no others. Default: 1 s, or Linger where that is longer.
	LingerBusy time.Duration
	// Busy, where given, says that a message received now would only wait in this process. While
	// it does, a poll waits until half of the slots are free, or ten, for Gather at most: so fewer
	// polls bring as many messages. It is asked often and must not wait. Default: never.
	Busy func() bool
	// Gather is how long a poll may wait so. Default: 1 s.
	Gather time.Duration
	// UnreadyAfter is how long receiving may be answered with errors before Ready says so. Of a
	// poll that hangs, and of credentials that are not accepted, it tells at once. Default: 10 s.
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
	set(&o.LingerBusy, max(time.Second, o.Linger))
	set(&o.Gather, time.Second)
	set(&o.HoldBase, time.Second)
	set(&o.HoldMax, 30*time.Second)
	set(&o.HoldFor, time.Hour)
	set(&o.UnreadyAfter, 10*time.Second)
	if o.Busy == nil {
		o.Busy = func() bool { return false }
	}
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
	case o.HoldBase < 0 || o.HoldMax < o.HoldBase || o.HoldFor < 0 || o.HoldFor > 11*time.Hour:
		return fmt.Errorf("queue: holding with pauses of %v up to %v, for %v: up to 11 h are allowed, the first pause not over the last", o.HoldBase, o.HoldMax, o.HoldFor)
	case o.DrainTimeout < 0 || o.Linger < 0 || o.Gather < 0 || o.UnreadyAfter < 0:
		return errors.New("queue: a negative duration")
	case o.LingerBusy < o.Linger:
		return fmt.Errorf("queue: deletes linger for %v, and while handlers are at work for %v: not less is allowed", o.Linger, o.LingerBusy)
	}
	return nil
}

// Stats are counts since the start, for metrics; InFlight, Waiting, Held and Limit are of
// this moment.
type Stats struct {
	Received      int64 // messages
	InFlight      int64 // messages with a handler at work
	Waiting       int64 // messages in hand whose handler is still to be called, or called again
	Held          int64 // messages whose lease is held: in flight, waiting, or done and not deleted yet
	Slots         int64 // Options.Slots
	Limit         int64 // handlers that may be at work at once now: Slots, or less after overload
	Overloads     int64 // times that the limit was halved
	Holds         int64 // tries that found a service down
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

	mu          sync.Mutex
	gate        gate                // who may start
	leases      map[*lease]struct{} // held: from receipt until deleted, retried, released or lost
	pending     []*lease            // acknowledged, to be deleted
	polling     polling             // how receiving goes, for Ready
	extending   trouble             // with extensions of leases
	deleting    trouble             // with deletes
	ages        ages                // of what was received
	maxReceives int                 // after so many a message goes to the dead-letter queue; 0: never
	holds       int64

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
		leases: map[*lease]struct{}{}, gate: gate{limit: limiter{now: opts.Slots}}, maxReceives: defaultMaxReceives,
		extending: trouble{what: "extending leases"}, deleting: trouble{what: "deleting finished messages"},
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
	background.Go(func() { e.learnRedrive(ctx) })
	background.Go(func() { defer close(flushed); e.deleteLoop(hard, handled) })

	e.log.Info("receiving", "slots", e.opts.Slots, "visibility", e.opts.Visibility)
	e.receiveLoop(ctx, work)

	e.mu.Lock()
	e.polling.draining = true
	e.log.Info("draining", "in_flight", e.gate.active, "timeout", e.opts.DrainTimeout)
	e.mu.Unlock()
	defer e.stopTimer()
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
	defer e.mu.Unlock()
	g := &e.gate
	return Stats{
		InFlight: int64(g.active), Waiting: int64(g.inHand - g.active), Held: int64(len(e.leases)), OldestAge: e.ages.oldest(),
		Slots: int64(e.opts.Slots), Limit: int64(g.limit.now), Overloads: g.limit.halved, Holds: e.holds,
		Received: e.received.Load(), Acked: e.acks.Load(), Retried: e.retried.Load(),
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
