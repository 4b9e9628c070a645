package console_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func (e *env) receive(queue string) []sqstypes.Message {
	e.t.Helper()
	out, err := e.sqs.ReceiveMessage(e.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: aws.String(e.queueURL(queue)), MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"}})
	e.check(err)
	return out.Messages
}

func TestMessagesAreSentAndDeleted(t *testing.T) {
	e := start(t)
	e.queue("q", nil)
	e.did("/queues/q/send", url.Values{"body": {"a\r\nb " + evil}, "attributes": {"kind=image\r\n size = 5=5 \r\n"}})
	e.did("/queues/q/send", url.Values{"body": {"later"}, "delay": {"900"}})
	e.shows("/queues/q?did=sent", "The message was sent.", "delayed")
	got := e.receive("q")
	if len(got) != 1 || *got[0].Body != "a\nb "+evil || *got[0].MessageAttributes["kind"].StringValue != "image" || *got[0].MessageAttributes["size"].StringValue != "5=5" {
		t.Fatalf("%+v", got)
	}
	for _, form := range []url.Values{
		{"body": {""}}, {"body": {"a"}, "delay": {"901"}}, {"body": {"a"}, "delay": {"x"}}, {"body": {"a"}, "attributes": {"no value"}},
		{"body": {strings.Repeat("x", 1<<20+1)}}, {"body": {"\x00"}},
	} {
		if resp, body := e.post("/queues/q/send", form); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%.40v: %s\n%.500s", form, resp.Status, body)
		}
	}
	if resp, _ := e.post("/queues/q/send", url.Values{"body": {strings.Repeat("%", 4<<20)}}); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a form that is too large: %s", resp.Status)
	}
	if resp, _ := e.post("/queues/none/send", url.Values{"body": {"a"}}); resp.StatusCode != http.StatusNotFound {
		t.Errorf("a queue that is not there: %s", resp.Status)
	}
	link := messageLink.FindString(e.shows("/queues/q"))
	e.did(link+"/delete", url.Values{})
	if resp, _ := e.post(link+"/delete", url.Values{}); !strings.HasSuffix(resp.Header.Get("Location"), "did=gone") {
		t.Errorf("deleted twice: %v", resp.Header)
	}
	e.shows("/queues/q", "since the start: 2 in, 1 received, 1 deleted")
	e.did("/queues/q/purge", url.Values{})
	e.shows("/queues/q?did=purged", "The queue was purged.", "The queue is empty.")
	if body := e.shows("/queues/q?did=<script>"); strings.Contains(body, `id="note"`) {
		t.Error("an address made the page say something")
	}
}

func TestMessagesArePublished(t *testing.T) {
	e := start(t)
	e.topic("t", nil)
	e.open("all", nil)
	e.open("some", nil)
	e.subscribe("t", "sqs", queueARN("all"), map[string]string{"RawMessageDelivery": "true"})
	e.subscribe("t", "sqs", queueARN("some"), map[string]string{"FilterPolicy": `{"kind":["image"]}`})
	e.did("/topics/t/publish", url.Values{"body": {"plain"}, "subject": {"S"}})
	e.did("/topics/t/publish", url.Values{"body": {"image"}, "attributes": {"kind=image"}})
	if all, some := e.receive("all"), e.receive("some"); len(all) != 2 || len(some) != 1 || !strings.Contains(*some[0].Body, `"image"`) {
		t.Errorf("%d and %d messages", len(all), len(some))
	}
	if resp, body := e.post("/topics/t/publish", url.Values{"body": {""}}); resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, "InvalidParameter") {
		t.Errorf("an empty message: %s\n%s", resp.Status, body)
	}
	if resp, _ := e.post("/topics/none/publish", url.Values{"body": {"a"}}); resp.StatusCode != http.StatusNotFound {
		t.Errorf("a topic that is not there: %s", resp.Status)
	}
}

func TestMailsAreDeleted(t *testing.T) {
	e := start(t)
	e.topic("t", nil)
	mails := func(n int) (ids []string) {
		e.until(fmt.Sprintf("%d mails are there", n), func() bool {
			ids = nil
			for _, m := range regexp.MustCompile(`data-key="m(\d+)"`).FindAllStringSubmatch(e.shows("/inbox"), -1) {
				ids = append(ids, m[1])
			}
			return len(ids) == n
		})
		return ids
	}
	for i := range 3 {
		e.subscribe("t", "email", fmt.Sprintf("m%d@example.com", i), nil)
	}
	ids := mails(3)
	e.did("/inbox/"+ids[1]+"/delete", url.Values{})
	mails(2)
	if resp, _ := e.post("/inbox/"+ids[1]+"/delete", url.Values{}); resp.StatusCode != http.StatusNotFound {
		t.Errorf("deleted twice: %s", resp.Status)
	}
	// What came in after the page was made stays.
	e.did("/inbox/delete", url.Values{"last": {ids[1]}})
	if left := mails(1); left[0] != ids[0] {
		t.Errorf("mail %s is left, want %s", left[0], ids[0])
	}
	if resp, _ := e.post("/inbox/delete", url.Values{}); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a form that says nothing: %s", resp.Status)
	}
}

