package console

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"time"

	"github.com/tintype/tintype/internal/localaws/mail"
	"github.com/tintype/tintype/internal/localaws/s3"
	"github.com/tintype/tintype/internal/localaws/wire"
)

//go:embed pages static
var files embed.FS

// pageNames are the templates, each with a "main" of its own.
var pageNames = []string{"overview", "buckets", "bucket", "object", "topics", "topic", "queues", "queue", "message", "inbox", "mail", "problem"}

func loadPages(now func() time.Time) (map[string]*template.Template, error) {
	common, err := template.New("layout.html").Funcs(functions(now)).ParseFS(files, "pages/layout.html", "pages/parts.html")
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	pages := map[string]*template.Template{}
	for _, name := range pageNames {
		t, err := common.Clone()
		if err == nil {
			t, err = t.ParseFS(files, "pages/"+name+".html")
		}
		if err != nil {
			return nil, fmt.Errorf("console: page %s: %w", name, err)
		}
		pages[name] = t
	}
	return pages, nil
}

// asset is a file of the page's own.
type asset struct {
	body       []byte
	kind, etag string
}

func loadStatic() (map[string]asset, error) {
	// Written out: the system's own table may lack or misname them.
	kinds := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	out := map[string]asset{}
	err := fs.WalkDir(files, "static", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(body)
		out[path.Base(name)] = asset{body, kinds[path.Ext(name)], `"` + hex.EncodeToString(sum[:12]) + `"`}
		return nil
	})
	return out, err
}

func (c *Console) serveStatic(w http.ResponseWriter, r *http.Request) {
	a, ok := c.static[r.PathValue("file")]
	if !ok {
		c.problem(w, r, notHere("There is no such file."))
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("Cache-Control", "no-cache") // asked each time, and told it is the same
	h.Set("ETag", a.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.body))
}

// view is a page to be shown: a template and what it shows.
type view struct {
	name string // of the template
	page
	Data any
}

// page is what every page has.
type page struct {
	Title    string
	Here     string // the part of the navigation it belongs to
	Fixed    bool   // it never changes, or shows a place in a list: not to be kept up to date
	Endpoint string
	Mails    int // in the inbox, up to maxCount
	Still    bool
	Refresh  bool   // without scripts the page loads itself again
	Note     string // what an action just did
	Toggle   string // the address of this page held still, or kept up to date again
}

// pageFunc makes a page. It must be quick however much is stored: it is called once a
// second for everyone who looks.
type pageFunc func(r *http.Request) (view, error)

// page serves a page, or, to an EventSource, the page again whenever it changes.
func (c *Console) page(build pageFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Accept")
		if r.Header.Get("Accept") == "text/event-stream" {
			c.stream(w, r, build)
			return
		}
		v, err := build(r)
		if err != nil {
			c.fail(w, r, err)
			return
		}
		c.show(w, r, http.StatusOK, v)
	})
}

// show renders a page, whole or not at all.
func (c *Console) show(w http.ResponseWriter, r *http.Request, status int, v view) {
	c.dress(r, &v)
	var b bytes.Buffer
	if err := c.pages[v.name].Execute(&b, v); err != nil {
		c.log.Error("console: a page cannot be made", "page", v.name, "path", r.URL.Path, "err", err)
		http.Error(w, "This page cannot be shown; the log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // a client that left cannot be told
}

// maxCount bounds what is counted for the navigation.
const maxCount = 1000

// dress fills in what all pages have.
func (c *Console) dress(r *http.Request, v *view) {
	v.Endpoint = c.opts.Endpoint
	v.Still = r.URL.Query().Has("still")
	v.Refresh = !v.Fixed && !v.Still
	v.Note = notes[r.URL.Query().Get("did")]
	v.Toggle = toggled(r.URL, v.Still)
	// A count that cannot be had is no reason not to show the page.
	v.Mails, _ = c.opts.Mail.Count(r.Context(), maxCount)
}

// toggled is the address of a page, with or without ?still.
func toggled(u *url.URL, still bool) string {
	q := u.Query()
	q.Del("did")
	if q.Del("still"); !still {
		q.Set("still", "1")
	}
	return (&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: q.Encode()}).String()
}

// problem is what a person is told who cannot be shown, or given, what was asked for.
type problem struct {
	status int
	Text   string
	Hint   string
}

func (p *problem) Error() string { return p.Text }

func notHere(text string) *problem { return &problem{http.StatusNotFound, text, ""} }

// fail tells what went wrong.
func (c *Console) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		return // nobody is there any more
	}
	c.problem(w, r, c.problemOf(r, err))
}

func (c *Console) problemOf(r *http.Request, err error) *problem {
	var p *problem
	var refused *wire.Error
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, mail.ErrNotFound):
		return notHere("There is no such mail.")
	case errors.Is(err, s3.ErrNoView):
		return notHere("There is no such bucket or object.")
	case isGone(err):
		return notHere("There is no such queue or topic.")
	case errors.As(err, &refused):
		return &problem{max(refused.Status, http.StatusBadRequest), refused.Code + ": " + refused.Message, ""}
	default:
		c.log.Error("console: request failed", "method", r.Method, "path", r.URL.Path, "err", err)
		return &problem{http.StatusInternalServerError, "This cannot be done right now; the log says why.", ""}
	}
}

func (c *Console) problem(w http.ResponseWriter, r *http.Request, p *problem) {
	c.show(w, r, p.status, problemView(p))
}

func problemView(p *problem) view {
	return view{name: "problem", page: page{Title: http.StatusText(p.status), Fixed: true}, Data: p}
}
