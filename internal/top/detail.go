package top

import (
	"fmt"
	"strings"
	"time"

	"github.com/tintype/tintype/internal/presence"
)

// fields lays out names and values; long values go on below themselves.
type fields struct {
	width int
	lines []string
}

func (f *fields) add(name, value string) {
	if value == "" {
		return
	}
	for n, l := range wrap(value, f.width-12) {
		if n > 0 {
			name = ""
		}
		f.lines = append(f.lines, fit(name, 12)+l)
	}
}

func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05.000Z")
}

// detail shows all that is known of what is selected.
func (m *model) detail(l look) []string {
	f := &fields{width: l.width}
	if id, ok := strings.CutPrefix(m.selected, "image "); ok {
		for _, i := range m.images {
			if i.ID == id {
				f.image(i)
				return f.lines
			}
		}
	}
	if id, ok := strings.CutPrefix(m.selected, "app "); ok {
		for _, a := range m.snap.Apps {
			if a.ID == id {
				f.app(a)
				return f.lines
			}
		}
	}
	return []string{"It is no longer among those shown."}
}

func (f *fields) image(i Image) {
	f.add("image", i.ID)
	f.add("key", i.Key)
	f.add("status", i.Status)
	f.add("error", i.Code)
	f.add("", i.Message)
	f.add("", i.Hint)
	f.add("recipe", i.Recipe)
	f.add("size", bytesOf(i.Bytes))
	if i.Attempts > 0 {
		f.add("attempts", fmt.Sprint(i.Attempts))
	}
	f.add("in work at", i.App)
	f.add("uploaded", instant(i.Uploaded))
	f.add("finished", instant(i.Finished))
	if !i.Finished.IsZero() {
		f.add("took", fmt.Sprintf("%s: wait %s, fetch %s, process %s, store %s", spanMS(&i.TotalMS), spanMS(&i.WaitMS), spanMS(&i.FetchMS), spanMS(&i.WorkMS), spanMS(&i.StoreMS)))
	}
	for _, o := range i.Outputs {
		f.add("output", o)
	}
}

func (f *fields) app(a presence.Seen) {
	state, _ := stateOf(a)
	f.add("process", a.ID)
	f.add("host", fmt.Sprintf("%s, pid %d", a.Host, a.PID))
	f.add("program", a.Program)
	f.add("state", state)
	f.add("", a.Reason)
	f.add("started", instant(a.Started))
	f.add("heard of", fmt.Sprintf("%s, every %s", instant(a.Seen), span(a.Interval)))
	f.add("workers", fmt.Sprintf("%d, and %d slots for messages; %d messages held", a.Workers, a.Slots, a.Held))
	f.add("oldest", spanPtr(a.OldestAge))
	f.add("images", fmt.Sprintf("%d done, %d failed since its start; %.1f messages received per minute", a.Done, a.Failed, a.ReceivedPerMinute))
	for _, w := range a.InWork {
		f.add("in work", fmt.Sprintf("%s for %s, attempt %d: %s", w.ID, spanOf(a.Seen.Sub(w.Since)), w.Attempt, w.Key))
	}
}

// letters shows dead letters as they were when d was pressed.
func (m *model) letters(l look) []string {
	switch {
	case m.lettersErr != nil:
		return wrap("The dead letters cannot be seen: "+m.lettersErr.Error(), l.width)
	case m.dead == nil:
		return []string{"asking for the dead letters…"}
	case len(m.dead.Letters) == 0 && m.dead.Elsewhere == 0:
		return []string{"There is no dead letter."}
	}
	f := &fields{width: l.width}
	f.lines = append(wrap(fmt.Sprintf("%d of about %d dead letters; `tintype dlq` sends them back and drops them.", len(m.dead.Letters), m.dead.Total), l.width), "")
	for _, d := range m.dead.Letters {
		f.add("message", fmt.Sprintf("%s, sent %s, %d receives", d.MessageID, instant(d.SentAt), d.Receives))
		for _, i := range d.Images {
			f.add("  image", i.Key)
		}
		f.add("  cause", d.Cause.Code+": "+d.Cause.Message)
		f.add("", d.Cause.Hint)
	}
	if m.dead.Elsewhere > 0 {
		f.lines = append(f.lines, fmt.Sprintf("About %d more cannot be seen: somebody else looks at them just now.", m.dead.Elsewhere))
	}
	return f.lines
}

const help = `q         quit; so does Ctrl-C
p         pause, and go on
s         sort images otherwise: newest, status, slowest, key
up, down  choose an app process or an image; also j, k, PgUp, PgDn, Home, End
enter     all that is known of it
d         dead letters, and why they are; a look counts as a receive of each
r         look now
?         this
esc       back

queue     SQS's own figures, which it calls approximate; the age of the oldest
          message is what app processes say of what they received last
workers   of all app processes that live and take work
images    per minute, and upload to result: over the last minute
gone      an app process that has not been heard of for three of its intervals
#         attempts, where there was more than one`

func bytesOf(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1_000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	default:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
}
