package web

import (
	"container/list"
	"sync"
)

// recent remembers the last completions by id, so that repeats (SNS and SQS deliver
// at least once) are known. It is bounded: the one not seen for longest is forgotten.
type recent struct {
	mu    sync.Mutex
	max   int
	order *list.List // of entry, most recently seen first
	byID  map[string]*list.Element
}

type entry struct{ id, imageID string }

func newRecent(max int) *recent {
	return &recent{max: max, order: list.New(), byID: map[string]*list.Element{}}
}

// add remembers a completion and reports whether it was new.
func (r *recent) add(id, imageID string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, ok := r.byID[id]; ok {
		r.order.MoveToFront(e)
		return false
	}
	r.byID[id] = r.order.PushFront(entry{id, imageID})
	if r.order.Len() > r.max {
		r.remove(r.order.Back())
	}
	return true
}

// forget forgets every completion of an image.
func (r *recent) forget(imageID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for e := r.order.Front(); e != nil; {
		next := e.Next()
		if e.Value.(entry).imageID == imageID {
			r.remove(e)
		}
		e = next
	}
}

// remove drops e. r.mu is held.
func (r *recent) remove(e *list.Element) {
	r.order.Remove(e)
	delete(r.byID, e.Value.(entry).id)
}
