package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// DeadLetters is a dead-letter queue, and the queue that its messages came from.
type DeadLetters struct {
	Client    *sqs.Client
	URL       string // of the dead-letter queue
	SourceURL string // of the queue that what is sent back goes to
}

// Selection says which messages are taken out of a dead-letter queue.
type Selection struct {
	// IDs are the messages that are meant. All, instead, means all that had been sent
	// when it began: what comes to the queue meanwhile stays, so that it ends though the
	// same messages fail again at once.
	IDs []string
	All bool
	// Limit is the most messages that are taken; 0: no limit.
	Limit int
	// Rate is the most messages that are taken in a second; 0: as fast as it goes.
	Rate int
	// Patience is as in LookOptions.
	Patience time.Duration
	// Total, where set, is told how many messages there are to take, as far as SQS knows.
	Total func(int64)
	// Taken, where set, is told of messages as they are taken: up to ten at a time, in the
	// goroutine of the caller. Of a dry run it is told what would be taken.
	Taken func([]Letter)
	// DryRun only looks.
	DryRun bool
}

func (s *Selection) validate() error {
	switch {
	case s.All == (len(s.IDs) > 0):
		return errors.New("queue: either messages must be named, or all be meant")
	case s.Limit < 0 || s.Rate < 0:
		return errors.New("queue: a negative limit")
	}
	return nil
}

// Taken is what became of a Selection.
type Taken struct {
	Done      int      // messages taken
	Missing   []string // ids that were not found, in their order
	Later     int      // messages that came to the queue after it began, and stay there
	Elsewhere int64    // messages that somebody else held, so that they were not seen
	More      bool     // Limit was reached
}

// Redrive sends messages back to the queue that they came from. Each is sent first and
// deleted then: a crash between the two gives a duplicate, never a loss. It gets a
// new id there, and all its receives anew.
//
// It may end early with an error, or when ctx ends: what it had begun with is brought to an
// end then, and the rest given back.
func (d *DeadLetters) Redrive(ctx context.Context, s Selection) (Taken, error) {
	return d.take(ctx, s, d.sendBack)
}

// Drop deletes messages for good.
func (d *DeadLetters) Drop(ctx context.Context, s Selection) (Taken, error) {
	return d.take(ctx, s, func(ctx context.Context, letters []Letter) ([]Letter, error) {
		return deleteLetters(ctx, d.Client, d.URL, letters)
	})
}

// Look looks at the dead letters.
func (d *DeadLetters) Look(o LookOptions) *Look { return NewLook(d.Client, d.URL, o) }

// take walks through the queue and does act with what is selected, in batches.
func (d *DeadLetters) take(ctx context.Context, s Selection, act func(context.Context, []Letter) ([]Letter, error)) (t Taken, err error) {
	if err := s.validate(); err != nil {
		return t, err
	}
	wanted := map[string]bool{}
	for _, id := range s.IDs {
		wanted[id] = true
	}
	ours := map[string]bool{} // ids that messages got when we sent them back
	look := NewLook(d.Client, d.URL, LookOptions{Patience: s.Patience})
	size := func() int {
		n := batch
		if s.Rate > 0 {
			n = min(n, s.Rate)
		}
		if s.Limit > 0 {
			if n = min(n, s.Limit-t.Done); n <= 0 {
				t.More = true
				return 0
			}
		}
		if !s.All && len(wanted) == 0 {
			return 0
		}
		return n
	}
	pace := pacer{rate: s.Rate}
	first := true
	for letters, failed := range look.batches(ctx, size) {
		if failed != nil {
			err = failed
			break
		}
		if first && s.Total != nil {
			if n := look.Depth(); s.All {
				s.Total(n)
			} else {
				s.Total(min(n, int64(len(wanted))))
			}
		}
		first = false
		var mine []Letter
		for _, m := range letters {
			switch {
			case wanted[m.ID]:
				delete(wanted, m.ID)
				mine = append(mine, m)
			case !s.All:
			case ours[m.ID] || m.SentAt.After(look.began.Add(time.Second)): // the queue's clock is told to the second
				t.Later++
			default:
				mine = append(mine, m)
			}
		}
		if len(mine) == 0 {
			continue
		}
		done := mine
		if !s.DryRun {
			// To its end, whatever becomes of ctx: half done is a duplicate.
			done, err = act(context.WithoutCancel(ctx), mine)
		}
		for _, m := range done {
			if !s.DryRun {
				delete(look.held, m.ID)
			}
			ours[m.SentAs] = true
		}
		t.Done += len(done)
		if s.Taken != nil && len(done) > 0 {
			s.Taken(done)
		}
		if err == nil {
			err = pace.wait(ctx, len(mine))
		}
		if err != nil {
			break
		}
	}
	for _, id := range s.IDs {
		if wanted[id] && !slices.Contains(t.Missing, id) {
			t.Missing = append(t.Missing, id)
		}
	}
	t.Elsewhere = look.Elsewhere()
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return t, err
}

// pacer keeps to a rate.
type pacer struct {
	rate int // per second; 0: none
	next time.Time
}

func (p *pacer) wait(ctx context.Context, n int) error {
	if p.rate == 0 {
		return nil
	}
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	p.next = p.next.Add(time.Duration(n) * time.Second / time.Duration(p.rate))
	return pause(ctx, time.Until(p.next))
}

// isFIFO tells by the name, as SQS does.
func isFIFO(url string) bool { return strings.HasSuffix(url, ".fifo") }

// partly is an error of some messages of a batch.
func partly(what string, failed int, first error) error {
	return fmt.Errorf("%s: %d messages: %w", what, failed, first)
}
