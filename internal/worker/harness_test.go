package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/tintype/tintype/internal/awstest"
	"github.com/tintype/tintype/internal/event"
	"github.com/tintype/tintype/internal/imaging"
	"github.com/tintype/tintype/internal/queue"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// bench is two buckets on a real endpoint, the real imaging engine, and a worker.
type bench struct {
	*store.Store
	t         *testing.T
	client    *s3.Client
	engine    *imaging.Engine
	announced *recorder
	worker    *Worker
	seq       int
}

// engine is one for all tests: libvips is set up once per process.
var engine = sync.OnceValues(func() (*imaging.Engine, error) { return imaging.New(imaging.Options{}) })

func TestMain(m *testing.M) {
	code := m.Run()
	if e, err := engine(); err == nil {
		e.Close()
	}
	os.Exit(code)
}

func newBench(t *testing.T, endpoint string, change func(*Options)) *bench {
	t.Helper()
	b := &bench{t: t, client: store.NewClient(awstest.Config(endpoint)), announced: &recorder{}}
	var err error
	if b.engine, err = engine(); err != nil {
		t.Fatal(err)
	}
	b.Store = openStore(t, endpoint, strings.ToLower(store.NewID(time.Now())))
	for _, w := range []store.Which{store.Uploads, store.Results} {
		if _, err := b.client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(b.Bucket(w))}); err != nil {
			t.Fatal(err)
		}
	}
	b.worker = b.newWorker(change)
	return b
}

func openStore(t *testing.T, endpoint, suffix string) *store.Store {
	t.Helper()
	s, err := store.New(store.NewClient(awstest.Config(endpoint)), store.Options{UploadsBucket: "uploads-" + suffix, ResultsBucket: "results-" + suffix})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (b *bench) newWorker(change func(*Options)) *Worker {
	b.t.Helper()
	opts := Options{Store: b.Store, Imaging: b.engine, Recipes: recipe.Builtin(), Announcer: b.announced, UploadsBucket: b.Bucket(store.Uploads), Program: "tintype test"}
	if change != nil {
		change(&opts)
	}
	w, err := New(opts)
	if err != nil {
		b.t.Fatal(err)
	}
	return w
}

// upload stores an original and returns its event as S3 would write it, with a sequencer
// later than those before.
func (b *bench) upload(key string, body []byte, recipeName string, params map[string]string) event.Upload {
	b.t.Helper()
	_, err := b.PutSource(b.t.Context(), store.PutSource{Key: key, Body: bytes.NewReader(body), Size: int64(len(body)), ContentType: "image/jpeg", Recipe: recipeName, Params: params})
	if err != nil {
		b.t.Fatal(err)
	}
	return b.event(key)
}

// event is the event of what is at key now.
func (b *bench) event(key string) event.Upload {
	b.t.Helper()
	head, err := b.client.HeadObject(b.t.Context(), &s3.HeadObjectInput{Bucket: aws.String(b.Bucket(store.Uploads)), Key: &key})
	if err != nil {
		b.t.Fatal(err)
	}
	b.seq++
	return event.Upload{Bucket: b.Bucket(store.Uploads), Key: key, ETag: strings.Trim(*head.ETag, `"`), Size: aws.ToInt64(head.ContentLength),
		Sequencer: fmt.Sprintf("%018X", 0x55AED6DCD9+b.seq), Time: time.Now().UTC().Truncate(time.Millisecond)}
}

// message is a queue message with one record for each upload.
func message(receives int, uploads ...event.Upload) queue.Message {
	var records []any
	for _, u := range uploads {
		records = append(records, map[string]any{
			"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "eventTime": u.Time.Format("2006-01-02T15:04:05.000Z"),
			"s3": map[string]any{"bucket": map[string]any{"name": u.Bucket},
				"object": map[string]any{"key": url.QueryEscape(u.Key), "size": u.Size, "eTag": u.ETag, "sequencer": u.Sequencer}},
		})
	}
	body, _ := json.Marshal(map[string]any{"Records": records})
	return queue.Message{ID: "message-1", Body: string(body), ReceiveCount: receives, SentAt: time.Now(), ReceivedAt: time.Now()}
}

// handle expects an outcome.
func (b *bench) handle(m queue.Message, want queue.Outcome) {
	b.t.Helper()
	if got := b.worker.Handle(b.t.Context(), m); got != want {
		b.t.Fatalf("the outcome is %v, want %v", got, want)
	}
}

// result reads an image's manifest and checks that every output is there as it says.
func (b *bench) result(key string) *recipe.Manifest {
	b.t.Helper()
	m, _, err := b.Manifest(b.t.Context(), store.IDForKey(key))
	if err != nil {
		b.t.Fatal(err)
	}
	for _, out := range m.Outputs {
		obj, err := b.client.GetObject(b.t.Context(), &s3.GetObjectInput{Bucket: aws.String(b.Bucket(store.Results)), Key: &out.Key})
		if err != nil {
			b.t.Fatal(err)
		}
		cfg, err := jpeg.DecodeConfig(obj.Body)
		obj.Body.Close()
		if err != nil || cfg.Width != out.Width || cfg.Height != out.Height || aws.ToInt64(obj.ContentLength) != out.Bytes || aws.ToString(obj.ContentType) != out.ContentType {
			b.t.Errorf("output %+v is stored as %v %+v", out, cfg, obj)
		}
	}
	return m
}

// recorder is an Announcer that keeps what it is told. The real one is in flow_test.go.
type recorder struct {
	mu  sync.Mutex
	all []event.Completion
	err error
}

func (r *recorder) Announce(_ context.Context, c event.Completion) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return r.err
	}
	r.all = append(r.all, c)
	return nil
}

// expect checks how many announcements there have been, and returns the last.
func (r *recorder) expect(t *testing.T, n int) event.Completion {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.all) != n {
		t.Fatalf("%d announcements, want %d", len(r.all), n)
	}
	if n == 0 {
		return event.Completion{}
	}
	return r.all[n-1]
}

// picture is a JPEG; another seed makes another one.
func picture(width, height int, seed uint8) []byte {
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			img.Set(x, y, color.RGBA{uint8(x) ^ seed, uint8(y), seed, 255})
		}
	}
	var out bytes.Buffer
	jpeg.Encode(&out, img, nil)
	return out.Bytes()
}
