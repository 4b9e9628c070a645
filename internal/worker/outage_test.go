package worker

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/awstest"
	"github.com/tintype/tintype/internal/imaging"
	"github.com/tintype/tintype/internal/queue"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/localawstest"
)

// gateway stands before an endpoint and takes one of its services away.
type gateway struct {
	proxy  *httputil.ReverseProxy
	before func(request string) // is told "METHOD /path" ahead of each request; may be nil

	mu    sync.Mutex
	down  string                                       // "s3", "sqs" or "sns"
	how   func(w http.ResponseWriter, r *http.Request) // what it answers
	asked map[string][]time.Time                       // when each service was asked for something
}

func newGateway(t *testing.T, endpoint string) (*gateway, aws.Config) {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{asked: map[string][]time.Time{}, proxy: &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}}
	srv := httptest.NewServer(g)
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	return g, awstest.Config(srv.URL)
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	service := "s3"
	switch {
	case r.Header.Get("X-Amz-Target") != "":
		service = "sqs"
	case r.Method == http.MethodPost && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
		service = "sns"
	}
	if g.before != nil {
		g.before(r.Method + " " + r.URL.Path)
	}
	g.mu.Lock()
	g.asked[service] = append(g.asked[service], time.Now())
	how := g.how
	if g.down != service {
		how = nil
	}
	g.mu.Unlock()
	if how != nil {
		how(w, r)
		return
	}
	g.proxy.ServeHTTP(w, r)
}

func (g *gateway) take(service string, how func(http.ResponseWriter, *http.Request)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.down, g.how = service, how
}

// since is how often a service was asked for something after a time.
func (g *gateway) since(service string, from time.Time) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for _, at := range g.asked[service] {
		if at.After(from) {
			n++
		}
	}
	return n
}

func refuse(status int, code string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		fmt.Fprintf(w, "<Error><Code>%s</Code><Message>no</Message></Error>", code)
	}
}

// silent takes a request and never answers it.
func silent(_ http.ResponseWriter, r *http.Request) {
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}

