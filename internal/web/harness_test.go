package web

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"go.uber.org/goleak"

	"github.com/tintype/tintype/internal/event"
	"github.com/tintype/tintype/internal/localaws"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// endpointEnv names an endpoint for S3, SQS and SNS to test against, such as a moto server.
// Without it the tests start the embedded one.
const endpointEnv = "TINTYPE_TEST_ENDPOINT"

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// endpoint is the URL of the endpoint all tests of this run share.
var endpoint = sync.OnceValues(startEndpoint)

var stopEndpoint = func() {}

func TestMain(m *testing.M) {
	code := m.Run()
	stopEndpoint()
	if code == 0 {
		// Clients of the SDK keep idle connections, and offer no way to close them.
		if err := goleak.Find(goleak.IgnoreTopFunction("internal/poll.runtime_pollWait"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop")); err != nil {
			fmt.Fprintln(os.Stderr, "goroutines are left:", err)
			code = 1
		}
	}
	os.Exit(code)
}

func startEndpoint() (string, error) {
	if url := os.Getenv(endpointEnv); url != "" {
		return url, nil
	}
	data, err := os.MkdirTemp("", "tintype-web-")
	if err != nil {
		return "", err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	srv, err := localaws.Open(localaws.Options{Data: data, API: ln})
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	stopEndpoint = func() {
		cancel()
		if err := <-ended; err != nil {
			fmt.Fprintln(os.Stderr, "endpoint:", err)
		}
		os.RemoveAll(data)
	}
	return srv.URL(), nil
}

// system is a web tier on real HTTP with an endpoint behind it, its buckets and its topic.
type system struct {
	t      *testing.T
	cfg    aws.Config
	s3     *s3.Client
	sqs    *sqs.Client
	sns    *sns.Client
	store  *store.Store
	book   *recipe.Book
	topic  string
	prefix string // of the web instances' queues

	web *Server
	url string
	log *logBuffer
}

// newSystem makes a system; adjust changes the options, if it is not nil.
func newSystem(t *testing.T, adjust func(*Options)) *system {
	t.Helper()
	url, err := endpoint()
	if err != nil {
		t.Fatal(err)
	}
	if url == "" {
		t.Skipf("moto_server is not installed and %s names no endpoint", endpointEnv)
	}
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithBaseEndpoint(url), config.WithRegion("us-east-1"),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("test", "test", "")))
	if err != nil {
		t.Fatal(err)
	}
	cfg.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired // moto stores none
	run := strings.ToLower(rand.Text()[:10])
	s := &system{
		t: t, cfg: cfg, s3: store.NewClient(cfg), sqs: sqs.NewFromConfig(cfg), sns: sns.NewFromConfig(cfg),
		book: recipe.Builtin(), prefix: "tintype-web-" + run + "-", log: &logBuffer{},
	}
	opts := store.Options{UploadsBucket: "uploads-" + run, ResultsBucket: "results-" + run}
	for _, b := range []string{opts.UploadsBucket, opts.ResultsBucket} {
		if _, err := s.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &b}); err != nil {
			t.Fatal(err)
		}
	}
	if s.store, err = store.New(s.s3, opts); err != nil {
		t.Fatal(err)
	}
	topic, err := s.sns.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("processing-" + run)})
	if err != nil {
		t.Fatal(err)
	}
	s.topic = *topic.TopicArn
	s.web, s.url = s.serve(adjust)
	return s
}

// serve starts one more web instance on real HTTP.
func (s *system) serve(adjust func(*Options)) (*Server, string) {
	s.t.Helper()
	o := Options{
		Store: s.store, Recipes: s.book, Version: "test",
		Notifier: NotifierOptions{SQS: s.sqs, SNS: s.sns, TopicARN: s.topic, QueuePrefix: s.prefix, Host: "tester"},
		TempDir:  s.t.TempDir(),
		Logger:   slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if adjust != nil {
		adjust(&o)
	}
	web, err := New(o)
	if err != nil {
		s.t.Fatal(err)
	}
	url := s.http(web.Handler())
	s.t.Cleanup(web.hub.close)
	return web, url
}

// http serves a handler with short time-outs until the test ends.
func (s *system) http(h http.Handler) string {
	s.t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ReadTimeout, srv.Config.WriteTimeout = time.Second, time.Second
	srv.Start()
	s.t.Cleanup(srv.Close)
	return srv.URL
}

// run runs the instance's notifier until the test ends or stop is called, which waits.
func (s *system) run(web *Server) (stop func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- web.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				s.t.Errorf("Run: %v", err)
			}
		})
	}
	s.t.Cleanup(stop)
	s.until("completion messages can be received", func() bool { return web.notifierState() == nil })
	return stop
}

