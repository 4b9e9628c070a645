package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/draw"
	"math"
	"testing"

	"github.com/tintype/tintype/internal/imaging/thumbhash"
	"github.com/tintype/tintype/internal/imaging/tone"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/testimages"
	"github.com/tintype/tintype/internal/web/webtest"
)

// What the page paints itself is what the worker would have painted.
func TestPicturesInPage(t *testing.T) {
	s := newSystem(t, nil)
	b := webtest.Open(t, s.url)
	t.Run("foretaste", func(t *testing.T) { testForetaste(t, s, b) })
	t.Run("thumb hash", func(t *testing.T) { testThumbHash(t, b) })
	b.CheckQuiet()
}

// The foretaste of a recipe is what the worker will make of the picture, pixel by pixel.
func testForetaste(t *testing.T, s *system, b *webtest.Browser) {
	b.Import("tone", "lib/tone.js")
	b.Import("api", "lib/api.js")
	b.Exec(`api.config().then((c) => { window.config = c; })`)
	b.Until("the recipes are there", `window.config`)

	var pix []byte // every step of 51 of every channel
	for r := 0; r < 256; r += 51 {
		for g := 0; g < 256; g += 51 {
			for bl := 0; bl < 256; bl += 51 {
				pix = append(pix, byte(r), byte(g), byte(bl), 255)
			}
		}
	}
	adjust := recipe.Recipe{Name: "adjusted", Steps: []recipe.Step{
		{Kind: recipe.StepAdjust, Brightness: "1.2", Contrast: "0.8", Saturation: "1.3", Hue: "25"},
		{Kind: recipe.StepTint, Color: "#3366ff", Strength: "0.4"},
	}}
	text, err := json.Marshal(adjust)
	if err != nil {
		t.Fatal(err)
	}
	b.Exec(`config.recipes.push(` + string(text) + `)`)
	for _, tt := range []struct {
		recipe string
		params map[string]string
	}{
		{"tint", map[string]string{"tint": "#ff8800"}},
		{"tint", map[string]string{"tint": "#000000"}},
		{"tint", map[string]string{"tint": "#7a4fd0", "strength": "0.35"}},
		{"grayscale", nil},
		{"sepia", nil},
		{"sepia", map[string]string{"strength": "0.5"}},
		{"duotone", map[string]string{"dark": "#1b1464", "light": "#ffd166"}},
		{"adjusted", nil},
	} {
		steps, params := adjust.Steps, recipe.Params{}
		if tt.recipe != adjust.Name {
			job, err := s.book.Resolve(tt.recipe, tt.params)
			if err != nil {
				t.Fatal(err)
			}
			steps, params = job.Steps, job.Params
		}
		program, err := tone.Compile(steps)
		if err != nil {
			t.Fatal(err)
		}
		want := bytes.Clone(pix)
		if err := program.Apply(want, 4); err != nil {
			t.Fatal(err)
		}
		given, err := json.Marshal(params)
		if err != nil {
			t.Fatal(err)
		}
		got := webtest.Eval[[]int](b, fmt.Sprintf(`(() => {
			const n = %d / 4;
			const tone1 = new tone.Tone('tested');
			document.body.append(tone1.root);
			tone1.apply(config.recipes.find((r) => r.name === %q), %s);
			const from = new OffscreenCanvas(n, 1);
			from.getContext('2d').putImageData(new ImageData(Uint8ClampedArray.from(%s), n, 1), 0, 0);
			const to = document.createElement('canvas');
			to.width = n; to.height = 1;
			const c = to.getContext('2d');
			c.filter = 'url("#tested")';
			c.drawImage(from, 0, 0);
			tone1.root.remove();
			return [...c.getImageData(0, 0, n, 1).data];
		})()`, len(pix), tt.recipe, given, intsOf(pix)))
		worst := 0
		for i := range want {
			worst = max(worst, int(math.Abs(float64(got[i]-int(want[i])))))
		}
		if worst > 3 {
			t.Errorf("%s %v: a channel is off by %d of 255", tt.recipe, tt.params, worst)
		}
	}
}

func intsOf(b []byte) string {
	ints := make([]int, len(b))
	for i, v := range b {
		ints[i] = int(v)
	}
	text, err := json.Marshal(ints)
	if err != nil {
		return "[]"
	}
	return string(text)
}

// A ThumbHash gives back what little it holds of a picture: where it is light and where dark,
// and of what colour.
func testThumbHash(t *testing.T, b *webtest.Browser) {
	b.Import("thumbhash", "lib/thumbhash.js")
	for name, body := range map[string][]byte{"wide": testimages.PNG(100, 60), "high": testimages.PNG(40, 90), "photo": testimages.Photo()} {
		img, _, err := image.Decode(bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		small := image.NewNRGBA(image.Rect(0, 0, 20, 20)) // the mean of each part of the picture
		size := img.Bounds().Size()
		part := image.NewNRGBA(img.Bounds())
		draw.Draw(part, part.Bounds(), img, img.Bounds().Min, draw.Src)
		for y := range 20 {
			for x := range 20 {
				var sum [3]int
				n := 0
				for py := y * size.Y / 20; py < (y+1)*size.Y/20; py++ {
					for px := x * size.X / 20; px < (x+1)*size.X/20; px++ {
						c := part.NRGBAAt(px, py)
						sum[0], sum[1], sum[2], n = sum[0]+int(c.R), sum[1]+int(c.G), sum[2]+int(c.B), n+1
					}
				}
				o := small.PixOffset(x, y)
				small.Pix[o], small.Pix[o+1], small.Pix[o+2], small.Pix[o+3] = byte(sum[0]/n), byte(sum[1]/n), byte(sum[2]/n), 255
			}
		}
		hash, err := thumbhash.Encode(20, 20, 4, small.Pix)
		if err != nil {
			t.Fatal(err)
		}
		type picture struct {
			Width, Height int
			Pixels        []int
		}
		got := webtest.Eval[picture](b, fmt.Sprintf(`(() => { const p = thumbhash.decode(%q); return { width: p.width, height: p.height, pixels: [...p.pixels] }; })()`, hash))
		if got.Width != 32 || got.Height != 32 || len(got.Pixels) != 32*32*4 {
			t.Fatalf("%s: %d×%d, %d values", name, got.Width, got.Height, len(got.Pixels))
		}
		var off float64
		for y := range 20 {
			for x := range 20 {
				i := ((y*32/20)*32 + x*32/20) * 4
				for c := range 3 {
					off += math.Abs(float64(got.Pixels[i+c] - int(small.Pix[small.PixOffset(x, y)+c])))
				}
			}
		}
		if off /= 20 * 20 * 3; off > 28 {
			t.Errorf("%s: a channel is off by %.1f of 255 on average", name, off)
		} else {
			t.Logf("%s: a channel is off by %.1f of 255 on average", name, off)
		}
	}
	for _, bad := range []string{"", "!", "AAAA", "////", "AACA", "gICA/w=="} {
		b.Exec(fmt.Sprintf(`thumbhash.decode(%q)`, bad)) // throws nothing
	}
}
