package app

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/url"

	"github.com/tintype/tintype/internal/config"
	"github.com/tintype/tintype/internal/fresh"
	"github.com/tintype/tintype/internal/web/auth"
)

// maxPEM bounds certificate and key files, bytes.
const maxPEM = 1 << 20

// webAccess is who may use the web tier, and how its port is served.
type webAccess struct {
	guard  *auth.Guard
	secure func(net.Listener) net.Listener // serves https where that is set
	scheme string
}

// openAccess refuses a web tier that other machines reach without being asked who they are,
// before anything starts.
func openAccess(cfg config.Config, log *slog.Logger) (*webAccess, error) {
	a := cfg.Web.Access
	if a.Auth == "none" {
		if err := mayBeReached(cfg, cfg.Web.Addr, "the web tier", "ask for names with --auth basic, oidc or proxy, bind --web-addr to 127.0.0.1, or say --open to let anybody in"); err != nil {
			return nil, err
		}
	}
	proxies, err := a.Proxies()
	if err != nil {
		return nil, err
	}
	o := auth.Options{
		Mode: auth.Mode(a.Auth), UsersFile: a.Users, TokensFile: a.Tokens, Admins: a.Admins,
		SessionKeys: a.SessionKeys, SessionLife: a.SessionLife,
		Provider: auth.Provider{
			Issuer: a.OIDCIssuer, ClientID: a.OIDCClientID, ClientSecret: a.OIDCClientSecret,
			Scopes: a.OIDCScopes, GroupsClaim: a.OIDCGroupsClaim, Allow: a.Allow,
		},
		UserHeader: a.UserHeader, TrustedProxies: proxies, PublicURL: cfg.App.PageURL,
		OpenMetrics: a.OpenMetrics, Limits: auth.Limits{Failures: a.ClientFailures}, Logger: log.With("tier", "web", "part", "auth"),
	}
	if a.Limited(cfg.Web.Addr) {
		o.Limits.Requests, o.Limits.Uploads, o.Limits.Streams = a.ClientRequests, a.ClientUploads, a.ClientStreams
	}
	w := &webAccess{scheme: "http", secure: func(ln net.Listener) net.Listener { return ln }}
	if a.TLSCert != "" {
		if w.secure, err = tlsListener(a, log); err != nil {
			return nil, &BadSetting{fmt.Errorf("--tls-cert, --tls-key: %w", err)}
		}
		w.scheme = "https"
	}
	if o.PublicURL == "" {
		if a.Auth == "oidc" && !config.OnLoopback(cfg.Web.Addr) {
			return nil, &BadSetting{fmt.Errorf("--page-url: --auth oidc needs the page's URL as browsers reach it, for the provider to send them back to")}
		}
		o.PublicURL = w.scheme + "://" + cfg.Web.Addr
	}
	if w.guard, err = auth.New(o); err != nil {
		return nil, &BadSetting{fmt.Errorf("--auth %s: %w", a.Auth, err)}
	}
	if w.guard.Asks() && w.scheme == "http" && len(proxies) == 0 && !config.OnLoopback(cfg.Web.Addr) {
		log.Warn("what proves who somebody is travels unencrypted: set --tls-cert and --tls-key, or --trusted-proxies where a proxy in front encrypts", "address", cfg.Web.Addr)
	}
	if (a.Auth == "basic" || a.Auth == "oidc") && a.SessionKeys == "" {
		log.Info("sessions end with this process: --session-keys makes them outlive it, and hold on every web tier")
	}
	return w, nil
}

// mayBeReached refuses an address that other machines reach, of what asks nobody who they
// are, unless that is meant.
func mayBeReached(cfg config.Config, addr, what, hint string) error {
	if cfg.Web.Access.Open || config.OnLoopback(addr) {
		return nil
	}
	return refuse(hint, "%s at %s would be open to other machines and ask nobody who they are", what, addr)
}

// tlsListener serves by TLS with the certificate that the files have at the time.
func tlsListener(a config.Access, log *slog.Logger) (func(net.Listener) net.Listener, error) {
	cert, err := fresh.Open(func(pem [][]byte) (*tls.Certificate, error) {
		c, err := tls.X509KeyPair(pem[0], pem[1])
		return &c, err
	}, func(err error) {
		log.Error("certificate cannot be used as it is now; the one before is", "err", err)
	}, maxPEM, a.TLSCert, a.TLSKey)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert.Get(), nil },
	}
	return func(ln net.Listener) net.Listener { return tls.NewListener(ln, c) }, nil
}

// pageOrigins are the origins of the page, beyond those of the address: as set, and that of
// its URL.
func pageOrigins(cfg config.Config) []string {
	out := cfg.Web.Origins
	if u, err := url.Parse(cfg.App.PageURL); err == nil && u.Host != "" {
		out = append(append([]string{}, out...), u.Scheme+"://"+u.Host)
	}
	return out
}
