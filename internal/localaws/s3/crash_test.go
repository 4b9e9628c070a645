package s3

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/tintype/tintype/internal/localaws/db"
)

// childDir names the environment variable that turns the test binary into a server
// on the data directory it gives, to be killed.
const childDir = "TINTYPE_S3_TEST_CHILD"

// child serves until it is killed.
func child(dir string) {
	fail := func(err error) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	d, err := db.Open(dir, db.Options{Schemas: []db.Schema{Schema, recorderSchema}})
	if err != nil {
		fail(err)
	}
	svc, err := New(d, Options{DataDir: dir, AccessKey: "test", SecretKey: "test", Notifier: &recorder{}})
	if err != nil {
		fail(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fail(err)
	}
	fmt.Println(l.Addr())
	fail(http.Serve(l, svc))
}

// startChild starts a server process and returns it with its URL.
func startChild(t *testing.T, dir string) (*exec.Cmd, string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		t.Fatalf("the server process said nothing: %v", err)
	}
	return cmd, "http://" + strings.TrimSpace(line)
}

// body is what is put under a key: its size and bytes follow from the key, so that
// one look tells whether an object is whole.
func bodyOf(key string) []byte {
	n, _ := strconv.Atoi(key[strings.LastIndex(key, "-")+1:])
	sizes := []int{10, 5_000, 70_000, 700_000}
	return random(sizes[n%len(sizes)], uint64(n))
}

// Killed at any moment, the service has every object that it acknowledged, whole,
// with its event; and nothing that is torn.
func TestSIGKILLLosesNothingThatWasAcknowledged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	acked := map[string]bool{}
	var mu sync.Mutex
	next := 0
	kills := 4
	if testing.Short() {
		kills = 2
	}
	for round := range kills {
		cmd, url := startChild(t, dir)
		c := client(url)
		ctx, cancel := context.WithCancel(t.Context())
		if round == 0 {
			if _, err := c.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: aws.String("killed")}); err != nil {
				t.Fatal(err)
			}
			if _, err := c.PutBucketNotificationConfiguration(ctx, &awss3.PutBucketNotificationConfigurationInput{Bucket: aws.String("killed"), NotificationConfiguration: &types.NotificationConfiguration{
				TopicConfigurations: []types.TopicConfiguration{topic("s3:ObjectCreated:*")},
			}}); err != nil {
				t.Fatal(err)
			}
		}
		enough := make(chan struct{})
		var once sync.Once
		var wg sync.WaitGroup
		before := len(acked)
		for range 6 {
			wg.Go(func() {
				for {
					mu.Lock()
					key := fmt.Sprintf("dir/key-%d", next)
					next++
					mu.Unlock()
					_, err := c.PutObject(ctx, &awss3.PutObjectInput{Bucket: aws.String("killed"), Key: &key, Body: bytes.NewReader(bodyOf(key))})
					if err != nil {
						once.Do(func() { close(enough) })
						return // the process is dead
					}
					mu.Lock()
					acked[key] = true
					if len(acked) >= before+40+round*7 {
						once.Do(func() { close(enough) })
					}
					mu.Unlock()
				}
			})
		}
		<-enough
		if err := cmd.Process.Kill(); err != nil { // SIGKILL, while six uploads are under way
			t.Fatal(err)
		}
		cmd.Wait()
		wg.Wait()
		cancel()
	}

	e := startIn(t, dir)
	told := map[string]int{}
	for _, v := range e.events() {
		if v.record != nil {
			told[fmt.Sprint(v.object()["key"])]++
		}
	}
	stored := 0
	for p := awss3.NewListObjectsV2Paginator(e.Client, &awss3.ListObjectsV2Input{Bucket: aws.String("killed")}); p.HasMorePages(); {
		page, err := p.NextPage(e.ctx())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			stored++
			if got := e.get("killed", *o.Key); !bytes.Equal(got, bodyOf(*o.Key)) {
				t.Errorf("%s is torn: %d bytes", *o.Key, len(got))
			}
			if told[*o.Key] != 1 {
				t.Errorf("%s was told %d times", *o.Key, told[*o.Key])
			}
			delete(acked, *o.Key)
		}
	}
	for key := range acked {
		t.Errorf("%s was acknowledged and is gone", key)
	}
	if len(told) != stored {
		t.Errorf("%d objects, %d of them told", stored, len(told))
	}
	t.Logf("%d objects after %d kills", stored, kills)

	// The files are those of the objects: orphans were swept at the start.
	var files int
	if err := e.db.Read().QueryRow(`SELECT count(*) FROM s3_objects WHERE blob IS NOT NULL`).Scan(&files); err != nil {
		t.Fatal(err)
	}
	if got := e.blobFiles(); got != files {
		t.Errorf("%d blob files, %d objects have one", got, files)
	}
}

func TestOrphansAreSweptAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	e := startIn(t, dir)
	b := e.bucket("swept")
	e.put(b, "kept", random(100_000, 1))
	u := e.begin(b, "upload")
	u.part(1, random(100_000, 2))
	orphan := e.svc.blobs.path(newBlobID())
	stranger := filepath.Join(dir, "blobs", "00", "README")
	for _, p := range []string{orphan, stranger} {
		if err := os.WriteFile(p, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n, err := e.svc.sweep()
	if err != nil || n != 1 {
		t.Errorf("swept %d, %v; want 1", n, err)
	}
	if _, err := os.Stat(orphan); !errors.Is(err, os.ErrNotExist) {
		t.Error("the orphan is still there")
	}
	if _, err := os.Stat(stranger); err != nil {
		t.Error("a file that is not ours was removed")
	}
	e.get(b, "kept")
	if _, err := u.complete(); err != nil {
		t.Error(err)
	}
}

// A disk that is full, or fails, refuses the upload: nothing is acknowledged.
func TestABlobThatCannotBeWrittenIsNotAcknowledged(t *testing.T) {
	e := start(t)
	b := e.bucket("full")
	limitFileSize(t, 1<<20, func() {
		// From a client that asks before it sends (the SDK does,
		// from 2 MiB): it is still sending when the disk fails, and is to see why.
		_, err := e.PutObject(e.ctx(), &awss3.PutObjectInput{Bucket: &b, Key: aws.String("k"), Body: bytes.NewReader(random(2<<20, 1))})
		if statusOf(err) < 500 {
			t.Errorf("status %d (%v), want a 5xx", statusOf(err), err)
		}
	})
	_, err := e.HeadObject(e.ctx(), &awss3.HeadObjectInput{Bucket: &b, Key: aws.String("k")})
	wantCode(t, err, "NotFound")
	if got := e.blobFiles(); got != 0 {
		t.Errorf("%d blob files", got)
	}
	e.put(b, "k", random(2<<20, 1))
}

// peak is the most memory a process ever used, bytes.
func peak(t *testing.T, pid int) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skip("needs /proc")
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(v), "kB")), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Skip("no VmHWM")
	return 0
}

// zeros is an endless body.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// Bodies are streamed in both directions: objects larger than the memory they take.
func TestObjectsAreNotHeldInMemory(t *testing.T) {
	t.Parallel()
	const size = 200 << 20
	cmd, url := startChild(t, t.TempDir())
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
	}()
	c := client(url)
	if _, err := c.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String("stream")}); err != nil {
		t.Fatal(err)
	}
	before := peak(t, cmd.Process.Pid)
	in := &awss3.PutObjectInput{Bucket: aws.String("stream"), Key: aws.String("k")}
	signed, err := awss3.NewPresignClient(c).PresignPutObject(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, signed.URL, io.LimitReader(zeros{}, size))
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength, req.Close = size, true
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("PUT: %d", resp.StatusCode)
	}
	out, err := c.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: in.Bucket, Key: in.Key})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	if n, err := io.Copy(io.Discard, out.Body); n != size || err != nil {
		t.Fatalf("GET: %d bytes, %v", n, err)
	}
	if grown := peak(t, cmd.Process.Pid) - before; grown > size/3 {
		t.Errorf("the process grew by %d MiB over an object of %d MiB", grown>>20, size>>20)
	} else {
		t.Logf("grew by %d MiB over an object of %d MiB", grown>>20, size>>20)
	}
}

func BenchmarkPut5MB(b *testing.B) { benchmark(b, true) }
func BenchmarkGet5MB(b *testing.B) { benchmark(b, false) }

// benchmark puts or gets objects of 5 MB over HTTP, four at a time.
func benchmark(b *testing.B, put bool) {
	dir := b.TempDir()
	e := newBare(b, dir)
	srv := &http.Server{Handler: e.svc}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go srv.Serve(l)
	defer srv.Close()
	c := client("http://"+l.Addr().String(), func(o *awss3.Options) { o.HTTPClient = http.DefaultClient })
	defer http.DefaultClient.CloseIdleConnections()
	if _, err := c.CreateBucket(b.Context(), &awss3.CreateBucketInput{Bucket: aws.String("bench")}); err != nil {
		b.Fatal(err)
	}
	body := random(5_000_000, 1)
	if !put {
		if _, err := c.PutObject(b.Context(), &awss3.PutObjectInput{Bucket: aws.String("bench"), Key: aws.String("k"), Body: bytes.NewReader(body)}); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(body)))
	b.SetParallelism(2)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if put {
				if _, err := c.PutObject(b.Context(), &awss3.PutObjectInput{Bucket: aws.String("bench"), Key: aws.String(fmt.Sprint(i % 8)), Body: bytes.NewReader(body)}); err != nil {
					b.Error(err)
				}
				continue
			}
			out, err := c.GetObject(b.Context(), &awss3.GetObjectInput{Bucket: aws.String("bench"), Key: aws.String("k")})
			if err != nil {
				b.Error(err)
				continue
			}
			io.Copy(io.Discard, out.Body)
			out.Body.Close()
		}
	})
}

