package audit

import (
	"context"
	"errors"
	"fmt"

	"github.com/tintype/tintype/internal/event"
	"github.com/tintype/tintype/internal/store"
)

// CheckCompletion is for observers of the completion topic, who call it as soon as they hear
// of a result: the manifest must be there, and be the one that was announced or a later one.
// Afterwards nobody can tell any more. Deleted images, whose manifests are gone by then, are
// not to be asked about.
func CheckCompletion(ctx context.Context, s Store, c event.Completion) error {
	m, _, err := s.Manifest(ctx, c.ImageID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("image %s was announced as %s, and there is no manifest", c.ImageID, c.Manifest.Status)
	case err != nil:
		return err
	case m.Timings.Finished.Before(c.Manifest.Timings.Finished):
		return fmt.Errorf("image %s was announced as %s of %v, and the manifest is still that of %v", c.ImageID, c.Manifest.Status, c.Manifest.Timings.Finished, m.Timings.Finished)
	}
	return nil
}
