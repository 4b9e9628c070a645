package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/awstest"
	"github.com/tintype/tintype/internal/event"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// hardKeys are keys whose ids are ordered otherwise than they are, or are hashes.
var hardKeys = []string{
	"a", "a~", "a b+c%41&d=e.jpg", "кошка/猫/🐈.png", "zz/" + strings.Repeat("long", 125), "~tilde'quote\"(x)!*.jpg", "A", "0", "9/9", "_", "-",
	"7zzzzzzzzzzzzzzzzzzzzzzzzz/dir/name.jpg", // no id of ours: a directory is in it
}

func TestSound(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		w := newWorld(t, endpoint)
		for _, key := range hardKeys {
			w.image(key)
		}
		for i := range 5 {
			w.image(store.UploadKey(store.NewID(time.Now()), fmt.Sprintf("photo %d.jpg", i)))
		}
		bad := w.image("bad.jpg")
		bad.Status, bad.Outputs, bad.Error = recipe.Failed, nil, &recipe.Failure{Code: fault.CodeNotAnImage}
		w.commit(bad)
		for _, o := range []string{"full", "thumb"} {
			w.remove(store.Results, store.OutputKey(bad.ID, bad.Source.ETag, "", bad.RecipeHash, o, "jpg"))
		}
		gone := w.image("gone.jpg")
		gone.Status, gone.Error = recipe.Failed, &recipe.Failure{Code: fault.CodeSourceGone}
		for _, o := range gone.Outputs {
			w.remove(store.Results, o.Key)
		}
		gone.Outputs = nil
		w.commit(gone)
		w.remove(store.Uploads, "gone.jpg")
		w.put(store.Uploads, "marks/logo.png", "no image")
		w.put(store.Results, ".tintype/app/a.json", "{}")
		w.put(store.Results, "readme.txt", "somebody's")
		w.upload("dead.jpg", "nobody can do this")
		w.send(w.dead, "dead.jpg")

		r, _ := w.audit(func(o *Options) { o.Deep, o.Leftovers = true, true })
		if len(w.findings) != 0 || r.Violations+r.Warnings != 0 {
			t.Errorf("findings %+v", w.findings)
		}
		n := int64(len(hardKeys) + 5)
		want := Images{Total: n + 3, Done: n, Failed: 1, Failures: map[string]int64{fault.CodeNotAnImage: 1}, Ignored: 1, DeadLettered: 1}
		if fmt.Sprint(r.Images) != fmt.Sprint(want) {
			t.Errorf("images %+v, want %+v", r.Images, want)
		}
		if x := r.Results; x.Manifests != n+2 || x.Outputs != 2*n || x.SourceGone != 1 || x.Own != 1 || x.Foreign != 1 || x.Leftovers != 0 {
			t.Errorf("results %+v", x)
		}
		if r.OtherRecipe != 0 || r.OtherProgram != 0 {
			t.Errorf("%+v", r)
		}
		// The dead letter is where it was.
		if c, err := w.figures(t.Context()); err != nil || c.DeadLetters != 1 {
			t.Errorf("%+v, %v", c, err)
		}
	})
}

