package web

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

//go:embed page
var pageFiles embed.FS

// page is what people see: a layout, the pages that stand in it, and static files.
type page struct {
	shells map[string]*template.Template // by the page's name
	assets *assets
}

// pageNames are the pages. Each has a template page/<name>.html that defines "main", and a
// module page/static/pages/<name>.js that brings it to life.
var pageNames = []string{"images", "image", "pipeline", "deadletters"}

func newPage() (*page, error) {
	static, err := fs.Sub(pageFiles, "page/static")
	if err != nil {
		return nil, fmt.Errorf("static files: %w", err)
	}
	p := &page{shells: map[string]*template.Template{}}
	if p.assets, err = newAssets(static); err != nil {
		return nil, err
	}
	for _, name := range pageNames {
		p.shells[name], err = template.New("layout.html").Funcs(template.FuncMap{
			"static": p.assets.url,
			"step":   step,
			// length bounds a text input as the parameter does.
			"length": func(p recipe.Param) int { return p.Length() },
		}).ParseFS(pageFiles, "page/layout.html", "page/parts/*.html", "page/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("page template %s: %w", name, err)
		}
	}
	return p, nil
}

// view is one page as the layout shows it.
type view struct {
	Page    string // one of pageNames
	Title   string
	Waiting bool // something is not finished: without scripts the page loads itself again
	Data    any  // what the page's own template shows

	Mode, Version string   // of this server
	User          *whoami  // nil where nobody is asked
	Modules       []string // for the browser to fetch at once
}

