package top

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tintype/tintype/internal/backlog"
	"github.com/tintype/tintype/internal/deadletter"
	"github.com/tintype/tintype/internal/presence"
)

// maxAnswer bounds an answer of the web tier: its figures with a thousand app processes, or a
// page of images.
const maxAnswer = 64 << 20

// Web asks a web tier. What happens to images it hears by that tier's event stream, so that a
// screen costs S3 nothing beyond one list at the beginning.
type Web struct {
	base   *url.URL
	token  string
	client *http.Client
	feed   *feed
	since  time.Time // of the history that is known
}

// NewWeb makes a Web for the tier at an address; a token, if not empty, is shown to it.
func NewWeb(address, token string) (*Web, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, fmt.Errorf("%.200q is no web tier's address, such as http://127.0.0.1:8007", address)
	}
	u.Path, u.RawQuery, u.Fragment = strings.TrimRight(u.Path, "/"), "", ""
	w := &Web{base: u, token: token, client: &http.Client{
		// Elsewhere nobody was meant to see the token.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	w.feed = newFeed()
	return w, nil
}

// Name is the tier's address.
func (w *Web) Name() string { return w.base.String() }

// Listen hears of images until ctx ends. Without it Look lists them once.
func (w *Web) Listen(ctx context.Context) {
	w.feed.mu.Lock()
	w.feed.listening = true
	w.feed.mu.Unlock()
	for wait := 250 * time.Millisecond; ctx.Err() == nil; {
		if w.hear(ctx) {
			wait = 250 * time.Millisecond
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, 5*time.Second)
	}
}

func (w *Web) open(ctx context.Context, path string, query url.Values) (*http.Response, error) {
	u := *w.base
	u.Path += path
	u.RawQuery = query.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	if w.token != "" {
		r.Header.Set("Authorization", "Bearer "+w.token)
	}
	resp, err := w.client.Do(r)
	if err != nil {
		var in *url.Error
		if errors.As(err, &in) {
			err = in.Err // the address is on the screen already
		}
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	var p struct{ Code, Detail, Hint string }
	if b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10)); err != nil || json.Unmarshal(b, &p) != nil || p.Detail == "" {
		return nil, fmt.Errorf("%s: %s", path, resp.Status)
	}
	if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
		p.Hint = "give a token by --token or TINTYPE_TOKEN"
	}
	return nil, fmt.Errorf("%s: %d: %s %s", path, resp.StatusCode, p.Detail, p.Hint)
}

func (w *Web) ask(ctx context.Context, path string, query url.Values, v any) error {
	resp, err := w.open(ctx, path, query)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", path, err)
	case len(b) > maxAnswer:
		return fmt.Errorf("%s: the answer is larger than %d bytes", path, maxAnswer)
	case json.Unmarshal(b, v) != nil:
		return fmt.Errorf("%s: the answer is not what a web tier says: is this one?", path)
	}
	return nil
}

// Look asks for the figures.
func (w *Web) Look(ctx context.Context) (Snapshot, error) {
	var doc struct {
		Time  time.Time
		Queue *backlog.Figures
		Apps  []presence.Seen
		Rates []struct {
			Seconds, Done, Failed int
		}
		Latency struct {
			P50 *int64 `json:"p50Ms"`
			P99 *int64 `json:"p99Ms"`
		}
		Live    bool
		History []Point
	}
	query := url.Values{}
	if !w.since.IsZero() {
		query.Set("since", w.since.UTC().Format(time.RFC3339Nano))
	}
	if err := w.ask(ctx, "/api/pipeline", query, &doc); err != nil {
		return Snapshot{}, err
	}
	s := Snapshot{Time: doc.Time, Queue: doc.Queue, Apps: doc.Apps, P50: doc.Latency.P50, P99: doc.Latency.P99, Live: &doc.Live, History: doc.History}
	if len(doc.Rates) > 0 && doc.Rates[0].Seconds > 0 {
		r := doc.Rates[0]
		done, failed := float64(r.Done)*60/float64(r.Seconds), float64(r.Failed)*60/float64(r.Seconds)
		s.DonePerMinute, s.FailedPerMinute = &done, &failed
	}
	if n := len(doc.History); n > 0 {
		w.since = doc.History[n-1].T
	}
	if err := w.list(ctx); err != nil {
		return s, err
	}
	s.Images = w.feed.images()
	return s, nil
}

