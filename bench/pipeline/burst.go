package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
)

// burstRecipes are what a burst is measured with. The default costs little: ten times what the app tier
// can do is more than the endpoint can take in. The other is as dear as images for pages
// are, with WebP and AVIF.
var burstRecipes = []string{"tint", "web"}

// burstTime is how long a burst lasts.
const burstTime = 4 * time.Second

// burst measures how long an upload takes, alone and while ten times as many come as the
// app tier can do: it should not matter.
func burst(ctx context.Context, b *bench) error {
	body, err := picture(b.o.photos, 1)
	if err != nil {
		return err
	}
	for _, recipe := range burstRecipes {
		if err := burstOf(ctx, b, recipe, body); err != nil {
			return fmt.Errorf("recipe %s: %w", recipe, err)
		}
	}
	b.out.printBurst(os.Stdout)
	return nil
}

func burstOf(ctx context.Context, b *bench, recipe string, body []byte) error {
	s, err := newSite(ctx, b)
	if err != nil {
		return err
	}
	defer s.close()
	s.browser.recipe = recipe
	apps, err := s.apps(ctx, ours, s.url, 1)
	if err != nil {
		return err
	}
	defer stopAll(apps)
	idle := latencies{What: "idle"}
	for range idleImages * 2 {
		up, err := s.browser.put(ctx, body)
		if err != nil {
			return err
		}
		if _, err := s.browser.visible(ctx, up.id); err != nil {
			return err
		}
		idle.MS = append(idle.MS, ms(up.acked.Sub(up.begun)))
	}
	rate, err := s.capacity(ctx, body)
	if err != nil {
		return err
	}
	n, gap := int(10*rate*burstTime.Seconds()), time.Duration(float64(time.Second)/(10*rate))
	many := latencies{What: fmt.Sprintf("burst of %.0f/s", 10*rate), MS: make([]float64, n)}
	g, sending := errgroup.WithContext(ctx)
	start, before, whole := time.Now(), cpu([]*process{s.endpoint}), generatorCPU()
	for i := range n {
		time.Sleep(time.Until(start.Add(time.Duration(i) * gap)))
		g.Go(func() error {
			up, err := s.browser.put(sending, body)
			many.MS[i] = ms(up.acked.Sub(up.begun))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	took := time.Since(start).Seconds()
	b.out.Burst = append(b.out.Burst, burstRow{
		Recipe: recipe, Idle: idle, Burst: many, Taken: float64(n) / took,
		Endpoint: (cpu([]*process{s.endpoint}) - before) / took, Generator: (generatorCPU() - whole) / took,
	})
	return nil
}

// burstRow is a burst beside uploads with nothing else to do.
type burstRow struct {
	Recipe      string    `json:"recipe"`
	Idle, Burst latencies // of uploads
	Taken       float64   `json:"taken"`     // uploads per second that were acknowledged
	Endpoint    float64   `json:"endpoint"`  // cores that it was busy on
	Generator   float64   `json:"generator"` // the same of what uploads
}

// generatorCPU is the processor time of this program, seconds.
func generatorCPU() float64 { return ticks([]int{os.Getpid()}, 2) / 100 }
