package imaging_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"slices"
	"strings"
	"testing"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/imaging"
	"github.com/tintype/tintype/internal/imaging/sniff"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/testimages"
)

func TestOutputFits(t *testing.T) {
	red, green, blue, white := color.NRGBA{255, 0, 0, 255}, color.NRGBA{0, 255, 0, 255}, color.NRGBA{0, 0, 255, 255}, color.NRGBA{255, 255, 255, 255}
	type at = map[image.Point]color.NRGBA
	cases := []struct {
		o    recipe.Output
		w, h int
		at   at
	}{
		{recipe.Output{}, 120, 60, at{{5, 5}: red, {115, 55}: white}},
		{recipe.Output{Width: 40}, 40, 20, at{{5, 5}: red, {35, 15}: white}},
		{recipe.Output{Width: 240, Height: 240}, 120, 60, nil},
		{recipe.Output{Width: 240, Height: 240, Enlarge: true}, 240, 120, at{{5, 5}: red, {235, 115}: white}},
		{recipe.Output{Width: 30, Height: 30, Fit: recipe.FitCover}, 30, 30, at{{3, 3}: red, {26, 3}: green, {3, 26}: blue}},
		{recipe.Output{Width: 100, Height: 100, Fit: recipe.FitCover, Enlarge: true}, 100, 100, at{{3, 3}: red, {96, 3}: green}},
		{recipe.Output{Width: 60, Height: 60, Fit: recipe.FitPad}, 60, 60, at{{3, 3}: white, {3, 20}: red, {3, 40}: blue}},
		{recipe.Output{Width: 60, Height: 60, Fit: recipe.FitPad, Background: "#102030"}, 60, 60, at{{3, 3}: {16, 32, 48, 255}, {55, 55}: {16, 32, 48, 255}, {55, 20}: green}},
		{recipe.Output{Width: 20, Height: 60, Fit: recipe.FitFill}, 20, 60, at{{3, 3}: red, {16, 3}: green, {3, 56}: blue}},
		{recipe.Output{Width: 10, Height: 10, Fit: recipe.FitFill}, 10, 10, at{{1, 1}: red, {8, 1}: green, {1, 8}: blue}},
	}
	job := &recipe.Job{}
	for i, tc := range cases {
		tc.o.Name, tc.o.Format = fmt.Sprintf("o%d", i), recipe.PNG
		job.Outputs = append(job.Outputs, tc.o)
	}
	p := process(t, testimages.EncodePNG(quadrants(120, 60)), job) // all from one picture
	for i, tc := range cases {
		o := p.Outputs[i]
		m := decode(t, o.Bytes)
		if o.Width != tc.w || o.Height != tc.h || m.Rect.Dx() != tc.w || m.Rect.Dy() != tc.h {
			t.Errorf("%+v: %d × %d, by its bytes %v", tc.o, o.Width, o.Height, m.Rect.Size())
			continue
		}
		for at, want := range tc.at {
			if c := m.NRGBAAt(at.X, at.Y); c != want {
				t.Errorf("%+v: at %v %v, want %v", tc.o, at, c, want)
			}
		}
		single := process(t, testimages.EncodePNG(quadrants(120, 60)), one(job.Outputs[i])).Outputs[0]
		if mean, _ := difference(t, decode(t, single.Bytes), m); mean > 4 {
			t.Errorf("%+v: differs by %.2f from the same output alone", tc.o, mean)
		}
	}
}

func TestOutputBackground(t *testing.T) {
	src := testimages.Solid(32, 32, color.NRGBA{255, 0, 0, 51})
	for back, want := range map[string][3]float64{"": {255, 204, 204}, "#0000ff": {51, 0, 204}} {
		o := process(t, src, one(recipe.Output{Format: recipe.JPEG, Quality: 100, Background: back})).Outputs[0]
		if got := rgb(decode(t, o.Bytes), 9, 9); distance(got, want) > 3 {
			t.Errorf("on %q: %v, want %v", back, got, want)
		}
	}
	// Alpha that the format can hold stays, whatever the background.
	o := process(t, src, one(recipe.Output{Format: recipe.PNG, Background: "#0000ff"})).Outputs[0]
	if c := decode(t, o.Bytes).NRGBAAt(9, 9); c != (color.NRGBA{255, 0, 0, 51}) {
		t.Errorf("PNG has %v", c)
	}
}

