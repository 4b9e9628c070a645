package worker

import (
	"context"
	"errors"

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
	switch there, err := a.sourceThere(ctx, m); {
	case err != nil:
		return nil, err
	case there:
		return m, nil
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
	gone.Status, gone.Outputs, gone.Timings.Finished = recipe.Failed, nil, a.opts.Store.Now()
	gone.Error = &recipe.Failure{Code: fault.CodeSourceGone, Message: "the original was deleted while it was processed"}
	switch err := a.commit(ctx, &gone); {
	case errors.Is(err, store.ErrConflict):
		a.superseded.Add(1)
		return nil, nil
	case err != nil:
		return nil, err
	}
	if err := a.deleteOutputs(ctx, m); err != nil {
		a.log.Warn("the outputs of a deleted image could not be deleted", "error", err)
	}
	return &gone, nil
}

// sourceThere reports whether the original of a result is there, whatever its content.
func (a *attempt) sourceThere(ctx context.Context, m *recipe.Manifest) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, a.opts.CallTimeout)
	defer cancel()
	_, err := a.opts.Store.Stat(ctx, m.Source.Key)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// deleteOutputs deletes the outputs of a result that no manifest names any more. The same
// content, put back under the same key, has outputs of the same names: so it looks once more,
// and keeps them where an original is. What comes back after that look is fetched, processed
// and stored later than one request takes; whoever is at it already finds the failure in the
// manifest's place, and does it again (see finish).
func (a *attempt) deleteOutputs(ctx context.Context, m *recipe.Manifest) error {
	if there, err := a.sourceThere(ctx, m); there || err != nil {
		return err
	}
	keys := make([]string, len(m.Outputs))
	for i, out := range m.Outputs {
		keys[i] = out.Key
	}
	ctx, cancel := context.WithTimeout(ctx, a.opts.CallTimeout)
	defer cancel()
	return a.opts.Store.DeleteOutputs(ctx, keys)
}
