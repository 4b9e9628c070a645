package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

const (
	// maxStreams bounds the pages that are kept up to date at a time; further ones poll.
	maxStreams = 64
	// beat is how often a page is made anew.
	beat = time.Second
	// share is the least time between two makings of a page, in times of one making: a
	// page that is dear is made less often.
	share = 20
	// silence is how long a stream says nothing before it shows that it is alive.
	silence = 15 * time.Second
)

// stream sends the page's main part as server-sent events, each a JSON string of HTML:
// at once, and again whenever it is different.
func (c *Console) stream(w http.ResponseWriter, r *http.Request, build pageFunc) {
	select {
	case c.streams <- struct{}{}:
		defer func() { <-c.streams }()
	default:
		w.Header().Set("Retry-After", "5")
		http.Error(w, "Too many pages are kept up to date; load the page instead.", http.StatusServiceUnavailable)
		return
	}
	out := http.NewResponseController(w)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	var last []byte
	var said time.Time
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-next.C:
		case <-r.Context().Done():
			return
		case <-c.closing:
			return
		}
		begun := time.Now()
		main, err := c.main(r, build)
		if err != nil {
			c.log.Error("console: a page cannot be made", "path", r.URL.Path, "err", err)
			return
		}
		took := time.Since(begun)
		switch {
		case !bytes.Equal(main, last):
			last, said = main, begun
			event, err := json.Marshal(string(main))
			if err != nil {
				return // a string always marshals
			}
			if _, err := fmt.Fprintf(w, "event: page\ndata: %s\n\n", event); err != nil || out.Flush() != nil {
				return // the page was closed
			}
		case time.Since(said) > silence:
			said = begun
			if _, err := fmt.Fprint(w, ": still here\n\n"); err != nil || out.Flush() != nil {
				return
			}
		}
		next.Reset(max(beat, share*took))
	}
}

// main is the part of a page that is kept up to date. What cannot be shown any more is
// a page as well.
func (c *Console) main(r *http.Request, build pageFunc) ([]byte, error) {
	v, err := build(r)
	if err != nil {
		if r.Context().Err() != nil {
			return nil, r.Context().Err()
		}
		v = problemView(c.problemOf(r, err))
	}
	c.dress(r, &v)
	v.Note = "" // it was true when the page was loaded
	var b bytes.Buffer
	err = c.pages[v.name].ExecuteTemplate(&b, "live", v)
	return b.Bytes(), err
}
