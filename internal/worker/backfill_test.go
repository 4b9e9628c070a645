package worker

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/awstest"
	"github.com/tintype/tintype/internal/event"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/queue"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// backfillOf is the message of a backfill for what is at key now.
func (b *bench) backfillOf(key string, receives int, change func(*event.Backfill)) queue.Message {
	b.t.Helper()
	src, err := b.Stat(b.t.Context(), key)
	if err != nil {
		b.t.Fatal(err)
	}
	u := event.Upload{Bucket: b.Bucket(store.Uploads), Key: key, ETag: src.ETag, Size: src.Size, Time: src.LastModified, Backfill: &event.Backfill{Job: "job-1"}}
	if change != nil {
		change(u.Backfill)
	}
	body, err := event.EncodeBackfill(u)
	if err != nil {
		b.t.Fatal(err)
	}
	return queue.Message{ID: "backfill-1", Body: string(body), ReceiveCount: receives, SentAt: time.Now(), ReceivedAt: time.Now()}
}

// etagOf is that of the manifest that is there.
func (b *bench) etagOf(key string) string {
	b.t.Helper()
	_, etag, err := b.Manifest(b.t.Context(), store.IDForKey(key))
	if err != nil {
		b.t.Fatal(err)
	}
	return etag
}

func TestBackfill(t *testing.T) {
	const key = "photos/cat.jpg"
	for _, tc := range []struct {
		name string
		do   func(t *testing.T, b *bench)
	}{
		{"makes what is missing, in silence, once", func(t *testing.T, b *bench) {
			b.upload(key, picture(64, 48, 1), "tint", map[string]string{"tint": "#00ff00"})
			msg := b.backfillOf(key, 1, nil)
			b.handle(msg, queue.Ack())
			m := b.result(key)
			if m.Status != recipe.Done || m.Backfill != "job-1" || m.Source.Sequencer != "" || m.Asked == nil || m.Asked.Params["tint"] != "#00ff00" || m.Timings.Uploaded.IsZero() {
				t.Errorf("%+v", m)
			}
			msg.ReceiveCount = 2 // it comes again, as after a crash
			b.handle(msg, queue.Ack())
			if s := b.worker.Stats(); s.Done != 1 || s.Unneeded != 1 {
				t.Errorf("%+v", s)
			}
			b.announced.expect(t, 0)
		}},
		{"announces where it is asked to, again with the same id", func(t *testing.T, b *bench) {
			first := b.upload(key, picture(64, 48, 1), "", nil)
			b.handle(message(1, first), queue.Ack())
			old := b.announced.expect(t, 1)
			etag := b.etagOf(key)
			msg := b.backfillOf(key, 1, func(x *event.Backfill) { x.Announce, x.Replaces = true, etag })
			b.handle(msg, queue.Ack())
			made := b.announced.expect(t, 2)
			msg.ReceiveCount = 2
			b.handle(msg, queue.Ack())
			again := b.announced.expect(t, 3)
			if made.ID == old.ID || again.ID != made.ID {
				t.Errorf("ids %s, %s, %s", old.ID, made.ID, again.ID)
			}
		}},
		{"leaves what is current", func(t *testing.T, b *bench) {
			b.handle(message(1, b.upload(key, picture(64, 48, 1), "", nil)), queue.Ack())
			etag := b.etagOf(key)
			b.handle(b.backfillOf(key, 1, nil), queue.Ack())
			if b.etagOf(key) != etag {
				t.Error("the manifest is another")
			}
		}},
		{"replaces by force once, and keeps the order of events", func(t *testing.T, b *bench) {
			up := b.upload(key, picture(64, 48, 1), "", nil)
			b.handle(message(1, up), queue.Ack())
			etag := b.etagOf(key)
			msg := b.backfillOf(key, 1, func(x *event.Backfill) { x.Replaces = etag })
			b.handle(msg, queue.Ack())
			forced := b.etagOf(key)
			m := b.result(key)
			if forced == etag || m.Backfill != "job-1" || m.Source.Sequencer != up.Sequencer {
				t.Errorf("%+v", m)
			}
			for n := range 3 { // from the queue again, and from another run of the backfill
				b.handle(b.backfillOf(key, 1+n, func(x *event.Backfill) { x.Replaces = etag }), queue.Ack())
			}
			// So does the event that led to the first result.
			b.handle(message(2, up), queue.Ack())
			if b.etagOf(key) != forced {
				t.Error("it was done again")
			}
			if s := b.worker.Stats(); s.Done != 2 {
				t.Errorf("%+v", s)
			}
		}},
		{"gives way to a newer upload", func(t *testing.T, b *bench) {
			b.upload(key, picture(64, 48, 1), "", nil)
			msg := b.backfillOf(key, 1, nil)
			newer := b.upload(key, picture(64, 48, 2), "", nil)
			b.handle(msg, queue.Ack()) // before the event of the newer one
			if _, _, err := b.Manifest(t.Context(), store.IDForKey(key)); err == nil {
				t.Error("the older original has a result")
			}
			b.handle(message(1, newer), queue.Ack())
			etag := b.etagOf(key)
			msg = b.backfillOf(key, 1, nil)
			b.handle(msg, queue.Ack()) // and after it
			if b.etagOf(key) != etag || b.result(key).Source.ETag != newer.ETag {
				t.Error("the result is not the newer one's")
			}
		}},
		{"says nothing of what is deleted", func(t *testing.T, b *bench) {
			b.upload(key, picture(64, 48, 1), "", nil)
			msg := b.backfillOf(key, 1, nil)
			if err := b.Delete(t.Context(), store.IDForKey(key)); err != nil {
				t.Fatal(err)
			}
			b.handle(msg, queue.Ack())
			if _, _, err := b.Manifest(t.Context(), store.IDForKey(key)); err == nil {
				t.Error("there is a result of what is not there")
			}
		}},
		{"is heard of when the upload's own event comes after all", func(t *testing.T, b *bench) {
			up := b.upload(key, picture(64, 48, 1), "", nil)
			b.handle(b.backfillOf(key, 1, nil), queue.Ack())
			b.announced.expect(t, 0)
			b.handle(message(1, up), queue.Ack())
			b.announced.expect(t, 1)
			if s := b.worker.Stats(); s.Done != 1 || s.Unneeded != 1 {
				t.Errorf("%+v", s)
			}
		}},
		{"does not keep anybody from trying again", func(t *testing.T, b *bench) {
			b.upload(key, picture(64, 48, 1), "", nil)
			b.handle(b.backfillOf(key, 1, nil), queue.Ack())
			again := b.event(key)
			again.Time = again.Time.Add(time.Minute) // somebody copies it onto itself later
			b.handle(message(1, again), queue.Ack())
			if s := b.worker.Stats(); s.Done != 2 || b.result(key).Backfill != "" {
				t.Errorf("%+v", s)
			}
		}},
		{"fails what is no picture, once", func(t *testing.T, b *bench) {
			b.upload(key, []byte("no picture"), "", nil)
			for n := range 2 {
				b.handle(b.backfillOf(key, 1+n, nil), queue.Ack())
			}
			if m := b.result(key); m.Status != recipe.Failed || m.Error.Code != fault.CodeNotAnImage || b.worker.Stats().Failed != 1 {
				t.Errorf("%+v", m)
			}
		}},
		{"puts right what is another image's", func(t *testing.T, b *bench) {
			b.handle(message(1, b.upload(key, picture(64, 48, 1), "", nil)), queue.Ack())
			m := b.result(key)
			m.Source.Key = "photos/dog.jpg"
			m.Timings.Uploaded = time.Now().Add(time.Hour)
			_, etag, _ := b.Manifest(t.Context(), m.ID)
			if err := b.CommitManifest(t.Context(), m, etag); err != nil {
				t.Fatal(err)
			}
			b.handle(b.backfillOf(key, 1, nil), queue.Ack())
			if m := b.result(key); m.Source.Key != key || m.Status != recipe.Done {
				t.Errorf("%+v", m)
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			awstest.Each(t, func(t *testing.T, endpoint string) { tc.do(t, newBench(t, endpoint, nil)) })
		})
	}
}

// A result that comes in while a backfill is at work stays. Both orders of things are tried:
// the other is of the same content, and of a newer one.
func TestBackfillYields(t *testing.T) {
	const key = "photos/cat.jpg"
	awstest.Each(t, func(t *testing.T, endpoint string) {
		for _, newer := range []bool{false, true} {
			b := newBench(t, endpoint, nil)
			up := b.upload(key, picture(64, 48, 1), "", nil)
			msg := b.backfillOf(key, 1, nil)
			other := b.newWorker(nil)
			b.worker = b.newWorker(func(o *Options) {
				o.Store = &interrupted{Store: b.Store, before: func() {
					if newer {
						up = b.upload(key, picture(64, 48, 2), "", nil)
					}
					if got := other.Handle(t.Context(), message(1, up)); got != queue.Ack() {
						t.Errorf("the upload: %v", got)
					}
				}}
			})
			want := queue.Ack()
			if newer {
				want = queue.Retry(0) // to be found out anew
			}
			b.handle(msg, want)
			m := b.result(key)
			if m.Backfill != "" || m.Source.ETag != up.ETag || m.Source.Sequencer != up.Sequencer {
				t.Errorf("newer %v: %+v", newer, m)
			}
			b.handle(msg, queue.Ack())
			if after := b.result(key); !after.Timings.Finished.Equal(m.Timings.Finished) {
				t.Errorf("newer %v: it was written over when it came again", newer)
			}
		}
	})
}

// interrupted lets something happen right before the first manifest is stored.
type interrupted struct {
	*store.Store
	once   sync.Once
	before func()
}

func (s *interrupted) CommitManifest(ctx context.Context, m *recipe.Manifest, prevETag string) error {
	s.once.Do(s.before)
	return s.Store.CommitManifest(ctx, m, prevETag)
}
