package main

import (
	"context"
	"os"
	"time"
)

// idleRow is a tier that has nothing to do.
type idleRow struct {
	Who    string  `json:"who"`
	CPU    float64 `json:"cpuPercent"` // of a core
	Memory float64 `json:"memoryMb"`   // of its process tree, resident
	Pss    float64 `json:"pssMb"`      // the same, what is shared divided among the sharers
}

// idle watches tiers that have been at work and have nothing to do: what they take then they
// take all night.
func idle(ctx context.Context, b *bench) error {
	body, err := picture(b.o.photos, 1)
	if err != nil {
		return err
	}
	s, err := newSite(ctx, b)
	if err != nil {
		return err
	}
	defer s.close()
	tiers := map[string][]*process{"endpoint": {s.endpoint}, "web": s.procs[:1]}
	names := []string{"endpoint", "web"}
	watched := func(fresh string) error {
		before := map[string]float64{}
		for _, n := range names {
			before[n] = cpu(tiers[n])
		}
		began := time.Now()
		select {
		case <-time.After(b.o.idle):
		case <-ctx.Done():
			return ctx.Err()
		}
		for _, n := range names {
			if n != "endpoint" || fresh == "" {
				b.out.Idle = append(b.out.Idle, idleRow{n + fresh, (cpu(tiers[n]) - before[n]) * 100 / time.Since(began).Seconds(), resident(tiers[n]), proportional(tiers[n])})
			}
		}
		return nil
	}
	apps, err := s.apps(ctx, ours, s.url, 1)
	if err != nil {
		return err
	}
	defer func() { stopAll(apps) }()
	names, tiers["app"] = append(names, "app"), apps
	if err := watched(""); err != nil {
		return err
	}
	work := func() error {
		for range 40 {
			up, err := s.browser.put(ctx, body)
			if err == nil {
				_, err = s.browser.visible(ctx, up.id)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	if err := work(); err != nil {
		return err
	}
	if err := watched(", after 40 images"); err != nil {
		return err
	}
	if b.node {
		stopAll(apps)
		if apps, err = s.apps(ctx, node, s.url, 1); err != nil {
			return err
		}
		names, tiers[node] = []string{node}, apps
		if err := work(); err != nil {
			return err
		}
		if err := watched(", after 40 images"); err != nil {
			return err
		}
	}
	b.out.printIdle(os.Stdout)
	return nil
}
