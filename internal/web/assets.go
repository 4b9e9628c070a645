package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/tintype/tintype/internal/store"
)

// assets are the page's static files, read and compressed once.
//
// They are served under /static/<version>/, where version is a hash of all of them: what is
// there never changes and may be kept for ever, and modules that name each other by
// relative paths stay within one version. Under any other version, and under none, the same
// files are there to be asked for each time: a page of another release still works.
type assets struct {
	version string // "v-" and 12 hexadecimal digits
	files   map[string]asset
	modules []string // the paths of all modules, for the page to name: the browser need not find them one by one
}

type asset struct {
	body, gzip  []byte // gzip is nil where it saves nothing
	contentType string
	etag        string
}

// assetTypes are written out, because the system's own table may lack or misname them.
var assetTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

// styles is the name under which all style sheets are served as one, in the order of their paths.
const styles = "page.css"

func newAssets(files fs.FS) (*assets, error) {
	a := &assets{files: map[string]asset{}}
	all := sha256.New()
	var css []byte
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		fmt.Fprintf(all, "%s %d\n%s", name, len(body), body)
		switch path.Ext(name) {
		case ".css":
			css = append(append(css, body...), '\n')
			return nil
		case ".js":
			if name != "boot.js" {
				a.modules = append(a.modules, name)
			}
		}
		return a.add(name, body)
	})
	if err != nil {
		return nil, fmt.Errorf("static files: %w", err)
	}
	slices.Sort(a.modules)
	a.version = "v-" + hex.EncodeToString(all.Sum(nil)[:6])
	return a, a.add(styles, css)
}

func (a *assets) add(name string, body []byte) error {
	t := assetTypes[path.Ext(name)]
	if t == "" {
		t = mime.TypeByExtension(path.Ext(name))
	}
	sum := sha256.Sum256(body)
	packed, err := compress(body)
	if err != nil {
		return fmt.Errorf("compress %s: %w", name, err)
	}
	if len(packed) >= len(body) {
		packed = nil
	}
	a.files[name] = asset{body, packed, t, hex.EncodeToString(sum[:12])}
	return nil
}

func compress(body []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// url is where the page finds a file.
func (a *assets) url(name string) string { return "/static/" + a.version + "/" + name }

func (s *Server) handleStatic(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	version := ""
	if first, rest, ok := strings.Cut(name, "/"); ok && strings.HasPrefix(first, "v-") {
		version, name = first, rest
	}
	f, ok := s.page.assets.files[name]
	if !ok {
		s.fail(w, r, store.ErrNotFound)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Vary", "Accept-Encoding")
	if version == s.page.assets.version {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "no-cache")
	}
	body := f.body
	etag := f.etag
	if f.gzip != nil && takesGzip(r) {
		body, etag = f.gzip, etag+"-gzip"
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", `"`+etag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// takesGzip reports whether a client names gzip among the encodings that it understands.
func takesGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		coding, q, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			q = strings.ReplaceAll(q, " ", "")
			return q != "q=0" && !strings.HasPrefix(q, "q=0.000")
		}
	}
	return false
}
