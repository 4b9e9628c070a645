package imaging_test

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"testing"

	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/testimages"
)

// after is what steps make of a picture, as full-size PNG.
func after(t testing.TB, src []byte, steps ...recipe.Step) *image.NRGBA {
	t.Helper()
	return decode(t, process(t, src, one(recipe.Output{Format: recipe.PNG}, steps...)).Outputs[0].Bytes)
}

// remapped builds a picture by saying, for each pixel, where in another it comes from.
func remapped(m *image.NRGBA, w, h int, from func(x, y int) (int, int)) *image.NRGBA {
	out := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			sx, sy := from(x, y)
			out.SetNRGBA(x, y, m.NRGBAAt(sx, sy))
		}
	}
	return out
}

func equal(t testing.TB, name string, got, want *image.NRGBA) {
	t.Helper()
	if got.Rect.Size() != want.Rect.Size() {
		t.Errorf("%s: %v, want %v", name, got.Rect.Size(), want.Rect.Size())
		return
	}
	for y := range want.Rect.Dy() {
		for x := range want.Rect.Dx() {
			if g, w := got.NRGBAAt(x, y), want.NRGBAAt(x, y); g != w && (g.A != 0 || w.A != 0) {
				t.Errorf("%s: at %d, %d %v, want %v", name, x, y, g, w)
				return
			}
		}
	}
}

// TestWholePixelSteps: turns by quarters, mirrors, crops and frames move pixels and make
// none.
func TestWholePixelSteps(t *testing.T) {
	const w, h = 41, 24
	rotate := func(angle string) recipe.Step {
		return recipe.Step{Kind: recipe.StepRotate, Angle: recipe.Value(angle), Background: "#000000"}
	}
	quarter := func(x, y int) (int, int) { return y, h - 1 - x }
	half := func(x, y int) (int, int) { return w - 1 - x, h - 1 - y }
	back := func(x, y int) (int, int) { return w - 1 - y, x }
	for name, src := range map[string]*image.NRGBA{"opaque": testimages.Picture(w, h), "alpha": decode(t, testimages.AlphaPNG(w, h))} {
		file := testimages.EncodePNG(src)
		for _, tc := range []struct {
			step recipe.Step
			w, h int
			from func(x, y int) (int, int)
		}{
			{rotate("0"), w, h, func(x, y int) (int, int) { return x, y }},
			{rotate("360"), w, h, func(x, y int) (int, int) { return x, y }},
			{rotate("90"), h, w, quarter}, {rotate("-270"), h, w, quarter},
			{rotate("180"), w, h, half}, {rotate("-180"), w, h, half},
			{rotate("270"), h, w, back}, {rotate("-90"), h, w, back},
			{recipe.Step{Kind: recipe.StepFlip, Direction: "horizontal"}, w, h, func(x, y int) (int, int) { return w - 1 - x, y }},
			{recipe.Step{Kind: recipe.StepFlip, Direction: "vertical"}, w, h, func(x, y int) (int, int) { return x, h - 1 - y }},
			{recipe.Step{Kind: recipe.StepCrop, Width: "20", Height: "10", Focus: "center"}, 20, 10, func(x, y int) (int, int) { return x + 10, y + 7 }},
			{recipe.Step{Kind: recipe.StepCrop, Width: "20", Height: "900", Focus: "center"}, 20, h, func(x, y int) (int, int) { return x + 10, y }},
			{recipe.Step{Kind: recipe.StepCrop, Ratio: "1:1", Focus: "center"}, 24, 24, func(x, y int) (int, int) { return x + 8, y }},
			{recipe.Step{Kind: recipe.StepCrop, Ratio: "4:1", Focus: "center"}, w, 10, func(x, y int) (int, int) { return x, y + 7 }},
			{recipe.Step{Kind: recipe.StepCrop, Width: "10", Height: "10", Focus: "point", FocusX: "0", FocusY: "1"}, 10, 10,
				func(x, y int) (int, int) { return x, y + 14 }},
			{recipe.Step{Kind: recipe.StepCrop, Width: "10", Height: "10", Focus: "point", FocusX: "0.5", FocusY: "0.25"}, 10, 10,
				func(x, y int) (int, int) { return x + 16, y + 1 }}, // 15.5 and 1
		} {
			equal(t, fmt.Sprintf("%s, %+v", name, tc.step), after(t, file, tc.step), remapped(src, tc.w, tc.h, tc.from))
		}
	}
}

