package sqs

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/localaws/db"
)

// refused checks an error's code and a part of its text.
func refused(t testing.TB, name string, err error, code, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("%s: %v, want %q", name, err, text)
	}
	wantCode(t, err, code)
}

func TestPurgesAndNamesTakeAMinute(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Service, d *db.DB, c *sqs.Client) {
		url := create(t, c, "q", nil)
		purge := func() error { return call(c.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: &url})) }
		for range 2 {
			send(t, c, url, "x")
			if err := purge(); err != nil {
				t.Fatal("a queue cannot be purged at once:", err)
			}
			if got := receive(t, c, url, 0); len(got) != 0 {
				t.Errorf("a purged queue has %d messages", len(got))
			}
		}
		s.opts.Settle = true
		time.Sleep(59 * time.Second)
		refused(t, "purge", purge(), "AWS.SimpleQueueService.PurgeQueueInProgress", "Only one PurgeQueue operation on q is allowed every 60 seconds.")
		time.Sleep(time.Second)
		if err := purge(); err != nil {
			t.Error(err)
		}
		s.opts.Settle = false
		remake := func() error {
			if err := call(c.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: &url})); err != nil {
				t.Fatal(err)
			}
			return call(c.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("q")}))
		}
		if err := remake(); err != nil {
			t.Error("a name is not free at once:", err)
		}
		s.opts.Settle = true
		refused(t, "create", remake(), "AWS.SimpleQueueService.QueueDeletedRecently", "You must wait 60 seconds after deleting a queue before you can create another with the same name.")
		time.Sleep(time.Minute)
		create(t, c, "q", nil)
	})
}

func TestPermissionsWriteThePolicy(t *testing.T) {
	c := httpClient(t)
	url := create(t, c, "q", nil)
	add := func(label string, accounts []string, actions ...string) error {
		return call(c.AddPermission(t.Context(), &sqs.AddPermissionInput{QueueUrl: &url, Label: &label, AWSAccountIds: accounts, Actions: actions}))
	}
	one, two := []string{"111111111111"}, []string{"111111111111", "222222222222"}
	if err := add("a", one, "SendMessage"); err != nil {
		t.Fatal(err)
	}
	if err := add("b", two, "*", "ReceiveMessage"); err != nil {
		t.Fatal(err)
	}
	var got, want any
	arn := "arn:aws:sqs:us-east-1:000000000000:q"
	if err := json.Unmarshal([]byte(attrs(t, c, url)["Policy"]), &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(`{"Version":"2008-10-17","Id":"`+arn+`/SQSDefaultPolicy","Statement":[
		{"Sid":"a","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:root"},"Action":"SQS:SendMessage","Resource":"`+arn+`"},
		{"Sid":"b","Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111111111111:root","arn:aws:iam::222222222222:root"]},"Action":["SQS:*","SQS:ReceiveMessage"],"Resource":"`+arn+`"}]}`), &want); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("policy = %v\nwant %v", got, want)
	}
	refused(t, "label twice", add("a", one, "SendMessage"), "InvalidParameterValue", "Value a for parameter Label is invalid. Reason: Already exists.")
	refused(t, "label", add("a b", one, "SendMessage"), "InvalidParameterValue", "Label")
	refused(t, "owner's", add("c", one, "RemovePermission"), "InvalidParameterValue", "Value SQS:RemovePermission for parameter ActionName is invalid. Reason: Only the queue owner is allowed to invoke this action.")
	refused(t, "unknown", add("c", one, "Dance"), "InvalidParameterValue", "Value SQS:Dance for parameter ActionName is invalid.")
	refused(t, "account", add("c", []string{"1"}, "SendMessage"), "InvalidParameterValue", "for parameter PrincipalId is invalid. Reason: Unable to verify.")
	refused(t, "actions", add("c", one, "SendMessage", "SendMessage", "SendMessage", "SendMessage", "SendMessage", "SendMessage", "SendMessage", "SendMessage"), "OverLimit", "8 Actions were found, maximum allowed is 7.")
	for i := range maxStatements - 2 {
		if err := add(fmt.Sprint("s", i), one, "SendMessage"); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, "statements", add("last", one, "SendMessage"), "OverLimit", "maximum allowed is 20")
	remove := func(label string) error {
		return call(c.RemovePermission(t.Context(), &sqs.RemovePermissionInput{QueueUrl: &url, Label: &label}))
	}
	refused(t, "remove", remove("none"), "InvalidParameterValue", "Value none for parameter Label is invalid. Reason: can't find label.")
	for _, l := range []string{"a", "b"} {
		if err := remove(l); err != nil {
			t.Error(err)
		}
	}
	for i := range maxStatements - 2 {
		if err := remove(fmt.Sprint("s", i)); err != nil {
			t.Error(err)
		}
	}
	if p, ok := attrs(t, c, url)["Policy"]; ok {
		t.Errorf("Policy = %q after the last was removed", p)
	}
}

