package imaging_test

import (
	"image"
	"image/color"
	"math"
	"testing"

	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/testimages"
)

func luma(p [3]float64) float64 { return 0.299*p[0] + 0.587*p[1] + 0.114*p[2] }

// tinted is the formula of the tint, in floating point, apart from the program's.
func tinted(p, c [3]float64, s float64) [3]float64 {
	return tintedTo(p, c, s, math.Round(luma(p)))
}

func tintedTo(p, c [3]float64, s, y float64) [3]float64 {
	yc := luma(c)
	var out [3]float64
	for i := range out {
		v := c[i] * y / yc
		if y > yc {
			v = 255 - (255-c[i])*(255-y)/(255-yc)
		}
		out[i] = (1-s)*p[i] + s*v
	}
	return out
}

func TestTintPixels(t *testing.T) {
	orange, blue := [3]float64{255, 136, 0}, [3]float64{17, 34, 204}
	sources := map[string][]byte{"generated.png": testimages.PNG(203, 101), "gray.png": testimages.GrayPNG(64, 48),
		"palette.png": testimages.PalettePNG(60, 40), "deep.png": testimages.PNG16(64, 48), "tiff": testimages.TIFF(64, 48)}
	for _, f := range testimages.Photos() {
		sources[f.Name] = f.Bytes
	}
	for name, src := range sources {
		in := decode(t, src)
		for _, tc := range []struct {
			raw map[string]string
			c   [3]float64
			s   float64
		}{
			{nil, orange, 1},
			{map[string]string{"tint": "#1122cc", "strength": "0.6"}, blue, 0.6},
		} {
			if tc.raw != nil && len(src) > 200_000 {
				continue // once is enough for the large ones
			}
			p := process(t, src, resolve(t, "tint", tc.raw))
			out := decode(t, p.Outputs[0].Bytes)
			w, h := in.Bounds().Dx(), in.Bounds().Dy()
			if out.Bounds().Dx() != w || out.Bounds().Dy() != h {
				t.Fatalf("%s: full size is %v", name, out.Bounds())
			}
			var most, lumaSum float64
			blocks := make(map[image.Point][3]float64) // sums of the errors in squares of 16 pixels
			for y := range h {
				for x := range w {
					src, got := rgb(in, x, y), rgb(out, x, y)
					if name == "rocket.jpg" { // it has the profile of Adobe RGB
						src = toSRGB(testimages.AdobeRGB, src)
					}
					want := tinted(src, tc.c, tc.s)
					if l := luma(src); math.Abs(l-math.Floor(l)-0.5) < 0.01 {
						// Half way between two numbers: either is right.
						up, down := tintedTo(src, tc.c, tc.s, math.Ceil(l)), tintedTo(src, tc.c, tc.s, math.Floor(l))
						if want = up; distance(got, down) < distance(got, up) {
							want = down
						}
					}
					most = max(most, distance(got, want))
					lumaSum += math.Abs(luma(got) - luma(src))
					at := image.Pt(x/16, y/16)
					b := blocks[at]
					for i := range b {
						b[i] += got[i] - want[i]
					}
					blocks[at] = b
				}
			}
			if p.Outputs[0].Format != "jpeg" {
				if n := float64(w * h); most > 1.01 || lumaSum/n > 0.6 {
					t.Errorf("%s %v: largest error %.2f, mean error of luma %.2f", name, tc.raw, most, lumaSum/n)
				}
				continue
			}
			// Encoding loses detail, of colour above all, and keeps the mean of a square.
			var sum float64
			for _, b := range blocks {
				sum += (math.Abs(b[0]) + math.Abs(b[1]) + math.Abs(b[2])) / (3 * 256)
			}
			if mean, l := sum/float64(len(blocks)), lumaSum/float64(w*h); mean > 2 || l > 3.5 {
				t.Errorf("%s %v: mean error of squares %.2f, mean error of luma %.2f", name, tc.raw, mean, l)
			}
		}
	}
}

// distance is the largest distance of two pixels' channels.
func distance(a, b [3]float64) float64 {
	return max(math.Abs(a[0]-b[0]), math.Abs(a[1]-b[1]), math.Abs(a[2]-b[2]))
}

// TestSmallOutputsAreTinted holds the smaller outputs to the same hue, and against the
// tint of a picture that was shrunk first.
func TestSmallOutputsAreTinted(t *testing.T) {
	p := process(t, testimages.PNG(480, 360), resolve(t, "tint", nil))
	plain := process(t, testimages.PNG(480, 360), resolve(t, "thumbnail", nil))
	small, want := decode(t, p.Outputs[2].Bytes), decode(t, plain.Outputs[0].Bytes)
	var sum float64
	w, h := small.Bounds().Dx(), small.Bounds().Dy()
	for y := range h {
		for x := range w {
			got, exp := rgb(small, x, y), tinted(rgb(want, x, y), [3]float64{255, 136, 0}, 1)
			for i := range got {
				sum += math.Abs(got[i] - exp[i])
			}
		}
	}
	if mean := sum / float64(3*w*h); mean > 1.5 {
		t.Errorf("mean error of the tinted thumb is %.2f", mean)
	}
}

