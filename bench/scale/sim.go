package main

import (
	"math"
	"math/rand/v2"
	"slices"
)

// rnd is where chance comes from: the same each time.
type rnd = rand.Rand

func newRnd(seed uint64) *rnd { return rand.New(rand.NewPCG(seed, 7)) }

// dist draws a time in seconds.
type dist func(r *rnd) float64

// fixed is always the same.
func fixed(s float64) dist { return func(*rnd) float64 { return s } }

// drawn is one of the values that were measured.
func drawn(values []float64) dist {
	return func(r *rnd) float64 { return values[r.IntN(len(values))] }
}

// logNormal has this median and 99th percentile, in seconds.
func logNormal(p50, p99 float64) dist {
	const z99 = 2.3263
	mu, sigma := math.Log(p50), math.Log(p99/p50)/z99
	return func(r *rnd) float64 { return math.Exp(mu + sigma*r.NormFloat64()) }
}

// times are what one image and one request take, in seconds.
type times struct {
	event   dist // upload to message in the queue
	receive dist // round trip of a receive that finds something
	look    dist // the manifest that may be there
	fetch   dist
	core    dist // processor time, all of it
	store   dist // all outputs, side by side
	finish  dist // commit and announce
}

// plan is one simulated deployment.
type plan struct {
	times
	hosts, workers, slots int // workers and slots of each host
	// rate is the arrivals per second at a time, at most peak; they end at until. Backlog
	// messages are there at the start.
	rate        func(t float64) float64
	peak, until float64
	backlog     int
	calm        func(uploaded float64) bool // whose latencies are also kept apart; may be nil
	scaler      *scaler                     // nil: hosts stay
	every       float64                     // between samples, seconds
	seed        uint64
}

// point is one sample.
type point struct{ T, Waiting, OldestAge, Workers, InFlight, Rate, Done float64 }

// outcome is what came of it.
type outcome struct {
	Done, Receives, Deletes, EmptyPolls, Extends int
	End                                          float64   // when the last was done
	Latencies, Calm                              []float64 // upload to announced, at most 2 million of them; Calm: see plan
	Points                                       []point
	HostSeconds, CoreSeconds                     float64
	MaxInFlight                                  int
}

// percentile sorts the values and returns one of them, or 0.
func percentile(v []float64, p float64) float64 {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	return v[max(min(len(v), int(math.Ceil(p*float64(len(v))))), 1)-1]
}

// lingers is how long an acknowledged message waits for others to be deleted with, and
// batch the most messages of one request: those of the program.
const (
	lingers      = 0.050
	batch        = 10
	pollSeconds  = 20
	extendsEvery = 10 // seconds between extensions of all leases held
	maxLatencies = 2_000_000
)

type kind uint8

const (
	arrive   kind = iota // an upload
	visible              // its message is in the queue
	asked                // a receive has reached the queue
	received             // its answer is back
	fetched
	computed
	stored
	flush // deletes are due
	tick  // a sample
	decide
	hostUp
)

type happening struct {
	t, sent float64 // sent: when the image was uploaded
	host    int32
	kind    kind
}

// host is one app process.
type host struct {
	alive, gone     bool
	up              float64 // since when it is paid for
	running         int
	polling, parked bool
	parkedAt        float64
	inbound         []float64 // messages on their way to it, by their images' upload
	computing       int
	waiting         []float64 // fetched, for a core
	pending         int       // acknowledged, to be deleted
}

// simulate runs a plan to its end: until everything is done.
func simulate(p plan) *outcome {
	s := &state{plan: p, r: newRnd(p.seed), out: &outcome{}}
	for range p.backlog {
		s.queue.push(0)
	}
	s.left, s.arrivalsOver = p.backlog, p.peak == 0
	for range p.hosts {
		s.addHost(0)
	}
	if p.peak > 0 {
		s.nextArrival(0)
	}
	if p.every > 0 {
		s.at(happening{t: 0, kind: tick})
	}
	if p.scaler != nil {
		s.at(happening{t: p.scaler.Period, kind: decide})
	}
	for len(s.heap) > 0 {
		h := s.pop()
		s.now = h.t
		s.happen(h)
		if s.left == 0 && s.arrivalsOver {
			break
		}
	}
	s.out.End = s.now
	for i := range s.hosts {
		h := &s.hosts[i]
		if !h.gone {
			s.out.HostSeconds += s.now - h.up
		}
		if h.parked {
			s.out.EmptyPolls += int((s.now - h.parkedAt) / pollSeconds)
		}
	}
	return s.out
}

