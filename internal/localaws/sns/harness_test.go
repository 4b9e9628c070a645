package sns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssns "github.com/aws/aws-sdk-go-v2/service/sns"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"go.uber.org/goleak"

	"github.com/tintype/tintype/internal/localaws/db"
	"github.com/tintype/tintype/internal/localaws/mail"
	"github.com/tintype/tintype/internal/localaws/policy"
	"github.com/tintype/tintype/internal/localaws/sigv4"
	"github.com/tintype/tintype/internal/localaws/sqs"
	"github.com/tintype/tintype/internal/localaws/wire"
)

const account = "000000000000"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// endpoint is SNS beside the real queue and mail services on one real store, reached
// by the real SDK over HTTP.
type endpoint struct {
	t    *testing.T
	db   *db.DB
	sns  *Service
	mail *mail.Service
	url  string
	api  *awssns.Client
	sqs  *awssqs.Client
	log  *logBuffer
}

// queues gives SNS the queue service, as whoever wires the endpoint does.
type queues struct{ *sqs.Service }

func (q queues) AllowsTx(_ *db.Tx, queueARN, service, sourceARN, sourceAccount string) (bool, error) {
	if !q.Exists(queueARN) {
		return false, fmt.Errorf("%s: %w", queueARN, ErrNoQueue)
	}
	return q.Allows(queueARN, service, sourceARN, sourceAccount), nil
}

func (q queues) EnqueueTx(tx *db.Tx, arn string, m QueueMessage) error {
	return q.Service.EnqueueTx(tx, arn, sqs.Outbound{Body: m.Body, Attributes: m.Attributes, GroupID: m.GroupID, DedupID: m.DedupID, Trace: m.Trace})
}

// start opens an endpoint on the store in dir, not delivering yet; adjust may change
// its options.
func start(t *testing.T, dir string, adjust ...func(*Options)) *endpoint {
	t.Helper()
	e := &endpoint{t: t, log: &logBuffer{}}
	d, err := db.Open(dir, db.Options{Schemas: []db.Schema{Schema, sqs.Schema, mail.Schema}})
	if err != nil {
		t.Fatal(err)
	}
	e.db = d
	t.Cleanup(func() { _ = d.Close() })
	queueService, err := sqs.New(d, sqs.Options{Policy: policy.Allows})
	if err != nil {
		t.Fatal(err)
	}
	if e.mail, err = mail.New(d, mail.Options{}); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(nil)
	e.url = "http://" + srv.Listener.Addr().String()
	opts := Options{
		Account: account, Region: "us-east-1", BaseURL: e.url, Queues: queues{queueService}, Mail: e.mail,
		Logger: slog.New(slog.NewTextHandler(e.log, nil)),
	}
	for _, f := range adjust {
		f(&opts)
	}
	if e.sns, err = New(d, opts); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.sns.Stop)
	srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e.sns.IsPublic(r) {
			e.sns.ServePublic(w, r)
			return
		}
		scope, ok := sigv4.ScopeOf(r)
		if !ok {
			http.Error(w, "not signed", http.StatusForbidden)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		service := e.sns.Wire()
		if scope.Service == "sqs" {
			service = queueService.Wire()
		}
		service.Serve(w, r, body, wire.Identity{Account: account, Region: "us-east-1", Principal: "test"})
	})
	srv.Start()
	t.Cleanup(srv.Close)
	client := srv.Client()
	creds := credentials.NewStaticCredentialsProvider("test", "test", "")
	e.api = awssns.New(awssns.Options{Region: "us-east-1", BaseEndpoint: &e.url, Credentials: creds, HTTPClient: client, RetryMaxAttempts: 1})
	e.sqs = awssqs.New(awssqs.Options{Region: "us-east-1", BaseEndpoint: &e.url, Credentials: creds, HTTPClient: client, RetryMaxAttempts: 1})
	return e
}

// running is start with deliveries going on.
func running(t *testing.T, adjust ...func(*Options)) *endpoint {
	t.Helper()
	e := start(t, t.TempDir(), adjust...)
	e.sns.Start()
	return e
}

// close ends the endpoint so that its store can be opened again.
func (e *endpoint) close() {
	e.t.Helper()
	e.sns.Stop()
	if err := e.db.Close(); err != nil {
		e.t.Fatal(err)
	}
}

