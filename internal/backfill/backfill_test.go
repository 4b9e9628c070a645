package backfill

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/awstest"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

func failedWith(code string) func(*recipe.Manifest) {
	return func(m *recipe.Manifest) {
		m.Status, m.Outputs, m.Error = recipe.Failed, nil, &recipe.Failure{Code: code}
	}
}

// TestReasons has one original of each kind, and each selection sends those that it should.
func TestReasons(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		b := newBench(t, endpoint)
		b.upload("marks/logo.png", "")
		etags := map[string]string{
			"current.jpg":     b.done("current.jpg", "", nil),
			"avatars/me.jpg":  b.done("avatars/me.jpg", "", nil),
			"corrupt.jpg":     b.done("corrupt.jpg", "", failedWith(fault.CodeCorrupt)),
			"empty.jpg":       b.done("empty.jpg", "", failedWith(fault.CodeEmpty)),
			"old.jpg":         b.done("old.jpg", "", func(m *recipe.Manifest) { m.Program = "tintype 0" }),
			"marked/a.jpg":    b.done("marked/a.jpg", "", func(m *recipe.Manifest) { m.Assets = []recipe.Asset{{Key: "marks/logo.png", ETag: "former"}} }),
			"marked/gone.jpg": b.done("marked/gone.jpg", "", func(m *recipe.Manifest) { m.Assets = []recipe.Asset{{Key: "marks/gone.png", ETag: "former"}} }),
			"otherbucket.jpg": b.done("otherbucket.jpg", "", func(m *recipe.Manifest) { m.Source.Bucket = "elsewhere" }),
			"retried.jpg": b.done("retried.jpg", "", func(m *recipe.Manifest) {
				failedWith(fault.CodeCorrupt)(m)
				m.Timings.Uploaded = m.Timings.Uploaded.Add(-time.Hour)
			}),
			"rewritten.jpg":     b.done("rewritten.jpg", "", func(m *recipe.Manifest) { m.Timings.Uploaded = m.Timings.Uploaded.Add(-time.Hour) }),
			"unaskedsepia.jpg":  b.done("unaskedsepia.jpg", "sepia", func(m *recipe.Manifest) { m.Asked = nil }),
			"unknownrecipe.jpg": b.done("unknownrecipe.jpg", "", func(m *recipe.Manifest) { failedWith(fault.CodeUnknownRecipe)(m); m.RecipeHash = "" }),
		}
		b.upload("missing.jpg", "")
		b.archive("cold.jpg")
		b.done("changed.jpg", "", func(m *recipe.Manifest) { m.Source.ETag = "former" })
		b.done("recipe.jpg", "", func(m *recipe.Manifest) { m.RecipeHash = "former" })
		b.done("unasked.jpg", "sepia", func(m *recipe.Manifest) { m.Asked = nil; m.RecipeHash = "former" })
		b.upload("junk.jpg", "")
		if _, err := b.PutOutput(t.Context(), store.ManifestKey(store.IDForKey("junk.jpg")), "text/plain", []byte("{")); err != nil {
			t.Fatal(err)
		}
		id := store.NewID(time.Now())
		b.upload(id+"/first.jpg", "")
		b.done(id+"/second.jpg", "", func(m *recipe.Manifest) { m.Timings.Uploaded = m.Timings.Uploaded.Add(time.Minute) })

		stale := map[string]Reason{
			"missing.jpg": Missing, "changed.jpg": Source, "recipe.jpg": Recipe, "unasked.jpg": Recipe, "junk.jpg": Damaged, "otherbucket.jpg": Damaged,
			"marked/a.jpg": Asset, "retried.jpg": Source, "unknownrecipe.jpg": Recipe,
		}
		forced := []Reason{Asset, Failure, Version, Anything}
		with := func(more map[string]Reason) map[string]Reason {
			all := maps.Clone(stale)
			maps.Copy(all, more)
			return all
		}
		for _, tc := range []struct {
			name string
			sel  Selection
			want map[string]Reason
		}{
			{"by default", Selection{}, stale},
			{"all that failed", Selection{Failed: []string{"*"}}, with(map[string]Reason{"corrupt.jpg": Failure, "empty.jpg": Failure})},
			{"failed with a code", Selection{Failed: []string{fault.CodeEmpty}}, with(map[string]Reason{"empty.jpg": Failure})},
			{"of another program", Selection{Program: true}, with(map[string]Reason{"old.jpg": Version})},
			{"everything of a recipe", Selection{All: true, Recipe: "thumbnail"}, map[string]Reason{"avatars/me.jpg": Anything}},
			{"of a recipe", Selection{Recipe: "sepia"}, map[string]Reason{"unasked.jpg": Recipe}},
			{"under a prefix", Selection{Prefix: "m"}, map[string]Reason{"missing.jpg": Missing, "marked/a.jpg": Asset}},
			{"of the future", Selection{Since: time.Now().Add(time.Hour), All: true}, map[string]Reason{}},
			{"everything", Selection{All: true}, with(map[string]Reason{"current.jpg": Anything, "avatars/me.jpg": Anything, "corrupt.jpg": Anything, "empty.jpg": Anything, "old.jpg": Anything,
				"marked/gone.jpg": Anything, "rewritten.jpg": Anything, "unaskedsepia.jpg": Anything, id + "/second.jpg": Anything})},
		} {
			t.Run(tc.name, func(t *testing.T) {
				for _, dry := range []bool{true, false} {
					got := map[string]Reason{}
					var order []string
					c, err := b.run(func(o *Options) {
						o.Selection, o.DryRun, o.Announce = tc.sel, dry, true
						o.Chosen = func(key string, why Reason) { got[key] = why; order = append(order, key) }
					})
					if err != nil {
						t.Fatal(err)
					}
					if !maps.Equal(got, tc.want) || int(c.Sent) != len(tc.want) || !slices.IsSorted(order) {
						t.Errorf("dry %v: got %v, want %v (%+v)", dry, got, tc.want, c)
					}
					total := int64(0)
					for _, n := range c.By {
						total += n
					}
					if total != c.Seen {
						t.Errorf("the reasons do not add up: %+v", c)
					}
					messages := b.received()
					if dry {
						if len(messages) != 0 {
							t.Errorf("a dry run sent %v", messages)
						}
						continue
					}
					if len(messages) != len(tc.want) {
						t.Errorf("sent %v", messages)
					}
					for key, m := range messages {
						src, err := b.Stat(t.Context(), key)
						if err != nil || len(m) != 1 || m[0].ETag != src.ETag || m[0].Bucket != b.Bucket(store.Uploads) || m[0].Backfill.Job != "job-1" || !m[0].Backfill.Announce {
							t.Errorf("%s: %+v", key, m)
							continue
						}
						// Force names the manifest; without force none is named.
						force := slices.Contains(forced, got[key]) || key == "otherbucket.jpg" || key == "retried.jpg"
						if r := m[0].Backfill.Replaces; force != (r != "") || force && etags[key] != "" && r != etags[key] {
							t.Errorf("%s replaces %q, want the manifest %q: %v", key, r, etags[key], force)
						}
					}
				}
			})
		}
		// What lies in an archive, and what a rule ignores, is counted.
		c, err := b.run(func(o *Options) { o.DryRun = true })
		if err != nil || c.By[Ignored] != 1 || c.By[Shadowed] != 1 || endpointArchives(b) && c.By[Archived] != 1 {
			t.Errorf("%+v, %v", c, err)
		}
	})
}

