package web

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/recipe"
)

func doneImage(id string) *Image { return &Image{ID: id, Status: recipe.Done} }

func mustPublish(t *testing.T, h *hub, id string, finished time.Time) bool {
	t.Helper()
	sent, err := h.publishResult(doneImage(id), result{finished: finished})
	if err != nil {
		t.Fatal(err)
	}
	return sent
}

func TestHubReplay(t *testing.T) {
	h := newHub(4)
	now := time.Now()
	for i := range 6 {
		mustPublish(t, h, fmt.Sprint("i", i), now)
	}
	for _, tt := range []struct {
		last string
		want string // events, then ids
	}{
		{"", "ready@6"},
		{h.id(6), ""},
		{h.id(5), "image@6"},
		{h.id(3), "image@4 image@5 image@6"},
		{h.id(2), "image@3 image@4 image@5 image@6"},
		{h.id(1), "resync@6"},   // 2 is no longer kept
		{h.id(7), "resync@6"},   // not yet sent by anybody
		{"other-3", "resync@6"}, // another process
		{h.epoch + "-", "resync@6"},
		{h.epoch + "--1", "resync@6"},
		{h.epoch + "-99999999999999999999", "resync@6"},
		{strings.Repeat("x", 10000), "resync@6"},
	} {
		c, first, ok := h.join(tt.last, 100)
		if !ok {
			t.Fatal("refused")
		}
		var got []string
		for _, m := range first {
			got = append(got, fmt.Sprintf("%s@%d", m.event, m.seq))
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("after %.40q: %v, want %s", tt.last, got, tt.want)
		}
		h.leave(c)
	}
}

// "queued" must not follow the result that overtook it, nor an old result a newer one.
func TestHubOrder(t *testing.T) {
	h := newHub(3)
	now := time.Now()
	since := h.position()
	mustPublish(t, h, "a", now)
	if err := h.publishQueued(&Image{ID: "a", Status: recipe.Queued}, since); err != nil {
		t.Fatal(err)
	}
	if h.position() != 1 {
		t.Error("queued was sent after the result")
	}
	if mustPublish(t, h, "a", now.Add(-time.Second)) {
		t.Error("an older result was sent after a newer one")
	}
	if !mustPublish(t, h, "a", now) {
		t.Error("the same result again was not sent: a retry would wait for ever")
	}
	// After a retry any result is news, even by a clock that is behind.
	if err := h.publishQueued(&Image{ID: "a", Status: recipe.Queued}, h.position()); err != nil {
		t.Fatal(err)
	}
	if !mustPublish(t, h, "a", now.Add(-time.Minute)) {
		t.Error("the result after a retry was not sent")
	}
	for i := range 10 {
		mustPublish(t, h, fmt.Sprint(i), now)
	}
	if len(h.ring) != 3 || len(h.finished) != 3 {
		t.Errorf("it keeps %d events and %d images, want 3", len(h.ring), len(h.finished))
	}
}

// An image that was deleted while it was in work does not come back as a failed one; one that
// was put there again does.
func TestHubAfterDeletion(t *testing.T) {
	h := newHub(8)
	gone := &Image{ID: "a", Status: recipe.Failed, Error: &recipe.Failure{Code: fault.CodeSourceGone}}
	now := time.Now()
	for _, step := range []struct {
		do   func()
		sent bool
	}{{func() {}, true}, {func() { h.publishDeleted("a") }, false}, {func() { h.publishDeleted("b") }, false}, {func() { h.publishQueued(&Image{ID: "a"}, h.position()) }, true}} {
		step.do()
		if sent, err := h.publishResult(gone, result{finished: now}); err != nil || sent != step.sent {
			t.Errorf("sent %v, %v, want %v", sent, err, step.sent)
		}
	}
	h.publishDeleted("a")
	if !mustPublish(t, h, "a", now) {
		t.Error("a result of what was put there again is not told of")
	}
}

