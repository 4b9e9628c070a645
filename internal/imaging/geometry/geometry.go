// Package geometry says how large pictures become and where they lie: pure arithmetic
// on sizes, so that a plan knows, before any pixel is decoded, what each step leaves.
//
// Lengths are pixels, rounded to the nearest and never below 1. Of ours the package
// imports only internal/recipe.
package geometry

import (
	"fmt"
	"math"
	"strings"

	"github.com/tintype/tintype/internal/recipe"
)

// Size is that of a picture, or of one frame of an animation.
type Size struct{ W, H int }

// Point is a place in a picture: its top left pixel is 0, 0.
type Point struct{ X, Y int }

// Ratio reads "16:9", a width to a height.
func Ratio(v recipe.Value) (float64, error) {
	a, b, ok := strings.Cut(string(v), ":")
	w, err := recipe.Value(a).Float()
	h, err2 := recipe.Value(b).Float()
	if r := w / h; ok && err == nil && err2 == nil && w > 0 && h > 0 && r > 0 && !math.IsInf(r, 0) {
		return r, nil
	}
	return 0, fmt.Errorf("ratio %q is no width:height", v)
}

// Within is what a crop to a size leaves: a side that is shorter already stays.
func (s Size) Within(o Size) Size { return Size{min(s.W, o.W), min(s.H, o.H)} }

// Around is the frame of a size about the picture: a side that is longer already stays.
func (s Size) Around(o Size) Size { return Size{max(s.W, o.W), max(s.H, o.H)} }

// WithinRatio is the largest part of a ratio.
func (s Size) WithinRatio(r float64) Size {
	return s.Within(Size{side(float64(s.H) * r), side(float64(s.W) / r)})
}

// AroundRatio is the smallest frame of a ratio.
func (s Size) AroundRatio(r float64) Size {
	return s.Around(Size{side(float64(s.H) * r), side(float64(s.W) / r)})
}

// Turned is the size after quarter turns.
func (s Size) Turned(quarters int) Size {
	if quarters%2 != 0 {
		return Size{s.H, s.W}
	}
	return s
}

// Rotated is the smallest canvas that holds the picture turned about its centre.
func (s Size) Rotated(degrees float64) Size {
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	w, h := float64(s.W), float64(s.H)
	// A hundredth of a pixel is no reason for another column.
	up := func(v float64) int { return int(max(1, math.Ceil(v-0.01))) }
	return Size{up(w*math.Abs(cos) + h*math.Abs(sin)), up(w*math.Abs(sin) + h*math.Abs(cos))}
}

// Scaled is both sides times a factor.
func (s Size) Scaled(f float64) Size { return Size{side(float64(s.W) * f), side(float64(s.H) * f)} }

// Pixels is the area.
func (s Size) Pixels() int64 { return int64(s.W) * int64(s.H) }

// Centred is where a size lies in the middle of s; it may stick out. Of an odd
// remainder the larger half lies right and below.
func (s Size) Centred(o Size) Point {
	return Point{int(math.Floor(float64(s.W-o.W) / 2)), int(math.Floor(float64(s.H-o.H) / 2))}
}

// Focused is where a part of s lies that has a point, given as parts of the sides, in
// its middle, or as near to it as the edges allow.
func (s Size) Focused(part Size, x, y float64) Point {
	at := func(whole, part int, f float64) int {
		return min(max(0, int(math.Round(f*float64(whole)-float64(part)/2))), whole-part)
	}
	return Point{at(s.W, part.W, x), at(s.H, part.H, y)}
}

// Fitted is the way from a picture into a box: it is resized; then, where Crop is set,
// that part of it is taken; or, where Pad is set, it is put into such a frame.
type Fitted struct{ Resize, Crop, Pad Size }

// Size is what comes out.
func (f Fitted) Size() Size {
	switch (Size{}) {
	case f.Crop:
		if f.Pad != (Size{}) {
			return f.Pad
		}
		return f.Resize
	default:
		return f.Crop
	}
}

// Fit brings a picture into a box. A side of the box that is 0 is free: it follows from
// the picture's proportions, so that all ways are one. Neither side of what comes out
// is longer than longest, where that is not 0.
//
// Without enlarge: a picture that cannot cover the box covers the largest one of the
// box's proportions that it can; in a frame it keeps its size; stretching makes no
// side longer.
func Fit(s Size, box Size, fit recipe.Fit, enlarge bool, longest int) Fitted {
	w, h := float64(s.W), float64(s.H)
	bw, bh := float64(box.W), float64(box.H)
	if longest == 0 {
		longest = math.MaxInt32
	}
	if bw == 0 || bh == 0 {
		fit = recipe.FitInside
	}
	switch fit {
	case recipe.FitCover:
		k := min(1, float64(longest)/bw, float64(longest)/bh)
		if !enlarge {
			k = min(k, w/bw, h/bh)
		}
		to := box.Scaled(k)
		f := max(float64(to.W)/w, float64(to.H)/h)
		if !enlarge {
			f = min(f, 1)
		}
		to = to.Within(s.Scaled(f)) // where rounding left a pixel too few
		return Fitted{Resize: s.Scaled(f), Crop: to}
	case recipe.FitPad:
		to := box.Scaled(min(1, float64(longest)/bw, float64(longest)/bh))
		return Fitted{Resize: inside(s, to, enlarge), Pad: to}
	case recipe.FitFill:
		to := box.Scaled(min(1, float64(longest)/bw, float64(longest)/bh))
		if !enlarge {
			to = to.Within(s)
		}
		return Fitted{Resize: to}
	default:
		if box.W == 0 || box.W > longest {
			box.W = longest
		}
		if box.H == 0 || box.H > longest {
			box.H = longest
		}
		return Fitted{Resize: inside(s, box, enlarge && (bw > 0 || bh > 0))}
	}
}

// inside is the picture's size, changed by one factor until it lies within the box.
func inside(s, box Size, enlarge bool) Size {
	f := min(float64(box.W)/float64(s.W), float64(box.H)/float64(s.H))
	if !enlarge {
		f = min(f, 1)
	}
	if f == 1 {
		return s
	}
	return s.Scaled(f)
}

// side rounds; what is beyond any picture ends where a 32-bit number does.
func side(v float64) int { return int(min(max(1, math.Round(v)), math.MaxInt32)) }
