package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/attempt"
	"github.com/tintype/tintype/internal/deadletter"
	"github.com/tintype/tintype/internal/queue"
	"github.com/tintype/tintype/internal/store"
)

// deadLetterSystem is a system with a queue and its dead-letter queue.
func deadLetterSystem(t *testing.T) (s *system, queueURL, deadURL string) {
	t.Helper()
	s = newSystem(t, nil)
	for i, url := range []*string{&queueURL, &deadURL} {
		out, err := s.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(fmt.Sprintf("%s%d", s.prefix, i))})
		if err != nil {
			t.Fatal(err)
		}
		*url = *out.QueueUrl
	}
	s.web, s.url = s.serve(func(o *Options) {
		o.DeadLetters = &deadletter.Desk{Queue: queue.DeadLetters{Client: s.sqs, URL: deadURL, SourceURL: queueURL}, Store: s.store, UploadsBucket: s.store.Bucket(store.Uploads)}
	})
	return s, queueURL, deadURL
}

func (s *system) mail(url, body string) (id string) {
	s.t.Helper()
	out, err := s.sqs.SendMessage(s.t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body})
	if err != nil {
		s.t.Fatal(err)
	}
	return *out.MessageId
}

func (s *system) depth(url string) string {
	s.t.Helper()
	out, err := s.sqs.GetQueueAttributes(s.t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{
		types.QueueAttributeNameApproximateNumberOfMessages, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible}})
	if err != nil {
		s.t.Fatal(err)
	}
	return out.Attributes["ApproximateNumberOfMessages"] + "+" + out.Attributes["ApproximateNumberOfMessagesNotVisible"]
}

func (s *system) eventOf(key string) string {
	return fmt.Sprintf(`{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":%q},"object":{"key":%q,"size":1}}}]}`, s.store.Bucket(store.Uploads), url.QueryEscape(key))
}

