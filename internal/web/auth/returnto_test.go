package auth

import (
	"net/url"
	"strings"
	"testing"
)

func TestReturnPath(t *testing.T) {
	for in, want := range map[string]string{
		"/": "/", "/images/x?y=1&z=a%2Fb": "/images/x?y=1&z=a%2Fb", "/a%2Fb": "/a%2Fb", "/pipeline#top": "/pipeline",
		"": "/", "x": "/", "//evil.example": "/", "/\\evil.example": "/", "\\\\evil.example": "/", "/\t/evil.example": "/", "/\n/evil.example": "/",
		"https://evil.example/": "/", "javascript:alert(1)": "/", "/%2F/evil": "/", "/%2fevil.example": "/", "/a b": "/", "/\u00e4": "/", " /x": "/",
		"/auth/sign-in": "/", "/auth/callback?code=x": "/", "/?" + strings.Repeat("x", maxReturn): "/", "/%zz": "/", "/x\x00": "/",
	} {
		if got := returnPath(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// Wherever a browser would go by it, it stays here.
func FuzzReturnPath(f *testing.F) {
	for _, s := range []string{"/", "//a", "/\\a", "/%2Fa", "/a?b#c", "/./..//a", "/:@a"} {
		f.Add(s)
	}
	base, err := url.Parse("https://here.example/auth/sign-in")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got := returnPath(in)
		// As browsers read it: without tabs and line ends, and with each "\" a "/".
		read := strings.NewReplacer("\t", "", "\r", "", "\n", "", "\\", "/").Replace(got)
		u, err := base.Parse(read)
		if err != nil || u.Host != base.Host || u.Scheme != base.Scheme || !strings.HasPrefix(read, "/") || strings.HasPrefix(read, "//") {
			t.Errorf("%q leads to %q: %v", in, got, u)
		}
		if returnPath(got) != got {
			t.Errorf("%q becomes %q, and that %q", in, got, returnPath(got))
		}
	})
}