func TestVersionsAreListed(t *testing.T) {
	e := start(t)
	e.bucket("bucket")
	_, err := e.s3.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{Bucket: aws.String("bucket"), VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}})
	e.check(err)
	e.put("bucket", "k", []byte("first"), "text/plain")
	e.put("bucket", "k", []byte("second"), "text/plain")
	e.put("bucket", "k2", []byte("another"), "text/plain")
	e.shows("/buckets/bucket", "Enabled")
	body := e.shows("/buckets/bucket/object?key=k", "Versions", "latest")
	links := regexp.MustCompile(`\?key=k&amp;version=([^"]+)`).FindAllStringSubmatch(body, -1)
	if len(links) != 2 {
		t.Fatalf("%d versions:\n%s", len(links), body)
	}
	if _, got := e.get("/buckets/bucket/download?key=k&version=" + links[1][1]); got != "first" {
		t.Errorf("the first version is %q", got)
	}
	_, err = e.s3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("bucket"), Key: aws.String("k")})
	e.check(err)
	e.shows("/buckets/bucket/object?key=k", "The latest version is a delete marker", "delete marker")
	e.shows("/buckets/bucket/object?key=k&version="+links[0][1], "text/plain")
}

func TestFIFOQueuesAndTopics(t *testing.T) {
	e := start(t)
	e.open("q.fifo", map[string]string{"FifoQueue": "true"})
	e.topic("t.fifo", map[string]string{"FifoTopic": "true"})
	e.subscribe("t.fifo", "sqs", queueARN("q.fifo"), nil)
	e.shows("/queues/q.fifo", "MessageGroupId", "MessageDeduplicationId")
	e.shows("/topics/t.fifo", "MessageGroupId")
	e.did("/queues/q.fifo/send", url.Values{"body": {"a"}, "group": {"g"}, "deduplication": {"1"}})
	e.did("/topics/t.fifo/publish", url.Values{"body": {"b"}, "group": {"g"}, "deduplication": {"2"}})
	if resp, _ := e.post("/queues/q.fifo/send", url.Values{"body": {"c"}, "deduplication": {"3"}}); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("without a group: %s", resp.Status)
	}
	body := e.shows("/queues/q.fifo", "group g", "since the start: 2 in")
	links := messageLink.FindAllString(body, -1)
	// The first of a group may be deleted while it is in flight; the next one follows.
	if got := e.receive("q.fifo"); len(got) != 2 || *got[0].Body != "a" {
		t.Fatalf("%+v", got)
	}
	e.did(links[0]+"/delete", url.Values{})
	e.shows("/queues/q.fifo", "since the start: 2 in, 2 received, 1 deleted")
}

func TestDeadLettersAreMoved(t *testing.T) {
	e := start(t)
	e.pipeline()
	e.queue("elsewhere", nil)
	for i := range 40 {
		e.send("ImageApp-dlq", fmt.Sprint(i))
	}
	path := "/queues/ImageApp-dlq"
	e.shows(path, "Redrive the dead letters")
	e.did(path+"/redrive", url.Values{"to": {"elsewhere"}, "rate": {"1"}})
	running := e.shows(path, "RUNNING", "to elsewhere", "Cancel the move")
	if resp, body := e.post(path+"/redrive", url.Values{}); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a second move at a time: %s\n%s", resp.Status, body)
	}
	task := regexp.MustCompile(`name="task" value="([^"]+)"`).FindStringSubmatch(running)
	if task == nil {
		t.Fatal("no task to be cancelled")
	}
	e.did(path+"/redrive-stop", url.Values{"task": {html.UnescapeString(task[1])}})
	e.until("the move is cancelled", func() bool { return strings.Contains(e.shows(path), ">CANCELLED<") })
	e.did(path+"/redrive", url.Values{"to": {"elsewhere"}})
	e.until("the rest is moved", func() bool { return strings.Contains(e.shows(path), ">COMPLETED<") })
	e.shows("/queues/elsewhere", `<dd data-flash>40</dd>`)
	for _, form := range []url.Values{{"to": {"none"}}, {"to": {"ImageApp-dlq"}}, {"rate": {"x"}}, {"rate": {"501"}}} {
		if resp, _ := e.post(path+"/redrive", form); resp.StatusCode != http.StatusBadRequest && resp.StatusCode != http.StatusNotFound {
			t.Errorf("%v: %s", form, resp.Status)
		}
	}
	if body := e.shows("/queues/elsewhere"); strings.Contains(body, "Redrive") {
		t.Error("a queue that is nobody's dead-letter queue offers a redrive")
	}
}

func TestEventBridgeIsShownForWhatItIs(t *testing.T) {
	e := start(t)
	e.bucket("bucket")
	_, err := e.s3.PutBucketNotificationConfiguration(t.Context(), &s3.PutBucketNotificationConfigurationInput{Bucket: aws.String("bucket"), NotificationConfiguration: &types.NotificationConfiguration{EventBridgeConfiguration: &types.EventBridgeConfiguration{}}})
	e.check(err)
	for _, path := range []string{"/", "/buckets/bucket"} {
		e.shows(path, "Amazon EventBridge", "there is no EventBridge here")
	}
}
