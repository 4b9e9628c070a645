package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestRollingRestarts replaces every app process and every web process, one after the other,
// while images come in: none fails, none is worked on more than twice, and a page that
// listens sees every one of them done.
func TestRollingRestarts(t *testing.T) {
	t.Parallel()
	rollingRestarts(t, 60, 3)
}

// rollingRestarts uploads n images in the given number of rounds, in each of which both
// processes of both tiers are replaced.
func rollingRestarts(t *testing.T, n, rounds int) {
	s := newSystem(t)
	s.startEndpoint("--log-level", "warn")
	s.provision()
	announced := watchCompletions(t, s)
	var apps, webs [2]*process
	var urls []string
	var addrs [2]string
	for i := range 2 {
		s.appAddr = freeAddr(t)
		apps[i] = s.startApp()
		s.webAddr = freeAddr(t)
		addrs[i] = s.webAddr
		webs[i] = s.startWeb()
		urls = append(urls, s.web())
	}
	page := openPage(t, urls...)
	l := newLedger()
	fed := s.feed(t, l, n, urls...)
	for round := range rounds {
		within(t, 3*time.Minute, "uploads go on", func() error {
			if c, target := l.count(), min(n, (round+1)*n/(rounds+1)); c < target {
				return fmt.Errorf("%d of %d", c, target)
			}
			return nil
		})
		for i := range 2 {
			// The new one is ready before the old one is told to go.
			old := apps[i]
			s.appAddr = freeAddr(t)
			apps[i] = s.startApp()
			if code := old.stop(syscall.SIGTERM); code != 0 {
				t.Errorf("an app process: exit %d", code)
			}
			// The address is one, so the old one goes first; the other one is there meanwhile.
			if code := webs[i].stop(syscall.SIGTERM); code != 0 {
				t.Errorf("a web process: exit %d", code)
			}
			s.webAddr = addrs[i]
			webs[i] = s.startWeb()
		}
	}
	<-fed
	check(t, s, l, announced, expectations{attempts: 2})
	within(t, patience, "the page shows every image as done", func() error { return page.shows(l) })
	if page.streams() < 2 {
		t.Errorf("the page's event stream was never cut")
	}
}

// page is a browser's page as far as events go: it keeps the last event's id, goes to the
// next address when its stream ends, and loads the list again when it is told to.
type page struct {
	mu     sync.Mutex
	status map[string]string // image id: what is shown
	recipe map[string]string // image id: the recipe of what is shown
	opened int               // streams
	loads  int
}

func openPage(t *testing.T, webs ...string) *page {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &page{status: map[string]string{}, recipe: map[string]string{}}
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		last := ""
		pace := time.NewTicker(100 * time.Millisecond)
		defer pace.Stop()
		for i := 0; ctx.Err() == nil; i++ {
			last = p.follow(ctx, webs[i%len(webs)], last)
			select {
			case <-pace.C:
			case <-ctx.Done():
			}
		}
	}()
	return p
}

// follow reads one stream to its end and returns the id of the last event.
func (p *page) follow(ctx context.Context, web, last string) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, web+"/api/events", http.NoBody)
	if err != nil {
		return last
	}
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return last
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return last
	}
	p.mu.Lock()
	p.opened++
	p.mu.Unlock()
	sc := bufio.NewScanner(resp.Body)
	sc.Buffer(nil, 4<<20)
	kind, data, id := "", "", ""
	for sc.Scan() {
		name, value, _ := strings.Cut(sc.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "event":
			kind = value
		case "data":
			data = value
		case "id":
			id = value
		case "":
			if sc.Text() != "" { // a comment
				continue
			}
			if !p.dispatch(web, kind, data) {
				return last // as a browser would: the event counts as not seen
			}
			if id != "" {
				last = id
			}
			kind, data, id = "", "", ""
		}
	}
	return last
}

// dispatch does what the page does with an event.
func (p *page) dispatch(web, kind, data string) bool {
	switch kind {
	case "image":
		var d document
		if json.Unmarshal([]byte(data), &d) == nil {
			p.set(d)
		}
	case "ready", "resync":
		return p.load(web) == nil
	}
	return true
}

func (p *page) set(d document) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status[d.ID], p.recipe[d.ID] = d.Status, d.Recipe
}

// load reads the whole list.
func (p *page) load(web string) error {
	cursor := ""
	for {
		var list struct {
			Images []document
			Next   string
		}
		if err := getJSON(web+"/api/images?limit=100&cursor="+cursor, &list); err != nil {
			return err
		}
		for _, d := range list.Images {
			p.set(d)
		}
		if cursor = list.Next; cursor == "" {
			break
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loads++
	return nil
}

func (p *page) streams() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.opened
}

func (p *page) shows(l *ledger) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	for id := range l.promised {
		if p.status[id] != "done" {
			return fmt.Errorf("it shows %q of %s, after %d streams and %d loads", p.status[id], id, p.opened, p.loads)
		}
	}
	return nil
}
