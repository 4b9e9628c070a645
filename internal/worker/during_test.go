package worker

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/tintype/tintype/internal/event"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/queue"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// stages is a Store that lets something happen once, at one stage of an image's way.
type stages struct {
	*store.Store
	at   string
	then func()
	done atomic.Bool
}

func (s *stages) reach(stage string) {
	if stage == s.at && s.done.CompareAndSwap(false, true) {
		s.then()
	}
}

func (s *stages) OpenSource(ctx context.Context, key, etag string) (*store.Source, error) {
	s.reach("before the fetch")
	return s.Store.OpenSource(ctx, key, etag)
}

func (s *stages) PutOutput(ctx context.Context, key, contentType string, body []byte) (string, error) {
	s.reach("before the outputs")
	return s.Store.PutOutput(ctx, key, contentType, body)
}

func (s *stages) CommitManifest(ctx context.Context, m *recipe.Manifest, prev string) error {
	s.reach("before the manifest")
	err := s.Store.CommitManifest(ctx, m, prev)
	s.reach("after the manifest")
	return err
}

// atStage gives the bench a worker for which something happens at a stage.
func (b *bench) atStage(stage string, then func()) *stages {
	s := &stages{Store: b.Store, at: stage, then: then}
	b.worker = b.newWorker(func(o *Options) { o.Store = s })
	return s
}

// results are the keys in the results bucket.
func (b *bench) results() (keys []string) {
	b.t.Helper()
	out, err := b.client.ListObjectsV2(b.t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(b.Bucket(store.Results))})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, o := range out.Contents {
		keys = append(keys, *o.Key)
	}
	return keys
}

func (b *bench) removeSource(u event.Upload) {
	if _, err := b.client.DeleteObject(b.t.Context(), &s3.DeleteObjectInput{Bucket: &u.Bucket, Key: &u.Key}); err != nil {
		b.t.Error(err)
	}
}

