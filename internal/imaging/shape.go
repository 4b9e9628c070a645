package imaging

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/tintype/tintype/internal/imaging/geometry"
	"github.com/tintype/tintype/internal/imaging/vips"
	"github.com/tintype/tintype/internal/recipe"
)

func (d *drafter) addFlip(s recipe.Step) error {
	if s.Direction != "horizontal" && s.Direction != "vertical" {
		return fmt.Errorf("direction %q is neither horizontal nor vertical", s.Direction)
	}
	return d.push(stage{name: "flip", loose: true, run: func(ctx context.Context, img *vips.Image, _ float64) (*vips.Image, error) {
		return img.Flip(ctx, s.Direction == "vertical")
	}}, d.size)
}

// addRotate: quarter turns move whole pixels; other angles make new ones.
func (d *drafter) addRotate(s recipe.Step) error {
	angle, err := number(s.Angle, 0, -360, 360)
	if err != nil {
		return fmt.Errorf("angle: %w", err)
	}
	back, err := background(s.Background)
	if err != nil {
		return err
	}
	if quarters := angle / 90; quarters == math.Trunc(quarters) {
		n := (int(quarters)%4 + 4) % 4
		return d.push(stage{name: "rotate", loose: true, quarters: n, run: func(ctx context.Context, img *vips.Image, _ float64) (*vips.Image, error) {
			if n == 0 {
				return img, nil
			}
			return img.Turn(ctx, n)
		}}, d.size.Turned(n))
	}
	to := d.size.Rotated(angle)
	return d.push(stage{name: "rotate", run: func(ctx context.Context, img *vips.Image, _ float64) (*vips.Image, error) {
		return img.Rotate(ctx, angle, to.W, to.H, back)
	}}, to)
}

func (d *drafter) addCrop(s recipe.Step) error {
	look, err := focusOf(string(s.Focus), s.FocusX, s.FocusY)
	if err != nil {
		return err
	}
	to, err := d.box(s, geometry.Size.Within, geometry.Size.WithinRatio)
	if err != nil {
		return err
	}
	return d.push(stage{name: "crop", run: func(ctx context.Context, img *vips.Image, _ float64) (*vips.Image, error) {
		return crop(ctx, img, to, look)
	}}, to)
}

func (d *drafter) addPad(s recipe.Step) error {
	back, err := background(s.Background)
	if err != nil {
		return err
	}
	to, err := d.box(s, geometry.Size.Around, geometry.Size.AroundRatio)
	if err != nil {
		return err
	}
	return d.push(stage{name: "pad", run: func(ctx context.Context, img *vips.Image, _ float64) (*vips.Image, error) {
		return frame(ctx, img, to, back)
	}}, to)
}

// box is what a crop or pad makes of the picture: by ratio, or by width and height, of
// which a missing one stays as it is.
func (d *drafter) box(s recipe.Step, bySize func(geometry.Size, geometry.Size) geometry.Size,
	byRatio func(geometry.Size, float64) geometry.Size) (geometry.Size, error) {
	if s.Ratio != "" {
		r, err := geometry.Ratio(s.Ratio)
		if err != nil {
			return geometry.Size{}, err
		}
		return byRatio(d.size, r), nil
	}
	w, h, err := lengths(s)
	if err != nil {
		return geometry.Size{}, err
	}
	if w == 0 && h == 0 {
		return geometry.Size{}, errors.New("it says neither ratio nor width nor height")
	}
	if w == 0 {
		w = d.size.W
	}
	if h == 0 {
		h = d.size.H
	}
	return bySize(d.size, geometry.Size{W: w, H: h}), nil
}

func lengths(s recipe.Step) (w, h int, err error) {
	if w, err = length(s.Width); err != nil {
		return 0, 0, fmt.Errorf("width: %w", err)
	}
	if h, err = length(s.Height); err != nil {
		return 0, 0, fmt.Errorf("height: %w", err)
	}
	return w, h, nil
}

func (d *drafter) addResize(s recipe.Step) error {
	w, h, err := lengths(s)
	if err != nil {
		return err
	}
	look, err := focusOf(string(s.Focus), s.FocusX, s.FocusY)
	if err != nil {
		return err
	}
	back, err := background(s.Background)
	if err != nil {
		return err
	}
	fitted := geometry.Fit(d.size, geometry.Size{W: w, H: h}, recipe.Fit(s.Fit), s.Enlarge == "true", 0)
	if err := d.engine.limits.checkResult("step resize", fitted.Resize, d.frames); err != nil {
		return err
	}
	return d.push(stage{name: "resize", run: func(ctx context.Context, img *vips.Image, _ float64) (*vips.Image, error) {
		resized, err := resize(ctx, img, fitted.Resize)
		if err != nil {
			return nil, err
		}
		done, err := boxed(ctx, resized, fitted, look, back)
		if resized != img && resized != done {
			resized.Close()
		}
		return done, err
	}}, fitted.Size())
}

// boxed does what comes after resizing; what it returns may be img itself.
func boxed(ctx context.Context, img *vips.Image, f geometry.Fitted, look focus, back vips.Background) (*vips.Image, error) {
	switch {
	case f.Crop != geometry.Size{}:
		return crop(ctx, img, f.Crop, look)
	case f.Pad != geometry.Size{}:
		return frame(ctx, img, f.Pad, back)
	default:
		return img, nil
	}
}

// focus says which part of a picture matters.
type focus struct {
	by   string  // "center", "point", "attention" or "entropy"
	x, y float64 // of "point", as parts of the sides
}

func focusOf(by string, x, y recipe.Value) (focus, error) {
	f := focus{by: by, x: 0.5, y: 0.5}
	switch by {
	case "":
		f.by = "center"
	case "center", "attention", "entropy":
	case "point":
		var err error
		if f.x, err = number(x, 0.5, 0, 1); err != nil {
			return f, fmt.Errorf("focusX: %w", err)
		}
		if f.y, err = number(y, 0.5, 0, 1); err != nil {
			return f, fmt.Errorf("focusY: %w", err)
		}
	default:
		return f, fmt.Errorf("focus %q is unknown", by)
	}
	return f, nil
}

// crop takes a part of every frame at the same place: that of an animation is found in
// its first frame.
func crop(ctx context.Context, img *vips.Image, to geometry.Size, look focus) (*vips.Image, error) {
	from := sizeOf(img)
	if from == to {
		return img, nil
	}
	var at geometry.Point
	switch look.by {
	case "attention", "entropy":
		x, y, err := img.Interesting(ctx, to.W, to.H, look.by == "entropy")
		if err != nil {
			return nil, err
		}
		at = geometry.Point{X: x, Y: y}
	case "point":
		at = from.Focused(to, look.x, look.y)
	default:
		at = from.Centred(to)
	}
	return img.Crop(ctx, at.X, at.Y, to.W, to.H)
}

func frame(ctx context.Context, img *vips.Image, to geometry.Size, back vips.Background) (*vips.Image, error) {
	from := sizeOf(img)
	if from == to {
		return img, nil
	}
	at := to.Centred(from)
	return img.Frame(ctx, at.X, at.Y, to.W, to.H, back)
}
