package geometry_test

import (
	"testing"

	"github.com/tintype/tintype/internal/imaging/geometry"
	"github.com/tintype/tintype/internal/recipe"
)

type size = geometry.Size

func TestFit(t *testing.T) {
	none := size{}
	for _, tc := range []struct {
		s, box  size
		fit     recipe.Fit
		enlarge bool
		want    geometry.Fitted
	}{
		{size{400, 300}, size{200, 200}, recipe.FitInside, false, geometry.Fitted{Resize: size{200, 150}}},
		{size{400, 300}, size{200, 200}, "", false, geometry.Fitted{Resize: size{200, 150}}},
		{size{400, 300}, size{800, 800}, recipe.FitInside, false, geometry.Fitted{Resize: size{400, 300}}},
		{size{400, 300}, size{800, 800}, recipe.FitInside, true, geometry.Fitted{Resize: size{800, 600}}},
		{size{400, 300}, size{0, 150}, recipe.FitInside, false, geometry.Fitted{Resize: size{200, 150}}},
		{size{400, 300}, none, recipe.FitInside, true, geometry.Fitted{Resize: size{400, 300}}},
		{size{20000, 1}, size{320, 320}, recipe.FitInside, false, geometry.Fitted{Resize: size{320, 1}}},
		{size{40, 20000}, none, recipe.FitInside, false, geometry.Fitted{Resize: size{33, 16383}}},

		{size{400, 300}, size{100, 100}, recipe.FitCover, false, geometry.Fitted{Resize: size{133, 100}, Crop: size{100, 100}}},
		{size{300, 200}, size{400, 400}, recipe.FitCover, false, geometry.Fitted{Resize: size{300, 200}, Crop: size{200, 200}}},
		{size{300, 200}, size{400, 400}, recipe.FitCover, true, geometry.Fitted{Resize: size{600, 400}, Crop: size{400, 400}}},
		{size{1000, 200}, size{400, 400}, recipe.FitCover, false, geometry.Fitted{Resize: size{1000, 200}, Crop: size{200, 200}}},
		{size{400, 300}, size{100, 0}, recipe.FitCover, false, geometry.Fitted{Resize: size{100, 75}}},
		{size{400, 300}, size{20000, 20000}, recipe.FitCover, true, geometry.Fitted{Resize: size{21844, 16383}, Crop: size{16383, 16383}}},

		{size{400, 300}, size{200, 200}, recipe.FitPad, false, geometry.Fitted{Resize: size{200, 150}, Pad: size{200, 200}}},
		{size{40, 30}, size{200, 200}, recipe.FitPad, false, geometry.Fitted{Resize: size{40, 30}, Pad: size{200, 200}}},
		{size{40, 30}, size{200, 200}, recipe.FitPad, true, geometry.Fitted{Resize: size{200, 150}, Pad: size{200, 200}}},

		{size{400, 300}, size{200, 10}, recipe.FitFill, false, geometry.Fitted{Resize: size{200, 10}}},
		{size{400, 300}, size{800, 10}, recipe.FitFill, false, geometry.Fitted{Resize: size{400, 10}}},
		{size{400, 300}, size{800, 10}, recipe.FitFill, true, geometry.Fitted{Resize: size{800, 10}}},
	} {
		if got := geometry.Fit(tc.s, tc.box, tc.fit, tc.enlarge, 16383); got != tc.want {
			t.Errorf("%v into %v, %q, %v: %+v, want %+v", tc.s, tc.box, tc.fit, tc.enlarge, got, tc.want)
		}
	}
}

