package sqs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/tintype/tintype/internal/localaws/db"
	"github.com/tintype/tintype/internal/localaws/policy"
)

func TestQueuesAreMadeFoundAndDeleted(t *testing.T) {
	c := httpClient(t)
	ctx := t.Context()
	url := create(t, c, "ImageApp", map[string]string{"VisibilityTimeout": "40"})
	if !strings.HasSuffix(url, "/000000000000/ImageApp") {
		t.Errorf("url = %s", url)
	}
	if again := create(t, c, "ImageApp", map[string]string{"VisibilityTimeout": "40", "DelaySeconds": "0"}); again != url {
		t.Errorf("again = %s", again)
	}
	if again := create(t, c, "ImageApp", nil); again != url {
		t.Errorf("again = %s", again)
	}
	_, err := c.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("ImageApp"), Attributes: map[string]string{"VisibilityTimeout": "41"}})
	var exists *types.QueueNameExists
	if !errors.As(err, &exists) {
		t.Errorf("conflict: %v", err)
	}
	got, err := c.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("ImageApp")})
	if err != nil || *got.QueueUrl != url {
		t.Errorf("%v %v", got, err)
	}
	for i := range 5 {
		create(t, c, fmt.Sprint("p", i), nil)
	}
	var listed []string
	pages := 0
	for p := sqs.NewListQueuesPaginator(c, &sqs.ListQueuesInput{QueueNamePrefix: aws.String("p"), MaxResults: aws.Int32(2)}); p.HasMorePages(); pages++ {
		out, err := p.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range out.QueueUrls {
			listed = append(listed, u[strings.LastIndexByte(u, '/')+1:])
		}
	}
	if pages != 3 || !slices.Equal(listed, []string{"p0", "p1", "p2", "p3", "p4"}) {
		t.Errorf("%d pages: %v", pages, listed)
	}
	// The host does not matter, the name does.
	if _, err := c.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: aws.String("https://elsewhere:1/000000000000/p0")}); err != nil {
		t.Fatal(err)
	}
	_, err = c.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("p0")})
	var gone *types.QueueDoesNotExist
	if !errors.As(err, &gone) {
		t.Errorf("deleted queue: %v", err)
	}
}

func TestAttributes(t *testing.T) {
	c := httpClient(t)
	url := create(t, c, "q", nil)
	a := attrs(t, c, url)
	want := map[string]string{
		"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesDelayed": "0", "ApproximateNumberOfMessagesNotVisible": "0",
		"DelaySeconds": "0", "MaximumMessageSize": "1048576", "MessageRetentionPeriod": "345600", "ReceiveMessageWaitTimeSeconds": "0",
		"VisibilityTimeout": "30", "SqsManagedSseEnabled": "true", "QueueArn": "arn:aws:sqs:us-east-1:000000000000:q",
		"CreatedTimestamp": a["CreatedTimestamp"], "LastModifiedTimestamp": a["LastModifiedTimestamp"],
	}
	if !maps.Equal(a, want) || len(a["CreatedTimestamp"]) != 10 {
		t.Errorf("attributes = %v", a)
	}
	set := map[string]string{"DelaySeconds": "5", "Policy": `{"Statement":[]}`, "KmsMasterKeyId": "k", "ReceiveMessageWaitTimeSeconds": "20"}
	if _, err := c.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: set}); err != nil {
		t.Fatal(err)
	}
	a = attrs(t, c, url)
	for k, v := range set {
		if a[k] != v {
			t.Errorf("%s = %q, want %q", k, a[k], v)
		}
	}
	if _, err := c.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"Policy": ""}}); err != nil {
		t.Fatal(err)
	}
	if v, ok := attrs(t, c, url)["Policy"]; ok {
		t.Errorf("Policy = %q after it was taken away", v)
	}
}

// The trace of a request becomes its message's, unless that has its own.
func TestATraceGoesOn(t *testing.T) {
	c := httpClient(t)
	url := create(t, c, "q", nil)
	traced := func(o *sqs.Options) {
		o.APIOptions = append(o.APIOptions, smithyhttp.AddHeaderValue("X-Amzn-Trace-Id", "Root=2"))
	}
	own := map[string]types.MessageSystemAttributeValue{"AWSTraceHeader": {DataType: aws.String("String"), StringValue: aws.String("Root=1")}}
	for want, system := range map[string]map[string]types.MessageSystemAttributeValue{"Root=1": own, "Root=2": nil} {
		if _, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageSystemAttributes: system}, traced); err != nil {
			t.Fatal(err)
		}
		if got := one(t, c, url, 10).Attributes["AWSTraceHeader"]; got != want {
			t.Errorf("trace %q, want %q", got, want)
		}
	}
}

