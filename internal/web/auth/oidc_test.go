package auth

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// people are the provider's: by id, which is the subject, and by user name.
type people map[string]*storage.User

func (p people) GetUserByID(id string) *storage.User { return p[id] }

func (p people) GetUserByUsername(name string) *storage.User {
	for _, u := range p {
		if u.Username == name {
			return u
		}
	}
	return nil
}

func (people) ExampleClientID() string { return "service" }

// grouped is a provider's storage whose user info tells groups, too.
type grouped struct{ *storage.Storage }

func (g grouped) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, tokenID, subject, origin string) error {
	if err := g.Storage.SetUserinfoFromToken(ctx, info, tokenID, subject, origin); err != nil {
		return err
	}
	info.AppendClaims("groups", []string{"all", map[string]string{"id-ada": "staff", "id-bob": "guests", "id-eve": "guests"}[subject]})
	return nil
}

// openProvider starts a certified OpenID provider with its sign-in form, on real HTTP, that
// knows one client with a secret.
func openProvider(t *testing.T, redirect string) (issuer string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	issuer = "http://" + ln.Addr().String()
	storage.RegisterClients(storage.WebClient("tintype", "client secret", redirect))
	users := people{
		"id-ada": {ID: "id-ada", Username: "ada", Password: "pw", Email: "Ada@Example.com", EmailVerified: true},
		"id-bob": {ID: "id-bob", Username: "bob", Password: "pw", Email: "bob@guest.example", EmailVerified: true},
		// Who types another's address without owning it.
		"id-eve": {ID: "id-eve", Username: "ada@example.com", Password: "pw", Email: "ada@example.com", EmailVerified: false},
	}
	srv := httptest.NewUnstartedServer(exampleop.SetupServer(issuer, grouped{storage.NewStorage(users)}, nil, false))
	srv.Listener.Close()
	srv.Listener = ln
	srv.Start()
	t.Cleanup(srv.Close)
	return issuer
}

// oidcSite is a site whose people come from a provider.
func oidcSite(t *testing.T, adjust func(*Options)) *site {
	t.Helper()
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil))) // the provider's
	// The site's address must be known to the provider, and the provider's to the site.
	var h http.Handler
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r) }))
	t.Cleanup(srv.Close)
	s := &site{t: t, url: srv.URL, log: &logBuffer{}}
	o := Options{
		Mode: OIDC, PublicURL: srv.URL, Logger: slog.New(slog.NewTextHandler(s.log, nil)),
		Provider: Provider{Issuer: openProvider(t, srv.URL+callbackPath), ClientID: "tintype", ClientSecret: "client secret", Allow: []string{"@example.com"}},
	}
	if adjust != nil {
		adjust(&o)
	}
	var err error
	if s.guard, err = New(o); err != nil {
		t.Fatal(err)
	}
	h = handler(s.guard)
	t.Cleanup(func() {
		if s.guard.provider != nil {
			s.guard.provider.http.CloseIdleConnections()
			http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		}
	})
	return s
}

var hiddenID = regexp.MustCompile(`name="id" value="([^"]+)"`)

// atProvider goes from the site to the provider, signs in there, and returns the address that
// the provider sends the browser back to.
func (s *site) atProvider(c *http.Client, start, name string) string {
	s.t.Helper()
	begun := s.ask(c, "GET", start, nil)
	to := begun.Header.Get("Location")
	if begun.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, s.guard.provider.Issuer) {
		s.t.Fatalf("%d to %q: %s", begun.StatusCode, to, begun.body)
	}
	for range 5 {
		a := s.ask(c, "GET", to, nil)
		if form := hiddenID.FindStringSubmatch(a.body); form != nil {
			a = s.ask(c, "POST", s.guard.provider.Issuer+"/login/username", url.Values{"id": {form[1]}, "username": {name}, "password": {"pw"}})
			if a.StatusCode != http.StatusFound {
				s.t.Fatalf("the provider does not sign %s in: %d %s", name, a.StatusCode, a.body)
			}
		}
		next, err := a.Request.URL.Parse(a.Header.Get("Location"))
		if err != nil || a.Header.Get("Location") == "" {
			s.t.Fatalf("the provider leads nowhere: %d %s", a.StatusCode, a.body)
		}
		if to = next.String(); strings.HasPrefix(to, s.url) {
			return to
		}
	}
	s.t.Fatal("the provider does not lead back")
	return ""
}

