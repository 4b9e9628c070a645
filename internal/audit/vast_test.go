package audit

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"iter"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// vast is two buckets that are made up as they are listed, because to store so many objects
// would take longer than to audit them. Every other image has a key of our own; every tenth
// has no result.
type vast struct {
	n        int
	book     *recipe.Book
	hash     string
	reads    atomic.Int64
	heap     atomic.Uint64 // the largest that was seen
	pictures []string      // ids of foreign keys in the order of results; made once, not counted
}

func newVast(t *testing.T, n int) *vast {
	t.Helper()
	v := &vast{n: n, book: recipe.Builtin()}
	job, err := v.book.Resolve("", nil)
	if err != nil {
		t.Fatal(err)
	}
	v.hash = job.Hash
	for i := range n / 2 {
		v.pictures = append(v.pictures, store.IDForKey(foreign(i)))
	}
	slices.SortFunc(v.pictures, compareIDs)
	return v
}

// own are ids of ours, in ascending order.
func own(i int) string     { return fmt.Sprintf("7%025d", i) }
func foreign(i int) string { return fmt.Sprintf("photos/%07d.jpg", i) }

// results emits what lies under an id.
func results(emit func(string) bool, id string) bool {
	return emit(id+"/0123456789abcdef/full.jpg") && emit(store.ManifestKey(id))
}

func (v *vast) Bucket(w store.Which) string { return [...]string{"uploads", "results"}[w] }

func (v *vast) Walk(_ context.Context, w store.Which, _, _ string) iter.Seq2[store.Object, error] {
	return func(yield func(store.Object, error) bool) {
		emit := func(key string) bool { return yield(store.Object{Key: key, Size: 5, ETag: "e"}, nil) }
		for i := range v.n / 2 {
			if w == store.Uploads && !emit(own(i)+"/a.jpg") || w == store.Results && i%10 > 0 && !results(emit, own(i)) {
				return
			}
		}
		for i := range v.n / 2 {
			if w == store.Uploads && !emit(foreign(i)) {
				return
			}
			if w == store.Results && i%10 > 0 && !results(emit, v.pictures[i]) {
				return
			}
		}
	}
}

func (v *vast) Manifest(_ context.Context, id string) (*recipe.Manifest, string, error) {
	if n := v.reads.Add(1); n%20_000 == 0 {
		v.heap.Store(max(v.heap.Load(), live()))
	}
	key := id + "/a.jpg"
	if strings.HasPrefix(id, "k-") {
		key = keyOf(id)
	}
	return &recipe.Manifest{Version: 1, ID: id, Status: recipe.Done, RecipeHash: v.hash, Asked: &recipe.Asked{}, Source: recipe.Source{Bucket: "uploads", Key: key, ETag: "e"},
		Outputs: []recipe.Result{{Name: "full", Key: id + "/0123456789abcdef/full.jpg", Bytes: 5}}, Program: "p"}, "m", nil
}

func (v *vast) Stat(context.Context, string) (*store.Source, error) {
	return &store.Source{ETag: "e"}, nil
}
func (v *vast) OpenResult(context.Context, string) (io.ReadCloser, error) { panic("not asked for") }
func (v *vast) DeleteOutputs(context.Context, []string) error             { panic("not asked for") }

// live is how much memory the last collection of garbage found in use.
func live() uint64 {
	runtime.GC()
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// Many images need no more memory than few, and one request each for those that have a result.
func TestVast(t *testing.T) {
	var heaps []uint64
	for _, n := range []int{40_000, vastImages} {
		v := newVast(t, n)
		before := live()
		x, err := New(Options{Store: v, Recipes: v.book, Queue: func(context.Context) (Counts, error) { return Counts{Waiting: int64(n)}, nil }, Program: "p", TempDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		r, err := x.Run(t.Context())
		x.Close()
		if err != nil {
			t.Fatal(err)
		}
		if r.Images.Total != int64(n) || r.Images.Done != int64(n/10*9) || r.Images.Queued != int64(n/10) || r.Violations+r.Warnings != 0 || r.Results.Leftovers != 0 {
			t.Errorf("%+v", r)
		}
		if v.reads.Load() != int64(n/10*9) {
			t.Errorf("%d manifests were read", v.reads.Load())
		}
		heaps = append(heaps, max(v.heap.Load(), before)-before)
		t.Logf("%d images: %d KB in %v", n, heaps[len(heaps)-1]>>10, time.Since(began))
	}
	// A run of the sorter is in memory, and a buffer for each that is on disk.
	if limit := uint64(24 << 20); heaps[0] > limit || heaps[1] > limit {
		t.Errorf("it took %d bytes", heaps)
	}
}

// keyOf is the key in an id of another program's.
func keyOf(id string) string {
	key, err := base64.RawURLEncoding.DecodeString(id[2:])
	if err != nil {
		panic(err)
	}
	return string(key)
}
