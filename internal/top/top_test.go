package top

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	tea "charm.land/bubbletea/v2"

	"github.com/tintype/tintype/internal/backlog"
	"github.com/tintype/tintype/internal/deadletter"
	"github.com/tintype/tintype/internal/presence"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// told is a source that says what it was given.
type told struct {
	snap    Snapshot
	letters deadletter.List
	panics  bool
}

func (told) Name() string { return "http://127.0.0.1:8007" }

func (s told) Look(context.Context) (Snapshot, error) {
	if s.panics {
		panic("a bug")
	}
	return s.snap, nil
}

func (s told) DeadLetters(context.Context, int) (*deadletter.List, error) { return &s.letters, nil }

// screenOf is a model that has looked once.
func screenOf(s told, width, height int) *model {
	m := &model{ctx: context.Background(), source: s, every: time.Second, now: func() time.Time { return noon }}
	m.look = look{width: width, height: height, attributes: true, colours: true}
	m.take(looked{s.snap, nil})
	return m
}

// saying is a snapshot all of whose words are text.
func saying(text string) told {
	one, ms := 1.0, int64(1)
	live := false
	n := 0
	return told{
		snap: Snapshot{
			Time: noon, Queue: &backlog.Figures{Waiting: 3, DeadLetters: 1, Workers: &n, OldestAge: &one}, P50: &ms, P99: &ms, Live: &live, FailedPerMinute: &one,
			Apps:   []presence.Seen{{App: presence.App{ID: text, Host: text, Program: text, Reason: text, Seen: noon, InWork: []presence.Work{{ID: text, Key: text, Attempt: 1, Since: noon}}}}},
			Images: []Image{{ID: "1" + text, Key: text, Status: text, Recipe: text, Code: text, Message: text, Hint: text, App: text, Uploaded: noon, Finished: noon, TotalMS: -1 << 62, Outputs: []string{text}}, {ID: "2", Key: text, Status: "failed", Uploaded: noon, TotalMS: 1 << 62, Finished: noon}},
		},
		letters: deadletter.List{Total: 1, Letters: []deadletter.Letter{{MessageID: text, Images: []deadletter.Image{{Key: text}}, Cause: deadletter.Cause{Code: text, Message: text, Hint: text}}}},
	}
}

// ours are the control sequences that we write: attributes, and nothing else.
var ours = regexp.MustCompile(`\x1b\[(0|1|2|7|32|33|31;1)m`)

// screens checks every screen of a model: no line is wider than the terminal, there are not
// more than it has, and nothing is in them that a terminal would obey.
func screens(t *testing.T, s told, width, height int) {
	t.Helper()
	for _, keys := range [][]string{{}, {"down"}, {"down", "enter"}, {"down", "down", "enter"}, {"d"}, {"?"}} {
		m := screenOf(s, width, height)
		for _, k := range keys {
			if cmd := m.key(k); cmd != nil {
				m.Update(cmd())
			}
		}
		lines := m.lines()
		if len(lines) != max(height, 1) {
			t.Errorf("after %v at %d×%d: %d lines", keys, width, height, len(lines))
		}
		for _, l := range lines {
			if ansi.StringWidth(l) > width {
				t.Errorf("after %v at %d×%d: %q has %d columns", keys, width, height, l, ansi.StringWidth(l))
			}
			for _, r := range ours.ReplaceAllString(l, "") {
				if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u202e' || r == '\u200b' {
					t.Fatalf("after %v: %q goes to the terminal: %q", keys, r, l)
				}
			}
		}
	}
}

func TestWordsOfOthersAreOnlyShown(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"\x1b[2J\x1b]0;title\a\x9b31m\r\n\t\b", "\u202eabc\u2066\u200b", "日本語のとても長い名前のファイルです🙂🙂🙂🙂.jpg", "e\u0301\u0301\u0301\u0301", "\xff\xfe", strings.Repeat("long ", 1000), "",
	} {
		for _, size := range [][2]int{{80, 24}, {200, 60}, {40, 10}, {20, 5}, {12, 2}, {1, 1}} {
			screens(t, saying(text), size[0], size[1])
		}
	}
}

func FuzzScreens(f *testing.F) {
	f.Add("\x1b[31mred", uint8(80), uint8(24))
	f.Fuzz(func(t *testing.T, text string, width, height uint8) {
		screens(t, saying(text), max(int(width), 1), max(int(height), 1))
	})
}