func TestTargetBytes(t *testing.T) {
	photo := testimages.Photo()
	_, libvips := engines(t, imaging.Limits{}) // targets are its alone: with the same engine, the same bytes
	for _, f := range []recipe.Format{recipe.JPEG, recipe.WebP, recipe.AVIF} {
		write := func(target, quality int) imaging.Encoded {
			return processBy(t, libvips, photo, one(recipe.Output{Format: f, Width: 200, TargetBytes: target, Quality: quality})).Outputs[0]
		}
		free := write(0, 90)
		if free.Quality != 90 || free.OverTarget {
			t.Errorf("%s: without a target quality %d, over %v", f, free.Quality, free.OverTarget)
		}
		if o := write(len(free.Bytes), 90); o.Quality != 90 || !bytes.Equal(o.Bytes, free.Bytes) {
			t.Errorf("%s: a target that is met lowers the quality to %d", f, o.Quality)
		}
		target := len(free.Bytes) / 2
		half := write(target, 90)
		if len(half.Bytes) > target || half.OverTarget || half.Quality >= 90 || half.Quality < 1 {
			t.Errorf("%s: %d bytes at quality %d, target %d", f, len(half.Bytes), half.Quality, target)
		}
		if len(half.Bytes) < target*7/10 {
			t.Errorf("%s: only %d bytes of %d are used", f, len(half.Bytes), target)
		}
		if fixed := write(0, half.Quality); !bytes.Equal(fixed.Bytes, half.Bytes) {
			t.Errorf("%s: quality %d gives other bytes", f, half.Quality)
		}
		least := write(60, 90)
		if !least.OverTarget || least.Quality > 3 {
			t.Errorf("%s: an impossible target: quality %d, over %v", f, least.Quality, least.OverTarget)
		}
	}
	if o := process(t, photo, one(recipe.Output{Format: recipe.PNG, Width: 200, TargetBytes: 60})).Outputs[0]; o.OverTarget || o.Quality != 0 {
		t.Errorf("PNG: %+v", o.Quality)
	}
}

func TestLikeness(t *testing.T) {
	p := process(t, testimages.EncodePNG(quadrants(200, 100)), &recipe.Job{
		Steps: []recipe.Step{{Kind: recipe.StepFlatten, Background: "#ffffff"}},
		Outputs: []recipe.Output{{Name: "full", Format: recipe.JPEG}, {Name: "thumb", Format: recipe.PNG, Width: 50},
			{Name: "pad", Format: recipe.PNG, Width: 50, Height: 400, Fit: recipe.FitPad, Background: "#112233"}}})
	if p.Outputs[0].DominantColor != p.Outputs[1].DominantColor || p.Outputs[0].ThumbHash != p.Outputs[1].ThumbHash {
		t.Error("one picture has two likenesses")
	}
	if got := p.Outputs[2].DominantColor; got != "#112233" {
		t.Errorf("mostly frame: %s", got)
	}
	tinted := process(t, testimages.Solid(20, 20, color.NRGBA{1, 2, 3, 255}), one(recipe.Output{Format: recipe.PNG},
		recipe.Step{Kind: recipe.StepDuotone, Dark: "#aabbcc", Light: "#aabbcc"}))
	if got := tinted.Outputs[0].DominantColor; got != "#aabbcc" {
		t.Errorf("of the picture before the steps: %s", got)
	}
}

