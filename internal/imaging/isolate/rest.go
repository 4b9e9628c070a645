package isolate

import (
	"bytes"
	"io"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/tintype/tintype/internal/imaging"
)

// restAfter is for how long nothing is to do before memory that work has left behind is given
// back: a photograph leaves some 20 MB in each process. To fetch it anew costs an image some milliseconds.
const restAfter = 10 * time.Second

// rest gives back what this process holds and does not need.
func rest() {
	runtime.GC() // what pools keep for the next picture survives one collection
	debug.FreeOSMemory()
	imaging.Trim()
}

// idling is a child that waits for requests.
type idling struct {
	socket io.Reader

	mu      sync.Mutex
	waiting bool
	room    []byte // for bodies: fresh memory costs as much as copying into it
}

// next reads a request, and rests where it is long in coming.
func (i *idling) next(maxBody int64) (head, body []byte, err error) {
	i.mu.Lock()
	i.waiting = true
	i.mu.Unlock()
	alarm := time.AfterFunc(restAfter, func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.waiting {
			i.room = nil
			rest()
		}
	})
	var first [1]byte
	_, err = io.ReadFull(i.socket, first[:])
	alarm.Stop()
	i.mu.Lock()
	i.waiting = false
	room := i.room
	i.mu.Unlock()
	if err != nil {
		return nil, nil, err
	}
	return readFrame(io.MultiReader(bytes.NewReader(first[:]), i.socket), kindRequest, maxBody, room)
}

// keep has the next body read where the last one was.
func (i *idling) keep(body []byte) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.room = body; cap(body) > keepRoom {
		i.room = nil
	}
}