// writeView answers a page.
func (s *Server) writeView(w http.ResponseWriter, r *http.Request, status int, v view) {
	v.Mode, v.Version, v.Modules, v.User = s.o.Mode, s.o.Version, s.page.assets.modules, newWhoami(r)
	var b bytes.Buffer
	if err := s.page.shells[v.Page].Execute(&b, v); err != nil {
		s.fail(w, r, fmt.Errorf("page template %s: %w", v.Page, err))
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", pagePolicy(s.s3Origins(r.Context())))
	h.Set("Vary", "Accept-Encoding")
	body := b.Bytes()
	if takesGzip(r) {
		packed, err := compress(body)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		body = packed
		h.Set("Content-Encoding", "gzip")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// step makes about a hundred stops of a number's range, or as many as there are: where the
// default lies between two of them, browsers would move it.
func step(p recipe.Param) string {
	size := (p.Max - p.Min) / 100
	if d, ok := p.Default.(float64); ok && size > 0 {
		if stops := (d - p.Min) / size; math.Abs(stops-math.Round(stops)) < 1e-9 {
			return strconv.FormatFloat(size, 'g', -1, 64)
		}
	}
	return "any"
}

// swatch is a colour offered beside the colour input; Class gives it its colour in page.css.
type swatch struct{ Class, Name, Value string }

var swatches = []swatch{
	{"orange", "Orange", "#ff8800"}, {"red", "Red", "#d7263d"}, {"rose", "Rose", "#e56399"}, {"violet", "Violet", "#7a4fd0"},
	{"blue", "Blue", "#3366ff"}, {"teal", "Teal", "#0f9d8f"}, {"green", "Green", "#4f9d2f"}, {"sepia", "Sepia", "#8a5a2b"},
}

// settings are the recipes with their controls, for a form to choose from.
type settings struct {
	Default  string
	Recipes  []recipe.Recipe
	Swatches []swatch
}

func (s *Server) settings() settings {
	return settings{Default: recipe.Default, Recipes: s.o.Recipes.Recipes(), Swatches: swatches}
}

// imagesView is what the page of images shows.
type imagesView struct {
	Settings         settings
	Accept, MaxBytes string
	Limit            int64 // MaxBytes as a number
	Images           []card
	Blank            card     // the card that scripts fill
	ListError        bool     // the images cannot be listed
	Problem          *problem // why an upload by form was refused
}

// card is one image as the gallery shows it.
type card struct {
	ID, Name, Label, Detail, Why string
	Status                       recipe.Status
	Page, Thumb, Alt             string // addresses of the image's page and the tile, and what the tile shows
}

// labels are the words for a status; static/lib/words.js has the same.
var labels = map[recipe.Status]string{
	recipe.Queued: "waiting", recipe.Processing: "in work", recipe.Done: "done", recipe.Failed: "failed",
}

// shownFormats are what browsers display.
var shownFormats = []string{"jpeg", "png", "webp", "gif", "avif"}

// newCard makes a card of a document, as static/images/card.js does.
func newCard(img *Image) card {
	c := card{ID: img.ID, Name: img.Name, Status: img.Status, Label: labels[img.Status], Page: "/images/" + url.PathEscape(img.ID)}
	if img.Status == recipe.Done && img.Timings != nil {
		c.Label += " · " + duration(img.Timings.TotalMS)
	}
	c.Detail = jobText(img)
	if img.Error != nil {
		c.Why = strings.TrimSpace(img.Error.Message + " " + img.Error.Hint)
	}
	if tile := tileOf(img); img.Status == recipe.Done && tile != nil {
		c.Thumb, c.Alt = fresh(tile), img.Name+", "+img.Recipe
	}
	return c
}

// jobText is an image's recipe and params, in short.
func jobText(img *Image) string {
	detail := []string{}
	if img.Recipe != "" {
		detail = append(detail, img.Recipe)
	}
	names := slices.Sorted(maps.Keys(img.Params))
	for _, name := range names { // colours and words speak for themselves
		if v, ok := img.Params[name].(string); ok && v != "" {
			detail = append(detail, v)
		}
	}
	for _, name := range names {
		switch v := img.Params[name].(type) {
		case float64:
			if v != 1 {
				detail = append(detail, fmt.Sprintf("%s %v", name, v))
			}
		case bool:
			if v {
				detail = append(detail, name)
			}
		}
	}
	return strings.Join(detail, " · ")
}

// tileOf is the output fit for a tile: the one made for it, or the smallest that is not tiny.
func tileOf(img *Image) (tile *ImageOutput) {
	for i := range img.Outputs {
		o := &img.Outputs[i]
		if !slices.Contains(shownFormats, o.Format) {
			continue
		}
		if tile == nil || o.Name == "thumb" || (tile.Name != "thumb" && o.Width >= 240 && (o.Width < tile.Width || tile.Width < 240)) {
			tile = o
		}
	}
	return tile
}

// duration is milliseconds for people, as static/lib/format.js writes them.
func duration(ms int64) string {
	switch {
	case ms < 1:
		return "< 1 ms"
	case ms < 1000:
		return fmt.Sprintf("%d ms", ms)
	case ms < 10_000:
		return fmt.Sprintf("%.1f s", float64(ms)/1000)
	}
	return (time.Duration(ms) * time.Millisecond).Round(time.Second).String()
}

// fresh makes an output's address change with its content, so that caches can be trusted.
func fresh(o *ImageOutput) string {
	parts := strings.Split(o.Key, "/")
	if len(parts) < 2 {
		return o.URL
	}
	return o.URL + "?v=" + template.URLQueryEscaper(parts[len(parts)-2])
}

func (s *Server) handlePage(w http.ResponseWriter, r *http.Request) {
	s.writePage(w, r, http.StatusOK, nil)
}

// failPage answers a browser's form without scripts: the page, with what is wrong at its top.
func (s *Server) failPage(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return
	}
	p := problemOf(err)
	if p.Status >= 500 {
		s.log.Error("request failed", "method", r.Method, "path", r.URL.Path, "status", p.Status, "code", p.Code, "err", err)
	}
	s.metrics.refused.add(p.Code)
	s.writePage(w, r, p.Status, &p)
}

func (s *Server) writePage(w http.ResponseWriter, r *http.Request, status int, p *problem) {
	data := imagesView{
		Settings: s.settings(),
		// The extension helps where the system has no type for HEIC.
		Accept: strings.Join(contentTypes(), ",") + ",.heic,.heif", MaxBytes: megabytes(s.o.MaxBytes), Limit: s.o.MaxBytes, Problem: p,
	}
	v := view{Page: "images", Title: "Images"}
	// The page is of use even where the list is not there yet.
	ctx, cancel := context.WithTimeout(r.Context(), 3*time.Second)
	defer cancel()
	list, err := s.list(ctx, "", defaultPage, filter{})
	if err != nil {
		s.log.Warn("page shown without its images", "err", err)
		data.ListError = true
	} else {
		for _, img := range list.Images {
			data.Images = append(data.Images, newCard(img))
			v.Waiting = v.Waiting || img.Status == recipe.Queued || img.Status == recipe.Processing
		}
	}
	v.Data = data
	s.writeView(w, r, status, v)
}

// s3Origins are the origins under which browsers reach the buckets: as configured, or
// as the store presigns them, which is right for every endpoint and addressing style.
func (s *Server) s3Origins(ctx context.Context) []string {
	s.originsMu.Lock()
	defer s.originsMu.Unlock()
	if s.origins != nil {
		return s.origins
	}
	var urls []string
	for _, bucket := range []store.Which{store.Uploads, store.Results} {
		u, err := s.o.Store.PresignGet(ctx, bucket, "origin", "")
		if err != nil {
			s.log.Warn("the address at which browsers reach S3 is not known yet", "err", err)
			return nil
		}
		urls = append(urls, u)
	}
	form, err := s.o.Store.PresignUpload(ctx, store.PresignUpload{Key: "origin", ContentType: "image/png", MaxBytes: 1})
	if err != nil {
		s.log.Warn("the address to which browsers upload is not known yet", "err", err)
		return nil
	}
	var origins []string
	for _, u := range append(urls, form.URL) {
		origin, err := originOf(u)
		if err != nil {
			s.log.Error("presigned address cannot be used in a Content-Security-Policy", "err", err)
			return nil
		}
		if !slices.Contains(origins, origin) {
			origins = append(origins, origin)
		}
	}
	s.origins = origins
	return origins
}
