package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image/color"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/tintype/tintype/internal/backlog"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/internal/testimages"
)

func TestConfig(t *testing.T) {
	s := newSystem(t, nil)
	var got struct {
		Mode    string
		Default string `json:"defaultRecipe"`
		Limits  limits
		Recipes []recipe.Recipe
		Live    bool
	}
	s.json("GET", "/api/config", "", http.StatusOK).json(t, &got)
	if got.Mode != "decoupled" || got.Default != "tint" || !got.Live || got.Limits.MaxBytes != 50_000_000 || got.Limits.MaxPixels != 100_000_000 || got.Limits.MaxSide != 20_000 {
		t.Errorf("config is %+v", got)
	}
	if len(got.Recipes) != len(s.book.Recipes()) || got.Recipes[0].Params[0].Name != "tint" {
		t.Errorf("recipes are %+v", got.Recipes)
	}
}

// An image's life through the API: uploaded, waiting, done, downloaded, sent again, deleted.
func TestLife(t *testing.T) {
	s := newSystem(t, nil)
	picture := testimages.PNG(64, 48)
	id := s.uploaded("cat.png", picture, field{name: "tint", body: []byte("#36F")}, field{name: "strength", body: []byte("0.5")})

	img := s.image(id)
	if img.ID != id || img.Key != id+"/cat.png" || img.Name != "cat.png" || img.Status != recipe.Queued || img.Recipe != "tint" ||
		img.Params["tint"] != "#3366ff" || img.Params["strength"] != 0.5 || img.Source.Bytes != int64(len(picture)) || len(img.Outputs) != 0 || img.Error != nil || img.Attempts != 0 {
		t.Fatalf("after the upload: %+v", img)
	}
	s.refused(s.request("GET", "/api/images/"+id+"/outputs/full", nil), 404, fault.CodeNotFound)

	s.mustProcess(id)
	img = s.image(id)
	if img.Status != recipe.Done || img.Attempts != 1 || img.Timings == nil || len(img.Outputs) != 3 || img.Source.Width != 64 {
		t.Fatalf("after processing: %+v", img)
	}
	for _, o := range img.Outputs {
		if o.URL != "/api/images/"+id+"/outputs/"+o.Name || o.Bytes == 0 || o.Format != "png" || !strings.HasPrefix(o.Key, id+"/") {
			t.Errorf("output is %+v", o)
		}
		a := s.request("GET", o.URL, nil)
		if a.StatusCode != http.StatusFound {
			t.Fatalf("%s: %s", o.URL, a.Status)
		}
		got := s.request("GET", a.Header.Get("Location"), nil)
		if int64(len(got.body)) != o.Bytes || got.Header.Get("Content-Type") != "image/png" {
			t.Errorf("output %s has %d bytes of %s, want %d", o.Name, len(got.body), got.Header.Get("Content-Type"), o.Bytes)
		}
	}
	s.refused(s.request("GET", "/api/images/"+id+"/outputs/..%2fmanifest.json", nil), 404, fault.CodeNotFound)

	a := s.request("GET", "/api/images/"+id+"/original?download", nil)
	original := s.request("GET", a.Header.Get("Location"), nil)
	if !bytes.Equal(original.body, picture) {
		t.Errorf("the original came back as %d bytes, want %d", len(original.body), len(picture))
	}
	if d := override(t, a, "response-content-disposition"); !strings.HasPrefix(d, `attachment; filename="cat.png"`) {
		t.Errorf("the original is downloaded with %q", d)
	}

	// With another recipe it waits again; with the same one nothing is to be done.
	a = s.json("POST", "/api/images/"+id+"/retry", `{"recipe":"sepia","params":{"strength":0.25}}`, http.StatusAccepted)
	if a.Header.Get("Location") != "/api/images/"+id {
		t.Errorf("retry answers Location %q", a.Header.Get("Location"))
	}
	s.laterThan(id)
	if img = s.image(id); img.Status != recipe.Queued || img.Recipe != "sepia" || img.Params["strength"] != 0.25 {
		t.Fatalf("after the retry: %+v", img)
	}
	s.mustProcess(id)
	if img = s.image(id); img.Status != recipe.Done || img.Recipe != "sepia" {
		t.Fatalf("after the second processing: %+v", img)
	}
	s.json("POST", "/api/images/"+id+"/retry", "", http.StatusAccepted)
	if img = s.image(id); img.Status != recipe.Done || img.Recipe != "sepia" {
		t.Fatalf("after a retry that changes nothing: %+v", img)
	}

	// An overwritten original waits, whatever the manifest says.
	if _, err := s.store.PutSource(t.Context(), store.PutSource{Key: img.Key, Body: bytes.NewReader(testimages.PNG(10, 10)), Size: int64(len(testimages.PNG(10, 10))), ContentType: "image/png"}); err != nil {
		t.Fatal(err)
	}
	if img = s.image(id); img.Status != recipe.Queued || img.Recipe != "tint" {
		t.Fatalf("after an overwrite: %+v", img)
	}

	for range 2 { // deleting what is gone is fine
		if a := s.request("DELETE", "/api/images/"+id, nil); a.StatusCode != http.StatusNoContent {
			t.Fatalf("delete: %s %s", a.Status, a.body)
		}
	}
	for _, path := range []string{"", "/original", "/outputs/full"} {
		s.refused(s.request("GET", "/api/images/"+id+path, nil), 404, fault.CodeNotFound)
	}
	s.refused(s.json("POST", "/api/images/"+id+"/retry", "", 404), 404, fault.CodeNotFound)
}

