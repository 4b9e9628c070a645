package fused_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"math"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tintype/tintype/internal/imaging/fused"
	"github.com/tintype/tintype/internal/imaging/tone"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/testimages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func program(t testing.TB, steps ...recipe.Step) *tone.Program {
	t.Helper()
	p, err := tone.Compile(steps)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func tint(s recipe.Value) recipe.Step {
	return recipe.Step{Kind: recipe.StepTint, Color: "#ff8800", Strength: s}
}

// whole is a job for one output of a picture's own size.
func whole(w, h, quality int, colors *tone.Program) fused.Options {
	return fused.Options{Outputs: []fused.Output{{Width: w, Height: h, Quality: quality}}, Colors: colors, RasterSide: 100}
}

func size(t testing.TB, b []byte) (w, h int) {
	t.Helper()
	c, err := jpeg.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return c.Width, c.Height
}

// TestGround: which kinds are worked on here, and which are left to others.
func TestGround(t *testing.T) {
	all := testimages.JPEGKinds()
	all["cmyk"] = testimages.CMYKJPEG([4]uint8{1, 2, 3, 4})
	for name, src := range all {
		foreign := map[string]bool{"411": true, "odd": true, "rgb": true, "arithmetic": true, "cmyk": true}[name]
		w, h := 157, 101
		for _, step := range []recipe.Step{tint("1"), tint("0.5"), tint("0"), {Kind: recipe.StepSepia, Strength: "1"}} {
			for _, quality := range []int{80, 95} {
				r, err := fused.JPEG(context.Background(), src, whole(w, h, quality, program(t, step)))
				if errors.Is(err, fused.ErrForeign) != foreign || !foreign && err != nil {
					t.Fatalf("%s, %s %s: %v", name, step.Kind, step.Strength, err)
				}
				if foreign {
					continue
				}
				if gw, gh := size(t, r.Files[0]); gw != w || gh != h || r.Raster.Width != 100 || r.Raster.Height != 64 {
					t.Errorf("%s: %d × %d, raster %d × %d", name, gw, gh, r.Raster.Width, r.Raster.Height)
				}
			}
		}
	}
}

// TestTurned: all orientations, of sizes even and odd, look alike; with chroma kept and
// without, sampled in every way.
func TestTurned(t *testing.T) {
	for _, dims := range [][2]int{{96, 64}, {97, 63}, {1, 1}, {1, 37}, {33, 2}} {
		w, h := dims[0], dims[1]
		for _, s := range []recipe.Value{"0", "1"} {
			var upright image.Image
			for o := 1; o <= 8; o++ {
				opts := whole(w, h, 89, program(t, tint(s)))
				opts.Orientation = o
				r, err := fused.JPEG(context.Background(), testimages.Oriented(w, h, o), opts)
				if err != nil {
					t.Fatal(dims, o, err)
				}
				m, err := jpeg.Decode(bytes.NewReader(r.Files[0]))
				if err != nil {
					t.Fatal(err)
				}
				if o == 1 {
					upright = m
				} else if d := meanDistance(upright, m); d > 2.5 && min(w, h) > 8 || d > 5 {
					t.Errorf("%v, strength %s, orientation %d: mean distance %.2f", dims, s, o, d)
				}
			}
		}
	}
	// Turned by half twice, a picture is as it was after two passes without a turn, but for
	// where the blocks of the encoder lie. One pixel aside would be a distance of 15 and more.
	for _, name := range []string{"444", "422", "440", "420", "gray"} {
		var end [2]image.Image
		for i, o := range []int{1, 3} {
			opts := whole(157, 101, 89, nil)
			opts.Orientation = o
			b := testimages.JPEGKinds()[name]
			for range 2 {
				r, err := fused.JPEG(context.Background(), b, opts)
				if err != nil {
					t.Fatal(name, err)
				}
				b = r.Files[0]
			}
			var err error
			if end[i], err = jpeg.Decode(bytes.NewReader(b)); err != nil {
				t.Fatal(name, err)
			}
		}
		if d := meanDistance(end[0], end[1]); d > 6 {
			t.Errorf("%s: mean distance %.2f after two turns", name, d)
		}
	}
}

func meanDistance(a, b image.Image) float64 {
	if a.Bounds() != b.Bounds() {
		return math.Inf(1)
	}
	var sum float64
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			r, g, bl, _ := a.At(x, y).RGBA()
			r2, g2, b2, _ := b.At(x, y).RGBA()
			sum += math.Abs(float64(r)-float64(r2)) + math.Abs(float64(g)-float64(g2)) + math.Abs(float64(bl)-float64(b2))
		}
	}
	return sum / 257 / float64(3*a.Bounds().Dx()*a.Bounds().Dy())
}

