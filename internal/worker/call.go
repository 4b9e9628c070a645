package worker

import (
	"bytes"
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tintype/tintype/internal/event"
	"github.com/tintype/tintype/internal/imaging"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// Call is an image whose caller waits for the result: the way into the worker without
// events and queue.
type Call struct {
	Key string // of the original in the uploads bucket; one of our own form, see store.UploadKey
	// Body is the original, which is stored while it is processed. Nil: it is there already and
	// is fetched.
	Body        []byte
	ContentType string
	// Recipe and Params, raw, say what is wanted; both empty: the default recipe or, of an
	// original that is there, what its metadata say.
	Recipe string
	Params map[string]string
}

// Answer is what a call leads to.
type Answer struct {
	Manifest *recipe.Manifest // as it was stored
	Picture  *imaging.Picture // nil where the image failed
}

// Callers writes results for callers and tells nobody else of them: the Announcer of a
// worker that takes calls only.
type Callers struct{}

// Announce does nothing.
func (Callers) Announce(context.Context, event.Completion) error { return nil }

// Call takes one image through and answers when its manifest is stored, or not at all: what
// fails in passing is the caller's to repeat. A permanent fault of the image is an answer
// whose manifest says so. What can be refused before anything is stored, a recipe that there is
// not, a parameter out of range, is an error of the kind Permanent.
func (w *Worker) Call(ctx context.Context, c Call) (*Answer, error) {
	if w.opts.Originals == nil && c.Body != nil {
		return nil, errors.New("worker: a call with an image needs Options.Originals")
	}
	now := time.Now().UTC()
	id := store.IDForKey(c.Key)
	a := &attempt{Worker: w, log: w.log.With("image", id, "key", c.Key), id: id, started: now,
		up: event.Upload{Bucket: w.opts.UploadsBucket, Key: c.Key, Size: int64(len(c.Body)), Time: now}}
	a.msg.ReceiveCount = 1
	if c.Body != nil {
		return a.callWith(ctx, c)
	}
	if c.Recipe != "" || c.Params != nil {
		a.ask = &c
	}
	// The caller wants it done again, whatever is there.
	if err := a.look(ctx); err != nil {
		return nil, err
	}
	a.prev = nil
	m := a.manifest()
	src, req, err := a.fetch(ctx, m)
	if err != nil {
		return a.refuse(ctx, m, err)
	}
	pic, took, err := a.compute(ctx, req)
	m.Timings.ProcessMS = took.Milliseconds()
	if err != nil {
		return a.refuse(ctx, m, err)
	}
	return a.answer(ctx, m, store.Stored{ETag: src.ETag, VersionID: src.VersionID}, req.Job, pic)
}

// callWith processes an original that came with the call, and stores it meanwhile.
func (a *attempt) callWith(ctx context.Context, c Call) (*Answer, error) {
	rule, _ := store.RuleKey(c.Key)
	name, params := a.opts.Recipes.Choose(rule, c.Recipe, c.Params)
	job, err := a.opts.Recipes.Resolve(name, params)
	if err != nil {
		return nil, err
	}
	if int64(len(c.Body)) > a.opts.MaxBytes {
		return nil, a.tooLarge()
	}
	m := a.manifest()
	m.Recipe, m.Params, m.RecipeHash = job.Recipe, job.Params, job.Hash
	m.Source.Bytes, m.Source.ContentType = int64(len(c.Body)), c.ContentType

	var stored store.Stored
	var pic *imaging.Picture
	var computing error // of the image: it does not end the storing of the original
	g, both := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		limited, cancel := context.WithTimeout(both, a.opts.IOTimeout)
		defer cancel()
		stored, err = a.opts.Originals.PutSource(limited, store.PutSource{
			Key: c.Key, Body: bytes.NewReader(c.Body), Size: int64(len(c.Body)), ContentType: c.ContentType, Recipe: job.Recipe, Params: params,
		})
		return err
	})
	g.Go(func() error {
		req := imaging.Request{Job: job, Source: c.Body}
		var took time.Duration
		if req.Assets, m.Assets, computing = a.assets.get(both, job); computing == nil {
			pic, took, computing = a.compute(both, req)
			m.Timings.ProcessMS = took.Milliseconds()
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	m.Source.ETag, m.Source.VersionID = stored.ETag, stored.VersionID
	if computing != nil {
		return a.refuse(ctx, m, computing)
	}
	return a.answer(ctx, m, stored, job, pic)
}

// answer stores what was made.
func (a *attempt) answer(ctx context.Context, m *recipe.Manifest, stored store.Stored, job *recipe.Job, pic *imaging.Picture) (*Answer, error) {
	m.Source.Width, m.Source.Height, m.Source.Format = pic.Source.Width, pic.Source.Height, pic.Source.Format
	began := time.Now()
	var err error
	if m.Outputs, err = a.put(ctx, stored, job, pic); err != nil {
		return nil, err
	}
	m.Timings.StoreMS = time.Since(began).Milliseconds()
	m.Status = recipe.Done
	if err := a.finish(ctx, m); err != nil {
		return nil, err
	}
	return &Answer{Manifest: m, Picture: pic}, nil
}

// refuse answers a permanent fault of the image with its manifest; any other is an error.
func (a *attempt) refuse(ctx context.Context, m *recipe.Manifest, fault error) (*Answer, error) {
	if err := a.end(ctx, m, fault); err != nil {
		return nil, err
	}
	return &Answer{Manifest: m}, nil
}