func FuzzEvents(f *testing.F) {
	f.Add([]byte("event: image\ndata: {\"id\":\"a\",\"key\":\"k\"}\n\nevent: resync\n\n: beat\n"))
	f.Add([]byte("data: x\r\nevent\n\n\nevent:deleted\ndata:{\"id\":\"a\"}\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		feed := newFeed()
		readEvents(strings.NewReader(string(b)), func() {}, feed.event)
		if n := len(feed.images()); n > maxImages {
			t.Errorf("%d images are kept", n)
		}
	})
}

func TestEventsBecomeImages(t *testing.T) {
	t.Parallel()
	feed := newFeed()
	readEvents(strings.NewReader("retry: 2000\n\nid: 1\nevent: image\ndata: {\"id\":\"a\",\"key\":\"a.jpg\",\"status\":\"processing\",\"processing\":{\"attempt\":2,\"app\":\"vm-1\"}}\n\n"+
		"event: image\ndata: {\"id\":\"b\",\"status\":\"failed\",\"error\":{\"code\":\"not_an_image\"},\"timings\":{\"finished\":\"2026-03-04T12:00:00Z\",\"totalMs\":70}}\n\nevent: deleted\ndata: {\"id\":\"c\"}\n\nevent: image\ndata: {\n\n"), func() {}, feed.event)
	got := feed.images()
	if len(got) != 2 || got[0].Code != "not_an_image" || got[0].TotalMS != 70 || !got[0].Finished.Equal(noon) || got[1].App != "vm-1" || got[1].Attempts != 2 {
		t.Errorf("%+v", got)
	}
	feed.event("deleted", []byte(`{"id":"b"}`))
	if got := feed.images(); len(got) != 1 || got[0].ID != "a" {
		t.Errorf("after the deletion: %+v", got)
	}
}

// TestAToken is shown to the web tier asked, and to nobody that it points to.
func TestAToken(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s was asked, with %q", r.URL, r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	saw := make(chan string, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		saw <- r.Header.Get("Authorization")
		http.Redirect(w, r, elsewhere.URL, http.StatusFound)
	}))
	defer srv.Close()
	w, err := NewWeb(srv.URL, "s3cret")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Look(t.Context()); err == nil || !strings.Contains(err.Error(), "302") {
		t.Errorf("a redirect: %v", err)
	}
	if got := <-saw; got != "Bearer s3cret" {
		t.Errorf("the tier was shown %q", got)
	}
	for _, address := range []string{"", "127.0.0.1:8007", "ftp://x", "http://", "http://u:p@x"} {
		if _, err := NewWeb(address, ""); err == nil {
			t.Errorf("%q is an address", address)
		}
	}
}

func TestOrdersAndPausing(t *testing.T) {
	t.Parallel()
	s := told{snap: Snapshot{Time: noon, Images: []Image{
		{ID: "a", Key: "z", Status: "done", Finished: noon, TotalMS: 9000}, {ID: "b", Key: "a", Status: "failed", Finished: noon.Add(time.Second), TotalMS: 10}, {ID: "c", Key: "m", Status: "queued", Uploaded: noon.Add(2 * time.Second)},
	}}}
	m := screenOf(s, 80, 24)
	for _, want := range []string{"cba", "bca", "abc", "bca", "cba"} {
		got := ""
		for _, i := range m.images {
			got += i.ID
		}
		if got != want {
			t.Errorf("by %s: %s, want %s", m.sort, got, want)
		}
		m.key("s")
	}
	m.key("p")
	if _, cmd := m.Update(tick(m.turn)); cmd != nil || m.next() != nil {
		t.Error("it looks while it is paused")
	}
	if m.key("p") == nil {
		t.Error("it does not look at once when it goes on")
	}
	if _, cmd := m.Update(tick(m.turn)); cmd != nil {
		t.Error("two looks are under way")
	}
}

func TestCurve(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []float64
		want   string
	}{
		{nil, "    "}, {[]float64{0, 0}, "  ▁▁"}, {[]float64{1, 2, 4, 8, 0}, "▄▅█▁"}, {[]float64{-1, 5}, "   █"},
	} {
		if got := curve(c.values, 4, blocks); got != c.want {
			t.Errorf("%v: %q, want %q", c.values, got, c.want)
		}
	}
}

// TestASnapshotIsALine: what --json prints is one object, whatever is in it.
func TestASnapshotIsALine(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := Run(t.Context(), Options{Source: saying("\x1b[2J\n"), Out: &b, Every: time.Second, Once: true, JSON: true}); err != nil {
		t.Fatal(err)
	}
	var s Snapshot
	if strings.Count(b.String(), "\n") != 1 || strings.Contains(b.String(), "\x1b") || json.Unmarshal([]byte(b.String()), &s) != nil || s.Queue.Waiting != 3 {
		t.Errorf("%q", b.String())
	}
}

var _ tea.Model = (*model)(nil)
