package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/tintype/tintype/internal/deadletter"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/queue"
	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/internal/web/auth"
)

// DeadLetters is what the web tier needs of *deadletter.Desk.
type DeadLetters interface {
	List(ctx context.Context, limit int) (*deadletter.List, error)
	Redrive(ctx context.Context, s queue.Selection) (queue.Taken, error)
	Drop(ctx context.Context, s queue.Selection) (queue.Taken, error)
}

const (
	defaultLetters = 20
	maxLetters     = 100  // of one list, and named in one request
	maxTaken       = 1000 // messages that one request takes; the answer says that there are more
	lookTimeout    = 15 * time.Second
	takeTimeout    = 25 * time.Second
	// lettersFor is how long a list is told again: a look takes messages out of others' sight,
	// so many pages that ask at once must not be many looks.
	lettersFor = 2 * time.Second
)

// letterCache lets one look at a time happen, and keeps what it found for a moment.
type letterCache struct {
	mu    sync.Mutex
	limit int
	at    time.Time
	list  *deadletter.List
}

func (s *Server) deadLetterRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/deadletters", s.handleDeadLetters)
	mux.HandleFunc("POST /api/deadletters/redrive", s.takeLetters(func(ctx context.Context, sel queue.Selection) (queue.Taken, error) {
		return s.o.DeadLetters.Redrive(ctx, sel)
	}))
	mux.HandleFunc("POST /api/deadletters/drop", s.takeLetters(func(ctx context.Context, sel queue.Selection) (queue.Taken, error) {
		return s.o.DeadLetters.Drop(ctx, sel)
	}))
}

// patient lets an answer take as long as the queue needs, giving back included.
func patient(w http.ResponseWriter) error {
	return http.NewResponseController(w).SetWriteDeadline(time.Now().Add(4 * takeTimeout))
}

func noDeadLetters() error {
	return refuse(fault.CodeNotFound, "Make one with tintype provision, then start the web tier again.", "There is no dead-letter queue.")
}

func (s *Server) handleDeadLetters(w http.ResponseWriter, r *http.Request) {
	if s.o.DeadLetters == nil {
		s.fail(w, r, noDeadLetters())
		return
	}
	// A look is a receive, which another site's page has no business with.
	if r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		s.fail(w, r, refuse(codeCrossOrigin, "Use the page of this server, or a client that is no browser.", "A page of another site may not look at the dead letters."))
		return
	}
	limit := defaultLetters
	if v := r.URL.Query().Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxLetters {
			s.fail(w, r, refuse(fault.CodeBadRequest, "", "limit must be a number from 1 to %d, not %.40q.", maxLetters, v))
			return
		}
		limit = n
	}
	if err := patient(w); err != nil {
		s.fail(w, r, err)
		return
	}
	list, err := s.lookAtLetters(r.Context(), limit)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.writeJSON(w, r, http.StatusOK, list)
}

func (s *Server) lookAtLetters(ctx context.Context, limit int) (*deadletter.List, error) {
	c := &s.letters
	c.mu.Lock()
	defer c.mu.Unlock()
	if ctx.Err() != nil { // the client left while another's look went on
		return nil, ctx.Err()
	}
	if c.list != nil && c.limit == limit && time.Since(c.at) < lettersFor {
		return c.list, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	list, err := s.o.DeadLetters.List(ctx, limit)
	if err != nil {
		return nil, err
	}
	c.list, c.limit, c.at = list, limit, time.Now()
	return list, nil
}

// chosen is the body of a request that takes messages out of the dead-letter queue.
type chosen struct {
	MessageIDs []string `json:"messageIds"`
	All        bool     `json:"all"`
}

func (c *chosen) check() error {
	const hint = `Send {"messageIds":["…"]}, or {"all":true}.`
	switch {
	case c.All == (len(c.MessageIDs) > 0):
		return refuse(fault.CodeBadRequest, hint, "Either messages must be named, or all be meant.")
	case len(c.MessageIDs) > maxLetters:
		return refuse(fault.CodeBadRequest, "Name them in several requests, or send {\"all\":true}.", "At most %d messages can be named at once.", maxLetters)
	}
	for _, id := range c.MessageIDs {
		if !store.ValidMessageID(id) {
			return refuse(fault.CodeBadRequest, hint, "%.40q is no message's id.", id)
		}
	}
	return nil
}

// taken is what became of them. More says that there are more than one request takes:
// the same request again goes on.
type taken struct {
	Done    int      `json:"done"`
	Missing []string `json:"missing"`
	More    bool     `json:"more"`
}

func (s *Server) takeLetters(take func(context.Context, queue.Selection) (queue.Taken, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.o.DeadLetters == nil {
			s.fail(w, r, noDeadLetters())
			return
		}
		var c chosen
		if err := decodeJSON(w, r, &c, false); err != nil {
			s.fail(w, r, err)
			return
		}
		if err := c.check(); err != nil {
			s.fail(w, r, err)
			return
		}
		if err := patient(w); err != nil {
			s.fail(w, r, err)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), takeTimeout)
		defer cancel()
		t, err := take(ctx, queue.Selection{IDs: c.MessageIDs, All: c.All, Limit: maxTaken})
		s.forgetLetters()
		outOfTime := errors.Is(err, context.DeadlineExceeded) && r.Context().Err() == nil
		if err != nil && (t.Done == 0 || !outOfTime) {
			s.fail(w, r, err)
			return
		}
		s.log.Info("dead letters were dealt with", "path", r.URL.Path, "messages", t.Done, "missing", len(t.Missing), auth.By(r.Context()))
		out := taken{Done: t.Done, Missing: t.Missing, More: t.More || outOfTime}
		if out.Missing == nil {
			out.Missing = []string{}
		}
		s.writeJSON(w, r, http.StatusOK, out)
	}
}

// forgetLetters: the next list is of another look. It does not wait for one under way.
func (s *Server) forgetLetters() {
	if s.letters.mu.TryLock() {
		s.letters.list = nil
		s.letters.mu.Unlock()
	}
}