func TestOtherRecipesPixels(t *testing.T) {
	src := testimages.PNG(64, 48)
	in := decode(t, src)
	for name, want := range map[string]func(p [3]float64, y float64) [3]float64{
		"grayscale": func(_ [3]float64, y float64) [3]float64 { return [3]float64{y, y, y} },
		"duotone": func(_ [3]float64, y float64) [3]float64 { // #1b1464 to #ffd166
			return [3]float64{27 + 228*y/255, 20 + 189*y/255, 100 + 2*y/255}
		},
		"sepia": func(p [3]float64, _ float64) [3]float64 {
			return [3]float64{min(255, .393*p[0]+.769*p[1]+.189*p[2]), min(255, .349*p[0]+.686*p[1]+.168*p[2]),
				min(255, .272*p[0]+.534*p[1]+.131*p[2])}
		},
		"thumbnail": func(p [3]float64, _ float64) [3]float64 { return p },
	} {
		out := decode(t, process(t, src, resolve(t, name, nil)).Outputs[0].Bytes)
		for y := range 48 {
			for x := range 64 {
				p, got := rgb(in, x, y), rgb(out, x, y)
				exp := want(p, math.Round(luma(p)))
				for i := range exp {
					if math.Abs(got[i]-exp[i]) > 1.01 {
						t.Fatalf("%s of %v: %v, want %v", name, p, got, exp)
					}
				}
			}
		}
	}
}

func TestOrientation(t *testing.T) {
	const w, h = 96, 64
	want := testimages.Picture(w, h)
	for o := 1; o <= 8; o++ {
		p := process(t, testimages.Oriented(w, h, o), one(recipe.Output{Format: recipe.PNG}))
		if p.Source.Width != w || p.Source.Height != h {
			t.Errorf("orientation %d: source is %d × %d", o, p.Source.Width, p.Source.Height)
		}
		got := decode(t, p.Outputs[0].Bytes)
		if mean, _ := difference(t, got, want); mean > 4 {
			t.Errorf("orientation %d: mean difference %.2f", o, mean)
		}
		// Shown once more by a reader that heeds Exif, it must not turn again.
		again := process(t, process(t, testimages.Oriented(w, h, o), one(recipe.Output{Format: recipe.JPEG})).Outputs[0].Bytes,
			one(recipe.Output{Format: recipe.PNG}))
		if mean, _ := difference(t, decode(t, again.Outputs[0].Bytes), want); mean > 6 {
			t.Errorf("orientation %d: mean difference %.2f after a second pass", o, mean)
		}
	}
}

// TestAlphaEdges: the hidden black outside the disc must not darken its edge.
func TestAlphaEdges(t *testing.T) {
	job := one(recipe.Output{Format: recipe.PNG, Width: 90})
	disc := decode(t, process(t, testimages.AlphaPNG(400, 400), job).Outputs[0].Bytes)
	whole := decode(t, process(t, testimages.PNG(400, 400), job).Outputs[0].Bytes)
	edge := 0
	for y := range 90 {
		for x := range 90 {
			_, _, _, a := disc.At(x, y).RGBA()
			if a < 0x3000 || x < 15 && y < 26 { // nothing to see, or near the sharp mark
				continue
			}
			if a < 0xf000 {
				edge++
			}
			got, want := rgb(disc, x, y), rgb(whole, x, y)
			for i := range got {
				if math.Abs(got[i]-want[i]) > 14 {
					t.Fatalf("at %d, %d (alpha %d): %v, want about %v", x, y, a>>8, got, want)
				}
			}
		}
	}
	if edge < 50 {
		t.Errorf("only %d pixels on the edge: nothing was tested", edge)
	}
	if _, _, _, a := disc.At(0, 0).RGBA(); a != 0 {
		t.Errorf("the corner has alpha %d", a)
	}
}

func TestAlphaFlattensOnWhite(t *testing.T) {
	for _, b := range [][]byte{testimages.AlphaPNG(64, 64), testimages.Solid(64, 64, color.NRGBA{255, 0, 0, 0})} {
		p := process(t, b, one(recipe.Output{Format: recipe.JPEG}))
		if got := rgb(decode(t, p.Outputs[0].Bytes), 1, 1); got[0] < 250 || got[1] < 250 || got[2] < 250 {
			t.Errorf("the transparent corner becomes %v", got)
		}
	}
	p := process(t, testimages.Solid(64, 64, color.NRGBA{200, 100, 0, 128}), resolve(t, "tint", map[string]string{"strength": "0"}))
	got := decode(t, p.Outputs[0].Bytes).NRGBAAt(5, 5)
	if got != (color.NRGBA{200, 100, 0, 128}) {
		t.Errorf("a half transparent pixel becomes %v", got)
	}
}

