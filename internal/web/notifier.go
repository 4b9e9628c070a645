package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.opentelemetry.io/otel/trace"

	"github.com/tintype/tintype/internal/awsclock"
	"github.com/tintype/tintype/internal/event"
	"github.com/tintype/tintype/internal/telemetry"
)

const (
	// heartbeatTag carries the Unix second, by SQS's clock, at which a queue's owner was last alive.
	heartbeatTag = "tintype-heartbeat"
	// queueRetention is how long completions wait while this instance cannot receive.
	// After that it cannot know what it missed and tells its listeners to load again.
	queueRetention = time.Hour
	// receiveWait is the long poll; receiveGrace is how much longer than its wait one may last,
	// before it counts as hanging and is ended.
	receiveWait  = 20 * time.Second
	receiveGrace = 5 * time.Second
	// callTimeout bounds every other call.
	callTimeout = 15 * time.Second
	// cleanUpTimeout bounds unsubscribing and deleting the queue at stop.
	cleanUpTimeout = 5 * time.Second

	backoffMin = 200 * time.Millisecond
	backoffMax = 15 * time.Second
)

// NotifierOptions say where completion messages come from.
type NotifierOptions struct {
	SQS *sqs.Client
	SNS *sns.Client
	// TopicARN is the topic processingnotification.
	TopicARN string
	// QueuePrefix begins the name of every web instance's queue; default "tintype-web-".
	// Instances with the same prefix sweep each other's queues after a death.
	QueuePrefix string
	// Host goes into the queue's name, for the operator; default "host".
	Host string
	// Heartbeat is how often the queue's heartbeat tag and its subscription are seen to; default 1 minute.
	Heartbeat time.Duration
	// DeadAfter is the age of a heartbeat from which a queue's owner counts as dead; default 5 minutes.
	DeadAfter time.Duration
	// SweepEvery is how often dead owners' queues are looked for, besides at start; default 3 minutes.
	SweepEvery time.Duration
	Tracer     trace.Tracer // default: no spans are made
	Logger     *slog.Logger
}

// Notifier hears of finished images: it owns one SQS queue, subscribed to
// processingnotification, for as long as it runs.
//
// Every web instance has a queue of its own, because every one of them must hear of
// every image: the browser that waits may be connected to any. The queue is made at
// start, deleted at stop, and swept by other instances when its owner has died
// without stopping.
type Notifier struct {
	o       NotifierOptions
	log     *slog.Logger
	metrics *metrics
	deliver func(context.Context, event.Completion)
	missed  func()
	seen    *recent
	clock   *awsclock.Clock // of SQS: heartbeats are compared between hosts

	deleting chan struct{} // one token for each delete under way
	deletes  sync.WaitGroup

	mu    sync.Mutex
	state error     // why completions cannot be received now; nil while they can
	due   time.Time // when the call that is under way should have been answered; zero between calls
	queue ownQueue
}

// ownQueue is the queue this instance receives from.
type ownQueue struct {
	url, arn, subscription string
}

// errHanging means that a call is not answered: a connection that is taken, or was once,
// and says nothing.
var errHanging = errors.New("the queue for completion messages does not answer")

var errNotStarted = errors.New("the queue for completion messages has not been made yet")