func (e *endpoint) topic(name string) string {
	e.t.Helper()
	out, err := e.api.CreateTopic(e.t.Context(), &awssns.CreateTopicInput{Name: &name})
	if err != nil {
		e.t.Fatal(err)
	}
	return *out.TopicArn
}

// queue makes a queue that lets the topic send to it, or nobody where topicARN is "".
func (e *endpoint) queue(name, topicARN string) (url, arn string) {
	e.t.Helper()
	arn = "arn:aws:sqs:us-east-1:" + account + ":" + name
	attrs := map[string]string{}
	if topicARN != "" {
		attrs["Policy"] = `{"Statement":{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"` + arn + `","Condition":{"ArnEquals":{"aws:SourceArn":"` + topicARN + `"}}}}`
	}
	if isFIFO(name) {
		attrs["FifoQueue"] = "true"
	}
	out, err := e.sqs.CreateQueue(e.t.Context(), &awssqs.CreateQueueInput{QueueName: &name, Attributes: attrs})
	if err != nil {
		e.t.Fatal(err)
	}
	return *out.QueueUrl, arn
}

func (e *endpoint) subscribe(topicARN, protocol, to string, attrs map[string]string) string {
	e.t.Helper()
	out, err := e.api.Subscribe(e.t.Context(), &awssns.SubscribeInput{TopicArn: &topicARN, Protocol: &protocol, Endpoint: &to, Attributes: attrs, ReturnSubscriptionArn: true})
	if err != nil {
		e.t.Fatal(err)
	}
	return *out.SubscriptionArn
}

func (e *endpoint) publish(topicARN, message string) string {
	e.t.Helper()
	out, err := e.api.Publish(e.t.Context(), &awssns.PublishInput{TopicArn: &topicARN, Message: &message})
	if err != nil {
		e.t.Fatal(err)
	}
	return *out.MessageId
}

// receive takes all there is in a queue at this moment.
func (e *endpoint) receive(url string) []sqstypes.Message {
	e.t.Helper()
	var list []sqstypes.Message
	for {
		out, err := e.sqs.ReceiveMessage(e.t.Context(), &awssqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"}, MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{"All"}})
		if err != nil {
			e.t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return list
		}
		list = append(list, out.Messages...)
	}
}

// mails waits until the inbox has n mails and returns them with text, oldest first.
func (e *endpoint) mails(n int) []mail.Mail {
	e.t.Helper()
	var list []mail.Mail
	e.until("mails in the inbox", func() bool {
		page, err := e.mail.List(e.t.Context(), 0, n+10)
		if err != nil {
			e.t.Fatal(err)
		}
		list = page
		return len(list) >= n
	})
	if len(list) != n {
		e.t.Fatalf("%d mails in the inbox, want %d", len(list), n)
	}
	out := make([]mail.Mail, n)
	for i, m := range list {
		full, err := e.mail.Get(e.t.Context(), m.ID)
		if err != nil {
			e.t.Fatal(err)
		}
		out[n-1-i] = full
	}
	return out
}

func (e *endpoint) until(what string, ok func() bool) {
	e.t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			e.t.Fatalf("waited in vain: %s; log:\n%s", what, e.log)
		case <-tick.C:
		}
	}
}

// owed counts the outbox.
func (e *endpoint) owed() (n int) {
	e.t.Helper()
	if err := e.db.Read().QueryRow(`SELECT count(*) FROM sns_outbox`).Scan(&n); err != nil {
		e.t.Fatal(err)
	}
	return n
}

// open follows a link as a browser or a program does.
func (e *endpoint) open(link, accept string) (status int, body string) {
	e.t.Helper()
	req, err := http.NewRequestWithContext(e.t.Context(), http.MethodGet, link, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()
	return resp.StatusCode, string(b)
}

var linkPattern = regexp.MustCompile(`http://\S+`)

// link is the n-th link of a text that has the word.
func link(t *testing.T, text, word string) string {
	t.Helper()
	for _, l := range linkPattern.FindAllString(text, -1) {
		if strings.Contains(l, word) {
			return l
		}
	}
	t.Fatalf("no %s link in\n%s", word, text)
	return ""
}

// code is the AWS error code of err.
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func (e *endpoint) update(fn func(*db.Tx) error) error {
	return e.db.Update(context.Background(), fn)
}

func ptr(s string) *string { return aws.String(s) }

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