type state struct {
	plan
	r            *rnd
	now          float64
	heap         []happening
	queue        fifo
	hosts        []host
	parked       []int32
	left         int // uploaded and not done
	inFlight     int
	arrivalsOver bool
	booting      int
	calmDone     int
	out          *outcome
}

func (s *state) happen(h happening) {
	switch h.kind {
	case arrive:
		s.left++
		s.at(happening{t: s.now + s.event(s.r), sent: s.now, kind: visible})
		s.nextArrival(s.now)
	case visible:
		s.queue.push(h.sent)
		s.wake()
	case asked:
		s.answer(h.host)
	case received:
		s.begin(h.host)
	case fetched:
		x := &s.hosts[h.host]
		x.waiting = append(x.waiting, h.sent)
		s.compute(h.host)
	case computed:
		s.hosts[h.host].computing--
		s.compute(h.host)
		s.at(happening{t: s.now + s.store(s.r) + s.finish(s.r), sent: h.sent, host: h.host, kind: stored})
	case stored:
		s.done(h)
	case flush:
		if x := &s.hosts[h.host]; x.pending > 0 {
			s.out.Deletes += (x.pending + batch - 1) / batch
			x.pending = 0
		}
	case tick:
		s.sample()
		s.at(happening{t: s.now + s.every, kind: tick})
	case decide:
		s.decide()
		s.at(happening{t: s.now + s.scaler.Period, kind: decide})
	case hostUp:
		s.booting--
		x := &s.hosts[h.host]
		x.alive = true
		s.poll(h.host)
	}
}

// nextArrival draws the next upload of a Poisson process whose rate changes, by thinning.
func (s *state) nextArrival(t float64) {
	for {
		t += s.r.ExpFloat64() / s.peak
		if t >= s.until {
			s.arrivalsOver = true
			return
		}
		if s.r.Float64()*s.peak <= s.rate(t) {
			s.at(happening{t: t, kind: arrive})
			return
		}
	}
}

// poll begins a receive where a slot is free and none is under way.
func (s *state) poll(i int32) {
	h := &s.hosts[i]
	if h.alive && !h.polling && h.running < s.slots {
		h.polling = true
		s.at(happening{t: s.now + s.receive(s.r)/2, host: i, kind: asked})
	}
}

// answer lets a receive that has reached the queue take what is there, or wait.
func (s *state) answer(i int32) {
	h := &s.hosts[i]
	n := min(s.slots-h.running, batch, s.queue.len())
	if n == 0 {
		if !h.parked {
			h.parked, h.parkedAt = true, s.now
			s.parked = append(s.parked, i)
		}
		return
	}
	h.inbound = h.inbound[:0]
	for range n {
		h.inbound = append(h.inbound, s.queue.pop())
	}
	s.inFlight += n
	s.out.MaxInFlight = max(s.out.MaxInFlight, s.inFlight)
	s.out.Receives++
	s.at(happening{t: s.now + s.receive(s.r)/2, host: i, kind: received})
}

// wake lets one of the receives that wait have what has come.
func (s *state) wake() {
	for len(s.parked) > 0 && s.queue.len() > 0 {
		k := s.r.IntN(len(s.parked))
		i := s.parked[k]
		s.parked[k] = s.parked[len(s.parked)-1]
		s.parked = s.parked[:len(s.parked)-1]
		h := &s.hosts[i]
		h.parked = false
		s.out.EmptyPolls += int((s.now - h.parkedAt) / pollSeconds)
		if h.alive {
			s.answer(i)
		} else {
			h.polling = false
			s.end(i)
		}
	}
}

func (s *state) begin(i int32) {
	h := &s.hosts[i]
	h.polling = false
	for _, sent := range h.inbound {
		h.running++
		s.at(happening{t: s.now + s.look(s.r) + s.fetch(s.r), sent: sent, host: i, kind: fetched})
	}
	s.poll(i)
}

