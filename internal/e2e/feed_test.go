package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/internal/testimages"
)

// uploaders is how many uploads a feed keeps under way at once.
const uploaders = 3

// feed uploads small images through every door, S3 itself and the web tiers at the given
// URLs, until the ledger holds n more that were acknowledged. One that is refused or cut
// off is no loss: another takes its place. The channel is closed at the end.
func (s *system) feed(t *testing.T, l *ledger, n int, webs ...string) <-chan struct{} {
	t.Helper()
	// Bounds what a test waits for an answer that does not come.
	client := &http.Client{Timeout: 2 * patience}
	var sent, left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	base := l.count()
	for range uploaders {
		wg.Go(func() {
			pace := time.NewTicker(20 * time.Millisecond) // of what is refused at once
			defer pace.Stop()
			for left.Add(-1) >= 0 {
				for t.Context().Err() == nil {
					i := base + int(sent.Add(1))
					width := 100 + i%400
					id, err := s.upload(client, i, webs, testimages.JPEG(width, 80))
					if err == nil {
						l.add(id, promise{width: width})
						break
					}
					l.refuse()
					<-pace.C
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	return done
}

// upload sends the ith image through one of the doors and returns its id once it is
// acknowledged.
func (s *system) upload(client *http.Client, i int, webs []string, body []byte) (string, error) {
	door := i % 3
	if len(webs) == 0 {
		door = 0
	}
	switch door {
	case 0: // as any other program would
		key := fmt.Sprintf("outside/%d.jpg", i)
		return store.IDForKey(key), s.put(key, body, nil)
	case 1:
		return postForm(client, webs[i/3%len(webs)], body)
	default:
		return postPresigned(client, webs[i/3%len(webs)], body)
	}
}

// postForm sends an image through the web tier.
func postForm(client *http.Client, web string, body []byte) (string, error) {
	b, contentType, err := multipartForm(nil, "in.jpg", body)
	if err != nil {
		return "", err
	}
	resp, err := client.Post(web+"/api/images", contentType, b)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusAccepted {
		return "", &refusedUpload{resp.StatusCode, answer}
	}
	return strings.TrimPrefix(resp.Header.Get("Location"), "/api/images/"), nil
}

// postPresigned has the web tier sign a form, and sends the image to S3 with it.
func postPresigned(client *http.Client, web string, body []byte) (string, error) {
	request, err := json.Marshal(map[string]any{"filename": "in.jpg", "size": len(body), "contentType": "image/jpeg"})
	if err != nil {
		return "", err
	}
	resp, err := client.Post(web+"/api/uploads", "application/json", bytes.NewReader(request))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var form struct {
		ID, URL string
		Fields  map[string]string
	}
	if b, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusCreated || json.Unmarshal(b, &form) != nil {
		return "", &refusedUpload{resp.StatusCode, b}
	}
	b, contentType, err := multipartForm(form.Fields, "in.jpg", body)
	if err != nil {
		return "", err
	}
	posted, err := client.Post(form.URL, contentType, b)
	if err != nil {
		return "", err
	}
	defer posted.Body.Close()
	answer, _ := io.ReadAll(posted.Body)
	if posted.StatusCode/100 != 2 {
		return "", &refusedUpload{posted.StatusCode, answer}
	}
	return form.ID, nil
}

// refusedUpload is an answer other than the acknowledgement.
type refusedUpload struct {
	status int
	body   []byte
}

func (r *refusedUpload) Error() string { return fmt.Sprintf("refused: %d %s", r.status, r.body) }

// problem is the refusal as the web API words it.
func (r *refusedUpload) problem() (p struct{ Code, Detail, Hint string }) {
	_ = json.Unmarshal(r.body, &p) // left empty where it is none
	return p
}
