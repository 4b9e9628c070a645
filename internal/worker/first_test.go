package worker

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/tintype/tintype/internal/queue"
	"github.com/tintype/tintype/internal/store"
)

// An upload of our own costs one look at its original and no more than is stored; that it was
// done already is found when it matters, and changes nothing.
func testFirstReceive(t *testing.T, endpoint string) {
	b := newBench(t, endpoint, nil)
	key := store.UploadKey(store.NewID(time.Now()), "a.jpg")
	u := b.upload(key, picture(50, 50, 1), "", nil)

	g, cfg := newGateway(t, aws.ToString(b.client.Options().BaseEndpoint))
	var mu sync.Mutex
	var asked []string
	g.before = func(r string) {
		method, path, _ := strings.Cut(r, " /")
		bucket, _, _ := strings.Cut(path, "/")
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, method+" "+strings.Split(bucket, "-")[0])
	}
	s, err := store.New(store.NewClient(cfg), store.Options{UploadsBucket: b.Bucket(store.Uploads), ResultsBucket: b.Bucket(store.Results)})
	if err != nil {
		t.Fatal(err)
	}
	b.worker = b.newWorker(func(o *Options) { o.Store = s })
	calls := func(want ...string) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if slices.Sort(asked); !slices.Equal(asked, want) {
			t.Errorf("asked for %v, want %v", asked, want)
		}
		asked = nil
	}

	b.handle(message(1, u), queue.Ack())
	calls("GET uploads", "HEAD uploads", "PUT results", "PUT results", "PUT results", "PUT results")
	m := b.result(key)
	if m.Timings.Started.IsZero() || m.Timings.Started.After(m.Timings.Finished) {
		t.Errorf("timings %+v", m.Timings)
	}
	b.announced.expect(t, 1)

	// The same event in a message of its own, as SNS may deliver it: done in vain.
	b.handle(message(1, u), queue.Ack())
	if again := b.result(key); !again.Timings.Finished.Equal(m.Timings.Finished) {
		t.Errorf("a repetition has replaced the manifest: %+v", again)
	}
	if first := b.announced.all[0].ID; b.announced.expect(t, 2).ID != first {
		t.Error("the repetition is announced as a result of its own")
	}
	if s := b.worker.Stats(); s.Done != 1 || s.Unneeded != 1 {
		t.Errorf("stats %+v", s)
	}

	// The same message once more: looked up before anything is done.
	mu.Lock()
	asked = nil
	mu.Unlock()
	b.handle(message(2, u), queue.Ack())
	calls("GET results", "HEAD uploads")
	b.announced.expect(t, 3)
}
