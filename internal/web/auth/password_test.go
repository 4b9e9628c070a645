package auth

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

func TestPasswords(t *testing.T) {
	path := file(t, user(t, "ada", "right horse")+user(t, "bob", "battery"))
	s := newSite(t, Options{Mode: Basic, UsersFile: path, Admins: []string{"ada"}})
	c := client(t)

	t.Run("nobody", func(t *testing.T) {
		a := s.ask(c, "GET", "/x", nil)
		a.expect(t, 401, CodeSignedOut)
		if got := a.Header.Values("WWW-Authenticate"); len(got) != 2 {
			t.Errorf("challenges %q, want Bearer and Basic", got)
		}
		if got := s.ask(c, "GET", "/x", nil, "Sec-Fetch-Site", "same-origin").Header.Values("WWW-Authenticate"); len(got) != 1 || !strings.HasPrefix(got[0], "Bearer") {
			t.Errorf("challenges of a page's own request %q: the browser would open a window", got)
		}
		s.ask(c, "GET", "/open", nil).expect(t, 200, "anybody")
		s.ask(c, "GET", "/x?a=1&b=%2F", nil, "Accept", wantsPage).leads(t, signIn+"?return=%2Fx%3Fa%3D1%26b%3D%252F")
		s.ask(c, "POST", "/upload", url.Values{}, "Accept", wantsPage).leads(t, signIn+"?return=%2F")
		s.ask(c, "GET", signIn+"?return=/x", nil).expect(t, 200, `name="return" value="/x"`)
	})
	t.Run("wrong", func(t *testing.T) {
		for _, form := range []url.Values{credentials("ada", "battery", "/"), credentials("nobody", "battery", "/"), credentials("ada", strings.Repeat("x", 100), "/"), credentials("", "", "/"), {}} {
			a := s.ask(c, "POST", signIn, form)
			a.expect(t, 401, "Name and password do not go together.")
			if len(a.Cookies()) > 0 {
				t.Errorf("cookies %v", a.Cookies())
			}
		}
		s.ask(c, "POST", signIn, credentials("<b>'\"", "x", "https://evil.example/")).expect(t, 401, `value="&lt;b&gt;&#39;&#34;"`)
		s.ask(c, "POST", signIn, credentials("ada", strings.Repeat("x", maxForm), "/")).expect(t, 400, "cannot be read")
	})
	t.Run("signed in", func(t *testing.T) {
		a := s.ask(c, "POST", signIn, credentials("ada", "right horse", "/x?y=1"))
		a.leads(t, "/x?y=1")
		got := a.Cookies()
		if len(got) != 1 || !got[0].HttpOnly || got[0].SameSite != http.SameSiteLaxMode || got[0].Path != "/" || got[0].MaxAge != int(defaultLife.Seconds()) || got[0].Domain != "" {
			t.Fatalf("cookies %v", got)
		}
		s.ask(c, "GET", "/x", nil).expect(t, 200, "user ada may admin")
		s.ask(c, "GET", signIn+"?return=/y", nil).leads(t, "/y")
		s.ask(c, "POST", "/admin", nil).expect(t, 200, "ada")
	})
	t.Run("signed out", func(t *testing.T) {
		kept := c.Jar.Cookies(&url.URL{Scheme: "http", Host: strings.TrimPrefix(s.url, "http://")})
		s.ask(c, "GET", "/auth/sign-out", nil).expect(t, 404, "")
		s.ask(c, "POST", "/auth/sign-out", nil).leads(t, signIn+"?out=1")
		s.ask(c, "GET", "/x", nil).expect(t, 401, "")
		s.ask(client(t), "GET", "/x", nil, "Cookie", kept[0].String()).expect(t, 401, "")
		s.ask(c, "GET", signIn+"?out=1", nil).expect(t, 200, "You are signed out.")
	})
	t.Run("by header", func(t *testing.T) {
		basic := func(name, password string) string {
			r := httptest.NewRequest("GET", "/", nil)
			r.SetBasicAuth(name, password)
			return r.Header.Get("Authorization")
		}
		for range 2 { // the second time it is remembered
			s.ask(client(t), "GET", "/x", nil, "Authorization", basic("bob", "battery")).expect(t, 200, "user bob may read,upload")
			s.ask(client(t), "POST", "/admin", nil, "Authorization", basic("bob", "battery")).expect(t, 403, CodeForbidden)
			s.ask(client(t), "GET", "/x", nil, "Authorization", basic("bob", "batter")).expect(t, 401, "")
		}
		s.ask(client(t), "GET", "/x", nil, "Authorization", "Basic !").expect(t, 401, "")
	})
	t.Run("another password", func(t *testing.T) {
		s.ask(c, "POST", signIn, credentials("bob", "battery", "")).leads(t, "/")
		s.ask(c, "GET", "/x", nil).expect(t, 200, "user bob may read,upload")
		rewrite(t, path, user(t, "ada", "right horse")+user(t, "bob", "another one"))
		until(t, "the session of the old password has ended", func() bool { return s.ask(c, "GET", "/x", nil).StatusCode == 401 })
		s.ask(c, "POST", signIn, credentials("bob", "battery", "")).expect(t, 401, "")
		s.ask(c, "POST", signIn, credentials("bob", "another one", "")).leads(t, "/")
		rewrite(t, path, "rubbish")
		until(t, "the fault is logged", func() bool { s.guard.users.Get(); return strings.Contains(s.log.String(), "cannot be used") })
		s.ask(c, "GET", "/x", nil).expect(t, 200, "user bob")
	})
	if l := s.log.String(); strings.Contains(l, "battery") || strings.Contains(l, "right horse") {
		t.Errorf("passwords are logged:\n%s", l)
	}
}

