// Package deadletter tells operators what is in the dead-letter queue and why, and sends it
// back or drops it. It joins what internal/queue finds with what the buckets say: the records
// of failed attempts, and the results that may be there by now.
//
// Of ours it imports internal/attempt, internal/event, internal/fault, internal/queue,
// internal/recipe and internal/store.
package deadletter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tintype/tintype/internal/attempt"
	"github.com/tintype/tintype/internal/queue"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

const (
	// MaxBody is the most of a body that a Letter of a list has, in bytes.
	MaxBody = 4 << 10
	// lookUps is how many records are read at once.
	lookUps = 16
	// keptFor is for how long a record that nobody writes to is kept at least: no queue keeps
	// a message for longer than 14 days.
	keptFor = 15 * 24 * time.Hour
	// tidyTimeout bounds the removing of records, which is no part of what was asked for.
	tidyTimeout = 20 * time.Second
	tidyBatch   = 1000
)

// Store is what a Desk needs of *store.Store.
type Store interface {
	Attempts(ctx context.Context, messageID string) (*attempt.Record, string, error)
	DeleteAttempts(ctx context.Context, messageIDs ...string) error
	SweepAttempts(ctx context.Context, before time.Time) (int, error)
	Manifest(ctx context.Context, id string) (*recipe.Manifest, string, error)
	Stat(ctx context.Context, key string) (*store.Source, error)
}

// Desk is where dead letters are dealt with.
type Desk struct {
	Queue         queue.DeadLetters
	Store         Store
	UploadsBucket string
	// Logger gets what goes wrong beside what was asked for. Nil: nobody.
	Logger *slog.Logger

	once  sync.Once
	turns chan struct{} // holds one element while somebody is at the queue
}

// turnPatience is how long one who wants to the queue waits for another.
const turnPatience = 10 * time.Second

// turn waits until nobody else of this process is at the queue: of two who look at the same time each
// holds what the other wants, and who came to drop a message may not get it. It does not wait for
// long; other processes' looks are met there in any case. The caller calls done.
func (d *Desk) turn(ctx context.Context) (done func()) {
	d.once.Do(func() { d.turns = make(chan struct{}, 1) })
	timer := time.NewTimer(turnPatience)
	defer timer.Stop()
	select {
	case d.turns <- struct{}{}:
		return func() { <-d.turns }
	case <-timer.C:
	case <-ctx.Done(): // which the queue will say
	}
	return func() {}
}

// List is what a look found.
type List struct {
	Letters []Letter `json:"deadLetters"`
	Total   int64    `json:"total"` // messages in the queue, as far as SQS knows
	// Elsewhere is how many could not be seen because somebody else holds them just now.
	Elsewhere int64 `json:"elsewhere,omitempty"`
}

// List looks at up to limit dead letters, all where it is 0. Newest first.
func (d *Desk) List(ctx context.Context, limit int) (*List, error) {
	return d.read(ctx, d.Queue.URL, queue.LookOptions{Limit: limit}, nil)
}

// Peek looks at up to limit messages of another queue in the same way, once: what others
// have in work is not waited for, and nothing is received twice.
func (d *Desk) Peek(ctx context.Context, queueURL string, limit int) (*List, error) {
	return d.read(ctx, queueURL, queue.LookOptions{Limit: limit, Patience: time.Nanosecond}, nil)
}

// Find looks for one message, and tells all of it: the whole body, and how its images are.
func (d *Desk) Find(ctx context.Context, messageID string) (*Letter, *List, error) {
	list, err := d.read(ctx, d.Queue.URL, queue.LookOptions{}, &messageID)
	if err != nil || len(list.Letters) == 0 {
		return nil, list, err
	}
	l := &list.Letters[0]
	for i := range l.Images {
		if err := d.present(ctx, &l.Images[i]); err != nil {
			return nil, list, err
		}
	}
	l.Hint = advice(l)
	return l, list, nil
}

