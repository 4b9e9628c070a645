package worker

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/awstest"
	"github.com/tintype/tintype/internal/event"
	"github.com/tintype/tintype/internal/queue"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// faulty is a proxy before the endpoint that spoils one request.
type faulty struct {
	requests atomic.Int64
	spoil    int64  // which request, from 1
	how      string // see ServeHTTP
	proxy    *httputil.ReverseProxy
}

func (f *faulty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.requests.Add(1) != f.spoil {
		f.proxy.ServeHTTP(w, r)
		return
	}
	switch f.how {
	case "503":
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>")
	case "reset before": // it never arrives
		panic(http.ErrAbortHandler)
	case "reset after": // it is carried out, the answer is lost
		f.proxy.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	case "cut": // half an answer
		rec := httptest.NewRecorder()
		f.proxy.ServeHTTP(rec, r)
		for k, v := range rec.Header() {
			w.Header()[k] = v
		}
		w.Header().Set("Content-Length", fmt.Sprint(rec.Body.Len()+1))
		w.WriteHeader(rec.Code)
		w.Write(rec.Body.Bytes()[:rec.Body.Len()/2])
		panic(http.ErrAbortHandler)
	}
}

// testEveryFault spoils each request of an image's way in turn, in each manner, until none
// is left to spoil. Whatever is spoilt, the image ends done, announced under one id and
// never before it is stored.
func testEveryFault(t *testing.T, endpoint string) {
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{"503", "reset before", "reset after", "cut"} {
		t.Run(how, func(t *testing.T) {
			b := newBench(t, endpoint, nil)
			body := picture(40, 30, 1)
			topic := newTopic(t, endpoint)
			n := 1
			for ; ; n++ {
				f := &faulty{spoil: int64(n), how: how, proxy: &httputil.ReverseProxy{
					Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
				}}
				srv := httptest.NewServer(f)
				// The signature covers the host: the endpoint must see the one that was signed.
				cfg := awstest.Config(srv.URL)
				cfg.RetryMaxAttempts = 1 // the SDK would hide what is to be tested
				spoilt, err := store.New(store.NewClient(cfg), store.Options{UploadsBucket: b.Bucket(store.Uploads), ResultsBucket: b.Bucket(store.Results)})
				if err != nil {
					t.Fatal(err)
				}
				key := fmt.Sprintf("%d.jpg", n)
				u := b.upload(key, body, "", nil)
				check := &checked{Announcer: NewSNSAnnouncer(sns.NewFromConfig(cfg), topic.arn), t: t, b: b}
				b.worker = b.newWorker(func(o *Options) { o.Store, o.Announcer = spoilt, check })
				attempts := 1
				for ; b.worker.Handle(t.Context(), message(attempts, u)) != queue.Ack(); attempts++ {
					if attempts == 3 {
						t.Fatalf("request %d spoilt: not done after %d attempts", n, attempts)
					}
				}
				m := b.result(key)
				if m.Status != recipe.Done {
					t.Errorf("request %d spoilt: %+v %+v", n, m, m.Error)
				}
				if check.calls.Load() == 0 {
					t.Errorf("request %d spoilt: never announced", n)
				}
				srv.Close()
				if f.requests.Load() < int64(n) { // there was nothing left to spoil
					if attempts != 1 {
						t.Errorf("nothing spoilt, and yet %d attempts", attempts)
					}
					break
				}
			}
			if n < 7 { // manifest, original, three outputs, manifest, announcement
				t.Errorf("only %d requests were spoilt", n-1)
			}
			topic.expectAll(t, n)
		})
	}
}

// checked sees to it that nothing is announced before it is stored.
type checked struct {
	Announcer
	t     *testing.T
	b     *bench
	calls atomic.Int64
}

func (c *checked) Announce(ctx context.Context, done event.Completion) error {
	c.calls.Add(1)
	if m := c.b.result(done.Manifest.Source.Key); event.NewCompletion(m).ID != done.ID {
		c.t.Errorf("announced %s, stored is %s", done.ID, event.NewCompletion(m).ID)
	}
	return c.Announcer.Announce(ctx, done)
}

// topic is an SNS topic with a queue subscribed to it, raw, as a web instance has one.
type topic struct {
	arn, queueURL string
	sqs           *sqs.Client
}

func newTopic(t *testing.T, endpoint string) *topic {
	t.Helper()
	cfg := awstest.Config(endpoint)
	name := "t-" + store.NewID(time.Now())
	snsc, sqsc := sns.NewFromConfig(cfg), sqs.NewFromConfig(cfg)
	made, err := snsc.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: &name})
	if err != nil {
		t.Fatal(err)
	}
	url, arn := newQueue(t, sqsc, name, *made.TopicArn)
	if _, err := snsc.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: made.TopicArn, Protocol: aws.String("sqs"), Endpoint: &arn,
		Attributes: map[string]string{"RawMessageDelivery": "true"}}); err != nil {
		t.Fatal(err)
	}
	return &topic{arn: *made.TopicArn, queueURL: url, sqs: sqsc}
}

// newQueue makes a queue into which a topic may send.
func newQueue(t *testing.T, c *sqs.Client, name, topicARN string) (url, arn string) {
	t.Helper()
	made, err := c.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
	if err != nil {
		t.Fatal(err)
	}
	attrs, err := c.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: made.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn}})
	if err != nil {
		t.Fatal(err)
	}
	arn = attrs.Attributes["QueueArn"]
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage","Resource":%q,"Condition":{"ArnEquals":{"aws:SourceArn":%q}}}]}`, arn, topicARN)
	if _, err := c.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: made.QueueUrl, Attributes: map[string]string{"Policy": policy}}); err != nil {
		t.Fatal(err)
	}
	return *made.QueueUrl, arn
}

// receive takes up to ten completions from the queue.
func (q *topic) receive(t *testing.T) []event.Completion {
	t.Helper()
	out, err := q.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &q.queueURL, MaxNumberOfMessages: 10, WaitTimeSeconds: 5})
	if err != nil {
		t.Fatal(err)
	}
	var all []event.Completion
	for _, m := range out.Messages {
		c, err := event.DecodeCompletion([]byte(*m.Body))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
		if _, err := q.sqs.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &q.queueURL, ReceiptHandle: m.ReceiptHandle}); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// expectAll receives until n images have been heard of; each under one id.
func (q *topic) expectAll(t *testing.T, n int) map[string]event.Completion {
	t.Helper()
	heard := map[string]event.Completion{}
	for range 60 {
		for _, c := range q.receive(t) {
			if before, ok := heard[c.ImageID]; ok && before.ID != c.ID {
				t.Errorf("%s was announced under two ids", c.Manifest.Source.Key)
			}
			heard[c.ImageID] = c
		}
		if len(heard) == n {
			return heard
		}
	}
	t.Fatalf("heard of %d images, want %d", len(heard), n)
	return nil
}
