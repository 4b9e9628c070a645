package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/awstest"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// world is two buckets and two queues on a real endpoint, and a recipe book with a rule.
type world struct {
	*store.Store
	t           *testing.T
	s3          *s3.Client
	sqs         *sqs.Client
	book        *recipe.Book
	queue, dead string // URLs
	asked       int    // how often the queue was asked for its figures
	onAsked     map[int]func()
	findings    []Finding
}

func newWorld(t *testing.T, endpoint string) *world {
	t.Helper()
	cfg := awstest.Config(endpoint)
	name := store.NewID(time.Now())
	w := &world{t: t, s3: store.NewClient(cfg), sqs: sqs.NewFromConfig(cfg), onAsked: map[int]func(){}}
	var err error
	if w.Store, err = store.New(w.s3, store.Options{UploadsBucket: "uploads-" + name, ResultsBucket: "results-" + name}); err != nil {
		t.Fatal(err)
	}
	if w.book, err = recipe.Parse("recipes.yml", []byte("rules:\n  - {match: 'marks/**', ignore: true}\n")); err != nil {
		t.Fatal(err)
	}
	for _, b := range []store.Which{store.Uploads, store.Results} {
		if _, err := w.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(w.Bucket(b))}); err != nil {
			t.Fatal(err)
		}
	}
	for _, to := range []*string{&w.queue, &w.dead} {
		out, err := w.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(name + strconv.Itoa(len(w.queue)))})
		if err != nil {
			t.Fatal(err)
		}
		*to = *out.QueueUrl
	}
	return w
}

// put stores an object.
func (w *world) put(b store.Which, key, body string) {
	w.t.Helper()
	if _, err := w.s3.PutObject(w.t.Context(), &s3.PutObjectInput{Bucket: aws.String(w.Bucket(b)), Key: &key, Body: strings.NewReader(body)}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) remove(b store.Which, key string) {
	w.t.Helper()
	if _, err := w.s3.DeleteObject(w.t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(w.Bucket(b)), Key: &key}); err != nil {
		w.t.Fatal(err)
	}
}

// upload stores an original.
func (w *world) upload(key, body string) {
	w.t.Helper()
	if _, err := w.PutSource(w.t.Context(), store.PutSource{Key: key, Body: strings.NewReader(body), Size: int64(len(body))}); err != nil {
		w.t.Fatal(err)
	}
}

// manifestOf is the manifest of what is at a key now, with its outputs not stored yet.
func (w *world) manifestOf(key string) (*recipe.Manifest, map[string][]byte) {
	w.t.Helper()
	src, err := w.Stat(w.t.Context(), key)
	if err != nil {
		w.t.Fatal(err)
	}
	job, err := w.book.Resolve("", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	id := store.IDForKey(key)
	m := &recipe.Manifest{Version: recipe.ManifestVersion, ID: id, Status: recipe.Done, Recipe: job.Recipe, RecipeHash: job.Hash, Params: job.Params, Asked: &recipe.Asked{},
		Source:  recipe.Source{Bucket: w.Bucket(store.Uploads), Key: key, ETag: src.ETag, VersionID: src.VersionID, Bytes: src.Size},
		Timings: recipe.Timings{Uploaded: src.LastModified, Finished: time.Now().UTC()}, Program: "tintype test", Attempts: 1}
	bodies := map[string][]byte{}
	for _, name := range []string{"full", "thumb"} {
		body := []byte(name + " of " + key + src.ETag)
		sum := sha256.Sum256(body)
		out := recipe.Result{Name: name, Key: store.OutputKey(id, src.ETag, src.VersionID, job.Hash, name, "jpg"), Bytes: int64(len(body)), SHA256: hex.EncodeToString(sum[:])}
		m.Outputs, bodies[out.Key] = append(m.Outputs, out), body
	}
	return m, bodies
}

// commit stores a manifest, whatever stands in its place.
func (w *world) commit(m *recipe.Manifest) {
	w.t.Helper()
	_, etag, _ := w.Manifest(w.t.Context(), m.ID)
	if err := w.CommitManifest(w.t.Context(), m, etag); err != nil {
		w.t.Fatal(err)
	}
}

// process does what the app tier would with what is at a key.
func (w *world) process(key string) *recipe.Manifest {
	w.t.Helper()
	m, bodies := w.manifestOf(key)
	for key, body := range bodies {
		if _, err := w.PutOutput(w.t.Context(), key, "image/jpeg", body); err != nil {
			w.t.Fatal(err)
		}
	}
	w.commit(m)
	return m
}

// image is an upload that is done.
func (w *world) image(key string) *recipe.Manifest {
	w.t.Helper()
	w.upload(key, "the picture "+key)
	return w.process(key)
}

// send puts the event of what is at a key into a queue.
func (w *world) send(queue, key string) {
	w.t.Helper()
	src, err := w.Stat(w.t.Context(), key)
	if err != nil {
		w.t.Fatal(err)
	}
	body := fmt.Sprintf(`{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":%q},"object":{"key":%q,"eTag":%q}}}]}`,
		w.Bucket(store.Uploads), url.QueryEscape(key), src.ETag)
	if _, err := w.sqs.SendMessage(w.t.Context(), &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: &body}); err != nil {
		w.t.Fatal(err)
	}
}