func TestPad(t *testing.T) {
	const w, h = 30, 20
	blue, none := color.NRGBA{0, 0, 255, 255}, color.NRGBA{}
	for name, src := range map[string]*image.NRGBA{"opaque": testimages.Picture(w, h), "alpha": decode(t, testimages.AlphaPNG(w, h))} {
		for _, tc := range []struct {
			step       recipe.Step
			w, h, x, y int
			back       color.NRGBA
		}{
			{recipe.Step{Kind: recipe.StepPad, Width: "41", Height: "33", Background: "#0000ff"}, 41, 33, 5, 6, blue},
			{recipe.Step{Kind: recipe.StepPad, Width: "41", Height: "33", Background: "transparent"}, 41, 33, 5, 6, none},
			{recipe.Step{Kind: recipe.StepPad, Width: "10", Height: "22", Background: "#0000ff"}, 30, 22, 0, 1, blue}, // nothing is cut
			{recipe.Step{Kind: recipe.StepPad, Ratio: "1:1", Background: "transparent"}, 30, 30, 0, 5, none},
			{recipe.Step{Kind: recipe.StepPad, Ratio: "2:1", Background: "#0000ff"}, 40, 20, 5, 0, blue},
			{recipe.Step{Kind: recipe.StepPad, Ratio: "3:2", Background: "#0000ff"}, 30, 20, 0, 0, blue},
		} {
			want := image.NewNRGBA(image.Rect(0, 0, tc.w, tc.h))
			for y := range tc.h {
				for x := range tc.w {
					want.SetNRGBA(x, y, tc.back)
					if x >= tc.x && x < tc.x+w && y >= tc.y && y < tc.y+h {
						want.SetNRGBA(x, y, src.NRGBAAt(x-tc.x, y-tc.y))
					}
				}
			}
			equal(t, fmt.Sprintf("%s, %+v", name, tc.step), after(t, testimages.EncodePNG(src), tc.step), want)
		}
	}
}

func TestFlattenStep(t *testing.T) {
	src := decode(t, testimages.AlphaPNG(40, 30))
	got := after(t, testimages.EncodePNG(src), recipe.Step{Kind: recipe.StepFlatten, Background: "#ff0080"})
	want := remapped(src, 40, 30, func(x, y int) (int, int) { return x, y })
	for i := 0; i < len(want.Pix); i += 4 {
		if want.Pix[i+3] == 0 {
			copy(want.Pix[i:], []byte{255, 0, 128, 255})
		}
	}
	equal(t, "flatten", got, want)
	half := after(t, testimages.Solid(4, 4, color.NRGBA{200, 100, 0, 51}), recipe.Step{Kind: recipe.StepFlatten, Background: "#0032ff"})
	if c := half.NRGBAAt(1, 1); c != (color.NRGBA{40, 60, 204, 255}) {
		t.Errorf("a fifth over a colour is %v", c)
	}
}

// TestRotateNearlyAQuarter: an angle next to 90° goes the other way, through new pixels,
// and must come to the same picture: so centre, direction and size of the canvas are right.
func TestRotateNearlyAQuarter(t *testing.T) {
	for _, size := range [][2]int{{60, 40}, {61, 40}, {60, 41}, {61, 41}} {
		src := testimages.PNG(size[0], size[1])
		for _, quarter := range []float64{-90, 90, 180, 270} {
			exact := after(t, src, recipe.Step{Kind: recipe.StepRotate, Angle: recipe.Value(fmt.Sprint(quarter)), Background: "#ffffff"})
			near := after(t, src, recipe.Step{Kind: recipe.StepRotate, Angle: recipe.Value(fmt.Sprint(quarter - 0.001)), Background: "#ffffff"})
			if mean, most := difference(t, near, exact); mean > 0.05 || most > 6 {
				t.Errorf("%v by nearly %g: differs by %.3f, at most %.1f", size, quarter, mean, most)
			}
		}
	}
}

