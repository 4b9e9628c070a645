package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/backlog"
	"github.com/tintype/tintype/internal/deadletter"
	"github.com/tintype/tintype/internal/presence"
	"github.com/tintype/tintype/internal/queue"
	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/internal/web/webtest"
)

// piped starts a web instance with a work queue, a dead-letter queue and app processes to
// look at. While away is set none of them answers it.
func (s *system) piped(adjust func(*Options)) (work, dead string, away *atomic.Bool) {
	s.t.Helper()
	work, dead = s.queue(s.prefix+"work"), s.queue(s.prefix+"work-dlq")
	proxy, away := s.outage()
	client := s3.NewFromConfig(s.cfg, func(o *s3.Options) { o.BaseEndpoint, o.UsePathStyle, o.RetryMaxAttempts = &proxy, true, 1 })
	apps := presence.NewReader(client, s.store.Bucket(store.Results), false, nil)
	figures := backlog.New(backlog.Options{
		SQS:      sqs.NewFromConfig(s.cfg, func(o *sqs.Options) { o.BaseEndpoint, o.RetryMaxAttempts = &proxy, 1 }),
		QueueURL: work, DeadLetterURL: dead, Apps: apps,
	})
	s.web, s.url = s.serve(func(o *Options) {
		o.Backlog, o.Apps, o.AppsEvery = figures, apps, 100*time.Millisecond
		o.DeadLetters = &deadletter.Desk{Queue: queue.DeadLetters{Client: s.sqs, URL: dead, SourceURL: work}, Store: s.store, UploadsBucket: s.store.Bucket(store.Uploads)}
		if adjust != nil {
			adjust(o)
		}
	})
	s.run(s.web)
	return work, dead, away
}

// says writes what an app process says of itself.
func (s *system) says(a presence.App) {
	s.t.Helper()
	if a.InWork == nil {
		a.InWork = []presence.Work{}
	}
	a.Seen = time.Now().UTC()
	body, err := json.Marshal(a)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.s3.PutObject(s.t.Context(), &s3.PutObjectInput{Bucket: new(s.store.Bucket(store.Results)), Key: new(presence.Key(a.ID)), Body: bytes.NewReader(body)}); err != nil {
		s.t.Fatal(err)
	}
}

// take receives up to n messages, and deletes them.
func (s *system) take(queueURL string, n int32) {
	s.t.Helper()
	out, err := s.sqs.ReceiveMessage(s.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &queueURL, MaxNumberOfMessages: n})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, m := range out.Messages {
		if _, err := s.sqs.DeleteMessage(s.t.Context(), &sqs.DeleteMessageInput{QueueUrl: &queueURL, ReceiptHandle: m.ReceiptHandle}); err != nil {
			s.t.Fatal(err)
		}
	}
}

// fill sends n messages.
func (s *system) fill(queueURL string, n int) {
	s.t.Helper()
	for n > 0 {
		in := &sqs.SendMessageBatchInput{QueueUrl: &queueURL}
		for i := range min(n, 10) {
			in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: new(fmt.Sprint(i)), MessageBody: new("a message")})
		}
		if _, err := s.sqs.SendMessageBatch(s.t.Context(), in); err != nil {
			s.t.Fatal(err)
		}
		n -= len(in.Entries)
	}
}

const (
	figure    = `[...document.querySelectorAll('[data-figure=%s]')].every((f) => f.textContent === %q)`
	verdictJS = `document.querySelector('#verdict')`
)

