package imaging_test

import (
	"bytes"
	"image"
	"image/color"
	"image/gif"
	"slices"
	"strconv"
	"testing"

	"github.com/tintype/tintype/internal/imaging/sniff"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/testimages"
)

func TestSizes(t *testing.T) {
	for _, tc := range []struct{ w, h, largeW, largeH, thumbW, thumbH int }{
		{4000, 3000, 1600, 1200, 320, 240},
		{3000, 4000, 1200, 1600, 240, 320},
		{3001, 2000, 1600, 1066, 320, 213}, // 1066.3 and 213.3
		{2000, 1999, 1600, 1599, 320, 320}, // 1599.2 and 319.84
		{1600, 100, 1600, 100, 320, 20},
		{200, 100, 200, 100, 200, 100}, // never larger
		{20000, 1, 1600, 1, 320, 1},    // never 0
		{1, 1, 1, 1, 1, 1},
	} {
		p := process(t, testimages.BlackPNG(tc.w, tc.h), resolve(t, "", nil))
		want := [][2]int{{tc.w, tc.h}, {tc.largeW, tc.largeH}, {tc.thumbW, tc.thumbH}}
		for i, o := range p.Outputs {
			c, _, err := image.DecodeConfig(bytes.NewReader(o.Bytes))
			if err != nil {
				t.Fatal(err)
			}
			if got := [2]int{o.Width, o.Height}; got != want[i] || c.Width != o.Width || c.Height != o.Height {
				t.Errorf("%d × %d: %s is said to be %v, is %d × %d, want %v", tc.w, tc.h, o.Name, got, c.Width, c.Height, want[i])
			}
		}
	}
}

// TestShrinkOnLoad: a JPEG decoded at a fraction of its size looks like one that was
// decoded whole and shrunk.
func TestShrinkOnLoad(t *testing.T) {
	jpeg := testimages.JPEG(801, 601)
	whole := testimages.EncodePNG(decode(t, jpeg))
	for _, side := range []int{30, 50, 97, 160, 399} {
		o := recipe.Output{Format: recipe.PNG, Width: side, Height: side}
		fast := decode(t, process(t, jpeg, one(o)).Outputs[0].Bytes)
		slow := decode(t, process(t, whole, one(o)).Outputs[0].Bytes)
		if mean, _ := difference(t, fast, slow); mean > 2.5 {
			t.Errorf("at %d pixels: mean difference %.2f", side, mean)
		}
	}
}

func TestFormats(t *testing.T) {
	webp := process(t, testimages.JPEG(64, 48), one(recipe.Output{Format: recipe.WebP})).Outputs[0].Bytes
	avif := process(t, testimages.JPEG(64, 48), one(recipe.Output{Format: recipe.AVIF})).Outputs[0].Bytes
	alphaAVIF := process(t, testimages.AlphaPNG(64, 48), one(recipe.Output{Format: recipe.AVIF})).Outputs[0].Bytes
	for _, tc := range []struct {
		name string
		src  []byte
		from string
		same string
		auto string
	}{
		{"jpeg", testimages.JPEG(64, 48), "jpeg", "jpeg", "jpeg"},
		{"png", testimages.PNG(64, 48), "png", "png", "png"},
		{"png with alpha", testimages.AlphaPNG(64, 48), "png", "png", "png"},
		{"gif", testimages.GIF(64, 48), "gif", "gif", "gif"},
		{"tiff", testimages.TIFF(64, 48), "tiff", "tiff", "jpeg"},
		{"webp", webp, "webp", "webp", "webp"},
		{"avif", avif, "avif", "jpeg", "jpeg"},
		{"avif with alpha", alphaAVIF, "avif", "png", "png"},
	} {
		p := process(t, tc.src, &recipe.Job{Outputs: []recipe.Output{
			{Name: "same", Format: recipe.Same}, {Name: "auto", Format: recipe.Auto},
			{Name: "half", Format: recipe.Same, Width: 32}}})
		if p.Source.Format != tc.from || p.Source.Width != 64 || p.Source.Height != 48 {
			t.Errorf("%s: source is %+v", tc.name, p.Source)
		}
		for i, want := range []string{tc.same, tc.auto, tc.same} {
			o := p.Outputs[i]
			format, w, h, _ := sniff.Probe(o.Bytes)
			if o.Format != want || format != want || o.ContentType != "image/"+want {
				t.Errorf("%s, %s: %s, %s, by its bytes %s, want %s", tc.name, o.Name, o.Format, o.ContentType, format, want)
			}
			if w != o.Width || h != o.Height {
				t.Errorf("%s, %s: %d × %d, by its bytes %d × %d", tc.name, o.Name, o.Width, o.Height, w, h)
			}
		}
	}
}

func TestWebRecipe(t *testing.T) {
	p := process(t, testimages.JPEG(1000, 500), resolve(t, "web", nil))
	want := []string{"webp-320 320", "jpeg-320 320", "webp-640 640", "jpeg-640 640", "webp-1280 1000", "jpeg-1280 1000",
		"webp-1920 1000", "jpeg-1920 1000", "avif-640 640"}
	for i, o := range p.Outputs {
		format, w, h, ok := sniff.Probe(o.Bytes)
		if !ok || format != o.Format || w != o.Width || h != o.Height || h != w/2 {
			t.Errorf("%s: %s %d × %d, by its bytes %s %d × %d", o.Name, o.Format, o.Width, o.Height, format, w, h)
		}
		if got := o.Name + " " + strconv.Itoa(o.Width); got != want[i] {
			t.Errorf("output %d is %s, want %s", i, got, want[i])
		}
	}
}

