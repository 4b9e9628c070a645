package web

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/internal/testimages"
	"github.com/tintype/tintype/internal/web/webtest"
)

// appTier processes every upload as it comes, until the test ends.
func (s *system) appTier() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		seen := map[string]string{} // id -> what of it was processed
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			page, _, err := s.store.List(ctx, "", 100)
			for _, info := range page {
				if mark := info.ETag + info.LastModified.String(); err == nil && seen[info.ID] != mark {
					seen[info.ID] = mark
					_, _ = s.process(ctx, info.ID) // the test sees what is missing
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	s.t.Cleanup(func() { cancel(); wg.Wait() })
}

// allow lets pages of an origin upload straight to the uploads bucket, as provisioning does.
func (s *system) allow(origin string) {
	s.t.Helper()
	_, err := s.s3.PutBucketCors(s.t.Context(), &s3.PutBucketCorsInput{
		Bucket: ptr(s.store.Bucket(store.Uploads)),
		CORSConfiguration: &types.CORSConfiguration{CORSRules: []types.CORSRule{{
			AllowedOrigins: []string{origin}, AllowedMethods: []string{http.MethodPost}, AllowedHeaders: []string{"*"},
		}}},
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// files writes pictures to disk, for a file picker.
func files(t *testing.T, pictures map[string][]byte) map[string]string {
	t.Helper()
	dir := t.TempDir()
	paths := map[string]string{}
	for name, body := range pictures {
		paths[name] = filepath.Join(dir, name)
		if err := os.WriteFile(paths[name], body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return paths
}

func TestPageInBrowser(t *testing.T) {
	s := newSystem(t, nil)
	s.run(s.web)
	s.appTier()
	s.allow(s.url)
	hostile := `<img src=x onerror=alert(1)>" 'ünï 🐈 & {{x}}.png`
	paths := files(t, map[string][]byte{"rocket.jpg": testimages.Photo(), hostile: testimages.PNG(320, 240), "dropped.png": testimages.PNG(300, 500)})

	t.Run("choose", func(t *testing.T) {
		webtest.ChooseAndTint(t, s.url, "#3366ff", paths["rocket.jpg"], paths[hostile])
	})
	t.Run("drop", func(t *testing.T) {
		webtest.DropAndTint(t, s.url, "#12ab34", paths["dropped.png"]) // no swatch has this one
	})
	t.Run("failures, again, delete", func(t *testing.T) {
		bad := files(t, map[string][]byte{"damaged.jpg": testimages.Truncated(), "notes.txt": []byte("no image"), "empty.png": {}})
		b := webtest.Open(t, s.url)
		b.Offer(bad["notes.txt"], bad["empty.png"], bad["damaged.jpg"])
		b.Until("what cannot be sent is left out, with the reason", `(() => {
			const text = document.querySelector('#refused').textContent;
			return text.includes('notes.txt is not an image') && text.includes('empty.png is empty') && document.querySelectorAll('#staged li').length === 1;
		})()`)
		b.Press("#go")
		const damaged = `[...document.querySelectorAll('.card')].find((c) => c.querySelector('.name').textContent === 'damaged.jpg')`
		b.Until("the damaged image has failed", damaged+`?.dataset.status === 'failed'`)
		b.Until("it says why", damaged+`.querySelector('.why').textContent.length > 5`)
		b.CheckWidths("failed")

		const dropped = `[...document.querySelectorAll('.card')].find((c) => c.querySelector('.name').textContent === 'dropped.png')`
		id := webtest.Eval[string](b, dropped+`.dataset.id`)
		b.Exec(dropped + `.querySelector('.open').click()`)
		b.Until("the page of the image shows its result", `location.pathname === '/images/`+id+`' && document.querySelector('.layer.after.loaded') !== null`)
		before := webtest.Eval[string](b, `document.querySelector('.layer.after img').src`)
		b.Press("#again")
		b.Press("#again-dialog .swatch.red")
		b.Press("#again-go")
		b.Until("it was done again", `document.querySelector('#state .detail').textContent.includes('#d7263d') && document.querySelector('#image').dataset.status === 'done'`)
		b.Until("it shows the new picture", `document.querySelector('.layer.after img')?.src !== `+webtest.Quote(before))
		b.CheckWidths("image")

		b.Press("#delete")
		b.Press("#delete-dialog button[value='']")
		if !webtest.Eval[bool](b, `document.querySelector('dialog[open]') === null && location.pathname.startsWith('/images/')`) {
			t.Error("the dialog did not close")
		}
		b.Press("#delete")
		b.Press("#delete-go")
		b.Until("the gallery is there without it", `location.pathname === '/' && document.querySelector('.card') !== null && `+dropped+` === undefined`)
		b.CheckQuiet()
	})
	t.Run("without scripts", func(t *testing.T) {
		b := webtest.OpenWithoutScripts(t, s.url)
		b.Screenshot("no-scripts", 768)
		b.CheckQuiet()
	})
}

// A page that stays open while its server goes away and comes back goes on by itself, and
// shows what it missed.
func TestPageReconnects(t *testing.T) {
	s := newSystem(t, nil)
	stop := s.run(s.web)
	var now atomic.Pointer[Server]
	now.Store(s.web)
	b := webtest.Open(t, s.http(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { now.Load().Handler().ServeHTTP(w, r) })))
	b.Until("the stream is open", `document.querySelector('#live').dataset.state === 'live'`)
	stop() // ends all streams and refuses new ones
	b.Until("the page says so", `document.querySelector('#live').dataset.state === 'away'`)
	id := s.uploaded("missed.png", testimages.PNG(300, 300))
	s.mustProcess(id)

	// Another process takes its place.
	next, _ := s.serve(nil)
	s.run(next)
	now.Store(next)
	b.Until("the page is live again", `document.querySelector('#live').dataset.state === 'live'`)
	b.Until("it shows what it missed", `document.querySelector('.card[data-id="`+id+`"]')?.dataset.status === 'done'`)
}