// TestResultsAreLimited: what steps and outputs make is held to the limits of what comes
// in, before anything is decoded.
func TestResultsAreLimited(t *testing.T) {
	limits := imaging.Limits{Pixels: 100_000, Side: 1000}
	e := newEngine(t, limits)
	still, moving := testimages.PNG(300, 200), testimages.AnimatedGIF(100, 100, 5)
	for _, tc := range []struct {
		src  []byte
		o    recipe.Output
		step recipe.Step
		code string
	}{
		{still, recipe.Output{}, recipe.Step{Kind: recipe.StepPad, Width: "1001", Height: "1"}, fault.CodeSideTooLong},
		{still, recipe.Output{}, recipe.Step{Kind: recipe.StepPad, Width: "2000000000", Height: "2000000000"}, fault.CodeSideTooLong},
		{still, recipe.Output{}, recipe.Step{Kind: recipe.StepPad, Ratio: "1:1000"}, fault.CodeSideTooLong},
		{still, recipe.Output{}, recipe.Step{Kind: recipe.StepPad, Width: "400", Height: "400"}, fault.CodeTooManyPixels},
		{still, recipe.Output{}, recipe.Step{Kind: recipe.StepRotate, Angle: "45"}, fault.CodeTooManyPixels},
		{still, recipe.Output{}, recipe.Step{Kind: recipe.StepResize, Width: "1001", Enlarge: "true"}, fault.CodeSideTooLong},
		{still, recipe.Output{}, recipe.Step{Kind: recipe.StepResize, Width: "500", Enlarge: "true"}, fault.CodeTooManyPixels},
		{still, recipe.Output{Width: 500, Enlarge: true}, recipe.Step{Kind: recipe.StepGrayscale}, fault.CodeTooManyPixels},
		{still, recipe.Output{Width: 1001, Height: 20, Fit: recipe.FitPad}, recipe.Step{Kind: recipe.StepGrayscale}, fault.CodeSideTooLong},
		// Covering goes by way of a larger picture.
		{still, recipe.Output{Width: 20, Height: 900, Fit: recipe.FitCover, Enlarge: true}, recipe.Step{Kind: recipe.StepGrayscale}, fault.CodeSideTooLong},
		{moving, recipe.Output{Format: recipe.Same}, recipe.Step{Kind: recipe.StepPad, Width: "200", Height: "101"}, fault.CodeTooManyPixels},
	} {
		if tc.o.Format == "" {
			tc.o.Format = recipe.PNG
		}
		_, err := e.Process(context.Background(), imaging.Request{Source: tc.src, Job: one(tc.o, tc.step)})
		if f := fault.As(err); f == nil || f.Code != tc.code || f.Kind != fault.Permanent || !strings.HasSuffix(f.Message, ".") {
			t.Errorf("%+v, %+v: %v, want %s", tc.o, tc.step, err, tc.code)
		}
	}
	// Of an animation of which one frame is wanted, one frame counts.
	if _, err := e.Process(context.Background(), imaging.Request{Source: moving, Job: one(recipe.Output{Format: recipe.PNG},
		recipe.Step{Kind: recipe.StepPad, Width: "200", Height: "101"})}); err != nil {
		t.Error(err)
	}
}

