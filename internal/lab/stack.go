package lab

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tintype/tintype/internal/freeport"
)

// startPatience bounds how long a process may take to be ready.
const startPatience = 60 * time.Second

// stack is both architectures on one endpoint: the endpoint and the two web tiers for the
// whole run, app tiers as the experiments want them.
type stack struct {
	o    Options
	ctx  context.Context // the run's
	dir  string          // data and logs; removed at the end
	env  []string
	port map[string]string // addresses by what they are for

	webURL, coupledURL string

	mu    sync.Mutex
	procs []*proc
}

// proc is one process of the stack.
type proc struct {
	name  string
	cmd   *exec.Cmd
	log   string // file that it prints to
	ended chan struct{}
}

func newStack(ctx context.Context, o Options) (s *stack, err error) {
	s = &stack{o: o, ctx: ctx, port: map[string]string{}}
	if s.dir, err = os.MkdirTemp("", "tintype-lab-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	for _, what := range []string{"endpoint", "console", "web", "coupled-web", "coupled-app"} {
		if s.port[what], err = freeport.Addr(); err != nil {
			return nil, err
		}
	}
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "AWS_") && !strings.HasPrefix(e, "TINTYPE_") {
			s.env = append(s.env, e)
		}
	}
	s.env = append(s.env, "AWS_ENDPOINT_URL=http://"+s.port["endpoint"], "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true")
	s.webURL, s.coupledURL = "http://"+s.port["web"], "http://"+s.port["coupled-web"]

	if _, err := s.start("endpoint", "http://"+s.port["endpoint"]+"/_tintype/health", "endpoint", "--data", filepath.Join(s.dir, "data"), "--endpoint-addr", s.port["endpoint"], "--console-addr", s.port["console"]); err != nil {
		return nil, err
	}
	provision := exec.CommandContext(ctx, o.Program, "provision")
	provision.Env = s.env
	if out, err := provision.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("provision: %w\n%s", err, out)
	}
	uploads := strconv.Itoa(maxUploads)
	if _, err := s.start("web", s.webURL+"/readyz", "web", "--web-addr", s.port["web"], "--uploads", uploads); err != nil {
		return nil, err
	}
	_, err = s.start("coupled web", s.coupledURL+"/readyz", "web", "--mode", "coupled", "--coupled-web-addr", s.port["coupled-web"], "--process-url", "http://"+s.port["coupled-app"], "--uploads", uploads)
	return s, err
}

// maxUploads is how many uploads the web tiers let through at once here: so many that they turn
// nobody away, and that how long uploads take is seen rather than how many are refused.
const maxUploads = 4096

// apps starts n app tiers of the decoupled architecture.
func (s *stack) apps(n, workers int) (all []*proc, err error) {
	for i := range n {
		addr, err := freeport.Addr()
		if err != nil {
			return all, err
		}
		p, err := s.launch("app "+strconv.Itoa(i+1), "app", "--app-addr", addr, "--workers", strconv.Itoa(workers))
		if err != nil {
			return all, err
		}
		all = append(all, p)
		defer func() {
			if err == nil {
				err = s.ready(p, "http://"+addr+"/readyz")
			}
		}()
	}
	return all, nil
}

// coupledApp starts the coupled app tier.
func (s *stack) coupledApp(workers int) (*proc, error) {
	return s.start("coupled app", "http://"+s.port["coupled-app"]+"/readyz", "app", "--mode", "coupled", "--coupled-app-addr", s.port["coupled-app"], "--workers", strconv.Itoa(workers), "--waiting", strconv.Itoa(maxUploads))
}

func (s *stack) start(name, readyURL string, args ...string) (*proc, error) {
	p, err := s.launch(name, args...)
	if err != nil {
		return nil, err
	}
	return p, s.ready(p, readyURL)
}

// launch starts a process of the program under measurement.
func (s *stack) launch(name string, args ...string) (*proc, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &proc{name: name, cmd: exec.Command(s.o.Program, args...), ended: make(chan struct{}), log: filepath.Join(s.dir, fmt.Sprintf("%02d-%s.log", len(s.procs), strings.ReplaceAll(name, " ", "-")))}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the process has its own
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = s.env, log, log
	dieWithParent(p.cmd)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in its log
		close(p.ended)
	}()
	s.procs = append(s.procs, p)
	return p, nil
}

// ready waits until a process answers that it is.
func (s *stack) ready(p *proc, url string) error {
	ctx, cancel := context.WithTimeout(s.ctx, startPatience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil); err != nil {
			return err
		} else if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-p.ended:
			return fmt.Errorf("%s ended while it started:\n%s", p.name, p.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w\n%s", p.name, context.Cause(ctx), p.tail())
		}
	}
}

// tail is the end of what a process has printed.
func (p *proc) tail() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-2000):])
}

// kill ends a process as a crash would.
func (p *proc) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// stop asks a process to end in order, and sees that it does.
func (p *proc) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(startPatience):
		p.kill()
	}
}

func stopAll(procs []*proc) {
	for _, p := range procs {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
	}
	for _, p := range procs {
		p.stop()
	}
}

// close ends everything, the endpoint last, and removes its data.
func (s *stack) close() {
	s.mu.Lock()
	procs := slices.Clone(s.procs)
	s.mu.Unlock()
	if len(procs) > 1 {
		stopAll(procs[1:])
	}
	stopAll(procs[:min(1, len(procs))])
	_ = os.RemoveAll(s.dir)
}
