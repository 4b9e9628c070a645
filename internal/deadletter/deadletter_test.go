package deadletter

import (
	"bytes"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tintype/tintype/internal/attempt"
	"github.com/tintype/tintype/internal/awstest"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/queue"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// desk is a Desk on two queues and two buckets.
func desk(t *testing.T, endpoint string) (*Desk, *store.Store, func(body string) string) {
	t.Helper()
	cfg := awstest.Config(endpoint)
	client, objects := sqs.NewFromConfig(cfg), store.NewClient(cfg)
	var urls []string
	for _, name := range []string{"queue", "dead"} {
		out, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
		if err != nil {
			t.Fatal(err)
		}
		urls = append(urls, *out.QueueUrl)
		if _, err := objects.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("bucket-" + name)}); err != nil {
			t.Fatal(err)
		}
	}
	st, err := store.New(objects, store.Options{UploadsBucket: "bucket-queue", ResultsBucket: "bucket-dead"})
	if err != nil {
		t.Fatal(err)
	}
	d := &Desk{Queue: queue.DeadLetters{Client: client, URL: urls[1], SourceURL: urls[0]}, Store: st, UploadsBucket: "bucket-queue"}
	return d, st, func(body string) string {
		t.Helper()
		out, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &urls[1], MessageBody: &body})
		if err != nil {
			t.Fatal(err)
		}
		return *out.MessageId
	}
}

func eventOf(bucket, key, etag, sequencer string) string {
	return fmt.Sprintf(`{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":%q},"object":{"key":%q,"size":1,"eTag":%q,"sequencer":%q}}}]}`, bucket, url.QueryEscape(key), etag, sequencer)
}

// TestFindTellsHowTheImageIs: each state that an image can have got into since, and what to
// do then.
func TestFindTellsHowTheImageIs(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		d, st, send := desk(t, endpoint)
		put := func(key string) string {
			t.Helper()
			if _, err := st.PutSource(t.Context(), store.PutSource{Key: key, Body: bytes.NewReader([]byte(key)), Size: int64(len(key)), ContentType: "image/jpeg"}); err != nil {
				t.Fatal(err)
			}
			src, err := st.Stat(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			return src.ETag
		}
		result := func(key, etag, sequencer string, status recipe.Status) {
			t.Helper()
			m := &recipe.Manifest{Version: recipe.ManifestVersion, ID: store.IDForKey(key), Status: status, Source: recipe.Source{Key: key, ETag: etag, Sequencer: sequencer}}
			if err := st.CommitManifest(t.Context(), m, ""); err != nil {
				t.Fatal(err)
			}
		}
		done, failed, again := put("done"), put("failed"), put("again")
		result("done", done, "0A", recipe.Done)
		result("failed", failed, "0A", recipe.Failed)
		result("again", again, "0A", recipe.Done)
		put("over")
		for _, c := range []struct{ body, status, does string }{
			{eventOf("bucket-queue", "done", done, "0A"), "done", "dlq redrive"},
			{eventOf("bucket-queue", "failed", failed, "09"), "failed", "dlq drop"},
			{eventOf("bucket-queue", "again", again, "0B"), "queued", "dlq redrive"}, // asked for once more, later
			{eventOf("bucket-queue", "over", "another", "0A"), "overwritten", "dlq drop"},
			{eventOf("bucket-queue", "never", "e", "0A"), "gone", "dlq drop"},
			{eventOf("elsewhere", "x", "e", "0A"), "", "dlq drop"},
		} {
			id := send(c.body)
			l, _, err := d.Find(t.Context(), id)
			if err != nil || l == nil {
				t.Fatal(l, err)
			}
			if len(l.Images) != 1 || l.Images[0].Status != c.status || !strings.Contains(l.Hint, c.does+" "+id) || l.Cause.Code != attempt.CodeUnknown || l.Cause.Hint == "" {
				t.Errorf("%s: %+v", c.body, l)
			}
		}
		id := send(`{"Service":"Amazon S3","Event":"s3:TestEvent"}`)
		if l, _, err := d.Find(t.Context(), id); err != nil || l.Kind != KindJunk || !strings.Contains(l.Cause.Message, "creates nothing") || !strings.Contains(l.Hint, "drop") {
			t.Errorf("S3's test event: %+v, %v", l, err)
		}
		if l, _, err := d.Find(t.Context(), "nobody"); l != nil || err != nil {
			t.Errorf("nobody: %+v, %v", l, err)
		}
	})
}

func TestListIsBounded(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		d, st, send := desk(t, endpoint)
		var last string
		for i := range 14 {
			last = send(fmt.Sprintf("%d%s", i, strings.Repeat("ü", MaxBody)))
		}
		if _, err := st.PutAttempts(t.Context(), &attempt.Record{MessageID: last}, ""); err != nil { // a record without attempts
			t.Fatal(err)
		}
		list, err := d.List(t.Context(), 12)
		if err != nil || len(list.Letters) != 12 || list.Total != 14 || list.Elsewhere != 0 {
			t.Fatalf("%+v, %v", list, err)
		}
		for i, l := range list.Letters {
			if len(l.Body) > MaxBody || l.BodyBytes < 2*MaxBody || l.Cause.Code != attempt.CodeJunk || i > 0 && l.SentAt.After(list.Letters[i-1].SentAt) {
				t.Errorf("%d: %d of %d bytes, sent %v, %+v", i, len(l.Body), l.BodyBytes, l.SentAt, l.Cause)
			}
		}
		// Sent back: what is on record goes with it, and what is older than any message.
		if got, err := d.Redrive(t.Context(), queue.Selection{All: true}); err != nil || got.Done != 14 {
			t.Errorf("%+v, %v", got, err)
		}
		if n, err := st.SweepAttempts(t.Context(), time.Now().Add(time.Hour)); n != 0 || err != nil {
			t.Errorf("%d records are left, %v", n, err)
		}
		d.Queue.URL += "-none"
		if _, err := d.List(t.Context(), 1); fault.CodeOf(err) != fault.CodeNotFound || fault.HintOf(err) == "" {
			t.Errorf("without the queue: %v", err)
		}
	})
}

// TestTurns: who drops a message gets it, however many others of this process look at the same time,
// and without waiting for what somebody holds.
func TestTurns(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		d, _, send := desk(t, endpoint)
		var ids []string
		for i := range 4 {
			ids = append(ids, send(fmt.Sprint("junk ", i)))
		}
		var wg sync.WaitGroup
		stop := make(chan struct{})
		for range 2 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if _, err := d.List(t.Context(), 0); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for _, id := range ids[:2] {
			if taken, err := d.Drop(t.Context(), queue.Selection{IDs: []string{id}, Patience: time.Nanosecond}); err != nil || taken.Done != 1 {
				t.Errorf("%+v, %v", taken, err)
			}
		}
		close(stop)
		wg.Wait()
		if list, err := d.List(t.Context(), 0); err != nil || len(list.Letters) != 2 {
			t.Errorf("%d are left, %v", len(list.Letters), err)
		}
	})
}
