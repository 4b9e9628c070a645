//go:build soak

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/testimages"
)

// skewed builds the program with a clock that TINTYPE_CLOCK_SKEW moves, once: the time
// package is replaced by one whose Now adds it, for everything in Go, the SDK's signatures
// included. (libvips does not ask for the time, and the monotonic clock stays as it is, as
// it would on a host with a wrong clock.)
var skewed = sync.OnceValues(func() (string, error) {
	dir := filepath.Dir(binary)
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOROOT: %w", err)
	}
	real := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	source, err := os.ReadFile(filepath.Join(real, "time.go"))
	if err != nil {
		return "", err
	}
	const now, moved = "	sec, nsec, mono := runtimeNow()\n	if mono == 0 {", "	sec, nsec, mono := runtimeNow()\n	sec += skew\n	if mono == 0 {"
	if strings.Count(string(source), now) != 1 {
		return "", fmt.Errorf("time.Now of %s is not as this test knows it", runtime.Version())
	}
	replace := map[string]string{}
	for name, text := range map[string]string{
		"time.go": strings.Replace(string(source), now, moved, 1),
		"skew.go": "package time\n\nimport \"syscall\"\n\nvar skew = func() int64 {\n\ttext, _ := syscall.Getenv(\"TINTYPE_CLOCK_SKEW\")\n\td, _ := ParseDuration(text)\n\treturn int64(d / Second)\n}()\n",
	} {
		to := filepath.Join(dir, "skew-"+name)
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(real, name)] = to
	}
	overlay := filepath.Join(dir, "overlay.json")
	b, _ := json.Marshal(map[string]any{"Replace": replace})
	if err := os.WriteFile(overlay, b, 0o600); err != nil {
		return "", err
	}
	to := filepath.Join(dir, "tintype-skewed")
	if out, err := exec.Command("go", "build", "-overlay", overlay, "-o", to, "../../cmd/tintype").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return to, nil
})

// TestSoakClockSkew: the tiers' hosts have clocks that are wrong, each in its own way, and the
// endpoint's is right: uploads and links that skewed web tiers sign work, images are done,
// figures make sense, web tiers do not take each other for dead, and what is done again is
// told.
func TestSoakClockSkew(t *testing.T) {
	bin, err := skewed()
	if err != nil {
		t.Fatal(err)
	}
	for _, skew := range []struct{ app, otherApp, web, otherWeb time.Duration }{
		{time.Hour, 0, time.Hour, 0},
		{-time.Hour, 10 * time.Minute, -time.Hour, 10 * time.Minute},
		{10 * time.Minute, -5 * time.Minute, -5 * time.Minute, time.Hour},
	} {
		t.Run(fmt.Sprint(skew), func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			s.startEndpoint("--log-level", "warn")
			s.provision()
			announced := watchCompletions(t, s)
			env := s.env
			at := func(d time.Duration) { s.env = append(env[:len(env):len(env)], "TINTYPE_CLOCK_SKEW="+d.String()) }
			s.bin = bin
			for _, d := range []time.Duration{skew.app, skew.otherApp} {
				at(d)
				s.appAddr = freeAddr(t)
				s.startApp()
			}
			var urls []string
			var webs []*process
			for _, d := range []time.Duration{skew.web, skew.otherWeb} {
				at(d)
				s.webAddr = freeAddr(t)
				webs = append(webs, s.startWeb())
				urls = append(urls, s.web())
			}
			var pages []*page
			for _, url := range urls {
				pages = append(pages, openPage(t, url))
			}
			began := time.Now()
			l := newLedger()
			<-s.feed(t, l, 30, urls...)
			check(t, s, l, announced, expectations{attempts: 1})
			for id := range l.promised {
				m, err := s.manifest(id)
				if err != nil {
					t.Fatal(err)
				}
				// Date headers have whole seconds, and a clock counts as right within three.
				const slack = 6 * time.Second
				if waited := m.Timings.Started.Sub(m.Timings.Uploaded); waited < -slack || m.Timings.Finished.After(time.Now().Add(slack)) || m.Timings.Uploaded.Before(began.Add(-slack)) {
					t.Errorf("%s: timings make no sense: %+v", id, m.Timings)
				}
			}
			for i, p := range pages {
				within(t, patience, fmt.Sprintf("page %d shows every image as done", i), func() error { return p.shows(l) })
			}
			// Links that either web tier signs are good.
			for _, url := range urls {
				for id := range l.promised {
					for _, what := range []string{"/original", "/outputs/thumb"} {
						resp, err := http.Get(url + "/api/images/" + id + what)
						if err != nil {
							t.Fatal(err)
						}
						resp.Body.Close()
						if resp.StatusCode != http.StatusOK {
							t.Errorf("%s of %s through %s: %d", what, id, url, resp.StatusCode)
						}
					}
					break
				}
			}
			// Done again, by whichever app process has it: later than before, whatever their clocks say.
			id, err := postForm(http.DefaultClient, urls[0], testimages.JPEG(321, 80))
			if err != nil {
				t.Fatal(err)
			}
			s.finished(id)
			for i, name := range []string{"grayscale", "sepia", "tint", "grayscale", "sepia"} {
				resp, err := http.Post(urls[0]+"/api/images/"+id+"/retry", "application/json", strings.NewReader(`{"recipe":"`+name+`"}`))
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				eventually(t, fmt.Sprintf("retry %d, as %s", i, name), func() error {
					m, err := s.manifest(id)
					if err == nil && (m.Recipe != name || m.Status != recipe.Done) {
						err = fmt.Errorf("it is %s as %s", m.Status, m.Recipe)
					}
					return err
				})
				for i, p := range pages {
					eventually(t, fmt.Sprintf("page %d hears of %s", i, name), func() error { return p.showsRecipe(id, name) })
				}
			}
			// The sweep at their start, and the one that follows, left the live ones alone.
			for _, web := range webs {
				if out := web.out.String(); strings.Contains(out, "removed the queue of a dead web instance") || !web.alive() {
					t.Errorf("a web tier took the other one for dead:\n%s", tailOf(out, 20))
				}
			}
		})
	}
}

// showsRecipe reports whether an image is shown as done by a recipe.
func (p *page) showsRecipe(id, name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.status[id] != "done" || p.recipe[id] != name {
		return fmt.Errorf("it shows %q by %q", p.status[id], p.recipe[id])
	}
	return nil
}