// TestRotateByAnyAngle compares with the turn of each pixel's centre, and looks at the
// corners.
func TestRotateByAnyAngle(t *testing.T) {
	const w, h = 90, 60
	// Two ramps: linear, so that interpolation makes no error but for rounding.
	src := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			src.SetNRGBA(x, y, color.NRGBA{uint8(2 * x), uint8(3 * y), 77, 255})
		}
	}
	for _, angle := range []float64{30, -45, 100, 359} {
		for _, back := range []recipe.Value{"#0a141e", "transparent"} {
			got := after(t, testimages.EncodePNG(src), recipe.Step{Kind: recipe.StepRotate, Angle: recipe.Value(fmt.Sprint(angle)), Background: back})
			cw, ch := got.Rect.Dx(), got.Rect.Dy()
			sin, cos := math.Sincos(angle * math.Pi / 180)
			if ww, wh := w*math.Abs(cos)+h*math.Abs(sin), w*math.Abs(sin)+h*math.Abs(cos); math.Abs(float64(cw)-ww) > 1 || math.Abs(float64(ch)-wh) > 1 {
				t.Fatalf("by %g: canvas %d × %d, want %.2f × %.2f", angle, cw, ch, ww, wh)
			}
			inside := 0
			for y := range ch {
				for x := range cw {
					dx, dy := float64(x)+0.5-float64(cw)/2, float64(y)+0.5-float64(ch)/2
					sx, sy := dx*cos+dy*sin+w/2, -dx*sin+dy*cos+h/2
					c := got.NRGBAAt(x, y)
					switch {
					case sx > 2 && sx < w-2 && sy > 2 && sy < h-2:
						inside++
						if math.Abs(float64(c.R)-2*(sx-0.5)) > 2 || math.Abs(float64(c.G)-3*(sy-0.5)) > 2 || c.B != 77 || c.A != 255 {
							t.Fatalf("by %g: at %d, %d %v, want about %.1f, %.1f", angle, x, y, c, 2*(sx-0.5), 3*(sy-0.5))
						}
					case sx < -2 || sx > w+2 || sy < -2 || sy > h+2:
						want := color.NRGBA{10, 20, 30, 255}
						if back == "transparent" {
							want = color.NRGBA{}
						}
						if c.A != want.A || c.A == 255 && c != want {
							t.Fatalf("by %g: at %d, %d %v, want background %v", angle, x, y, c, want)
						}
					case back == "transparent" && c.A > 40 && (int(c.B) < 70 || int(c.B) > 84):
						t.Fatalf("by %g: at the edge, %d, %d, the background bleeds: %v", angle, x, y, c)
					}
				}
			}
			if inside < w*h*8/10 {
				t.Errorf("by %g: only %d pixels were looked at", angle, inside)
			}
		}
	}
}

// spot is a dull picture with one bright patch of 30 pixels of detail at x, y.
func spot(w, h, x, y int) []byte {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range m.Pix {
		m.Pix[i] = 90
		if i%4 == 3 {
			m.Pix[i] = 255
		}
	}
	for dy := range 30 {
		for dx := range 30 {
			v := uint8((dx*7919 + dy*104729) % 251)
			m.SetNRGBA(x+dx, y+dy, color.NRGBA{255, v, 20, 255})
		}
	}
	return testimages.EncodePNG(m)
}

// TestInterestingCrops: the patch is found where it lies, and is whole in the crop.
func TestInterestingCrops(t *testing.T) {
	for _, focus := range []recipe.Value{"attention", "entropy"} {
		for _, at := range [][2]int{{5, 5}, {260, 10}, {10, 160}, {255, 155}, {130, 90}} {
			src := spot(300, 200, at[0], at[1])
			got := after(t, src, recipe.Step{Kind: recipe.StepCrop, Width: "100", Height: "100", Focus: focus})
			bright := 0
			for i := 0; i < len(got.Pix); i += 4 {
				if got.Pix[i] == 255 {
					bright++
				}
			}
			if bright < 850 {
				t.Errorf("%s, patch at %v: %d of its 900 pixels are in the crop", focus, at, bright)
			}
			// The same by an output, and by a step that resizes.
			out := process(t, src, one(recipe.Output{Format: recipe.PNG, Width: 60, Height: 60, Fit: recipe.FitCover, Focus: string(focus)})).Outputs[0]
			step := after(t, src, recipe.Step{Kind: recipe.StepResize, Width: "60", Height: "60", Fit: "cover", Focus: focus})
			if out.Width != 60 || out.Height != 60 {
				t.Errorf("cover is %d × %d", out.Width, out.Height)
			}
			equal(t, "output and step", decode(t, out.Bytes), step)
		}
	}
}

// quadrants is red, green, blue and white, from the top left.
func quadrants(w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetNRGBA(x, y, [4]color.NRGBA{{255, 0, 0, 255}, {0, 255, 0, 255}, {0, 0, 255, 255}, {255, 255, 255, 255}}[2*(2*y/h)+2*x/w])
		}
	}
	return m
}

