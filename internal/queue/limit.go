package queue

import "time"

// limiter says how many handlers may be at work at once: additive increase, multiplicative
// decrease, as TCP does it. Guarded by Engine.mu.
type limiter struct {
	now    int       // the limit, from 1 to Options.Slots
	done   int       // successes since it last changed
	cut    time.Time // when it was last halved
	halved int64     // how often
}

// overload halves the limit for work that began at a time and met with overload, and
// reports whether it did. Once per round trip: what began before the last cut tells of the
// load before it.
func (l *limiter) overload(began time.Time) bool {
	if !l.cut.IsZero() && !began.After(l.cut) {
		return false
	}
	l.cut, l.done = time.Now(), 0
	l.now = max(l.now/2, 1)
	l.halved++
	return true
}

// success raises the limit by one for each round of as many successes as it allows.
func (l *limiter) success(slots int) {
	if l.now >= slots {
		return
	}
	if l.done++; l.done >= l.now {
		l.now, l.done = l.now+1, 0
	}
}
