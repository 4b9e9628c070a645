package worker

import (
	"slices"
	"sync"
	"time"
)

// InWork is one image in work.
type InWork struct {
	ID, Key string // of the image, in the uploads bucket
	Attempt int    // the message's receive count, from 1
	Since   time.Time
}

// inWork is what a worker has in work.
type inWork struct {
	mu  sync.Mutex
	all map[*attempt]struct{}
}

// begin notes that an attempt is under way, until end is called.
func (w *Worker) begin(a *attempt) (end func()) {
	w.inWork.mu.Lock()
	if w.inWork.all == nil {
		w.inWork.all = map[*attempt]struct{}{}
	}
	w.inWork.all[a] = struct{}{}
	w.inWork.mu.Unlock()
	w.inWorkChanged()
	return func() {
		w.inWork.mu.Lock()
		delete(w.inWork.all, a)
		w.inWork.mu.Unlock()
		w.inWorkChanged()
	}
}

// crowded reports whether more than one image is in work, at whatever stage.
func (w *Worker) crowded() bool {
	w.inWork.mu.Lock()
	defer w.inWork.mu.Unlock()
	return len(w.inWork.all) > 1
}

func (w *Worker) inWorkChanged() {
	if w.opts.InWorkChanged != nil {
		w.opts.InWorkChanged()
	}
}

// InWork lists the images in work, those that fetch, store and wait for a core among them,
// the one begun first before the others.
func (w *Worker) InWork() []InWork {
	w.inWork.mu.Lock()
	defer w.inWork.mu.Unlock()
	list := make([]InWork, 0, len(w.inWork.all))
	for a := range w.inWork.all {
		list = append(list, InWork{ID: a.id, Key: a.up.Key, Attempt: a.msg.ReceiveCount, Since: a.started})
	}
	slices.SortFunc(list, func(a, b InWork) int { return a.Since.Compare(b.Since) })
	return list
}
