package worker

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/tintype/tintype/internal/awstest"
	"github.com/tintype/tintype/internal/event"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/imaging"
	"github.com/tintype/tintype/internal/queue"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

func TestWorker(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		for name, test := range map[string]func(t *testing.T, endpoint string){
			"Done": testDone, "Permanent": testPermanent, "OtherMessages": testOtherMessages, "SeveralRecords": testSeveralRecords,
			"Redelivery": testRedelivery, "Overwrite": testOverwrite, "SourceGone": testSourceGone, "AskedAgain": testAskedAgain,
			"LostLease": testLostLease, "Conflict": testConflict, "AnnouncementFails": testAnnouncementFails, "ReplacesJunkManifest": testReplacesJunkManifest,
			"BrokenSetUp": testBrokenSetUp, "EveryFault": testEveryFault, "Flow": testFlow, "Rules": testRules, "Assets": testAssets,
			"FirstReceive": testFirstReceive, "SourceGoneDuring": testSourceGoneDuring, "DeletedDuring": testDeletedDuring, "CrashBeforeTheLastLook": testCrashBeforeTheLastLook,
			"SourceComesBack": testSourceComesBack, "OverwrittenDuring": testOverwrittenDuring, "HeldBeforeTheAnnouncement": testHeldBeforeTheAnnouncement,
		} {
			t.Run(name, func(t *testing.T) { test(t, endpoint) })
		}
	})
}

func testDone(t *testing.T, endpoint string) {
	b := newBench(t, endpoint, nil)
	key := store.UploadKey(store.NewID(time.Now()), "my cat +1% 🐈.jpg")
	u := b.upload(key, picture(500, 400, 1), "tint", map[string]string{"tint": "#00F", "strength": "0.5"})
	m1 := message(1, u)
	b.handle(m1, queue.Ack())
	m := b.result(key)
	if m.Status != recipe.Done || m.Error != nil || m.ID != store.IDForKey(key) || m.Recipe != "tint" || m.RecipeHash == "" || m.Params["tint"] != "#0000ff" || m.Params["strength"] != 0.5 {
		t.Errorf("manifest %+v", m)
	}
	if s := m.Source; s.Bucket != u.Bucket || s.Key != key || s.ETag != u.ETag || s.Sequencer != u.Sequencer || s.Bytes != u.Size || s.Width != 500 || s.Height != 400 || s.Format != "jpeg" || s.ContentType != "image/jpeg" {
		t.Errorf("source %+v", s)
	}
	if m.Attempts != 1 || m.MessageID != m1.ID || m.Program != "tintype test" || m.Libvips == "" {
		t.Errorf("manifest %+v", m)
	}
	if ti := m.Timings; !ti.Uploaded.Equal(u.Time) || ti.Started.IsZero() || ti.Finished.Before(ti.Started) {
		t.Errorf("timings %+v", ti)
	}
	names := ""
	for _, out := range m.Outputs {
		names += out.Name + " "
		if len(out.SHA256) != 64 || out.ThumbHash == "" || !strings.HasPrefix(out.Key, m.ID+"/") {
			t.Errorf("output %+v", out)
		}
	}
	if names != "full large thumb " {
		t.Errorf("outputs %s", names)
	}
	if c := b.announced.expect(t, 1); c.ImageID != m.ID || c.Manifest.Status != recipe.Done || c.ID != event.NewCompletion(m).ID {
		t.Errorf("announced %+v", c)
	}
	if s := b.worker.Stats(); s.Done != 1 || s.Computing != 0 {
		t.Errorf("stats %+v", s)
	}
}