// BenchmarkPlainWrite5MB is the measure of the above: the file written and synced,
// and nothing else.
func BenchmarkPlainWrite5MB(b *testing.B) {
	blobs := blobs{dir: filepath.Join(b.TempDir(), "blobs")}
	if err := blobs.open(); err != nil {
		b.Fatal(err)
	}
	body := random(5_000_000, 1)
	b.SetBytes(int64(len(body)))
	b.SetParallelism(2)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			id, f, err := blobs.create()
			if err != nil {
				b.Error(err)
				return
			}
			f.Write(body)
			if err := blobs.seal(id, f); err != nil {
				b.Error(err)
			}
			blobs.remove(id)
		}
	})
}

// Killed at any moment, a versioned bucket has every version that was acknowledged and
// not removed, whole, and no file that is no version's.
func TestSIGKILLLosesNoVersion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const bucketName = "killed-versions"
	var mu sync.Mutex
	kept := map[string]string{} // version id → key; the bytes follow from the key
	removed := map[string]string{}
	unsure := map[string]bool{} // a removal was asked for and not answered
	kills := 3
	if testing.Short() {
		kills = 2
	}
	for round := range kills {
		cmd, url := startChild(t, dir)
		c := client(url)
		ctx, cancel := context.WithCancel(t.Context())
		if round == 0 {
			if _, err := c.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: aws.String(bucketName)}); err != nil {
				t.Fatal(err)
			}
			if _, err := c.PutBucketVersioning(ctx, &awss3.PutBucketVersioningInput{Bucket: aws.String(bucketName), VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}}); err != nil {
				t.Fatal(err)
			}
		}
		enough := make(chan struct{})
		var once sync.Once
		var wg sync.WaitGroup
		before := len(kept) + len(removed)
		for g := range 4 {
			wg.Go(func() {
				for i := 0; ; i++ {
					key := fmt.Sprintf("key-%d", (g+i)%6)
					out, err := c.PutObject(ctx, &awss3.PutObjectInput{Bucket: aws.String(bucketName), Key: &key, Body: bytes.NewReader(bodyOf(key))})
					if err != nil {
						return
					}
					mu.Lock()
					kept[*out.VersionId] = key
					mu.Unlock()
					switch i % 4 {
					case 1:
						if _, err := c.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: aws.String(bucketName), Key: &key}); err != nil {
							return
						}
					case 2:
						mu.Lock()
						unsure[*out.VersionId] = true
						mu.Unlock()
						if _, err := c.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: aws.String(bucketName), Key: &key, VersionId: out.VersionId}); err != nil {
							return
						}
						mu.Lock()
						delete(unsure, *out.VersionId)
						delete(kept, *out.VersionId)
						removed[*out.VersionId] = key
						mu.Unlock()
					}
					mu.Lock()
					n := len(kept) + len(removed)
					mu.Unlock()
					if n >= before+40 {
						once.Do(func() { close(enough) })
					}
				}
			})
		}
		select {
		case <-enough:
		case <-t.Context().Done():
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		cmd.Wait() // reports the signal
		cancel()
		wg.Wait()
	}
	e := startIn(t, dir)
	for id, key := range kept {
		out, err := e.GetObject(e.ctx(), &awss3.GetObjectInput{Bucket: aws.String(bucketName), Key: &key, VersionId: &id})
		if err != nil {
			if !unsure[id] {
				t.Errorf("version %s of %s: %v", id, key, err)
			}
			continue
		}
		got, err := io.ReadAll(out.Body)
		out.Body.Close()
		if err != nil || !bytes.Equal(got, bodyOf(key)) {
			t.Errorf("version %s of %s is torn: %v", id, key, err)
		}
	}
	for id, key := range removed {
		_, err := e.HeadObject(e.ctx(), &awss3.HeadObjectInput{Bucket: aws.String(bucketName), Key: &key, VersionId: &id})
		wantStatus(t, err, http.StatusNotFound)
	}
	var blobs int
	if err := e.db.Read().QueryRow(`SELECT (SELECT count(*) FROM s3_objects WHERE blob IS NOT NULL) + (SELECT count(*) FROM s3_versions WHERE blob IS NOT NULL)`).Scan(&blobs); err != nil {
		t.Fatal(err)
	}
	if files := e.blobFiles(); files != blobs {
		t.Errorf("%d files for %d blobs", files, blobs)
	}
	e.tidy(bucketName)
}
