package main

import (
	"fmt"
	"os"
	"text/tabwriter"
)

// result is a program's median, or why it has none.
type result struct {
	program
	sample
	err error
}

// measure lets the programs take turns.
func measure(t tools, s scene, rounds, images int) []result {
	list := t.programs(s, images)
	all := make([][]sample, len(list))
	results := make([]result, len(list))
	for range rounds {
		for i, p := range list {
			one, err := p.run()
			if err != nil {
				results[i].err = err
				continue
			}
			all[i] = append(all[i], one)
		}
	}
	for i, p := range list {
		results[i].program = p
		if results[i].err == nil {
			results[i].sample = median(all[i])
		}
	}
	return results
}

// report prints a scene's figures, and its goals.
func report(s scene, results []result) error {
	figure := func(r sample) float64 {
		if s.wall {
			return r.Wall
		}
		return r.CPU
	}
	best := make(map[string]result) // of each group
	for _, r := range results {
		if b, ok := best[r.group]; r.err == nil && (!ok || figure(r.sample) < figure(b.sample)) {
			best[r.group] = r
		}
	}
	fused, ok := best["fused"]
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "program\tCPU ms\twall ms\tpeak MB\tfused is")
	for _, r := range results {
		if r.err != nil {
			fmt.Fprintf(w, "%s\t%v\n", r.name, r.err)
			continue
		}
		fmt.Fprintf(w, "%s\t%.0f\t%.0f\t%.0f\t%.2f\n", r.name, r.CPU, r.Wall, r.Peak, figure(fused.sample)/figure(r.sample))
	}
	if err := w.Flush(); err != nil || !ok {
		return err
	}
	for _, g := range s.goals {
		other, ok := best[g.to]
		if !ok {
			continue
		}
		ratio, what := figure(fused.sample)/figure(other.sample), ""
		if g.peak {
			ratio, what = fused.Peak/other.Peak, " in peak memory"
		}
		verdict := "reached"
		if ratio > g.most {
			verdict = "missed"
		}
		fmt.Printf("against %s%s: %.2f, goal ≤ %g: %s\n", other.name, what, ratio, g.most, verdict)
	}
	return nil
}
