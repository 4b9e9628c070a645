package sqs

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

func TestAReceiverThatLeftGetsNothing(t *testing.T) {
	s, _ := open(t, t.TempDir(), Options{})
	c := client(serve(t, s), nil)
	url := create(t, c, "q", nil)
	q := s.byName("q")
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20})
			done <- err
		}()
		eventually(t, "the receiver waits", func() bool { return q.gate.waiting() == 1 })
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("err = %v", err)
		}
		eventually(t, "the receiver left", func() bool { return q.gate.waiting() == 0 })
	}
	send(t, c, url, "x")
	if m := one(t, c, url, 0); m.Attributes["ApproximateReceiveCount"] != "1" {
		t.Errorf("it was handed out before: %v", m.Attributes)
	}
}

func TestAReceiveNobodyHearsOfIsUndone(t *testing.T) {
	s, _ := open(t, t.TempDir(), Options{})
	c := client(serve(t, s), nil)
	url := create(t, c, "q", map[string]string{"VisibilityTimeout": "43200"})
	send(t, c, url, "x")
	q := s.byName("q")
	got, _, err := s.take(t.Context(), q, 1, time.Hour, nil)
	if err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	wantCounts(t, c, url, "0", "1", "0")
	if err := s.giveBack(q, got); err != nil {
		t.Fatal(err)
	}
	wantCounts(t, c, url, "1", "0", "0")
	if m := one(t, c, url, 0); m.Attributes["ApproximateReceiveCount"] != "1" {
		t.Errorf("attributes = %v", m.Attributes)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := s.receive(ctx, q, 1, time.Hour, 0); len(got) != 0 || !errors.Is(err, context.Canceled) && err != nil {
		t.Errorf("%v %v", got, err)
	}
}

// run runs a real client program against url, or skips the test where it is not
// installed.
func run(t *testing.T, url string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_DEFAULT_REGION=us-east-1",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_PAGER=", "ENDPOINT="+url)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestWithTheAWSCLI(t *testing.T) {
	if exec.Command("aws", "--version").Run() != nil {
		t.Skip("the aws command is not installed")
	}
	s, _ := open(t, t.TempDir(), Options{})
	base := serve(t, s)
	cli := func(args ...string) string {
		t.Helper()
		return run(t, base, "aws", append([]string{"--endpoint-url", base, "--output", "text", "sqs"}, args...)...)
	}
	url := strings.TrimSpace(cli("create-queue", "--queue-name", "cli", "--attributes", "VisibilityTimeout=7", "--query", "QueueUrl"))
	if url != base+"/000000000000/cli" {
		t.Fatalf("url = %q", url)
	}
	cli("send-message", "--queue-url", url, "--message-body", "héllo & <b>", "--delay-seconds", "0", "--message-attributes", `{"a":{"DataType":"Number","StringValue":"7"}}`)
	got := cli("receive-message", "--queue-url", url, "--attribute-names", "All", "--message-attribute-names", "All", "--wait-time-seconds", "1",
		"--query", "Messages[0].[Body, MessageAttributes.a.StringValue, Attributes.ApproximateReceiveCount, ReceiptHandle]")
	f := strings.Split(strings.TrimSpace(got), "\t")
	if len(f) != 4 || f[0] != "héllo & <b>" || f[1] != "7" || f[2] != "1" {
		t.Fatalf("received %q", got)
	}
	cli("change-message-visibility", "--queue-url", url, "--receipt-handle", f[3], "--visibility-timeout", "0")
	cli("delete-message", "--queue-url", url, "--receipt-handle", f[3])
	if n := strings.TrimSpace(cli("get-queue-attributes", "--queue-url", url, "--attribute-names", "All", "--query", "Attributes.[ApproximateNumberOfMessages, VisibilityTimeout]")); n != "0\t7" {
		t.Errorf("attributes = %q", n)
	}
	cmd := exec.CommandContext(t.Context(), "aws", "--endpoint-url", base, "sqs", "get-queue-url", "--queue-name", "none")
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_DEFAULT_REGION=us-east-1")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "AWS.SimpleQueueService.NonExistentQueue") {
		t.Errorf("%v %s", err, out)
	}
}