func TestProvider(t *testing.T) {
	s := oidcSite(t, func(o *Options) {
		o.Admins = []string{"group:staff"}
		o.Provider.Allow = []string{"@example.com", "bob@guest.example"}
	})
	c := client(t)
	s.ask(c, "GET", "/x?y=1", nil, "Accept", wantsPage).leads(t, "/auth/sign-in?return=%2Fx%3Fy%3D1")
	s.ask(c, "GET", "/auth/sign-in?return=%2Fx%3Fy%3D1", nil).expect(t, 200, `href="/auth/start?return=%2Fx%3Fy%3D1"`)
	s.ask(c, "POST", "/auth/sign-in", credentials("ada", "pw", "/")).expect(t, 404, "")

	s.ask(c, "GET", strings.Replace(s.url, "127.0.0.1", "localhost", 1)+"/auth/start?return=/x", nil).leads(t, s.url+"/auth/start?moved=1&return=%2Fx")

	back := s.atProvider(c, "/auth/start?return=%2Fx%3Fy%3D1", "ada")
	a := s.ask(c, "GET", back, nil)
	a.leads(t, "/x?y=1")
	s.ask(c, "GET", "/x", nil).expect(t, 200, "user ada@example.com may admin")
	s.ask(c, "GET", back, nil).expect(t, 401, "was begun elsewhere") // good for one time
	s.ask(c, "GET", "/x", nil).expect(t, 200, "ada")                 // and that costs nothing
	s.ask(c, "POST", "/auth/sign-out", nil).leads(t, "/auth/sign-in?out=1")
	s.ask(c, "GET", "/x", nil).expect(t, 401, "")

	c = client(t)
	s.ask(c, "GET", s.atProvider(c, "/auth/start?return=//evil.example", "bob"), nil).leads(t, "/")
	s.ask(c, "GET", "/x", nil).expect(t, 200, "user bob@guest.example may read,upload")

	// An address that nobody has verified is nobody's.
	c = client(t)
	a = s.ask(c, "GET", s.atProvider(c, "/auth/start", "ada@example.com"), nil)
	a.expect(t, 403, "id-eve may not use this server.")
	s.ask(c, "GET", "/x", nil).expect(t, 401, "")
	if l := s.log.String(); strings.Contains(l, "client secret") || strings.Contains(l, back) {
		t.Errorf("secrets are logged:\n%s", l)
	}
}

func TestProviderByGroup(t *testing.T) {
	s := oidcSite(t, func(o *Options) { o.Provider.Allow = []string{"group:guests"} })
	c := client(t)
	s.ask(c, "GET", s.atProvider(c, "/auth/start", "ada"), nil).expect(t, 403, "ada@example.com may not")
	c = client(t)
	s.ask(c, "GET", s.atProvider(c, "/auth/start", "ada@example.com"), nil).leads(t, "/")
	s.ask(c, "GET", "/x", nil).expect(t, 200, "user id-eve may admin")
}

// An answer that was not begun in this browser, or was tampered with, signs nobody in.
func TestProviderAnswersAreBound(t *testing.T) {
	s := oidcSite(t, nil)
	for name, change := range map[string]func(c *http.Client, back *url.URL) *http.Client{
		"another browser":   func(_ *http.Client, _ *url.URL) *http.Client { return client(t) },
		"another state":     func(c *http.Client, u *url.URL) *http.Client { set(u, "state", "x"); return c },
		"no state":          func(c *http.Client, u *url.URL) *http.Client { set(u, "state", ""); return c },
		"another code":      func(c *http.Client, u *url.URL) *http.Client { set(u, "code", "x"); return c },
		"no code":           func(c *http.Client, u *url.URL) *http.Client { set(u, "code", ""); return c },
		"another issuer":    func(c *http.Client, u *url.URL) *http.Client { set(u, "iss", "https://evil.example"); return c },
		"the provider's no": func(c *http.Client, u *url.URL) *http.Client { set(u, "error", "access_denied<"); return c },
		"begun anew in between": func(c *http.Client, _ *url.URL) *http.Client {
			s.ask(c, "GET", "/auth/start", nil)
			return c
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := client(t)
			back, err := url.Parse(s.atProvider(c, "/auth/start", "ada"))
			if err != nil {
				t.Fatal(err)
			}
			c = change(c, back)
			s.ask(c, "GET", back.String(), nil).expect(t, 401, "Start again.")
			s.ask(c, "GET", "/x", nil).expect(t, 401, "")
		})
	}
	// Eight failures; two more are borne.
	for range 2 {
		s.ask(client(t), "GET", "/auth/callback?code=x&state=y", nil).expect(t, 401, "")
	}
	s.ask(client(t), "GET", "/auth/callback?code=x&state=y", nil).expect(t, 429, "Too many sign-ins")
}

