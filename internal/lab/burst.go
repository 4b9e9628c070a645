package lab

import (
	"context"
	"fmt"
	"time"
)

// BurstResult is experiment 1: how long uploads take, one at a time and in a burst of ten times
// what the app tier can process.
type BurstResult struct {
	PerSecond float64    `json:"perSecond"` // uploads in the burst
	Count     int        `json:"count"`     // uploads in each burst
	Decoupled BurstSide  `json:"decoupled"`
	Coupled   *BurstSide `json:"coupled,omitempty"`
}

// BurstSide is one architecture's. Latencies are of uploads that were taken.
type BurstSide struct {
	Idle    Latency  `json:"idle"`  // all runs together
	Burst   Latency  `json:"burst"` // all runs together
	IdleP99 Spread   `json:"idleP99Ms"`
	P50     Spread   `json:"p50Ms"`
	P99     Spread   `json:"p99Ms"`
	Failed  int      `json:"failed"` // uploads that were not taken
	Last    []Upload `json:"last"`   // the last run's
}

// burst alternates the two architectures, so that what else the machine does meets both.
func (b *bench) burst(ctx context.Context) error {
	n := b.o.scaled(150)
	res := &BurstResult{PerSecond: 10 * b.r.Capacity, Count: n}
	var decoupled, coupled burstRuns
	for run := range b.o.Runs {
		name := func(side string) string { return fmt.Sprintf("%s, run %d of %d", side, run+1, b.o.Runs) }
		if b.stack != nil {
			if err := b.coupledBurst(ctx, name("coupled"), n, res.PerSecond, &coupled); err != nil {
				return err
			}
		}
		if err := b.decoupledBurst(ctx, name("decoupled"), n, res.PerSecond, &decoupled); err != nil {
			return err
		}
	}
	res.Decoupled = decoupled.side()
	if b.stack != nil {
		side := coupled.side()
		res.Coupled = &side
	}
	b.r.Burst = res
	return nil
}

// burstRuns collects the runs of one side.
type burstRuns struct {
	idle, burst       []float64
	idleP99, p50, p99 []float64
	failed            int
	last              []Upload
}

func (r *burstRuns) add(idle, burst []Upload) {
	i, u := latencies(idle), latencies(burst)
	r.idle, r.burst = append(r.idle, i...), append(r.burst, u...)
	if len(i) > 0 && len(u) > 0 {
		r.idleP99, r.p50, r.p99 = append(r.idleP99, quantile(i, 0.99)), append(r.p50, quantile(u, 0.5)), append(r.p99, quantile(u, 0.99))
	}
	r.failed += len(burst) - len(u)
	r.last = burst
}

func (r *burstRuns) side() BurstSide {
	return BurstSide{Idle: latencyOf(r.idle), Burst: latencyOf(r.burst), IdleP99: spreadOf(r.idleP99), P50: spreadOf(r.p50), P99: spreadOf(r.p99), Failed: r.failed, Last: r.last}
}

func (b *bench) coupledBurst(ctx context.Context, name string, n int, perSecond float64, runs *burstRuns) error {
	app, err := b.stack.coupledApp(b.o.Workers)
	if err != nil {
		return err
	}
	defer app.stop()
	idle, err := b.oneByOne(ctx, b.coupled, name)
	if err != nil {
		return err
	}
	burst, err := b.load(ctx, b.coupled, evenly(0, n, perSecond), b.good, b.steps(name+": burst", n))
	runs.add(idle, burst)
	return err
}

func (b *bench) decoupledBurst(ctx context.Context, name string, n int, perSecond float64, runs *burstRuns) error {
	if b.stack != nil {
		apps, err := b.stack.apps(1, b.o.Workers)
		defer stopAll(apps)
		if err != nil {
			return err
		}
	}
	idle, err := b.oneByOne(ctx, b.decoupled, name)
	if err != nil {
		return err
	}
	burst, err := b.load(ctx, b.decoupled, evenly(0, n, perSecond), b.good, b.steps(name+": burst", n))
	if err != nil {
		return err
	}
	runs.add(idle, burst)
	if missing := b.settle(ctx, burst, 5*time.Minute); len(missing) > 0 {
		return fmt.Errorf("%d images were not processed within 5 minutes", len(missing))
	}
	return nil
}

// idleUploads is how many uploads show the latency of an idle system.
const idleUploads = 20

// oneByOne uploads when nothing else goes on, the decoupled system's work on the upload before
// included.
func (b *bench) oneByOne(ctx context.Context, base, name string) (all []Upload, err error) {
	step := b.steps(name+": one at a time", idleUploads)
	for i := range idleUploads {
		u := b.send(ctx, base, b.good(i))
		b.remember(base, u)
		if err := allTaken([]Upload{u}); err != nil {
			return nil, err
		}
		if base == b.decoupled {
			if missing := b.seen.settled(ctx, []string{u.ID}, time.Minute, func(int) {}); len(missing) > 0 {
				return nil, fmt.Errorf("image %s was not processed within a minute", u.ID)
			}
		}
		all = append(all, u)
		step()
	}
	return all, ctx.Err()
}
