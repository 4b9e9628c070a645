package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/internal/testimages"
)

// lambdaRuntime is Lambda's side of a function: its runtime API.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
type lambdaRuntime struct {
	*httptest.Server
	invocations chan []byte
	answers     chan lambdaAnswer
	timeout     time.Duration // of an invocation
}

type lambdaAnswer struct {
	id, path string // the path says whether it is a response or an error
	body     []byte
}

func newLambdaRuntime(t *testing.T) *lambdaRuntime {
	r := &lambdaRuntime{invocations: make(chan []byte), answers: make(chan lambdaAnswer, 1), timeout: patience}
	ended := make(chan struct{})
	mux := http.NewServeMux()
	n := atomic.Int64{}
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, req *http.Request) {
		select {
		case event := <-r.invocations:
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", "invocation-"+strconv.FormatInt(n.Add(1), 10))
			w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(r.timeout).UnixMilli(), 10))
			w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:000000000000:function:tintype")
			w.Write(event)
		case <-ended:
		case <-req.Context().Done():
		}
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/{kind}", func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		w.WriteHeader(http.StatusAccepted)
		r.answers <- lambdaAnswer{req.PathValue("id"), req.PathValue("kind"), body}
	})
	r.Server = httptest.NewServer(mux)
	t.Cleanup(func() { close(ended); r.CloseClientConnections(); r.Close() })
	return r
}

// invoke hands an event over and waits for the answer.
func (r *lambdaRuntime) invoke(t *testing.T, p *process, event any) lambdaAnswer {
	t.Helper()
	b, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.After(2 * patience)
	invocations := r.invocations
	for {
		select {
		case invocations <- b:
			invocations = nil
		case a := <-r.answers:
			return a
		case <-p.done:
			t.Fatalf("the function ended:\n%s", p.out)
		case <-deadline:
			t.Fatalf("no answer:\n%s", p.out)
		}
	}
}

// mapping is an event source mapping with ReportBatchItemFailures.
type mapping struct {
	t       *testing.T
	s       *system
	runtime *lambdaRuntime
	queue   *string
}

// receive takes n messages from the queue, as the mapping does before it invokes.
func (m *mapping) receive(n int) (out []sqstypes.Message) {
	m.t.Helper()
	eventually(m.t, fmt.Sprintf("%d messages", n), func() error {
		got, err := m.s.sqs.ReceiveMessage(context.Background(), &sqs.ReceiveMessageInput{QueueUrl: m.queue, MaxNumberOfMessages: int32(n - len(out)), WaitTimeSeconds: 1,
			VisibilityTimeout: 600, MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{sqstypes.MessageSystemAttributeNameAll}})
		if err != nil {
			return err
		}
		if out = append(out, got.Messages...); len(out) < n {
			return fmt.Errorf("%d of %d", len(out), n)
		}
		return nil
	})
	return out
}

// handOver invokes the function with messages, deletes what it does not name, and returns
// the bodies of what it names.
func (m *mapping) handOver(p *process, messages []sqstypes.Message) (failed []string) {
	m.t.Helper()
	var event events.SQSEvent
	for _, msg := range messages {
		event.Records = append(event.Records, events.SQSMessage{MessageId: *msg.MessageId, ReceiptHandle: *msg.ReceiptHandle, Body: *msg.Body, Attributes: msg.Attributes,
			EventSource: "aws:sqs", EventSourceARN: "arn:aws:sqs:us-east-1:000000000000:ImageApp", AWSRegion: "us-east-1"})
	}
	answer := m.runtime.invoke(m.t, p, event)
	var failures events.SQSEventResponse
	if err := json.Unmarshal(answer.body, &failures); answer.path != "response" || err != nil || failures.BatchItemFailures == nil {
		m.t.Fatalf("%s: %s", answer.path, answer.body)
	}
	bad := map[string]bool{}
	for _, f := range failures.BatchItemFailures {
		bad[f.ItemIdentifier] = true
	}
	for _, msg := range messages {
		if bad[*msg.MessageId] {
			failed = append(failed, *msg.Body)
			_, err := m.s.sqs.ChangeMessageVisibility(context.Background(), &sqs.ChangeMessageVisibilityInput{QueueUrl: m.queue, ReceiptHandle: msg.ReceiptHandle, VisibilityTimeout: 0})
			if err != nil {
				m.t.Fatal(err)
			}
		} else if _, err := m.s.sqs.DeleteMessage(context.Background(), &sqs.DeleteMessageInput{QueueUrl: m.queue, ReceiptHandle: msg.ReceiptHandle}); err != nil {
			m.t.Fatal(err)
		}
		delete(bad, *msg.MessageId)
	}
	if len(bad) > 0 {
		m.t.Errorf("failures of messages that were not in the batch: %v", bad)
	}
	return failed
}

