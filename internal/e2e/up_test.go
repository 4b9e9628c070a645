package e2e

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// uploaded is a line of `tintype upload --json` and `tintype list --json`.
type uploaded struct {
	File, ID, Key, Status string
	Outputs               []struct {
		Name, Format, Location, URL string
		Width, Height               int
	}
	Error *struct{ Code, Message string }
}

func decodeLines(t *testing.T, out string) (docs []uploaded) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(out))
	for d.More() {
		var u uploaded
		if err := d.Decode(&u); err != nil {
			t.Fatalf("%v in:\n%s", err, out)
		}
		docs = append(docs, u)
	}
	return docs
}

func writeFile(t *testing.T, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestUp is a newcomer's first hour: start, upload, look, stop, start again.
func TestUp(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	up := s.startUp()
	for _, want := range []string{s.web(), s.console(), "Ctrl-C"} {
		if !strings.Contains(up.out.String(), want) {
			t.Errorf("up does not print %q:\n%s", want, up.out)
		}
	}

	original := plainPhoto(t)
	photo := writeFile(t, "my cat.jpg", original)
	out, errs, code := tintype(t, s.env, "upload", photo, "--tint", "#2266cc", "--wait", "--json")
	if code != 0 {
		t.Fatalf("upload: exit %d\n%s%s", code, out, errs)
	}
	docs := decodeLines(t, out)
	if len(docs) != 1 || docs[0].Status != "done" || len(docs[0].Outputs) != 3 {
		t.Fatalf("upload printed %s", out)
	}
	resp, err := http.Get(docs[0].Outputs[0].URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	checkTint(t, decode(t, resp.Body), decodeBytes(t, original), "#2266cc")

	// In words, for people.
	out, errs, code = tintype(t, s.env, "upload", photo, "--wait")
	if code != 0 || !strings.Contains(out, "s3://tintype-results/") {
		t.Errorf("upload --wait: exit %d\n%s%s", code, out, errs)
	}
	out, _, code = tintype(t, s.env, "status", docs[0].ID)
	if code != 0 || !strings.Contains(out, "done") || !strings.Contains(out, "my cat.jpg") {
		t.Errorf("status: exit %d\n%s", code, out)
	}

	// One Ctrl-C may arrive twice, from the terminal and through make: it is one all the same.
	if err := up.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := up.stop(syscall.SIGINT); code != 0 {
		t.Errorf("Ctrl-C: exit %d, want 0\n%s", code, up.out)
	}
	s.startUp()
	out, _, code = tintype(t, s.env, "list", "--json")
	if docs := decodeLines(t, out); code != 0 || len(docs) != 2 || docs[0].Status != "done" || docs[1].Status != "done" {
		t.Errorf("after the restart list prints (exit %d)\n%s", code, out)
	}
}

// TestCommandsFindTheLocalEndpoint: with no AWS environment at all, the endpoint on
// this machine is meant, and said.
func TestCommandsFindTheLocalEndpoint(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.startEndpoint()
	env := cleanEnv("TINTYPE_ENDPOINT_ADDR=" + s.endpointAddr)
	_, errs, code := tintype(t, env, "provision")
	if code != 0 {
		t.Fatalf("provision: exit %d\n%s", code, errs)
	}
	if !strings.Contains(errs, s.endpointAddr) {
		t.Errorf("provision does not say which endpoint it used:\n%s", errs)
	}
}

func TestStartupRefusals(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.startUp()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	notDir := writeFile(t, "file", []byte("x"))
	addrs := func(data string, over ...string) []string {
		args := []string{"up", "--data", data, "--endpoint-addr", freeAddr(t), "--console-addr", freeAddr(t), "--web-addr", freeAddr(t), "--app-addr", freeAddr(t)}
		return append(args, over...)
	}
	for name, tc := range map[string]struct {
		args []string
		code int
		want []string
	}{
		"web port taken":         {addrs(t.TempDir(), "--web-addr", taken.Addr().String()), 1, []string{taken.Addr().String(), "already in use", "--web-addr"}},
		"endpoint port taken":    {addrs(t.TempDir(), "--endpoint-addr", taken.Addr().String()), 1, []string{"already in use", "--endpoint-addr"}},
		"console port taken":     {addrs(t.TempDir(), "--console-addr", taken.Addr().String()), 1, []string{"already in use", "--console-addr"}},
		"app port taken":         {addrs(t.TempDir(), "--app-addr", taken.Addr().String()), 1, []string{"already in use", "--app-addr"}},
		"data is a file":         {addrs(notDir), 1, []string{notDir, "--data"}},
		"data below a file":      {addrs(filepath.Join(notDir, "x")), 1, []string{notDir, "--data"}},
		"data is in use":         {addrs(s.data), 1, []string{s.data, "another process", "--data"}},
		"no such command":        {[]string{"upp"}, 2, []string{"upp", "help"}},
		"no such flag":           {[]string{"up", "--colour", "red"}, 2, []string{"--colour", "up --help"}},
		"one bucket":             {addrs(t.TempDir(), "--results-bucket", "tintype-uploads"), 2, []string{"two buckets"}},
		"upload without file":    {[]string{"upload"}, 2, []string{"at least one file"}},
		"status without id":      {[]string{"status"}, 2, []string{"id"}},
		"nobody at the endpoint": {[]string{"list", "--endpoint-url", "http://127.0.0.1:1"}, 1, []string{"127.0.0.1:1", "--endpoint-url"}},
		"no such mode":           {addrs(t.TempDir(), "--mode", "three"), 2, []string{"--mode", "decoupled, coupled or both"}},
		"one tier of both":       {[]string{"app", "--mode", "both"}, 2, []string{"--mode", "one architecture"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, errs, code := tintype(t, cleanEnv(), tc.args...)
			if code != tc.code {
				t.Errorf("exit %d, want %d", code, tc.code)
			}
			if tc.code == 1 && strings.Count(strings.TrimSpace(errs), "\n") > 0 {
				t.Errorf("more than one line:\n%s", errs)
			}
			for _, w := range tc.want {
				if !strings.Contains(errs, w) {
					t.Errorf("%q is not in:\n%s", w, errs)
				}
			}
		})
	}
}
