package store

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/tintype/tintype/internal/awstest"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/recipe"
)

func encode(key string) string { return base64.RawURLEncoding.EncodeToString([]byte(key)) }

// hardKeys are keys that S3 allows and that careless code breaks.
var hardKeys = []string{
	"plain.jpg", "a b+c%41&d=e?f#g.jpg", "кошка/猫/🐈.png", "dir//double.jpg", "..hidden/...jpg", "~tilde'quote\"(x)!*.jpg",
	strings.Repeat("long", 120) + "x", // 481 bytes: hashed
	strings.Repeat("d/", 511) + "ab",  // 1,024 bytes
	"semi;colon,comma:colon@at$dollar",
}

func TestStore(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		f := &fixture{client: NewClient(awstest.Config(endpoint))}
		t.Run("Originals", f.originals)
		t.Run("HardKeys", f.hardKeys)
		t.Run("OpenSourceConditions", f.openSourceConditions)
		t.Run("Touch", f.touch)
		t.Run("List", f.list)
		t.Run("Manifest", f.manifest)
		t.Run("ManifestRace", f.manifestRace)
		t.Run("Delete", f.delete)
		t.Run("PresignGet", f.presignGet)
		t.Run("PresignUpload", f.presignUpload)
		t.Run("MissingBucket", f.missingBucket)
	})
}

type fixture struct {
	client *s3.Client
	mu     sync.Mutex
	n      int
}

// store returns a Store on two fresh buckets.
func (f *fixture) store(t *testing.T) *Store {
	t.Helper()
	f.mu.Lock()
	f.n++
	opts := Options{UploadsBucket: fmt.Sprintf("uploads-%d", f.n), ResultsBucket: fmt.Sprintf("results-%d", f.n)}
	f.mu.Unlock()
	for _, b := range []string{opts.UploadsBucket, opts.ResultsBucket} {
		if _, err := f.client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &b}); err != nil {
			t.Fatal(err)
		}
	}
	s, err := New(f.client, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t *testing.T, s *Store, key, body, recipe string, params map[string]string) {
	t.Helper()
	_, err := s.PutSource(t.Context(), PutSource{Key: key, Body: strings.NewReader(body), Size: int64(len(body)), ContentType: "image/jpeg", Recipe: recipe, Params: params})
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, s *Store, key, etag string) (*Source, string) {
	t.Helper()
	src, err := s.OpenSource(t.Context(), key, etag)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Body.Close()
	b, err := io.ReadAll(src.Body)
	if err != nil {
		t.Fatal(err)
	}
	return src, string(b)
}

func (f *fixture) originals(t *testing.T) {
	s := f.store(t)
	key := UploadKey(NewID(time.Now()), "cat.jpg")
	params := map[string]string{"tint": "#ff8800", "note": "é 🐈 \"quoted\" \\ \u2028"}
	put(t, s, key, "some bytes", "duotone", params)
	src, body := read(t, s, key, "")
	if body != "some bytes" || src.Size != 10 || src.ContentType != "image/jpeg" || src.ETag == "" || strings.Contains(src.ETag, `"`) || src.LastModified.IsZero() {
		t.Errorf("came back as %+v, %q", src, body)
	}
	if src.MetaErr != nil || src.Recipe != "duotone" || len(src.Params) != 2 || src.Params["note"] != params["note"] || src.Params["tint"] != "#ff8800" {
		t.Errorf("metadata came back as %q %q %v", src.Recipe, src.Params, src.MetaErr)
	}

	t.Run("metadata written by hand", func(t *testing.T) {
		for text, want := range map[string]string{
			`{"strength": 0.5, "tint": "#fff"}`: "0.5", `{"strength": true}`: "true", `{"strength":[1]}`: "", `not json`: "", `[1]`: "", `{"strength":null}`: "",
		} {
			_, err := f.client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(s.Bucket(Uploads)), Key: aws.String("hand.jpg"), Body: strings.NewReader("x"),
				Metadata: map[string]string{"tintype-params": text}})
			if err != nil {
				t.Fatal(err)
			}
			src, _ := read(t, s, "hand.jpg", "")
			if want == "" && (fault.CodeOf(src.MetaErr) != fault.CodeBadParameter || fault.KindOf(src.MetaErr) != fault.Permanent) {
				t.Errorf("%s: error is %v", text, src.MetaErr)
			}
			if want != "" && (src.MetaErr != nil || src.Params["strength"] != want) {
				t.Errorf("%s: %q %v", text, src.Params, src.MetaErr)
			}
		}
	})
	t.Run("too much metadata", func(t *testing.T) {
		_, err := s.PutSource(t.Context(), PutSource{Key: "x", Body: strings.NewReader("x"), Size: 1, Params: map[string]string{"a": strings.Repeat("é", 400)}})
		if fault.CodeOf(err) != fault.CodeBadParameter {
			t.Errorf("error is %v", err)
		}
		_, err = s.PutSource(t.Context(), PutSource{Key: "x", Body: strings.NewReader("x"), Size: 1, Recipe: "a\r\nx-amz-acl: public-read"})
		if fault.CodeOf(err) != fault.CodeUnknownRecipe {
			t.Errorf("error is %v", err)
		}
	})
}

