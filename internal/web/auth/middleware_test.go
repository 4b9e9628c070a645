package auth

import (
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
)

func TestRequestsAreLimited(t *testing.T) {
	secret, line := newToken(t, "ci", Read|Upload, time.Time{})
	s := newSite(t, Options{Mode: Proxy, TrustedProxies: prefixes("127.0.0.1/32"), TokensFile: file(t, line), Limits: Limits{Requests: 1, Uploads: 3}})
	c := client(t)
	refused := func(n int, method, path string, headers ...string) (first int) {
		for i := range n {
			if a := s.ask(c, method, path, nil, headers...); a.StatusCode == 429 {
				if a.Header.Get("Retry-After") == "" || a.body != CodeTooMany+"\n" {
					t.Errorf("%v %q", a.Header, a.body)
				}
				return i
			}
		}
		return -1
	}
	for range 3 {
		s.ask(c, "POST", "/upload", nil, "X-Forwarded-User", "bob").expect(t, 200, "")
	}
	s.ask(c, "POST", "/upload", nil, "X-Forwarded-User", "bob").expect(t, 429, CodeTooMany)
	s.ask(c, "GET", "/x", nil, "X-Forwarded-User", "bob").expect(t, 200, "")
	s.ask(c, "POST", "/upload", nil, "Authorization", "Bearer "+secret).expect(t, 200, "") // a client of its own
	if at := refused(40, "GET", "/x", "X-Forwarded-User", "ada"); at < 10 || at > 25 {
		t.Errorf("ada is refused at request %d, want some after 10", at)
	}
	if at := refused(40, "GET", "/x"); at < 10 || at > 25 {
		t.Errorf("a stranger is refused at request %d, want some after 10", at)
	}
	if at := refused(40, "GET", "/x", "X-Forwarded-User", "bob", "X-Forwarded-For", "192.0.2.1"); at < 0 {
		t.Error("a user is another one from another address")
	}
	s.ask(c, "GET", "/x", nil, "X-Forwarded-For", "192.0.2.2").expect(t, 401, "")
	if at := refused(40, "GET", "/open"); at >= 0 {
		t.Error("what is open to everybody is limited")
	}
}

func TestSignInPageIsLimited(t *testing.T) {
	s := newSite(t, Options{Mode: Basic, UsersFile: file(t, user(t, "ada", "x")), Limits: Limits{Requests: 1}})
	c := client(t)
	for range 40 {
		if a := s.ask(c, "POST", "/auth/sign-out", url.Values{}); a.StatusCode == 429 {
			return
		}
	}
	t.Error("40 requests at once are let through")
}

func TestStreamsAreLimited(t *testing.T) {
	g := instance(t, Options{Mode: None, Limits: Limits{Streams: 2}})
	at := func(address string) (func(), error) {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = address
		return g.Stream(r)
	}
	leave, err := at("192.0.2.1:1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := at("192.0.2.1:2"); err != nil {
		t.Fatal(err)
	}
	if _, err := at("192.0.2.1:3"); err == nil {
		t.Error("a third stream is let through")
	}
	if _, err := at("192.0.2.2:1"); err != nil {
		t.Error("another client is refused, too")
	}
	leave()
	if _, err := at("192.0.2.1:3"); err != nil {
		t.Error("refused after one has left")
	}
	var none *Guard
	if _, err := none.Stream(httptest.NewRequest("GET", "/", nil)); err != nil || none.Asks() {
		t.Error("without a guard there are limits")
	}
}

func TestOptionsThatProtectNothing(t *testing.T) {
	for name, o := range map[string]Options{
		"no mode": {}, "unknown mode": {Mode: "maybe"}, "basic without users": {Mode: Basic}, "basic with a file that is not there": {Mode: Basic, UsersFile: "/none"},
		"proxy from anywhere": {Mode: Proxy}, "oidc without a provider": {Mode: OIDC},
		"oidc from nowhere": {Mode: OIDC, Provider: Provider{Issuer: "https://idp.example", ClientID: "x", Allow: []string{"*"}}},
		"oidc for nobody":   {Mode: OIDC, PublicURL: "https://x.example", Provider: Provider{Issuer: "https://idp.example", ClientID: "x"}},
		"bad admins":        {Mode: OIDC, PublicURL: "https://x.example", Provider: Provider{Issuer: "https://idp.example", ClientID: "x", Allow: []string{"*"}}, Admins: []string{"ada"}},
		"no tokens":         {Mode: Proxy, TrustedProxies: prefixes("192.0.2.0/24"), TokensFile: "/none"},
		"no keys":           {Mode: Basic, UsersFile: file(t, user(t, "ada", "x")), SessionKeys: "/none"},
	} {
		if g, err := New(o); err == nil {
			t.Errorf("%s: %+v", name, g.o)
		}
	}
}
