package auth

import (
	"strings"
	"testing"
	"time"
)

func TestTokens(t *testing.T) {
	reader, line1 := newToken(t, "reader", Read, time.Now().Add(time.Hour))
	sender, line2 := newToken(t, "sender", Upload, time.Time{})
	admin, line3 := newToken(t, "operator", Admin, time.Time{})
	old, line4 := newToken(t, "old", Read, time.Now().Add(-time.Second))
	path := file(t, "# tokens\n"+line1+line2+line3+line4)
	s := newSite(t, Options{Mode: Proxy, TrustedProxies: prefixes("192.0.2.0/24"), TokensFile: path})
	c := client(t)
	for secret, may := range map[string][3]int{reader: {200, 403, 403}, sender: {403, 200, 403}, admin: {200, 200, 200}, old: {401, 401, 401},
		tokenPrefix: {401, 401, 401}, reader[:len(reader)-1]: {401, 401, 401}, "": {401, 401, 401}} {
		for i, path := range []string{"/x", "/upload", "/admin"} {
			for _, scheme := range []string{"Bearer ", "bearer  "} {
				if a := s.ask(c, "POST", path, nil, "Authorization", scheme+secret); a.StatusCode != may[i] {
					t.Errorf("%s with %.12s…: %d, want %d", path, secret, a.StatusCode, may[i])
				}
			}
		}
	}
	s.ask(c, "GET", "/x", nil, "Authorization", "Bearer "+reader).expect(t, 200, "token reader may read")
	rewrite(t, path, strings.Replace(line2, " upload ", " read,upload ", 1))
	until(t, "the token that was taken away is refused", func() bool {
		return s.ask(c, "GET", "/x", nil, "Authorization", "Bearer "+reader).StatusCode == 401
	})
	s.ask(c, "GET", "/x", nil, "Authorization", "Bearer "+sender).expect(t, 200, "token sender may read,upload")
	if l := s.log.String(); strings.Contains(l, reader) || strings.Contains(l, sender[len(tokenPrefix):]) {
		t.Errorf("tokens are logged:\n%s", l)
	}
}

// Where nobody is asked, a token is nothing.
func TestNobodyIsAsked(t *testing.T) {
	s := newSite(t, Options{Mode: None})
	s.ask(client(t), "POST", "/admin", nil, "Authorization", "Bearer x").expect(t, 200, "anybody")
	s.ask(client(t), "GET", signIn, nil, "Accept", wantsPage).expect(t, 200, "anybody") // no page of ours
}

// A stream that a token has begun ends when its line goes, changes its scope or its end.
func TestTokenStill(t *testing.T) {
	secret, line := newToken(t, "a", Read|Upload, time.Time{})
	path := file(t, line)
	g, err := New(Options{Mode: Proxy, TrustedProxies: prefixes("192.0.2.0/24"), TokensFile: path})
	if err != nil {
		t.Fatal(err)
	}
	u := g.byToken(secret)
	if u == nil || !u.Still() {
		t.Fatal("the token does not hold")
	}
	rewrite(t, path, strings.Replace(line, " read,upload ", " read ", 1))
	until(t, "the token holds less", func() bool { return !u.Still() })
	if u := g.byToken(secret); u == nil || u.Scope != Read {
		t.Errorf("%+v", u)
	}
}

func TestNewToken(t *testing.T) {
	a, line, err := NewToken("ci", Read|Upload, time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC))
	b, _, _ := NewToken("ci", Read, time.Time{})
	if err != nil || len(a) != len(tokenPrefix)+43 || a == b || strings.Contains(line, a) || !strings.HasPrefix(line, "ci ") || !strings.HasSuffix(line, " read,upload 2030-01-02T03:04:05Z") {
		t.Errorf("%q, %q, %v", a, line, err)
	}
	for _, name := range []string{"", "a b", "#a", "a\n", strings.Repeat("x", maxName+1), "a\u2028"} {
		if _, line, err := NewToken(name, Read, time.Time{}); err == nil {
			t.Errorf("name %q: %q", name, line)
		}
	}
	if _, _, err := NewToken("a", 0, time.Time{}); err == nil {
		t.Error("a token for nothing")
	}
}

func TestTokensFile(t *testing.T) {
	sum, other := strings.Repeat("ab", 32), strings.Repeat("cd", 32)
	for text, want := range map[string]string{
		"\n# x\na " + sum + " read never\r\nb\t" + other + " admin 2030-01-31T00:00:00Z": "",
		"":                            "",
		"a " + sum + " read":          "line 1: want name",
		"a xyz read never":            "line 1: the second field",
		"a " + sum + "00 read never":  "the second field",
		"a " + sum + " write never":   "is no scope",
		"a " + sum + " read, never":   "is no scope",
		"a " + sum + " read tomorrow": "the end must be",
		"a " + sum + " read never\na " + other + " read never": "line 2: a second token of the name a",
		"a " + sum + " read never\nb " + sum + " read never":   "line 2: the same token",
	} {
		if _, err := parseTokens([]byte(text)); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func FuzzTokensFile(f *testing.F) {
	f.Add([]byte("a " + strings.Repeat("ab", 32) + " read,upload 2030-01-31T00:00:00Z\n#\n"))
	f.Add([]byte("a b c d"))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := parseTokens(text)
		if err != nil {
			return
		}
		for sum, x := range all {
			if sum != x.digest || x.scope == 0 || !goodName(x.name) {
				t.Errorf("%+v", x)
			}
		}
	})
}
