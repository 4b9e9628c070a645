package web

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tintype/tintype/internal/presence"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// maxTold bounds how many images one look at the app processes may cost requests for.
// Those beyond show as processing when somebody asks for them.
const maxTold = 32

// Processing is who has an image in work.
type Processing struct {
	Attempt int       `json:"attempt"` // from 1
	Since   time.Time `json:"since"`
	App     string    `json:"app"` // an id from "apps" of GET /api/pipeline
}

// apps is what this instance last knew of images in work.
type apps struct {
	mu      sync.Mutex
	failing bool // the last look failed
}

// inWork are the images that living app processes have in work, as of a moment ago. Nil
// where nobody knows.
func (s *Server) inWork(ctx context.Context, age time.Duration) map[string]presence.Named {
	if s.o.Apps == nil {
		return nil
	}
	seen, err := s.o.Apps.Recent(ctx, age)
	s.apps.mu.Lock()
	was := s.apps.failing
	s.apps.failing = err != nil && ctx.Err() == nil
	now := s.apps.failing
	s.apps.mu.Unlock()
	switch {
	case now && !was:
		s.log.Warn("cannot see what app processes have in work; images show as queued until they are done", "err", err)
	case was && err == nil:
		s.log.Info("what app processes have in work can be seen again")
	}
	if err != nil {
		return nil
	}
	return presence.InWork(seen)
}

// mark says of images that wait which of them are in work.
func (s *Server) mark(ctx context.Context, images ...*Image) {
	var named map[string]presence.Named
	for _, img := range images {
		if img == nil || img.Status != recipe.Queued {
			continue
		}
		if named == nil { // nobody is asked where nothing waits
			if named = s.inWork(ctx, s.o.AppsEvery); named == nil {
				return
			}
		}
		img.begin(named[img.ID])
	}
}

// begin makes a queued image one in work, if n names it.
func (img *Image) begin(n presence.Named) {
	if n.ID == img.ID && n.Key == img.Key {
		img.Status = recipe.Processing
		img.Processing = &Processing{Attempt: n.Attempt, Since: n.Since.UTC(), App: n.App}
	}
}

// watchApps tells listeners which images app processes begin with, and which have lost
// theirs, until ctx ends. It looks only while somebody listens.
func (s *Server) watchApps(ctx context.Context) {
	if s.o.Apps == nil {
		return
	}
	tick := time.NewTicker(s.o.AppsEvery)
	defer tick.Stop()
	w := watch{Server: s}
	for {
		for s.hub.count() == 0 { // they may have left again
			w = watch{Server: s} // who comes next loads what there is
			select {
			case <-s.hub.joined:
			case <-ctx.Done():
				return
			}
		}
		// Whoever else looked in the meantime has looked for us, too.
		if named := s.inWork(ctx, s.o.AppsEvery/2); named != nil {
			w.saw(ctx, named)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// watch compares what app processes say from look to look.
type watch struct {
	*Server
	told map[string]presence.Named // listeners were told that these are in work
	gone map[string]bool           // of those, what nobody named at the last look
}

// saw takes what was found by one look and tells listeners what is new.
func (w *watch) saw(ctx context.Context, named map[string]presence.Named) {
	next, gone := map[string]presence.Named{}, map[string]bool{}
	var ask []string // images of which we know too little
	for id, n := range named {
		if had, ok := w.told[id]; ok && had.App == n.App && had.Attempt == n.Attempt && had.Since.Equal(n.Since) {
			next[id] = n
			continue
		}
		if w.hub.resultSince(id, n.Since) { // what is told here is some seconds old
			next[id] = n
		} else if img, since := w.hub.queued(id); img != nil {
			img.begin(n)
			w.announce(img, since)
			next[id] = n
		} else if len(ask) < maxTold && store.ValidID(id) {
			ask = append(ask, id)
			next[id] = n
		}
	}
	for id, n := range w.told {
		if _, still := named[id]; still || w.hub.resultSince(id, n.Since) {
			continue
		}
		// A completion takes a moment: one look more before anybody is asked.
		if !w.gone[id] {
			gone[id], next[id] = true, n
		} else if len(ask) < maxTold {
			ask = append(ask, id)
		}
	}
	w.told, w.gone = next, gone
	var g errgroup.Group
	g.SetLimit(lookUps)
	for _, id := range ask {
		g.Go(func() error {
			w.tell(ctx, id, named[id])
			return nil
		})
	}
	_ = g.Wait() // none of them fails
}

// tell looks an image up and tells listeners where it stands, unless it has a result, which
// is announced by others.
func (w *watch) tell(ctx context.Context, id string, n presence.Named) {
	since := w.hub.position()
	info, err := w.keyOf(ctx, id)
	if err != nil {
		w.notTold(ctx, id, err)
		return
	}
	img, err := w.lookUp(ctx, info)
	if err != nil {
		w.notTold(ctx, id, err)
		return
	}
	if img.Status == recipe.Queued {
		img.begin(n)
		w.announce(img, since)
	}
}

func (w *watch) notTold(ctx context.Context, id string, err error) {
	if ctx.Err() == nil && !errors.Is(err, store.ErrNotFound) {
		w.log.Debug("an image in work cannot be looked up", "image", id, "err", err)
	}
}

// queued is what listeners were last told of an image, if it was that it waits or is in work,
// and the position as of which that holds.
func (h *hub) queued(id string) (*Image, uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := len(h.ring) - 1; i >= 0; i-- {
		m := h.ring[i]
		if m.imageID != id {
			continue
		}
		var img Image
		if m.event != eventImage || json.Unmarshal(m.data, &img) != nil || (img.Status != recipe.Queued && img.Status != recipe.Processing) {
			break
		}
		img.Status, img.Processing = recipe.Queued, nil
		return &img, h.seq
	}
	return nil, h.seq
}

// resultSince reports whether listeners were told of a result that is newer than an attempt's
// begin. Both times are, as a rule, of the same clock: the app process's.
func (h *hub) resultSince(id string, began time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	of, ok := h.finished[id]
	return ok && !of.finished.Before(began)
}