// override is a header that a presigned address asks S3 to answer with. Not every endpoint
// does so; S3 does.
func override(t *testing.T, a answer, name string) string {
	t.Helper()
	u, err := url.Parse(a.Header.Get("Location"))
	if err != nil || a.StatusCode != http.StatusFound {
		t.Fatalf("%s: %s to %q: %v", a.Request.URL, a.Status, a.Header.Get("Location"), err)
	}
	return u.Query().Get(name)
}

// laterThan rewrites the manifest as one of an event long before the original's last
// change, as it is when a retry comes minutes later; tests do not wait.
func (s *system) laterThan(id string) {
	s.t.Helper()
	m, etag, err := s.store.Manifest(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	m.Timings.Uploaded = m.Timings.Uploaded.Add(-time.Minute)
	if err := s.store.CommitManifest(s.t.Context(), m, etag); err != nil {
		s.t.Fatal(err)
	}
}

// Objects that come into the bucket by other ways are images too.
func TestForeignUploads(t *testing.T) {
	s := newSystem(t, nil)
	for _, tt := range []struct {
		key, recipe string
		params      map[string]string
	}{
		{"holiday/2024/sea & sand+%25 ünï.png", "", nil},
		{strings.Repeat("deep/", 100) + "x.png", "tint", map[string]string{"tint": "#123456"}},
		{"unknown-recipe.png", "nonsense", nil},
		{"bad-param.png", "tint", map[string]string{"tint": "reddish"}},
	} {
		body := testimages.PNG(8, 8)
		if _, err := s.store.PutSource(t.Context(), store.PutSource{Key: tt.key, Body: bytes.NewReader(body), Size: int64(len(body)), ContentType: "text/html", Recipe: tt.recipe, Params: tt.params}); err != nil {
			t.Fatal(err)
		}
		id := store.IDForKey(tt.key)
		want := tt.recipe
		if want == "" {
			want = "tint"
		}
		if img := s.image(id); img.Key != tt.key || img.Status != recipe.Queued || img.Recipe != want {
			t.Errorf("%s: %+v", tt.key, img)
		}
		// Whatever type it claims, a browser is not told to run it.
		a := s.request("GET", "/api/images/"+id+"/original", nil)
		if got := override(t, a, "response-content-type"); got != "image/png" {
			t.Errorf("%s: the original is served as %s", tt.key, got)
		}
		s.mustProcess(id)
		img := s.image(id)
		if failed := img.Status == recipe.Failed && img.Error != nil && img.Error.Message != ""; failed != (tt.recipe == "nonsense" || tt.params["tint"] == "reddish") {
			t.Errorf("%s ended as %+v", tt.key, img)
		}
	}
}

func TestList(t *testing.T) {
	s := newSystem(t, nil)
	var ids []string
	base := time.Now()
	for i := range 7 {
		// Ids within one millisecond are in no order.
		key := store.UploadKey(store.NewID(base.Add(time.Duration(i)*time.Millisecond)), fmt.Sprintf("%d.png", i))
		body := testimages.Solid(4, 4, grey(i))
		if _, err := s.store.PutSource(t.Context(), store.PutSource{Key: key, Body: bytes.NewReader(body), Size: int64(len(body)), ContentType: "image/png"}); err != nil {
			t.Fatal(err)
		}
		ids = append([]string{store.IDForKey(key)}, ids...) // newest first
	}
	s.mustProcess(ids[1])
	s.mustProcess(ids[5])
	get := func(query string) imageList {
		var l imageList
		s.json("GET", "/api/images?"+query, "", http.StatusOK).json(t, &l)
		return l
	}
	var all []string
	for next, pages := "", 0; ; pages++ {
		l := get("limit=3&cursor=" + next)
		for _, img := range l.Images {
			all = append(all, img.ID)
		}
		if next = l.Next; next == "" {
			if pages != 2 {
				t.Errorf("7 images in pages of 3 took %d pages", pages+1)
			}
			break
		}
	}
	if fmt.Sprint(all) != fmt.Sprint(ids) {
		t.Errorf("listed %v, want %v", all, ids)
	}
	for query, want := range map[string]int{"status=done": 2, "status=queued": 5, "status=failed": 0, "status=queued&limit=2": 2, "status=done&limit=1": 1, "": 7} {
		l := get(query)
		if len(l.Images) != want {
			t.Errorf("?%s lists %d images, want %d", query, len(l.Images), want)
		}
	}
	// A filter must not skip what is behind the cursor.
	l := get("status=done&limit=1")
	if l2 := get("status=done&limit=1&cursor=" + l.Next); len(l2.Images) != 1 || l.Images[0].ID != ids[1] || l2.Images[0].ID != ids[5] {
		t.Errorf("two pages of done images are %+v and %+v", l.Images, l2.Images)
	}
	for _, query := range []string{"limit=0", "limit=101", "limit=x", "status=lost", "cursor=%21%21"} {
		s.refused(s.request("GET", "/api/images?"+query, nil), 400, fault.CodeBadRequest)
	}
}

func grey(i int) color.NRGBA { return color.NRGBA{uint8(i), uint8(i), uint8(i), 255} }

// The browser's way: a presigned form, sent straight to S3.
func TestPresignedUpload(t *testing.T) {
	s := newSystem(t, nil)
	body := testimages.PNG(32, 32)
	var form struct {
		ID, Key, URL string
		Fields       map[string]string
	}
	s.json("POST", "/api/uploads", fmt.Sprintf(`{"filename":"my cat.png","size":%d,"contentType":"image/png","recipe":"tint","params":{"tint":"#0f9d8f","strength":0.7}}`, len(body)), http.StatusCreated).json(t, &form)
	if !store.ValidID(form.ID) || form.Key != form.ID+"/my cat.png" {
		t.Fatalf("handed out %+v", form)
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for k, v := range form.Fields {
		_ = w.WriteField(k, v)
	}
	part, err := w.CreateFormFile("file", "ignored.png")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write(body)
	_ = w.Close()
	if a := s.request("POST", form.URL, &b, "Content-Type", w.FormDataContentType()); a.StatusCode/100 != 2 {
		t.Fatalf("S3 answered %s: %s", a.Status, a.body)
	}
	img := s.image(form.ID)
	if img.Status != recipe.Queued || img.Params["tint"] != "#0f9d8f" || img.Params["strength"] != 0.7 || img.Source.Bytes != int64(len(body)) {
		t.Errorf("image is %+v", img)
	}
	out, err := s.s3.HeadObject(context.Background(), &s3.HeadObjectInput{Bucket: ptr(s.store.Bucket(store.Uploads)), Key: &form.Key})
	if err != nil || *out.ContentType != "image/png" {
		t.Errorf("object has %+v, %v", out, err)
	}
}

func ptr[T any](v T) *T { return &v }

func TestUploadsAtTheDoor(t *testing.T) {
	s := newSystem(t, nil)
	for name, tt := range map[string]struct {
		body   string
		status int
		code   string
	}{
		"empty":              {`{"filename":"a.png","size":0}`, 422, fault.CodeEmpty},
		"negative":           {`{"filename":"a.png","size":-1}`, 400, fault.CodeBadRequest},
		"too large":          {`{"filename":"a.png","size":50000001}`, 413, fault.CodeTooLarge},
		"no name":            {`{"size":10}`, 400, fault.CodeBadRequest},
		"long name":          {`{"filename":"` + strings.Repeat("a", 5000) + `","size":10}`, 400, fault.CodeBadRequest},
		"text":               {`{"filename":"a.txt","size":10,"contentType":"text/plain"}`, 415, fault.CodeNotAnImage},
		"svg":                {`{"filename":"a.svg","size":10,"contentType":"image/svg+xml"}`, 415, fault.CodeUnsupported},
		"type with newline":  {`{"filename":"a.png","size":10,"contentType":"image/png\r\nX: y"}`, 400, fault.CodeBadRequest},
		"unknown recipe":     {`{"filename":"a.png","size":10,"recipe":"paint"}`, 422, fault.CodeUnknownRecipe},
		"bad colour":         {`{"filename":"a.png","size":10,"params":{"tint":"#ggg"}}`, 422, fault.CodeBadParameter},
		"unknown param":      {`{"filename":"a.png","size":10,"params":{"hue":"1"}}`, 422, fault.CodeBadParameter},
		"param is an object": {`{"filename":"a.png","size":10,"params":{"tint":{}}}`, 400, fault.CodeBadRequest},
		"param is null":      {`{"filename":"a.png","size":10,"params":{"tint":null}}`, 400, fault.CodeBadRequest},
		"unknown member":     {`{"filename":"a.png","size":10,"key":"../../etc"}`, 400, fault.CodeBadRequest},
		"two values":         {`{"filename":"a.png","size":10}{}`, 400, fault.CodeBadRequest},
		"cut off":            {`{"filename":"a.png"`, 400, fault.CodeBadRequest},
		"no body":            {``, 400, fault.CodeBadRequest},
		"an array":           {`[]`, 400, fault.CodeBadRequest},
		"too much":           {`{"filename":"` + strings.Repeat("a", maxJSON) + `"}`, 413, codeRequestTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			s.refused(s.request("POST", "/api/uploads", strings.NewReader(tt.body), "Content-Type", "application/json"), tt.status, tt.code)
		})
	}
	s.refused(s.request("POST", "/api/uploads", strings.NewReader(`{"filename":"a.png","size":1}`), "Content-Type", "text/plain"), 415, codeMediaType)
	for _, ct := range []string{"", "application/octet-stream", "image/jpg", "image/heic", "image/png; x=y"} {
		body, _ := json.Marshal(map[string]any{"filename": "a", "size": 1, "contentType": ct})
		s.json("POST", "/api/uploads", string(body), http.StatusCreated)
	}
}

func TestRoutes(t *testing.T) {
	s := newSystem(t, nil)
	id := store.NewID(time.Now())
	for _, tt := range []struct {
		method, path string
		status       int
		code         string
	}{
		{"GET", "/nothing", 404, fault.CodeNotFound},
		{"GET", "/api", 404, fault.CodeNotFound},
		{"GET", "/static/page.html", 404, fault.CodeNotFound},
		{"GET", "/static/..%2fpage.html", 404, fault.CodeNotFound},
		{"GET", "/api/images/" + id, 404, fault.CodeNotFound},
		{"GET", "/api/images/not-an-id", 404, fault.CodeNotFound},
		{"GET", "/api/images/%00", 404, fault.CodeNotFound},
		{"GET", "/api/images/" + strings.Repeat("k", 3000), 404, fault.CodeNotFound},
		{"GET", "/api/images/not-an-id/original", 404, fault.CodeNotFound},
		{"GET", "/api/images/not-an-id/outputs/full", 404, fault.CodeNotFound},
		{"DELETE", "/api/images/not-an-id", 404, fault.CodeNotFound},
		{"POST", "/api/images/not-an-id/retry", 404, fault.CodeNotFound},
		{"POST", "/api/images/" + id + "/retry", 404, fault.CodeNotFound},
		{"PUT", "/api/images/" + id, 405, codeMethod},
		{"POST", "/", 405, codeMethod},
		{"POST", "/api/config", 405, codeMethod},
		{"DELETE", "/api/images", 405, codeMethod},
	} {
		a := s.request(tt.method, tt.path, nil)
		s.refused(a, tt.status, tt.code)
		if tt.status == 405 && a.Header.Get("Allow") == "" {
			t.Errorf("%s %s: no Allow header", tt.method, tt.path)
		}
	}
	if a := s.request("GET", "//api//config", nil); a.StatusCode/100 != 3 || a.Header.Get("Location") != "/api/config" {
		t.Errorf("//api//config: %s to %q", a.Status, a.Header.Get("Location"))
	}
	a := s.request("GET", "/static/app.js", nil)
	if a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "text/javascript; charset=utf-8" || a.Header.Get("ETag") == "" {
		t.Errorf("app.js: %s %v", a.Status, a.Header)
	}
	if again := s.request("GET", "/static/app.js", nil, "If-None-Match", a.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
		t.Errorf("app.js again: %s", again.Status)
	}
	if a := s.request("HEAD", "/", nil); a.StatusCode != http.StatusOK || len(a.body) != 0 {
		t.Errorf("HEAD /: %s", a.Status)
	}
}

func TestHealthAndMetrics(t *testing.T) {
	s := newSystem(t, nil)
	s.json("GET", "/healthz", "", 200)
	a := s.json("GET", "/readyz", "", 503)
	if !strings.Contains(string(a.body), "completion messages") {
		t.Errorf("before it runs: %s", a.body)
	}
	stop := s.run(s.web)
	s.json("GET", "/readyz", "", 200)
	s.uploaded("a.png", testimages.PNG(4, 4))
	s.refused(s.upload(nil, field{"file", "a.png", []byte("x")}), 415, fault.CodeNotAnImage)
	got := string(s.request("GET", "/metrics", nil).body)
	for _, line := range []string{
		`tintype_web_uploads_total{way="through"} 1`,
		`tintype_web_problems_total{code="not_an_image"} 1`,
		`tintype_web_requests_total{status="202"} 1`,
		"tintype_web_live 1",
		"# TYPE tintype_web_requests_total counter",
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("metrics lack %s:\n%s", line, got)
		}
	}
	stop()
	s.json("GET", "/readyz", "", 503)
}

