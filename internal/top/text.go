package top

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/tintype/tintype/internal/attempt"
)

// longest is how much of any text is looked at: more than the widest screen shows.
const longest = 2000

// line makes text of any origin one line that a terminal only shows.
func line(s string) string { return attempt.Clean(s, longest) }

// fit makes a cell of exactly width columns of plain text: cut, or filled up with blanks.
// A width below zero aligns to the right.
func fit(s string, width int) string {
	right := width < 0
	if right {
		width = -width
	}
	s = ansi.Truncate(line(s), width, "…")
	blanks := strings.Repeat(" ", max(width-ansi.StringWidth(s), 0))
	if right {
		return blanks + s
	}
	return s + blanks
}

// wrap breaks text of any origin into lines of at most width columns.
func wrap(s string, width int) []string {
	return strings.Split(ansi.Wrap(line(s), max(width, 10), ""), "\n")
}

// span is a duration for people, in seconds.
func span(seconds float64) string {
	switch {
	case math.IsNaN(seconds) || seconds < 0:
		return "-"
	case seconds < 0.9995:
		return fmt.Sprintf("%.0f ms", seconds*1000)
	case seconds < 10:
		return fmt.Sprintf("%.1f s", seconds)
	case seconds < 120:
		return fmt.Sprintf("%.0f s", seconds)
	case seconds < 2*3600:
		return fmt.Sprintf("%.0f min", seconds/60)
	case seconds < 72*3600:
		return fmt.Sprintf("%.0f h", seconds/3600)
	default:
		return fmt.Sprintf("%.0f d", seconds/86400)
	}
}

func spanOf(d time.Duration) string { return span(max(d, 0).Seconds()) }

func spanMS(ms *int64) string {
	if ms == nil {
		return "-"
	}
	return span(float64(*ms) / 1000)
}

func spanPtr(seconds *float64) string {
	if seconds == nil {
		return "-"
	}
	return span(*seconds)
}

func number(v *float64) string {
	switch {
	case v == nil:
		return "-"
	case *v >= 99.95:
		return fmt.Sprintf("%.0f", *v)
	default:
		return fmt.Sprintf("%.1f", *v)
	}
}

// clock is an instant of today's for people; "-" where nobody knows.
func clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("15:04:05")
}

// Curves are drawn with these; where the terminal has no Unicode, with the latter.
var (
	blocks      = []rune("▁▂▃▄▅▆▇█")
	asciiBlocks = []rune("_.-:=+*#")
)

// curve draws the last width values, each against the greatest of them. What nobody knew,
// which is below zero, is left blank.
func curve(values []float64, width int, marks []rune) string {
	if len(values) > width {
		values = values[len(values)-width:]
	}
	top := 0.0
	for _, v := range values {
		top = max(top, v)
	}
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", max(width-len(values), 0)))
	for _, v := range values {
		switch {
		case v < 0 || math.IsNaN(v):
			b.WriteByte(' ')
		case v == 0 || top == 0:
			b.WriteRune(marks[0])
		default:
			b.WriteRune(marks[min(1+int(v/top*float64(len(marks)-2)+0.5), len(marks)-1)])
		}
	}
	return b.String()
}
