// Package worker takes one image through: fetch, process, store, announce. It decides
// what is done already, what must come again and what never can succeed.
//
// Of ours it imports internal/attempt, internal/event, internal/fault, internal/outage, internal/recipe,
// internal/telemetry, and the types of
// internal/store, internal/queue and internal/imaging. What it needs of them it declares
// itself: Store, Imaging, Recipes, Announcer, Attempts.
//
// The order of its steps is the promise it keeps: outputs, then the manifest by a
// conditional write, then the announcement, then the message is deleted. A crash
// between any two leaves the message in the queue, and the next worker goes on from what
// it finds.
package worker

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/tintype/tintype/internal/event"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/imaging"
	"github.com/tintype/tintype/internal/queue"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/internal/telemetry"
)

// Store is what a worker needs of *store.Store.
type Store interface {
	OpenSource(ctx context.Context, key, etag string) (*store.Source, error)
	OpenAsset(ctx context.Context, key, knownETag string) (*store.Source, error)
	PutOutput(ctx context.Context, key, contentType string, body []byte) (sha256 string, err error)
	Manifest(ctx context.Context, id string) (*recipe.Manifest, string, error)
	CommitManifest(ctx context.Context, m *recipe.Manifest, prevETag string) error
	// Now is the time by the store's clock: uploads are dated by it, and other hosts go by it.
	Now() time.Time
	Stat(ctx context.Context, key string) (*store.Source, error)
	DeleteOutputs(ctx context.Context, keys []string) error
}

// Originals takes originals that come with a call; *store.Store does.
type Originals interface {
	PutSource(ctx context.Context, in store.PutSource) (store.Stored, error)
}

// Imaging is what a worker needs of *imaging.Engine.
type Imaging interface {
	Process(ctx context.Context, req imaging.Request) (*imaging.Picture, error)
	Version() string
}

// Recipes is what a worker needs of *recipe.Book.
type Recipes interface {
	Resolve(name string, raw map[string]string) (*recipe.Job, error)
	Choose(key, name string, raw map[string]string) (string, map[string]string)
	Ignores(key string) bool
}

// Announcer tells the world that an image's way has come to its end.
type Announcer interface {
	Announce(ctx context.Context, c event.Completion) error
}

// Options for a Worker. Store, Imaging, Recipes, Announcer and UploadsBucket are required.
type Options struct {
	Store     Store
	Imaging   Imaging
	Recipes   Recipes
	Announcer Announcer
	// Originals is needed by Call alone.
	Originals Originals
	// UploadsBucket is the bucket whose events are ours; those of others are let go.
	UploadsBucket string
	// MaxBytes is the largest original that is read, in bytes. Default: 50 MB.
	MaxBytes int64
	// Workers is how many images are computed at once. Fetching and storing are not
	// counted: they wait on the network, not on a core. Default: the number of cores.
	Workers int
	// IOTimeout bounds one fetch of an original and one storing of all its outputs: a
	// connection that has gone silent must not hold a message for ever. Default: 5 min.
	IOTimeout time.Duration
	// CallTimeout bounds the short calls: reading and storing a manifest, announcing. Default:
	// 1 min.
	CallTimeout time.Duration
	// ImageTimeout bounds the computing of one image. Where Imaging has a limit of its own,
	// which knows better what to say of the image, this must lie above it. Default: 60 s.
	ImageTimeout time.Duration
	// Attempts keeps the records of attempts that came to nothing. Nil: none are kept.
	Attempts Attempts
	// InWorkChanged is called when InWork has changed. It must not wait. Default: nobody is told.
	InWorkChanged func()
	// Program is the name and version of this program, for manifests: "tintype 0.1.0".
	Program string
	// Metrics takes what is told of images and stages. Default: nobody is told.
	Metrics prometheus.Registerer
	// Tracer makes spans of what is done to an image. Default: none are made.
	Tracer trace.Tracer
	// Logger gets one line per image and per fault. Default: none.
	Logger *slog.Logger
}

// Stats are counts since the start, of images; Computing is of this moment.
type Stats struct {
	Done       int64 // a result was stored and announced
	Failed     int64 // a permanent fault was stored and announced
	Unneeded   int64 // there was a current result already
	Superseded int64 // a newer upload or a newer result of the same key has taken over
	Again      int64 // attempts that ended in a passing fault or a bug of their own; the message comes back
	Held       int64 // attempts that an outage ended; the message stays in hand
	Junk       int64 // messages that are no S3 events; they end in the dead-letter queue
	Computing  int64
}

// Worker handles messages. It is safe for concurrent use.
type Worker struct {
	opts      Options
	log       *slog.Logger
	cores     chan struct{} // one token per image being computed
	assets    *assets
	originals buffers
	inWork    inWork
	told      *metrics

	waiting atomic.Int64 // images that wait for a token

	done, failed, unneeded, superseded, again, held, junk atomic.Int64
}

