package auth

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/bcrypt"

	"github.com/tintype/tintype/internal/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// site is a guard on real HTTP. What is let through is answered with who it was.
type site struct {
	t     *testing.T
	guard *Guard
	url   string
	log   *logBuffer
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// handler puts a guard before a server: /open needs nothing, /upload and /admin what they
// say, all else is for reading.
func handler(g *Guard) http.Handler {
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u := Of(r.Context()); u != nil {
			fmt.Fprintf(w, "%s may %s", u.key(), u.Scope)
			return
		}
		fmt.Fprint(w, "anybody")
	})
	need := func(r *http.Request) Scope {
		switch r.URL.Path {
		case "/open":
			return 0
		case "/upload":
			return Upload
		case "/admin":
			return Admin
		}
		return Read
	}
	fail := func(w http.ResponseWriter, _ *http.Request, err error) {
		status := map[string]int{CodeSignedOut: 401, CodeForbidden: 403, CodeTooMany: 429, fault.CodeNotFound: 404}[fault.CodeOf(err)]
		http.Error(w, fault.CodeOf(err), max(status, 400))
	}
	return g.Middleware(echo, need, fail)
}

func newSite(t *testing.T, o Options) *site {
	t.Helper()
	s := &site{t: t, log: &logBuffer{}}
	o.Logger = slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	if s.guard, err = New(o); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(handler(s.guard))
	t.Cleanup(srv.Close)
	s.url = srv.URL
	return s
}

// client is a browser, as far as cookies go; it does not follow redirects.
func client(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Jar: jar, Transport: tr, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

type answer struct {
	*http.Response
	body string
}

// ask does a request; headers come in pairs, and a name that comes twice is sent twice.
func (s *site) ask(c *http.Client, method, path string, form url.Values, headers ...string) answer {
	s.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = s.url + path
	}
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{resp, string(b)}
}

// expect checks an answer's status and a part of its body.
func (a answer) expect(t *testing.T, status int, part string) {
	t.Helper()
	if a.StatusCode != status || !strings.Contains(a.body, part) {
		t.Errorf("%s %s: %d %q, want %d with %q", a.Request.Method, a.Request.URL, a.StatusCode, a.body, status, part)
	}
}

// leads checks that an answer sends the browser somewhere.
func (a answer) leads(t *testing.T, to string) {
	t.Helper()
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != to {
		t.Errorf("%s %s: %d to %q, want 303 to %q: %.200s", a.Request.Method, a.Request.URL, a.StatusCode, a.Header.Get("Location"), to, a.body)
	}
}

// until polls a condition that must come true.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not so after %v: %s", patience, what)
		}
	}
}

func file(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	rewrite(t, path, text)
	return path
}

func rewrite(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// user is a line of a htpasswd file, of the least cost.
func user(t *testing.T, name, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return name + ":$2y$" + strings.TrimPrefix(string(hash), "$2a$") + "\n"
}

func newToken(t *testing.T, name string, scope Scope, end time.Time) (secret, line string) {
	t.Helper()
	secret, line, err := NewToken(name, scope, end)
	if err != nil {
		t.Fatal(err)
	}
	return secret, line + "\n"
}

func prefixes(texts ...string) (out []netip.Prefix) {
	for _, p := range texts {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

const (
	wantsPage = "text/html,application/xhtml+xml,*/*;q=0.8"
	signIn    = "/auth/sign-in"
)

func credentials(name, password, to string) url.Values {
	return url.Values{"name": {name}, "password": {password}, "return": {to}}
}
