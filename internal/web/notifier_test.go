package web

import (
	"context"
	"io"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/testimages"
)

// queue makes a queue and returns its URL.
func (s *system) queue(name string) string {
	s.t.Helper()
	q, err := s.sqs.CreateQueue(s.t.Context(), &sqs.CreateQueueInput{QueueName: &name})
	if err != nil {
		s.t.Fatal(err)
	}
	return *q.QueueUrl
}

func (s *system) send(queueURL, body string) {
	s.t.Helper()
	if _, err := s.sqs.SendMessage(s.t.Context(), &sqs.SendMessageInput{QueueUrl: &queueURL, MessageBody: &body}); err != nil {
		s.t.Fatal(err)
	}
}

// queues are the names of the web instances' queues, without the prefix.
func (s *system) queues() []string {
	s.t.Helper()
	out, err := s.sqs.ListQueues(s.t.Context(), &sqs.ListQueuesInput{QueueNamePrefix: &s.prefix})
	if err != nil {
		s.t.Fatal(err)
	}
	var names []string
	for _, u := range out.QueueUrls {
		names = append(names, strings.TrimPrefix(path.Base(u), s.prefix))
	}
	slices.Sort(names)
	return names
}

// subscribed are the names of the queues subscribed to the topic, without the prefix.
func (s *system) subscribed() []string {
	s.t.Helper()
	out, err := s.sns.ListSubscriptionsByTopic(s.t.Context(), &sns.ListSubscriptionsByTopicInput{TopicArn: &s.topic})
	if err != nil {
		s.t.Fatal(err)
	}
	var names []string
	for _, sub := range out.Subscriptions {
		names = append(names, strings.TrimPrefix(path.Base(strings.ReplaceAll(*sub.Endpoint, ":", "/")), s.prefix))
	}
	slices.Sort(names)
	return names
}

func TestOwnQueue(t *testing.T) {
	s := newSystem(t, nil)
	stop := s.run(s.web)
	names := s.queues()
	if len(names) != 1 || !regexp.MustCompile(`^tester-[a-z0-9]{8}$`).MatchString(names[0]) {
		t.Fatalf("queues are %v", names)
	}
	if got := s.subscribed(); !slices.Equal(got, names) {
		t.Fatalf("subscribed are %v, want %v", got, names)
	}
	q := s.web.notifier.own()
	attrs, err := s.sqs.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &q.url, AttributeNames: []sqstypes.QueueAttributeName{"All"}})
	if err != nil {
		t.Fatal(err)
	}
	policy := attrs.Attributes["Policy"]
	if attrs.Attributes["MessageRetentionPeriod"] != "3600" || !strings.Contains(policy, "sns.amazonaws.com") || !strings.Contains(policy, s.topic) || !strings.Contains(policy, q.arn) {
		t.Errorf("attributes are %v", attrs.Attributes)
	}
	sub, err := s.sns.GetSubscriptionAttributes(t.Context(), &sns.GetSubscriptionAttributesInput{SubscriptionArn: &q.subscription})
	if err != nil || sub.Attributes["RawMessageDelivery"] != "true" {
		t.Errorf("subscription is %v, %v", sub, err)
	}
	tags, err := s.sqs.ListQueueTags(t.Context(), &sqs.ListQueueTagsInput{QueueUrl: &q.url})
	if err != nil {
		t.Fatal(err)
	}
	beat, err := strconv.ParseInt(tags.Tags[heartbeatTag], 10, 64)
	if err != nil || time.Since(time.Unix(beat, 0)) > time.Minute {
		t.Errorf("heartbeat is %v, %v", tags.Tags, err)
	}
	stop()
	if q, sub := s.queues(), s.subscribed(); len(q) != 0 || len(sub) != 0 {
		t.Errorf("after the stop there are queues %v and subscriptions %v", q, sub)
	}
}

