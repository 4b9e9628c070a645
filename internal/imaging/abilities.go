package imaging

import (
	"github.com/tintype/tintype/internal/imaging/sniff"
	"github.com/tintype/tintype/internal/imaging/vips"
	"github.com/tintype/tintype/internal/recipe"
)

// Abilities are what the libvips at hand can do; they differ by how it was built.
type Abilities struct {
	Reads  []string // formats of originals, as in the package sniff
	Writes []string // formats of outputs, as in recipes
	Text   bool     // watermarks of text
}

// Abilities says what this engine's libvips can do.
func (e *Engine) Abilities() Abilities {
	a := Abilities{Text: vips.CanDrawText()}
	for _, f := range []string{sniff.JPEG, sniff.PNG, sniff.GIF, sniff.WebP, sniff.TIFF, sniff.HEIF, sniff.AVIF} {
		if vips.CanLoad(f) {
			a.Reads = append(a.Reads, f)
		}
	}
	for _, f := range []recipe.Format{recipe.JPEG, recipe.PNG, recipe.WebP, recipe.GIF, recipe.TIFF, recipe.AVIF} {
		if vips.CanSave(string(f)) {
			a.Writes = append(a.Writes, string(f))
		}
	}
	return a
}
