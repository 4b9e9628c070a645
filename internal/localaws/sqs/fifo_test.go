package sqs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/localaws/db"
)

// createFIFO makes a FIFO queue that deduplicates by content.
func createFIFO(t testing.TB, c *sqs.Client, name string, more map[string]string) string {
	t.Helper()
	attrs := map[string]string{"FifoQueue": "true", "ContentBasedDeduplication": "true"}
	maps.Copy(attrs, more)
	return create(t, c, name, attrs)
}

func sendTo(t testing.TB, c *sqs.Client, url, group, body string) *sqs.SendMessageOutput {
	t.Helper()
	out, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body, MessageGroupId: &group})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// take receives up to n messages and returns their bodies as well.
func take(t testing.TB, c *sqs.Client, url string, n int32) (got []types.Message, bodies []string) {
	t.Helper()
	out, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: n, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range out.Messages {
		bodies = append(bodies, *m.Body)
	}
	return out.Messages, bodies
}

func wantBodies(t testing.TB, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("received %q, want %q", got, want)
	}
}

func visibility(t testing.TB, c *sqs.Client, url string, m types.Message, seconds int32) error {
	t.Helper()
	_, err := c.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: seconds})
	return err
}

func TestGroupsAreInOrder(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Service, d *db.DB, c *sqs.Client) {
		url := createFIFO(t, c, "q.fifo", map[string]string{"VisibilityTimeout": "30"})
		for _, m := range []string{"a1", "b1", "a2", "a3", "c1", "b2"} {
			sendTo(t, c, url, m[:1], m)
			time.Sleep(time.Millisecond)
		}
		// One receive takes what it can of a group, and goes on with the next.
		first, bodies := take(t, c, url, 4)
		wantBodies(t, bodies, "a1", "a2", "a3", "b1")
		// A group with a message in flight yields nothing more; others do.
		_, bodies = take(t, c, url, 10)
		wantBodies(t, bodies, "c1")
		wantCounts(t, c, url, "1", "5", "0")
		sendTo(t, c, url, "a", "a4")
		_, bodies = take(t, c, url, 10)
		wantBodies(t, bodies)
		// Deleting the one in front lets the next out, not before.
		remove(t, c, url, first[3])
		_, bodies = take(t, c, url, 10)
		wantBodies(t, bodies, "b2")
		remove(t, c, url, first[0])
		remove(t, c, url, first[2])
		_, bodies = take(t, c, url, 10)
		wantBodies(t, bodies)
		remove(t, c, url, first[1])
		_, bodies = take(t, c, url, 10)
		wantBodies(t, bodies, "a4")
		// All come back in order when their time is up: those longest due first.
		time.Sleep(31 * time.Second)
		_, bodies = take(t, c, url, 10)
		wantBodies(t, bodies, "c1", "b2", "a4")
	})
}

func TestOneMessageOfAGroupBecomesVisible(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Service, d *db.DB, c *sqs.Client) {
		url := createFIFO(t, c, "q.fifo", map[string]string{"VisibilityTimeout": "30"})
		for _, m := range []string{"1", "2", "3"} {
			sendTo(t, c, url, "g", m)
		}
		got, _ := take(t, c, url, 10)
		// The second again: the first holds it back.
		if err := visibility(t, c, url, got[1], 0); err != nil {
			t.Fatal(err)
		}
		_, bodies := take(t, c, url, 10)
		wantBodies(t, bodies)
		// The first again: both come, the third is still in flight.
		if err := visibility(t, c, url, got[0], 0); err != nil {
			t.Fatal(err)
		}
		again, bodies := take(t, c, url, 10)
		wantBodies(t, bodies, "1", "2")
		// Handles whose lease has ended are refused, by AWS's word.
		for _, err := range []error{visibility(t, c, url, got[0], 5), func() error {
			_, err := c.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: got[0].ReceiptHandle})
			return err
		}()} {
			wantCode(t, err, "InvalidParameterValue")
			if err != nil && !strings.Contains(err.Error(), *got[0].ReceiptHandle+" for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.") {
				t.Errorf("err = %v", err)
			}
		}
		out, err := c.DeleteMessageBatch(t.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: []types.DeleteMessageBatchRequestEntry{
			{Id: aws.String("old"), ReceiptHandle: got[1].ReceiptHandle}, {Id: aws.String("new"), ReceiptHandle: again[0].ReceiptHandle}, {Id: aws.String("junk"), ReceiptHandle: aws.String("x")}}})
		if err != nil || len(out.Successful) != 1 || *out.Successful[0].Id != "new" || len(out.Failed) != 2 {
			t.Errorf("%+v %v", out, err)
		}
		remove(t, c, url, again[0]) // twice is as good as once
		time.Sleep(30 * time.Second)
		_, bodies = take(t, c, url, 10)
		wantBodies(t, bodies, "2", "3")
	})
}

