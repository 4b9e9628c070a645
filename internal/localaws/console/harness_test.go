package console_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"go.uber.org/goleak"

	"github.com/tintype/tintype/localawstest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) { os.Exit(code) }))
}

// evil is text that must never become markup; rtl turns what follows it around.
const (
	evil = `<script>alert(1)</script>"'><img src=x onerror=alert(2)>`
	rtl  = "\u202egnp.exe"
)

// env is a real endpoint and its clients.
type env struct {
	t    testing.TB
	srv  *localawstest.Server
	http *http.Client
	s3   *s3.Client
	sns  *sns.Client
	sqs  *sqs.Client
}

func start(t testing.TB) *env {
	t.Helper()
	srv := localawstest.New(t)
	key := credentials.NewStaticCredentialsProvider("test", "test", "")
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &env{
		t: t, srv: srv, http: client,
		s3:  s3.New(s3.Options{Region: "us-east-1", BaseEndpoint: &srv.URL, Credentials: key, UsePathStyle: true, HTTPClient: client}),
		sns: sns.New(sns.Options{Region: "us-east-1", BaseEndpoint: &srv.URL, Credentials: key, HTTPClient: client}),
		sqs: sqs.New(sqs.Options{Region: "us-east-1", BaseEndpoint: &srv.URL, Credentials: key, HTTPClient: client}),
	}
}

func (e *env) check(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}

const account = "000000000000"

func queueARN(name string) string { return "arn:aws:sqs:us-east-1:" + account + ":" + name }
func topicARN(name string) string { return "arn:aws:sns:us-east-1:" + account + ":" + name }

func (e *env) queueURL(name string) string { return e.srv.URL + "/" + account + "/" + name }

// allow is a policy that lets a service act on a resource.
func allow(service, action, resource string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":%q},"Action":%q,"Resource":%q}]}`, service, action, resource)
}

func (e *env) queue(name string, attributes map[string]string) string {
	e.t.Helper()
	out, err := e.sqs.CreateQueue(e.t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	e.check(err)
	return *out.QueueUrl
}

// open makes a queue that topics can send to.
func (e *env) open(name string, attributes map[string]string) string {
	e.t.Helper()
	all := map[string]string{"Policy": allow("sns.amazonaws.com", "sqs:SendMessage", queueARN(name))}
	for k, v := range attributes {
		all[k] = v
	}
	return e.queue(name, all)
}

func (e *env) send(queue, body string) {
	e.t.Helper()
	_, err := e.sqs.SendMessage(e.t.Context(), &sqs.SendMessageInput{QueueUrl: aws.String(e.queueURL(queue)), MessageBody: &body})
	e.check(err)
}

// topic makes a topic that S3 may publish to.
func (e *env) topic(name string, attributes map[string]string) {
	e.t.Helper()
	all := map[string]string{"Policy": allow("s3.amazonaws.com", "SNS:Publish", topicARN(name))}
	for k, v := range attributes {
		all[k] = v
	}
	_, err := e.sns.CreateTopic(e.t.Context(), &sns.CreateTopicInput{Name: &name, Attributes: all})
	e.check(err)
}

func (e *env) subscribe(topic, protocol, endpoint string, attributes map[string]string) {
	e.t.Helper()
	_, err := e.sns.Subscribe(e.t.Context(), &sns.SubscribeInput{TopicArn: aws.String(topicARN(topic)), Protocol: &protocol, Endpoint: &endpoint, Attributes: attributes})
	e.check(err)
}

func (e *env) bucket(name string, topics ...s3types.TopicConfiguration) {
	e.t.Helper()
	_, err := e.s3.CreateBucket(e.t.Context(), &s3.CreateBucketInput{Bucket: &name})
	e.check(err)
	if len(topics) == 0 {
		return
	}
	_, err = e.s3.PutBucketNotificationConfiguration(e.t.Context(), &s3.PutBucketNotificationConfigurationInput{
		Bucket: &name, NotificationConfiguration: &s3types.NotificationConfiguration{TopicConfigurations: topics},
	})
	e.check(err)
}

func told(topic, prefix string, events ...s3types.Event) s3types.TopicConfiguration {
	c := s3types.TopicConfiguration{TopicArn: aws.String(topicARN(topic)), Events: events}
	if prefix != "" {
		c.Filter = &s3types.NotificationConfigurationFilter{Key: &s3types.S3KeyFilter{FilterRules: []s3types.FilterRule{{Name: "prefix", Value: &prefix}}}}
	}
	return c
}

func (e *env) put(bucket, key string, body []byte, kind string) {
	e.t.Helper()
	_, err := e.s3.PutObject(e.t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(body), ContentType: &kind})
	e.check(err)
}