// newNotifier makes a Notifier. deliver is called for every completion once, missed
// when completions may have been lost; both from the goroutine of run.
func newNotifier(o NotifierOptions, m *metrics, deliver func(context.Context, event.Completion), missed func()) (*Notifier, error) {
	if o.SQS == nil || o.SNS == nil {
		return nil, errors.New("web: NotifierOptions needs an SQS and an SNS client")
	}
	if _, err := arn.Parse(o.TopicARN); err != nil {
		return nil, fmt.Errorf("web: topic ARN %q: %w", o.TopicARN, err)
	}
	if o.QueuePrefix == "" {
		o.QueuePrefix = "tintype-web-"
	}
	if len(o.QueuePrefix) > queueNameMax-10 {
		return nil, fmt.Errorf("web: queue prefix %q is longer than %d characters", o.QueuePrefix, queueNameMax-10)
	}
	if o.Host == "" {
		o.Host = "host"
	}
	if o.Heartbeat <= 0 {
		o.Heartbeat = time.Minute
	}
	if o.DeadAfter <= 0 {
		o.DeadAfter = 5 * time.Minute
	}
	if o.DeadAfter < 2*o.Heartbeat {
		return nil, fmt.Errorf("web: DeadAfter (%v) must be at least twice Heartbeat (%v), or a slow call would cost a live instance its queue", o.DeadAfter, o.Heartbeat)
	}
	if o.SweepEvery <= 0 {
		o.SweepEvery = 3 * time.Minute
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Tracer == nil {
		o.Tracer = telemetry.NoTracer()
	}
	clock := &awsclock.Clock{}
	o.SQS = sqs.New(o.SQS.Options(), func(c *sqs.Options) { c.APIOptions = append(slices.Clone(c.APIOptions), clock.Learn) })
	return &Notifier{o: o, clock: clock, log: o.Logger, metrics: m, deliver: deliver, missed: missed, seen: newRecent(4096), deleting: make(chan struct{}, maxDeletes), state: errNotStarted}, nil
}

// State is nil while completions can be received, and otherwise says why not.
func (n *Notifier) State() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.state == nil && !n.due.IsZero() && time.Now().After(n.due) {
		return errHanging
	}
	return n.state
}

func (n *Notifier) setState(err error) {
	n.mu.Lock()
	was := n.state
	n.state = err
	n.mu.Unlock()
	switch {
	case err != nil && was == nil:
		n.log.Warn("completion messages cannot be received; trying again", "err", err)
	case err == nil && was != nil:
		n.log.Info("receiving completion messages", "queue", n.own().url)
	}
}

func (n *Notifier) own() ownQueue {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.queue
}

func (n *Notifier) setOwn(q ownQueue) {
	n.mu.Lock()
	n.queue = q
	n.mu.Unlock()
}

// forget makes an image's next completion count as new, even if the same one was
// delivered before: a retry that changes nothing is announced with the same id.
func (n *Notifier) forget(imageID string) { n.seen.forget(imageID) }

// run receives until ctx is done and then unsubscribes and deletes the queue.
// Nothing that goes wrong with the endpoint ends it.
func (n *Notifier) run(ctx context.Context) {
	defer n.cleanUp(ctx)
	defer n.deletes.Wait()
	var wait time.Duration // the backoff before the next try
	first := true
	for ctx.Err() == nil {
		err := n.open(ctx)
		if err == nil {
			if !first {
				n.missed() // whatever was announced between the old queue and this one
			}
			first = false
			wait = 0
			n.metrics.recreated.Inc()
			err = n.serve(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		n.setState(err)
		if err := n.leave(ctx); err != nil { // what is left of the queue: its subscription at least
			n.log.Info("could not remove what is left of the completion queue; the sweep will", "err", err)
		}
		wait = backOff(wait)
		pause(ctx, wait)
	}
}

// open makes this instance's queue and subscribes it. After an error the caller discards
// what there is of it.
func (n *Notifier) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	// A fresh name each time: SQS refuses a deleted queue's name for 60 seconds.
	name := queueName(n.o.QueuePrefix, n.o.Host)
	ahead := n.clock.Ahead()
	made, err := n.o.SQS.CreateQueue(ctx, &sqs.CreateQueueInput{
		QueueName: &name,
		Attributes: map[string]string{
			"MessageRetentionPeriod":        strconv.Itoa(int(queueRetention / time.Second)),
			"ReceiveMessageWaitTimeSeconds": strconv.Itoa(int(receiveWait / time.Second)),
		},
		Tags: n.heartbeat(),
	})
	if err != nil {
		return fmt.Errorf("create queue %s: %w", name, err)
	}
	q := ownQueue{url: aws.ToString(made.QueueUrl)}
	n.setOwn(q)                                 // known from here on, so that cleanUp finds it whatever happens next
	if told := n.clock.Ahead(); told != ahead { // the answer taught us the time
		if _, err := n.o.SQS.TagQueue(ctx, &sqs.TagQueueInput{QueueUrl: &q.url, Tags: n.heartbeat()}); err != nil {
			return fmt.Errorf("tag queue %s: %w", name, err)
		}
	}
	attrs, err := n.o.SQS.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &q.url, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn},
	})
	if err != nil {
		return fmt.Errorf("read ARN of queue %s: %w", name, err)
	}
	q.arn = attrs.Attributes[string(sqstypes.QueueAttributeNameQueueArn)]
	if q.arn == "" {
		return fmt.Errorf("read ARN of queue %s: the endpoint answered none", name)
	}
	n.setOwn(q)
	policy, err := queuePolicy(q.arn, n.o.TopicARN)
	if err != nil {
		return err
	}
	if _, err := n.o.SQS.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{
		QueueUrl: &q.url, Attributes: map[string]string{"Policy": policy},
	}); err != nil {
		return fmt.Errorf("set policy of queue %s: %w", name, err)
	}
	return n.subscribe(ctx)
}

