package web

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// secure wraps next with what holds for every answer: response headers, the Host
// check and the cross-origin check.
func (s *Server) secure(next http.Handler) http.Handler {
	s.cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, refuse(codeCrossOrigin, "Use the page of this server, or a client that is no browser.", "A page of another site may not change anything here."))
	}))
	guarded := s.cross.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()")
		// The page replaces this with a policy that lets it work; everything else is data.
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		if r.TLS != nil && !isAddress(r.Host) {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		// Load balancers and container probes name no host they could know: health has no secrets.
		health := r.URL.Path == "/healthz" || r.URL.Path == "/readyz"
		if !health && !s.knownHost(r.Host) {
			s.fail(w, r, refuse(codeHost, "Open the page under its configured name, or add this name to the configured hosts.", "This server does not answer to the name %.100q.", r.Host))
			return
		}
		if s.shared(w, r) {
			return
		}
		if s.trustedCross(r) {
			next.ServeHTTP(w, r)
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

// knownHost reports whether a Host header names this server: localhost, a
// configured name, or any address. An attacker's page can make its own name resolve
// to 127.0.0.1 (DNS rebinding) and then read our answers as its own; such a request
// always carries the attacker's name, never an address.
func (s *Server) knownHost(host string) bool {
	name := host
	if h, port, err := net.SplitHostPort(host); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return false
		}
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(name, "["), "]"), "."))
	if name == "localhost" || slices.Contains(s.hosts, name) || slices.Contains(s.hosts, "*") {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.Zone() == ""
}

// pagePolicy is the Content-Security-Policy of the page: its own scripts and
// styles, none inline, and S3 for upload and display. blob: shows a picture
// that is being uploaded.
func pagePolicy(s3 []string) string {
	more := ""
	for _, o := range s3 {
		more += " " + o
	}
	return strings.Join([]string{
		"default-src 'none'",
		"script-src 'self'",
		"style-src 'self'",
		"img-src 'self' blob:" + more,
		"connect-src 'self'" + more,
		"form-action 'self'",
		"base-uri 'none'",
		"frame-ancestors 'none'",
	}, "; ")
}

// originOf is the origin of an absolute URL, fit for a Content-Security-Policy.
func originOf(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", fmt.Errorf("S3 address %q: %w", raw, err)
	}
	// Anything beyond a plain host would end up in a header that separates by spaces and semicolons.
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || strings.ContainsAny(u.Host, " ;,'\"") {
		return "", fmt.Errorf("S3 address %q: want http://host or https://host", raw)
	}
	return u.Scheme + "://" + u.Host, nil
}
