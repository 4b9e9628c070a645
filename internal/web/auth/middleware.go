package auth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tintype/tintype/internal/fault"
)

// streamWait is when a client with too many streams of events should try again.
const streamWait = 10 * time.Second

// Middleware lets through to next what may go there. need says what a request needs; no
// scope: anybody may, without limit. fail answers an error as the web tier does.
func (g *Guard) Middleware(next http.Handler, need func(*http.Request) Scope, fail func(http.ResponseWriter, *http.Request, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.signsIn() && strings.HasPrefix(r.URL.Path, pathPrefix) {
			if err := g.count(Read, g.anonymous(r)); err != nil {
				g.refused(w, r, err, fail)
			} else if !g.servePage(w, r) {
				fail(w, r, refuse(fault.CodeNotFound, "", "There is nothing under this address."))
			}
			return
		}
		scope := need(r)
		if scope == 0 {
			next.ServeHTTP(w, r)
			return
		}
		user, err := g.admit(r, scope)
		if err != nil {
			g.refused(w, r, err, fail)
			return
		}
		if user != nil {
			r = r.WithContext(context.WithValue(r.Context(), userKey{}, user))
		}
		next.ServeHTTP(w, r)
	})
}

// admit says whose request it is, and refuses it where that one may not do it, or not now.
func (g *Guard) admit(r *http.Request, scope Scope) (*User, error) {
	if g.o.Mode == None {
		return nil, g.count(scope, g.anonymous(r))
	}
	user, err := g.identify(r)
	if err != nil {
		// Strangers may not ask at any rate, either.
		if limited := g.count(Read, g.anonymous(r)); limited != nil {
			return nil, limited
		}
		return nil, err
	}
	if err := g.count(scope, user.key()); err != nil {
		return nil, err
	}
	if !user.Scope.has(scope) {
		return nil, refuse(CodeForbidden, "Use a token with that scope, or ask who runs this server.", "This needs the scope %s; yours is %s.", scope, user.Scope)
	}
	return user, nil
}

// identify finds out whose request it is.
func (g *Guard) identify(r *http.Request) (*User, error) {
	scheme, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	rest = strings.TrimSpace(rest)
	switch {
	// Proxies pass on what they have for themselves.
	case strings.EqualFold(scheme, "Bearer") && g.o.Mode != Proxy, CarriesToken(r):
		if u := g.byToken(rest); u != nil {
			return u, nil
		}
		return nil, refuse(CodeSignedOut, "Ask who runs this server for another one.", "The token is not known here, or has run out.")
	case strings.EqualFold(scheme, "Basic") && g.o.Mode == Basic:
		name, password, ok := r.BasicAuth()
		if !ok {
			return nil, refuse(CodeSignedOut, "", "The Authorization header cannot be read.")
		}
		return g.check(r, name, password)
	case g.o.Mode == Proxy:
		return g.byProxy(r)
	}
	if u := g.bySession(r); u != nil {
		return u, nil
	}
	return nil, refuse(CodeSignedOut, "Sign in on the page, or send a token: Authorization: Bearer …", "Nobody is signed in, or not any more.")
}

// CarriesToken reports whether a request has one of our tokens with it, true or not.
func CarriesToken(r *http.Request) bool {
	scheme, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Bearer") && strings.HasPrefix(strings.TrimSpace(rest), tokenPrefix)
}

// anonymous tells clients apart that nobody knows.
func (g *Guard) anonymous(r *http.Request) string { return "address " + g.client(r) }

// count counts a request of a client.
func (g *Guard) count(scope Scope, client string) error {
	if wait, ok := g.requests.Take(client); !ok {
		return tooMany(wait, "Too many requests.")
	}
	if scope == Upload {
		if wait, ok := g.uploads.Take(client); !ok {
			return tooMany(wait, "Too many uploads.")
		}
	}
	return nil
}

// Stream counts a stream of events of a request's client, until leave is called.
func (g *Guard) Stream(r *http.Request) (leave func(), err error) {
	if g == nil {
		return func() {}, nil
	}
	client := g.anonymous(r)
	if u := Of(r.Context()); u != nil {
		client = u.key()
	}
	leave, ok := g.streams.Enter(client)
	if !ok {
		return nil, &Wait{streamWait, refuse(CodeTooMany, "Close other pages of this server.", "Too many pages listen for events at once.")}
	}
	return leave, nil
}

// refused answers a request that is not let through: a browser that wants a page is shown
// where to sign in, everybody else gets a problem document.
func (g *Guard) refused(w http.ResponseWriter, r *http.Request, err error, fail func(http.ResponseWriter, *http.Request, error)) {
	var wait *Wait
	if errors.As(err, &wait) {
		retryAfter(w, wait.Duration)
	}
	if f := fault.As(err); f == nil || f.Code != CodeSignedOut {
		fail(w, r, err)
		return
	}
	navigates := strings.Contains(r.Header.Get("Accept"), "text/html") && r.Header.Get("Authorization") == ""
	switch {
	case navigates && g.signsIn():
		to := "/"
		if r.Method == http.MethodGet {
			to = returnPath(r.URL.RequestURI())
		}
		see(w, signInPath+"?return="+url.QueryEscape(to))
	case navigates:
		g.failSignIn(w, r, signInData{}, err)
	default:
		w.Header().Add("WWW-Authenticate", `Bearer realm="tintype"`)
		// A browser would ask for name and password in a window of its own; it says where it asks from.
		if g.o.Mode == Basic && r.Header.Get("Sec-Fetch-Site") == "" {
			w.Header().Add("WWW-Authenticate", `Basic realm="tintype", charset="UTF-8"`)
		}
		fail(w, r, err)
	}
}