func TestHubSlowClient(t *testing.T) {
	h := newHub(1000)
	slow, _, _ := h.join("", 2)
	quick, _, _ := h.join("", 2)
	if _, _, ok := h.join("", 2); ok {
		t.Error("a third of two listeners was let in")
	}
	got := 0
	for i := range clientBuffer + 1 {
		mustPublish(t, h, fmt.Sprint(i), time.Now())
		<-quick.out
		got++
	}
	n := 0
	for range slow.out {
		n++
	}
	if n != clientBuffer || !slow.slow || got != clientBuffer+1 || h.count() != 1 {
		t.Errorf("the slow one got %d and slow=%v, the quick one %d; %d are left", n, slow.slow, got, h.count())
	}
	h.close()
	if _, open := <-quick.out; open {
		t.Error("close leaves a stream open")
	}
	if _, _, ok := h.join("", 2); ok {
		t.Error("a closed hub lets listeners in")
	}
	h.leave(quick) // twice is fine
}

// A listener that does not read is disconnected, while others go on. No endpoint is needed.
func TestStreamSlowClient(t *testing.T) {
	s := &Server{hub: newHub(10), metrics: newMetrics(), heartbeat: time.Hour, log: slog.New(slog.DiscardHandler)}
	srv := httptest.NewServer(http.HandlerFunc(s.handleEvents))
	defer srv.Close()
	defer s.hub.close()
	c := dial(t, srv.URL)
	defer c.Close() // before the server's: its handler is stuck in a write until then
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	waitFor(t, "the listener is there", func() bool { return s.hub.count() == 1 })
	big := &Image{ID: "x", Name: strings.Repeat("x", 1<<20)} // fills the kernel's buffers sooner
	for i := range 200 {
		if s.hub.count() == 0 {
			return
		}
		if _, err := s.hub.publishResult(big, result{finished: time.Now()}); err != nil {
			t.Fatal(err)
		}
		if i == 199 {
			t.Error("200 MB are waiting for a listener that does not read")
		}
	}
}

func waitFor(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not so after %v: %s", patience, what)
		}
	}
}

func TestRecent(t *testing.T) {
	r := newRecent(3)
	add := func(id, image string, want bool) {
		t.Helper()
		if r.add(id, image) != want {
			t.Errorf("add %s: want %v", id, want)
		}
	}
	add("1", "a", true)
	add("1", "a", false)
	add("2", "b", true)
	add("3", "a", true)
	add("1", "a", false) // seen again: 2 is now the one not seen for longest
	add("4", "c", true)
	add("2", "b", true)
	r.forget("a")
	add("1", "a", true)
	add("4", "c", false)
	if r.order.Len() != len(r.byID) || r.order.Len() > 3 {
		t.Errorf("it keeps %d in order and %d by id", r.order.Len(), len(r.byID))
	}
}

func FuzzEventID(f *testing.F) {
	h := newHub(4)
	for i := range 6 {
		if _, err := h.publishResult(doneImage(fmt.Sprint(i)), result{finished: time.Now()}); err != nil {
			f.Fatal(err)
		}
	}
	for _, seed := range []string{"", h.id(3), h.id(0), h.epoch, "-", h.epoch + "-x", h.epoch + "-18446744073709551615"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, id string) {
		c, first, ok := h.join(id, 10)
		if !ok || len(first) > 4 {
			t.Errorf("%q: %v, %d events", id, ok, len(first))
		}
		h.leave(c)
	})
}

// TestSequencersBeforeClocks: which of two results is the newer one, S3 says where it does;
// the clocks of the workers that finished them may be hours apart.
func TestSequencersBeforeClocks(t *testing.T) {
	h := newHub(10)
	noon := time.Date(2024, 5, 6, 12, 0, 0, 0, time.UTC)
	send := func(sequencer string, finished time.Time) bool {
		t.Helper()
		sent, err := h.publishResult(doneImage("a"), result{"key", sequencer, finished})
		if err != nil {
			t.Fatal(err)
		}
		return sent
	}
	if !send("0A", noon) {
		t.Error("the first result was dropped")
	}
	if !send("0B", noon.Add(-time.Hour)) {
		t.Error("the result of a later event was dropped: a clock that is behind finished it")
	}
	if send("0A", noon.Add(2*time.Hour)) {
		t.Error("the result of an earlier event went out: a clock that is ahead finished it")
	}
	if send("", noon.Add(-2*time.Hour)) || !send("", noon) {
		t.Error("without a sequencer the times do not decide")
	}
}
