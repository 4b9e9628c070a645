package vips_test

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/internal/imaging/vips"
	"github.com/tintype/tintype/internal/testimages"
)

func TestMain(m *testing.M) {
	if err := vips.Startup(1, nil, slog.New(slog.DiscardHandler)); err != nil {
		panic(err)
	}
	code := m.Run()
	if s := vips.Settle(10 * time.Second); s != (vips.Stats{}) {
		println("libvips still holds", s.Bytes, "bytes in", s.Allocs, "allocations,", s.Files, "files")
		code = 1
	}
	os.Exit(code)
}

// TestUntrustedAreBlocked goes around our own Open, to the loaders themselves.
func TestUntrustedAreBlocked(t *testing.T) {
	for name, b := range map[string][]byte{
		"svg": testimages.SVG(),
		"pdf": []byte("%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n" +
			"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"),
	} {
		if ref, err := govips.LoadImageFromBuffer(b, govips.NewImportParams()); err == nil {
			ref.Close()
			t.Errorf("%s is opened", name)
		}
	}
	// Files are none of our business, whatever their format.
	path := t.TempDir() + "/a.png"
	if err := os.WriteFile(path, testimages.PNG(8, 8), 0o600); err != nil {
		t.Fatal(err)
	}
	if ref, err := govips.NewThumbnailFromFile(path, 4, 4, govips.InterestingNone); err == nil {
		ref.Close()
		t.Error("a file is opened by its path")
	}
	ref, err := govips.LoadImageFromBuffer(testimages.PNG(8, 8), govips.NewImportParams())
	if err != nil {
		t.Fatalf("PNG is blocked too: %v", err)
	}
	ref.Close()
}

func TestOpenRefuses(t *testing.T) {
	for _, tc := range []struct {
		format string
		src    []byte
	}{{"svg", testimages.SVG()}, {"png", nil}, {"png", testimages.JPEG(8, 8)}, {"jpeg", []byte{0xff, 0xd8, 0xff}}} {
		if f, err := vips.Open(tc.src, vips.LoadOptions{Format: tc.format}); err == nil {
			f.Close()
			t.Errorf("%s of %d bytes is opened", tc.format, len(tc.src))
		}
	}
}

func TestHeader(t *testing.T) {
	f, err := vips.Open(testimages.AnimatedGIF(31, 17, 3), vips.LoadOptions{Format: "gif"})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if h := f.Header(); h.Width != 31 || h.Height != 17 || h.Frames != 3 || len(h.Delays) != 3 || h.Delays[0] != 100 || h.Orientation != 1 {
		t.Errorf("%+v", h)
	}
}

// TestPixelsAreOurOwn: writing to one image's pixels changes no other.
func TestPixelsAreOurOwn(t *testing.T) {
	f, err := vips.Open(testimages.PNG(20, 10), vips.LoadOptions{Format: "png"})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := f.Decode(context.Background(), true)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	first, err := m.First(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if err := m.Pixels(func(p []byte) error { clear(p); return nil }); err != nil {
		t.Fatal(err)
	}
	err = first.Pixels(func(p []byte) error {
		if len(p) != 20*10*3 || p[0] != 255 {
			t.Errorf("%d bytes, the first %d", len(p), p[0])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