func TestBadSteps(t *testing.T) {
	e := newEngine(t, imaging.Limits{})
	for _, s := range []recipe.Step{
		{Kind: recipe.StepBlur, Sigma: "x"}, {Kind: recipe.StepBlur}, {Kind: recipe.StepBlur, Sigma: "101"}, {Kind: recipe.StepSharpen, Sigma: "11"},
		{Kind: recipe.StepRotate, Angle: "400"}, {Kind: recipe.StepFlip, Direction: "sideways"}, {Kind: recipe.StepCrop}, {Kind: recipe.StepCrop, Ratio: "0:1"},
		{Kind: recipe.StepCrop, Width: "10", Height: "10", Focus: "luck"}, {Kind: recipe.StepPad, Width: "1.5", Height: "3"}, {Kind: recipe.StepPad, Width: "50", Background: "red?"},
		{Kind: recipe.StepFlatten, Background: "transparent"}, {Kind: recipe.StepWatermark}, {Kind: recipe.StepWatermark, Text: "x", Position: "moon"},
		{Kind: recipe.StepKeep, Metadata: "gps"}, {Kind: recipe.StepAdjust, Hue: "x"}, {Kind: recipe.StepResize, Width: "-1"},
	} {
		if _, err := e.Process(context.Background(), imaging.Request{Source: testimages.PNG(40, 30), Job: one(recipe.Output{Format: recipe.PNG}, s)}); fault.KindOf(err) != fault.Bug {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

// frames decodes a GIF into whole frames.
func frames(t testing.TB, b []byte) (*gif.GIF, []*image.NRGBA) {
	t.Helper()
	g, err := gif.DecodeAll(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	canvas := image.NewNRGBA(image.Rect(0, 0, g.Config.Width, g.Config.Height))
	var out []*image.NRGBA
	for i, m := range g.Image {
		for y := m.Rect.Min.Y; y < m.Rect.Max.Y; y++ {
			for x := m.Rect.Min.X; x < m.Rect.Max.X; x++ {
				if _, _, _, a := m.At(x, y).RGBA(); a > 0 {
					canvas.Set(x, y, m.At(x, y))
				}
			}
		}
		out = append(out, &image.NRGBA{Pix: bytes.Clone(canvas.Pix), Stride: canvas.Stride, Rect: canvas.Rect})
		if g.Disposal[i] == gif.DisposalBackground {
			for y := m.Rect.Min.Y; y < m.Rect.Max.Y; y++ {
				for x := m.Rect.Min.X; x < m.Rect.Max.X; x++ {
					canvas.SetNRGBA(x, y, color.NRGBA{})
				}
			}
		}
	}
	return g, out
}

// TestStepsOnAnimations: every step does to each frame what it does to a still picture of
// that frame; times and repetitions stay.
func TestStepsOnAnimations(t *testing.T) {
	const w, h = 60, 40
	g := &gif.GIF{LoopCount: 3}
	var stills [][]byte
	for i := range 4 {
		m := image.NewPaletted(image.Rect(0, 0, w, h), color.Palette{color.NRGBA{uint8(80 * i), 200, 40, 255}, color.NRGBA{20, uint8(255 - 60*i), 250, 255}})
		for y := range h {
			for x := range w {
				if x < 10*i+10 && y < 12 {
					m.SetColorIndex(x, y, 1)
				}
			}
		}
		g.Image, g.Delay = append(g.Image, m), append(g.Delay, 5*(i+1))
		stills = append(stills, testimages.EncodePNG(m))
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, g); err != nil {
		t.Fatal(err)
	}
	logo := testimages.Solid(8, 4, color.NRGBA{255, 0, 0, 128})
	e := newEngine(t, imaging.Limits{})
	for _, s := range []recipe.Step{
		{Kind: recipe.StepGrayscale},
		{Kind: recipe.StepAdjust, Brightness: "0.7", Contrast: "1.2", Saturation: "0.5", Hue: "40"},
		{Kind: recipe.StepBlur, Sigma: "3"}, {Kind: recipe.StepBlur, Sigma: "9"}, {Kind: recipe.StepSharpen, Sigma: "2", Amount: "1"},
		{Kind: recipe.StepRotate, Angle: "90"}, {Kind: recipe.StepRotate, Angle: "33", Background: "#0000ff"},
		{Kind: recipe.StepFlip, Direction: "vertical"}, {Kind: recipe.StepFlip, Direction: "horizontal"},
		{Kind: recipe.StepCrop, Width: "31", Height: "17", Focus: "point", FocusX: "0.2", FocusY: "0.1"},
		{Kind: recipe.StepCrop, Ratio: "1:1", Focus: "center"},
		{Kind: recipe.StepResize, Width: "31", Height: "31", Fit: "inside"}, {Kind: recipe.StepResize, Width: "20", Height: "30", Fit: "cover"},
		{Kind: recipe.StepResize, Width: "100", Height: "100", Fit: "pad", Background: "#ffffff", Enlarge: "true"},
		{Kind: recipe.StepResize, Width: "70", Height: "20", Fit: "fill", Enlarge: "true"},
		{Kind: recipe.StepPad, Width: "71", Height: "53", Background: "#102030"},
		{Kind: recipe.StepWatermark, Image: "logo", Position: "bottom", Scale: "0.5", Margin: "0.1", Opacity: "0.8"},
		{Kind: recipe.StepWatermark, Text: "ok", Color: "#000000", Position: "tile", Scale: "0.3", Margin: "0.1", Opacity: "1"},
		{Kind: recipe.StepFlatten, Background: "#ffffff"},
	} {
		assets := map[string][]byte{"logo": logo}
		p, err := e.Process(context.Background(), imaging.Request{Source: b.Bytes(), Assets: assets, Job: &recipe.Job{Steps: []recipe.Step{s},
			Outputs: []recipe.Output{{Name: "same", Format: recipe.Same}, {Name: "cover", Format: recipe.Auto, Width: 15, Height: 15, Fit: recipe.FitCover}, {Name: "webp", Format: recipe.WebP}}}})
		if err != nil {
			t.Errorf("%+v: %v", s, err)
			continue
		}
		got, moving := frames(t, p.Outputs[0].Bytes)
		if len(moving) != 4 || !slices.Equal(got.Delay, g.Delay) || got.LoopCount != 3 {
			t.Errorf("%+v: %d frames, times %v, loop %d", s, len(moving), got.Delay, got.LoopCount)
			continue
		}
		for i, m := range moving {
			still, err := e.Process(context.Background(), imaging.Request{Source: stills[i], Assets: assets, Job: one(recipe.Output{Format: recipe.PNG}, s)})
			if err != nil {
				t.Fatal(err)
			}
			want := decode(t, still.Outputs[0].Bytes)
			if m.Rect.Size() != want.Rect.Size() {
				t.Errorf("%+v: frame is %v, still %v", s, m.Rect.Size(), want.Rect.Size())
				break
			}
			// GIF has 256 colours, and no half transparency.
			if mean, _ := difference(t, m, onWhite(want)); mean > 9 {
				t.Errorf("%+v: frame %d differs by %.2f", s, i, mean)
			}
		}
		if small, _ := frames(t, p.Outputs[1].Bytes); len(small.Image) != 4 || small.Config.Width != 15 || small.Config.Height != 15 {
			t.Errorf("%+v: cover has %d frames of %d × %d", s, len(small.Image), small.Config.Width, small.Config.Height)
		}
		if webp := p.Outputs[2]; bytes.Count(webp.Bytes, []byte("ANMF")) != 4 || webp.Height != moving[0].Rect.Dy() {
			t.Errorf("%+v: WebP has %d frames of height %d", s, bytes.Count(webp.Bytes, []byte("ANMF")), webp.Height)
		}
	}
}

// onWhite leaves pixels that are seen, and makes the others like those of a GIF.
func onWhite(m *image.NRGBA) *image.NRGBA {
	for i := 3; i < len(m.Pix); i += 4 {
		if m.Pix[i] < 128 {
			m.Pix[i] = 0
		} else {
			m.Pix[i] = 255
		}
	}
	return m
}

// TestAttentionHoldsForAllFrames: the part that the first frame shows is cut from all.
func TestAttentionHoldsForAllFrames(t *testing.T) {
	g := &gif.GIF{}
	for i := range 3 {
		src := decode(t, spot(200, 60, 10+70*i, 15))
		p := color.Palette{}
		for v := range 252 {
			p = append(p, color.NRGBA{255, uint8(v), 20, 255})
		}
		m := image.NewPaletted(src.Rect, append(p, color.NRGBA{90, 90, 90, 255}))
		for y := range 60 {
			for x := range 200 {
				m.Set(x, y, src.NRGBAAt(x, y))
			}
		}
		g.Image, g.Delay = append(g.Image, m), append(g.Delay, 10)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, g); err != nil {
		t.Fatal(err)
	}
	_, got := frames(t, process(t, b.Bytes(), one(recipe.Output{Format: recipe.Same},
		recipe.Step{Kind: recipe.StepCrop, Width: "60", Height: "60", Focus: "attention"})).Outputs[0].Bytes)
	for i, want := range []bool{true, false, false} {
		bright := 0
		for k := 0; k < len(got[i].Pix); k += 4 {
			if got[i].Pix[k] > 200 {
				bright++
			}
		}
		if want && bright < 800 || !want && bright > 100 {
			t.Errorf("frame %d: %d bright pixels", i, bright)
		}
	}
}

func TestFormatsOfResults(t *testing.T) {
	// Padding gives a JPEG alpha, and Same is JPEG nevertheless; Auto, too.
	p := process(t, testimages.JPEG(40, 20), &recipe.Job{Steps: []recipe.Step{{Kind: recipe.StepPad, Ratio: "1:1", Background: "transparent"}},
		Outputs: []recipe.Output{{Name: "a", Format: recipe.Same}, {Name: "b", Format: recipe.PNG}, {Name: "c", Format: recipe.WebP}}})
	if f, _, _, _ := sniff.Probe(p.Outputs[0].Bytes); f != "jpeg" || rgb(decode(t, p.Outputs[0].Bytes), 3, 3)[0] < 250 {
		t.Errorf("%s", f)
	}
	if _, _, _, a := decode(t, p.Outputs[1].Bytes).At(3, 3).RGBA(); a != 0 {
		t.Error("the frame is not transparent in PNG")
	}
}
