package auth

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

const (
	// maxHops is how many addresses of X-Forwarded-For are looked at, from the end.
	maxHops = 32
	// proxiedStream is how long a stream of events lasts before the proxy has to vouch for its
	// user again: browsers come back by themselves.
	proxiedStream = 15 * time.Minute
)

// peer is the address that a request's connection comes from.
func peer(r *http.Request) netip.Addr {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap().WithZone("")
}

func (g *Guard) trusts(a netip.Addr) bool {
	return a.IsValid() && slices.ContainsFunc(g.o.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// address is where a request comes from: of X-Forwarded-For, to which each proxy appends
// whom it was asked by, the last address that is not a trusted proxy's. What stands before
// that may be anybody's invention.
func (g *Guard) address(r *http.Request) netip.Addr {
	from := peer(r)
	lines := r.Header["X-Forwarded-For"]
	hops := 0
	for i := len(lines) - 1; i >= 0; i-- {
		rest := lines[i]
		for more := true; more; hops++ {
			if !g.trusts(from) || hops >= maxHops {
				return from
			}
			var last string
			if at := strings.LastIndexByte(rest, ','); at >= 0 {
				last, rest = rest[at+1:], rest[:at]
			} else {
				last, more = rest, false
			}
			next, ok := parseHop(last)
			if !ok {
				return from
			}
			from = next
		}
	}
	return from
}

// parseHop reads one address of X-Forwarded-For; some proxies add the port.
func parseHop(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	if a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")); err == nil {
		return a.Unmap().WithZone(""), true
	}
	a, err := netip.ParseAddrPort(text)
	return a.Addr().Unmap().WithZone(""), err == nil
}

// client is an address as limits count it: who has one address of IPv6 has a /64 of them.
func (g *Guard) client(r *http.Request) string {
	a := g.address(r)
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}

// encrypted reports whether the browser's side of a request is by https.
func (g *Guard) encrypted(r *http.Request) bool {
	if r.TLS != nil || g.secure {
		return true
	}
	proto := r.Header["X-Forwarded-Proto"]
	return len(proto) == 1 && strings.EqualFold(proto[0], "https") && g.trusts(peer(r))
}

// byProxy is the user that a trusted proxy names.
func (g *Guard) byProxy(r *http.Request) (*User, error) {
	const through = "Open it under the proxy's address, and let the proxy sign people in."
	names := r.Header[http.CanonicalHeaderKey(g.o.UserHeader)]
	switch {
	case !g.trusts(peer(r)):
		return nil, refuse(CodeSignedOut, through, "This server is reached through its proxy alone.")
	case len(names) == 0 || len(names) == 1 && names[0] == "":
		return nil, refuse(CodeSignedOut, through, "The proxy does not say who you are.")
	case len(names) > 1 || !goodName(names[0]):
		return nil, refuse(CodeSignedOut, "Let the proxy set the header and pass no other on.", "The proxy does not say clearly who you are.")
	}
	return &User{Name: names[0], Scope: g.userScope(names[0]), Until: time.Now().Add(proxiedStream)}, nil
}
