package web

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/tintype/tintype/internal/attempt"
	"github.com/tintype/tintype/internal/queue"
	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/internal/testimages"
	"github.com/tintype/tintype/internal/web/webtest"
)

// hostileName and hostileBody try to be more than text.
const (
	hostileName = `<img src=x onerror=window.pwned=1>"' ünï 🐈.png`
	hostileBody = `</pre><script>window.pwned = 1</script><img src=x onerror="window.pwned = 1">`
)

// hostile puts an original under a hostile name into the uploads bucket.
func (s *system) hostile(body []byte) (id, key string) {
	s.t.Helper()
	key = "a/" + hostileName
	if _, err := s.s3.PutObject(s.t.Context(), &s3.PutObjectInput{Bucket: new(s.store.Bucket(store.Uploads)), Key: &key, Body: bytes.NewReader(body)}); err != nil {
		s.t.Fatal(err)
	}
	return store.IDForKey(key), key
}

// failedLetter puts a message about an image into the dead-letter queue, with a record of two attempts.
func (s *system) failedLetter(dead, key string) (message string) {
	s.t.Helper()
	message = s.mail(dead, s.eventOf(key))
	r := &attempt.Record{MessageID: message}
	began := time.Now().Add(-time.Minute).Truncate(time.Second)
	for i, code := range []string{"lease_lost", "internal"} {
		ended := began.Add(1500 * time.Millisecond)
		r.Put(attempt.Attempt{Attempt: i + 1, Host: "<b>host</b>", PID: 5, Program: "tintype 1", Started: began, Ended: &ended, Code: code, Message: "store: <i>access</i> denied", Hint: "mend it"})
	}
	if _, err := s.store.PutAttempts(s.t.Context(), r, ""); err != nil {
		s.t.Fatal(err)
	}
	return message
}