func testPermanent(t *testing.T, endpoint string) {
	b := newBench(t, endpoint, func(o *Options) { o.MaxBytes = 20_000 })
	for _, tc := range []struct {
		name   string
		body   []byte
		recipe string
		params map[string]string
		code   string
	}{
		{"not an image", []byte("hello, I am text"), "", nil, fault.CodeNotAnImage},
		{"truncated", picture(200, 200, 1)[:1500], "", nil, fault.CodeCorrupt},
		{"empty", nil, "", nil, fault.CodeEmpty},
		{"too large", make([]byte, 20_001), "", nil, fault.CodeTooLarge},
		{"unknown recipe", picture(10, 10, 1), "no-such", nil, fault.CodeUnknownRecipe},
		{"bad colour", picture(10, 10, 1), "tint", map[string]string{"tint": "orangish"}, fault.CodeBadParameter},
	} {
		t.Run(tc.name, func(t *testing.T) {
			key := store.UploadKey(store.NewID(time.Now()), tc.name)
			before := len(b.announced.all)
			b.handle(message(1, b.upload(key, tc.body, tc.recipe, tc.params)), queue.Ack())
			m := b.result(key)
			if m.Status != recipe.Failed || m.Error == nil || m.Error.Code != tc.code || m.Error.Message == "" || len(m.Outputs) != 0 {
				t.Errorf("manifest %+v, error %+v", m, m.Error)
			}
			if c := b.announced.expect(t, before+1); c.Manifest.Error.Code != tc.code {
				t.Errorf("announced %+v", c.Manifest.Error)
			}
			if _, err := b.KeyOf(t.Context(), store.IDForKey(key)); err != nil {
				t.Errorf("the original: %v", err)
			}
		})
	}
	t.Run("metadata written by hand", func(t *testing.T) {
		key := "by-hand.jpg"
		if _, err := b.client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(b.Bucket(store.Uploads)), Key: &key, Body: strings.NewReader("x"), Metadata: map[string]string{"tintype-params": "{"}}); err != nil {
			t.Fatal(err)
		}
		b.handle(message(1, b.event(key)), queue.Ack())
		if m := b.result(key); m.Status != recipe.Failed || m.Error.Code != fault.CodeBadParameter {
			t.Errorf("manifest %+v", m)
		}
	})
	if s := b.worker.Stats(); s.Failed != 7 || s.Again != 0 {
		t.Errorf("stats %+v", s)
	}
}

func testOtherMessages(t *testing.T, endpoint string) {
	b := newBench(t, endpoint, nil)
	b.handle(queue.Message{ID: "1", Body: `{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"x"}`, ReceiveCount: 1}, queue.Ack())
	b.handle(queue.Message{ID: "2", Body: "junk \x00", ReceiveCount: 1}, queue.Retry(junkDelay))
	u := b.upload("a.jpg", picture(10, 10, 1), "", nil)
	u.Bucket = "another"
	b.handle(message(1, u), queue.Ack())
	removed := strings.Replace(message(1, u).Body, "ObjectCreated:Put", "ObjectRemoved:Delete", 1)
	b.handle(queue.Message{ID: "3", Body: removed, ReceiveCount: 1}, queue.Ack())
	b.announced.expect(t, 0)
	if _, _, err := b.Manifest(t.Context(), store.IDForKey("a.jpg")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("something was done: %v", err)
	}
	if s := b.worker.Stats(); s.Junk != 1 {
		t.Errorf("stats %+v", s)
	}
}

func testSeveralRecords(t *testing.T, endpoint string) {
	b := newBench(t, endpoint, nil)
	one, two, three := b.upload("one.jpg", picture(20, 20, 1), "", nil), b.upload("two", []byte("no image"), "", nil), b.upload("three.jpg", picture(20, 20, 3), "", nil)
	foreign := one
	foreign.Bucket = "another"
	b.handle(message(1, one, foreign, two, three), queue.Ack())
	for key, want := range map[string]recipe.Status{"one.jpg": recipe.Done, "two": recipe.Failed, "three.jpg": recipe.Done} {
		if m := b.result(key); m.Status != want {
			t.Errorf("%s: %s", key, m.Status)
		}
	}
	b.announced.expect(t, 3)
}

// failing is a Store some calls of which fail.
type failing struct {
	*store.Store
	put, commit func(n int64) error
	puts        atomic.Int64
	commits     atomic.Int64
	opens       atomic.Int64
}

