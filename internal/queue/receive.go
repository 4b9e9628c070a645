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
	// pollGrace is how much longer than its wait a poll may last, for a new connection and a
	// slow answer; then it hangs and is ended.
	pollGrace = 5 * time.Second
	// maxUnflushed is how many messages may wait to be deleted before no more are received:
	// while deletes fail, further work would only be done twice.
	maxUnflushed = 10 * batch

	// gatherLook is how often Options.Busy is asked while a poll waits for more slots.
	gatherLook = 10 * time.Millisecond

	receiveBackoff    = 200 * time.Millisecond
	receiveBackoffMax = 10 * time.Second
)

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
				e.start(work, ctx, l)
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

// awaitSlot waits until a slot is free, or more where more are worth the wait, and returns how
// many are; 0 when ctx has ended.
func (e *Engine) awaitSlot(ctx context.Context) int {
	var since time.Time // when the first slot was free
	for ctx.Err() == nil {
		e.mu.Lock()
		free, enough := e.free(), e.enough()
		e.mu.Unlock()
		if free == 0 {
			since = time.Time{}
			select {
			case <-e.wake:
			case <-ctx.Done():
			}
			continue
		}
		if since.IsZero() {
			since = time.Now()
		}
		if free >= enough || time.Since(since) >= e.opts.Gather || !e.opts.Busy() {
			return free
		}
		look := time.NewTimer(gatherLook)
		select {
		case <-e.wake:
		case <-look.C:
		case <-ctx.Done():
		}
		look.Stop()
	}
	return 0
}

// enough is how many free slots are worth a poll at once. While a service is down messages come
// one by one, as probes. Engine.mu is held.
func (e *Engine) enough() int {
	if e.gate.down() {
		return 1
	}
	return min((e.gate.limit.now+1)/2, batch)
}

// receive makes one long poll for at most n messages.
func (e *Engine) receive(ctx context.Context, n int) ([]*lease, error) {
	wait, began := e.opts.Wait, time.Now()
	e.mu.Lock()
	if p := &e.polling; !p.answered || !p.failingSince.IsZero() {
		wait = time.Second // on an empty queue a full poll would delay Ready by as much
	}
	limit := wait + pollGrace
	e.polling.due = began.Add(limit)
	e.mu.Unlock()
	poll, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	out, err := e.client.ReceiveMessage(poll, &sqs.ReceiveMessageInput{
		QueueUrl:            &e.opts.QueueURL,
		MaxNumberOfMessages: int32(n),
		WaitTimeSeconds:     int32(wait / time.Second),
		VisibilityTimeout:   int32(e.opts.Visibility / time.Second),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{
			types.MessageSystemAttributeNameApproximateReceiveCount, types.MessageSystemAttributeNameSentTimestamp,
			types.MessageSystemAttributeNameAWSTraceHeader,
		},
	}, once)
	now := time.Now()
	hung := err != nil && poll.Err() != nil && ctx.Err() == nil
	if hung {
		err = fmt.Errorf("the poll was not answered within %v: %w", limit, err)
	}
	e.polled(ctx, began, err, hung)
	if err != nil {
		return nil, err
	}
	leases := make([]*lease, 0, len(out.Messages))
	for _, m := range out.Messages {
		if e.holding(aws.ToString(m.ReceiptHandle)) {
			continue
		}
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

func message(m types.Message, now time.Time) Message {
	out := Message{ID: aws.ToString(m.MessageId), Body: aws.ToString(m.Body), ReceivedAt: now}
	out.TraceHeader = m.Attributes[string(types.MessageSystemAttributeNameAWSTraceHeader)]
	out.ReceiveCount, _ = strconv.Atoi(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
	out.ReceiveCount = max(out.ReceiveCount, 1)
	if ms, err := strconv.ParseInt(m.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64); err == nil {
		out.SentAt = time.UnixMilli(ms).UTC()
	}
	return out
}