// TestResizeStep looks at the middle of each quadrant.
func TestResizeStep(t *testing.T) {
	red, green, blue, white := color.NRGBA{255, 0, 0, 255}, color.NRGBA{0, 255, 0, 255}, color.NRGBA{0, 0, 255, 255}, color.NRGBA{255, 255, 255, 255}
	black := color.NRGBA{0, 0, 0, 255}
	for _, tc := range []struct {
		step recipe.Step
		w, h int
		at   map[image.Point]color.NRGBA
	}{
		{recipe.Step{Width: "60", Height: "60", Fit: "inside"}, 60, 30, map[image.Point]color.NRGBA{{10, 5}: red, {50, 5}: green, {10, 25}: blue, {50, 25}: white}},
		{recipe.Step{Width: "60", Height: "0"}, 60, 30, map[image.Point]color.NRGBA{{10, 5}: red}},
		{recipe.Step{Width: "600", Height: "600", Fit: "inside"}, 120, 60, map[image.Point]color.NRGBA{{10, 5}: red}},
		{recipe.Step{Width: "600", Height: "600", Fit: "inside", Enlarge: "true"}, 600, 300, map[image.Point]color.NRGBA{{100, 50}: red, {500, 250}: white}},
		{recipe.Step{Width: "40", Height: "40", Fit: "cover", Focus: "center"}, 40, 40, map[image.Point]color.NRGBA{{5, 5}: red, {35, 5}: green, {5, 35}: blue, {35, 35}: white}},
		{recipe.Step{Width: "20", Height: "40", Fit: "cover", Focus: "point", FocusX: "1", FocusY: "0.5"}, 20, 40, map[image.Point]color.NRGBA{{5, 5}: green, {5, 35}: white}},
		{recipe.Step{Width: "400", Height: "400", Fit: "cover"}, 60, 60, map[image.Point]color.NRGBA{{5, 5}: red, {55, 55}: white}},
		{recipe.Step{Width: "400", Height: "400", Fit: "cover", Enlarge: "true"}, 400, 400, map[image.Point]color.NRGBA{{50, 50}: red, {350, 350}: white}},
		{recipe.Step{Width: "60", Height: "60", Fit: "pad", Background: "#000000"}, 60, 60, map[image.Point]color.NRGBA{{5, 5}: black, {5, 20}: red, {55, 20}: green, {5, 55}: black}},
		{recipe.Step{Width: "200", Height: "100", Fit: "pad", Background: "transparent"}, 200, 100, map[image.Point]color.NRGBA{{5, 5}: {}, {50, 30}: red, {150, 70}: white}},
		{recipe.Step{Width: "30", Height: "60", Fit: "fill"}, 30, 60, map[image.Point]color.NRGBA{{5, 5}: red, {25, 5}: green, {5, 55}: blue, {25, 55}: white}},
		{recipe.Step{Width: "30", Height: "600", Fit: "fill"}, 30, 60, map[image.Point]color.NRGBA{{5, 5}: red}},
		{recipe.Step{Width: "30", Height: "600", Fit: "fill", Enlarge: "true"}, 30, 600, map[image.Point]color.NRGBA{{5, 5}: red, {25, 595}: white}},
	} {
		tc.step.Kind = recipe.StepResize
		got := after(t, testimages.EncodePNG(quadrants(120, 60)), tc.step)
		if got.Rect.Dx() != tc.w || got.Rect.Dy() != tc.h {
			t.Errorf("%+v: %v", tc.step, got.Rect.Size())
			continue
		}
		for p, want := range tc.at {
			if c := got.NRGBAAt(p.X, p.Y); c != want && (c.A != 0 || want.A != 0) {
				t.Errorf("%+v: at %v %v, want %v", tc.step, p, c, want)
			}
		}
	}
}

// TestStepsInOrder: the order of steps counts.
func TestStepsInOrder(t *testing.T) {
	src := testimages.EncodePNG(quadrants(40, 20))
	turn := recipe.Step{Kind: recipe.StepRotate, Angle: "90", Background: "#000000"}
	top := recipe.Step{Kind: recipe.StepCrop, Width: "20", Height: "10", Focus: "point", FocusX: "0", FocusY: "0"}
	if c := after(t, src, top, turn); c.Rect.Dx() != 10 || c.Rect.Dy() != 20 || c.NRGBAAt(5, 15) != (color.NRGBA{255, 0, 0, 255}) {
		t.Errorf("crop, turn: %v, %v", c.Rect.Size(), c.NRGBAAt(5, 15))
	}
	if c := after(t, src, turn, top); c.Rect.Dx() != 20 || c.Rect.Dy() != 10 || c.NRGBAAt(5, 5) != (color.NRGBA{0, 0, 255, 255}) {
		t.Errorf("turn, crop: %v, %v", c.Rect.Size(), c.NRGBAAt(5, 5))
	}
}
