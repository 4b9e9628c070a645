package web

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/testimages"
)

// stream reads server-sent events as a browser does.
type stream struct {
	t      *testing.T
	resp   *http.Response
	cancel context.CancelFunc
	events chan sse
	beats  chan struct{}
}

type sse struct{ id, event, data string }

func (s *system) listen(lastEventID string) *stream {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/api/events", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if lastEventID != "" {
		req.Header.Set("Last-Event-ID", lastEventID)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("X-Accel-Buffering") != "no" || resp.Header.Get("Cache-Control") != "no-store" {
		s.t.Fatalf("stream: %s %v", resp.Status, resp.Header)
	}
	st := &stream{t: s.t, resp: resp, cancel: cancel, events: make(chan sse, 100), beats: make(chan struct{}, 100)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(st.events)
		var e sse
		for sc := bufio.NewScanner(resp.Body); sc.Scan(); {
			name, value, _ := strings.Cut(sc.Text(), ": ")
			switch name {
			case "id":
				e.id = value
			case "event":
				e.event = value
			case "data":
				e.data = value
			case "":
				if value == "heartbeat" {
					st.beats <- struct{}{}
				} else if e.event != "" {
					st.events <- e
					e = sse{}
				}
			}
		}
	}()
	s.t.Cleanup(func() { cancel(); resp.Body.Close(); <-done })
	return st
}

// next is the next event; it must come in time.
func (st *stream) next() sse {
	st.t.Helper()
	select {
	case e, ok := <-st.events:
		if !ok {
			st.t.Fatal("the stream ended")
		}
		return e
	case <-time.After(patience):
		st.t.Fatal("no event came")
	}
	return sse{}
}

// image is the next event, which must be about an image.
func (st *stream) image(id string, status recipe.Status) *Image {
	st.t.Helper()
	e := st.next()
	var img Image
	if err := json.Unmarshal([]byte(e.data), &img); e.event != eventImage || err != nil || img.ID != id || img.Status != status {
		st.t.Fatalf("next event is %+v (%v), want image %s %s", e, err, id, status)
	}
	return &img
}

// A completion published to the topic reaches every listener of every instance, once, through SNS and SQS.
func TestCompletionToListener(t *testing.T) {
	s := newSystem(t, nil)
	s.run(s.web)
	st := s.listen("")
	ready := st.next()
	if ready.event != eventReady {
		t.Fatalf("first event is %+v", ready)
	}
	id := s.uploaded("cat.png", testimages.PNG(12, 12))
	if img := st.image(id, recipe.Queued); img.Name != "cat.png" || img.Recipe != "tint" {
		t.Errorf("queued event is %+v", img)
	}
	c := s.mustProcess(id)
	img := st.image(id, recipe.Done)
	want, _ := json.Marshal(s.image(id).Outputs)
	if got, _ := json.Marshal(img.Outputs); string(got) != string(want) || img.Key != id+"/cat.png" {
		t.Errorf("event says %s, the API %s", got, want)
	}

	// Repeats and junk are dropped; what comes after them arrives.
	for range 3 {
		if err := s.publish(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	s.send(s.web.notifier.own().url, "junk")
	s.send(s.web.notifier.own().url, `{"type":"ImageProcessed","id":"x","imageId":"../../etc","manifest":{"id":"../../etc","status":"done"}}`)
	id2 := s.uploaded("dog.png", testimages.PNG(13, 13))
	st.image(id2, recipe.Queued)
	s.mustProcess(id2)
	st.image(id2, recipe.Done)
	s.until("repeats and junk are counted", func() bool {
		m := s.web.metrics
		return m.repeats.value("") == 3 && m.junk.value("") == 2
	})

	// A retry that changes nothing is announced with the same id, and must be heard.
	s.json("POST", "/api/images/"+id2+"/retry", "", 202)
	st.image(id2, recipe.Queued)
	s.mustProcess(id2)
	st.image(id2, recipe.Done)

	if a := s.request("DELETE", "/api/images/"+id, nil); a.StatusCode != http.StatusNoContent {
		t.Fatal(a.Status)
	}
	if e := st.next(); e.event != eventDeleted || e.data != `{"id":"`+id+`"}` {
		t.Errorf("after the deletion: %+v", e)
	}

	// A listener that was away gets what it missed, no more and no less.
	back := s.listen(ready.id)
	back.image(id, recipe.Queued)
	back.image(id, recipe.Done)
	back.image(id2, recipe.Queued)
	if e := s.listen("elsewhere-7").next(); e.event != eventResync {
		t.Errorf("with a foreign id the first event is %+v", e)
	}
}

func (c *counter) value(label string) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[label]
}

// A stream outlives the server's read and write time-outs (one second here), and ends with Run.
func TestStreamOutlivesTimeouts(t *testing.T) {
	s := newSystem(t, func(o *Options) { o.Heartbeat = 400 * time.Millisecond })
	stop := s.run(s.web)
	st := s.listen("")
	st.next()
	for range 5 {
		select {
		case <-st.beats:
		case <-time.After(patience):
			t.Fatal("no heartbeat")
		}
	}
	id := s.uploaded("a.png", testimages.PNG(4, 4))
	st.image(id, recipe.Queued)
	stop()
	if e, open := <-st.events; open {
		t.Errorf("after the stop: %+v", e)
	}
	s.refused(s.request("GET", "/api/events", nil), 503, "unavailable")
}

// A stream by HTTP/2 outlives the server's time-outs, too.
func TestEventsByHTTP2(t *testing.T) {
	s := newSystem(t, func(o *Options) { o.Heartbeat = 100 * time.Millisecond })
	srv := httptest.NewUnstartedServer(s.web.Handler())
	srv.EnableHTTP2 = true
	srv.Config.ReadTimeout, srv.Config.WriteTimeout = 500*time.Millisecond, 500*time.Millisecond
	srv.StartTLS()
	t.Cleanup(srv.Close)
	t.Cleanup(srv.Client().CloseIdleConnections)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/api/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	beats, began := 0, time.Now()
	for sc := bufio.NewScanner(resp.Body); beats < 15 && sc.Scan(); {
		if sc.Text() == ": heartbeat" {
			beats++
		}
	}
	if resp.ProtoMajor != 2 || beats < 15 || time.Since(began) < 3*srv.Config.WriteTimeout/2 {
		t.Errorf("%s: %d heartbeats in %v", resp.Proto, beats, time.Since(began))
	}
}
