package web

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// Figures in words, for pages without scripts; pipeline/words.js, flow.js and state.js have
// the same for those with them.

const unknown = "–"

func plain(n int) string { return strconv.Itoa(n) }

// count is a whole number in groups of three digits.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// tenth rounds to a tenth.
func tenth(x float64) string { return strconv.FormatFloat(math.Round(x*10)/10, 'f', -1, 64) }

// perMinute is a rate: to a tenth where that says something.
func perMinute(n *float64) string {
	switch {
	case n == nil:
		return unknown
	case *n > 0 && *n < 9.95:
		return tenth(*n)
	default:
		return count(int64(math.Round(*n)))
	}
}

// timeSpan is a length of time in seconds.
func timeSpan(seconds *float64) string {
	if seconds == nil {
		return unknown
	}
	whole := func(x float64, unit string) string {
		return strconv.FormatFloat(math.Round(x), 'f', 0, 64) + " " + unit
	}
	switch s := max(*seconds, 0); {
	case s == 0:
		return "0 s"
	case s < 0.9995:
		return whole(s*1000, "ms")
	case s < 9.95:
		return tenth(s) + " s"
	case s < 99.5:
		return whole(s, "s")
	case s < 5970:
		return whole(s/60, "min")
	case s < 172800:
		return whole(s/3600, "h")
	default:
		return whole(s/86400, "days")
	}
}

// processesOf is how many processes the app tier has.
func processesOf(n int) string {
	if n == 1 {
		return "1 process"
	}
	return plain(n) + " processes"
}

// many is a count with its noun.
func many(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return count(int64(n)) + " " + noun + "s"
}

// milliseconds is a duration that the figures have in milliseconds.
func milliseconds(ms *int64) string {
	if ms == nil {
		return unknown
	}
	return timeSpan(new((time.Duration(*ms) * time.Millisecond).Seconds()))
}

// figuresOf are the values of the drawings' {…}, by name.
func figuresOf(doc pipelineDoc) map[string]string {
	f := map[string]string{
		"listeners": count(int64(doc.Listeners)), "p50": milliseconds(doc.Latency.P50), "p99": milliseconds(doc.Latency.P99),
		"live": "hears of results",
		// What no single look can tell.
		"arriving": unknown,
		"waiting":  unknown, "inFlight": unknown, "oldest": unknown, "deadLetters": unknown, "workers": unknown,
		"processes": unknown + " processes", "inWork": unknown, "taken": unknown, "done": unknown, "failed": unknown,
	}
	if !doc.Live {
		f["live"] = "hears of no results"
	}
	if len(doc.Rates) > 0 && doc.Rates[0].Seconds > 0 {
		minute := doc.Rates[0]
		over := func(n int) string { return perMinute(new(float64(n) * 60 / float64(minute.Seconds))) }
		f["done"], f["failed"] = over(minute.Done), over(minute.Failed)
	}
	if q := doc.Queue; q != nil {
		f["waiting"], f["inFlight"], f["deadLetters"] = count(q.Waiting+q.Delayed), count(q.InFlight), count(q.DeadLetters)
		f["oldest"] = timeSpan(q.OldestAge)
		if q.Workers != nil {
			f["workers"] = plain(*q.Workers)
		}
	}
	if doc.Apps != nil {
		processes, inWork, taken := 0, 0, 0.0
		for _, a := range doc.Apps {
			if !a.Stale {
				processes++
				inWork += len(a.InWork)
				taken += a.ReceivedPerMinute
			}
		}
		f["processes"], f["inWork"], f["taken"] = processesOf(processes), plain(inWork), perMinute(&taken)
	}
	return f
}

// statesOf are the states of stations that are not as they should be.
func statesOf(doc pipelineDoc) map[string]string {
	states := map[string]string{}
	live, ready := tally(doc)
	switch {
	case doc.Apps != nil && live == 0:
		states["workers"] = "bad"
		if doc.Queue != nil && doc.Queue.Waiting > 0 {
			states["queue"] = "wait"
		}
	case live > 0 && ready == 0:
		states["workers"] = "wait"
	}
	if doc.Queue != nil && doc.Queue.DeadLetters > 0 {
		states["deadletters"] = "bad"
	}
	if !doc.Live {
		states["web"] = "wait"
	}
	return states
}

// tally counts the processes that are there, and those of them that take work.
func tally(doc pipelineDoc) (live, ready int) {
	for _, a := range doc.Apps {
		if !a.Stale {
			live++
			if a.Ready && !a.Draining {
				ready++
			}
		}
	}
	return live, ready
}

// verdictOf is what a single look tells of what a person must know first.
func verdictOf(doc pipelineDoc) verdictView {
	if doc.Queue == nil {
		return verdictView{Kind: "wait", Title: "The queue is not known here.", Text: "This web tier was not told of a queue: only its own figures are shown."}
	}
	left := doc.Queue.Waiting + doc.Queue.InFlight + doc.Queue.Delayed
	waiting := fmt.Sprintf("%s images wait safely in the queue", count(left))
	switch left {
	case 0:
		waiting = "No image waits yet"
	case 1:
		waiting = "1 image waits safely in the queue"
	}
	live, ready := tally(doc)
	reason, stopping := "", 0
	for _, a := range doc.Apps {
		if !a.Stale && reason == "" {
			reason = a.Reason
		}
		if !a.Stale && a.Draining {
			stopping++
		}
	}
	switch {
	case doc.Apps == nil || ready > 0:
		return verdictView{}
	case live == 0:
		return verdictView{"bad", "No app tier is at work.", waiting + "; uploads go on as ever and nothing is lost. Start an app tier, on this machine or another:", "tintype app"}
	case stopping == live:
		return verdictView{"bad", "The app tier is stopping.", "It finishes what it has begun and takes nothing new. " + waiting + ". Start another one:", "tintype app"}
	case reason != "":
		return verdictView{Kind: "bad", Title: "The app tier is not ready.", Text: waiting + ". It says: " + reason}
	default:
		return verdictView{Kind: "bad", Title: "The app tier is not ready.", Text: waiting + ". Its log says why."}
	}
}
