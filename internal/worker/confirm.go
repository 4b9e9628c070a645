package worker

import (
	"context"
	"errors"
	"time"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// confirm looks once more for the original of a result that is stored, and returns what is
// to be announced; nil, without an error, where somebody else has taken the image over.
//
// An original that is deleted before its result is stored makes the image failed. One that is
// deleted while it is in work must not end otherwise because of some milliseconds: then the
// result would be one of an image that is not there. So the result is taken back: the
// manifest becomes that of the failure, and the outputs are deleted. Whoever has the message
// after a crash here comes to the same end.
func (a *attempt) confirm(ctx context.Context, m *recipe.Manifest) (*recipe.Manifest, error) {
	if m.Status != recipe.Done {
		return m, nil
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	short, cancel := context.WithTimeout(ctx, a.opts.CallTimeout)
	defer cancel()
	_, err := a.opts.Store.Stat(short, m.Source.Key)
	switch {
	case err == nil:
		return m, nil
	case !errors.Is(err, store.ErrNotFound):
		return nil, err
	}
	if err := a.look(ctx); err != nil {
		return nil, err
	}
	if !a.ownWrite(m) { // deleted with the original, or another's by now
		a.superseded.Add(1)
		a.log.Info("deleted while it was in work")
		return nil, nil
	}
	gone := *m
	gone.Status, gone.Outputs, gone.Timings.Finished = recipe.Failed, nil, time.Now().UTC()
	gone.Error = &recipe.Failure{Code: fault.CodeSourceGone, Message: "the original was deleted while it was processed"}
	switch err := a.commit(ctx, &gone); {
	case errors.Is(err, store.ErrConflict):
		a.superseded.Add(1)
		return nil, nil
	case err != nil:
		return nil, err
	}
	// In this order: outputs that a manifest names are there. The next result of this very
	// content has the same keys; see finish.
	keys := make([]string, len(m.Outputs))
	for i, out := range m.Outputs {
		keys[i] = out.Key
	}
	if err := a.opts.Store.DeleteOutputs(short, keys); err != nil {
		a.log.Warn("the outputs of a deleted image could not be deleted", "error", err)
	}
	return &gone, nil
}
