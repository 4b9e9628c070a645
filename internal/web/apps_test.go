package web

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/tintype/tintype/internal/backlog"
	"github.com/tintype/tintype/internal/presence"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/internal/testimages"
)

// listings counts the looks at app processes.
type listings struct{ n atomic.Int64 }

func (l *listings) Do(r *http.Request) (*http.Response, error) {
	if r.URL.Query().Get("prefix") == presence.Prefix {
		l.n.Add(1)
	}
	return http.DefaultClient.Do(r)
}

// watched starts a web instance that looks at app processes, often.
func (s *system) watched() *listings {
	s.t.Helper()
	l := &listings{}
	cfg := s.cfg.Copy()
	cfg.HTTPClient = l
	apps := presence.NewReader(s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }), s.store.Bucket(store.Results), false, nil)
	s.web, s.url = s.serve(func(o *Options) { o.Apps, o.AppsEvery = apps, 50*time.Millisecond })
	s.run(s.web)
	return l
}

// appProcess stands in for an app tier: its presence is real.
type appProcess struct {
	*presence.Publisher
	mu   sync.Mutex
	work []presence.Work
	stop func()
}

func (s *system) appProcess() *appProcess {
	s.t.Helper()
	a := &appProcess{}
	var err error
	a.Publisher, err = presence.NewPublisher(presence.PublisherOptions{S3: s.s3, Bucket: s.store.Bucket(store.Results), Every: 400 * time.Millisecond,
		State: func() presence.App {
			a.mu.Lock()
			defer a.mu.Unlock()
			return presence.App{Workers: 2, Slots: 6, Ready: true, InWork: slices.Clone(a.work)}
		}})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = a.Run(ctx) }()
	a.stop = func() { cancel(); <-done }
	s.t.Cleanup(a.stop)
	return a
}

// has says what the process has in work from now on.
func (a *appProcess) has(work ...presence.Work) {
	a.mu.Lock()
	a.work = work
	a.mu.Unlock()
	a.Changed()
}

func workOf(id, name string, attempt int) presence.Work {
	return presence.Work{ID: id, Key: id + "/" + name, Attempt: attempt, Since: time.Now().UTC().Truncate(time.Millisecond)}
}

func TestProcessing(t *testing.T) {
	s := newSystem(t, nil)
	s.watched()
	st := s.listen("")
	st.next()
	app := s.appProcess()
	id := s.uploaded("cat.png", testimages.PNG(12, 12))
	st.image(id, recipe.Queued)

	work := workOf(id, "cat.png", 2)
	app.has(work)
	img := st.image(id, recipe.Processing)
	want := Processing{Attempt: 2, Since: work.Since, App: app.ID()}
	if img.Processing == nil || *img.Processing != want || img.Name != "cat.png" || img.Recipe != "tint" {
		t.Errorf("the event is %+v with %+v, want %+v", img, img.Processing, want)
	}
	if img := s.image(id); img.Status != recipe.Processing || img.Processing == nil || *img.Processing != want {
		t.Errorf("the API says %+v", img)
	}
	var list imageList
	s.json("GET", "/api/images?status=processing", "", 200).json(t, &list)
	if len(list.Images) != 1 || list.Images[0].ID != id || list.Images[0].Processing.App != app.ID() {
		t.Errorf("the list says %+v", list)
	}

	// The process lets go of it, as in a drain or after a fault: it waits again.
	app.has()
	if img := st.image(id, recipe.Queued); img.Processing != nil {
		t.Errorf("the event is %+v", img)
	}
	if img := s.image(id); img.Status != recipe.Queued || img.Processing != nil {
		t.Errorf("the API says %+v", img)
	}

	// The next attempt; then the result, which nothing may follow.
	app.has(workOf(id, "cat.png", 3))
	st.image(id, recipe.Processing)
	s.mustProcess(id)
	if img := st.image(id, recipe.Done); img.Processing != nil {
		t.Errorf("the event is %+v", img)
	}
	if img := s.image(id); img.Status != recipe.Done || img.Processing != nil {
		t.Errorf("the API says %+v", img)
	}
	app.has()
	other := s.uploaded("dog.png", testimages.PNG(12, 12))
	st.image(other, recipe.Queued) // and not another word about the first

	// The process ends without a word about its work.
	app.has(workOf(other, "dog.png", 1))
	st.image(other, recipe.Processing)
	app.stop()
	st.image(other, recipe.Queued)
}

// An image that another program uploaded is looked up once; one that is not there is nobody's.
func TestProcessingOfOthers(t *testing.T) {
	s := newSystem(t, nil)
	s.watched()
	st := s.listen("")
	st.next()
	id, body := store.IDForKey("from/outside.png"), testimages.PNG(8, 8)
	if _, err := s.store.PutSource(t.Context(), store.PutSource{Key: "from/outside.png", Body: bytes.NewReader(body), Size: int64(len(body))}); err != nil {
		t.Fatal(err)
	}
	app := s.appProcess()
	app.has(workOf("k-bm9uZQ", "x", 1), presence.Work{ID: "../../etc", Key: "x", Attempt: 1, Since: time.Now()},
		presence.Work{ID: id, Key: "from/outside.png", Attempt: 1, Since: time.Now()})
	if img := st.image(id, recipe.Processing); img.Key != "from/outside.png" || img.Source.Bytes == 0 {
		t.Errorf("the event is %+v", img)
	}
	// Who names an image under another key than it has speaks of something else.
	app.has(presence.Work{ID: id, Key: "from/elsewhere.png", Attempt: 1, Since: time.Now()})
	st.image(id, recipe.Queued)
}

