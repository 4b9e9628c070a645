package worker

import (
	"context"
	"fmt"
	"time"

	"github.com/tintype/tintype/internal/event"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// A message of a backfill is no event: it knows nothing of the order of uploads. It is worth
// something only while the original is as the backfill saw it, and it gives way to whatever
// else has happened to the image (ADR 23).

// sameWrite is how much later than S3 says that an original was written its event may say so.
const sameWrite = 2 * time.Second

// backfilled reports whether a backfill led here.
func (a *attempt) backfilled() bool { return a.up.Backfill != nil }

// inherit completes the manifest of a backfill. It keeps the sequencer of the result that it
// replaces, so that an event which was too late for that one is too late for this one too.
func (a *attempt) inherit(m *recipe.Manifest) {
	if !a.backfilled() {
		return
	}
	m.Backfill = a.up.Backfill.Job
	if a.prev != nil && a.prev.Source.Key == a.up.Key {
		m.Source.Sequencer = a.prev.Source.Sequencer
	}
}

// askedAgain reports whether the work is to be done although its result is there. A later
// event of the same content is somebody asking again. A backfill says which manifest it wants
// replaced, and that is there only once.
func (a *attempt) askedAgain() bool {
	switch {
	case a.backfilled():
		return a.up.Backfill.Replaces != "" && a.up.Backfill.Replaces == a.prevETag
	case a.prev.Backfill != "":
		// Its sequencer is not that of what it read. It knows when that was written.
		return a.up.Time.After(a.prev.Timings.Uploaded.Add(sameWrite))
	}
	return event.Later(a.up.Sequencer, a.prev.Source.Sequencer)
}

// yield deals with a result that came in between: a backfill never writes over it. Where it is
// not of what was read here, what there is to do has to be found out anew.
func (a *attempt) yield(ctx context.Context, m *recipe.Manifest) error {
	if a.prev.Current(m.Source.ETag, m.Source.VersionID, m.RecipeHash) {
		return a.repeat(ctx)
	}
	return fmt.Errorf("commit the manifest of %s: another result came in between: %w", a.id, store.ErrConflict)
}

// unheard reports whether nobody may have heard of a result that is there: a backfill made it
// in silence, and this is the event of the upload; or this very backfill made it, by another
// message, which may have been sent back from the dead letters as this one.
func (a *attempt) unheard() bool {
	if a.backfilled() {
		return a.prev.Backfill == a.up.Backfill.Job && a.prev.MessageID != a.msg.ID
	}
	return a.prev.Backfill != ""
}

// silent reports whether nothing is to be announced.
func (a *attempt) silent() bool { return a.backfilled() && !a.up.Backfill.Announce }