// figures asks for the queues' figures, and lets the test change the world at that moment.
func (w *world) figures(ctx context.Context) (c Counts, err error) {
	w.asked++
	if f := w.onAsked[w.asked]; f != nil {
		f()
	}
	for i, queue := range []string{w.queue, w.dead} {
		out, err := w.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: aws.String(queue), AttributeNames: []types.QueueAttributeName{"All"}})
		if err != nil {
			return c, err
		}
		n, _ := strconv.ParseInt(out.Attributes["ApproximateNumberOfMessages"], 10, 64)
		hidden, _ := strconv.ParseInt(out.Attributes["ApproximateNumberOfMessagesNotVisible"], 10, 64)
		if i == 0 {
			c.Waiting, c.InFlight = n, hidden
		} else {
			c.DeadLetters = n + hidden
		}
	}
	return c, nil
}

// look looks at a queue's first ten messages, which is all that tests put there.
func (w *world) look(queue string) Letters {
	return func(ctx context.Context, each func(string)) (int64, error) {
		out, err := w.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &queue, MaxNumberOfMessages: 10, VisibilityTimeout: 30})
		if err != nil {
			return 0, err
		}
		for _, m := range out.Messages {
			each(*m.Body)
			if _, err := w.sqs.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: &queue, ReceiptHandle: m.ReceiptHandle}); err != nil {
				return 0, err
			}
		}
		return 0, nil
	}
}

// audit audits.
func (w *world) audit(change func(*Options)) (*Report, *Auditor) {
	w.t.Helper()
	w.findings, w.asked = nil, 0
	opts := Options{Store: w.Store, Recipes: w.book, Queue: w.figures, DeadLetters: w.look(w.dead), Program: "tintype test", Settle: time.Millisecond, TempDir: w.t.TempDir(),
		Found: func(f Finding) { w.findings = append(w.findings, f) }}
	if change != nil {
		change(&opts)
	}
	x, err := New(opts)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(x.Close)
	r, err := x.Run(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	if im := r.Images; im.Total != im.Done+im.Failed+im.Queued+im.DeadLettered+im.Ignored+im.Shadowed+im.Moving+im.Unknown+im.Lost {
		w.t.Errorf("the states do not add up: %+v", im)
	}
	return r, x
}

// expect checks that there is exactly one finding, of a kind, about an object.
func (w *world) expect(code Code, severity Severity, id string) Finding {
	w.t.Helper()
	if len(w.findings) != 1 {
		w.t.Fatalf("findings %+v, want one %s", w.findings, code)
	}
	f := w.findings[0]
	if f.Code != code || f.Severity != severity || f.ID != id || f.Detail == "" {
		w.t.Errorf("finding %+v, want %s about %s", f, code, id)
	}
	return f
}

func (w *world) keys(b store.Which) (keys []string) {
	w.t.Helper()
	for o, err := range w.Walk(w.t.Context(), b, "", "") {
		if err != nil {
			w.t.Fatal(err)
		}
		keys = append(keys, o.Key)
	}
	return keys
}
