package sns

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	awssns "github.com/aws/aws-sdk-go-v2/service/sns"
)

// subscriber is a real HTTP server that keeps what it is sent.
type subscriber struct {
	*httptest.Server
	status atomic.Int64 // what it answers

	mu  sync.Mutex
	got []posted
}

type posted struct {
	header http.Header
	body   string
}

func listen(t *testing.T, status int) *subscriber {
	t.Helper()
	s := &subscriber{}
	s.status.Store(int64(status))
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.got = append(s.got, posted{r.Header, string(b)})
		s.mu.Unlock()
		w.WriteHeader(int(s.status.Load()))
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *subscriber) messages() []posted {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]posted{}, s.got...)
}

// confirmed subscribes the server and confirms as it would.
func (e *endpoint) confirmed(topic string, s *subscriber, attrs map[string]string) string {
	e.t.Helper()
	before := len(s.messages())
	arn := e.subscribe(topic, "http", s.URL, attrs)
	e.until("the confirmation request", func() bool { return len(s.messages()) > before })
	m := verify(e.t, e, s.messages()[before].body, "Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
	if h := s.messages()[before].header; h.Get("x-amz-sns-message-type") != "SubscriptionConfirmation" || h.Get("x-amz-sns-topic-arn") != topic {
		e.t.Errorf("headers of the confirmation request: %v", h)
	}
	if status, body := e.open(m["SubscribeURL"].(string), "*/*"); status != http.StatusOK || !strings.Contains(body, arn) {
		e.t.Fatalf("confirming: %d %s", status, body)
	}
	return arn
}

func TestHTTPSubscribersAreAskedAndNotified(t *testing.T) {
	e := running(t)
	topic := e.topic("t")
	s := listen(t, http.StatusOK)
	arn := e.confirmed(topic, s, nil)
	id := e.publish(topic, "hello")
	e.until("the notification", func() bool { return len(s.messages()) == 2 })
	got := s.messages()[1]
	m := verify(t, e, got.body, notificationNames...)
	if m["Message"] != "hello" || m["MessageId"] != id {
		t.Errorf("envelope = %v", m)
	}
	for name, want := range map[string]string{
		"x-amz-sns-message-type": "Notification", "x-amz-sns-message-id": id, "x-amz-sns-topic-arn": topic,
		"x-amz-sns-subscription-arn": arn, "Content-Type": "text/plain; charset=UTF-8",
	} {
		if got.header.Get(name) != want {
			t.Errorf("%s = %q, want %q", name, got.header.Get(name), want)
		}
	}
	if _, err := e.api.SetSubscriptionAttributes(t.Context(), &awssns.SetSubscriptionAttributesInput{SubscriptionArn: &arn, AttributeName: ptr("RawMessageDelivery"), AttributeValue: ptr("true")}); err != nil {
		t.Fatal(err)
	}
	e.publish(topic, "raw")
	e.until("the raw notification", func() bool { return len(s.messages()) == 3 })
	if got := s.messages()[2]; got.body != "raw" || got.header.Get("x-amz-sns-rawdelivery") != "true" {
		t.Errorf("raw delivery: %+v", got)
	}
}

func TestHTTPDeliveriesAreTriedAgainUntilTheyArrive(t *testing.T) {
	e := running(t)
	topic := e.topic("t")
	s := listen(t, http.StatusOK)
	e.confirmed(topic, s, map[string]string{"DeliveryPolicy": `{"healthyRetryPolicy":{"minDelayTarget":1,"maxDelayTarget":1,"numRetries":20}}`})
	s.status.Store(http.StatusServiceUnavailable)
	e.publish(topic, "m")
	e.until("a failed attempt", func() bool { return len(s.messages()) >= 2 })
	if e.owed() != 1 {
		t.Errorf("%d deliveries owed, want 1", e.owed())
	}
	s.status.Store(http.StatusOK)
	e.until("an empty outbox", func() bool { return e.owed() == 0 })
	if n := len(s.messages()); n < 3 {
		t.Errorf("forgotten after %d posts", n)
	}
}

func TestWhatASubscriberRefusesGoesToItsDeadLetterQueue(t *testing.T) {
	e := running(t)
	topic := e.topic("t")
	dead, deadARN := e.queue("dead", topic)
	s := listen(t, http.StatusOK)
	e.confirmed(topic, s, map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"` + deadARN + `"}`})
	s.status.Store(http.StatusNotFound)
	e.publish(topic, "m")
	e.until("an empty outbox", func() bool { return e.owed() == 0 })
	got := e.receive(dead)
	if len(got) != 1 || len(got[0].MessageAttributes) != 0 {
		t.Fatalf("dead letters: %+v", got)
	}
	if m := verify(t, e, *got[0].Body, notificationNames...); m["Message"] != "m" {
		t.Errorf("envelope = %v", m)
	}
}

func TestAQueueThatDoesNotLetSNSInIsNamedOnce(t *testing.T) {
	e := start(t, t.TempDir())
	topic := e.topic("t")
	closed, closedARN := e.queue("closed", "")
	dead, deadARN := e.queue("dead", topic)
	missing := "arn:aws:sqs:us-east-1:" + account + ":missing"
	e.subscribe(topic, "sqs", closedARN, nil)
	e.subscribe(topic, "sqs", missing, map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"` + deadARN + `"}`})
	for range 3 {
		e.publish(topic, "m")
	}
	if got := e.receive(closed); len(got) != 0 {
		t.Errorf("a queue without a policy got %d messages", len(got))
	}
	if got := e.receive(dead); len(got) != 3 {
		t.Errorf("dead letters: %+v", got)
	}
	log := e.log.String()
	// slog's text handler escapes the quotes of the statement.
	want := `\"Action\":\"sqs:SendMessage\",\"Resource\":\"` + closedARN + `\"`
	if n := strings.Count(log, want); n != 1 || !strings.Contains(log, `aws:SourceArn`) {
		t.Errorf("the missing statement is named %d times, want once:\n%s", n, log)
	}
	if n := strings.Count(log, "level=WARN"); n != 2 {
		t.Errorf("%d warnings, want one for each subscription:\n%s", n, log)
	}
}

