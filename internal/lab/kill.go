package lab

import (
	"context"
	"time"
)

// KillResult is experiment 2: the app tier is killed while people upload, and comes back.
type KillResult struct {
	PerSecond float64   `json:"perSecond"` // uploads
	KilledAt  float64   `json:"killedAtS"`
	BackAt    float64   `json:"backAtS"` // started again; seconds after the load's start
	Decoupled KillSide  `json:"decoupled"`
	Coupled   *KillSide `json:"coupled"`
}

// KillSide is one architecture's.
type KillSide struct {
	Uploads []Upload `json:"uploads"`
	Failed  int      `json:"failed"` // uploads that were answered with an error, or not at all
	Done    int      `json:"done"`   // images with a result in the end
	Lost    int      `json:"lost"`   // uploads without a result in the end, taken or not
	Again   int      `json:"again"`  // results that took more than one attempt
}

func (b *bench) kill(ctx context.Context) error {
	n := b.o.scaled(90)
	perSecond := max(2, 0.7*b.r.Capacity)
	length := time.Duration(float64(n) / perSecond * float64(time.Second))
	killAt, backAt := length/3, 2*length/3
	res := &KillResult{PerSecond: perSecond, KilledAt: killAt.Seconds(), BackAt: backAt.Seconds()}

	coupled := &KillSide{}
	var err error
	coupled.Uploads, err = b.killed(ctx, b.coupled, "coupled", evenly(0, n, perSecond), killAt, backAt, func() (*proc, error) { return b.stack.coupledApp(b.o.Workers) })
	if err != nil {
		return err
	}
	for _, u := range coupled.Uploads {
		if u.ok() {
			coupled.Done++
		} else {
			coupled.Failed++
		}
	}
	coupled.Lost = n - coupled.Done
	res.Coupled = coupled

	d := &res.Decoupled
	d.Uploads, err = b.killed(ctx, b.decoupled, "decoupled", evenly(0, n, perSecond), killAt, backAt, func() (*proc, error) {
		apps, err := b.stack.apps(1, b.o.Workers)
		if len(apps) == 0 {
			return nil, err
		}
		return apps[0], err
	})
	if err != nil {
		return err
	}
	for _, u := range d.Uploads {
		if !u.ok() {
			d.Failed++
		}
		if r, known := b.seen.result(u.ID); known && r.Status == "done" {
			d.Done++
			if r.Attempts > 1 {
				d.Again++
			}
		}
	}
	d.Lost = n - d.Done
	b.r.Kill = res
	return nil
}

// killed runs a load during which the app tier is killed and later started again. The tier
// stays until what was taken is processed, or is never to be.
func (b *bench) killed(ctx context.Context, base, name string, times []time.Duration, killAt, backAt time.Duration, startApp func() (*proc, error)) ([]Upload, error) {
	app, err := startApp()
	if app != nil {
		defer func() { app.stop() }()
	}
	if err != nil {
		return nil, err
	}
	loadDone := make(chan struct{})
	var uploads []Upload
	var loadErr error
	go func() {
		defer close(loadDone)
		uploads, loadErr = b.load(ctx, base, times, b.good, b.steps(name+": the app tier is killed and comes back", len(times)))
	}()
	after := func(d time.Duration) bool {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return true
		case <-ctx.Done():
			return false
		}
	}
	if after(killAt) {
		app.kill()
	}
	var again *proc
	if after(backAt - killAt) {
		if again, err = startApp(); again != nil {
			app = again
		}
	}
	<-loadDone
	if err != nil || loadErr != nil {
		return uploads, firstOf(err, loadErr)
	}
	if base == b.decoupled {
		b.settle(ctx, uploads, 2*time.Minute)
	}
	return uploads, nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