func (f *failing) OpenSource(ctx context.Context, key, etag string) (*store.Source, error) {
	f.opens.Add(1)
	return f.Store.OpenSource(ctx, key, etag)
}

func (f *failing) PutOutput(ctx context.Context, key, contentType string, body []byte) (string, error) {
	if n := f.puts.Add(1); f.put != nil {
		if err := f.put(n); err != nil {
			return "", err
		}
	}
	return f.Store.PutOutput(ctx, key, contentType, body)
}

func (f *failing) CommitManifest(ctx context.Context, m *recipe.Manifest, prev string) error {
	if n := f.commits.Add(1); f.commit != nil {
		if err := f.commit(n); err != nil {
			return err
		}
	}
	return f.Store.CommitManifest(ctx, m, prev)
}

func testRedelivery(t *testing.T, endpoint string) {
	b := newBench(t, endpoint, nil)
	counted := &failing{Store: b.Store}
	b.worker = b.newWorker(func(o *Options) { o.Store = counted })
	u := b.upload("a.jpg", picture(50, 50, 1), "", nil)
	b.handle(message(1, u), queue.Ack())
	first := b.announced.expect(t, 1)
	puts := counted.puts.Load()

	// The same message, given out twice for the first time: whoever has the other may lose its lease
	// before announcing, because we delete the message.
	b.handle(message(1, u), queue.Ack())
	if again := b.announced.expect(t, 2); again.ID != first.ID {
		t.Errorf("announced again as %s, first as %s", again.ID, first.ID)
	}
	// The same message again: whoever had it may have ended before announcing.
	b.handle(message(2, u), queue.Ack())
	if again := b.announced.expect(t, 3); again.ID != first.ID {
		t.Errorf("announced again as %s, first as %s", again.ID, first.ID)
	}
	// An endpoint without sequencers: the content and the job tell. In a message of its own there is
	// nothing to do and nothing to say.
	plain := u
	plain.Sequencer = ""
	other := message(1, plain)
	other.ID = "message-of-its-own"
	b.handle(other, queue.Ack())
	b.announced.expect(t, 3)
	if counted.puts.Load() != puts || counted.commits.Load() != 1 {
		t.Errorf("%d outputs and %d manifests were written", counted.puts.Load(), counted.commits.Load())
	}
	if s := b.worker.Stats(); s.Done != 1 || s.Unneeded != 3 {
		t.Errorf("stats %+v", s)
	}
}

func testOverwrite(t *testing.T, endpoint string) {
	b := newBench(t, endpoint, nil)
	old := b.upload("a.jpg", picture(50, 50, 1), "", nil)
	b.handle(message(1, old), queue.Ack())
	first := b.result("a.jpg")
	newer := b.upload("a.jpg", picture(60, 40, 2), "", nil)
	b.handle(message(1, newer), queue.Ack())
	second := b.result("a.jpg")
	if second.Source.Width != 60 || second.Outputs[0].Key == first.Outputs[0].Key {
		t.Errorf("after the overwrite: %+v", second)
	}
	if a, b := b.announced.all[0].ID, b.announced.expect(t, 2).ID; a == b {
		t.Error("two results are announced under one id")
	}
	// The older event arrives late, in any number of ways: the newer result stays.
	b.handle(message(1, old), queue.Ack())
	b.handle(message(3, old), queue.Ack())
	late := newer
	late.Sequencer = old.Sequencer
	b.handle(message(1, late), queue.Ack())
	b.announced.expect(t, 2)
	if m := b.result("a.jpg"); m.Source.Sequencer != newer.Sequencer || m.Timings.Finished != second.Timings.Finished {
		t.Errorf("a late event overwrote the result: %+v", m)
	}
	// An event whose content has been overwritten before anybody looked: its successor's
	// event does the work.
	gone := b.upload("b.jpg", picture(50, 50, 1), "", nil)
	b.upload("b.jpg", picture(50, 50, 2), "", nil)
	b.handle(message(1, gone), queue.Ack())
	if _, _, err := b.Manifest(t.Context(), store.IDForKey("b.jpg")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a superseded event left a manifest: %v", err)
	}
	b.announced.expect(t, 2)
}