func TestDuplicatesAreAnsweredAndNotDelivered(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Service, d *db.DB, c *sqs.Client) {
		url := createFIFO(t, c, "q.fifo", nil)
		first := sendTo(t, c, url, "g", "x")
		if n := *first.SequenceNumber; len(n) != 20 {
			t.Errorf("SequenceNumber = %s", n)
		}
		time.Sleep(4*time.Minute + 59*time.Second)
		if again := sendTo(t, c, url, "other", "x"); *again.MessageId != *first.MessageId || *again.SequenceNumber != *first.SequenceNumber {
			t.Errorf("duplicate = %+v, want %+v", again, first)
		}
		got, bodies := take(t, c, url, 10)
		wantBodies(t, bodies, "x")
		if a := got[0].Attributes; a["SequenceNumber"] != *first.SequenceNumber || a["MessageGroupId"] != "g" || a["MessageDeduplicationId"] != contentID("x") {
			t.Errorf("attributes = %v", a)
		}
		remove(t, c, url, got[0])
		sendTo(t, c, url, "g", "x") // deleted, but not forgotten
		_, bodies = take(t, c, url, 10)
		wantBodies(t, bodies)
		// The duplicates did not prolong the five minutes.
		time.Sleep(time.Second)
		if later := sendTo(t, c, url, "g", "x"); *later.MessageId == *first.MessageId || *later.SequenceNumber <= *first.SequenceNumber {
			t.Errorf("after five minutes: %+v", later)
		}
		// An id of the sender's goes before the content's, also within a batch.
		out, err := c.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: []types.SendMessageBatchRequestEntry{
			{Id: aws.String("1"), MessageBody: aws.String("y"), MessageGroupId: aws.String("g"), MessageDeduplicationId: aws.String("d")},
			{Id: aws.String("2"), MessageBody: aws.String("z"), MessageGroupId: aws.String("g"), MessageDeduplicationId: aws.String("d")},
			{Id: aws.String("3"), MessageBody: aws.String("y"), MessageGroupId: aws.String("g"), MessageDeduplicationId: aws.String("e")},
		}})
		if err != nil || len(out.Successful) != 3 || *out.Successful[0].MessageId != *out.Successful[1].MessageId || *out.Successful[0].SequenceNumber >= *out.Successful[2].SequenceNumber {
			t.Fatalf("%+v %v", out, err)
		}
		wantCounts(t, c, url, "3", "0", "0")
		if err := s.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		sendTo(t, c, url, "g", "x")
		wantCounts(t, c, url, "3", "0", "0")
		time.Sleep(dedupInterval)
		if err := s.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		var left int
		if err := d.Read().QueryRow("SELECT count(*) FROM sqs_dedup").Scan(&left); err != nil || left != 0 {
			t.Errorf("%d old deduplication ids are kept, %v", left, err)
		}
	})
}

func TestDeduplicationPerGroup(t *testing.T) {
	c := httpClient(t)
	url := createFIFO(t, c, "q.fifo", map[string]string{"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"})
	a, b := sendTo(t, c, url, "a", "x"), sendTo(t, c, url, "b", "x")
	if *a.MessageId == *b.MessageId || *sendTo(t, c, url, "a", "x").MessageId != *a.MessageId {
		t.Error("duplicates are not told by group")
	}
	// A purged queue has forgotten all.
	if _, err := c.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: &url}); err != nil {
		t.Fatal(err)
	}
	if *sendTo(t, c, url, "a", "x").MessageId == *a.MessageId {
		t.Error("remembered after the purge")
	}
}

