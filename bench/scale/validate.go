package main

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"time"
)

// validated are real runs and simulated ones, side by side.
type validated struct {
	Date    string  `json:"date"`
	Machine string  `json:"machine"`
	Runs    []check `json:"runs"`
	// Slots are runs of one process with AWS's latencies put between it and the endpoint.
	Slots []check `json:"slots"`
}

// check is one backlog, drained. Times are in seconds from the first receive.
type check struct {
	Processes int    `json:"processes"`
	Workers   int    `json:"workers"` // of each
	Slots     int    `json:"slots"`   // of each
	Images    int    `json:"images"`
	Measured  drain  `json:"measured"`
	Simulated drain  `json:"simulated"` // with the service times of this run, drawn at random
	Foretold  *drain `json:"foretold"`  // with those of the run of one process
}

// drain is how a backlog went away.
type drain struct {
	Drain float64 `json:"drain"` // until the last image is done
	P50   float64 `json:"p50"`   // of the images' waits until they are done
	P99   float64 `json:"p99"`
}

// validate drains one backlog with one process, and one with two; then with AWS's latencies
// between, with few and with more slots.
func validate(ctx context.Context, o options) error {
	var l lags
	if err := load(o.aws, defaultAWS, &l); err != nil {
		return err
	}
	large, err := picture(o.photos, 4000, 3000)
	if err != nil {
		return err
	}
	out := validated{Date: time.Now().UTC().Format("2006-01-02"), Machine: fmt.Sprintf("%d cores, %s/%s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)}
	var alone *times
	for _, processes := range []int{1, 2} {
		c := check{Processes: processes, Workers: 1, Slots: slotsOf(1), Images: o.images}
		t, err := drainOnce(ctx, o, large, nil, &c)
		if err != nil {
			return err
		}
		c.Simulated = drainSimulated(*t, c)
		if alone == nil {
			alone = t
		} else {
			f := drainSimulated(*alone, c)
			c.Foretold = &f
		}
		fmt.Printf("%d processes: measured %+v, simulated %+v, foretold %+v\n", processes, c.Measured, c.Simulated, c.Foretold)
		out.Runs = append(out.Runs, c)
	}
	// Small, so that it is the slots that bind, not the processors.
	small, err := picture(o.photos, 480, 360)
	if err != nil {
		return err
	}
	for _, slots := range []int{6, slotsOf(2), 24} {
		c := check{Processes: 1, Workers: 2, Slots: slots, Images: 4 * o.images}
		t, err := drainOnce(ctx, o, small, l.delays(), &c)
		if err != nil {
			return err
		}
		c.Simulated = drainSimulated(*t, c)
		fmt.Printf("%d slots, with AWS's latencies: measured %+v, simulated %+v\n", slots, c.Measured, c.Simulated)
		out.Slots = append(out.Slots, c)
	}
	return save(o.validated, out)
}

// delays are AWS's round trips by the kind of call.
func (l lags) delays() map[string]dist {
	ms := func(d struct{ P50, P99 float64 }) dist { return logNormal(d.P50/1000, d.P99/1000) }
	return map[string]dist{
		"s3 GET results manifest": ms(l.S3GetMissing), "s3 GET uploads object": ms(l.S3GetFirstByte),
		"s3 PUT results object": ms(l.S3Put), "s3 PUT results manifest": ms(l.S3Put), "sns Publish": ms(l.SNSPublish),
		"sqs ReceiveMessage": ms(l.SQSReceive), "sqs DeleteMessageBatch": ms(l.SQSReceive),
	}
}

// drainOnce measures one drain, and the service times in it.
func drainOnce(ctx context.Context, o options, body []byte, delays map[string]dist, c *check) (*times, error) {
	r, err := newRig(ctx, o, delays)
	if r != nil {
		defer r.close()
	}
	if err != nil {
		return nil, err
	}
	// All at work before the backlog is, then held until it is whole: none has a lead.
	var addrs []string
	var apps []*exec.Cmd
	for range c.Processes {
		cmd, addr, err := r.app(c.Workers, c.Slots)
		if err != nil {
			return nil, err
		}
		addrs, apps = append(addrs, addr), append(apps, cmd)
	}
	const first = 8
	if err := r.put(ctx, "first", body, first); err != nil {
		return nil, err
	}
	if err := finished(ctx, addrs, first); err != nil {
		return nil, err
	}
	if err := hold(apps); err != nil {
		return nil, err
	}
	if err := r.put(ctx, "backlog", body, c.Images); err != nil {
		return nil, err
	}
	r.proxy.take()
	if err := release(apps); err != nil {
		return nil, err
	}
	if err := finished(ctx, addrs, first+c.Images); err != nil {
		return nil, err
	}
	_, call := r.proxy.take()
	done, err := r.results(ctx, "backlog")
	if err != nil {
		return nil, err
	}
	began := slices.MinFunc(done, func(a, b result) int { return a.Timings.Started.Compare(b.Timings.Started) }).Timings.Started
	var waits, fetch, core, store []float64
	for _, d := range done {
		waits = append(waits, d.Timings.Finished.Sub(began).Seconds())
		fetch, core, store = append(fetch, d.Timings.FetchMS/1000), append(core, d.Timings.ProcessMS/1000), append(store, d.Timings.StoreMS/1000)
	}
	c.Measured = drain{round(percentile(waits, 1), 2), round(percentile(waits, 0.5), 2), round(percentile(waits, 0.99), 2)}
	t := &times{
		event: fixed(0), receive: fixed(call["sqs ReceiveMessage"] / 1000), look: fixed(call["s3 GET results manifest"] / 1000),
		fetch: drawn(fetch), core: drawn(core), store: drawn(store), finish: fixed((call["s3 PUT results manifest"] + call["sns Publish"]) / 1000),
	}
	if delays != nil { // not the median of these: they scatter
		t.receive, t.look = delays["sqs ReceiveMessage"], delays["s3 GET results manifest"]
		t.finish = func(r *rnd) float64 { return delays["s3 PUT results manifest"](r) + delays["sns Publish"](r) }
	}
	return t, nil
}

// drainSimulated is the same backlog, in the simulation; the median of some runs.
func drainSimulated(t times, c check) drain {
	var ends, p50, p99 []float64
	for seed := range uint64(15) {
		o := simulate(plan{times: t, hosts: c.Processes, workers: c.Workers, slots: c.Slots, backlog: c.Images, seed: seed})
		ends, p50, p99 = append(ends, o.End), append(p50, percentile(o.Latencies, 0.5)), append(p99, percentile(o.Latencies, 0.99))
	}
	return drain{round(median(ends), 2), round(median(p50), 2), round(median(p99), 2)}
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}
