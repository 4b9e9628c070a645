package s3

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func TestViewsOfBucketsAndObjects(t *testing.T) {
	e := start(t)
	b := e.bucket("uploads-a")
	e.bucket("uploads-b")
	e.bucket("results")
	_, err := e.PutObject(e.ctx(), &awss3.PutObjectInput{
		Bucket: &b, Key: aws.String("in/a b<.png"), Body: strings.NewReader("12345"), ContentType: aws.String("image/png"), CacheControl: aws.String("no-cache"),
		Metadata: map[string]string{"who": "ann"}, Tagging: aws.String("k=v"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		e.put(b, fmt.Sprintf("in/%d", i), []byte("x"))
		e.put(b, fmt.Sprintf("z/%d", i), []byte("x"))
	}
	_, err = e.PutBucketNotificationConfiguration(e.ctx(), &awss3.PutBucketNotificationConfigurationInput{Bucket: &b, NotificationConfiguration: &types.NotificationConfiguration{
		TopicConfigurations: []types.TopicConfiguration{{TopicArn: aws.String("arn:aws:sns:us-east-1:000000000000:t"), Events: []types.Event{"s3:ObjectCreated:*"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for after, more := "", true; more; {
		var page []Bucket
		if page, more, err = e.svc.BucketPage(t.Context(), "UPLOADS", after, 1); err != nil {
			t.Fatal(err)
		}
		for _, v := range page {
			names = append(names, v.Name)
			after = v.Name
		}
	}
	if !slices.Equal(names, []string{"uploads-a", "uploads-b"}) {
		t.Errorf("pages have %q", names)
	}
	if list, err := e.svc.Notifying(t.Context(), 10); err != nil || len(list) != 1 || list[0].Name != b || len(list[0].Notification) != 1 {
		t.Errorf("%+v %v", list, err)
	}
	if n, objects, size, err := e.svc.Totals(t.Context()); err != nil || n != 3 || objects != 11 || size != 15 {
		t.Errorf("%d buckets, %d objects, %d bytes, %v", n, objects, size, err)
	}
	if v, err := e.svc.BucketView(t.Context(), b); err != nil || v.Objects != 11 || len(v.Notification) != 1 || v.Policy != "" {
		t.Errorf("%+v %v", v, err)
	}
	var keys []string
	for prefix, want := range map[string][]string{"": {"in/", "z/"}, "in/": {"in/0", "in/1", "in/2", "in/3", "in/4", "in/a b<.png"}} {
		keys = nil
		for after, more := "", true; more; more = after != "" {
			var page []ObjectLine
			if page, after, err = e.svc.ObjectPage(t.Context(), b, prefix, after, 2); err != nil {
				t.Fatal(err)
			}
			for _, o := range page {
				keys = append(keys, o.Key)
			}
		}
		if !slices.Equal(keys, want) {
			t.Errorf("under %q: %q", prefix, keys)
		}
	}
	o, err := e.svc.Object(t.Context(), b, "in/a b<.png", "")
	if err != nil || o.Size != 5 || o.ContentType != "image/png" || o.Metadata["who"] != "ann" || o.Tags["k"] != "v" || o.Headers["Cache-Control"] != "no-cache" || o.Body != nil {
		t.Errorf("%+v %v", o, err)
	}
	if o, err = e.svc.OpenObject(t.Context(), b, "in/a b<.png", ""); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(o.Body); err != nil || string(text) != "12345" || o.Body.Close() != nil {
		t.Errorf("%q %v", text, err)
	}
	if list, more, err := e.svc.Versions(t.Context(), b, "in/0", 10); err != nil || more || len(list) != 1 || !list[0].Latest {
		t.Errorf("%+v %v %v", list, more, err)
	}
	for what, err := range map[string]error{
		"bucket":         func() error { _, err := e.svc.BucketView(t.Context(), "none"); return err }(),
		"bucket's keys":  func() error { _, _, err := e.svc.ObjectPage(t.Context(), "none", "", "", 1); return err }(),
		"key":            func() error { _, err := e.svc.Object(t.Context(), b, "none", ""); return err }(),
		"key's bucket":   func() error { _, err := e.svc.Object(t.Context(), "none", "none", ""); return err }(),
		"version":        func() error { _, err := e.svc.Object(t.Context(), b, "in/0", "xyz"); return err }(),
		"impossible key": func() error { _, err := e.svc.Object(t.Context(), b, "\xff", ""); return err }(),
	} {
		if !errors.Is(err, ErrNoView) {
			t.Errorf("a %s that is not there: %v", what, err)
		}
	}
}
