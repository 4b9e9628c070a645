package console

import (
	"fmt"
	"strings"

	"github.com/tintype/tintype/internal/localaws/sqs"
)

// The size of a sparkline in its own units: one across for each second.
const (
	sparkWidth  = sqs.TrafficSeconds - 1
	sparkHeight = 16
)

// recent is how many seconds a rate is the mean of: enough to be steady, few enough to
// be of now.
const recent = 10

// spark is a queue's traffic of the last minute as a drawing: what came in as an area,
// what went out as a line.
type spark struct {
	In, Out   string // SVG path data; empty: nothing happened
	InRate    string // messages per second
	OutRate   string
	Idle      bool // nothing came in or went out in the last minute
	Peak      int64
	Width     int
	Height    int
	HalfWidth int
}

func newSpark(q sqs.QueueView) spark {
	s := spark{Width: sparkWidth, Height: sparkHeight, HalfWidth: sparkWidth / 2, InRate: rate(q.In.PerSecond), OutRate: rate(q.Out.PerSecond)}
	for i := range q.In.PerSecond {
		s.Peak = max(s.Peak, q.In.PerSecond[i], q.Out.PerSecond[i])
	}
	if s.Idle = s.Peak == 0; s.Idle {
		return s
	}
	line := func(v []int64) string {
		var b strings.Builder
		last := -1.0
		for i, n := range v {
			y := sparkHeight * (1 - float64(n)/float64(s.Peak))
			// What stays level needs no point of its own, but where it ends.
			if y == last && i+1 < len(v) && v[i+1] == n {
				continue
			}
			last = y
			if b.Len() > 0 {
				b.WriteByte('L')
			}
			fmt.Fprintf(&b, "%d %.1f", i, y)
		}
		return b.String()
	}
	s.In = fmt.Sprintf("M0 %dL%sL%d %dZ", sparkHeight, line(q.In.PerSecond), sparkWidth, sparkHeight)
	s.Out = "M" + line(q.Out.PerSecond)
	return s
}

// rate is the mean of the last seconds, per second.
func rate(perSecond []int64) string {
	var sum int64
	last := perSecond[max(0, len(perSecond)-recent):]
	for _, n := range last {
		sum += n
	}
	switch r := float64(sum) / recent; {
	case sum == 0:
		return "0"
	case r < 10:
		return fmt.Sprintf("%.1f", r)
	default:
		return count(int64(r + 0.5))
	}
}
