package web

import (
	"context"
	"io"
	"net/http"
	"path"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tintype/tintype/internal/testimages"
	"github.com/tintype/tintype/internal/web/webtest"
)

// A gallery of a hundred thousand images stays a few dozen elements, wherever one is in it.
func TestGalleryOfMany(t *testing.T) {
	const n = 100_000
	s := newSystem(t, nil)
	a := newAlbum(s.store, n)
	web, url := s.serve(func(o *Options) { o.Store = a })
	s.run(web)
	b := webtest.Open(t, url)
	const cards = `document.querySelectorAll('#images > *').length`
	b.Until("the first images are there", cards+` > 10`)
	b.Import("collection", "lib/collection.js")

	b.Press("#images .open")
	b.Until("an image's page opens", `location.pathname.startsWith('/images/')`)
	b.Exec(`history.back()`)
	b.Until("the gallery is back", `location.pathname === '/' && `+cards+` > 10`)

	// To the end and the end again: what is loaded grows, what is shown does not.
	b.Exec(`window.most = 0;
		new MutationObserver(() => { most = Math.max(most, document.querySelectorAll('#images > *').length); }).observe(document.querySelector('#images'), { childList: true });
		document.querySelector('#images .open').focus();
		window.walk = setInterval(() => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key: 'End', bubbles: true, cancelable: true })), 10);`)
	b.Until("2,000 images are loaded", `collection.images.items.length >= 2000`)
	b.Exec(`clearInterval(walk)`)
	if most := webtest.Eval[int](b, `most`); most > 150 {
		t.Errorf("%d cards were elements at once", most)
	}
	if at := webtest.Eval[string](b, `document.activeElement.className`); at != "open" {
		t.Errorf("the focus is on %q, not on a card", at)
	}

	// All hundred thousand, as if somebody had gone on for an hour.
	b.Exec(`(async () => {
		const { images } = collection;
		const last = images.items.at(-1);
		for (let i = images.items.length; i < 100000; i++) {
			images.put({ ...last, id: last.id.slice(0, -6) + String(i).padStart(6, '0'), key: last.key + '/' + String(i).padStart(6, '0'), name: 'later ' + i });
		}
		images.next = '';
		images.changed();
	})()`)
	b.Exec(`(document.activeElement.closest('#images') ? document.activeElement : document.querySelector('#images')).dispatchEvent(new KeyboardEvent('keydown', { key: 'End', bubbles: true, cancelable: true }))`)
	b.Until("the last one is shown", `document.querySelector('#images').lastElementChild.querySelector('.name').textContent === 'later 99999'`)
	b.Until("it has the focus", `document.activeElement.closest('.card')?.querySelector('.name').textContent === 'later 99999'`)
	if most := webtest.Eval[int](b, `most`); most > 150 {
		t.Errorf("%d cards were elements at once", most)
	}
	b.Exec(`scrollTo(0, document.documentElement.scrollHeight / 2)`)
	b.Until("the middle is shown", `(() => {
		const cards = [...document.querySelectorAll('#images .card')];
		return cards.some((c) => { const r = c.getBoundingClientRect(); return r.top < innerHeight / 2 && r.bottom > 0; });
	})()`)

	// A search says how far it came, and goes on when it is told to.
	b.Exec(`scrollTo(0, 0); const q = document.querySelector('#search'); q.value = 'picture 099999'; q.dispatchEvent(new Event('input', { bubbles: true }))`)
	b.Until("it says how far it came", `/Searched [0-9]+,[0-9]+ so far, found 0/.test(document.querySelector('#more').textContent)`)
	for range 500 { // a busy machine searches less in the time that a request has
		b.Until("a part of the search is over", `collection.images.busy === null`)
		if webtest.Eval[bool](b, `document.querySelector('#go-on') === null`) {
			break
		}
		b.Press("#go-on")
	}
	b.Until("it has found the one", `document.querySelector('#more').textContent === 'Searched all 100,000, found 1.' && document.querySelector('.card .name').textContent === 'picture 099999.jpg'`)
	b.CheckQuiet()
}

