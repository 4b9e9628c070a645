package e2e

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/tintype/tintype/internal/testimages"
)

// TestAWSCLI is the walk through the system by hand, with the AWS CLI alone: what
// provision does, an upload, the message in the queue, the notification it holds.
func TestAWSCLI(t *testing.T) {
	t.Parallel()
	bin, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("the AWS CLI is not installed: pip install awscli")
	}
	s := newSystem(t)
	s.startEndpoint()
	aws := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(bin, append([]string{"--endpoint-url", "http://" + s.endpointAddr, "--output", "text"}, args...)...)
		cmd.Env = append(s.env, "AWS_PAGER=")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("aws %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	refused := func(want string, args ...string) {
		t.Helper()
		cmd := exec.Command(bin, append([]string{"--endpoint-url", "http://" + s.endpointAddr}, args...)...)
		cmd.Env = s.env
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), want) {
			t.Errorf("aws %s: %v, want %q in\n%s", strings.Join(args, " "), err, want, out)
		}
	}

	url := aws("sqs", "create-queue", "--queue-name", "ImageApp")
	queueARN := aws("sqs", "get-queue-attributes", "--queue-url", url, "--attribute-names", "QueueArn", "--query", "Attributes.QueueArn")
	topicARN := aws("sns", "create-topic", "--name", "uploadnotification")
	aws("s3", "mb", "s3://tintype-uploads")
	aws("s3", "mb", "s3://tintype-results")
	notification := `{"TopicConfigurations":[{"TopicArn":"` + topicARN + `","Events":["s3:ObjectCreated:*"]}]}`

	// Without the topic policy S3 may not publish, and AWS says so when it is configured.
	refused("Unable to validate the following destination configurations", "s3api", "put-bucket-notification-configuration", "--bucket", "tintype-uploads", "--notification-configuration", notification)
	aws("sns", "set-topic-attributes", "--topic-arn", topicARN, "--attribute-name", "Policy", "--attribute-value",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"SNS:Publish","Resource":"`+topicARN+`","Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::tintype-uploads"},"StringEquals":{"aws:SourceAccount":"000000000000"}}}]}`)
	aws("sqs", "set-queue-attributes", "--queue-url", url, "--attributes",
		`{"Policy":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"sns.amazonaws.com\"},\"Action\":\"sqs:SendMessage\",\"Resource\":\"`+queueARN+`\",\"Condition\":{\"ArnEquals\":{\"aws:SourceArn\":\"`+topicARN+`\"}}}]}"}`)
	aws("sns", "subscribe", "--topic-arn", topicARN, "--protocol", "sqs", "--notification-endpoint", queueARN)
	aws("s3api", "put-bucket-notification-configuration", "--bucket", "tintype-uploads", "--notification-configuration", notification)
	if got := aws("s3api", "get-bucket-notification-configuration", "--bucket", "tintype-uploads"); !strings.Contains(got, topicARN) {
		t.Errorf("the notification configuration is %s", got)
	}

	photo := writeFile(t, "a cat.jpg", testimages.Photo())
	aws("s3", "cp", photo, "s3://tintype-uploads/a cat.jpg")
	if got := aws("s3", "ls", "s3://tintype-uploads/"); !strings.Contains(got, "a cat.jpg") {
		t.Errorf("ls prints %s", got)
	}
	var bodies string
	for range 2 { // s3:TestEvent and the upload's
		bodies += aws("sqs", "receive-message", "--queue-url", url, "--wait-time-seconds", "5", "--max-number-of-messages", "10", "--query", "Messages[].Body")
	}
	for _, want := range []string{"s3:TestEvent", "ObjectCreated:Put", "a+cat.jpg", `\"arn\":\"arn:aws:s3:::tintype-uploads\"`} {
		if !strings.Contains(bodies, want) {
			t.Errorf("%s is not in the messages:\n%s", want, bodies)
		}
	}

	// A wrong secret is refused by each service.
	s.env = append(s.env, "AWS_SECRET_ACCESS_KEY=guess")
	refused("SignatureDoesNotMatch", "s3api", "list-objects-v2", "--bucket", "tintype-uploads")
	refused("SignatureDoesNotMatch", "s3api", "get-bucket-notification-configuration", "--bucket", "tintype-uploads")
	refused("SignatureDoesNotMatch", "sqs", "list-queues")
	refused("SignatureDoesNotMatch", "sns", "list-topics")
}

// TestBoto3 drives the endpoint by Python's SDK, as many users' scripts do.
func TestBoto3(t *testing.T) {
	t.Parallel()
	if err := exec.Command("python3", "-c", "import boto3").Run(); err != nil {
		t.Skip("boto3 is not installed: pip install boto3")
	}
	s := newSystem(t)
	s.startEndpoint()
	s.provision()
	s.startApp()
	cmd := exec.Command("python3", "-c", boto3Tour, "http://"+s.endpointAddr, writeFile(t, "in.jpg", testimages.Photo()))
	cmd.Env = s.env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

const boto3Tour = `
import boto3, json, sys, urllib.request
url, photo = sys.argv[1:]
s3, sqs, sns = (boto3.client(x, endpoint_url=url) for x in ("s3", "sqs", "sns"))

queue = sqs.create_queue(QueueName="heard")["QueueUrl"]
arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
topic = [t["TopicArn"] for t in sns.list_topics()["Topics"] if t["TopicArn"].endswith(":processingnotification")][0]
sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [{
    "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn,
    "Condition": {"ArnEquals": {"aws:SourceArn": topic}}}]})})
sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

s3.upload_file(photo, "tintype-uploads", "py/ä cat.jpg", ExtraArgs={"Metadata": {"tintype-params": json.dumps({"tint": "#3355ff"})}})
for _ in range(10):
    got = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20).get("Messages", [])
    if got:
        break
envelope = json.loads(got[0]["Body"])
assert envelope["Type"] == "Notification" and envelope["TopicArn"] == topic, envelope
done = json.loads(envelope["Message"])
manifest = done["manifest"]
assert manifest["status"] == "done" and manifest["source"]["key"] == "py/ä cat.jpg" and manifest["params"]["tint"] == "#3355ff", done
sqs.delete_message(QueueUrl=queue, ReceiptHandle=got[0]["ReceiptHandle"])
for o in manifest["outputs"]:
    link = s3.generate_presigned_url("get_object", Params={"Bucket": "tintype-results", "Key": o["key"]}, ExpiresIn=60)
    assert len(urllib.request.urlopen(link).read()) == o["bytes"], o
try:
    s3.get_object(Bucket="tintype-results", Key="no/such")
    raise SystemExit("a missing key was found")
except s3.exceptions.NoSuchKey:
    pass
try:
    sqs.get_queue_url(QueueName="no-such")
    raise SystemExit("a missing queue was found")
except sqs.exceptions.QueueDoesNotExist:
    pass
fifo = sqs.create_queue(QueueName="q.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
for i in range(4):
    sqs.send_message(QueueUrl=fifo, MessageBody=str(i), MessageGroupId="g", MessageDeduplicationId=str(i % 3))
order = [m["Body"] for m in sqs.receive_message(QueueUrl=fifo, MaxNumberOfMessages=10).get("Messages", [])]
if order != ["0", "1", "2"]:
    raise SystemExit("a FIFO queue gave %s" % order)
`
