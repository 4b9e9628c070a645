// Package limit bounds what one client may ask of the web tier: how often, and how much at
// once. Its memory is bounded, too: of clients that are not seen for long nothing is kept.
// It imports nothing of ours.
package limit

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// maxClients is how many clients a Rate remembers; the one that was seen least lately goes
// first, and starts afresh when it comes back.
const maxClients = 10_000

// Rate lets each client do something so many times at once, and then again as time passes.
// A nil Rate lets everybody do everything.
type Rate struct {
	perSecond float64
	burst     float64

	mu      sync.Mutex
	clients *simplelru.LRU[string, *bucket]
}

// bucket is what a client has left.
type bucket struct {
	left float64
	at   time.Time // when left was right
}

// NewRate makes a Rate of burst at once and perSecond from then on; nil where either is not
// above 0.
func NewRate(perSecond float64, burst int) *Rate {
	if perSecond <= 0 || burst <= 0 {
		return nil
	}
	clients, err := simplelru.NewLRU[string, *bucket](maxClients, nil)
	if err != nil {
		panic(err) // only of a size that is not positive
	}
	return &Rate{perSecond: perSecond, burst: float64(burst), clients: clients}
}

// Take counts one of client's. Where it has none left, nothing is counted, and wait says how
// long until it has.
func (r *Rate) Take(client string) (wait time.Duration, ok bool) {
	if r == nil {
		return 0, true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	b, known := r.clients.Get(client)
	if !known {
		b = &bucket{left: r.burst, at: now}
		r.clients.Add(client, b)
	}
	b.left, b.at = min(r.burst, b.left+max(0, now.Sub(b.at).Seconds())*r.perSecond), now
	if b.left < 1 {
		return time.Duration((1 - b.left) / r.perSecond * float64(time.Second)), false
	}
	b.left--
	return 0, true
}

// Return takes back one that was counted.
func (r *Rate) Return(client string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if b, known := r.clients.Get(client); known {
		b.left = min(r.burst, b.left+1)
	}
}

// AtOnce bounds how many of something each client may have at one time. A nil AtOnce
// bounds nothing.
type AtOnce struct {
	max int
	mu  sync.Mutex
	has map[string]int // clients that have any
}

// NewAtOnce makes an AtOnce; nil where max is not above 0.
func NewAtOnce(max int) *AtOnce {
	if max <= 0 {
		return nil
	}
	return &AtOnce{max: max, has: map[string]int{}}
}

// Enter counts one more of client's until leave is called, once.
func (a *AtOnce) Enter(client string) (leave func(), ok bool) {
	if a == nil {
		return func() {}, true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.has[client] >= a.max {
		return nil, false
	}
	a.has[client]++
	return sync.OnceFunc(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.has[client]--; a.has[client] == 0 {
			delete(a.has, client)
		}
	}), true
}
