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
			b.Exec(`document.querySelector('.msg').open = document.querySelector('#send').open = document.querySelector('#purge').open = true`)
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

// TestLiveInABrowser watches figures change while what a reader does stays as it is.
func TestLiveInABrowser(t *testing.T) {
	e := start(t)
	e.pipeline()
	b := webtest.OpenAt(t, e.srv.ConsoleURL, "/", "main")
	b.Until("it is connected", `document.querySelector('#pulse').classList.contains('on')`)
	e.put("tintype-uploads", "uploads/a.png", picture(), "image/png")
	visible := `[...document.querySelectorAll('.card.queue')].find((c) => c.querySelector('a')?.textContent === 'ImageApp').querySelector('dd').textContent`
	b.Until("the depth of ImageApp grows", visible+` === '2'`) // the other is S3's test event
	b.Until("the sparkline shows it", `document.querySelector('.card.queue .spark .in').getAttribute('d').length > 10`)
	e.open("another-queue", nil)
	b.Until("a new queue shows", `document.body.textContent.includes('another-queue')`)
	if webtest.Eval[float64](b, `performance.getEntriesByType('navigation').length`) != 1 || webtest.Eval[bool](b, `performance.getEntriesByType('resource').some((r) => new URL(r.name).origin !== location.origin)`) {
		t.Error("the page was loaded again, or asked another server")
	}

	b.Visit("/queues/ImageApp", "main")
	b.Until("it is connected", `document.querySelector('#pulse').classList.contains('on')`)
	b.Exec(`document.querySelector('.msg').open = true; document.querySelector('#send').open = true;
		const body = document.querySelector('#send textarea'); body.value = 'half a message'; body.focus(); window.typed = body;`)
	e.send("ImageApp", `{"live":true}`)
	b.Until("the message shows", `[...document.querySelectorAll('.msg .line')].some((l) => l.textContent.includes('live'))`)
	if !webtest.Eval[bool](b, `document.querySelector('.msg').open && document.querySelector('#send').open && document.activeElement === window.typed && window.typed.isConnected && window.typed.value === 'half a message'`) {
		t.Error("what the reader unfolded or typed is gone")
	}
	b.Press("#send button")
	e.until("the form was sent", func() bool { return strings.Contains(e.shows("/queues/ImageApp"), "half a message") })
	b.Visit("/queues/ImageApp?did=sent", "#note")
	b.Until("the note leaves no trace in the address", `document.querySelector('#note').textContent === 'The message was sent.' && !location.search`)
	b.CheckQuiet()
}

// TestPollingInABrowser takes the streams away: pages go on by loading themselves.
func TestPollingInABrowser(t *testing.T) {
	e := start(t)
	e.queue("q", nil)
	for range 64 {
		if _, status := e.stream(t.Context(), "/queues"); status != 200 {
			t.Fatalf("status %d", status)
		}
	}
	b := webtest.OpenAt(t, e.srv.ConsoleURL, "/queues/q", "main")
	b.Forgive("503")
	e.send("q", "by polling")
	b.Until("the message shows", `document.querySelector('.msg .line')?.textContent === 'by polling'`)
	b.Until("it is connected", `document.querySelector('#pulse').classList.contains('on')`)
	b.CheckQuiet()
}

// TestWithoutScripts holds pages to be whole, and to load themselves again, where no
// scripts run.
func TestWithoutScripts(t *testing.T) {
	e := start(t)
	e.pipeline()
	e.send("ImageApp", "read me")
	for _, path := range []string{"/", "/queues/ImageApp", "/buckets/tintype-uploads", "/topics/uploadnotification", "/inbox"} {
		body := e.shows(path)
		noscript := body[strings.Index(body, "<noscript>"):strings.Index(body, "</noscript>")]
		if !strings.Contains(noscript, "refresh") {
			t.Errorf("%s needs scripts", path)
		}
	}
	e.shows("/queues/ImageApp", "<summary>", "read me")
}
