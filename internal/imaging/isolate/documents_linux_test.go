package isolate

import (
	"bytes"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/imaging"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/testimages"
)

// drawing is an SVG of 40 × 30 with a red left half.
const drawing = `<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"><rect width="20" height="30" fill="#f00"/></svg>`

// page is a PDF with one page of 72 × 36 points, the left half red.
func page() []byte {
	var b bytes.Buffer
	var at []int
	object := func(format string, args ...any) {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n"+format+"\nendobj\n", append([]any{len(at)}, args...)...)
	}
	b.WriteString("%PDF-1.4\n")
	object("<< /Type /Catalog /Pages 2 0 R >>")
	object("<< /Type /Pages /Kids [3 0 R] /Count 1 >>")
	object("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 72 36] /Contents 4 0 R >>")
	const ink = "1 0 0 rg 0 0 36 36 re f"
	object("<< /Length %d >>\nstream\n%s\nendstream", len(ink), ink)
	xref := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(at)+1)
	for _, a := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", a)
	}
	fmt.Fprintf(&b, "trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(at)+1, xref)
	return b.Bytes()
}

func whole() *recipe.Job {
	return &recipe.Job{Outputs: []recipe.Output{{Name: "out", Format: recipe.Same}}}
}

func TestDocumentsAreRefusedUnlessAskedFor(t *testing.T) {
	p := newPool(t, Options{Workers: 1})
	for name, src := range map[string][]byte{"svg": []byte(drawing), "pdf": page()} {
		if _, err := p.Process(t.Context(), imaging.Request{Source: src, Job: whole()}); fault.CodeOf(err) != fault.CodeUnsupported {
			t.Errorf("%s: %v, want code %s", name, err, fault.CodeUnsupported)
		}
	}
	if q, err := New(Options{Workers: 1, Documents: []string{"ps"}}); err == nil {
		q.Close()
		t.Error("a document that nobody knows is allowed")
	}
}

func TestDocumentsAreDrawn(t *testing.T) {
	p := newPool(t, Options{Workers: 1, Documents: []string{"svg", "pdf"}})
	for name, tc := range map[string]struct {
		src    []byte
		w, h   int
		format string
	}{
		"svg": {[]byte(drawing), 40, 30, "png"}, // half of it is transparent
		"pdf": {page(), 150, 75, "jpeg"},
	} {
		pic, err := p.Process(t.Context(), imaging.Request{Source: tc.src, Job: whole()})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		o := pic.Outputs[0]
		if pic.Source.Format != name || o.Format != tc.format || o.Width != tc.w || o.Height != tc.h {
			t.Errorf("%s: %+v became %d × %d %s", name, pic.Source, o.Width, o.Height, o.Format)
		}
		flat, err := p.Process(t.Context(), imaging.Request{Source: tc.src, Job: &recipe.Job{Outputs: []recipe.Output{{Name: "out", Format: recipe.PNG}}}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		m, err := png.Decode(bytes.NewReader(flat.Outputs[0].Bytes))
		if err != nil {
			t.Fatal(err)
		}
		if r, g, _, _ := m.At(tc.w/4, tc.h/2).RGBA(); r>>8 != 255 || g>>8 != 0 {
			t.Errorf("%s: the left half is %v", name, m.At(tc.w/4, tc.h/2))
		}
	}
	// The others are as they were.
	if _, err := p.Process(t.Context(), imaging.Request{Source: testimages.Photo(), Job: job("")}); err != nil {
		t.Error(err)
	}
}

// TestHostileDocuments: each ends with a code, soon, and shows nothing of this machine.
func TestHostileDocuments(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret.png")
	if err := os.WriteFile(secret, testimages.PNG(40, 30), 0o644); err != nil {
		t.Fatal(err)
	}
	p := newPool(t, Options{Workers: 1, Documents: []string{"svg", "pdf"}, Timeout: 10 * time.Second})
	svg := func(attributes, body string) []byte {
		return []byte(`<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" ` + attributes + `>` + body + `</svg>`)
	}
	laughs := `<!DOCTYPE svg [<!ENTITY a "` + strings.Repeat("ha", 1000) + `">`
	for c := 'b'; c < 'k'; c++ {
		laughs += fmt.Sprintf(`<!ENTITY %c "%s">`, c, strings.Repeat(fmt.Sprintf("&%c;", c-1), 10))
	}
	for name, src := range map[string][]byte{
		"endless":   svg(`width="1000000" height="1000000"`, `<rect width="9" height="9"/>`),
		"no size":   svg(`width="0" height="0"`, ``),
		"laughs":    []byte(laughs + `]><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><text>&j;</text></svg>`),
		"unclosed":  []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"><rect`),
		"cut PDF":   page()[:200],
		"empty PDF": []byte("%PDF-1.4\n"),
	} {
		_, err := p.Process(t.Context(), imaging.Request{Source: src, Job: whole()})
		if f := fault.As(err); f == nil || f.Kind != fault.Permanent {
			t.Errorf("%s: %v, want a permanent fault with a code", name, err)
		}
	}
	plain, err := p.Process(t.Context(), imaging.Request{Source: svg(`width="40" height="30"`, ``), Job: whole()})
	if err != nil {
		t.Fatal(err)
	}
	for _, href := range []string{"file://" + secret, secret, "http://127.0.0.1:1/x.png"} {
		pic, err := p.Process(t.Context(), imaging.Request{Source: svg(`width="40" height="30"`, `<image width="40" height="30" href="`+href+`" xlink:href="`+href+`"/>`), Job: whole()})
		if err == nil && !bytes.Equal(pic.Outputs[0].Bytes, plain.Outputs[0].Bytes) {
			t.Errorf("%s: something of it is shown", href)
		}
	}
}
