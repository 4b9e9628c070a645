package sns

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // what subscribers verify by default
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	awssns "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/tintype/tintype/internal/localaws/db"
	"github.com/tintype/tintype/internal/localaws/wire"
)

func TestAnAddressSubscribesConfirmsGetsMailsAndLeaves(t *testing.T) {
	e := running(t)
	topic := e.topic("uploadnotification")
	out, err := e.api.Subscribe(t.Context(), &awssns.SubscribeInput{TopicArn: &topic, Protocol: ptr("email"), Endpoint: ptr("anna@example.com")})
	if err != nil || *out.SubscriptionArn != "pending confirmation" {
		t.Fatalf("Subscribe = %v, %v", out, err)
	}
	e.publish(topic, "nobody listens yet")
	ask := e.mails(1)[0]
	for _, want := range []string{topic, "anna@example.com", "arn:aws:iam::000000000000:user/TintypeUser", "do nothing"} {
		if !strings.Contains(ask.Text, want) {
			t.Errorf("the mail does not say %q:\n%s", want, ask.Text)
		}
	}
	if ask.To != "anna@example.com" || ask.Subject != "AWS Notification - Subscription Confirmation" {
		t.Errorf("mail to %q: %q", ask.To, ask.Subject)
	}

	confirm := link(t, ask.Text, "ConfirmSubscription")
	for range 2 { // the second click changes nothing
		status, page := e.open(confirm, "text/html,application/xhtml+xml")
		if status != http.StatusOK || !strings.Contains(page, "Subscription confirmed") || !strings.Contains(page, "anna@example.com") {
			t.Fatalf("%d %s", status, page)
		}
	}
	if status, page := e.open(confirm+"x", "text/html"); status != http.StatusBadRequest || !strings.Contains(page, "could not be confirmed") {
		t.Errorf("a wrong token: %d %s", status, page)
	}

	_, err = e.api.Publish(t.Context(), &awssns.PublishInput{TopicArn: &topic, Message: ptr("An image & more\n<b>"), Subject: ptr("Bild da: ü")})
	if err != nil {
		t.Fatal(err)
	}
	got := e.mails(2)[1]
	if got.Subject != "Bild da: ü" || !strings.HasPrefix(got.Text, "An image & more\n<b>\n") {
		t.Errorf("mail = %+v", got)
	}
	e.until("an empty outbox", func() bool { return e.owed() == 0 })

	status, page := e.open(link(t, got.Text, "Unsubscribe"), "text/html")
	if status != http.StatusOK || !strings.Contains(page, "Unsubscribed") {
		t.Fatalf("%d %s", status, page)
	}
	e.publish(topic, "nobody listens any more")
	e.until("an empty outbox", func() bool { return e.owed() == 0 })
	farewell := e.mails(3)[2]
	if farewell.Subject != "AWS Notification - Unsubscribe Confirmation" || !strings.HasPrefix(farewell.Text, "Your subscription to the topic below has been deactivated:\n"+topic+"\n") {
		t.Errorf("farewell = %+v", farewell)
	}
	attrs, err := e.api.GetTopicAttributes(t.Context(), &awssns.GetTopicAttributesInput{TopicArn: &topic})
	if err != nil || attrs.Attributes["SubscriptionsDeleted"] != "1" || attrs.Attributes["SubscriptionsConfirmed"] != "0" {
		t.Errorf("attributes = %v, %v", attrs, err)
	}

	again := link(t, farewell.Text, "ConfirmSubscription")
	for range 2 {
		if status, page := e.open(again, "text/html"); status != http.StatusOK || !strings.Contains(page, "Subscription confirmed") {
			t.Fatalf("taking the end back: %d %s", status, page)
		}
	}
	e.publish(topic, "back again")
	if back := e.mails(4)[3]; !strings.HasPrefix(back.Text, "back again\n") || !strings.Contains(back.Text, link(t, got.Text, "Unsubscribe")) {
		t.Errorf("mail after the return = %+v", back)
	}
}

