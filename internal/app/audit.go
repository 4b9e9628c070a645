package app

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tintype/tintype/internal/audit"
	"github.com/tintype/tintype/internal/config"
)

// shownFindings is how many findings of a kind people are shown unless they ask for all.
const shownFindings = 20

// AuditOptions are what Audit looks at.
type AuditOptions struct {
	Prefix, Since string // narrow it; Since is a time (RFC 3339, or a day) or an age such as 24h
	Deep          bool   // compare the outputs' bytes
	Peek          bool   // look into the work queue
	NoPeek        bool   // leave the dead-letter queue alone
	AllFindings   bool   // print all, not the first of a kind
	Grace, Settle time.Duration
	Concurrency   int

	Sweep     bool // remove leftovers
	OlderThan time.Duration
	Yes       bool // without asking
}

// Audit holds the buckets and queues to what Tintype promises. ErrReported means that a
// promise is broken.
func Audit(ctx context.Context, cfg config.Config, out IO, o AuditOptions) error {
	since, err := sinceWhen(o.Since, time.Now())
	if err != nil {
		return err
	}
	s, err := openSurvey(ctx, cfg, out)
	if err != nil {
		return err
	}
	show := &findings{out: out, all: o.AllFindings, shown: map[audit.Code]int{}}
	opts := audit.Options{
		Store: s.d.store, Recipes: s.book, Queue: s.counts, Program: Program(),
		Prefix: o.Prefix, Since: since, Deep: o.Deep, Leftovers: o.Sweep, Grace: o.Grace, Settle: o.Settle, Concurrency: o.Concurrency, Found: show.found,
	}
	if !o.NoPeek && s.res.DeadLetterQueueURL != "" {
		opts.DeadLetters = s.letters(s.res.DeadLetterQueueURL, 0)
	}
	if o.Peek {
		opts.Messages = s.letters(s.res.QueueURL, maxPeek)
	}
	x, err := audit.New(opts)
	if err != nil {
		return err
	}
	defer x.Close()
	began := time.Now()
	p := s.progress(ctx, out, o.Prefix, "images", func() int64 { _, _, judged := x.Progress(); return judged })
	show.above = p
	report, err := x.Run(ctx)
	p.end()
	if err != nil {
		return err
	}
	if err := s.print(out, report, time.Since(began)); err != nil {
		return err
	}
	if o.Sweep {
		if err := sweep(ctx, out, x, o); err != nil {
			return err
		}
	}
	if report.Violations > 0 {
		return ErrReported
	}
	return nil
}

// sinceWhen reads a time, a day, or an age.
func sinceWhen(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, &BadSetting{fmt.Errorf("--since cannot be %q: an age such as 24h, a day such as 2026-11-25, or a time such as 2026-11-25T06:00:00Z", text)}
}

// findings prints findings as they come, bounded.
type findings struct {
	out   IO
	all   bool
	above *progress // is moved out of the way
	shown map[audit.Code]int
}

func (f *findings) found(x audit.Finding) {
	if f.out.JSON {
		_ = json.NewEncoder(f.out.Out).Encode(x) // a closed standard output cannot be told
		return
	}
	f.shown[x.Code]++
	if n := f.shown[x.Code]; n > shownFindings && !f.all {
		if n == shownFindings+1 {
			f.above.print(f.out.Out, fmt.Sprintf("%-9s  %s: more of them follow; --all-violations shows all\n", x.Severity, x.Code))
		}
		return
	}
	name := quoteName(x.Key)
	if x.Key == "" {
		name = x.ID
	}
	if name != "" {
		name += ": "
	}
	text := fmt.Sprintf("%-9s  %s: %s%s\n", x.Severity, x.Code, name, x.Detail)
	if x.Object != "" {
		text += fmt.Sprintf("           %s\n", quoteName(x.Object))
	}
	if x.Hint != "" {
		text += fmt.Sprintf("           %s\n", x.Hint)
	}
	f.above.print(f.out.Out, text)
}