// endpointArchives reports whether the endpoint keeps storage classes.
func endpointArchives(b *bench) bool {
	src, err := b.Stat(b.t.Context(), "cold.jpg")
	return err == nil && src.Archived
}

// A run that ends at any batch is gone on with from its checkpoint: everything is sent, and
// nothing of before the checkpoint again.
func TestResume(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		b := newBench(t, endpoint)
		const n = 45
		for i := range n {
			b.upload(fmt.Sprintf("%03d.jpg", i), "")
		}
		file := filepath.Join(t.TempDir(), "state.json")
		point := &Checkpoint{Job: "job-1", Bucket: "b", Queue: "q"}
		for _, sent := range []int{0, 10, 20, 40} {
			cut := errors.New("cut")
			b.sent = 0
			b.stop = func(n int) error {
				if n >= sent { // slow machines send smaller batches
					return cut
				}
				return nil
			}
			save := func(after string, c Counts) error { return point.Write(file, after, c) }
			c, err := b.run(func(o *Options) { o.Checkpoint = save })
			if !errors.Is(err, cut) || c.Sent != int64(b.sent) || c.Sent == n {
				t.Fatalf("%+v, %v", c, err)
			}
			sent = b.sent
			got, err := ReadCheckpoint(file)
			if err != nil || !got.Same(point) || got.Counts.Sent != int64(sent) || sent > 0 && got.Key() != fmt.Sprintf("%03d.jpg", sent-1) || sent == 0 && got.Key() != "" {
				t.Fatalf("%+v, %v", got, err)
			}
			b.stop = nil
			if c, err := b.run(func(o *Options) { o.After, o.Checkpoint = got.Key(), save }); err != nil || c.Sent != int64(n-sent) {
				t.Fatalf("%+v, %v", c, err)
			}
			messages := b.received()
			for key, m := range messages {
				if len(m) != 1 {
					t.Errorf("%s was sent %d times", key, len(m))
				}
			}
			if len(messages) != n {
				t.Errorf("%d were sent", len(messages))
			}
		}
	})
}

