package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"time"

	"github.com/spf13/pflag"
)

// headerName is what headers are called that HTTP's rules allow and proxies pass on.
var headerName = regexp.MustCompile(`^[A-Za-z0-9-]+$`)

// Access is who may use the web tier, and how much of it.
type Access struct {
	Auth string // none, basic, oidc or proxy
	// Open lets what asks nobody who they are be reached by other machines.
	Open        bool
	Users       string   // htpasswd file, of basic
	Tokens      string   // file of API tokens; empty: none
	Admins      []string // who may also delete; empty: all users
	OpenMetrics bool     // metrics for anybody

	SessionKeys string // file of the keys that seal sessions; empty: one of the process
	SessionLife time.Duration

	OIDCIssuer, OIDCClientID string
	OIDCClientSecret         string // never logged
	OIDCScopes               []string
	OIDCGroupsClaim          string
	Allow                    []string // of the provider's people

	UserHeader     string   // of proxy
	TrustedProxies []string // addresses and CIDRs

	TLSCert, TLSKey string // files; empty: http

	// CORSOrigins are the origins whose pages may call the API, with tokens.
	CORSOrigins []string

	// ClientLimits is when the limits for each client hold: auto (unless the web tier is for
	// this machine alone), on or off.
	ClientLimits   string
	ClientRequests int // per second
	ClientUploads  int // per minute
	ClientStreams  int // streams of events at once
	ClientFailures int // failed sign-ins in five minutes; always limited
}

func defaultAccess() Access {
	return Access{
		Auth: "none", SessionLife: 12 * time.Hour, OIDCGroupsClaim: "groups", UserHeader: "X-Forwarded-User",
		ClientLimits: "auto", ClientRequests: 30, ClientUploads: 300, ClientStreams: 20, ClientFailures: 10,
	}
}

func (a *Access) bind(fs *pflag.FlagSet) {
	fs.StringVar(&a.Auth, "auth", a.Auth, "how people prove who they are: none, basic (--users), oidc (--oidc-issuer) or proxy (--trusted-proxies)")
	bindOpen(fs, &a.Open)
	fs.StringVar(&a.Users, "users", a.Users, "file of users for --auth basic, as `tintype auth hash` prints and htpasswd -B writes")
	fs.StringVar(&a.Tokens, "tokens", a.Tokens, "file of tokens for programs, as `tintype auth token` writes")
	fs.StringSliceVar(&a.Admins, "admins", a.Admins, "users that may also delete (without it all may); for oidc as --allow; repeatable")
	fs.StringVar(&a.SessionKeys, "session-keys", a.SessionKeys, "file of the keys that seal sessions, as `tintype auth key` prints; several web tiers need the same")
	fs.DurationVar(&a.SessionLife, "session-life", a.SessionLife, "how long a sign-in holds")
	fs.StringVar(&a.OIDCIssuer, "oidc-issuer", a.OIDCIssuer, "URL of the OpenID provider")
	fs.StringVar(&a.OIDCClientID, "oidc-client-id", a.OIDCClientID, "the client id that the provider gave; its redirect URI is --page-url and /auth/callback")
	fs.StringVar(&a.OIDCClientSecret, "oidc-client-secret", a.OIDCClientSecret, "the client's secret; better given as TINTYPE_OIDC_CLIENT_SECRET")
	fs.StringSliceVar(&a.OIDCScopes, "oidc-scope", a.OIDCScopes, "scope to ask for besides openid, profile and email; repeatable")
	fs.StringVar(&a.OIDCGroupsClaim, "oidc-groups-claim", a.OIDCGroupsClaim, "claim that has somebody's groups")
	fs.StringSliceVar(&a.Allow, "allow", a.Allow, "whom of the provider's people to let in: address, @domain, group:name, or * for all; repeatable")
	fs.StringVar(&a.UserHeader, "user-header", a.UserHeader, "header in which the proxy names the user, for --auth proxy")
	fs.StringSliceVar(&a.TrustedProxies, "trusted-proxies", a.TrustedProxies, "addresses or CIDRs of proxies in front, whose X-Forwarded-* headers are believed; repeatable")
	fs.StringVar(&a.TLSCert, "tls-cert", a.TLSCert, "certificate chain (PEM) to serve the web tier by https; read again when it changes")
	fs.StringVar(&a.TLSKey, "tls-key", a.TLSKey, "its private key (PEM)")
	fs.BoolVar(&a.OpenMetrics, "open-metrics", a.OpenMetrics, "let anybody read /metrics, who else needs a token with the scope read")
	fs.StringSliceVar(&a.CORSOrigins, "cors-origin", a.CORSOrigins, "origin whose pages may call the API, with tokens where --auth asks for them; repeatable")
	fs.StringVar(&a.ClientLimits, "client-limits", a.ClientLimits, "when the limits for each client hold: auto (unless the web tier is for this machine alone), on or off")
	fs.IntVar(&a.ClientRequests, "client-requests", a.ClientRequests, "requests of a client per second; 0: any")
	fs.IntVar(&a.ClientUploads, "client-uploads", a.ClientUploads, "uploads of a client per minute; 0: any")
	fs.IntVar(&a.ClientStreams, "client-streams", a.ClientStreams, "streams of events of a client at once; 0: any")
	fs.IntVar(&a.ClientFailures, "client-failures", a.ClientFailures, "failed sign-ins of a client in five minutes, always limited")
}

