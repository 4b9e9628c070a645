package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/tintype/tintype/deploy/prices"
)

// report simulates everything and prints the tables, or puts them into a document.
func report(o options) error {
	var p prices.Table
	var q quotas
	var l lags
	var m measured
	var v validated
	if err := errors.Join(loadPrices(o.prices, &p), load(o.limits, defaultLimits, &q), load(o.aws, defaultAWS, &l), load("", defaultMeasured, &m), load("", defaultValidated, &v)); err != nil {
		return err
	}
	if len(m.Sizes) < 2 {
		return errors.New("measured.json holds no sizes: run with -measure and build again")
	}
	z := m.Sizes[1]
	t := l.onAWS(z)
	var st []steady
	var days []day
	for _, c := range scenarios {
		st = append(st, runSteady(c, t))
		days = append(days, runDay(c, t, l, z.CPUMS))
	}
	tables := map[string]string{
		"work": workTable(m), "validation": validationTable(v), "slots": slotsTable(v), "hosts": hostTable(t), "steady": steadyTable(st), "day": dayTable(days),
		"money": moneyTable(p, l, z, days), "storage": storageTable(p, z), "limits": limitTable(bounds(q, l, z, t)), "sources": sourceTable(p, q, l, m),
	}
	if o.doc == "" {
		for _, name := range []string{"work", "validation", "slots", "hosts", "steady", "day", "money", "storage", "limits", "sources"} {
			fmt.Printf("%s\n\n%s\n", name, tables[name])
		}
		return nil
	}
	d := days[1]
	dir := filepath.Dir(o.doc)
	if err := errors.Join(
		os.WriteFile(filepath.Join(dir, "scale-day.svg"), []byte(plot(d.Points, 0, secondsOfDay, 3*3600, "A day at 100 images/s on average")), 0o600),
		os.WriteFile(filepath.Join(dir, "scale-spike.svg"), []byte(plot(d.Points, spikeAt-600, spikeAt+5400, 900, "The spike: ten times the load for ten minutes")), 0o600),
	); err != nil {
		return err
	}
	return fill(o.doc, tables)
}

// part is a generated part of the document.
var part = regexp.MustCompile(`(?s)(<!-- table: ([a-z]+) -->\n).*?(<!-- end -->)`)

// fill replaces the generated parts of a document.
func fill(path string, tables map[string]string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	missing := ""
	out := part.ReplaceAllStringFunc(string(b), func(s string) string {
		g := part.FindStringSubmatch(s)
		if tables[g[2]] == "" {
			missing = g[2]
		}
		return g[1] + "\n" + tables[g[2]] + "\n" + g[3]
	})
	if missing != "" {
		return fmt.Errorf("%s: there is no table %q", path, missing)
	}
	return os.WriteFile(path, []byte(out), 0o600)
}

// table writes a table of Markdown.
func table(head []string, rows ...[]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat("---|", len(head)))
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(r, " | "))
	}
	return b.String()
}

func workTable(m measured) string {
	var rows [][]string
	for _, z := range m.Sizes {
		puts, gets := 0.0, 0.0
		for k, n := range z.Calls {
			if strings.HasPrefix(k, "s3 PUT") {
				puts += n
			} else if strings.HasPrefix(k, "s3 GET") {
				gets += n
			}
		}
		rows = append(rows, []string{z.Name, num(z.CPUMS), num(float64(z.InBytes) / 1000), num(float64(z.OutBytes) / 1000), num(gets), num(puts), num(z.Calls["sns Publish"]),
			num(z.Calls["sqs ReceiveMessage"]), num(z.Calls["sqs DeleteMessageBatch"]), num(100 * z.CPUMS / 1000)})
	}
	return table([]string{"photograph", "processor ms", "in, kB", "out, kB", "S3 GET", "S3 PUT", "SNS publish", "SQS receive", "SQS delete", "vCPUs at 100 images/s, fully used"}, rows...)
}

func validationTable(v validated) string {
	var rows [][]string
	for _, c := range v.Runs {
		foretold := "–"
		if c.Foretold != nil {
			foretold = fmt.Sprintf("%.1f / %.1f", c.Foretold.Drain, c.Foretold.P50)
		}
		rows = append(rows, []string{fmt.Sprint(c.Processes), fmt.Sprint(c.Images), fmt.Sprintf("%.1f / %.1f", c.Measured.Drain, c.Measured.P50),
			fmt.Sprintf("%.1f / %.1f", c.Simulated.Drain, c.Simulated.P50), fmt.Sprintf("%+.0f %% / %+.0f %%", 100*(c.Simulated.Drain/c.Measured.Drain-1), 100*(c.Simulated.P50/c.Measured.P50-1)), foretold})
	}
	return table([]string{"processes", "images of 12 MP", "measured: drained / half done, s", "simulated", "off by", "foretold from one process"}, rows...)
}

func slotsTable(v validated) string {
	var rows [][]string
	for _, c := range v.Slots {
		m, s := float64(c.Images)/c.Measured.Drain, float64(c.Images)/c.Simulated.Drain
		rows = append(rows, []string{fmt.Sprint(c.Workers), fmt.Sprint(c.Slots), fmt.Sprint(c.Images), fmt.Sprintf("%.1f", m), fmt.Sprintf("%.1f", s), fmt.Sprintf("%+.0f %%", 100*(s/m-1))})
	}
	return table([]string{"workers", "slots", "images of 0.2 MP", "measured, images/s", "simulated", "off by"}, rows...)
}