func TestQueuesDelayHoldsGroupsBack(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Service, d *db.DB, c *sqs.Client) {
		url := createFIFO(t, c, "q.fifo", map[string]string{"DelaySeconds": "10"})
		sendTo(t, c, url, "g", "1")
		time.Sleep(4 * time.Second)
		sendTo(t, c, url, "g", "2")
		wantCounts(t, c, url, "0", "0", "2")
		start := time.Now()
		m := one(t, c, url, 20)
		if time.Since(start) != 6*time.Second || *m.Body != "1" {
			t.Errorf("%s after %v", *m.Body, time.Since(start))
		}
		time.Sleep(5 * time.Second)
		_, bodies := take(t, c, url, 10)
		wantBodies(t, bodies) // due, but behind one in flight
		start = time.Now()
		time.AfterFunc(3*time.Second, func() { remove(t, c, url, m) })
		if m := one(t, c, url, 20); time.Since(start) != 3*time.Second || *m.Body != "2" {
			t.Errorf("%s after %v", *m.Body, time.Since(start))
		}
	})
}

func TestDeadLettersOfFIFOQueues(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Service, d *db.DB, c *sqs.Client) {
		dlq := createFIFO(t, c, "dead.fifo", nil)
		redrive := map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead.fifo","maxReceiveCount":1}`, "VisibilityTimeout": "5"}
		url := createFIFO(t, c, "q.fifo", redrive)
		for _, m := range []string{"a1", "a2", "b1", "a3"} {
			sendTo(t, c, url, m[:1], m)
		}
		got, bodies := take(t, c, url, 3)
		wantBodies(t, bodies, "a1", "a2", "a3")
		remove(t, c, url, got[1])
		time.Sleep(5 * time.Second)
		sendTo(t, c, url, "a", "a4")
		_, bodies = take(t, c, url, 10)
		wantBodies(t, bodies, "b1", "a4")
		dead, bodies := take(t, c, dlq, 10)
		wantBodies(t, bodies, "a1", "a3")
		if a := dead[0].Attributes; *dead[0].MessageId != *got[0].MessageId || a["ApproximateReceiveCount"] != "2" || a["MessageGroupId"] != "a" ||
			a["MessageDeduplicationId"] != contentID("a1") || !strings.HasSuffix(a["DeadLetterQueueSourceArn"], ":q.fifo") {
			t.Errorf("dead letter = %+v", dead[0])
		}
		wantCounts(t, c, url, "0", "2", "0")
		wantCounts(t, c, dlq, "0", "2", "0")
		// Both are of one kind.
		plain := create(t, c, "plain", nil)
		_, err := c.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &plain, Attributes: redrive})
		wantCode(t, err, "InvalidParameterValue")
		redrive["RedrivePolicy"] = strings.Replace(redrive["RedrivePolicy"], "dead.fifo", "plain", 1)
		_, err = c.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: redrive})
		wantCode(t, err, "InvalidParameterValue")
	})
}

func TestGroupsGoOnWhenTheirFirstExpires(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Service, d *db.DB, c *sqs.Client) {
		url := createFIFO(t, c, "q.fifo", map[string]string{"MessageRetentionPeriod": "60", "VisibilityTimeout": "600"})
		sendTo(t, c, url, "a", "a1")
		take(t, c, url, 1)
		sendTo(t, c, url, "b", "b1")
		time.Sleep(40 * time.Second)
		sendTo(t, c, url, "a", "a2")
		sendTo(t, c, url, "b", "b2")
		time.Sleep(20 * time.Second)
		_, bodies := take(t, c, url, 1)
		wantBodies(t, bodies, "b2") // b1 has expired, in front of it
		done := make(chan []types.Message)
		go func() { done <- receive(t, c, url, 20) }()
		time.Sleep(time.Second)
		if err := s.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := <-done; len(got) != 1 || *got[0].Body != "a2" {
			t.Errorf("received %v", got)
		}
		if n := groupRows(t, d); n != 2 {
			t.Errorf("%d groups, want 2", n)
		}
		time.Sleep(60 * time.Second)
		if err := s.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := groupRows(t, d); n != 0 {
			t.Errorf("%d groups of no messages", n)
		}
	})
}

