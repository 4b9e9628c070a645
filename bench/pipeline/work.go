package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// sample is one turn of a contestant at a backlog.
type sample struct {
	CPU      float64 `json:"cpuMs"`      // of the app tier, per image
	Imaging  float64 `json:"imagingMs"`  // of it, in processes that the tier has started
	Endpoint float64 `json:"endpointMs"` // of the endpoint, per image
	Rate     float64 `json:"rate"`       // images per second
	Peak     float64 `json:"peakMb"`     // memory of the app tier's process tree
}

// row is a contestant at one size, backlog and number of processes.
type row struct {
	Who        string   `json:"who"`
	Megapixels float64  `json:"megapixels"`
	Backlog    int      `json:"backlog"`
	Processes  int      `json:"processes"`
	Samples    []sample `json:"samples"`
}

// limitRow is the imaging package alone.
type limitRow struct {
	Megapixels float64   `json:"megapixels"`
	CPU        []float64 `json:"cpuMs"`
	Rate       []float64 `json:"rate"`
}

// work measures what an image costs, beside the limit, at each size.
func work(ctx context.Context, b *bench) error {
	for _, mp := range b.o.megapixels {
		if err := b.field(ctx, mp, 0, []int{1}, true); err != nil {
			return err
		}
	}
	b.out.printWork(os.Stdout)
	return nil
}

// depth measures what the backlog and the number of processes change, with small images: there
// the queue weighs most.
func depth(ctx context.Context, b *bench) error {
	for _, n := range b.o.backlogs {
		if err := b.field(ctx, b.o.megapixels[0], n, b.o.processes, false); err != nil {
			return err
		}
	}
	b.out.printDepth(os.Stdout)
	return nil
}

// warm is how many images go through each process before any counts.
const warm = 12

// field has all contestants take turns at one backlog; 0: as little as a turn needs.
func (b *bench) field(ctx context.Context, mp float64, backlog int, processes []int, withLimit bool) error {
	body, err := picture(b.o.photos, mp)
	if err != nil {
		return err
	}
	file := filepath.Join(b.dir, "picture.jpg")
	if err := os.WriteFile(file, body, 0o600); err != nil {
		return err
	}
	r, err := newRig(ctx, b)
	if err != nil {
		return err
	}
	defer r.close()
	// Images enough for all turns lie in front; behind them what makes the backlog deep.
	turn := func(n int) int { return warm*n + b.o.images + 24*n }
	all := 0
	for _, n := range processes {
		all += turn(n) * b.o.rounds * len(b.contestants())
	}
	if backlog > all {
		if err := r.put(ctx, body, all); err != nil {
			return err
		}
		if err := r.pad(ctx, body, backlog); err != nil {
			return err
		}
	}
	rows := map[string]*row{}
	lim := limitRow{Megapixels: mp}
	for range b.o.rounds {
		if withLimit {
			ms, rate, err := b.limit(ctx, file, b.o.images)
			if err != nil {
				return err
			}
			lim.CPU, lim.Rate = append(lim.CPU, ms), append(lim.Rate, rate)
		}
		for _, n := range processes {
			for _, who := range b.contestants() {
				if backlog <= all { // no more than that at a time
					if err := r.fill(ctx, body, max(backlog, turn(n))); err != nil {
						return err
					}
				}
				s, err := r.turn(ctx, who, r.url, n)
				if err != nil {
					return fmt.Errorf("%s: %w", who, err)
				}
				key := who + strconv.Itoa(n)
				if rows[key] == nil {
					rows[key] = &row{Who: who, Megapixels: mp, Backlog: backlog, Processes: n}
				}
				rows[key].Samples = append(rows[key].Samples, s)
			}
		}
	}
	if withLimit {
		b.out.Limits = append(b.out.Limits, lim)
	}
	for _, n := range processes {
		for _, who := range b.contestants() {
			if withLimit {
				b.out.Work = append(b.out.Work, *rows[who+strconv.Itoa(n)])
			} else {
				b.out.Depth = append(b.out.Depth, *rows[who+strconv.Itoa(n)])
			}
		}
	}
	return nil
}

// turn has a contestant work on the queue and measures it between two images.
func (r *rig) turn(ctx context.Context, who, url string, n int) (s sample, err error) {
	before, err := r.depth(ctx, r.done)
	if err != nil {
		return s, err
	}
	apps, err := r.apps(ctx, who, url, n)
	if err != nil {
		return s, err
	}
	defer stopAll(apps)
	from, err := r.until(ctx, r.done, before+warm*n)
	if err != nil {
		return s, fmt.Errorf("%w\n%s", err, apps[0].tail())
	}
	began, own, parents, other := time.Now(), cpu(apps), parentCPU(apps), cpu([]*process{r.endpoint})
	peak := watchPeak(apps)
	to, err := r.until(ctx, r.done, from+r.b.o.images)
	took := time.Since(began).Seconds()
	parents = parentCPU(apps) - parents
	own, other = cpu(apps)-own, cpu([]*process{r.endpoint})-other
	s.Peak = peak()
	if err != nil {
		return s, fmt.Errorf("%w\n%s", err, apps[0].tail())
	}
	images := float64(to - from)
	s.CPU, s.Imaging, s.Endpoint, s.Rate = own*1000/images, (own-parents)*1000/images, other*1000/images, images/took
	fmt.Fprintf(os.Stderr, "%s, %d process(es): %.1f ms, of it %.1f in children, endpoint %.1f ms, %.1f images/s, %.0f MB\n", who, n, s.CPU, s.Imaging, s.Endpoint, s.Rate, s.Peak)
	return s, nil
}
