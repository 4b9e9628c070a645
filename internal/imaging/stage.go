package imaging

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/imaging/geometry"
	"github.com/tintype/tintype/internal/imaging/layer"
	"github.com/tintype/tintype/internal/imaging/meta"
	"github.com/tintype/tintype/internal/imaging/tone"
	"github.com/tintype/tintype/internal/imaging/vips"
	"github.com/tintype/tintype/internal/recipe"
)

// stage is a step made ready, or several of colours in one.
type stage struct {
	name string
	// loose says that the stage gives the same picture, but for rounding, whether the
	// picture is made smaller before it or after it.
	loose    bool
	quarters int // quarter turns clockwise that it makes
	// run does it to a picture that is scale times as large as the plan's, 1 or less. It
	// returns the picture itself, changed, or another one; it closes none.
	run func(ctx context.Context, img *vips.Image, scale float64) (*vips.Image, error)
}

// picture takes a decoded picture through the stages; it closes img.
func (p *plan) picture(ctx context.Context, img *vips.Image) (*vips.Image, error) {
	steps := slices.Insert(slices.Clone(p.stages), p.tail, stage{name: "resize to base", run: p.toBase})
	scale := 1.0
	for i, s := range steps {
		if i == p.tail {
			scale = float64(p.base.W) / float64(p.whole.W)
		}
		next, err := s.run(ctx, img, scale)
		if err == nil {
			err = ctx.Err()
		}
		if next != nil && next != img {
			img.Close()
			img = next
		}
		if err != nil {
			img.Close()
			if fault.As(err) != nil {
				return nil, err
			}
			return nil, bug(s.name, err)
		}
	}
	return img, nil
}

func (p *plan) toBase(ctx context.Context, img *vips.Image, _ float64) (*vips.Image, error) {
	return resize(ctx, img, p.base)
}

func resize(ctx context.Context, img *vips.Image, s geometry.Size) (*vips.Image, error) {
	if sizeOf(img) == s {
		return img, nil
	}
	return img.Resize(ctx, s.W, s.H)
}

func sizeOf(img *vips.Image) geometry.Size { return geometry.Size{W: img.Width(), H: img.Height()} }

// drafter makes stages of steps, and follows how large the picture is.
type drafter struct {
	engine *Engine
	req    Request
	frames int
	size   geometry.Size // of a frame, after the stages so far
	stages []stage
	colors []recipe.Step // those that the last stage does, where it is one of colours
	keep   meta.Keep
}

// inStep says in which step an error lies.
func inStep(i int, kind recipe.StepKind, err error) error {
	if fault.As(err) != nil {
		return err
	}
	return bug(fmt.Sprintf("prepare step %d (%s)", i+1, kind), err)
}

func (d *drafter) add(s recipe.Step) error {
	if tone.Does(s.Kind) {
		return d.addColors(s)
	}
	d.colors = nil
	switch s.Kind {
	case recipe.StepStrip:
		d.keep = meta.Keep{}
		return nil
	case recipe.StepKeep:
		return d.addKeep(s)
	case recipe.StepBlur:
		return d.addBlur(s)
	case recipe.StepSharpen:
		return d.addSharpen(s)
	case recipe.StepFlatten:
		return d.addFlatten(s)
	case recipe.StepFlip:
		return d.addFlip(s)
	case recipe.StepRotate:
		return d.addRotate(s)
	case recipe.StepCrop:
		return d.addCrop(s)
	case recipe.StepPad:
		return d.addPad(s)
	case recipe.StepResize:
		return d.addResize(s)
	case recipe.StepWatermark:
		return d.addWatermark(s)
	default:
		return fmt.Errorf("kind %q is unknown", s.Kind)
	}
}

// push adds a stage after which a frame has a size.
func (d *drafter) push(s stage, size geometry.Size) error {
	if size != d.size {
		if err := d.engine.limits.checkResult("step "+s.name, size, d.frames); err != nil {
			return err
		}
	}
	d.size = size
	d.stages = append(d.stages, s)
	return nil
}

