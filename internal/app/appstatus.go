package app

import (
	"fmt"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/tintype/tintype/internal/backlog"
	"github.com/tintype/tintype/internal/presence"
	"github.com/tintype/tintype/internal/queue"
	"github.com/tintype/tintype/internal/worker"
)

// appStatus is what the app tier says of itself on its port.
type appStatus struct {
	at        atomic.Pointer[atWork]
	publisher atomic.Pointer[presence.Publisher] // nil: nobody is told
}

// atWork is the tier once it works off its queue.
type atWork struct {
	queue  *queue.Engine
	worker *worker.Worker
	meter  *backlog.Meter
}

func newAppStatus() *appStatus { return &appStatus{} }

func (s *appStatus) working(q *queue.Engine, w *worker.Worker, m *backlog.Meter) {
	s.at.Store(&atWork{q, w, m})
}

func (s *appStatus) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.HandleFunc("GET /metrics", s.metrics)
	return mux
}

func (s *appStatus) ready(w http.ResponseWriter, _ *http.Request) {
	ok, why := false, "the AWS endpoint does not answer yet"
	if at := s.at.Load(); at != nil {
		ok, why = at.queue.Ready()
	}
	if !ok {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, why)
		return
	}
	fmt.Fprintln(w, "ready")
}

// metrics writes the tier's counts in Prometheus's text format, version 0.0.4:
// https://prometheus.io/docs/instrumenting/exposition_formats/
func (s *appStatus) metrics(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", metricsType)
	at := s.at.Load()
	if at == nil {
		return
	}
	q, i := at.queue.Stats(), at.worker.Stats()
	writeMetrics(w, []metric{
		{"tintype_messages_received_total", "counter", "Messages received from the queue.", q.Received},
		{"tintype_messages_in_flight", "gauge", "Messages with a handler at work.", q.InFlight},
		{"tintype_messages_waiting", "gauge", "Messages in hand that wait: for their turn, or for a service that is down.", q.Waiting},
		{"tintype_messages_held", "gauge", "Messages whose lease is held.", q.Held},
		{"tintype_slots", "gauge", "Messages that may be handled at once where nothing is overloaded.", q.Slots},
		{"tintype_slots_allowed", "gauge", "Messages that may be handled at once now: fewer after overload.", q.Limit},
		{"tintype_overloads_total", "counter", "Times that tintype_slots_allowed was halved.", q.Overloads},
		{"tintype_receive_errors_total", "counter", "Polls that failed.", q.ReceiveErrors},
		{"tintype_delete_errors_total", "counter", "Messages that a delete request failed for; they are tried again.", q.DeleteErrors},
		{"tintype_messages_deleted_total", "counter", "Messages deleted after their work was done.", q.Acked},
		{"tintype_messages_retried_total", "counter", "Messages that come back later.", q.Retried},
		{"tintype_messages_released_total", "counter", "Messages given back while draining.", q.Released},
		{"tintype_leases_lost_total", "counter", "Leases lost while work went on.", q.LostLeases},
		{"tintype_images_done_total", "counter", "Images whose result was stored and announced.", i.Done},
		{"tintype_images_failed_total", "counter", "Images whose permanent fault was stored and announced.", i.Failed},
		{"tintype_images_unneeded_total", "counter", "Images that had a current result already.", i.Unneeded},
		{"tintype_images_superseded_total", "counter", "Images that a newer upload or result has taken over.", i.Superseded},
		{"tintype_image_attempts_repeated_total", "counter", "Attempts that ended in a passing fault or a bug.", i.Again},
		{"tintype_image_attempts_held_total", "counter", "Attempts that an outage ended; the message stayed in hand.", i.Held},
		{"tintype_messages_junk_total", "counter", "Messages that are no S3 events.", i.Junk},
		{"tintype_images_computing", "gauge", "Images being computed.", i.Computing},
	})
	at.meter.WriteMetrics(r.Context(), w)
}

// metricsType is the content type of Prometheus's text format, version 0.0.4.
const metricsType = "text/plain; version=0.0.4; charset=utf-8"

// metric is one count of a tier.
type metric struct {
	name, kind, help string
	value            int64
}

func writeMetrics(w io.Writer, all []metric) {
	for _, m := range all {
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n%s %d\n", m.name, m.help, m.name, m.kind, m.name, m.value)
	}
}
