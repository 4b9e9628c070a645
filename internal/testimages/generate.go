package testimages

import (
	"bytes"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math"

	"golang.org/x/image/tiff"
)

// Picture is a picture without symmetry: hue changes along x, light along y, a white
// square marks the top left corner and a black one lies below it. Any turn, mirror,
// or mistaken channel shows.
func Picture(w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	hues := make([][3]float64, w)
	for x := range hues {
		hues[x] = hue(x, w)
	}
	for y := range h {
		for x := range w {
			c := shade(x, y, w, h, hues[x])
			copy(m.Pix[y*m.Stride+4*x:], []uint8{c.R, c.G, c.B, c.A})
		}
	}
	return m
}

func pixel(x, y, w, h int) color.NRGBA { return shade(x, y, w, h, hue(x, w)) }

// hue is what a column adds to each channel.
func hue(x, w int) (c [3]float64) {
	for i := range c {
		c[i] = 0.3 * math.Cos(2*math.Pi*(float64(x)/float64(w)-float64(i)/3))
	}
	return c
}

func shade(x, y, w, h int, hue [3]float64) color.NRGBA {
	mark := max(1, min(w, h)/8)
	if x < mark && y < 2*mark {
		if y < mark {
			return color.NRGBA{255, 255, 255, 255}
		}
		return color.NRGBA{0, 0, 0, 255}
	}
	light := 0.15 + 0.7*float64(y)/float64(h)
	channel := func(i int) uint8 { return uint8(math.Round(255 * min(1, max(0, light+hue[i])))) }
	return color.NRGBA{channel(0), channel(1), channel(2), 255}
}

// JPEG is Picture as a baseline JPEG of quality 90, without profile or Exif.
func JPEG(w, h int) []byte { return EncodeJPEG(Picture(w, h), 90) }

// PNG is Picture as an 8-bit RGB PNG.
func PNG(w, h int) []byte { return EncodePNG(Picture(w, h)) }

// EncodeJPEG encodes any image; quality 1 to 100.
func EncodeJPEG(m image.Image, quality int) []byte {
	var b bytes.Buffer
	must(jpeg.Encode(&b, m, &jpeg.Options{Quality: quality}))
	return b.Bytes()
}

// EncodePNG encodes any image without loss.
func EncodePNG(m image.Image) []byte {
	var b bytes.Buffer
	must(png.Encode(&b, m))
	return b.Bytes()
}

// Solid is a PNG of one colour, with its alpha.
func Solid(w, h int, c color.NRGBA) []byte {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := 0; i < len(m.Pix); i += 4 {
		m.Pix[i], m.Pix[i+1], m.Pix[i+2], m.Pix[i+3] = c.R, c.G, c.B, c.A
	}
	return EncodePNG(m)
}

// Checker is a PNG of black and white squares of the given side.
func Checker(w, h, side int) []byte {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			v := uint8((x/side + y/side) % 2 * 255)
			m.SetNRGBA(x, y, color.NRGBA{v, v, v, 255})
		}
	}
	return EncodePNG(m)
}

// PNG16 is Picture as a 16-bit RGB PNG.
func PNG16(w, h int) []byte {
	m := image.NewNRGBA64(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.Set(x, y, pixel(x, y, w, h))
		}
	}
	return EncodePNG(m)
}

// GrayPNG is Picture's luma as an 8-bit gray PNG.
func GrayPNG(w, h int) []byte {
	m := image.NewGray(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.Set(x, y, pixel(x, y, w, h))
		}
	}
	return EncodePNG(m)
}

// PalettePNG is a PNG with a palette of 16 colours in diagonal stripes.
func PalettePNG(w, h int) []byte { return EncodePNG(paletted(w, h, 0)) }

// BilevelPNG is a 1-bit PNG: black on the left, white on the right.
func BilevelPNG(w, h int) []byte {
	m := image.NewPaletted(image.Rect(0, 0, w, h), color.Palette{color.Black, color.White})
	for y := range h {
		for x := w / 2; x < w; x++ {
			m.SetColorIndex(x, y, 1)
		}
	}
	return EncodePNG(m)
}

// AlphaPNG is Picture within an opaque disc; outside the disc it is fully transparent,
// and the hidden colour there is black, so that an edge darkened by careless shrinking
// shows.
func AlphaPNG(w, h int) []byte {
	m := Picture(w, h)
	for y := range h {
		for x := range w {
			dx, dy := float64(2*x+1-w)/float64(w), float64(2*y+1-h)/float64(h)
			if dx*dx+dy*dy > 0.8 {
				m.SetNRGBA(x, y, color.NRGBA{})
			}
		}
	}
	return EncodePNG(m)
}

// TIFF is Picture as a deflate-compressed RGB TIFF.
func TIFF(w, h int) []byte {
	var b bytes.Buffer
	must(tiff.Encode(&b, Picture(w, h), &tiff.Options{Compression: tiff.Deflate, Predictor: true}))
	return b.Bytes()
}

// GIF is a GIF of one frame in 16 colours.
func GIF(w, h int) []byte { return AnimatedGIF(w, h, 1) }

// AnimatedGIF is an endless animation of diagonal stripes that move; each frame is
// shown for 0.1 s.
func AnimatedGIF(w, h, frames int) []byte {
	g := &gif.GIF{}
	for i := range frames {
		g.Image = append(g.Image, paletted(w, h, i))
		g.Delay = append(g.Delay, 10)
	}
	var b bytes.Buffer
	must(gif.EncodeAll(&b, g))
	return b.Bytes()
}

func paletted(w, h, shift int) *image.Paletted {
	p := make(color.Palette, 16)
	for i := range p {
		p[i] = pixel(8+i*3, i*4, 64, 64)
	}
	m := image.NewPaletted(image.Rect(0, 0, w, h), p)
	for y := range h {
		for x := range w {
			m.SetColorIndex(x, y, uint8((x/4+y/4+shift)%len(p)))
		}
	}
	return m
}

func must(err error) {
	if err != nil {
		panic("testimages: " + err.Error()) // the encoders take everything made here
	}
}
