package process

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/imaging"
	"github.com/tintype/tintype/internal/problem"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/testimages"
	"github.com/tintype/tintype/internal/worker"
)

// processor answers a call as it is told to: what is tested here is who gets to it, and how
// its answers look. The worker itself answers in the end-to-end tests.
type processor func(ctx context.Context, c worker.Call) (*worker.Answer, error)

func (p processor) Call(ctx context.Context, c worker.Call) (*worker.Answer, error) { return p(ctx, c) }

func serve(t *testing.T, o Options) (*Server, string) {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return s, srv.URL
}

func done(c worker.Call) *worker.Answer {
	return &worker.Answer{
		Manifest: &recipe.Manifest{ID: "x", Status: recipe.Done, Recipe: c.Recipe, Source: recipe.Source{Key: c.Key, Bytes: int64(len(c.Body))}},
		Picture:  &imaging.Picture{Outputs: []imaging.Encoded{{Name: "thumb", Ext: "jpg", ContentType: "image/jpeg", Bytes: []byte("bytes")}}},
	}
}

func post(t *testing.T, to, body string) (*http.Response, string) {
	t.Helper()
	resp, err := http.Post(to, "application/octet-stream", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

func TestRequests(t *testing.T) {
	var mu sync.Mutex
	var got worker.Call
	_, base := serve(t, Options{MaxBytes: 1 << 20, Processor: processor(func(_ context.Context, c worker.Call) (*worker.Answer, error) {
		mu.Lock()
		defer mu.Unlock()
		got = c
		switch c.Recipe {
		case "away":
			return nil, &fault.Error{Kind: fault.Retry, Message: "secret of the store"}
		case "none":
			return nil, fault.Permanentf(fault.CodeUnknownRecipe, "There is no recipe none.")
		case "fails":
			return &worker.Answer{Manifest: &recipe.Manifest{ID: "bad", Status: recipe.Failed, Error: &recipe.Failure{Code: fault.CodeCorrupt, Message: "It is damaged."}}}, nil
		}
		return done(c), nil
	})})
	photo := string(testimages.PNG(4, 4))
	for _, tt := range []struct {
		name, query, body string
		status            int
		contains          string
	}{
		{"an image", "name=cat.png&recipe=tint&param.tint=%23ff8800", photo, 200, `"status":"done"`},
		{"one output's bytes", "output=thumb", photo, 200, "bytes"},
		{"an output that is not there", "output=huge", photo, 404, "has no output"},
		{"stored", "stored=a/b.jpg&recipe=sepia", "", 200, `"key":"a/b.jpg"`},
		{"nothing", "", "", 422, fault.CodeEmpty},
		{"junk", "", "junk", 415, fault.CodeNotAnImage},
		{"a document", "", "<svg xmlns='http://www.w3.org/2000/svg'/>", 415, ""},
		{"too large", "", photo + strings.Repeat("x", 1<<20), 413, fault.CodeTooLarge},
		{"twice", "recipe=a&recipe=b", photo, 400, "more than once"},
		{"unknown", "tint=%23ff8800", photo, 400, "not understood"},
		{"no query", "a=%zz", photo, 400, fault.CodeBadRequest},
		{"refused by the recipe", "recipe=none", photo, 422, fault.CodeUnknownRecipe},
		{"failed", "recipe=fails", photo, 422, `"instance":"/api/images/bad"`},
		{"the store is away", "recipe=away", photo, 503, fault.CodeUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, body := post(t, base+"?"+tt.query, tt.body)
			if resp.StatusCode != tt.status || !strings.Contains(body, tt.contains) {
				t.Errorf("status %d, want %d: %s", resp.StatusCode, tt.status, body)
			}
			if strings.Contains(body, "secret") {
				t.Errorf("the cause is told to the client: %s", body)
			}
		})
	}
	post(t, base+"?name="+url.QueryEscape("../../cat\r\n.png")+"&param.strength=0.5", photo)
	mu.Lock()
	defer mu.Unlock()
	if id, name, ok := strings.Cut(got.Key, "/"); !ok || len(id) != 26 || name != "cat.png" || got.ContentType != "image/png" || got.Params["strength"] != "0.5" {
		t.Errorf("the call is %q as %q with %v", got.Key, got.ContentType, got.Params)
	}
}

// TestWaiting holds more calls than there are slots: those wait with their bodies unread, as
// many as may, and the next is refused at once.
func TestWaiting(t *testing.T) {
	release := make(chan struct{})
	entered := make(chan struct{}, 8)
	s, base := serve(t, Options{Slots: 1, Waiting: 2, Processor: processor(func(ctx context.Context, c worker.Call) (*worker.Answer, error) {
		entered <- struct{}{}
		select {
		case <-release:
			return done(c), nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	})})
	photo := string(testimages.PNG(4, 4))
	var all sync.WaitGroup
	statuses := make(chan int, 4)
	for range 3 {
		all.Go(func() {
			resp, err := http.Post(base, "image/png", strings.NewReader(photo))
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
			statuses <- resp.StatusCode
		})
	}
	<-entered
	for deadline := time.Now().Add(30 * time.Second); s.Stats().Waiting != 2; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("the calls do not wait: %+v", s.Stats())
		}
	}
	resp, body := post(t, base, photo)
	var d problem.Document
	if err := json.Unmarshal([]byte(body), &d); err != nil || resp.StatusCode != http.StatusServiceUnavailable || d.Code != problem.CodeBusy || resp.Header.Get("Retry-After") == "" {
		t.Errorf("one too many is answered %d %s, %v", resp.StatusCode, body, err)
	}

	// A caller that gives up makes room.
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("gone"))
	req, _ := http.NewRequestWithContext(ctx, http.MethodPost, base, strings.NewReader(photo))
	if resp, err := http.DefaultClient.Do(req); err == nil {
		resp.Body.Close()
	}
	close(release)
	all.Wait()
	close(statuses)
	for status := range statuses {
		if status != http.StatusOK {
			t.Errorf("a call that waited is answered %d", status)
		}
	}
	if st := s.Stats(); st.Held != 0 || st.Waiting != 0 {
		t.Errorf("in the end %+v", st)
	}
}