// boto is a short life of a queue as boto3 users write it.
const boto = `
import os, boto3
from botocore.exceptions import ClientError
r = boto3.resource("sqs", endpoint_url=os.environ["ENDPOINT"])
c = r.meta.client
assert c.list_queues().get("QueueUrls") is None
d = r.create_queue(QueueName="dlq")
q = r.create_queue(QueueName="boto", Attributes={"RedrivePolicy": '{"deadLetterTargetArn":"%s","maxReceiveCount":1}' % d.attributes["QueueArn"]}, tags={"a": "b"})
assert c.list_queue_tags(QueueUrl=q.url)["Tags"] == {"a": "b"}
assert [s.url for s in d.dead_letter_source_queues.all()] == [q.url]
out = q.send_messages(Entries=[{"Id": str(i), "MessageBody": "b%d é" % i, "MessageAttributes": {"bin": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}}} for i in range(10)])
assert len(out["Successful"]) == 10, out
ms = q.receive_messages(MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"], WaitTimeSeconds=1, VisibilityTimeout=0)
assert sorted(m.body for m in ms) == ["b%d é" % i for i in range(10)], ms
assert ms[0].message_attributes["bin"]["BinaryValue"] == b"\x00\xff"
assert q.receive_messages(WaitTimeSeconds=0) == []
dead = d.receive_messages(MaxNumberOfMessages=10, WaitTimeSeconds=1)
assert sorted(m.body for m in dead) == sorted(m.body for m in ms), dead
d.delete_messages(Entries=[{"Id": "1", "ReceiptHandle": dead[0].receipt_handle}])
q.purge()
q.reload()
assert q.attributes["ApproximateNumberOfMessages"] == "0", q.attributes
try:
    c.create_queue(QueueName="boto", Attributes={"DelaySeconds": "1"})
    assert False
except c.exceptions.QueueNameExists as e:
    assert e.response["Error"]["Code"] == "QueueAlreadyExists", e.response
try:
    c.delete_message(QueueUrl=q.url, ReceiptHandle="forged")
    assert False
except c.exceptions.ReceiptHandleIsInvalid:
    pass
q.delete()
try:
    c.get_queue_url(QueueName="boto")
    assert False
except c.exceptions.QueueDoesNotExist as e:
    assert e.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue", e.response
print("fine")
`

func TestWithBoto3(t *testing.T) {
	if exec.Command("python3", "-c", "import boto3").Run() != nil {
		t.Skip("python3 with boto3 is not installed")
	}
	s, _ := open(t, t.TempDir(), Options{})
	if out := run(t, serve(t, s), "python3", "-c", boto); strings.TrimSpace(out) != "fine" {
		t.Error(out)
	}
}

func FuzzReceiptHandle(f *testing.F) {
	s := &Service{key: []byte("key")}
	q := &queue{id: 7}
	f.Add(s.handle(receipt{7, 1, 1, 9}))
	f.Add(s.handle(receipt{8, 1, 1, 9}))
	f.Add("")
	f.Add("AAAA")
	f.Add(s.handle(receipt{7, 1, 1, 9}) + "\n")
	f.Fuzz(func(t *testing.T, h string) {
		rc, err := s.receipt(q, &h)
		if err == nil && (rc.queue != q.id || s.handle(rc) != h) {
			t.Fatalf("%q was taken for %+v", h, rc)
		}
	})
}

func TestReceiptHandlesAreTiedToKeyAndQueue(t *testing.T) {
	s, other := &Service{key: []byte("key")}, &Service{key: []byte("another")}
	want := receipt{7, 1 << 40, 3, 1 << 42}
	h := s.handle(want)
	if rc, err := s.receipt(&queue{id: 7}, &h); err != nil || rc != want {
		t.Errorf("%+v %v", rc, err)
	}
	if _, err := s.receipt(&queue{id: 8}, &h); err == nil {
		t.Error("taken for another queue")
	}
	if _, err := other.receipt(&queue{id: 7}, &h); err == nil {
		t.Error("taken under another key")
	}
	for i := range len(h) {
		b := []byte(h)
		if b[i]++; b[i] == '=' || b[i] > 'z' {
			continue
		}
		forged := string(b)
		if _, err := s.receipt(&queue{id: 7}, &forged); err == nil {
			t.Errorf("byte %d can be changed", i)
		}
	}
}
