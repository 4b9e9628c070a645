package event

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/recipe"
)

func done() *recipe.Manifest {
	up := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	return &recipe.Manifest{
		Version: 1, ID: "7zzz", Status: recipe.Done, Recipe: "tint", RecipeHash: "abcd", Params: recipe.Params{"tint": "#ff8800", "strength": 0.5},
		Source: recipe.Source{Bucket: "tintype-uploads", Key: "7zzz/my cat.jpg", ETag: "e", Sequencer: "01", Bytes: 2_345_678, Width: 4000, Height: 3000, Format: "jpeg"},
		Outputs: []recipe.Result{
			{Name: "full", Width: 4000, Height: 3000, Format: "jpeg", Bytes: 1_999_999},
			{Name: "thumb", Width: 320, Height: 240, Format: "jpeg", Bytes: 12_345},
		},
		Attempts: 1,
		Timings:  recipe.Timings{Uploaded: up, Started: up.Add(time.Second), Finished: up.Add(1800 * time.Millisecond), ProcessMS: 430},
	}
}

func failed() *recipe.Manifest {
	m := done()
	m.Status, m.Outputs, m.RecipeHash, m.Attempts = recipe.Failed, nil, "", 3
	m.Source.Width, m.Source.Height, m.Source.Format = 0, 0, ""
	m.Error = &recipe.Failure{Code: fault.CodeNotAnImage, Message: "the file is no image", Hint: "upload a JPEG, PNG or WebP file"}
	return m
}

func TestCompletionRoundTrip(t *testing.T) {
	for _, m := range []*recipe.Manifest{done(), failed()} {
		c := NewCompletion(m)
		b, err := c.Encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := DecodeCompletion(b)
		if err != nil || !reflect.DeepEqual(back, c) {
			t.Errorf("came back as %+v, %v", back, err)
		}
	}
	for _, body := range []string{"", "null", "{}", `{"type":"Other","id":"1","imageId":"x","manifest":{"id":"x"}}`, `{"type":"ImageProcessed","id":"1","imageId":"x"}`,
		`{"type":"ImageProcessed","id":"1","imageId":"x","manifest":{"id":"y"}}`, envelope(`{"type":"ImageProcessed"}`), strings.Repeat(" ", maxCompletion+1)} {
		if _, err := DecodeCompletion([]byte(body)); fault.KindOf(err) != fault.Permanent {
			t.Errorf("%.60q: %v", body, err)
		}
	}
}

func TestCompletionIDIsStable(t *testing.T) {
	id := NewCompletion(done()).ID
	again := done()
	again.Attempts, again.MessageID, again.Timings.Finished = 4, "m2", time.Now() // the same result, announced again
	if NewCompletion(again).ID != id {
		t.Error("the same result has two ids")
	}
	for name, change := range map[string]func(*recipe.Manifest){
		"another image":  func(m *recipe.Manifest) { m.ID = "other" },
		"other content":  func(m *recipe.Manifest) { m.Source.ETag = "other" },
		"other work":     func(m *recipe.Manifest) { m.RecipeHash = "other" },
		"sent once more": func(m *recipe.Manifest) { m.Source.Sequencer = "02" },
		"failed":         func(m *recipe.Manifest) { m.Status = recipe.Failed },
	} {
		m := done()
		change(m)
		if NewCompletion(m).ID == id {
			t.Errorf("%s: the same id", name)
		}
	}
}

func TestStructure(t *testing.T) {
	c := NewCompletion(done())
	s, err := c.Structure("http://127.0.0.1:8007/?id=7zzz")
	if err != nil {
		t.Fatal(err)
	}
	var bodies map[string]string
	if err := json.Unmarshal([]byte(s), &bodies); err != nil {
		t.Fatal(err)
	}
	for _, protocol := range []string{"default", "sqs"} {
		if back, err := DecodeCompletion([]byte(bodies[protocol])); err != nil || back.ID != c.ID {
			t.Errorf("%s: %v", protocol, err)
		}
	}
	if bodies["email"] != EmailBody(c, "http://127.0.0.1:8007/?id=7zzz") {
		t.Errorf("email: %s", bodies["email"])
	}
}

func TestEmailBody(t *testing.T) {
	if got, want := EmailBody(NewCompletion(done()), "http://127.0.0.1:8007/?id=7zzz"), `Your image "my cat.jpg" has been processed.

Recipe:   tint (strength 0.5, tint #ff8800)
Original: 4000 × 3000 pixels, jpeg, 2.3 MB
Results:  full, 4000 × 3000 pixels, jpeg, 2.0 MB
          thumb, 320 × 240 pixels, jpeg, 12.3 kB
Took:     1.8 s from upload to result
          of it 0.4 s at work on the picture

See it:   http://127.0.0.1:8007/?id=7zzz
Image id: 7zzz
Stored:   s3://tintype-uploads/7zzz/my cat.jpg
`; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got, want := EmailBody(NewCompletion(failed()), ""), `Your image "my cat.jpg" could not be processed.

Why:      the file is no image (not_an_image)
What now: upload a JPEG, PNG or WebP file
          The original is untouched.

Recipe:   tint (strength 0.5, tint #ff8800)
Original: 2.3 MB
Took:     1.8 s from upload to result
          of it 0.4 s at work on the picture
Attempts: 3

Image id: 7zzz
Stored:   s3://tintype-uploads/7zzz/my cat.jpg
`; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestSubject(t *testing.T) {
	m := done()
	if got := NewCompletion(m).Subject(); got != "Tintype: my cat.jpg was processed" {
		t.Error(got)
	}
	m = failed()
	m.Source.Key = "7zzz/" + strings.Repeat("ß", 400) + ".jpg"
	if got := NewCompletion(m).Subject(); len(got) != maxSubject || !strings.HasSuffix(got, "could not be processed") {
		t.Errorf("%d: %s", len(got), got)
	}
}

func FuzzMail(f *testing.F) {
	f.Add("a\r\nBcc: x@example.org\r\n\r\n.jpg", "v\u2028w")
	f.Add("\u202egpj.exe", "\x00")
	f.Add("/", strings.Repeat("x", 1000))
	clean := strings.Count(EmailBody(NewCompletion(failed()), "u"), "\n")
	f.Fuzz(func(t *testing.T, key, text string) {
		m := failed()
		m.Source.Key, m.Recipe, m.Error.Message, m.Error.Hint = "id/"+key, "r"+text, text, "h"+text
		m.Params = recipe.Params{"p": text}
		c := NewCompletion(m)
		body := EmailBody(c, "u")
		if strings.Count(body, "\n") != clean || strings.ContainsAny(body, "\r\u2028\u2029\u0085\x00\x1b\u202e") {
			t.Fatalf("the mail was broken open:\n%q", body)
		}
		if s := c.Subject(); len(s) > maxSubject || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Fatalf("subject %q", s)
		}
	})
}
