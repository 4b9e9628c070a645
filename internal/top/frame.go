package top

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/tintype/tintype/internal/presence"
)

// style is how a piece of text is shown where the terminal has colours.
type style string

const (
	plain   style = ""
	dim     style = "2"
	bold    style = "1"
	red     style = "31;1"
	yellow  style = "33"
	green   style = "32"
	reverse style = "7"
)

// look is what the terminal can do.
type look struct {
	width, height int
	attributes    bool // bold and reverse may be used
	colours       bool
	ascii         bool // nothing beyond ASCII is drawn by us
}

// paint styles text that is harmless already.
func (l look) paint(st style, text string) string {
	colour := st == red || st == yellow || st == green
	if st == plain || !l.attributes || colour && !l.colours {
		return text
	}
	return "\x1b[" + string(st) + "m" + text + "\x1b[0m"
}

func (l look) marks() []rune {
	if l.ascii {
		return asciiBlocks
	}
	return blocks
}

// row is one line of the lists, of an app process or an image.
type row struct {
	id   string // what is selected, from frame to frame
	text string
	st   style
}

// head are the lines above the lists.
func (m *model) head(l look) []string {
	out := []string{m.title(l)}
	if m.err != nil {
		out = append(out, l.paint(red, fit(fmt.Sprintf("no answer for %s: %v", spanOf(m.now().Sub(m.failing)), m.err), l.width)))
	}
	if !m.known {
		return out
	}
	s := m.snap
	if q := s.Queue; q != nil {
		dead := plain
		if q.DeadLetters > 0 {
			dead = red
		}
		out = append(out, l.join(
			part{bold, "queue    "}, part{plain, fmt.Sprintf("%d waiting   %d in flight   %d delayed   oldest %s", q.Waiting, q.InFlight, q.Delayed, spanPtr(q.OldestAge))},
			part{dead, fmt.Sprintf("   dead letters %d", q.DeadLetters)}))
		workers := "-"
		if q.Workers != nil {
			workers = fmt.Sprint(*q.Workers)
		}
		none := plain
		if q.Workers != nil && *q.Workers == 0 {
			none = red
		}
		out = append(out, l.join(part{bold, "workers  "}, part{none, workers}, part{plain, fmt.Sprintf("   %s messages wait for each", number(q.PerWorker))}))
	} else {
		out = append(out, l.join(part{bold, "queue    "}, part{yellow, "this web tier was told of none"}))
	}
	failed := plain
	if s.FailedPerMinute != nil && *s.FailedPerMinute > 0 {
		failed = yellow
	}
	out = append(out, l.join(part{bold, "images   "}, part{plain, number(s.DonePerMinute) + " done/min"}, part{failed, "   " + number(s.FailedPerMinute) + " failed/min"},
		part{plain, fmt.Sprintf("   latency p50 %s   p99 %s", spanMS(s.P50), spanMS(s.P99))}))
	if s.Live != nil && !*s.Live {
		out = append(out, l.paint(red, fit("the web tier cannot hear of completions just now", l.width)))
	}
	return append(out, m.curves(l)...)
}

// curves draws the last minutes, where there is room for that.
func (m *model) curves(l look) []string {
	if l.height > 0 && l.height < 16 {
		return nil
	}
	var waiting, rate, p99 []float64
	for _, p := range m.points {
		waiting = append(waiting, float64(p.Waiting))
		sum := -1.0
		if p.Done != nil {
			sum = *p.Done
			if p.Failed != nil {
				sum += *p.Failed
			}
		}
		rate = append(rate, sum)
		late := -1.0
		if p.P99 != nil {
			late = float64(*p.P99)
		}
		p99 = append(p99, late)
	}
	var out []string
	width := max(l.width-24, 8)
	for _, c := range []struct {
		name   string
		values []float64
		show   func(float64) string
	}{
		{"waiting", waiting, func(v float64) string { return fmt.Sprintf("%.0f", v) }},
		{"per min", rate, func(v float64) string { return fmt.Sprintf("%.0f", v) }},
		{"p99", p99, func(v float64) string { return span(v / 1000) }},
	} {
		most := 0.0
		for _, v := range c.values[max(len(c.values)-width, 0):] {
			most = max(most, v)
		}
		out = append(out, l.join(part{dim, fit(c.name, 9)}, part{green, curve(c.values, width, l.marks())}, part{dim, "  most " + fit(c.show(most), 8)}))
	}
	return out
}

func (m *model) title(l look) string {
	state := "asking"
	st := plain
	switch {
	case m.paused:
		state, st = "paused", yellow
	case m.err != nil:
		state, st = "away", red
	case m.known:
		state, st = m.snap.Time.UTC().Format("15:04:05Z"), green
	}
	room := max(l.width-len("tintype top  ")-len(state)-2, 0)
	return l.join(part{bold, "tintype top  "}, part{plain, fit(m.source.Name(), room) + "  "}, part{st, state})
}

// part is a piece of a line.
type part struct {
	st   style
	text string
}

// join makes a line of parts, cut at the terminal's width.
func (l look) join(parts ...part) string {
	var b strings.Builder
	room := l.width
	for _, p := range parts {
		text := ansi.Truncate(p.text, room, "")
		room -= ansi.StringWidth(text)
		b.WriteString(l.paint(p.st, text))
	}
	return b.String()
}