// New makes a Worker.
func New(opts Options) (*Worker, error) {
	switch {
	case opts.Store == nil || opts.Imaging == nil || opts.Recipes == nil || opts.Announcer == nil:
		return nil, errors.New("worker: Store, Imaging, Recipes and Announcer are all needed")
	case opts.UploadsBucket == "":
		return nil, errors.New("worker: no uploads bucket")
	case opts.MaxBytes < 0 || opts.Workers < 0 || opts.IOTimeout < 0 || opts.CallTimeout < 0 || opts.ImageTimeout < 0:
		return nil, errors.New("worker: a negative limit")
	}
	if opts.MaxBytes == 0 {
		opts.MaxBytes = 50_000_000
	}
	if opts.Workers == 0 {
		opts.Workers = runtime.GOMAXPROCS(0)
	}
	if opts.IOTimeout == 0 {
		opts.IOTimeout = 5 * time.Minute
	}
	if opts.CallTimeout == 0 {
		opts.CallTimeout = time.Minute
	}
	if opts.ImageTimeout == 0 {
		opts.ImageTimeout = time.Minute
	}
	if opts.Program == "" {
		opts.Program = "tintype"
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Tracer == nil {
		opts.Tracer = telemetry.NoTracer()
	}
	w := &Worker{opts: opts, log: opts.Logger, cores: make(chan struct{}, opts.Workers), assets: newAssets(opts.Store)}
	w.told = newMetrics(w, opts.Metrics)
	return w, nil
}

// junkDelay is how long junk stays away each time. Repeating cannot help it, so it is in
// the dead-letter queue, where an operator sees it, within a minute.
const junkDelay = 10 * time.Second

// Handle is the queue's handler: one message, which may speak of several uploads. It is
// acknowledged when each of them has come to an end.
func (w *Worker) Handle(ctx context.Context, m queue.Message) (outcome queue.Outcome) {
	log := w.log.With("message", m.ID, "receive_count", m.ReceiveCount)
	trial := w.attempt(ctx, log, m)
	defer func() { trial.end(ctx, outcome) }()
	p, err := event.Parse([]byte(m.Body))
	switch {
	case err != nil:
		// Deleting it would lose what somebody meant to say; the dead-letter queue keeps it.
		w.junk.Add(1)
		trial.failed("", err)
		log.Warn("a message that is no S3 event; it goes to the dead-letter queue", "error", err)
		return queue.Retry(junkDelay)
	case p.Kind == event.Test:
		log.Info("S3 says that it can notify us")
		return queue.Ack()
	case p.Kind == event.Other:
		log.Info("an event that creates nothing", "events", p.Names)
		return queue.Ack()
	}
	again := false
	for _, u := range p.Uploads {
		if u.Bucket != w.opts.UploadsBucket {
			log.Warn("an event of a bucket that is not ours", "bucket", u.Bucket, "key", u.Key)
			continue
		}
		if name, own := store.RuleKey(u.Key); !own && w.opts.Recipes.Ignores(name) {
			log.Info("an object that a rule says is no image", "key", u.Key)
			continue
		}
		err := w.upload(ctx, log, m, u)
		if err != nil && ctx.Err() == nil && fault.IsOutage(err) {
			trial.failed(u.Key, err)
			return w.hold(log, m, u, err) // the uploads after it would fare no better
		}
		if err != nil {
			again = true
			trial.failed(u.Key, err)
			w.report(ctx, log, u, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	if again || ctx.Err() != nil {
		return queue.Retry(0)
	}
	return queue.Ack()
}

// hold keeps a message in hand for a fault that is not its own. The first try says so, and
// the engine what holds for all; the tries after it only where somebody looks closely.
func (w *Worker) hold(log *slog.Logger, m queue.Message, u event.Upload, err error) queue.Outcome {
	w.held.Add(1)
	level := slog.LevelDebug
	if m.Try <= 1 {
		level = slog.LevelWarn
	}
	log.Log(context.Background(), level, "an image must wait for a service", "key", u.Key, "error", err, "hint", fault.HintOf(err))
	reason := err.Error()
	if hint := fault.HintOf(err); hint != "" {
		reason += "; " + hint
	}
	return queue.Hold(reason)
}

// report logs why an upload comes back.
func (w *Worker) report(ctx context.Context, log *slog.Logger, u event.Upload, err error) {
	log = log.With("key", u.Key, "error", err)
	switch {
	case ctx.Err() != nil:
		log.Info("left an image unfinished", "cause", context.Cause(ctx))
	case fault.KindOf(err) == fault.Bug:
		w.again.Add(1)
		log.Error("an image cannot be processed; somebody must mend this", "hint", fault.HintOf(err))
	default:
		w.again.Add(1)
		log.Warn("an image must come again")
	}
}

// Busy reports whether all tokens for computing are taken and an image waits for one, its
// original in memory: another message would wait as well.
func (w *Worker) Busy() bool { return len(w.cores) == cap(w.cores) && w.waiting.Load() > 0 }

// Stats returns the counts of this moment.
func (w *Worker) Stats() Stats {
	return Stats{Done: w.done.Load(), Failed: w.failed.Load(), Unneeded: w.unneeded.Load(), Superseded: w.superseded.Load(),
		Again: w.again.Load(), Held: w.held.Load(), Junk: w.junk.Load(), Computing: int64(len(w.cores))}
}