func TestAMessageArrivesWhole(t *testing.T) {
	c := httpClient(t)
	ctx := t.Context()
	url := create(t, c, "q", nil)
	body := "line\r\n\t<&\"é日本🎈\u2028"
	// The digest is one that AWS computed.
	attr := map[string]types.MessageAttributeValue{
		"timestamp": {DataType: aws.String("Number"), StringValue: aws.String("1493147359900")},
	}
	sent, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body, MessageAttributes: attr,
		MessageSystemAttributes: map[string]types.MessageSystemAttributeValue{"AWSTraceHeader": {DataType: aws.String("String"), StringValue: aws.String("Root=1")}}})
	if err != nil {
		t.Fatal(err)
	}
	if *sent.MD5OfMessageAttributes != "235c5c510d26fb653d073faed50ae77c" || sent.MD5OfMessageSystemAttributes == nil {
		t.Errorf("digests = %+v", sent)
	}
	wantCounts(t, c, url, "1", "0", "0")
	m := one(t, c, url, 0)
	wantCounts(t, c, url, "0", "1", "0")
	if *m.Body != body || *m.MessageId != *sent.MessageId || *m.MD5OfBody != *sent.MD5OfMessageBody || *m.MD5OfMessageAttributes != *sent.MD5OfMessageAttributes {
		t.Errorf("message = %+v", m)
	}
	if a := m.Attributes; a["ApproximateReceiveCount"] != "1" || a["SenderId"] != "AIDTEST" || a["AWSTraceHeader"] != "Root=1" ||
		len(a["SentTimestamp"]) != 13 || a["ApproximateFirstReceiveTimestamp"] < a["SentTimestamp"] {
		t.Errorf("system attributes = %v", a)
	}
	if v := m.MessageAttributes["timestamp"]; *v.StringValue != "1493147359900" || *v.DataType != "Number" {
		t.Errorf("attributes = %v", m.MessageAttributes)
	}
	remove(t, c, url, m)
	remove(t, c, url, m) // again: it is gone, which is what was asked for
	wantCounts(t, c, url, "0", "0", "0")
}

func TestOnlyTheAttributesAskedForAreAnswered(t *testing.T) {
	c := httpClient(t)
	url := create(t, c, "q", map[string]string{"VisibilityTimeout": "0"})
	a := map[string]types.MessageAttributeValue{}
	for _, n := range []string{"a", "a.b", "a.c", "other"} {
		a[n] = types.MessageAttributeValue{DataType: aws.String("Binary"), BinaryValue: []byte{0, 255}}
	}
	if _, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageAttributes: a}); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		names, want []string
	}{
		{nil, nil}, {[]string{"nope"}, nil}, {[]string{"a"}, []string{"a"}}, {[]string{"a.*"}, []string{"a", "a.b", "a.c"}},
		{[]string{".*"}, []string{"a", "a.b", "a.c", "other"}}, {[]string{"other", "a.c"}, []string{"a.c", "other"}},
	} {
		out, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MessageAttributeNames: tc.names})
		if err != nil || len(out.Messages) != 1 {
			t.Fatal(out, err)
		}
		m := out.Messages[0]
		got, want := slices.Sorted(maps.Keys(m.MessageAttributes)), tc.want
		if !slices.Equal(got, want) || m.Attributes != nil || (m.MD5OfMessageAttributes == nil) != (len(want) == 0) {
			t.Errorf("%v: got %v, want %v", tc.names, got, want)
		}
	}
}

