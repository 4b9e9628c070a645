package queue

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

// lease is our hold on one message: its receipt handle and how long it is good for.
type lease struct {
	msg     Message
	receipt string

	// request holds a token, taken while a request sets this message's visibility, so that
	// an extension under way cannot undo the delay of a retry, or a release, by arriving
	// after it.
	request chan struct{}
	// turn gets a token when the handler may start.
	turn chan struct{}

	// Guarded by Engine.mu.
	expires time.Time   // by our clock; the message is surely ours until then
	timer   *time.Timer // fires at expires
	cancel  context.CancelCauseFunc
	running bool // a handler is at work
	acked   bool // the work is done; a delete is due or under way
	lost    bool

	// While the message is in hand; guarded by Engine.mu too.
	inHand    bool      // it takes up a slot
	probe     bool      // its handler was started to see whether a service is up again
	notBefore time.Time // when the handler may be called again
	holds     int       // tries that found a service down
	heldSince time.Time // when the first of those ended
	seen      int64     // gate.successes when it was last tried
	strikes   int       // tries that failed though others had succeeded since the one before
	patience  int       // further tries on its last receive
}

// hold begins a lease: the message has just been received.
func (e *Engine) hold(m Message, receipt string) *lease {
	l := &lease{msg: m, receipt: receipt, expires: m.ReceivedAt.Add(e.opts.Visibility), request: make(chan struct{}, 1), turn: make(chan struct{}, 1)}
	l.request <- struct{}{}
	e.mu.Lock()
	defer e.mu.Unlock()
	l.timer = time.AfterFunc(time.Until(l.expires), func() { e.expire(l) })
	e.leases[l] = struct{}{}
	return l
}

// drop ends a lease in an orderly way: the message is deleted or given back. It reports
// whether the lease was still held.
func (e *Engine) drop(l *lease) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, held := e.leases[l]
	delete(e.leases, l)
	l.timer.Stop()
	return held
}

// expire runs when a lease's time is up by our own clock.
func (e *Engine) expire(l *lease) {
	e.mu.Lock()
	left := time.Until(l.expires)
	if left > 0 { // extended at the last moment
		l.timer.Reset(left)
		e.mu.Unlock()
		return
	}
	e.mu.Unlock()
	e.lose(l, errors.New("it could not be extended in time"))
}

// lose ends a lease that is not ours any more, and the work under it.
func (e *Engine) lose(l *lease, why error) {
	e.mu.Lock()
	_, held := e.leases[l]
	delete(e.leases, l)
	l.timer.Stop()
	l.lost = l.lost || held
	cancel, running := l.cancel, l.running
	e.mu.Unlock()
	if !held {
		return
	}
	e.lost.Add(1)
	e.log.Warn("lost the lease of a message; its work is dropped", "message", l.msg.ID, "receive_count", l.msg.ReceiveCount, "at_work", running, "error", why)
	if cancel != nil {
		cancel(ErrLeaseLost)
	}
}

// isLost reports whether the lease was lost.
func (e *Engine) isLost(l *lease) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return l.lost
}

// isAcked reports whether the message is only to be deleted yet.
func (e *Engine) isAcked(l *lease) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return l.acked
}

// heartbeat extends every lease that is held, every third of the visibility timeout and
// more often after a failure, until ctx ends.
func (e *Engine) heartbeat(ctx context.Context) {
	every := e.opts.Visibility / 3
	timer := time.NewTimer(every)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		began := time.Now()
		e.extending.begin(e, began)
		err := e.extendAll(ctx)
		if err != nil && ctx.Err() != nil {
			return
		}
		e.extending.end(e, began, err)
		next := every
		if err != nil {
			next = e.opts.Visibility / 10
		}
		timer.Reset(max(next-time.Since(began), 0))
	}
}

// extendAll extends every lease held, all batches at once: one that hangs must not let
// the others run out. It returns a failure of any of them.
func (e *Engine) extendAll(ctx context.Context) error {
	e.mu.Lock()
	all := make([]*lease, 0, len(e.leases))
	for l := range e.leases {
		all = append(all, l)
	}
	e.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, e.opts.Visibility/3)
	defer cancel()
	var wg sync.WaitGroup
	errs := make([]error, (len(all)+batch-1)/batch)
	for i := range errs {
		wg.Go(func() { errs[i] = e.extend(ctx, all[i*batch:min((i+1)*batch, len(all))]) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// extend extends up to ten leases with one request.
func (e *Engine) extend(ctx context.Context, leases []*lease) error {
	var mine []*lease
	var entries []types.ChangeMessageVisibilityBatchRequestEntry
	for _, l := range leases {
		select {
		case <-l.request:
			defer func() { l.request <- struct{}{} }()
		default: // being retried or released
			continue
		}
		e.mu.Lock()
		_, held := e.leases[l]
		e.mu.Unlock()
		if !held {
			continue
		}
		entries = append(entries, types.ChangeMessageVisibilityBatchRequestEntry{
			Id: aws.String(strconv.Itoa(len(mine))), ReceiptHandle: &l.receipt, VisibilityTimeout: int32(e.opts.Visibility / time.Second),
		})
		mine = append(mine, l)
	}
	if len(mine) == 0 {
		return nil
	}
	began := time.Now() // the queue counts from when it hears of it, which is later
	out, err := e.client.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &e.opts.QueueURL, Entries: entries})
	if err != nil {
		return err
	}
	e.mu.Lock()
	for _, ok := range out.Successful {
		if l := entry(mine, ok.Id); l != nil && !l.lost {
			l.expires = began.Add(e.opts.Visibility)
			if _, held := e.leases[l]; held {
				l.timer.Reset(time.Until(l.expires))
			}
		}
	}
	e.mu.Unlock()
	var failed error
	for _, f := range out.Failed {
		l := entry(mine, f.Id)
		if l == nil {
			continue
		}
		err := batchError(f)
		switch {
		case !gone(f):
			failed = err
		case e.isAcked(l): // most likely deleted meanwhile; the delete's own answer tells
		default:
			e.lose(l, err)
		}
	}
	return failed
}

// entry finds the lease that a batch's answer speaks of.
func entry(leases []*lease, id *string) *lease {
	i, err := strconv.Atoi(aws.ToString(id))
	if err != nil || i < 0 || i >= len(leases) {
		return nil
	}
	return leases[i]
}

// gone reports whether a failed entry says that the receipt handle is no good any more:
// the message was deleted, or its visibility timeout has passed. The queue calls that the
// sender's fault; so it calls throttling.
func gone(f types.BatchResultErrorEntry) bool {
	switch aws.ToString(f.Code) {
	case "RequestThrottled", "Throttling", "ThrottlingException", "ThrottledException", "OverLimit", "KmsThrottled", "KMS.ThrottlingException":
		return false
	}
	return f.SenderFault
}

func batchError(f types.BatchResultErrorEntry) error {
	return &smithy.GenericAPIError{Code: aws.ToString(f.Code), Message: aws.ToString(f.Message)}
}