// bindOpen declares --open, which both the web tier and the endpoint take.
func bindOpen(fs *pflag.FlagSet, open *bool) {
	if fs.Lookup("open") == nil {
		fs.BoolVar(open, "open", *open, "let other machines reach what asks nobody who they are")
	}
}

// validate reports each fault to bad, as Config.Validate does.
func (a *Access) validate(bad func(format string, args ...any)) {
	switch a.Auth {
	case "none":
	case "basic":
		if a.Users == "" {
			bad("--users: --auth basic needs a file of users: `tintype auth hash NAME` prints a line for one")
		}
	case "oidc":
		u, err := url.Parse(a.OIDCIssuer)
		switch {
		case err != nil || !isHTTP(a.OIDCIssuer):
			bad("--oidc-issuer: %q is no URL such as https://accounts.example.com", a.OIDCIssuer)
		case u.Scheme != "https" && !loopback(u.Hostname()):
			bad("--oidc-issuer: %q: want https: whoever is in between could sign in as anybody", a.OIDCIssuer)
		}
		if a.OIDCClientID == "" {
			bad("--oidc-client-id: --auth oidc needs the client id that the provider gave")
		}
		if len(a.Allow) == 0 {
			bad("--allow: name whom to let in: address, @domain, group:name, or * for everybody that the provider knows")
		}
	case "proxy":
		if len(a.TrustedProxies) == 0 {
			bad("--trusted-proxies: --auth proxy needs the proxy's addresses: anybody else could write its header")
		}
	default:
		bad("--auth: %q: none, basic, oidc or proxy", a.Auth)
	}
	if a.Auth == "none" && a.Tokens != "" {
		bad("--tokens: with --auth none nobody is asked for one")
	}
	if _, err := a.Proxies(); err != nil {
		bad("--trusted-proxies: %v", err)
	}
	if !headerName.MatchString(a.UserHeader) {
		bad("--user-header: %q is no header's name", a.UserHeader)
	}
	if (a.TLSCert == "") != (a.TLSKey == "") {
		bad("--tls-cert and --tls-key go together")
	}
	if a.SessionLife < time.Minute {
		bad("--session-life: %v: at least 1m", a.SessionLife)
	}
	for _, o := range a.CORSOrigins {
		if !isOrigin(o) {
			bad("--cors-origin: %q is no origin such as https://app.example.com", o)
		}
	}
	if a.ClientLimits != "auto" && a.ClientLimits != "on" && a.ClientLimits != "off" {
		bad("--client-limits: %q: auto, on or off", a.ClientLimits)
	}
	if a.ClientRequests < 0 || a.ClientUploads < 0 || a.ClientStreams < 0 {
		bad("--client-requests, --client-uploads and --client-streams must not be negative")
	}
	if a.ClientFailures < 1 {
		bad("--client-failures: %d: at least 1", a.ClientFailures)
	}
}

// Proxies are TrustedProxies, parsed.
func (a *Access) Proxies() ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range a.TrustedProxies {
		if addr, err := netip.ParseAddr(text); err == nil {
			addr = addr.Unmap().WithZone("")
			out = append(out, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil || p.Addr().Is4In6() {
			return nil, fmt.Errorf("%q is no address and no CIDR such as 10.0.0.0/8", text)
		}
		if p.Bits() == 0 {
			return nil, fmt.Errorf("%q is everybody", text)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// Limited reports whether the limits for each client hold for a web tier at addr.
func (a *Access) Limited(addr string) bool {
	return a.ClientLimits == "on" || a.ClientLimits == "auto" && !OnLoopback(addr)
}

// OnLoopback reports whether an address (host:port) is reached from this machine alone.
func OnLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && loopback(host)
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.Unmap().IsLoopback()
}

func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && isHTTP(s) && (u.Path == "" || u.Path == "/") && u.RawQuery == "" && u.Fragment == "" && u.User == nil
}
