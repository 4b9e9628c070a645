package web

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/awstest"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/internal/testimages"
)

// gateway is a proxy to the endpoint that counts requests, and that can be told what to do
// with them instead of passing them on.
type gateway struct {
	mu      sync.Mutex
	instead func(w http.ResponseWriter, r *http.Request) // nil: pass it on
	counts  map[string]int                               // requests by service
}

// behind starts one more web instance all of whose requests to AWS go through a gateway.
func (s *system) behind(adjust func(*Options)) *gateway {
	s.t.Helper()
	target, err := url.Parse(*s.cfg.BaseEndpoint)
	if err != nil {
		s.t.Fatal(err)
	}
	g := &gateway{counts: map[string]int{}}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { hangUp(w) }
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		service := "s3"
		switch {
		case r.Header.Get("X-Amz-Target") != "":
			service = "sqs"
		case r.Method == http.MethodPost && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
			service = "sns"
		}
		g.mu.Lock()
		g.counts[service]++
		instead := g.instead
		g.mu.Unlock()
		if instead != nil {
			instead(w, r)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	s.t.Cleanup(srv.Close)
	cfg := awstest.Config(srv.URL)
	through, err := store.New(store.NewClient(cfg), store.Options{UploadsBucket: s.store.Bucket(store.Uploads), ResultsBucket: s.store.Bucket(store.Results)})
	if err != nil {
		s.t.Fatal(err)
	}
	s.web, s.url = s.serve(func(o *Options) {
		o.Store, o.Notifier.SQS, o.Notifier.SNS = through, sqs.NewFromConfig(cfg), sns.NewFromConfig(cfg)
		if adjust != nil {
			adjust(o)
		}
	})
	return g
}

func (g *gateway) do(instead func(http.ResponseWriter, *http.Request)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.instead = instead
}

// count is how many requests a function leads to, by service.
func (g *gateway) count(f func()) string {
	g.mu.Lock()
	g.counts = map[string]int{}
	g.mu.Unlock()
	f()
	g.mu.Lock()
	defer g.mu.Unlock()
	return fmt.Sprint(g.counts)
}

func (s *system) ready() (bool, string) {
	a := s.request("GET", "/readyz", nil)
	return a.StatusCode == http.StatusOK, string(a.body)
}

// The endpoint takes connections and says nothing. That is noticed within a poll's time and
// some seconds, readiness itself is answered soon, and all goes on by itself afterwards.
func TestEndpointSilent(t *testing.T) {
	s := newSystem(t, nil)
	g := s.behind(func(o *Options) { o.Notifier.Heartbeat = time.Second })
	s.run(s.web)
	st := s.listen("")
	st.next()
	loud := make(chan struct{})
	g.do(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-loud:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	})
	began := time.Now()
	s.until("it notices", func() bool { return s.web.notifierState() != nil })
	if d := time.Since(began); d > 2*time.Second+receiveGrace+3*time.Second {
		t.Errorf("noticed after %v", d)
	}
	if s.web.notifierState() == nil {
		t.Error("it has forgotten")
	}
	g.do(nil)
	close(loud)
	s.until("it receives again", func() bool { return s.web.notifierState() == nil })
	s.until("it is ready", func() bool { ok, _ := s.ready(); return ok })
	id := s.uploaded("a.png", testimages.PNG(5, 5))
	st.image(id, recipe.Queued)
	s.mustProcess(id)
	st.image(id, recipe.Done)
}

// The endpoint is away for so long that others have swept the instance's queue.
func TestSweptWhileAway(t *testing.T) {
	s := newSystem(t, nil)
	g := s.behind(func(o *Options) { o.Notifier.Heartbeat = time.Second })
	s.run(s.web)
	st := s.listen("")
	st.next()
	was := s.web.notifier.own()
	g.do(func(w http.ResponseWriter, _ *http.Request) { hangUp(w) })
	s.until("it notices", func() bool { return s.web.notifierState() != nil })
	if err := s.web.Ready(); err == nil {
		t.Error("ready while the endpoint is away")
	}
	if err := removeQueue(t.Context(), s.sqs, s.sns, was.url, was.subscription); err != nil {
		t.Fatal(err)
	}
	g.do(nil)
	if e := st.next(); e.event != eventResync {
		t.Errorf("event is %+v", e)
	}
	s.until("it is ready", func() bool { ok, _ := s.ready(); return ok })
	if now := s.web.notifier.own(); now.url == was.url {
		t.Error("it still has the queue that is gone")
	}
	if q, sub := s.queues(), s.subscribed(); len(q) != 1 || len(sub) != 1 {
		t.Errorf("queues %v, subscribed %v", q, sub)
	}
	id := s.uploaded("a.png", testimages.PNG(5, 5))
	st.image(id, recipe.Queued)
	s.mustProcess(id)
	st.image(id, recipe.Done)
}

