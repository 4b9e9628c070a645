package doctor_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tintype/tintype/internal/doctor"
)

// TestProbe: each hop that comes is told with its time, the first that does not ends the
// probe with its name, and nothing of the probe stays. The app tier is played here; the
// real one is probed by the end-to-end tests.
func TestProbe(t *testing.T) {
	d := deploy(t, fresh(t))
	const id = "0123456789abcdefghjkmnpqrs"
	put := func(ctx context.Context) error {
		_, err := d.c.S3.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(uploads), Key: aws.String(id + "/x.png"), Body: strings.NewReader("x")})
		return err
	}
	announce := func(ctx context.Context) {
		_, err := d.c.SNS.Publish(ctx, &sns.PublishInput{TopicArn: &d.res.CompletionTopicARN, Message: aws.String(`{"image":"` + id + `"}`)})
		d.ok(err)
	}
	well := func(ctx context.Context) (bool, string, error) {
		announce(ctx)
		return true, "", nil
	}
	remove := func(ctx context.Context) error {
		_, err := d.c.S3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(uploads), Key: aws.String(id + "/x.png")})
		return err
	}
	for _, c := range []struct {
		name, code, says string
		hops             int
		t                doctor.Trial
		before           func()
	}{
		{name: "all the way", hops: 4, t: doctor.Trial{Put: put, Result: well, Remove: remove}},
		{name: "not uploaded", code: "probe-upload", says: "closed", t: doctor.Trial{Put: func(context.Context) error { return errors.New("closed") }, Result: well, Remove: remove}},
		{name: "no result", code: "probe-lost", says: "between topic uploadnotification and the result", hops: 2,
			t: doctor.Trial{Put: put, Result: func(context.Context) (bool, string, error) { return false, "", nil }, Remove: remove}},
		{name: "failed", code: "probe-failed", says: "too_large", hops: 4, t: doctor.Trial{Put: put, Remove: remove, Result: func(ctx context.Context) (bool, string, error) {
			announce(ctx)
			return true, "too_large", nil
		}}},
		{name: "not announced", code: "probe-unannounced", says: "no word", hops: 3,
			t: doctor.Trial{Put: put, Result: func(context.Context) (bool, string, error) { return true, "", nil }, Remove: remove}},
		{name: "not removed", code: "probe-left", says: "locked", hops: 4, t: doctor.Trial{Put: put, Result: well, Remove: func(context.Context) error { return errors.New("locked") }}},
		{name: "no event", code: "probe-lost", says: "between S3 and topic uploadnotification", hops: 1, before: func() { d.notify(uploads, nothing()) },
			t: doctor.Trial{Put: put, Result: func(context.Context) (bool, string, error) { return false, "", nil }, Remove: remove}},
	} {
		if c.before != nil {
			c.before()
		}
		c.t.ID, c.t.Patience = id, 2*time.Second
		hops := 0
		var codes []string
		var all []doctor.Finding
		for _, f := range doctor.Probe(t.Context(), d.c, d.o, doctor.Look(t.Context(), d.c, d.o), c.t) {
			if f.Code == "" {
				hops++
				continue
			}
			codes, all = append(codes, f.Code), append(all, f)
		}
		want := []string{c.code}
		if c.code == "" {
			want = nil
		}
		if hops != c.hops || !slices.Equal(codes, want) || c.code != "" && !strings.Contains(all[0].Found, c.says) {
			t.Errorf("%s: %d hops, want %d:\n%s", c.name, hops, c.hops, describe(all))
		}
		left, err := d.c.SQS.ListQueues(t.Context(), &sqs.ListQueuesInput{QueueNamePrefix: aws.String("tintype-web-")})
		d.ok(err)
		if n := len(d.subscriptions(d.res.UploadTopicARN)) + len(d.subscriptions(d.res.CompletionTopicARN)); len(left.QueueUrls) > 0 || n != 1 {
			t.Errorf("%s: there are queues %v and %d subscriptions", c.name, left.QueueUrls, n)
		}
	}
}