func TestARawMessageWithTooManyAttributesIsADeadLetter(t *testing.T) {
	e := start(t, t.TempDir())
	topic := e.topic("t")
	queue, arn := e.queue("q", topic)
	dead, deadARN := e.queue("dead", topic)
	e.subscribe(topic, "sqs", arn, map[string]string{"RawMessageDelivery": "true", "RedrivePolicy": `{"deadLetterTargetArn":"` + deadARN + `"}`})
	attrs := map[string]types.MessageAttributeValue{}
	for _, name := range strings.Split("abcdefghijk", "") {
		attrs[name] = attr("String", "v")
	}
	if _, err := e.api.Publish(t.Context(), &awssns.PublishInput{TopicArn: &topic, Message: ptr("m"), MessageAttributes: attrs}); err != nil {
		t.Fatal(err)
	}
	if a, b := len(e.receive(queue)), len(e.receive(dead)); a != 0 || b != 1 {
		t.Errorf("%d messages and %d dead letters, want none and one", a, b)
	}
}

func TestASilentSubscriberHoldsUpNeitherMailsNorStop(t *testing.T) {
	e := running(t)
	topic := e.topic("t")
	release := make(chan struct{})
	asked := make(chan struct{}, 10)
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-release
	}))
	defer silent.Close()
	defer close(release)
	e.subscribe(topic, "http", silent.URL, nil)
	<-asked
	e.subscribe(topic, "email", "a@example.com", nil)
	e.mails(1)
	e.sns.Stop() // does not wait for the answer
	if e.owed() != 1 {
		t.Errorf("%d deliveries owed, want the one that was cut short", e.owed())
	}
}

func TestTheDeliveryPolicySaysHowOftenHTTPIsTried(t *testing.T) {
	e := running(t)
	topic := e.topic("t")
	dead, deadARN := e.queue("dead", topic)
	s := listen(t, http.StatusOK)
	e.confirmed(topic, s, map[string]string{
		"RawMessageDelivery": "true", "RedrivePolicy": `{"deadLetterTargetArn":"` + deadARN + `"}`,
		"DeliveryPolicy": `{"healthyRetryPolicy":{"minDelayTarget":1,"maxDelayTarget":1,"numRetries":3,"numNoDelayRetries":3},"requestPolicy":{"headerContentType":"text/csv"}}`,
	})
	s.status.Store(http.StatusServiceUnavailable)
	if _, err := e.api.Publish(t.Context(), &awssns.PublishInput{TopicArn: &topic, Message: ptr("a,b"), MessageAttributes: map[string]types.MessageAttributeValue{"n": attr("Number", "1")}}); err != nil {
		t.Fatal(err)
	}
	e.until("an empty outbox", func() bool { return e.owed() == 0 })
	posts := s.messages()[1:]
	if len(posts) != 4 {
		t.Errorf("%d attempts, want the first and three more", len(posts))
	}
	for _, p := range posts {
		if p.body != "a,b" || p.header.Get("Content-Type") != "text/csv" || p.header.Get("x-amz-sns-rawdelivery") != "true" {
			t.Errorf("posted %+v", p)
		}
	}
	got := e.receive(dead)
	if len(got) != 1 || *got[0].Body != "a,b" || *got[0].MessageAttributes["n"].StringValue != "1" {
		t.Errorf("dead letters: %+v", got)
	}
}