// TestLongWebP: the format ends at 16,383 pixels, the picture is made to fit.
func TestLongWebP(t *testing.T) {
	p := process(t, testimages.BlackPNG(40, 20000), one(recipe.Output{Format: recipe.WebP}))
	if o := p.Outputs[0]; o.Height != 16383 || o.Width != 33 {
		t.Errorf("%d × %d", o.Width, o.Height)
	}
}

func TestMetadataIsGone(t *testing.T) {
	src := testimages.WithProfile(testimages.Oriented(64, 48, 6), testimages.DisplayP3.Profile())
	for _, f := range []recipe.Format{recipe.JPEG, recipe.PNG, recipe.WebP, recipe.AVIF, recipe.GIF, recipe.TIFF} {
		b := process(t, src, one(recipe.Output{Format: f})).Outputs[0].Bytes
		for _, mark := range []string{"Exif", "EXIF", "eXIf", "ICC_PROFILE", "iCCP", "ICCP", "P3 test", "acsp"} {
			if bytes.Contains(b, []byte(mark)) {
				t.Errorf("%s holds %q", f, mark)
			}
		}
	}
}

func TestJPEGIsBaseline(t *testing.T) {
	b := process(t, testimages.Photo(), one(recipe.Output{Format: recipe.JPEG})).Outputs[0].Bytes
	if !bytes.Contains(b, []byte{0xff, 0xc0}) || bytes.Contains(b, []byte{0xff, 0xc2}) {
		t.Error("the JPEG is not baseline")
	}
	m, _, err := image.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if m, ok := m.(*image.YCbCr); !ok || m.SubsampleRatio != image.YCbCrSubsampleRatio420 {
		t.Error("the JPEG is not 4:2:0")
	}
}

// TestAnimation: three frames of one colour each; shrunk, each is still of one colour
// up to its edges, and their times are kept.
func TestAnimation(t *testing.T) {
	colors := color.Palette{color.NRGBA{200, 0, 0, 255}, color.NRGBA{0, 200, 0, 255}, color.NRGBA{0, 0, 200, 255}}
	g := &gif.GIF{LoopCount: 0}
	for i := range colors {
		m := image.NewPaletted(image.Rect(0, 0, 100, 60), colors)
		for k := range m.Pix {
			m.Pix[k] = uint8(i)
		}
		g.Image, g.Delay = append(g.Image, m), append(g.Delay, 10*(i+1))
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, g); err != nil {
		t.Fatal(err)
	}
	p := process(t, b.Bytes(), &recipe.Job{Outputs: []recipe.Output{
		{Name: "full", Format: recipe.Same}, {Name: "thumb", Format: recipe.Auto, Width: 33},
		{Name: "still", Format: recipe.PNG}, {Name: "still-thumb", Format: recipe.JPEG, Width: 33}}})
	if p.Source.Width != 100 || p.Source.Height != 60 {
		t.Errorf("source is %+v", p.Source)
	}
	for i, size := range [][2]int{{100, 60}, {33, 20}} {
		o := p.Outputs[i]
		got, err := gif.DecodeAll(bytes.NewReader(o.Bytes))
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Image) != 3 || !slices.Equal(got.Delay, []int{10, 20, 30}) || got.LoopCount != 0 {
			t.Fatalf("%s: %d frames, times %v, loop %d", o.Name, len(got.Image), got.Delay, got.LoopCount)
		}
		if got.Config.Width != size[0] || got.Config.Height != size[1] || o.Width != size[0] || o.Height != size[1] {
			t.Errorf("%s: %d × %d", o.Name, got.Config.Width, got.Config.Height)
		}
		canvas := image.NewNRGBA(image.Rect(0, 0, size[0], size[1]))
		for f, m := range got.Image {
			for y := m.Rect.Min.Y; y < m.Rect.Max.Y; y++ {
				for x := m.Rect.Min.X; x < m.Rect.Max.X; x++ {
					if _, _, _, a := m.At(x, y).RGBA(); a > 0 {
						canvas.Set(x, y, m.At(x, y))
					}
				}
			}
			n := colors[f].(color.NRGBA)
			want := [3]float64{float64(n.R), float64(n.G), float64(n.B)}
			for _, y := range []int{0, 1, size[1] / 2, size[1] - 1} {
				if c := rgb(canvas, 5, y); c != want {
					t.Errorf("%s, frame %d, row %d: %v, want %v", o.Name, f, y, c, want)
				}
			}
		}
	}
	for i, size := range [][2]int{{100, 60}, {33, 20}} {
		m := decode(t, p.Outputs[2+i].Bytes)
		if m.Bounds().Dx() != size[0] || m.Bounds().Dy() != size[1] || rgb(m, 3, 3)[0] < 190 {
			t.Errorf("still is %v, %v", m.Bounds(), rgb(m, 3, 3))
		}
	}
}

// TestSameBytesAgain: the same source and job give the same bytes, so that a second
// delivery of an event changes nothing.
func TestSameBytesAgain(t *testing.T) {
	job := resolve(t, "", nil)
	a, b := process(t, testimages.Photo(), job), process(t, testimages.Photo(), job)
	for i := range a.Outputs {
		if !bytes.Equal(a.Outputs[i].Bytes, b.Outputs[i].Bytes) || a.Outputs[i].ThumbHash != b.Outputs[i].ThumbHash {
			t.Errorf("%s differs", a.Outputs[i].Name)
		}
	}
}
