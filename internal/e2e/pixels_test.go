package e2e

import (
	"bytes"
	"fmt"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"io"
	"math"
	"testing"

	_ "golang.org/x/image/webp"

	"github.com/tintype/tintype/internal/testimages"
)

func decode(t *testing.T, r io.Reader) image.Image {
	t.Helper()
	m, _, err := image.Decode(r)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func decodeBytes(t *testing.T, b []byte) image.Image {
	t.Helper()
	return decode(t, bytes.NewReader(b))
}

// plainPhoto is a photograph as a JPEG without a colour profile, so that its pixels
// mean what they say.
func plainPhoto(t *testing.T) []byte {
	t.Helper()
	return testimages.EncodeJPEG(decodeBytes(t, testimages.Photos()[2].Bytes), 92)
}

// luma is BT.601's, which JPEG uses and the tint keeps.
func luma(r, g, b float64) float64 { return 0.299*r + 0.587*g + 0.114*b }

// checkTint compares a tinted picture with its original of the same size, pixel by
// pixel, by the formula of the tint at full strength, written here once more so that
// the test does not believe the code it tests.
func checkTint(t *testing.T, got, original image.Image, colour string) {
	t.Helper()
	if got.Bounds().Size() != original.Bounds().Size() {
		t.Fatalf("size %v, original %v", got.Bounds().Size(), original.Bounds().Size())
	}
	var c [3]int
	if _, err := fmt.Sscanf(colour, "#%02x%02x%02x", &c[0], &c[1], &c[2]); err != nil {
		t.Fatal(err)
	}
	tint := [3]float64{float64(c[0]), float64(c[1]), float64(c[2])}
	at := luma(tint[0], tint[1], tint[2])
	var sum, n float64
	size := got.Bounds().Size()
	for y := range size.Y {
		for x := range size.X {
			or, og, ob := rgb(original, x, y)
			l := luma(or, og, ob)
			gr, gg, gb := rgb(got, x, y)
			for i, v := range [3]float64{gr, gg, gb} {
				want := tint[i] * l / at
				if l > at {
					want = tint[i] + (255-tint[i])*(l-at)/(255-at)
				}
				sum += math.Abs(v - want)
				n++
			}
		}
	}
	// Two lossy encodings with subsampled chroma lie between the pictures; another hue
	// would make it tens.
	if mean := sum / n; mean > 6 {
		t.Errorf("the picture is not the original tinted %s: mean difference %.2f of 255 per channel", colour, mean)
	}
}

func rgb(m image.Image, x, y int) (r, g, b float64) {
	p := m.Bounds().Min
	cr, cg, cb, _ := m.At(p.X+x, p.Y+y).RGBA()
	return float64(cr >> 8), float64(cg >> 8), float64(cb >> 8)
}
