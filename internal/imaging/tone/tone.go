// Package tone does the colour steps of a recipe on 8-bit sRGB pixels.
//
// All steps work on the gamma-coded values as they stand in the file, pixel by pixel,
// and each ends in 8 bits again, rounded to the nearest. Alpha is left as it is. With
//
//	Y = 0.299 R + 0.587 G + 0.114 B    (ITU-R BT.601, the Y of JPEG), rounded to 0…255
//
// and s the strength, 0 to 1, the steps are:
//
// Grayscale: R = G = B = Y.
//
// Tint by a colour c whose luma is Yc (not rounded). Each channel of the tinted pixel is a function of
// Y alone, a straight line from black to c and another from c to white:
//
//	T = c · Y / Yc                               where Y ≤ Yc
//	T = c + (255 − c) · (Y − Yc) / (255 − Yc)    where Y > Yc
//
// The luma of T is Y exactly, T is always within the gamut, black stays black and white
// white. The result is (1 − s) · original + s · T, so its luma is that of the original at
// every strength. In YCbCr the same tint is: Y as it is, and chroma (1 − s) · original + s · a
// function of Y alone, again two straight lines: an engine that works on the planes of a
// JPEG comes to the same picture. A tint with black or white is grayscale.
//
// Duotone from a dark colour d to a light one l: d + (l − d) · Y / 255.
//
// Sepia: R' = 0.393 R + 0.769 G + 0.189 B, G' = 0.349 R + 0.686 G + 0.168 B,
// B' = 0.272 R + 0.534 G + 0.131 B, each at most 255; the result is
// (1 − s) · original + s · (R', G', B').
//
// Adjust, in YCbCr, with brightness b, contrast c, saturation a, and hue h:
//
//	Y'         = c (b Y − 127.5) + 127.5
//	(Cb', Cr') = b c a · (Cb, Cr), turned by h from the axis of Cb to that of Cr
//
// Red turns towards green, green towards blue. Y is not rounded here: the whole is one
// affine map of RGB, clamped and rounded once, at its end. In RGB, brightness alone is b R,
// contrast alone c (R − 127.5) + 127.5.
//
// The package is pure Go; of ours it imports only internal/recipe.
package tone

import (
	"fmt"
	"math"

	"github.com/tintype/tintype/internal/recipe"
)

// Fixed-point numbers here have 16 bits behind the point.
const (
	one  = 1 << 16
	half = one / 2
)

// The weights of luma; they add up to one, so that white has 255.
const (
	lumaR = 19595 // 0.299
	lumaG = 38470 // 0.587
	lumaB = 7471  // 0.114
)

// Luma is Y of a pixel, rounded to the nearest.
func Luma(r, g, b uint8) uint8 {
	return uint8((lumaR*uint32(r) + lumaG*uint32(g) + lumaB*uint32(b) + half) >> 16)
}

// Program is a list of steps made ready to run. It does not change and may be used
// from several goroutines.
type Program struct {
	steps []step
}

// step works on n-band pixels in place; n is 3 (RGB) or 4 (RGB and alpha).
type step interface {
	apply(pix []byte, n int)
}

// Compile makes a program of a job's steps.
func Compile(steps []recipe.Step) (*Program, error) {
	p := &Program{}
	for i, s := range steps {
		c, err := compile(s)
		if err != nil {
			return nil, fmt.Errorf("step %d (%s): %w", i+1, s.Kind, err)
		}
		if c != nil {
			p.steps = append(p.steps, c)
		}
	}
	return p, nil
}

// Empty reports whether the program changes nothing.
func (p *Program) Empty() bool { return len(p.steps) == 0 }

// Apply runs the program over pixels in place. They lie one behind the other, each of
// bands bytes: 3 for RGB, 4 for RGB and alpha.
func (p *Program) Apply(pix []byte, bands int) error {
	if bands != 3 && bands != 4 || len(pix)%bands != 0 {
		return fmt.Errorf("apply colours: %d bytes of %d bands are no RGB or RGBA pixels", len(pix), bands)
	}
	// In pieces, so that each step finds in the cache what the one before it wrote.
	const piece = 12 << 10 // divisible by 3 and 4
	for len(pix) > 0 {
		n := min(piece, len(pix))
		for _, s := range p.steps {
			s.apply(pix[:n], bands)
		}
		pix = pix[n:]
	}
	return nil
}

// Does says whether a kind of step is one of colours.
func Does(k recipe.StepKind) bool {
	switch k {
	case recipe.StepTint, recipe.StepGrayscale, recipe.StepSepia, recipe.StepDuotone, recipe.StepAdjust:
		return true
	default:
		return false
	}
}

// compile returns nil for a step without effect.
func compile(s recipe.Step) (step, error) {
	switch s.Kind {
	case recipe.StepGrayscale:
		return newCurve(func(y float64) [3]float64 { return [3]float64{y, y, y} }), nil
	case recipe.StepTint:
		c, err := rgb(s.Color)
		if err != nil {
			return nil, err
		}
		return withStrength(s.Strength, newCurve(tint(c)))
	case recipe.StepDuotone:
		d, err := rgb(s.Dark)
		if err != nil {
			return nil, err
		}
		l, err := rgb(s.Light)
		if err != nil {
			return nil, err
		}
		return newCurve(func(y float64) (t [3]float64) {
			for i := range t {
				t[i] = d[i] + (l[i]-d[i])*y/255
			}
			return t
		}), nil
	case recipe.StepSepia:
		return withStrength(s.Strength, &matrix{m: [3][3]int32{
			{fixed(0.393), fixed(0.769), fixed(0.189)},
			{fixed(0.349), fixed(0.686), fixed(0.168)},
			{fixed(0.272), fixed(0.534), fixed(0.131)},
		}})
	case recipe.StepAdjust:
		return newAffine(s)
	default:
		return nil, fmt.Errorf("kind %q is unknown", s.Kind)
	}
}

// tint returns the function T of the package comment.
func tint(c [3]float64) func(y float64) [3]float64 {
	yc := (lumaR*c[0] + lumaG*c[1] + lumaB*c[2]) / one
	return func(y float64) (t [3]float64) {
		for i := range t {
			switch {
			case y > yc:
				t[i] = c[i] + (255-c[i])*(y-yc)/(255-yc)
			case yc > 0:
				t[i] = c[i] * y / yc
			}
		}
		return t
	}
}

// rgb is a colour's channels as numbers.
func rgb(v recipe.Value) (c [3]float64, err error) {
	r, g, b, err := v.RGB()
	if err != nil {
		return c, fmt.Errorf("colour %q: %w", v, err)
	}
	return [3]float64{float64(r), float64(g), float64(b)}, nil
}

func fixed(v float64) int32 { return int32(math.Round(v * one)) }
