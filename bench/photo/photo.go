// Package photo makes pictures for benchmarks, as large as cameras make them: real
// photographs side by side, under a little grain. They compress as a camera's do.
package photo

import (
	"bytes"
	"fmt"
	"image"
	"image/draw"
	_ "image/jpeg" // what the photographs are
	_ "image/png"
	"math/rand/v2"
	"os"
	"path/filepath"

	xdraw "golang.org/x/image/draw"
)

// tileHeight makes the photographs about as sharp as a camera's pixels are, pixels.
const tileHeight = 640

// Tiles reads the photographs in a directory.
func Tiles(dir string) ([]image.Image, error) {
	var tiles []image.Image
	for _, name := range []string{"hubble.jpg", "rocket.jpg", "coffee.png", "chelsea.png"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("read a photograph: %w", err)
		}
		m, _, err := image.Decode(bytes.NewReader(b))
		if err != nil {
			return nil, fmt.Errorf("decode %s: %w", name, err)
		}
		large := image.NewRGBA(image.Rect(0, 0, m.Bounds().Dx()*tileHeight/m.Bounds().Dy(), tileHeight))
		xdraw.CatmullRom.Scale(large, large.Rect, m, m.Bounds(), xdraw.Src, nil)
		tiles = append(tiles, large)
	}
	return tiles, nil
}

// Mosaic fills a picture with tiles, row by row, and puts grain on it.
func Mosaic(tiles []image.Image, w, h int) *image.RGBA {
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
