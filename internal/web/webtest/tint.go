package webtest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	_ "golang.org/x/image/webp"

	"github.com/chromedp/chromedp"
)

// Result is one image as the page shows it when it is done.
type Result struct {
	ID   string
	Name string
}

// ChooseAndTint does what a visitor does: opens the page, picks a tint ("#rrggbb"), chooses
// files in the picker, uploads them, sees progress, and sees the tinted pictures appear
// without a reload. It checks that they really loaded and are tinted, that the page complained
// of nothing, and takes screenshots at three widths.
func ChooseAndTint(t testing.TB, base, tint string, files ...string) []Result {
	t.Helper()
	b := Open(t, base)
	b.Pick(tint)
	b.Choose(files...)
	b.Screenshot("chosen", 1280)
	results := b.Submit(tint, files...)
	b.CheckWidths("done")
	b.Dark(true)
	b.Screenshot("done-dark", 1280)
	b.CheckQuiet()
	return results
}

// DropAndTint is ChooseAndTint for files that are dropped onto the page.
func DropAndTint(t testing.TB, base, tint string, files ...string) []Result {
	t.Helper()
	b := Open(t, base)
	b.Pick(tint)
	b.Drop(files...)
	results := b.Submit(tint, files...)
	b.CheckQuiet()
	return results
}

// Pick sets the tint: by its swatch where there is one, else in the colour input.
func (b *Browser) Pick(tint string) {
	b.t.Helper()
	swatch := fmt.Sprintf(`fieldset[data-recipe=tint] .swatch[data-colour=%q]`, tint)
	if Eval[bool](b, fmt.Sprintf("document.querySelector(%q) !== null", swatch)) {
		b.do("press the swatch", chromedp.Click(chromedp.CSS(swatch)))
	} else {
		b.Exec(fmt.Sprintf(`const i = document.querySelector('#param-tint-tint'); i.value = %q; i.dispatchEvent(new Event('input', { bubbles: true }))`, tint))
	}
	if value := Eval[string](b, `document.querySelector('#param-tint-tint').value`); value != tint {
		b.t.Fatalf("the tint is %s after choosing %s", value, tint)
	}
}

// Choose picks files as in the file dialog.
func (b *Browser) Choose(files ...string) {
	b.t.Helper()
	b.Offer(files...)
	b.Until("the chosen files show", fmt.Sprintf("document.querySelectorAll('#staged li').length === %d", len(files)))
}

// Offer picks files as in the file dialog, whatever the page then says of them.
func (b *Browser) Offer(files ...string) {
	b.t.Helper()
	b.do("choose files", chromedp.SetUploadFiles(chromedp.CSS("#files"), files))
}

// Drop drops files onto the drop zone. Scripts cannot make a trusted drop; the page gets
// the same events with the same DataTransfer.
func (b *Browser) Drop(files ...string) {
	b.t.Helper()
	type file struct{ Name, Data string }
	var in []file
	for _, f := range files {
		body, err := os.ReadFile(f)
		if err != nil {
			b.t.Fatal(err)
		}
		in = append(in, file{filepath.Base(f), base64.StdEncoding.EncodeToString(body)})
	}
	arg, err := json.Marshal(in)
	if err != nil {
		b.t.Fatal(err)
	}
	b.Exec(`
		const transfer = new DataTransfer();
		for (const { Name, Data } of ` + string(arg) + `) {
			transfer.items.add(new File([Uint8Array.from(atob(Data), (c) => c.charCodeAt(0))], Name, { type: 'image/png' }));
		}
		const zone = document.querySelector('#drop');
		for (const kind of ['dragenter', 'dragover', 'drop']) {
			zone.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
		}`)
	b.Until("the dropped files show", fmt.Sprintf("document.querySelectorAll('#staged li').length === %d", len(files)))
}

