package imaging_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/imaging"
	"github.com/tintype/tintype/internal/imaging/vips"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/testimages"
)

func TestBadFiles(t *testing.T) {
	e := newEngine(t, imaging.Limits{})
	for _, f := range testimages.Bad() {
		_, err := e.Process(context.Background(), imaging.Request{Source: f.Bytes, Job: resolve(t, "", nil)})
		got := fault.As(err)
		if got == nil || got.Code != f.Code || got.Kind != fault.Permanent || !strings.HasSuffix(got.Message, ".") {
			t.Errorf("%s: %v, want code %s", f.Name, err, f.Code)
		}
	}
}

func TestLimits(t *testing.T) {
	for _, tc := range []struct {
		limits imaging.Limits
		src    []byte
		code   string
		words  string
	}{
		{imaging.Limits{Bytes: 1000}, testimages.Photo(), fault.CodeTooLarge, "The file has 112525 bytes; at most 1000 bytes are accepted."},
		{imaging.Limits{Bytes: 2_000_000}, make([]byte, 3_500_000), fault.CodeTooLarge, "The file has 3.5 MB; at most 2 MB are accepted."},
		{imaging.Limits{Pixels: 2999}, testimages.PNG(60, 50), fault.CodeTooManyPixels, "The image is 60 × 50 pixels; at most 2999 pixels are accepted."},
		{imaging.Limits{}, testimages.HugePNG(), fault.CodeTooManyPixels, "The image is 20001 × 20001 pixels; at most 100 million pixels are accepted."},
		{imaging.Limits{Side: 59}, testimages.TIFF(60, 50), fault.CodeSideTooLong, "The image is 60 × 50 pixels; at most 59 on a side are accepted."},
		{imaging.Limits{Frames: 3}, testimages.AnimatedGIF(8, 8, 4), fault.CodeTooManyFrames, "The animation has 4 frames; at most 3 are accepted."},
		{imaging.Limits{Pixels: 10_000}, testimages.AnimatedGIF(60, 50, 4), fault.CodeTooManyPixels,
			"The animation is 4 frames of 60 × 50 pixels; at most 10000 pixels in all are accepted."},
	} {
		_, err := newEngine(t, tc.limits).Process(context.Background(), imaging.Request{Source: tc.src, Job: resolve(t, "", nil)})
		if f := fault.As(err); f == nil || f.Code != tc.code || f.Message != tc.words {
			t.Errorf("%+v: %v\nwant %s: %s", tc.limits, err, tc.code, tc.words)
		}
	}
	for _, ok := range []struct {
		limits imaging.Limits
		src    []byte
	}{
		{imaging.Limits{Bytes: 112525}, testimages.Photo()},
		{imaging.Limits{Pixels: 3000, Side: 60}, testimages.PNG(60, 50)},
		{imaging.Limits{Frames: 4, Pixels: 12_000}, testimages.AnimatedGIF(60, 50, 4)},
	} {
		if _, err := newEngine(t, ok.limits).Process(context.Background(), imaging.Request{Source: ok.src, Job: resolve(t, "", nil)}); err != nil {
			t.Errorf("%+v: %v", ok.limits, err)
		}
	}
	if _, err := imaging.New(imaging.Options{Limits: imaging.Limits{Side: -1}}); err == nil {
		t.Error("a negative limit is accepted")
	}
}

// formats is one small sound file of each kind.
func formats(t testing.TB) map[string][]byte {
	t.Helper()
	as := func(f recipe.Format, src []byte) []byte {
		return process(t, src, one(recipe.Output{Format: f})).Outputs[0].Bytes
	}
	picture := testimages.JPEG(96, 64)
	return map[string][]byte{
		"jpeg": picture, "exif": testimages.Oriented(64, 48, 6), "cmyk": testimages.CMYKJPEG([4]uint8{10, 200, 30, 0}, [4]uint8{200, 0, 9, 50}),
		"icc": testimages.WithProfile(picture, testimages.AdobeRGB.Profile()),
		"png": testimages.PNG(96, 64), "alpha": testimages.AlphaPNG(64, 48), "palette": testimages.PalettePNG(64, 48),
		"gif": testimages.GIF(64, 48), "animation": testimages.AnimatedGIF(32, 24, 4),
		"tiff": testimages.TIFF(64, 48), "webp": as(recipe.WebP, picture), "webp alpha": as(recipe.WebP, testimages.AlphaPNG(64, 48)),
		"avif": as(recipe.AVIF, picture), "webp animation": animatedWebP(t),
	}
}

