package queue

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const (
	minHold    = 30 * time.Second
	maxHold    = 10 * time.Minute
	perMessage = 20 * time.Millisecond // what a look may take for one message before its hold is too short
	givers     = 8                     // batches that are given back at once
	lookWait   = time.Second           // of a poll: over no time at all, SQS asks only some of its servers
)

// Letter is a message as somebody finds it who looks at a queue.
type Letter struct {
	Message
	Attributes map[string]types.MessageAttributeValue // the sender's; nil where there are none
	TraceHeader,
	GroupID,
	DeduplicationID string // SQS's own attributes that go with a message when it is sent again
	// SentAs is the id that the message got when it was sent back to its queue.
	SentAs string

	receipt string
}

// LookOptions say how a queue is looked at.
type LookOptions struct {
	// Limit is the most messages that are looked at; 0: all.
	Limit int
	// Patience is how long to wait for messages that somebody else holds, another who
	// looks for instance, once there is nothing else to see; then the look ends without
	// them, and Elsewhere counts them. Default: 5 s.
	Patience time.Duration
}

// Look is a walk through the messages of a queue that leaves them there.
//
// SQS lets nobody look without receiving. So a look receives, and holds what it has seen
// until it ends, lest it see the same again; then it gives everything back at once. While it
// lasts others do not get those messages. Should the program die meanwhile, they
// come back by themselves: after half a minute, or, in a deep queue, some minutes.
// Every look counts as a receive, which matters in a queue that has a dead-letter queue.
//
// A look is for one use by one goroutine.
type Look struct {
	client *sqs.Client
	url    string
	opts   LookOptions

	hold      time.Duration
	depth     int64
	began     time.Time         // by the queue's clock, to the second
	held      map[string]string // message id: receipt handle
	seen      map[string]bool   // ids, of those taken out of the queue as well
	elsewhere int64
}

// NewLook prepares a look at the queue with this URL.
func NewLook(client *sqs.Client, url string, opts LookOptions) *Look {
	if opts.Patience == 0 {
		opts.Patience = 5 * time.Second
	}
	return &Look{client: client, url: url, opts: opts, held: map[string]string{}, seen: map[string]bool{}}
}

// All yields each message once, and gives all of them back when the loop ends, however it
// ends: by a break, an error or the end of ctx as well. An error is the last thing it yields.
func (l *Look) All(ctx context.Context) iter.Seq2[Letter, error] {
	return func(yield func(Letter, error) bool) {
		for letters, err := range l.batches(ctx, func() int { return batch }) {
			if err != nil {
				yield(Letter{}, err)
				return
			}
			for _, m := range letters {
				if !yield(m, nil) {
					return
				}
			}
		}
	}
}

// Depth is how many messages SQS said that the queue had when the look began, those that
// somebody held included. SQS calls it approximate.
func (l *Look) Depth() int64 { return l.depth }

// Elsewhere is how many messages somebody else held to the end, so that they were not seen.
func (l *Look) Elsewhere() int64 { return l.elsewhere }

