// Package audit holds the system to its promise: every upload ends as done, failed or in the
// dead-letter queue, and what a manifest says is so.
//
// It joins what S3 lists of both buckets with the manifests and the queues, changes nothing
// (but for Sweep, which is asked for apart), and calls nothing wrong that it has not looked
// at again: the world moves while it is looked at. Its memory does not grow with the number
// of images.
//
// Of ours it imports internal/event, internal/fault, internal/recipe and internal/store for
// their types, keys and formats. What it needs of them at work it declares itself: Store,
// Recipes, Queue, Letters.
package audit

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// Store is what an audit needs of *store.Store.
type Store interface {
	Bucket(w store.Which) string
	Walk(ctx context.Context, w store.Which, prefix, after string) iter.Seq2[store.Object, error]
	Stat(ctx context.Context, key string) (*store.Source, error)
	Manifest(ctx context.Context, id string) (*recipe.Manifest, string, error)
	OpenResult(ctx context.Context, key string) (io.ReadCloser, error)
	DeleteOutputs(ctx context.Context, keys []string) error
}

// Recipes is what an audit needs of *recipe.Book.
type Recipes interface {
	Resolve(name string, raw map[string]string) (*recipe.Job, error)
	Choose(key, name string, raw map[string]string) (string, map[string]string)
	Ignores(key string) bool
}

// Counts are a queue's figures, which SQS calls approximate.
type Counts struct {
	Waiting     int64 `json:"waiting"`  // messages that may be received
	InFlight    int64 `json:"inFlight"` // received and not deleted yet
	Delayed     int64 `json:"delayed"`
	DeadLetters int64 `json:"deadLetters"` // of the dead-letter queue, all three together
}

// Pending is how many messages the work queue has.
func (c Counts) Pending() int64 { return c.Waiting + c.InFlight + c.Delayed }

// Queue tells the figures of the work queue and its dead-letter queue.
type Queue func(ctx context.Context) (Counts, error)

// Letters looks at the messages of a queue and leaves them there. It calls each with every
// body it sees, and returns how many messages it could not see because others hold them.
type Letters func(ctx context.Context, each func(body string)) (unseen int64, err error)

// Options for an Auditor. Store, Recipes and Queue are required.
type Options struct {
	Store   Store
	Recipes Recipes
	Queue   Queue
	// DeadLetters looks at the dead-letter queue. Nil: it is left alone, and while it has
	// messages, uploads without a result are Unknown where they might be in it.
	DeadLetters Letters
	// Messages looks at the work queue. Nil, as it should be by default: each look counts as a
	// receive, and while the queue has messages, uploads without a result count as queued.
	Messages Letters
	// Program is this program's name and version, as manifests have it.
	Program string
	// Prefix and Since narrow the audit to originals whose keys begin so, and that were last
	// written at that time or later. Then only what lies under their ids is looked at.
	Prefix string
	Since  time.Time
	// Deep reads every output and compares its SHA-256 with the manifest's.
	Deep bool
	// Leftovers keeps in mind which objects Sweep may remove.
	Leftovers bool
	// Concurrency is how many images are looked at at once. Default: 32.
	Concurrency int
	// Grace is how long an upload without a result may be on its way to the queue, where no
	// count shows it: S3's events take seconds on AWS.
	Grace time.Duration
	// Settle is how long to wait before the queue's figures are asked for again, before
	// anything is called lost. Default: 3 s.
	Settle time.Duration
	// TempDir is where long lists are kept. Default: the system's.
	TempDir string
	// Found is told of every finding, one at a time. Nil: none wants to know.
	Found func(Finding)
}

// Auditor does one audit. Make it with New, Run it once, and Close it.
type Auditor struct{ a auditor }

type auditor struct {
	opts Options
	now  time.Time // when it began, by our clock

	images  atomic.Int64 // originals seen
	results atomic.Int64 // objects of the results bucket seen
	judged  atomic.Int64 // images judged

	mu         sync.Mutex
	report     Report
	candidates spool // uploads without a current result
	leftovers  spool
}