func TestBatches(t *testing.T) {
	c := httpClient(t)
	ctx := t.Context()
	url := create(t, c, "q", map[string]string{"MaximumMessageSize": "1024", "DelaySeconds": "900"})
	sent, err := c.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: []types.SendMessageBatchRequestEntry{
		{Id: aws.String("good"), MessageBody: aws.String("x")},
		{Id: aws.String("empty"), MessageBody: aws.String("")},
		{Id: aws.String("long"), MessageBody: aws.String(strings.Repeat("x", 1025))},
		{Id: aws.String("chars"), MessageBody: aws.String("a\x00b")},
		{Id: aws.String("delay"), MessageBody: aws.String("x"), DelaySeconds: 901},
	}})
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]string{}
	for _, f := range sent.Failed {
		codes[*f.Id] = *f.Code
		if !f.SenderFault || *f.Message == "" {
			t.Errorf("failed = %+v", f)
		}
	}
	want := map[string]string{"empty": "MissingParameter", "long": "InvalidParameterValue", "chars": "InvalidMessageContents", "delay": "InvalidParameterValue"}
	if !maps.Equal(codes, want) || len(sent.Successful) != 1 || *sent.Successful[0].Id != "good" {
		t.Errorf("failed = %v, successful = %v", codes, sent.Successful)
	}
	wantCounts(t, c, url, "0", "0", "1")

	url = create(t, c, "r", nil)
	in := &sqs.SendMessageBatchInput{QueueUrl: &url}
	for i := range 10 {
		in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), MessageBody: aws.String(fmt.Sprint("body", i))})
	}
	if _, err := c.SendMessageBatch(ctx, in); err != nil {
		t.Fatal(err)
	}
	got := receive(t, c, url, 0)
	if len(got) != 10 {
		t.Fatalf("received %d", len(got))
	}
	del := &sqs.DeleteMessageBatchInput{QueueUrl: &url}
	vis := &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &url}
	for i, m := range got {
		if *m.Body != fmt.Sprint("body", i) {
			t.Errorf("message %d = %s", i, *m.Body)
		}
		id := aws.String(fmt.Sprint(i))
		if i < 6 {
			del.Entries = append(del.Entries, types.DeleteMessageBatchRequestEntry{Id: id, ReceiptHandle: m.ReceiptHandle})
		} else {
			vis.Entries = append(vis.Entries, types.ChangeMessageVisibilityBatchRequestEntry{Id: id, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: int32(i-6) * 10})
		}
	}
	del.Entries = append(del.Entries, types.DeleteMessageBatchRequestEntry{Id: aws.String("forged"), ReceiptHandle: aws.String("AAAA")})
	dout, err := c.DeleteMessageBatch(ctx, del)
	if err != nil || len(dout.Successful) != 6 || len(dout.Failed) != 1 || *dout.Failed[0].Code != "ReceiptHandleIsInvalid" {
		t.Errorf("%+v %v", dout, err)
	}
	vis.Entries = append(vis.Entries, types.ChangeMessageVisibilityBatchRequestEntry{Id: aws.String("deleted"), ReceiptHandle: got[0].ReceiptHandle, VisibilityTimeout: 5})
	vout, err := c.ChangeMessageVisibilityBatch(ctx, vis)
	if err != nil || len(vout.Successful) != 4 || len(vout.Failed) != 1 || *vout.Failed[0].Id != "deleted" {
		t.Fatalf("%+v %v", vout, err)
	}
	if f := vout.Failed[0]; *f.Code != "ReceiptHandleIsInvalid" || *f.Message != messageGone || !f.SenderFault {
		t.Errorf("a deleted message fails with %s: %s", *f.Code, *f.Message)
	}
	wantCounts(t, c, url, "1", "3", "0")
}

func TestExplicitZerosOverrideTheQueue(t *testing.T) {
	s, _ := open(t, t.TempDir(), Options{})
	base := serve(t, s)
	c := client(base, nil)
	url := create(t, c, "q", map[string]string{"DelaySeconds": "900", "VisibilityTimeout": "900", "ReceiveMessageWaitTimeSeconds": "20"})
	// The SDK drops zeros; other clients send them.
	post(t, base, "AmazonSQS.SendMessage", `{"QueueUrl":"`+url+`","MessageBody":"a","DelaySeconds":0}`, 200, "MessageId")
	post(t, base, "AmazonSQS.SendMessageBatch", `{"QueueUrl":"`+url+`","Entries":[{"Id":"1","MessageBody":"b","DelaySeconds":0},{"Id":"2","MessageBody":"c"}]}`, 200, "Successful")
	wantCounts(t, c, url, "2", "0", "1")
	for range 2 {
		post(t, base, "AmazonSQS.ReceiveMessage", `{"QueueUrl":"`+url+`","MaxNumberOfMessages":10,"VisibilityTimeout":0}`, 200, `"Body":"b"`)
	}
	wantCounts(t, c, url, "2", "0", "1")
	receive(t, c, url, 0)
	// An explicit 0 must not wait for the queue's 20 seconds: the client would give up.
	post(t, base, "AmazonSQS.ReceiveMessage", `{"QueueUrl":"`+url+`","WaitTimeSeconds":0}`, 200, `{}`)
}

