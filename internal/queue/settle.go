package queue

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const (
	settleTimeout    = 10 * time.Second // one request that settles messages, the SDK's repeats included
	deleteBackoff    = 100 * time.Millisecond
	deleteBackoffMax = 5 * time.Second
)

// start gives a message to the handler, in a goroutine of its own, as soon and as often as
// may be, and settles what becomes of it. When intake ends no handler starts any more.
func (e *Engine) start(work, intake context.Context, l *lease) {
	ctx, cancel := context.WithCancelCause(work)
	e.mu.Lock()
	e.gate.inHand++
	l.inHand, l.cancel = true, cancel
	lost := l.lost
	e.mu.Unlock()
	if lost {
		cancel(ErrLeaseLost)
	}
	e.handlers.Go(func() {
		defer cancel(nil)
		e.work(ctx, work, intake, l)
		e.mu.Lock()
		e.gate.inHand--
		l.inHand = false
		e.mu.Unlock()
		signal(e.wake)
	})
}

// work calls the handler until the message is to leave our hands, and lets it.
func (e *Engine) work(ctx, work, intake context.Context, l *lease) {
	for {
		if !e.admit(ctx, intake, l) {
			if !e.isLost(l) {
				e.release(work, l)
			}
			return
		}
		began := time.Now()
		l.msg.Try++
		outcome, again := e.again(l, began, e.call(ctx, l))
		signal(e.wake) // there may be room for others
		if !again {
			e.settle(work, l, outcome)
			return
		}
	}
}

// call runs the handler; a panic ends the message's turn, not the program.
func (e *Engine) call(ctx context.Context, l *lease) (o Outcome) {
	defer func() {
		if r := recover(); r != nil {
			e.panics.Add(1)
			e.log.Error("the handler panicked; the message goes back", "message", l.msg.ID, "receive_count", l.msg.ReceiveCount, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			o = Outcome{final: true}
		}
	}()
	return e.handler(ctx, l.msg)
}

// settle does what an outcome says, provided that the message is still ours.
func (e *Engine) settle(work context.Context, l *lease, o Outcome) {
	switch {
	case e.isLost(l):
	case o.ack:
		e.mu.Lock()
		l.acked = true
		e.pending = append(e.pending, l)
		e.mu.Unlock()
		signal(e.acked)
	case work.Err() != nil: // cut short by the drain: the next worker may have it at once
		e.release(work, l)
	default:
		after := o.after
		if after == 0 {
			after = e.backoff(l.msg.ReceiveCount)
		}
		if e.changeVisibility(work, l, min(after, e.opts.RetryMax)) {
			e.retried.Add(1)
		}
	}
}

// release gives a message back at once.
func (e *Engine) release(ctx context.Context, l *lease) {
	if e.changeVisibility(ctx, l, 0) {
		e.released.Add(1)
	}
}

// releaseAll gives messages back, all at once: a drain has little time.
func (e *Engine) releaseAll(ctx context.Context, leases []*lease) {
	var wg sync.WaitGroup
	for _, l := range leases {
		wg.Go(func() { e.release(ctx, l) })
	}
	wg.Wait()
}

// abandonRunning gives up the leases whose handlers do not return, so that nothing they
// return later counts.
func (e *Engine) abandonRunning() []*lease {
	e.mu.Lock()
	defer e.mu.Unlock()
	var stuck []*lease
	for l := range e.leases {
		if l.running {
			l.lost = true
			stuck = append(stuck, l)
		}
	}
	return stuck
}

// changeVisibility ends our lease and lets the message come back after a while. Where the
// request fails the message comes back all the same, when the lease runs out.
func (e *Engine) changeVisibility(ctx context.Context, l *lease, after time.Duration) bool {
	<-l.request // waits for an extension under way
	defer func() { l.request <- struct{}{} }()
	if !e.drop(l) {
		return false
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	_, err := e.client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &e.opts.QueueURL, ReceiptHandle: &l.receipt, VisibilityTimeout: int32((after + time.Second - 1) / time.Second),
	})
	if err != nil {
		e.log.Warn("could not set when a message comes back; it does when its lease runs out", "message", l.msg.ID, "after", after, "error", err)
	}
	return true
}