func TestHeartbeat(t *testing.T) {
	s := newSystem(t, func(o *Options) { o.Notifier.Heartbeat = time.Second })
	s.run(s.web)
	q := s.web.notifier.own()
	set := func(tag string) {
		if _, err := s.sqs.TagQueue(t.Context(), &sqs.TagQueueInput{QueueUrl: &q.url, Tags: map[string]string{heartbeatTag: tag}}); err != nil {
			t.Fatal(err)
		}
	}
	set("1")
	st := s.listen("")
	st.next()
	// The subscription vanishes: the next heartbeat brings it back and says that events may be missing.
	if _, err := s.sns.Unsubscribe(t.Context(), &sns.UnsubscribeInput{SubscriptionArn: &q.subscription}); err != nil {
		t.Fatal(err)
	}
	if e := st.next(); e.event != eventResync {
		t.Errorf("event is %+v", e)
	}
	s.until("the heartbeat is renewed", func() bool {
		tags, err := s.sqs.ListQueueTags(t.Context(), &sqs.ListQueueTagsInput{QueueUrl: &q.url})
		return err == nil && tags.Tags[heartbeatTag] != "1"
	})
	if got := s.subscribed(); len(got) != 1 {
		t.Errorf("subscribed are %v", got)
	}
}

// Queues of dead owners go, with their subscriptions; live ones, foreign ones and our own stay.
func TestSweep(t *testing.T) {
	s := newSystem(t, nil)
	stop := s.run(s.web)
	other, _ := s.serve(func(o *Options) { o.Notifier.Heartbeat = time.Second })
	s.run(other)
	subscribe := func(queueURL string) {
		if _, err := s.sns.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: &s.topic, Protocol: aws.String("sqs"), Endpoint: aws.String(s.arn(queueURL))}); err != nil {
			t.Fatal(err)
		}
	}
	tag := func(queueURL, beat string) {
		if _, err := s.sqs.TagQueue(t.Context(), &sqs.TagQueueInput{QueueUrl: &queueURL, Tags: map[string]string{heartbeatTag: beat}}); err != nil {
			t.Fatal(err)
		}
	}
	unix := func(ago time.Duration) string { return strconv.FormatInt(time.Now().Add(-ago).Unix(), 10) }
	for name, beat := range map[string]string{"dead": unix(6 * time.Minute), "late": unix(4 * time.Minute), "untagged": "", "odd": "soon"} {
		q := s.queue(s.prefix + name)
		subscribe(q)
		if beat != "" {
			tag(q, beat)
		}
	}
	gone := s.queue(s.prefix + "gone")
	subscribe(gone)
	if _, err := s.sqs.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: &gone}); err != nil {
		t.Fatal(err)
	}
	elsewhere := s.queue("elsewhere-" + s.prefix)
	tag(elsewhere, "1")

	if err := s.web.notifier.sweep(t.Context(), time.Now); err != nil {
		t.Fatal(err)
	}
	own := []string{path.Base(s.web.notifier.own().url), path.Base(other.notifier.own().url)}
	want := []string{"late", "odd", "untagged", strings.TrimPrefix(own[0], s.prefix), strings.TrimPrefix(own[1], s.prefix)}
	slices.Sort(want)
	if got := s.queues(); !slices.Equal(got, want) {
		t.Errorf("queues after the sweep are %v, want %v", got, want)
	}
	if got := s.subscribed(); !slices.Equal(got, want) {
		t.Errorf("subscribed after the sweep are %v, want %v", got, want)
	}

	// However late it is: an instance does not sweep itself.
	if err := s.web.notifier.sweep(t.Context(), func() time.Time { return time.Now().Add(time.Hour) }); err != nil {
		t.Fatal(err)
	}
	if got := s.queues(); !slices.Contains(got, strings.TrimPrefix(own[0], s.prefix)) || slices.Contains(got, strings.TrimPrefix(own[1], s.prefix)) {
		t.Errorf("an hour later there are %v, own is %s", got, own[0])
	}
	// The other one was swept while it lived: it notices and makes a new queue.
	s.until("the swept instance has a new queue", func() bool {
		u := other.notifier.own().url
		return u != "" && path.Base(u) != own[1] && other.notifierState() == nil
	})
	stop()
}

