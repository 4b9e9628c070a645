package sns

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	awssns "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/tintype/tintype/internal/localaws/db"
)

// recorder notes what queues are sent, before they are.
type recorder struct {
	Queues
	sent map[string][]QueueMessage // by the queue's ARN; only read when nothing is sent
}

func (r *recorder) EnqueueTx(tx *db.Tx, arn string, m QueueMessage) error {
	r.sent[arn] = append(r.sent[arn], m)
	if isFIFO(arn) {
		return nil
	}
	return r.Queues.EnqueueTx(tx, arn, m)
}

func (r *recorder) AllowsTx(tx *db.Tx, arn, service, source, account string) (bool, error) {
	if isFIFO(arn) {
		return true, nil
	}
	return r.Queues.AllowsTx(tx, arn, service, source, account)
}

const fifoQueue = "arn:aws:sqs:us-east-1:" + account + ":q.fifo"

// fifo makes a FIFO topic with a FIFO queue that gets raw messages.
func (e *endpoint) fifo(name string, attrs map[string]string) (topic string) {
	e.t.Helper()
	all := map[string]string{"FifoTopic": "true"}
	for k, v := range attrs {
		all[k] = v
	}
	out, err := e.api.CreateTopic(e.t.Context(), &awssns.CreateTopicInput{Name: &name, Attributes: all})
	if err != nil {
		e.t.Fatal(err)
	}
	e.subscribe(*out.TopicArn, "sqs", fifoQueue, map[string]string{"RawMessageDelivery": "true"})
	return *out.TopicArn
}