// Each promise is broken once, and found.
func TestBroken(t *testing.T) {
	const key = "photos/cat.jpg"
	id := store.IDForKey(key)
	for _, tc := range []struct {
		name  string
		spoil func(*world, *recipe.Manifest)
		code  Code
		says  string
	}{
		{"the manifest is deleted", func(w *world, m *recipe.Manifest) { w.remove(store.Results, store.ManifestKey(id)) }, LostUpload, "no message"},
		{"the original is overwritten and its message gone", func(w *world, m *recipe.Manifest) { w.upload(key, "another picture") }, LostUpload, "what was there before"},
		{"an output is deleted", func(w *world, m *recipe.Manifest) { w.remove(store.Results, m.Outputs[1].Key) }, MissingOutput, `"thumb" is not there`},
		{"an output is cut short", func(w *world, m *recipe.Manifest) { w.put(store.Results, m.Outputs[0].Key, "fu") }, WrongSize, "has 2 bytes"},
		{"an output is torn", func(w *world, m *recipe.Manifest) {
			w.put(store.Results, m.Outputs[0].Key, strings.Repeat("x", int(m.Outputs[0].Bytes)))
		}, TornOutput, m0SHA},
		{"the manifest is junk", func(w *world, m *recipe.Manifest) { w.put(store.Results, store.ManifestKey(id), "{") }, UnreadableManifest, "not a manifest"},
		{"the manifest is another image's", func(w *world, m *recipe.Manifest) {
			other := w.image("photos/dog.jpg")
			other.Outputs = nil
			body := `{"version":1,"id":"` + other.ID + `","source":{"key":"photos/dog.jpg"}}`
			w.put(store.Results, store.ManifestKey(id), body)
		}, MisplacedManifest, "it has the id"},
		{"the manifest names another original", func(w *world, m *recipe.Manifest) {
			m.Source.Key = "photos/dog.jpg"
			w.commit(m)
		}, MisplacedManifest, "photos/dog.jpg"},
		{"the manifest names another bucket", func(w *world, m *recipe.Manifest) {
			m.Source.Bucket = "elsewhere"
			w.commit(m)
		}, MisplacedManifest, "elsewhere"},
		{"an output is said to lie elsewhere", func(w *world, m *recipe.Manifest) {
			other := w.image("photos/dog.jpg")
			m.Outputs[0].Key, m.Outputs[0].Bytes = other.Outputs[0].Key, other.Outputs[0].Bytes
			w.commit(m)
		}, ElsewhereOutput, "not kept under"},
		{"done without an output", func(w *world, m *recipe.Manifest) { m.Outputs = nil; w.commit(m) }, IncompleteManifest, "names no output"},
		{"failed without a reason", func(w *world, m *recipe.Manifest) { m.Status = recipe.Failed; w.commit(m) }, IncompleteManifest, "not why"},
		{"no end at all", func(w *world, m *recipe.Manifest) { m.Status = recipe.Processing; w.commit(m) }, IncompleteManifest, `"processing"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			awstest.Each(t, func(t *testing.T, endpoint string) {
				w := newWorld(t, endpoint)
				m := w.image(key)
				tc.spoil(w, m)
				r, _ := w.audit(func(o *Options) { o.Deep = true })
				// Without a manifest that is fit for use the image counts as lost as well.
				lost := slices.IndexFunc(w.findings, func(f Finding) bool { return f.Code == LostUpload })
				if tc.code != LostUpload && lost >= 0 {
					if r.Images.Lost != 1 {
						t.Errorf("%+v", r.Images)
					}
					w.findings = slices.Delete(w.findings, lost, lost+1)
				}
				f := w.expect(tc.code, Violation, id)
				if !strings.Contains(f.Detail, tc.says) || f.Key != key || f.Hint == "" {
					t.Errorf("finding %+v, want one that says %q", f, tc.says)
				}
				if r.Violations == 0 || r.Findings[tc.code] != 1 {
					t.Errorf("%+v", r)
				}
			})
		})
	}
}

// m0SHA is a part of what is said of a torn output.
const m0SHA = "SHA-256"

// Torn outputs of the right size only Deep finds.
func TestTornNeedsDeep(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		w := newWorld(t, endpoint)
		m := w.image("a.jpg")
		w.put(store.Results, m.Outputs[0].Key, strings.Repeat("x", int(m.Outputs[0].Bytes)))
		if r, _ := w.audit(nil); r.Violations != 0 {
			t.Errorf("%+v", w.findings)
		}
	})
}

func TestWhereItIs(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		w := newWorld(t, endpoint)
		w.upload("a.jpg", "waits")
		w.send(w.queue, "a.jpg")
		if r, _ := w.audit(nil); r.Images.Queued != 1 || r.Images.QueuedSeen != 0 || r.Violations != 0 {
			t.Errorf("queued: %+v", r.Images)
		}
		w.upload("b.jpg", "does not")
		if r, _ := w.audit(nil); r.Images.Queued != 2 || r.Violations != 0 {
			t.Errorf("queued: %+v", r.Images)
		}
		w.expect(ShortQueue, Warning, "")
		// A look at the queue tells which of two it is.
		r, _ := w.audit(func(o *Options) { o.Messages = w.look(w.queue) })
		if r.Images.QueuedSeen != 1 || r.Images.Lost != 1 {
			t.Errorf("looked at: %+v", r.Images)
		}
		w.expect(LostUpload, Violation, store.IDForKey("b.jpg"))
		if c, _ := w.figures(t.Context()); c.Waiting != 1 {
			t.Errorf("after the look: %+v", c)
		}
	})
	awstest.Each(t, func(t *testing.T, endpoint string) {
		w := newWorld(t, endpoint)
		w.upload("a.jpg", "first")
		w.send(w.dead, "a.jpg")
		w.upload("b.jpg", "lost")
		if r, _ := w.audit(func(o *Options) { o.DeadLetters = nil }); r.Images.Unknown != 2 || r.Violations != 0 {
			t.Errorf("dead letters left alone: %+v", r.Images)
		}
		// A letter of what was there before is of no use to what is there now.
		w.upload("a.jpg", "second")
		if r, _ := w.audit(nil); r.Images.Lost != 2 {
			t.Errorf("overwritten: %+v", r.Images)
		}
		if r, _ := w.audit(func(o *Options) { o.Grace = time.Hour }); r.Images.Queued != 2 || r.Violations != 0 {
			t.Errorf("on its way: %+v", r.Images)
		}
	})
}

// The world moves between one look and the next, and nothing is called lost that is not.
func TestMoving(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		for at := 1; at <= 4; at++ { // the figures are asked for four times before anything is lost
			w := newWorld(t, endpoint)
			w.upload("a.jpg", "a")
			w.onAsked[at] = func() { w.process("a.jpg") }
			if r, _ := w.audit(nil); r.Images.Done != 1 || len(w.findings) != 0 {
				t.Errorf("processed when asked for the %d. time: %+v %+v", at, r.Images, w.findings)
			}
			w = newWorld(t, endpoint)
			w.upload("a.jpg", "a")
			w.onAsked[at] = func() { w.send(w.queue, "a.jpg") }
			if r, _ := w.audit(nil); r.Images.Queued+r.Images.Moving != 1 || len(w.findings) != 0 {
				t.Errorf("sent when asked for the %d. time: %+v %+v", at, r.Images, w.findings)
			}
			w = newWorld(t, endpoint)
			w.upload("a.jpg", "a")
			w.onAsked[at] = func() { w.remove(store.Uploads, "a.jpg") }
			if r, _ := w.audit(nil); r.Images.Moving != 1 || len(w.findings) != 0 {
				t.Errorf("deleted when asked for the %d. time: %+v %+v", at, r.Images, w.findings)
			}
		}
	})
}

// hooked changes the world right before, or after, something is asked of it for the first time.
type hooked struct {
	*store.Store
	once                   sync.Once
	manifest, listed, read func()
}

func (h *hooked) Manifest(ctx context.Context, id string) (*recipe.Manifest, string, error) {
	if h.manifest != nil {
		h.once.Do(h.manifest)
	}
	m, etag, err := h.Store.Manifest(ctx, id)
	if h.read != nil {
		h.once.Do(h.read)
	}
	return m, etag, err
}

func (h *hooked) Walk(ctx context.Context, w store.Which, prefix, after string) iter.Seq2[store.Object, error] {
	if w == store.Results && h.listed != nil {
		h.once.Do(h.listed)
	}
	return h.Store.Walk(ctx, w, prefix, after)
}

func TestMovingResults(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		w := newWorld(t, endpoint)
		w.image("a.jpg")
		r, _ := w.audit(func(o *Options) {
			o.Store = &hooked{Store: w.Store, manifest: func() { w.upload("a.jpg", "newer"); w.process("a.jpg") }}
		})
		if r.Images.Done != 1 || len(w.findings) != 0 {
			t.Errorf("a newer result: %+v %+v", r.Images, w.findings)
		}
		r, _ = w.audit(func(o *Options) {
			o.Store = &hooked{Store: w.Store, manifest: func() { w.Delete(t.Context(), store.IDForKey("a.jpg")) }}
		})
		if len(w.findings) != 0 || r.Images.Lost != 0 {
			t.Errorf("deleted: %+v %+v", r.Images, w.findings)
		}
		// Outputs that are made again have the same keys, and their manifest comes after them.
		m := w.image("b.jpg")
		w.put(store.Results, m.Outputs[0].Key, "made again")
		sum := sha256.Sum256([]byte("made again"))
		m.Outputs[0].Bytes, m.Outputs[0].SHA256 = int64(len("made again")), hex.EncodeToString(sum[:])
		if r, _ = w.audit(nil); r.Violations != 1 {
			t.Errorf("before its manifest: %+v", w.findings)
		}
		w.audit(func(o *Options) {
			o.Store = &hooked{Store: w.Store, read: func() { w.commit(m) }}
		})
		if len(w.findings) != 0 {
			t.Errorf("made again: %+v", w.findings)
		}
		r, _ = w.audit(func(o *Options) {
			o.Store = &hooked{Store: w.Store, listed: func() { w.image(store.UploadKey(store.NewID(time.Now()), "fresh.jpg")) }}
		})
		if len(w.findings) != 0 || r.Violations+r.Warnings != 0 {
			t.Errorf("an upload after the listing of originals: %+v", w.findings)
		}
	})
}

func TestWarnings(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		w := newWorld(t, endpoint)
		m := w.image("a.jpg")
		w.remove(store.Uploads, "a.jpg")
		if r, _ := w.audit(nil); r.Warnings != 1 || r.Violations != 0 {
			t.Errorf("%+v", r)
		}
		w.expect(Orphan, Warning, m.ID)

		w = newWorld(t, endpoint)
		id := store.NewID(time.Now())
		w.upload(id+"/first.jpg", "first")
		later := w.image(id + "/second.jpg")
		later.Timings.Uploaded = later.Timings.Uploaded.Add(time.Minute)
		w.commit(later)
		if r, _ := w.audit(nil); r.Images.Done != 1 || r.Images.Shadowed != 1 || r.Violations != 0 {
			t.Errorf("%+v", r.Images)
		}
		if f := w.expect(SharedID, Warning, id); f.Key != id+"/first.jpg" {
			t.Errorf("%+v", f)
		}

		w = newWorld(t, endpoint)
		m = w.image("a.jpg")
		m.RecipeHash, m.Program = "of yesterday", "tintype 0"
		w.commit(m)
		w.put(store.Results, m.ID+"/notes.txt", "somebody's")
		if r, _ := w.audit(nil); r.OtherRecipe != 1 || r.OtherProgram != 1 || r.Images.Done != 1 || r.Results.Foreign != 1 || r.Violations != 0 {
			t.Errorf("%+v", r)
		}
		m.Asked = nil // of before that was kept
		w.commit(m)
		if r, _ := w.audit(nil); r.OtherRecipe != 1 {
			t.Errorf("%+v", r)
		}
	})
}

func TestSweep(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		w := newWorld(t, endpoint)
		for _, key := range []string{"a.jpg", "b.jpg"} {
			w.image(key)
			w.upload(key, "newer "+key)
			w.process(key)
		}
		w.image("c.jpg")
		half := store.OutputKey(store.IDForKey("d.jpg"), "e", "", "h", "full", "jpg") // a crash before the manifest
		w.put(store.Results, half, "half")
		w.put(store.Results, "readme.txt", "somebody's")
		w.put(store.Results, store.IDForKey("c.jpg")+"/notes.txt", "somebody's")
		before := w.keys(store.Results)

		r, x := w.audit(func(o *Options) { o.Leftovers = true })
		if r.Results.Leftovers != 5 || r.Results.LeftoverBytes == 0 || r.Violations != 0 {
			t.Fatalf("%+v", r)
		}
		if done, err := x.Sweep(t.Context(), time.Now().Add(-time.Hour)); err != nil || done.Removed != 0 || done.Younger != 5 {
			t.Errorf("none is old enough: %+v, %v", done, err)
		}
		// Between the audit and the sweep an image goes back to what it was.
		w.upload("b.jpg", "the picture b.jpg")
		again := w.process("b.jpg")
		n, bytes, err := x.Sweepable(time.Now().Add(time.Minute))
		if err != nil || n != 5 || bytes != r.Results.LeftoverBytes {
			t.Errorf("%d, %d bytes, %v", n, bytes, err)
		}
		done, err := x.Sweep(t.Context(), time.Now().Add(time.Minute))
		if err != nil || done.Removed != 3 || done.Named != 2 || done.Bytes == 0 {
			t.Errorf("%+v, %v", done, err)
		}
		after := w.keys(store.Results)
		if len(after) != len(before)-3 || slices.Contains(after, half) || !slices.Contains(after, again.Outputs[0].Key) {
			t.Errorf("left: %q", after)
		}
		if r, _ := w.audit(func(o *Options) { o.Deep = true }); r.Violations != 0 || r.Images.Done != 3 || r.Results.Leftovers != 2 {
			t.Errorf("%+v %+v", r, w.findings)
		}
	})
}

func TestNarrowed(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		w := newWorld(t, endpoint)
		w.image("in/a.jpg")
		w.upload("in/b.jpg", "lost")
		w.upload("out/c.jpg", "lost as well")
		w.image("out/d.jpg")
		w.remove(store.Uploads, "out/d.jpg")
		r, _ := w.audit(func(o *Options) { o.Prefix = "in/" })
		if r.Images.Total != 2 || r.Images.Done != 1 || r.Images.Lost != 1 || !r.Narrowed {
			t.Errorf("%+v", r)
		}
		w.expect(LostUpload, Violation, store.IDForKey("in/b.jpg"))
		if r, _ := w.audit(func(o *Options) { o.Since = time.Now().Add(time.Hour) }); r.Images.Total != 0 || len(w.findings) != 0 {
			t.Errorf("%+v", r)
		}
	})
}

func TestCheckCompletion(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		w := newWorld(t, endpoint)
		w.upload("a.jpg", "a")
		m, _ := w.manifestOf("a.jpg")
		if err := CheckCompletion(t.Context(), w, event.NewCompletion(m)); err == nil || !strings.Contains(err.Error(), "no manifest") {
			t.Errorf("too early: %v", err)
		}
		w.commit(m)
		if err := CheckCompletion(t.Context(), w, event.NewCompletion(m)); err != nil {
			t.Error(err)
		}
		later := *m
		later.Timings.Finished = m.Timings.Finished.Add(time.Second)
		if err := CheckCompletion(t.Context(), w, event.NewCompletion(&later)); err == nil || !strings.Contains(err.Error(), "still that of") {
			t.Errorf("before the newer one: %v", err)
		}
	})
}

// A store that does not answer ends the audit with its error.
func TestEndpointGone(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		w := newWorld(t, endpoint)
		w.image("a.jpg")
		ctx, cancel := context.WithCancel(t.Context())
		x, err := New(Options{Store: &hooked{Store: w.Store, manifest: cancel}, Recipes: w.book, Queue: w.figures})
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		if _, err := x.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

func TestOrderIsChecked(t *testing.T) {
	for _, err := range inOrder(func(yield func(store.Object, error) bool) {
		_ = yield(store.Object{Key: "b"}, nil) && yield(store.Object{Key: "a"}, nil)
	}) {
		if err != nil {
			return
		}
	}
	t.Error("a listing out of order passes")
}
