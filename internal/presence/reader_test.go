package presence

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/tintype/tintype/internal/awstest"
)

// later passes requests on, counts them, and lets S3's clock tell a later time.
type later struct {
	by       atomic.Int64 // a time.Duration
	requests atomic.Int64
}

func (l *later) Do(r *http.Request) (*http.Response, error) {
	l.requests.Add(1)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		resp.Header.Set("Date", at.Add(time.Duration(l.by.Load())).Format(http.TimeFormat))
	}
	return resp, nil
}

// bucket is a results bucket behind a clock that can be set.
func bucket(t *testing.T, endpoint string) (*s3.Client, *later) {
	t.Helper()
	cfg, l := awstest.Config(endpoint), &later{}
	cfg.HTTPClient = l
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("results")}); err != nil {
		t.Fatal(err)
	}
	return client, l
}

func put(t *testing.T, client *s3.Client, key, body string) {
	t.Helper()
	if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("results"), Key: &key, Body: strings.NewReader(body)}); err != nil {
		t.Fatal(err)
	}
}

func look(t *testing.T, r *Reader) []Seen {
	t.Helper()
	seen, err := r.Recent(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

// await looks until what is seen is as it should be.
func await(t *testing.T, r *Reader, what string, ok func([]Seen) bool) []Seen {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		seen := look(t, r)
		if ok(seen) {
			return seen
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not so, but %+v", what, seen)
		}
	}
}

func TestLife(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		client, _ := bucket(t, endpoint)
		r := NewReader(client, "results", false, nil)
		if seen := look(t, r); len(seen) != 0 {
			t.Fatalf("before anybody is there: %+v", seen)
		}
		var work atomic.Pointer[[]Work]
		work.Store(&[]Work{})
		p, err := NewPublisher(PublisherOptions{S3: client, Bucket: "results", Every: time.Second, Program: "test 1",
			State: func() App { return App{Workers: 3, Slots: 8, Ready: true, InWork: *work.Load()} }})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); _ = p.Run(ctx) }()
		defer cancel()
		seen := await(t, r, "it is there", func(s []Seen) bool { return len(s) == 1 })
		if a := seen[0]; a.ID != p.ID() || a.Program != "test 1" || !a.Alive() || Workers(seen) != 3 || len(InWork(seen)) != 0 {
			t.Errorf("%+v", a)
		}
		work.Store(&someWork)
		p.Changed()
		seen = await(t, r, "it has work", func(s []Seen) bool { return len(InWork(s)) == 1 })
		if n := InWork(seen)["k-YQ"]; n.App != p.ID() || n.Attempt != 1 {
			t.Errorf("%+v", n)
		}
		p.Drain()
		seen = await(t, r, "it drains", func(s []Seen) bool { return len(s) == 1 && s[0].Draining })
		if Workers(seen) != 0 || len(InWork(seen)) != 1 {
			t.Errorf("draining: %d workers, in work %v", Workers(seen), InWork(seen))
		}
		cancel()
		<-done
		if seen := look(t, r); len(seen) != 0 {
			t.Errorf("after its end: %+v", seen)
		}
	})
}

// Who is dead is told by the clock that stamped the object, whatever the hosts' clocks say.
func TestStaleByS3sClock(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		client, clock := bucket(t, endpoint)
		a := sampleApp() // seen, it says, months ago
		a.Interval = 20
		body, err := a.encode()
		if err != nil {
			t.Fatal(err)
		}
		put(t, client, Key(a.ID), string(body))
		keeps, sweeps := NewReader(client, "results", false, nil), NewReader(client, "results", true, nil)
		if seen := look(t, keeps); len(seen) != 1 || seen[0].Stale {
			t.Fatalf("just written: %+v", seen)
		}
		clock.by.Store(int64(50 * time.Second))
		if seen := look(t, keeps); len(seen) != 1 || seen[0].Stale {
			t.Errorf("after two and a half intervals: %+v", seen)
		}
		clock.by.Store(int64(65 * time.Second))
		if seen := look(t, sweeps); len(seen) != 1 || !seen[0].Stale || Workers(seen) != 0 || len(InWork(seen)) != 0 {
			t.Errorf("after three intervals: %+v", seen)
		}
		clock.by.Store(int64(sweepAfter + 30*time.Second))
		if seen := look(t, keeps); len(seen) != 1 || !seen[0].Stale {
			t.Errorf("long dead: %+v", seen)
		}
		if seen := look(t, sweeps); len(seen) != 0 {
			t.Errorf("long dead, swept: %+v", seen)
		}
		if seen := look(t, keeps); len(seen) != 0 {
			t.Errorf("after the sweep: %+v", seen)
		}
	})
}

func TestReaderReadsWhatChanged(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		client, clock := bucket(t, endpoint)
		for _, id := range []string{"a", "b", "c"} {
			x := sampleApp()
			x.ID = id
			body, err := x.encode()
			if err != nil {
				t.Fatal(err)
			}
			put(t, client, Key(id), string(body))
		}
		put(t, client, Prefix+"junk.json", "no presence")
		put(t, client, Prefix+"large.json", strings.Repeat("x", maxBytes+1))
		put(t, client, Prefix+"sub/x.json", "{}")
		put(t, client, "0image/manifest.json", "{}")
		r := NewReader(client, "results", true, nil)
		count := func(f func()) int64 {
			before := clock.requests.Load()
			f()
			return clock.requests.Load() - before
		}
		if n := count(func() {
			if seen := look(t, r); len(seen) != 3 || seen[0].ID != "a" || seen[2].ID != "c" {
				t.Errorf("%+v", seen)
			}
		}); n != 5 { // a listing, three presences and what claims to be one
			t.Errorf("the first look took %d requests", n)
		}
		if n := count(func() { look(t, r) }); n != 1 {
			t.Errorf("with nothing new a look took %d requests", n)
		}
		if n := count(func() { _, _ = r.Recent(t.Context(), time.Minute) }); n != 0 {
			t.Errorf("a look so soon took %d requests", n)
		}
		x := sampleApp()
		x.ID, x.Workers = "b", 7
		body, _ := x.encode()
		put(t, client, Key("b"), string(body))
		if n := count(func() {
			if seen := look(t, r); len(seen) != 3 || seen[1].Workers != 7 {
				t.Errorf("%+v", seen)
			}
		}); n != 2 {
			t.Errorf("with one changed a look took %d requests", n)
		}
		// A bucket that is not there is an error, for all who ask; nothing is made up.
		gone := NewReader(client, "gone", true, nil)
		if seen, err := gone.Recent(t.Context(), time.Minute); err == nil || seen != nil {
			t.Errorf("no bucket: %v, %v", seen, err)
		}
		if n := count(func() {
			if _, err := gone.Recent(t.Context(), time.Minute); err == nil {
				t.Error("the failure was forgotten")
			}
		}); n != 0 {
			t.Errorf("a failure is asked after again at once: %d requests", n)
		}
	})
}

func TestInWork(t *testing.T) {
	app := func(id string, stale bool, attempt int) Seen {
		a := sampleApp()
		a.ID, a.InWork = id, []Work{{ID: "k-YQ", Key: "a", Attempt: attempt}}
		return Seen{a, stale}
	}
	if n := InWork([]Seen{app("dead", true, 5), app("slow", false, 1), app("next", false, 2), app("old", false, 1)})["k-YQ"]; n.App != "next" || n.Attempt != 2 {
		t.Errorf("%+v", n)
	}
	if m := InWork([]Seen{app("dead", true, 5)}); len(m) != 0 {
		t.Errorf("%+v", m)
	}
}