// batches yields what each receive brings and has not been seen; size says before each how
// many are wanted, 0 for an end.
func (l *Look) batches(ctx context.Context, size func() int) iter.Seq2[[]Letter, error] {
	return func(yield func([]Letter, error) bool) {
		if err := l.begin(ctx); err != nil {
			yield(nil, err)
			return
		}
		defer l.giveBack(ctx)
		var patience time.Time // when it ends; from when there was nothing more to see
		empty := 0             // polls without anything, in a row
		for rounds := int64(0); ; {
			n := min(size(), batch)
			if l.opts.Limit > 0 {
				n = min(n, l.opts.Limit-len(l.seen))
			}
			if n <= 0 {
				return
			}
			letters, again, err := l.receive(ctx, n)
			switch {
			case err != nil:
				yield(nil, err)
				return
			case len(letters) > 0:
				if rounds, empty = 0, 0; !yield(letters, nil) {
					return
				}
				continue
			case again: // holds have run out; behind what is held once more there may be others
				if rounds++; rounds > l.depth {
					return
				}
				continue
			}
			visible, hidden, _, err := l.counts(ctx)
			if err != nil {
				yield(nil, err)
				return
			}
			l.elsewhere = max(hidden-int64(len(l.held)), 0)
			if patience.IsZero() {
				patience = time.Now().Add(l.opts.Patience)
			}
			empty++
			switch {
			case l.elsewhere == 0 && visible > 0 && empty < 2: // given back since the poll, perhaps; or the figure is old
				continue
			case l.elsewhere == 0 || time.Now().After(patience):
				return
			}
			// Another who looks wants what we hold, as we want the other's: who lets go of it
			// gets all of it a little later.
			empty = 0
			l.giveBack(ctx)
			if err := pause(ctx, time.Second/2+rand.N(time.Second)); err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// pause waits, or says why ctx has ended.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// begin learns how deep the queue is, from which follows how long messages must be held.
func (l *Look) begin(ctx context.Context) error {
	visible, hidden, clock, err := l.counts(ctx)
	if err != nil {
		return err
	}
	l.depth, l.began = visible+hidden, clock
	reach := l.depth
	if l.opts.Limit > 0 {
		reach = min(reach, int64(l.opts.Limit))
	}
	l.hold = min(minHold+time.Duration(reach)*perMessage, maxHold).Truncate(time.Second)
	return nil
}

// counts are the messages that can be received, and those that somebody holds, and what
// time it is for the queue.
func (l *Look) counts(ctx context.Context) (visible, hidden int64, clock time.Time, err error) {
	out, err := l.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &l.url, AttributeNames: []types.QueueAttributeName{
		types.QueueAttributeNameApproximateNumberOfMessages, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
	}})
	if err != nil {
		return 0, 0, clock, fmt.Errorf("ask for the figures of %s: %w", l.url, err)
	}
	clock, ok := middleware.GetServerTime(out.ResultMetadata)
	if !ok {
		clock = time.Now()
	}
	visible, err = strconv.ParseInt(out.Attributes[string(types.QueueAttributeNameApproximateNumberOfMessages)], 10, 64)
	hidden, err2 := strconv.ParseInt(out.Attributes[string(types.QueueAttributeNameApproximateNumberOfMessagesNotVisible)], 10, 64)
	return visible, hidden, clock, errors.Join(err, err2)
}

// receive receives up to n messages, holds them and returns those that are new to us. Again
// says that there were others.
func (l *Look) receive(ctx context.Context, n int) (letters []Letter, again bool, err error) {
	if ctx.Err() != nil {
		return nil, false, context.Cause(ctx)
	}
	// Not cut off when ctx ends: an answer that nobody reads would hide its messages.
	poll, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookWait+pollGrace)
	defer cancel()
	out, err := l.client.ReceiveMessage(poll, &sqs.ReceiveMessageInput{
		QueueUrl: &l.url, MaxNumberOfMessages: int32(n), WaitTimeSeconds: int32(lookWait / time.Second), VisibilityTimeout: int32(l.hold / time.Second),
		MessageAttributeNames: []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{
			types.MessageSystemAttributeNameApproximateReceiveCount, types.MessageSystemAttributeNameSentTimestamp,
			types.MessageSystemAttributeNameAWSTraceHeader, types.MessageSystemAttributeNameMessageGroupId, types.MessageSystemAttributeNameMessageDeduplicationId,
		},
	})
	if err != nil {
		return nil, false, fmt.Errorf("look at %s: %w", l.url, err)
	}
	now := time.Now()
	for _, m := range out.Messages {
		x := Letter{
			Message: message(m, now), Attributes: m.MessageAttributes, receipt: aws.ToString(m.ReceiptHandle),
			TraceHeader:     m.Attributes[string(types.MessageSystemAttributeNameAWSTraceHeader)],
			GroupID:         m.Attributes[string(types.MessageSystemAttributeNameMessageGroupId)],
			DeduplicationID: m.Attributes[string(types.MessageSystemAttributeNameMessageDeduplicationId)],
		}
		l.held[x.ID] = x.receipt
		if l.seen[x.ID] {
			again = true
			continue
		}
		l.seen[x.ID] = true
		letters = append(letters, x)
	}
	return letters, again, nil
}

// giveBack lets others have what is still held, at once and although ctx has ended. What
// cannot be given back comes back when its hold runs out.
func (l *Look) giveBack(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.hold)
	defer cancel()
	var wg sync.WaitGroup
	gate := make(chan struct{}, givers)
	var entries []types.ChangeMessageVisibilityBatchRequestEntry
	send := func() {
		batch := entries
		entries = nil
		gate <- struct{}{}
		wg.Go(func() {
			defer func() { <-gate }()
			_, _ = l.client.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &l.url, Entries: batch})
		})
	}
	for id, receipt := range l.held {
		entries = append(entries, types.ChangeMessageVisibilityBatchRequestEntry{Id: aws.String(strconv.Itoa(len(entries))), ReceiptHandle: aws.String(receipt), VisibilityTimeout: 0})
		delete(l.held, id)
		if len(entries) == batch {
			send()
		}
	}
	if len(entries) > 0 {
		send()
	}
	wg.Wait()
}
