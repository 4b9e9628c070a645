package web

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/tintype/tintype/internal/web/auth"
)

// uploads are the writes that send an image in, or through again. All others take something
// away, or move it, and need more.
var uploads = map[string]bool{"POST /api/uploads": true, "POST /api/images": true, "POST /api/images/{id}/retry": true}

// guarded lets through to next what auth lets through.
func (s *Server) guarded(next http.Handler) http.Handler {
	if s.o.Auth == nil {
		return next
	}
	return s.o.Auth.Middleware(next, s.need, s.fail)
}

// need is the scope that a request needs, by the route that it takes: what is added to the
// routes and not thought of here needs the widest.
func (s *Server) need(r *http.Request) auth.Scope {
	_, route := s.mux.Handler(r)
	switch {
	case route == "GET /healthz", route == "GET /readyz", strings.HasPrefix(route, "GET /static/"):
		return 0 // probes, and files that the sign-in page uses, too
	case route == "GET /metrics" && s.o.Auth.OpenMetrics():
		return 0
	case uploads[route]:
		return auth.Upload
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		return auth.Read
	}
	return auth.Admin
}

// whoami is what a page is told of its user.
type whoami struct {
	Name   string   `json:"name"`
	Scopes []string `json:"scopes"`
	// SignOut is where to post to, to end the session; "": it cannot be ended here.
	SignOut string `json:"signOut,omitempty"`
}

func newWhoami(r *http.Request) *whoami {
	u := auth.Of(r.Context())
	if u == nil {
		return nil
	}
	who := &whoami{Name: u.Name, Scopes: u.Scope.Names()}
	if u.SignsOut {
		who.SignOut = auth.SignOutPath
	}
	return who
}

// timer is a *time.Timer, or nil: one that never fires.
type timer struct{ *time.Timer }

// ending fires when a user's session or token ends by itself.
func ending(u *auth.User) *timer {
	if u == nil || u.Until.IsZero() {
		return nil
	}
	return &timer{time.NewTimer(time.Until(u.Until))}
}

func (t *timer) after() <-chan time.Time {
	if t == nil {
		return nil
	}
	return t.C
}

// isAddress reports whether a Host header is an address or localhost, where no other name's
// settings are meant.
func isAddress(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || strings.EqualFold(host, "localhost") || strings.HasSuffix(strings.ToLower(host), ".localhost")
}
