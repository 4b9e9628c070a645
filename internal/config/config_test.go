package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

var allGroups = []Group{GroupNames, GroupEndpoint, GroupAWS, GroupWeb, GroupAccess, GroupApp, GroupImaging, GroupLimits, GroupProvision, GroupRun}

func load(t *testing.T, file string, env map[string]string, args ...string) (Config, error) {
	t.Helper()
	c := Default()
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	c.Bind(fs, allGroups...)
	if file != "" {
		path := filepath.Join(t.TempDir(), "tintype.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config", path)
	}
	if err := fs.Parse(args); err != nil {
		return c, err
	}
	err := Load(fs, func(k string) string { return env[k] }, func(n string) bool { return n == "size" })
	return c, err
}

func TestFlagsWinOverEnvironmentOverFileOverDefault(t *testing.T) {
	file := "web-addr: 127.0.0.1:1\napp-addr: 127.0.0.1:1\nendpoint-addr: 127.0.0.1:1\nworkers: 7\nemail: [a@example.com, b@example.com]\nsize: 3\n"
	env := map[string]string{"TINTYPE_WEB_ADDR": "127.0.0.1:2", "TINTYPE_APP_ADDR": "127.0.0.1:2"}
	c, err := load(t, file, env, "--web-addr", "127.0.0.1:3")
	if err != nil {
		t.Fatal(err)
	}
	if c.Web.Addr != "127.0.0.1:3" || c.App.Addr != "127.0.0.1:2" || c.Endpoint.Addr != "127.0.0.1:1" || c.Endpoint.ConsoleAddr != "127.0.0.1:4567" {
		t.Errorf("web %s, app %s, endpoint %s, console %s", c.Web.Addr, c.App.Addr, c.Endpoint.Addr, c.Endpoint.ConsoleAddr)
	}
	if c.App.Workers != 7 || strings.Join(c.Emails, " ") != "a@example.com b@example.com" {
		t.Errorf("workers %d, emails %v", c.App.Workers, c.Emails)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

func TestBadFilesAreRefusedWithTheirLine(t *testing.T) {
	for name, tc := range map[string]struct{ file, want string }{
		"unknown setting": {"web-addr: a:1\nwebaddr: x\n", `tintype.yaml:2: there is no setting "webaddr"`},
		"wrong type":      {"\n\nworkers: many\n", "tintype.yaml:3:"},
		"nested":          {"workers: {a: 1}\n", "line 1: workers: want a plain value"},
		"a list of lists": {"email: [[a]]\n", "line 1: email: want a list of plain values"},
		"no mapping":      {"- a\n- b\n", "want settings as name: value"},
		"no YAML":         {"a: [\n", "--config"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := load(t, tc.file, nil); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("err = %v, want %q in it", err, tc.want)
			}
		})
	}
}

func TestValidateNamesTheFlag(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"one bucket for both":  {[]string{"--results-bucket", "tintype-uploads"}, "two buckets"},
		"bucket in upper case": {[]string{"--name-prefix", "ACME-"}, "--uploads-bucket"},
		"no port":              {[]string{"--web-addr", "localhost"}, "--web-addr"},
		"not an address":       {[]string{"--email", "nobody"}, "--email"},
		"no workers":           {[]string{"--workers", "0"}, "--workers"},
		"not a URL":            {[]string{"--endpoint-url", "localhost:4566"}, "--endpoint-url"},
		"an origin with path":  {[]string{"--origin", "https://a.example/b"}, "--origin"},
		"queue is its own dlq": {[]string{"--dead-letter-queue", "ImageApp"}, "--dead-letter-queue"},
		"isolation":            {[]string{"--isolation", "container"}, "--isolation"},
		"image timeout":        {[]string{"--image-timeout", "5ms"}, "--image-timeout"},
		"documents":            {[]string{"--documents", "svg,ps"}, "--documents"},
		"documents unconfined": {[]string{"--documents", "svg", "--isolation", "none"}, "--documents"},
		"image memory":         {[]string{"--image-memory", "2000"}, "--image-memory"},
		"auth":                 {[]string{"--auth", "maybe"}, "--auth"},
		"basic, no users":      {[]string{"--auth", "basic"}, "--users"},
		"oidc, no issuer":      {[]string{"--auth", "oidc", "--oidc-client-id", "x", "--allow", "*"}, "--oidc-issuer"},
		"oidc by http":         {[]string{"--auth", "oidc", "--oidc-issuer", "http://idp.example", "--oidc-client-id", "x", "--allow", "*"}, "want https"},
		"oidc, nobody allowed": {[]string{"--auth", "oidc", "--oidc-issuer", "https://idp.example", "--oidc-client-id", "x"}, "--allow"},
		"proxy, no addresses":  {[]string{"--auth", "proxy"}, "--trusted-proxies"},
		"proxies everywhere":   {[]string{"--trusted-proxies", "0.0.0.0/0"}, "everybody"},
		"proxies by name":      {[]string{"--trusted-proxies", "proxy.example"}, "--trusted-proxies"},
		"user header":          {[]string{"--user-header", "X User"}, "--user-header"},
		"tokens for nobody":    {[]string{"--tokens", "t"}, "--tokens"},
		"half of TLS":          {[]string{"--tls-cert", "c.pem"}, "--tls-key"},
		"short sessions":       {[]string{"--session-life", "1s"}, "--session-life"},
		"cors with a path":     {[]string{"--cors-origin", "https://a.example/x"}, "--cors-origin"},
		"client limits":        {[]string{"--client-limits", "some"}, "--client-limits"},
		"client uploads":       {[]string{"--client-uploads", "-1"}, "--client-uploads"},
		"client failures":      {[]string{"--client-failures", "0"}, "--client-failures"},
		"level":                {[]string{"--log-level", "loud"}, "--log-level"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := load(t, "", nil, tc.args...)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Validate(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("err = %v, want %q in it", err, tc.want)
			}
		})
	}
	c := Default()
	if err := c.Validate(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
}

func TestOnLoopback(t *testing.T) {
	for addr, want := range map[string]bool{
		"127.0.0.1:80": true, "127.1.2.3:80": true, "localhost:80": true, "[::1]:80": true, "[::ffff:127.0.0.1]:80": true,
		":80": false, "0.0.0.0:80": false, "[::]:80": false, "192.168.1.2:80": false, "localhost.example:80": false, "127.0.0.1": false,
	} {
		if got := OnLoopback(addr); got != want {
			t.Errorf("OnLoopback(%q) = %v", addr, got)
		}
	}
}

func FuzzParseFile(f *testing.F) {
	f.Add("web-addr: a\nemail:\n  - x\n# c\n")
	f.Add("&a [*a]")
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := parseFile([]byte(text)); err == nil {
			for _, x := range s {
				if x.line < 1 {
					t.Errorf("setting %q has line %d", x.name, x.line)
				}
			}
		}
	})
}
