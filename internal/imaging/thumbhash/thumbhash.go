// Package thumbhash makes a picture's ThumbHash: some 25 bytes from which a page can
// paint a blurred likeness while the picture itself is on its way.
//
// Format: https://evanw.github.io/thumbhash/. The picture becomes luminance, two colour
// differences and alpha; of each only the lowest frequencies of a cosine transform are
// kept, in 4 bits each, behind a header with the averages. Pure Go; imports none of ours.
package thumbhash

import (
	"encoding/base64"
	"errors"
	"math"
)

// MaxSide is the longest side, in pixels, of a picture given to Encode.
const MaxSide = 100

// Encode returns the base64 of the ThumbHash of 8-bit pixels of 3 bands (RGB) or 4
// (RGB and alpha), row by row.
func Encode(width, height, bands int, pix []byte) (string, error) {
	if width < 1 || height < 1 || width > MaxSide || height > MaxSide {
		return "", errors.New("make thumb hash: the picture is not within 100 × 100 pixels")
	}
	if bands != 3 && bands != 4 || len(pix) != width*height*bands {
		return "", errors.New("make thumb hash: the pixels are no RGB or RGBA of that size")
	}
	return base64.StdEncoding.EncodeToString(encode(split(width, height, bands, pix))), nil
}

// planes are a picture's channels: l 0 to 1, p (yellow against blue) and q (red against
// green) -1 to 1, a 0 to 1. Transparent parts have the picture's average colour.
type planes struct {
	width, height int
	opaque        bool
	l, p, q, a    []float64
}

func split(width, height, bands int, pix []byte) *planes {
	n := width * height
	s := &planes{width: width, height: height}
	s.l, s.p, s.q, s.a = make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	var mean [3]float64
	var weight float64
	for i := range n {
		s.a[i] = 1
		if bands == 4 {
			s.a[i] = float64(pix[i*bands+3]) / 255
		}
		for c := range mean {
			mean[c] += s.a[i] * float64(pix[i*bands+c]) / 255
		}
		weight += s.a[i]
	}
	for c := range mean {
		if weight > 0 {
			mean[c] /= weight
		}
	}
	s.opaque = weight >= float64(n)
	for i := range n {
		var v [3]float64
		for c := range v {
			v[c] = mean[c]*(1-s.a[i]) + s.a[i]*float64(pix[i*bands+c])/255
		}
		s.l[i] = (v[0] + v[1] + v[2]) / 3
		s.p[i] = (v[0]+v[1])/2 - v[2]
		s.q[i] = v[0] - v[1]
	}
	return s
}

// spectrum is a plane's mean and its low frequencies; these lie between 0 and 1 around
// 0.5, in units of scale.
type spectrum struct {
	mean, scale float64
	low         []float64
}

// transform keeps those of nx by ny frequencies that lie in the triangle at the origin.
func (s *planes) transform(plane []float64, nx, ny int) spectrum {
	var out spectrum
	row := make([]float64, s.width)
	for fy := range ny {
		for fx := 0; fx*ny < nx*(ny-fy); fx++ {
			for x := range row {
				row[x] = math.Cos(math.Pi / float64(s.width) * float64(fx) * (float64(x) + 0.5))
			}
			var sum float64
			for y := range s.height {
				col := math.Cos(math.Pi / float64(s.height) * float64(fy) * (float64(y) + 0.5))
				for x, c := range row {
					sum += plane[y*s.width+x] * c * col
				}
			}
			sum /= float64(s.width * s.height)
			if fx == 0 && fy == 0 {
				out.mean = sum
				continue
			}
			out.low = append(out.low, sum)
			out.scale = max(out.scale, math.Abs(sum))
		}
	}
	if out.scale > 0 {
		for i, f := range out.low {
			out.low[i] = 0.5 + 0.5/out.scale*f
		}
	}
	return out
}

func encode(s *planes) []byte {
	most := 7 // frequencies of luminance along the longer side
	if !s.opaque {
		most = 5 // alpha needs room too
	}
	longer := float64(max(s.width, s.height))
	nx := max(1, round(float64(most)*float64(s.width)/longer))
	ny := max(1, round(float64(most)*float64(s.height)/longer))

	l := s.transform(s.l, max(3, nx), max(3, ny))
	p := s.transform(s.p, 3, 3)
	q := s.transform(s.q, 3, 3)

	first := round(63*l.mean) | round(31.5+31.5*p.mean)<<6 | round(31.5+31.5*q.mean)<<12 | round(31*l.scale)<<18
	second := round(63*p.scale)<<3 | round(63*q.scale)<<9
	if s.width > s.height {
		second |= ny | 1<<15
	} else {
		second |= nx
	}
	spectra := []spectrum{l, p, q}
	if !s.opaque {
		first |= 1 << 23
	}
	out := []byte{byte(first), byte(first >> 8), byte(first >> 16), byte(second), byte(second >> 8)}
	if !s.opaque {
		a := s.transform(s.a, 5, 5)
		out = append(out, byte(round(15*a.mean)|round(15*a.scale)<<4))
		spectra = append(spectra, a)
	}
	half := false // of the last byte is taken
	for _, sp := range spectra {
		for _, f := range sp.low {
			v := byte(round(15 * f))
			if half {
				out[len(out)-1] |= v << 4
			} else {
				out = append(out, v)
			}
			half = !half
		}
	}
	return out
}

// round rounds to the nearest, halves up.
func round(v float64) int { return int(math.Floor(v + 0.5)) }