// Dead letters are looked at, sent back one by one, some or all of them, and dropped; what
// comes from outside stays text.
func TestDeadLettersInBrowser(t *testing.T) {
	t.Parallel()
	s := newSystem(t, nil)
	work, dead, _ := s.piped(nil)
	id, key := s.hostile(testimages.PNG(60, 40))
	// A drawing that would run scripts where a browser took it for a page, and one under a
	// picture's name.
	drawing := `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9" onload="window.pwned=1"><script>window.pwned=1</script></svg>`
	for _, key := range []string{"a/evil.svg", "a/evil.png"} {
		if _, err := s.s3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: new(s.store.Bucket(store.Uploads)), Key: new(key), ContentType: new("image/svg+xml"), Body: strings.NewReader(drawing)}); err != nil {
			t.Fatal(err)
		}
	}
	letters := map[string]string{
		"image": s.failedLetter(dead, key), "svg": s.mail(dead, s.eventOf("a/evil.svg")), "lie": s.mail(dead, s.eventOf("a/evil.png")), "junk": s.mail(dead, hostileBody),
	}
	for i := range 4 {
		letters[fmt.Sprint(i)] = s.mail(dead, fmt.Sprintf("junk %d", i))
	}

	b := webtest.OpenAt(t, s.url, "/deadletters", "#letters")
	li := func(name string) string { return `document.querySelector('.letter[data-id="` + letters[name] + `"]')` }
	left := func(n int) {
		t.Helper()
		b.Until(fmt.Sprintf("%d letters are left", n), fmt.Sprintf(`document.querySelectorAll('.letter').length === %d && document.querySelector('#deadletters').getAttribute('aria-busy') === 'false'`, n))
	}
	results := func(what string, n int) {
		t.Helper()
		defer func() {
			if t.Failed() {
				t.Logf("the results: %s", webtest.Eval[string](b, `document.querySelector('#results').innerText`))
			}
		}()
		b.Until(fmt.Sprintf("%d results say %q", n, what), fmt.Sprintf(`[...document.querySelectorAll('#results:not([hidden]) li')].filter((l) => l.textContent.includes(%q)).length === %d && document.activeElement.id === 'results-title'`, what, n))
	}
	in := func(queueURL, want string) {
		t.Helper()
		s.until("the queue has "+want, func() bool { return s.depth(queueURL) == want })
	}

	left(8)
	b.Until("its page is linked", li("image")+`.querySelector('.letter-images a').getAttribute('href') === '/images/`+id+`'`)
	b.Exec(li("image") + `.scrollIntoView()`) // pictures are loaded where they are seen
	b.Until("its original is shown", li("image")+`.querySelector('.letter-preview img').naturalWidth === 60`)
	b.Until("a drawing is not", li("svg")+`.querySelector('.letter-preview img').hidden && `+li("svg")+`.querySelector('.letter-preview img').getAttribute('src') === null`)
	b.Until("nor one under a false name", li("lie")+`.querySelector('.letter-preview img').hidden && !`+li("lie")+`.querySelector('.no-preview').hidden`)
	b.Until("the name is text", li("image")+`.querySelector('.letter-name').textContent === `+webtest.Quote(hostileName))
	b.Until("the cause is told", li("image")+`.querySelector('.cause').textContent.includes('<i>access</i> denied') && `+li("image")+`.querySelector('.code').textContent === 'internal' && `+li("image")+`.querySelector('.hint').textContent === 'Mend it'`)
	b.Exec(li("image") + `.querySelector('.tries summary').click()`)
	b.Until("so are the attempts", li("image")+`.querySelectorAll('.attempts li').length === 2 && `+li("image")+`.querySelector('.attempts').innerText.includes('on <b>host</b>')`)
	b.Exec(li("junk") + `.querySelector('.whole summary').click()`)
	b.Until("the body is text", li("junk")+`.querySelector('.body').textContent === `+webtest.Quote(hostileBody))
	b.CheckWidths("deadletters")
	for _, dark := range []bool{true, false} {
		b.Dark(dark)
		b.CheckAccess(fmt.Sprintf("dead letters, dark %v", dark))
	}

	// One.
	b.Press(`.letter[data-id="` + letters["image"] + `"] .letter-redrive`)
	results("sent back to the queue", 1)
	left(7)
	in(work, "1+0")

	// Some, by the keyboard; one of them is gone by then.
	for _, name := range []string{"svg", "0", "1"} {
		b.Exec(li(name) + `.querySelector('.pick input').focus()`)
		b.Keys(" ")
	}
	b.Until("three are chosen", `document.querySelector('#chosen').textContent === '3 of 7 chosen'`)
	if _, err := s.web.o.DeadLetters.Drop(t.Context(), selection(letters["1"])); err != nil {
		t.Fatal(err)
	}
	b.Press("#redrive")
	results("sent back to the queue", 2)
	results("not there any more", 1)
	left(4)
	in(work, "3+0")

	// Dropping asks first.
	b.Press(`.letter[data-id="` + letters["lie"] + `"] .letter-drop`)
	b.Until("it asks", `document.querySelector('#sure').open && document.activeElement.id === 'sure-no'`)
	b.CheckAccess("the question")
	b.Press("#sure-no")
	b.Until("it was only asked", `!document.querySelector('#sure').open`)
	b.Press(`.letter[data-id="` + letters["lie"] + `"] .letter-drop`)
	b.Press("#sure-yes")
	results("dropped", 1)
	left(3)
	in(work, "3+0")

	// All: also those that came after the page.
	s.fill(dead, 12)
	b.Until("the page sees them come", `document.querySelectorAll('.letter').length === 15`)
	b.Press("#redrive-all")
	results("sent back to the queue", 1)
	b.Until("nothing is left, and the page reassures", `document.querySelector('#letters').hidden && !document.querySelector('#empty').hidden && document.querySelector('#results').innerText.includes('15 messages')`)
	in(work, "18+0")
	in(dead, "0+0")
	b.Until("the navigation has no count any more", `document.querySelector('[data-for=deadletters]').hidden`)
	b.CheckAccess("no dead letters")
	if webtest.Eval[bool](b, "window.pwned !== undefined") {
		t.Error("text from outside was run")
	}
	b.CheckQuiet()
}

