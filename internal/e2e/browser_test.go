package e2e

import (
	"testing"

	"github.com/tintype/tintype/internal/testimages"
	"github.com/tintype/tintype/internal/web/webtest"
)

// TestBrowser uses the page of the complete system as a person does: choose and drop
// photographs, choose a tint, and see the tinted results appear without reload.
func TestBrowser(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.startUp()
	chosen := writeFile(t, "rocket & <b>.jpg", testimages.Photos()[0].Bytes)
	dropped := writeFile(t, "chelsea.png", testimages.Photos()[3].Bytes)

	for _, r := range webtest.ChooseAndTint(t, s.web(), "#2266cc", chosen) {
		webtest.CheckTinted(t, s.web(), r.ID, "large", "#2266cc")
	}
	for _, r := range webtest.DropAndTint(t, s.web(), "#cc4411", dropped) {
		webtest.CheckTinted(t, s.web(), r.ID, "large", "#cc4411")
	}
	b := webtest.Open(t, s.web())
	b.CheckWidths("page")
	b.CheckQuiet()
}