func (s *system) arn(queueURL string) string {
	s.t.Helper()
	out, err := s.sqs.GetQueueAttributes(s.t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &queueURL, AttributeNames: []sqstypes.QueueAttributeName{"QueueArn"}})
	if err != nil {
		s.t.Fatal(err)
	}
	return out.Attributes["QueueArn"]
}

// The queue disappears: a new one is made, listeners are told, and events flow again.
func TestQueueDisappears(t *testing.T) {
	s := newSystem(t, func(o *Options) { o.Notifier.Heartbeat = time.Second })
	s.run(s.web)
	st := s.listen("")
	st.next()
	was := s.web.notifier.own().url
	if _, err := s.sqs.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: &was}); err != nil {
		t.Fatal(err)
	}
	if e := st.next(); e.event != eventResync {
		t.Errorf("event is %+v", e)
	}
	s.until("it receives again", func() bool { return s.web.notifierState() == nil && s.web.notifier.own().url != was })
	id := s.uploaded("a.png", testimages.PNG(5, 5))
	st.image(id, recipe.Queued)
	s.mustProcess(id)
	st.image(id, recipe.Done)
}

// outage is a proxy to the endpoint that can be away: it then closes every connection unanswered.
func (s *system) outage() (addr string, away *atomic.Bool) {
	s.t.Helper()
	target, err := url.Parse(*s.cfg.BaseEndpoint)
	if err != nil {
		s.t.Fatal(err)
	}
	away = &atomic.Bool{}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorLog = nil
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { hangUp(w) }
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if away.Load() {
			hangUp(w)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	s.t.Cleanup(srv.Close)
	return srv.URL, away
}

func hangUp(w http.ResponseWriter) {
	if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = c.(interface{ CloseWrite() error }).CloseWrite()
		_, _ = io.Copy(io.Discard, io.LimitReader(c, 1))
		_ = c.Close()
	}
}

