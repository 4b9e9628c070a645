package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Result is what became of an image.
type Result struct {
	Status   string    // "done", "failed"
	Code     string    // of the failure
	Attempts int       // receives, from 1
	Finished time.Time // by the clock of whoever processed it
	Heard    time.Time // by ours, when its event arrived
}

// watcher hears what the decoupled web tier tells of its images, as the page does.
type watcher struct {
	b      *bench
	cancel context.CancelFunc
	ended  chan struct{}

	mu      sync.Mutex
	results map[string]Result
	changed chan struct{} // closed and made anew with each result
}

// watch opens the event stream, and opens it again when it ends.
func (b *bench) watch(ctx context.Context) (*watcher, error) {
	ctx, cancel := context.WithCancel(ctx)
	w := &watcher{b: b, cancel: cancel, ended: make(chan struct{}), results: map[string]Result{}, changed: make(chan struct{})}
	open := make(chan error, 1)
	go w.run(ctx, open)
	if err := <-open; err != nil {
		cancel()
		return nil, err
	}
	return w, nil
}

func (w *watcher) close() {
	w.cancel()
	<-w.ended
}

func (w *watcher) run(ctx context.Context, open chan<- error) {
	defer close(w.ended)
	last, heard := "", false
	for ctx.Err() == nil {
		err := w.listen(ctx, &last, func() {
			if !heard {
				open <- nil
			}
			heard = true
		})
		if !heard { // the caller waits for this
			open <- fmt.Errorf("listen to %s: %w", w.b.decoupled, err)
			return
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// listen reads one stream of events to its end. Format:
// https://html.spec.whatwg.org/multipage/server-sent-events.html
func (w *watcher) listen(ctx context.Context, last *string, opened func()) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.b.decoupled+"/api/events", nil)
	if err != nil {
		return err
	}
	if *last != "" {
		req.Header.Set("Last-Event-ID", *last)
	}
	stream := http.Client{Transport: w.b.client.Transport} // without the time limit of a request
	resp, err := stream.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	opened()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	kind := ""
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "id":
			*last = value
		case "event":
			kind = value
		case "data":
			if kind == "image" {
				w.take([]byte(value))
			}
		case "":
			kind = ""
		}
	}
	return errors.Join(lines.Err(), errors.New("the stream ended"))
}

// document is as much of an image's document as matters here.
type document struct {
	ID       string
	Status   string
	Attempts int
	Error    *struct{ Code string }
	Timings  *struct{ Finished time.Time }
}

func (w *watcher) take(data []byte) {
	var d document
	if json.Unmarshal(data, &d) != nil || d.ID == "" || (d.Status != "done" && d.Status != "failed") {
		return
	}
	r := Result{Status: d.Status, Attempts: d.Attempts, Heard: time.Now()}
	if d.Error != nil {
		r.Code = d.Error.Code
	}
	if d.Timings != nil {
		r.Finished = d.Timings.Finished
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, known := w.results[d.ID]; known {
		return
	}
	w.results[d.ID] = r
	close(w.changed)
	w.changed = make(chan struct{})
}

// result is what is known of an image.
func (w *watcher) result(id string) (Result, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r, ok := w.results[id]
	return r, ok
}

// missing are those of the images that nothing has been heard of, and what is closed when
// something new is.
func (w *watcher) missing(ids []string) (left []string, changed <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		if _, ok := w.results[id]; !ok {
			left = append(left, id)
		}
	}
	return left, w.changed
}

// settlePatience is how long nothing may be heard before images that are waited for are asked
// for one by one: an event may have been missed while the stream was open anew.
const settlePatience = 10 * time.Second

// settled waits until all of the images have a result, for as long as patience, and returns
// those that have none then. Left is told how many are missing.
func (w *watcher) settled(ctx context.Context, ids []string, patience time.Duration, left func(n int)) []string {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	quiet := time.NewTimer(settlePatience)
	defer quiet.Stop()
	for {
		missing, changed := w.missing(ids)
		left(len(missing))
		if len(missing) == 0 {
			return nil
		}
		select {
		case <-changed:
			quiet.Reset(settlePatience)
		case <-quiet.C:
			for _, id := range missing {
				w.ask(ctx, id)
			}
			quiet.Reset(settlePatience)
		case <-deadline.C:
			return missing
		case <-ctx.Done():
			return missing
		}
	}
}

// ask looks an image up.
func (w *watcher) ask(ctx context.Context, id string) {
	if text, err := w.b.get(ctx, w.b.decoupled+"/api/images/"+id); err == nil {
		w.take(text)
	}
}
