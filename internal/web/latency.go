package web

import (
	"math"
	"sync"
	"time"
)

// latency is how long images took from upload to result, by their events' times: S3's clock
// and an app tier's. Null where there was none.
type latency struct {
	P50   *int64 `json:"p50Ms"`
	P99   *int64 `json:"p99Ms"`
	Count int    `json:"count"`
}

const (
	latencyWindow = 60 // seconds
	// A bucket is 5 % wider than the one below it, from 1 ms to three days: what percentiles
	// are told to, for a fixed amount of memory at any rate.
	latencyRatio   = 1.05
	latencyBuckets = 400
)

// latencies are histograms of the last minute, one for each second.
type latencies struct {
	mu      sync.Mutex
	seconds [latencyWindow]struct {
		second int64
		counts [latencyBuckets]uint32
	}
}

func (l *latencies) add(now time.Time, took time.Duration) {
	sec := now.Unix()
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.seconds[sec%latencyWindow]
	if s.second != sec {
		s.second = sec
		clear(s.counts[:])
	}
	s.counts[latencyBucket(took)]++
}

func latencyBucket(took time.Duration) int {
	ms := max(float64(took)/float64(time.Millisecond), 1)
	return min(int(math.Log(ms)/math.Log(latencyRatio)), latencyBuckets-1)
}

// within is the last minute's.
func (l *latencies) within(now time.Time) latency {
	var sum [latencyBuckets]uint32
	var out latency
	l.mu.Lock()
	for i := range l.seconds {
		if s := &l.seconds[i]; s.second > now.Unix()-latencyWindow && s.second <= now.Unix() {
			for b, n := range s.counts {
				sum[b] += n
				out.Count += int(n)
			}
		}
	}
	l.mu.Unlock()
	if out.Count > 0 {
		out.P50, out.P99 = percentile(&sum, out.Count, 0.5), percentile(&sum, out.Count, 0.99)
	}
	return out
}

// percentile is the middle, in ms, of the bucket in which the percentile lies.
func percentile(counts *[latencyBuckets]uint32, total int, p float64) *int64 {
	rank := int(math.Ceil(p * float64(total)))
	for b, n := range counts {
		if rank -= int(n); rank <= 0 {
			ms := int64(math.Round(math.Pow(latencyRatio, float64(b)+0.5)))
			return &ms
		}
	}
	return nil
}
