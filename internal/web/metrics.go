package web

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/internal/telemetry"
)

// metrics counts what this instance does. The values of labels come from fixed sets (routes,
// codes, statuses), never from clients, so there are few.
type metrics struct {
	registry    *prometheus.Registry // of a server that was given none: its own
	requests    *prometheus.CounterVec
	took        *prometheus.HistogramVec
	refused     *prometheus.CounterVec
	uploads     *prometheus.CounterVec
	completions *prometheus.CounterVec
	latency     prometheus.Histogram
	repeats     prometheus.Counter
	junk        prometheus.Counter
	slowClients prometheus.Counter
	swept       prometheus.Counter
	recreated   prometheus.Counter
}

// newMetrics makes the metrics and has r tell them; nil: a registry of their own.
func newMetrics(r *prometheus.Registry) *metrics {
	if r == nil {
		r = prometheus.NewRegistry()
	}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		r.MustRegister(c)
		return c
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		r.MustRegister(c)
		return c
	}
	m := &metrics{
		registry:    r,
		requests:    counters("tintype_web_requests_total", "Requests answered, by method, route and status.", "method", "route", "status"),
		took:        prometheus.NewHistogramVec(telemetry.Histogram("tintype_web_request_duration_seconds", "How long answers took, by route; event streams are left out."), []string{"route"}),
		refused:     counters("tintype_web_problems_total", "Requests answered with a problem document, by code.", "code"),
		uploads:     counters("tintype_web_uploads_total", "Uploads let in: through the web tier, or handed out to go straight to S3.", "way"),
		completions: counters("tintype_web_completions_total", "Completion messages received, by the image's status.", "status"),
		latency:     prometheus.NewHistogram(telemetry.Histogram("tintype_web_image_latency_seconds", "Upload to result, of images whose completion this instance heard.")),
		repeats:     counter("tintype_web_completion_repeats_total", "Completion messages that were repeats or out of date."),
		junk:        counter("tintype_web_completion_junk_total", "Messages in the web tier's queue that were no completion."),
		slowClients: counter("tintype_web_event_listeners_dropped_total", "Event listeners disconnected because they did not keep up."),
		swept:       counter("tintype_web_queues_swept_total", "Queues of dead web instances deleted."),
		recreated:   counter("tintype_web_queue_created_total", "Times this instance made its queue."),
	}
	r.MustRegister(m.took, m.latency)
	return m
}

// tellState has the registry tell what the server is at any moment.
func (s *Server) tellState() {
	gauge := func(name, help string, value func() float64) {
		s.metrics.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	gauge("tintype_web_event_listeners", "Event listeners connected.", func() float64 { return float64(s.hub.count()) })
	gauge("tintype_web_uploads_in_progress", "Uploads being received by the web tier.", func() float64 { return float64(len(s.slots)) })
	gauge("tintype_web_live", "1 while completion messages can be received.", func() float64 {
		if s.notifierState() != nil {
			return 0
		}
		return 1
	})
	gauge("tintype_web_start_time_seconds", "When this instance started, in Unix seconds.", func() float64 { return float64(s.started.UnixMilli()) / 1000 })
	if s.o.Backlog != nil {
		s.metrics.registry.MustRegister(s.o.Backlog)
	}
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
