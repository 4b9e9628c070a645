package layer_test

import (
	"math"
	"testing"

	"github.com/tintype/tintype/internal/imaging/layer"
)

// TestOverFormula compares with the formula of Porter and Duff in floating point.
func TestOverFormula(t *testing.T) {
	for _, opacity := range []float64{0, 0.3, 1} {
		for a := 0; a < 256; a += 15 {
			for b := 0; b < 256; b += 15 {
				dst := layer.Raster{W: 1, H: 1, Bands: 4, Pix: []byte{200, 7, 100, byte(b)}}
				src := layer.Raster{W: 1, H: 1, Bands: 4, Pix: []byte{10, 255, 90, byte(a)}}
				was := append([]byte{}, dst.Pix...)
				layer.Over(dst, src, 0, 0, opacity)
				as, ab := opacity*float64(a)/255, float64(b)/255
				ao := as + ab*(1-as)
				if math.Abs(float64(dst.Pix[3])-255*ao) > 0.51 {
					t.Fatalf("alpha %d over %d at %g: %d, want %.2f", a, b, opacity, dst.Pix[3], 255*ao)
				}
				for i := range 3 {
					want := float64(was[i])
					if ao > 0 {
						want = (float64(src.Pix[i])*as + float64(was[i])*ab*(1-as)) / ao
					}
					if math.Abs(float64(dst.Pix[i])-want) > 0.52 {
						t.Fatalf("alpha %d over %d at %g: channel %d is %d, want %.2f", a, b, opacity, i, dst.Pix[i], want)
					}
				}
			}
		}
	}
}

// TestOverPlaces: 2 × 2 pixels on 4 × 3, at every place where any of it can be seen.
func TestOverPlaces(t *testing.T) {
	for _, bands := range []int{3, 4} {
		for x := -3; x < 6; x++ {
			for y := -3; y < 5; y++ {
				dst := layer.Raster{W: 4, H: 3, Bands: bands, Pix: make([]byte, 12*bands)}
				src := layer.Raster{W: 2, H: 2, Bands: 3, Pix: []byte{1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4}}
				layer.Over(dst, src, x, y, 1)
				for i := range 12 {
					sx, sy := i%4-x, i/4-y
					want := byte(0)
					if sx >= 0 && sx < 2 && sy >= 0 && sy < 2 {
						want = byte(1 + sx + 2*sy)
					}
					if dst.Pix[i*bands] != want {
						t.Fatalf("at %d, %d: pixel %d is %d, want %d", x, y, i, dst.Pix[i*bands], want)
					}
				}
			}
		}
	}
}

func TestFlatten(t *testing.T) {
	pix := []byte{200, 100, 0, 255, 200, 100, 0, 0, 200, 100, 0, 51}
	layer.Flatten(pix, [3]uint8{0, 50, 255})
	want := []byte{200, 100, 0, 255, 0, 50, 255, 255, 40, 60, 204, 255}
	for i := range want {
		if pix[i] != want[i] {
			t.Fatalf("%v, want %v", pix, want)
		}
	}
}

func TestSharpen(t *testing.T) {
	pix := []byte{100, 100, 250, 9, 50, 10, 0, 77}
	layer.Sharpen(pix, []byte{90, 103, 200, 0, 50, 20, 0, 0}, 4, 1.5)
	want := []byte{115, 95, 255, 9, 50, 0, 0, 77} // 100 − 4.5 is rounded away from it
	for i := range want {
		if pix[i] != want[i] {
			t.Fatalf("%v, want %v", pix, want)
		}
	}
}
