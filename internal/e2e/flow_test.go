package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/internal/testimages"
)

// document is an image as the web API describes it.
type document struct {
	ID, Key, Status, Recipe string
	Params                  map[string]any
	Outputs                 []struct {
		Name, Key, Format, URL string
		Width, Height          int
		Bytes                  int64
	}
	Error *struct{ Code, Message string }
}

// form builds a multipart form with the file last, as S3 wants it and curl sends it.
func form(t *testing.T, fields map[string]string, name string, file []byte) (body io.Reader, contentType string) {
	t.Helper()
	body, contentType, err := multipartForm(fields, name, file)
	if err != nil {
		t.Fatal(err)
	}
	return body, contentType
}

func multipartForm(fields map[string]string, name string, file []byte) (body io.Reader, contentType string, err error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for k, v := range fields {
		if err := w.WriteField(k, v); err != nil {
			return nil, "", err
		}
	}
	part, err := w.CreateFormFile("file", name)
	if err != nil {
		return nil, "", err
	}
	part.Write(file)
	w.Close()
	return &b, w.FormDataContentType(), nil
}

// post sends a form and decodes the JSON answer.
func post(t *testing.T, url string, fields map[string]string, name string, file []byte) (status int, answer map[string]any) {
	t.Helper()
	body, contentType := form(t, fields, name, file)
	resp, err := http.Post(url, contentType, body)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	if len(b) > 0 && bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")) {
		if err := json.Unmarshal(b, &answer); err != nil {
			t.Fatalf("%v in %s", err, b)
		}
	}
	return resp.StatusCode, answer
}

// presigned asks the web tier for a presigned POST.
func presigned(t *testing.T, web string, request map[string]any) (status int, id, url string, fields map[string]string) {
	t.Helper()
	b, _ := json.Marshal(request)
	resp, err := http.Post(web+"/api/uploads", "application/json", bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		ID, URL string
		Fields  map[string]string
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, answer.ID, answer.URL, answer.Fields
}

// listener follows the web tier's event stream as a browser does.
type listener struct {
	mu   sync.Mutex
	seen map[string]string   // image id: last status
	ever map[string][]string // status: ids of images that were said to have it
}

func listen(t *testing.T, web string) *listener {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, web+"/api/events", nil)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{seen: map[string]string{}, ever: map[string][]string{}}
	go func() {
		defer resp.Body.Close()
		sc := bufio.NewScanner(resp.Body)
		sc.Buffer(nil, 4<<20)
		for sc.Scan() {
			if data, ok := strings.CutPrefix(sc.Text(), "data:"); ok {
				var d document
				if json.Unmarshal([]byte(data), &d) == nil && d.ID != "" {
					l.mu.Lock()
					l.seen[d.ID] = d.Status
					l.ever[d.Status] = append(l.ever[d.Status], d.ID)
					l.mu.Unlock()
				}
			}
		}
	}()
	return l
}

func (l *listener) heard(id, status string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen[id] != status {
		return fmt.Errorf("the stream says %q of %s, want %q", l.seen[id], id, status)
	}
	return nil
}

