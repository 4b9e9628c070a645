package main

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"time"
)

// measured is the work of one image, by size, as it was measured on one machine.
type measured struct {
	Date    string `json:"date"`
	Machine string `json:"machine"`
	Sizes   []size `json:"sizes"`
}

// size is the work of one image of a size with the default recipe.
type size struct {
	Name      string  `json:"name"`
	Images    int     `json:"images"`
	InBytes   int     `json:"inBytes"`
	OutBytes  int     `json:"outBytes"` // of all outputs together
	Outputs   int     `json:"outputs"`
	CPUMS     float64 `json:"cpuMs"`     // processor time of the app process and its child, user and system
	ComputeMS float64 `json:"computeMs"` // on the clock, of decoding to encoding
	// Calls are the app tier's requests per image, by kind. Those of receiving and deleting
	// depend on how many messages come at once; the simulation counts them itself.
	Calls map[string]float64 `json:"calls"`
}

// measure runs the program over photographs of three sizes and writes down what they took.
func measure(ctx context.Context, o options) error {
	r, err := newRig(ctx, o, nil)
	if r != nil {
		defer r.close()
	}
	if err != nil {
		return err
	}
	out := measured{Date: time.Now().UTC().Format("2006-01-02"), Machine: fmt.Sprintf("%d cores, %s/%s; one app process of one worker", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)}
	for _, s := range []struct {
		name string
		w, h int
	}{{"2 MP", 1600, 1200}, {"12 MP", 4000, 3000}, {"24 MP", 6000, 4000}} {
		body, err := picture(o.photos, s.w, s.h)
		if err != nil {
			return err
		}
		cmd, addr, err := r.app(1, slotsOf(1))
		if err != nil {
			return err
		}
		// Some first: what happens once is no part of an image's work.
		const first = 6
		if err := r.put(ctx, "first "+s.name, body, first); err != nil {
			return err
		}
		if err := finished(ctx, []string{addr}, first); err != nil {
			return err
		}
		before := cpu(cmd.Process.Pid)
		r.proxy.take()
		if err := r.put(ctx, s.name, body, o.images); err != nil {
			return err
		}
		if err := finished(ctx, []string{addr}, first+o.images); err != nil {
			return err
		}
		used := cpu(cmd.Process.Pid) - before
		calls, _ := r.proxy.take()
		stop(cmd)
		r.procs = r.procs[:len(r.procs)-1]
		done, err := r.results(ctx, s.name)
		if err != nil {
			return err
		}
		n := float64(o.images)
		m := size{Name: s.name, Images: o.images, InBytes: len(body), Outputs: len(done[0].Outputs), CPUMS: round(used*1000/n, 1), Calls: map[string]float64{}}
		for _, d := range done {
			m.ComputeMS += d.Timings.ProcessMS / n
		}
		m.ComputeMS = round(m.ComputeMS, 1)
		for _, out := range done[0].Outputs {
			m.OutBytes += int(out.Bytes)
		}
		delete(calls, "sqs GetQueueAttributes") // of our own looks at its metrics
		for kind, c := range calls {
			m.Calls[kind] = round(float64(c)/n, 2)
		}
		fmt.Printf("%s: %.1f ms of processor time, %.1f ms computing, %d kB in, %d kB out, calls %v\n", m.Name, m.CPUMS, m.ComputeMS, m.InBytes/1000, m.OutBytes/1000, m.Calls)
		out.Sizes = append(out.Sizes, m)
	}
	return save(o.measuredFile, out)
}

func round(v float64, places int) float64 {
	p := math.Pow10(places)
	return math.Round(v*p) / p
}
