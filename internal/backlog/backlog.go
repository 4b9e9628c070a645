// Package backlog measures what scaling needs to know: how much waits in the queue, for how
// long, and how many workers there are to work it off. Both tiers tell these figures, so
// that they are there also when one of them is not.
//
// It asks SQS only while somebody asks it, and no more often than that somebody wants. Of
// ours it imports only internal/presence.
package backlog

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/presence"
)

// sampleTimeout bounds the requests of one sample.
const sampleTimeout = 5 * time.Second

// Figures are the queue's figures. SQS calls its counts approximate. What nobody knows is
// nil, not zero.
type Figures struct {
	Waiting     int64 `json:"waiting"`     // messages that may be received
	InFlight    int64 `json:"inFlight"`    // received and not yet deleted
	Delayed     int64 `json:"delayed"`     // sent, not yet to be received
	DeadLetters int64 `json:"deadLetters"` // messages in the dead-letter queue
	// OldestAge is the age of the oldest message that waits, in seconds: see Meter.
	OldestAge *float64 `json:"oldestAgeSeconds"`
	Workers   *int     `json:"workers"` // of all app processes that live and take work
	// PerWorker is how many messages wait for each worker; for one, where there is none.
	PerWorker *float64 `json:"backlogPerWorker"`

	// Apps are the app processes, dead ones included; nil where nobody looked.
	Apps []presence.Seen `json:"-"`
	// At is when these figures were taken.
	At time.Time `json:"-"`
}

// Options say where to look. SQS and QueueURL are required.
type Options struct {
	SQS           *sqs.Client
	QueueURL      string
	DeadLetterURL string           // empty: there is no such queue
	Apps          *presence.Reader // nil: nobody knows of processes and workers
	// AppsAge is how old what is known of processes may be. Zero: it is looked up with each sample.
	AppsAge time.Duration
}

// Meter samples the queue's figures. It is safe for concurrent use.
//
// SQS does not tell how old its oldest message is (CloudWatch does, minutes later). App
// processes know how long what they received lately had waited; the oldest of that counts.
// While no process says anything and messages wait, the last estimate ages with the clock:
// what waited then still waits. It is unknown where a meter finds waiting messages at its
// first sample, and nobody who knows more.
type Meter struct {
	o    Options
	turn chan struct{} // holds a token: one sample at a time

	// Used by whoever has the turn.
	last   Figures
	err    error
	lastAt time.Time
	head   time.Time // when the oldest message was sent, by estimate; zero: unknown or none
	empty  bool      // the last sample found nothing waiting
}

// New makes a Meter. It asks nobody yet.
func New(o Options) *Meter {
	m := &Meter{o: o, turn: make(chan struct{}, 1)}
	m.turn <- struct{}{}
	return m
}

// Sample returns figures at most age old, or the failure to get any. However many ask at
// once, SQS is asked once.
func (m *Meter) Sample(ctx context.Context, age time.Duration) (Figures, error) {
	select {
	case <-m.turn:
		defer func() { m.turn <- struct{}{} }()
	case <-ctx.Done():
		return Figures{}, ctx.Err()
	}
	if !m.lastAt.IsZero() && time.Since(m.lastAt) <= age {
		return m.last, m.err
	}
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), sampleTimeout)
	defer cancel()
	m.last, m.err = m.sample(look)
	m.lastAt = time.Now()
	return m.last, m.err
}

func (m *Meter) sample(ctx context.Context) (Figures, error) {
	var f Figures
	counts, err := depth(ctx, m.o.SQS, m.o.QueueURL)
	if err != nil {
		return f, err
	}
	f.Waiting, f.InFlight, f.Delayed = counts[0], counts[1], counts[2]
	if m.o.DeadLetterURL != "" {
		dead, err := depth(ctx, m.o.SQS, m.o.DeadLetterURL)
		if err != nil {
			return f, err
		}
		f.DeadLetters = dead[0] + dead[1] + dead[2]
	}
	f.At = time.Now()
	if m.o.Apps != nil {
		// Without an answer the queue's own figures still hold.
		if apps, err := m.o.Apps.Recent(ctx, m.o.AppsAge); err == nil {
			n := presence.Workers(apps)
			per := float64(f.Waiting) / float64(max(n, 1))
			f.Apps, f.Workers, f.PerWorker = apps, &n, &per
		}
	}
	f.OldestAge = m.oldest(f)
	return f, nil
}

// oldest estimates how long the oldest message has waited; see Meter.
func (m *Meter) oldest(f Figures) *float64 {
	wasEmpty := m.empty
	m.empty = f.Waiting == 0
	if m.empty {
		m.head = time.Time{}
		return new(float64)
	}
	if told := told(f.Apps); told != nil {
		m.head = f.At.Add(-time.Duration(*told * float64(time.Second)))
	} else if m.head.IsZero() && wasEmpty {
		m.head = f.At
	}
	if m.head.IsZero() {
		return nil
	}
	age := max(f.At.Sub(m.head).Seconds(), 0)
	return &age
}

// told is the greatest age that living processes tell, or nil.
func told(apps []presence.Seen) (oldest *float64) {
	for _, a := range apps {
		if a.Alive() && a.OldestAge != nil && (oldest == nil || *a.OldestAge > *oldest) {
			oldest = a.OldestAge
		}
	}
	return oldest
}

// depth are a queue's messages waiting, in flight and delayed.
func depth(ctx context.Context, client *sqs.Client, url string) (counts [3]int64, err error) {
	names := []types.QueueAttributeName{
		types.QueueAttributeNameApproximateNumberOfMessages,
		types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
		types.QueueAttributeNameApproximateNumberOfMessagesDelayed,
	}
	out, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: names})
	if err != nil {
		return counts, fmt.Errorf("read figures of %s: %w", url, err)
	}
	for i, name := range names {
		if counts[i], err = strconv.ParseInt(out.Attributes[string(name)], 10, 64); err != nil {
			return counts, fmt.Errorf("read figures of %s: %s: %w", url, name, err)
		}
	}
	return counts, nil
}
