package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/testimages"
)

// readiness reports whether a tier says so of itself, and what it says.
func readiness(base string) (ready bool, says string, err error) {
	resp, err := http.Get(base + "/readyz")
	if err != nil {
		return false, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode == http.StatusOK, strings.TrimSpace(string(b)), err
}

// says waits until a tier says that it is ready, or that it is not.
func says(t *testing.T, base string, want bool) (why string) {
	t.Helper()
	within(t, 3*time.Minute, fmt.Sprintf("%s says ready: %v", base, want), func() error {
		ready, text, err := readiness(base)
		if err == nil && ready != want {
			err = fmt.Errorf("it says %q", text)
		}
		why = text
		return err
	})
	return why
}

// TestEndpointAway: the endpoint is stopped while images are in work, for so long that the
// tiers say it; it comes back, and both go on by themselves.
func TestEndpointAway(t *testing.T) {
	t.Parallel()
	endpointAway(t, 15, 0)
}

// endpointAway lets n images in before the endpoint is stopped, which stays away until the
// tiers say so and for at least so long.
func endpointAway(t *testing.T, n int, away time.Duration) {
	s := newSystem(t)
	endpoint := s.startEndpoint("--log-level", "warn")
	s.provision()
	announced := watchCompletions(t, s)
	app, web := s.startApp(), s.startWeb()
	l := newLedger()
	<-s.feed(t, l, n, s.web())
	if code := endpoint.stop(syscall.SIGTERM); code != 0 {
		t.Fatalf("the endpoint: exit %d", code)
	}
	stopped := time.Now()

	// No image is taken that cannot be kept, and whoever brings one learns what to do.
	client := &http.Client{Timeout: 2 * patience}
	_, err := postForm(client, s.web(), testimages.JPEG(99, 80))
	var refused *refusedUpload
	if !errors.As(err, &refused) {
		t.Fatalf("an upload without an endpoint: %v", err)
	}
	if p := refused.problem(); refused.status != http.StatusServiceUnavailable || p.Code != "unavailable" || p.Hint == "" || p.Detail == "" {
		t.Errorf("an upload without an endpoint: %v, want 503 and what to do", err)
	}
	t.Logf("web: %s; app: %s", says(t, s.web(), false), says(t, s.app(), false))
	within(t, away+time.Minute, "the endpoint stays away", func() error {
		if left := away - time.Since(stopped); left > 0 {
			return fmt.Errorf("%v to go", left)
		}
		return nil
	})
	if !app.alive() || !web.alive() {
		t.Fatal("a tier has ended with the endpoint")
	}
	s.startEndpoint("--log-level", "warn")
	says(t, s.app(), true)
	says(t, s.web(), true)
	<-s.feed(t, l, n/2, s.web())
	check(t, s, l, announced, expectations{})
}

// TestEndpointHangs: the endpoint is there and says nothing, as a machine that swaps does.
func TestEndpointHangs(t *testing.T) {
	t.Parallel()
	endpointHangs(t, 15, false)
}

// endpointHangs lets n images in before the endpoint hangs: until the web tier says so,
// or until the app tier does as well, whose polls last longer.
func endpointHangs(t *testing.T, n int, long bool) {
	s := newSystem(t)
	endpoint := s.startEndpoint("--log-level", "warn")
	s.provision()
	announced := watchCompletions(t, s)
	s.startApp()
	s.startWeb()
	l := newLedger()
	fed := s.feed(t, l, n, s.web())
	within(t, patience, "half of the uploads", func() error {
		if c := l.count(); c < n/2 {
			return fmt.Errorf("%d of %d", c, n)
		}
		return nil
	})
	if err := endpoint.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	goesOn := func() {
		if err := endpoint.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(goesOn)
	t.Logf("web: %s", says(t, s.web(), false))
	if long {
		t.Logf("app: %s", says(t, s.app(), false))
	}
	goesOn()
	says(t, s.app(), true)
	says(t, s.web(), true)
	<-fed
	check(t, s, l, announced, expectations{})
}
