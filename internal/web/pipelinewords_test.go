package web

import (
	"encoding/json"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/backlog"
	"github.com/tintype/tintype/internal/presence"
	"github.com/tintype/tintype/internal/web/webtest"
)

// The page says the same with scripts and without: figures, states and verdicts come out of
// the modules as they come out of the server.
func TestPipelineWords(t *testing.T) {
	s := newSystem(t, nil)
	b := webtest.OpenAt(t, s.url, "/pipeline", "#pipeline")
	for name, module := range map[string]string{"words": "pipeline/words.js", "state": "pipeline/state.js", "flow": "pipeline/flow.js", "apps": "pipeline/apps.js", "plot": "pipeline/plot.js"} {
		b.Import(name, module)
	}
	for _, v := range []float64{0, 0.0004, 0.0123, 0.9994, 0.9996, 1, 1.25, 3.96, 9.94, 9.96, 42.3, 99.4, 99.6, 3601, 5969, 5970, 172799, 172800, 1e7, 999, 1000, 1234567} {
		want := [3]string{timeSpan(&v), perMinute(&v), count(int64(v))}
		got := webtest.Eval[[3]string](b, fmt.Sprintf("[words.time(%v), words.rate(%v), words.count(Math.trunc(%v))]", v, v, v))
		if got != want {
			t.Errorf("%v is %q in scripts and %q here", v, got, want)
		}
	}

	now := time.Now().UTC().Truncate(time.Millisecond)
	figures := func(waiting, inFlight, delayed, dead int64, workers int) *backlog.Figures {
		return &backlog.Figures{Waiting: waiting, InFlight: inFlight, Delayed: delayed, DeadLetters: dead, Workers: &workers, OldestAge: new(12.5)}
	}
	app := func(change func(*presence.Seen)) presence.Seen {
		a := presence.Seen{App: presence.App{
			ID: "a", Host: "h", PID: 7, Program: "tintype 1", Started: now.Add(-90 * time.Minute), Seen: now.Add(-3 * time.Second), Interval: 5, Workers: 2, Slots: 1206, Held: 1, Ready: true,
			InWork: []presence.Work{}, Done: 12345, Failed: 1, ReceivedPerMinute: 3.25,
		}}
		change(&a)
		return a
	}
	fine := app(func(*presence.Seen) {})
	working := app(func(a *presence.Seen) {
		for i := range 15 {
			a.InWork = append(a.InWork, presence.Work{ID: fmt.Sprint("k-", i), Key: fmt.Sprintf("a/b/%d.png", i), Attempt: 1 + i%2, Since: now.Add(-time.Second)})
		}
	})
	stale := app(func(a *presence.Seen) { a.Stale, a.Seen = true, now.Add(-time.Hour) })
	draining := app(func(a *presence.Seen) { a.Draining = true })
	unready := app(func(a *presence.Seen) { a.Ready, a.Reason = false, "the queue is not there" })
	silent := app(func(a *presence.Seen) { a.Ready, a.Host = false, "" })
	rates := []rate{{Seconds: 30, Done: 7, Failed: 1}, {Seconds: 30, Done: 7, Failed: 1}}
	for name, doc := range map[string]pipelineDoc{
		"no queue":      {},
		"nobody looked": {Queue: figures(3, 1, 0, 0, 0)},
		"no app":        {Queue: figures(1233, 1, 1, 2, 0), Apps: []presence.Seen{}, Rates: rates},
		"one waits":     {Queue: figures(1, 0, 0, 0, 0), Apps: []presence.Seen{stale}},
		"none waits":    {Queue: figures(0, 0, 0, 0, 0), Apps: []presence.Seen{}, Live: true},
		"fine":          {Queue: figures(2, 1, 0, 0, 2), Apps: []presence.Seen{fine, stale}, Live: true, Rates: rates, Latency: latency{P50: new(int64(840)), P99: new(int64(12345)), Count: 4}},
		"working":       {Queue: figures(2, 1, 0, 1, 2), Apps: []presence.Seen{working, draining}, Live: true, Listeners: 3},
		"stopping":      {Queue: figures(5, 0, 0, 0, 0), Apps: []presence.Seen{draining, stale}},
		"not ready":     {Queue: figures(5, 0, 0, 0, 0), Apps: []presence.Seen{unready}},
		"silent":        {Queue: figures(5, 0, 0, 0, 0), Apps: []presence.Seen{silent, draining}},
	} {
		t.Run(name, func(t *testing.T) {
			doc.Time, doc.History = now, []sample{}
			if doc.Rates == nil {
				doc.Rates = []rate{{Seconds: 1}, {Seconds: 1}}
			}
			text, err := json.Marshal(doc)
			if err != nil {
				t.Fatal(err)
			}
			b.Exec("window.doc = " + string(text))
			verdict := webtest.Eval[verdictView](b, "(({ kind, title, text, command = '' }) => ({ Kind: kind, Title: title, Text: text, Command: command }))(state.verdict(doc, new state.Flow()))")
			if want := verdictOf(doc); verdict != want {
				t.Errorf("scripts say %+v, the server %+v", verdict, want)
			}
			got := webtest.Eval[map[string]string](b, "flow.figures(doc, new state.Flow())")
			if want := figuresOf(doc); !maps.Equal(got, want) {
				t.Errorf("scripts have %v, the server %v", got, want)
			}
			for i, a := range doc.Apps {
				v := newAppView(a, doc.Time)
				if got, want := webtest.Eval[[2]string](b, fmt.Sprintf("apps.stateOf(doc.apps[%d], Date.parse(doc.time))", i)), [2]string{v.State, v.Words}; got != want {
					t.Errorf("scripts call process %d %q, the server %q", i, got, want)
				}
			}
		})
	}

	// A burst, and how it is worked off: one look each other second at what waits and what is done.
	titles := webtest.Eval[[]string](b, `(() => {
		const f = new state.Flow();
		return [[0, 0], [0, 0], [400, 0], [380, 20], [340, 60], [300, 100], [100, 300], [0, 400], [0, 400], [50, 400], [50, 400], [50, 400], [50, 400]].map(([waiting, done], i) => {
			const at = 1e12 + 2000 * i;
			const d = { time: new Date(at).toISOString(), queue: { waiting, inFlight: 0, workers: 2 }, rates: [{ seconds: 60, done, failed: 0 }], live: true,
				apps: [{ ready: true, workers: 2, done, failed: 0, inWork: [], seen: new Date(at).toISOString() }] };
			f.add(d, at);
			const v = state.verdict(d, f);
			return v.title + (v.text.match(/just come in|done in .*/)?.[0] ?? '');
		});
	})()`)
	want := []string{
		"", "", "400 images to go.just come in", "380 images to go.", "Catching up: 340 images to go.done in less than a minute.", "Catching up: 300 images to go.done in less than a minute.",
		"Catching up: 100 images to go.done in less than a minute.", "", "", "50 images to go.", "50 images to go.", "50 images to go.just come in", "Nobody takes images from the queue.",
	}
	for i, got := range titles {
		if i >= len(want) || got != want[i] {
			t.Errorf("look %d: %q, want %q", i, got, want[min(i, len(want)-1)])
		}
	}

	// Lines have gaps where nothing is known, and where nobody asked for long.
	if got := webtest.Eval[[]int](b, `plot.segments([{ t: 0, v: 1 }, { t: 2000, v: 2 }, { t: 4000, v: null }, { t: 6000, v: 3 }, { t: 60000, v: 4 }], (p) => p.v, (x) => x, (y) => y).map((run) => run.length)`); fmt.Sprint(got) != "[2 1 1]" {
		t.Errorf("the line's parts have %v points", got)
	}
	if got := webtest.Eval[[]float64](b, `[0, 3, 5, 9, 99, 101, 1234].map(plot.wholeTop)`); fmt.Sprint(got) != "[4 4 8 20 100 200 2000]" {
		t.Errorf("plots of counts end at %v", got)
	}
	if got := webtest.Eval[[]string](b, `[0, 0.3, 1, 6.5, 70, 1000, 4000, 2e5, 1e6].map((x) => words.time(plot.timeTop(x)))`); fmt.Sprint(got) != "[1 s 400 ms 1 s 8 s 2 min 20 min 2 h 4 days 20 days]" {
		t.Errorf("plots of times end at %q", got)
	}
	b.CheckQuiet()
}
