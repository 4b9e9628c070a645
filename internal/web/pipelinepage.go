package web

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/tintype/tintype/internal/presence"
)

// pipelineView is what the page of the pipeline shows before, and without, scripts.
type pipelineView struct {
	Mode     string
	Coupled  bool
	Away     string // why there are no figures
	Updated  string
	Verdict  verdictView
	Drawings []drawing
	NoApps   bool
	Apps     []appView
	Blank    appView // the one that scripts fill
}

// verdictView is what a person must know first.
type verdictView struct {
	Kind        string // "bad": somebody has to act; "wait": it goes on by itself; "": all is well
	Title, Text string
	Command     string // what to run
}

// appView is one process of the app tier.
type appView struct {
	ID, State, Words, Host, PID, Program, Figures string
	InWork                                        []workView
	More                                          string
}

type workView struct{ ID, Name, Detail string }

// shownWork is how many images of a process are named.
const shownWork = 12

func (s *Server) handlePipelinePage(w http.ResponseWriter, r *http.Request) {
	v := pipelineView{Mode: s.o.Mode, Coupled: s.o.Mode == "coupled"}
	f := decoupledFlow(s.o.Names)
	if v.Coupled {
		f = coupledFlow(s.o.Names)
	}
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(pipelineTimeout)); err != nil {
		s.fail(w, r, err)
		return
	}
	// The page is of use even where figures are not there yet.
	ctx, cancel := context.WithTimeout(r.Context(), 3*time.Second)
	defer cancel()
	doc, err := s.pipeline(ctx)
	var figures, states map[string]string
	if err != nil {
		s.log.Warn("page shown without the pipeline's figures", "err", err)
		v.Away = "The queue service does not answer just now. There are no figures yet."
		figures = figuresOf(pipelineDoc{Time: doc.Time, Rates: doc.Rates, Listeners: doc.Listeners, Live: doc.Live})
	} else {
		v.Updated = "as of " + doc.Time.Local().Format(time.TimeOnly)
		figures = figuresOf(doc)
		if !v.Coupled {
			states, v.Verdict = statesOf(doc), verdictOf(doc)
			v.NoApps = doc.Apps != nil && len(doc.Apps) == 0
			for _, a := range doc.Apps {
				v.Apps = append(v.Apps, newAppView(a, doc.Time))
			}
		}
	}
	v.Drawings = f.draw(figures, states)
	s.writeView(w, r, http.StatusOK, view{Page: "pipeline", Title: "Pipeline", Waiting: true, Data: v})
}

// newAppView puts a process into words; pipeline/apps.js has the same.
func newAppView(a presence.Seen, now time.Time) appView {
	since := func(t time.Time) float64 { return now.Sub(t).Seconds() }
	v := appView{
		ID: a.ID, State: "ready", Words: "ready", Host: a.Host, PID: "process " + plain(a.PID),
		Program: a.Program + " · started " + timeSpan(new(since(a.Started))) + " ago",
		Figures: strings.Join([]string{
			many(a.Workers, "worker"), "holds " + count(int64(a.Held)) + " of " + count(int64(a.Slots)), count(a.Done) + " done",
			count(a.Failed) + " failed", "takes " + perMinute(new(a.ReceivedPerMinute)) + " / min",
		}, " · "),
	}
	if v.Host == "" {
		v.Host = "unknown host"
	}
	switch {
	case a.Stale:
		v.State, v.Words = "stale", "not heard of for "+timeSpan(new(since(a.Seen)))
	case a.Draining:
		v.State, v.Words = "draining", "stopping: finishes what it has begun"
	case !a.Ready && a.Reason != "":
		v.State, v.Words = "unready", "not ready: "+a.Reason
	case !a.Ready:
		v.State, v.Words = "unready", "not ready"
	case len(a.InWork) > 0:
		v.Words = "at work"
	}
	for _, w := range a.InWork[:min(len(a.InWork), shownWork)] {
		detail := timeSpan(new(since(w.Since)))
		if w.Attempt > 1 {
			detail = "attempt " + plain(w.Attempt) + ", " + detail
		}
		v.InWork = append(v.InWork, workView{w.ID, baseName(w.Key), detail})
	}
	if more := len(a.InWork) - shownWork; more > 0 {
		v.More = "and " + count(int64(more)) + " more"
	}
	return v
}
