package console_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// stream reads a page as an EventSource does: what is returned is called for each event.
func (e *env) stream(ctx context.Context, path string) (next func() (html string, ok bool), status int) {
	e.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.srv.ConsoleURL+path, nil)
	e.check(err)
	req.Header.Set("Accept", "text/event-stream")
	resp, err := e.http.Do(req)
	e.check(err)
	e.t.Cleanup(func() { resp.Body.Close() })
	lines := bufio.NewReader(resp.Body)
	return func() (html string, ok bool) {
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return "", false
			}
			if data, ok := strings.CutPrefix(line, "data: "); ok {
				e.check(json.Unmarshal([]byte(data), &html))
				return html, true
			}
		}
	}, resp.StatusCode
}

func TestPagesAreKeptUpToDate(t *testing.T) {
	e := start(t)
	e.queue("q", nil)
	e.queue("gone", nil)
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	next, _ := e.stream(ctx, "/queues?q=q")
	gone, _ := e.stream(ctx, "/queues/gone")
	first, _ := next()
	if strings.Contains(first, "<html") || !strings.Contains(first, `data-key="q"`) {
		t.Fatalf("the first event:\n%s", first)
	}
	e.send("q", "a")
	for html, ok := next(); !strings.Contains(html, `<td class="n some" data-flash>1</td>`); html, ok = next() {
		if !ok {
			t.Fatal("the stream ended before it told of the message")
		}
	}
	// A page whose subject goes away says so.
	gone()
	_, err := e.sqs.DeleteQueue(t.Context(), deleteQueue(e.queueURL("gone")))
	e.check(err)
	for html, ok := gone(); !strings.Contains(html, "There is no such queue"); html, ok = gone() {
		if !ok {
			t.Fatal("the stream ended before it told that the queue is gone")
		}
	}
	// Whoever looks does not keep the endpoint from stopping.
	begun := time.Now()
	e.srv.Stop()
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("stopping took %s", took)
	}
	for _, ok := next(); ok; _, ok = next() {
		continue
	}
}

// TestStreamsAreBounded refuses more than so many, and takes others when some have gone.
func TestStreamsAreBounded(t *testing.T) {
	e := start(t)
	ctx, leave := context.WithCancel(t.Context())
	refused := 0
	for range 70 {
		if _, status := e.stream(ctx, "/queues"); status == http.StatusServiceUnavailable {
			refused++
		}
	}
	if refused != 6 {
		t.Errorf("%d of 70 streams were refused", refused)
	}
	leave()
	e.until("there is a place again", func() bool {
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		_, status := e.stream(ctx, "/queues")
		return status == http.StatusOK
	})
}

// TestManyOfEverything bounds what a page costs: it is made once a second for everybody
// who looks.
func TestManyOfEverything(t *testing.T) {
	if testing.Short() {
		t.Skip("it makes thousands of queues")
	}
	e := start(t)
	e.pipeline()
	for i := range 2000 {
		e.queue(fmt.Sprintf("queue-%04d", i), nil)
	}
	for path, most := range map[string]int{"/": 200 << 10, "/queues": 200 << 10, "/queues/ImageApp": 200 << 10, "/topics": 100 << 10} {
		begun := time.Now()
		body := e.shows(path)
		// The time is told, not judged: the machine may be busy. The size is what grows with
		// a page that is not bounded.
		t.Logf("%s: %d bytes in %s", path, len(body), time.Since(begun))
		if len(body) > most {
			t.Errorf("%s has %d bytes", path, len(body))
		}
	}
}
