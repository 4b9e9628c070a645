package web

import (
	"fmt"
	"net/http"
	"time"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/web/auth"
)

const (
	// streamWriteTimeout is how long one write to a listener may take.
	streamWriteTimeout = 10 * time.Second
	// maxStreams bounds the listeners of one instance: each holds a connection and a buffer.
	maxStreams = 4096
)

// handleEvents streams server-sent events.
// Format: https://html.spec.whatwg.org/multipage/server-sent-events.html
func (s *Server) handleEvents(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodHead { // it has no body that a stream could be
		w.Header().Set("Content-Type", "text/event-stream")
		return
	}
	leave, err := s.o.Auth.Stream(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	defer leave()
	user := auth.Of(r.Context()) // nil: nobody is asked
	c, first, ok := s.hub.join(r.Header.Get("Last-Event-ID"), maxStreams)
	if !ok {
		s.fail(w, r, &fault.Error{Op: "open event stream", Kind: fault.Retry, Code: fault.CodeUnavailable, Message: "no more listeners"})
		return
	}
	defer s.hub.leave(c)

	rc := http.NewResponseController(w)
	// The server's read timeout would end the stream: a listener sends nothing more.
	if err := rc.SetReadDeadline(time.Time{}); err != nil {
		s.fail(w, r, fmt.Errorf("open event stream: %w", err))
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	w.WriteHeader(http.StatusOK)

	write := func(format string, args ...any) error {
		// Each write has its own deadline, whatever the server's write timeout: a stream has no end to wait for.
		if err := rc.SetWriteDeadline(time.Now().Add(streamWriteTimeout)); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, format, args...); err != nil {
			return err
		}
		return rc.Flush()
	}
	if write("retry: 2000\n\n") != nil {
		return
	}
	for _, m := range first {
		if s.writeEvent(write, m) != nil {
			return
		}
	}
	over := ending(user)
	if over != nil {
		defer over.Stop()
	}
	// Heartbeats keep proxies from closing an idle stream, and find clients that have gone.
	beat := time.NewTicker(s.heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-over.after():
			return
		case <-beat.C:
			if user != nil && !user.Still() {
				return
			}
			if write(": heartbeat\n\n") != nil {
				return
			}
		case m, open := <-c.out:
			if !open {
				if c.slow {
					s.metrics.slowClients.add("")
					s.log.Info("event listener disconnected: it did not keep up", "remote", r.RemoteAddr)
				}
				return
			}
			if s.writeEvent(write, m) != nil {
				return
			}
		}
	}
}

func (s *Server) writeEvent(write func(string, ...any) error, m message) error {
	return write("id: %s\nevent: %s\ndata: %s\n\n", s.hub.id(m.seq), m.event, m.data)
}
