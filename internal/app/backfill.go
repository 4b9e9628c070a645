package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/backfill"
	"github.com/tintype/tintype/internal/config"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// shownKeys is how many keys a dry run shows of each reason.
const shownKeys = 5

// BackfillOptions are what Backfill sends, and how.
type BackfillOptions struct {
	backfill.Selection
	SinceText   string // see AuditOptions.Since
	State       string // file of how far it has come; empty: none
	After       string
	Announce    bool
	DryRun      bool
	Rate        float64
	MaxBacklog  int64
	Concurrency int
}

// Backfill sends originals through the pipeline again whose results are not current.
func Backfill(ctx context.Context, cfg config.Config, out IO, o BackfillOptions) error {
	var err error
	if o.Since, err = sinceWhen(o.SinceText, time.Now()); err != nil {
		return err
	}
	// An age is another time in each run; the days and times of a selection are the same.
	o.Since = o.Since.UTC().Truncate(time.Second)
	b := &backfilling{out: out, opts: o, shown: map[backfill.Reason][]string{}}
	if err := b.resume(cfg.Names); err != nil {
		return err
	}
	if b.survey, err = openSurvey(ctx, cfg, out); err != nil {
		return err
	}
	if known := slices.ContainsFunc(b.book.Recipes(), func(r recipe.Recipe) bool { return r.Name == o.Recipe }); !known && o.Recipe != "" {
		_, err := b.book.Resolve(o.Recipe, nil)
		return err
	}
	return b.run(ctx)
}

// backfilling is one run of the command.
type backfilling struct {
	*survey
	out   IO
	opts  BackfillOptions
	point backfill.Checkpoint
	after string // the last checkpoint
	shown map[backfill.Reason][]string
}

// resume finds out where to begin.
func (b *backfilling) resume(names config.Names) error {
	b.point = backfill.Checkpoint{
		Job: store.NewID(time.Now()), Bucket: names.Uploads(), Queue: names.Queue, Selection: b.opts.Selection, Announce: b.opts.Announce,
	}
	b.after = b.opts.After
	if b.opts.State == "" {
		return nil
	}
	before, err := backfill.ReadCheckpoint(b.opts.State)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return &BadSetting{fmt.Errorf("--state: %w", err)}
	case b.opts.After != "":
		return &BadSetting{fmt.Errorf("--state %s says where to go on: leave out --after, or remove the file", b.opts.State)}
	case isAge(b.opts.SinceText):
		// What it means was settled when the run began.
		b.opts.Since, b.point.Selection.Since = before.Selection.Since, before.Selection.Since
	}
	if !before.Same(&b.point) {
		return &BadSetting{fmt.Errorf("--state %s is of a backfill with other flags, of s3://%s into %s: repeat those to go on with it, or remove the file", b.opts.State, before.Bucket, before.Queue)}
	}
	b.point.Job, b.after = before.Job, before.Key()
	if !b.out.JSON {
		fmt.Fprintf(b.out.Out, "Going on after %s; %d were sent before.\n", shellQuote(b.after), before.Counts.Sent)
	}
	return nil
}

func isAge(text string) bool {
	_, err := time.ParseDuration(text)
	return err == nil
}

func (b *backfilling) run(ctx context.Context) error {
	if b.opts.State != "" && !b.opts.DryRun {
		// Before anything is sent: a file that cannot be written shows now.
		if err := b.point.Write(b.opts.State, b.after, backfill.Counts{}); err != nil {
			return &BadSetting{fmt.Errorf("--state: %w", err)}
		}
	}
	began := time.Now()
	at := &backfill.Progress{}
	bar := b.progress(ctx, b.out, b.opts.Prefix, "originals", at.Seen.Load)
	counts, err := backfill.Run(ctx, backfill.Options{
		Store: b.d.store, Recipes: b.book, Queue: &workQueueOf{b.survey}, Job: b.point.Job, Program: Program(), Selection: b.opts.Selection, After: b.after,
		Announce: b.opts.Announce, DryRun: b.opts.DryRun, Rate: b.opts.Rate, MaxBacklog: b.opts.MaxBacklog, Concurrency: b.opts.Concurrency,
		Chosen: b.chosen, Checkpoint: b.checkpoint,
	}, at)
	bar.end()
	if b.opts.DryRun {
		b.asks.addPipeline(counts)
	}
	if perr := b.print(counts, time.Since(began)); perr != nil && err == nil {
		err = perr
	}
	switch {
	case err != nil && ctx.Err() != nil:
		b.tellHow("Stopped.")
		return ErrReported
	case err != nil:
		b.tellHow("It could not go on.")
		return err
	case b.opts.State != "" && !b.opts.DryRun:
		return backfill.RemoveCheckpoint(b.opts.State)
	}
	return nil
}

// chosen is told of each original that was sent.
func (b *backfilling) chosen(key string, why backfill.Reason) {
	if b.out.JSON {
		// A closed standard output cannot be told.
		_ = json.NewEncoder(b.out.Out).Encode(map[string]any{"id": store.IDForKey(key), "key": key, "reason": why, "sent": !b.opts.DryRun})
	}
	if len(b.shown[why]) < shownKeys {
		b.shown[why] = append(b.shown[why], key)
	}
}

func (b *backfilling) checkpoint(after string, c backfill.Counts) error {
	b.after = after
	if b.opts.State == "" || b.opts.DryRun {
		return nil
	}
	return b.point.Write(b.opts.State, after, c)
}

