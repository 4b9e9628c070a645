package web

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// counter is a set of counts by the value of one label. The label's values come from
// fixed sets (routes, codes, statuses), never from clients, so it stays small.
type counter struct {
	name, help, label string

	mu     sync.Mutex
	counts map[string]uint64
}

func newCounter(name, help, label string) *counter {
	return &counter{name: name, help: help, label: label, counts: map[string]uint64{}}
}

func (c *counter) add(value string) {
	c.mu.Lock()
	c.counts[value]++
	c.mu.Unlock()
}

func (c *counter) write(b *bytes.Buffer) {
	fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s counter\n", c.name, c.help, c.name)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.label == "" {
		fmt.Fprintf(b, "%s %d\n", c.name, c.counts[""])
		return
	}
	values := make([]string, 0, len(c.counts))
	for v := range c.counts {
		values = append(values, v)
	}
	slices.Sort(values)
	for _, v := range values {
		fmt.Fprintf(b, "%s{%s=%s} %d\n", c.name, c.label, strconv.Quote(v), c.counts[v])
	}
}

// metrics counts what this instance does.
type metrics struct {
	requests    *counter
	refused     *counter
	uploads     *counter
	completions *counter
	repeats     *counter
	junk        *counter
	slowClients *counter
	swept       *counter
	recreated   *counter
}

func newMetrics() *metrics {
	return &metrics{
		requests:    newCounter("tintype_web_requests_total", "Requests answered, by status.", "status"),
		refused:     newCounter("tintype_web_problems_total", "Requests answered with a problem document, by code.", "code"),
		uploads:     newCounter("tintype_web_uploads_total", "Uploads let in: through the web tier, or handed out to go straight to S3.", "way"),
		completions: newCounter("tintype_web_completions_total", "Completion messages received, by the image's status.", "status"),
		repeats:     newCounter("tintype_web_completion_repeats_total", "Completion messages that were repeats or out of date.", ""),
		junk:        newCounter("tintype_web_completion_junk_total", "Messages in the web tier's queue that were no completion.", ""),
		slowClients: newCounter("tintype_web_event_listeners_dropped_total", "Event listeners disconnected because they did not keep up.", ""),
		swept:       newCounter("tintype_web_queues_swept_total", "Queues of dead web instances deleted.", ""),
		recreated:   newCounter("tintype_web_queue_created_total", "Times this instance made its queue.", ""),
	}
}

// handleMetrics writes the Prometheus text format.
// Format: https://prometheus.io/docs/instrumenting/exposition_formats/
func (s *Server) handleMetrics(w http.ResponseWriter, r *http.Request) {
	var b bytes.Buffer
	m := s.metrics
	for _, c := range []*counter{m.requests, m.refused, m.uploads, m.completions, m.repeats, m.junk, m.slowClients, m.swept, m.recreated} {
		c.write(&b)
	}
	gauge := func(name, help string, v float64) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s gauge\n%s %s\n", name, help, name, name, strconv.FormatFloat(v, 'g', -1, 64))
	}
	gauge("tintype_web_event_listeners", "Event listeners connected.", float64(s.hub.count()))
	gauge("tintype_web_uploads_in_progress", "Uploads being received by the web tier.", float64(len(s.slots)))
	live := 0.0
	if s.notifierState() == nil {
		live = 1
	}
	gauge("tintype_web_live", "1 while completion messages can be received.", live)
	gauge("tintype_web_start_time_seconds", "When this instance started, in Unix seconds.", float64(s.started.UnixMilli())/1000)
	if s.o.Backlog != nil {
		s.o.Backlog.WriteMetrics(r.Context(), &b)
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(b.Bytes())
}

// statusWriter remembers the status for counting. Unwrap lets http.ResponseController through.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// counted counts answers by status.
func (s *Server) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sw := &statusWriter{ResponseWriter: w}
		next.ServeHTTP(sw, r)
		if sw.status == 0 {
			sw.status = http.StatusOK
		}
		s.metrics.requests.add(strconv.Itoa(sw.status))
	})
}

// rates counts events in one-second buckets over the last five minutes.
type rates struct {
	mu      sync.Mutex
	buckets [rateWindow]struct {
		second       int64
		done, failed int
	}
}

const rateWindow = 300 // seconds

func (r *rates) add(now time.Time, failed bool) {
	sec := now.Unix()
	r.mu.Lock()
	defer r.mu.Unlock()
	b := &r.buckets[sec%rateWindow]
	if b.second != sec {
		b.second, b.done, b.failed = sec, 0, 0
	}
	if failed {
		b.failed++
	} else {
		b.done++
	}
}

// within sums the last window, which is at most rateWindow seconds.
func (r *rates) within(now time.Time, window time.Duration) (done, failed int) {
	from := now.Add(-window).Unix()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.buckets {
		if b := &r.buckets[i]; b.second > from && b.second <= now.Unix() {
			done += b.done
			failed += b.failed
		}
	}
	return done, failed
}

// acceptsHTML reports whether the client is a browser that shows what it is answered.
func acceptsHTML(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}