// print prints the report.
func (s *survey) print(out IO, r *audit.Report, took time.Duration) error {
	if out.JSON {
		counts, cost := s.asks.snapshot()
		return json.NewEncoder(out.Out).Encode(map[string]any{"summary": struct {
			*audit.Report
			Requests map[string]int64 `json:"requests"`
			CostUSD  float64          `json:"costUsd"` // on AWS, at list prices
			Seconds  float64          `json:"seconds"`
		}{r, counts, cost, took.Seconds()}})
	}
	tw := tabwriter.NewWriter(out.Out, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(n int64, what, note string) {
		if n > 0 {
			fmt.Fprintf(tw, "%d\t  %s%s\n", n, what, note)
		}
	}
	i := r.Images
	fmt.Fprintf(tw, "%d\t  images in s3://%s\n", i.Total, s.d.spec.UploadsBucket)
	row(i.Done, "done", "")
	row(i.Failed, "failed", codesOf(i.Failures))
	row(i.Queued, "queued", "")
	row(i.DeadLettered, "in the dead-letter queue", "")
	row(i.Ignored, "ignored by a rule", "")
	row(i.Shadowed, "in the shadow of a later file with the same id", "")
	row(i.Moving, "moving: they changed while they were looked at", "")
	row(i.Unknown, "unknown: they may be among dead letters that were not looked at", "")
	row(i.Lost, "LOST", "")
	res := r.Results
	row(res.Manifests, "manifests", "")
	row(res.Outputs, "outputs", ", "+byteSize(res.OutputBytes))
	row(res.SourceGone, "results of originals that were deleted before they were processed", "")
	row(res.Leftovers, "outputs that no manifest names", ", "+byteSize(res.LeftoverBytes)+": --sweep removes them")
	row(res.Own, "records of our own", "")
	row(res.Foreign, "objects among the results that are not ours", "")
	row(r.OtherRecipe, "results of another recipe than today's", ": `tintype backfill` makes them again")
	row(r.OtherProgram, "results of another version of the program", ": `tintype backfill --program` makes them again")
	q := r.Queue
	fmt.Fprintf(tw, "%d\t  messages in the queue, %d of them in work; %d dead letters\n", q.Pending(), q.InFlight, q.DeadLetters)
	if err := tw.Flush(); err != nil {
		return err
	}
	verdict := "Nothing is wrong."
	if r.Violations > 0 {
		verdict = fmt.Sprintf("VIOLATIONS: %d.", r.Violations)
	}
	if r.Warnings > 0 {
		verdict += fmt.Sprintf(" Warnings: %d.", r.Warnings)
	}
	_, err := fmt.Fprintf(out.Out, "%s %s in %v.\n", verdict, s.asks, took.Round(10*time.Millisecond))
	return err
}

func codesOf(failures map[string]int64) string {
	var parts []string
	for _, code := range slices.Sorted(maps.Keys(failures)) {
		parts = append(parts, fmt.Sprintf("%s %d", code, failures[code]))
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}

// sweep removes leftovers, once somebody has agreed.
func sweep(ctx context.Context, out IO, x *audit.Auditor, o AuditOptions) error {
	before := time.Now().Add(-o.OlderThan)
	n, bytes, err := x.Sweepable(before)
	if err != nil {
		return err
	}
	if n == 0 {
		if !out.JSON {
			fmt.Fprintf(out.Out, "No leftover is older than %v.\n", o.OlderThan)
		}
		return nil
	}
	if !o.Yes {
		if err := confirm(ctx, out, fmt.Sprintf("%d leftovers older than %v, %s, go for good", n, o.OlderThan, byteSize(bytes)), "sweep"); err != nil {
			return err
		}
	}
	done, err := x.Sweep(ctx, before)
	if err != nil {
		return fmt.Errorf("%d leftovers are removed, then: %w", done.Removed, err)
	}
	if out.JSON {
		return json.NewEncoder(out.Out).Encode(map[string]any{"swept": done})
	}
	_, err = fmt.Fprintf(out.Out, "%d leftovers are removed, %s; %d are younger, %d came to be of use.\n", done.Removed, byteSize(done.Bytes), done.Younger, done.Named)
	return err
}
