package isolate

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Why a child ended, besides what a failure says; labels of tintype_codec_ends_total.
const (
	endRetired = "retired" // its share was done
	endIdle    = "idle"    // it died without an image
)

func (r reason) label() string {
	return [...]string{crashed: "crash", timedOut: "timeout", outOfMemory: "memory", cancelled: "cancelled"}[r]
}

// census knows the children that run, and counts their beginnings and ends.
type census struct {
	starts prometheus.Counter
	ends   *prometheus.CounterVec

	mu    sync.Mutex
	alive map[*process]struct{}
}

func newCensus() *census {
	c := &census{
		alive:  map[*process]struct{}{},
		starts: prometheus.NewCounter(prometheus.CounterOpts{Name: "tintype_codec_starts_total", Help: "Imaging processes started."}),
		ends: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tintype_codec_ends_total",
			Help: "Imaging processes that ended before the program did: crash, timeout, memory, cancelled, retired (its share done) or idle (died without an image)."}, []string{"reason"}),
	}
	for _, why := range []string{crashed.label(), timedOut.label(), outOfMemory.label(), cancelled.label(), endRetired, endIdle} {
		c.ends.WithLabelValues(why)
	}
	return c
}

func (c *census) born(p *process) {
	c.starts.Inc()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.alive[p] = struct{}{}
}

func (c *census) died(p *process, why string) {
	c.ends.WithLabelValues(why).Inc()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.alive, p)
}

// resident is what all children hold in memory, bytes.
func (c *census) resident() float64 {
	c.mu.Lock()
	var pids []int
	for p := range c.alive {
		select {
		case <-p.exited:
		default:
			pids = append(pids, p.pid)
		}
	}
	c.mu.Unlock()
	sum := int64(0)
	for _, pid := range pids {
		u := newUsage(pid)
		sum += u.memory()
		u.close()
	}
	return float64(sum)
}

func (c *census) count() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return float64(len(c.alive))
}

// Register has told what becomes of the children.
func (p *Pool) Register(r prometheus.Registerer) {
	gauge := func(name, help string, value func() float64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	r.MustRegister(p.census.starts, p.census.ends)
	gauge("tintype_codec_children", "Imaging processes that run.", p.census.count)
	gauge("tintype_codec_children_busy", "Imaging processes that have an image.", func() float64 { return float64(cap(p.slots) - len(p.slots)) })
	if canMeasure {
		gauge("tintype_codec_resident_bytes", "Memory that all imaging processes hold together.", p.census.resident)
	}
}