func testSourceGone(t *testing.T, endpoint string) {
	b := newBench(t, endpoint, nil)
	u := b.upload("a.jpg", picture(50, 50, 1), "", nil)
	if err := b.Delete(t.Context(), store.IDForKey("a.jpg")); err != nil {
		t.Fatal(err)
	}
	b.handle(message(1, u), queue.Ack())
	if m := b.result("a.jpg"); m.Status != recipe.Failed || m.Error.Code != fault.CodeSourceGone || m.Source.ETag != u.ETag {
		t.Errorf("manifest %+v", m)
	}
	b.announced.expect(t, 1)

	// Deleted after it was done: the result of this very event stands.
	u = b.upload("b.jpg", picture(50, 50, 1), "", nil)
	b.handle(message(1, u), queue.Ack())
	if _, err := b.client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(u.Bucket), Key: &u.Key}); err != nil {
		t.Fatal(err)
	}
	b.handle(message(1, u), queue.Ack())
	if m := b.result("b.jpg"); m.Status != recipe.Done {
		t.Errorf("manifest %+v", m)
	}
	b.announced.expect(t, 2)
}

// Somebody asks again for what is there: same content, same recipe, a later event.
func testAskedAgain(t *testing.T, endpoint string) {
	b := newBench(t, endpoint, nil)
	b.handle(message(1, b.upload("a.jpg", picture(50, 50, 1), "", nil)), queue.Ack())
	first := b.announced.expect(t, 1)
	if err := b.Touch(t.Context(), store.IDForKey("a.jpg"), "", nil); err != nil {
		t.Fatal(err)
	}
	b.handle(message(1, b.event("a.jpg")), queue.Ack())
	again := b.announced.expect(t, 2)
	if again.ID == first.ID || again.Manifest.Status != recipe.Done || !again.Time.After(first.Time) {
		t.Errorf("announced %+v, before %+v", again, first)
	}
	if err := b.Touch(t.Context(), store.IDForKey("a.jpg"), "sepia", nil); err != nil {
		t.Fatal(err)
	}
	b.handle(message(1, b.event("a.jpg")), queue.Ack())
	if m := b.result("a.jpg"); m.Recipe != "sepia" || m.RecipeHash == first.Manifest.RecipeHash {
		t.Errorf("manifest %+v", m)
	}
	b.announced.expect(t, 3)
}

func testLostLease(t *testing.T, endpoint string) {
	for _, at := range []string{"before anything", "while storing", "before the manifest", "before the announcement"} {
		t.Run(at, func(t *testing.T) {
			b := newBench(t, endpoint, nil)
			ctx, lose := context.WithCancelCause(t.Context())
			defer lose(nil)
			f := &failing{Store: b.Store}
			b.worker = b.newWorker(func(o *Options) {
				o.Store = f
				if at == "before the announcement" {
					o.Store = &afterCommit{f, func() { lose(queue.ErrLeaseLost) }}
				}
			})
			u := b.upload("a.jpg", picture(50, 50, 1), "", nil)
			switch at {
			case "before anything":
				lose(queue.ErrLeaseLost)
			case "while storing":
				f.put = func(int64) error { lose(queue.ErrLeaseLost); return nil }
			case "before the manifest":
				var left atomic.Int64
				left.Store(3)
				f.put = func(n int64) error {
					if left.Add(-1) == 0 {
						time.AfterFunc(0, func() { lose(queue.ErrLeaseLost) })
						<-ctx.Done()
					}
					return nil
				}
			}
			if got := b.worker.Handle(ctx, message(1, u)); got != queue.Retry(0) {
				t.Errorf("the outcome is %v", got)
			}
			b.announced.expect(t, 0)
			_, _, err := b.Manifest(t.Context(), store.IDForKey("a.jpg"))
			if published := err == nil; published != (at == "before the announcement") {
				t.Errorf("manifest: %v", err)
			}
			// The next one to have the message brings it to its end.
			b.handle(message(2, u), queue.Ack())
			b.announced.expect(t, 1)
			if m := b.result("a.jpg"); m.Status != recipe.Done {
				t.Errorf("manifest %+v", m)
			}
		})
	}
}