func set(u *url.URL, name, value string) {
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
}

// The code is of no use without the verifier, and the ID token without the nonce, that the
// browser's cookie has: another browser's flow with the same state does not do.
func TestProviderChecksVerifierAndNonce(t *testing.T) {
	s := oidcSite(t, nil)
	p := s.guard.provider
	for name, change := range map[string]func(*flow){
		"nothing":          func(*flow) {},
		"another verifier": func(f *flow) { f.Verifier = strings.Repeat("x", 43) },
		"another nonce":    func(f *flow) { f.Nonce = "x" },
		"too late":         func(f *flow) { f.Ends = time.Now().Unix() - 1 },
	} {
		c := client(t)
		address, f, err := p.start(t.Context(), "/")
		if err != nil {
			t.Fatal(err)
		}
		if q := must(t, address); q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "" || q.Get("nonce") != f.Nonce || q.Get("state") != f.State || q.Get("scope") != "openid profile email" || strings.Contains(address, f.Verifier) {
			t.Fatalf("the browser goes to %s", address)
		}
		relay := httptest.NewServer(http.RedirectHandler(address, http.StatusSeeOther))
		back := s.atProvider(c, relay.URL+"/start", "ada")
		relay.Close()
		change(&f)
		who, err := p.finish(t.Context(), must(t, back), f)
		if (name == "nothing") != (err == nil) || err == nil && who.Subject != "id-ada" {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
	}
}

func must(t *testing.T, address string) url.Values {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

func TestProviderAway(t *testing.T) {
	s := oidcSite(t, func(o *Options) { o.Provider.Issuer = "http://127.0.0.1:1" })
	a := s.ask(client(t), "GET", "/auth/start?return=/x", nil)
	a.expect(t, 503, "Signing in does not work just now.")
	if strings.Contains(a.body, "refused") || !strings.Contains(s.log.String(), "127.0.0.1:1") {
		t.Errorf("page %s\nlog %s", a.body, s.log)
	}
}

func TestAllowLists(t *testing.T) {
	ada := claims{Subject: "1", Email: "Ada@Example.com", EmailVerified: true, Groups: []string{"staff"}}
	claimed := ada
	claimed.EmailVerified = false
	for entry, want := range map[string][2]bool{
		"ada@example.com": {true, false}, "@EXAMPLE.com": {true, false}, "@ample.com": {}, "@com": {}, "bob@example.com": {},
		"group:staff": {true, true}, "group:Staff": {}, "*": {true, true}, "@example.com.evil.example": {},
	} {
		a, err := parseAllow([]string{entry})
		if err != nil || a.has(ada) != want[0] || a.has(claimed) != want[1] {
			t.Errorf("%s: %v, %v; %v", entry, a.has(ada), a.has(claimed), err)
		}
	}
	if a, _ := parseAllow([]string{"@example.com"}); a.has(claims{Email: "example.com", EmailVerified: true}) || a.has(claims{Email: "ada@evil.example\n@example.com.x", EmailVerified: true}) {
		t.Error("what is no address of the domain is taken for one")
	}
	for _, entry := range []string{"", "@", "ada", "ada@", "group:", "group"} {
		if _, err := parseAllow([]string{entry}); err == nil {
			t.Errorf("%q is somebody", entry)
		}
	}
}

func TestClaims(t *testing.T) {
	for raw, want := range map[string]claims{
		`{"sub":"1","email":"a@b","email_verified":true,"groups":["x","y"]}`: {"1", "a@b", true, []string{"x", "y"}},
		`{"sub":"1","email":"a@b","email_verified":"true","groups":"x"}`:     {"1", "a@b", true, []string{"x"}},
		`{"sub":"1","email":["a@b"],"email_verified":1,"groups":[1]}`:        {"1", "", false, nil},
		`{"sub":1}`: {},
	} {
		got, err := parseClaims([]byte(raw), "groups")
		if err != nil || got.Subject != want.Subject || got.Email != want.Email || got.EmailVerified != want.EmailVerified || strings.Join(got.Groups, " ") != strings.Join(want.Groups, " ") {
			t.Errorf("%s: %+v, %v", raw, got, err)
		}
	}
}

func FuzzClaims(f *testing.F) {
	f.Add([]byte(`{"sub":"1","email":"a@b","email_verified":"true","groups":["x"]}`))
	f.Add([]byte(`{"sub":"a\nb","email":"\u202e@x","email_verified":true}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := parseClaims(raw, "groups")
		if err == nil && c.name() != "" && !goodName(c.name()) {
			t.Errorf("%q is a name", c.name())
		}
	})
}
