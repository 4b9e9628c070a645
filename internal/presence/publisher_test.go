package presence

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// wire is S3's end of the wire: it records requests and answers them, or fails. It is there
// for tests of time alone; what S3 makes of the requests is tested with real endpoints.
type wire struct {
	mu     sync.Mutex
	failed error
	slow   time.Duration
	seen   []request
}

type request struct {
	method, path string
	at           time.Time
	app          App
}

func (w *wire) Do(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	failed, slow := w.failed, w.slow
	req := request{method: r.Method, path: r.URL.Path, at: time.Now()}
	if r.Body != nil {
		b, _ := io.ReadAll(r.Body)
		if r.Method == http.MethodPut {
			req.app, _ = Decode(strings.TrimPrefix(r.URL.Path, "/results/"), b)
		}
	}
	w.seen = append(w.seen, req)
	w.mu.Unlock()
	select {
	case <-time.After(slow):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if failed != nil {
		return nil, failed
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(nil)), Request: r}, nil
}

func (w *wire) set(failed error, slow time.Duration) {
	w.mu.Lock()
	w.failed, w.slow = failed, slow
	w.mu.Unlock()
}

// took returns what has come since the last call.
func (w *wire) took() []request {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := w.seen
	w.seen = nil
	return seen
}

func (w *wire) client() *s3.Client {
	return s3.New(s3.Options{Region: "us-east-1", BaseEndpoint: aws.String("http://s3.test"), UsePathStyle: true, HTTPClient: w,
		Credentials:                credentials.NewStaticCredentialsProvider("test", "test", ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired})
}

// running is a publisher at work.
type running struct {
	*Publisher
	wire *wire
	work atomic.Pointer[[]Work]
	log  bytes.Buffer
	stop func()
}

func run(t *testing.T, every time.Duration) *running {
	t.Helper()
	r := &running{wire: &wire{}}
	r.work.Store(&[]Work{})
	var err error
	r.Publisher, err = NewPublisher(PublisherOptions{
		S3: r.wire.client(), Bucket: "results", Every: every, Program: "test",
		State:  func() App { return App{Workers: 1, Slots: 4, InWork: *r.work.Load()} },
		Logger: slog.New(slog.NewTextHandler(&r.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = r.Run(ctx) }()
	r.stop = func() { cancel(); <-done }
	return r
}

func pass(d time.Duration) { time.Sleep(d); synctest.Wait() }

var someWork = []Work{{ID: "k-YQ", Key: "a", Attempt: 1, Since: time.Unix(1_700_000_000, 0)}}

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, 5*time.Second)
		pass(time.Second)
		if got := r.wire.took(); len(got) != 1 || got[0].method != "PUT" || got[0].path != "/results/"+Key(r.ID()) || got[0].app.Interval != 30 {
			t.Fatalf("at the start %+v", got)
		}
		// Idle: a sixth as often.
		pass(60 * time.Second)
		if got := r.wire.took(); len(got) != 2 {
			t.Errorf("%d writes in a minute without work", len(got))
		}
		// Work begins long after the last write: at once.
		pass(20 * time.Second)
		r.work.Store(&someWork)
		r.Changed()
		pass(0)
		if got := r.wire.took(); len(got) != 1 || got[0].app.Interval != 5 || len(got[0].app.InWork) != 1 {
			t.Errorf("work begins: %+v", got)
		}
		// However often it changes: once an interval.
		for range 20_000 {
			r.Changed()
			pass(time.Millisecond)
		}
		got := r.wire.took()
		for i := 1; i < len(got); i++ {
			if d := got[i].at.Sub(got[i-1].at); d < 5*time.Second {
				t.Errorf("writes %v apart", d)
			}
		}
		if len(got) != 4 {
			t.Errorf("%d writes in 20 s of work", len(got))
		}
		// A long image: still every interval, so that a crash shows soon.
		pass(10 * time.Second)
		if got := r.wire.took(); len(got) != 2 {
			t.Errorf("%d writes in 10 s of one image", len(got))
		}
		// The end is told at once, and then nobody is there.
		r.Drain()
		pass(0)
		if got := r.wire.took(); len(got) != 1 || !got[0].app.Draining {
			t.Errorf("drain: %+v", got)
		}
		r.stop()
		if got := r.wire.took(); len(got) != 1 || got[0].method != "DELETE" {
			t.Errorf("stop: %+v", got)
		}
	})
}

// A store that does not answer costs nobody anything: few requests, one line in the log.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, time.Second)
		r.work.Store(&someWork)
		pass(10 * time.Second)
		r.wire.took()
		r.wire.set(errors.New("connection refused"), 0)
		for range 3600 {
			r.Changed()
			pass(time.Second)
		}
		if got := r.wire.took(); len(got) < 5 || len(got) > 25 {
			t.Errorf("%d requests in an hour without an answer", len(got))
		}
		r.Drain() // even that does not hurry it
		r.wire.set(nil, time.Hour)
		pass(10 * time.Minute)
		for _, req := range r.wire.took() {
			if req.method != "PUT" {
				t.Errorf("%+v", req)
			}
		}
		r.wire.set(nil, 0)
		pass(10 * time.Minute)
		if got := r.wire.took(); len(got) < 100 {
			t.Errorf("%d writes once it answers again", len(got))
		}
		r.stop()
		if log := r.log.String(); strings.Count(log, "WARN") != 1 || strings.Count(log, "can show this process again") != 1 {
			t.Errorf("the log:\n%s", log)
		}
	})
}

// A write under way at the stop ends before the delete begins: it would outlive the process.
func TestStopDuringWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, time.Second)
		r.wire.set(nil, 3*time.Second)
		r.work.Store(&someWork)
		pass(10 * time.Second)
		began := time.Now()
		r.stop()
		got := r.wire.took()
		last := got[len(got)-1]
		if last.method != "DELETE" || got[len(got)-2].method != "PUT" || last.at.Sub(got[len(got)-2].at) < 3*time.Second {
			t.Errorf("the end: %+v", got[len(got)-2:])
		}
		if took := time.Since(began); took > 2*callTimeout {
			t.Errorf("the stop took %v", took)
		}
	})
}

func TestNewPublisherRefuses(t *testing.T) {
	good := PublisherOptions{S3: (&wire{}).client(), Bucket: "b", Every: time.Second, State: func() App { return App{} }}
	for name, spoil := range map[string]func(*PublisherOptions){
		"no client": func(o *PublisherOptions) { o.S3 = nil },
		"no bucket": func(o *PublisherOptions) { o.Bucket = "" },
		"no state":  func(o *PublisherOptions) { o.State = nil },
		"no pace":   func(o *PublisherOptions) { o.Every = 0 },
		"too slow":  func(o *PublisherOptions) { o.Every = 5 * time.Hour },
	} {
		o := good
		spoil(&o)
		if _, err := NewPublisher(o); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	for host, want := range map[string]string{"web-1.example.org": "web-1-example-org-", "": "host-", "---": "host-", "ünï": "n-", strings.Repeat("h", 200): strings.Repeat("h", 40) + "-"} {
		id := newID(host)
		if !strings.HasPrefix(id, want) && host != "ünï" {
			t.Errorf("%q: id %q", host, id)
		}
		if got, ok := idOf(Key(id)); !ok || got != id {
			t.Errorf("%q: id %q is none", host, id)
		}
	}
}
