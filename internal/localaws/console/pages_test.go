package console_test

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func TestPagesShowWhatIsThere(t *testing.T) {
	e := start(t)
	e.shows("/", "Nothing flows yet")
	e.pipeline()
	e.put("tintype-uploads", "uploads/a b.png", picture(), "image/png")
	e.put("tintype-uploads", "uploads/2026/c.png", picture(), "image/png")
	_, err := e.s3.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: aws.String("tintype-uploads"), Policy: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Sid":"ReadByAll","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:root"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::tintype-uploads/*"}]}`)})
	e.check(err)
	_, err = e.sqs.TagQueue(t.Context(), &sqs.TagQueueInput{QueueUrl: aws.String(e.queueURL("ImageApp")), Tags: map[string]string{"team": "imaging"}})
	e.check(err)
	for path, wants := range map[string][]string{
		"/": {
			"tintype-uploads", "ObjectCreated:*", "uploads/*", "uploadnotification", `href="/queues/ImageApp"`, "ImageApp-dlq", "after 5 receives",
			"anna@example.com", "waits for confirmation", "tintype-web", "<b data-flash>3</b> queues", "Subscription Confirmation",
		},
		"/buckets":                    {`href="/buckets/tintype-uploads"`, "ObjectRemoved:*", "completednotification"},
		"/buckets?q=results":          {"tintype-results"},
		"/buckets/tintype-uploads":    {"s3:ObjectCreated:*", "<bdi>uploads/</bdi>", `href="/topics/uploadnotification"`, "ReadByAll", "off"},
		"/topics":                     {"uploadnotification", "Uploads", "1 to be confirmed"},
		"/topics/uploadnotification":  {"ImageApp", "confirmed", "anna@example.com", "waits for confirmation", "s3.amazonaws.com", `href="/buckets/tintype-uploads"`},
		"/queues":                     {"ImageApp", "dead letters"},
		"/queues/ImageApp":            {"VisibilityTimeout", "2 min", "maxReceiveCount", "sns.amazonaws.com", "team", "ObjectCreated:Put tintype-uploads/uploads/a b.png", `href="/queues/ImageApp-dlq"`},
		"/queues/ImageApp-dlq":        {"dead-letter queue", `href="/queues/ImageApp"`, "14 days", "The queue is empty."},
		"/queues/tintype-web":         {"s3:TestEvent"},
		"/inbox":                      {"Subscription Confirmation", "anna@example.com", "kept here"},
		"/inbox?to=nobody@nowhere.io": {"No mails."},
		"/inbox/1":                    {"Action=ConfirmSubscription", `rel="noopener noreferrer nofollow"`},
		"/inbox/1/raw":                {"MIME-Version: 1.0", "To: <anna@example.com>"},
		"/static/console.css":         {"prefers-color-scheme: dark"},
		"/static/morph.js":            {"export function morph"},
	} {
		body := e.shows(path, wants...)
		if !strings.HasPrefix(body, "<!doctype html>") {
			continue
		}
		if foreign := regexp.MustCompile(`(?:src|href|action)="(?:https?:)?//[^"]*`).FindString(strings.ReplaceAll(body, e.srv.URL+"/?Action", "")); foreign != "" && !strings.Contains(foreign, e.srv.URL) {
			t.Errorf("%s asks another server: %s", path, foreign)
		}
		if inline := regexp.MustCompile(`<script>|<style|\sstyle=|\son\w+=`).FindString(body); inline != "" {
			t.Errorf("%s has inline code: %s", path, inline)
		}
	}
}

// TestTheFlowTellsWhatIsBroken shows why an event does not arrive.
func TestTheFlowTellsWhatIsBroken(t *testing.T) {
	e := start(t)
	e.topic("t", nil)
	e.bucket("bucket", told("t", "", "s3:ObjectCreated:*"))
	e.queue("closed", nil)
	e.subscribe("t", "sqs", queueARN("closed"), nil)
	e.subscribe("t", "sqs", queueARN("missing"), nil)
	e.shows("/", "The queue&#39;s policy does not let SNS send.", "There is no such queue.")
	_, err := e.sns.SetTopicAttributes(t.Context(), &sns.SetTopicAttributesInput{TopicArn: aws.String(topicARN("t")), AttributeName: aws.String("Policy"), AttributeValue: aws.String(
		allow("events.amazonaws.com", "SNS:Publish", topicARN("t")))})
	e.check(err)
	for _, path := range []string{"/", "/buckets/bucket"} {
		e.shows(path, "The topic&#39;s policy does not let S3 publish.")
	}
	_, err = e.sns.DeleteTopic(t.Context(), &sns.DeleteTopicInput{TopicArn: aws.String(topicARN("t"))})
	e.check(err)
	e.shows("/", "There is no such topic.")
}

func TestListsHavePages(t *testing.T) {
	e := start(t)
	for i := range 55 {
		e.queue(fmt.Sprintf("q-%02d", i), nil)
		e.topic(fmt.Sprintf("t-%02d", i), nil)
		e.bucket(fmt.Sprintf("b-%02d", i))
		e.put("b-00", fmt.Sprintf("key-%02d", i), []byte("x"), "text/plain")
		e.send("q-00", fmt.Sprintf("message %02d.", i))
		_, err := e.sns.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: aws.String(topicARN("t-00")), Protocol: aws.String("email"), Endpoint: aws.String(fmt.Sprintf("mail-%02d@example.com", i))})
		e.check(err)
	}
	next := regexp.MustCompile(`href="([^"]*)" rel="next"`)
	for path, prefix := range map[string]string{
		"/queues": `data-key="q-`, "/topics?q=T-": `data-key="arn:aws:sns:us-east-1:000000000000:t-`, "/buckets": `data-key="b-`, "/buckets/b-00": `data-key="key-`,
		"/queues/q-00?order=oldest": "<bdi>message ", "/queues/q-00?order=newest": "<bdi>message ", "/topics/t-00": "mail-",
		"/inbox": "<tr data-key=\"m",
	} {
		seen := map[string]int{}
		pages := 0
		for at := path; at != ""; pages++ {
			if pages > 5 {
				t.Fatalf("%s: the pages do not end", path)
			}
			body := e.shows(at)
			for _, found := range regexp.MustCompile(regexp.QuoteMeta(prefix)+`\w+`).FindAllString(body, -1) {
				seen[found] = pages
			}
			at = ""
			if m := next.FindStringSubmatch(body); m != nil {
				at = html.UnescapeString(m[1])
			}
		}
		if len(seen) != 55 || pages < 2 {
			t.Errorf("%s: %d entries on %d pages", path, len(seen), pages)
		}
	}
	if body := e.shows("/queues?q=Q-54"); !strings.Contains(body, `data-key="q-54"`) || strings.Contains(body, `data-key="q-53"`) {
		t.Error("the filter does not filter")
	}
	e.shows("/", "There is more than fits")
}