// The page works without scripts, too.
func TestDeadLettersWithoutScripts(t *testing.T) {
	s := newSystem(t, nil)
	work, dead, _ := s.piped(nil)
	id, key := s.hostile(testimages.PNG(6, 4))
	image, junk, third := s.failedLetter(dead, key), s.mail(dead, hostileBody), s.mail(dead, "third")
	page := string(s.json("GET", "/deadletters?look", "", http.StatusOK).body)
	for _, part := range []string{
		"3 messages", image, junk, `src="/api/images/` + id + `/original"`, "&lt;img src=x onerror=window.pwned=1&gt;", "&lt;/pre&gt;&lt;script&gt;", "2 attempts on record",
		"Store: &lt;i&gt;access&lt;/i&gt; denied", "on &lt;b&gt;host&lt;/b&gt;", `method="post" action="/deadletters"`,
	} {
		if !strings.Contains(page, part) {
			t.Errorf("the page lacks %q", part)
		}
	}
	for _, part := range []string{"<script>window", "<b>host", "<i>access"} {
		if strings.Contains(page, part) {
			t.Errorf("the page has %q as markup", part)
		}
	}
	post := func(want int, form url.Values, headers ...string) string {
		t.Helper()
		a := s.request("POST", "/deadletters", strings.NewReader(form.Encode()), append(headers, "Content-Type", "application/x-www-form-urlencoded")...)
		if a.StatusCode != want {
			t.Errorf("%v: %s, want %d", form, a.Status, want)
		}
		return string(a.body)
	}
	post(http.StatusForbidden, url.Values{"action": {"redrive"}, "messageId": {image}}, "Origin", "https://evil.example")
	if got := post(http.StatusBadRequest, url.Values{"action": {"redrive"}}); !strings.Contains(got, "No message was chosen.") {
		t.Errorf("without a message: %s", got)
	}
	post(http.StatusBadRequest, url.Values{"action": {"eat"}, "messageId": {image}})
	post(http.StatusBadRequest, url.Values{"action": {"redrive"}, "messageId": {"../../x"}})
	if got := post(http.StatusOK, url.Values{"action": {"redrive"}, "messageId": {image}}); !strings.Contains(got, "1 message sent back to the queue.") {
		t.Errorf("sent back: %s", got)
	}
	if got := s.depth(work); got != "1+0" {
		t.Errorf("the queue has %s messages", got)
	}
	if got := post(http.StatusOK, url.Values{"action": {"drop"}, "messageId": {junk, third}}); !strings.Contains(got, "Drop 2 of the dead letters for good?") || !strings.Contains(got, `value="`+third+`"`) {
		t.Errorf("before dropping: %s", got)
	}
	if got := s.depth(dead); got != "2+0" {
		t.Errorf("after the question there are %s dead letters", got)
	}
	if got := post(http.StatusOK, url.Values{"action": {"drop"}, "messageId": {junk, third, image}, "sure": {"yes"}}); !strings.Contains(got, "2 messages dropped. 1 message not found any more") || !strings.Contains(got, "No dead letters.") {
		t.Errorf("dropped: %s", got)
	}
	// A link on another site must cause no receive, and neither does the page that scripts fill.
	fresh := s.mail(dead, "fresh")
	for path, headers := range map[string][]string{"/deadletters?look": {"Sec-Fetch-Site", "cross-site"}, "/deadletters": nil} {
		if a := s.request("GET", path, nil, headers...); a.StatusCode != http.StatusOK || strings.Contains(string(a.body), "fresh") {
			t.Errorf("%s %v: %s", path, headers, a.body)
		}
	}
	list, err := s.web.o.DeadLetters.List(t.Context(), 10)
	if err != nil || len(list.Letters) != 1 || list.Letters[0].MessageID != fresh || list.Letters[0].Receives != 1 {
		t.Errorf("pages of others left %+v, %v", list, err)
	}

	none, _ := s.serve(nil)
	s.url = s.http(none.Handler())
	if got := string(s.json("GET", "/deadletters", "", http.StatusOK).body); !strings.Contains(got, "There is no dead-letter queue.") {
		t.Errorf("without a queue: %s", got)
	}
	b := webtest.OpenAt(t, s.url, "/deadletters", "#away")
	b.CheckQuiet() // scripts do not ask for what is not there
	post(http.StatusNotFound, url.Values{"action": {"redrive"}, "messageId": {image}})
}

func selection(ids ...string) queue.Selection { return queue.Selection{IDs: ids} }
