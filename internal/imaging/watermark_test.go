package imaging_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"strings"
	"testing"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/imaging"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/testimages"
)

func mark(position string, scale, margin, opacity float64) recipe.Step {
	v := func(f float64) recipe.Value { return recipe.Value(fmt.Sprint(f)) }
	return recipe.Step{Kind: recipe.StepWatermark, Position: recipe.Value(position), Scale: v(scale), Margin: v(margin), Opacity: v(opacity)}
}

// marked puts a file as watermark onto gray.
func marked(t *testing.T, w, h int, file []byte, s recipe.Step) *image.NRGBA {
	t.Helper()
	s.Image = "brand/logo.png"
	p, err := newEngine(t, imaging.Limits{}).Process(context.Background(), imaging.Request{
		Source: testimages.Solid(w, h, color.NRGBA{100, 100, 100, 255}), Job: one(recipe.Output{Format: recipe.PNG}, s),
		Assets: map[string][]byte{"brand/logo.png": file}})
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, p.Outputs[0].Bytes)
}

// inked is the smallest rectangle that holds all pixels that are not gray 100.
func inked(m *image.NRGBA) image.Rectangle {
	var r image.Rectangle
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			if m.NRGBAAt(x, y) != (color.NRGBA{100, 100, 100, 255}) {
				r = r.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	return r
}

func TestWatermarkPlaces(t *testing.T) {
	logo := testimages.Solid(40, 20, color.NRGBA{200, 0, 0, 255})
	for _, tc := range []struct {
		position      string
		scale, margin float64
		want          image.Rectangle
	}{
		{"top-left", 0.2, 0.05, image.Rect(5, 5, 45, 25)}, // of 200 × 100: margin 5
		{"top", 0.2, 0.05, image.Rect(80, 5, 120, 25)},
		{"top-right", 0.2, 0.05, image.Rect(155, 5, 195, 25)},
		{"left", 0.2, 0.05, image.Rect(5, 40, 45, 60)},
		{"center", 0.2, 0.05, image.Rect(80, 40, 120, 60)},
		{"right", 0.2, 0.05, image.Rect(155, 40, 195, 60)},
		{"bottom-left", 0.2, 0.05, image.Rect(5, 75, 45, 95)},
		{"bottom", 0.2, 0, image.Rect(80, 80, 120, 100)},
		{"bottom-right", 0.4, 0.05, image.Rect(115, 55, 195, 95)}, // enlarged
		{"bottom-right", 0.1, 0.05, image.Rect(175, 85, 195, 95)},
		{"center", 1, 0, image.Rect(0, 0, 200, 100)},
		{"center", 1, 0.1, image.Rect(20, 10, 180, 90)}, // what the margins leave
		{"top-left", 1, 0.5, image.Rect(50, 50, 52, 51)},
	} {
		got := inked(marked(t, 200, 100, logo, mark(tc.position, tc.scale, tc.margin, 1)))
		if got != tc.want {
			t.Errorf("%s, scale %g, margin %g: %v, want %v", tc.position, tc.scale, tc.margin, got, tc.want)
		}
	}
	// A high mark is held by the height.
	if got := inked(marked(t, 200, 100, testimages.Solid(10, 40, color.NRGBA{200, 0, 0, 255}), mark("left", 1, 0, 1))); got != image.Rect(0, 0, 25, 100) {
		t.Errorf("a high mark: %v", got)
	}
}

func TestWatermarkTiles(t *testing.T) {
	got := marked(t, 200, 100, testimages.Solid(40, 20, color.NRGBA{200, 0, 0, 255}), mark("tile", 0.2, 0.1, 1))
	for y := range 100 {
		for x := range 200 {
			in := x%50 >= 10 && y%30 >= 10
			if red := got.NRGBAAt(x, y).R == 200; red != in {
				t.Fatalf("at %d, %d: %v", x, y, got.NRGBAAt(x, y))
			}
		}
	}
}

func TestWatermarkBlends(t *testing.T) {
	got := marked(t, 40, 20, testimages.Solid(40, 20, color.NRGBA{200, 0, 50, 102}), mark("center", 1, 0, 0.5))
	if c := got.NRGBAAt(20, 10); c != (color.NRGBA{120, 80, 90, 255}) { // a fifth of the way
		t.Errorf("%v", c)
	}
	p, err := newEngine(t, imaging.Limits{}).Process(context.Background(), imaging.Request{
		Source: testimages.Solid(40, 20, color.NRGBA{9, 9, 9, 0}), Assets: map[string][]byte{"a": testimages.Solid(4, 2, color.NRGBA{200, 0, 50, 102})},
		Job: one(recipe.Output{Format: recipe.PNG}, recipe.Step{Kind: recipe.StepWatermark, Image: "a", Position: "center", Scale: "1", Margin: "0", Opacity: "1"})})
	if err != nil {
		t.Fatal(err)
	}
	if c := decode(t, p.Outputs[0].Bytes).NRGBAAt(20, 10); c != (color.NRGBA{200, 0, 50, 102}) {
		t.Errorf("over nothing: %v", c)
	}
}

// TestWatermarkKinds: the mark is a file like any other: turned upright, taken to sRGB.
func TestWatermarkKinds(t *testing.T) {
	got := marked(t, 96, 64, testimages.Oriented(96, 64, 6), mark("center", 1, 0, 1))
	if mean, _ := difference(t, got, testimages.Picture(96, 64)); mean > 4 {
		t.Errorf("an oriented mark differs by %.2f", mean)
	}
}

func TestBadWatermarks(t *testing.T) {
	e := newEngine(t, imaging.Limits{Pixels: 10_000})
	for name, assets := range map[string]map[string][]byte{
		"missing": nil, "empty": {"logo": {}}, "no image": {"logo": []byte("hello")}, "damaged": {"logo": testimages.PNG(60, 60)[:600]},
		"too large": {"logo": testimages.BlackPNG(200, 200)},
	} {
		s := mark("center", 0.5, 0, 1)
		s.Image = "logo"
		_, err := e.Process(context.Background(), imaging.Request{Source: testimages.PNG(40, 40), Job: one(recipe.Output{Format: recipe.PNG}, s), Assets: assets})
		if f := fault.As(err); f == nil || f.Code != fault.CodeBadAsset || f.Kind != fault.Permanent || !strings.HasSuffix(f.Message, ".") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func text(s, color string) recipe.Step {
	m := mark("center", 0.8, 0, 1)
	m.Text, m.Color = recipe.Value(s), recipe.Value(color)
	return m
}

func written(t *testing.T, s string) *image.NRGBA {
	t.Helper()
	return after(t, testimages.Solid(400, 200, color.NRGBA{100, 100, 100, 255}), text(s, "#ff0000"))
}

func TestTextWatermark(t *testing.T) {
	for _, s := range []string{"Tintype", "© Åse Ærøe 2024", "two\nlines", "i", strings.Repeat("long ", 40), "日本"} {
		m := written(t, s)
		r := inked(m)
		if wide, high := r.Dx() >= 315 && r.Dx() <= 320, r.Dy() >= 195; r.Dx() > 320 || !wide && !high {
			t.Errorf("%.20q: %v", s, r)
		}
		full := 0
		for i := 0; i < len(m.Pix); i += 4 {
			if p := m.Pix[i : i+3]; bytes.Equal(p, []byte{255, 0, 0}) {
				full++
			} else if p[0] < 100 || p[1] > 100 || p[1] != p[2] {
				t.Fatalf("%.20q: a pixel is %v", s, p)
			}
		}
		if full == 0 && len(s) < 100 { // a letter is a pixel wide
			t.Errorf("%.20q: no pixel has the colour of the text", s)
		}
	}
}

// TestTextIsNoMarkup: what Pango would read as markup is drawn as it stands. Were it
// read, the first of each pair would look like the second.
func TestTextIsNoMarkup(t *testing.T) {
	for _, pair := range [][2]string{
		{"<b>x</b>", "x"}, {"a&amp;b", "a&b"}, {"<span foreground='blue' size='1'>x</span>", "x"}, {"&#65;&#66;", "AB"}, {"<!-- x -->y", "y"},
	} {
		a, b := written(t, pair[0]), written(t, pair[1])
		if bytes.Equal(a.Pix, b.Pix) {
			t.Errorf("%q is drawn like %q", pair[0], pair[1])
		}
	}
	for _, open := range []string{"<b", "&", "<span>", "]]>", "\"'", "a<b>c", "\x01\x02x\x7f", "\xff\xfex", "x\u202ey"} {
		if r := inked(written(t, open)); r.Empty() {
			t.Errorf("%q leaves no ink", open)
		}
	}
	// Control characters and NUL hide nothing of what comes behind them.
	if a, b := written(t, "a\x00b\rc"), written(t, "abc"); !bytes.Equal(a.Pix, b.Pix) {
		t.Error("control characters are drawn, or end the text")
	}
}

func TestTextWithoutInk(t *testing.T) {
	for _, s := range []string{" ", "\n\t", "\x01", "\u00a0", "\u200b"} {
		_, err := newEngine(t, imaging.Limits{}).Process(context.Background(), imaging.Request{
			Source: testimages.PNG(40, 40), Job: one(recipe.Output{Format: recipe.PNG}, text(s, "#ff0000"))})
		if f := fault.As(err); f == nil || f.Code != fault.CodeBadParameter || f.Kind != fault.Permanent {
			t.Errorf("%q: %v", s, err)
		}
	}
}
