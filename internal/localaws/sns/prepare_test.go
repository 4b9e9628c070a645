package sns

import (
	"testing"

	awssns "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/tintype/tintype/internal/localaws/db"
)

// TestEnvelopesAreSignedBesideTheWriter holds the store's writer: signatures are there
// before the transaction can have begun.
func TestEnvelopesAreSignedBesideTheWriter(t *testing.T) {
	e := start(t, t.TempDir())
	topic := e.topic("t")
	queue, arn := e.queue("q", topic)
	e.subscribe(topic, "sqs", arn, nil)
	_, rawARN := e.queue("raw", topic)
	e.subscribe(topic, "sqs", rawARN, map[string]string{"RawMessageDelivery": "true"})
	_, otherARN := e.queue("other", topic)
	e.subscribe(topic, "sqs", otherARN, map[string]string{"FilterPolicy": `{"x":["y"]}`})
	calls := map[string]struct {
		signatures int64
		call       func() error
	}{
		"Publish": {1, func() error {
			_, err := e.api.Publish(t.Context(), &awssns.PublishInput{TopicArn: &topic, Message: ptr("m")})
			return err
		}},
		"PublishBatch": {3, func() error {
			_, err := e.api.PublishBatch(t.Context(), &awssns.PublishBatchInput{TopicArn: &topic, PublishBatchRequestEntries: []types.PublishBatchRequestEntry{
				{Id: ptr("1"), Message: ptr("a")}, {Id: ptr("2"), Message: ptr("b")}, {Id: ptr("3"), Message: ptr("c")},
			}})
			return err
		}},
	}
	for name, c := range calls {
		held, release := make(chan struct{}), make(chan struct{})
		writer := make(chan error, 1)
		go func() { writer <- e.update(func(*db.Tx) error { close(held); <-release; return nil }) }()
		<-held
		before := e.sns.signer.made.Load()
		done := make(chan error, 1)
		go func() { done <- c.call() }()
		e.until("the signatures of "+name, func() bool { return e.sns.signer.made.Load() == before+c.signatures })
		close(release)
		if err := <-writer; err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if n := e.sns.signer.made.Load() - before; n != c.signatures {
			t.Errorf("%s made %d signatures, want %d", name, n, c.signatures)
		}
	}
	for _, m := range e.receive(queue) {
		verify(t, e, *m.Body, notificationNames...)
	}
}

func TestWhoSubscribesAfterThePreparationGetsASignedEnvelopeToo(t *testing.T) {
	e := start(t, t.TempDir())
	topic := e.topic("t")
	first, firstARN := e.queue("first", topic)
	e.subscribe(topic, "sqs", firstARN, nil)
	ready, err := e.sns.Prepare(topic, Publish{Message: "m", Subject: "s"})
	if err != nil {
		t.Fatal(err)
	}
	late, lateARN := e.queue("late", topic)
	e.subscribe(topic, "sqs", lateARN, nil)
	// Another version changes what is signed, and how.
	version, value := "SignatureVersion", "2"
	if _, err := e.api.SetTopicAttributes(t.Context(), &awssns.SetTopicAttributesInput{TopicArn: &topic, AttributeName: &version, AttributeValue: &value}); err != nil {
		t.Fatal(err)
	}
	if err := e.update(func(tx *db.Tx) error { return e.sns.PublishTx(tx, topic, ready) }); err != nil {
		t.Fatal(err)
	}
	names := []string{"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"}
	for _, queue := range []string{first, late} {
		got := e.receive(queue)
		if len(got) != 1 {
			t.Fatalf("%d messages arrived, want 1", len(got))
		}
		if m := verify(t, e, *got[0].Body, names...); m["SignatureVersion"] != "2" || m["Message"] != "m" {
			t.Errorf("envelope = %v", m)
		}
	}
}
