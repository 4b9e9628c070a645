package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/tintype/tintype/internal/backlog"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/presence"
)

const (
	// pipelineAge is how old the figures of GET /api/pipeline may be: all who watch share them.
	pipelineAge = time.Second
	// pipelineTimeout is how late an answer may be written: after a look at the queue and one at
	// the app processes, and perhaps others' looks before them.
	pipelineTimeout = 30 * time.Second
	// historyStep is the least time between two samples that are kept, historyLength how far
	// they go back.
	historyStep   = 2 * time.Second
	historyLength = 10 * time.Minute
)

// rate is how many images were finished in a window, as this instance heard of it;
// every instance hears of all of them.
type rate struct {
	Seconds   int     `json:"seconds"` // the window; shorter in the first minutes after start
	Done      int     `json:"done"`
	Failed    int     `json:"failed"`
	PerMinute float64 `json:"perMinute"` // done and failed together
}

func (s *Server) rateOver(now time.Time, window time.Duration) rate {
	window = min(window, max(now.Sub(s.started).Truncate(time.Second), time.Second))
	r := rate{Seconds: int(window / time.Second)}
	r.Done, r.Failed = s.finished.within(now, window)
	r.PerMinute = float64(r.Done+r.Failed) / window.Minutes()
	return r
}

// sample is one point of the pipeline's history. What nobody knew is nil.
type sample struct {
	T               time.Time `json:"t"`
	Waiting         int64     `json:"waiting"`
	InFlight        int64     `json:"inFlight"`
	DeadLetters     int64     `json:"deadLetters"`
	OldestAge       *float64  `json:"oldestAgeSeconds"`
	Workers         *int      `json:"workers"`
	DonePerMinute   float64   `json:"donePerMinute"`
	FailedPerMinute float64   `json:"failedPerMinute"`
	P50             *int64    `json:"p50Ms"`
	P99             *int64    `json:"p99Ms"`
}

// history is what was sampled while somebody asked, oldest first.
type history struct {
	mu      sync.Mutex
	samples []sample
}

// add keeps a sample, unless the last is too fresh, and returns what is kept.
func (h *history) add(x sample) []sample {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.samples); n == 0 || x.T.Sub(h.samples[n-1].T) >= historyStep {
		from := 0
		for from < n && x.T.Sub(h.samples[from].T) > historyLength {
			from++
		}
		// A slice of its own: those that were handed out are still being written to clients.
		h.samples = append(append(make([]sample, 0, n-from+1), h.samples[from:]...), x)
	}
	return h.samples
}

// pipelineDoc is the answer of GET /api/pipeline.
type pipelineDoc struct {
	Time      time.Time        `json:"time"`
	Queue     *backlog.Figures `json:"queue"` // null where this instance was not told of a queue
	Apps      []presence.Seen  `json:"apps"`  // app processes, stale ones included; null where nobody knows
	Rates     []rate           `json:"rates"`
	Latency   latency          `json:"latency"`   // of images finished in the last minute
	Listeners int              `json:"listeners"` // open event streams of this instance
	Live      bool             `json:"live"`      // whether completion messages can be received
	History   []sample         `json:"history"`   // oldest first; of the times when somebody asked
}

// pipeline measures what GET /api/pipeline answers.
func (s *Server) pipeline(ctx context.Context) (pipelineDoc, error) {
	now := time.Now()
	minute := s.rateOver(now, time.Minute)
	doc := pipelineDoc{
		Time: now.UTC(), Rates: []rate{minute, s.rateOver(now, rateWindow*time.Second)}, Latency: s.latencies.within(now),
		Listeners: s.hub.count(), Live: s.notifier != nil && s.notifierState() == nil, History: []sample{},
	}
	if s.o.Backlog != nil {
		f, err := s.o.Backlog.Sample(ctx, pipelineAge)
		if err != nil {
			return doc, fmt.Errorf("pipeline: %w", err)
		}
		doc.Queue, doc.Apps = &f, f.Apps
		span := float64(minute.Seconds) / 60
		doc.History = s.history.add(sample{
			T: f.At.UTC(), Waiting: f.Waiting, InFlight: f.InFlight, DeadLetters: f.DeadLetters, OldestAge: f.OldestAge, Workers: f.Workers,
			DonePerMinute: float64(minute.Done) / span, FailedPerMinute: float64(minute.Failed) / span, P50: doc.Latency.P50, P99: doc.Latency.P99,
		})
	}
	return doc, nil
}

// handlePipeline answers the figures. With ?since=, an RFC 3339 time, the history is what
// came after it: who asks every other second has the rest.
func (s *Server) handlePipeline(w http.ResponseWriter, r *http.Request) {
	var since time.Time
	if v := r.URL.Query().Get("since"); v != "" {
		var err error
		if since, err = time.Parse(time.RFC3339, v); err != nil {
			s.fail(w, r, refuse(fault.CodeBadRequest, "Write it as 2006-01-02T15:04:05Z.", "since is no time."))
			return
		}
	}
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(pipelineTimeout)); err != nil {
		s.fail(w, r, err)
		return
	}
	doc, err := s.pipeline(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	from := slices.IndexFunc(doc.History, func(x sample) bool { return x.T.After(since) })
	if from < 0 {
		from = len(doc.History)
	}
	doc.History = doc.History[from:]
	s.writeJSON(w, r, http.StatusOK, doc)
}
