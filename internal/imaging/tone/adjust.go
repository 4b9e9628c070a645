package tone

import (
	"fmt"
	"math"

	"github.com/tintype/tintype/internal/recipe"
)

// affine is one matrix and one offset for all that adjust does.
type affine struct {
	m   [3][3]int64
	add [3]int64 // the rounding included
}

// most is the largest factor that adjust takes.
const most = 4

func newAffine(s recipe.Step) (step, error) {
	k := map[string]float64{}
	for _, v := range []struct {
		name            string
		value           recipe.Value
		least, most, is float64
	}{
		{"brightness", s.Brightness, 0, most, 1}, {"contrast", s.Contrast, 0, most, 1},
		{"saturation", s.Saturation, 0, most, 1}, {"hue", s.Hue, -360, 360, 0},
	} {
		k[v.name] = v.is
		if v.value == "" {
			continue
		}
		f, err := v.value.Float()
		if err != nil || f < v.least || f > v.most {
			return nil, fmt.Errorf("%s %q is no number from %g to %g", v.name, v.value, v.least, v.most)
		}
		k[v.name] = f
	}
	m, add := adjustment(k["brightness"], k["contrast"], k["saturation"], k["hue"])
	if m == [3][3]float64{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}} && add == 0 {
		return nil, nil
	}
	a := &affine{}
	for i := range m {
		for j, v := range m[i] {
			a.m[i][j] = int64(math.Round(v * one))
		}
		a.add[i] = int64(math.Round(add*one)) + half
	}
	return a, nil
}

// adjustment is the map of the package comment, from RGB to RGB.
func adjustment(brightness, contrast, saturation, hue float64) (m [3][3]float64, add float64) {
	y := [3]float64{0.299, 0.587, 0.114}
	light, chroma := brightness*contrast, brightness*contrast*saturation
	if hue == 0 { // exact, so that no adjustment is seen to be none
		for i := range m {
			for j := range m[i] {
				m[i][j] = (light - chroma) * y[j]
			}
			m[i][i] += chroma
		}
		return m, 127.5 * (1 - contrast)
	}
	sin, cos := math.Sincos(hue * math.Pi / 180)
	for j := range 3 {
		// What channel j alone gives: its Y, Cb and Cr.
		var in [3]float64
		in[j] = 1
		cb, cr := (in[2]-y[j])/1.772, (in[0]-y[j])/1.402
		cb, cr = chroma*(cb*cos-cr*sin), chroma*(cb*sin+cr*cos)
		m[0][j] = light*y[j] + 1.402*cr
		m[2][j] = light*y[j] + 1.772*cb
		m[1][j] = light*y[j] - (0.299*1.402*cr+0.114*1.772*cb)/0.587
	}
	return m, 127.5 * (1 - contrast)
}

func (a *affine) apply(pix []byte, n int) {
	for ; len(pix) >= n; pix = pix[n:] {
		r, g, b := int64(pix[0]), int64(pix[1]), int64(pix[2])
		for i := range 3 {
			v := (a.m[i][0]*r + a.m[i][1]*g + a.m[i][2]*b + a.add[i]) >> 16
			pix[i] = uint8(min(max(0, v), 255))
		}
	}
}