// The original is removed while the image is in work, by a program that knows nothing of us.
// Whenever that happens, the image ends as one whose original was gone to begin with.
func testSourceGoneDuring(t *testing.T, endpoint string) {
	for _, stage := range []string{"before the fetch", "before the outputs", "before the manifest", "after the manifest"} {
		t.Run(stage, func(t *testing.T) {
			b := newBench(t, endpoint, nil)
			u := b.upload("a.jpg", picture(50, 50, 1), "", nil)
			b.atStage(stage, func() { b.removeSource(u) })
			b.handle(message(1, u), queue.Ack())
			m := b.result("a.jpg")
			if m.Status != recipe.Failed || m.Error.Code != fault.CodeSourceGone || len(m.Outputs) != 0 || m.Source.ETag != u.ETag {
				t.Errorf("manifest %+v", m)
			}
			if c := b.announced.expect(t, 1); c.Manifest.Status != recipe.Failed || c.ID != event.NewCompletion(m).ID {
				t.Errorf("announced %+v", c)
			}
			if keys := b.results(); len(keys) != 1 {
				t.Errorf("left behind: %v", keys)
			}
			// The message once more, and a duplicate of the event, come to the same end.
			b.handle(message(2, u), queue.Ack())
			b.handle(message(1, u), queue.Ack())
			if again := b.result("a.jpg"); again.Timings.Finished != m.Timings.Finished || len(b.results()) != 1 {
				t.Errorf("manifest %+v", again)
			}
			if s := b.worker.Stats(); s.Done != 0 || s.Failed != 1 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

// The image is deleted with all that belongs to it while it is in work. However the two
// interleave, nothing of it that shows the picture is left.
func testDeletedDuring(t *testing.T, endpoint string) {
	for stage, manifests := range map[string]int{"before the fetch": 1, "before the outputs": 1, "before the manifest": 1, "after the manifest": 0} {
		t.Run(stage, func(t *testing.T) {
			b := newBench(t, endpoint, nil)
			u := b.upload("a.jpg", picture(50, 50, 1), "", nil)
			b.atStage(stage, func() {
				if err := b.Delete(t.Context(), store.IDForKey("a.jpg")); err != nil {
					t.Error(err)
				}
			})
			b.handle(message(1, u), queue.Ack())
			if keys := b.results(); len(keys) != manifests {
				t.Errorf("left behind: %v", keys)
			}
			if c := b.announced.expect(t, manifests); manifests == 1 && c.Manifest.Error.Code != fault.CodeSourceGone {
				t.Errorf("announced %+v", c.Manifest)
			}
		})
	}
	// The worker's last look comes between the two parts of the deletion: then it is the
	// deletion that finds the result.
	t.Run("the deletion has listed the results before there are any", func(t *testing.T) {
		b := newBench(t, endpoint, nil)
		u := b.upload("a.jpg", picture(50, 50, 1), "", nil)
		slow := &slowDelete{b: b, u: u}
		slow.run(t)
		if keys := b.results(); len(keys) != 0 {
			t.Errorf("left behind: %v", keys)
		}
		b.announced.expect(t, 1) // it was done before it was deleted
	})
}

// slowDelete deletes an image through a client that lets a worker do all of its work right
// before the original is deleted.
type slowDelete struct {
	b *bench
	u event.Upload
}

func (d *slowDelete) run(t *testing.T) {
	g, cfg := newGateway(t, aws.ToString(d.b.client.Options().BaseEndpoint))
	var once atomic.Bool
	g.before = func(r string) {
		if strings.HasPrefix(r, "DELETE /"+d.u.Bucket+"/") && once.CompareAndSwap(false, true) {
			d.b.handle(message(1, d.u), queue.Ack())
		}
	}
	s, err := store.New(store.NewClient(cfg), store.Options{UploadsBucket: d.b.Bucket(store.Uploads), ResultsBucket: d.b.Bucket(store.Results)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), store.IDForKey(d.u.Key)); err != nil {
		t.Error(err)
	}
	if !once.Load() {
		t.Error("the worker did not get in between")
	}
}

// A crash between the manifest and the last look: whoever has the message next looks.
func testCrashBeforeTheLastLook(t *testing.T, endpoint string) {
	b := newBench(t, endpoint, nil)
	u := b.upload("a.jpg", picture(50, 50, 1), "", nil)
	ctx, lose := context.WithCancelCause(t.Context())
	defer lose(nil)
	b.atStage("after the manifest", func() { lose(queue.ErrLeaseLost) })
	if got := b.worker.Handle(ctx, message(1, u)); got != queue.Retry(0) {
		t.Errorf("the outcome is %v", got)
	}
	b.announced.expect(t, 0)
	b.removeSource(u)
	b.handle(message(2, u), queue.Ack())
	if m := b.result("a.jpg"); m.Status != recipe.Failed || m.Error.Code != fault.CodeSourceGone || len(b.results()) != 1 {
		t.Errorf("manifest %+v", m)
	}
	b.announced.expect(t, 1)
}

// The original is removed and put there again, while a worker is at the first event. What it
// finds gone may be back when it has said so; the result that is left is that of the second
// event, and complete.
func testSourceComesBack(t *testing.T, endpoint string) {
	for _, after := range []string{"the result", "the failure"} {
		t.Run("after "+after+" is stored", func(t *testing.T) {
			b := newBench(t, endpoint, nil)
			u := b.upload("a.jpg", picture(50, 50, 1), "", nil)
			other := b.newWorker(nil)
			var back event.Upload
			comeBack := func() {
				back = b.upload("a.jpg", picture(50, 50, 1), "", nil)
				if got := other.Handle(t.Context(), message(1, back)); got != queue.Ack() {
					t.Errorf("the second event: %v", got)
				}
			}
			remove := func() { b.removeSource(u) }
			then := map[string][]func(){"the result": {func() { remove(); comeBack() }}, "the failure": {remove, comeBack}}[after]
			b.worker = b.newWorker(func(o *Options) { o.Store = &commits{b.Store, then} })
			b.handle(message(1, u), queue.Ack())
			if m := b.result("a.jpg"); m.Status != recipe.Done || m.Source.Sequencer != back.Sequencer {
				t.Errorf("manifest %+v", m)
			}
		})
	}
	// It comes back while the first worker takes its result away: the second one, which had
	// looked before that, does it again.
	t.Run("to one who looked before", func(t *testing.T) {
		b := newBench(t, endpoint, nil)
		u := b.upload("a.jpg", picture(50, 50, 1), "", nil)
		first := b.newWorker(func(o *Options) { o.Store = &commits{b.Store, []func(){func() { b.removeSource(u) }}} })
		var back event.Upload
		s := &stages{Store: b.Store, at: "before the manifest"}
		s.then = func() {
			b.removeSource(back)
			if got := first.Handle(t.Context(), message(1, u)); got != queue.Ack() {
				t.Errorf("the first event: %v", got)
			}
			b.upload("a.jpg", picture(50, 50, 1), "", nil)
		}
		back = b.upload("a.jpg", picture(50, 50, 1), "", nil)
		second := b.newWorker(func(o *Options) { o.Store = s })
		if got := second.Handle(t.Context(), message(1, back)); got != queue.Retry(0) {
			t.Errorf("the second event, when its outputs may be gone: %v", got)
		}
		if got := second.Handle(t.Context(), message(2, back)); got != queue.Ack() {
			t.Errorf("the second event again: %v", got)
		}
		if m := b.result("a.jpg"); m.Status != recipe.Done {
			t.Errorf("manifest %+v", m)
		}
	})
}

// commits is a Store with something that happens after each commit.
type commits struct {
	*store.Store
	then []func()
}

func (c *commits) CommitManifest(ctx context.Context, m *recipe.Manifest, prev string) error {
	err := c.Store.CommitManifest(ctx, m, prev)
	if len(c.then) > 0 {
		then := c.then[0]
		c.then = c.then[1:]
		then()
	}
	return err
}

// Overwritten while it is in work: the newer content's result is what remains, whichever of
// the two is stored first.
func testOverwrittenDuring(t *testing.T, endpoint string) {
	for _, stage := range []string{"before the fetch", "before the outputs", "before the manifest", "after the manifest"} {
		for _, first := range []string{"the newer is stored meanwhile", "the newer is stored afterwards"} {
			t.Run(stage+", "+first, func(t *testing.T) {
				b := newBench(t, endpoint, nil)
				older := b.upload("a.jpg", picture(50, 50, 1), "", nil)
				other := b.newWorker(nil)
				var newer event.Upload
				second := func() {
					if got := other.Handle(t.Context(), message(1, newer)); got != queue.Ack() {
						t.Errorf("the newer: %v", got)
					}
				}
				b.atStage(stage, func() {
					newer = b.upload("a.jpg", picture(60, 40, 2), "", nil)
					if strings.HasSuffix(first, "meanwhile") {
						second()
					}
				})
				b.handle(message(1, older), queue.Ack())
				if strings.HasSuffix(first, "afterwards") {
					second()
				}
				if m := b.result("a.jpg"); m.Status != recipe.Done || m.Source.Width != 60 || m.Source.Sequencer != newer.Sequencer {
					t.Errorf("manifest %+v", m)
				}
				last := b.announced.expect(t, len(b.announced.all))
				if stage != "after the manifest" && last.Manifest.Source.Sequencer != newer.Sequencer {
					t.Errorf("announced last: %+v", last.Manifest.Source)
				}
			})
		}
	}
}

// What is held is announced once the topic answers, though the message was received once.
func testHeldBeforeTheAnnouncement(t *testing.T, endpoint string) {
	b := newBench(t, endpoint, nil)
	u := b.upload("a.jpg", picture(50, 50, 1), "", nil)
	b.announced.err = &fault.Error{Op: "announce", Kind: fault.Retry, Outage: true, Err: errors.New("throttled")}
	m := message(1, u)
	m.Try = 1
	if got := b.worker.Handle(t.Context(), m); !got.Held() {
		t.Fatalf("the outcome is %v", got)
	}
	b.announced.err = nil
	m.Try = 2
	b.handle(m, queue.Ack())
	if c := b.announced.expect(t, 1); c.Manifest.Status != recipe.Done {
		t.Errorf("announced %+v", c)
	}
}