func TestLookingDoesNotReceive(t *testing.T) {
	e := start(t)
	url := e.queue("q", nil)
	e.send("q", `{"a":[1,true,null,"<b>"]}`)
	body := e.shows("/queues/q", `<span class="k">&#34;a&#34;</span>`, `<span class="n">1</span>`, `<span class="w">null</span>`)
	link := messageLink.FindString(body)
	for range 3 {
		e.shows(link, "0×")
		e.shows("/queues/q?order=hidden", "No message is in flight or delayed.")
		if resp, body := e.get(link + "/body"); body != `{"a":[1,true,null,"<b>"]}` || !strings.HasPrefix(resp.Header.Get("Content-Disposition"), "attachment") {
			t.Errorf("the body: %v %q", resp.Header, body)
		}
	}
	out, err := e.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{"All"}})
	e.check(err)
	if len(out.Messages) != 1 || out.Messages[0].Attributes["ApproximateReceiveCount"] != "1" {
		t.Fatalf("%+v", out.Messages)
	}
	e.shows(link, "in flight", "1×")
	e.shows("/queues/q?order=hidden", "in flight")
}

func TestAMessageIsUnpacked(t *testing.T) {
	e := start(t)
	e.pipeline()
	e.put("tintype-uploads", "uploads/ä b+c.png", picture(), "image/png")
	links := messageLink.FindAllString(e.shows("/queues/ImageApp?order=newest"), 1)
	if links == nil {
		t.Fatal("no message")
	}
	body := e.shows(links[0], "Message in the SNS envelope", "SNS envelope", "ObjectCreated:Put", "<bdi>tintype-uploads/uploads/ä b&#43;c.png</bdi>", "eventVersion")
	object := regexp.MustCompile(`/buckets/tintype-uploads/object\?[^"]*`).FindString(body)
	e.shows(html.UnescapeString(object), "image/png", "/preview?")
	e.shows("/queues/ImageApp-dlq", "The queue is empty.")
}