// addColors joins colour steps that follow one another into one pass over the pixels.
func (d *drafter) addColors(s recipe.Step) error {
	program, err := tone.Compile(append(d.colors, s))
	if err != nil {
		return err
	}
	if len(d.colors) > 0 {
		d.stages = d.stages[:len(d.stages)-1]
	}
	d.colors = append(d.colors, s)
	return d.push(stage{name: "colours", loose: true, run: func(_ context.Context, img *vips.Image, _ float64) (*vips.Image, error) {
		if program.Empty() {
			return img, nil
		}
		return img, img.Pixels(func(pix []byte) error { return program.Apply(pix, img.Bands()) })
	}}, d.size)
}

func (d *drafter) addKeep(s recipe.Step) error {
	for word := range strings.SplitSeq(string(s.Metadata), ",") {
		switch strings.TrimSpace(word) {
		case "copyright":
			d.keep.Copyright = true
		case "icc":
			d.keep.Profile = true
		case "exif-no-gps":
			d.keep.Exif = true
		default:
			return fmt.Errorf("metadata %q is unknown", word)
		}
	}
	return nil
}

func (d *drafter) addBlur(s recipe.Step) error {
	sigma, err := number(s.Sigma, 0, 0.3, 100)
	if err != nil {
		return fmt.Errorf("sigma: %w", err)
	}
	return d.push(stage{name: "blur", loose: true, run: func(ctx context.Context, img *vips.Image, scale float64) (*vips.Image, error) {
		if sigma*scale < 0.3 { // shrinking has blurred more than that
			return img, nil
		}
		return img.Blur(ctx, sigma*scale)
	}}, d.size)
}

// addSharpen: not loose, as what sharpening adds to the finest lines is clamped.
func (d *drafter) addSharpen(s recipe.Step) error {
	sigma, err := number(s.Sigma, 1, 0.3, 10)
	if err != nil {
		return fmt.Errorf("sigma: %w", err)
	}
	amount, err := number(s.Amount, 1, 0, 10)
	if err != nil {
		return fmt.Errorf("amount: %w", err)
	}
	return d.push(stage{name: "sharpen", run: func(ctx context.Context, img *vips.Image, _ float64) (*vips.Image, error) {
		if amount == 0 {
			return img, nil
		}
		blurred, err := img.Blur(ctx, sigma)
		if err != nil {
			return nil, err
		}
		defer blurred.Close()
		return img, img.Pixels(func(pix []byte) error {
			return blurred.Pixels(func(soft []byte) error {
				layer.Sharpen(pix, soft, img.Bands(), amount)
				return nil
			})
		})
	}}, d.size)
}

func (d *drafter) addFlatten(s recipe.Step) error {
	back, err := background(s.Background)
	if err != nil || back.Transparent {
		return fmt.Errorf("background %q is no colour", s.Background)
	}
	return d.push(stage{name: "flatten", loose: true, run: func(ctx context.Context, img *vips.Image, _ float64) (*vips.Image, error) {
		return flatten(ctx, img, back)
	}}, d.size)
}

// flatten changes img; what it returns may be another picture.
func flatten(ctx context.Context, img *vips.Image, back vips.Background) (*vips.Image, error) {
	if img.Bands() != 4 {
		return img, nil
	}
	err := img.Pixels(func(pix []byte) error {
		layer.Flatten(pix, [3]uint8{back.R, back.G, back.B})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return img.Opaque(ctx)
}

// background is white where none is said.
func background(v recipe.Value) (vips.Background, error) {
	switch v {
	case "":
		return vips.Background{R: 255, G: 255, B: 255}, nil
	case "transparent":
		return vips.Background{Transparent: true}, nil
	}
	r, g, b, err := v.RGB()
	if err != nil {
		return vips.Background{}, fmt.Errorf("background %q is neither a colour nor \"transparent\": %w", v, err)
	}
	return vips.Background{R: r, G: g, B: b}, nil
}

// number reads a value within bounds; a missing one is otherwise.
func number(v recipe.Value, otherwise, least, most float64) (float64, error) {
	f := otherwise
	if v != "" {
		var err error
		if f, err = v.Float(); err != nil {
			return 0, fmt.Errorf("%q: %w", v, err)
		}
	}
	if f < least || f > most {
		return 0, fmt.Errorf("%q is not from %g to %g", v, least, most)
	}
	return f, nil
}

// length reads a length in pixels; a missing one is 0.
func length(v recipe.Value) (int, error) {
	f, err := number(v, 0, 0, math.MaxInt32)
	if err != nil || f != math.Trunc(f) {
		return 0, fmt.Errorf("%q is no length in whole pixels", v)
	}
	return int(f), nil
}