func TestPipeline(t *testing.T) {
	s := newSystem(t, nil)
	work, dead := s.queue(s.prefix+"work"), s.queue(s.prefix+"work-dlq")
	s.web, s.url = s.serve(func(o *Options) {
		o.Backlog = backlog.New(backlog.Options{SQS: s.sqs, QueueURL: work, DeadLetterURL: dead})
	})
	s.send(work, "a")
	s.send(work, "b")
	s.send(dead, "c")
	var got struct {
		Queue backlog.Figures
		Rates []rate
		Live  bool
	}
	s.json("GET", "/api/pipeline", "", 200).json(t, &got)
	if got.Queue.Waiting != 2 || got.Queue.DeadLetters != 1 || got.Queue.OldestAge != nil || len(got.Rates) != 2 || got.Live {
		t.Errorf("pipeline is %+v", got)
	}
	s.web, s.url = s.serve(func(o *Options) {
		o.Backlog = backlog.New(backlog.Options{SQS: s.sqs, QueueURL: work + "-gone"})
	})
	if a := s.request("GET", "/api/pipeline", nil); a.StatusCode != http.StatusInternalServerError || strings.Contains(string(a.body), "gone") {
		t.Errorf("with its queue gone: %s %s", a.Status, a.body)
	}
}

func TestRates(t *testing.T) {
	var r rates
	now := time.Unix(1_700_000_000, 0)
	for i := range 600 { // one a second; every tenth fails
		r.add(now.Add(time.Duration(i)*time.Second), i%10 == 0)
	}
	end := now.Add(599 * time.Second)
	if done, failed := r.within(end, time.Minute); done != 54 || failed != 6 {
		t.Errorf("in the last minute %d done, %d failed", done, failed)
	}
	if done, failed := r.within(end, 300*time.Second); done+failed != 300 {
		t.Errorf("in the last five minutes %d done, %d failed", done, failed)
	}
	if done, failed := r.within(end.Add(time.Hour), time.Minute); done+failed != 0 {
		t.Errorf("an hour later %d done, %d failed", done, failed)
	}
}