// Nobody looks while nobody listens, and one looks for all who do.
func TestLooksOnlyForListeners(t *testing.T) {
	s := newSystem(t, nil)
	l := s.watched()
	s.json("GET", "/api/images", "", 200)
	s.json("GET", "/healthz", "", 200)
	if n := l.n.Load(); n != 0 {
		t.Errorf("%d looks before anybody listens", n)
	}
	var streams []*stream
	for range 20 {
		st := s.listen("")
		st.next()
		streams = append(streams, st)
	}
	began, before := time.Now(), l.n.Load()
	s.until("somebody looks", func() bool { return l.n.Load() >= before+10 })
	if n, most := l.n.Load()-before, int64(time.Since(began)/s.web.o.AppsEvery)+2; n > most {
		t.Errorf("%d looks for 20 listeners, at most %d are due", n, most)
	}
	for _, st := range streams {
		st.cancel()
	}
	s.until("the listeners are gone", func() bool { return s.web.hub.count() == 0 })
	// The look under way, if any, ends; then two more intervals could have passed.
	tick := time.NewTicker(s.web.o.AppsEvery)
	defer tick.Stop()
	<-tick.C
	<-tick.C
	before = l.n.Load()
	<-tick.C
	<-tick.C
	<-tick.C
	if n := l.n.Load() - before; n != 0 {
		t.Errorf("%d looks after everybody left", n)
	}
}

func TestPipelineKnowsApps(t *testing.T) {
	s := newSystem(t, nil)
	work := s.queue(s.prefix + "work")
	apps := presence.NewReader(s.s3, s.store.Bucket(store.Results), false, nil)
	s.web, s.url = s.serve(func(o *Options) {
		o.Apps, o.AppsEvery = apps, time.Second
		o.Backlog = backlog.New(backlog.Options{SQS: s.sqs, QueueURL: work, Apps: apps})
	})
	s.run(s.web)
	for range 6 {
		s.send(work, "a")
	}
	app := s.appProcess()
	get := func() (doc pipelineDoc) {
		s.json("GET", "/api/pipeline", "", 200).json(t, &doc)
		return doc
	}
	var doc pipelineDoc
	s.until("the process is seen", func() bool { doc = get(); return len(doc.Apps) == 1 })
	if a := doc.Apps[0]; a.ID != app.ID() || a.Stale || *doc.Queue.Workers != 2 || *doc.Queue.PerWorker != 3 {
		t.Errorf("%+v with %+v", doc.Queue, doc.Apps)
	}
	id := s.uploaded("cat.png", testimages.PNG(12, 12))
	s.mustProcess(id)
	s.until("the image counts", func() bool { doc = get(); return doc.Latency.Count == 1 })
	if doc.Latency.P50 == nil || *doc.Latency.P50 < 1 || *doc.Latency.P99 != *doc.Latency.P50 {
		t.Errorf("latency %+v", doc.Latency)
	}
	s.until("there is a history", func() bool { doc = get(); return len(doc.History) >= 2 })
	last := doc.History[len(doc.History)-1]
	if last.Waiting != 6 || last.Workers == nil || *last.Workers != 2 || last.T.Sub(doc.History[len(doc.History)-2].T) < historyStep {
		t.Errorf("history %+v", doc.History)
	}
	// Told at its end that it is gone: no worker is left.
	app.stop()
	s.until("nobody is there", func() bool { doc = get(); return *doc.Queue.Workers == 0 })
	if len(doc.Apps) != 0 || *doc.Queue.PerWorker != 6 {
		t.Errorf("%+v with %+v", doc.Queue, doc.Apps)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	var h history
	now := time.Unix(1_700_000_000, 0)
	for range 10_000 {
		now = now.Add(500 * time.Millisecond)
		h.add(sample{T: now})
	}
	got := h.add(sample{T: now})
	if len(got) > int(historyLength/historyStep)+1 || now.Sub(got[0].T) > historyLength+historyStep {
		t.Errorf("%d samples, from %v ago", len(got), now.Sub(got[0].T))
	}
}

func TestLatencies(t *testing.T) {
	var l latencies
	now := time.Unix(1_700_000_000, 0)
	if got := l.within(now); got.Count != 0 || got.P50 != nil {
		t.Errorf("before anything: %+v", got)
	}
	for i := 1; i <= 1000; i++ { // 10 ms, 20 ms … 10 s, within half a minute
		l.add(now.Add(time.Duration(i)*30*time.Millisecond), time.Duration(i)*10*time.Millisecond)
	}
	l.add(now, -time.Hour) // clocks differ
	l.add(now, 10_000*time.Hour)
	got := l.within(now.Add(30 * time.Second))
	near := func(v *int64, want int64) bool { return v != nil && *v > want*97/100 && *v < want*103/100 }
	if got.Count != 1002 || !near(got.P50, 5000) || !near(got.P99, 9910) {
		t.Errorf("%d, p50 %d, p99 %d", got.Count, *got.P50, *got.P99)
	}
	if got := l.within(now.Add(2 * time.Minute)); got.Count != 0 {
		t.Errorf("two minutes later: %+v", got)
	}
}