func TestDeadLetters(t *testing.T) {
	s, queueURL, deadURL := deadLetterSystem(t)
	var list struct {
		DeadLetters []struct {
			MessageID string
			SentAt    time.Time
			Receives  int
			Kind      string
			Images    []struct{ ID, Bucket, Key, Name string }
			Body      string
			Cause     struct{ Code, Message, Hint string }
			Attempts  []struct {
				Attempt        int
				Host, Program  string
				Started, Ended time.Time
				Code, Message  string
			}
		}
		Total int
	}
	s.json("GET", "/api/deadletters", "", http.StatusOK).json(t, &list)
	if list.DeadLetters == nil || len(list.DeadLetters) != 0 || list.Total != 0 {
		t.Errorf("nothing is there, and the list is %+v", list)
	}
	s.web.forgetLetters()

	image := s.mail(deadURL, s.eventOf("a b/c ü.jpg"))
	junk := s.mail(deadURL, "<script>alert(1)</script>\u202e"+strings.Repeat("ü", 5000))
	r := &attempt.Record{MessageID: image}
	ended := time.Now().UTC().Truncate(time.Millisecond)
	r.Put(attempt.Attempt{Attempt: 1, Host: "h", PID: 5, Program: "tintype 1", Started: ended.Add(-time.Second), Ended: &ended, Code: "internal", Message: "AccessDenied", Hint: "mend it"})
	if _, err := s.store.PutAttempts(t.Context(), r, ""); err != nil {
		t.Fatal(err)
	}
	s.json("GET", "/api/deadletters?limit=50", "", http.StatusOK).json(t, &list)
	if len(list.DeadLetters) != 2 || list.Total != 2 {
		t.Fatalf("%+v", list)
	}
	for _, l := range list.DeadLetters {
		switch l.MessageID {
		case image:
			if l.Kind != "image" || len(l.Images) != 1 || l.Images[0].Name != "c ü.jpg" || l.Images[0].Key != "a b/c ü.jpg" || l.Images[0].ID != store.IDForKey("a b/c ü.jpg") || l.Images[0].Bucket == "" ||
				l.SentAt.IsZero() || l.Receives != 1 || l.Cause.Code != "internal" || l.Cause.Message != "AccessDenied" || l.Cause.Hint != "mend it" ||
				len(l.Attempts) != 1 || l.Attempts[0].Host != "h" || !l.Attempts[0].Ended.Equal(ended) {
				t.Errorf("the image's is %+v", l)
			}
		case junk:
			if l.Kind != "junk" || l.Images == nil || len(l.Body) > 4096 || len(l.Body) < 4000 || !strings.HasPrefix(l.Body, "<script>") || l.Cause.Code != "junk" || l.Cause.Hint == "" || l.Attempts == nil {
				t.Errorf("the junk is %+v", l)
			}
		default:
			t.Errorf("%+v", l)
		}
	}
	if d := s.depth(deadURL); d != "2+0" {
		t.Errorf("after a look: %s", d)
	}

	// Which is refused, and nothing is done.
	for body, code := range map[string]string{
		`{}`: "bad_request", `{"all":true,"messageIds":["x"]}`: "bad_request", `{"messageIds":["../x"]}`: "bad_request", `{"messageIds":["a"],"x":1}`: "bad_request", `[`: "bad_request",
		`{"messageIds":["` + strings.Repeat(`a","`, 100) + `b"]}`: "bad_request",
	} {
		for _, path := range []string{"redrive", "drop"} {
			s.refused(s.request("POST", "/api/deadletters/"+path, strings.NewReader(body), "Content-Type", "application/json"), http.StatusBadRequest, code)
		}
	}
	s.refused(s.request("POST", "/api/deadletters/drop", strings.NewReader(`{"all":true}`), "Content-Type", "text/plain"), http.StatusUnsupportedMediaType, codeMediaType)
	s.refused(s.request("POST", "/api/deadletters/drop", strings.NewReader(`{"all":true}`), "Content-Type", "application/json", "Sec-Fetch-Site", "cross-site"), http.StatusForbidden, codeCrossOrigin)
	s.refused(s.request("POST", "/api/deadletters/drop", strings.NewReader(`{"all":true}`), "Content-Type", "application/json", "Origin", "http://evil.test"), http.StatusForbidden, codeCrossOrigin)
	s.refused(s.request("GET", "/api/deadletters", nil, "Sec-Fetch-Site", "cross-site"), http.StatusForbidden, codeCrossOrigin)
	for _, limit := range []string{"0", "101", "x"} {
		s.refused(s.request("GET", "/api/deadletters?limit="+limit, nil), http.StatusBadRequest, "bad_request")
	}
	if d := s.depth(deadURL); d != "2+0" {
		t.Errorf("after what was refused: %s", d)
	}

	var got taken
	s.json("POST", "/api/deadletters/redrive", fmt.Sprintf(`{"messageIds":[%q,"nobody"]}`, image), http.StatusOK).json(t, &got)
	if got.Done != 1 || len(got.Missing) != 1 || got.Missing[0] != "nobody" || got.More {
		t.Errorf("%+v", got)
	}
	if d, q := s.depth(deadURL), s.depth(queueURL); d != "1+0" || q != "1+0" {
		t.Errorf("after it was sent back: %s dead, %s in the queue", d, q)
	}
	if _, _, err := s.store.Attempts(t.Context(), image); err == nil {
		t.Error("what is on record of a message that was sent back is still there")
	}
	s.json("POST", "/api/deadletters/drop", `{"all":true}`, http.StatusOK).json(t, &got)
	if got.Done != 1 || got.Missing == nil || s.depth(deadURL) != "0+0" || s.depth(queueURL) != "1+0" {
		t.Errorf("after the drop: %+v, %s dead", got, s.depth(deadURL))
	}
	s.json("GET", "/api/deadletters", "", http.StatusOK).json(t, &list)
	if len(list.DeadLetters) != 0 {
		t.Errorf("at the end: %+v", list)
	}
}

func TestNoDeadLetterQueue(t *testing.T) {
	s := newSystem(t, nil)
	for _, a := range []answer{
		s.request("GET", "/api/deadletters", nil), s.request("POST", "/api/deadletters/redrive", strings.NewReader(`{"all":true}`), "Content-Type", "application/json"),
		s.request("POST", "/api/deadletters/drop", strings.NewReader(`{"all":true}`), "Content-Type", "application/json"),
	} {
		if p := s.refused(a, http.StatusNotFound, "not_found"); !strings.Contains(p.Hint, "provision") {
			t.Errorf("the hint is %q", p.Hint)
		}
	}
}

// onceDesk counts looks, and lets one go on until it is told.
type onceDesk struct {
	DeadLetters
	mu      sync.Mutex
	looks   int
	release chan struct{}
}

func (d *onceDesk) List(context.Context, int) (*deadletter.List, error) {
	d.mu.Lock()
	d.looks++
	d.mu.Unlock()
	<-d.release
	return &deadletter.List{Letters: []deadletter.Letter{}}, nil
}

// TestManyPagesOneLook: pages that ask at once share one look.
func TestManyPagesOneLook(t *testing.T) {
	desk := &onceDesk{release: make(chan struct{})}
	s := newSystem(t, func(o *Options) { o.DeadLetters = desk })
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if a := s.request("GET", "/api/deadletters", nil); a.StatusCode != http.StatusOK {
				t.Errorf("%s: %s", a.Status, a.body)
			}
		})
	}
	s.until("somebody looks", func() bool { desk.mu.Lock(); defer desk.mu.Unlock(); return desk.looks > 0 })
	close(desk.release)
	wg.Wait()
	if desk.looks != 1 {
		t.Errorf("%d looks for 8 pages", desk.looks)
	}
}