func TestProgramsConfirmByTheAPIAndByXML(t *testing.T) {
	e := running(t)
	topic := e.topic("t")
	e.subscribe(topic, "email-json", "robot@example.com", nil)
	first := e.subscribe(topic, "email", "a@example.com", nil)
	if again := e.subscribe(topic, "email", "a@example.com", nil); again != first {
		t.Errorf("subscribed again: %s, want %s", again, first)
	}
	var byJSON struct{ Type, Token, TopicArn, SubscribeURL string }
	forPeople := ""
	for _, m := range e.mails(3) { // in any order: several are delivered at once
		if m.To != "robot@example.com" {
			forPeople = m.Text
			continue
		}
		if err := json.Unmarshal([]byte(m.Text), &byJSON); err != nil {
			t.Fatalf("%v in %s", err, m.Text)
		}
	}
	confirmed, err := e.api.ConfirmSubscription(t.Context(), &awssns.ConfirmSubscriptionInput{TopicArn: &topic, Token: &byJSON.Token, AuthenticateOnUnsubscribe: ptr("true")})
	if err != nil {
		t.Fatal(err)
	}
	if status, body := e.open(e.sns.unsubscribeURL(*confirmed.SubscriptionArn), "*/*"); status != http.StatusForbidden || !strings.Contains(body, "<Code>AuthorizationError</Code>") {
		t.Errorf("unsubscribing a guarded subscription by its link: %d %s", status, body)
	}
	status, body := e.open(link(t, forPeople, "ConfirmSubscription"), "*/*")
	if status != http.StatusOK || !strings.Contains(body, "<SubscriptionArn>"+first+"</SubscriptionArn>") {
		t.Errorf("confirming by XML: %d %s", status, body)
	}
	if _, err := e.api.Unsubscribe(t.Context(), &awssns.UnsubscribeInput{SubscriptionArn: confirmed.SubscriptionArn}); err != nil {
		t.Error(err)
	}
	_, err = e.api.ConfirmSubscription(t.Context(), &awssns.ConfirmSubscriptionInput{TopicArn: &topic, Token: ptr("guess")})
	if code(err) != "InvalidParameter" {
		t.Errorf("a guessed token: %v", err)
	}
}

// verify checks an envelope as subscribers do: with the certificate at its URL.
func verify(t *testing.T, e *endpoint, text string, names ...string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	status, served := e.open(m["SigningCertURL"].(string), "*/*")
	block, _ := pem.Decode([]byte(served))
	if status != http.StatusOK || block == nil {
		t.Fatalf("certificate: %d %s", status, served)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	signed := ""
	for _, n := range names {
		if v, ok := m[n]; ok {
			signed += n + "\n" + v.(string) + "\n"
		}
	}
	sig, err := base64.StdEncoding.DecodeString(m["Signature"].(string))
	if err != nil {
		t.Fatal(err)
	}
	key := cert.PublicKey.(*rsa.PublicKey)
	if m["SignatureVersion"] == "2" {
		sum := sha256.Sum256([]byte(signed))
		err = rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], sig)
	} else {
		sum := sha1.Sum([]byte(signed))
		err = rsa.VerifyPKCS1v15(key, crypto.SHA1, sum[:], sig)
	}
	if err != nil {
		t.Errorf("the signature does not fit: %v\n%s", err, text)
	}
	return m
}

var notificationNames = []string{"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"}

func TestQueuesGetSignedEnvelopesOrTheRawMessage(t *testing.T) {
	e := start(t, t.TempDir())
	topic := e.topic("t")
	wrapped, wrappedARN := e.queue("wrapped", topic)
	raw, rawARN := e.queue("raw", topic)
	sub := e.subscribe(topic, "sqs", wrappedARN, nil)
	e.subscribe(topic, "sqs", rawARN, map[string]string{"RawMessageDelivery": "true"})
	message := "Zeile 1\nZeile 2 <&> \"x\" 日本 \u2028"
	attrs := map[string]types.MessageAttributeValue{
		"who": {DataType: ptr("String"), StringValue: ptr("anna")}, "n": {DataType: ptr("Number"), StringValue: ptr("12.5")},
		"bin": {DataType: ptr("Binary"), BinaryValue: []byte{0, 1, 255}},
	}
	out, err := e.api.Publish(t.Context(), &awssns.PublishInput{TopicArn: &topic, Message: &message, Subject: ptr("S"), MessageAttributes: attrs})
	if err != nil {
		t.Fatal(err)
	}
	got := e.receive(wrapped)
	if len(got) != 1 || len(got[0].MessageAttributes) != 0 {
		t.Fatalf("wrapped: %+v", got)
	}
	m := verify(t, e, *got[0].Body, notificationNames...)
	stamp, err := time.Parse(timeFormat, m["Timestamp"].(string))
	if err != nil || time.Since(stamp) > time.Hour {
		t.Errorf("Timestamp = %v, %v", m["Timestamp"], err)
	}
	for k, want := range map[string]string{
		"Type": "Notification", "MessageId": *out.MessageId, "TopicArn": topic, "Subject": "S", "Message": message,
		"SignatureVersion": "1", "UnsubscribeURL": e.sns.unsubscribeURL(sub),
	} {
		if m[k] != want {
			t.Errorf("%s = %q, want %q", k, m[k], want)
		}
	}
	wantAttrs := `{"bin":{"Type":"Binary","Value":"AAH/"},"n":{"Type":"Number","Value":"12.5"},"who":{"Type":"String","Value":"anna"}}`
	if b, _ := json.Marshal(m["MessageAttributes"]); string(b) != wantAttrs {
		t.Errorf("MessageAttributes = %s", b)
	}
	got = e.receive(raw)
	if len(got) != 1 || *got[0].Body != message || *got[0].MessageAttributes["who"].StringValue != "anna" || len(got[0].MessageAttributes["bin"].BinaryValue) != 3 {
		t.Errorf("raw: %+v", got)
	}

	if _, err := e.api.SetTopicAttributes(t.Context(), &awssns.SetTopicAttributesInput{TopicArn: &topic, AttributeName: ptr("SignatureVersion"), AttributeValue: ptr("2")}); err != nil {
		t.Fatal(err)
	}
	e.publish(topic, "no subject, SHA256")
	if m := verify(t, e, *e.receive(wrapped)[0].Body, notificationNames...); m["SignatureVersion"] != "2" || m["Subject"] != nil {
		t.Errorf("envelope = %v", m)
	}
}