func TestFailedSignInsAreLimited(t *testing.T) {
	s := newSite(t, Options{Mode: Basic, UsersFile: file(t, user(t, "ada", "right horse")), Limits: Limits{Failures: 3}, TrustedProxies: prefixes("127.0.0.1/32")})
	from := func(address string) []string { return []string{"X-Forwarded-For", address} }
	c := client(t)
	s.ask(c, "POST", signIn, credentials("ada", "right horse", ""), from("192.0.2.1")...).leads(t, "/") // a success costs nothing
	for range 3 {
		s.ask(c, "POST", signIn, credentials("ada", "wrong", ""), from("192.0.2.1")...).expect(t, 401, "")
	}
	a := s.ask(client(t), "POST", signIn, credentials("bob", "wrong", ""), from("192.0.2.1")...)
	a.expect(t, 429, "Too many sign-ins have failed.")
	if n, err := strconv.Atoi(a.Header.Get("Retry-After")); err != nil || n < 1 || n > 100 {
		t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
	}
	s.ask(client(t), "GET", "/x", nil, append(from("192.0.2.1"), "Authorization", "Basic YTpi")...).expect(t, 429, CodeTooMany)
	// What stands before the address that the proxy added is the client's own invention.
	s.ask(client(t), "POST", signIn, credentials("ada", "wrong", ""), from("198.51.100.1, 192.0.2.1")...).expect(t, 429, "")
	s.ask(client(t), "POST", signIn, credentials("bob", "wrong", ""), from("192.0.2.2")...).expect(t, 401, "")
	// As one user, from everywhere: 3 failures were counted, 15 are borne.
	refused := 0
	for i := range 20 {
		if s.ask(c, "POST", signIn, credentials("ada", "wrong", ""), from("2001:db8:0:"+strconv.Itoa(i)+"::1")...).StatusCode == 429 {
			refused++
		}
	}
	if refused < 6 || refused > 8 { // 8, but for what comes back with time
		t.Errorf("%d of 20 failures as ada were refused, want 8", refused)
	}
}

// A name that nobody has costs as much as one that somebody has.
func TestUnknownNamesAreHashedToo(t *testing.T) {
	u, err := parseUsers([]byte("ada:$2y$07$" + strings.Repeat("a", 53)))
	if err != nil {
		t.Fatal(err)
	}
	cost, err := bcrypt.Cost(u.nobody())
	if err != nil || cost != 7 {
		t.Errorf("cost %d, %v", cost, err)
	}
	if err := bcrypt.CompareHashAndPassword(u.nobody(), []byte("x")); !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		t.Errorf("err = %v: the hash is not worked through", err)
	}
}

func TestHashPassword(t *testing.T) {
	line, err := hashPassword("ada", "right horse", bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	u, err := parseUsers([]byte(line))
	if err != nil || !strings.HasPrefix(line, "ada:$2y$04$") || bcrypt.CompareHashAndPassword(u.hashes["ada"], []byte("right horse")) != nil {
		t.Errorf("%q: %v", line, err)
	}
	for name, password := range map[string]string{"a:b": "long enough", "": "long enough", "a": "short", "b": strings.Repeat("x", 73), "a\nb": "long enough"} {
		if line, err := HashPassword(name, password); err == nil {
			t.Errorf("%q with a password of %d bytes: %q", name, len(password), line)
		}
	}
}

func TestUsersFile(t *testing.T) {
	good := "$2b$05$" + strings.Repeat("a", 53)
	for text, want := range map[string]string{
		"# a\n\na:" + good + "\r\nb:" + good + ":further\n": "",
		"":                                    "no user",
		"a":                                   "line 1: want name:hash",
		"\na:$apr1$x$y":                       "line 2: the hash of a is not by bcrypt",
		"a:{SHA}x":                            "not by bcrypt",
		"a:" + good + "\na:" + good:           "line 2: a second line for a",
		"a:$2y$31$" + strings.Repeat("a", 53): "a cost of 31",
		":" + good:                            "line 1",
		"a\u202eb:" + good:                    "line 1",
	} {
		if _, err := parseUsers([]byte(text)); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func FuzzUsersFile(f *testing.F) {
	f.Add([]byte("a:$2y$05$" + strings.Repeat("a", 53) + "\n#\nb:"))
	f.Add([]byte("a:$2y$31$"))
	f.Fuzz(func(t *testing.T, text []byte) {
		u, err := parseUsers(text)
		if err != nil {
			return
		}
		for name, hash := range u.hashes {
			if cost, err := bcrypt.Cost(hash); err != nil || cost > maxCost || cost > u.cost || !goodName(name) {
				t.Errorf("%q: cost %d, %v", name, cost, err)
			}
		}
	})
}