// list loads the newest images where the feed does not know them.
func (w *Web) list(ctx context.Context) error {
	if !w.feed.wants() {
		return nil
	}
	var page struct{ Images []webImage }
	if err := w.ask(ctx, "/api/images", url.Values{"limit": {strconv.Itoa(50)}}, &page); err != nil {
		return err
	}
	w.feed.listed(page.Images)
	return nil
}

// DeadLetters asks for dead letters.
func (w *Web) DeadLetters(ctx context.Context, limit int) (*deadletter.List, error) {
	l := &deadletter.List{}
	return l, w.ask(ctx, "/api/deadletters", url.Values{"limit": {strconv.Itoa(limit)}}, l)
}

// webImage is an image as the web tier tells it.
type webImage struct {
	ID, Key, Status, Recipe string
	Source                  struct {
		Bytes    int64
		Modified *time.Time
	}
	Outputs []struct {
		Name, Format  string
		Width, Height int
		Bytes         int64
	}
	Error   *struct{ Code, Message, Hint string }
	Timings *struct {
		Uploaded, Finished                           time.Time
		WaitMS, FetchMS, ProcessMS, StoreMS, TotalMS int64
	}
	Attempts   int
	Processing *struct {
		Attempt int
		Since   time.Time
		App     string
	}
}

func (w webImage) image() Image {
	i := Image{ID: w.ID, Key: w.Key, Status: w.Status, Recipe: w.Recipe, Bytes: w.Source.Bytes, Attempts: w.Attempts}
	if w.Source.Modified != nil {
		i.Uploaded = *w.Source.Modified
	}
	if t := w.Timings; t != nil {
		i.Uploaded, i.Finished = t.Uploaded, t.Finished
		i.WaitMS, i.FetchMS, i.WorkMS, i.StoreMS, i.TotalMS = t.WaitMS, t.FetchMS, t.ProcessMS, t.StoreMS, t.TotalMS
	}
	if w.Error != nil {
		i.Code, i.Message, i.Hint = w.Error.Code, w.Error.Message, w.Error.Hint
	}
	if w.Processing != nil {
		i.Attempts, i.App = w.Processing.Attempt, w.Processing.App
	}
	for n, o := range w.Outputs {
		if n == 32 {
			break
		}
		i.Outputs = append(i.Outputs, fmt.Sprintf("%.40s  %d×%d  %.20s  %s", o.Name, o.Width, o.Height, o.Format, bytesOf(o.Bytes)))
	}
	return i
}

// feed is what was heard of images.
type feed struct {
	mu        sync.Mutex
	byID      map[string]Image
	stale     bool // a list is wanted
	listening bool
}

func newFeed() *feed { return &feed{byID: map[string]Image{}, stale: true} }

func (f *feed) wants() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stale
}

// listed takes a list. What events told meanwhile is newer than it.
func (f *feed) listed(images []webImage) {
	f.mu.Lock()
	defer f.mu.Unlock()
	byID := map[string]Image{}
	var newest time.Time
	for _, w := range images[:min(len(images), maxImages)] {
		i := w.image()
		if had, ok := f.byID[i.ID]; ok && had.at().After(i.at()) {
			i = had
		}
		byID[i.ID] = i
		if i.at().After(newest) {
			newest = i.at()
		}
	}
	for id, had := range f.byID {
		if _, ok := byID[id]; !ok && had.at().After(newest) {
			byID[id] = had
		}
	}
	f.byID, f.stale = byID, !f.listening
}

func (f *feed) images() []Image {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]Image, 0, len(f.byID))
	for _, i := range f.byID {
		list = append(list, i)
	}
	newestFirst(list)
	if len(list) > maxImages {
		for _, i := range list[maxImages:] {
			delete(f.byID, i.ID)
		}
		list = list[:maxImages]
	}
	return list
}
