package tone_test

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"github.com/tintype/tintype/internal/imaging/tone"
	"github.com/tintype/tintype/internal/recipe"
)

// every is every 15th value of each channel: 5,832 colours with their corners.
func every() []byte {
	var pix []byte
	for r := 0; r < 256; r += 15 {
		for g := 0; g < 256; g += 15 {
			for b := 0; b < 256; b += 15 {
				pix = append(pix, byte(r), byte(g), byte(b))
			}
		}
	}
	return pix
}

func run(t testing.TB, pix []byte, bands int, steps ...recipe.Step) []byte {
	t.Helper()
	p, err := tone.Compile(steps)
	if err != nil {
		t.Fatal(err)
	}
	out := bytes.Clone(pix)
	if err := p.Apply(out, bands); err != nil {
		t.Fatal(err)
	}
	return out
}

func tint(color string, strength float64) recipe.Step {
	return recipe.Step{Kind: recipe.StepTint, Color: recipe.Value(color), Strength: recipe.Value(fmt.Sprint(strength))}
}

func luma(p []byte) float64 {
	return 0.299*float64(p[0]) + 0.587*float64(p[1]) + 0.114*float64(p[2])
}

// wholeLuma is the rounded luma that the formulas start from. Where the sum lies half
// way between two numbers, either is right.
func wholeLuma(t *testing.T, p []byte) float64 {
	t.Helper()
	y := float64(tone.Luma(p[0], p[1], p[2]))
	if math.Abs(y-luma(p)) > 0.501 {
		t.Fatalf("luma of %v is %g, want %g", p[:3], y, luma(p))
	}
	return y
}

var colors = []string{"#ff8800", "#000000", "#ffffff", "#0000ff", "#00ff00", "#ff0000", "#7f7f7f", "#010000", "#fffffe", "#123456"}

// TestTintFormula compares every pixel with the formula, written down here in another
// way and in floating point.
func TestTintFormula(t *testing.T) {
	pix := every()
	for _, color := range colors {
		for _, s := range []float64{0, 0.25, 0.5, 1} {
			out := run(t, pix, 3, tint(color, s))
			r, g, b, err := recipe.Value(color).RGB()
			if err != nil {
				t.Fatal(err)
			}
			c := []byte{r, g, b}
			for i := 0; i < len(pix); i += 3 {
				y, yc := wholeLuma(t, pix[i:]), luma(c)
				for k := range 3 {
					// On the way from black to c, or from c to white.
					from, to, part := 0.0, float64(c[k]), y/yc
					if y > yc || yc == 0 {
						from, to, part = float64(c[k]), 255, (y-yc)/(255-yc)
					}
					if yc == 255 {
						from, to, part = 0, 255, y/255
					}
					want := (1-s)*float64(pix[i+k]) + s*(from+(to-from)*part)
					if math.Abs(float64(out[i+k])-want) > 0.51 {
						t.Fatalf("tint %s at %g of %v: channel %d is %d, want %.3f", color, s, pix[i:i+3], k, out[i+k], want)
					}
				}
			}
		}
	}
}

// TestTintKeeps: luma stays, black and white stay, and the hue is the tint's.
func TestTintKeeps(t *testing.T) {
	pix := every()
	for _, color := range colors {
		out := run(t, pix, 3, tint(color, 1))
		for i := 0; i < len(pix); i += 3 {
			if d := math.Abs(luma(out[i:]) - luma(pix[i:])); d > 1.01 {
				t.Fatalf("tint %s: luma of %v changes by %.2f", color, pix[i:i+3], d)
			}
		}
		if !bytes.Equal(out[:3], []byte{0, 0, 0}) || !bytes.Equal(out[len(out)-3:], []byte{255, 255, 255}) {
			t.Errorf("tint %s: black becomes %v, white %v", color, out[:3], out[len(out)-3:])
		}
	}
	out := run(t, pix, 3, tint("#ff8800", 1))
	for i := 0; i < len(out); i += 3 {
		if out[i] < out[i+1] || out[i+1] < out[i+2] {
			t.Fatalf("orange gives %v", out[i:i+3])
		}
	}
}

func TestTintOfItsOwnColor(t *testing.T) {
	for _, color := range colors {
		r, g, b, err := recipe.Value(color).RGB()
		if err != nil {
			t.Fatal(err)
		}
		in := []byte{r, g, b}
		out := run(t, in, 3, tint(color, 1))
		for k := range 3 {
			// Rounding Y moves it by half a step at most, and with it a channel by that
			// times the slope of the line; for the steepest of these colours, 9 steps.
			if d := int(out[k]) - int(in[k]); (d > 1 || d < -1) && (luma(in) > 40 && luma(in) < 200) {
				t.Errorf("tint %s of itself gives %v", color, out)
			}
		}
	}
}

