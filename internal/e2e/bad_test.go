package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/internal/testimages"
)

// TestBadInput: every bad file ends as failed with its code, by whichever door it came,
// and the next good one is processed as if nothing had been.
func TestBadInput(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	app := s.startUp("--max-bytes", "2000000")
	photo := testimages.Photo()

	type upload struct {
		key, code string
		body      []byte
		meta      map[string]string
	}
	uploads := []upload{
		{key: "too large.jpg", code: fault.CodeTooLarge, body: append(bytes.Clone(photo), make([]byte, 2_000_000)...)},
		{key: "no such recipe.jpg", code: fault.CodeUnknownRecipe, body: photo, meta: map[string]string{"tintype-recipe": "polaroid"}},
		{key: "no such colour.jpg", code: fault.CodeBadParameter, body: photo, meta: map[string]string{"tintype-params": `{"tint":"mauve-ish"}`}},
		{key: "no such parameter.jpg", code: fault.CodeBadParameter, body: photo, meta: map[string]string{"tintype-params": `{"tnit":"#ffffff"}`}},
		{key: "params that are no JSON.jpg", code: fault.CodeBadParameter, body: photo, meta: map[string]string{"tintype-params": `{`}},
	}
	for _, b := range testimages.Bad() {
		uploads = append(uploads, upload{key: "bad/" + b.Name, code: b.Code, body: b.Bytes})
	}

	// From outside, S3 takes everything: the app tier has to decide.
	for _, u := range uploads {
		if err := s.put(u.key, u.body, u.meta); err != nil {
			t.Fatalf("%s: %v", u.key, err)
		}
	}
	for _, u := range uploads {
		m := s.finished(store.IDForKey(u.key))
		if m.Status != recipe.Failed || m.Error == nil || m.Error.Code != u.code {
			t.Errorf("%s: status %s, error %+v; want code %s", u.key, m.Status, m.Error, u.code)
			continue
		}
		if len(m.Error.Message) < 15 || strings.Contains(m.Error.Message, "vips") {
			t.Errorf("%s: nobody understands %q", u.key, m.Error.Message)
		}
		if b, err := s.get("tintype-uploads", u.key); err != nil || !bytes.Equal(b, u.body) {
			t.Errorf("%s: the original did not stay: %v", u.key, err)
		}
	}

	t.Run("at the door", func(t *testing.T) {
		atDoor := map[string]bool{fault.CodeEmpty: true, fault.CodeNotAnImage: true, fault.CodeUnsupported: true, fault.CodeTooLarge: true, fault.CodeTooManyPixels: true, fault.CodeSideTooLong: true}
		for _, b := range append(testimages.Bad(), testimages.BadFile{File: testimages.File{Name: "large.jpg", Bytes: uploads[0].body}, Code: fault.CodeTooLarge}) {
			code, answer := post(t, s.web()+"/api/images", nil, b.Name, b.Bytes)
			switch {
			case atDoor[b.Code] && (code/100 != 4 || answer["code"] != b.Code || answer["detail"] == ""):
				t.Errorf("%s: %d %v, want a problem with code %s", b.Name, code, answer, b.Code)
			case !atDoor[b.Code] && code != http.StatusAccepted:
				t.Errorf("%s: %d %v; only its pixels tell that it is bad", b.Name, code, answer)
			}
		}
		for name, fields := range map[string]map[string]string{fault.CodeUnknownRecipe: {"recipe": "polaroid"}, fault.CodeBadParameter: {"tint": "mauve-ish"}} {
			if code, answer := post(t, s.web()+"/api/images", fields, "a.jpg", photo); code/100 != 4 || answer["code"] != name {
				t.Errorf("%v: %d %v", fields, code, answer)
			}
		}
		for code, request := range map[string]map[string]any{
			fault.CodeTooLarge:      {"filename": "a.jpg", "size": 2_000_001, "contentType": "image/jpeg"},
			fault.CodeEmpty:         {"filename": "a.jpg", "size": 0, "contentType": "image/jpeg"},
			fault.CodeUnknownRecipe: {"filename": "a.jpg", "size": 10, "contentType": "image/jpeg", "recipe": "polaroid"},
			fault.CodeBadParameter:  {"filename": "a.jpg", "size": 10, "contentType": "image/jpeg", "params": map[string]any{"tint": "mauve-ish"}},
		} {
			if status, _, _, _ := presigned(t, s.web(), request); status/100 != 4 {
				t.Errorf("%s: POST /api/uploads answers %d", code, status)
			}
		}
		file := writeFile(t, "page.jpg", testimages.HTML())
		if _, errs, code := tintype(t, s.env, "upload", file); code != 1 || !strings.Contains(errs, "not an image") {
			t.Errorf("upload: exit %d, %s", code, errs)
		}
		good := writeFile(t, "good.jpg", photo)
		if _, errs, code := tintype(t, s.env, "upload", good, "--tint", "mauve-ish"); code != 1 || !strings.Contains(errs, "tint") {
			t.Errorf("upload --tint mauve-ish: exit %d, %s", code, errs)
		}
	})

	t.Run("a presigned POST binds what was said", func(t *testing.T) {
		_, _, url, fields := presigned(t, s.web(), map[string]any{"filename": "a.jpg", "size": len(photo), "contentType": "image/jpeg"})
		if code, _ := post(t, url, fields, "a.jpg", uploads[0].body); code/100 != 4 {
			t.Errorf("an oversize body is answered %d", code)
		}
		fields["key"] = "elsewhere.jpg"
		if code, _ := post(t, url, fields, "a.jpg", photo); code/100 != 4 {
			t.Errorf("another key is answered %d", code)
		}
	})

	t.Run("junk in the queue", func(t *testing.T) {
		u, err := s.sqs.GetQueueUrl(context.Background(), &sqs.GetQueueUrlInput{QueueName: aws.String("ImageApp")})
		if err != nil {
			t.Fatal(err)
		}
		for _, junk := range []string{"hello", "{}", `{"Records":[{"eventSource":"aws:s3"}]}`, `{"Type":"Notification","Message":"{"}`, strings.Repeat("x", 100_000)} {
			if _, err := s.sqs.SendMessage(context.Background(), &sqs.SendMessageInput{QueueUrl: u.QueueUrl, MessageBody: &junk}); err != nil {
				t.Fatal(err)
			}
		}
		code, answer := post(t, s.web()+"/api/images", nil, "after.jpg", photo)
		if code != http.StatusAccepted {
			t.Fatalf("%d %v", code, answer)
		}
		if m := s.finished(answer["id"].(string)); m.Status != recipe.Done {
			t.Errorf("the image after the junk: %+v", m.Error)
		}
		// It ends where an operator sees it, and the queue is empty.
		within(t, 2*patience, "the junk in the dead-letter queue", func() error {
			waiting, _, err := s.depth("ImageApp-dlq")
			if err == nil && waiting != 5 {
				err = fmt.Errorf("%d messages", waiting)
			}
			return err
		})
		s.drained("ImageApp")
	})
	if !app.alive() {
		t.Fatal("the process died")
	}
}