func TestFIFOTopicsNumberMessagesAndDeliverEachOnce(t *testing.T) {
	now := time.Now()
	r := &recorder{sent: map[string][]QueueMessage{}}
	e := start(t, t.TempDir(), func(o *Options) {
		r.Queues, o.Queues = o.Queues, r
		o.Now = func() time.Time { return now }
	})
	topic := e.fifo("t.fifo", nil)
	standard, standardARN := e.queue("q", topic)
	e.subscribe(topic, "sqs", standardARN, nil)
	publish := func(in awssns.PublishInput) (*awssns.PublishOutput, error) {
		in.TopicArn = &topic
		return e.api.Publish(t.Context(), &in)
	}
	must := func(in awssns.PublishInput) *awssns.PublishOutput {
		t.Helper()
		out, err := publish(in)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for want, in := range map[string]awssns.PublishInput{
		"The MessageGroupId parameter is required for FIFO topics":                                                     {Message: ptr("m")},
		"The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly": {Message: ptr("m"), MessageGroupId: ptr("g")},
		"MessageDeduplicationId Reason": {Message: ptr("m"), MessageGroupId: ptr("g"), MessageDeduplicationId: ptr("a b")},
		"MessageGroupId Reason":         {Message: ptr("m"), MessageGroupId: ptr(strings.Repeat("g", 129)), MessageDeduplicationId: ptr("d")},
	} {
		if _, err := publish(in); code(err) != "InvalidParameter" || !strings.Contains(err.Error(), "Invalid parameter: "+want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	one := must(awssns.PublishInput{Message: ptr("1"), MessageGroupId: ptr("a"), MessageDeduplicationId: ptr("d1")})
	if one.SequenceNumber == nil || len(*one.SequenceNumber) != 20 {
		t.Fatalf("sequence number = %v", one.SequenceNumber)
	}
	again := must(awssns.PublishInput{Message: ptr("other"), MessageGroupId: ptr("b"), MessageDeduplicationId: ptr("d1")})
	if *again.MessageId != *one.MessageId || *again.SequenceNumber != *one.SequenceNumber {
		t.Errorf("a duplicate got the receipt %v, want %v", again, one)
	}
	two := must(awssns.PublishInput{Message: ptr("1"), MessageGroupId: ptr("a"), MessageDeduplicationId: ptr("d2")})
	if *two.SequenceNumber <= *one.SequenceNumber || *two.MessageId == *one.MessageId {
		t.Errorf("%v does not follow %v", two, one)
	}
	now = now.Add(dedupTime + time.Second)
	three := must(awssns.PublishInput{Message: ptr("3"), MessageGroupId: ptr("a"), MessageDeduplicationId: ptr("d1")})
	if *three.SequenceNumber <= *two.SequenceNumber {
		t.Errorf("%v does not follow %v", three, two)
	}
	sent := r.sent[fifoQueue]
	if len(sent) != 3 || sent[0].Body != "1" || sent[0].GroupID != "a" || sent[0].DedupID != "d1" || sent[1].DedupID != "d2" || sent[2].Body != "3" {
		t.Errorf("the FIFO queue was sent %+v", sent)
	}
	for _, m := range r.sent[standardARN] {
		if m.GroupID != "" || m.DedupID != "" {
			t.Errorf("a standard queue was sent %+v", m)
		}
	}
	got := e.receive(standard)
	if len(got) != 3 {
		t.Fatalf("%d messages in the standard queue, want 3", len(got))
	}
	for _, m := range got {
		var envelope map[string]any
		if err := json.Unmarshal([]byte(*m.Body), &envelope); err != nil {
			t.Fatal(err)
		}
		if s, _ := envelope["SequenceNumber"].(string); len(s) != 20 || envelope["Signature"] != nil || envelope["SigningCertURL"] != nil {
			t.Errorf("envelope = %v", envelope)
		}
	}
}

func TestDeduplicationByContentAndByGroup(t *testing.T) {
	r := &recorder{sent: map[string][]QueueMessage{}}
	e := start(t, t.TempDir(), func(o *Options) { r.Queues, o.Queues = o.Queues, r })
	for _, c := range []struct {
		scope string
		want  int // of two groups' same messages, twice each
	}{{"", 1}, {"Topic", 1}, {"MessageGroup", 2}} {
		attrs := map[string]string{"ContentBasedDeduplication": "true"}
		if c.scope != "" {
			attrs["FifoThroughputScope"] = c.scope
		}
		topic := e.fifo("t"+c.scope+".fifo", attrs)
		before := len(r.sent[fifoQueue])
		for range 2 {
			for _, group := range []string{"a", "b"} {
				if _, err := e.api.Publish(t.Context(), &awssns.PublishInput{TopicArn: &topic, Message: ptr("Test"), MessageGroupId: &group}); err != nil {
					t.Fatal(err)
				}
			}
		}
		sent := r.sent[fifoQueue][before:]
		if len(sent) != c.want {
			t.Fatalf("scope %q: %d messages were sent, want %d", c.scope, len(sent), c.want)
		}
		// The id is the SHA-256 of the message.
		if sent[0].DedupID != "532eaabd9574880dbf76b9b8cc00832c20a6ec113d682299550d7a6e0f345e25" {
			t.Errorf("deduplication id = %s", sent[0].DedupID)
		}
	}
}

func TestBatchesToFIFOTopics(t *testing.T) {
	r := &recorder{sent: map[string][]QueueMessage{}}
	e := start(t, t.TempDir(), func(o *Options) { r.Queues, o.Queues = o.Queues, r })
	topic := e.fifo("t.fifo", nil)
	batch := func(entries ...types.PublishBatchRequestEntry) (*awssns.PublishBatchOutput, error) {
		return e.api.PublishBatch(t.Context(), &awssns.PublishBatchInput{TopicArn: &topic, PublishBatchRequestEntries: entries})
	}
	entry := func(id, group, dedup string) types.PublishBatchRequestEntry {
		return types.PublishBatchRequestEntry{Id: &id, Message: &id, MessageGroupId: orNil(group), MessageDeduplicationId: orNil(dedup)}
	}
	if _, err := batch(entry("1", "", "d")); code(err) != "InvalidParameter" || !strings.Contains(err.Error(), "The MessageGroupId parameter is required") {
		t.Errorf("no group: %v", err)
	}
	if _, err := batch(entry("1", "g", "")); code(err) != "InvalidParameter" || !strings.Contains(err.Error(), "ContentBasedDeduplication") {
		t.Errorf("no deduplication id: %v", err)
	}
	out, err := batch(entry("1", "g", "d1"), entry("2", "", "d2"), entry("3", "g", "d1"), entry("4", "g", "d4"))
	if err != nil || len(out.Successful) != 3 || len(out.Failed) != 1 || *out.Failed[0].Id != "2" {
		t.Fatalf("%+v, %v", out, err)
	}
	first, same, last := out.Successful[0], out.Successful[1], out.Successful[2]
	if *first.SequenceNumber != *same.SequenceNumber || *last.SequenceNumber <= *first.SequenceNumber {
		t.Errorf("sequence numbers %s, %s, %s", *first.SequenceNumber, *same.SequenceNumber, *last.SequenceNumber)
	}
	if sent := r.sent[fifoQueue]; len(sent) != 2 || sent[0].Body != "1" || sent[1].Body != "4" {
		t.Errorf("the queue was sent %+v", sent)
	}
}

func TestWhoMaySubscribeToWhichKindOfTopic(t *testing.T) {
	e := start(t, t.TempDir())
	standard, fifo := e.topic("t"), e.fifo("t.fifo", map[string]string{"ContentBasedDeduplication": "true"})
	out, err := e.api.GetTopicAttributes(t.Context(), &awssns.GetTopicAttributesInput{TopicArn: &fifo})
	if err != nil || out.Attributes["FifoTopic"] != "true" || out.Attributes["ContentBasedDeduplication"] != "true" {
		t.Errorf("attributes = %v, %v", out, err)
	}
	_, queue := e.queue("q", fifo)
	for want, in := range map[string]awssns.SubscribeInput{
		"Invalid protocol type: email": {TopicArn: &fifo, Protocol: ptr("email"), Endpoint: ptr("a@example.com")},
		"Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics": {TopicArn: &standard, Protocol: ptr("sqs"), Endpoint: ptr(fifoQueue)},
		"Attributes Reason: RedrivePolicy: must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic.": {
			TopicArn: &fifo, Protocol: ptr("sqs"), Endpoint: ptr(fifoQueue), Attributes: map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"` + queue + `"}`},
		},
	} {
		if _, err := e.api.Subscribe(t.Context(), &in); code(err) != "InvalidParameter" || !strings.HasSuffix(err.Error(), "InvalidParameter: Invalid parameter: "+want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	e.subscribe(fifo, "sqs", queue, nil) // a standard queue of a FIFO topic
}

func TestAFIFOQueueGetsAFIFOTopicsMessagesInOrder(t *testing.T) {
	e := start(t, t.TempDir())
	name := "t.fifo"
	out, err := e.api.CreateTopic(t.Context(), &awssns.CreateTopicInput{Name: &name, Attributes: map[string]string{"FifoTopic": "true", "ContentBasedDeduplication": "true"}})
	if err != nil {
		t.Fatal(err)
	}
	topic := *out.TopicArn
	queue, arn := e.queue("q.fifo", topic)
	dead, deadARN := e.queue("dead.fifo", topic)
	e.subscribe(topic, "sqs", arn, nil)
	e.subscribe(topic, "sqs", arn[:len(arn)-len("q.fifo")]+"missing.fifo", map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"` + deadARN + `"}`})
	for _, m := range []string{"1", "2", "2", "3"} {
		if _, err := e.api.Publish(t.Context(), &awssns.PublishInput{TopicArn: &topic, Message: &m, MessageGroupId: ptr("g")}); err != nil {
			t.Fatal(err)
		}
	}
	for _, url := range []string{queue, dead} {
		got := e.receive(url)
		text, last := "", ""
		for _, m := range got {
			var envelope map[string]string
			if err := json.Unmarshal([]byte(*m.Body), &envelope); err != nil {
				t.Fatal(err)
			}
			text += envelope["Message"]
			if envelope["SequenceNumber"] <= last || m.Attributes["MessageGroupId"] != "g" || len(m.Attributes["MessageDeduplicationId"]) != 64 {
				t.Errorf("after number %q: %v, %v", last, envelope, m.Attributes)
			}
			last = envelope["SequenceNumber"]
		}
		if text != "123" {
			t.Errorf("%s got %q", url, text)
		}
	}
}
