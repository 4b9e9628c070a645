// Package backfill sends originals through the pipeline again whose result is not of them as
// they stand, or not of today's recipes.
//
// It lists the uploads bucket, reads the manifests, and puts messages straight into the work
// queue, ten with one request: nothing is written in either bucket, and nobody is told that
// something was uploaded (ADR 23). It goes by the order of the keys and keeps where it is, so
// that another run goes on from there; what is sent twice is done once.
//
// Of ours it imports internal/event, internal/recipe and internal/store for their types, keys
// and formats. What it needs of them at work it declares itself.
package backfill

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tintype/tintype/internal/event"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// Store is what a backfill needs of *store.Store.
type Store interface {
	Bucket(w store.Which) string
	Walk(ctx context.Context, w store.Which, prefix, after string) iter.Seq2[store.Object, error]
	Stat(ctx context.Context, key string) (*store.Source, error)
	Manifest(ctx context.Context, id string) (*recipe.Manifest, string, error)
}

// Recipes is what a backfill needs of *recipe.Book.
type Recipes interface {
	Resolve(name string, raw map[string]string) (*recipe.Job, error)
	Choose(key, name string, raw map[string]string) (string, map[string]string)
	Ignores(key string) bool
}

// Queue is the work queue.
type Queue interface {
	// Send puts up to ten messages into the queue, all of them or with an error.
	Send(ctx context.Context, bodies []string) error
	// Pending is how many messages are in the queue, those in work included.
	Pending(ctx context.Context) (int64, error)
}

// batch is the most messages in one request.
const batch = 10

// Options for a run. Store, Recipes, Queue and Job are required.
type Options struct {
	Store     Store
	Recipes   Recipes
	Queue     Queue
	Job       string // names the run; see event.Backfill
	Program   string // this program's name and version, as manifests have it
	Selection Selection
	After     string // only keys after this one
	Announce  bool   // the results are announced like those of uploads
	DryRun    bool   // nothing is sent
	// Rate is the most images that are sent in a second. 0: as many as MaxBacklog allows.
	Rate float64
	// MaxBacklog is how many messages may be in the queue before the run pauses: what is
	// uploaded meanwhile waits behind them. 0: no bound.
	MaxBacklog int64
	// Concurrency is how many originals are looked at at once. Default: 32.
	Concurrency int
	// Pause is how long to wait before the queue is asked again. Default: 1 s.
	Pause time.Duration
	// Chosen is told of every original that was sent (or would have been), in the order of the
	// keys. Nil: none wants to know.
	Chosen func(key string, why Reason)
	// Checkpoint is told, once in a while and at the end, up to which key everything has been
	// dealt with. An error ends the run. Nil: none wants to know.
	Checkpoint func(after string, c Counts) error
}

// Counts are of originals.
type Counts struct {
	Seen int64            `json:"seen"`
	Sent int64            `json:"sent"`
	By   map[Reason]int64 `json:"by"` // reasons of sending, and of leaving alone
	// Writes are the objects that the pipeline will store for them, as far as is known.
	Writes int64 `json:"writes"`
}

// every is how often a checkpoint is written, and how long a message waits for others.
const every = time.Second

// usualOutputs is how many outputs an image has whose manifest does not say: as many as the
// default recipe makes.
const usualOutputs = 3

type run struct {
	opts Options

	mu     sync.Mutex
	assets map[string]string // key: ETag

	// Of the goroutine that sends.
	counts  Counts
	after   string // everything up to here has been dealt with
	last    string // the last key seen
	waiting []choice
	flushed time.Time
	next    time.Time // when the rate allows the next batch
	room    int64     // messages that may be sent before the queue is asked again
	asked   time.Time // when it was
}

// Progress tells from other goroutines how far a run is.
type Progress struct {
	Seen, Sent atomic.Int64
	Paused     atomic.Bool // the queue is full
}

// Run goes through the uploads bucket and returns what it did. With an error too the counts
// hold, and so does the last checkpoint.
func Run(ctx context.Context, opts Options, p *Progress) (Counts, error) {
	if opts.Store == nil || opts.Recipes == nil || opts.Queue == nil || opts.Job == "" {
		return Counts{}, errors.New("backfill: Store, Recipes, Queue and Job are all needed")
	}
	if opts.Concurrency == 0 {
		opts.Concurrency = 32
	}
	if opts.Pause == 0 {
		opts.Pause = time.Second
	}
	r := &run{opts: opts, assets: map[string]string{}, counts: Counts{By: map[Reason]int64{}}, after: opts.After, last: opts.After, flushed: time.Now()}
	err := r.all(ctx, p)
	if cerr := r.checkpoint(); cerr != nil {
		err = errors.Join(err, cerr)
	}
	return r.counts, err
}

