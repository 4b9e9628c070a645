package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// descriptors counts a process's open files.
func descriptors(t *testing.T, p *process) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// TestTenThousandIdleConnections: connections that say nothing, or begin to and stop,
// take nothing from others, are ended by the endpoint in time, and leave no file open.
func TestTenThousandIdleConnections(t *testing.T) {
	t.Parallel()
	const n = 10_000
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Max < n+1000 {
		t.Skipf("%d open files are allowed here, %d are needed: %v", limit.Max, n+1000, err)
	}
	s := newSystem(t)
	p := s.startEndpoint("--log-level", "error")
	ctx := context.Background()
	queue, err := s.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("q")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("bucket")}); err != nil {
		t.Fatal(err)
	}
	before := descriptors(t, p)

	conns := make([]net.Conn, n)
	defer func() {
		for _, c := range conns {
			if c != nil {
				c.Close()
			}
		}
	}()
	for i := range conns {
		if conns[i], err = net.Dial("tcp", s.endpointAddr); err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		if i%2 == 1 {
			if _, err := io.WriteString(conns[i], "POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Tar"); err != nil {
				t.Fatal(err)
			}
		}
	}
	eventually(t, "the connections arrive", func() error {
		if got := descriptors(t, p); got < before+n {
			return fmt.Errorf("%d files open", got)
		}
		return nil
	})
	for i := range 50 {
		body := fmt.Sprint("message ", i)
		if _, err := s.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: &body, Body: strings.NewReader(body)}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.sqs.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: queue.QueueUrl, MessageBody: &body}); err != nil {
			t.Fatal(err)
		}
		if out, err := s.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: queue.QueueUrl, WaitTimeSeconds: 1}); err != nil || len(out.Messages) != 1 {
			t.Fatalf("receive: %v", err)
		}
	}
	for _, c := range []net.Conn{conns[0], conns[1]} {
		if err := c.SetReadDeadline(time.Now().Add(2 * patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, c); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the endpoint did not end an idle connection: %v", err)
		}
	}
	for _, c := range conns {
		c.Close()
	}
	eventually(t, "the files of closed connections are closed", func() error {
		if got := descriptors(t, p); got > before+20 {
			return fmt.Errorf("%d files open, %d before", got, before)
		}
		return nil
	})
}

// kept lists the files of the store that are not the database, and those of the
// directory for temporary files.
func kept(t *testing.T, dirs ...string) (files []string) {
	t.Helper()
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && !strings.Contains(d.Name(), "endpoint.") {
				files = append(files, path)
			}
			return nil // what goes while we look is no leak
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// TestHalfSentUploadsLeaveNothing: uploads by every way that stop in the middle leave no
// object, no file and no connection, and do not keep the endpoint from stopping.
func TestHalfSentUploadsLeaveNothing(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	tmp := t.TempDir()
	p := start(t, cleanEnv("TMPDIR="+tmp), "endpoint", "--data", s.data, "--endpoint-addr", s.endpointAddr, "--console-addr", s.consoleAddr, "--log-level", "error")
	p.ready("http://" + s.endpointAddr + "/_tintype/health")
	ctx := context.Background()
	bucket := aws.String("bucket")
	if _, err := s.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	whole := bytes.Repeat([]byte("x"), 1<<20)
	if _, err := s.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("whole"), Body: bytes.NewReader(whole)}); err != nil {
		t.Fatal(err)
	}
	upload, err := s.s3.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: bucket, Key: aws.String("parts")})
	if err != nil {
		t.Fatal(err)
	}
	before, files := descriptors(t, p), kept(t, s.data, tmp)

	presign := s3.NewPresignClient(s.s3)
	put, err := presign.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("half")})
	if err != nil {
		t.Fatal(err)
	}
	part, err := presign.PresignUploadPart(ctx, &s3.UploadPartInput{Bucket: bucket, Key: aws.String("parts"), UploadId: upload.UploadId, PartNumber: aws.Int32(1)})
	if err != nil {
		t.Fatal(err)
	}
	post, err := presign.PresignPostObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("half")})
	if err != nil {
		t.Fatal(err)
	}
	var form strings.Builder
	for name, value := range post.Values {
		fmt.Fprintf(&form, "--b\r\nContent-Disposition: form-data; name=%q\r\n\r\n%s\r\n", name, value)
	}
	form.WriteString("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n")
	target := func(raw string) string {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		return u.RequestURI()
	}
	const chunk = "40000\r\n" // 256 KiB, in hexadecimal
	head := func(method, target, more string) string {
		return method + " " + target + " HTTP/1.1\r\nHost: " + s.endpointAddr + "\r\n" + more + "\r\n"
	}
	sized := fmt.Sprintf("Content-Length: %d\r\n", len(whole))
	ways := map[string]string{
		"PUT":         head("PUT", target(put.URL), sized),
		"chunked PUT": head("PUT", target(put.URL), "Transfer-Encoding: chunked\r\n") + chunk,
		"UploadPart":  head("PUT", target(part.URL), sized),
		"POST":        head("POST", target(post.URL), sized+"Content-Type: multipart/form-data; boundary=b\r\n") + form.String(),
		"SendMessage": head("POST", "/", sized+"X-Amz-Target: AmazonSQS.SendMessage\r\nContent-Type: application/x-amz-json-1.0\r\n"),
	}
	half := whole[:256<<10]
	begin := func(name string) net.Conn {
		c, err := net.Dial("tcp", s.endpointAddr)
		if err == nil {
			_, err = io.WriteString(c, ways[name])
		}
		if err == nil {
			_, err = c.Write(half)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		return c
	}
	var wg sync.WaitGroup
	for name := range ways {
		for range 20 {
			wg.Go(func() {
				if c := begin(name); c != nil {
					c.Close()
				}
			})
		}
	}
	wg.Wait()
	eventually(t, "what half uploads left is gone", func() error {
		if got := descriptors(t, p); got > before+20 {
			return fmt.Errorf("%d files open, %d before", got, before)
		}
		if got := kept(t, s.data, tmp); len(got) != len(files) {
			return fmt.Errorf("files %q, before %q", got, files)
		}
		return nil
	})
	list, err := s.s3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: bucket})
	if err != nil || len(list.Contents) != 1 {
		t.Errorf("objects: %+v, %v; want the whole one alone", list, err)
	}
	parts, err := s.s3.ListParts(ctx, &s3.ListPartsInput{Bucket: bucket, Key: aws.String("parts"), UploadId: upload.UploadId})
	if err != nil || len(parts.Parts) != 0 {
		t.Errorf("parts: %+v, %v", parts, err)
	}
	if resp, err := http.Get("http://" + s.endpointAddr + "/_tintype/health"); err != nil {
		t.Error(err)
	} else {
		resp.Body.Close()
	}
	// Clients that stopped sending but stay must not keep it from ending.
	for name := range ways {
		if c := begin(name); c != nil {
			defer c.Close()
		}
	}
	eventually(t, "half uploads reach the disk", func() error {
		if got := kept(t, s.data, tmp); len(got) <= len(files)+1 {
			return fmt.Errorf("files %q", got)
		}
		return nil
	})
	if code := p.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("stopped with code %d", code)
	}
	s.startEndpoint()
	if got := kept(t, s.data, tmp); len(got) != len(files) {
		t.Errorf("after the next start: files %q, want %q", got, files)
	}
}
