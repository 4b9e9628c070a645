package imaging

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/tintype/tintype/internal/imaging/fused"
	"github.com/tintype/tintype/internal/imaging/sniff"
	"github.com/tintype/tintype/internal/imaging/thumbhash"
	"github.com/tintype/tintype/internal/imaging/tone"
	"github.com/tintype/tintype/internal/imaging/vips"
	"github.com/tintype/tintype/internal/recipe"
)

// outputs makes the outputs of a plan. This is the one place where it is decided which
// engine does it: libvips can do all, the fused one what fusedPlan says, several times
// faster. A file on which the fused one remarks goes through libvips from its start, so
// that there is one judge of damaged files.
func (e *Engine) outputs(ctx context.Context, p *plan, req Request) (outs []Encoded, engine string, err error) {
	f := e.fusedPlan(p, req)
	if f != nil && p.source.format == sniff.JPEG && isSRGB(p.source.profile) {
		if outs, err := f.fromFile(ctx); !leftToLibvips(err) {
			return outs, EngineFused, err
		}
	}
	img, err := p.source.decode(ctx, p)
	if err != nil {
		return nil, "", err
	}
	if f != nil && img.Bands() == 3 && img.Frames() == 1 {
		if outs, err := f.fromImage(ctx, img); !leftToLibvips(err) {
			img.Close()
			return outs, EngineFused, err
		}
	}
	outs, err = p.render(ctx, img)
	return outs, EngineLibvips, err
}

func leftToLibvips(err error) bool {
	return errors.Is(err, fused.ErrForeign) || errors.Is(err, fused.ErrFlawed)
}

// fusedPlan is a plan that the fused engine can work on.
type fusedPlan struct {
	*plan
	options fused.Options
	output  []int // which of options.Outputs each target is
}

// fusedPlan returns nil where a job leaves the ground of the fused engine: it does steps on
// colours alone, and writes JPEGs of the whole picture.
func (e *Engine) fusedPlan(p *plan, req Request) *fusedPlan {
	if e.libvipsOnly || p.animated || len(p.targets) == 0 {
		return nil
	}
	var steps []recipe.Step
	for _, s := range req.Job.Steps {
		switch s.Kind {
		case recipe.StepTint, recipe.StepGrayscale, recipe.StepSepia, recipe.StepDuotone, recipe.StepAdjust:
			steps = append(steps, s)
		case recipe.StepStrip, recipe.StepKeep: // the plan says what comes of them
		default:
			return nil
		}
	}
	colors, err := tone.Compile(steps)
	if err != nil {
		return nil
	}
	if keep, err := p.keepMetadata(); err != nil || keep != nil {
		if keep != nil {
			keep.Close()
		}
		return nil
	}
	f := &fusedPlan{plan: p, output: make([]int, len(p.targets)), options: fused.Options{
		Colors: colors, Shrink: p.shrink, Orientation: p.source.header.Orientation,
		RasterSide: thumbhash.MaxSide, Parallel: e.parallel || req.Spare,
	}}
	for _, i := range bySize(p.targets) {
		t := p.targets[i]
		if formatFor(t.Format, p.source.format, false) != recipe.JPEG || t.Fit != "" && t.Fit != recipe.FitInside ||
			t.Enlarge || t.TargetBytes != 0 {
			return nil
		}
		o := fused.Output{Width: t.width, Height: t.height, Quality: t.Quality,
			Optimize: t.width*t.height <= vips.OptimizedPixels}
		if o.Quality == 0 {
			o.Quality = encodings[recipe.JPEG].quality
		}
		// A small image has the same full, large and thumb: it is encoded once.
		at := slices.Index(f.options.Outputs, o)
		if at < 0 {
			at = len(f.options.Outputs)
			f.options.Outputs = append(f.options.Outputs, o)
		}
		f.output[i] = at
	}
	return f
}

// bySize lists targets from the largest to the smallest.
func bySize(targets []target) []int {
	order := make([]int, len(targets))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(targets[b].width*targets[b].height, targets[a].width*targets[a].height)
	})
	return order
}

// fromFile decodes a JPEG and makes the outputs in one pass.
func (f *fusedPlan) fromFile(ctx context.Context) ([]Encoded, error) {
	return f.finish(fused.JPEG(ctx, f.source.bytes, f.options))
}

// fromImage makes the outputs of what libvips has decoded, which it may change only
// if it succeeds.
func (f *fusedPlan) fromImage(ctx context.Context, img *vips.Image) (outs []Encoded, err error) {
	err = img.Pixels(func(pix []byte) (err error) {
		outs, err = f.finish(fused.RGB(ctx, img.Width(), img.Height(), pix, f.options))
		return err
	})
	return outs, err
}

func (f *fusedPlan) finish(r *fused.Result, err error) ([]Encoded, error) {
	if err != nil {
		if leftToLibvips(err) {
			return nil, err
		}
		return nil, bug("make outputs", err)
	}
	l, err := likenessOfPixels(r.Raster.Width, r.Raster.Height, 3, r.Raster.RGB)
	if err != nil {
		return nil, bug("make thumb hash", err)
	}
	enc := encodings[recipe.JPEG]
	outs := make([]Encoded, len(f.targets))
	for i, t := range f.targets {
		outs[i] = Encoded{Name: t.Name, Format: string(recipe.JPEG), ContentType: enc.contentType, Ext: enc.ext,
			Width: t.width, Height: t.height, Bytes: r.Files[f.output[i]],
			Quality: f.options.Outputs[f.output[i]].Quality, ThumbHash: l.thumbHash, DominantColor: l.color}
	}
	return outs, nil
}