// Submit uploads what was chosen and waits until the page shows each file's tinted result.
func (b *Browser) Submit(tint string, files ...string) []Result {
	b.t.Helper()
	loadedAt := Eval[float64](b, "webtest.loads")
	b.Press("#go")
	var results []Result
	for _, f := range files {
		name := filepath.Base(f)
		card := fmt.Sprintf(`[...document.querySelectorAll('#images .card')].find((c) => c.querySelector('.name').textContent === %s)`, Quote(name))
		b.Until("the card of "+name+" is finished", fmt.Sprintf(`['done', 'failed'].includes(%s?.dataset.status)`, card))
		status := Eval[string](b, card+".dataset.status")
		why := Eval[string](b, card+".querySelector('.why').textContent")
		id := Eval[string](b, card+".dataset.id")
		if status != "done" {
			b.t.Fatalf("%s ended as %s: %s", name, status, why)
		}
		b.Exec(card + ".scrollIntoView()") // pictures load when they come into view
		b.Until("the tile of "+name+" has loaded", fmt.Sprintf(
			`(() => { const i = %s.querySelector('.thumb'); return !i.hidden && !i.src.startsWith('blob:') && i.complete && i.naturalWidth > 0; })()`, card))
		progress := Eval[[]float64](b, fmt.Sprintf("webtest.progress[%s] ?? []", Quote(name)))
		if len(progress) == 0 || progress[len(progress)-1] != 100 {
			b.t.Errorf("upload progress of %s was shown as %v, want it to reach 100", name, progress)
		}
		results = append(results, Result{ID: id, Name: name})
	}
	if now := Eval[float64](b, "webtest.loads"); now != loadedAt {
		b.t.Error("the page was loaded again while it waited")
	}
	for _, r := range results {
		CheckTinted(b.t, b.base, r.ID, "full", tint)
		CheckTinted(b.t, b.base, r.ID, "thumb", tint)
	}
	return results
}

// CheckTinted downloads one output, the way a browser does, and checks that the picture
// as a whole has the tint's hue.
func CheckTinted(t testing.TB, base, id, output, tint string) {
	t.Helper()
	client := &http.Client{Timeout: 30 * time.Second}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/api/images/"+id+"/outputs/"+output, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("download %s of %s: %v", output, id, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		t.Fatalf("download %s of %s: %s: %s", output, id, resp.Status, body)
	}
	img, format, err := image.Decode(resp.Body)
	if err != nil {
		t.Fatalf("decode %s of %s: %v", output, id, err)
	}
	want, err := parse(tint)
	if err != nil {
		t.Fatal(err)
	}
	got := mean(img)
	wantHue, _ := hue(want)
	gotHue, chroma := hue(got)
	// Tinting keeps light and shade, so hues bend a little where they are clipped.
	if off := math.Abs(math.Remainder(gotHue-wantHue, 360)); off > 40 || chroma < 0.05 {
		t.Errorf("%s of %s (%s, %v): its mean colour is %.2v with hue %.0f° and chroma %.2f, want the hue %.0f° of %s", output, id, format, img.Bounds().Size(), got, gotHue, chroma, wantHue, tint)
	}
}

// rgb is a colour with components from 0 to 1.
type rgb [3]float64

func parse(hex string) (rgb, error) {
	n, err := strconv.ParseUint(hex[1:], 16, 24)
	if err != nil || len(hex) != 7 {
		return rgb{}, fmt.Errorf("colour %q is not #rrggbb", hex)
	}
	return rgb{float64(n>>16) / 255, float64(n>>8&255) / 255, float64(n&255) / 255}, nil
}

func mean(img image.Image) (m rgb) {
	b := img.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			r, g, bl, _ := img.At(x, y).RGBA()
			m[0] += float64(r)
			m[1] += float64(g)
			m[2] += float64(bl)
		}
	}
	for i := range m {
		m[i] /= 65535 * float64(b.Dx()*b.Dy())
	}
	return m
}

// hue is the angle of a colour on the wheel in degrees, and its distance from grey (0 to 1).
func hue(c rgb) (degrees, chroma float64) {
	a := c[0] - (c[1]+c[2])/2
	b := math.Sqrt(3) / 2 * (c[1] - c[2])
	degrees = math.Atan2(b, a) * 180 / math.Pi
	if degrees < 0 {
		degrees += 360
	}
	return degrees, math.Hypot(a, b)
}

// Quote is s as a JavaScript string.
func Quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""` // a string always marshals
	}
	return string(b)
}
