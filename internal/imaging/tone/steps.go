package tone

import (
	"fmt"
	"math"

	"github.com/tintype/tintype/internal/recipe"
)

// mixable is a step that knows how to work at less than full strength.
type mixable interface {
	step
	mix(s float64) step
}

// withStrength returns full at a strength between 0 and 1, or nil at 0.
func withStrength(v recipe.Value, full mixable) (step, error) {
	s, err := v.Float()
	if err != nil || s < 0 || s > 1 {
		return nil, fmt.Errorf("strength %q is no number from 0 to 1", v)
	}
	switch s {
	case 0:
		return nil, nil
	case 1:
		return full, nil
	default:
		return full.mix(s), nil
	}
}

// curve replaces each pixel by a colour that depends on its luma alone.
type curve struct {
	to    [256][3]uint8
	exact [256][3]float64 // before rounding
}

func newCurve(f func(y float64) [3]float64) *curve {
	c := &curve{}
	for y := range c.to {
		c.exact[y] = f(float64(y))
		for i, v := range c.exact[y] {
			c.to[y][i] = uint8(math.Round(v))
		}
	}
	return c
}

func (c *curve) apply(pix []byte, n int) {
	for ; len(pix) >= n; pix = pix[n:] {
		t := &c.to[Luma(pix[0], pix[1], pix[2])]
		pix[0], pix[1], pix[2] = t[0], t[1], t[2]
	}
}

func (c *curve) mix(s float64) step {
	m := &mixedCurve{}
	for v := range 256 {
		m.keep[v] = fixed((1 - s) * float64(v))
		for i := range 3 {
			m.add[v][i] = fixed(s*c.exact[v][i]) + half
		}
	}
	return m
}

// mixedCurve is (1 − s) · original + s · curve. Both terms together never exceed 255.5:
// no clamping is needed.
type mixedCurve struct {
	keep [256]int32    // by channel value
	add  [256][3]int32 // by luma, the rounding included
}

func (m *mixedCurve) apply(pix []byte, n int) {
	for ; len(pix) >= n; pix = pix[n:] {
		t := &m.add[Luma(pix[0], pix[1], pix[2])]
		pix[0] = uint8((m.keep[pix[0]] + t[0]) >> 16)
		pix[1] = uint8((m.keep[pix[1]] + t[1]) >> 16)
		pix[2] = uint8((m.keep[pix[2]] + t[2]) >> 16)
	}
}

// matrix multiplies RGB, clamps, and mixes the result with the original.
type matrix struct {
	m        [3][3]int32
	strength int32 // fixed-point; 0: full, without mixing
}

func (m *matrix) mix(s float64) step { return &matrix{m: m.m, strength: fixed(s)} }

func (m *matrix) apply(pix []byte, n int) {
	for ; len(pix) >= n; pix = pix[n:] {
		in := [3]int32{int32(pix[0]), int32(pix[1]), int32(pix[2])}
		for i := range in {
			v := min(m.m[i][0]*in[0]+m.m[i][1]*in[1]+m.m[i][2]*in[2], 255*one)
			if m.strength != 0 {
				v = int32((int64(one-m.strength)*int64(in[i])*one + int64(m.strength)*int64(v)) >> 16)
			}
			pix[i] = uint8((v + half) >> 16)
		}
	}
}