func reset(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// plant is an app tier behind a gateway: a queue with a dead-letter queue after 5 receives,
// the engine, the worker, and a topic that its announcements go to.
type plant struct {
	*bench
	gateway   *gateway
	sqs       *sqs.Client // not through the gateway
	url, dlq  string
	topic     *topic
	engine    *queue.Engine
	computed  atomic.Int64 // images
	mu        sync.Mutex
	receives  map[string]int // most receives of a message, by message id
	stopped   chan error
	stop      context.CancelFunc
	expecting int
}

// newPlant starts one; attempts are those of the SDK for a call, 0 its default of 3.
func newPlant(t *testing.T, opts queue.Options, attempts int) *plant {
	t.Helper()
	endpoint := localawstest.New(t).URL
	p := &plant{bench: newBench(t, endpoint, nil), sqs: sqs.NewFromConfig(awstest.Config(endpoint)), topic: newTopic(t, endpoint), receives: map[string]int{}, stopped: make(chan error, 1)}
	var cfg aws.Config
	p.gateway, cfg = newGateway(t, endpoint)
	cfg.RetryMaxAttempts = attempts
	dlq, err := p.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("dlq")})
	if err != nil {
		t.Fatal(err)
	}
	p.dlq = *dlq.QueueUrl
	q, err := p.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("work"), Attributes: map[string]string{
		"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dlq","maxReceiveCount":5}`}})
	if err != nil {
		t.Fatal(err)
	}
	p.url = *q.QueueUrl

	through, err := store.New(store.NewClient(cfg), store.Options{UploadsBucket: p.Bucket(store.Uploads), ResultsBucket: p.Bucket(store.Results)})
	if err != nil {
		t.Fatal(err)
	}
	p.worker = p.newWorker(func(o *Options) {
		o.CallTimeout, o.IOTimeout = 5*time.Second, 10*time.Second
		o.Store, o.Announcer, o.Imaging = through, NewSNSAnnouncer(sns.NewFromConfig(cfg), p.topic.arn), &tally{p.bench.engine, &p.computed}
	})
	opts.QueueURL, opts.RetryBase, opts.RetryMax = p.url, time.Second, time.Second
	p.engine, err = queue.New(sqs.NewFromConfig(cfg), opts, func(ctx context.Context, m queue.Message) queue.Outcome {
		p.mu.Lock()
		p.receives[m.ID] = max(p.receives[m.ID], m.ReceiveCount)
		p.mu.Unlock()
		return p.worker.Handle(ctx, m)
	})
	if err != nil {
		t.Fatal(err)
	}
	var ctx context.Context
	ctx, p.stop = context.WithCancel(t.Context())
	t.Cleanup(func() {
		p.stop()
		if err := <-p.stopped; err != nil {
			t.Error(err)
		}
	})
	go func() { p.stopped <- p.engine.Run(ctx) }()
	p.until("ready", func() bool { ok, _ := p.engine.Ready(); return ok })
	return p
}

// tally counts the images that are computed.
type tally struct {
	*imaging.Engine
	n *atomic.Int64
}

func (c *tally) Process(ctx context.Context, req imaging.Request) (*imaging.Picture, error) {
	c.n.Add(1)
	return c.Engine.Process(ctx, req)
}

// images uploads some, and puts the event of each into the queue.
func (p *plant) images(n int) {
	p.t.Helper()
	for range n {
		p.expecting++
		u := p.upload(fmt.Sprintf("%d.jpg", p.expecting), picture(40, 30, uint8(p.expecting)), "", nil)
		if _, err := p.sqs.SendMessage(p.t.Context(), &sqs.SendMessageInput{QueueUrl: &p.url, MessageBody: aws.String(message(1, u).Body)}); err != nil {
			p.t.Fatal(err)
		}
	}
}

// until polls cond until it holds.
func (p *plant) until(what string, cond func() bool) {
	p.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			p.t.Fatalf("not within a minute: %s; engine %+v, worker %+v", what, p.engine.Stats(), p.worker.Stats())
		}
	}
}

// untilReady waits for readiness to be as wanted, and returns its reason.
func (p *plant) untilReady(want bool) (reason string) {
	p.t.Helper()
	p.until(fmt.Sprintf("ready: %v", want), func() bool {
		var ok bool
		ok, reason = p.engine.Ready()
		return ok == want
	})
	return reason
}

// finished waits until every image is done and announced under one id, and checks that no
// message is left anywhere and none was received more than a number of times.
func (p *plant) finished(most int) {
	p.t.Helper()
	p.topic.expectAll(p.t, p.expecting)
	p.until("every message is deleted", func() bool { return p.engine.Stats().Held == 0 && p.count(p.url) == 0 })
	for i := range p.expecting {
		if m := p.result(fmt.Sprintf("%d.jpg", i+1)); m.Status != recipe.Done {
			p.t.Errorf("image %d: %+v", i+1, m.Error)
		}
	}
	if n := p.count(p.dlq); n != 0 {
		p.t.Errorf("%d messages are in the dead-letter queue", n)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, n := range p.receives {
		if n > most {
			p.t.Errorf("message %s was received %d times", id, n)
		}
	}
}

// count is how many messages a queue holds, visible or not.
func (p *plant) count(url string) int {
	p.t.Helper()
	out, err := p.sqs.GetQueueAttributes(p.t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll}})
	if err != nil {
		p.t.Fatal(err)
	}
	var n, hidden int
	fmt.Sscan(out.Attributes["ApproximateNumberOfMessages"], &n)
	fmt.Sscan(out.Attributes["ApproximateNumberOfMessagesNotVisible"], &hidden)
	return n + hidden
}

// outageFor is long enough for five receives, one each second: without holding, what is
// received meanwhile ends in the dead-letter queue.
const outageFor = 8 * time.Second

var quick = queue.Options{Slots: 4, HoldBase: 50 * time.Millisecond, HoldMax: time.Second, DrainTimeout: 5 * time.Second}

// All of S3 is away for a long time, SQS is there.
func TestOutageOfS3(t *testing.T) {
	for name, tc := range map[string]struct {
		how  func(http.ResponseWriter, *http.Request)
		says string
		// attempts are the SDK's for a call, 0 its default. With 1 the five receives that lead to
		// the dead-letter queue are soon used up.
		attempts int
		long     bool
	}{
		"throttled":   {refuse(http.StatusServiceUnavailable, "SlowDown"), "SlowDown", 0, true},
		"errors":      {refuse(http.StatusInternalServerError, "InternalError"), "InternalError", 1, false},
		"reset":       {reset, "the object store did not answer", 1, true},
		"silent":      {silent, "was not waited for", 1, false},
		"expired":     {refuse(http.StatusBadRequest, "ExpiredToken"), "renew them", 1, false},
		"unknown key": {refuse(http.StatusForbidden, "InvalidAccessKeyId"), "renew them", 1, false},
		"denied":      {refuse(http.StatusForbidden, "AccessDenied"), "tintype doctor", 1, false},
		"no bucket":   {refuse(http.StatusNotFound, "NoSuchBucket"), "tintype provision", 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlant(t, quick, tc.attempts)
			p.gateway.take("s3", tc.how)
			p.images(12)
			began := time.Now()
			if why := p.untilReady(false); !strings.Contains(why, tc.says) {
				t.Errorf("not ready: %q, want %q in it", why, tc.says)
			}
			if tc.long {
				from := time.Now()
				rest := time.NewTimer(max(time.Until(began.Add(outageFor)), outageFor/2))
				<-rest.C
				rate := float64(p.gateway.since("s3", from)) / time.Since(from).Seconds()
				t.Logf("S3 was asked %.1f times a second, %d times in all", rate, p.gateway.since("s3", began))
				// One try at a time, of up to three requests by the SDK, half a second or more apart.
				if rate > 6 {
					t.Errorf("%.1f requests a second to a service that is down", rate)
				}
			}
			if s := p.engine.Stats(); s.Limit != 1 || s.Received > s.Slots {
				t.Errorf("stats %+v", s)
			}
			p.gateway.take("", nil)
			p.untilReady(true)
			p.finished(2)
			p.until("the limit has risen again", func() bool { return p.engine.Stats().Limit > 1 })
		})
	}
}

// SNS is away: what is done is not done again, and is announced once it can be.
func TestOutageOfSNS(t *testing.T) {
	t.Parallel()
	p := newPlant(t, quick, 1)
	p.gateway.take("sns", refuse(http.StatusServiceUnavailable, "ServiceUnavailable"))
	p.images(8)
	if why := p.untilReady(false); !strings.Contains(why, "announce") {
		t.Errorf("not ready: %q", why)
	}
	pause := time.NewTimer(outageFor / 2)
	<-pause.C
	if n := p.computed.Load(); n > 4 {
		t.Errorf("%d images were computed while none can be announced, with 4 slots", n)
	}
	p.gateway.take("", nil)
	p.finished(2)
	if n := p.computed.Load(); n != 8 {
		t.Errorf("8 images were computed %d times", n)
	}
}

// SQS is away for longer than leases last, S3 is there.
func TestOutageOfSQS(t *testing.T) {
	for name, how := range map[string]func(http.ResponseWriter, *http.Request){"reset": reset, "errors": refuse(http.StatusInternalServerError, "InternalError")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := quick
			opts.Visibility = 3 * time.Second
			opts.Wait = time.Second
			opts.UnreadyAfter = time.Second
			p := newPlant(t, opts, 0)
			p.images(12)
			p.until("in the middle of it", func() bool { return p.computed.Load() >= 3 })
			p.gateway.take("sqs", how)
			began := time.Now()
			p.untilReady(false)
			pause := time.NewTimer(time.Until(began.Add(outageFor)))
			<-pause.C
			if rate := float64(p.gateway.since("sqs", began)) / time.Since(began).Seconds(); rate > 12 {
				t.Errorf("%.1f requests a second to a queue that is down", rate)
			} else {
				t.Logf("SQS was asked %.1f times a second", rate)
			}
			p.gateway.take("", nil)
			p.untilReady(true)
			p.finished(2)
		})
	}
}
