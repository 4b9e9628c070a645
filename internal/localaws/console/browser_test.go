package console_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tintype/tintype/internal/web/webtest"
)

// TestPagesInABrowser looks at every page in light and dark and at three widths, with names
// that would break out of careless pages.
func TestPagesInABrowser(t *testing.T) {
	widths := webtest.Widths
	webtest.Widths = []int64{400, 800, 1400}
	t.Cleanup(func() { webtest.Widths = widths })
	e := start(t)
	e.pipeline()
	long := strings.Repeat("a-very-long-name/", 20) + "end.png"
	for _, key := range []string{"uploads/2026/11/cat.png", "uploads/" + evil, "uploads/" + rtl, "uploads/" + long, "plain.txt"} {
		e.put("tintype-uploads", key, picture(), "image/png")
	}
	for i := range 3 {
		e.put("tintype-results", fmt.Sprintf("results/%d.png", i), picture(), "image/png")
	}
	longQueue := strings.Repeat("long-queue-name-", 5)
	e.queue(longQueue, nil)
	e.send("ImageApp-dlq", evil)
	e.send("ImageApp-dlq", strings.Repeat("x", 100_000))
	e.subscribe("completednotification", "http", "http://127.0.0.1:1/?"+url.QueryEscape(evil), map[string]string{"FilterPolicy": `{"kind":["image"],"size":[{"numeric":[">",10]}]}`})
	_, err := e.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: aws.String(e.queueURL("ImageApp")), MaxNumberOfMessages: 2})
	e.check(err)

	b := webtest.OpenAt(t, e.srv.ConsoleURL, "/", "main")
	b.Until("what is configured shows", `document.querySelectorAll('.flow .card').length >= 8`)
	first := e.shows("/queues/ImageApp")
	for name, path := range map[string]string{
		"overview": "/", "buckets": "/buckets", "bucket": "/buckets/tintype-uploads?prefix=uploads/", "object": "/buckets/tintype-uploads/object?key=uploads/2026/11/cat.png",
		"topics": "/topics", "topic": "/topics/completednotification", "queues": "/queues", "queue": "/queues/ImageApp", "dlq": "/queues/ImageApp-dlq?order=newest",
		"message": messageLink.FindString(first), "inbox": "/inbox", "mail": "/inbox/1", "problem": "/queues/none",
	} {
		b.Visit(path, "main")
		if name == "queue" || name == "dlq" {
			b.Exec(`document.querySelector('.msg').open = true`)
		}
		b.CheckWidths(name)
		b.Dark(true)
		b.CheckWidths(name + "-dark")
		b.Dark(false)
		if webtest.Eval[bool](b, `document.querySelectorAll('#live script, [onerror]').length > 0`) {
			t.Errorf("%s lets markup through", name)
		}
		if name == "problem" {
			b.Forgive("404")
		}
		b.CheckQuiet()
	}
}
