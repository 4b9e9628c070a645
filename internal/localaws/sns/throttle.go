package sns

import (
	"sync"
	"time"
)

// throttles space a subscription's deliveries as its throttle policy asks: "the maximum
// number of deliveries per second, per subscription", attempts included that fail. Each
// gets a moment of its own, reserved in the order in which they fell due. The moment is
// the delivery's next attempt in the outbox too, so that what waits holds up nothing else
// and survives a restart, after which moments are given out anew.
type throttles struct {
	mu       sync.Mutex
	free     map[string]time.Time // by subscription: the first moment that nobody has
	reserved map[int64]time.Time  // by delivery: the moment that it waits for
}

func newThrottles() *throttles {
	return &throttles{free: map[string]time.Time{}, reserved: map[int64]time.Time{}}
}

// admit says when a delivery that is due may be attempted: now, where the answer is not
// later than that.
func (t *throttles) admit(d *delivery, p *throttlePolicy, now time.Time) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at, ok := t.reserved[d.id]; ok {
		if !at.After(now) {
			delete(t.reserved, d.id)
		}
		return at
	}
	if p == nil || p.MaxReceivesPerSecond == nil || d.kind != typeNotification {
		return now
	}
	at, free := now, t.free[d.subscription]
	if !free.After(now) {
		free = now
	} else {
		// The outbox keeps whole milliseconds: it must not find the delivery due too early.
		at = free.Add(time.Millisecond - 1).Truncate(time.Millisecond)
		t.reserved[d.id] = at
	}
	t.free[d.subscription] = free.Add(time.Second / time.Duration(*p.MaxReceivesPerSecond))
	return at
}

// forget drops what has had its time. A reservation may outlive its delivery, where the
// topic was deleted meanwhile.
func (t *throttles) forget(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for sub, free := range t.free {
		if !free.After(now) {
			delete(t.free, sub)
		}
	}
	for id, at := range t.reserved {
		if at.Add(pruneEvery).Before(now) {
			delete(t.reserved, id)
		}
	}
}
