package auth

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// What the guard adds to a request.
func BenchmarkGuard(b *testing.B) {
	secret, line, err := NewToken("ci", Read, time.Time{})
	if err != nil {
		b.Fatal(err)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte("right horse"), bcrypt.MinCost)
	if err != nil {
		b.Fatal(err)
	}
	limits := Limits{Requests: 1 << 30, Uploads: 1 << 30, Streams: 10}
	for name, o := range map[string]Options{
		"none":    {Mode: None},
		"limited": {Mode: None, Limits: limits},
		"token":   {Mode: Proxy, TrustedProxies: prefixes("192.0.2.0/24"), TokensFile: file(b, line), Limits: limits},
		"session": {Mode: Basic, UsersFile: file(b, "ada:"+string(hash)), Limits: limits},
	} {
		g, err := New(o)
		if err != nil {
			b.Fatal(err)
		}
		r := httptest.NewRequest("GET", "/x", nil)
		switch name {
		case "token":
			r.Header.Set("Authorization", "Bearer "+secret)
		case "session":
			w := httptest.NewRecorder()
			if err := g.start(w, r, session{Name: "ada", Mark: mark(hash)}); err != nil {
				b.Fatal(err)
			}
			r.AddCookie(w.Result().Cookies()[0])
		}
		h := g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }),
			func(*http.Request) Scope { return Read }, func(_ http.ResponseWriter, _ *http.Request, err error) { b.Error(err) })
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				h.ServeHTTP(nothing{}, r)
			}
		})
	}
}

// nothing is a ResponseWriter that keeps nothing.
type nothing struct{}

func (nothing) Header() http.Header         { return http.Header{} }
func (nothing) WriteHeader(int)             {}
func (nothing) Write(p []byte) (int, error) { return len(p), nil }
