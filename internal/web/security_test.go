package web

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/internal/testimages"
)

func TestSecurityHeaders(t *testing.T) {
	s := newSystem(t, nil)
	for _, path := range []string{"/", "/api/config", "/static/app.js", "/nothing", "/metrics"} {
		a := s.request("GET", path, nil)
		csp := a.Header.Get("Content-Security-Policy")
		if a.Header.Get("X-Content-Type-Options") != "nosniff" || a.Header.Get("Referrer-Policy") == "" || !strings.Contains(csp, "default-src 'none'") ||
			!strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: %v", path, a.Header)
		}
	}
	presigned, err := s.store.PresignGet(t.Context(), store.Results, "x", "")
	if err != nil {
		t.Fatal(err)
	}
	origin, err := originOf(presigned)
	if err != nil {
		t.Fatal(err)
	}
	csp := s.request("GET", "/", nil).Header.Get("Content-Security-Policy")
	for _, want := range []string{"script-src 'self';", "style-src 'self';", "img-src 'self' blob: " + origin + ";", "connect-src 'self' " + origin + ";", "form-action 'self'"} {
		if !strings.Contains(csp, want) {
			t.Errorf("CSP lacks %q: %s", want, csp)
		}
	}
}

// Strangers may ask whether the server is ready; that must not become a load on S3.
func TestReadinessIsAskedOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r readiness
		asked := 0
		look := func() error { asked++; return nil }
		for range 100 {
			_ = r.of(look)
		}
		if asked != 1 {
			t.Errorf("S3 is asked %d times at once", asked)
		}
		time.Sleep(readinessHolds)
		if _ = r.of(func() error { return io.EOF }); asked != 1 || !errors.Is(r.of(look), io.EOF) {
			t.Error("what was found later is not told")
		}
	})
}

// A request for the headers of a stream is answered, and holds nothing.
func TestHeadOfEvents(t *testing.T) {
	s := newSystem(t, nil)
	if a := s.request("HEAD", "/api/events", nil); a.StatusCode != http.StatusOK || s.web.hub.count() != 0 {
		t.Errorf("%s, %d listeners", a.Status, s.web.hub.count())
	}
}

func TestCrossOrigin(t *testing.T) {
	s := newSystem(t, func(o *Options) { o.Origins = []string{"https://tintype.example"} })
	id := s.uploaded("a.png", testimages.PNG(4, 4))
	for name, headers := range map[string][]string{
		"origin":         {"Origin", "https://evil.example"},
		"null origin":    {"Origin", "null"},
		"fetch metadata": {"Sec-Fetch-Site", "cross-site"},
		"same site":      {"Sec-Fetch-Site", "same-site"},
	} {
		t.Run(name, func(t *testing.T) {
			s.refused(s.upload(headers, field{"file", "a.png", testimages.PNG(4, 4)}), 403, codeCrossOrigin)
			s.refused(s.request("DELETE", "/api/images/"+id, nil, headers...), 403, codeCrossOrigin)
			s.refused(s.request("POST", "/api/images/"+id+"/retry", nil, headers...), 403, codeCrossOrigin)
		})
	}
	for _, headers := range [][]string{{}, {"Origin", s.url}, {"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Site", "none"}, {"Origin", "https://tintype.example", "Sec-Fetch-Site", "cross-site"}} {
		if a := s.upload(headers, field{"file", "a.png", testimages.PNG(4, 4)}); a.StatusCode != http.StatusAccepted {
			t.Errorf("with %v: %s %s", headers, a.Status, a.body)
		}
	}
	if a := s.request("GET", "/api/images", nil, "Origin", "https://evil.example"); a.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("other origins may read answers")
	}
}

func TestHostCheck(t *testing.T) {
	s := newSystem(t, func(o *Options) {
		o.Hosts = []string{"Pictures.Example"}
		o.Origins = []string{"https://tintype.example:8443"}
	})
	for host, ok := range map[string]bool{
		"localhost": true, "LOCALHOST:8007": true, "127.0.0.1:8007": true, "[::1]:8007": true, "[::1]": true, "192.168.1.20:8007": true,
		"pictures.example": true, "pictures.example.:80": true, "tintype.example": true,
		"evil.example": false, "localhost.evil.example": false, "127.0.0.1.evil.example": false, "127.0.0.1.nip.io:8007": false, "notlocalhost": false, "evil.example:8007": false,
	} {
		for _, path := range []string{"/", "/api/images", "/api/events?x", "/metrics"} {
			if path != "/" && ok {
				continue
			}
			a := s.request("GET", path, nil, "Host", host)
			if ok && a.StatusCode != http.StatusOK {
				t.Errorf("host %s: %s", host, a.Status)
			}
			if !ok {
				s.refused(a, http.StatusMisdirectedRequest, codeHost)
			}
		}
		if a := s.request("GET", "/healthz", nil, "Host", host); a.StatusCode != http.StatusOK {
			t.Errorf("health under host %s: %s", host, a.Status)
		}
	}
}

func TestOrigins(t *testing.T) {
	for in, want := range map[string]string{
		"http://127.0.0.1:4566/b/k?X=1": "http://127.0.0.1:4566", "https://b.s3.amazonaws.com/": "https://b.s3.amazonaws.com",
		"https://x; script-src *": "", "javascript:alert(1)": "", "": "", "//host": "", "ftp://host": "", "https://a b": "", "http://a'b": "",
	} {
		if got, err := originOf(in); got != want || (err == nil) != (want != "") {
			t.Errorf("originOf(%q) = %q, %v", in, got, err)
		}
	}
}

func FuzzKnownHost(f *testing.F) {
	for _, h := range []string{"localhost", "[::1]:80", "a:b:c", "", ":", "[", "evil.example", "127.0.0.1.", "[fe80::1%eth0]:1"} {
		f.Add(h)
	}
	s := &Server{hosts: []string{"tintype.example"}}
	f.Fuzz(func(t *testing.T, host string) {
		address := strings.Trim(strings.ToLower(host), "0123456789abcdef:.[]") == ""
		name, _, _ := strings.Cut(strings.ToLower(host), ":")
		name = strings.Trim(name, "[].")
		if s.knownHost(host) && !address && name != "localhost" && name != "tintype.example" {
			t.Errorf("%q is taken for ours", host)
		}
	})
}
