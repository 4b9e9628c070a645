package worker

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/imaging"
	"github.com/tintype/tintype/internal/queue"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

const recipeFile = `
recipes:
  marked:
    steps: [{watermark: {image: assets/logo 1.png}}, {watermark: {image: assets/b.png}}]
    outputs: {full: {format: same}}
rules:
  - {match: assets/**, ignore: true}
  - {match: photos/**, recipe: sepia, params: {strength: 0.5}}
  - {match: "*.marked.jpg", recipe: marked}
`

func book(t *testing.T) *recipe.Book {
	t.Helper()
	b, err := recipe.Parse("recipes.yml", []byte(recipeFile))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// testRules: where an upload names no recipe, the rules choose; what they ignore is let go.
func testRules(t *testing.T, endpoint string) {
	b := newBench(t, endpoint, func(o *Options) { o.Recipes = book(t) })
	own := store.UploadKey(store.NewID(time.Now()), "x.png") // the rules see "x.png"
	for _, tc := range []struct {
		key, recipe string
		params      map[string]string
		want        string
		strength    any
	}{
		{"photos/a/b.jpg", "", nil, "sepia", 0.5},
		{"photos/c.jpg", "", map[string]string{"strength": "0.25"}, "sepia", 0.25},
		{"photos/d.jpg", "grayscale", nil, "grayscale", nil},
		{"other.jpg", "", nil, "tint", 1.0},
		{own, "", nil, "tint", 1.0},
	} {
		b.handle(message(1, b.upload(tc.key, picture(20, 20, 1), tc.recipe, tc.params)), queue.Ack())
		if m := b.result(tc.key); m.Status != recipe.Done || m.Recipe != tc.want || m.Params["strength"] != tc.strength {
			t.Errorf("%s: %s %s %v", tc.key, m.Status, m.Recipe, m.Params)
		}
	}
	announced := len(b.announced.all)
	b.handle(message(1, b.upload("assets/logo 1.png", picture(20, 20, 1), "", nil)), queue.Ack())
	if _, _, err := b.Manifest(t.Context(), store.IDForKey("assets/logo 1.png")); err == nil {
		t.Error("an asset has been processed as an image")
	}
	b.announced.expect(t, announced)
}

// watching is the real engine; it notes what it is given, and leaves watermarks out.
type watching struct {
	Imaging
	mu   sync.Mutex
	seen []map[string][]byte
}

func (w *watching) Process(ctx context.Context, req imaging.Request) (*imaging.Picture, error) {
	w.mu.Lock()
	w.seen = append(w.seen, req.Assets)
	w.mu.Unlock()
	job := *req.Job
	job.Steps = slices.DeleteFunc(slices.Clone(job.Steps), func(s recipe.Step) bool { return s.Kind == recipe.StepWatermark })
	req.Job = &job
	return w.Imaging.Process(ctx, req)
}

// counting is a Store that counts the bytes of assets that are read.
type counting struct {
	*store.Store
	read int
}

func (c *counting) OpenAsset(ctx context.Context, key, known string) (*store.Source, error) {
	src, err := c.Store.OpenAsset(ctx, key, known)
	if src != nil {
		c.read++
	}
	return src, err
}

func testAssets(t *testing.T, endpoint string) {
	eyes, ears := &watching{}, &counting{}
	b := newBench(t, endpoint, func(o *Options) {
		eyes.Imaging, ears.Store = o.Imaging, o.Store.(*store.Store)
		o.Recipes, o.Imaging, o.Store = book(t), eyes, ears
	})
	put := func(key string, body []byte) {
		t.Helper()
		if _, err := b.client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(b.Bucket(store.Uploads)), Key: &key, Body: bytes.NewReader(body)}); err != nil {
			t.Fatal(err)
		}
	}
	put("assets/b.png", []byte("b"))

	// Missing: a permanent failure that says which key.
	u := b.upload("1.marked.jpg", picture(20, 20, 1), "", nil)
	b.handle(message(1, u), queue.Ack())
	m := b.result("1.marked.jpg")
	if m.Status != recipe.Failed || m.Error.Code != fault.CodeBadAsset || !strings.Contains(m.Error.Hint, `"assets/logo 1.png"`) || m.RecipeHash == "" {
		t.Errorf("%+v %+v", m, m.Error)
	}

	// Too large: the same, without reading it to its end.
	put("assets/logo 1.png", make([]byte, recipe.MaxAsset+1))
	b.handle(message(1, b.upload("2.marked.jpg", picture(20, 20, 2), "", nil)), queue.Ack())
	if m := b.result("2.marked.jpg"); m.Status != recipe.Failed || m.Error.Code != fault.CodeBadAsset || !strings.Contains(m.Error.Message, "10 MB") {
		t.Errorf("%+v", m.Error)
	}

	// There: each is read once, and again only when it has changed.
	put("assets/logo 1.png", []byte("logo"))
	ears.read = 0
	for i, key := range []string{"3.marked.jpg", "4.marked.jpg", "5.marked.jpg"} {
		if i == 2 {
			put("assets/logo 1.png", []byte("another"))
		}
		b.handle(message(1, b.upload(key, picture(20, 20, uint8(i)), "", nil)), queue.Ack())
		if m = b.result(key); m.Status != recipe.Done || len(m.Assets) != 2 || m.Assets[0].Key != "assets/b.png" || m.Assets[1].Key != "assets/logo 1.png" || m.Assets[1].ETag == "" {
			t.Fatalf("%+v %+v", m, m.Error)
		}
		want := []string{"logo", "logo", "another"}[i]
		if got := eyes.seen[i]; string(got["assets/logo 1.png"]) != want || string(got["assets/b.png"]) != "b" {
			t.Errorf("%s was given %q", key, got)
		}
	}
	if ears.read != 2 { // b.png was known since the failure
		t.Errorf("assets have been read %d times, want 2", ears.read)
	}
}

// TestAssetCacheIsBounded: what has not been used for longest goes.
func TestAssetCacheIsBounded(t *testing.T) {
	a := newAssets(nil)
	for _, key := range []string{"a", "b", "c"} {
		a.keep(key, &asset{body: make([]byte, 10_000_000)})
	}
	a.find("a")
	a.keep("d", &asset{body: make([]byte, 10_000_000)})
	if a.find("a") == nil || a.find("b") != nil || a.find("d") == nil || a.bytes > maxAssetCache {
		t.Errorf("kept %d bytes of %d assets", a.bytes, len(a.kept))
	}
	a.keep("d", &asset{body: nil})
	if a.bytes != 20_000_000 {
		t.Errorf("%d bytes are counted", a.bytes)
	}
}
