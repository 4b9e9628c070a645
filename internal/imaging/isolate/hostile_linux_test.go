package isolate

import (
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/imaging"
	"github.com/tintype/tintype/internal/imaging/sniff"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/testimages"
)

// TestHostileFiles has TINTYPE_HOSTILE_FILES damaged files processed, 400 where it is not
// set, of every format: each is done or fails for good with a code of its own. None but a
// document, whose libraries do such things, crashes its child or takes all of its time or
// memory.
func TestHostileFiles(t *testing.T) {
	total := 400
	if s := os.Getenv("TINTYPE_HOSTILE_FILES"); s != "" {
		var err error
		if total, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	p := newPool(t, Options{Workers: 2, Documents: []string{"svg", "pdf"}, Logger: slog.New(slog.DiscardHandler)})
	seeds := formatsOf(t, p)
	tint, err := recipe.Builtin().Resolve("", nil)
	if err != nil {
		t.Fatal(err)
	}
	files := make(chan []byte)
	go func() {
		defer close(files)
		for range total {
			files <- damage(random, seeds[random.IntN(len(seeds))])
		}
	}()
	var mu sync.Mutex
	ends := map[string]int{}
	var slowest time.Duration
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for b := range files {
				began := time.Now()
				_, err := p.Process(t.Context(), imaging.Request{Source: b, Job: tint})
				code := "done"
				if f := fault.As(err); f != nil {
					code = f.Code
				} else if err != nil {
					t.Errorf("an error without a code: %v", err)
				}
				mu.Lock()
				ends[code]++
				slowest = max(slowest, time.Since(began))
				mu.Unlock()
				format, _, _, _ := sniff.Probe(b)
				document := format == sniff.PDF || format == sniff.SVG
				costly := code == fault.CodeImageCrash || code == fault.CodeImageTimeout || code == fault.CodeImageMemory
				if err != nil && fault.KindOf(err) != fault.Permanent || costly && !document {
					if path := os.Getenv("TINTYPE_HOSTILE_KEEP"); path != "" {
						_ = os.WriteFile(path, b, 0o600) // to look at; the test has failed anyway
					}
					t.Errorf("%v (the file of %d bytes is kept where TINTYPE_HOSTILE_KEEP says)", err, len(b))
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%v; the slowest took %v", ends, slowest.Round(time.Millisecond))
	if ends["done"] == 0 || ends[fault.CodeCorrupt] == 0 {
		t.Errorf("%v: the damage is too little or too much to tell anything", ends)
	}
}

// formatsOf are sound files of every format that is read.
func formatsOf(t *testing.T, p *Pool) [][]byte {
	t.Helper()
	seeds := [][]byte{
		testimages.JPEG(160, 120), testimages.Oriented(120, 90, 6), testimages.WithProfile(testimages.JPEG(90, 60), testimages.AdobeRGB.Profile()),
		testimages.CMYKJPEG([4]uint8{10, 200, 30, 0}), testimages.PNG(160, 120), testimages.AlphaPNG(80, 60), testimages.PalettePNG(90, 70), testimages.PNG16(60, 40),
		testimages.TIFF(90, 60), testimages.GIF(90, 60), testimages.AnimatedGIF(48, 36, 5), []byte(drawing), page(),
	}
	for _, b := range testimages.JPEGKinds() {
		seeds = append(seeds, b)
	}
	for _, f := range []recipe.Format{recipe.WebP, recipe.AVIF, recipe.TIFF, recipe.GIF} {
		for _, src := range [][]byte{testimages.JPEG(160, 120), testimages.AnimatedGIF(48, 36, 5), testimages.AlphaPNG(80, 60)} {
			pic, err := p.Process(t.Context(), imaging.Request{Source: src, Job: &recipe.Job{Outputs: []recipe.Output{{Name: "out", Format: f}}}})
			if err != nil {
				t.Fatal(err)
			}
			seeds = append(seeds, pic.Outputs[0].Bytes)
		}
	}
	return seeds
}

// damage does to a copy of a file what disks, networks and people do.
func damage(r *rand.Rand, src []byte) []byte {
	b := slices.Clone(src)
	for range 1 + r.IntN(3) {
		if len(b) < 8 {
			return b
		}
		at := r.IntN(len(b))
		if r.IntN(2) == 0 {
			at = r.IntN(min(len(b), 400)) // headers are where it hurts
		}
		switch r.IntN(6) {
		case 0: // cut off
			b = b[:at]
		case 1: // bits
			for range 1 + r.IntN(20) {
				b[r.IntN(len(b))] ^= 1 << r.IntN(8)
			}
		case 2: // a number that means much
			if at+4 <= len(b) {
				v := []uint32{0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0x00010000, r.Uint32()}[r.IntN(7)]
				binary.BigEndian.PutUint32(b[at:], v)
			}
		case 3: // a piece twice
			end := min(len(b), at+1+r.IntN(200))
			b = slices.Insert(b, at, b[at:end]...)
		case 4: // a piece missing
			b = slices.Delete(b, at, min(len(b), at+1+r.IntN(200)))
		case 5: // noise
			for i := at; i < min(len(b), at+1+r.IntN(60)); i++ {
				b[i] = byte(r.Uint32())
			}
		}
	}
	return b
}