// afterCommit does something once the manifest is stored.
type afterCommit struct {
	*failing
	then func()
}

func (a *afterCommit) CommitManifest(ctx context.Context, m *recipe.Manifest, prev string) error {
	err := a.failing.CommitManifest(ctx, m, prev)
	a.then()
	return err
}

// Two workers have the same image at once; each ordering of their commits ends with the
// newer event's result.
func testConflict(t *testing.T, endpoint string) {
	for name, newerFirst := range map[string]bool{"the newer commits first": true, "the older commits first": false} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, endpoint, nil)
			older := b.upload("a.jpg", picture(50, 50, 1), "", nil)
			newer := older // the same content put there again
			newer.Sequencer = older.Sequencer[:17] + "F"
			inner, outer := newer, older
			if !newerFirst {
				inner, outer = older, newer
			}
			other := b.newWorker(nil)
			f := &failing{Store: b.Store}
			f.commit = func(n int64) error {
				if n == 1 { // the other worker gets in between
					if got := other.Handle(t.Context(), message(1, inner)); got != queue.Ack() {
						t.Errorf("the other worker: %v", got)
					}
				}
				return nil
			}
			b.worker = b.newWorker(func(o *Options) { o.Store = f })
			b.handle(message(1, outer), queue.Ack())
			if m := b.result("a.jpg"); m.Source.Sequencer != newer.Sequencer {
				t.Errorf("the result is that of %s, want %s", m.Source.Sequencer, newer.Sequencer)
			}
			want := 2
			if newerFirst {
				want = 1 // the older one says nothing
			}
			b.announced.expect(t, want)
		})
	}
	t.Run("its own write, the answer lost", func(t *testing.T) {
		b := newBench(t, endpoint, nil)
		f := &lostAnswer{Store: b.Store}
		b.worker = b.newWorker(func(o *Options) { o.Store = f })
		b.handle(message(1, b.upload("a.jpg", picture(50, 50, 1), "", nil)), queue.Ack())
		b.announced.expect(t, 1)
	})
	t.Run("many at once", func(t *testing.T) {
		b := newBench(t, endpoint, nil)
		u := b.upload("a.jpg", picture(50, 50, 1), "", nil)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if got := b.newWorker(nil).Handle(t.Context(), message(1, u)); got != queue.Ack() {
					t.Errorf("the outcome is %v", got)
				}
			})
		}
		wg.Wait()
		b.result("a.jpg")
		// Each of them has to think that the others lose their lease; all say the same.
		if n := len(b.announced.all); n < 1 || n > 4 {
			t.Fatalf("%d announcements", n)
		}
		for _, c := range b.announced.all {
			if c.ID != b.announced.all[0].ID {
				t.Errorf("announced as %s and as %s", c.ID, b.announced.all[0].ID)
			}
		}
	})
}

// lostAnswer stores the manifest and then, as the SDK's own repeat would, finds it there.
type lostAnswer struct{ *store.Store }

func (l *lostAnswer) CommitManifest(ctx context.Context, m *recipe.Manifest, prev string) error {
	if err := l.Store.CommitManifest(ctx, m, prev); err != nil {
		return err
	}
	return l.Store.CommitManifest(ctx, m, prev)
}

func testAnnouncementFails(t *testing.T, endpoint string) {
	b := newBench(t, endpoint, nil)
	u := b.upload("a.jpg", picture(50, 50, 1), "", nil)
	b.announced.err = errors.New("the topic does not answer")
	b.handle(message(1, u), queue.Retry(0))
	done := b.result("a.jpg")
	b.announced.err = nil
	b.handle(message(2, u), queue.Ack())
	if c := b.announced.expect(t, 1); c.ID != event.NewCompletion(done).ID {
		t.Errorf("announced %+v", c)
	}
}