// heartbeat is the tag that says when we were last alive, by SQS's clock.
func (n *Notifier) heartbeat() map[string]string {
	return map[string]string{heartbeatTag: strconv.FormatInt(n.clock.Now().Unix(), 10)}
}

// subscribe subscribes the own queue to the topic; it changes nothing where that is so already.
func (n *Notifier) subscribe(ctx context.Context) error {
	q := n.own()
	sub, err := n.o.SNS.Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: &n.o.TopicARN, Protocol: aws.String("sqs"), Endpoint: &q.arn,
		Attributes:            map[string]string{"RawMessageDelivery": "true"},
		ReturnSubscriptionArn: true,
	})
	if err != nil {
		return fmt.Errorf("subscribe %s to %s: %w", q.arn, n.o.TopicARN, err)
	}
	q.subscription = aws.ToString(sub.SubscriptionArn)
	n.setOwn(q)
	return nil
}

// serve receives from the own queue until it is gone or ctx is done. Other errors it
// rides out.
func (n *Notifier) serve(ctx context.Context) error {
	n.setState(nil)
	lastGood := time.Now()
	beat := time.Now().Add(n.o.Heartbeat)
	var wait time.Duration
	for ctx.Err() == nil {
		if !time.Now().Before(beat) {
			err := n.keepAlive(ctx)
			if isQueueGone(err) {
				return err
			}
			if err != nil && ctx.Err() == nil {
				if isTransient(err) { // until a poll tells otherwise
					n.setState(err)
				}
				n.log.Warn("heartbeat of the completion queue failed", "queue", n.own().url, "err", err)
			}
			beat = time.Now().Add(n.o.Heartbeat)
		}
		// A long poll that outlasted the heartbeat would let it lapse. After a failure a short one
		// tells soon whether it is over.
		longest := receiveWait
		if n.State() != nil {
			longest = time.Second
		}
		err := n.receive(ctx, min(longest, max(time.Second, time.Until(beat))))
		switch {
		case ctx.Err() != nil:
			return err // of the cancelled call
		case isQueueGone(err):
			return err
		case err != nil:
			n.setState(err)
			wait = backOff(wait)
			pause(ctx, wait)
		default:
			if time.Since(lastGood) > queueRetention {
				n.missed()
			}
			lastGood, wait = time.Now(), 0
			n.setState(nil)
		}
	}
	return nil
}

// receive takes what is in the queue, delivers it and has it deleted meanwhile.
func (n *Notifier) receive(ctx context.Context, wait time.Duration) error {
	q := n.own()
	got, err := n.poll(ctx, q, wait)
	if err != nil {
		return fmt.Errorf("receive completions: %w", err)
	}
	if len(got.Messages) == 0 {
		return nil
	}
	done := make([]sqstypes.DeleteMessageBatchRequestEntry, 0, len(got.Messages))
	for i, m := range got.Messages {
		n.handle(m)
		done = append(done, sqstypes.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.ReceiptHandle})
	}
	select {
	case n.deleting <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	n.deletes.Go(func() {
		defer func() { <-n.deleting }()
		n.delete(ctx, q, done)
	})
	return nil
}

// maxDeletes is how many batches may be on their way to being deleted while the next ones are
// received.
const maxDeletes = 4