// deleteLoop deletes acknowledged messages in batches: as soon as there are ten, or when
// the first of them has waited for long enough. When handled is closed it flushes what is left
// and returns; when ctx ends it gives up.
func (e *Engine) deleteLoop(ctx context.Context, handled <-chan struct{}) {
	failures, ended := 0, false
	for {
		if !ended {
			select {
			case <-e.acked:
				ended = e.linger(handled)
			case <-handled:
				ended = true
			}
		}
		began := time.Now()
		e.deleting.begin(e, began)
		err := e.flush(ctx)
		e.deleting.end(e, began, err)
		if err == nil {
			if failures = 0; ended {
				return
			}
			continue
		}
		failures++
		pause := time.NewTimer(jitter(deleteBackoff, 2, failures, deleteBackoffMax))
		stop := handled
		if ended {
			stop = nil
		}
		select {
		case <-pause.C:
		case <-stop:
			ended = true
		case <-ctx.Done():
		}
		pause.Stop()
		if ctx.Err() != nil {
			e.mu.Lock()
			n := len(e.pending)
			e.mu.Unlock()
			e.log.Error("finished messages could not be deleted; they will come back and be found done", "messages", n, "error", err)
			return
		}
		signal(e.acked)
	}
}

// linger waits for a full batch, for Linger at most, or for LingerBusy while handlers are at
// work. It reports whether handled was closed. A message that has come back does not wait for
// those: what it came back from, such as a process that dies again and again, may be the next
// thing to happen, and a finished message would use up its receives and be a dead letter.
func (e *Engine) linger(handled <-chan struct{}) (ended bool) {
	began := time.Now()
	timer := time.NewTimer(e.opts.LingerBusy)
	defer timer.Stop()
	for {
		e.mu.Lock()
		n, active := len(e.pending), e.gate.active
		again := slices.ContainsFunc(e.pending, func(l *lease) bool { return l.msg.ReceiveCount > 1 })
		e.mu.Unlock()
		if n >= batch {
			return false
		}
		if again || active == 0 { // a handler that ends without a message to delete wakes nobody here
			timer.Reset(time.Until(began.Add(e.opts.Linger)))
		}
		select {
		case <-e.acked:
		case <-timer.C:
			return false
		case <-handled:
			return true
		}
	}
}

// flush deletes what is to be deleted, until nothing is left or something fails. What
// failed goes to the end of the line, its lease extended as before, so that it cannot keep
// the others waiting.
func (e *Engine) flush(ctx context.Context) error {
	defer signal(e.wake)
	for {
		e.mu.Lock()
		next := e.pending[:min(batch, len(e.pending))]
		e.pending = e.pending[len(next):]
		e.mu.Unlock()
		if len(next) == 0 {
			return nil
		}
		again, err := e.deleteBatch(ctx, next)
		if err != nil {
			e.mu.Lock()
			e.pending = append(e.pending, again...)
			e.mu.Unlock()
			return err
		}
	}
}

// deleteBatch deletes up to ten messages and returns those to be tried again.
func (e *Engine) deleteBatch(ctx context.Context, leases []*lease) (again []*lease, err error) {
	entries := make([]types.DeleteMessageBatchRequestEntry, len(leases))
	for i, l := range leases {
		entries[i] = types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: &l.receipt}
	}
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	out, err := e.client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &e.opts.QueueURL, Entries: entries})
	if err != nil {
		e.deleteErrors.Add(int64(len(leases)))
		return e.stillOurs(leases), err
	}
	for _, ok := range out.Successful {
		if l := entry(leases, ok.Id); l != nil {
			e.drop(l)
			e.acks.Add(1)
		}
	}
	for _, f := range out.Failed {
		l := entry(leases, f.Id)
		if l == nil {
			continue
		}
		e.deleteErrors.Add(1)
		if gone(f) {
			e.drop(l)
			e.log.Warn("a finished message could not be deleted; if it comes back it is found done", "message", l.msg.ID, "error", batchError(f))
			continue
		}
		again, err = append(again, e.stillOurs([]*lease{l})...), errors.Join(err, batchError(f))
	}
	return again, err
}

// stillOurs leaves out the leases that were lost: deleting those is no longer up to us.
func (e *Engine) stillOurs(leases []*lease) []*lease {
	e.mu.Lock()
	defer e.mu.Unlock()
	var ours []*lease
	for _, l := range leases {
		if !l.lost {
			ours = append(ours, l)
		}
	}
	return ours
}
