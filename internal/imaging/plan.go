package imaging

import (
	"fmt"

	"github.com/tintype/tintype/internal/imaging/geometry"
	"github.com/tintype/tintype/internal/imaging/meta"
	"github.com/tintype/tintype/internal/imaging/sniff"
	"github.com/tintype/tintype/internal/imaging/vips"
	"github.com/tintype/tintype/internal/recipe"
)

// plan says how the outputs of a job are made from one image: the picture goes through
// the stages before tail as large as it is, is brought to the base size, and goes through
// the rest of them; from what that leaves the targets are made.
type plan struct {
	source   *source
	stages   []stage
	tail     int           // stages from here on are done on the base
	whole    geometry.Size // of a frame, when the tail comes, at full size
	base     geometry.Size // the least at which every target has the pixels it needs
	targets  []target      // in the order of the job
	animated bool          // all frames are wanted
	shrink   int           // JPEG: decode at this fraction of the size
	keep     meta.Keep     // of the file's metadata
}

// target is one output.
type target struct {
	recipe.Output
	fitted        geometry.Fitted
	width, height int // of fitted
	background    vips.Background
	moving        bool // keeps the frames of an animation
}

func (e *Engine) newPlan(s *source, req Request) (*plan, error) {
	p := &plan{source: s, shrink: 1}
	for _, o := range req.Job.Outputs {
		format := formatFor(o.Format, s.format, false)
		t := target{Output: o, moving: s.frames() > 1 && (format == recipe.GIF || format == recipe.WebP)}
		p.targets = append(p.targets, t)
		p.animated = p.animated || t.moving
	}
	frames := 1
	if p.animated {
		frames = s.frames()
	}
	info := s.info()
	d := drafter{engine: e, req: req, frames: frames, size: geometry.Size{W: info.Width, H: info.Height}}
	for i, step := range req.Job.Steps {
		if err := d.add(step); err != nil {
			return nil, inStep(i, step.Kind, err)
		}
	}
	p.stages, p.keep = d.stages, d.keep
	if err := p.fitTargets(e.limits, d.size, frames); err != nil {
		return nil, err
	}
	p.shape(d.size, geometry.Size{W: info.Width, H: info.Height})
	return p, nil
}

// fitTargets says how large the outputs become of a picture of a size.
func (p *plan) fitTargets(limits Limits, s geometry.Size, frames int) error {
	for i := range p.targets {
		t := &p.targets[i]
		longest := 0
		if f := formatFor(t.Format, p.source.format, false); f == recipe.WebP || f == recipe.AVIF {
			longest = longestSide
		}
		t.fitted = geometry.Fit(s, geometry.Size{W: t.Width, H: t.Height}, t.Fit, t.Enlarge, longest)
		t.width, t.height = t.fitted.Size().W, t.fitted.Size().H
		n := 1
		if t.moving {
			n = frames
		}
		for _, size := range []geometry.Size{t.fitted.Resize, t.fitted.Size()} {
			if err := limits.checkResult(fmt.Sprintf("output %q", t.Name), size, n); err != nil {
				return err
			}
		}
		var err error
		if t.background, err = background(recipe.Value(t.Background)); err != nil {
			return bug("plan output "+t.Name, err)
		}
	}
	return nil
}

// shape finds where the picture may be made smaller: before the last run of stages that
// give the same picture of a smaller one. Of a JPEG of which all may be done so, less is
// decoded.
func (p *plan) shape(last, first geometry.Size) {
	for p.tail = len(p.stages); p.tail > 0 && p.stages[p.tail-1].loose; p.tail-- {
	}
	quarters := 0
	for _, s := range p.stages[p.tail:] {
		quarters += s.quarters
	}
	p.whole = last.Turned(quarters)
	var base geometry.Size
	for _, t := range p.targets {
		size := t.fitted.Resize
		if t.Fit == recipe.FitFill { // stretched from the smallest that has all it needs
			size = last.Scaled(max(float64(size.W)/float64(last.W), float64(size.H)/float64(last.H)))
		}
		if size.W > base.W || size.W == base.W && size.H > base.H {
			base = size
		}
	}
	p.base = base.Within(last).Turned(quarters)
	if p.source.format == sniff.JPEG && p.tail == 0 {
		p.shrink = shrinkOnLoad(max(float64(p.base.W)/float64(first.W), float64(p.base.H)/float64(first.H)))
	}
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
