package queue

import (
	"math/rand/v2"
	"time"
)

const (
	// probeAfter is how often each message in hand must have found a service down before
	// one more is received.
	probeAfter = 3
	// strikesToLeave is how often a held message may fail although others have succeeded since
	// its last try. Then the fault is its own after all, and it goes back to the queue.
	strikesToLeave = 8
	// patientTries is how often a message on its last receive is tried again in hand.
	patientTries = 5
)

// holdBackoff is the pause after the nth try in a row that found a service down: at least
// half of what doubles from HoldBase to HoldMax, the rest by chance.
func (e *Engine) holdBackoff(n int) time.Duration {
	d := ceiling(e.opts.HoldBase, 2, n, e.opts.HoldMax)
	return d/2 + rand.N(d/2+1)
}

// again decides whether a message stays in hand after its handler has said o, and notes
// what o tells of the services. It returns what becomes of the message otherwise.
func (e *Engine) again(l *lease, began time.Time, o Outcome) (Outcome, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	defer e.standDown(l)
	now, g := time.Now(), &e.gate
	switch {
	case l.lost:
		return o, false
	case o.ack:
		e.cameUp()
		return o, false
	case o.hold:
		e.holds++
		g.limit.overload(began)
		if l.heldSince.IsZero() {
			l.heldSince, l.seen = now, g.successes
		}
		l.holds++
		if g.successes > l.seen {
			l.seen = g.successes
			l.strikes++
		}
		if l.strikes == 0 || g.down() { // others have no trouble: this may be the message's own
			e.wentDown(began, o.reason)
		}
		limit := strikesToLeave
		if e.lastReceive(l) {
			limit *= 2
		}
		if l.strikes >= limit || now.Sub(l.heldSince) >= e.opts.HoldFor {
			e.log.Warn("a message was kept in hand long enough; it goes back", "message", l.msg.ID, "receive_count", l.msg.ReceiveCount, "tries", l.holds, "after", now.Sub(l.heldSince).Round(time.Millisecond), "reason", o.reason)
			return Retry(0), false
		}
		l.notBefore = now.Add(e.holdBackoff(l.holds))
		return o, true
	case o.after == 0 && !o.final && e.lastReceive(l) && l.patience < patientTries && e.patient(l):
		l.patience++
		l.notBefore = now.Add(e.backoff(l.patience))
		e.log.Info("the last receive of a message: it is tried again in hand", "message", l.msg.ID, "receive_count", l.msg.ReceiveCount, "try", l.patience, "of", patientTries)
		return o, true
	}
	return o, false
}

// lastReceive reports whether a message goes to the dead-letter queue when it comes back.
// Engine.mu is held.
func (e *Engine) lastReceive(l *lease) bool {
	return e.maxReceives > 0 && l.msg.ReceiveCount >= e.maxReceives
}

// patient reports whether a message may stay in hand for being on its last receive: only a
// quarter of the slots may be taken up so. Engine.mu is held.
func (e *Engine) patient(l *lease) bool {
	n := 0
	for other := range e.leases {
		if other.inHand && other.patience > 0 && other != l {
			n++
		}
	}
	return n < max(e.opts.Slots/4, 1)
}
