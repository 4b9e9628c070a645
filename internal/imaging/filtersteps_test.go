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

// TestBlurOfAnEdge compares with the integral of the Gaussian.
func TestBlurOfAnEdge(t *testing.T) {
	for _, sigma := range []float64{0.5, 1, 2, 3.5, 4, 7, 15, 40, 100} {
		w, h := int(8*sigma)+40, 24
		m := image.NewNRGBA(image.Rect(0, 0, w, h))
		for y := range h {
			for x := range w {
				v := uint8(x / (w / 2) * 200)
				m.SetNRGBA(x, y, color.NRGBA{v, 50, 200 - v, 255})
			}
		}
		for _, alpha := range []bool{false, true} {
			if alpha {
				for i := 3; i < len(m.Pix); i += 4 {
					m.Pix[i] = 128
				}
			}
			got := after(t, testimages.EncodePNG(m), recipe.Step{Kind: recipe.StepBlur, Sigma: recipe.Value(fmt.Sprint(sigma))})
			var worst float64
			for x := range w {
				want := 100 * (1 + math.Erf((float64(x)+0.5-float64(w/2))/(sigma*math.Sqrt2)))
				c := got.NRGBAAt(x, h/2)
				worst = max(worst, math.Abs(float64(c.R)-want), math.Abs(float64(c.B)-(200-want)))
				if d := int(c.G) - 50; d < -1 || d > 1 {
					t.Fatalf("sigma %g: flat 50 becomes %d", sigma, c.G)
				}
				if alpha && (c.A < 127 || c.A > 129) {
					t.Fatalf("sigma %g: alpha 128 becomes %d", sigma, c.A)
				}
			}
			if worst > 6 {
				t.Errorf("sigma %g, alpha %v: off by up to %.1f", sigma, alpha, worst)
			}
		}
	}
}

// TestBlurKeepsHiddenColorsHidden: black under full transparency must not darken.
func TestBlurKeepsHiddenColorsHidden(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 60, 20))
	for y := range 20 {
		for x := range 30 {
			m.SetNRGBA(x, y, color.NRGBA{200, 150, 100, 255})
		}
	}
	got := after(t, testimages.EncodePNG(m), recipe.Step{Kind: recipe.StepBlur, Sigma: "3"})
	if a := got.NRGBAAt(30, 10).A; a < 100 || a > 135 {
		t.Errorf("alpha at the edge is %d", a)
	}
	for x := range 33 {
		if c := got.NRGBAAt(x, 10); c.A > 30 && (c.R < 197 || c.R > 203 || c.B < 97 || c.B > 103) {
			t.Errorf("at %d: %v", x, c)
		}
	}
}

// TestSharpenFormula: away from the blurred picture by the amount.
func TestSharpenFormula(t *testing.T) {
	for i, src := range [][]byte{testimages.PNG(60, 40), testimages.Checker(60, 40, 4), testimages.AlphaPNG(60, 40)} {
		in := decode(t, src)
		for _, amount := range []float64{0, 0.5, 1, 4} {
			soft := after(t, src, recipe.Step{Kind: recipe.StepBlur, Sigma: "1.5"})
			got := after(t, src, recipe.Step{Kind: recipe.StepSharpen, Sigma: "1.5", Amount: recipe.Value(fmt.Sprint(amount))})
			changed := false
			for i := range in.Pix {
				if in.Pix[i|3] == 0 || soft.Pix[i|3] == 0 {
					continue
				}
				want := float64(in.Pix[i])
				if i%4 != 3 {
					want = min(max(0, want+amount*(want-float64(soft.Pix[i]))), 255)
				}
				if math.Abs(float64(got.Pix[i])-want) > 0.51 {
					t.Fatalf("amount %g: byte %d is %d, want %.2f", amount, i, got.Pix[i], want)
				}
				changed = changed || got.Pix[i] != in.Pix[i]
			}
			if changed != (amount > 0) && i != 1 { // black and white cannot move apart
				t.Errorf("amount %g: changed %v", amount, changed)
			}
		}
	}
}