func TestRefusals(t *testing.T) {
	s, _ := open(t, t.TempDir(), Options{})
	c := client(serve(t, s), nil)
	ctx := t.Context()
	url := create(t, c, "q", nil)
	other := create(t, c, "other", nil)
	send(t, c, other, "x")
	foreign := one(t, c, other, 0).ReceiptHandle
	attr := func(n, typ, v string) *sqs.SendMessageInput {
		return &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageAttributes: map[string]types.MessageAttributeValue{n: {DataType: &typ, StringValue: &v}}}
	}
	entries := func(ids ...string) *sqs.SendMessageBatchInput {
		in := &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: []types.SendMessageBatchRequestEntry{}}
		for _, id := range ids {
			in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: aws.String(id), MessageBody: aws.String("x")})
		}
		return in
	}
	half := strings.Repeat("x", 600_000)
	for _, tc := range []struct {
		name, code string
		call       any
	}{
		{"no such queue", "AWS.SimpleQueueService.NonExistentQueue", &sqs.PurgeQueueInput{QueueUrl: aws.String("http://x/000000000000/none")}},
		{"queue name", "InvalidParameterValue", &sqs.CreateQueueInput{QueueName: aws.String("a b")}},
		{"long queue name", "InvalidParameterValue", &sqs.CreateQueueInput{QueueName: aws.String(strings.Repeat("a", 81))}},
		{"FIFO name without attribute", "InvalidParameterValue", &sqs.CreateQueueInput{QueueName: aws.String("a.fifo")}},
		{"FIFO attribute without name", "InvalidParameterValue", &sqs.CreateQueueInput{QueueName: aws.String("a"), Attributes: map[string]string{"FifoQueue": "true"}}},
		{"move from nowhere", "ResourceNotFoundException", &sqs.StartMessageMoveTaskInput{SourceArn: aws.String("a")}},
		{"unknown attribute", "InvalidAttributeName", &sqs.CreateQueueInput{QueueName: aws.String("a"), Attributes: map[string]string{"Colour": "red"}}},
		{"unknown attribute asked", "InvalidAttributeName", &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"Colour"}}},
		{"attribute range", "InvalidAttributeValue", &sqs.CreateQueueInput{QueueName: aws.String("a"), Attributes: map[string]string{"VisibilityTimeout": "43201"}}},
		{"attribute sign", "InvalidAttributeValue", &sqs.CreateQueueInput{QueueName: aws.String("a"), Attributes: map[string]string{"VisibilityTimeout": "+1"}}},
		{"attribute empty", "InvalidAttributeValue", &sqs.CreateQueueInput{QueueName: aws.String("a"), Attributes: map[string]string{"VisibilityTimeout": ""}}},
		{"policy", "InvalidAttributeValue", &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"Policy": "{"}}},
		{"redrive junk", "InvalidParameterValue", &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"RedrivePolicy": "[]"}}},
		{"redrive count", "InvalidParameterValue", &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:other","maxReceiveCount":1001}`}}},
		{"redrive target", "InvalidParameterValue", &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:none","maxReceiveCount":"5"}`}}},
		{"bad body", "InvalidMessageContents", &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("\uffff")}},
		{"empty body", "MissingParameter", &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("")}},
		{"too large", "InvalidParameterValue", &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(strings.Repeat("x", maxMessageSize+1))}},
		{"deduplication", "InvalidParameterValue", &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageDeduplicationId: aws.String("1")}},
		{"attribute name", "InvalidParameterValue", attr("AWS.x", "String", "v")},
		{"attribute name periods", "InvalidParameterValue", attr("a..b", "String", "v")},
		{"attribute type", "InvalidParameterValue", attr("a", "Text", "v")},
		{"attribute empty value", "InvalidParameterValue", attr("a", "String", "")},
		{"attribute number", "InvalidParameterValue", attr("a", "Number", "ten")},
		{"system attribute", "InvalidParameterValue", &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageSystemAttributes: map[string]types.MessageSystemAttributeValue{"SenderId": {DataType: aws.String("String"), StringValue: aws.String("v")}}}},
		{"empty batch", "AWS.SimpleQueueService.EmptyBatchRequest", entries()},
		{"batch of 11", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", entries(strings.Fields("1 2 3 4 5 6 7 8 9 10 11")...)},
		{"batch ids", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", entries("a", "a")},
		{"batch id", "AWS.SimpleQueueService.InvalidBatchEntryId", entries("a b")},
		{"batch size", "AWS.SimpleQueueService.BatchRequestTooLong", &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: []types.SendMessageBatchRequestEntry{{Id: aws.String("a"), MessageBody: &half}, {Id: aws.String("b"), MessageBody: &half}}}},
		{"11 messages", "InvalidParameterValue", &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 11}},
		{"long wait", "InvalidParameterValue", &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 21}},
		{"long visibility", "InvalidParameterValue", &sqs.ReceiveMessageInput{QueueUrl: &url, VisibilityTimeout: 43201}},
		{"system attribute asked", "InvalidAttributeName", &sqs.ReceiveMessageInput{QueueUrl: &url, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"Colour"}}},
		{"forged handle", "ReceiptHandleIsInvalid", &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: aws.String(strings.Repeat("A", 48))}},
		{"another queue's handle", "ReceiptHandleIsInvalid", &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: foreign}},
		{"visibility", "InvalidParameterValue", &sqs.ChangeMessageVisibilityInput{QueueUrl: &other, ReceiptHandle: foreign, VisibilityTimeout: -1}},
		{"tags", "InvalidParameterValue", &sqs.TagQueueInput{QueueUrl: &url, Tags: map[string]string{"": "x"}}},
		{"permission", "InvalidParameterValue", &sqs.RemovePermissionInput{QueueUrl: &url, Label: aws.String("none")}},
		{"token", "InvalidParameterValue", &sqs.ListQueuesInput{NextToken: aws.String("!")}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var err error
			switch in := tc.call.(type) {
			case *sqs.PurgeQueueInput:
				_, err = c.PurgeQueue(ctx, in)
			case *sqs.CreateQueueInput:
				_, err = c.CreateQueue(ctx, in)
			case *sqs.StartMessageMoveTaskInput:
				_, err = c.StartMessageMoveTask(ctx, in)
			case *sqs.GetQueueAttributesInput:
				_, err = c.GetQueueAttributes(ctx, in)
			case *sqs.SetQueueAttributesInput:
				_, err = c.SetQueueAttributes(ctx, in)
			case *sqs.SendMessageInput:
				_, err = c.SendMessage(ctx, in)
			case *sqs.SendMessageBatchInput:
				_, err = c.SendMessageBatch(ctx, in)
			case *sqs.ReceiveMessageInput:
				_, err = c.ReceiveMessage(ctx, in)
			case *sqs.DeleteMessageInput:
				_, err = c.DeleteMessage(ctx, in)
			case *sqs.ChangeMessageVisibilityInput:
				_, err = c.ChangeMessageVisibility(ctx, in)
			case *sqs.TagQueueInput:
				_, err = c.TagQueue(ctx, in)
			case *sqs.RemovePermissionInput:
				_, err = c.RemovePermission(ctx, in)
			case *sqs.ListQueuesInput:
				_, err = c.ListQueues(ctx, in)
			}
			wantCode(t, err, tc.code)
		})
	}
	wantCounts(t, c, url, "0", "0", "0")
}

