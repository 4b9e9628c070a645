package console

import (
	"net"
	"net/http"
	"strings"
)

// policy lets pages load the console's own style, scripts and pictures, and nothing
// else: no inline script or style, no other server.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// guarded keeps strangers' web pages out and sets the headers that all answers have.
func (c *Console) guarded(next http.Handler) http.Handler {
	// Browsers say from where a form was sent: another site's page cannot change anything.
	own := http.NewCrossOriginProtection()
	own.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.problem(w, r, &problem{http.StatusForbidden, "This was sent by another web site, not by the console.", "Open the console's own page and try again."})
	}))
	next = own.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer") // mails have links with tokens
		h.Set("Cache-Control", "no-store")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("X-Frame-Options", "DENY")
		if !trustedHost(r.Host) {
			c.problem(w, r, &problem{http.StatusForbidden, "The console is not shown under the name " + r.Host + ".", "Open it by its address or as localhost."})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// trustedHost keeps strange web sites out that have their own name point to this
// machine (DNS rebinding): addresses, localhost and names without a dot, which are
// nobody's on the internet, are taken.
func trustedHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	host = strings.Trim(host, "[]")
	return net.ParseIP(host) != nil || !strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost")
}