func TestStrengthZeroIsNothing(t *testing.T) {
	p, err := tone.Compile([]recipe.Step{tint("#ff8800", 0), {Kind: recipe.StepSepia, Strength: "0"}})
	if err != nil || !p.Empty() {
		t.Errorf("empty %v, %v", p.Empty(), err)
	}
}

func TestOtherSteps(t *testing.T) {
	pix := every()
	gray := run(t, pix, 3, recipe.Step{Kind: recipe.StepGrayscale})
	duo := run(t, pix, 3, recipe.Step{Kind: recipe.StepDuotone, Dark: "#102030", Light: "#ffe0a0"})
	sepia := run(t, pix, 3, recipe.Step{Kind: recipe.StepSepia, Strength: "1"})
	soft := run(t, pix, 3, recipe.Step{Kind: recipe.StepSepia, Strength: "0.4"})
	weights := [3][3]float64{{0.393, 0.769, 0.189}, {0.349, 0.686, 0.168}, {0.272, 0.534, 0.131}}
	dark, light := [3]float64{16, 32, 48}, [3]float64{255, 224, 160}
	for i := 0; i < len(pix); i += 3 {
		y := wholeLuma(t, pix[i:])
		for k := range 3 {
			brown := math.Min(255, weights[k][0]*float64(pix[i])+weights[k][1]*float64(pix[i+1])+weights[k][2]*float64(pix[i+2]))
			for name, pair := range map[string][2]float64{
				"gray":    {float64(gray[i+k]), y},
				"duotone": {float64(duo[i+k]), dark[k] + (light[k]-dark[k])*y/255},
				"sepia":   {float64(sepia[i+k]), brown},
				"soft":    {float64(soft[i+k]), 0.6*float64(pix[i+k]) + 0.4*brown},
			} {
				if math.Abs(pair[0]-pair[1]) > 0.51 {
					t.Fatalf("%s of %v: channel %d is %v, want %.3f", name, pix[i:i+3], k, pair[0], pair[1])
				}
			}
		}
	}
}

func TestAlphaStays(t *testing.T) {
	in := []byte{10, 20, 30, 0, 200, 100, 50, 128, 1, 2, 3, 255}
	for _, s := range []recipe.Step{
		tint("#ff8800", 1), tint("#ff8800", 0.5), {Kind: recipe.StepGrayscale},
		{Kind: recipe.StepSepia, Strength: "1"}, {Kind: recipe.StepDuotone, Dark: "#000", Light: "#fff"},
	} {
		out := run(t, in, 4, s)
		if out[3] != 0 || out[7] != 128 || out[11] != 255 {
			t.Errorf("%s: alpha becomes %d, %d, %d", s.Kind, out[3], out[7], out[11])
		}
		if bytes.Equal(out, in) {
			t.Errorf("%s: nothing changed", s.Kind)
		}
	}
}

// TestStepsInOrder runs two steps over more pixels than one piece.
func TestStepsInOrder(t *testing.T) {
	pix := bytes.Repeat([]byte{200, 100, 50}, 20_000)
	both := run(t, pix, 3, tint("#0000ff", 0.5), recipe.Step{Kind: recipe.StepSepia, Strength: "0.5"})
	first := run(t, pix, 3, tint("#0000ff", 0.5))
	second := run(t, first, 3, recipe.Step{Kind: recipe.StepSepia, Strength: "0.5"})
	if !bytes.Equal(both, second) {
		t.Error("two steps in one program differ from two programs")
	}
}

func TestRefused(t *testing.T) {
	for _, s := range []recipe.Step{
		{Kind: "blur"}, {Kind: recipe.StepTint, Color: "$tint", Strength: "1"}, {Kind: recipe.StepTint, Color: "#fff"},
		{Kind: recipe.StepTint, Color: "#fff", Strength: "1.5"}, {Kind: recipe.StepSepia, Strength: "x"},
		{Kind: recipe.StepDuotone, Dark: "#000"}, {Kind: recipe.StepDuotone, Light: "#000"},
	} {
		if _, err := tone.Compile([]recipe.Step{s}); err == nil {
			t.Errorf("%+v is accepted", s)
		}
	}
	p, err := tone.Compile(nil)
	if err != nil {
		t.Fatal(err)
	}
	for bands, n := range map[int]int{1: 4, 2: 4, 3: 4, 4: 6, 5: 10} {
		if p.Apply(make([]byte, n), bands) == nil {
			t.Errorf("%d bytes of %d bands are accepted", n, bands)
		}
	}
}

func BenchmarkTint12MP(b *testing.B) {
	pix := make([]byte, 12_000_000*3)
	for i := range pix {
		pix[i] = byte(i * 31)
	}
	for _, s := range []float64{1, 0.5} {
		p, err := tone.Compile([]recipe.Step{tint("#ff8800", s)})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprint(s), func(b *testing.B) {
			b.SetBytes(int64(len(pix)))
			for b.Loop() {
				if err := p.Apply(pix, 3); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
