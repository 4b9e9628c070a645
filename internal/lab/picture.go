package lab

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
)

// The generated picture is a megapixel: what a phone's photograph is after a first shrinking.
const (
	pictureWidth  = 1152
	pictureHeight = 864
)

// picture is a JPEG with soft shapes and grain, so that it costs about what a photograph of its
// size does: a smooth one would cost far less. The seed chooses the shapes.
func picture(w, h int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 7)) // the same on every machine
	type wave struct{ fx, fy, phase, weight float64 }
	waves := make([][6]wave, 3)
	for c := range waves {
		for i := range waves[c] {
			waves[c][i] = wave{r.Float64() * 12, r.Float64() * 12, r.Float64() * 2 * math.Pi, 40 / float64(i+1)}
		}
	}
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			grain := (r.Float64() - 0.5) * 24
			var px [3]uint8
			for c := range px {
				v := 128 + grain
				for _, wv := range waves[c] {
					v += wv.weight * math.Sin(wv.fx*float64(x)/float64(w)*2+wv.fy*float64(y)/float64(h)*2+wv.phase)
				}
				px[c] = uint8(min(255, max(0, v)))
			}
			m.SetRGBA(x, y, color.RGBA{px[0], px[1], px[2], 255})
		}
	}
	var b bytes.Buffer
	_ = jpeg.Encode(&b, m, &jpeg.Options{Quality: 88}) // a buffer takes everything
	return b.Bytes()
}

// bad are images that pass the door, since their headers are in order, and cannot be
// processed; and one that is only very large.
func bad(good []byte) []file {
	cut := bytes.Clone(good[:len(good)/3])
	torn := bytes.Clone(good)
	for i := len(torn) / 4; i < len(torn)-2; i += 7 {
		torn[i] ^= 0x5a
	}
	var b bytes.Buffer
	_ = png.Encode(&b, image.NewGray(image.Rect(0, 0, 640, 480)))
	half := bytes.Clone(b.Bytes()[:b.Len()-20])
	var big bytes.Buffer
	_ = png.Encode(&big, image.NewGray(image.Rect(0, 0, 9000, 9000)))
	return []file{{"cut.jpg", cut}, {"torn.jpg", torn}, {"half.png", half}, {"huge.png", big.Bytes()}}
}

// file is what is uploaded.
type file struct {
	name string
	body []byte
}
