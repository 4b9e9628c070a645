package queue

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const (
	// pollGrace is how much longer than its wait a poll may last; then it hangs and is ended.
	pollGrace = 10 * time.Second
	// maxUnflushed is how many messages may wait to be deleted before no more are received:
	// while deletes fail, further work would only be done twice.
	maxUnflushed = 10 * batch

	receiveBackoff    = 200 * time.Millisecond
	receiveBackoffMax = 20 * time.Second
)

// polling is how receiving goes; guarded by Engine.mu.
type polling struct {
	draining     bool
	answered     bool      // at least one poll has been answered
	since        time.Time // when the poll that is under way began; zero between polls
	failingSince time.Time // zero while polls are answered
	err          error     // of the last failed poll
}

// Ready reports whether messages are being received, and if not, why: not started yet,
// draining, polls that have failed for Options.UnreadyAfter, or one that hangs.
func (e *Engine) Ready() (bool, string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, now := e.polling, time.Now()
	switch {
	case !e.started.Load():
		return false, "not started"
	case p.draining:
		return false, "draining"
	case !p.failingSince.IsZero() && (!p.answered || now.Sub(p.failingSince) >= e.opts.UnreadyAfter):
		return false, fmt.Sprintf("receiving has failed for %v: %v", now.Sub(p.failingSince).Round(time.Second), p.err)
	case !p.since.IsZero() && now.Sub(p.since) > e.opts.Wait+pollGrace+time.Second:
		return false, fmt.Sprintf("a poll has been hanging for %v", now.Sub(p.since).Round(time.Second))
	}
	if !p.answered {
		return false, "the queue has not answered yet"
	}
	return true, ""
}

// receiveLoop polls whenever there is a free slot, until ctx ends. Handlers run under work.
func (e *Engine) receiveLoop(ctx, work context.Context) {
	failures := 0
	for {
		free := e.awaitSlot(ctx)
		if free == 0 {
			return
		}
		leases, err := e.receive(ctx, min(free, batch))
		if ctx.Err() != nil {
			e.releaseAll(work, leases) // arrived together with the end: nothing has begun
			return
		}
		if err == nil {
			failures = 0
			for _, l := range leases {
				e.start(work, l)
			}
			continue
		}
		failures++
		pause := time.NewTimer(jitter(receiveBackoff, 2, failures, receiveBackoffMax))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return
		}
	}
}

// awaitSlot waits until a slot is free and returns how many are; 0 when ctx has ended.
func (e *Engine) awaitSlot(ctx context.Context) int {
	for {
		if ctx.Err() != nil {
			return 0
		}
		e.mu.Lock()
		free := e.opts.Slots - e.running
		if len(e.pending) > maxUnflushed {
			free = 0
		}
		e.mu.Unlock()
		if free > 0 {
			return free
		}
		select {
		case <-e.wake:
		case <-ctx.Done():
		}
	}
}

// receive makes one long poll for at most n messages.
func (e *Engine) receive(ctx context.Context, n int) ([]*lease, error) {
	wait := e.opts.Wait
	e.mu.Lock()
	e.polling.since = time.Now()
	if !e.polling.answered {
		wait = time.Second // on an empty queue, a full poll would delay Ready by as much
	}
	e.mu.Unlock()
	poll, cancel := context.WithTimeout(ctx, e.opts.Wait+pollGrace)
	defer cancel()
	out, err := e.client.ReceiveMessage(poll, &sqs.ReceiveMessageInput{
		QueueUrl:            &e.opts.QueueURL,
		MaxNumberOfMessages: int32(n),
		WaitTimeSeconds:     int32(wait / time.Second),
		VisibilityTimeout:   int32(e.opts.Visibility / time.Second),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{
			types.MessageSystemAttributeNameApproximateReceiveCount, types.MessageSystemAttributeNameSentTimestamp,
		},
	}, once)
	now := time.Now()
	if err != nil && poll.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("the poll was not answered within %v: %w", e.opts.Wait+pollGrace, err)
	}
	e.polled(ctx, err)
	if err != nil {
		return nil, err
	}
	leases := make([]*lease, 0, len(out.Messages))
	for _, m := range out.Messages {
		leases = append(leases, e.hold(message(m, now), aws.ToString(m.ReceiptHandle)))
	}
	e.received.Add(int64(len(leases)))
	e.mu.Lock()
	e.ages.note(leases)
	e.mu.Unlock()
	return leases, nil
}

// once leaves repeating to the receive loop, which counts and reports each failure.
func once(o *sqs.Options) { o.RetryMaxAttempts = 1 }

// polled notes how a poll ended and logs where that changes anything.
func (e *Engine) polled(ctx context.Context, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := &e.polling
	p.since = time.Time{}
	switch {
	case ctx.Err() != nil: // we ended it ourselves
	case err != nil:
		e.receiveErrors.Add(1)
		p.err = err
		if p.failingSince.IsZero() {
			p.failingSince = time.Now()
			e.log.Warn("receiving fails; trying on", "error", err)
		}
	default:
		if !p.failingSince.IsZero() {
			e.log.Info("receiving again", "after", time.Since(p.failingSince).Round(time.Millisecond))
		}
		p.failingSince, p.err, p.answered = time.Time{}, nil, true
	}
}

func message(m types.Message, now time.Time) Message {
	out := Message{ID: aws.ToString(m.MessageId), Body: aws.ToString(m.Body), ReceivedAt: now}
	out.ReceiveCount, _ = strconv.Atoi(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
	out.ReceiveCount = max(out.ReceiveCount, 1)
	if ms, err := strconv.ParseInt(m.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64); err == nil {
		out.SentAt = time.UnixMilli(ms).UTC()
	}
	return out
}
