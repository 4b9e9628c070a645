package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/tintype/tintype/internal/outage"
)

// polling is how receiving goes; guarded by Engine.mu.
type polling struct {
	draining     bool
	answered     bool      // at least one poll has been answered
	due          time.Time // when the poll that is under way must have been answered; zero between polls
	failingSince time.Time // zero while polls are answered
	hung         bool      // one of them was not answered at all
	err          error     // of the last failed poll
}

// polled notes how a poll ended and logs where that changes anything.
func (e *Engine) polled(ctx context.Context, began time.Time, err error, hung bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := &e.polling
	p.due = time.Time{}
	switch {
	case ctx.Err() != nil: // we ended it ourselves
	case err != nil:
		e.receiveErrors.Add(1)
		e.overloaded(began, err)
		p.err, p.hung = err, p.hung || hung
		if p.failingSince.IsZero() {
			p.failingSince = began
			e.log.Warn("receiving fails; trying on", "error", err)
		}
	default:
		if !p.failingSince.IsZero() {
			e.log.Info("receiving again", "after", time.Since(p.failingSince).Round(time.Millisecond))
		}
		p.failingSince, p.hung, p.err, p.answered = time.Time{}, false, nil, true
	}
}

// overloaded lowers the limit where the queue asks for fewer requests; began is when the one
// that it answered so began. A queue that does not answer gives us no further messages
// anyway. Engine.mu is held.
func (e *Engine) overloaded(began time.Time, err error) {
	if outage.Of(err) == outage.Throttled {
		e.gate.limit.overload(began)
	}
}

// trouble is how a kind of request that leases depend on goes; guarded by Engine.mu.
type trouble struct {
	what  string
	began time.Time // of the request under way; zero between requests
	since time.Time // when the first of the requests that failed in a row began; zero while they succeed
	err   error
}

func (t *trouble) begin(e *Engine, at time.Time) {
	e.mu.Lock()
	t.began = at
	e.mu.Unlock()
}

func (t *trouble) end(e *Engine, began time.Time, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t.began, t.err = time.Time{}, err
	switch {
	case err == nil && !t.since.IsZero():
		e.log.Info(t.what+" again", "after", time.Since(t.since).Round(time.Millisecond))
		t.since = time.Time{}
	case err != nil:
		e.overloaded(began, err)
		if t.since.IsZero() {
			t.since = began
			e.log.Warn(t.what+" fails; trying on", "error", err)
		}
	}
}

// lasting says what is the matter once it has been for longer than a limit.
func (t *trouble) lasting(limit time.Duration) string {
	switch {
	case !t.since.IsZero() && time.Since(t.since) > limit:
		return fmt.Sprintf("%s has failed for %v: %v", t.what, time.Since(t.since).Round(time.Second), explained(t.err))
	case !t.began.IsZero() && time.Since(t.began) > limit:
		return fmt.Sprintf("%s has been hanging for %v", t.what, time.Since(t.began).Round(time.Second))
	}
	return ""
}

// Ready reports whether messages are being worked on, and if not, why: not started yet,
// draining, polls that fail or hang, leases that cannot be extended, finished messages that
// cannot be deleted, or a service down that the work needs.
func (e *Engine) Ready() (bool, string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, g, now := e.polling, &e.gate, time.Now()
	switch {
	case !e.started.Load():
		return false, "not started"
	case p.draining:
		return false, "draining"
	case !p.failingSince.IsZero() && (!p.answered || p.hung || refused(p.err) || now.Sub(p.failingSince) >= e.opts.UnreadyAfter):
		return false, fmt.Sprintf("receiving has failed for %v: %v", now.Sub(p.failingSince).Round(time.Second), explained(p.err))
	case !p.due.IsZero() && now.After(p.due):
		return false, fmt.Sprintf("a poll should have been answered %v ago", now.Sub(p.due).Round(time.Second))
	case !p.answered:
		return false, "the queue has not answered yet"
	}
	for _, t := range []*trouble{&e.extending, &e.deleting} {
		if why := t.lasting(e.opts.Visibility / 3); why != "" {
			return false, why
		}
	}
	if g.fails >= 2 { // one may be a hiccup
		return false, fmt.Sprintf("a service that the work needs has been down for %v, %d messages are kept in hand: %s", now.Sub(g.since).Round(time.Second), g.inHand, g.reason)
	}
	return true, ""
}

// refused reports whether waiting will hardly help.
func refused(err error) bool {
	k := outage.Of(err)
	return k != outage.None && !k.Load()
}

// explained is an error together with what can be done about it.
func explained(err error) string {
	if hint := outage.Of(err).Hint(); hint != "" {
		return fmt.Sprintf("%v; %s", err, hint)
	}
	return fmt.Sprint(err)
}

// stopTimer ends the gate's timer.
func (e *Engine) stopTimer() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.gate.timer != nil {
		e.gate.timer.Stop()
	}
}
