package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/tintype/tintype/internal/testimages"
)

// coupledPair runs the coupled web tier and app tier as two processes.
type coupledPair struct {
	*system
	webAddr, appAddr string
}

func newCoupledPair(s *system) *coupledPair {
	return &coupledPair{system: s, webAddr: freeAddr(s.t), appAddr: freeAddr(s.t)}
}

func (c *coupledPair) startWeb() *process {
	p := start(c.t, c.env, "web", "--mode", "coupled", "--coupled-web-addr", c.webAddr, "--process-url", "http://"+c.appAddr)
	p.ready("http://" + c.webAddr + "/readyz")
	return p
}

func (c *coupledPair) startApp(args ...string) *process {
	p := start(c.t, c.env, append([]string{"app", "--mode", "coupled", "--coupled-app-addr", c.appAddr}, args...)...)
	p.ready("http://" + c.appAddr + "/readyz")
	return p
}

// answer is what the web API says of an image or of what went wrong.
type answer struct {
	ID, Recipe, Code, Detail, Instance string
	Status                             any // "done", or a problem's number
	Attempts                           int
	Outputs                            []struct{ Name, URL string }
	Error                              struct{ Code string }
}

// form uploads as curl -F does.
func (c *coupledPair) form(name string, body []byte, fields map[string]string) (int, answer) {
	c.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, _ := w.CreateFormFile("file", name)
	part.Write(body)
	for k, v := range fields {
		w.WriteField(k, v)
	}
	w.Close()
	return c.post("/api/images", w.FormDataContentType(), &b)
}

func (c *coupledPair) post(path, contentType string, body io.Reader) (int, answer) {
	c.t.Helper()
	resp, err := http.Post("http://"+c.webAddr+path, contentType, body)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	var a answer
	if err := json.Unmarshal(b, &a); err != nil {
		c.t.Fatalf("status %d: %v in %s", resp.StatusCode, err, b)
	}
	return resp.StatusCode, a
}

// TestCoupled runs the architecture that the events replace: an upload is answered when it is
// processed, and fails when the app tier is away.
func TestCoupled(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.startEndpoint()
	c := newCoupledPair(s)
	web := c.startWeb()
	app := c.startApp()

	status, img := c.form("cat.jpg", testimages.Photo(), map[string]string{"tint": "#2266cc"})
	if status != http.StatusOK || img.Status != "done" || len(img.Outputs) != 3 || img.Attempts != 1 {
		t.Fatalf("an upload is answered %d %+v", status, img)
	}
	resp, err := http.Get("http://" + c.webAddr + img.Outputs[2].URL)
	if err != nil {
		t.Fatal(err)
	}
	thumb, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || http.DetectContentType(thumb) != "image/jpeg" {
		t.Errorf("the output is answered %d %.40q", resp.StatusCode, thumb)
	}
	if status, again := c.post("/api/images/"+img.ID+"/retry", "application/json", bytes.NewReader([]byte(`{"recipe":"sepia"}`))); status != http.StatusOK || again.ID != img.ID || again.Recipe != "sepia" || again.Status != "done" {
		t.Errorf("with another recipe: %d %+v", status, again)
	}
	var now answer
	if err := getJSON("http://"+c.webAddr+"/api/images/"+img.ID, &now); err != nil || now.Status != "done" || now.Recipe != "sepia" {
		t.Errorf("afterwards it is %+v, %v", now, err)
	}

	// A damaged image is taken, fails, and is in the list as failed.
	status, bad := c.form("cut.jpg", testimages.Photo()[:20_000], nil)
	if status != http.StatusUnprocessableEntity || bad.Code != "corrupt_image" || bad.Instance == "" {
		t.Fatalf("a damaged image is answered %d %+v", status, bad)
	}
	if err := getJSON("http://"+c.webAddr+bad.Instance, &now); err != nil || now.Status != "failed" || now.Error.Code != "corrupt_image" {
		t.Errorf("the damaged image is %+v, %v", now, err)
	}
	if status, refused := c.form("cat.jpg", testimages.Photo(), map[string]string{"tint": "chartreuse-ish"}); status != http.StatusUnprocessableEntity || refused.Code != "bad_parameter" {
		t.Errorf("a bad parameter is answered %d %+v", status, refused)
	}

	// The failure that the events are there to prevent.
	if code := app.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("the app tier ends with %d", code)
	}
	status, lost := c.form("dog.jpg", testimages.Photo(), nil)
	if status != http.StatusBadGateway || lost.Code != "app_tier_unavailable" || lost.Detail == "" {
		t.Errorf("with the app tier away an upload is answered %d %+v", status, lost)
	}
	c.startApp()
	if status, img := c.form("dog.jpg", testimages.Photo(), nil); status != http.StatusOK || img.Status != "done" {
		t.Errorf("with the app tier back an upload is answered %d %+v", status, img)
	}
	if code := web.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("the web tier ends with %d", code)
	}
}

// TestBothModes runs both architectures in one process: they do not see each other's images.
func TestBothModes(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	c := newCoupledPair(s)
	s.startUp("--mode", "both", "--coupled-web-addr", c.webAddr, "--coupled-app-addr", c.appAddr)
	if status, img := c.form("cat.jpg", testimages.Photo(), nil); status != http.StatusOK || img.Status != "done" {
		t.Fatalf("the coupled pair answers %d %+v", status, img)
	}
	if err := s.put("dog.jpg", testimages.Photo(), nil); err != nil {
		t.Fatal(err)
	}
	s.drained("ImageApp")
	for bucket, want := range map[string]int{"tintype-uploads": 1, "tintype-uploads-coupled": 1} {
		eventually(t, "one original in "+bucket, func() error {
			out, err := s.s3.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(bucket)})
			if err == nil && len(out.Contents) != want {
				err = fmt.Errorf("%d objects", len(out.Contents))
			}
			return err
		})
	}
	for url, mode := range map[string]string{s.web(): "decoupled", "http://" + c.webAddr: "coupled"} {
		var config struct {
			Mode string
			Live bool
		}
		if err := getJSON(url+"/api/config", &config); err != nil || config.Mode != mode || !config.Live {
			t.Errorf("%s says %+v, %v", url, config, err)
		}
		var list struct{ Images []answer }
		if err := getJSON(url+"/api/images", &list); err != nil || len(list.Images) != 1 {
			t.Errorf("%s lists %d images, %v", url, len(list.Images), err)
		}
	}
}