func (f *fixture) hardKeys(t *testing.T) {
	s := f.store(t)
	for _, key := range hardKeys {
		name := key[:min(len(key), 20)]
		put(t, s, key, "body of "+name, "", nil)
		if _, body := read(t, s, key, ""); body != "body of "+name {
			t.Errorf("%s: read %q", name, body)
		}
		info, err := s.KeyOf(t.Context(), IDForKey(key))
		if err != nil || info.Key != key || info.ETag == "" || info.Size == 0 {
			t.Errorf("KeyOf(%s) = %+v, %v", name, info, err)
		}
		if err := s.Touch(t.Context(), IDForKey(key), "sepia", nil); err != nil {
			t.Errorf("Touch(%s): %v", name, err)
		}
		if src, body := read(t, s, key, ""); body != "body of "+name || src.Recipe != "sepia" {
			t.Errorf("%s: after Touch %q %q", name, src.Recipe, body)
		}
	}
	seen := map[string]bool{}
	for cursor := ""; ; {
		page, next, err := s.List(t.Context(), cursor, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, info := range page {
			if seen[info.Key] {
				t.Errorf("%q listed twice", info.Key)
			}
			seen[info.Key] = true
		}
		if cursor = next; next == "" {
			break
		}
	}
	for _, key := range hardKeys {
		if !seen[key] {
			t.Errorf("%q is not listed", key)
		}
		if err := s.Delete(t.Context(), IDForKey(key)); err != nil {
			t.Errorf("Delete(%q): %v", key, err)
		}
		if _, err := s.OpenSource(t.Context(), key, ""); !errors.Is(err, ErrGone) {
			t.Errorf("%q after Delete: %v", key, err)
		}
	}
}

func (f *fixture) openSourceConditions(t *testing.T) {
	s := f.store(t)
	put(t, s, "a.jpg", "first", "", nil)
	first, _ := read(t, s, "a.jpg", "")
	if _, body := read(t, s, "a.jpg", first.ETag); body != "first" {
		t.Errorf("with its ETag: %q", body)
	}
	put(t, s, "a.jpg", "second", "", nil)
	if _, err := s.OpenSource(t.Context(), "a.jpg", first.ETag); !errors.Is(err, ErrChanged) || fault.KindOf(err) != fault.Permanent {
		t.Errorf("after an overwrite: %v", err)
	}
	if _, err := s.OpenSource(t.Context(), "none.jpg", first.ETag); !errors.Is(err, ErrGone) || fault.CodeOf(err) != fault.CodeSourceGone {
		t.Errorf("no object: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.OpenSource(ctx, "a.jpg", ""); !errors.Is(err, context.Canceled) || fault.KindOf(err) != fault.Retry {
		t.Errorf("cancelled: %v", err)
	}
}

func (f *fixture) touch(t *testing.T) {
	s := f.store(t)
	id := NewID(time.Now())
	key := UploadKey(id, "a.jpg")
	if err := s.Touch(t.Context(), id, "", nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("nothing there: %v", err)
	}
	if _, err := f.client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(s.Bucket(Uploads)), Key: &key, Body: strings.NewReader("x"), ContentType: aws.String("image/png"),
		Metadata: map[string]string{"tintype-recipe": "tint", "tintype-params": `{"tint":"#000000"}`, "owner": "me"}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Touch(t.Context(), id, "", nil); err != nil {
		t.Fatal(err)
	}
	if src, _ := read(t, s, key, ""); src.Recipe != "tint" || src.Params["tint"] != "#000000" || src.ContentType != "image/png" {
		t.Errorf("the same again: %+v", src)
	}
	if err := s.Touch(t.Context(), id, "sepia", map[string]string{"strength": "1"}); err != nil {
		t.Fatal(err)
	}
	src, body := read(t, s, key, "")
	if src.Recipe != "sepia" || src.Params["strength"] != "1" || len(src.Params) != 1 || body != "x" || src.ContentType != "image/png" {
		t.Errorf("another recipe: %+v", src)
	}
	head, err := f.client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(s.Bucket(Uploads)), Key: &key})
	if err != nil || head.Metadata["owner"] != "me" {
		t.Errorf("the uploader's own metadata: %v %v", head.Metadata, err)
	}
}

