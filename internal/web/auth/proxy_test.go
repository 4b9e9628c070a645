package auth

import (
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func TestProxyNamesTheUser(t *testing.T) {
	s := newSite(t, Options{Mode: Proxy, TrustedProxies: prefixes("127.0.0.0/8"), UserHeader: "x-auth-request-user", Admins: []string{"ada"}})
	c := client(t)
	const h = "X-Auth-Request-User"
	s.ask(c, "GET", "/x", nil, h, "ada").expect(t, 200, "user ada may admin")
	s.ask(c, "GET", "/x", nil, h, "bob").expect(t, 200, "user bob may read,upload")
	s.ask(c, "GET", "/x", nil, h, "bob", "Authorization", "Bearer eyJ").expect(t, 200, "user bob") // the proxy's own
	s.ask(c, "GET", "/x", nil, h, "bob", "Authorization", "Basic YTpi").expect(t, 200, "user bob")
	s.ask(c, "GET", "/x", nil, h, "bob", "Authorization", "Bearer "+tokenPrefix+"x").expect(t, 401, "")
	for _, headers := range [][]string{
		{}, {h, ""}, {h, "ada", h, "bob"}, {h, "a\u0085b"}, {h, "a\u202eb"}, {h, strings.Repeat("x", maxName+1)}, {h, "\xff"}, {"X-Forwarded-User", "ada"},
	} {
		s.ask(c, "GET", "/x", nil, headers...).expect(t, 401, CodeSignedOut)
	}
	a := s.ask(c, "GET", "/x", nil, "Accept", wantsPage)
	a.expect(t, 401, "The proxy does not say who you are.")
	if strings.Contains(a.body, "<form") || strings.Contains(a.body, `id="sign-in"`) {
		t.Error("there is a form where nobody can sign in")
	}

	// The same header from elsewhere is anybody's.
	s = newSite(t, Options{Mode: Proxy, TrustedProxies: prefixes("192.0.2.0/24"), UserHeader: h})
	s.ask(c, "GET", "/x", nil, h, "ada").expect(t, 401, CodeSignedOut)
	s.ask(c, "GET", "/x", nil, h, "ada", "X-Forwarded-For", "192.0.2.1").expect(t, 401, CodeSignedOut)
}

func TestClients(t *testing.T) {
	g := &Guard{o: Options{TrustedProxies: prefixes("10.0.0.0/8", "2001:db8:ffff::/48")}}
	for _, tc := range []struct {
		peer  string
		lines []string
		want  string
	}{
		{"192.0.2.1:5", nil, "192.0.2.1"},
		{"192.0.2.1:5", []string{"198.51.100.1"}, "192.0.2.1"}, // no proxy of ours
		{"10.0.0.1:5", nil, "10.0.0.1"},
		{"10.0.0.1:5", []string{"198.51.100.1"}, "198.51.100.1"},
		{"10.0.0.1:5", []string{"203.0.113.9, 198.51.100.1"}, "198.51.100.1"},
		{"10.0.0.1:5", []string{"203.0.113.9, 198.51.100.1,10.2.3.4"}, "198.51.100.1"},
		{"10.0.0.1:5", []string{"203.0.113.9", "198.51.100.1", "10.2.3.4"}, "198.51.100.1"},
		{"10.0.0.1:5", []string{"10.0.0.7,10.0.0.8"}, "10.0.0.7"},
		{"10.0.0.1:5", []string{"198.51.100.1:4711"}, "198.51.100.1"},
		{"10.0.0.1:5", []string{"198.51.100.1, unknown"}, "10.0.0.1"},
		{"10.0.0.1:5", []string{"198.51.100.1, "}, "10.0.0.1"},
		{"10.0.0.1:5", []string{""}, "10.0.0.1"},
		{"10.0.0.1:5", []string{strings.Repeat("10.0.0.9,", 1000)}, "10.0.0.1"},
		{"10.0.0.1:5", []string{"198.51.100.1," + strings.Repeat("10.0.0.9,", 1000) + "10.0.0.9"}, "10.0.0.9"},
		{"[::ffff:10.0.0.1]:5", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{"[2001:db8:ffff::1]:5", []string{"2001:db8:1:2:3:4:5:6"}, "2001:db8:1:2::/64"},
		{"[2001:db8:ffff::1]:5", []string{"[2001:db8:1:2::1]:80"}, "2001:db8:1:2::/64"},
		{"[fe80::1%eth0]:5", nil, "fe80::/64"},
		{"@", []string{"198.51.100.1"}, "invalid IP"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = tc.peer
		if tc.lines != nil {
			r.Header["X-Forwarded-For"] = tc.lines
		}
		if got := g.client(r); got != tc.want {
			t.Errorf("%s, %.60q: %s, want %s", tc.peer, tc.lines, got, tc.want)
		}
	}
}

// Whatever the header says: only addresses, and none from one who is not trusted.
func FuzzForwardedFor(f *testing.F) {
	f.Add("203.0.113.9, 10.0.0.8", "198.51.100.1,10.1.1.1")
	f.Add(",,", "[::1]:x, [::ffff:10.0.0.1%x]:1")
	g := &Guard{o: Options{TrustedProxies: prefixes("10.0.0.0/8")}}
	f.Fuzz(func(t *testing.T, one, two string) {
		for _, peer := range []string{"10.0.0.1:5", "192.0.2.1:5"} {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = peer
			r.Header["X-Forwarded-For"] = []string{one, two}
			a := g.address(r)
			if !a.IsValid() || a.Zone() != "" || a.Is4In6() || peer == "192.0.2.1:5" && a != netip.MustParseAddr("192.0.2.1") {
				t.Errorf("from %s, %q, %q: %v", peer, one, two, a)
			}
			_ = g.client(r)
		}
	})
}

func FuzzUserHeader(f *testing.F) {
	f.Add("ada")
	f.Add("a\r\nlevel=ERROR")
	f.Add("a\u2066\u200b")
	g := &Guard{o: Options{TrustedProxies: prefixes("192.0.2.0/24"), UserHeader: "X-Forwarded-User"}}
	f.Fuzz(func(t *testing.T, name string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["X-Forwarded-User"] = []string{name}
		u, err := g.byProxy(r)
		if err == nil && (u.Name != name || strings.ContainsAny(name, "\r\n\t\x00\x1b\u0085\u2028\u2029\u202e") || len(name) > maxName) {
			t.Errorf("%q is taken for a name", name)
		}
	})
}
