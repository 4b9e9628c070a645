package auth

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// guards of one file of keys and users are instances of one web tier.
func instance(t *testing.T, o Options) *Guard {
	t.Helper()
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// signedIn is a request with the session of a user.
func signedIn(t *testing.T, g *Guard, name string) *http.Request {
	t.Helper()
	w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
	if err := g.start(w, r, session{Name: name, Mark: mark(g.users.Get().hashes[name])}); err != nil {
		t.Fatal(err)
	}
	r.AddCookie(w.Result().Cookies()[0])
	return r
}

func TestSessions(t *testing.T) {
	path := file(t, user(t, "ada", "right horse"))
	one, two := NewKey(), NewKey()
	o := Options{Mode: Basic, UsersFile: path, SessionKeys: file(t, one+"\n"), SessionLife: time.Hour}
	g := instance(t, o)
	r := signedIn(t, g, "ada")
	if u := g.bySession(r); u == nil || u.Name != "ada" {
		t.Fatalf("%+v", u)
	}
	if u := instance(t, o).bySession(r); u == nil {
		t.Error("another instance with the same key does not know it")
	}
	rotated := o
	rotated.SessionKeys = file(t, "# new, then old\n"+two+"\n\n"+one+"\n")
	if u := instance(t, rotated).bySession(r); u == nil {
		t.Error("it ends when a new key comes before the old one")
	}
	rotated.SessionKeys = file(t, two)
	if u := instance(t, rotated).bySession(r); u != nil {
		t.Error("it outlives its key")
	}
	own := o
	own.SessionKeys = ""
	if u := instance(t, own).bySession(r); u != nil {
		t.Error("it opens with another key")
	}
	other := Options{Mode: OIDC, PublicURL: "http://127.0.0.1:8007", SessionKeys: o.SessionKeys, Provider: Provider{Issuer: "https://idp.example", ClientID: "x", Allow: []string{"*"}}}
	if u := instance(t, other).bySession(r); u != nil {
		t.Error("a session by password holds where a provider is asked")
	}
}

func TestSessionsEnd(t *testing.T) {
	g := instance(t, Options{Mode: Basic, UsersFile: file(t, user(t, "ada", "right horse")), SessionLife: time.Hour})
	synctest.Test(t, func(t *testing.T) {
		r := signedIn(t, g, "ada")
		time.Sleep(59 * time.Minute)
		u := g.bySession(r)
		if u == nil || !u.Still() || time.Until(u.Until) != time.Minute {
			t.Fatalf("after 59 minutes: %+v", u)
		}
		time.Sleep(time.Minute)
		if u.Still() || g.bySession(r) != nil {
			t.Error("it holds beyond its end")
		}
	})
}

func TestCookiesCannotBeMadeUp(t *testing.T) {
	s, err := randomSealer()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := s.seal(sessionCookie, session{Name: "ada", Ends: 1 << 40})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(sealed, "ada") {
		t.Error("it can be read")
	}
	var got session
	if !s.open(sessionCookie, sealed, &got) || got.Name != "ada" {
		t.Fatal("it does not open")
	}
	if s.open(flowCookie, sealed, &got) {
		t.Error("it opens as another kind")
	}
	for i := range sealed {
		for _, c := range []byte{'A', '_'} {
			if changed := sealed[:i] + string(c) + sealed[i+1:]; changed != sealed && s.open(sessionCookie, changed, &got) {
				t.Errorf("it opens with byte %d changed", i)
			}
		}
		if s.open(sessionCookie, sealed[:i], &got) {
			t.Errorf("%d bytes of it open", i)
		}
	}
	if again, err := s.seal(sessionCookie, session{Name: "ada", Ends: 1 << 40}); err != nil || again == sealed {
		t.Error("the same twice is sealed the same")
	}
}

func TestCookiesByHTTPS(t *testing.T) {
	for name, tc := range map[string]struct {
		adjust func(*Options, *http.Request)
		secure bool
	}{
		"http":            {func(*Options, *http.Request) {}, false},
		"page's URL":      {func(o *Options, _ *http.Request) { o.PublicURL = "https://images.example" }, true},
		"a proxy says so": {func(_ *Options, r *http.Request) { r.Header.Set("X-Forwarded-Proto", "https") }, true},
		"a stranger does": {func(_ *Options, r *http.Request) {
			r.Header.Set("X-Forwarded-Proto", "https")
			r.RemoteAddr = "198.51.100.1:1"
		}, false},
		"the proxy doubts": {func(_ *Options, r *http.Request) { r.Header["X-Forwarded-Proto"] = []string{"https", "http"} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Mode: Basic, UsersFile: file(t, user(t, "ada", "x")), TrustedProxies: prefixes("192.0.2.0/24")}
			r := httptest.NewRequest("GET", "/", nil)
			tc.adjust(&o, r)
			w := httptest.NewRecorder()
			if err := instance(t, o).start(w, r, session{Name: "ada"}); err != nil {
				t.Fatal(err)
			}
			c := w.Result().Cookies()[0]
			if c.Secure != tc.secure || strings.HasPrefix(c.Name, "__Host-") != tc.secure {
				t.Errorf("cookie %v", c)
			}
		})
	}
	g := instance(t, Options{Mode: Basic, UsersFile: file(t, user(t, "ada", "x"))})
	srv := httptest.NewTLSServer(handler(g))
	defer srv.Close()
	resp, err := srv.Client().PostForm(srv.URL+"/auth/sign-out", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	srv.Client().CloseIdleConnections()
	if c := resp.Request.Response.Cookies(); len(c) != 1 || !c[0].Secure || c[0].Name != "__Host-tintype" || c[0].MaxAge >= 0 {
		t.Errorf("cookies by TLS: %v", c)
	}
}

func TestKeysFile(t *testing.T) {
	for text, want := range map[string]string{
		NewKey(): "", "# x\n\n" + NewKey() + "\r\n" + NewKey(): "",
		"": "no key", "c2hvcnQ=": "line 1: want at least 32", "\nsecret!": "line 2",
	} {
		_, err := parseKeys([]byte(text))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret!") {
			t.Error("the error tells the key")
		}
	}
}

func FuzzCookie(f *testing.F) {
	s, err := randomSealer()
	if err != nil {
		f.Fatal(err)
	}
	f.Add("")
	f.Add(strings.Repeat("A", 100))
	f.Add("!")
	f.Fuzz(func(t *testing.T, text string) {
		var v session
		if s.open(sessionCookie, text, &v) {
			t.Errorf("%q opens", text)
		}
	})
}

func FuzzKeysFile(f *testing.F) {
	f.Add([]byte(NewKey() + "\n#\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if s, err := parseKeys(text); err == nil && len(s.aeads) == 0 {
			t.Error("no key, no fault")
		}
	})
}