func TestScriptsReadTheInbox(t *testing.T) {
	e := start(t)
	e.topic("t", nil)
	for i := range 3 {
		e.subscribe("t", "email", fmt.Sprintf("mail-%d@example.com", i), nil)
	}
	type mail struct {
		ID                    int64
		To, From, State, Text string
		Links                 []string
	}
	var all struct {
		Mails []mail
		Next  int64
	}
	read := func(path string, into any) int {
		t.Helper()
		resp, body := e.get(path)
		if resp.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s is %s", path, resp.Header.Get("Content-Type"))
		}
		if err := json.Unmarshal([]byte(body), into); err != nil {
			t.Fatalf("%s: %v in %s", path, err, body)
		}
		return resp.StatusCode
	}
	// Mails are delivered after the subscription was answered.
	e.until("three mails are there", func() bool { read("/inbox.json", &all); return len(all.Mails) == 3 })
	last := all.Mails[0].ID
	all.Mails = nil
	read("/inbox.json?limit=2", &all)
	if len(all.Mails) != 2 || all.Next != last-1 {
		t.Fatalf("%+v", all)
	}
	all.Mails = nil
	read("/inbox.json?before="+strconv.FormatInt(all.Next, 10), &all)
	if len(all.Mails) != 1 || all.Mails[0].ID != last-2 {
		t.Errorf("%+v", all)
	}
	var one mail
	read(fmt.Sprintf("/inbox/%d.json", last), &one)
	if one.ID != last || one.State != "kept" || len(one.Links) == 0 || !strings.Contains(one.Links[0], "Action=ConfirmSubscription") {
		t.Fatalf("%+v", one)
	}
	// The link works, as a person follows it.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, one.Links[0], nil)
	e.check(err)
	req.Header.Set("Accept", "text/html")
	resp, err := e.http.Do(req)
	e.check(err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("the link: %s", resp.Status)
	}
	e.shows("/topics/t", "confirmed")
	e.shows("/inbox?to="+url.QueryEscape(strings.ToUpper(one.To)), one.To)
	var problem struct{ Error string }
	if status := read("/inbox/999.json", &problem); status != http.StatusNotFound || problem.Error == "" {
		t.Errorf("%d %+v", status, problem)
	}
}

func TestPagesHoldStillOnRequest(t *testing.T) {
	e := start(t)
	e.queue("q", nil)
	for _, path := range []string{"/", "/inbox", "/queues/q"} {
		for _, live := range []string{`http-equiv="refresh"`, "data-live"} {
			if body := e.shows(path); !strings.Contains(body, live) {
				t.Errorf("%s is not kept up to date", path)
			}
			if body := e.shows(path + "?still"); strings.Contains(body, live) {
				t.Errorf("%s?still is kept up to date", path)
			}
		}
	}
	e.shows("/queues/q?order=newest", `href="/queues/q?order=newest&amp;still=1"`)
}
