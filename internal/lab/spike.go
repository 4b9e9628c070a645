package lab

import (
	"context"
	"encoding/json"
	"time"
)

// SpikeResult is experiment 4: traffic that grows tenfold for a while.
type SpikeResult struct {
	BasePerSecond  float64  `json:"basePerSecond"`
	SpikePerSecond float64  `json:"spikePerSecond"`
	From           float64  `json:"fromS"` // the spike; seconds after the load's start
	To             float64  `json:"toS"`
	Samples        []Sample `json:"samples"`
	Uploads        Latency  `json:"uploads"`     // all
	InSpike        Latency  `json:"inSpike"`     // those begun during the spike
	Failed         int      `json:"failed"`      // uploads that were not taken
	DrainedAt      float64  `json:"drainedAtS"`  // the backlog was gone; 0: not within the time watched
	MaxDepth       int      `json:"maxDepth"`    // messages waiting
	MaxAge         float64  `json:"maxAgeS"`     // of the oldest image not processed
	Unprocessed    int      `json:"unprocessed"` // in the end
}

// Sample is how the queue stood at an instant.
type Sample struct {
	At       float64 `json:"atS"`
	Depth    int     `json:"depth"`    // messages waiting
	InFlight int     `json:"inFlight"` // messages in work
	Age      float64 `json:"ageS"`     // of the oldest image taken and not processed
}

// sampleEvery is how often the queue is looked at.
const sampleEvery = 250 * time.Millisecond

func (b *bench) spike(ctx context.Context) error {
	if b.stack != nil {
		apps, err := b.stack.apps(1, b.o.Workers)
		defer stopAll(apps)
		if err != nil {
			return err
		}
	}
	base := max(0.5, 0.4*b.r.Capacity)
	res := &SpikeResult{BasePerSecond: base, SpikePerSecond: 10 * base}
	seconds := min(4, 4*b.o.Size)
	res.From, res.To = 2*seconds, 3*seconds
	// Drained, the spike's surplus needs (10·0.4−1)/(1−0.4) times its length; the load goes on for
	// half as long again.
	end := res.To + 1.5*seconds*(10*0.4-1)/0.6
	dur := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	times := evenly(0, int(res.From*base), base)
	times = append(times, evenly(dur(res.From), int(seconds*10*base), 10*base)...)
	times = append(times, evenly(dur(res.To), int((end-res.To)*base), base)...)

	start := time.Now()
	samples := make(chan []Sample, 1)
	sampling, stop := context.WithCancel(ctx)
	go func() { samples <- b.sample(sampling, start) }()
	uploads, err := b.load(ctx, b.decoupled, times, b.good, b.steps("uploading", len(times)))
	if err == nil {
		res.Unprocessed = len(b.settle(ctx, uploads, 3*time.Minute))
	}
	stop()
	res.Samples = <-samples
	if err != nil {
		return err
	}

	var during []Upload
	for _, u := range uploads {
		if !u.ok() {
			res.Failed++
		}
		if u.At >= res.From && u.At < res.To {
			during = append(during, u)
		}
	}
	res.Uploads, res.InSpike = latencyOf(latencies(uploads)), latencyOf(latencies(during))
	b.ages(res, uploads)
	b.r.Spike = res
	return nil
}

// ages fills in, from what is known afterwards, how old the oldest unprocessed image was at each
// sample, and when the spike's backlog was gone: from then on nothing had waited for longer
// than an image does before the spike.
func (b *bench) ages(res *SpikeResult, uploads []Upload) {
	if len(uploads) == 0 {
		return
	}
	start := uploads[0].begun.Add(-time.Duration(uploads[0].At * float64(time.Second)))
	usual := 0.0
	for i := range res.Samples {
		s := &res.Samples[i]
		now := start.Add(time.Duration(s.At * float64(time.Second)))
		for _, u := range uploads {
			if !u.ok() || u.begun.After(now) {
				continue
			}
			if r, known := b.seen.result(u.ID); !known || r.Heard.After(now) {
				s.Age = max(s.Age, now.Sub(u.begun).Seconds())
			}
		}
		res.MaxAge, res.MaxDepth = max(res.MaxAge, s.Age), max(res.MaxDepth, s.Depth)
		if s.At < res.From {
			usual = max(usual, s.Age)
		}
	}
	for _, s := range res.Samples {
		switch {
		case s.At < res.To:
		case s.Age > max(2*usual, 1):
			res.DrainedAt = 0
		case res.DrainedAt == 0:
			res.DrainedAt = s.At
		}
	}
}

// sample looks at the queue's figures until ctx ends.
func (b *bench) sample(ctx context.Context, start time.Time) (all []Sample) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		if text, err := b.get(ctx, b.decoupled+"/api/pipeline"); err == nil {
			var p struct {
				Queue struct{ Waiting, InFlight int }
			}
			if json.Unmarshal(text, &p) == nil {
				all = append(all, Sample{At: time.Since(start).Seconds(), Depth: p.Queue.Waiting, InFlight: p.Queue.InFlight})
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return all
		}
	}
}
