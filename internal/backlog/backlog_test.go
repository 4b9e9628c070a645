package backlog

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/tintype/tintype/internal/awstest"
	"github.com/tintype/tintype/internal/presence"
)

// counted counts requests.
type counted struct{ n atomic.Int64 }

func (c *counted) Do(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return http.DefaultClient.Do(r)
}

// system is a work queue, its dead-letter queue and a results bucket.
type system struct {
	t           *testing.T
	sqs         *sqs.Client
	s3          *s3.Client
	calls       counted // to SQS
	queue, dead string
}

func newSystem(t *testing.T, endpoint string) *system {
	t.Helper()
	s := &system{t: t}
	cfg := awstest.Config(endpoint)
	s.s3 = s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	cfg.HTTPClient = &s.calls
	s.sqs = sqs.NewFromConfig(cfg)
	for name, url := range map[string]*string{"work": &s.queue, "work-dlq": &s.dead} {
		q, err := s.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
		if err != nil {
			t.Fatal(err)
		}
		*url = *q.QueueUrl
	}
	if _, err := s.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("results")}); err != nil {
		t.Fatal(err)
	}
	return s
}

// fill sends a message for each delay, seconds. A request that the SDK repeated may have sent its
// message twice: then the queue is emptied and filled anew.
func (s *system) fill(url string, delays ...int32) {
	s.t.Helper()
	for range 5 {
		before := s.calls.n.Load()
		for i, delay := range delays {
			if _, err := s.sqs.SendMessage(s.t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(fmt.Sprint(i)), DelaySeconds: delay}); err != nil {
				s.t.Fatal(err)
			}
		}
		if s.calls.n.Load()-before == int64(len(delays)) {
			return
		}
		if _, err := s.sqs.PurgeQueue(s.t.Context(), &sqs.PurgeQueueInput{QueueUrl: &url}); err != nil {
			s.t.Fatal(err)
		}
	}
	s.t.Fatal("no sending without a repeated request")
}

// app makes an app process be there, by its own publisher, until the test ends.
func (s *system) app(a presence.App) {
	s.t.Helper()
	p, err := presence.NewPublisher(presence.PublisherOptions{S3: s.s3, Bucket: "results", Every: time.Hour, State: func() presence.App { return a }})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = p.Run(ctx) }()
	s.t.Cleanup(func() { cancel(); <-done })
	for deadline := time.Now().Add(30 * time.Second); ; {
		_, err := s.s3.HeadObject(s.t.Context(), &s3.HeadObjectInput{Bucket: aws.String("results"), Key: aws.String(presence.Key(p.ID()))})
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatal(err)
		}
	}
}

func TestFigures(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		s := newSystem(t, endpoint)
		s.fill(s.queue, 0, 0, 0, 0, 0, 0, 600)
		s.fill(s.dead, 0, 0)
		if _, err := s.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &s.queue, MaxNumberOfMessages: 1, VisibilityTimeout: 600}); err != nil {
			t.Fatal(err)
		}
		apps := presence.NewReader(s.s3, "results", true, nil)
		m := New(Options{SQS: s.sqs, QueueURL: s.queue, DeadLetterURL: s.dead, Apps: apps})
		f, err := m.Sample(t.Context(), 0)
		if err != nil || f.Waiting != 5 || f.InFlight != 1 || f.Delayed != 1 || f.DeadLetters != 2 {
			t.Fatalf("%+v, %v", f, err)
		}
		// Nobody is there: workers 0 is known, the age is not, and the backlog is one worker's.
		if f.Workers == nil || *f.Workers != 0 || f.OldestAge != nil || *f.PerWorker != 5 {
			t.Errorf("without app processes: %+v", f)
		}
		young, old := 3.0, 40.0
		s.app(presence.App{Workers: 1, Ready: true, OldestAge: &young})
		s.app(presence.App{Workers: 3, Ready: true, OldestAge: &old})
		f, err = m.Sample(t.Context(), 0)
		if err != nil || *f.Workers != 4 || *f.PerWorker != 1.25 || f.OldestAge == nil || *f.OldestAge != 40 || len(f.Apps) != 2 {
			t.Errorf("with two app processes: %+v, %v", f, err)
		}
		// However many ask, SQS is asked once in a while.
		before := s.calls.n.Load()
		var told string
		for range 100 {
			told = scrape(t, m)
		}
		if n := s.calls.n.Load() - before; n != 0 {
			t.Errorf("100 scrapes within a moment took %d requests", n)
		}
		for _, line := range []string{
			"tintype_queue_figures 1", "tintype_queue_messages_visible 5", "tintype_queue_messages_not_visible 1", "tintype_queue_messages_delayed 1",
			"tintype_queue_dead_letters 2", "tintype_queue_oldest_message_age_seconds 40", "tintype_backlog_per_worker 1.25", "tintype_workers 4",
			`tintype_app_processes{state="live"} 2`, `tintype_app_processes{state="stale"} 0`, "# TYPE tintype_backlog_per_worker gauge",
		} {
			if !strings.Contains(told, line+"\n") {
				t.Errorf("metrics lack %q:\n%s", line, told)
			}
		}
		// A queue that is gone is no reason to ask it again at once, and nothing is made up.
		gone := New(Options{SQS: s.sqs, QueueURL: s.queue + "-gone"})
		scrape(t, gone)
		before = s.calls.n.Load()
		told = scrape(t, gone)
		if n := s.calls.n.Load() - before; n != 0 || !strings.Contains(told, "tintype_queue_figures 0\n") || strings.Contains(told, "visible") {
			t.Errorf("%d requests; %s", n, told)
		}
		// Without presences the queue's own figures are there.
		told = scrape(t, New(Options{SQS: s.sqs, QueueURL: s.queue}))
		if !strings.Contains(told, "tintype_queue_messages_visible 5\n") || strings.Contains(told, "worker") {
			t.Errorf("without presences: %s", told)
		}
	})
}

func TestOldestAge(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	age := func(s float64) *float64 { return &s }
	app := func(oldest *float64, stale bool) presence.Seen {
		return presence.Seen{App: presence.App{OldestAge: oldest}, Stale: stale}
	}
	m := New(Options{})
	for i, step := range []struct {
		after   time.Duration // since the sample before
		waiting int64
		apps    []presence.Seen
		want    *float64
	}{
		{0, 9, nil, nil}, // waiting at the first sample, and nobody knows more
		{time.Second, 9, []presence.Seen{app(nil, false)}, nil},
		{time.Second, 9, []presence.Seen{app(age(7), false), app(age(3), false)}, age(7)},
		{time.Second, 9, []presence.Seen{app(age(7), true)}, age(8)}, // dead: what waited then still waits
		{time.Minute, 9, nil, age(68)},
		{time.Second, 9, []presence.Seen{app(age(20), false)}, age(20)}, // somebody knows again
		{time.Second, 0, []presence.Seen{app(age(20), false)}, age(0)},  // empty, whatever was received before that
		{10 * time.Second, 0, nil, age(0)},
		{10 * time.Second, 4, nil, age(0)}, // came since the last sample
		{10 * time.Second, 4, nil, age(10)},
	} {
		at = at.Add(step.after)
		got := m.oldest(Figures{At: at, Waiting: step.waiting, Apps: step.apps})
		if (got == nil) != (step.want == nil) || got != nil && *got != *step.want {
			t.Errorf("step %d: %v, want %v", i, show(got), show(step.want))
		}
	}
}

func show(v *float64) any {
	if v == nil {
		return "unknown"
	}
	return *v
}

// scrape is what a server that scrapes would be told.
func scrape(t *testing.T, m *Meter) string {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(m)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}