// TestLambda: the program as a function of Lambda, behind its runtime API and an event source
// mapping: what is done is deleted and announced, what is not comes again, and nothing else.
func TestLambda(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.startEndpoint()
	s.provision()
	heard := watchCompletions(t, s)
	target, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	var trouble atomic.Pointer[string] // requests for it are answered 500; "": none
	none, every, unlucky := "", "/tintype-", "unlucky"
	trouble.Store(&unlucky)
	pass := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host }}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if word := *trouble.Load(); word != "" && strings.Contains(r.URL.Path, word) {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)

	runtime := newLambdaRuntime(t)
	s.through(proxy.URL)
	p := start(t, append(s.env, "AWS_LAMBDA_RUNTIME_API="+strings.TrimPrefix(runtime.URL, "http://"), "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=2048", "AWS_MAX_ATTEMPTS=2"), "lambda", "--workers", "2")
	u, err := s.sqs.GetQueueUrl(context.Background(), &sqs.GetQueueUrlInput{QueueName: aws.String("ImageApp")})
	if err != nil {
		t.Fatal(err)
	}
	m := &mapping{t: t, s: s, runtime: runtime, queue: u.QueueUrl}
	if failed := m.handOver(p, m.receive(1)); len(failed) != 0 { // S3's test event
		t.Fatalf("%q are to come again", failed)
	}

	// A batch of everything: two good images, one that is none, one that S3 will not give
	// now, and junk.
	poison := testimages.Bad()[slices.IndexFunc(testimages.Bad(), func(b testimages.BadFile) bool { return b.Code == fault.CodeNotAnImage })]
	for key, body := range map[string][]byte{"good/1.jpg": testimages.Photo(), "good/2.png": testimages.PNG(300, 200), "poison.jpg": poison.Bytes, "unlucky.jpg": testimages.JPEG(120, 80)} {
		if err := s.put(key, body, nil); err != nil {
			t.Fatal(err)
		}
	}
	images := m.receive(4)
	junk := "hello"
	if _, err := s.sqs.SendMessage(context.Background(), &sqs.SendMessageInput{QueueUrl: m.queue, MessageBody: &junk}); err != nil {
		t.Fatal(err)
	}
	batch := append(slices.Clone(images), m.receive(1)...)
	failed := m.handOver(p, batch)
	slices.SortFunc(failed, func(a, b string) int { return len(a) - len(b) })
	if len(failed) != 2 || failed[0] != junk || !strings.Contains(failed[1], "unlucky.jpg") {
		t.Fatalf("%d messages are to come again: %.400q", len(failed), failed)
	}
	want := map[string]*recipe.Manifest{}
	for key, status := range map[string]recipe.Status{"good/1.jpg": recipe.Done, "good/2.png": recipe.Done, "poison.jpg": recipe.Failed} {
		id := store.IDForKey(key)
		manifest, err := s.manifest(id)
		if err != nil || manifest.Status != status || status == recipe.Done && len(manifest.Outputs) != 3 || status == recipe.Failed && manifest.Error.Code != poison.Code {
			t.Fatalf("%s: %v, %+v", key, err, manifest)
		}
		want[id] = manifest
	}
	if _, err := s.manifest(store.IDForKey("unlucky.jpg")); !isNotFound(err) {
		t.Errorf("unlucky.jpg has a manifest: %v", err)
	}

	// Everything a second time, as SQS may deliver it, and one image twice in one batch: found
	// done. What failed comes again, with its luck.
	trouble.Store(&none)
	again := m.receive(2) // unlucky and the junk
	duplicates := slices.DeleteFunc(slices.Clone(images), func(d sqstypes.Message) bool { return strings.Contains(*d.Body, "unlucky.jpg") })
	for i := range duplicates {
		duplicates[i].MessageId = aws.String("duplicate-" + strconv.Itoa(i))
	}
	twice := duplicates[0]
	twice.MessageId = aws.String("duplicate-once-more")
	failed = m.handOver(p, append(append(again, twice), duplicates...))
	if len(failed) != 1 || failed[0] != junk {
		t.Fatalf("%d messages are to come again: %.400q", len(failed), failed)
	}
	id := store.IDForKey("unlucky.jpg")
	manifest, err := s.manifest(id)
	if err != nil || manifest.Status != recipe.Done || manifest.Attempts != 2 {
		t.Fatalf("unlucky.jpg: %v, %+v", err, manifest)
	}
	want[id] = manifest
	for id, before := range want {
		if after, err := s.manifest(id); err != nil || after.Timings != before.Timings {
			t.Errorf("%s was made twice: %v", before.Source.Key, err)
		}
	}
	eventually(t, "announcements", func() error { return heard.missing(want) })
	if faults := heard.faults(); len(faults) > 0 {
		t.Error(faults)
	}

	// S3 is down: nothing is lost and nothing is announced.
	trouble.Store(&every)
	if err := s.put("later.jpg", testimages.JPEG(64, 64), nil); err != nil {
		t.Fatal(err)
	}
	var later []sqstypes.Message
	for _, msg := range m.receive(2) { // the junk is still there
		if *msg.Body != junk {
			later = append(later, msg)
		}
	}
	if failed = m.handOver(p, later); len(failed) != 1 {
		t.Fatalf("with S3 down %d of 1 are to come again", len(failed))
	}
	trouble.Store(&none)
	if failed = m.handOver(p, m.receive(1)); len(failed) != 0 {
		t.Fatalf("with S3 back %q are to come again", failed)
	}
	if manifest := s.finished(store.IDForKey("later.jpg")); manifest.Status != recipe.Done {
		t.Errorf("later.jpg: %+v", manifest.Error)
	}

	// What is no batch of a queue is an error as a whole.
	if a := runtime.invoke(t, p, map[string]string{"key1": "value1"}); a.path != "error" || !strings.Contains(string(a.body), "without SQS records") {
		t.Errorf("a test event is answered by %s: %s", a.path, a.body)
	}
	if code := p.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestLambdaTimeIsShort: an invocation that is nearly over is answered, and the image comes again.