func groupRows(t testing.TB, d *db.DB) (n int) {
	t.Helper()
	if err := d.Read().QueryRow("SELECT count(*) FROM sqs_groups").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAReceiveCanBeTriedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Service, d *db.DB, c *sqs.Client) {
		url := createFIFO(t, c, "q.fifo", map[string]string{"VisibilityTimeout": "30"})
		for _, m := range []string{"1", "2", "3"} {
			sendTo(t, c, url, "g", m)
		}
		try := func(attempt string) []types.Message {
			out, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 2, ReceiveRequestAttemptId: &attempt,
				MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"}})
			if err != nil {
				t.Fatal(err)
			}
			return out.Messages
		}
		first := try("a")
		time.Sleep(20 * time.Second)
		again := try("a")
		if len(first) != 2 || len(again) != 2 || *again[1].ReceiptHandle != *first[1].ReceiptHandle || *again[0].Body != "1" || again[0].Attributes["ApproximateReceiveCount"] != "1" {
			t.Fatalf("%+v, then %+v", first, again)
		}
		if got := try("b"); len(got) != 0 {
			t.Errorf("another attempt got %+v", got)
		}
		// The second try began the visibility anew.
		time.Sleep(20 * time.Second)
		remove(t, c, url, first[0])
		if got := try("a"); len(got) != 0 {
			t.Errorf("after a delete: %+v", got)
		}
		time.Sleep(10 * time.Second)
		if got := try("a"); len(got) != 2 || *got[0].Body != "2" || got[0].Attributes["ApproximateReceiveCount"] != "2" {
			t.Errorf("after the visibility: %+v", got)
		}
		time.Sleep(dedupInterval)
		if err := s.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(s.byName("q.fifo").attempts.byID); n != 0 {
			t.Errorf("%d attempts are remembered", n)
		}
	})
}

func TestFIFORefusals(t *testing.T) {
	c := httpClient(t)
	ctx := t.Context()
	url := create(t, c, "q.fifo", map[string]string{"FifoQueue": "True"})
	if a := attrs(t, c, url); a["FifoQueue"] != "true" || a["ContentBasedDeduplication"] != "false" || a["DeduplicationScope"] != "queue" || a["FifoThroughputLimit"] != "perQueue" {
		t.Errorf("attributes = %v", a)
	}
	plain := create(t, c, "plain", nil)
	set := func(url, k, v string) *sqs.SetQueueAttributesInput {
		return &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{k: v}}
	}
	in := func(group, dedup *string, delay int32) *sqs.SendMessageInput {
		return &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageGroupId: group, MessageDeduplicationId: dedup, DelaySeconds: delay}
	}
	g := aws.String("g")
	for _, tc := range []struct {
		name, code, text string
		err              error
	}{
		{"no group", "MissingParameter", "The request must contain the parameter MessageGroupId.", call(c.SendMessage(ctx, in(nil, g, 0)))},
		{"no dedup", "InvalidParameterValue", "either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly", call(c.SendMessage(ctx, in(g, nil, 0)))},
		{"group", "InvalidParameterValue", "Value a b for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length.", call(c.SendMessage(ctx, in(aws.String("a b"), g, 0)))},
		{"dedup", "InvalidParameterValue", "for parameter MessageDeduplicationId is invalid.", call(c.SendMessage(ctx, in(g, aws.String(strings.Repeat("x", 129)), 0)))},
		{"delay", "InvalidParameterValue", "Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type.", call(c.SendMessage(ctx, in(g, g, 2)))},
		{"batch", "InvalidParameterValue", "The request must contain the parameter MessageGroupId.", call(c.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: []types.SendMessageBatchRequestEntry{
			{Id: aws.String("1"), MessageBody: g, MessageGroupId: g, MessageDeduplicationId: g}, {Id: aws.String("2"), MessageBody: g}}}))},
		{"kind", "InvalidAttributeValue", "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.", call(c.SetQueueAttributes(ctx, set(url, "FifoQueue", "false")))},
		{"scope", "InvalidAttributeValue", "DeduplicationScope", call(c.SetQueueAttributes(ctx, set(url, "DeduplicationScope", "all")))},
		{"limit without scope", "InvalidAttributeValue", "FifoThroughputLimit", call(c.SetQueueAttributes(ctx, set(url, "FifoThroughputLimit", "perMessageGroupId")))},
		{"standard", "InvalidAttributeName", "Unknown Attribute FifoQueue.", call(c.SetQueueAttributes(ctx, set(plain, "FifoQueue", "true")))},
		{"standard scope", "InvalidAttributeName", "You can specify the DeduplicationScope only when FifoQueue is set to true.", call(c.SetQueueAttributes(ctx, set(plain, "DeduplicationScope", "queue")))},
		{"attempt", "InvalidParameterValue", "ReceiveRequestAttemptId", call(c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &plain, ReceiveRequestAttemptId: g}))},
	} {
		wantCode(t, tc.err, tc.code)
		if tc.err != nil && !strings.Contains(tc.err.Error(), tc.text) {
			t.Errorf("%s: %v, want %q", tc.name, tc.err, tc.text)
		}
	}
	if err := call(c.SetQueueAttributes(ctx, set(url, "FifoQueue", "true"))); err != nil {
		t.Error(err)
	}
	if err := call(c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, ReceiveRequestAttemptId: g})); err != nil {
		t.Error(err)
	}
	wantCounts(t, c, url, "0", "0", "0")
	// A standard queue takes a group, for fair queues, and shows it.
	sendTo(t, c, plain, "tenant", "x")
	if m := one(t, c, plain, 0); m.Attributes["MessageGroupId"] != "tenant" || m.Attributes["SequenceNumber"] != "" {
		t.Errorf("attributes = %v", m.Attributes)
	}
}