// appColumns and imageColumns name the columns of the two lists.
func appColumns(width int) string {
	return "  " + fit("HOST", hostWidth(width)) + " " + fit("PID", -7) + " " + fit("STATE", 9) + " " + fit("WORK/SLOTS", -10) + " " + fit("DONE", -8) + " " +
		fit("FAILED", -7) + " " + fit("RECV/MIN", -8) + " " + fit("IN WORK", inWorkWidth(width))
}

func hostWidth(width int) int   { return min(max(width/6, 10), 24) }
func inWorkWidth(width int) int { return max(width-2-hostWidth(width)-1-7-1-9-1-10-1-8-1-7-1-8-1, 0) }

func stateOf(a presence.Seen) (string, style) {
	switch {
	case a.Stale:
		return "gone", red
	case a.Draining:
		return "draining", yellow
	case !a.Ready:
		return "not ready", red
	}
	return "ready", green
}

func (m *model) appRows(width int) []row {
	rows := make([]row, 0, len(m.snap.Apps))
	for _, a := range m.snap.Apps {
		state, st := stateOf(a)
		if st == green {
			st = plain
		}
		what := a.Reason
		if len(a.InWork) > 0 {
			oldest := a.InWork[0]
			for _, w := range a.InWork {
				if w.Since.Before(oldest.Since) {
					oldest = w
				}
			}
			what = spanOf(a.Seen.Sub(oldest.Since)) + " " + oldest.Key
		}
		text := fit(a.Host, hostWidth(width)) + " " + fit(fmt.Sprint(a.PID), -7) + " " + fit(state, 9) + " " + fit(fmt.Sprintf("%d/%d", len(a.InWork), a.Slots), -10) + " " +
			fit(fmt.Sprint(a.Done), -8) + " " + fit(fmt.Sprint(a.Failed), -7) + " " + fit(fmt.Sprintf("%.0f", a.ReceivedPerMinute), -8) + " " + fit(what, inWorkWidth(width))
		rows = append(rows, row{"app " + a.ID, text, st})
	}
	return rows
}

const imageFixed = 2 + 9 + 11 + 9 + 3 // mark, time, status, took, tries

func imageColumns(width int) string {
	key, code := imageWidths(width)
	return "  " + fit("TIME", 9) + fit("STATUS", 11) + fit("TOOK", -8) + " " + fit("#", 3) + fit("KEY", key) + " " + fit("CODE", code)
}

func imageWidths(width int) (key, code int) {
	code = min(max((width-imageFixed)/3, 8), 28)
	return max(width-imageFixed-code-1, 0), code
}

func (m *model) imageRows(width int) []row {
	key, code := imageWidths(width)
	rows := make([]row, 0, len(m.images))
	for _, i := range m.images {
		st := plain
		took := "-"
		switch i.Status {
		case "failed":
			st = red
		case "processing":
			st = yellow
		}
		if !i.Finished.IsZero() {
			took = spanOf(time.Duration(min(i.TotalMS, 1<<40)) * time.Millisecond)
		}
		tries := ""
		if i.Attempts > 1 {
			tries = fmt.Sprint(i.Attempts)
		}
		text := fit(clock(i.at()), 9) + fit(i.Status, 11) + fit(took, -8) + " " + fit(tries, 3) + fit(i.Key, key) + " " + fit(i.Code, code)
		rows = append(rows, row{"image " + i.ID, text, st})
	}
	return rows
}

// draw shows rows with the selected one in sight, in at most height lines.
func (m *model) draw(l look, rows []row, height int) []string {
	at := 0
	for i, r := range rows {
		if r.id == m.selected {
			at = i
		}
	}
	from := max(0, min(at-height/2, len(rows)-height))
	var out []string
	for _, r := range rows[from:min(from+height, len(rows))] {
		mark, st := "  ", r.st
		if r.id == m.selected {
			mark, st = "> ", reverse
		}
		out = append(out, l.paint(st, ansi.Truncate(mark+r.text, l.width, "")))
	}
	return out
}

// overview is the main screen. A height of 0 is as much as there is.
func (m *model) overview(l look) []string {
	out := m.head(l)
	apps, images := m.appRows(l.width), m.imageRows(l.width)
	forApps, forImages := len(apps), len(images)
	if l.height > 0 {
		room := max(l.height-len(out)-3, 0) // two headings and the keys
		forApps = min(len(apps), max(room/3, room-len(images)))
		forImages = max(room-forApps, 0)
	}
	if m.known {
		title := appColumns(l.width)
		if m.snap.Apps == nil {
			title = "  app processes: nobody knows of them here"
		} else if len(apps) == 0 {
			title = "  app processes: none"
		}
		out = append(out, l.paint(bold, ansi.Truncate(title, l.width, "")))
		out = append(out, m.draw(l, apps, forApps)...)
		out = append(out, l.paint(bold, ansi.Truncate(imageColumns(l.width), l.width, "")))
		out = append(out, m.draw(l, images, forImages)...)
	}
	return out
}