func (s *state) compute(i int32) {
	h := &s.hosts[i]
	for h.computing < s.workers && len(h.waiting) > 0 {
		sent := h.waiting[0]
		h.waiting = h.waiting[1:]
		h.computing++
		took := s.core(s.r)
		s.out.CoreSeconds += took
		s.at(happening{t: s.now + took, sent: sent, host: i, kind: computed})
	}
}

func (s *state) done(x happening) {
	h := &s.hosts[x.host]
	h.running--
	s.inFlight--
	s.left--
	s.out.Done++
	s.keep(&s.out.Latencies, s.now-x.sent, s.out.Done)
	if s.calm != nil && s.calm(x.sent) {
		s.calmDone++
		s.keep(&s.out.Calm, s.now-x.sent, s.calmDone)
	}
	if h.pending++; h.pending == 1 {
		s.at(happening{t: s.now + lingers, host: x.host, kind: flush})
	} else if h.pending == batch {
		s.out.Deletes++
		h.pending = 0
	}
	s.poll(x.host)
	s.end(x.host)
}

// keep keeps a latency, the nth; of too many an even sample.
func (s *state) keep(all *[]float64, v float64, n int) {
	if len(*all) < maxLatencies {
		*all = append(*all, v)
	} else if k := s.r.IntN(n); k < maxLatencies {
		(*all)[k] = v
	}
}

// addHost makes a host that takes work from up on; it is paid for from now on.
func (s *state) addHost(up float64) {
	s.hosts = append(s.hosts, host{up: s.now})
	s.booting++
	s.at(happening{t: max(up, s.now), host: int32(len(s.hosts) - 1), kind: hostUp})
}

// end lets a host go that takes nothing more and has nothing left.
func (s *state) end(i int32) {
	if h := &s.hosts[i]; !h.alive && !h.gone && h.running == 0 && !h.polling {
		h.gone = true
		s.out.HostSeconds += s.now - h.up
	}
}

// serving is how many hosts take work.
func (s *state) serving() (n int) {
	for i := range s.hosts {
		if s.hosts[i].alive {
			n++
		}
	}
	return n
}

func (s *state) sample() {
	age := 0.0
	if s.queue.len() > 0 {
		age = s.now - s.queue.peek()
	}
	held := 0
	for i := range s.hosts {
		held += (s.hosts[i].running + batch - 1) / batch
	}
	s.out.Extends += int(float64(held) * s.every / extendsEvery)
	rate := 0.0
	if s.rate != nil && s.now < s.until {
		rate = s.rate(s.now)
	}
	s.out.Points = append(s.out.Points, point{s.now, float64(s.queue.len()), age, float64(s.serving() * s.workers), float64(s.inFlight), rate, float64(s.out.Done)})
}

// at adds to the heap.
func (s *state) at(h happening) {
	s.heap = append(s.heap, h)
	for i := len(s.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if s.heap[up].t <= s.heap[i].t {
			break
		}
		s.heap[up], s.heap[i] = s.heap[i], s.heap[up]
		i = up
	}
}

// pop takes what happens next.
func (s *state) pop() happening {
	top, last := s.heap[0], len(s.heap)-1
	s.heap[0] = s.heap[last]
	s.heap = s.heap[:last]
	for i := 0; ; {
		least, left := i, 2*i+1
		for _, c := range [2]int{left, left + 1} {
			if c < last && s.heap[c].t < s.heap[least].t {
				least = c
			}
		}
		if least == i {
			return top
		}
		s.heap[i], s.heap[least] = s.heap[least], s.heap[i]
		i = least
	}
}

// fifo is the queue: nearly in order, as SQS's standard queues are.
type fifo struct {
	items []float64
	head  int
}

func (f *fifo) len() int       { return len(f.items) - f.head }
func (f *fifo) peek() float64  { return f.items[f.head] }
func (f *fifo) push(v float64) { f.items = append(f.items, v) }

func (f *fifo) pop() float64 {
	v := f.items[f.head]
	f.head++
	if f.head > 1<<16 && 2*f.head > len(f.items) {
		f.items = append(f.items[:0], f.items[f.head:]...)
		f.head = 0
	}
	return v
}
