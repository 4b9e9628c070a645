package queue

import (
	"context"
	"slices"
	"time"
)

// gate lets handlers start: no more at once than the limit, and while a service that they
// need is down one at a time, each later than the one before. Guarded by Engine.mu.
type gate struct {
	limit   limiter
	inHand  int      // messages received and not settled; each takes up a slot
	active  int      // of those, the ones with a handler at work
	waiting []*lease // the others, in the order in which they may start
	timer   *time.Timer

	// While down:
	fails   int       // tries in a row that found it down; 0 while it is up
	since   time.Time // when the first of them ended
	noted   time.Time // when the last of them ended
	next    time.Time // no handler starts before
	probing bool      // the one probe is at work
	reason  string    // what the last of them said

	// successes counts handlers that brought their message to its end.
	successes int64
}

func (g *gate) down() bool { return g.fails > 0 }

// admit waits until a message's handler may start. It reports false where the lease is lost
// or, ahead of that, intake has ended: then it must not.
func (e *Engine) admit(ctx, intake context.Context, l *lease) bool {
	e.mu.Lock()
	e.gate.waiting = append(e.gate.waiting, l)
	e.dispatch()
	e.mu.Unlock()
	turn := false
	select {
	case <-l.turn:
		if ctx.Err() == nil && intake.Err() == nil {
			return true
		}
		turn = true
	case <-ctx.Done():
	case <-intake.Done():
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if i := slices.Index(e.gate.waiting, l); i >= 0 {
		e.gate.waiting = slices.Delete(e.gate.waiting, i, i+1)
		return false
	}
	if !turn {
		<-l.turn // it came at the same moment
	}
	e.standDown(l)
	return false
}

// dispatch gives turns to those who may start now, and sees to it that it is called again
// when the next one may. Engine.mu is held.
func (e *Engine) dispatch() {
	g, now := &e.gate, time.Now()
	var next time.Time
	for i := 0; i < len(g.waiting) && g.active < g.limit.now; {
		l, at := g.waiting[i], g.waiting[i].notBefore
		if g.down() {
			if g.probing {
				break
			}
			at = g.next
		}
		if at.After(now) {
			if next.IsZero() || at.Before(next) {
				next = at
			}
			i++
			continue
		}
		g.waiting = slices.Delete(g.waiting, i, i+1)
		g.active++
		l.running, l.probe = true, g.down()
		g.probing = g.probing || l.probe
		l.turn <- struct{}{}
	}
	if next.IsZero() {
		return
	}
	if g.timer == nil {
		g.timer = time.AfterFunc(time.Until(next), func() {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.dispatch()
		})
		return
	}
	g.timer.Reset(time.Until(next))
}

// standDown ends a handler's turn. Engine.mu is held.
func (e *Engine) standDown(l *lease) {
	e.gate.active--
	if l.probe {
		e.gate.probing = false
	}
	l.running, l.probe = false, false
	e.dispatch()
}

// wentDown notes that work which began at a time found a service down. Engine.mu is held.
func (e *Engine) wentDown(began time.Time, reason string) {
	g := &e.gate
	if !g.noted.IsZero() && !began.After(g.noted) {
		return // it began before we knew
	}
	now := time.Now()
	if !g.down() {
		g.since = now
	}
	g.fails++
	if g.fails == 2 { // one may be a hiccup
		e.log.Warn("a service that the work needs is down; messages are kept in hand", "reason", reason, "in_hand", g.inHand)
	}
	g.noted, g.reason = now, reason
	g.next = now.Add(e.holdBackoff(g.fails))
}

// cameUp notes that a handler has brought its message to its end. Engine.mu is held.
func (e *Engine) cameUp() {
	g := &e.gate
	g.successes++
	g.limit.success(e.opts.Slots)
	if !g.down() {
		return
	}
	if g.fails >= 2 {
		e.log.Info("the service that the work needs is up again", "after", time.Since(g.since).Round(time.Millisecond), "in_hand", g.inHand)
	}
	g.fails, g.reason = 0, ""
	for _, l := range g.waiting { // what they waited for is there
		if l.strikes == 0 {
			l.notBefore = time.Time{}
		}
	}
}

// free is how many messages may be received. While a service is down it is none; only where
// nothing in hand has found it up for some tries one more is let in, so that messages which
// are themselves what is wrong cannot stop everything. Engine.mu is held.
func (e *Engine) free() int {
	g := &e.gate
	if len(e.pending) > maxUnflushed {
		return 0
	}
	if g.inHand >= e.opts.Slots {
		return 0
	}
	if g.down() {
		for l := range e.leases {
			if l.inHand && l.holds < probeAfter {
				return 0
			}
		}
		return 1
	}
	inHand := g.inHand
	for _, l := range g.waiting {
		if l.strikes > 0 { // it has a slot, and is not what the limit is for
			inHand--
		}
	}
	return max(min(g.limit.now-inHand, e.opts.Slots-g.inHand), 0)
}
