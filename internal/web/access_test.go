package web

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/crypto/bcrypt"

	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/internal/testimages"
	"github.com/tintype/tintype/internal/web/auth"
	"github.com/tintype/tintype/internal/web/webtest"
)

// guarded makes a system that asks for tokens, and for ada's password; adjust may be nil.
func guarded(t *testing.T, adjust func(*auth.Options), more func(*Options)) (s *system, tokens map[auth.Scope]string, tokensFile string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	hash, err := bcrypt.GenerateFromPassword([]byte("right horse"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	tokens, lines := map[auth.Scope]string{}, ""
	for _, scope := range []auth.Scope{auth.Read, auth.Upload, auth.Admin} {
		secret, line, err := auth.NewToken(scope.String(), scope, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		tokens[scope], lines = "Bearer "+secret, lines+line+"\n"
	}
	o := auth.Options{Mode: auth.Basic, UsersFile: write("users", "ada:"+string(hash)+"\n"), TokensFile: write("tokens", lines)}
	if adjust != nil {
		adjust(&o)
	}
	guard, err := auth.New(o)
	if err != nil {
		t.Fatal(err)
	}
	s = newSystem(t, func(o *Options) {
		o.Auth = guard
		if more != nil {
			more(o)
		}
	})
	return s, tokens, filepath.Join(dir, "tokens")
}

func TestWhatEachScopeMayDo(t *testing.T) {
	s, tokens, _ := guarded(t, nil, nil)
	const id = "/api/images/01890a5d-ac96-774b-bcce-b302099a8057"
	for _, tc := range []struct {
		method, path string
		needs        auth.Scope // 0: open
	}{
		{"GET", "/", auth.Read}, {"GET", "/pipeline", auth.Read}, {"GET", "/deadletters", auth.Read}, {"GET", "/images/x", auth.Read},
		{"GET", "/static/app.js", 0}, {"GET", "/static/nothing", 0}, {"GET", "/healthz", 0}, {"GET", "/readyz", 0}, {"GET", "/auth/sign-in", 0},
		{"GET", "/metrics", auth.Read}, {"GET", "/api/config", auth.Read}, {"GET", "/api/images", auth.Read}, {"HEAD", "/api/images", auth.Read},
		{"GET", id, auth.Read}, {"GET", id + "/original", auth.Read}, {"GET", id + "/outputs/thumb", auth.Read}, {"GET", "/api/pipeline", auth.Read},
		{"POST", "/api/uploads", auth.Upload}, {"POST", "/api/images", auth.Upload}, {"POST", id + "/retry", auth.Upload},
		{"DELETE", id, auth.Admin},
		// What is not known, or not yet, needs the widest; so does what only looks like a known one.
		{"POST", "/api/deadletters/redrive", auth.Admin}, {"PUT", "/api/images", auth.Admin}, {"GET", "/nothing", auth.Read}, {"OPTIONS", "/api/images", auth.Admin},
		{"POST", "/api/deadletters%2f..%2fimages", auth.Admin}, {"POST", "/healthz", auth.Admin}, {"GET", "/healthz/", auth.Read}, {"GET", "/static", 0},
		{"POST", "/static/app.js", auth.Admin}, {"GET", "/static/../api/images", auth.Read}, {"GET", "//static/app.js", 0},
	} {
		body := func() io.Reader { return strings.NewReader("{}") }
		a := s.request(tc.method, tc.path, body())
		if open := a.StatusCode != http.StatusUnauthorized; open != (tc.needs == 0) {
			t.Errorf("%s %s by nobody: %s", tc.method, tc.path, a.Status)
		}
		if tc.needs == 0 {
			continue
		}
		for scope, token := range tokens {
			a := s.request(tc.method, tc.path, body(), "Authorization", token)
			may := scope == tc.needs || scope&auth.Admin != 0
			if a.StatusCode == http.StatusUnauthorized || (a.StatusCode == http.StatusForbidden) == may {
				t.Errorf("%s %s with scope %s: %s", tc.method, tc.path, scope, a.Status)
			}
		}
	}
	s.refused(s.request("GET", "/api/images", nil), http.StatusUnauthorized, auth.CodeSignedOut)
	s.refused(s.request("DELETE", id, nil, "Authorization", tokens[auth.Read]), http.StatusForbidden, auth.CodeForbidden)
}

func TestOpenMetrics(t *testing.T) {
	s, _, _ := guarded(t, func(o *auth.Options) { o.OpenMetrics = true }, nil)
	if a := s.request("GET", "/metrics", nil); a.StatusCode != http.StatusOK {
		t.Errorf("metrics: %s", a.Status)
	}
	s.refused(s.request("GET", "/api/pipeline", nil), http.StatusUnauthorized, auth.CodeSignedOut)
}

// The log says who changed something, in one line whatever the name is.
func TestWhoDidIt(t *testing.T) {
	s, tokens, _ := guarded(t, nil, nil)
	headers := []string{"Authorization", tokens[auth.Admin]}
	a := s.upload(headers, field{"file", "a.png", testimages.PNG(4, 4)})
	var got struct{ ID string }
	a.json(t, &got)
	s.request("POST", "/api/uploads", strings.NewReader(`{"filename":"b.png","size":9,"contentType":"image/png"}`), append(headers, "Content-Type", "application/json")...)
	s.request("POST", "/api/images/"+got.ID+"/retry", nil, headers...)
	s.request("DELETE", "/api/images/"+got.ID, nil, headers...)
	for _, line := range []string{"image uploaded", "upload handed out", "image sent through again", "image deleted"} {
		found := false
		for l := range strings.Lines(s.log.String()) {
			found = found || strings.Contains(l, line) && strings.Contains(l, `by="token admin"`)
		}
		if !found {
			t.Errorf("no line %q says by whom:\n%s", line, s.log)
		}
	}
	if strings.Contains(s.log.String(), strings.TrimPrefix(tokens[auth.Admin], "Bearer ")) {
		t.Error("the token is logged")
	}
}

func TestOtherSitesCannotSignInOrOut(t *testing.T) {
	s, _, _ := guarded(t, nil, nil)
	for _, path := range []string{"/auth/sign-in", "/auth/sign-out"} {
		a := s.request("POST", path, strings.NewReader(url.Values{"name": {"ada"}, "password": {"right horse"}}.Encode()), "Content-Type", "application/x-www-form-urlencoded", "Origin", "https://evil.example")
		s.refused(a, http.StatusForbidden, codeCrossOrigin)
		if len(a.Cookies()) > 0 {
			t.Errorf("%s: cookies %v", path, a.Cookies())
		}
	}
	a := s.request("GET", "/auth/sign-in?return=//evil.example", nil)
	csp := a.Header.Get("Content-Security-Policy")
	if a.StatusCode != http.StatusOK || !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") ||
		a.Header.Get("X-Content-Type-Options") != "nosniff" || a.Header.Get("X-Frame-Options") != "DENY" || a.Header.Get("Cache-Control") != "no-store" || strings.Contains(string(a.body), "evil") {
		t.Errorf("%s %v %s", a.Status, a.Header, a.body)
	}
	s.refused(s.request("GET", "/auth/sign-in", nil, "Host", "evil.example"), http.StatusMisdirectedRequest, codeHost)
}

// ends waits for the end of a stream of events.
func ends(t *testing.T, resp *http.Response) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); _, _ = io.Copy(io.Discard, resp.Body) }()
	select {
	case <-done:
	case <-time.After(patience):
		t.Errorf("the stream goes on after %v", patience)
	}
	resp.Body.Close()
	<-done
}

