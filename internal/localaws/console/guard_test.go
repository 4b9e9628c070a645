package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tintype/tintype/internal/localaws/console"
)

func TestTheConsoleIsClosedToOthers(t *testing.T) {
	e := start(t)
	e.queue("secret-queue", nil)
	e.send("secret-queue", "a")
	form := url.Values{"body": {"b"}}
	for _, c := range []struct {
		method, path string
		form         url.Values
		header       map[string]string
		want         int
	}{
		{http.MethodGet, "/", nil, nil, http.StatusOK},
		{http.MethodHead, "/", nil, nil, http.StatusOK},
		{http.MethodGet, "/nothing", nil, nil, http.StatusNotFound},
		{http.MethodGet, "/queues/none", nil, nil, http.StatusNotFound},
		{http.MethodGet, "/queues/secret-queue/9", nil, nil, http.StatusNotFound},
		{http.MethodGet, "/queues/secret-queue/x", nil, nil, http.StatusNotFound},
		{http.MethodGet, "/queues/secret-queue/9/body", nil, nil, http.StatusNotFound},
		{http.MethodGet, "/topics/none", nil, nil, http.StatusNotFound},
		{http.MethodGet, "/buckets/none", nil, nil, http.StatusNotFound},
		{http.MethodGet, "/buckets/none/object?key=a", nil, nil, http.StatusNotFound},
		{http.MethodGet, "/buckets/none/download?key=a", nil, nil, http.StatusNotFound},
		{http.MethodGet, "/inbox/999", nil, nil, http.StatusNotFound},
		{http.MethodGet, "/inbox/x", nil, nil, http.StatusNotFound},
		{http.MethodGet, "/inbox/999/raw", nil, nil, http.StatusNotFound},
		{http.MethodGet, "/static/none.js", nil, nil, http.StatusNotFound},
		{http.MethodGet, "/static/..%2fconsole.go", nil, nil, http.StatusNotFound},
		{http.MethodPost, "/", form, nil, http.StatusMethodNotAllowed},
		{http.MethodDelete, "/queues/secret-queue", nil, nil, http.StatusMethodNotAllowed},
		{http.MethodGet, "/queues/secret-queue/purge", nil, nil, http.StatusNotFound},
		// Under names that are this machine's, and under those of others.
		{http.MethodGet, "/queues", nil, map[string]string{"Host": "localhost:4567"}, http.StatusOK},
		{http.MethodGet, "/queues", nil, map[string]string{"Host": "[::1]:4567"}, http.StatusOK},
		{http.MethodGet, "/queues", nil, map[string]string{"Host": "console:4567"}, http.StatusOK},
		{http.MethodGet, "/queues", nil, map[string]string{"Host": "rebound.evil.example:4567"}, http.StatusForbidden},
		{http.MethodGet, "/inbox.json", nil, map[string]string{"Host": "evil.example"}, http.StatusForbidden},
		{http.MethodPost, "/queues/secret-queue/send", form, map[string]string{"Host": "evil.example", "Sec-Fetch-Site": "same-origin"}, http.StatusForbidden},
		// Forms of other sites.
		{http.MethodPost, "/queues/secret-queue/send", form, map[string]string{"Sec-Fetch-Site": "cross-site"}, http.StatusForbidden},
		{http.MethodPost, "/queues/secret-queue/send", form, map[string]string{"Sec-Fetch-Site": "same-site"}, http.StatusForbidden},
		{http.MethodPost, "/queues/secret-queue/send", form, map[string]string{"Origin": "http://evil.example"}, http.StatusForbidden},
		{http.MethodPost, "/queues/secret-queue/send", form, map[string]string{"Origin": "null"}, http.StatusForbidden},
		{http.MethodPost, "/queues/secret-queue/purge", form, map[string]string{"Sec-Fetch-Site": "cross-site"}, http.StatusForbidden},
		{http.MethodPost, "/inbox/delete", url.Values{"last": {"9"}}, map[string]string{"Sec-Fetch-Site": "cross-site"}, http.StatusForbidden},
	} {
		resp, body := e.do(c.method, c.path, c.form, c.header)
		if resp.StatusCode != c.want {
			t.Errorf("%s %s with %v: %s, want %d", c.method, c.path, c.header, resp.Status, c.want)
		}
		if resp.StatusCode == http.StatusForbidden && strings.Contains(body, "secret-queue") {
			t.Errorf("%s %s with %v shows content", c.method, c.path, c.header)
		}
		h := resp.Header
		if csp := h.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; script-src 'self'; style-src 'self'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s %s: policy %q", c.method, c.path, csp)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cross-Origin-Resource-Policy") != "same-origin" || h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s %s: headers %v", c.method, c.path, h)
		}
	}
	e.shows("/queues/secret-queue", "since the start: 1 in")
	if _, err := console.New(console.Options{}); err == nil {
		t.Error("a console of nothing was made")
	}
}

// TestObjectsAreNeverPages gives objects that say they are pages or scripts to a browser as
// files to be saved, and shows pictures alone.
func TestObjectsAreNeverPages(t *testing.T) {
	e := start(t)
	e.bucket("bucket")
	svg := []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`)
	key := "a/" + evil + "\r\nX-Evil: 1" + rtl
	e.put("bucket", key, []byte("<html><script>alert(1)</script>"), "text/html")
	e.put("bucket", "x.svg", svg, "image/svg+xml")
	e.put("bucket", "fake.png", svg, "image/png")
	e.put("bucket", "real.txt", picture(), "text/html")
	e.put("bucket", "empty", nil, "image/png")
	for _, k := range []string{key, "x.svg", "fake.png", "empty"} {
		q := "?" + url.Values{"key": {k}}.Encode()
		resp, _ := e.get("/buckets/bucket/download" + q)
		h := resp.Header
		if resp.StatusCode != http.StatusOK || h.Get("Content-Type") != "application/octet-stream" || !strings.HasPrefix(h.Get("Content-Disposition"), "attachment") ||
			!strings.Contains(h.Get("Content-Security-Policy"), "sandbox") || h.Get("X-Evil") != "" {
			t.Errorf("download of %q: %s %v", k, resp.Status, h)
		}
		if resp, body := e.get("/buckets/bucket/preview" + q); resp.StatusCode != http.StatusUnsupportedMediaType || strings.Contains(body, "alert(1)") {
			t.Errorf("preview of %q: %s\n%s", k, resp.Status, body)
		}
		if body := e.shows("/buckets/bucket/object" + q); strings.Contains(body, "/preview?") || strings.Contains(body, "<script>") {
			t.Errorf("page of %q:\n%s", k, body)
		}
	}
	resp, body := e.get("/buckets/bucket/preview?key=real.txt")
	if resp.Header.Get("Content-Type") != "image/png" || body != string(picture()) {
		t.Errorf("%s %v", resp.Status, resp.Header)
	}
	e.shows("/buckets/bucket/object?key=real.txt", "/preview?key=real.txt", "text/html")
	e.shows("/buckets/bucket?prefix=a/", "&lt;script&gt;")
	e.shows("/buckets/bucket?prefix=a/%3Cscript%3Ealert(1)%3C/", "202E⟩gnp.exe")
}