// tellHow says how a run that was cut short can be gone on with.
func (b *backfilling) tellHow(what string) {
	how := "the same command begins at the front again; what is current by then is left alone"
	switch {
	case b.opts.DryRun:
		return
	case b.opts.State != "":
		how = "the same command goes on from there; " + b.opts.State + " has kept where"
	case b.after != "":
		how = "the same command with --after " + shellQuote(b.after) + " goes on from there"
	}
	fmt.Fprintf(b.out.Err, "%s To go on: %s.\n", what, how)
}

// print says what was done, or in a dry run what would be.
func (b *backfilling) print(c backfill.Counts, took time.Duration) error {
	costs, usd := b.asks.snapshot()
	if b.out.JSON {
		return json.NewEncoder(b.out.Out).Encode(map[string]any{"summary": map[string]any{
			"job": b.point.Job, "dryRun": b.opts.DryRun, "seen": c.Seen, "sent": c.Sent, "by": c.By, "after": b.after, "requests": costs, "costUsd": usd, "seconds": took.Seconds(),
		}})
	}
	verb := "sent"
	if b.opts.DryRun {
		verb = "would be sent"
	}
	tw := tabwriter.NewWriter(b.out.Out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(tw, "%d\t  originals seen\n%d\t  %s\n", c.Seen, c.Sent, verb)
	for _, r := range sending {
		if c.By[r.why] > 0 {
			fmt.Fprintf(tw, "%d\t    %s\n", c.By[r.why], r.words)
		}
		if b.opts.DryRun {
			for _, key := range b.shown[r.why] {
				fmt.Fprintf(tw, "\t        %s\n", quoteName(key))
			}
		}
	}
	fmt.Fprintf(tw, "%d\t  left alone\n", c.Seen-c.Sent)
	for _, r := range leaving {
		if c.By[r.why] > 0 {
			fmt.Fprintf(tw, "%d\t    %s\n", c.By[r.why], r.words)
		}
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	what := ""
	if b.opts.DryRun {
		what = "With the pipeline's own: "
	}
	_, err := fmt.Fprintf(b.out.Out, "%s%s, in %v.\n", what, b.asks, took.Round(10*time.Millisecond))
	return err
}

// sending and leaving are backfill's reasons in words, in the order in which they are shown.
var (
	sending = []struct {
		why   backfill.Reason
		words string
	}{
		{backfill.Missing, "without a result"}, {backfill.Damaged, "something else stands in the manifest's place"}, {backfill.Source, "written since their results"},
		{backfill.Recipe, "of another recipe than today's"}, {backfill.Asset, "a picture that the recipe uses has changed"}, {backfill.Failure, "failed"},
		{backfill.Version, "made by another version of the program"}, {backfill.Anything, "current, and asked for all the same"},
	}
	leaving = []struct {
		why   backfill.Reason
		words string
	}{
		{backfill.Current, "current"}, {backfill.Ignored, "ignored by a rule"}, {backfill.Archived, "archived: restore them first"},
		{backfill.Shadowed, "in the shadow of a later file with the same id"}, {backfill.Outside, "not among those that were asked for"},
	}
)

// addPipeline adds what the app tier and the queue will ask of AWS for what is sent: of each
// image its manifest and itself, its outputs and the new manifest, and the message's way.
func (r *requests) addPipeline(c backfill.Counts) {
	r.add("GetObject", 2*c.Sent)
	r.add("HeadObject", c.Sent)
	r.add("PutObject", c.Writes)
	r.add("SendMessageBatch", (c.Sent+9)/10)
	r.add("ReceiveMessage", c.Sent)
	r.add("DeleteMessageBatch", (c.Sent+9)/10)
}

// workQueueOf is the work queue as a backfill sees it.
type workQueueOf struct{ *survey }

func (q *workQueueOf) Pending(ctx context.Context) (int64, error) {
	waiting, inFlight, delayed, err := q.figures(ctx, q.res.QueueURL)
	return waiting + inFlight + delayed, err
}

// sendTries is how often what a batch's answer says to have failed is sent again.
const sendTries = 8

// Send sends messages, those again that the queue's answer says to have failed.
func (q *workQueueOf) Send(ctx context.Context, bodies []string) error {
	entries := make([]types.SendMessageBatchRequestEntry, len(bodies))
	for i := range bodies {
		entries[i] = types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: &bodies[i]}
	}
	for try := 1; ; try++ {
		out, err := q.d.clients.SQS.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &q.res.QueueURL, Entries: entries})
		if err != nil {
			return unavailable("send to "+q.res.QueueURL, err)
		}
		if len(out.Failed) == 0 {
			return nil
		}
		first := out.Failed[0]
		if try == sendTries {
			return unavailable("send to "+q.res.QueueURL, fmt.Errorf("%d of %d messages failed again and again: %s: %s", len(out.Failed), len(entries), aws.ToString(first.Code), aws.ToString(first.Message)))
		}
		var again []types.SendMessageBatchRequestEntry
		for _, e := range entries {
			if slices.ContainsFunc(out.Failed, func(f types.BatchResultErrorEntry) bool { return aws.ToString(f.Id) == *e.Id }) {
				again = append(again, e)
			}
		}
		entries = again
		select {
		case <-time.After(min(100*time.Millisecond<<try, 5*time.Second)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// shellQuote is a key as a POSIX shell (with bash's $'…' for what is no text) reads it.
func shellQuote(key string) string {
	if q := strconv.Quote(key); q == `"`+key+`"` && !strings.Contains(key, "'") {
		return "'" + key + "'"
	}
	var b strings.Builder
	b.WriteString("$'")
	for _, c := range []byte(key) {
		switch {
		case c == '\'' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String() + "'"
}
