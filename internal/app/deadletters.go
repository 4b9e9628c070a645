package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tintype/tintype/internal/attempt"
	"github.com/tintype/tintype/internal/config"
	"github.com/tintype/tintype/internal/deadletter"
)

// DeadLetterList prints up to limit dead letters, all where it is 0, newest first.
func DeadLetterList(ctx context.Context, cfg config.Config, out IO, limit int) error {
	q, err := openQueues(ctx, cfg, out)
	if err != nil {
		return err
	}
	desk, err := q.desk()
	if err != nil {
		return err
	}
	list, err := desk.List(ctx, limit)
	if err != nil {
		return err
	}
	if err := printLetters(out, list, false); err != nil {
		return err
	}
	if !out.JSON && len(list.Letters) == 0 && list.Elsewhere == 0 {
		fmt.Fprintf(out.Out, "%s is empty.\n", q.d.spec.DeadLetterQueue)
	}
	return nil
}

// printLetters prints a table for people, or JSON lines. Waiting says that they are no dead
// letters yet.
func printLetters(out IO, list *deadletter.List, waiting bool) error {
	if out.JSON {
		enc := json.NewEncoder(out.Out)
		for i := range list.Letters {
			if err := enc.Encode(&list.Letters[i]); err != nil {
				return err
			}
		}
	} else if len(list.Letters) > 0 {
		tw := tabwriter.NewWriter(out.Out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(tw, "MESSAGE\tIMAGE\tSENT\tRECEIVES\tCAUSE")
		for i := range list.Letters {
			l := &list.Letters[i]
			cause := l.Cause.Code + ": " + l.Cause.Message
			if waiting && l.Cause.Code == attempt.CodeUnknown { // it has only not had its turn
				cause = "-"
			}
			fmt.Fprintf(tw, "%s\t%s\t%s\t%d\t%s\n", l.MessageID, attempt.Clean(keysOf(l), 60), moment(l.SentAt), l.Receives, attempt.Clean(cause, 120))
		}
		if err := tw.Flush(); err != nil {
			return err
		}
	}
	if n := int64(len(list.Letters)); list.Total > n && n > 0 {
		fmt.Fprintf(out.Err, "These are %d of about %d; --limit 0 shows all.\n", n, list.Total)
	}
	if list.Elsewhere > 0 {
		fmt.Fprintf(out.Err, "About %d more cannot be seen: somebody else looks at them or works on them just now. Ask again in a moment.\n", list.Elsewhere)
	}
	return nil
}

// keysOf names a letter's images in one line.
func keysOf(l *deadletter.Letter) string {
	if l.Kind == deadletter.KindJunk {
		return "(junk)"
	}
	keys := make([]string, len(l.Images))
	for i, img := range l.Images {
		keys[i] = img.Key
	}
	return strings.Join(keys, ", ")
}

// moment is an instant for people; "-" where nobody knows.
func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// DeadLetterShow prints all that is known of one dead letter.
func DeadLetterShow(ctx context.Context, cfg config.Config, out IO, id string) error {
	q, err := openQueues(ctx, cfg, out)
	if err != nil {
		return err
	}
	desk, err := q.desk()
	if err != nil {
		return err
	}
	l, list, err := desk.Find(ctx, id)
	if err != nil {
		return err
	}
	if l == nil {
		hint := "`tintype dlq list` shows those there are"
		if list.Elsewhere > 0 {
			hint = fmt.Sprintf("about %d cannot be seen, because somebody else looks at them just now: ask again in a moment", list.Elsewhere)
		}
		return refuse(hint, "there is no message %q in %s", id, q.d.spec.DeadLetterQueue)
	}
	if out.JSON {
		return json.NewEncoder(out.Out).Encode(l)
	}
	return printLetter(out.Out, l)
}

func printLetter(w io.Writer, l *deadletter.Letter) error {
	var b strings.Builder
	line := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "%-10s %s\n", what, attempt.Clean(fmt.Sprintf(format, args...), 2000))
	}
	line("message", "%s", l.MessageID)
	line("sent", "%s; received %d times as SQS counts, this look included", moment(l.SentAt), l.Receives)
	line("cause", "%s: %s", l.Cause.Code, l.Cause.Message)
	if l.Cause.Hint != "" {
		line("", "%s", l.Cause.Hint)
	}
	for _, img := range l.Images {
		line("image", "%s", img.Key)
		if img.ID == "" {
			line("", "in the bucket %s, which is not ours", img.Bucket)
		} else {
			line("", "%s, now %s", img.ID, img.Status)
		}
	}
	last := 0
	for _, a := range l.Attempts {
		for n := last + 1; n < a.Attempt && n >= a.Attempt-attempt.MaxAttempts; n++ {
			line(fmt.Sprintf("attempt %d", n), "nothing is on record: whoever had it ended without a word, or gave it back")
		}
		last = a.Attempt
		ended := "no end"
		if a.Ended != nil {
			ended = a.Ended.Sub(a.Started).Round(time.Millisecond).String()
		}
		line(fmt.Sprintf("attempt %d", a.Attempt), "%s, %s, %s pid %d, %s", moment(a.Started), ended, a.Host, a.PID, a.Program)
		if a.Key != "" && len(l.Images) > 1 {
			line("", "%s", a.Key)
		}
		line("", "%s: %s", a.Code, a.Message)
		if a.Hint != "" {
			line("", "%s", a.Hint)
		}
	}
	for name, v := range l.Attributes {
		line("attribute", "%s (%s): %s%q", name, v.Type, attempt.Clean(v.Text, 300), v.Binary)
	}
	line("body", "%d bytes", l.BodyBytes)
	b.WriteString(prettyBody(l.Body))
	if l.Hint != "" {
		line("what to do", "%s", l.Hint)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// prettyBody indents JSON, and the text within an SNS envelope too, and shows what a terminal
// would obey as escapes.
func prettyBody(body string) string {
	var b bytes.Buffer
	if json.Indent(&b, []byte(body), "  ", "  ") != nil {
		return "  " + strings.ReplaceAll(harmless(body), "\n", "\n  ") + "\n"
	}
	text := "  " + harmless(b.String()) + "\n"
	var envelope struct{ Type, Message string }
	if json.Unmarshal([]byte(body), &envelope) == nil && envelope.Type == "Notification" {
		b.Reset()
		if json.Indent(&b, []byte(envelope.Message), "  ", "  ") == nil {
			text += "within it:\n  " + harmless(b.String()) + "\n"
		}
	}
	return text
}