func (f *fixture) list(t *testing.T) {
	s := f.store(t)
	if page, next, err := s.List(t.Context(), "", 10); err != nil || len(page) != 0 || next != "" {
		t.Errorf("empty bucket: %v %q %v", page, next, err)
	}
	start := time.Now()
	var want []string
	for i := range 7 {
		key := UploadKey(NewID(start.Add(time.Duration(i)*time.Second)), fmt.Sprintf("%d.jpg", i))
		put(t, s, key, "x", "", nil)
		want = append([]string{key}, want...)
	}
	var got []string
	pages := 0
	for cursor := ""; ; pages++ {
		page, next, err := s.List(t.Context(), cursor, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, info := range page {
			if info.ID != IDForKey(info.Key) || info.Size != 1 || info.LastModified.IsZero() {
				t.Errorf("incomplete: %+v", info)
			}
			got = append(got, info.Key)
		}
		if cursor = next; next == "" {
			break
		}
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") || pages != 2 {
		t.Errorf("in %d pages after the first, listed\n%s\nwant\n%s", pages, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if page, next, err := s.List(t.Context(), "", 7); err != nil || len(page) != 7 || next != "" {
		t.Errorf("exactly one page: %d, next %q, %v", len(page), next, err)
	}
	if _, _, err := s.List(t.Context(), "!!", 3); fault.CodeOf(err) != fault.CodeBadRequest {
		t.Errorf("a bad cursor: %v", err)
	}
}

func sample(id string) *recipe.Manifest {
	return &recipe.Manifest{Version: recipe.ManifestVersion, ID: id, Status: recipe.Done, Source: recipe.Source{Key: id + "/a.jpg", ETag: "e1"}, Recipe: "tint",
		Params: recipe.Params{"tint": "#ff8800", "strength": 0.5}}
}

func (f *fixture) manifest(t *testing.T) {
	s := f.store(t)
	id := NewID(time.Now())
	if _, _, err := s.Manifest(t.Context(), id); !errors.Is(err, ErrNotFound) {
		t.Fatalf("none yet: %v", err)
	}
	m := sample(id)
	if err := s.CommitManifest(t.Context(), m, `0123`); !errors.Is(err, ErrConflict) {
		t.Fatalf("replacing what is not there: %v", err)
	}
	if err := s.CommitManifest(t.Context(), m, ""); err != nil {
		t.Fatal(err)
	}
	got, etag, err := s.Manifest(t.Context(), id)
	if err != nil || got.Recipe != "tint" || got.Params["strength"] != 0.5 || etag == "" {
		t.Fatalf("came back as %+v %q %v", got, etag, err)
	}
	if err := s.CommitManifest(t.Context(), m, ""); !errors.Is(err, ErrConflict) {
		t.Errorf("a second first write: %v", err)
	}
	m.Recipe = "sepia"
	if err := s.CommitManifest(t.Context(), m, etag); err != nil {
		t.Fatal(err)
	}
	m.Recipe = "web"
	if err := s.CommitManifest(t.Context(), m, etag); !errors.Is(err, ErrConflict) {
		t.Errorf("with an old ETag: %v", err)
	}
	if got, _, err := s.Manifest(t.Context(), id); err != nil || got.Recipe != "sepia" {
		t.Errorf("the loser's write is there: %+v %v", got, err)
	}

	for name, body := range map[string]string{"junk": "{", "another image's": `{"version":1,"id":"x"}`, "too large": `{"version":1,"id":"` + strings.Repeat("x", maxManifest) + `"}`} {
		if _, err := f.client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(s.Bucket(Results)), Key: aws.String(ManifestKey(id)), Body: strings.NewReader(body)}); err != nil {
			t.Fatal(err)
		}
		_, etag, err := s.Manifest(t.Context(), id)
		if !errors.Is(err, ErrUnreadable) || etag == "" {
			t.Errorf("%s: %q %v", name, etag, err)
		}
		if err := s.CommitManifest(t.Context(), sample(id), etag); err != nil {
			t.Errorf("%s is not replaced: %v", name, err)
		}
	}
	if _, err := f.client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(s.Bucket(Results)), Key: aws.String(ManifestKey(id)), Body: strings.NewReader(`{"version":99}`)}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Manifest(t.Context(), id); err == nil || errors.Is(err, ErrUnreadable) || fault.KindOf(err) != fault.Bug {
		t.Errorf("from a newer program: %v", err)
	}
}

