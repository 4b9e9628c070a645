package lab

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// TestWatchGoesOn has the stream end, as a web tier does that is restarted or finds its
// listener too slow: the next one begins where it ended, and images whose events were
// missed are asked for.
func TestWatchGoesOn(t *testing.T) {
	var mu sync.Mutex
	var lasts []string
	event := func(w http.ResponseWriter, n int, id, status string) {
		fmt.Fprintf(w, "id: e-%d\nevent: image\ndata: {\"id\":%q,\"status\":%q,\"attempts\":1}\n\n", n, id, status)
		w.(http.Flusher).Flush()
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/events", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		lasts = append(lasts, r.Header.Get("Last-Event-ID"))
		n := len(lasts)
		mu.Unlock()
		w.(http.Flusher).Flush()
		switch n {
		case 1:
			fmt.Fprint(w, ": heartbeat\n\n")
			event(w, 1, "a", "queued")
			event(w, 2, "a", "done")
		case 2:
			event(w, 3, "b", "failed")
		default:
			<-r.Context().Done()
		}
	})
	mux.HandleFunc("GET /api/images/{id}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"id":%q,"status":"done","attempts":2}`, r.PathValue("id"))
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	b := &bench{decoupled: srv.URL, client: newClient("")}
	defer b.client.CloseIdleConnections()
	w, err := b.watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	if missing := w.settled(t.Context(), []string{"a", "b", "c"}, time.Minute, func(int) {}); len(missing) != 0 {
		t.Fatalf("nothing is known of %v", missing)
	}
	for id, want := range map[string]Result{"a": {Status: "done", Attempts: 1}, "b": {Status: "failed", Attempts: 1}, "c": {Status: "done", Attempts: 2}} {
		if r, ok := w.result(id); !ok || r.Status != want.Status || r.Attempts != want.Attempts {
			t.Errorf("of %s it is known that %+v", id, r)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(lasts) < 3 || lasts[0] != "" || lasts[1] != "e-2" || lasts[2] != "e-3" {
		t.Errorf("the streams were opened after %q", lasts)
	}
}

func TestWatchSaysWhenNobodyAnswers(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	b := &bench{decoupled: srv.URL, client: newClient("")}
	if w, err := b.watch(t.Context()); err == nil {
		w.close()
		t.Error("a server without events is listened to")
	}
}
