package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"sync"
	"time"
)

// uploadTimeout bounds one upload of the load, its wait for a result included.
const uploadTimeout = 5 * time.Minute

// newClient makes the load's HTTP client: connections enough for a burst are kept.
func newClient(token string) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 512, 512
	return &http.Client{Transport: bearer{token, t}, Timeout: uploadTimeout}
}

// bearer adds an API token to each request.
type bearer struct {
	token string
	next  *http.Transport
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.token != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	return b.next.RoundTrip(r)
}

// CloseIdleConnections lets http.Client.CloseIdleConnections through.
func (b bearer) CloseIdleConnections() { b.next.CloseIdleConnections() }

// Upload is one upload of a load, as its client saw it.
type Upload struct {
	At     float64 `json:"atS"`             // begun, seconds after the load's start
	MS     float64 `json:"ms"`              // until the answer, milliseconds
	Status int     `json:"status"`          // of HTTP; 0 where there was no answer
	ID     string  `json:"id,omitempty"`    // of the image, where it was taken
	Error  string  `json:"error,omitempty"` // what the answer said, or why there was none
	begun  time.Time
}

func (u Upload) ok() bool { return u.Status == http.StatusOK || u.Status == http.StatusAccepted }

// send uploads one file as a form and waits for the answer: of the decoupled web tier that it
// is stored, of the coupled one that it is processed.
func (b *bench) send(ctx context.Context, base string, f file) Upload {
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	part, err := w.CreateFormFile("file", f.name)
	if err == nil {
		_, err = part.Write(f.body)
	}
	if err == nil {
		err = w.Close()
	}
	u := Upload{begun: time.Now()}
	if err != nil {
		u.Error = err.Error()
		return u
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/api/images", &body)
	if err != nil {
		u.Error = err.Error()
		return u
	}
	req.Header.Set("Content-Type", w.FormDataContentType())
	u.begun = time.Now()
	resp, err := b.client.Do(req)
	if err == nil {
		var answer struct{ ID, Detail, Code string }
		var text []byte
		if text, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20)); err == nil {
			_ = json.Unmarshal(text, &answer) // what is no JSON says nothing
		}
		resp.Body.Close()
		u.Status, u.ID = resp.StatusCode, answer.ID
		if !u.ok() {
			u.Error = answer.Code
		}
	}
	u.MS = float64(time.Since(u.begun).Microseconds()) / 1000
	if err != nil {
		u.Error = err.Error()
	}
	return u
}

// load sends files at the times given, whether those before have been answered or not: that
// is how people upload. Step is called after each answer.
func (b *bench) load(ctx context.Context, base string, times []time.Duration, pick func(i int) file, step func()) ([]Upload, error) {
	uploads := make([]Upload, len(times))
	var wg sync.WaitGroup
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i, at := range times {
		timer.Reset(max(0, time.Until(start.Add(at))))
		select {
		case <-timer.C:
		case <-ctx.Done():
			wg.Wait()
			return uploads[:i], context.Cause(ctx)
		}
		wg.Go(func() {
			uploads[i] = b.send(ctx, base, pick(i))
			uploads[i].At = uploads[i].begun.Sub(start).Seconds()
			b.remember(base, uploads[i])
			step()
		})
	}
	wg.Wait()
	return uploads, ctx.Err()
}

// evenly are n times at a rate per second, beginning with from.
func evenly(from time.Duration, n int, perSecond float64) []time.Duration {
	times := make([]time.Duration, n)
	for i := range times {
		times[i] = from + time.Duration(float64(i)/perSecond*float64(time.Second))
	}
	return times
}

// latencies are those of the uploads that were answered as they should be.
func latencies(uploads []Upload) (ms []float64) {
	for _, u := range uploads {
		if u.ok() {
			ms = append(ms, u.MS)
		}
	}
	return ms
}

// allTaken is an error where an upload was not taken: what follows would measure nothing.
func allTaken(uploads []Upload) error {
	for _, u := range uploads {
		if !u.ok() {
			return fmt.Errorf("an upload was answered %d %s", u.Status, u.Error)
		}
	}
	if len(uploads) == 0 {
		return errors.New("nothing was uploaded")
	}
	return nil
}
