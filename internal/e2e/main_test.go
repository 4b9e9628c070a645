package e2e

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/freeport"
)

// binary is the program under test, built once with the race detector.
var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "tintype-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "tintype")
	out, err := exec.Command("go", "build", "-race", "-o", binary, "../../cmd/tintype").CombinedOutput()
	if err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		os.Exit(1)
	}
	// These tests mostly wait: for leases to run out, for readiness, for what is silent.
	if p := flag.Lookup("test.parallel"); p != nil && p.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = p.Value.Set(strconv.Itoa(2 * runtime.GOMAXPROCS(0))) // a number, as it wants
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// patience is how long a test waits for what must happen. It bounds a failure, it
// measures nothing: machines under the race detector are slow.
const patience = 60 * time.Second

// eventually asks until ok says yes, and fails the test with the last reason if it never does.
func eventually(t *testing.T, what string, ok func() error) {
	t.Helper()
	within(t, patience, what, ok)
}

func within(t *testing.T, d time.Duration, what string, ok func() error) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(d)
	for {
		err := ok()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within %v: %v", what, d, err)
		}
	}
}

// freeAddr finds an address that nobody has. Another process may take it before it
// is used; the chance is small and the failure loud.
func freeAddr(t *testing.T) string {
	t.Helper()
	addr, err := freeport.Addr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// process is a running tintype.
type process struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	out  *output
	done chan struct{} // closed once it has ended
	err  error         // of Wait; read after done
}

// output collects what a process prints; it is safe to read while the process runs.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// cleanEnv is the environment without anything that would lead to another AWS.
func cleanEnv(extra ...string) []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "AWS_") && !strings.HasPrefix(e, "TINTYPE_") {
			env = append(env, e)
		}
	}
	return append(env, append([]string{"AWS_EC2_METADATA_DISABLED=true"}, extra...)...)
}

// start runs tintype in the background and ends it, if still there, with the test.
func start(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	return startBin(t, binary, env, args...)
}

// startBin is start for another build of the program; empty: binary.
func startBin(t *testing.T, bin string, env []string, args ...string) *process {
	t.Helper()
	if bin == "" {
		bin = binary
	}
	p := &process{t: t, name: args[0], out: &output{}, done: make(chan struct{})}
	p.cmd = exec.Command(bin, args...)
	p.cmd.Env = env
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s (pid %d) printed:\n%s", p.name, p.cmd.Process.Pid, tailOf(p.out.String(), 60))
		}
		if strings.Contains(p.out.String(), "DATA RACE") {
			t.Errorf("%s: a data race was found:\n%s", p.name, p.out)
		}
	})
	return p
}

func tailOf(s string, lines int) string {
	all := strings.Split(strings.TrimRight(s, "\n"), "\n")
	if len(all) > lines {
		all = all[len(all)-lines:]
	}
	return strings.Join(all, "\n")
}

func (p *process) alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// kill ends the process as a crash of the machine would: nothing of it runs any more.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// stop asks the process to end, as Ctrl-C and service managers do, and returns its exit code.
func (p *process) stop(sig syscall.Signal) int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatalf("signal %s: %v", p.name, err)
	}
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatalf("%s did not end after %v:\n%s", p.name, sig, tailOf(p.out.String(), 40))
	}
	return p.code()
}

func (p *process) code() int {
	var exit *exec.ExitError
	if errors.As(p.err, &exit) {
		return exit.ExitCode()
	}
	return p.cmd.ProcessState.ExitCode()
}

// ready waits until the URL answers 200, or fails when the process ends before that.
func (p *process) ready(url string) {
	p.t.Helper()
	eventually(p.t, p.name+" ready at "+url, func() error {
		if !p.alive() {
			p.t.Fatalf("%s ended with code %d:\n%s", p.name, p.code(), p.out)
		}
		resp, err := http.Get(url)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d", resp.StatusCode)
		}
		return nil
	})
}

// tintype runs a command to its end.
func tintype(t *testing.T, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	var out, errs bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = env, &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("tintype %v: %v", args, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}
