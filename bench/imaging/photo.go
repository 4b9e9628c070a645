package main

import (
	"bytes"
	"fmt"
	"image"
	"image/draw"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"

	xdraw "golang.org/x/image/draw"
)

// pictures are the files to be processed.
type pictures struct{ jpeg12, jpeg24, png12 string }

// tileHeight makes the photographs about as sharp as a camera's pixels are, pixels.
const tileHeight = 640

// makePictures writes pictures as large as cameras make them: real photographs side by side,
// under a little grain. They compress as a camera's do.
func makePictures(photos, dir string) (pictures, error) {
	var tiles []image.Image
	for _, name := range []string{"hubble.jpg", "rocket.jpg", "coffee.png", "chelsea.png"} {
		b, err := os.ReadFile(filepath.Join(photos, name))
		if err != nil {
			return pictures{}, fmt.Errorf("read a photograph: %w", err)
		}
		m, _, err := image.Decode(bytes.NewReader(b))
		if err != nil {
			return pictures{}, fmt.Errorf("decode %s: %w", name, err)
		}
		large := image.NewRGBA(image.Rect(0, 0, m.Bounds().Dx()*tileHeight/m.Bounds().Dy(), tileHeight))
		xdraw.CatmullRom.Scale(large, large.Rect, m, m.Bounds(), xdraw.Src, nil)
		tiles = append(tiles, large)
	}
	p := pictures{filepath.Join(dir, "12mp.jpg"), filepath.Join(dir, "24mp.jpg"), filepath.Join(dir, "12mp.png")}
	twelve, twentyFour := mosaic(tiles, 4000, 3000), mosaic(tiles, 6000, 4000)
	for _, f := range []struct {
		path string
		m    image.Image
		png  bool
	}{{p.jpeg12, twelve, false}, {p.jpeg24, twentyFour, false}, {p.png12, twelve, true}} {
		var b bytes.Buffer
		var err error
		if f.png {
			err = (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, f.m)
		} else {
			err = jpeg.Encode(&b, f.m, &jpeg.Options{Quality: 92})
		}
		if err == nil {
			err = os.WriteFile(f.path, b.Bytes(), 0o600)
		}
		if err != nil {
			return p, err
		}
	}
	return p, nil
}

// mosaic fills a picture with tiles, row by row, and puts grain on it.
func mosaic(tiles []image.Image, w, h int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	i := 0
	for y := 0; y < h; y += tileHeight {
		for x := 0; x < w; i++ {
			t := tiles[i%len(tiles)]
			draw.Draw(m, image.Rect(x, y, x+t.Bounds().Dx(), y+tileHeight), t, image.Point{}, draw.Src)
			x += t.Bounds().Dx()
		}
	}
	r := rand.New(rand.NewPCG(12, 24))
	for k := range m.Pix {
		if k%4 != 3 {
			m.Pix[k] = uint8(min(255, max(0, int(m.Pix[k])+r.IntN(9)-4)))
		}
	}
	return m
}