func (s *system) stream(headers ...string) *http.Response {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), "GET", s.url+"/api/events", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp
}

func TestStreamsEndWithWhatTheyRestOn(t *testing.T) {
	s, tokens, tokensFile := guarded(t, func(o *auth.Options) { o.SessionLife = 2 * time.Second; o.Limits.Streams = 1 }, func(o *Options) { o.Heartbeat = 50 * time.Millisecond })
	t.Run("session", func(t *testing.T) {
		a := s.request("POST", "/auth/sign-in", strings.NewReader(url.Values{"name": {"ada"}, "password": {"right horse"}}.Encode()), "Content-Type", "application/x-www-form-urlencoded")
		if a.StatusCode != http.StatusSeeOther || len(a.Cookies()) != 1 {
			t.Fatalf("%s %s", a.Status, a.body)
		}
		resp := s.stream("Cookie", a.Cookies()[0].String())
		if resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status)
		}
		s.refused(s.request("GET", "/api/events", nil, "Cookie", a.Cookies()[0].String()), http.StatusTooManyRequests, auth.CodeTooMany)
		ends(t, resp)
		s.refused(s.request("GET", "/api/config", nil, "Cookie", a.Cookies()[0].String()), http.StatusUnauthorized, auth.CodeSignedOut)
	})
	t.Run("token", func(t *testing.T) {
		resp := s.stream("Authorization", tokens[auth.Read])
		if resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status)
		}
		if err := os.WriteFile(tokensFile, []byte("# none\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		ends(t, resp)
	})
}

