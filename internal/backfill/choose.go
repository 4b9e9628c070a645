package backfill

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tintype/tintype/internal/event"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// Reason says why an original is sent, or why it is left alone.
type Reason string

// Why an original is sent.
const (
	Missing  Reason = "missing"  // there is no manifest
	Damaged  Reason = "damaged"  // what stands in its place is none, or is of something else
	Source   Reason = "source"   // the manifest is of what was there before
	Recipe   Reason = "recipe"   // today's recipes would do something else
	Asset    Reason = "asset"    // a further picture that the recipe uses has changed
	Failure  Reason = "failed"   // it failed, and Selection.Failed asks for it
	Version  Reason = "program"  // another version of the program made it, and Selection.Program asks for it
	Anything Reason = "all"      // Selection.All asks for it
	Current  Reason = "current"  // left: the result is of the original as it stands
	Ignored  Reason = "ignored"  // left: a rule says that it is no image
	Archived Reason = "archived" // left: it lies in an archive and cannot be read
	Shadowed Reason = "shadowed" // left: a later file with the same id has the result
	Outside  Reason = "outside"  // left: of another recipe than Selection.Recipe, or older than Since
)

// tolerance is how much later than its event S3 may say that an object was written.
const tolerance = 2 * time.Second

// Selection says what is sent besides that which has no current result.
type Selection struct {
	// Failed sends again what failed: with one of these codes, or with any where "*" is among
	// them.
	Failed []string `json:"failed,omitempty"`
	// Program sends again what another version of the program made.
	Program bool `json:"program,omitempty"`
	// All sends everything.
	All bool `json:"all,omitempty"`
	// Recipe, where set, lets only those images pass that get this recipe today.
	Recipe string `json:"recipe,omitempty"`
	// Prefix and Since, where set, let only those originals pass whose keys begin so, and that
	// were last written at that time or later.
	Prefix string    `json:"prefix,omitempty"`
	Since  time.Time `json:"since,omitzero"`
}

func (s *Selection) failed(code string) bool {
	return slices.Contains(s.Failed, "*") || slices.Contains(s.Failed, code)
}

// choice is what is to become of one original.
type choice struct {
	object   store.Object
	reason   Reason
	send     bool
	replaces string // see event.Backfill
	outputs  int    // that it had or will have, as far as that is known
}

// upload is the message's content.
func (c *choice) upload(bucket, job string, announce bool) event.Upload {
	o := c.object
	return event.Upload{Bucket: bucket, Key: o.Key, ETag: o.ETag, Size: o.Size, Time: o.LastModified,
		Backfill: &event.Backfill{Job: job, Replaces: c.replaces, Announce: announce}}
}

// choose decides about one original. It asks S3 for its manifest, and for the original itself
// only where that is needed.
func (r *run) choose(ctx context.Context, o store.Object) (choice, error) {
	c := choice{object: o, reason: Current}
	name, own := store.RuleKey(o.Key)
	switch {
	case !own && r.opts.Recipes.Ignores(name):
		c.reason = Ignored
		return c, nil
	case o.LastModified.Before(r.opts.Selection.Since):
		c.reason = Outside
		return c, nil
	}
	head := &head{store: r.opts.Store, key: o.Key}
	if err := r.look(ctx, &c, head); err != nil {
		return c, err
	}
	if !c.send {
		return c, nil
	}
	if c.reason == Missing || c.reason == Damaged {
		if ok, err := r.passes(ctx, o.Key, nil, head); err != nil || !ok {
			c.send, c.reason = false, Outside
			return c, err
		}
	}
	if o.Archived || head.src != nil && head.src.Archived {
		src, err := head.get(ctx)
		if err != nil {
			return c, err
		}
		if src == nil || src.Archived {
			c.send, c.reason = false, Archived
		}
	}
	if head.gone {
		c.send, c.reason = false, Outside
	}
	return c, nil
}

