package backfill

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/awstest"
	"github.com/tintype/tintype/internal/event"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// bench is two buckets and a queue on a real endpoint.
type bench struct {
	*store.Store
	t    *testing.T
	s3   *s3.Client
	sqs  *sqs.Client
	url  string
	book *recipe.Book
	sent int // messages, by Send
	stop func(sent int) error
}

const rules = `
recipes:
  mark:
    description: With a watermark.
    steps: [{watermark: {image: marks/logo.png}}]
    outputs: {full: {format: jpeg}}
rules:
  - {match: 'marks/**', ignore: true}
  - {match: 'avatars/**', recipe: thumbnail}
  - {match: 'marked/**', recipe: mark}
`

func newBench(t *testing.T, endpoint string) *bench {
	t.Helper()
	cfg := awstest.Config(endpoint)
	name := store.NewID(time.Now())
	b := &bench{t: t, s3: store.NewClient(cfg), sqs: sqs.NewFromConfig(cfg)}
	var err error
	if b.Store, err = store.New(b.s3, store.Options{UploadsBucket: "uploads-" + name, ResultsBucket: "results-" + name}); err != nil {
		t.Fatal(err)
	}
	if b.book, err = recipe.Parse("recipes.yml", []byte(rules)); err != nil {
		t.Fatal(err)
	}
	for _, w := range []store.Which{store.Uploads, store.Results} {
		if _, err := b.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(b.Bucket(w))}); err != nil {
			t.Fatal(err)
		}
	}
	out, err := b.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
	if err != nil {
		t.Fatal(err)
	}
	b.url = *out.QueueUrl
	return b
}

func (b *bench) Pending(ctx context.Context) (int64, error) {
	out, err := b.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &b.url, AttributeNames: []types.QueueAttributeName{"All"}})
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(out.Attributes["ApproximateNumberOfMessages"], 10, 64)
	return n, err
}

func (b *bench) Send(ctx context.Context, bodies []string) error {
	if b.stop != nil {
		if err := b.stop(b.sent); err != nil {
			return err
		}
	}
	var entries []types.SendMessageBatchRequestEntry
	for i := range bodies {
		entries = append(entries, types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: &bodies[i]})
	}
	out, err := b.sqs.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &b.url, Entries: entries})
	if err != nil {
		return err
	}
	if len(out.Failed) > 0 {
		return errors.New("a message was refused")
	}
	b.sent += len(bodies)
	return nil
}

// received takes everything out of the queue: what was sent, by key. Each message is read as
// the worker would.
func (b *bench) received() map[string][]event.Upload {
	b.t.Helper()
	got := map[string][]event.Upload{}
	for {
		out, err := b.sqs.ReceiveMessage(b.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &b.url, MaxNumberOfMessages: 10})
		if err != nil {
			b.t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return got
		}
		for _, m := range out.Messages {
			p, err := event.Parse([]byte(*m.Body))
			if err != nil || len(p.Uploads) != 1 || p.Uploads[0].Backfill == nil {
				b.t.Fatalf("a message %s: %v", *m.Body, err)
			}
			got[p.Uploads[0].Key] = append(got[p.Uploads[0].Key], p.Uploads[0])
			if _, err := b.sqs.DeleteMessage(b.t.Context(), &sqs.DeleteMessageInput{QueueUrl: &b.url, ReceiptHandle: m.ReceiptHandle}); err != nil {
				b.t.Fatal(err)
			}
		}
	}
}

// upload stores an original.
func (b *bench) upload(key, recipeName string) {
	b.t.Helper()
	if _, err := b.PutSource(b.t.Context(), store.PutSource{Key: key, Body: strings.NewReader("picture " + key), Size: int64(len("picture " + key)), Recipe: recipeName}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) archive(key string) {
	b.t.Helper()
	if _, err := b.s3.PutObject(b.t.Context(), &s3.PutObjectInput{Bucket: aws.String(b.Bucket(store.Uploads)), Key: &key, Body: strings.NewReader("cold"), StorageClass: s3types.StorageClassGlacier}); err != nil {
		b.t.Fatal(err)
	}
}

// done stores an upload with a current result.
func (b *bench) done(key, recipeName string, change func(*recipe.Manifest)) string {
	b.t.Helper()
	b.upload(key, recipeName)
	return b.result(key, change)
}

// result stores a result of what is at key, and returns its manifest's ETag.
func (b *bench) result(key string, change func(*recipe.Manifest)) string {
	b.t.Helper()
	src, err := b.Stat(b.t.Context(), key)
	if err != nil {
		b.t.Fatal(err)
	}
	rule, _ := store.RuleKey(key)
	job, err := b.book.Resolve(b.book.Choose(rule, src.Recipe, src.Params))
	if err != nil {
		b.t.Fatal(err)
	}
	m := &recipe.Manifest{Version: 1, ID: store.IDForKey(key), Status: recipe.Done, Recipe: job.Recipe, RecipeHash: job.Hash, Asked: &recipe.Asked{Recipe: src.Recipe, Params: src.Params},
		Source:  recipe.Source{Bucket: b.Bucket(store.Uploads), Key: key, ETag: src.ETag, VersionID: src.VersionID},
		Outputs: []recipe.Result{{Name: "full"}}, Timings: recipe.Timings{Uploaded: src.LastModified}, Program: "tintype test"}
	if change != nil {
		change(m)
	}
	if err := b.CommitManifest(b.t.Context(), m, ""); err != nil {
		b.t.Fatal(err)
	}
	_, etag, err := b.Manifest(b.t.Context(), m.ID)
	if err != nil && !errors.Is(err, store.ErrUnreadable) {
		b.t.Fatal(err)
	}
	return etag
}

// run runs a backfill to its end.
func (b *bench) run(change func(*Options)) (Counts, error) {
	opts := Options{Store: b.Store, Recipes: b.book, Queue: b, Job: "job-1", Program: "tintype test", Pause: time.Millisecond}
	if change != nil {
		change(&opts)
	}
	return Run(b.t.Context(), opts, &Progress{})
}