// TestFitKeepsItsWord holds every way of fitting, over many sizes, to what it promises.
func TestFitKeepsItsWord(t *testing.T) {
	sides := []int{1, 2, 3, 7, 50, 99, 100, 333, 1000}
	for _, w := range sides {
		for _, h := range sides {
			for _, bw := range sides {
				for _, bh := range sides {
					s, box := size{w, h}, size{bw, bh}
					for _, enlarge := range []bool{false, true} {
						in := geometry.Fit(s, box, recipe.FitInside, enlarge, 0).Size()
						if in.W > bw || in.H > bh || !enlarge && (in.W > w || in.H > h) {
							t.Fatalf("%v inside %v: %v", s, box, in)
						}
						cover := geometry.Fit(s, box, recipe.FitCover, enlarge, 0)
						if c, r := cover.Crop, cover.Resize; c.W > r.W || c.H > r.H || enlarge && c != box || !enlarge && (r.W > w || r.H > h || c.W > bw || c.H > bh) {
							t.Fatalf("%v covers %v: %+v", s, box, cover)
						}
						pad := geometry.Fit(s, box, recipe.FitPad, enlarge, 0)
						if pad.Size() != box || pad.Resize.W > bw || pad.Resize.H > bh {
							t.Fatalf("%v in a frame of %v: %+v", s, box, pad)
						}
						fill := geometry.Fit(s, box, recipe.FitFill, enlarge, 0).Size()
						if enlarge && fill != box || !enlarge && fill != s.Within(box) {
							t.Fatalf("%v fills %v: %+v", s, box, fill)
						}
					}
				}
			}
		}
	}
}

func TestRatios(t *testing.T) {
	for _, tc := range []struct {
		s              size
		ratio          recipe.Value
		within, around size
	}{
		{size{400, 300}, "1:1", size{300, 300}, size{400, 400}},
		{size{300, 400}, "1:1", size{300, 300}, size{400, 400}},
		{size{400, 300}, "16:9", size{400, 225}, size{533, 300}},
		{size{400, 300}, "4:3", size{400, 300}, size{400, 300}},
		{size{400, 300}, "1:1000", size{1, 300}, size{400, 400_000}},
		{size{400, 300}, "2.5:1", size{400, 160}, size{750, 300}},
	} {
		r, err := geometry.Ratio(tc.ratio)
		if err != nil {
			t.Fatal(err)
		}
		if in, out := tc.s.WithinRatio(r), tc.s.AroundRatio(r); in != tc.within || out != tc.around {
			t.Errorf("%v, %s: within %v, around %v", tc.s, tc.ratio, in, out)
		}
	}
	for _, bad := range []recipe.Value{"", "1", ":", "0:1", "1:0", "-1:1", "1:1:1", "a:b", "1e300:1e-300"} {
		if r, err := geometry.Ratio(bad); err == nil {
			t.Errorf("ratio %q is %g", bad, r)
		}
	}
}

func TestRotated(t *testing.T) {
	for _, tc := range []struct {
		degrees float64
		want    size
	}{
		{0, size{40, 20}}, {90, size{20, 40}}, {180, size{40, 20}}, {-90, size{20, 40}}, {360, size{40, 20}},
		{45, size{43, 43}}, // 42.43
		{30, size{45, 38}}, // 44.64, 37.32
	} {
		if got := (size{40, 20}).Rotated(tc.degrees); got != tc.want {
			t.Errorf("by %g: %v, want %v", tc.degrees, got, tc.want)
		}
	}
}

func TestPlaces(t *testing.T) {
	s := size{100, 60}
	for _, tc := range []struct {
		part size
		x, y float64
		want geometry.Point
	}{
		{size{50, 60}, 0.5, 0.5, geometry.Point{X: 25, Y: 0}},
		{size{50, 20}, 0, 0, geometry.Point{X: 0, Y: 0}},
		{size{50, 20}, 1, 1, geometry.Point{X: 50, Y: 40}},
		{size{50, 20}, 0.3, 0.5, geometry.Point{X: 5, Y: 20}},
	} {
		if got := s.Focused(tc.part, tc.x, tc.y); got != tc.want {
			t.Errorf("%v at %g, %g: %v, want %v", tc.part, tc.x, tc.y, got, tc.want)
		}
	}
	if p := s.Centred(size{103, 61}); p != (geometry.Point{X: -2, Y: -1}) {
		t.Errorf("centred %v", p)
	}
}

func FuzzRatio(f *testing.F) {
	for _, s := range []string{"16:9", "1:1", "1e300:1e-300", "a:b", "0.0001:5", ":"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := geometry.Ratio(recipe.Value(s))
		if err != nil {
			return
		}
		for _, p := range []size{{400, 300}, {1, 20000}} {
			if in, out := p.WithinRatio(r), p.AroundRatio(r); in.W < 1 || in.H < 1 || in.W > p.W || in.H > p.H || out.W < p.W || out.H < p.H {
				t.Fatalf("%q of %v: within %v, around %v", s, p, in, out)
			}
		}
	})
}
