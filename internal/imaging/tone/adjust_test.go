package tone_test

import (
	"bytes"
	"math"
	"testing"

	"github.com/tintype/tintype/internal/imaging/tone"
	"github.com/tintype/tintype/internal/recipe"
)

func adjust(brightness, contrast, saturation, hue recipe.Value) recipe.Step {
	return recipe.Step{Kind: recipe.StepAdjust, Brightness: brightness, Contrast: contrast, Saturation: saturation, Hue: hue}
}

// TestAdjustFormula goes the way through YCbCr step by step, in floating point.
func TestAdjustFormula(t *testing.T) {
	pix := every()
	for _, v := range [][4]recipe.Value{
		{"1.2", "1", "1", "0"}, {"0", "1", "1", "0"}, {"4", "1", "1", "0"}, {"1", "1.5", "1", "0"}, {"1", "0", "1", "0"},
		{"1", "1", "0", "0"}, {"1", "1", "1.7", "0"}, {"1", "1", "1", "90"}, {"1", "1", "1", "-360"}, {"1", "1", "1", "123.4"},
		{"0.8", "1.3", "1.2", "-30"}, {"4", "4", "4", "45"}, {"", "", "", "180"},
	} {
		k := [4]float64{1, 1, 1, 0}
		for i := range v {
			if v[i] != "" {
				f, err := v[i].Float()
				if err != nil {
					t.Fatal(err)
				}
				k[i] = f
			}
		}
		out := run(t, pix, 3, adjust(v[0], v[1], v[2], v[3]))
		sin, cos := math.Sincos(k[3] * math.Pi / 180)
		for i := 0; i < len(pix); i += 3 {
			r, g, b := float64(pix[i]), float64(pix[i+1]), float64(pix[i+2])
			y := 0.299*r + 0.587*g + 0.114*b
			cb, cr := (b-y)/1.772*k[0]*k[1]*k[2], (r-y)/1.402*k[0]*k[1]*k[2]
			cb, cr = cb*cos-cr*sin, cb*sin+cr*cos
			y = k[1]*(k[0]*y-127.5) + 127.5
			want := [3]float64{y + 1.402*cr, y - 0.344136*cb - 0.714136*cr, y + 1.772*cb}
			for c := range want {
				if w := min(max(0, want[c]), 255); math.Abs(float64(out[i+c])-w) > 0.53 {
					t.Fatalf("adjust %v of %v: channel %d is %d, want %.3f", v, pix[i:i+3], c, out[i+c], w)
				}
			}
		}
	}
}

// TestAdjustKnown: values that can be worked out in the head.
func TestAdjustKnown(t *testing.T) {
	for _, tc := range []struct {
		step     recipe.Step
		in, want []byte
	}{
		{adjust("1.5", "1", "1", "0"), []byte{10, 100, 200, 7}, []byte{15, 150, 255, 7}},
		{adjust("1", "2", "1", "0"), []byte{127, 128, 100, 7}, []byte{127, 129, 73, 7}}, // 126.5 and 128.5, 72.5
		{adjust("1", "1", "0", "0"), []byte{255, 0, 0, 7}, []byte{76, 76, 76, 7}},
		{adjust("1", "1", "1", "120"), []byte{90, 90, 90, 7}, []byte{90, 90, 90, 7}},
	} {
		if out := run(t, tc.in, 4, tc.step); !bytes.Equal(out, tc.want) {
			t.Errorf("%+v of %v: %v, want %v", tc.step, tc.in, out, tc.want)
		}
	}
	// A third of a turn brings red nearer to green than to anything else.
	if out := run(t, []byte{200, 40, 40}, 3, adjust("1", "1", "1", "120")); out[1] < out[0] || out[1] < out[2] {
		t.Errorf("red turned by 120 degrees is %v", out)
	}
}

func TestAdjustNothing(t *testing.T) {
	p, err := tone.Compile([]recipe.Step{adjust("1", "1", "1", "0"), adjust("", "", "", "")})
	if err != nil || !p.Empty() {
		t.Errorf("empty %v, %v", p.Empty(), err)
	}
	for _, bad := range []recipe.Step{adjust("4.1", "1", "1", "0"), adjust("1", "-1", "1", "0"), adjust("1", "1", "x", "0"), adjust("1", "1", "1", "361")} {
		if _, err := tone.Compile([]recipe.Step{bad}); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}
