package top

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"time"
)

const (
	// maxEvent bounds one line of the event stream: an image's document.
	maxEvent = 4 << 20
	// quietFor is how long the stream may say nothing: heartbeats come more often.
	quietFor = 60 * time.Second
)

// hear follows the event stream until it ends, and reports whether there was one.
func (w *Web) hear(ctx context.Context) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	resp, err := w.open(ctx, "/api/events", nil)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	quiet := time.AfterFunc(quietFor, cancel)
	defer quiet.Stop()
	w.feed.resync()
	readEvents(resp.Body, func() { quiet.Reset(quietFor) }, w.feed.event)
	return true
}

// readEvents reads a stream of server-sent events to its end, or to a line too long for one.
func readEvents(r io.Reader, alive func(), each func(name string, data []byte)) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxEvent)
	name, data := "", []byte(nil)
	for lines.Scan() {
		alive()
		l := bytes.TrimSuffix(lines.Bytes(), []byte("\r"))
		if len(l) == 0 {
			if name != "" {
				each(name, data)
			}
			name, data = "", nil
			continue
		}
		field, value, _ := bytes.Cut(l, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch {
		case string(field) == "event":
			name = strings.Clone(string(value))
		case string(field) == "data" && len(data)+len(value) <= maxEvent:
			data = append(data, value...)
		}
	}
}

// resync has the list loaded again: events may have been missed.
func (f *feed) resync() {
	f.mu.Lock()
	f.stale = true
	f.mu.Unlock()
}

func (f *feed) event(name string, data []byte) {
	var w webImage
	switch name {
	case "resync", "ready":
		f.resync()
	case "deleted":
		if json.Unmarshal(data, &w) == nil {
			f.mu.Lock()
			delete(f.byID, w.ID)
			f.mu.Unlock()
		}
	case "image":
		if json.Unmarshal(data, &w) != nil || w.ID == "" {
			return
		}
		f.mu.Lock()
		f.byID[w.ID] = w.image()
		full := len(f.byID) > 2*maxImages
		f.mu.Unlock()
		if full {
			f.images() // drops the oldest
		}
	}
}

// newestFirst sorts images by when something last happened to them.
func newestFirst(list []Image) {
	slices.SortFunc(list, func(a, b Image) int {
		return cmp.Or(b.at().Compare(a.at()), cmp.Compare(a.ID, b.ID))
	})
}
