package auth

import (
	"net/url"
	"strings"
)

// maxReturn bounds a return path, bytes: it travels in a cookie.
const maxReturn = 1024

// returnPath is where to go after the sign-in: raw, if that is a path of this server, or the
// page. Browsers read "\" as "/" and skip tabs and line ends, so that "/\evil.example" and
// "/<tab>/evil.example" are other servers to them.
func returnPath(raw string) string {
	const page = "/"
	if len(raw) > maxReturn || !strings.HasPrefix(raw, "/") || strings.HasPrefix(raw, "//") ||
		strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r == '\\' || r >= 0x7f }) {
		return page
	}
	u, err := url.Parse(raw)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || u.Opaque != "" || strings.HasPrefix(u.Path, "//") || strings.HasPrefix(u.Path, pathPrefix) {
		return page
	}
	return (&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}).String()
}