// Five hundred files at once: few are elements, few are decoded, few are on their way.
func TestManyFilesAtOnce(t *testing.T) {
	s := newSystem(t, nil)
	s.run(s.web)
	var now, most atomic.Int32
	url := s.http(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/uploads" {
			n := now.Add(1)
			defer now.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
		}
		s.web.Handler().ServeHTTP(w, r)
	}))
	s.allow(url)
	b := webtest.Open(t, url)
	b.Import("queue", "lib/uploads.js")
	b.Exec(`window.longest = 0;
		new PerformanceObserver((l) => { for (const e of l.getEntries()) longest = Math.max(longest, e.duration); }).observe({ type: 'longtask' });
		window.busiest = 0;
		queue.uploads.addEventListener('change', () => { busiest = Math.max(busiest, queue.uploads.running); });
		const canvas = new OffscreenCanvas(640, 480);
		canvas.getContext('2d').fillRect(0, 0, 300, 300);
		canvas.convertToBlob({ type: 'image/png' }).then((blob) => {
			const transfer = new DataTransfer();
			for (let i = 0; i < 500; i++) transfer.items.add(new File([blob], 'many ' + i + '.png', { type: 'image/png', lastModified: 1 }));
			transfer.items.add(new File([blob], 'many 7.png', { type: 'image/png', lastModified: 1 }));
			document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }));
		});`)
	b.Until("all are staged", `document.querySelector('#go').textContent === 'Upload 500 images'`)
	b.Until("the one that came twice is named", `document.querySelector('#refused').textContent.includes('many 7.png was chosen twice')`)
	b.Until("a small picture shows", `document.querySelector('#staged canvas:not([hidden])') !== null`)
	if n := webtest.Eval[int](b, `document.querySelectorAll('#staged li').length`); n > 80 {
		t.Errorf("%d staged files are elements", n)
	}
	b.Press("#go")
	b.Until("some are uploaded", `queue.uploads.totals().uploaded >= 8`)
	b.Until("all of it has figures", `/[kM]B of .*B · .*B\/s · .* left/.test(document.querySelector('.tray-figures').textContent)`)
	b.Exec(`[...document.querySelectorAll('#tray button')].find((b) => b.textContent === 'Stop all').click()`)
	b.Until("nothing is under way", `queue.uploads.running === 0 && !queue.uploads.busy`)
	uploaded := webtest.Eval[int](b, `queue.uploads.totals().uploaded`)
	if cancelled := webtest.Eval[int](b, `queue.uploads.totals().cancelled`); uploaded+cancelled != 500 || cancelled < 1 {
		t.Errorf("%d uploaded and %d stopped, of 500", uploaded, cancelled)
	}
	b.Exec(`[...document.querySelectorAll('#tray button')].find((b) => b.textContent === 'Files').click()`)
	b.Until("the files are listed", `document.querySelectorAll('#tray-files li').length > 3`)
	if n := webtest.Eval[int](b, `document.querySelectorAll('#tray-files li').length`); n > 60 {
		t.Errorf("%d files of the panel are elements", n)
	}
	b.Exec(`document.querySelector('.tray-box').scrollTop = 1e6`)
	const again = `document.querySelector('#tray-files li:last-child .act')`
	b.Until("the last one was stopped", `document.querySelector('#tray-files li:last-child .name').textContent === 'many 499.png' && `+again+`.title === 'Try again'`)
	b.Exec(again + `.click()`)
	b.Until("tried again it is uploaded", `queue.uploads.entries.at(-1).state === 'uploaded'`)
	if running := webtest.Eval[int](b, `busiest`); running > 4 || most.Load() > 4 {
		t.Errorf("%d uploads ran at once, %d asked the server", running, most.Load())
	}
	if _, _, err := s.store.List(t.Context(), "", 1); err != nil {
		t.Fatal(err)
	}
	t.Logf("the longest task took %v ms; %d uploaded before they were stopped", webtest.Eval[float64](b, `longest`), uploaded)
	b.CheckQuiet()
}

// In coupled mode an upload waits for its result, and the page says so; an application server
// that is down fails it there and then.
func TestPageCoupled(t *testing.T) {
	s := newSystem(t, nil)
	web, _ := s.serve(func(o *Options) { o.Mode = "coupled" })
	s.run(web)
	var down atomic.Bool
	down.Store(true)
	arrived, answer := make(chan struct{}, 1), make(chan struct{})
	url := s.http(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/api/images" {
			web.Handler().ServeHTTP(w, r)
			return
		}
		if down.Load() {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, `{"title":"Bad gateway","status":502,"detail":"app tier away","code":"unavailable","hint":"Try again in a moment."}`)
			return
		}
		// What the coupled tier does: it takes the upload, has it processed, and answers the document.
		rec := &kept{ResponseWriter: w, header: http.Header{}}
		web.Handler().ServeHTTP(rec, r)
		id := path.Base(rec.header.Get("Location"))
		arrived <- struct{}{}
		select {
		case <-answer:
		case <-r.Context().Done():
			return
		}
		c, err := s.process(context.WithoutCancel(r.Context()), id)
		if err != nil {
			t.Errorf("process %q: %v: %s", id, err, rec.body.String())
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		web.writeJSON(w, r, http.StatusOK, imageOfManifest(c.Manifest))
	}))
	file := files(t, map[string][]byte{"slow.png": testimages.PNG(320, 240)})["slow.png"]
	b := webtest.Open(t, url)
	b.Choose(file)
	b.Press("#go")
	b.Until("the panel says what is wrong", `document.querySelector('#tray .why')?.textContent.includes('The application server cannot be reached (502)')`)
	b.Forgive("502")
	b.Screenshot("coupled-502", 1280)

	down.Store(false)
	b.Exec(`document.querySelector('#tray-files .act').click()`)
	select {
	case <-arrived:
	case <-t.Context().Done():
		t.Fatal("no upload came")
	}
	b.Until("its card waits for the answer", `document.querySelector('.card .badge')?.textContent === 'waiting for the answer'`)
	b.Until("the panel too", `document.querySelector('#tray-files .badge').textContent === 'waiting for the answer'`)
	close(answer)
	b.Until("the answer is shown", `document.querySelector('.card[data-status=done] .name')?.textContent === 'slow.png'`)
	b.Until("the panel too", `/^done · /.test(document.querySelector('#tray-files .badge').textContent)`)
	b.CheckQuiet()
}

// kept keeps an answer instead of passing it on.
type kept struct {
	http.ResponseWriter

	header http.Header
	body   strings.Builder
}

func (k *kept) Header() http.Header         { return k.header }
func (k *kept) WriteHeader(int)             {}
func (k *kept) Write(p []byte) (int, error) { return k.body.Write(p) }
func (k *kept) Unwrap() http.ResponseWriter { return k.ResponseWriter }
