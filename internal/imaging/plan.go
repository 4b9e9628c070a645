package imaging

import (
	"math"

	"github.com/tintype/tintype/internal/imaging/sniff"
	"github.com/tintype/tintype/internal/imaging/tone"
	"github.com/tintype/tintype/internal/recipe"
)

// plan says how the outputs of a job are made from one image.
type plan struct {
	source   *source
	colors   *tone.Program
	targets  []target // in the order of the job
	animated bool     // all frames are wanted
	shrink   int      // JPEG: decode at this fraction of the size
}

// target is one output.
type target struct {
	recipe.Output
	width, height int
	moving        bool // keeps the frames of an animation
}

func newPlan(s *source, job *recipe.Job) (*plan, error) {
	colors, err := tone.Compile(job.Steps)
	if err != nil {
		return nil, bug("prepare colour steps", err)
	}
	p := &plan{source: s, colors: colors}
	info := s.info()
	need := 0.0 // the largest scale that any output has
	for _, o := range job.Outputs {
		t := target{Output: o, moving: s.frames() > 1 && (o.Format == recipe.Same || o.Format == recipe.Auto)}
		t.width, t.height = fit(info.Width, info.Height, o)
		p.targets = append(p.targets, t)
		p.animated = p.animated || t.moving
		need = max(need, float64(t.width)/float64(info.Width), float64(t.height)/float64(info.Height))
	}
	if s.format == sniff.JPEG {
		p.shrink = shrinkOnLoad(need)
	}
	return p, nil
}

// shrinkOnLoad is the fraction at which a JPEG can be decoded when no output needs
// more than a scale. Half of what the decoder can do is left to the better filter that
// resizing has.
func shrinkOnLoad(scale float64) int {
	for _, n := range []int{8, 4, 2} {
		if scale*2*float64(n) <= 1 {
			return n
		}
	}
	return 1
}

// longestSide is what some formats can hold: WebP by its format, AVIF as libvips writes it.
const longestSide = 16383

// fit is the size of an output: the source's, made smaller by one factor until it lies
// within the bounds; each side rounded to the nearest pixel, at least 1, never enlarged.
func fit(width, height int, o recipe.Output) (int, int) {
	w, h := float64(width), float64(height)
	scale := 1.0
	if o.Width > 0 {
		scale = min(scale, float64(o.Width)/w)
	}
	if o.Height > 0 {
		scale = min(scale, float64(o.Height)/h)
	}
	if o.Format == recipe.WebP || o.Format == recipe.AVIF {
		scale = min(scale, longestSide/w, longestSide/h)
	}
	if scale == 1 {
		return width, height
	}
	return max(1, int(math.Round(w*scale))), max(1, int(math.Round(h*scale)))
}

// encoding is how a format is written.
type encoding struct {
	contentType, ext string
	quality, effort  int // defaults
}

var encodings = map[recipe.Format]encoding{
	recipe.JPEG: {"image/jpeg", "jpg", 80, 0},
	recipe.PNG:  {"image/png", "png", 0, 4},
	recipe.WebP: {"image/webp", "webp", 80, 2},
	recipe.AVIF: {"image/avif", "avif", 50, 1},
	recipe.GIF:  {"image/gif", "gif", 0, 4},
	recipe.TIFF: {"image/tiff", "tiff", 0, 0},
}

// formatFor resolves Same and Auto. HEIC and AVIF sources give JPEG: no browser shows the
// one, and the other costs twenty times as much to write.
func formatFor(want recipe.Format, source string, alpha bool) recipe.Format {
	if want != recipe.Same && want != recipe.Auto {
		return want
	}
	switch source {
	case sniff.JPEG:
		return recipe.JPEG
	case sniff.PNG:
		return recipe.PNG
	case sniff.GIF:
		return recipe.GIF
	case sniff.WebP:
		return recipe.WebP
	case sniff.TIFF:
		if want == recipe.Same {
			return recipe.TIFF
		}
	}
	if alpha {
		return recipe.PNG
	}
	return recipe.JPEG
}