// TestParallelIsTheSame: two threads make the same bytes as one.
func TestParallelIsTheSame(t *testing.T) {
	for name, src := range map[string][]byte{"photo": testimages.Photos()[1].Bytes, "small": testimages.JPEG(9, 700)} {
		w, h := size(t, src)
		for _, step := range []recipe.Step{tint("1"), tint("0.3"), {Kind: recipe.StepSepia, Strength: "1"}} {
			opts := whole(w, h, 80, program(t, step))
			opts.Outputs = append(opts.Outputs, fused.Output{Width: (w + 1) / 2, Height: (h + 1) / 2, Quality: 80, Optimize: true}, fused.Output{Width: 1, Height: max(1, h/w), Quality: 70})
			one, err := fused.JPEG(context.Background(), src, opts)
			if err != nil {
				t.Fatal(name, err)
			}
			opts.Parallel = true
			two, err := fused.JPEG(context.Background(), src, opts)
			if err != nil {
				t.Fatal(name, err)
			}
			for i := range one.Files {
				if !bytes.Equal(one.Files[i], two.Files[i]) {
					t.Errorf("%s, %s: output %d differs", name, step.Kind, i)
				}
			}
		}
	}
}

// TestFlawed: a file cut anywhere is refused, on one thread and on two, turned or not.
func TestFlawed(t *testing.T) {
	for name, src := range testimages.JPEGKinds() {
		for cut := 0; cut < len(src)-1; cut += 1 + len(src)/60 {
			for i := range 4 {
				opts := whole(157, 101, 80, program(t, tint("0.5")))
				opts.Parallel = i == 1
				if i >= 2 {
					opts.Orientation = i
				}
				if r, err := fused.JPEG(context.Background(), src[:cut], opts); r != nil || !errors.Is(err, fused.ErrFlawed) && !errors.Is(err, fused.ErrForeign) {
					t.Fatalf("%s cut at %d of %d: %v", name, cut, len(src), err)
				}
			}
		}
	}
}

// manyScans is a progressive JPEG with its last scan again and again.
func manyScans(src []byte, times int) []byte {
	at := bytes.LastIndex(src, []byte{0xff, 0xda})
	end := len(src) - 2
	out := bytes.Clone(src[:end])
	for range times {
		out = append(out, src[at:end]...)
	}
	return append(out, src[end:]...)
}

func TestScansAreBounded(t *testing.T) {
	_, err := fused.JPEG(context.Background(), manyScans(testimages.JPEGKinds()["progressive"], 200), whole(157, 101, 80, nil))
	if !errors.Is(err, fused.ErrFlawed) {
		t.Errorf("over 200 scans: %v", err)
	}
}

