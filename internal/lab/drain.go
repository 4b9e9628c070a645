package lab

import (
	"context"
	"fmt"
	"time"
)

// DrainResult is experiment 3: the same backlog drained by 1, 2 and 4 app processes.
type DrainResult struct {
	Backlog int         `json:"backlog"` // images
	Rates   []DrainRate `json:"rates"`
}

// DrainRate is what so many processes made of it.
type DrainRate struct {
	Processes int    `json:"processes"` // with one worker each
	PerSecond Spread `json:"imagesPerSecond"`
	Again     int    `json:"again"` // images that took more than one attempt
}

func (b *bench) drain(ctx context.Context) error {
	res := &DrainResult{Backlog: b.o.scaled(60)}
	rates := map[int][]float64{}
	again := map[int]int{}
	counts := []int{1, 2, 4}
	for run := range b.o.Runs {
		for _, processes := range counts {
			name := fmt.Sprintf("run %d of %d, %d process(es)", run+1, b.o.Runs, processes)
			uploads, err := b.load(ctx, b.decoupled, evenly(0, res.Backlog, 200), b.good, b.steps(name+": filling the queue", res.Backlog))
			if err != nil {
				return err
			}
			if err := allTaken(uploads); err != nil {
				return err
			}
			apps, err := b.stack.apps(processes, 1)
			if err == nil {
				b.settle(ctx, uploads, 3*time.Minute)
			}
			stopAll(apps)
			if err != nil {
				return err
			}
			for _, u := range uploads {
				r, known := b.seen.result(u.ID)
				if !known || r.Status != "done" {
					return fmt.Errorf("image %s was not processed", u.ID)
				}
				if r.Attempts > 1 {
					again[processes]++
				}
			}
			rates[processes] = append(rates[processes], b.rate(uploads))
		}
	}
	for _, n := range counts {
		res.Rates = append(res.Rates, DrainRate{Processes: n, PerSecond: spreadOf(rates[n]), Again: again[n]})
	}
	b.r.Drain = res
	return nil
}