func TestTheLargestMessageAndBatchFit(t *testing.T) {
	c := httpClient(t)
	url := create(t, c, "q", nil)
	send(t, c, url, strings.Repeat("x", maxMessageSize))
	if m := one(t, c, url, 0); len(*m.Body) != maxMessageSize {
		t.Errorf("received %d bytes", len(*m.Body))
	}
	half := strings.Repeat("é", maxBatchSize/4)
	out, err := c.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: []types.SendMessageBatchRequestEntry{{Id: aws.String("a"), MessageBody: &half}, {Id: aws.String("b"), MessageBody: &half}}})
	if err != nil || len(out.Successful) != 2 {
		t.Errorf("%+v %v", out, err)
	}
}

func TestTagsAndPermissions(t *testing.T) {
	c := httpClient(t)
	ctx := t.Context()
	made, err := c.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("q"), Tags: map[string]string{"a": "0", "c": "3"}})
	if err != nil {
		t.Fatal(err)
	}
	url := *made.QueueUrl
	if _, err := c.TagQueue(ctx, &sqs.TagQueueInput{QueueUrl: &url, Tags: map[string]string{"a": "1", "b": "2"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UntagQueue(ctx, &sqs.UntagQueueInput{QueueUrl: &url, TagKeys: []string{"a", "none"}}); err != nil {
		t.Fatal(err)
	}
	tags, err := c.ListQueueTags(ctx, &sqs.ListQueueTagsInput{QueueUrl: &url})
	if err != nil || !maps.Equal(tags.Tags, map[string]string{"b": "2", "c": "3"}) {
		t.Errorf("%v %v", tags, err)
	}
	add := &sqs.AddPermissionInput{QueueUrl: &url, Label: aws.String("l"), AWSAccountIds: []string{"111111111111"}, Actions: []string{"SendMessage"}}
	if _, err := c.AddPermission(ctx, add); err != nil {
		t.Fatal(err)
	}
	if p := attrs(t, c, url)["Policy"]; !strings.Contains(p, `"SQS:SendMessage"`) || !strings.Contains(p, "arn:aws:iam::111111111111:root") {
		t.Errorf("policy = %s", p)
	}
	_, err = c.AddPermission(ctx, add)
	wantCode(t, err, "InvalidParameterValue")
	if _, err := c.RemovePermission(ctx, &sqs.RemovePermissionInput{QueueUrl: &url, Label: aws.String("l")}); err != nil {
		t.Fatal(err)
	}
	if p, ok := attrs(t, c, url)["Policy"]; ok {
		t.Errorf("policy = %s", p)
	}
}

func TestThePolicyDecidesWhichServicesMaySend(t *testing.T) {
	s, _ := open(t, t.TempDir(), Options{Policy: policy.Allows})
	c := client(serve(t, s), nil)
	url := create(t, c, "q", nil)
	arn := attrs(t, c, url)["QueueArn"]
	const topic = "arn:aws:sns:us-east-1:000000000000:t"
	if !s.Exists(arn) || s.Exists(arn+"2") || s.Exists("") {
		t.Error("which queues exist was not told")
	}
	if s.Allows(arn, "sns.amazonaws.com", topic, account) || s.Allows("arn:aws:sqs:us-east-1:000000000000:none", "sns.amazonaws.com", topic, account) {
		t.Error("allowed without a policy")
	}
	doc := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"` + arn + `","Condition":{"ArnEquals":{"aws:SourceArn":"` + topic + `"}}}]}`
	if _, err := c.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"Policy": doc}}); err != nil {
		t.Fatal(err)
	}
	if !s.Allows(arn, "sns.amazonaws.com", topic, account) {
		t.Error("not allowed by the policy")
	}
	if s.Allows(arn, "sns.amazonaws.com", topic+"2", account) || s.Allows(arn, "s3.amazonaws.com", topic, account) {
		t.Error("allowed against the policy")
	}
}

func TestEnqueueTxIsAsAtomicAsItsTransaction(t *testing.T) {
	s, d := open(t, t.TempDir(), Options{})
	c := client(serve(t, s), nil)
	url := create(t, c, "q", nil)
	boom := errors.New("boom")
	err := d.Update(t.Context(), func(tx *db.Tx) error {
		if err := s.EnqueueTx(tx, "arn:aws:sqs:us-east-1:000000000000:q", Outbound{Body: "never"}); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatal(err)
	}
	wantCounts(t, c, url, "0", "0", "0")
	err = d.Update(t.Context(), func(tx *db.Tx) error {
		return s.EnqueueTx(tx, "arn:aws:sqs:us-east-1:000000000000:q", Outbound{Body: "b", Sender: "SNS",
			Attributes: map[string]types.MessageAttributeValue{"a": {DataType: aws.String("String"), StringValue: aws.String("v")}}})
	})
	if err != nil {
		t.Fatal(err)
	}
	if m := one(t, c, url, 0); *m.Body != "b" || m.Attributes["SenderId"] != "SNS" || *m.MessageAttributes["a"].StringValue != "v" {
		t.Errorf("message = %+v", m)
	}
	for _, arn := range []string{"", "arn:aws:sqs:us-east-1:000000000000:none", "arn:aws:sqs:eu-west-1:000000000000:q"} {
		if err := d.Update(t.Context(), func(tx *db.Tx) error { return s.EnqueueTx(tx, arn, Outbound{Body: "b"}) }); !isNoQueue(err) {
			t.Errorf("%q: %v", arn, err)
		}
	}
}

func TestEverythingSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	s, d := open(t, dir, Options{})
	c := client(serve(t, s), nil)
	dlq := create(t, c, "dlq", nil)
	url := create(t, c, "q", map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dlq","maxReceiveCount":3}`})
	send(t, c, url, "leased")
	held := one(t, c, url, 0)
	send(t, c, url, "waiting")
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}

	s, _ = open(t, dir, Options{})
	c = client(serve(t, s), nil)
	wantCounts(t, c, url, "1", "1", "0")
	if a := attrs(t, c, url)["RedrivePolicy"]; !strings.Contains(a, "dlq") {
		t.Errorf("RedrivePolicy = %q", a)
	}
	out, err := c.ListDeadLetterSourceQueues(t.Context(), &sqs.ListDeadLetterSourceQueuesInput{QueueUrl: &dlq})
	if err != nil || len(out.QueueUrls) != 1 || !strings.HasSuffix(out.QueueUrls[0], "/q") {
		t.Errorf("%v %v", out, err)
	}
	remove(t, c, url, held)
	wantCounts(t, c, url, "1", "0", "0")
	if m := one(t, c, url, 0); *m.Body != "waiting" {
		t.Errorf("body = %s", *m.Body)
	}
}