// While the endpoint is away the instance says so, keeps answering what it can, and goes on
// by itself when the endpoint is back; what was announced meanwhile arrives.
func TestEndpointAway(t *testing.T) {
	s := newSystem(t, nil)
	proxy, away := s.outage()
	away.Store(true)
	s.web, s.url = s.serve(func(o *Options) {
		o.Notifier.SQS = sqs.NewFromConfig(s.cfg, func(o *sqs.Options) { o.BaseEndpoint = &proxy })
		o.Notifier.SNS = sns.NewFromConfig(s.cfg, func(o *sns.Options) { o.BaseEndpoint = &proxy })
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.web.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	s.until("it has tried", func() bool {
		return strings.Contains(s.log.String(), "looking for queues of dead web instances failed")
	})
	s.json("GET", "/readyz", "", 503)
	s.json("GET", "/healthz", "", 200)
	s.json("GET", "/api/images", "", 200)

	away.Store(false)
	s.until("it is ready", func() bool { return s.request("GET", "/readyz", nil).StatusCode == http.StatusOK })
	st := s.listen("")
	st.next()
	away.Store(true)
	id := s.uploaded("a.png", testimages.PNG(5, 5))
	st.image(id, recipe.Queued)
	s.mustProcess(id)
	s.send(s.web.notifier.own().url, "wakes the long poll that is under way, if there is one")
	s.until("it notices", func() bool { return s.web.notifierState() != nil })
	s.json("GET", "/readyz", "", 503)
	away.Store(false)
	st.image(id, recipe.Done)
	s.until("it is ready again", func() bool { return s.request("GET", "/readyz", nil).StatusCode == http.StatusOK })
}

func TestQueueName(t *testing.T) {
	ok := regexp.MustCompile(`^tintype-web-[A-Za-z0-9_-]{0,59}-[a-z0-9]{8}$`)
	for _, host := range []string{"web-1", "", "a.b.example", "ünïcode", strings.Repeat("long", 50), "x y/z"} {
		a, b := queueName("tintype-web-", host), queueName("tintype-web-", host)
		if !ok.MatchString(a) || len(a) > queueNameMax || a == b {
			t.Errorf("host %q: queue names %q and %q", host, a, b)
		}
	}
}

func TestOptionsRefused(t *testing.T) {
	s := newSystem(t, nil)
	for name, adjust := range map[string]func(*Options){
		"no store":       func(o *Options) { o.Store = nil },
		"no recipes":     func(o *Options) { o.Recipes = nil },
		"no SNS":         func(o *Options) { o.Notifier.SNS = nil },
		"no topic":       func(o *Options) { o.Notifier.TopicARN = "processingnotification" },
		"long prefix":    func(o *Options) { o.Notifier.QueuePrefix = strings.Repeat("x", 80) },
		"lax heartbeat":  func(o *Options) { o.Notifier.Heartbeat = time.Hour },
		"bad S3 URL":     func(o *Options) { o.S3URLs = []string{"s3.example"} },
		"bad origin":     func(o *Options) { o.Origins = []string{"tintype.example"} },
		"negative limit": func(o *Options) { o.MaxBytes = -1 },
	} {
		o := s.web.o
		adjust(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// datedClient is a client of a service whose clock is ahead of ours.
type datedClient struct {
	sqs.HTTPClient
	ahead time.Duration
}

func (d datedClient) Do(r *http.Request) (*http.Response, error) {
	resp, err := d.HTTPClient.Do(r)
	if err == nil {
		resp.Header.Set("Date", time.Now().Add(d.ahead).UTC().Format(http.TimeFormat))
	}
	return resp, err
}

// TestHeartbeatsByTheClockOfSQS: hosts' clocks may be hours apart; who is dead is told by the
// one clock that all web instances have in common.
func TestHeartbeatsByTheClockOfSQS(t *testing.T) {
	s := newSystem(t, func(o *Options) {
		o.Notifier.SQS = sqs.New(o.Notifier.SQS.Options(), func(c *sqs.Options) {
			c.HTTPClient, c.DisableClockSkewCorrection = datedClient{c.HTTPClient, time.Hour}, true
		})
	})
	stop := s.run(s.web)
	defer stop()
	own := s.web.notifier.own().url
	tags, err := s.sqs.ListQueueTags(t.Context(), &sqs.ListQueueTagsInput{QueueUrl: &own})
	if err != nil {
		t.Fatal(err)
	}
	beat, err := strconv.ParseInt(tags.Tags[heartbeatTag], 10, 64)
	if ahead := time.Until(time.Unix(beat, 0)); err != nil || (ahead-time.Hour).Abs() > time.Minute {
		t.Errorf("the heartbeat is %v ahead of our clock, %v; SQS's is an hour", ahead, err)
	}
	// One of a minute ago by SQS's clock, and one of a minute ago by ours, which is an hour there.
	for name, at := range map[string]time.Time{"live": time.Now().Add(59 * time.Minute), "dead": time.Now().Add(-time.Minute)} {
		q := s.queue(s.prefix + name)
		if _, err := s.sqs.TagQueue(t.Context(), &sqs.TagQueueInput{QueueUrl: &q, Tags: map[string]string{heartbeatTag: strconv.FormatInt(at.Unix(), 10)}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.web.notifier.sweep(t.Context(), s.web.notifier.clock.Now); err != nil {
		t.Fatal(err)
	}
	if got, want := s.queues(), []string{"live", strings.TrimPrefix(path.Base(own), s.prefix)}; len(got) != 2 || !slices.Contains(got, want[0]) || !slices.Contains(got, want[1]) {
		t.Errorf("queues after the sweep are %v, want %v", got, want)
	}
}
