package audit

import (
	"context"
	"errors"
	"time"

	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// Swept is what Sweep did.
type Swept struct {
	Removed int64 `json:"removed"`
	Bytes   int64 `json:"bytes"`
	Younger int64 `json:"younger"` // left, because not old enough
	Named   int64 `json:"named"`   // left, because a manifest names them by now, or they are gone
}

// Sweepable counts the leftovers that were last written before a time.
func (x *Auditor) Sweepable(before time.Time) (n, bytes int64, err error) {
	for r, err := range x.a.leftovers.all() {
		if err != nil {
			return n, bytes, err
		}
		if r.modified.Before(before) {
			n++
			bytes += r.size
		}
	}
	return n, bytes, nil
}

// Sweep removes the leftovers that Run found (with Options.Leftovers) and that were last
// written before a time. Of each image it looks again right before: what its manifest names
// by now, or what has been written since, stays. It looks once more afterwards, because S3
// cannot remove an object on the condition that nobody names it.
func (x *Auditor) Sweep(ctx context.Context, before time.Time) (Swept, error) {
	a := &x.a
	var done Swept
	var batch []record
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := a.sweep(ctx, batch, before, &done)
		batch = batch[:0]
		return err
	}
	for r, err := range a.leftovers.all() {
		if err != nil {
			return done, err
		}
		if !r.modified.Before(before) {
			done.Younger++
			continue
		}
		if len(batch) > 0 && batch[0].id != r.id {
			if err := flush(); err != nil {
				return done, err
			}
		}
		batch = append(batch, r)
	}
	return done, flush()
}

// sweep removes leftovers of one image.
func (a *auditor) sweep(ctx context.Context, old []record, before time.Time, done *Swept) error {
	id := old[0].id
	m, err := a.named(ctx, id)
	if errors.Is(err, store.ErrUnreadable) { // what it names is not known
		done.Named += int64(len(old))
		return nil
	}
	if err != nil {
		return err
	}
	objects, _, err := a.resultsOf(ctx, id)
	if err != nil {
		return err
	}
	now := make(map[string]store.Object, len(objects))
	for _, o := range objects {
		now[o.Key] = o
	}
	var keys []string
	var bytes int64
	for _, r := range old {
		o, there := now[r.key]
		if !there || o.ETag != r.etag || !o.LastModified.Before(before) || names(m, r.key) {
			done.Named++
			continue
		}
		keys = append(keys, r.key)
		bytes += o.Size
	}
	if len(keys) == 0 {
		return nil
	}
	if err := a.opts.Store.DeleteOutputs(ctx, keys); err != nil {
		return err
	}
	done.Removed += int64(len(keys))
	done.Bytes += bytes
	if m, err = a.named(ctx, id); err != nil && !errors.Is(err, store.ErrUnreadable) {
		return err
	}
	for _, key := range keys {
		if names(m, key) {
			a.mu.Lock()
			a.found(Finding{Code: SweptOutput, ID: id, Key: m.Source.Key, Object: key, Detail: "a new result came to name an output while it was removed as a leftover",
				Hint: "`tintype backfill --all --prefix` with the original's key makes it again"})
			a.mu.Unlock()
		}
	}
	return nil
}

// named is an image's manifest; nil where there is none.
func (a *auditor) named(ctx context.Context, id string) (*recipe.Manifest, error) {
	m, _, err := a.opts.Store.Manifest(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return m, err
}

func names(m *recipe.Manifest, key string) bool {
	if m == nil {
		return false
	}
	for _, o := range m.Outputs {
		if o.Key == key {
			return true
		}
	}
	return false
}