// Readiness tells anybody what a person must do, and no more.
func TestReadyTellsOfCredentials(t *testing.T) {
	s := newSystem(t, nil)
	g := s.behind(func(o *Options) { o.Notifier.Heartbeat = time.Second })
	s.run(s.web)
	for code, want := range map[string]string{"ExpiredToken": "renew them", "InvalidClientTokenId": "renew them", "AccessDenied": "lack a permission"} {
		g.do(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Amz-Target") != "" {
				w.Header().Set("Content-Type", "application/x-amz-json-1.0")
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprintf(w, `{"__type":"com.amazonaws.sqs#%s","message":"secret words"}`, code)
				return
			}
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, "<Error><Code>%s</Code><Message>secret words</Message></Error>", code)
		})
		s.until("it says so", func() bool { ok, why := s.ready(); return !ok && strings.Contains(why, want) })
		if _, why := s.ready(); strings.Contains(why, "secret") || strings.Contains(why, "127.0.0.1") {
			t.Errorf("readiness tells strangers %s", why)
		}
		g.do(nil)
		s.until("it is ready", func() bool { ok, _ := s.ready(); return ok })
	}
}

// What the door costs does not depend on how much waits behind it: the same requests to AWS
// with an empty queue and with a deep one, none of them to a queue.
func TestTheDoorDoesNotLookAtTheQueue(t *testing.T) {
	s := newSystem(t, nil)
	g := s.behind(nil) // not running: only what requests lead to is counted
	for i := range 3 {
		id := s.uploaded(fmt.Sprintf("%d.png", i), testimages.PNG(5, 5))
		if i < 2 {
			s.mustProcess(id)
		}
	}
	door := func() map[string]string {
		costs := map[string]string{}
		costs["POST /api/uploads"] = g.count(func() {
			s.json("POST", "/api/uploads", `{"filename":"a.png","size":100,"contentType":"image/png"}`, http.StatusCreated)
		})
		costs["GET /api/images"] = g.count(func() { s.json("GET", "/api/images", "", http.StatusOK) })
		costs["GET /"] = g.count(func() {
			if a := s.request("GET", "/", nil, "Accept", "text/html"); a.StatusCode != http.StatusOK {
				t.Errorf("GET /: %s", a.Status)
			}
		})
		// Last, because it changes what there is to list.
		costs["POST /api/images"] = g.count(func() { s.uploaded("b.png", testimages.PNG(5, 5)) })
		return costs
	}
	empty := door()
	work := s.queue("work-" + s.prefix)
	for range 300 {
		entries := make([]sqstypes.SendMessageBatchRequestEntry, 10)
		for i := range entries {
			entries[i] = sqstypes.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), MessageBody: aws.String("an upload that waits")}
		}
		if _, err := s.sqs.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: &work, Entries: entries}); err != nil {
			t.Fatal(err)
		}
	}
	deep := door()
	t.Logf("requests to AWS: %v", empty)
	for route, cost := range empty {
		want := cost
		if strings.HasPrefix(route, "GET") { // one image more is listed, waiting: its manifest and its metadata
			var n int
			fmt.Sscanf(cost, "map[s3:%d]", &n)
			want = fmt.Sprintf("map[s3:%d]", n+2)
		}
		if deep[route] != want || strings.Contains(deep[route], "sqs") {
			t.Errorf("%s: with an empty queue %s, with 3,000 messages %s, want %s", route, cost, deep[route], want)
		}
	}
}
