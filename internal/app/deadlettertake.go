package app

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/tintype/tintype/internal/attempt"
	"github.com/tintype/tintype/internal/config"
	"github.com/tintype/tintype/internal/deadletter"
	"github.com/tintype/tintype/internal/queue"
)

// TakeOptions say which dead letters are taken out of their queue, and how.
type TakeOptions struct {
	IDs    []string
	All    bool // instead of IDs
	Rate   int  // messages per second; 0: as fast as it goes
	DryRun bool // only say what would be taken
	Yes    bool // do not ask
}

// DeadLetterRedrive sends dead letters back to the queue that they came from.
func DeadLetterRedrive(ctx context.Context, cfg config.Config, out IO, o TakeOptions) error {
	q, err := openQueues(ctx, cfg, out)
	if err != nil {
		return err
	}
	desk, err := q.desk()
	if err != nil {
		return err
	}
	t := taking{q: q, out: out, o: o, verb: "sent back to " + q.d.spec.Queue, would: "would be sent back to " + q.d.spec.Queue, show: func(m queue.Letter) any {
		return struct {
			MessageID string `json:"messageId"`
			SentAs    string `json:"sentAs,omitempty"`
			DryRun    bool   `json:"dryRun,omitempty"`
		}{m.ID, m.SentAs, o.DryRun}
	}}
	return t.run(ctx, desk.Redrive)
}

// DeadLetterDrop deletes dead letters for good, and prints what they were.
func DeadLetterDrop(ctx context.Context, cfg config.Config, out IO, o TakeOptions) error {
	q, err := openQueues(ctx, cfg, out)
	if err != nil {
		return err
	}
	desk, err := q.desk()
	if err != nil {
		return err
	}
	if !o.Yes && !o.DryRun {
		what := fmt.Sprintf("%d messages of %s will be deleted for good", len(o.IDs), q.d.spec.DeadLetterQueue)
		if o.All {
			what = fmt.Sprintf("All messages of %s will be deleted for good", q.d.spec.DeadLetterQueue)
		}
		if err := confirm(ctx, out, what, "yes"); err != nil {
			return err
		}
	}
	t := taking{q: q, out: out, o: o, verb: "dropped", would: "would be dropped", show: func(m queue.Letter) any {
		return struct {
			deadletter.Letter
			DryRun bool `json:"dryRun,omitempty"`
		}{desk.Describe(m), o.DryRun}
	}, line: func(m queue.Letter) string {
		l := desk.Describe(m)
		return fmt.Sprintf("%s  %s", l.MessageID, attempt.Clean(keysOf(&l), 200))
	}}
	return t.run(ctx, desk.Drop)
}

// taking is dead letters being taken out of their queue, with somebody to watch.
type taking struct {
	q           *queues
	out         IO
	o           TakeOptions
	verb, would string                    // "sent back", "would be sent back"
	show        func(queue.Letter) any    // one message for --json
	line        func(queue.Letter) string // and for people; nil: the sum suffices
}

func (t *taking) run(ctx context.Context, take func(context.Context, queue.Selection) (queue.Taken, error)) error {
	bar := newCounter(t.out, t.q.d.spec.DeadLetterQueue)
	enc := json.NewEncoder(t.out.Out)
	var broken error // standard output
	got, err := take(ctx, queue.Selection{IDs: t.o.IDs, All: t.o.All, Rate: t.o.Rate, DryRun: t.o.DryRun, Total: bar.total, Taken: func(letters []queue.Letter) {
		for _, m := range letters {
			if t.out.JSON {
				if e := enc.Encode(t.show(m)); e != nil {
					broken = e
				}
			} else if t.line != nil {
				fmt.Fprintln(t.out.Out, t.line(m))
			}
		}
		bar.add(len(letters))
	}})
	bar.end()
	verb := t.verb
	if t.o.DryRun {
		verb = t.would
	}
	if !t.out.JSON {
		fmt.Fprintf(t.out.Out, "%s %s.\n", messages(got.Done), verb)
		if got.Later > 0 {
			fmt.Fprintf(t.out.Out, "%s came to %s since this began, and stay there.\n", messages(got.Later), t.q.d.spec.DeadLetterQueue)
		}
	}
	switch {
	case err != nil && ctx.Err() != nil:
		fmt.Fprintf(t.out.Err, "Interrupted: the other messages are where they were.\n")
		return ErrReported
	case err != nil:
		return err
	case broken != nil:
		return broken
	}
	if got.Elsewhere > 0 {
		fmt.Fprintf(t.out.Err, "About %d more could not be seen: somebody else looks at them just now.\n", got.Elsewhere)
	}
	for _, id := range got.Missing {
		if t.out.JSON {
			if err := enc.Encode(map[string]any{"messageId": id, "error": map[string]string{"code": "not_found", "message": "there is no such message"}}); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(t.out.Err, "%s: there is no such message in %s.\n", attempt.Clean(id, 100), t.q.d.spec.DeadLetterQueue)
	}
	if len(got.Missing) > 0 {
		return ErrReported
	}
	return nil
}

// messages is a count for people.
func messages(n int) string {
	if n == 1 {
		return "1 message"
	}
	return fmt.Sprintf("%d messages", n)
}