func TestPurgedAndDeletedMessagesGo(t *testing.T) {
	var logged bytes.Buffer
	s, d := open(t, t.TempDir(), Options{Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	c := client(serve(t, s), nil)
	url := create(t, c, "q", nil)
	for i := range 30 {
		send(t, c, url, fmt.Sprint(i))
	}
	held := receive(t, c, url, 0)
	if _, err := c.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: &url}); err != nil {
		t.Fatal(err)
	}
	wantCounts(t, c, url, "0", "0", "0")
	remove(t, c, url, held[0])
	send(t, c, url, "after")
	wantCounts(t, c, url, "1", "0", "0")
	if m := one(t, c, url, 0); *m.Body != "after" {
		t.Errorf("received %q", *m.Body)
	}
	if _, err := c.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: &url}); err != nil {
		t.Fatal(err)
	}
	// A queue of the same name is another queue.
	url = create(t, c, "q", nil)
	wantCounts(t, c, url, "0", "0", "0")
	_, err := c.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: held[0].ReceiptHandle})
	wantCode(t, err, "ReceiptHandleIsInvalid")

	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	eventually(t, "the old messages were swept", func() bool {
		var rows int
		err := d.Read().QueryRow("SELECT (SELECT count(*) FROM sqs_messages) + (SELECT count(*) FROM sqs_bodies) + (SELECT count(*) FROM sqs_packs) + (SELECT count(*) FROM sqs_spools WHERE dead = 1)").Scan(&rows)
		return err == nil && rows == 0
	})
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if !strings.Contains(logged.String(), `msg="queue purged"`) {
		t.Errorf("log = %s", logged.String())
	}
}