func TestEachProtocolGetsItsOwnBody(t *testing.T) {
	e := running(t)
	topic := e.topic("processingnotification")
	raw, rawARN := e.queue("raw", topic)
	e.subscribe(topic, "sqs", rawARN, map[string]string{"RawMessageDelivery": "true"})
	e.subscribe(topic, "email", "a@example.com", nil)
	e.open(link(t, e.mails(1)[0].Text, "ConfirmSubscription"), "*/*")
	publish := func(message string) error {
		_, err := e.api.Publish(t.Context(), &awssns.PublishInput{TopicArn: &topic, Message: &message, MessageStructure: ptr("json")})
		return err
	}
	if err := publish(`{"default":"D","email":"for people","http":7,"unknown":"x"}`); err != nil {
		t.Fatal(err)
	}
	if got := e.receive(raw); len(got) != 1 || *got[0].Body != "D" {
		t.Errorf("queue got %+v", got)
	}
	if m := e.mails(2)[1]; !strings.HasPrefix(m.Text, "for people\n") || m.Subject != "AWS Notification Message" {
		t.Errorf("mail = %+v", m)
	}
	for _, bad := range []string{`{"email":"x"}`, `{"default":7}`, `["default"]`, `{"default":"a"} x`, `null`, `{"default":"a"`, `x`} {
		if err := publish(bad); code(err) != "InvalidParameter" {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestWhatWasAcknowledgedIsDeliveredAfterACrash(t *testing.T) {
	dir := t.TempDir()
	e := start(t, dir) // never delivers: as if it died between commit and delivery
	topic := e.topic("t")
	e.subscribe(topic, "email", "a@example.com", nil)
	var token string
	if err := e.db.Read().QueryRow(`SELECT token FROM sns_subscriptions`).Scan(&token); err != nil {
		t.Fatal(err)
	}
	if _, err := e.api.ConfirmSubscription(t.Context(), &awssns.ConfirmSubscriptionInput{TopicArn: &topic, Token: &token}); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		e.publish(topic, "an image was uploaded")
	}
	certificate := e.sns.signer.path()
	e.close()

	e = start(t, dir)
	e.sns.Start()
	e.mails(51)
	if e.sns.signer.path() != certificate {
		t.Error("the signing key changed with the restart")
	}
	e.until("an empty outbox", func() bool { return e.owed() == 0 })
	e.mails(51) // each exactly once
	subs, err := e.api.ListSubscriptionsByTopic(t.Context(), &awssns.ListSubscriptionsByTopicInput{TopicArn: &topic})
	if err != nil || len(subs.Subscriptions) != 1 || *subs.Subscriptions[0].Endpoint != "a@example.com" {
		t.Errorf("subscriptions = %+v, %v", subs, err)
	}
}

func TestPublishTxIsPartOfItsTransaction(t *testing.T) {
	e := start(t, t.TempDir())
	topic := e.topic("t")
	queue, arn := e.queue("q", topic)
	e.subscribe(topic, "sqs", arn, nil)
	from := Source{Service: "s3.amazonaws.com", ARN: "arn:aws:s3:::uploads", Account: account}
	var refused *wire.Error
	err := e.update(func(tx *db.Tx) error { return e.sns.PublishTx(tx, topic, Publish{Message: "m", Source: from}) })
	if !errors.As(err, &refused) || refused.Code != "AuthorizationError" || !strings.Contains(refused.Message, from.ARN) {
		t.Fatalf("by the default policy: %v", err)
	}
	if err := e.sns.CheckSource(topic, from); !errors.As(err, &refused) {
		t.Fatalf("CheckSource: %v", err)
	}
	_, err = e.api.SetTopicAttributes(t.Context(), &awssns.SetTopicAttributesInput{TopicArn: &topic, AttributeName: ptr("Policy"), AttributeValue: ptr(
		`{"Statement":[{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"SNS:Publish","Resource":"` + topic + `","Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::uploads"},"StringEquals":{"aws:SourceAccount":"000000000000"}}}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.sns.CheckSource(topic, from); err != nil {
		t.Fatal(err)
	}
	ready, err := e.sns.Prepare(topic, Publish{Message: "prepared", Source: from})
	if err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	if err := e.update(func(tx *db.Tx) error { return errors.Join(e.sns.PublishTx(tx, topic, ready), boom) }); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if got := e.receive(queue); len(got) != 0 {
		t.Fatalf("a transaction that failed sent %+v", got)
	}
	if err := e.update(func(tx *db.Tx) error { return e.sns.PublishTx(tx, topic, ready) }); err != nil {
		t.Fatal(err)
	}
	got := e.receive(queue)
	if len(got) != 1 {
		t.Fatalf("received %+v", got)
	}
	verify(t, e, *got[0].Body, notificationNames...)
	for name, src := range map[string]Source{
		"another bucket":  {Service: from.Service, ARN: "arn:aws:s3:::other", Account: account},
		"another account": {Service: from.Service, ARN: from.ARN, Account: "111111111111"},
		"another service": {Service: "events.amazonaws.com", ARN: from.ARN, Account: account},
	} {
		if err := e.update(func(tx *db.Tx) error { return e.sns.PublishTx(tx, topic, Publish{Message: "m", Source: src}) }); !errors.As(err, &refused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	e.publish(topic, "the owner may, whatever the policy allows to others")
	if got := e.receive(queue); len(got) != 1 {
		t.Errorf("the owner's message: %+v", got)
	}
	if err := e.update(func(tx *db.Tx) error { return e.sns.PublishTx(tx, topic+"x", Publish{Message: "m"}) }); !isNotFound(err) {
		t.Errorf("no such topic: %v", err)
	}
}

func TestAnExplicitDenyHoldsForTheOwnerToo(t *testing.T) {
	e := start(t, t.TempDir())
	topic := e.topic("t")
	_, err := e.api.SetTopicAttributes(t.Context(), &awssns.SetTopicAttributesInput{TopicArn: &topic, AttributeName: ptr("Policy"), AttributeValue: ptr(
		`{"Statement":[{"Effect":"Deny","Principal":"*","Action":["SNS:Publish","SNS:Subscribe"],"Resource":"*"}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.api.Publish(t.Context(), &awssns.PublishInput{TopicArn: &topic, Message: ptr("m")}); code(err) != "AuthorizationError" {
		t.Errorf("Publish: %v", err)
	}
	if _, err := e.api.Subscribe(t.Context(), &awssns.SubscribeInput{TopicArn: &topic, Protocol: ptr("email"), Endpoint: ptr("a@b.cc")}); code(err) != "AuthorizationError" {
		t.Errorf("Subscribe: %v", err)
	}
}

// The trace of whoever publishes goes on with the messages of queues, one by one or in
// batches, raw or not.
func TestATraceGoesOnToQueues(t *testing.T) {
	e := start(t, t.TempDir())
	topic := e.topic("t")
	url, arn := e.queue("q", topic)
	e.subscribe(topic, "sqs", arn, nil)
	traced := func(trace string) func(*awssns.Options) {
		return func(o *awssns.Options) {
			o.APIOptions = append(o.APIOptions, smithyhttp.AddHeaderValue("X-Amzn-Trace-Id", trace))
		}
	}
	if _, err := e.api.Publish(t.Context(), &awssns.PublishInput{TopicArn: &topic, Message: ptr("m")}, traced("Root=1")); err != nil {
		t.Fatal(err)
	}
	entries := []types.PublishBatchRequestEntry{{Id: ptr("a"), Message: ptr("m")}}
	if _, err := e.api.PublishBatch(t.Context(), &awssns.PublishBatchInput{TopicArn: &topic, PublishBatchRequestEntries: entries}, traced("Root=2")); err != nil {
		t.Fatal(err)
	}
	e.publish(topic, "untraced")
	var traces []string
	for _, m := range e.receive(url) {
		traces = append(traces, m.Attributes["AWSTraceHeader"])
	}
	if want := []string{"Root=1", "Root=2", ""}; !slices.Equal(traces, want) {
		t.Errorf("traces %q, want %q", traces, want)
	}
}