func TestOtherOriginsCallTheAPI(t *testing.T) {
	cors := func(o *Options) { o.CORSOrigins = []string{"https://App.example"} }
	const app = "https://app.example"
	t.Run("with tokens", func(t *testing.T) {
		s, tokens, _ := guarded(t, nil, cors)
		a := s.request("OPTIONS", "/api/images", nil, "Origin", app, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization")
		h := a.Header
		if a.StatusCode != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != app || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "Authorization") || h.Get("Access-Control-Allow-Credentials") != "" || h.Get("Vary") == "" {
			t.Errorf("preflight: %s %v", a.Status, h)
		}
		a = s.request("GET", "/api/images", nil, "Origin", app, "Authorization", tokens[auth.Read], "Sec-Fetch-Site", "cross-site")
		if a.StatusCode != http.StatusOK || a.Header.Get("Access-Control-Allow-Origin") != app {
			t.Errorf("read: %s %v", a.Status, a.Header)
		}
		from := []string{"Origin", app, "Sec-Fetch-Site", "cross-site"}
		if a := s.upload(append(from, "Authorization", tokens[auth.Upload]), field{"file", "a.png", testimages.PNG(4, 4)}); a.StatusCode != http.StatusAccepted {
			t.Errorf("upload: %s %s", a.Status, a.body)
		}
		// A cookie or a password that the browser sends by itself proves nothing of the user's will.
		for _, more := range [][]string{{}, {"Authorization", "Basic YWRhOnJpZ2h0IGhvcnNl"}, {"Authorization", "Bearer x"}} {
			s.refused(s.upload(append(from, more...), field{"file", "a.png", testimages.PNG(4, 4)}), http.StatusForbidden, codeCrossOrigin)
		}
		for _, origin := range []string{"https://evil.example", "null", "https://app.example.evil.example", "http://app.example", app + ":444"} {
			a := s.request("OPTIONS", "/api/images", nil, "Origin", origin, "Access-Control-Request-Method", "POST")
			b := s.request("GET", "/api/images", nil, "Origin", origin, "Authorization", tokens[auth.Read])
			if a.Header.Get("Access-Control-Allow-Origin") != "" || b.Header.Get("Access-Control-Allow-Origin") != "" || b.Header.Get("Cross-Origin-Resource-Policy") != "same-origin" {
				t.Errorf("%s may read", origin)
			}
			s.refused(s.upload([]string{"Origin", origin, "Authorization", tokens[auth.Upload]}, field{"file", "a.png", testimages.PNG(4, 4)}), http.StatusForbidden, codeCrossOrigin)
		}
		if a := s.request("GET", "/", nil, "Origin", app, "Authorization", tokens[auth.Read]); a.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Error("the page may be read, too")
		}
	})
	t.Run("where nobody is asked", func(t *testing.T) {
		s := newSystem(t, cors)
		if a := s.upload([]string{"Origin", app, "Sec-Fetch-Site", "cross-site"}, field{"file", "a.png", testimages.PNG(4, 4)}); a.StatusCode != http.StatusAccepted || a.Header.Get("Access-Control-Allow-Origin") != app {
			t.Errorf("upload: %s %s", a.Status, a.body)
		}
	})
}

func TestByTLSBrowsersStayThere(t *testing.T) {
	s := newSystem(t, func(o *Options) { o.Hosts = []string{"images.example"} })
	srv := httptest.NewTLSServer(s.web.Handler())
	defer srv.Close()
	c := srv.Client()
	c.Transport.(*http.Transport).TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // the test's own server
	for host, want := range map[string]string{"images.example": "max-age=31536000", "127.0.0.1": "", "localhost": ""} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL+"/healthz", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Header.Get("Strict-Transport-Security"); got != want {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
	c.CloseIdleConnections()
	if a := s.request("GET", "/", nil); a.Header.Get("Strict-Transport-Security") != "" {
		t.Error("by http browsers are told to use https")
	}
}

// Addresses that are not in their clean form lead to the clean one, never elsewhere.
func TestRedirectsStayHere(t *testing.T) {
	s := newSystem(t, nil)
	for _, path := range []string{"//evil.example/..", "/\\evil.example/../..", "//evil.example/%2f..", "/api//images", "/./api/images", "//evil.example", "///evil.example/api/../"} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", s.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.URL.Opaque = strings.TrimPrefix(s.url, "http:") + path
		resp, err := noRedirects.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		to := resp.Header.Get("Location")
		if resp.StatusCode/100 == 3 && (!strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.HasPrefix(to, "/\\")) {
			t.Errorf("%s leads to %q", path, to)
		}
	}
}