func testReplacesJunkManifest(t *testing.T, endpoint string) {
	b := newBench(t, endpoint, nil)
	u := b.upload("a.jpg", picture(50, 50, 1), "", nil)
	if _, err := b.PutOutput(t.Context(), store.ManifestKey(store.IDForKey("a.jpg")), "text/plain", []byte("junk")); err != nil {
		t.Fatal(err)
	}
	b.handle(message(1, u), queue.Ack())
	if m := b.result("a.jpg"); m.Status != recipe.Done {
		t.Errorf("manifest %+v", m)
	}
}

// A broken set-up must not mark images as bad, nor send them to the dead-letter queue.
func testBrokenSetUp(t *testing.T, endpoint string) {
	b := newBench(t, endpoint, nil)
	u := b.upload("a.jpg", picture(50, 50, 1), "", nil)
	missing := openStore(t, endpoint, "no-such-bucket")
	b.worker = b.newWorker(func(o *Options) { o.Store = missing })
	if got := b.worker.Handle(t.Context(), message(1, u)); !got.Held() || !strings.Contains(got.String(), "tintype provision") {
		t.Errorf("the outcome is %v", got)
	}
	b.announced.expect(t, 0)
	if s := b.worker.Stats(); s.Held != 1 || s.Again != 0 || s.Failed != 0 {
		t.Errorf("stats %+v", s)
	}
}

// gate is an Imaging that shows how many images are computed at once.
type gate struct {
	*imaging.Engine
	now, most atomic.Int64
	full      chan struct{}
}

func (g *gate) Process(ctx context.Context, req imaging.Request) (*imaging.Picture, error) {
	n := g.now.Add(1)
	defer g.now.Add(-1)
	for old := g.most.Load(); n > old && !g.most.CompareAndSwap(old, n); old = g.most.Load() {
	}
	<-g.full
	return g.Engine.Process(ctx, req)
}

// bodies is a Store of originals that counts how many have been read to their end.
type bodies struct {
	*store.Store
	read atomic.Int64
	all  chan struct{}
	want int64
}

func (s *bodies) OpenSource(ctx context.Context, key, etag string) (*store.Source, error) {
	src, err := s.Store.OpenSource(ctx, key, etag)
	if err == nil {
		src.Body = &ended{ReadCloser: src.Body, s: s}
	}
	return src, err
}

type ended struct {
	io.ReadCloser
	s    *bodies
	once sync.Once
}

func (e *ended) Read(p []byte) (int, error) {
	n, err := e.ReadCloser.Read(p)
	if err == io.EOF {
		e.once.Do(func() {
			if e.s.read.Add(1) == e.s.want {
				close(e.s.all)
			}
		})
	}
	return n, err
}

// Fetching goes on while every core computes, and no more is computed than there are cores.
func TestFetchingDoesNotWaitForCores(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		b := newBench(t, endpoint, nil)
		const images = 6
		g := &gate{Engine: b.engine, full: make(chan struct{})}
		s := &bodies{Store: b.Store, all: make(chan struct{}), want: images}
		w := b.newWorker(func(o *Options) { o.Imaging, o.Store, o.Workers = g, s, 2 })
		var wg sync.WaitGroup
		for i := range images {
			u := b.upload(string(rune('a'+i))+".jpg", picture(50, 50, uint8(i)), "", nil)
			wg.Go(func() {
				if got := w.Handle(t.Context(), message(1, u)); got != queue.Ack() {
					t.Errorf("the outcome is %v", got)
				}
			})
		}
		select {
		case <-s.all: // all six are fetched though nothing has been computed
		case <-time.After(time.Minute):
			t.Error("originals are not fetched while the cores are busy")
		}
		close(g.full)
		wg.Wait()
		if g.most.Load() > 2 {
			t.Errorf("%d images were computed at once, with 2 workers", g.most.Load())
		}
	})
}

func TestNewRefuses(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("accepted nothing at all")
	}
}
