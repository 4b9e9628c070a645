package web

import (
	"net/http"
	"strings"

	"github.com/tintype/tintype/internal/web/auth"
)

// corsAge is for how long browsers may keep the answer to a preflight, in seconds.
const corsAge = "600"

// crossOrigin reports whether a request comes from a page of one of the origins that may
// call the API.
func (s *Server) crossOrigin(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/api/") && s.cors[strings.ToLower(r.Header.Get("Origin"))]
}

// shared lets pages of those origins read the API's answers, without cookies: a browser
// sends and shows nothing of a session there. Where the request only asks whether that is so,
// it is answered, and true returned.
func (s *Server) shared(w http.ResponseWriter, r *http.Request) bool {
	if len(s.cors) == 0 || !strings.HasPrefix(r.URL.Path, "/api/") {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	if !s.crossOrigin(r) {
		return false
	}
	h.Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
	h.Set("Access-Control-Expose-Headers", "Location, Retry-After")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Last-Event-ID")
	h.Set("Access-Control-Max-Age", corsAge)
	w.WriteHeader(http.StatusNoContent)
	return true
}

// trustedCross reports whether a write of one of those origins may pass the check against
// writes of other sites. Where people are asked who they are, it must carry a token: a
// session's cookie could go with it without its user's will, a token cannot.
func (s *Server) trustedCross(r *http.Request) bool {
	return s.crossOrigin(r) && (!s.o.Auth.Asks() || auth.CarriesToken(r))
}
