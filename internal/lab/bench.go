package lab

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// bench is what the experiments share.
type bench struct {
	o      Options
	r      *Report
	stack  *stack // nil against a deployed stack
	client *http.Client
	seen   *watcher

	decoupled, coupled string // URLs of the web tiers; coupled is empty against a deployed stack

	experiment int

	mu    sync.Mutex
	taken []string // images at a deployed stack, to be deleted
}

// good is the picture that is uploaded, under a name.
func (b *bench) good(i int) file { return file{fmt.Sprintf("lab-%04d.jpg", i), b.o.Image} }

// progress tells how far an experiment is.
func (b *bench) progress(what string, done, total int) {
	b.o.Progress(Progress{Experiment: b.experiment, What: what, Done: done, Total: total})
}

// steps counts to total, from several goroutines.
func (b *bench) steps(what string, total int) func() {
	var mu sync.Mutex
	done := 0
	b.progress(what, 0, total)
	return func() {
		mu.Lock()
		defer mu.Unlock()
		done++
		b.progress(what, done, total)
	}
}

// get reads a document.
func (b *bench) get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %d", url, resp.StatusCode)
	}
	return io.ReadAll(io.LimitReader(resp.Body, 1<<20))
}

// remember notes what must be deleted at the end.
func (b *bench) remember(base string, u Upload) {
	if b.stack != nil || base != b.decoupled || u.ID == "" {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.taken = append(b.taken, u.ID)
}

// cleanUp deletes what was uploaded to a stack that is not ours to throw away.
func (b *bench) cleanUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	b.mu.Lock()
	taken := b.taken
	b.mu.Unlock()
	if len(taken) == 0 {
		return
	}
	b.experiment = 0
	step := b.steps("deleting the images", len(taken))
	var g errgroup.Group
	g.SetLimit(8)
	var failed sync.Map
	for _, id := range taken {
		g.Go(func() error {
			defer step()
			req, err := http.NewRequestWithContext(ctx, http.MethodDelete, b.decoupled+"/api/images/"+id, nil)
			if err != nil {
				return err
			}
			resp, err := b.client.Do(req)
			if err != nil {
				failed.Store(id, err)
				return nil
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusNoContent && resp.StatusCode != http.StatusNotFound {
				failed.Store(id, resp.Status)
			}
			return nil
		})
	}
	_ = g.Wait()
	failed.Range(func(id, _ any) bool {
		b.r.Remaining = append(b.r.Remaining, id.(string))
		return true
	})
}

// idsOf are the ids of the uploads that were taken.
func idsOf(uploads []Upload) (ids []string) {
	for _, u := range uploads {
		if u.ID != "" {
			ids = append(ids, u.ID)
		}
	}
	return ids
}

// settle waits until what was uploaded is processed.
func (b *bench) settle(ctx context.Context, uploads []Upload, patience time.Duration) (missing []string) {
	ids := idsOf(uploads)
	return b.seen.settled(ctx, ids, patience, func(left int) { b.progress("waiting for results", len(ids)-left, len(ids)) })
}

// calibrate finds out how many images per second the app tier computes, which the loads of the
// experiments are measured by: a backlog is drained, and its middle counted.
func (b *bench) calibrate(ctx context.Context) error {
	b.experiment = 0
	n := max(12, b.o.scaled(40))
	uploads, err := b.load(ctx, b.decoupled, evenly(0, n, 200), b.good, b.steps("calibrating: uploading", n))
	if err != nil {
		return err
	}
	if err := allTaken(uploads); err != nil {
		return err
	}
	if b.stack != nil {
		apps, err := b.stack.apps(1, b.o.Workers)
		defer stopAll(apps)
		if err != nil {
			return err
		}
	}
	if missing := b.settle(ctx, uploads, 3*time.Minute); len(missing) > 0 {
		return fmt.Errorf("%d of %d images were not processed; is an app tier at work?", len(missing), n)
	}
	b.r.Capacity = b.rate(uploads)
	if b.r.Capacity <= 0 {
		return fmt.Errorf("%d images were finished at once; nothing can be told from that", n)
	}
	return nil
}

// rate is images per second over the middle four fifths of what was finished: without the first,
// for which workers started up, and the last, for which some had nothing to do.
func (b *bench) rate(uploads []Upload) float64 {
	var times []float64
	for _, id := range idsOf(uploads) {
		if r, ok := b.seen.result(id); ok {
			times = append(times, float64(r.Finished.UnixMicro())/1e6)
		}
	}
	if len(times) < 4 {
		return 0
	}
	from, to := quantile(times, 0.1), quantile(times, 0.9)
	count := 0
	for _, t := range times {
		if t > from && t <= to {
			count++
		}
	}
	if to <= from {
		return 0
	}
	return float64(count) / (to - from)
}