func hostTable(t times) string {
	var rows [][]string
	for _, w := range []int{1, 2, 4, 8, 16} {
		row := []string{fmt.Sprint(w)}
		for _, slots := range []int{2*w + 2, slotsOf(w), 6*w + 4} {
			rate, busy := saturated(t, w, slots)
			row = append(row, fmt.Sprintf("%d: %.1f (%.0f %%)", slots, rate, 100*busy))
		}
		rows = append(rows, row)
	}
	return table([]string{"vCPUs and workers", "slots 2W+2", "4W+4, the default", "6W+4"}, rows...)
}

func steadyTable(all []steady) string {
	var rows [][]string
	for _, s := range all {
		rows = append(rows, []string{s.Name, fmt.Sprintf("%d × %d", s.Hosts, s.Workers), num(float64(s.VCPUs)), seconds(s.P50), seconds(s.P99), num(s.InFlight), num(s.Receives), num(s.Deletes)})
	}
	return table([]string{"load", "hosts × vCPUs", "vCPUs", "p50", "p99", "in flight", "receives per image", "deletes per image"}, rows...)
}

func dayTable(all []day) string {
	var rows [][]string
	for _, d := range all {
		rows = append(rows, []string{d.Name, num(d.Target), num(d.MinVCPUs) + "–" + num(d.MaxVCPUs), num(d.VCPUHours), fmt.Sprintf("%.0f %%", 100*d.Busy), num(d.MaxWaiting), seconds(d.MaxAge), seconds(d.Recovered), seconds(d.P50Calm), seconds(d.P99Calm), seconds(d.P99)})
	}
	return table([]string{"load, mean", "target per worker", "vCPUs", "vCPU-hours a day", "used", "deepest queue", "oldest message", "spike over after", "p50 without the spike", "p99 without", "p99 with it"}, rows...)
}

func moneyTable(p prices.Table, l lags, z size, days []day) string {
	head := []string{"a month (30 days)"}
	var rows [][]string
	for i, d := range days {
		head = append(head, d.Name+": requests", "$")
		for k, x := range month(p, l, z, d) {
			if i == 0 {
				rows = append(rows, []string{x.Service})
			}
			requests := num(x.Requests)
			if x.Requests == 0 {
				requests = ""
			}
			rows[k] = append(rows[k], requests, num(x.USD))
		}
	}
	per := []string{"per million images"}
	for _, d := range days {
		lines := month(p, l, z, d)
		per = append(per, "", fmt.Sprintf("%.2f", lines[len(lines)-1].USD/(d.Rate*secondsOfMonth)*1e6))
	}
	return table(head, append(rows, per)...)
}

func storageTable(p prices.Table, z size) string {
	var rows [][]string
	for _, c := range scenarios {
		tb, usd := storage(p, z, c.Rate)
		rows = append(rows, []string{c.Name, num(tb), num(usd)})
	}
	return table([]string{"load", "a month's originals and results, TB", "$ for each month they are kept"}, rows...)
}

func limitTable(all []bound) string {
	var rows [][]string
	for _, b := range all {
		rows = append(rows, []string{b.What, fmt.Sprintf("%.3g", b.PerImage), num(b.Limit), num(b.Binds), b.What2})
	}
	return table([]string{"limit", "asked per image", "limit", "binds at images/s", "what helps"}, rows...)
}

func sourceTable(p prices.Table, q quotas, l lags, m measured) string {
	return table([]string{"figures", "from", "of"},
		[]string{"work per image", "bench/scale/measured.json, measured", m.Date + ", " + m.Machine},
		[]string{"AWS's latencies", "bench/scale/aws.json, assumed", fmt.Sprintf("S3 PUT %.0f ms (p99 %.0f), GET %.0f ms, SQS receive %.0f ms, event to queue %.1f s", l.S3Put.P50, l.S3Put.P99, l.S3GetFirstByte.P50, l.SQSReceive.P50, l.EventDelay.P50/1000)},
		[]string{"prices", "deploy/prices/us-east-1.json, list prices of " + p.Region, p.Date + "; vCPU: " + p.VCPUHourOf},
		[]string{"limits", "bench/scale/limits.json, published", q.Date},
	)
}

// num is a number for people: three digits that count, thousands apart.
func num(v float64) string {
	switch {
	case v >= 1e9:
		return fmt.Sprintf("%.1f billion", v/1e9)
	case v >= 1e7:
		return fmt.Sprintf("%.0f million", v/1e6)
	case v >= 1e6:
		return fmt.Sprintf("%.1f million", v/1e6)
	case v >= 10:
		s := fmt.Sprintf("%.0f", v)
		if len(s) > 3 {
			s = s[:len(s)-3] + "," + s[len(s)-3:]
		}
		return s
	case v == float64(int(v)):
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2g", v)
}

func seconds(s float64) string {
	switch {
	case s >= 120:
		return fmt.Sprintf("%.0f min", s/60)
	case s >= 10:
		return fmt.Sprintf("%.0f s", s)
	}
	return fmt.Sprintf("%.2f s", s)
}