// What a presigned URL leads to is shown as what it is said to be, and as nothing else.
func TestPicturesAreNotSniffed(t *testing.T) {
	s := newSystem(t, nil)
	const page = "<script>alert(1)</script>"
	for _, name := range []string{"a.html", "a.svg", "a.png"} {
		key := "other/" + name
		if _, err := s.s3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: ptr(s.store.Bucket(store.Uploads)), Key: &key, Body: strings.NewReader(page), ContentType: ptr("text/html")}); err != nil {
			t.Fatal(err)
		}
	}
	list, _, err := s.store.List(t.Context(), "", 10)
	if err != nil || len(list) != 3 {
		t.Fatalf("%v, %v", list, err)
	}
	for _, info := range list {
		a := s.request("GET", "/api/images/"+info.ID+"/original", nil)
		b := s.request("GET", a.Header.Get("Location"), nil)
		want := "application/octet-stream"
		if strings.HasSuffix(info.Key, ".png") {
			want = "image/png"
		}
		if b.StatusCode != http.StatusOK || b.Header.Get("Content-Type") != want || (os.Getenv(endpointEnv) == "" && b.Header.Get("X-Content-Type-Options") != "nosniff") {
			t.Errorf("%s: %s %v", info.Key, b.Status, b.Header)
		}
		// Without its signature the address is of no use.
		bare, _, _ := strings.Cut(a.Header.Get("Location"), "?")
		if c := s.request("GET", bare, nil); os.Getenv(endpointEnv) == "" && c.StatusCode != http.StatusForbidden {
			t.Errorf("%s unsigned: %s", info.Key, c.Status)
		}
	}
}

func TestSignInInBrowser(t *testing.T) {
	s, _, _ := guarded(t, nil, func(o *Options) { o.Heartbeat = 100 * time.Millisecond })
	s.run(s.web)
	b := webtest.OpenAt(t, s.url, "/pipeline", "#sign-in")
	b.CheckWidths("sign-in")
	b.Exec(`document.querySelector('#name').value = 'ada'; document.querySelector('#password').value = 'wrong'`)
	b.Press("#sign-in")
	b.Until("the refusal shows", `document.querySelector('[role=alert]')?.textContent.includes('do not go together')`)
	b.Forgive("401")
	b.Exec(`document.querySelector('#password').value = 'right horse'`)
	b.Press("#sign-in")
	b.Until("the page that was asked for shows", `location.pathname === '/pipeline' && document.querySelector('#sign-out') !== null`)
	b.Until("it is live", `document.querySelector('#live').dataset.state === 'live'`)
	if who := webtest.Eval[string](b, `document.querySelector('footer').textContent`); !strings.Contains(who, "signed in as ada") {
		t.Errorf("the page says %q", who)
	}
	if cookies := webtest.Eval[string](b, `document.cookie`); cookies != "" {
		t.Errorf("scripts see the cookie %q", cookies)
	}
	b.Press("#sign-out")
	b.Until("the session is over", `document.querySelector('[role=status]')?.textContent.includes('signed out')`)
	b.CheckQuiet()

	// A page whose session ends elsewhere shows where to sign in, and the way back.
	b.Visit("/auth/sign-in?return=/pipeline", "#sign-in")
	b.Exec(`document.querySelector('#name').value = 'ada'; document.querySelector('#password').value = 'right horse'`)
	b.Press("#sign-in")
	b.Until("it is live again", `document.querySelector('#live')?.dataset.state === 'live'`)
	b.Exec(`fetch('/auth/sign-out', { method: 'POST' })`)
	b.Until("it leads to the sign-in", `document.querySelector('#sign-in') !== null && location.search.includes('return=%2Fpipeline')`)
}