// manifestRace lets many writers commit at once: one wins.
func (f *fixture) manifestRace(t *testing.T) {
	s := f.store(t)
	id := NewID(time.Now())
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() { errs[i] = s.CommitManifest(t.Context(), sample(id), "") })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, ErrConflict):
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d writers of 8 won", won)
	}
}

func (f *fixture) delete(t *testing.T) {
	s := f.store(t)
	id, other := NewID(time.Now()), NewID(time.Now())
	for _, id := range []string{id, other} {
		put(t, s, UploadKey(id, "a.jpg"), "x", "", nil)
		for _, out := range []string{"full", "large", "thumb"} {
			if _, err := s.PutOutput(t.Context(), OutputKey(id, "e", "", "h", out, "jpg"), "image/jpeg", []byte(out)); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.CommitManifest(t.Context(), sample(id), ""); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second time there is nothing left to do
		if err := s.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range []Which{Uploads, Results} {
		for info, err := range s.scan(t.Context(), s.Bucket(b), "", "", 0) {
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(info.Key, id) {
				t.Errorf("%s is still there", info.Key)
			}
		}
	}
	if _, _, err := s.Manifest(t.Context(), other); err != nil {
		t.Errorf("another image lost its manifest: %v", err)
	}
	if _, err := s.KeyOf(t.Context(), other); err != nil {
		t.Errorf("another image lost its original: %v", err)
	}
	if err := s.Delete(t.Context(), "../"+other); !errors.Is(err, ErrNotFound) {
		t.Errorf("a bad id: %v", err)
	}
}

func (f *fixture) presignGet(t *testing.T) {
	s := f.store(t)
	get := func(u string) (*http.Response, string) {
		t.Helper()
		res, err := http.Get(u)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res, string(b)
	}
	if _, err := s.PutSource(t.Context(), PutSource{Key: "ä +.html", Body: strings.NewReader("<script>"), Size: 8, ContentType: "text/html"}); err != nil {
		t.Fatal(err)
	}
	u, err := s.PresignGet(t.Context(), Uploads, "ä +.html", "кошка \"1\"\r\n.jpg")
	if err != nil {
		t.Fatal(err)
	}
	res, body := get(u)
	if res.StatusCode != http.StatusOK || body != "<script>" {
		t.Errorf("%s %q", res.Status, body)
	}
	asked, err := url.Parse(u)
	if err != nil {
		t.Fatal(err)
	}
	for header, want := range map[string]string{
		"Content-Type":        "application/octet-stream", // never the uploader's text/html
		"Content-Disposition": `attachment; filename="_____ _1_.jpg"; filename*=UTF-8''%D0%BA%D0%BE%D1%88%D0%BA%D0%B0%20%221%22.jpg`,
	} {
		if got := asked.Query().Get("response-" + strings.ToLower(header)); got != want {
			t.Errorf("the URL asks for %s %q, want %q", header, got, want)
		}
		// moto does not know response-… parameters: then the disposition is missing.
		if got := res.Header.Get(header); res.Header.Get("Content-Disposition") != "" && got != want {
			t.Errorf("%s is %q, want %q", header, got, want)
		}
	}
	if _, err := s.PutOutput(t.Context(), "id/x/full.jpg", "image/jpeg", []byte("jpeg")); err != nil {
		t.Fatal(err)
	}
	u, err = s.PresignGet(t.Context(), Results, "id/x/full.jpg", "")
	if err != nil {
		t.Fatal(err)
	}
	if res, body := get(u); res.StatusCode != http.StatusOK || body != "jpeg" || res.Header.Get("Content-Type") != "image/jpeg" || res.Header.Get("Content-Disposition") != "" {
		t.Errorf("%s %q %v", res.Status, body, res.Header)
	}
}

func (f *fixture) presignUpload(t *testing.T) {
	s := f.store(t)
	key := UploadKey(NewID(time.Now()), "кошка +1.jpg")
	form, err := s.PresignUpload(t.Context(), PresignUpload{Key: key, ContentType: "image/jpeg", Recipe: "tint", Params: map[string]string{"tint": "#00ff00"}, MaxBytes: 100})
	if err != nil {
		t.Fatal(err)
	}
	post := func(fields map[string]string, file string) (int, string) {
		t.Helper()
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		for k, v := range fields {
			w.WriteField(k, v)
		}
		part, _ := w.CreateFormFile("file", "ignored.jpg")
		io.WriteString(part, file)
		w.Close()
		res, err := http.Post(form.URL, w.FormDataContentType(), &body)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		answer, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(answer)
	}
	if status, answer := post(form.Fields, "image bytes"); status/100 != 2 {
		t.Fatalf("%d %s", status, answer)
	}
	src, got := read(t, s, key, "")
	if got != "image bytes" || src.Recipe != "tint" || src.Params["tint"] != "#00ff00" {
		t.Errorf("%q %+v", got, src)
	}

	t.Run("what the form does not allow", func(t *testing.T) {
		if strings.Contains(t.Name(), "/moto/") {
			t.Skip("moto does not enforce policies")
		}
		with := func(k, v string) map[string]string {
			changed := maps.Clone(form.Fields)
			changed[k] = v
			return changed
		}
		for name, tc := range map[string]struct {
			fields map[string]string
			file   string
		}{
			"too large":     {form.Fields, strings.Repeat("x", 101)},
			"empty":         {form.Fields, ""},
			"another key":   {with("key", "elsewhere.jpg"), "x"},
			"another type":  {with("Content-Type", "text/html"), "x"},
			"other params":  {with("x-amz-meta-tintype-params", "{}"), "x"},
			"another field": {with("x-amz-meta-owner", "me"), "x"},
		} {
			if status, answer := post(tc.fields, tc.file); status/100 != 4 {
				t.Errorf("%s: %d %s", name, status, answer)
			}
		}
		if _, got := read(t, s, key, ""); got != "image bytes" {
			t.Errorf("the upload is now %q", got)
		}
	})
}

func (f *fixture) missingBucket(t *testing.T) {
	s, err := New(f.client, Options{UploadsBucket: "no-such-uploads", ResultsBucket: "no-such-results"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.OpenSource(t.Context(), "a", "")
	if errors.Is(err, ErrGone) || fault.KindOf(err) != fault.Bug || fault.HintOf(err) == "" {
		t.Errorf("a missing bucket is taken for a missing object: %v", err)
	}
	if _, _, err := s.Manifest(t.Context(), NewID(time.Now())); errors.Is(err, ErrNotFound) || fault.KindOf(err) != fault.Bug {
		t.Errorf("manifest: %v", err)
	}
	if err := s.CommitManifest(t.Context(), sample(NewID(time.Now())), "e"); errors.Is(err, ErrConflict) || fault.KindOf(err) != fault.Bug {
		t.Errorf("commit: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	client := NewClient(awstest.Config("http://127.0.0.1:1"))
	for name, o := range map[string]Options{
		"one bucket for both": {UploadsBucket: "a", ResultsBucket: "a"},
		"no bucket":           {UploadsBucket: "a"},
		"TTL over 7 days":     {UploadsBucket: "a", ResultsBucket: "b", PresignTTL: 8 * 24 * time.Hour},
		"URL without a host":  {UploadsBucket: "a", ResultsBucket: "b", PublicURL: "localhost:4566"},
	} {
		if _, err := New(client, o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// The policy is looked at itself, because not every endpoint enforces it.
func TestPresignUploadBindsEverything(t *testing.T) {
	s, err := New(NewClient(awstest.Config("http://127.0.0.1:1")), Options{UploadsBucket: "up", ResultsBucket: "res", PublicURL: "https://files.example.org", PresignTTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	form, err := s.PresignUpload(t.Context(), PresignUpload{Key: "id/é<&>.jpg", ContentType: "image/png\r\nX: y", Recipe: "tint", Params: map[string]string{"tint": "#fff"}, MaxBytes: 77})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(form.URL, "https://files.example.org/up") || strings.Contains(form.URL, "?") {
		t.Errorf("URL %s", form.URL)
	}
	doc, err := base64.StdEncoding.DecodeString(form.Fields["policy"])
	if err != nil {
		t.Fatal(err)
	}
	if strings.ContainsFunc(string(doc), func(r rune) bool { return r > '~' }) {
		t.Errorf("the policy is not ASCII: %s", doc)
	}
	var policy struct {
		Expiration time.Time
		Conditions []any
	}
	if err := json.Unmarshal(doc, &policy); err != nil {
		t.Fatal(err)
	}
	if d := time.Until(policy.Expiration); d > time.Minute || d < 30*time.Second {
		t.Errorf("valid for %v", d)
	}
	bound := map[string]string{}
	ranged := false
	for _, c := range policy.Conditions {
		switch c := c.(type) {
		case map[string]any:
			for k, v := range c {
				bound[k] = v.(string)
			}
		case []any:
			ranged = ranged || fmt.Sprint(c) == "[content-length-range 1 77]"
		}
	}
	want := map[string]string{"bucket": "up", "key": "id/é<&>.jpg", "Content-Type": "application/octet-stream",
		"x-amz-meta-tintype-recipe": "tint", "x-amz-meta-tintype-params": `{"tint":"#fff"}`}
	for k, v := range want {
		if bound[k] != v {
			t.Errorf("%s is bound to %q, want %q", k, bound[k], v)
		}
		if k != "bucket" && form.Fields[k] != v {
			t.Errorf("field %s is %q, want %q", k, form.Fields[k], v)
		}
	}
	if !ranged {
		t.Errorf("the size is not bound: %s", doc)
	}
	for name := range form.Fields { // S3 refuses fields that the policy does not name
		if _, ok := bound[name]; !ok && name != "policy" && name != "X-Amz-Signature" {
			t.Errorf("field %s is not in the policy", name)
		}
	}
}

func TestPresignGetUsesPublicHost(t *testing.T) {
	s, err := New(NewClient(awstest.Config("http://10.0.0.1:9000")), Options{UploadsBucket: "up", ResultsBucket: "res", PublicURL: "https://files.example.org", PresignTTL: 90 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.PresignGet(t.Context(), Results, "id/a b.jpg", "")
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(got)
	if u.Scheme != "https" || u.Host != "files.example.org" || u.Path != "/res/id/a b.jpg" || u.Query().Get("X-Amz-Expires") != "90" || u.Query().Get("X-Amz-Signature") == "" {
		t.Errorf("URL %s", got)
	}
	onAWS := s3.NewFromConfig(aws.Config{Region: "eu-west-1", Credentials: awstest.Config("").Credentials})
	if s, err = New(onAWS, Options{UploadsBucket: "up", ResultsBucket: "res"}); err != nil {
		t.Fatal(err)
	}
	got, err = s.PresignGet(t.Context(), Results, "k", "")
	if u, _ := url.Parse(got); err != nil || u.Host != "res.s3.eu-west-1.amazonaws.com" {
		t.Errorf("on AWS: %s %v", got, err)
	}
}

// Faults of the network and of the server, by a server that answers so.
func TestClassification(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		body   string
		kind   fault.Kind
	}{
		"throttled":      {503, "<Error><Code>SlowDown</Code></Error>", fault.Retry},
		"server trouble": {500, "<Error><Code>InternalError</Code></Error>", fault.Retry},
		"bad gateway":    {502, "<html>", fault.Retry},
		"token expired":  {400, "<Error><Code>ExpiredToken</Code></Error>", fault.Retry},
		"access denied":  {403, "<Error><Code>AccessDenied</Code></Error>", fault.Bug},
		"bad request":    {400, "<Error><Code>InvalidArgument</Code></Error>", fault.Bug},
		"cut off":        {0, "", fault.Retry},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if tc.status == 0 {
					panic(http.ErrAbortHandler)
				}
				w.WriteHeader(tc.status)
				io.WriteString(w, tc.body)
			}))
			defer srv.Close()
			cfg := awstest.Config(srv.URL)
			cfg.RetryMaxAttempts = 1
			s, err := New(NewClient(cfg), Options{UploadsBucket: "up", ResultsBucket: "res"})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.OpenSource(t.Context(), "k", ""); err == nil || fault.As(err) == nil || fault.KindOf(err) != tc.kind {
				t.Errorf("read: %v (%v), want %v", err, fault.KindOf(err), tc.kind)
			}
			if _, err := s.PutOutput(t.Context(), "k", "image/jpeg", []byte("x")); err == nil || fault.KindOf(err) != tc.kind {
				t.Errorf("write: %v (%v), want %v", err, fault.KindOf(err), tc.kind)
			}
		})
	}
	t.Run("body cut off", func(t *testing.T) {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.Write(make([]byte, 500))
		}))
		defer srv.Close()
		s, err := New(NewClient(awstest.Config(srv.URL)), Options{UploadsBucket: "up", ResultsBucket: "res"})
		if err != nil {
			t.Fatal(err)
		}
		src, err := s.OpenSource(t.Context(), "k", "")
		if err != nil {
			t.Fatal(err)
		}
		defer src.Body.Close()
		if _, err := io.ReadAll(src.Body); err == nil || fault.KindOf(err) != fault.Retry || fault.As(err) == nil {
			t.Errorf("half a body read as whole, or not for repeating: %v", err)
		}
	})
}
