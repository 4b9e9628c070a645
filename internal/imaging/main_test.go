package imaging_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/draw"
	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
	_ "golang.org/x/image/tiff"
	_ "golang.org/x/image/webp"

	"github.com/tintype/tintype/internal/imaging"
	"github.com/tintype/tintype/internal/imaging/vips"
	"github.com/tintype/tintype/internal/recipe"
)

// TestMain fails the run when libvips still holds anything at its end: every test
// passes through the same engine, so that one image not closed shows here.
func TestMain(m *testing.M) {
	code := m.Run()
	if s := vips.Settle(10 * time.Second); s != (vips.Stats{}) {
		fmt.Fprintf(os.Stderr, "libvips still holds %d bytes in %d allocations, %d files\n", s.Bytes, s.Allocs, s.Files)
		code = 1
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func newEngine(t testing.TB, l imaging.Limits) *imaging.Engine {
	t.Helper()
	e, err := imaging.New(imaging.Options{Limits: l})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func resolve(t testing.TB, name string, raw map[string]string) *recipe.Job {
	t.Helper()
	job, err := recipe.Builtin().Resolve(name, raw)
	if err != nil {
		t.Fatal(err)
	}
	return job
}

// one is a job with one output and the given steps.
func one(o recipe.Output, steps ...recipe.Step) *recipe.Job {
	o.Name = "out"
	return &recipe.Job{Steps: steps, Outputs: []recipe.Output{o}}
}

func process(t testing.TB, src []byte, job *recipe.Job) *imaging.Picture {
	t.Helper()
	return processBy(t, newEngine(t, imaging.Limits{}), src, job)
}

func processBy(t testing.TB, e *imaging.Engine, src []byte, job *recipe.Job) *imaging.Picture {
	t.Helper()
	p, err := e.Process(context.Background(), imaging.Request{Source: src, Job: job})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range p.Outputs {
		if o.Name == "" || len(o.Bytes) == 0 || o.ContentType == "" || o.Ext == "" || o.ThumbHash == "" {
			t.Errorf("output %q is incomplete: %+v", o.Name, o.ContentType)
		}
	}
	return p
}

// decode decodes with Go's decoders, which share nothing with libvips, into pixels that
// are not weighted by alpha.
func decode(t testing.TB, b []byte) *image.NRGBA {
	t.Helper()
	m, _, err := image.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if n, ok := m.(*image.NRGBA); ok {
		return n
	}
	flat := image.NewRGBA(image.Rect(0, 0, m.Bounds().Dx(), m.Bounds().Dy()))
	draw.Draw(flat, flat.Rect, m, m.Bounds().Min, draw.Src)
	if !flat.Opaque() {
		n := image.NewNRGBA(flat.Rect)
		draw.Draw(n, n.Rect, m, m.Bounds().Min, draw.Src)
		return n
	}
	return &image.NRGBA{Pix: flat.Pix, Stride: flat.Stride, Rect: flat.Rect} // the same, where all is opaque
}

// rgb gives the channels of a pixel, zeros where it is transparent.
func rgb(m *image.NRGBA, x, y int) [3]float64 {
	p := m.Pix[y*m.Stride+4*x:]
	if p[3] == 0 {
		return [3]float64{}
	}
	return [3]float64{float64(p[0]), float64(p[1]), float64(p[2])}
}

// difference is the mean and the largest distance of two pictures' channels.
func difference(t testing.TB, a, b *image.NRGBA) (mean, most float64) {
	t.Helper()
	w, h := a.Bounds().Dx(), a.Bounds().Dy()
	if w != b.Bounds().Dx() || h != b.Bounds().Dy() {
		t.Fatalf("sizes differ: %v and %v", a.Bounds(), b.Bounds())
	}
	for y := range h {
		for x := range w {
			p, q := rgb(a, x, y), rgb(b, x, y)
			for c := range p {
				d := max(p[c]-q[c], q[c]-p[c])
				mean += d
				most = max(most, d)
			}
		}
	}
	return mean / float64(3*w*h), most
}