func TestMessageAttributeRefusals(t *testing.T) {
	c := httpClient(t)
	url := create(t, c, "q", map[string]string{"MaximumMessageSize": "1024"})
	try := func(name string, v types.MessageAttributeValue) error {
		return call(c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageAttributes: map[string]types.MessageAttributeValue{name: v}}))
	}
	str := func(typ, v string) types.MessageAttributeValue {
		return types.MessageAttributeValue{DataType: &typ, StringValue: &v}
	}
	for _, tc := range []struct {
		name, text string
		value      types.MessageAttributeValue
	}{
		{"ErrorDetails", "Message (user) attribute 'ErrorDetails' must contain a non-empty value of type 'String'.", str("String", "")},
		{"a§", "Attribute name can contain A-Z, a-z, 0-9, underscore (_), hyphen (-), and period (.) characters.", str("String", "v")},
		{strings.Repeat("x", 257), "must be shorter than 256 Bytes", str("String", "v")},
		{"aWs.x", "reserved", str("String", "v")},
		{".x", "start or end", str("String", "v")},
		{"a", "the set of supported type prefixes is Binary, Number, and String.", str("Text", "v")},
		{"a", "shorter than 256 Bytes", str("String."+strings.Repeat("x", 256), "v")},
		{"a", "to a number", str("Number.int", "ten")},
		{"a", "Valid unicode characters", str("String", "a\x08")},
		{"a", "list values", types.MessageAttributeValue{DataType: aws.String("String"), StringListValues: []string{"a"}}},
	} {
		err := try(tc.name, tc.value)
		code := "InvalidParameterValue"
		if strings.HasPrefix(tc.text, "list") {
			code = "AWS.SimpleQueueService.UnsupportedOperation"
		}
		refused(t, tc.name, err, code, tc.text)
	}
	for name, v := range map[string]types.MessageAttributeValue{"attr.1øßä": str("String", "v"), "n": str("Number.custom", "-1.5e3"), "b": {DataType: aws.String("Binary.png"), BinaryValue: []byte{0}}} {
		if err := try(name, v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	wantCounts(t, c, url, "3", "0", "0")
	// One is told of it in other words alone than in a batch.
	long := strings.Repeat("x", 1025)
	refused(t, "long", call(c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &long})), "InvalidParameterValue", "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes.")
	out, err := c.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: []types.SendMessageBatchRequestEntry{{Id: aws.String("1"), MessageBody: &long}}})
	if err != nil || len(out.Failed) != 1 || *out.Failed[0].Code != "InvalidParameterValue" || *out.Failed[0].Message != "One or more parameters cannot be validated. Reason: Message must be shorter than 1024 bytes." {
		t.Errorf("%+v %v", out, err)
	}
}

func TestEncryptionAttributesExcludeEachOther(t *testing.T) {
	c := httpClient(t)
	url := create(t, c, "q", nil)
	set := func(kv ...string) error {
		in := &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{}}
		for i := 0; i < len(kv); i += 2 {
			in.Attributes[kv[i]] = kv[i+1]
		}
		return call(c.SetQueueAttributes(t.Context(), in))
	}
	refused(t, "both", set("KmsMasterKeyId", "k", "SqsManagedSseEnabled", "true"), "InvalidAttributeName", "You can use one type of server-side encryption (SSE) at one time.")
	for _, step := range []struct{ set, want [6]string }{
		{[6]string{"KmsMasterKeyId", "k", "KmsDataKeyReusePeriodSeconds", "6000", "DelaySeconds", "0"}, [6]string{"KmsMasterKeyId", "k", "KmsDataKeyReusePeriodSeconds", "6000", "SqsManagedSseEnabled", "false"}},
		{[6]string{"KmsMasterKeyId", "", "KmsDataKeyReusePeriodSeconds", "300", "DelaySeconds", "0"}, [6]string{"KmsMasterKeyId", "", "KmsDataKeyReusePeriodSeconds", "", "SqsManagedSseEnabled", "false"}},
		{[6]string{"SqsManagedSseEnabled", "true", "DelaySeconds", "0", "VisibilityTimeout", "1"}, [6]string{"KmsMasterKeyId", "", "SqsManagedSseEnabled", "true", "VisibilityTimeout", "1"}},
	} {
		if err := set(step.set[:]...); err != nil {
			t.Fatal(err)
		}
		a := attrs(t, c, url)
		for i := 0; i < len(step.want); i += 2 {
			if a[step.want[i]] != step.want[i+1] {
				t.Errorf("after %v: %s = %q, want %q", step.set, step.want[i], a[step.want[i]], step.want[i+1])
			}
		}
	}
	// What is not set at all is not answered, not even as an empty map.
	out, err := c.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"Policy"}})
	if err != nil || out.Attributes != nil {
		t.Errorf("%v %v", out.Attributes, err)
	}
}

func TestMaxReceiveCountIsANumber(t *testing.T) {
	c := httpClient(t)
	create(t, c, "dlq", nil)
	set := map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"` + arnPrefix + `dlq","maxReceiveCount":"7"}`}
	url := create(t, c, "q", set)
	if p := attrs(t, c, url)["RedrivePolicy"]; p != `{"deadLetterTargetArn":"`+arnPrefix+`dlq","maxReceiveCount":7}` {
		t.Errorf("RedrivePolicy = %s", p)
	}
	create(t, c, "q", set) // the same again
}