// The page of the pipeline follows what happens: messages wait and nobody is there to take
// them, a process comes, the backlog is worked off, the process dies, the endpoint goes away
// and comes back.
func TestPipelineInBrowser(t *testing.T) {
	t.Parallel() // it waits most of the time
	s := newSystem(t, nil)
	work, dead, away := s.piped(nil)
	b := webtest.OpenAt(t, s.url, "/pipeline", "#pipeline")
	is := func(name, value string) {
		t.Helper()
		b.Until(name+" is "+value, fmt.Sprintf(figure, name, value))
	}
	verdict := func(kind, part string) {
		t.Helper()
		b.Until(fmt.Sprintf("the verdict is %q: %s", kind, part), verdictJS+`.dataset.kind === `+webtest.Quote(kind)+` && `+verdictJS+`.textContent.includes(`+webtest.Quote(part)+`)`)
	}

	verdict("bad", "No app tier is at work.")
	s.fill(work, 400)
	s.fill(dead, 2)
	is("waiting", "400")
	is("deadLetters", "2")
	verdict("bad", "400 images wait safely in the queue")
	b.Until("the navigation says so on every page", `document.querySelector('[data-for=deadletters]').textContent.startsWith('2') && !document.querySelector('[data-for=pipeline]').hidden`)
	b.Until("nothing moves", `[...document.querySelectorAll('[data-carries=finished], [data-carries=taken]')].every((a) => a.dataset.pace === '0')`)

	hostile := "<img src=x onerror=alert(1)> \"&' ünï\u202e🐈.png"
	app := presence.App{
		ID: "host-1", Host: "<b>host</b>", PID: 77, Program: "tintype <i>1</i>", Started: time.Now(), Interval: 60, Workers: 3, Slots: 8, Held: 2, Ready: true,
		InWork: []presence.Work{{ID: "7ybqqpt3zbstp86gyjgqhhpzy5", Key: "7ybqqpt3zbstp86gyjgqhhpzy5/" + hostile, Attempt: 2, Since: time.Now()}},
	}
	s.says(app)
	is("workers", "3")
	is("processes", "1 process")
	b.Until("what it has in work is shown as text", `document.querySelector('.in-work a')?.textContent === `+webtest.Quote(hostile))
	b.Until("with its page", `document.querySelector('.in-work a').getAttribute('href') === '/images/7ybqqpt3zbstp86gyjgqhhpzy5' && document.querySelector('.in-work small').textContent.includes('attempt 2')`)
	if got := webtest.Eval[string](b, `document.querySelector('.app-process .host').textContent + document.querySelectorAll('#pipeline b, #pipeline i').length`); got != "<b>host</b>0" {
		t.Errorf("host is shown as %q", got)
	}
	// It says that it is ready, and takes nothing.
	verdict("bad", "Nobody takes images from the queue.")

	// Now it does.
	s.until("it catches up, and how soon it is done", func() bool {
		s.take(work, 1)
		app.Done++
		s.says(app)
		return webtest.Eval[bool](b, verdictJS+`.dataset.kind === 'wait' && /^Catching up: \d+ images to go\. .* shrinks by .* done in /.test(`+verdictJS+`.textContent.trim())`)
	})
	b.Until("it moves", `[...document.querySelectorAll('[data-carries=finished]')].some((a) => a.dataset.pace !== '0')`)

	t.Run("plots", func(t *testing.T) {
		const plot = `document.querySelector('.plot')`
		b.Until("a line is drawn", plot+`.querySelector('.line-0.line[d*="L"]') !== null`)
		b.Exec(plot + `.querySelector('.canvas').focus()`)
		b.Exec(plot + `.querySelector('.canvas').dispatchEvent(new KeyboardEvent('keydown', { key: 'Home', bubbles: true, cancelable: true }))`)
		b.Until("the oldest value is read out", plot+`.querySelector('.when').textContent.startsWith('at ') && `+plot+`.querySelector('.canvas').getAttribute('aria-valuenow') === '0' && `+plot+`.querySelector('.dot') !== null`)
		if got := webtest.Eval[string](b, plot+`.querySelector('.canvas').getAttribute('aria-valuetext')`); !strings.Contains(got, "waiting ") || !strings.Contains(got, "in flight ") {
			t.Errorf("read out as %q", got)
		}
		b.Exec(plot + `.querySelector('details').open = true`)
		b.Until("the table has the newest value", plot+`.querySelectorAll('tbody tr').length > 0 && `+plot+`.querySelector('tbody td').textContent !== '–'`)
	})

	b.CheckAccess("the pipeline while it catches up")

	// The process dies: its presence is as old as it may be.
	app.Interval = 0.1
	s.says(app)
	b.Until("the process is missed", `document.querySelector('.app-process').dataset.state === 'stale'`)
	verdict("bad", "No app tier is at work.")
	is("workers", "0")

	away.Store(true)
	b.Until("the page says that its figures are old", `document.querySelector('#pipeline').classList.contains('old') && document.querySelector('#away').textContent.includes('those of')`)
	is("deadLetters", "2")
	b.Forgive("503")
	away.Store(false)
	b.Until("and that they are fresh again", `!document.querySelector('#pipeline').classList.contains('old') && document.querySelector('#away').hidden`)
	for _, dark := range []bool{false, true} {
		b.Dark(dark)
		b.CheckAccess(fmt.Sprintf("the pipeline without app tier, dark %v", dark))
	}
	b.CheckWidths("pipeline")

	// Its drawing leads to the dead letters, without loading everything anew.
	b.Exec(`window.stayed = true; document.querySelector('.flow.wide a').dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true }))`)
	b.Until("the dead letters are there", `window.stayed && location.pathname === '/deadletters' && document.querySelectorAll('.letter').length === 2`)
	for _, c := range b.Complaints() {
		if !strings.Contains(c, "503") { // how often it asked while nobody answered is its own business
			t.Errorf("the page complained: %s", c)
		}
	}
}

