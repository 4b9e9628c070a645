package imaging_test

import (
	"context"
	"fmt"
	"image"
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/imaging"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/testimages"
)

// engines are one that may use the fused engine and one that may not.
func engines(t testing.TB, l imaging.Limits) (both, libvips *imaging.Engine) {
	t.Helper()
	for i, to := range []**imaging.Engine{&both, &libvips} {
		e, err := imaging.New(imaging.Options{Limits: l, LibvipsOnly: i == 1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Close)
		*to = e
	}
	return both, libvips
}

// asJPEG makes every output of a job a JPEG of a quality.
func asJPEG(job *recipe.Job, quality int) *recipe.Job {
	j := *job
	j.Outputs = nil
	for _, o := range job.Outputs {
		o.Format, o.Quality = recipe.JPEG, quality
		j.Outputs = append(j.Outputs, o)
	}
	return &j
}

// colorSteps are jobs with the standard outputs.
func colorSteps(t testing.TB) map[string]*recipe.Job {
	t.Helper()
	jobs := map[string]*recipe.Job{
		"tint":      resolve(t, "tint", nil),
		"tint 0.4":  resolve(t, "tint", map[string]string{"tint": "#1122cc", "strength": "0.4"}),
		"none":      resolve(t, "tint", map[string]string{"strength": "0"}),
		"grayscale": resolve(t, "grayscale", nil),
		"duotone":   resolve(t, "duotone", nil),
		"sepia":     resolve(t, "sepia", nil),
	}
	warm := *jobs["tint"]
	warm.Steps = []recipe.Step{{Kind: recipe.StepAdjust, Brightness: "1.1", Contrast: "0.9", Saturation: "1.2", Hue: "10"}}
	jobs["adjust"] = &warm
	three := *jobs["tint"]
	three.Steps = []recipe.Step{{Kind: recipe.StepDuotone, Dark: "#1b1464", Light: "#ffd166"}, {Kind: recipe.StepTint, Color: "#00aa55", Strength: "0.5"},
		{Kind: recipe.StepTint, Color: "#ff0000", Strength: "0.3"}}
	jobs["three steps"] = &three
	return jobs
}

type likeness struct{ psnr, mean, most float64 }

func compare(a, b *image.NRGBA) likeness {
	var l likeness
	var squares float64
	for i := range a.Pix {
		d := math.Abs(float64(a.Pix[i]) - float64(b.Pix[i]))
		l.most = max(l.most, d)
		l.mean += d
		squares += d * d
	}
	n := float64(len(a.Pix) / 4 * 3) // alpha is the same everywhere
	l.mean /= n
	l.psnr = 10 * math.Log10(255*255/max(squares/n, 1e-9))
	return l
}

// gradientHash is a perceptual hash: for 8 × 8 places, whether it gets lighter to the right.
// Places where that is a matter of rounding are in unsure.
func gradientHash(m *image.NRGBA) (hash, unsure uint64) {
	var cell [8][9]float64
	w, h := m.Bounds().Dx(), m.Bounds().Dy()
	for r := range 8 {
		for c := range 9 {
			x0, x1, y0, y1 := c*w/9, max(c*w/9+1, (c+1)*w/9), r*h/8, max(r*h/8+1, (r+1)*h/8)
			for y := y0; y < y1; y++ {
				for x := x0; x < x1; x++ {
					cell[r][c] += luma(rgb(m, x, y)) / float64((x1-x0)*(y1-y0))
				}
			}
		}
	}
	for r := range 8 {
		for c := range 8 {
			bit := uint64(1) << (8*r + c)
			if d := cell[r][c+1] - cell[r][c]; math.Abs(d) < 1 {
				unsure |= bit
			} else if d > 0 {
				hash |= bit
			}
		}
	}
	return hash, unsure
}

// TestEnginesAgree holds the fused engine to libvips: the same sizes, and pictures as near as
// two encodings of one are. JPEGs of quality 93 are the source, as the steps of what is
// quantized twice would else meet, and a rounding decide.
func TestEnginesAgree(t *testing.T) {
	both, only := engines(t, imaging.Limits{})
	sources := testimages.JPEGKinds()
	sources["hubble.jpg"], sources["coffee.png"] = testimages.Photos()[1].Bytes, testimages.Photos()[2].Bytes
	for _, d := range [][2]int{{1, 1}, {2, 1}, {1, 3}, {17, 33}, {16, 16}, {33, 15}, {5, 700}, {1701, 499}, {1601, 1200}} {
		// A part of a larger picture: one small by itself has all hues within some pixels.
		part := testimages.Picture(3*d[0]+200, 3*d[1]+200).SubImage(image.Rect(0, 0, d[0], d[1]).Add(image.Pt(100, d[1]+99)))
		sources[fmt.Sprintf("%d × %d", d[0], d[1])] = testimages.EncodeJPEG(part, 93)
	}
	for o := 2; o <= 8; o++ {
		sources[fmt.Sprintf("orientation %d", o)] = testimages.WithOrientation(testimages.EncodeJPEG(testimages.Picture(433, 701), 93), o)
	}
	for name, src := range sources {
		for colors, job := range colorSteps(t) {
			for _, quality := range []int{80, 92} {
				if len(src) > 30_000 && (colors != "tint" && colors != "none" || quality != 80) {
					continue // the large ones take their time
				}
				if quality == 92 && colors != "tint 0.4" && colors != "sepia" {
					continue
				}
				job := asJPEG(job, quality)
				a, err := both.Process(context.Background(), imaging.Request{Source: src, Job: job})
				if err != nil {
					t.Fatal(name, colors, err)
				}
				b, err := only.Process(context.Background(), imaging.Request{Source: src, Job: job})
				if err != nil {
					t.Fatal(name, colors, err)
				}
				for i, o := range a.Outputs {
					if i > 0 && o.Width == a.Outputs[i-1].Width {
						continue // it is the same file
					}
					same(t, fmt.Sprintf("%s, %s, quality %d, %s", name, colors, quality, o.Name), o, b.Outputs[i])
				}
			}
		}
	}
}

func same(t *testing.T, what string, a, b imaging.Encoded) {
	t.Helper()
	m, n := decode(t, a.Bytes), decode(t, b.Bytes)
	if m.Rect != n.Rect || m.Rect.Dx() != a.Width || m.Rect.Dy() != a.Height || a.Width != b.Width || a.Height != b.Height {
		t.Errorf("%s: %v, libvips %v, said to be %d × %d", what, m.Rect, n.Rect, a.Width, a.Height)
		return
	}
	l := compare(m, n)
	if l.psnr < 35 && l.mean > 2.5 || l.most > 64 {
		t.Errorf("%s: %.1f dB, mean distance %.2f, largest %.0f", what, l.psnr, l.mean, l.most)
	}
	if a.Quality != b.Quality || a.OverTarget || a.DominantColor == "" {
		t.Errorf("%s: quality %d, libvips %d; colour %q", what, a.Quality, b.Quality, a.DominantColor)
	}
	h1, u1 := gradientHash(m)
	h2, u2 := gradientHash(n)
	if d := bits.OnesCount64((h1 ^ h2) &^ (u1 | u2)); d > 0 {
		t.Errorf("%s: perceptual hashes differ in %d places", what, d)
	}
	if r := float64(len(a.Bytes)) / float64(len(b.Bytes)); r < 0.9 || r > 1.1 {
		t.Errorf("%s: %d bytes, libvips %d", what, len(a.Bytes), len(b.Bytes))
	}
}

// TestEnginesAgreeExactly takes the encoder's loss away as far as that can be had: chroma in
// full from end to end, quality 100. What is left is rounding.
func TestEnginesAgreeExactly(t *testing.T) {
	both, only := engines(t, imaging.Limits{})
	// Soft colours: what RGB cannot show, and libvips has to cut off, is another test's.
	soft := testimages.Picture(320, 200)
	for i := range soft.Pix {
		if i%4 != 3 {
			soft.Pix[i] = 64 + soft.Pix[i]/2
		}
	}
	src := process(t, testimages.EncodePNG(soft), asJPEG(one(recipe.Output{}), 100)).Outputs[0].Bytes
	for colors, job := range colorSteps(t) {
		job := asJPEG(one(recipe.Output{}, job.Steps...), 100)
		var m [2]*image.NRGBA
		for i, e := range []*imaging.Engine{both, only} {
			p, err := e.Process(context.Background(), imaging.Request{Source: src, Job: job})
			if err != nil {
				t.Fatal(err)
			}
			m[i] = decode(t, p.Outputs[0].Bytes)
		}
		if l := compare(m[0], m[1]); l.psnr < 46 || l.mean > 0.5 || l.most > 7 {
			t.Errorf("%s: %.1f dB, mean distance %.2f, largest %.0f", colors, l.psnr, l.mean, l.most)
		}
	}
}

// TestEnginesJudgeAlike: whatever is done to a JPEG, both engines take it or refuse it with
// the same code.
func TestEnginesJudgeAlike(t *testing.T) {
	both, only := engines(t, imaging.Limits{Pixels: 4_000_000})
	r := rand.New(rand.NewPCG(11, 12))
	jobs := []*recipe.Job{asJPEG(resolve(t, "tint", nil), 80), asJPEG(resolve(t, "tint", map[string]string{"strength": "0.5"}), 80),
		asJPEG(resolve(t, "thumbnail", nil), 80), asJPEG(resolve(t, "sepia", nil), 92)}
	kinds := testimages.JPEGKinds()
	kinds["turned"] = testimages.Oriented(64, 48, 6)
	kinds["profile"] = testimages.WithProfile(testimages.JPEG(64, 48), testimages.SRGB.Profile())
	ends := make(map[string]int)
	for range 25 {
		for name, src := range kinds {
			b := mutate(r, src)
			job := jobs[r.IntN(len(jobs))]
			a, v := outcome(t, both, b, job), outcome(t, only, b, job)
			ends[v]++
			if a != v {
				t.Errorf("%s of %d bytes: %s, libvips %s", name, len(b), a, v)
			}
		}
	}
	if ends["ok"] < 20 || ends[fault.CodeCorrupt] < 100 {
		t.Errorf("the files do not test much: %v", ends)
	}
}

func FuzzEngines(f *testing.F) {
	for _, b := range testimages.JPEGKinds() {
		f.Add(b)
		f.Add(b[:len(b)*2/3])
	}
	f.Add(testimages.Oriented(31, 17, 6))
	both, only := engines(f, imaging.Limits{Pixels: 1_000_000, Bytes: 1_000_000})
	job := asJPEG(resolve(f, "tint", map[string]string{"strength": "0.5"}), 80)
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, v := outcome(t, both, b, job), outcome(t, only, b, job); a != v {
			t.Errorf("%s, libvips %s", a, v)
		}
	})
}
