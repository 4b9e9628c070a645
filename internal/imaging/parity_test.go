package imaging_test

import (
	"context"
	"fmt"
	"image"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

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

// asJPEG makes every output of a job a JPEG.
func asJPEG(job *recipe.Job) *recipe.Job {
	j := *job
	j.Outputs = nil
	for _, o := range job.Outputs {
		o.Format = recipe.JPEG
		j.Outputs = append(j.Outputs, o)
	}
	return &j
}

type likeness struct{ psnr, mean, most float64 }

func compare(a, b *image.NRGBA) likeness {
	var l likeness
	var squares float64
	w, h := a.Bounds().Dx(), a.Bounds().Dy()
	for y := range h {
		for x := range w {
			p, q := rgb(a, x, y), rgb(b, x, y)
			for i := range p {
				d := math.Abs(p[i] - q[i])
				l.most = max(l.most, d)
				l.mean += d
				squares += d * d
			}
		}
	}
	n := float64(3 * w * h)
	l.mean /= n
	l.psnr = 10 * math.Log10(255*255/max(squares/n, 1e-9))
	return l
}

func TestParityReport(t *testing.T) {
	both, only := engines(t, imaging.Limits{})
	files := map[string][]byte{}
	for _, f := range testimages.Photos() {
		files[f.Name] = f.Bytes
	}
	files["generated"] = testimages.JPEG(2000, 1500)
	for o := 1; o <= 8; o++ {
		files[fmt.Sprintf("o%d", o)] = testimages.WithOrientation(testimages.Photos()[1].Bytes, o)
	}
	paths, _ := filepath.Glob("/tmp/fused/img/*.jpg")
	for _, p := range paths {
		files[filepath.Base(p)], _ = os.ReadFile(p)
	}
	for name, src := range files {
		for _, r := range []string{"tint", "tint:0.6", "sepia", "grayscale", "duotone", "plain", "q92"} {
			var job *recipe.Job
			n, s, ok := strings.Cut(r, ":")
			switch {
			case ok:
				job = resolve(t, n, map[string]string{"strength": s})
			case r == "plain" || r == "q92":
				job = resolve(t, "tint", map[string]string{"strength": "0"})
			default:
				job = resolve(t, n, nil)
			}
			job = asJPEG(job)
			if r == "q92" {
				for i := range job.Outputs {
					job.Outputs[i].Quality = 92
				}
			}
			a, err := both.Process(context.Background(), imaging.Request{Source: src, Job: job})
			if err != nil {
				t.Fatal(name, err)
			}
			b, err := only.Process(context.Background(), imaging.Request{Source: src, Job: job})
			if err != nil {
				t.Fatal(name, err)
			}
			line := fmt.Sprintf("%-16s %-9s", name, r)
			for i := range a.Outputs {
				l := compare(decode(t, a.Outputs[i].Bytes), decode(t, b.Outputs[i].Bytes))
				line += fmt.Sprintf(" | %.1f dB mean %.2f max %.0f bytes %.3f", l.psnr, l.mean, l.most, float64(len(a.Outputs[i].Bytes))/float64(len(b.Outputs[i].Bytes)))
			}
			t.Log(line, a.Outputs[0].ThumbHash == b.Outputs[0].ThumbHash)
		}
	}
}