// look finds out by the manifest whether, and why, an original is to be sent.
func (r *run) look(ctx context.Context, c *choice, head *head) error {
	o, sel := c.object, &r.opts.Selection
	m, etag, err := r.opts.Store.Manifest(ctx, store.IDForKey(o.Key))
	send := func(why Reason, replace bool) error {
		c.reason, c.send = why, true
		if replace {
			c.replaces = etag
		}
		return nil
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return send(Missing, false)
	case errors.Is(err, store.ErrUnreadable):
		return send(Damaged, false)
	case err != nil:
		return err
	}
	c.outputs = len(m.Outputs)
	rewritten := o.LastModified.After(m.Timings.Uploaded.Add(tolerance))
	switch {
	case m.Source.Key != o.Key && !rewritten:
		c.reason = Shadowed
		return nil
	case m.Source.Key != o.Key:
		return send(Source, false)
	}
	if ok, err := r.passes(ctx, o.Key, m, head); err != nil || !ok {
		c.reason = Outside
		return err
	}
	switch {
	case m.Source.Bucket != r.opts.Store.Bucket(store.Uploads):
		return send(Damaged, true)
	case m.Source.ETag != o.ETag:
		return send(Source, false)
	}
	if rewritten || m.Source.VersionID != "" {
		switch src, err := head.get(ctx); {
		case err != nil:
			return err
		case src == nil:
			c.reason = Outside
			return nil
		case src.VersionID != m.Source.VersionID:
			return send(Source, false)
		}
	}
	if rewritten && m.Status == recipe.Failed { // somebody asked for it to be tried again
		return send(Source, true)
	}
	hash, err := r.hash(ctx, o.Key, m, head)
	if err != nil {
		return err
	}
	if hash != m.RecipeHash {
		return send(Recipe, false)
	}
	changed, err := r.assetsChanged(ctx, m)
	switch {
	case err != nil:
		return err
	case changed:
		return send(Asset, true)
	case m.Status == recipe.Failed && m.Error != nil && sel.failed(m.Error.Code):
		return send(Failure, true)
	case sel.Program && m.Program != r.opts.Program:
		return send(Version, true)
	case sel.All:
		return send(Anything, true)
	}
	return nil
}

// passes reports whether an image is of the recipe that alone is wanted.
func (r *run) passes(ctx context.Context, key string, m *recipe.Manifest, head *head) (bool, error) {
	want := r.opts.Selection.Recipe
	if want == "" {
		return true, nil
	}
	asked, err := head.asked(ctx, m)
	if err != nil || asked == nil {
		return false, err
	}
	rule, _ := store.RuleKey(key)
	name, _ := r.opts.Recipes.Choose(rule, asked.Recipe, asked.Params)
	return name == want, nil
}

// hash is that of the job that an upload would be today; "" where that cannot be done.
func (r *run) hash(ctx context.Context, key string, m *recipe.Manifest, head *head) (string, error) {
	asked, err := head.asked(ctx, m)
	if err != nil || asked == nil {
		return "", err
	}
	rule, _ := store.RuleKey(key)
	job, err := r.opts.Recipes.Resolve(r.opts.Recipes.Choose(rule, asked.Recipe, asked.Params))
	if err != nil {
		return "", nil //nolint:nilerr // the worker would come to the same end, and write no hash
	}
	return job.Hash, nil
}

// assetsChanged reports whether a further picture is another than the manifest names. One that
// is gone has not changed: without it the work would only fail.
func (r *run) assetsChanged(ctx context.Context, m *recipe.Manifest) (bool, error) {
	for _, x := range m.Assets {
		etag, err := r.asset(ctx, x.Key)
		if err != nil {
			return false, err
		}
		if etag != "" && etag != x.ETag {
			return true, nil
		}
	}
	return false, nil
}

// asset is the ETag of a further picture, "" where there is none. Each is asked for once;
// recipes name few.
func (r *run) asset(ctx context.Context, key string) (string, error) {
	r.mu.Lock()
	etag, known := r.assets[key]
	r.mu.Unlock()
	if known {
		return etag, nil
	}
	src, err := r.opts.Store.Stat(ctx, key)
	switch {
	case err == nil:
		etag = src.ETag
	case !errors.Is(err, store.ErrNotFound):
		return "", err
	}
	r.mu.Lock()
	r.assets[key] = etag
	r.mu.Unlock()
	return etag, nil
}

// head asks for an original at most once.
type head struct {
	store Store
	key   string
	src   *store.Source
	gone  bool
}

// get is nil where the original has gone.
func (h *head) get(ctx context.Context) (*store.Source, error) {
	if h.src != nil || h.gone {
		return h.src, nil
	}
	src, err := h.store.Stat(ctx, h.key)
	if errors.Is(err, store.ErrNotFound) {
		h.gone = true
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	h.src = src
	return src, nil
}

// asked is what the upload said of its recipe: by the manifest where that knows and the
// original has not been looked at, else by the original. Nil: it does not say, or it is gone.
func (h *head) asked(ctx context.Context, m *recipe.Manifest) (*recipe.Asked, error) {
	if m != nil && m.Asked != nil && h.src == nil {
		return m.Asked, nil
	}
	src, err := h.get(ctx)
	if err != nil || src == nil || src.MetaErr != nil {
		return nil, err
	}
	return &recipe.Asked{Recipe: src.Recipe, Params: src.Params}, nil
}
