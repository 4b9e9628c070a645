package app

import (
	"slices"
	"testing"

	"github.com/tintype/tintype/internal/config"
)

func TestOrigins(t *testing.T) {
	for addr, want := range map[string][]string{
		"127.0.0.1:8007":   {"http://127.0.0.1:8007", "http://localhost:8007", "https://x.example"},
		"0.0.0.0:80":       {"http://127.0.0.1:80", "http://localhost:80", "https://x.example"},
		":80":              {"http://127.0.0.1:80", "http://localhost:80", "https://x.example"},
		"192.0.2.7:8007":   {"http://192.0.2.7:8007", "https://x.example"},
		"[2001:db8::1]:80": {"http://[2001:db8::1]:80", "https://x.example"},
	} {
		cfg := config.Config{Web: config.Web{Addr: addr, Origins: []string{"https://x.example"}}}
		if got := origins(cfg); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", addr, got, want)
		}
	}
}

func TestOriginsByTLSAndOfThePage(t *testing.T) {
	cfg := config.Default()
	cfg.Web.Access.TLSCert = "cert.pem"
	cfg.App.PageURL = "https://images.example/tintype"
	if got, want := origins(cfg), []string{"https://127.0.0.1:8007", "https://localhost:8007", "https://images.example"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestNamesCannotDriveTheTerminal(t *testing.T) {
	for in, want := range map[string]string{
		"a b+ü 猫.jpg":  "a b+ü 猫.jpg",
		"\x1b[2Jx.jpg": `"\x1b[2Jx.jpg"`,
		"a\nb":         `"a\nb"`,
		"a\u009bm":     `"a\u009bm"`,
	} {
		if got := quoteName(in); got != want {
			t.Errorf("%q is shown as %s, want %s", in, got, want)
		}
	}
}

func TestLoopback(t *testing.T) {
	for url, want := range map[string]bool{
		"http://127.0.0.1:4566": true, "http://localhost:4566": true, "http://[::1]:1": true,
		"https://s3.amazonaws.com": false, "http://10.0.0.1:4566": false, "http://127.0.0.1.example:80": false, "": false,
	} {
		if got := isLoopback(url); got != want {
			t.Errorf("%q: %v", url, got)
		}
	}
}