// looked is what choose made of one original, when it is ready.
type looked struct {
	choice choice
	err    error
}

// all looks at many originals at once, and deals with them in the order of their keys.
func (r *run) all(ctx context.Context, p *Progress) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	queue := make(chan chan looked, r.opts.Concurrency)
	var looking sync.WaitGroup
	defer looking.Wait()
	defer cancel()
	looking.Go(func() {
		defer close(queue)
		for o, err := range r.opts.Store.Walk(ctx, store.Uploads, r.opts.Selection.Prefix, r.opts.After) {
			ready := make(chan looked, 1)
			select {
			case queue <- ready:
			case <-ctx.Done():
				return
			}
			if err != nil {
				ready <- looked{err: err}
				return
			}
			looking.Go(func() {
				c, err := r.choose(ctx, o)
				ready <- looked{c, err}
			})
		}
	})
	for ready := range queue {
		l := <-ready
		if l.err != nil {
			return l.err
		}
		if err := r.take(ctx, l.choice, p); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return r.flush(ctx, p)
}

// take deals with one original.
func (r *run) take(ctx context.Context, c choice, p *Progress) error {
	r.counts.Seen++
	p.Seen.Add(1)
	r.last = c.object.Key
	if c.send {
		r.waiting = append(r.waiting, c)
	} else {
		r.counts.By[c.reason]++
	}
	if len(r.waiting) == batch || time.Since(r.flushed) >= every {
		return r.flush(ctx, p)
	}
	return nil
}

// flush sends what waits to be sent. After it everything up to the last key is dealt with.
func (r *run) flush(ctx context.Context, p *Progress) error {
	if len(r.waiting) > 0 {
		if !r.opts.DryRun {
			if err := r.send(ctx, p); err != nil {
				return err
			}
		}
		for _, c := range r.waiting {
			r.counts.Sent++
			r.counts.By[c.reason]++
			outputs := c.outputs
			if outputs == 0 {
				outputs = usualOutputs
			}
			r.counts.Writes += int64(outputs) + 1
			if r.opts.Chosen != nil {
				r.opts.Chosen(c.object.Key, c.reason)
			}
		}
		p.Sent.Add(int64(len(r.waiting)))
		r.waiting = r.waiting[:0]
	}
	r.after = r.last
	if time.Since(r.flushed) < every {
		return nil
	}
	r.flushed = time.Now()
	return r.checkpoint()
}

func (r *run) send(ctx context.Context, p *Progress) error {
	if err := r.allowed(ctx, p); err != nil {
		return err
	}
	bodies := make([]string, len(r.waiting))
	for i := range r.waiting {
		b, err := event.EncodeBackfill(r.waiting[i].upload(r.opts.Store.Bucket(store.Uploads), r.opts.Job, r.opts.Announce))
		if err != nil {
			return err
		}
		bodies[i] = string(b)
	}
	return r.opts.Queue.Send(ctx, bodies)
}

// allowed waits until rate and backlog allow a batch.
func (r *run) allowed(ctx context.Context, p *Progress) error {
	n := int64(len(r.waiting))
	if r.opts.Rate > 0 {
		if err := sleep(ctx, time.Until(r.next)); err != nil {
			return err
		}
		if now := time.Now(); r.next.Before(now) {
			r.next = now
		}
		r.next = r.next.Add(time.Duration(float64(n) / r.opts.Rate * float64(time.Second)))
	}
	if r.opts.MaxBacklog <= 0 {
		return nil
	}
	defer p.Paused.Store(false)
	// What others send meanwhile shows only when the queue is asked again.
	for r.room < n || time.Since(r.asked) >= r.opts.Pause {
		pending, err := r.opts.Queue.Pending(ctx)
		if err != nil {
			return err
		}
		r.asked = time.Now()
		if r.room = max(r.opts.MaxBacklog-pending, 0); r.room >= n || pending == 0 {
			r.room = max(r.room, n) // with a bound below a batch's length, one batch at a time
			break
		}
		p.Paused.Store(true)
		if err := sleep(ctx, r.opts.Pause); err != nil {
			return err
		}
	}
	r.room -= n
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *run) checkpoint() error {
	if r.opts.Checkpoint == nil {
		return nil
	}
	if err := r.opts.Checkpoint(r.after, r.counts); err != nil {
		return fmt.Errorf("keep how far it has come: %w", err)
	}
	return nil
}