// delete deletes what was delivered. What fails comes again after its visibility timeout and is
// a known repeat then; that the queue is gone, the next poll says as well. A stop does not cut
// it off.
func (n *Notifier) delete(ctx context.Context, q ownQueue, done []sqstypes.DeleteMessageBatchRequestEntry) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	deleted, err := n.o.SQS.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &q.url, Entries: done})
	if err != nil {
		n.log.Warn("received completions could not be deleted", "count", len(done), "err", err)
		return
	}
	if len(deleted.Failed) > 0 {
		n.log.Warn("received completions could not be deleted", "count", len(deleted.Failed), "reason", aws.ToString(deleted.Failed[0].Message))
	}
}

// poll makes one long poll and ends it where it hangs.
func (n *Notifier) poll(ctx context.Context, q ownQueue, wait time.Duration) (*sqs.ReceiveMessageOutput, error) {
	defer n.expect(wait + receiveGrace)()
	ctx, cancel := context.WithTimeout(ctx, wait+receiveGrace)
	defer cancel()
	return n.o.SQS.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &q.url, MaxNumberOfMessages: 10, WaitTimeSeconds: int32(wait / time.Second),
		MessageAttributeNames: []string{telemetry.Traceparent},
	})
}

// expect has State tell of a call that is not answered within a time, until done is called.
func (n *Notifier) expect(within time.Duration) (done func()) {
	set := func(t time.Time) {
		n.mu.Lock()
		n.due = t
		n.mu.Unlock()
	}
	set(time.Now().Add(within))
	return func() { set(time.Time{}) }
}

// handle delivers one message, unless it is a repeat or no completion at all.
func (n *Notifier) handle(m sqstypes.Message) {
	c, err := event.DecodeCompletion([]byte(aws.ToString(m.Body)))
	if err != nil {
		n.metrics.junk.Inc()
		n.log.Info("message in the completion queue is no completion; dropped", "message", aws.ToString(m.MessageId), "err", err)
		return
	}
	if !n.seen.add(c.ID, c.ImageID) {
		n.metrics.repeats.Inc()
		return
	}
	ctx, end := n.heard(m)
	defer end()
	n.deliver(ctx, c)
}

// keepAlive renews the heartbeat tag and, where it has vanished, the subscription.
func (n *Notifier) keepAlive(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	defer n.expect(receiveGrace)()
	q := n.own()
	if _, err := n.o.SQS.TagQueue(ctx, &sqs.TagQueueInput{
		QueueUrl: &q.url, Tags: n.heartbeat(),
	}); err != nil {
		return fmt.Errorf("tag queue: %w", err)
	}
	_, err := n.o.SNS.GetSubscriptionAttributes(ctx, &sns.GetSubscriptionAttributesInput{SubscriptionArn: &q.subscription})
	var gone *snstypes.NotFoundException
	if !errors.As(err, &gone) {
		return err
	}
	if err := n.subscribe(ctx); err != nil {
		return err
	}
	n.log.Warn("the subscription of the completion queue had vanished; subscribed again", "queue", q.url)
	n.missed()
	return nil
}

// cleanUp unsubscribes and deletes the own queue after ctx is done, within cleanUpTimeout.
func (n *Notifier) cleanUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTimeout)
	defer cancel()
	q := n.own()
	n.mu.Lock()
	n.state = errors.New("stopped")
	n.mu.Unlock()
	if err := n.discard(ctx); err != nil {
		n.log.Warn("could not remove the completion queue; another web instance will", "queue", q.url, "err", err)
		return
	}
	n.log.Info("completion queue removed", "queue", q.url)
}

// leave is discard with a time-out of its own.
func (n *Notifier) leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return n.discard(ctx)
}

// discard unsubscribes and deletes the own queue, if there is one.
func (n *Notifier) discard(ctx context.Context) error {
	q := n.own()
	n.setOwn(ownQueue{})
	return removeQueue(ctx, n.o.SQS, n.o.SNS, q.url, q.subscription)
}

// isTransient reports an error of the network or a time-out: worth trying again.
func isTransient(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) || errors.Is(err, context.DeadlineExceeded)
}

// backOff doubles the wait between tries, from backoffMin to backoffMax.
func backOff(last time.Duration) time.Duration {
	return min(max(2*last, backoffMin), backoffMax)
}

// pause waits d, less up to a quarter so that instances do not move in step, or until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d - mathrand.N(d/4+1))
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
