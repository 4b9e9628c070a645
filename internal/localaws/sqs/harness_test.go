package sqs

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/tintype/tintype/internal/localaws/db"
	"github.com/tintype/tintype/internal/localaws/wire"
)

const account = "000000000000"

// open starts the service on the store in dir.
func open(t testing.TB, dir string, opts Options) (*Service, *db.DB) {
	t.Helper()
	d, err := db.Open(dir, db.Options{Schemas: []db.Schema{Schema}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	s, err := New(d, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s, d
}

// handler serves s without signatures, as the endpoint does behind them.
func handler(s *Service) http.Handler {
	w := s.Wire()
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		w.Serve(rw, r, body, wire.Identity{Account: account, Region: "us-east-1", Principal: "AIDTEST"})
	})
}

// serve serves s over real HTTP and returns its URL.
func serve(t testing.TB, s *Service) string {
	t.Helper()
	srv := httptest.NewServer(handler(s))
	t.Cleanup(srv.Close)
	return srv.URL
}

// client is the real SDK against url.
func client(url string, h sqs.HTTPClient) *sqs.Client {
	return sqs.New(sqs.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(url), HTTPClient: h, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
}

// direct answers the SDK's requests without a network: inside a synctest bubble, time
// stands still while a socket is waited for.
type direct struct{ h http.Handler }

func (d direct) Do(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	d.h.ServeHTTP(rec, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return rec.Result(), nil
}

func httpClient(t testing.TB) *sqs.Client {
	s, _ := open(t, t.TempDir(), Options{})
	return client(serve(t, s), nil)
}

func create(t testing.TB, c *sqs.Client, name string, attrs map[string]string) string {
	t.Helper()
	out, err := c.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attrs})
	if err != nil {
		t.Fatal(err)
	}
	return *out.QueueUrl
}

func send(t testing.TB, c *sqs.Client, url, body string) string {
	t.Helper()
	out, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body})
	if err != nil {
		t.Fatal(err)
	}
	return *out.MessageId
}

// receive takes up to ten messages with all that there is about them.
func receive(t testing.TB, c *sqs.Client, url string, wait int32) []types.Message {
	t.Helper()
	out, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: wait,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"}, MessageAttributeNames: []string{"All"}})
	if err != nil {
		t.Fatal(err)
	}
	return out.Messages
}

func one(t testing.TB, c *sqs.Client, url string, wait int32) types.Message {
	t.Helper()
	got := receive(t, c, url, wait)
	if len(got) != 1 {
		t.Fatalf("received %d messages, want 1", len(got))
	}
	return got[0]
}

func remove(t testing.TB, c *sqs.Client, url string, m types.Message) {
	t.Helper()
	if _, err := c.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
		t.Fatal(err)
	}
}

// wantCounts checks visible, in flight and delayed.
func wantCounts(t testing.TB, c *sqs.Client, url string, visible, inFlight, delayed string) {
	t.Helper()
	a := attrs(t, c, url)
	got := [3]string{a["ApproximateNumberOfMessages"], a["ApproximateNumberOfMessagesNotVisible"], a["ApproximateNumberOfMessagesDelayed"]}
	if got != [3]string{visible, inFlight, delayed} {
		t.Errorf("visible, in flight, delayed = %v, want [%s %s %s]", got, visible, inFlight, delayed)
	}
}

func attrs(t testing.TB, c *sqs.Client, url string) map[string]string {
	t.Helper()
	out, err := c.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"All"}})
	if err != nil {
		t.Fatal(err)
	}
	return out.Attributes
}

func wantCode(t testing.TB, err error, code string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code {
		t.Errorf("err = %v, want %s", err, code)
	}
}

// eventually waits for a condition that another goroutine brings about.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-ctx.Done():
			t.Fatalf("never happened: %s", what)
		case <-tick.C:
		}
	}
}

// post sends one JSON request as it stands and checks status and a part of the answer.
func post(t testing.TB, url, target, body string, status int, part string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("X-Amz-Target", target)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != status || !strings.Contains(string(b), part) {
		t.Errorf("%s %s: %d %s %v", target, body, res.StatusCode, b, err)
	}
}