// TestHardKeys: keys that break file systems, URLs and shells go through unharmed.
func TestHardKeys(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.startUp()
	keys := []string{
		"with space.jpg", "a+b.jpg", "100%.jpg", "%2e%2e%2f.jpg", "ünï/cødé/猫 🐈.jpg", "..", "../escape.jpg", "../../../../etc/passwd",
		"a", "a/b", "a//b.jpg", "/leading.jpg", "trailing/", "quote'\"&<>.jpg", "semi;colon?query=1#frag.jpg", "back\\slash.jpg",
		strings.Repeat("k", 1024), strings.Repeat("ü", 512), strings.Repeat("d/", 500) + "x.jpg", "manifest.json",
	}
	body := testimages.JPEG(64, 48)
	for _, k := range keys {
		if err := s.put(k, body, nil); err != nil {
			t.Errorf("put %.40q: %v", k, err)
		}
	}
	seen := map[string]string{}
	for _, k := range keys {
		id := store.IDForKey(k)
		if other, ok := seen[id]; ok {
			t.Errorf("%.40q and %.40q have one id", k, other)
		}
		seen[id] = k
		m := s.finished(id)
		if m.Status != recipe.Done || m.Source.Key != k {
			t.Errorf("%.40q: status %s, key %.40q, %+v", k, m.Status, m.Source.Key, m.Error)
			continue
		}
		var doc document
		if err := getJSON(s.web()+"/api/images/"+id, &doc); err != nil || doc.Key != k {
			t.Errorf("%.40q: the web tier says %.40q, %v", k, doc.Key, err)
			continue
		}
		for _, o := range doc.Outputs {
			resp, err := http.Get(s.web() + o.URL)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("%.40q: output %s answers %d", k, o.Name, resp.StatusCode)
			}
		}
	}
	// The list, paged, has each of them once.
	listed := map[string]int{}
	for next := ""; ; {
		var page struct {
			Images []document
			Next   string
		}
		if err := getJSON(s.web()+"/api/images?limit=7&cursor="+next, &page); err != nil {
			t.Fatal(err)
		}
		for _, d := range page.Images {
			listed[d.Key]++
		}
		if next = page.Next; next == "" {
			break
		}
	}
	for _, k := range keys {
		if listed[k] != 1 {
			t.Errorf("%.40q is listed %d times", k, listed[k])
		}
	}
}
