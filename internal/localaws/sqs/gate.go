package sqs

import (
	"container/list"
	"sync"
	"time"
)

// gate is where a queue's receivers wait. It knows whether the queue was last found
// empty and until when that holds, so that receivers of an idle queue never touch the
// store: they park, and a commit or the gate's one timer lets as many through as
// there are messages.
//
// The rule that keeps any from being forgotten: while receivers are parked, either
// the gate is quiet (found empty, its timer set for the next message that becomes
// visible), or a receiver that was let through is under way, who will on every way
// out make the gate quiet again or let the next one through.
type gate struct {
	mu    sync.Mutex
	quiet bool
	next  time.Time   // while quiet: when the next message becomes visible; zero: none will
	timer *time.Timer // fires at next
	line  *list.List  // of *receiver, longest waiting first
}

// receiver is one parked ReceiveMessage.
type receiver struct {
	ready chan struct{} // receives one value when let through
	want  int           // messages it would take
	el    *list.Element // in line; nil: not parked
}

func newReceiver(want int) *receiver { return &receiver{ready: make(chan struct{}, 1), want: want} }

func newGate() *gate { return &gate{line: list.New()} }

// park lines r up if the queue is known to be empty, and tells whether it did. A nil
// r does not wait: the answer alone is wanted.
func (g *gate) park(r *receiver) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.quiet {
		return false
	}
	if !g.next.IsZero() && !time.Now().Before(g.next) {
		// Due, though the timer has not fired yet. Whoever found that out goes in place of
		// the one whom the timer would have let through.
		g.open()
		return false
	}
	if r != nil {
		r.el = g.line.PushBack(r)
	}
	return true
}

// settle records that the queue was found with nothing visible before next (zero:
// nothing at all), and parks r (if any).
func (g *gate) settle(next time.Time, r *receiver) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open()
	g.quiet = true
	g.schedule(next)
	if r != nil {
		r.el = g.line.PushBack(r)
	}
}

// notice tells that a message becomes visible at a later time.
func (g *gate) notice(at time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.quiet && (g.next.IsZero() || at.Before(g.next)) {
		g.schedule(at)
	}
}

// wake lets through as many receivers as n visible messages are enough for.
func (g *gate) wake(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.letThrough(n)
}

// leave takes back a receiver that goes away without looking into the queue. If it
// was let through meanwhile, its turn is the next one's.
func (g *gate) leave(r *receiver) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.el != nil {
		g.line.Remove(r.el)
		r.el = nil
		return
	}
	select {
	case <-r.ready:
		g.letThrough(1)
	default:
	}
}

// waiting is how many are parked.
func (g *gate) waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.line.Len()
}

func (g *gate) fire() {
	g.mu.Lock()
	defer g.mu.Unlock()
	// A timer that was replaced while it fired has nothing to say.
	if g.quiet && !g.next.IsZero() && !time.Now().Before(g.next) {
		g.letThrough(1)
	}
}

func (g *gate) letThrough(n int) {
	g.open()
	for n > 0 {
		el := g.line.Front()
		if el == nil {
			return
		}
		r := el.Value.(*receiver)
		g.line.Remove(el)
		r.el = nil
		r.ready <- struct{}{}
		n -= r.want
	}
}

// open ends the quiet.
func (g *gate) open() {
	g.quiet = false
	g.next = time.Time{}
	if g.timer != nil {
		g.timer.Stop()
		g.timer = nil
	}
}

// schedule sets the timer for next.
func (g *gate) schedule(next time.Time) {
	if g.timer != nil {
		g.timer.Stop()
		g.timer = nil
	}
	if g.next = next; !next.IsZero() {
		g.timer = time.AfterFunc(time.Until(next), g.fire)
	}
}