// until polls a condition that must come true.
func (s *system) until(what string, cond func() bool) {
	s.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			s.t.Fatalf("not so after %v: %s\nlog:\n%s", patience, what, s.log)
		}
	}
}

// answer is a response, read.
type answer struct {
	*http.Response
	body []byte
}

func (a answer) json(t *testing.T, into any) {
	t.Helper()
	if err := json.Unmarshal(a.body, into); err != nil {
		t.Fatalf("%s answered no JSON: %v: %.300s", a.Request.URL, err, a.body)
	}
}

// noRedirects is a client that reports redirects instead of following them. Its connections are its
// own: each httptest.Server that another test closes closes those of http.DefaultTransport.
var noRedirects = &http.Client{
	Transport:     http.DefaultTransport.(*http.Transport).Clone(),
	Timeout:       patience,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// request does one request; headers come in pairs.
func (s *system) request(method, path string, body io.Reader, headers ...string) answer {
	s.t.Helper()
	url := path
	if strings.HasPrefix(path, "/") {
		url = s.url + path
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, url, body)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := noRedirects.Do(req)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer{resp, b}
}

// json does a request with a JSON body and checks the status.
func (s *system) json(method, path, body string, want int) answer {
	s.t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	a := s.request(method, path, r, "Content-Type", "application/json")
	if a.StatusCode != want {
		s.t.Fatalf("%s %s %s: %s, want %d: %s", method, path, body, a.Status, want, a.body)
	}
	return a
}

// refused checks that an answer is a whole problem document with a status and a code.
func (s *system) refused(a answer, status int, code string) problem {
	s.t.Helper()
	var p problem
	if ct := a.Header.Get("Content-Type"); ct != "application/problem+json" {
		s.t.Fatalf("%s %s: %s with Content-Type %q, want application/problem+json: %.300s", a.Request.Method, a.Request.URL.Path, a.Status, ct, a.body)
	}
	a.json(s.t, &p)
	if a.StatusCode != status || p.Status != status || p.Code != code || p.Title == "" || p.Type == "" || p.Detail == "" {
		s.t.Errorf("%s %s: %s %+v, want status %d and code %s", a.Request.Method, a.Request.URL.Path, a.Status, p, status, code)
	}
	return p
}

// field is one part of a multipart form; a file has a file name.
type field struct {
	name, filename string
	body           []byte
}

// form encodes fields in their order. File names go in as they are, as a hostile client would send them.
func form(fields ...field) (contentType string, body []byte) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, f := range fields {
		h := textproto.MIMEHeader{}
		disposition := fmt.Sprintf(`form-data; name="%s"`, f.name)
		if f.filename != "" {
			disposition += fmt.Sprintf(`; filename="%s"`, f.filename)
			h.Set("Content-Type", "application/octet-stream")
		}
		h.Set("Content-Disposition", disposition)
		p, err := w.CreatePart(h)
		if err != nil {
			panic(err) // a bytes.Buffer takes everything
		}
		_, _ = p.Write(f.body)
	}
	_ = w.Close()
	return w.FormDataContentType(), b.Bytes()
}

// upload posts a form to /api/images.
func (s *system) upload(headers []string, fields ...field) answer {
	s.t.Helper()
	ct, body := form(fields...)
	return s.request("POST", "/api/images", bytes.NewReader(body), append(headers, "Content-Type", ct)...)
}

// uploaded uploads a picture and returns its id.
func (s *system) uploaded(name string, body []byte, params ...field) string {
	s.t.Helper()
	a := s.upload(nil, append([]field{{"file", name, body}}, params...)...)
	if a.StatusCode != http.StatusAccepted {
		s.t.Fatalf("upload of %q: %s: %s", name, a.Status, a.body)
	}
	var got struct{ ID, Status string }
	a.json(s.t, &got)
	if !store.ValidID(got.ID) || got.Status != "queued" || a.Header.Get("Location") != "/api/images/"+got.ID {
		s.t.Fatalf("upload answered %+v with Location %q", got, a.Header.Get("Location"))
	}
	return got.ID
}