// call is the error of an operation.
func call[T any](_ T, err error) error { return err }

func TestManyReceiversKeepTheOrder(t *testing.T) {
	// Groups are worked on by many at once, each group by one at a time: what each group
	// was sent arrives whole and in order.
	s, d := open(t, t.TempDir(), Options{})
	c := client(serve(t, s), nil)
	url := createFIFO(t, c, "q.fifo", nil)
	const groups, each = 8, 25
	var wg sync.WaitGroup
	for g := range groups {
		wg.Go(func() {
			for i := range each {
				if _, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(fmt.Sprintf("%d-%d", g, i)), MessageGroupId: aws.String(fmt.Sprint(g))}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	var mu sync.Mutex
	next := map[int]int{}
	total := 0
	ctx, stop := context.WithTimeout(t.Context(), 60*time.Second)
	defer stop()
	for range 6 {
		wg.Go(func() {
			for ctx.Err() == nil {
				out, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 3, WaitTimeSeconds: 20})
				if err != nil {
					if !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
					return
				}
				for _, m := range out.Messages {
					var g, i int
					fmt.Sscanf(*m.Body, "%d-%d", &g, &i)
					mu.Lock()
					if next[g] != i {
						t.Errorf("group %d: %d, want %d", g, i, next[g])
					}
					next[g]++
					total++
					done := total == groups*each
					mu.Unlock()
					if _, err := c.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
						t.Error(err)
					}
					if done {
						stop()
					}
				}
			}
		})
	}
	wg.Wait()
	if total != groups*each {
		t.Errorf("received %d of %d", total, groups*each)
	}
	if n := groupRows(t, d); n != 0 {
		t.Errorf("%d groups of no messages", n)
	}
}

func TestReceivingFromGroupsIsAnIndexSeek(t *testing.T) {
	_, d := open(t, t.TempDir(), Options{})
	for query, args := range map[string][]any{
		selectDueGroups: {1, 2, 0, 0, 10}, selectNextGroup: {1, 2}, selectGrouped: {1, 2, 3, 4}, selectHead: {1, 2}, selectGroup: {1, "g"},
		selectDedup: {1, "", "x"}, selectLease: {1, 2}, newStatements().deleteGrouped: padded([]any{int64(1)}, nil),
		deleteOldDedups: {1}, deleteSomeDedups: {1}, deleteSomeGroups: {1},
	} {
		for _, detail := range plan(t, d, query, args) {
			if strings.Contains(detail, "SCAN") || strings.Contains(detail, "TEMP B-TREE") {
				t.Errorf("%s\n%s", query, detail)
			}
		}
	}
}

func TestEnqueueToFIFO(t *testing.T) {
	s, d := open(t, t.TempDir(), Options{})
	c := client(serve(t, s), nil)
	url := create(t, c, "q.fifo", map[string]string{"FifoQueue": "true"})
	arn := attrs(t, c, url)["QueueArn"]
	enqueue := func(m Outbound) error {
		return d.Update(t.Context(), func(tx *db.Tx) error { return s.EnqueueTx(tx, arn, m) })
	}
	for range 2 {
		if err := enqueue(Outbound{Body: "b", GroupID: "g", DedupID: "d"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := enqueue(Outbound{Body: "b", DedupID: "d"}); err == nil {
		t.Error("taken without a group")
	}
	got, bodies := take(t, c, url, 10)
	wantBodies(t, bodies, "b")
	if a := got[0].Attributes; a["MessageGroupId"] != "g" || a["MessageDeduplicationId"] != "d" {
		b, _ := json.Marshal(a)
		t.Errorf("attributes = %s", b)
	}
}
