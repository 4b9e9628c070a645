package testimages

import (
	"bytes"
	"image"
	"image/color"
	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"
	"testing"

	_ "golang.org/x/image/tiff"
)

// TestDecodable shows with Go's own decoders that what should be sound is sound.
func TestDecodable(t *testing.T) {
	files := Photos()
	for name, b := range map[string][]byte{
		"JPEG": JPEG(48, 32), "PNG": PNG(48, 32), "PNG16": PNG16(48, 32), "GrayPNG": GrayPNG(48, 32),
		"PalettePNG": PalettePNG(48, 32), "BilevelPNG": BilevelPNG(48, 32), "AlphaPNG": AlphaPNG(48, 32),
		"TIFF": TIFF(48, 32), "GIF": GIF(48, 32), "AnimatedGIF": AnimatedGIF(48, 32, 3),
		"Checker": Checker(48, 32, 4), "Solid": Solid(48, 32, color.NRGBA{1, 2, 3, 4}),
		"Oriented": Oriented(48, 32, 3), "BlackPNG": BlackPNG(48, 32),
		"WithProfile": WithProfile(JPEG(48, 32), DisplayP3.Profile()),
	} {
		files = append(files, File{Name: name, Width: 48, Height: 32, Bytes: b})
	}
	for _, f := range files {
		m, _, err := image.Decode(bytes.NewReader(f.Bytes))
		if err != nil {
			t.Errorf("%s: %v", f.Name, err)
		} else if b := m.Bounds(); b.Dx() != f.Width || b.Dy() != f.Height {
			t.Errorf("%s: %d × %d, want %d × %d", f.Name, b.Dx(), b.Dy(), f.Width, f.Height)
		}
	}
}

func TestCMYKJPEG(t *testing.T) {
	inks := [][4]uint8{{0, 0, 0, 0}, {255, 0, 0, 0}, {0, 255, 255, 0}, {10, 20, 30, 255}}
	m, _, err := image.Decode(bytes.NewReader(CMYKJPEG(inks...)))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range inks {
		got := m.(*image.CMYK).CMYKAt(i*CMYKSide+8, 8)
		if got != (color.CMYK{C: want[0], M: want[1], Y: want[2], K: want[3]}) {
			t.Errorf("square %d: %v, want %v", i, got, want)
		}
	}
}

func TestOrientedStoresTurned(t *testing.T) {
	for o := 1; o <= 8; o++ {
		m, _, err := image.Decode(bytes.NewReader(Oriented(64, 32, o)))
		if err != nil {
			t.Fatal(err)
		}
		if turned := m.Bounds().Dx() == 32; turned != (o >= 5) {
			t.Errorf("orientation %d: stored %v", o, m.Bounds())
		}
	}
}