// pipeline makes what the system has: two buckets, two topics, queues with dead-letter
// queues, and mails.
func (e *env) pipeline() {
	e.t.Helper()
	e.queue("ImageApp-dlq", map[string]string{"MessageRetentionPeriod": "1209600"})
	e.open("ImageApp", map[string]string{"VisibilityTimeout": "120", "RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":5}`, queueARN("ImageApp-dlq"))})
	e.open("tintype-web", nil)
	e.topic("uploadnotification", map[string]string{"DisplayName": "Uploads"})
	e.topic("completednotification", nil)
	e.subscribe("uploadnotification", "sqs", queueARN("ImageApp"), map[string]string{"RawMessageDelivery": "false"})
	e.subscribe("uploadnotification", "email", "anna@example.com", nil)
	e.subscribe("completednotification", "sqs", queueARN("tintype-web"), nil)
	e.bucket("tintype-uploads", told("uploadnotification", "uploads/", "s3:ObjectCreated:*"))
	e.bucket("tintype-results", told("completednotification", "", "s3:ObjectCreated:Put", "s3:ObjectRemoved:*"))
}

// picture is a PNG.
func picture() []byte {
	img := image.NewRGBA(image.Rect(0, 0, 320, 200))
	for y := range 200 {
		for x := range 320 {
			img.Set(x, y, color.RGBA{uint8(x * 255 / 320), uint8(y), 120, 255})
		}
	}
	var b bytes.Buffer
	_ = png.Encode(&b, img)
	return b.Bytes()
}

// get loads a page of the console.
func (e *env) get(path string) (*http.Response, string) {
	return e.do(http.MethodGet, path, nil, nil)
}

// post sends a form, as the console's own pages do.
func (e *env) post(path string, form url.Values) (*http.Response, string) {
	return e.do(http.MethodPost, path, form, map[string]string{"Sec-Fetch-Site": "same-origin"})
}

func (e *env) do(method, path string, form url.Values, header map[string]string) (*http.Response, string) {
	e.t.Helper()
	req, err := http.NewRequestWithContext(e.t.Context(), method, e.srv.ConsoleURL+path, strings.NewReader(form.Encode()))
	e.check(err)
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for k, v := range header {
		if k == "Host" {
			req.Host = v
		}
		req.Header.Set(k, v)
	}
	resp, err := e.http.Do(req)
	e.check(err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	e.check(err)
	return resp, string(b)
}

// shows fails the test where a page lacks a text, or is not answered with 200.
func (e *env) shows(path string, texts ...string) string {
	e.t.Helper()
	resp, body := e.get(path)
	if resp.StatusCode != http.StatusOK {
		e.t.Errorf("%s: %s\n%s", path, resp.Status, body)
	}
	for _, text := range texts {
		if !strings.Contains(body, text) {
			e.t.Errorf("%s does not show %q:\n%s", path, text, body)
		}
	}
	return body
}

// did fails the test where an action was not answered with a page to go on with.
func (e *env) did(path string, form url.Values) {
	e.t.Helper()
	resp, body := e.post(path, form)
	if resp.StatusCode != http.StatusSeeOther {
		e.t.Errorf("%s: %s\n%s", path, resp.Status, body)
	}
}

// until waits for a condition.
func (e *env) until(what string, ok func() bool) {
	e.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(30 * time.Second); !ok(); {
		select {
		case <-tick.C:
		case <-deadline:
			e.t.Fatalf("it did not happen that %s", what)
		}
	}
}

var messageLink = regexp.MustCompile(`/queues/[^/"]+/\d+`)

func deleteQueue(url string) *sqs.DeleteQueueInput { return &sqs.DeleteQueueInput{QueueUrl: &url} }