// TestStops: a file that would take long ends soon after the context, wherever it is.
func TestStops(t *testing.T) {
	lost := errors.New("lease lost")
	big := bytes.Clone(testimages.JPEGKinds()["progressive"])
	i := bytes.Index(big, []byte{0xff, 0xc2})
	binary.BigEndian.PutUint16(big[i+5:], 9000) // the header claims far more rows and columns than there are
	binary.BigEndian.PutUint16(big[i+7:], 9000)
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(lost)
	for name, src := range map[string][]byte{"sound": testimages.Photo(), "claims much": big} {
		w, h := size(t, src)
		if _, err := fused.JPEG(ctx, src, whole(w, h, 80, nil)); !errors.Is(err, lost) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Cancelled at work: which of the two is first is the scheduler's choice, so it may take
	// more than one try.
	big = testimages.JPEG(2000, 1500)
	for _, parallel := range []bool{false, true} {
		opts := whole(2000, 1500, 80, nil)
		opts.Parallel = parallel
		var err error
		for range 200 {
			ctx, cancel := context.WithCancelCause(context.Background())
			time.AfterFunc(time.Millisecond, func() { cancel(lost) })
			if _, err = fused.JPEG(ctx, big, opts); err != nil {
				break
			}
		}
		if !errors.Is(err, lost) {
			t.Errorf("parallel %v, cancelled at work: %v", parallel, err)
		}
	}
}

// TestMisuse: what makes no sense ends in an error, not in C.
func TestMisuse(t *testing.T) {
	src := testimages.JPEG(64, 48)
	for i, outs := range [][]fused.Output{
		nil, {{Width: 0, Height: 48, Quality: 80}}, {{Width: 64, Height: 48, Quality: 101}}, {{Width: 64, Height: 48}},
		{{Width: 65, Height: 48, Quality: 80}}, {{Width: 32, Height: 24, Quality: 80}, {Width: 33, Height: 24, Quality: 80}},
		{{Width: 1 << 30, Height: 1, Quality: 80}},
	} {
		if _, err := fused.JPEG(context.Background(), src, fused.Options{Outputs: outs, RasterSide: 100}); err == nil {
			t.Errorf("JPEG, case %d is accepted", i)
		}
		if _, err := fused.RGB(context.Background(), 64, 48, make([]byte, 64*48*3), fused.Options{Outputs: outs, RasterSide: 100}); err == nil {
			t.Errorf("RGB, case %d is accepted", i)
		}
	}
	if _, err := fused.RGB(context.Background(), 64, 48, make([]byte, 64*48*4), whole(64, 48, 80, nil)); err == nil {
		t.Error("RGBA is accepted")
	}
	if _, err := fused.JPEG(context.Background(), nil, whole(64, 48, 80, nil)); err == nil {
		t.Error("no bytes are accepted")
	}
}

// TestMemoryIsGivenBack: a thousand images, sound and flawed, leave no more behind than ten.
func TestMemoryIsGivenBack(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a while")
	}
	kinds := testimages.JPEGKinds()
	opts := whole(157, 101, 80, program(t, tint("0.5")))
	opts.Outputs = append(opts.Outputs, fused.Output{Width: 50, Height: 32, Quality: 80, Optimize: true})
	run := func(n int) {
		for i := range n {
			for _, src := range kinds {
				opts.Orientation, opts.Parallel = 1+i%8/6*2, i%2 == 0
				if i%3 == 0 {
					src = src[:len(src)*(i%7+1)/8]
				}
				_, _ = fused.JPEG(context.Background(), src, opts)
			}
		}
	}
	run(20)
	before := resident(t)
	run(100)
	if after := resident(t); after > before+8<<20 {
		t.Errorf("%d MB became %d MB", before>>20, after>>20)
	}
}

func resident(t *testing.T) int {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("there is no /proc here")
	}
	var total, pages int
	if _, err := fmt.Sscan(string(b), &total, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// FuzzJPEG: no bytes make it crash, and what it makes can be read.
func FuzzJPEG(f *testing.F) {
	for _, src := range testimages.JPEGKinds() {
		f.Add(src, byte(1), byte(50))
		f.Add(src[:len(src)/2], byte(6), byte(200))
	}
	f.Add(testimages.JPEG(1, 1), byte(3), byte(0))
	f.Fuzz(func(t *testing.T, src []byte, orientation, how byte) {
		c, err := jpeg.DecodeConfig(bytes.NewReader(src))
		w, h := 157, 101
		if err == nil {
			w, h = c.Width, c.Height
		}
		if w < 1 || h < 1 || w*h > 1_000_000 {
			return
		}
		o := int(orientation)%8 + 1
		shown := [2]int{w, h}
		if o >= 5 {
			shown = [2]int{h, w}
		}
		part := 1 + int(how)%7
		opts := fused.Options{RasterSide: 100, Orientation: o, Parallel: how&64 != 0, Colors: program(t, tint([]recipe.Value{"0", "0.5", "1"}[int(how)%3])),
			Outputs: []fused.Output{{Width: shown[0], Height: shown[1], Quality: 80 + int(how)%20}, {Width: max(1, shown[0]/part), Height: max(1, shown[1]/part), Quality: 80, Optimize: true}}}
		r, err := fused.JPEG(context.Background(), src, opts)
		if err != nil {
			if !errors.Is(err, fused.ErrFlawed) && !errors.Is(err, fused.ErrForeign) {
				t.Fatal(err)
			}
			return
		}
		for i, b := range r.Files {
			if gw, gh := size(t, b); gw != opts.Outputs[i].Width || gh != opts.Outputs[i].Height {
				t.Fatalf("output %d is %d × %d", i, gw, gh)
			}
		}
	})
}
