//go:build soak

package isolate

import (
	"log/slog"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/tintype/tintype/internal/imaging"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/testimages"
)

// TestSoakMemory takes TINTYPE_SOAK_IMAGES mixed images, 5,000 where it is not set, through
// one child that is never replaced. What it holds at the end must lie within 1.2 times of
// what it held after 200. TINTYPE_SOAK_ENV (name=value, comma-separated) goes into the child's
// environment, to compare allocators.
func TestSoakMemory(t *testing.T) {
	total := 5000
	if s := os.Getenv("TINTYPE_SOAK_IMAGES"); s != "" {
		var err error
		if total, err = strconv.Atoi(s); err != nil || total < 200 {
			t.Fatalf("TINTYPE_SOAK_IMAGES=%q: want a number of at least 200", s)
		}
	}
	if s := os.Getenv("TINTYPE_SOAK_ENV"); s != "" {
		moreEnvironment = strings.Split(s, ",")
	}
	p := newPool(t, Options{Workers: 1, Images: -1, Logger: slog.New(slog.DiscardHandler)})
	s := <-p.slots
	child := s.child
	p.slots <- s
	use := newUsage(child.pid)
	defer use.close()

	var sources [][]byte
	for _, f := range testimages.Photos() {
		sources = append(sources, f.Bytes)
	}
	for _, f := range testimages.Bad() {
		sources = append(sources, f.Bytes)
	}
	sources = append(sources, testimages.PNG(203, 101), testimages.AlphaPNG(400, 400), testimages.PalettePNG(300, 200), testimages.PNG16(200, 100),
		testimages.GrayPNG(500, 300), testimages.TIFF(320, 240), testimages.AnimatedGIF(64, 48, 6), testimages.Oriented(640, 480, 6),
		testimages.JPEG(1600, 1200), testimages.CMYKJPEG([4]uint8{10, 200, 30, 0}), testimages.WithProfile(testimages.JPEG(300, 200), testimages.AdobeRGB.Profile()),
		testimages.JPEG(4000, 3000))
	var jobs []*recipe.Job
	for _, name := range []string{"tint", "tint", "thumbnail", "grayscale", "tint", "duotone"} {
		j, err := recipe.Builtin().Resolve(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, j)
	}
	var after200, most int64
	for i := 1; i <= total; i++ {
		// Two numbers without a common divisor: all pairs come. The large one is rarer.
		src := sources[i%len(sources)]
		if i%len(sources) == len(sources)-1 && i%3 > 0 {
			src = sources[0]
		}
		_, _ = p.Process(t.Context(), imaging.Request{Source: src, Job: jobs[i%len(jobs)]}) // some are bad
		held := use.memory()
		most = max(most, held)
		if i == 200 {
			after200 = held
		}
		if i == 50 || i == 200 || i%500 == 0 {
			t.Logf("after %5d images: %3d MB, most between two images %3d MB", i, held>>20, most>>20)
		}
	}
	if p.next.Load() == 0 || child.gone() {
		t.Fatal("the child was replaced: nothing was measured")
	}
	if end := use.memory(); float64(end) > 1.2*float64(after200) {
		t.Errorf("%d MB after %d images, %d MB after 200", end>>20, total, after200>>20)
	}
}
