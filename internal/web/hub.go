package web

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tintype/tintype/internal/event"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/recipe"
)

// The kinds of server-sent events.
const (
	eventImage   = "image"   // an image's document, as GET /api/images/{id} answers it
	eventDeleted = "deleted" // {"id": …}: the image was deleted through this instance
	eventResync  = "resync"  // events were missed: load the list again
	eventReady   = "ready"   // the stream begins here: load the list now
)

// message is one server-sent event as it is written to every client.
type message struct {
	seq     uint64
	event   string
	imageID string
	data    []byte // one line of JSON
}

// hub fans events out to the clients of GET /api/events and keeps the last of
// them, so that a client that was away for a moment misses nothing.
//
// An event's id is "<epoch>-<seq>": seq counts from 1 in this process, and epoch is
// random per process, so that an id from another process (a restart, another
// instance behind a load balancer) is known to be foreign and answered by resync
// instead of by the wrong events.
type hub struct {
	epoch string

	mu       sync.Mutex
	seq      uint64
	ring     []message // the last events, oldest first
	size     int       // capacity of ring
	clients  map[*client]struct{}
	finished map[string]result // image id -> the newest result sent, for images in ring
	closed   bool

	joined chan struct{} // holds a token after somebody has joined
}

// client is one listener. The hub owns out: it alone sends on it and closes it.
type client struct {
	out chan message
	// slow is set before out is closed because the client did not keep up.
	slow bool
}

// clientBuffer is how many events may wait for one client. A client that falls
// further behind is disconnected; it comes back with Last-Event-ID and catches up
// from the ring.
const clientBuffer = 64

func newHub(size int) *hub {
	return &hub{
		epoch:    strings.ToLower(rand.Text()[:10]),
		size:     size,
		clients:  map[*client]struct{}{},
		finished: map[string]result{},
		joined:   make(chan struct{}, 1),
	}
}

// position is the sequence number of the last event published.
func (h *hub) position() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seq
}

// publishResult sends a finished image's document. Messages may overtake each
// other on their way through SNS and SQS: a result older than one already sent is
// dropped. It reports whether the event went out.
func (h *hub) publishResult(img *Image, of result) (bool, error) {
	data, err := json.Marshal(img)
	if err != nil {
		return false, fmt.Errorf("encode event for image %s: %w", img.ID, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if of.before(h.finished[img.ID]) {
		return false, nil
	}
	// A worker that had it says that the original is gone: whoever deleted it knows.
	if img.Error != nil && img.Error.Code == fault.CodeSourceGone && h.last(img.ID) == eventDeleted {
		return false, nil
	}
	h.finished[img.ID] = of
	h.append(message{event: eventImage, imageID: img.ID, data: data})
	return true, nil
}

// result is what tells which of two results of an image is the newer one.
type result struct {
	key, sequencer string // of the event that it is of
	finished       time.Time
}

func resultOf(m *recipe.Manifest) result {
	return result{m.Source.Key, m.Source.Sequencer, m.Timings.Finished}
}

// before reports whether r is surely older than other. S3's own order of the events decides,
// where there is one: the times are of the workers' clocks, which may differ.
func (r result) before(other result) bool {
	if r.key == other.key && r.sequencer != "" && other.sequencer != "" && r.sequencer != other.sequencer {
		return event.Later(other.sequencer, r.sequencer)
	}
	return r.finished.Before(other.finished)
}

// publishQueued says that an image waits for a worker or is in work, unless an event
// about it was published after position since: the worker may be done before the
// upload's own request is, and "queued" must not follow "done".
func (h *hub) publishQueued(img *Image, since uint64) error {
	data, err := json.Marshal(img)
	if err != nil {
		return fmt.Errorf("encode event for image %s: %w", img.ID, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := len(h.ring) - 1; i >= 0 && h.ring[i].seq > since; i-- {
		if h.ring[i].imageID == img.ID {
			return nil
		}
	}
	// What comes next is the answer to this, whatever the clock of the worker that writes it says.
	delete(h.finished, img.ID)
	h.append(message{event: eventImage, imageID: img.ID, data: data})
	return nil
}

func (h *hub) publishDeleted(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.append(message{event: eventDeleted, imageID: id, data: []byte(`{"id":` + strconv.Quote(id) + `}`)})
}

// publishResync tells every client that events may have been missed.
func (h *hub) publishResync() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.append(message{event: eventResync, data: []byte("{}")})
}

// last is the kind of the last event about an image that is still kept. h.mu is held.
func (h *hub) last(id string) string {
	for i := len(h.ring) - 1; i >= 0; i-- {
		if h.ring[i].imageID == id {
			return h.ring[i].event
		}
	}
	return ""
}

// append numbers m, keeps it and hands it to every client. h.mu is held.
func (h *hub) append(m message) {
	h.seq++
	m.seq = h.seq
	if len(h.ring) == h.size {
		gone := h.ring[0].imageID
		h.ring = append(h.ring[:0], h.ring[1:]...)
		if !slices.ContainsFunc(h.ring, func(m message) bool { return m.imageID == gone }) {
			delete(h.finished, gone)
		}
	}
	h.ring = append(h.ring, m)
	for c := range h.clients {
		select {
		case c.out <- m:
		default:
			c.slow = true
			h.drop(c)
		}
	}
}

// drop removes c and ends its stream. h.mu is held.
func (h *hub) drop(c *client) {
	if _, ok := h.clients[c]; ok {
		delete(h.clients, c)
		close(c.out)
	}
}

// join adds a listener that has seen everything up to lastEventID, and returns it
// with what it must be sent first. ok is false where the hub is closed or already
// has max listeners.
func (h *hub) join(lastEventID string, max int) (c *client, first []message, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.clients) >= max {
		return nil, nil, false
	}
	c = &client{out: make(chan message, clientBuffer)}
	h.clients[c] = struct{}{}
	select {
	case h.joined <- struct{}{}:
	default:
	}
	if lastEventID == "" {
		return c, []message{{seq: h.seq, event: eventReady, data: []byte("{}")}}, true
	}
	seq, known := h.parse(lastEventID)
	oldest := h.seq - uint64(len(h.ring)) // the last event that is no longer kept
	if !known || seq > h.seq || seq < oldest {
		return c, []message{{seq: h.seq, event: eventResync, data: []byte("{}")}}, true
	}
	return c, append(first, h.ring[seq-oldest:]...), true
}

// leave removes c; it may have been dropped already.
func (h *hub) leave(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(c)
}

// close ends every stream and refuses new ones.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for c := range h.clients {
		h.drop(c)
	}
}

func (h *hub) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.clients)
}

func (h *hub) id(seq uint64) string { return h.epoch + "-" + strconv.FormatUint(seq, 10) }

// parse reads an event id of this process; ok is false for any other.
func (h *hub) parse(id string) (seq uint64, ok bool) {
	rest, ok := strings.CutPrefix(id, h.epoch+"-")
	if !ok {
		return 0, false
	}
	seq, err := strconv.ParseUint(rest, 10, 64)
	return seq, err == nil
}