// New makes an Auditor.
func New(opts Options) (*Auditor, error) {
	if opts.Store == nil || opts.Recipes == nil || opts.Queue == nil {
		return nil, errors.New("audit: Store, Recipes and Queue are all needed")
	}
	if opts.Concurrency == 0 {
		opts.Concurrency = 32
	}
	if opts.Settle == 0 {
		opts.Settle = 3 * time.Second
	}
	x := &Auditor{a: auditor{opts: opts, now: time.Now()}}
	x.a.candidates.dir, x.a.leftovers.dir = opts.TempDir, opts.TempDir
	return x, nil
}

// Close removes what the audit kept on disk.
func (x *Auditor) Close() {
	x.a.candidates.close()
	x.a.leftovers.close()
}

// Progress is how far an audit is: originals and results listed, images judged.
func (x *Auditor) Progress() (images, results, judged int64) {
	return x.a.images.Load(), x.a.results.Load(), x.a.judged.Load()
}

// Run looks at everything and says what it found. An error means that it could not look;
// what is wrong with what it saw is in the report.
func (x *Auditor) Run(ctx context.Context) (*Report, error) {
	a := &x.a
	groups := make(chan group, a.opts.Concurrency)
	g, looking := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(groups)
		emit := func(one group) error {
			select {
			case groups <- one:
				a.images.Add(int64(len(one.sources)))
				return nil
			case <-looking.Done():
				return looking.Err()
			}
		}
		if a.opts.Prefix != "" || !a.opts.Since.IsZero() {
			a.report.Narrowed = true
			return a.narrow(looking, emit)
		}
		return a.join(looking, emit, a.other)
	})
	for range a.opts.Concurrency {
		g.Go(func() error {
			for one := range groups {
				j, err := a.examine(looking, one)
				if err != nil {
					return err
				}
				if err := a.take(j); err != nil {
					return err
				}
				a.judged.Add(1)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if err := a.settle(ctx); err != nil {
		return nil, err
	}
	return &a.report, nil
}

func (a *auditor) seenResults(n int) { a.results.Add(int64(n)) }

// other counts an object of the results bucket that is no image's.
func (a *auditor) other(o store.Object) error {
	a.results.Add(1)
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(o.Key) > len(store.OwnPrefix) && o.Key[:len(store.OwnPrefix)] == store.OwnPrefix {
		a.report.Results.Own++
	} else {
		a.report.Results.Foreign++
	}
	return nil
}

// found notes a finding. a.mu is held.
func (a *auditor) found(f Finding) {
	f.Severity = Warning
	if violations[f.Code] {
		f.Severity = Violation
		a.report.Violations++
	} else {
		a.report.Warnings++
	}
	if a.report.Findings == nil {
		a.report.Findings = map[Code]int64{}
	}
	a.report.Findings[f.Code]++
	if a.opts.Found != nil {
		a.opts.Found(f)
	}
}

// take adds a judgement to the report.
func (a *auditor) take(j judgement) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := &a.report
	for _, s := range j.states {
		r.Images.add(s)
	}
	for _, c := range j.candidates {
		if err := a.candidates.add(c); err != nil {
			return err
		}
	}
	for _, f := range j.findings {
		a.found(f)
	}
	if j.manifest {
		r.Results.Manifests++
	}
	if j.gone {
		r.Results.SourceGone++
	}
	r.Results.Outputs += j.outputs
	r.Results.OutputBytes += j.outputBytes
	r.Results.Foreign += j.foreign
	r.OtherRecipe += j.otherRecipe
	r.OtherProgram += j.otherProgram
	for _, o := range j.leftovers {
		r.Results.Leftovers++
		r.Results.LeftoverBytes += o.Size
		if a.opts.Leftovers {
			if err := a.leftovers.add(record{id: j.id, key: o.Key, etag: o.ETag, size: o.Size, modified: o.LastModified}); err != nil {
				return err
			}
		}
	}
	return nil
}
