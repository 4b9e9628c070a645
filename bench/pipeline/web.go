package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"sync"
	"time"
)

// browser uploads as the page does, and hears of results as the page does.
type browser struct {
	url    string
	recipe string // of uploads; empty: the default
	client *http.Client
	cancel context.CancelFunc
	ended  chan struct{}

	mu    sync.Mutex
	heard map[string]time.Time
	wait  map[string]chan struct{}
}

func newClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 1024, 1024
	return &http.Client{Transport: t}
}

// open starts listening to a web tier's events.
func open(ctx context.Context, url string) (*browser, error) {
	ctx, cancel := context.WithCancel(ctx)
	b := &browser{url: url, client: newClient(), cancel: cancel, ended: make(chan struct{}), heard: map[string]time.Time{}, wait: map[string]chan struct{}{}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/api/events", nil)
	if err != nil {
		cancel()
		return nil, err
	}
	resp, err := b.client.Do(req) //nolint:bodyclose // listen closes it
	if err != nil {
		cancel()
		return nil, err
	}
	go b.listen(resp.Body)
	return b, nil
}

func (b *browser) close() {
	b.cancel()
	<-b.ended
	b.client.CloseIdleConnections()
}

func (b *browser) listen(body io.ReadCloser) {
	defer close(b.ended)
	defer body.Close()
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var d struct{ ID, Status string }
		if json.Unmarshal([]byte(data), &d) == nil && (d.Status == "done" || d.Status == "failed") {
			b.note(d.ID)
		}
	}
}

func (b *browser) note(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.heard[id]; ok {
		return
	}
	b.heard[id] = time.Now()
	if c := b.wait[id]; c != nil {
		close(c)
	}
}

// visible waits until an image's result is heard of, and returns when that was.
func (b *browser) visible(ctx context.Context, id string) (time.Time, error) {
	b.mu.Lock()
	if t, ok := b.heard[id]; ok {
		b.mu.Unlock()
		return t, nil
	}
	c := make(chan struct{})
	b.wait[id] = c
	b.mu.Unlock()
	select {
	case <-c:
	case <-b.ended:
		return time.Time{}, fmt.Errorf("the events of %s ended", b.url)
	case <-time.After(patience):
		return time.Time{}, fmt.Errorf("nothing was heard of %s for %v", id, patience)
	case <-ctx.Done():
		return time.Time{}, ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.heard[id], nil
}

// upload is one upload, as its browser saw it.
type upload struct {
	id           string
	begun, acked time.Time // of the PUT to S3 alone
}

// put uploads as the page does: a form from the web tier, the bytes straight to S3.
func (b *browser) put(ctx context.Context, body []byte) (up upload, err error) {
	ask := fmt.Sprintf(`{"filename":"photo.jpg","size":%d,"contentType":"image/jpeg","recipe":%q}`, len(body), b.recipe)
	var form struct {
		ID, URL string
		Fields  map[string]string
	}
	if err := b.post(ctx, b.url+"/api/uploads", "application/json", strings.NewReader(ask), &form); err != nil {
		return up, err
	}
	var parts bytes.Buffer
	w := multipart.NewWriter(&parts)
	for k, v := range form.Fields {
		_ = w.WriteField(k, v) // into memory
	}
	file, err := w.CreateFormFile("file", "photo.jpg")
	if err == nil {
		_, err = file.Write(body)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return up, err
	}
	up.id, up.begun = form.ID, time.Now()
	err = b.post(ctx, form.URL, w.FormDataContentType(), &parts, nil)
	up.acked = time.Now()
	return up, err
}

// call uploads to the coupled web tier, which answers when the result is there.
func (b *browser) call(ctx context.Context, url string, body []byte) (time.Duration, error) {
	var parts bytes.Buffer
	w := multipart.NewWriter(&parts)
	file, err := w.CreateFormFile("file", "photo.jpg")
	if err == nil {
		_, err = file.Write(body)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return 0, err
	}
	began := time.Now()
	err = b.post(ctx, url+"/api/images", w.FormDataContentType(), &parts, nil)
	return time.Since(began), err
}

func (b *browser) post(ctx context.Context, url, contentType string, body io.Reader, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := b.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("POST %s: %s: %s", url, resp.Status, text)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}
