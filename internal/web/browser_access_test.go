package web

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/tintype/tintype/internal/testimages"
	"github.com/tintype/tintype/internal/web/webtest"
)

// Everybody can use every page: by axe-core's rules for WCAG 2.2 AA in both colour schemes, by
// the keyboard alone, and with nothing that moves by itself.
func TestPageAccess(t *testing.T) {
	s := newSystem(t, nil)
	s.run(s.web)
	s.appTier()
	s.allow(s.url)
	names := []string{"צילום של חתול.png", strings.Repeat("a very long name ", 12) + ".jpg", "plain.png"}
	var ids []string
	for i, name := range names {
		body := testimages.PNG(320, 200+10*i)
		if i == 1 {
			body = testimages.Photo()
		}
		ids = append(ids, s.uploaded(name, body))
	}
	failed := s.uploaded("damaged.jpg", testimages.Truncated())
	chosen := files(t, map[string][]byte{"one.png": testimages.PNG(300, 200), "two.png": testimages.PNG(200, 300), "no.txt": []byte("text")})

	b := webtest.Open(t, s.url)
	both := func(what string) {
		t.Helper()
		for _, dark := range []bool{false, true} {
			b.Dark(dark)
			b.CheckAccess(map[bool]string{false: what + ", light", true: what + ", dark"}[dark])
		}
		b.Dark(false)
	}
	b.Until("all are finished", `document.querySelectorAll('.card[data-status=done]').length === 3 && document.querySelector('.card[data-status=failed]') !== null`)
	b.CheckStable("gallery")
	b.Offer(chosen["one.png"], chosen["two.png"], chosen["no.txt"])
	b.Until("they are staged", `document.querySelectorAll('#staged canvas:not([hidden])').length === 2 && document.querySelector('.preview .layer.loaded')`)
	both("composer and gallery")
	b.CheckWidths("access")

	// The keyboard alone: move the divider, leave one out, send.
	b.Exec(`document.querySelector('.preview .compare-range').focus()`)
	b.Keys("ArrowRight")
	b.Until("the divider moved", `document.querySelector('.preview .compare').style.getPropertyValue('--at') === '50.5%'`)
	b.Exec(`document.querySelector('#staged .off').focus()`)
	b.Keys("Enter")
	b.Until("one is left, and the focus is on it", `document.querySelectorAll('#staged li').length === 1 && document.activeElement.className === 'off'`)
	b.Exec(`document.querySelector('#go').focus()`)
	b.Keys("Enter")
	b.Until("it is done", `document.querySelectorAll('.card[data-status=done]').length === 4`)
	b.Until("screen readers are told", `document.querySelector('#announce').textContent.includes('two.png: done.')`)
	b.Exec(`[...document.querySelectorAll('#tray button')].find((b) => b.textContent === 'Files').click()`)
	both("panel of uploads")

	b.Exec(`document.querySelector('#images .open').focus()`)
	b.Keys("End")
	last := webtest.Eval[string](b, `document.activeElement.closest('.card').dataset.id`)
	b.Keys("Enter")
	b.Until("the image's page opens", `location.pathname === '/images/`+last+`' && document.activeElement.id === 'main'`)
	b.Until("its pictures are there", `document.querySelectorAll('#viewer .layer.loaded').length === 2`)
	both("page of an image")
	b.Exec(`document.querySelector('#viewer .compare-range').focus()`)
	b.Keys("+")
	b.Until("it is larger", `document.querySelector('#viewer .compare').classList.contains('zoomed')`)
	b.Keys("0")
	b.Until("it fits again", `!document.querySelector('#viewer .compare').classList.contains('zoomed')`)
	b.Press("#again")
	b.CheckAccess("dialog: again")
	b.Keys("Escape")
	b.Until("the focus is where it was", `document.activeElement.id === 'again'`)
	b.Press("#delete")
	b.CheckAccess("dialog: delete")
	b.Keys("Escape")

	b.Visit("/images/"+ids[0], "#viewer .layer.loaded")
	b.Until("its pictures are there", `document.querySelectorAll('#viewer .layer.loaded').length === 2`)
	b.CheckStable("page of an image")
	b.Visit("/images/"+failed, "#why code")
	both("page of a failure")
	b.CheckWidths("failure")
	b.Visit("/pipeline", "main")
	b.CheckAccess("pipeline")
	b.Visit("/deadletters", "main")
	b.CheckAccess("dead letters")
	b.CheckQuiet()
}

// What a first visit loads stays small, and what it keeps is never asked for again.
func TestFirstView(t *testing.T) {
	s := newSystem(t, nil)
	s.web, s.url = s.serve(func(o *Options) { o.Store = newAlbum(s.store, 1000) })
	get := func(path string) (*http.Response, []byte) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept-Encoding", "br, gzip;q=0.8") // by our own hand: the client leaves the body as it is
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		packed, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s %v", path, resp.Status, err)
		}
		if resp.Header.Get("Content-Encoding") != "gzip" {
			return resp, packed
		}
		r, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		resp.ContentLength = int64(len(packed))
		return resp, body
	}
	resp, page := get("/")
	total := resp.ContentLength
	urls := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?:href|src)="(/static/[^"]+)"`).FindAllSubmatch(page, -1) {
		urls[string(m[1])] = true
	}
	for url := range urls {
		resp, body := get(url)
		total += resp.ContentLength
		if !strings.Contains(resp.Header.Get("Cache-Control"), "immutable") || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", url, resp.Header)
		}
		// The modules are named in the page: a browser finds none of them late.
		for _, m := range regexp.MustCompile(`(?m)^import [^;]*'([^']+)';|import\('([^']+)'\)`).FindAllSubmatch(body, -1) {
			name := regexp.MustCompile(`^(\.\.?/)+`).ReplaceAllString(string(m[1])+string(m[2]), "")
			found := false
			for u := range urls {
				found = found || strings.HasSuffix(u, "/"+name)
			}
			if !found {
				t.Errorf("%s imports %s, which the page does not name", url, name)
			}
		}
		if regexp.MustCompile(`(?:https?:)?//[a-z0-9-]+\.[a-z]`).Match(regexp.MustCompile(`(?m)//.*$|http://www\.w3\.org/2000/svg`).ReplaceAll(body, nil)) {
			t.Errorf("%s names another server", url)
		}
	}
	t.Logf("the first view is %d bytes in %d files", total, len(urls)+1)
	if total >= 100_000 || len(urls) < 10 {
		t.Errorf("the first view is %d bytes in %d files, want less than 100,000", total, len(urls)+1)
	}
	old := s.request("GET", "/static/v-000000000000/app.js", nil)
	if old.StatusCode != http.StatusOK || old.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("a page of another release: %s %v", old.Status, old.Header)
	}
}
