package s3

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/s3err"
)

// presignPost signs a form as the web tier does: conditions bind size, type and
// metadata.
func presignPost(t *testing.T, e *env, bucket, key string, conditions []any) *awss3.PresignedPostRequest {
	t.Helper()
	out, err := awss3.NewPresignClient(e.Client).PresignPostObject(e.ctx(), &awss3.PutObjectInput{Bucket: &bucket, Key: &key}, func(o *awss3.PresignPostOptions) {
		o.Expires = 10 * time.Minute
		o.Conditions = conditions
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// field is one field of a form; name "file" makes it the file.
type field struct{ name, value string }

func form(values map[string]string, more ...field) (body []byte, contentType string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for k, v := range values {
		w.WriteField(k, v)
	}
	for _, f := range more {
		if f.name == "file" {
			p, _ := w.CreateFormFile("file", "dir/photo ü.jpg")
			io.WriteString(p, f.value)
			continue
		}
		w.WriteField(f.name, f.value)
	}
	w.Close()
	return b.Bytes(), w.FormDataContentType()
}

func (e *env) post(url string, values map[string]string, more ...field) (*http.Response, string) {
	e.t.Helper()
	body, kind := form(values, more...)
	return e.send("POST", url, map[string]string{"Content-Type": kind, "Origin": "http://127.0.0.1:8007"}, bytes.NewReader(body))
}

func postFile(t *testing.T, e *env, p *awss3.PresignedPostRequest, file []byte, status int) {
	t.Helper()
	resp, body := e.post(p.URL, p.Values, field{"file", string(file)})
	if resp.StatusCode != status {
		t.Fatalf("POST: %d %s", resp.StatusCode, body)
	}
}

func TestPresignedPost(t *testing.T) {
	e := start(t)
	b := e.bucket("forms")
	const key = "0abc/cat + dog.jpg"
	conditions := []any{
		[]any{"content-length-range", 1, 300_000},
		map[string]string{"Content-Type": "image/jpeg"},
		map[string]string{"x-amz-meta-tintype-recipe": "tint"},
	}
	fields := func() (string, map[string]string) {
		p := presignPost(t, e, b, key, conditions)
		p.Values["Content-Type"] = "image/jpeg"
		p.Values["x-amz-meta-tintype-recipe"] = "tint"
		return p.URL, p.Values
	}
	for _, n := range []int{1, 1000, 300_000} {
		url, values := fields()
		body := random(n, 9)
		resp, text := e.post(url, values, field{"file", string(body)}, field{"submit", "Upload"}) // what follows the file is ignored
		if resp.StatusCode != http.StatusNoContent {
			t.Fatalf("%d bytes: %d %s", n, resp.StatusCode, text)
		}
		out, err := e.GetObject(e.ctx(), &awss3.GetObjectInput{Bucket: &b, Key: aws.String(key)})
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(out.Body)
		out.Body.Close()
		if !bytes.Equal(got, body) || *out.ContentType != "image/jpeg" || out.Metadata["tintype-recipe"] != "tint" {
			t.Errorf("%d bytes: %d came back, type %s, metadata %v", n, len(got), *out.ContentType, out.Metadata)
		}
	}
	if _, err := e.DeleteObject(e.ctx(), &awss3.DeleteObjectInput{Bucket: &b, Key: aws.String(key)}); err != nil {
		t.Fatal(err)
	}

	for name, c := range map[string]struct {
		change func(v map[string]string)
		file   []field
		status int
		code   string
	}{
		"too large":        {nil, []field{{"file", strings.Repeat("x", 300_001)}}, 400, "EntityTooLarge"},
		"much too large":   {nil, []field{{"file", strings.Repeat("x", 3_000_000)}}, 400, "EntityTooLarge"},
		"empty":            {nil, []field{{"file", ""}}, 400, "EntityTooSmall"},
		"other type":       {func(v map[string]string) { v["Content-Type"] = "text/html" }, nil, 403, "AccessDenied"},
		"other recipe":     {func(v map[string]string) { v["x-amz-meta-tintype-recipe"] = "sepia" }, nil, 403, "AccessDenied"},
		"more metadata":    {func(v map[string]string) { v["x-amz-meta-x"] = "y" }, nil, 403, "AccessDenied"},
		"other key":        {func(v map[string]string) { v["key"] = "elsewhere" }, nil, 403, "AccessDenied"},
		"recipe missing":   {func(v map[string]string) { delete(v, "x-amz-meta-tintype-recipe") }, nil, 403, "AccessDenied"},
		"forged signature": {func(v map[string]string) { v["X-Amz-Signature"] = strings.Repeat("0", 64) }, nil, 403, "SignatureDoesNotMatch"},
		"unknown signer": {func(v map[string]string) {
			v["X-Amz-Credential"] = strings.Replace(v["X-Amz-Credential"], "test/", "other/", 1)
		}, nil, 403, "InvalidAccessKeyId"},
		"no signature":   {func(v map[string]string) { delete(v, "X-Amz-Signature") }, nil, 400, "InvalidArgument"},
		"nothing signed": {func(v map[string]string) { clear(v); v["key"] = key }, nil, 403, "AccessDenied"},
		"no key":         {func(v map[string]string) { delete(v, "key") }, nil, 400, "InvalidArgument"},
		"no file":        {nil, []field{{"submit", "x"}}, 400, "InvalidArgument"},
		"endless fields": {func(v map[string]string) { v["x-ignore-a"] = strings.Repeat("x", 30_000) }, nil, 400, "MaxPostPreDataLengthExceededError"},
		"broken policy":  {func(v map[string]string) { v["policy"] = "e30=" }, nil, 403, "SignatureDoesNotMatch"},
	} {
		t.Run(name, func(t *testing.T) {
			url, values := fields()
			if c.change != nil {
				c.change(values)
			}
			if c.file == nil {
				c.file = []field{{"file", "hello"}}
			}
			resp, text := e.post(url, values, c.file...)
			if resp.StatusCode != c.status || !strings.Contains(text, "<Code>"+c.code+"</Code>") {
				t.Errorf("%d %s, want %d %s", resp.StatusCode, text, c.status, c.code)
			}
		})
	}
	_, err := e.HeadObject(e.ctx(), &awss3.HeadObjectInput{Bucket: &b, Key: aws.String(key)})
	wantCode(t, err, "NotFound")
	if got := e.blobFiles(); got != 0 {
		t.Errorf("%d blob files: refused forms must leave nothing", got)
	}
}

func TestPostAnswersAsAsked(t *testing.T) {
	e := start(t)
	b := e.bucket("answers")
	values := signForm(`{"expiration":"` + time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `","conditions":[{"bucket":"answers"},["starts-with","$key","../../up/"],
		["starts-with","$x-amz-algorithm",""],["starts-with","$x-amz-credential",""],["starts-with","$x-amz-date",""],{"success_action_status":"201"}]}`)
	values["key"], values["success_action_status"] = "../../up/${filename}", "201"
	resp, text := e.post(e.server.URL+"/"+b, values, field{"file", "hello"})
	if resp.StatusCode != http.StatusCreated || !strings.Contains(text, "<Key>../../up/photo ü.jpg</Key>") {
		t.Fatalf("%d %s", resp.StatusCode, text)
	}
	if got := string(e.get(b, "../../up/photo ü.jpg")); got != "hello" {
		t.Errorf("got %q", got)
	}
}

// The condition that failed is told in S3's form, however the policy was spaced, and its
// quotes are not escaped: programs look for it in the text.
func TestPostTellsTheConditionThatFailed(t *testing.T) {
	e := start(t)
	b := e.bucket("conditions")
	values := signForm(`{"expiration":"` + time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `","conditions":[{"bucket":"conditions"},["starts-with","$key","up/it's"],
		["starts-with","$x-amz-algorithm",""],["starts-with","$x-amz-credential",""],["starts-with","$x-amz-date",""]]}`)
	values["key"] = "elsewhere"
	resp, text := e.post(e.server.URL+"/"+b, values, field{"file", "hello"})
	const want = `<Message>Invalid according to Policy: Policy Condition failed: ["starts-with", "$key", "up/it's"]</Message>`
	if resp.StatusCode != http.StatusForbidden || !strings.Contains(text, want) {
		t.Errorf("%d %s, want %s", resp.StatusCode, text, want)
	}
}

// signForm signs a policy; the SDK writes one of its own, with the key as it stands.
// The signature is two hours old, which the policy's own end allows.
func signForm(policy string) map[string]string {
	at := time.Now().Add(-2 * time.Hour).UTC()
	mac := func(key []byte, s string) []byte {
		h := hmac.New(sha256.New, key)
		io.WriteString(h, s)
		return h.Sum(nil)
	}
	key := []byte("AWS4test")
	scope := []string{at.Format("20060102"), "us-east-1", "s3", "aws4_request"}
	for _, s := range scope {
		key = mac(key, s)
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(policy))
	return map[string]string{
		"policy": encoded, "x-amz-algorithm": "AWS4-HMAC-SHA256", "x-amz-credential": "test/" + strings.Join(scope, "/"),
		"x-amz-date": at.Format("20060102T150405Z"), "x-amz-signature": hex.EncodeToString(mac(key, encoded)),
	}
}

func TestPresignedURLs(t *testing.T) {
	e := start(t)
	b := e.bucket("presigned")
	pre := awss3.NewPresignClient(e.Client)
	body := random(200_000, 10)
	put, err := pre.PresignPutObject(e.ctx(), &awss3.PutObjectInput{Bucket: &b, Key: aws.String("a b/ü+"), ContentType: aws.String("image/png")})
	if err != nil {
		t.Fatal(err)
	}
	if resp, text := e.send("PUT", put.URL, map[string]string{"Content-Type": "image/png"}, bytes.NewReader(body)); resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", resp.StatusCode, text)
	}
	get, err := pre.PresignGetObject(e.ctx(), &awss3.GetObjectInput{Bucket: &b, Key: aws.String("a b/ü+"), ResponseContentDisposition: aws.String(`attachment; filename="x y.png"`)})
	if err != nil {
		t.Fatal(err)
	}
	resp, text := e.send("GET", get.URL, nil, nil)
	if resp.StatusCode != http.StatusOK || text != string(body) || resp.Header.Get("Content-Disposition") != `attachment; filename="x y.png"` || resp.Header.Get("Content-Type") != "image/png" {
		t.Errorf("%d, %d bytes, %v", resp.StatusCode, len(text), resp.Header)
	}
	for name, url := range map[string]string{
		"forged": strings.Replace(get.URL, "X-Amz-Signature=", "X-Amz-Signature=0", 1),
		"moved":  strings.Replace(get.URL, "a%20b", "other", 1),
		"bare":   strings.SplitN(get.URL, "?", 2)[0],
	} {
		if resp, text := e.send("GET", url, nil, nil); resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d %s", name, resp.StatusCode, text)
		}
	}
	late, err := pre.PresignGetObject(e.ctx(), &awss3.GetObjectInput{Bucket: &b, Key: aws.String("a b/ü+")}, func(o *awss3.PresignOptions) {
		o.Expires = time.Second
		o.ClientOptions = append(o.ClientOptions, func(*awss3.Options) {})
	})
	if err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-time.Hour).UTC().Format("20060102T150405Z")
	signed := late.URL[strings.Index(late.URL, "X-Amz-Date=")+11:][:16]
	expired := strings.Replace(late.URL, signed, past, 1)
	expired = strings.Replace(expired, "%2F"+signed[:8]+"%2F", "%2F"+past[:8]+"%2F", 1) // in the first hour of a day it was yesterday
	if resp, text := e.send("GET", expired, nil, nil); resp.StatusCode != http.StatusForbidden || !strings.Contains(text, "xpired") {
		t.Errorf("expired: %d %s", resp.StatusCode, text)
	}
}

