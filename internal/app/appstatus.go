package app

import (
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/tintype/tintype/internal/presence"
	"github.com/tintype/tintype/internal/queue"
	"github.com/tintype/tintype/internal/telemetry"
	"github.com/tintype/tintype/internal/worker"
)

// appStatus is what the app tier says of itself on its port.
type appStatus struct {
	at        atomic.Pointer[atWork]
	publisher atomic.Pointer[presence.Publisher] // nil: nobody is told
	metrics   http.Handler
}

// atWork is the tier once it works off its queue.
type atWork struct {
	queue  *queue.Engine
	worker *worker.Worker
}

func newAppStatus(tel *telemetry.Tier) *appStatus {
	return &appStatus{metrics: telemetry.Handler(tel.Registry, tel.Log)}
}

func (s *appStatus) working(q *queue.Engine, w *worker.Worker) { s.at.Store(&atWork{q, w}) }

func (s *appStatus) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("GET /metrics", s.metrics)
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
