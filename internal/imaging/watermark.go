package imaging

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/imaging/geometry"
	"github.com/tintype/tintype/internal/imaging/layer"
	"github.com/tintype/tintype/internal/imaging/vips"
	"github.com/tintype/tintype/internal/recipe"
)

// mark is a watermark made ready; its lengths are parts of the picture's, so that it
// looks the same on a smaller one.
type mark struct {
	position               string
	scale, margin, opacity float64
	// fits gives the mark, as large as lies within a box.
	fits func(ctx context.Context, box geometry.Size) (*vips.Image, error)
}

// corners are, by position, what parts of the free room lie left of and above a mark.
var corners = map[string][2]float64{
	"top-left": {0, 0}, "top": {0.5, 0}, "top-right": {1, 0}, "left": {0, 0.5}, "center": {0.5, 0.5}, "right": {1, 0.5},
	"bottom-left": {0, 1}, "bottom": {0.5, 1}, "bottom-right": {1, 1},
}

func (d *drafter) addWatermark(s recipe.Step) (err error) {
	m := mark{position: string(s.Position)}
	if m.position == "" {
		m.position = "bottom-right"
	}
	if _, ok := corners[m.position]; !ok && m.position != "tile" {
		return fmt.Errorf("position %q is unknown", s.Position)
	}
	if m.scale, err = number(s.Scale, 0.2, 0.01, 1); err != nil {
		return fmt.Errorf("scale: %w", err)
	}
	if m.margin, err = number(s.Margin, 0.03, 0, 0.5); err != nil {
		return fmt.Errorf("margin: %w", err)
	}
	if m.opacity, err = number(s.Opacity, 1, 0, 1); err != nil {
		return fmt.Errorf("opacity: %w", err)
	}
	if s.Image != "" {
		m.fits, err = d.pictureMark(string(s.Image))
	} else {
		m.fits, err = textMark(s)
	}
	if err != nil {
		return err
	}
	return d.push(stage{name: "watermark", loose: true, run: func(ctx context.Context, img *vips.Image, _ float64) (*vips.Image, error) {
		return m.put(ctx, img)
	}}, d.size)
}

// pictureMark holds the picture to the limits of all files.
func (d *drafter) pictureMark(key string) (func(context.Context, geometry.Size) (*vips.Image, error), error) {
	file, ok := d.req.Assets[key]
	if !ok {
		return nil, badAsset(key, errors.New("it was not found"))
	}
	src, err := d.engine.inspect(file)
	if err != nil {
		return nil, badAsset(key, err)
	}
	return func(ctx context.Context, box geometry.Size) (*vips.Image, error) {
		img, err := src.decode(ctx, &plan{shrink: 1})
		if err != nil {
			return nil, badAsset(key, err)
		}
		to := geometry.Fit(sizeOf(img), box, recipe.FitInside, true, 0).Resize
		sized, err := resize(ctx, img, to)
		if sized != img {
			img.Close()
		}
		return sized, err
	}, nil
}

// badAsset is the end of a job one of whose further pictures is not usable. The key is
// the recipe's own, no secret of anyone.
func badAsset(key string, err error) error {
	why := "It was not found."
	if f := fault.As(err); f != nil {
		if f.Kind != fault.Permanent {
			return err
		}
		why = f.Message
	}
	out := fault.Permanentf(fault.CodeBadAsset, "The watermark's picture %q cannot be used. %s", key, why)
	out.Op, out.Err = "prepare watermark", err
	out.Hint = "Put a picture under that key into the uploads bucket, or change the recipe."
	return out
}

func textMark(s recipe.Step) (func(context.Context, geometry.Size) (*vips.Image, error), error) {
	if s.Text == "" {
		return nil, errors.New("it has neither image nor text")
	}
	if !vips.CanDrawText() {
		out := fault.Permanentf(fault.CodeNotBuiltIn, "Text cannot be drawn here.")
		out.Hint = "Run Tintype with a libvips that was built with Pango, or use a picture as the watermark."
		return nil, out
	}
	color := s.Color
	if color == "" {
		color = "#ffffff"
	}
	r, g, b, err := color.RGB()
	if err != nil {
		return nil, fmt.Errorf("colour %q: %w", color, err)
	}
	return func(ctx context.Context, box geometry.Size) (*vips.Image, error) {
		img, err := vips.Text(ctx, string(s.Text), r, g, b, box.W, box.H)
		if errors.Is(err, vips.ErrNoInk) {
			out := fault.Permanentf(fault.CodeBadParameter, "The watermark's text has nothing that can be drawn.")
			out.Op, out.Err = "draw watermark", err
			out.Hint = "Choose another text, or install a font that has its characters."
			return nil, out
		}
		return img, err
	}, nil
}

// put lays the mark onto every frame.
func (m *mark) put(ctx context.Context, img *vips.Image) (*vips.Image, error) {
	whole := sizeOf(img)
	margin := int(math.Round(m.margin * float64(min(whole.W, whole.H))))
	room := whole
	if m.position != "tile" {
		room = geometry.Size{W: max(1, whole.W-2*margin), H: max(1, whole.H-2*margin)}
	}
	width := max(1, int(math.Round(m.scale*float64(whole.W))))
	over, err := m.fits(ctx, room.Within(geometry.Size{W: width, H: room.H}))
	if err != nil {
		return nil, err
	}
	defer over.Close()
	size := sizeOf(over)
	places := []geometry.Point{}
	if m.position == "tile" {
		for y := margin; y < whole.H; y += size.H + margin {
			for x := margin; x < whole.W; x += size.W + margin {
				places = append(places, geometry.Point{X: x, Y: y})
			}
		}
	} else {
		part := corners[m.position]
		free := geometry.Size{W: room.W - size.W, H: room.H - size.H}
		at := func(free int, part float64, whole, size int) int {
			return min(margin+int(math.Floor(float64(free)*part)), max(0, whole-size))
		}
		places = append(places, geometry.Point{X: at(free.W, part[0], whole.W, size.W), Y: at(free.H, part[1], whole.H, size.H)})
	}
	return img, img.Pixels(func(pix []byte) error {
		return over.Pixels(func(mark []byte) error {
			src := layer.Raster{W: size.W, H: size.H, Bands: over.Bands(), Pix: mark}
			n := whole.W * whole.H * img.Bands()
			for frame := range img.Frames() {
				dst := layer.Raster{W: whole.W, H: whole.H, Bands: img.Bands(), Pix: pix[frame*n : (frame+1)*n]}
				for _, p := range places {
					layer.Over(dst, src, p.X, p.Y, m.opacity)
				}
			}
			return nil
		})
	})
}