func FuzzParseForm(f *testing.F) {
	body, _ := form(map[string]string{"key": "a/${filename}", "policy": "x"}, field{"file", "hello"}, field{"submit", "x"})
	boundary, _, _ := strings.Cut(strings.TrimPrefix(string(body), "--"), "\r\n")
	f.Add(string(body), boundary)
	f.Add("--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nx\r\n--b--\r\n", "b")
	f.Add("--b\r\n", "b")
	f.Fuzz(func(t *testing.T, body, boundary string) {
		fields, file, err := parseForm(strings.NewReader(body), boundary)
		if err != nil {
			var known s3err.S3Error
			if !errors.As(err, &known) {
				t.Errorf("no S3 error: %v", err)
			}
			return
		}
		n, err := io.Copy(io.Discard, &formFile{r: file, limit: 10})
		if err == nil && n > 10 {
			t.Errorf("%d bytes passed a limit of 10 (%v)", n, fields)
		}
	})
}

func FuzzSizeRange(f *testing.F) {
	f.Add("eyJjb25kaXRpb25zIjpbWyJjb250ZW50LWxlbmd0aC1yYW5nZSIsMSwyXV19")
	f.Add("")
	f.Fuzz(func(t *testing.T, policy string) {
		low, high, err := sizeRange(policy)
		if err == nil && low < 0 {
			t.Error(fmt.Sprint(low, high))
		}
	})
}
