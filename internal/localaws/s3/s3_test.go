package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"go.uber.org/goleak"

	"github.com/tintype/tintype/internal/localaws/db"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		child(dir)
		return
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) { os.Exit(code) }))
}

// recorder is a Notifier that keeps what it is told in the same store.
type recorder struct {
	mu     sync.Mutex
	refuse map[string]error // answer of Check, by target
	fail   error            // answer of NotifyTx

	prepared, used atomic.Int64 // events made before their transaction, and sent so
}

var recorderSchema = db.Schema{Name: "recorder", Steps: []string{recorderTable}}

const recorderTable = `CREATE TABLE IF NOT EXISTS test_events (
	n INTEGER PRIMARY KEY AUTOINCREMENT, target TEXT NOT NULL, bucket TEXT NOT NULL, subject TEXT NOT NULL, body TEXT NOT NULL) STRICT;`

func (r *recorder) Check(_ context.Context, target, _ string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refuse[target]
}

func (r *recorder) NotifyTx(tx *db.Tx, target, bucket, subject, body string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return r.fail
	}
	_, err := tx.Exec(`INSERT INTO test_events (target, bucket, subject, body) VALUES (?, ?, ?, ?)`, target, bucket, subject, body)
	return err
}

func (r *recorder) Prepare(target, bucket, subject, body string) func(*db.Tx) error {
	r.prepared.Add(1)
	return func(tx *db.Tx) error {
		r.used.Add(1)
		return r.NotifyTx(tx, target, bucket, subject, body)
	}
}

func (r *recorder) set(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// env is a service behind a real HTTP server, and a real client.
type env struct {
	*awss3.Client
	t        *testing.T
	dir      string
	db       *db.DB
	svc      *Service
	notifier *recorder
	server   *httptest.Server
	log      *bytes.Buffer
}

func start(t *testing.T) *env { return startIn(t, t.TempDir()) }

func startIn(t *testing.T, dir string) *env {
	t.Helper()
	e := &env{t: t, dir: dir, notifier: &recorder{refuse: map[string]error{}}, log: &bytes.Buffer{}}
	var err error
	if e.db, err = db.Open(dir, db.Options{Schemas: []db.Schema{Schema, recorderSchema}}); err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(&lockedWriter{w: e.log}, nil))
	e.svc, err = New(e.db, Options{DataDir: dir, AccessKey: "test", SecretKey: "test", Notifier: e.notifier, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	e.server = httptest.NewServer(e.svc)
	e.Client = client(e.server.URL)
	t.Cleanup(e.stop)
	return e
}

func (e *env) stop() {
	e.server.Close()
	if err := errors.Join(e.svc.Close(), e.db.Close()); err != nil {
		e.t.Error(err)
	}
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func client(url string, opts ...func(*awss3.Options)) *awss3.Client {
	return awss3.New(awss3.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(url), UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		HTTPClient: awshttp.NewBuildableClient().WithTransportOptions(func(tr *http.Transport) {
			tr.DisableKeepAlives = true // leaves no goroutines behind
		}),
	}, opts...)
}

func (e *env) bucket(name string) string {
	e.t.Helper()
	if _, err := e.CreateBucket(e.ctx(), &awss3.CreateBucketInput{Bucket: &name}); err != nil {
		e.t.Fatal(err)
	}
	return name
}

func (e *env) ctx() context.Context { return e.t.Context() }

func (e *env) put(bucket, key string, body []byte) {
	e.t.Helper()
	if _, err := e.PutObject(e.ctx(), &awss3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(body)}); err != nil {
		e.t.Fatalf("put %q: %v", key, err)
	}
}

func (e *env) get(bucket, key string) []byte {
	e.t.Helper()
	out, err := e.GetObject(e.ctx(), &awss3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		e.t.Fatalf("get %q: %v", key, err)
	}
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	if err != nil {
		e.t.Fatalf("get %q: %v", key, err)
	}
	return b
}

// events returns what the recorder was told, oldest first.
func (e *env) events() []event {
	e.t.Helper()
	return readEvents(e.t, e.db.Read())
}

type event struct {
	target, bucket, subject, body string
	record                        map[string]any // the one record, nil for a test event
}

func (v event) object() map[string]any { return dig(v.record, "s3", "object") }

func dig(m map[string]any, path ...string) map[string]any {
	for _, p := range path {
		m, _ = m[p].(map[string]any)
	}
	return m
}

func readEvents(t *testing.T, d *sql.DB) []event {
	t.Helper()
	rows, err := d.Query(`SELECT target, bucket, subject, body FROM test_events ORDER BY n`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out []event
	for rows.Next() {
		var v event
		if err := rows.Scan(&v.target, &v.bucket, &v.subject, &v.body); err != nil {
			t.Fatal(err)
		}
		var doc struct{ Records []map[string]any }
		if err := json.Unmarshal([]byte(v.body), &doc); err != nil {
			t.Fatalf("event %s: %v", v.body, err)
		}
		if len(doc.Records) == 1 {
			v.record = doc.Records[0]
		}
		out = append(out, v)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// blobFiles counts the blob files on disk.
func (e *env) blobFiles() int {
	e.t.Helper()
	n := 0
	err := filepath.WalkDir(filepath.Join(e.dir, "blobs"), func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		e.t.Fatal(err)
	}
	return n
}

func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	if err != nil {
		return "? " + err.Error()
	}
	return ""
}

func wantCode(t *testing.T, err error, want string) {
	t.Helper()
	if got := code(err); got != want {
		t.Errorf("error code = %q, want %q (%v)", got, want, err)
	}
}

// random returns reproducible bytes.
func random(n int, seed uint64) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	r.Read(b)
	return b
}

func md5hex(b []byte) string {
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}

// send sends a request that no SDK would.
func (e *env) send(method, path string, header map[string]string, body io.Reader) (*http.Response, string) {
	e.t.Helper()
	req, err := http.NewRequestWithContext(e.ctx(), method, path, body)
	if err != nil {
		e.t.Fatal(err)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	req.Close = true
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	return resp, string(b)
}

func notificationXMLFor(kind, arn string, events ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<NotificationConfiguration><%sConfiguration><%s>%s</%s>`, kind, kind, arn, kind)
	for _, e := range events {
		fmt.Fprintf(&b, "<Event>%s</Event>", e)
	}
	fmt.Fprintf(&b, "</%sConfiguration></NotificationConfiguration>", kind)
	return b.String()
}