// animatedWebP is four frames of testimages.AnimatedGIF as WebP.
func animatedWebP(t testing.TB) []byte {
	t.Helper()
	newEngine(t, imaging.Limits{})
	f, err := vips.Open(testimages.AnimatedGIF(32, 24, 4), vips.LoadOptions{Format: "gif", All: true})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := f.Decode(context.Background(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	b, err := m.Encode(vips.EncodeOptions{Format: "webp", Quality: 80, Delays: []int{100, 100, 100, 100}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestTruncated: whatever the format, a file cut in its pixels is refused.
func TestTruncated(t *testing.T) {
	e := newEngine(t, imaging.Limits{})
	for name, b := range formats(t) {
		for _, part := range []int{40, 70, 85} {
			_, err := e.Process(context.Background(), imaging.Request{Source: b[:len(b)*part/100], Job: one(recipe.Output{Format: recipe.Same})})
			if f := fault.As(err); f == nil || f.Code != fault.CodeCorrupt || f.Kind != fault.Permanent {
				t.Errorf("%s cut to %d %%: %v, want %s", name, part, err, fault.CodeCorrupt)
			}
		}
	}
}

// TestHarmlessFlaws: what does not touch the pixels is no reason to refuse.
func TestHarmlessFlaws(t *testing.T) {
	for name, b := range formats(t) {
		process(t, append(bytes.Clone(b), "junk behind the end \xff\xd8\x00"...), one(recipe.Output{Format: recipe.PNG}))
		process(t, append(bytes.Clone(b), make([]byte, 4096)...), one(recipe.Output{Format: recipe.PNG}))
		if strings.HasPrefix(name, "jpeg") {
			process(t, b[:len(b)-2], one(recipe.Output{Format: recipe.PNG})) // no end marker
		}
	}
	// Junk between segments: libjpeg warns of "extraneous bytes", and skips them.
	photo := testimages.Photo()
	i := bytes.Index(photo, []byte{0xff, 0xdb})
	flawed := append(bytes.Clone(photo[:i]), "\x00\x01\x02junk"...)
	flawed = append(flawed, photo[i:]...)
	got := process(t, flawed, one(recipe.Output{Format: recipe.PNG}))
	want := process(t, photo, one(recipe.Output{Format: recipe.PNG}))
	if !bytes.Equal(got.Outputs[0].Bytes, want.Outputs[0].Bytes) {
		t.Error("junk between segments changes the picture")
	}
	// A profile that is none is passed over.
	process(t, testimages.WithProfile(testimages.JPEG(32, 32), []byte("no profile at all")), one(recipe.Output{Format: recipe.PNG}))
	process(t, testimages.WithProfile(testimages.JPEG(32, 32), testimages.AdobeRGB.Profile()[:200]), one(recipe.Output{Format: recipe.PNG}))
}

// mutate damages a file in one of the ways in which files are damaged.
func mutate(r *rand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	switch r.IntN(5) {
	case 0:
		return b[:r.IntN(len(b))]
	case 1:
		for range 1 + r.IntN(16) {
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		}
	case 2: // in the header, where lengths and sizes stand
		for range 1 + r.IntN(4) {
			b[r.IntN(min(len(b), 64))] = byte(r.IntN(256))
		}
	case 3:
		from := r.IntN(len(b))
		clear(b[from:min(len(b), from+r.IntN(200))])
	default:
		from, to := r.IntN(len(b)), r.IntN(len(b))
		b = append(b[:max(from, to)], b[min(from, to):]...) // a part twice
	}
	return b
}

// TestMutated: 400 damaged files end in a result or in a fault of the file, never in
// a crash, another error, or an output that cannot be read.
func TestMutated(t *testing.T) {
	e := newEngine(t, imaging.Limits{Pixels: 4_000_000})
	r := rand.New(rand.NewPCG(7, 7))
	job := resolve(t, "tint", map[string]string{"strength": "0.7"})
	seeds := formats(t)
	ends := make(map[string]int)
	for i := range 400 {
		names := []string{"jpeg", "exif", "cmyk", "icc", "png", "alpha", "palette", "gif", "animation", "tiff", "webp", "webp alpha", "avif", "webp animation"}
		name := names[i%len(names)]
		b := mutate(r, seeds[name])
		ends[outcome(t, e, b, job)]++
	}
	if ends["ok"] < 20 || ends[fault.CodeCorrupt] < 100 {
		t.Errorf("the files do not test much: %v", ends)
	}
}

func outcome(t testing.TB, e *imaging.Engine, b []byte, job *recipe.Job) string {
	t.Helper()
	p, err := e.Process(context.Background(), imaging.Request{Source: b, Job: job})
	if err != nil {
		f := fault.As(err)
		if f == nil || f.Kind != fault.Permanent || f.Message == "" {
			t.Errorf("a damaged file of %d bytes (%.16q…) ends in %v", len(b), b, err)
			return "bad"
		}
		return f.Code
	}
	for _, o := range p.Outputs {
		if len(o.Bytes) == 0 || o.Width < 1 || o.Height < 1 {
			t.Errorf("output %s is %d bytes, %d × %d", o.Name, len(o.Bytes), o.Width, o.Height)
		}
	}
	return "ok"
}

func FuzzProcess(f *testing.F) {
	for _, b := range formats(f) {
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	for _, b := range testimages.Bad() {
		if len(b.Bytes) < 4096 {
			f.Add(b.Bytes)
		}
	}
	e := newEngine(f, imaging.Limits{Pixels: 1_000_000, Bytes: 1_000_000, Frames: 20})
	job := resolve(f, "", nil)
	f.Fuzz(func(t *testing.T, b []byte) { outcome(t, e, b, job) })
}

func TestConcurrent(t *testing.T) {
	e := newEngine(t, imaging.Limits{})
	job := resolve(t, "", nil)
	good, bad := formats(t), testimages.Truncated()
	want := make(map[string]*imaging.Picture)
	for name, b := range good {
		want[name] = process(t, b, job)
	}
	var wg sync.WaitGroup
	errs := make(chan error, 8*2*len(good))
	for range 8 {
		wg.Go(func() {
			for name, b := range good {
				p, err := e.Process(context.Background(), imaging.Request{Source: b, Job: job})
				if err != nil {
					errs <- fmt.Errorf("%s: %w", name, err)
				} else if !bytes.Equal(p.Outputs[0].Bytes, want[name].Outputs[0].Bytes) {
					errs <- fmt.Errorf("%s: other bytes than alone", name)
				}
				if _, err := e.Process(context.Background(), imaging.Request{Source: bad, Job: job}); fault.CodeOf(err) != fault.CodeCorrupt {
					errs <- fmt.Errorf("truncated: %w", err)
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
}

func TestContext(t *testing.T) {
	e := newEngine(t, imaging.Limits{})
	lost := errors.New("lease lost")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(lost)
	_, err := e.Process(ctx, imaging.Request{Source: testimages.Photo(), Job: resolve(t, "", nil)})
	if !errors.Is(err, lost) || fault.KindOf(err) != fault.Retry {
		t.Errorf("cancelled before: %v", err)
	}
	// Cancelled while at work: 90 million pixels take longer than a goroutine to start.
	ctx, cancel = context.WithCancelCause(context.Background())
	go cancel(lost)
	if _, err := e.Process(ctx, imaging.Request{Source: testimages.BlackPNG(9000, 10_000), Job: resolve(t, "", nil)}); !errors.Is(err, lost) {
		t.Errorf("cancelled at work: %v", err)
	}
}

func TestClosed(t *testing.T) {
	e := newEngine(t, imaging.Limits{})
	e.Close()
	if _, err := e.Process(context.Background(), imaging.Request{Source: testimages.Photo(), Job: resolve(t, "", nil)}); fault.CodeOf(err) != fault.CodeUnavailable {
		t.Errorf("after Close: %v", err)
	}
}

func TestBadJobIsOurs(t *testing.T) {
	e := newEngine(t, imaging.Limits{})
	job := one(recipe.Output{Format: recipe.JPEG}, recipe.Step{Kind: "blur"})
	if _, err := e.Process(context.Background(), imaging.Request{Source: testimages.Photo(), Job: job}); fault.KindOf(err) != fault.Bug {
		t.Errorf("an unknown step: %v", err)
	}
}

func TestVersion(t *testing.T) {
	if v := newEngine(t, imaging.Limits{}).Version(); !strings.HasPrefix(v, "8.") || strings.ContainsAny(v, "- ") {
		t.Errorf("version %q", v)
	}
}
