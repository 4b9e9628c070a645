package e2e

import (
	"fmt"
	"syscall"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/tintype/tintype/internal/testimages"
	"github.com/tintype/tintype/internal/web/webtest"
)

// TestPipelinePage looks at the page of the pipeline while the app tier of the complete system
// is stopped, away, started again, catching up, and killed.
func TestPipelinePage(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.startEndpoint()
	s.provision()
	s.startWeb("--presence", "1s")
	app := s.startApp("--workers", "1", "--presence", "1s")
	b := webtest.OpenAt(t, s.web(), "/pipeline", "#pipeline")
	verdict := func(kind, part string) {
		t.Helper()
		b.Until("the verdict is "+part, fmt.Sprintf(`document.querySelector('#verdict').dataset.kind === %q && document.querySelector('#verdict').textContent.includes(%q)`, kind, part))
	}
	processes := func(n int, state string) {
		t.Helper()
		b.Until(fmt.Sprintf("%d processes are %s", n, state), fmt.Sprintf(`document.querySelectorAll('.app-process').length === %d && [...document.querySelectorAll('.app-process')].every((p) => p.dataset.state === %q)`, n, state))
	}
	processes(1, "ready")
	if code := app.stop(syscall.SIGTERM); code != 0 {
		t.Fatalf("the app tier ended with code %d", code)
	}
	processes(0, "")
	verdict("bad", "No app tier is at work.")

	const n = 300
	var g errgroup.Group
	g.SetLimit(8)
	photo := testimages.Photos()[0].Bytes
	for i := range n {
		g.Go(func() error { return s.put(fmt.Sprintf("burst/%03d.jpg", i), photo, nil) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	verdict("bad", fmt.Sprintf("%d images wait safely in the queue", n))
	app = s.startApp("--workers", "1", "--presence", "1s")
	processes(1, "ready")
	b.Until("it catches up", `/^Catching up: \d+ images to go\. The backlog shrinks by [\d,.]+ a minute: done in (less than a minute|about \d+ min)\./.test(document.querySelector('#verdict').textContent.trim()) || document.querySelector('#verdict').hidden`)
	b.Until("what it has in work is named", `document.querySelector('.in-work a') !== null || document.querySelector('[data-figure=waiting]').textContent === '0'`)
	b.Until("results are counted", `document.querySelector('[data-figure=done]').textContent !== '0' && document.querySelector('[data-figure=p50]').textContent !== '–'`)

	app.kill()
	processes(1, "stale")
	verdict("bad", "No app tier is at work.")
	b.CheckQuiet()
}
