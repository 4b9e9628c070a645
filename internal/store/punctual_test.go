package store_test

import (
	"bytes"
	"context"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/tintype/tintype/internal/awstest"
	"github.com/tintype/tintype/internal/store"
)

// TestPresignsByTheStoresClock: what is presigned is dated by the clock that the object
// store's answers show, not by ours: on a host whose clock is wrong it would be refused.
func TestPresignsByTheStoresClock(t *testing.T) {
	var off time.Duration
	awstest.Each(t, func(t *testing.T, endpoint string) {
		target, err := url.Parse(endpoint)
		if err != nil {
			t.Fatal(err)
		}
		srv := httptest.NewServer(&httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
			ModifyResponse: func(r *http.Response) error {
				r.Header.Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
				return nil
			},
		})
		defer srv.Close()
		// The dates are not the true ones: signatures must not follow them.
		client := s3.NewFromConfig(awstest.Config(srv.URL), func(o *s3.Options) { o.UsePathStyle, o.DisableClockSkewCorrection = true, true })
		for _, b := range []string{"punctual-in", "punctual-out"} {
			if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(b)}); err != nil {
				t.Fatal(err)
			}
		}
		s, err := store.New(client, store.Options{UploadsBucket: "punctual-in", ResultsBucket: "punctual-out"})
		if err != nil {
			t.Fatal(err)
		}
		for _, off = range []time.Duration{0, time.Hour, -10 * time.Minute} {
			if _, _, err := s.List(t.Context(), "", 1); err != nil {
				t.Fatal(err)
			}
			if got := time.Until(s.Now()) - off; got.Abs() > 5*time.Second {
				t.Errorf("%v off: the store's time is %v from that", off, got)
			}
			link, err := s.PresignGet(t.Context(), store.Uploads, "id/a.jpg", "")
			if err != nil {
				t.Fatal(err)
			}
			form, err := s.PresignUpload(t.Context(), store.PresignUpload{Key: "id/a.jpg", ContentType: "image/jpeg", MaxBytes: 1000})
			if err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(link)
			if err != nil {
				t.Fatal(err)
			}
			for what, date := range map[string]string{"link": u.Query().Get("X-Amz-Date"), "form": form.Fields["X-Amz-Date"]} {
				at, err := time.Parse("20060102T150405Z", date)
				if err != nil || (time.Until(at)-off).Abs() > 10*time.Second {
					t.Errorf("%v off: the %s is dated %q, %v", off, what, date, err)
				}
			}
		}
		// Where the store's clock is right, both still work.
		off = 0
		if _, _, err := s.List(t.Context(), "", 1); err != nil {
			t.Fatal(err)
		}
		form, err := s.PresignUpload(t.Context(), store.PresignUpload{Key: "id/a b+c.jpg", ContentType: "image/jpeg", MaxBytes: 1000})
		if err != nil {
			t.Fatal(err)
		}
		if status := submit(t.Context(), t, form); status/100 != 2 {
			t.Errorf("the form is answered %d", status)
		}
		link, err := s.PresignGet(t.Context(), store.Uploads, "id/a b+c.jpg", "a.jpg")
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.Get(link)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if b, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK || string(b) != "bytes" {
			t.Errorf("the link is answered %d %.200s", resp.StatusCode, b)
		}
	})
}

// submit sends a form as a browser does.
func submit(ctx context.Context, t *testing.T, form store.Form) int {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for k, v := range form.Fields {
		if err := w.WriteField(k, v); err != nil {
			t.Fatal(err)
		}
	}
	part, err := w.CreateFormFile("file", "a.jpg")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(part, "bytes")
	w.Close()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, form.URL, &b)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", w.FormDataContentType())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}