// TestProfiles compares with the conversion computed from the colorants: through XYZ,
// into the gamut of sRGB.
func TestProfiles(t *testing.T) {
	for _, space := range []testimages.RGBSpace{testimages.SRGB, testimages.DisplayP3, testimages.AdobeRGB} {
		for _, c := range []color.NRGBA{{200, 60, 40, 255}, {60, 180, 75, 255}, {50, 80, 200, 255}, {128, 128, 128, 255},
			{255, 255, 255, 255}, {0, 0, 0, 255}, {0, 255, 0, 255}} {
			solid := decode(t, testimages.Solid(32, 32, c))
			src := testimages.WithProfile(testimages.EncodeJPEG(solid, 100), space.Profile())
			stored := rgb(decode(t, src), 8, 8) // JPEG rounds
			want := toSRGB(space, stored)
			p := process(t, src, one(recipe.Output{Format: recipe.PNG}))
			got := rgb(decode(t, p.Outputs[0].Bytes), 8, 8)
			for i := range want {
				if math.Abs(got[i]-want[i]) > 3 {
					t.Errorf("%s %v becomes %v, want %.0f", space.Name, c, got, want)
					break
				}
			}
		}
	}
}

func toSRGB(space testimages.RGBSpace, v [3]float64) [3]float64 {
	var xyz [3]float64
	for i, col := range space.Colorants {
		for k := range xyz {
			xyz[k] += col[k] * space.Linear(v[i]/255)
		}
	}
	// The inverse of sRGB's D50 colorants.
	m := [3][3]float64{{3.1339, -1.6169, -0.4906}, {-0.9788, 1.9161, 0.0335}, {0.0719, -0.2290, 1.4052}}
	var out [3]float64
	for i := range out {
		l := min(1, max(0, m[i][0]*xyz[0]+m[i][1]*xyz[1]+m[i][2]*xyz[2]))
		if l <= 0.0031308 {
			out[i] = 255 * 12.92 * l
		} else {
			out[i] = 255 * (1.055*math.Pow(l, 1/2.4) - 0.055)
		}
	}
	return out
}

func TestCMYK(t *testing.T) {
	src := testimages.CMYKJPEG([4]uint8{0, 0, 0, 0}, [4]uint8{0, 0, 0, 255}, [4]uint8{255, 0, 0, 0}, [4]uint8{0, 255, 255, 0})
	out := decode(t, process(t, src, one(recipe.Output{Format: recipe.PNG})).Outputs[0].Bytes)
	at := func(i int) [3]float64 { return rgb(out, i*testimages.CMYKSide+8, 8) }
	if p := at(0); p[0] < 250 || p[1] < 250 || p[2] < 250 {
		t.Errorf("no ink becomes %v", p)
	}
	if p := at(1); p[0] > 60 || p[1] > 60 || p[2] > 60 {
		t.Errorf("black ink becomes %v", p)
	}
	if p := at(2); p[0] > 100 || p[1] < 120 || p[2] < 180 {
		t.Errorf("cyan ink becomes %v", p)
	}
	if p := at(3); p[0] < 180 || p[1] > 90 || p[2] > 90 {
		t.Errorf("magenta and yellow ink become %v", p)
	}
}

// TestKindsOfPixels: gray, palette, 1 bit and 16 bits all decode to what Go's decoders
// see.
func TestKindsOfPixels(t *testing.T) {
	for name, src := range map[string][]byte{
		"gray": testimages.GrayPNG(60, 40), "palette": testimages.PalettePNG(60, 40), "bilevel": testimages.BilevelPNG(61, 40),
		"16 bits": testimages.PNG16(60, 40), "checker": testimages.Checker(60, 40, 3), "tiff": testimages.TIFF(60, 40),
		"gif": testimages.GIF(60, 40), "black": testimages.BlackPNG(9, 5),
	} {
		p := process(t, src, one(recipe.Output{Format: recipe.PNG}))
		if mean, most := difference(t, decode(t, p.Outputs[0].Bytes), decode(t, src)); most > 1.01 {
			t.Errorf("%s: differs by %.2f, at most %.2f", name, mean, most)
		}
	}
}

// TestDeepAlpha: 16-bit alpha becomes 8-bit alpha, with a colour profile and without.
func TestDeepAlpha(t *testing.T) {
	m := image.NewNRGBA64(image.Rect(0, 0, 16, 16))
	for i := range 256 {
		m.SetNRGBA64(i%16, i/16, color.NRGBA64{R: 0xc800, G: 0x6400, B: 0x3200, A: uint16(i * 257)})
	}
	plain := testimages.EncodePNG(m)
	for _, src := range [][]byte{plain, testimages.WithPNGProfile(plain, testimages.AdobeRGB.Profile())} {
		out := decode(t, process(t, src, one(recipe.Output{Format: recipe.Same})).Outputs[0].Bytes)
		for i := range 256 {
			_, _, _, a := out.At(i%16, i/16).RGBA()
			if d := int(a>>8) - i; d < -1 || d > 1 {
				t.Fatalf("alpha %d becomes %d", i, a>>8)
			}
		}
	}
}