// image is the document of an image.
func (s *system) image(id string) *Image {
	s.t.Helper()
	var img Image
	s.json("GET", "/api/images/"+id, "", http.StatusOK).json(s.t, &img)
	return &img
}

// process does what the app tier does with one image: outputs, then the manifest, then the
// completion message. It is a stand-in for the worker only; S3 and SNS are real.
func (s *system) process(ctx context.Context, id string) (event.Completion, error) {
	info, err := s.store.KeyOf(ctx, id)
	if err != nil {
		return event.Completion{}, err
	}
	src, err := s.store.OpenSource(ctx, info.Key, info.ETag)
	if err != nil {
		return event.Completion{}, err
	}
	defer src.Body.Close()
	began := time.Now()
	m := &recipe.Manifest{
		Version: recipe.ManifestVersion, ID: id, Status: recipe.Done, Recipe: src.Recipe, Attempts: 1, Program: "test", Libvips: "none",
		Source:  recipe.Source{Bucket: s.store.Bucket(store.Uploads), Key: info.Key, ETag: src.ETag, Bytes: src.Size, Format: "png"},
		Timings: recipe.Timings{Uploaded: src.LastModified, Started: began, Finished: began},
	}
	if err := s.makeOutputs(ctx, m, src); err != nil {
		m.Status, m.Outputs = recipe.Failed, nil
		m.Error = &recipe.Failure{Code: "corrupt_image", Message: err.Error()}
	}
	_, etag, err := s.store.Manifest(ctx, id)
	if err != nil && etag != "" {
		return event.Completion{}, err
	}
	if err := s.store.CommitManifest(ctx, m, etag); err != nil {
		return event.Completion{}, err
	}
	c := event.NewCompletion(m)
	return c, s.publish(ctx, c)
}

func (s *system) makeOutputs(ctx context.Context, m *recipe.Manifest, src *store.Source) error {
	key, _ := store.RuleKey(m.Source.Key)
	job, err := s.book.Resolve(s.book.Choose(key, src.Recipe, src.Params))
	if err != nil {
		return err
	}
	m.Recipe, m.RecipeHash, m.Params = job.Recipe, job.Hash, job.Params
	img, _, err := image.Decode(src.Body)
	if err != nil {
		return err
	}
	m.Source.Width, m.Source.Height = img.Bounds().Dx(), img.Bounds().Dy()
	if tint, ok := job.Params["tint"].(string); ok {
		img = tinted(img, tint)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return err
	}
	for _, out := range job.Outputs {
		key := store.OutputKey(m.ID, src.ETag, src.VersionID, job.Hash, out.Name, "png")
		if _, err := s.store.PutOutput(ctx, key, "image/png", b.Bytes()); err != nil {
			return err
		}
		m.Outputs = append(m.Outputs, recipe.Result{
			Name: out.Name, Key: key, ContentType: "image/png", Format: "png", Width: m.Source.Width, Height: m.Source.Height, Bytes: int64(b.Len()),
		})
	}
	return nil
}

// tinted is a plain tint: the colour, as bright as the picture is.
func tinted(img image.Image, hex string) image.Image {
	var r, g, b uint8
	_, _ = fmt.Sscanf(hex, "#%02x%02x%02x", &r, &g, &b)
	out := image.NewNRGBA(img.Bounds())
	for y := out.Rect.Min.Y; y < out.Rect.Max.Y; y++ {
		for x := out.Rect.Min.X; x < out.Rect.Max.X; x++ {
			l := uint16(color.GrayModel.Convert(img.At(x, y)).(color.Gray).Y)
			out.SetNRGBA(x, y, color.NRGBA{uint8(uint16(r) * l / 255), uint8(uint16(g) * l / 255), uint8(uint16(b) * l / 255), 255})
		}
	}
	return out
}

// publish announces a completion as the app tier does.
func (s *system) publish(ctx context.Context, c event.Completion) error {
	text, err := c.Structure("")
	if err != nil {
		return err
	}
	_, err = s.sns.Publish(ctx, &sns.PublishInput{TopicArn: &s.topic, Message: &text, MessageStructure: aws.String("json")})
	return err
}

// mustProcess is process in the test's own goroutine.
func (s *system) mustProcess(id string) event.Completion {
	s.t.Helper()
	c, err := s.process(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// logBuffer is a log that tests can read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
