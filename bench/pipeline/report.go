package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// report is all that a run has measured.
type report struct {
	Date    string      `json:"date"`
	Machine string      `json:"machine"`
	Limits  []limitRow  `json:"limits,omitempty"`
	Work    []row       `json:"work,omitempty"`
	Depth   []row       `json:"depth,omitempty"`
	Calls   []callRow   `json:"calls,omitempty"`
	Slots   []slotsRow  `json:"slots,omitempty"`
	Latency []latencies `json:"latency,omitempty"`
	Burst   []burstRow  `json:"burst,omitempty"`
	Idle    []idleRow   `json:"idle,omitempty"`
}

func (r *report) save(path string) error {
	if path == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// of picks one figure of samples.
func of(all []sample, f func(sample) float64) (v []float64) {
	for _, s := range all {
		v = append(v, f(s))
	}
	return v
}

func ownCPU(s sample) float64      { return s.CPU }
func endpointCPU(s sample) float64 { return s.Endpoint }
func allCPU(s sample) float64      { return s.CPU + s.Endpoint }
func speed(s sample) float64       { return s.Rate }
func memory(s sample) float64      { return s.Peak }

const (
	head = "| picture | program | CPU ms per image | endpoint's, ms | images per CPU second | images/s | memory, peak MB |\n|---|---|---|---|---|---|---|\n"
)

func (r *report) printWork(w io.Writer) {
	fmt.Fprint(w, "\n## One image\n\n"+head)
	for i, l := range r.Limits {
		fmt.Fprintf(w, "| %g MP | limit: imaging alone | %s | | %.1f | %s | |\n", l.Megapixels, spread(l.CPU), 1000/median(l.CPU), spread(l.Rate))
		for _, row := range r.Work {
			if row.Megapixels == r.Limits[i].Megapixels {
				fmt.Fprintf(w, "| %g MP | %s | %s | %s | %.1f | %s | %.0f |\n", row.Megapixels, row.Who, spread(of(row.Samples, ownCPU)), spread(of(row.Samples, endpointCPU)),
					1000/median(of(row.Samples, ownCPU)), spread(of(row.Samples, speed)), slices.Max(of(row.Samples, memory)))
			}
		}
	}
}

func (r *report) printDepth(w io.Writer) {
	fmt.Fprint(w, "\n## Backlogs and processes\n\n| backlog | processes | program | CPU ms per image | endpoint's, ms | images/s | memory, peak MB |\n|---|---|---|---|---|---|---|\n")
	for _, row := range r.Depth {
		fmt.Fprintf(w, "| %d | %d | %s | %s | %s | %s | %.0f |\n", row.Backlog, row.Processes, row.Who, spread(of(row.Samples, ownCPU)), spread(of(row.Samples, endpointCPU)),
			spread(of(row.Samples, speed)), slices.Max(of(row.Samples, memory)))
	}
}

func (r *report) printCalls(w io.Writer) {
	kinds := map[string]bool{}
	for _, c := range r.Calls {
		for k := range c.Calls {
			kinds[k] = true
		}
	}
	names := slices.Sorted(maps.Keys(kinds))
	fmt.Fprintf(w, "\n## Calls per image\n\n| program | images | %s |\n|---|---|%s\n", strings.Join(names, " | "), strings.Repeat("---|", len(names)))
	for _, c := range r.Calls {
		fmt.Fprintf(w, "| %s | %d |", c.Who, c.Images)
		for _, k := range names {
			fmt.Fprintf(w, " %.2f |", c.Calls[k])
		}
		fmt.Fprintln(w)
	}
}

func (r *report) printSlots(w io.Writer) {
	fmt.Fprint(w, "\n## Messages in work at once, with AWS's latencies\n\n| slots | images/s | CPU ms per image | memory, peak MB |\n|---|---|---|---|\n")
	for _, row := range r.Slots {
		fmt.Fprintf(w, "| %d | %s | %s | %.0f |\n", row.Slots, spread(of(row.Samples, speed)), spread(of(row.Samples, ownCPU)), slices.Max(of(row.Samples, memory)))
	}
}

func printLatencies(w io.Writer, title string, all []latencies) {
	fmt.Fprintf(w, "\n## %s\n\n| | p50 ms | p90 | p99 | of |\n|---|---|---|---|---|\n", title)
	for _, l := range all {
		fmt.Fprintf(w, "| %s | %.1f | %.1f | %.1f | %d |\n", l.What, median(l.MS), percentile(l.MS, 90), percentile(l.MS, 99), len(l.MS))
	}
}

func (r *report) printLatency(w io.Writer) {
	printLatencies(w, "Upload acknowledged to result seen, 1 MP", r.Latency)
}

func (r *report) printBurst(w io.Writer) {
	fmt.Fprint(w, "\n## Uploads in a burst of ten times what the app tier can do, 1 MP\n\n| recipe | uploads | p50 ms | p90 | p99 | of | acknowledged/s | endpoint, cores | generator, cores |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, b := range r.Burst {
		for _, l := range []latencies{b.Idle, b.Burst} {
			fmt.Fprintf(w, "| %s | %s | %.1f | %.1f | %.1f | %d |", b.Recipe, l.What, median(l.MS), percentile(l.MS, 90), percentile(l.MS, 99), len(l.MS))
			if l.What == b.Idle.What {
				fmt.Fprintln(w, " | | |")
			} else {
				fmt.Fprintf(w, " %.0f | %.2f | %.2f |\n", b.Taken, b.Endpoint, b.Generator)
			}
		}
	}
}

func (r *report) printIdle(w io.Writer) {
	fmt.Fprint(w, "\n## With nothing to do\n\n| tier | % of a core | resident MB | proportional MB |\n|---|---|---|---|\n")
	for _, i := range r.Idle {
		fmt.Fprintf(w, "| %s | %.2f | %.0f | %.0f |\n", i.Who, i.CPU, i.Memory, i.Pss)
	}
}

// goals holds what was measured against docs/performance.md's goals.
func (r *report) goals(w io.Writer) {
	fmt.Fprint(w, "\n## Goals\n\n| | measured | goal |\n|---|---|---|\n")
	line := func(what string, v float64, least bool, goal float64) {
		sign, missed := "≤", v > goal
		if least {
			sign, missed = "≥", v < goal
		}
		note := ""
		if missed {
			note = ": **missed**"
		}
		fmt.Fprintf(w, "| %s | %.2f | %s %g%s |\n", what, v, sign, goal, note)
	}
	for _, l := range r.Limits {
		mp := fmt.Sprintf("%g MP: ", l.Megapixels)
		own := find(r.Work, ours, l.Megapixels)
		if own == nil {
			continue
		}
		line(mp+"images per CPU second of the limit's, the endpoint's set aside", median(l.CPU)/median(of(own, ownCPU)), true, 0.9)
		line(mp+"the same with the endpoint's", median(l.CPU)/median(of(own, allCPU)), true, 0.75)
		if other := find(r.Work, node, l.Megapixels); other != nil {
			line(mp+"images per CPU second of Node's", median(of(other, ownCPU))/median(of(own, ownCPU)), true, 2.5)
		}
	}
	r.depthGoals(line)
	for _, c := range r.Calls {
		if c.Who != ours {
			continue
		}
		sum := func(prefix string) (n float64) {
			for k, v := range c.Calls {
				if strings.HasPrefix(k, prefix) {
					n += v
				}
			}
			return n
		}
		line("calls per image, SQS", sum("SQS"), false, 1)
		line("calls per image, GET and HEAD", sum("S3 GET")+sum("S3 HEAD"), false, 1)
		line("calls per image, PUT", sum("S3 PUT"), false, 4)
		line("calls per image, SNS", sum("SNS"), false, 1)
	}
	if len(r.Latency) > 1 {
		line("acknowledged to seen, idle, p50, of the coupled call's whole time", median(r.Latency[0].MS)/median(r.Latency[1].MS), false, 1.15)
	}
	for _, b := range r.Burst {
		line("recipe "+b.Recipe+": uploads in a "+b.Burst.What+", p99 of their idle p99", percentile(b.Burst.MS, 99)/percentile(b.Idle.MS, 99), false, 2)
	}
	for _, i := range r.Idle {
		if !strings.HasPrefix(i.Who, node) {
			line("idle "+i.Who+", % of a core", i.CPU, false, 1)
			line("idle "+i.Who+", MB, proportional", i.Pss, false, 60)
		}
	}
}

func find(rows []row, who string, mp float64) []sample {
	for _, r := range rows {
		if r.Who == who && r.Megapixels == mp {
			return r.Samples
		}
	}
	return nil
}

// depthGoals holds the deepest backlog against the shallowest.
func (r *report) depthGoals(line func(string, float64, bool, float64)) {
	first, last := map[int]row{}, map[int]row{}
	for _, row := range r.Depth {
		if row.Who != ours {
			continue
		}
		if f, ok := first[row.Processes]; !ok || row.Backlog < f.Backlog {
			first[row.Processes] = row
		}
		if row.Backlog > last[row.Processes].Backlog {
			last[row.Processes] = row
		}
	}
	for _, n := range slices.Sorted(maps.Keys(last)) {
		f, l := first[n], last[n]
		if f.Backlog < l.Backlog {
			line(fmt.Sprintf("%d process(es): images per CPU second, endpoint's included, with %d queued of those with %d", n, l.Backlog, f.Backlog),
				median(of(f.Samples, allCPU))/median(of(l.Samples, allCPU)), true, 0.9)
		}
	}
}

func median(v []float64) float64 { return percentile(v, 50) }

// percentile is the value that p of a hundred do not exceed; 0 of none.
func percentile(v []float64, p int) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	return s[(len(s)*p+99)/100-1]
}

// spread is a median with the least and the greatest.
func spread(v []float64) string {
	if len(v) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f (%.1f–%.1f)", median(v), slices.Min(v), slices.Max(v))
}