// Screen readers hear of the pipeline at most once in ten seconds, however much changes.
func TestPipelineAnnouncesSparingly(t *testing.T) {
	t.Parallel()
	s := newSystem(t, nil)
	work, _, _ := s.piped(nil)
	b := webtest.OpenAt(t, s.url, "/pipeline", "#pipeline")
	b.Exec(`window.heard = []; new MutationObserver(() => heard.push(performance.now())).observe(document.querySelector('#announce'), { childList: true, characterData: true, subtree: true })`)
	app := presence.App{ID: "host-1", Started: time.Now(), Interval: 60, Workers: 1, Slots: 1, Reason: "it looks for its queue"}
	for i := range 3 {
		app.Draining = false
		s.says(app)
		b.Until("it is not ready", `document.querySelector('#verdict strong').textContent === 'The app tier is not ready.'`)
		app.Draining = true
		s.says(app)
		s.fill(work, 1)
		b.Until("it is stopping", fmt.Sprintf(`document.querySelector('#verdict strong').textContent === 'The app tier is stopping.' && document.querySelector('[data-figure=waiting]').textContent === '%d'`, i+1))
	}
	if gaps := webtest.Eval[[]float64](b, `heard.slice(1).map((t, i) => t - heard[i])`); len(gaps) > 0 {
		for _, gap := range gaps {
			if gap < 9900 {
				t.Errorf("two announcements within %.0f ms", gap)
			}
		}
	}
	if !webtest.Eval[bool](b, `document.querySelector('#announce').textContent.length > 0 && document.querySelectorAll('#pipeline [aria-live], #pipeline [role=status], #pipeline [role=alert], #pipeline output').length === 0`) {
		t.Error("nothing was said, or figures speak for themselves")
	}
	b.CheckQuiet()
}