// A queue that is full pauses the run until there is room again.
func TestBacklog(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		b := newBench(t, endpoint)
		for i := range 60 {
			b.upload(fmt.Sprintf("%03d.jpg", i), "")
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		p, deepest, rounds := &Progress{}, int64(0), 0
		q := &watched{bench: b, pending: func(n int64) {
			deepest = max(deepest, n)
			if p.Paused.Load() { // the app tier catches up
				rounds++
				b.received()
			}
		}}
		opts := Options{Store: b.Store, Recipes: b.book, Queue: q, Job: "job-1", MaxBacklog: 25, Pause: time.Millisecond}
		c, err := Run(ctx, opts, p)
		if err != nil || c.Sent != 60 || p.Sent.Load() != 60 || p.Seen.Load() != 60 || p.Paused.Load() {
			t.Errorf("%+v, %v, %+v", c, err, p)
		}
		if deepest > 25 || rounds == 0 {
			t.Errorf("there were %d messages at most, and %d pauses", deepest, rounds)
		}
	})
}

// watched tells of each look at the queue.
type watched struct {
	*bench
	pending func(n int64)
}

func (w *watched) Pending(ctx context.Context) (int64, error) {
	n, err := w.bench.Pending(ctx)
	w.pending(n)
	return n, err
}

func TestRate(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		b := newBench(t, endpoint)
		for i := range 30 {
			b.upload(fmt.Sprintf("%03d.jpg", i), "")
		}
		began := time.Now()
		if c, err := b.run(func(o *Options) { o.Rate = 100 }); err != nil || c.Sent != 30 {
			t.Errorf("%+v, %v", c, err)
		}
		// The first batch goes at once, each of the others a tenth of a second later.
		if took := time.Since(began); took < 200*time.Millisecond {
			t.Errorf("30 at 100 a second took %v", took)
		}
	})
}

// Who stops a run gets what it has done, and nothing goes on behind it.
func TestStopped(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		b := newBench(t, endpoint)
		for i := range 200 {
			b.upload(fmt.Sprintf("%03d.jpg", i), "")
		}
		busy := &busy{Store: b.Store}
		ctx, cancel := context.WithCancel(t.Context())
		b.stop = func(n int) error {
			if n >= 50 {
				cancel()
			}
			return nil
		}
		after := ""
		c, err := Run(ctx, Options{Store: busy, Recipes: b.book, Queue: b, Job: "job-1", Checkpoint: func(key string, _ Counts) error { after = key; return nil }}, &Progress{})
		if !errors.Is(err, context.Canceled) || c.Sent < 50 || c.Sent == 200 || after != fmt.Sprintf("%03d.jpg", c.Sent-1) {
			t.Errorf("%+v, %v, after %s", c, err, after)
		}
		if n := busy.calls.Load(); n != 0 {
			t.Errorf("%d calls are still under way", n)
		}
	})
}

// busy counts the calls under way.
type busy struct {
	*store.Store
	calls atomic.Int64
}

func (b *busy) Manifest(ctx context.Context, id string) (*recipe.Manifest, string, error) {
	b.calls.Add(1)
	defer b.calls.Add(-1)
	return b.Store.Manifest(ctx, id)
}

func TestCheckpointFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "state.json")
	c := &Checkpoint{Job: "job-1", Bucket: "b", Queue: "q", Selection: Selection{Failed: []string{"empty_file"}, Since: time.Now().UTC().Truncate(time.Second)}}
	key := "no text: \xff\x00 \n '\"+%20é"
	if err := c.Write(file, key, Counts{Seen: 7, Sent: 3, By: map[Reason]int64{Missing: 3}}); err != nil {
		t.Fatal(err)
	}
	got, err := ReadCheckpoint(file)
	if err != nil || got.Key() != key || !got.Same(c) || got.Counts.Sent != 3 || got.Job != "job-1" {
		t.Errorf("%+v, %v", got, err)
	}
	other := *c
	other.Selection.All = true
	if got.Same(&other) {
		t.Error("another selection counts as the same")
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("beside it lie %v", left)
	}
	if err := RemoveCheckpoint(file); err != nil {
		t.Error(err)
	}
	if _, err := ReadCheckpoint(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	for _, text := range []string{"", "{", "[]", "{}", `{"version":2,"job":"j","bucket":"b"}`, `{"version":1,"job":"j","bucket":"b","more":1}`, `{"version":1,"job":"j","bucket":"b"} {}`,
		`{"version":1,"job":"j","bucket":"b","after":"%zz"}`, `{"version":1,"job":"j","bucket":"b","after":"` + strings.Repeat("a", 1025) + `"}`, strings.Repeat(" ", maxCheckpoint+1)} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if c, err := ReadCheckpoint(file); err == nil || !strings.Contains(err.Error(), "is not the state of a backfill") {
			t.Errorf("%.60q: %+v, %v", text, c, err)
		}
	}
}

func FuzzCheckpoint(f *testing.F) {
	f.Add([]byte(`{"version":1,"job":"j","bucket":"b","queue":"q","selection":{"failed":["*"],"all":true},"after":"a+b%20c","counts":{"seen":1,"sent":1,"by":{"missing":1},"writes":4},"updated":"2026-11-25T03:00:00Z"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parseCheckpoint(text)
		if err == nil && (c.Version != checkpointVersion || len(c.Key()) > maxKey || c.Job == "") {
			t.Errorf("accepted %+v", c)
		}
	})
}