func TestReceivingIsAnIndexSeek(t *testing.T) {
	_, d := open(t, t.TempDir(), Options{})
	for _, query := range []struct {
		sql  string
		args []any
	}{
		{selectDue, []any{1, 2, 10}}, {selectNext, []any{1, 2}}, {countInvisible, []any{1, 2}}, {countDelayed, []any{1, 2}},
		{newStatements().deleteSingles, padded([]any{int64(1)}, nil)}, {newStatements().lease, padded([]any{1, 2, 3}, nil)},
		{selectRow, []any{1, 2}}, {deleteRow, []any{1, 2, 3}}, {freePack, []any{1, 2}}, {shortenRow, []any{1, 2, 3}}, {copyRow, []any{1, 2, 3, 4}},
	} {
		for _, detail := range plan(t, d, query.sql, query.args) {
			if strings.Contains(detail, "SCAN") || strings.Contains(detail, "TEMP B-TREE") {
				t.Errorf("%s\n%s", query.sql, detail)
			}
		}
	}
}

// plan is SQLite's for a query, a line per step.
func plan(t *testing.T, d *db.DB, query string, args []any) (steps []string) {
	t.Helper()
	rows, err := d.Read().Query("EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, x int
		var detail string
		if err := rows.Scan(&id, &parent, &x, &detail); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, detail)
	}
	if err := rows.Err(); err != nil || len(steps) == 0 {
		t.Fatalf("%s: no plan: %v", query, err)
	}
	return steps
}