// read looks at a queue, gives everything back, and asks then what else is known.
func (d *Desk) read(ctx context.Context, url string, o queue.LookOptions, only *string) (*List, error) {
	look := queue.NewLook(d.Queue.Client, url, o)
	found, err := d.look(ctx, look, url, only)
	if err != nil {
		return nil, Explain("look at the queue", err)
	}
	slices.SortStableFunc(found, func(a, b queue.Letter) int { return b.SentAt.Compare(a.SentAt) })
	list := &List{Letters: make([]Letter, len(found)), Total: max(look.Depth(), int64(len(found))), Elsewhere: look.Elsewhere()}
	body := MaxBody
	if only != nil {
		body = 0
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(lookUps)
	for i, m := range found {
		g.Go(func() error {
			list.Letters[i] = d.letter(m, body)
			return d.recall(ctx, &list.Letters[i])
		})
	}
	return list, g.Wait()
}

// look walks through a queue: all of it, or until it has found the one with an id.
func (d *Desk) look(ctx context.Context, look *queue.Look, url string, only *string) (found []queue.Letter, err error) {
	if url == d.Queue.URL {
		defer d.turn(ctx)()
	}
	for m, err := range look.All(ctx) {
		if err != nil {
			return nil, err
		}
		if only == nil || m.ID == *only {
			found = append(found, m)
		}
		if only != nil && m.ID == *only {
			break
		}
	}
	return found, nil
}

// recall adds what is on record of a message's attempts.
func (d *Desk) recall(ctx context.Context, l *Letter) error {
	r, _, err := d.Store.Attempts(ctx, l.MessageID)
	switch {
	case err == nil:
		for _, a := range r.Attempts {
			l.Attempts = append(l.Attempts, a.Told())
		}
	case errors.Is(err, store.ErrNotFound):
	case errors.Is(err, store.ErrUnreadable):
		d.log().Warn("the record of a message's attempts cannot be read", "message", l.MessageID, "error", err)
	default:
		return fmt.Errorf("read what is on record of message %s: %w", l.MessageID, err)
	}
	l.explain(r)
	return nil
}

// Redrive sends dead letters back, and forgets their attempts: they begin anew.
func (d *Desk) Redrive(ctx context.Context, s queue.Selection) (queue.Taken, error) {
	return d.take(ctx, s, d.Queue.Redrive)
}

// Drop deletes dead letters and what is on record of them. The originals stay.
func (d *Desk) Drop(ctx context.Context, s queue.Selection) (queue.Taken, error) {
	return d.take(ctx, s, d.Queue.Drop)
}

func (d *Desk) take(ctx context.Context, s queue.Selection, do func(context.Context, queue.Selection) (queue.Taken, error)) (queue.Taken, error) {
	defer d.turn(ctx)()
	told, gone := s.Taken, []string(nil)
	s.Taken = func(letters []queue.Letter) {
		if told != nil {
			told(letters)
		}
		for _, m := range letters {
			gone = append(gone, m.ID)
		}
		if !s.DryRun && len(gone) >= tidyBatch {
			d.forget(ctx, gone)
			gone = nil
		}
	}
	t, err := do(ctx, s)
	if !s.DryRun {
		d.forget(ctx, gone)
		if s.All && err == nil {
			d.sweep(ctx)
		}
	}
	return t, Explain("take messages out of the dead-letter queue", err)
}

// forget removes records. One that stays is swept some day.
func (d *Desk) forget(ctx context.Context, ids []string) {
	if len(ids) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTimeout)
	defer cancel()
	if err := d.Store.DeleteAttempts(ctx, ids...); err != nil {
		d.log().Warn("the records of attempts could not be removed", "messages", len(ids), "error", err)
	}
}

func (d *Desk) sweep(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, tidyTimeout)
	defer cancel()
	if n, err := d.Store.SweepAttempts(ctx, time.Now().Add(-keptFor)); err != nil {
		d.log().Warn("old records of attempts could not be removed", "error", err)
	} else if n > 0 {
		d.log().Info("removed old records of attempts", "records", n)
	}
}

func (d *Desk) log() *slog.Logger {
	if d.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return d.Logger
}
