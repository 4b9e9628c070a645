package web

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/testimages"
)

// recorder is a ResponseWriter with deadlines, as a connection has.
type recorder struct{ *httptest.ResponseRecorder }

func (recorder) SetReadDeadline(time.Time) error  { return nil }
func (recorder) SetWriteDeadline(time.Time) error { return nil }

// bare is a Server with what reading requests needs, and no endpoint.
func bare(tempDir string) *Server {
	return &Server{
		o:   Options{MaxBytes: 10_000, MaxSide: 20_000, MaxPixels: 100_000_000, TempDir: tempDir, Recipes: recipe.Builtin()},
		log: slog.New(slog.DiscardHandler), metrics: newMetrics(nil),
	}
}

// Whatever the body of a form is: it is read or refused with words, within the limits, and
// leaves nothing behind.
func FuzzForm(f *testing.F) {
	for _, fields := range [][]field{
		{{"file", "a.png", testimages.PNG(4, 4)}, {name: "tint", body: []byte("#fff")}},
		{{"file", "a.png", make([]byte, 10_001)}},
		{{"file", "../\" \\", nil}, {name: "recipe", body: []byte("sepia")}, {name: "sepia.strength", body: []byte("1")}},
	} {
		_, body := form(fields...)
		boundary, _, _ := strings.Cut(strings.TrimPrefix(string(body), "--"), "\r\n")
		f.Add(bytes.ReplaceAll(body, []byte(boundary), []byte("b")))
	}
	f.Add([]byte("--b\r\nContent-Disposition: form-data; name*=utf-8''file; filename*=x''%\r\nContent-Transfer-Encoding: base64\r\n\r\nx\r\n--b--"))
	dir := f.TempDir()
	s := bare(dir)
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/api/images", bytes.NewReader(body))
		r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		form, err := s.readForm(recorder{httptest.NewRecorder()}, r)
		if form == nil {
			t.Fatal("no form to close")
		}
		if err == nil {
			if form.file == nil || form.size > s.o.MaxBytes || len(form.name) > maxName {
				t.Errorf("accepted %+v", form)
			}
			if _, err := s.inspect(form); err != nil && problemOf(err).Status >= 500 {
				t.Errorf("looking at it: %v", err)
			}
			form.params(recipe.Default)
		} else if p := problemOf(err); p.Status >= 500 || p.Detail == "" {
			t.Errorf("refused with %+v: %v", p, err)
		}
		form.close()
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	})
}

func FuzzJSON(f *testing.F) {
	for _, seed := range []string{`{"recipe":"tint","params":{"tint":"#fff","strength":0.5}}`, `{"params":{"a":true}}`, `{"params":null}`, `{}{}`, `[`, ``, `{"params":{"a":-1e999}}`, "{\"params\":{\"a\":\"\\ud800\"}}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		var in struct {
			Recipe string            `json:"recipe"`
			Params map[string]scalar `json:"params"`
		}
		err := decodeJSON(recorder{httptest.NewRecorder()}, r, &in, false)
		if err == nil {
			rawParams(in.Params)
			return
		}
		if p := problemOf(err); p.Status/100 != 4 || p.Detail == "" {
			t.Errorf("refused with %+v: %v", p, err)
		}
	})
}
