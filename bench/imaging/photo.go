package main

import (
	"bytes"
	"image"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"

	"github.com/tintype/tintype/bench/photo"
)

// pictures are the files to be processed.
type pictures struct{ jpeg12, jpeg24, png12 string }

// makePictures writes pictures as large as cameras make them: real photographs side by side,
// under a little grain. They compress as a camera's do.
func makePictures(photos, dir string) (pictures, error) {
	tiles, err := photo.Tiles(photos)
	if err != nil {
		return pictures{}, err
	}
	p := pictures{filepath.Join(dir, "12mp.jpg"), filepath.Join(dir, "24mp.jpg"), filepath.Join(dir, "12mp.png")}
	twelve, twentyFour := photo.Mosaic(tiles, 4000, 3000), photo.Mosaic(tiles, 6000, 4000)
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