// TestAdjustStep: with the other steps on colours, in one pass, and alpha as it was.
func TestAdjustStep(t *testing.T) {
	got := after(t, testimages.Solid(8, 8, color.NRGBA{100, 50, 200, 90}),
		recipe.Step{Kind: recipe.StepAdjust, Brightness: "1.2", Contrast: "1", Saturation: "1", Hue: "0"},
		recipe.Step{Kind: recipe.StepGrayscale})
	// 120, 60, 240: luma 98.46
	if c := got.NRGBAAt(3, 3); c != (color.NRGBA{98, 98, 98, 90}) {
		t.Errorf("%v", c)
	}
}

// TestSmallOutputsComeFromTheSamePicture: steps that are done on the shrunk picture, where
// a small output is wanted, look like those done before shrinking.
func TestSmallOutputsComeFromTheSamePicture(t *testing.T) {
	watermark := recipe.Step{Kind: recipe.StepWatermark, Text: "Tintype", Color: "#ffffff", Position: "top-right", Scale: "0.4", Margin: "0.05", Opacity: "0.7"}
	for name, steps := range map[string][]recipe.Step{
		"blur": {{Kind: recipe.StepBlur, Sigma: "12"}}, "light blur": {{Kind: recipe.StepBlur, Sigma: "1"}},
		"flip": {{Kind: recipe.StepFlip, Direction: "vertical"}}, "turn": {{Kind: recipe.StepRotate, Angle: "90", Background: "#000000"}},
		"flatten": {{Kind: recipe.StepFlatten, Background: "#ff8800"}}, "text": {watermark},
		"all": {{Kind: recipe.StepAdjust, Brightness: "0.9", Contrast: "1.1", Saturation: "1.2", Hue: "20"}, {Kind: recipe.StepRotate, Angle: "-90", Background: "#000000"},
			watermark, {Kind: recipe.StepFlip, Direction: "horizontal"}, {Kind: recipe.StepBlur, Sigma: "4"}},
		"crop first": {{Kind: recipe.StepCrop, Ratio: "1:1", Focus: "center"}, {Kind: recipe.StepRotate, Angle: "270", Background: "#000000"}, {Kind: recipe.StepBlur, Sigma: "5"}},
		"crop last":  {{Kind: recipe.StepBlur, Sigma: "5"}, {Kind: recipe.StepCrop, Ratio: "1:1", Focus: "center"}},
		"sharpen":    {{Kind: recipe.StepSharpen, Sigma: "2", Amount: "1"}},
	} {
		for kind, src := range map[string][]byte{"jpeg": testimages.JPEG(603, 402), "alpha": testimages.AlphaPNG(303, 202)} {
			small := recipe.Output{Name: "small", Format: recipe.PNG, Width: 100, Height: 100}
			alone := process(t, src, &recipe.Job{Steps: steps, Outputs: []recipe.Output{small}}).Outputs[0]
			with := process(t, src, &recipe.Job{Steps: steps, Outputs: []recipe.Output{{Name: "full", Format: recipe.PNG}, small}}).Outputs[1]
			if alone.Width != with.Width || alone.Height != with.Height {
				t.Errorf("%s, %s: %d × %d alone, %d × %d with full", name, kind, alone.Width, alone.Height, with.Width, with.Height)
				continue
			}
			if mean, _ := difference(t, onGray(decode(t, alone.Bytes)), onGray(decode(t, with.Bytes))); mean > 2.5 {
				t.Errorf("%s, %s: differs by %.2f", name, kind, mean)
			}
		}
	}
}

// onGray takes the alpha away: of what is hardly seen, the colour does not matter.
func onGray(m *image.NRGBA) *image.NRGBA {
	for i := 0; i < len(m.Pix); i += 4 {
		a := int(m.Pix[i+3])
		for c := range 3 {
			m.Pix[i+c] = uint8((int(m.Pix[i+c])*a + 128*(255-a)) / 255)
		}
		m.Pix[i+3] = 255
	}
	return m
}