func TestLambdaTimeIsShort(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.startEndpoint()
	s.provision()
	target, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	pass := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host }}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/tintype-uploads/slow.jpg") && r.Method == http.MethodGet {
			<-r.Context().Done() // S3 says nothing
			return
		}
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	runtime := newLambdaRuntime(t)
	runtime.timeout = 6 * time.Second
	s.through(proxy.URL)
	p := start(t, append(s.env, "AWS_LAMBDA_RUNTIME_API="+strings.TrimPrefix(runtime.URL, "http://")), "lambda", "--workers", "1")
	u, err := s.sqs.GetQueueUrl(context.Background(), &sqs.GetQueueUrlInput{QueueName: aws.String("ImageApp")})
	if err != nil {
		t.Fatal(err)
	}
	m := &mapping{t: t, s: s, runtime: runtime, queue: u.QueueUrl}
	if failed := m.handOver(p, m.receive(1)); len(failed) != 0 { // S3's test event
		t.Fatalf("%q are to come again", failed)
	}
	if err := s.put("slow.jpg", testimages.JPEG(64, 64), nil); err != nil {
		t.Fatal(err)
	}
	if failed := m.handOver(p, m.receive(1)); len(failed) != 1 {
		t.Errorf("%d messages are to come again", len(failed))
	}
}