// Without scripts the page shows the figures of the moment, and loads itself again.
func TestPipelineWithoutScripts(t *testing.T) {
	s := newSystem(t, nil)
	work, dead, away := s.piped(nil)
	s.fill(work, 1234)
	s.fill(dead, 1)
	html := func() string { return string(s.json("GET", "/pipeline", "", http.StatusOK).body) }
	// until is the page once it has a part: figures may be a second old.
	until := func(part string) (page string) {
		t.Helper()
		s.until("the page has "+part, func() bool { page = html(); return strings.Contains(page, part) })
		return page
	}
	has := func(page string, parts ...string) {
		t.Helper()
		for _, part := range parts {
			if !strings.Contains(page, part) {
				t.Errorf("the page lacks %q:\n%s", part, page)
			}
		}
	}
	has(html(), `<noscript><meta http-equiv="refresh" content="5"></noscript>`, `data-figure="waiting">1,234<`, `data-figure="deadLetters">1<`,
		`1,234 images wait safely in the queue`, `No app tier is at work.`, `tintype app`)
	s.says(presence.App{ID: "host-1", Host: "<b>", Started: time.Now(), Interval: 60, Workers: 3, Slots: 4, Reason: "no <queue>"})
	has(until(`data-figure="processes">1 process<`), "The app tier is not ready.", "It says: no &lt;queue&gt;", "&lt;b&gt;", `data-state="unready"`)
	s.says(presence.App{ID: "host-1", Started: time.Now(), Interval: 60, Workers: 3, Slots: 4, Draining: true})
	has(until("The app tier is stopping."), `data-state="draining"`)
	s.says(presence.App{
		ID: "host-1", Started: time.Now(), Interval: 60, Workers: 3, Slots: 4, Ready: true, ReceivedPerMinute: 4.5,
		InWork: []presence.Work{{ID: "k-YQ", Key: "a/<i>.png", Attempt: 1, Since: time.Now()}},
	})
	page := until(`data-figure="inWork">1<`)
	has(page, `data-figure="taken">4.5<`, `href="/images/k-YQ"`, "&lt;i&gt;.png", "at work")
	if !strings.Contains(page, `id="verdict" class="verdict" data-kind="" hidden`) {
		t.Errorf("there is a verdict where all is well:\n%s", page)
	}
	away.Store(true)
	until("The queue service does not answer just now.")
}

// In coupled mode another flow is drawn, and nothing claims a queue.
func TestPipelineCoupled(t *testing.T) {
	s := newSystem(t, nil)
	s.web, s.url = s.serve(func(o *Options) { o.Mode = "coupled" })
	b := webtest.OpenAt(t, s.url, "/pipeline", "#pipeline")
	b.Until("figures are there", `document.querySelector('#pipeline').getAttribute('aria-busy') === 'false'`)
	text := webtest.Eval[string](b, `document.querySelector('main').innerText`)
	if !strings.Contains(text, "There is no queue") || !strings.Contains(text, "8009") || strings.Contains(text, "No app tier") || strings.Contains(text, "SQS") {
		t.Errorf("the page says %q", text)
	}
	b.CheckWidths("pipeline-coupled")
	b.Visit("/deadletters", "#deadletters")
	b.Until("it says why there are none", `document.querySelector('main').innerText.includes('there is no queue')`)
	b.CheckQuiet()
}

func TestFigures(t *testing.T) {
	for seconds, want := range map[float64]string{0: "0 s", 0.0123: "12 ms", 0.9996: "1 s", 1.25: "1.3 s", 9.96: "10 s", 99.6: "2 min", 5970: "2 h", 200000: "2 days", -3: "0 s"} {
		if got := timeSpan(&seconds); got != want {
			t.Errorf("timeSpan(%v) = %q, want %q", seconds, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234"} {
		if got := count(n); got != want {
			t.Errorf("count(%d) = %q, want %q", n, got, want)
		}
	}
	for n, want := range map[float64]string{0: "0", 0.04: "0", 4.5: "4.5", 5: "5", 9.96: "10", 1234.5: "1,235"} {
		if got := perMinute(&n); got != want {
			t.Errorf("perMinute(%v) = %q, want %q", n, got, want)
		}
	}
	if got := timeSpan(nil) + perMinute(nil) + milliseconds(nil); got != "–––" {
		t.Errorf("what is not known is %q", got)
	}
}