func TestAnHTTPSubscriberThatLeavesByItsLinkMayComeBack(t *testing.T) {
	e := running(t)
	topic := e.topic("t")
	s := listen(t, http.StatusOK)
	arn := e.confirmed(topic, s, map[string]string{"FilterPolicy": `{"a":[{"exists":false}]}`})
	e.publish(topic, "one")
	e.until("the notification", func() bool { return len(s.messages()) == 2 })
	m := verify(t, e, s.messages()[1].body, notificationNames...)
	if want := e.url + "/?Action=Unsubscribe&SubscriptionArn=" + arn; m["UnsubscribeURL"] != want {
		t.Errorf("UnsubscribeURL = %v, want %s", m["UnsubscribeURL"], want)
	}
	if status, body := e.open(m["UnsubscribeURL"].(string), "*/*"); status != http.StatusOK || !strings.Contains(body, "UnsubscribeResponse") {
		t.Fatalf("%d %s", status, body)
	}
	e.until("the farewell", func() bool { return len(s.messages()) == 3 })
	farewell := s.messages()[2]
	m = verify(t, e, farewell.body, "Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
	if farewell.header.Get("x-amz-sns-message-type") != "UnsubscribeConfirmation" || m["Type"] != "UnsubscribeConfirmation" ||
		m["Message"] != "You have chosen to deactivate subscription "+arn+".\nTo cancel this operation and restore the subscription, visit the SubscribeURL included in this message." {
		t.Errorf("farewell = %v", m)
	}
	if status, body := e.open(m["SubscribeURL"].(string), "*/*"); status != http.StatusOK || !strings.Contains(body, "<SubscriptionArn>"+arn+"</SubscriptionArn>") {
		t.Fatalf("taking it back: %d %s", status, body)
	}
	out, err := e.api.GetSubscriptionAttributes(t.Context(), &awssns.GetSubscriptionAttributesInput{SubscriptionArn: &arn})
	if err != nil || out.Attributes["FilterPolicy"] == "" || out.Attributes["PendingConfirmation"] != "false" {
		t.Errorf("attributes = %v, %v", out, err)
	}
	// The account's own end is silent.
	if _, err := e.api.Unsubscribe(t.Context(), &awssns.UnsubscribeInput{SubscriptionArn: &arn}); err != nil || e.owed() != 0 {
		t.Errorf("%v, %d deliveries owed", err, e.owed())
	}
}

// What the verifiers in use demand of the certificate's address, and how it is reached:
// under any host, so a name may be pointed at the endpoint.
func TestTheCertificateIsWhereVerifiersLookForIt(t *testing.T) {
	e := start(t, t.TempDir(), func(o *Options) { o.BaseURL = "https://sns.us-east-1.amazonaws.com/" })
	topic := e.topic("t")
	queue, arn := e.queue("q", topic)
	e.subscribe(topic, "sqs", arn, nil)
	e.publish(topic, "m")
	var m map[string]string
	if err := json.Unmarshal([]byte(*e.receive(queue)[0].Body), &m); err != nil {
		t.Fatal(err)
	}
	pattern := regexp.MustCompile(`^https://sns\.[a-zA-Z0-9-]{3,}\.amazonaws\.com(\.cn)?(/SimpleNotificationService-[a-zA-Z0-9]{32}\.pem)$`)
	path := pattern.FindStringSubmatch(m["SigningCertURL"])
	if path == nil {
		t.Fatalf("SigningCertURL = %s", m["SigningCertURL"])
	}
	if status, body := e.open(e.url+path[2], "*/*"); status != http.StatusOK || !strings.HasPrefix(body, "-----BEGIN CERTIFICATE-----") {
		t.Errorf("%d %s", status, body)
	}
}