// TestFlow runs the three tiers as three processes and sends an image each way in.
func TestFlow(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.startEndpoint()
	s.provision()
	app := s.startApp()
	web := s.startWeb()
	events := listen(t, s.web())
	photo := plainPhoto(t)

	t.Run("presigned POST", func(t *testing.T) {
		code, id, url, fields := presigned(t, s.web(), map[string]any{"filename": "rocket.jpg", "size": len(photo), "contentType": "image/jpeg", "recipe": "tint", "params": map[string]any{"tint": "#00aa55", "strength": 1}})
		if code != http.StatusCreated || !strings.HasPrefix(url, "http://"+s.endpointAddr) {
			t.Fatalf("status %d, url %s", code, url)
		}
		if code, answer := post(t, url, fields, "rocket.jpg", photo); code/100 != 2 {
			t.Fatalf("S3 answers the form with %d %v", code, answer)
		}
		m := s.finished(id)
		if m.Status != recipe.Done || m.Params["tint"] != "#00aa55" {
			t.Fatalf("manifest %+v", m)
		}
		eventually(t, "the browser hears of it", func() error { return events.heard(id, "done") })
		var doc document
		if err := getJSON(s.web()+"/api/images/"+id, &doc); err != nil {
			t.Fatal(err)
		}
		if doc.Status != "done" || len(doc.Outputs) != 3 {
			t.Fatalf("document %+v", doc)
		}
		for _, o := range doc.Outputs {
			resp, err := http.Get(s.web() + o.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			picture := decode(t, resp.Body)
			if p := picture.Bounds().Size(); p.X != o.Width || p.Y != o.Height {
				t.Errorf("%s is %v, the document says %d×%d", o.Name, p, o.Width, o.Height)
			}
			if o.Name == "full" {
				checkTint(t, picture, decodeBytes(t, photo), "#00aa55")
			}
		}
	})

	t.Run("POST /api/images", func(t *testing.T) {
		code, answer := post(t, s.web()+"/api/images", map[string]string{"tint": "#cc3300"}, "rocket.jpg", photo)
		if code != http.StatusAccepted || answer["status"] != "queued" {
			t.Fatalf("%d %v", code, answer)
		}
		id := answer["id"].(string)
		if m := s.finished(id); m.Status != recipe.Done || m.Params["tint"] != "#cc3300" {
			t.Fatalf("manifest %+v", m)
		}
		eventually(t, "the browser hears of it", func() error { return events.heard(id, "done") })
	})

	t.Run("aws s3 cp", func(t *testing.T) {
		key := "holiday/my rocket.jpg"
		if bin, err := exec.LookPath("aws"); err == nil {
			cmd := exec.Command(bin, "--endpoint-url", "http://"+s.endpointAddr, "s3", "cp", writeFile(t, "a.jpg", photo), "s3://tintype-uploads/"+key)
			cmd.Env = s.env
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		} else if err := s.put(key, photo, nil); err != nil {
			t.Fatal(err)
		}
		id := store.IDForKey(key)
		if m := s.finished(id); m.Status != recipe.Done || m.Source.Key != key {
			t.Fatalf("manifest %+v", m)
		}
		eventually(t, "the browser hears of it", func() error { return events.heard(id, "done") })
	})

	t.Run("retry, delete", func(t *testing.T) {
		_, answer := post(t, s.web()+"/api/images", nil, "rocket.jpg", photo)
		id := answer["id"].(string)
		s.finished(id)
		resp, err := http.Post(s.web()+"/api/images/"+id+"/retry", "application/json", strings.NewReader(`{"recipe":"grayscale"}`))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode/100 != 2 {
			t.Fatalf("retry: %d", resp.StatusCode)
		}
		eventually(t, "grayscale result", func() error {
			m, err := s.manifest(id)
			if err == nil && m.Recipe != "grayscale" {
				err = fmt.Errorf("the recipe is %s", m.Recipe)
			}
			return err
		})
		req, _ := http.NewRequest(http.MethodDelete, s.web()+"/api/images/"+id, nil)
		resp, err = http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode/100 != 2 {
			t.Fatalf("delete: %d", resp.StatusCode)
		}
		if _, err := s.manifest(id); err == nil {
			t.Error("the manifest is still there")
		}
	})

	s.drained("ImageApp")
	s.drained("ImageApp-dlq")

	t.Run("stop", func(t *testing.T) {
		if code := web.stop(syscall.SIGTERM); code != 0 {
			t.Errorf("web: exit %d\n%s", code, web.out)
		}
		if code := app.stop(syscall.SIGTERM); code != 0 {
			t.Errorf("app: exit %d\n%s", code, app.out)
		}
		// The web tier's own queue and its subscription go with it.
		queues, err := s.sqs.ListQueues(context.Background(), &sqs.ListQueuesInput{QueueNamePrefix: aws.String("tintype-web-")})
		if err != nil || len(queues.QueueUrls) != 0 {
			t.Errorf("left over: %v, %v", queues.QueueUrls, err)
		}
		subs, err := s.sns.ListSubscriptions(context.Background(), &sns.ListSubscriptionsInput{})
		if err != nil || len(subs.Subscriptions) != 1 {
			t.Errorf("subscriptions left: %+v, %v", subs.Subscriptions, err)
		}
	})
}

// TestUploadsDoNotWaitForTheAppTier: the claim of the design. While no app tier runs,
// uploads are taken; when one comes, it catches up.
func TestUploadsDoNotWaitForTheAppTier(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.startEndpoint()
	s.provision()
	s.startWeb()
	var ids []string
	for i := range 12 {
		code, answer := post(t, s.web()+"/api/images", nil, fmt.Sprintf("%d.jpg", i), testimages.JPEG(200+i, 100))
		if code != http.StatusAccepted {
			t.Fatalf("upload %d: %d %v", i, code, answer)
		}
		ids = append(ids, answer["id"].(string))
	}
	if waiting, _, err := s.depth("ImageApp"); err != nil || waiting < len(ids) {
		t.Fatalf("%d messages wait, %v; want %d", waiting, err, len(ids))
	}
	var doc document
	if err := getJSON(s.web()+"/api/images/"+ids[0], &doc); err != nil || doc.Status != "queued" {
		t.Fatalf("%+v, %v", doc, err)
	}
	// Two processes share the queue.
	s.startApp()
	s.appAddr = freeAddr(t)
	s.startApp()
	for _, id := range ids {
		if m := s.finished(id); m.Status != recipe.Done {
			t.Errorf("%s: %+v", id, m.Error)
		}
	}
	s.drained("ImageApp")
	s.drained("ImageApp-dlq")
}
