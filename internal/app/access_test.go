package app

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/config"
	"github.com/tintype/tintype/internal/fault"
)

func TestNobodyIsLetInByAccident(t *testing.T) {
	for name, tc := range map[string]struct {
		adjust func(*config.Config)
		want   string // part of the refusal; "": none
	}{
		"loopback":   {func(*config.Config) {}, ""},
		"everywhere": {func(c *config.Config) { c.Web.Addr = "0.0.0.0:0" }, "the web tier at 0.0.0.0:0 would be open"},
		"no host":    {func(c *config.Config) { c.Web.Addr = ":0" }, "would be open"},
		"said so":    {func(c *config.Config) { c.Web.Addr = "0.0.0.0:0"; c.Web.Access.Open = true }, ""},
		"behind a proxy": {func(c *config.Config) {
			c.Web.Addr = "0.0.0.0:0"
			c.Web.Access.Auth = "proxy"
			c.Web.Access.TrustedProxies = []string{"10.0.0.1"}
		}, ""},
		"no users' file":   {func(c *config.Config) { c.Web.Access.Auth = "basic"; c.Web.Access.Users = "/none" }, "--auth basic: users"},
		"oidc, no address": {func(c *config.Config) { c.Web.Addr = "0.0.0.0:0"; c.Web.Access = oidc(c.Web.Access) }, "--page-url"},
		"oidc": {func(c *config.Config) {
			c.Web.Addr = "0.0.0.0:0"
			c.App.PageURL = "https://x.example"
			c.Web.Access = oidc(c.Web.Access)
		}, ""},
		"no certificate": {func(c *config.Config) { c.Web.Access.TLSCert, c.Web.Access.TLSKey = "/none", "/none" }, "--tls-cert"},
	} {
		cfg := config.Default()
		tc.adjust(&cfg)
		_, err := openAccess(cfg, slog.New(slog.DiscardHandler))
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
	cfg := config.Default()
	cfg.Endpoint.Data = t.TempDir()
	cfg.Endpoint.ConsoleAddr = "0.0.0.0:0"
	if _, err := openEndpoint(cfg, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "the console") || !strings.Contains(fault.HintOf(err), "--open") {
		t.Errorf("console: %v", err)
	}
	cfg.Endpoint.ConsoleAddr, cfg.Endpoint.Addr = "127.0.0.1:0", "0.0.0.0:0"
	if _, err := openEndpoint(cfg, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(fault.HintOf(err), "--secret-key") {
		t.Errorf("endpoint: %v", err)
	}
}

func oidc(a config.Access) config.Access {
	a.Auth, a.OIDCIssuer, a.OIDCClientID, a.Allow = "oidc", "https://idp.example", "x", []string{"*"}
	return a
}

// certificate writes a self-signed certificate of a serial number and its key.
func certificate(t *testing.T, serial int64, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "tintype"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	k, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, b := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: k}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTLSFollowsItsFiles(t *testing.T) {
	dir := t.TempDir()
	cfg := config.Default()
	a := &cfg.Web.Access
	a.TLSCert, a.TLSKey = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certificate(t, 1, a.TLSCert, a.TLSKey)
	access, err := openAccess(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Proto", r.Proto) })
	go func() {
		ended <- serve(ctx, access.secure(ln), h, time.Second, slog.New(slog.DiscardHandler))
	}()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	serial := func(c *tls.Config) (int64, error) {
		c.InsecureSkipVerify = true //nolint:gosec // the test's own server
		conn, err := tls.Dial("tcp", ln.Addr().String(), c)
		if err != nil {
			return 0, err
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64(), nil
	}
	if n, err := serial(&tls.Config{}); err != nil || n != 1 {
		t.Fatalf("certificate %d, %v", n, err)
	}
	if n, err := serial(&tls.Config{MaxVersion: tls.VersionTLS11}); err == nil { //nolint:gosec // must be refused
		t.Errorf("TLS 1.1 is spoken, with certificate %d", n)
	}
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true} //nolint:gosec // the test's own server
	defer tr.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), "GET", "https://"+ln.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.Header.Get("Proto") != "HTTP/2.0" {
		t.Errorf("spoken: %s", resp.Header.Get("Proto"))
	}

	// Half of a change is no change.
	certificate(t, 2, a.TLSCert, filepath.Join(dir, "next-key.pem"))
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for renamed := false; ; {
		n, err := serial(&tls.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if n == 2 {
			break
		}
		if !renamed {
			if err := os.Rename(filepath.Join(dir, "next-key.pem"), a.TLSKey); err != nil {
				t.Fatal(err)
			}
			renamed = true
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the new certificate is not used")
		}
	}
}

// A client that takes its time over an ordinary request does not hold a connection for ever.
func TestServersHaveTimeouts(t *testing.T) {
	s := newHTTPServer(http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	if s.ReadHeaderTimeout <= 0 || s.ReadTimeout <= 0 || s.WriteTimeout <= 0 || s.IdleTimeout <= 0 || s.MaxHeaderBytes <= 0 || s.MaxHeaderBytes > 1<<16 {
		t.Errorf("%+v", s)
	}
}
