package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// smallDisk mounts a file system of so many bytes, which needs root, and removes it
// with the test.
func smallDisk(t *testing.T, bytes int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tintype-test", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		t.Skipf("a disk that fills up cannot be mounted here (root can): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return dir
}

// TestAFullDiskLosesNothing fills the disk through all three services. Writes are then
// refused with 5xx, reads go on, writes go on as soon as there is room, and what was
// acknowledged, however full the disk was, is there after a kill as well.
func TestAFullDiskLosesNothing(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.data = smallDisk(t, 64<<20)
	ballast := filepath.Join(s.data, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 24<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	p := s.startEndpoint("--log-level", "error")
	queue, err := s.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("q")})
	if err != nil {
		t.Fatal(err)
	}
	bucket := aws.String("bucket")
	if _, err := s.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}

	objects, messages := map[string][]byte{}, map[string]string{}
	put := func(size int) error {
		key, body := fmt.Sprint("o", len(objects)), make([]byte, size)
		rand.Read(body)
		_, err := s.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: bytes.NewReader(body)}, func(o *s3.Options) { o.RetryMaxAttempts = 1 })
		if err == nil {
			objects[key] = body
		}
		return err
	}
	send := func() error {
		body := fmt.Sprintf("%d %0900d", len(messages), 0)
		out, err := s.sqs.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: queue.QueueUrl, MessageBody: &body}, func(o *sqs.Options) { o.RetryMaxAttempts = 1 })
		if err == nil {
			messages[*out.MessageId] = body
		}
		return err
	}
	refused := func(err error) {
		t.Helper()
		var resp *awshttp.ResponseError
		if !errors.As(err, &resp) || resp.HTTPStatusCode() < 500 {
			t.Fatalf("a write on a full disk: %v, want an answer of 5xx", err)
		}
		if text := err.Error(); !strings.Contains(text, "disk is full") && !strings.Contains(text, "No space left") {
			t.Errorf("an answer that nobody can act on: %v", err)
		}
	}
	// Until not one message fits: large and small things in turn.
	fill := func() {
		t.Helper()
		for _, write := range []func() error{func() error { return put(300_000) }, func() error { return put(20_000) }, send} {
			for full := false; !full; {
				if err := write(); err != nil {
					refused(err)
					full = true
				}
			}
		}
	}
	check := func(when string) {
		t.Helper()
		for key, want := range objects {
			if got, err := s.get("bucket", key); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s: object %s: %d bytes, %v", when, key, len(got), err)
			}
		}
	}

	for range 1000 {
		if err := send(); err != nil {
			t.Fatal(err)
		}
	}
	fill()
	if len(objects) < 20 {
		t.Fatalf("the disk was full after %d objects", len(objects))
	}
	check("on the full disk")
	if resp, err := http.Get(s.console() + "/"); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("the console on a full disk: %v", err)
	} else {
		resp.Body.Close()
	}
	// Room again: no restart is needed.
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(put(300_000), put(100), send()); err != nil {
		t.Fatalf("with room again: %v", err)
	}
	fill()
	p.kill()

	// On another disk, as what is full cannot even be read without room for a log.
	moved := t.TempDir()
	if out, err := exec.Command("cp", "-a", s.data+"/.", moved).CombinedOutput(); err != nil {
		t.Fatalf("copy: %v: %s", err, out)
	}
	s.data = moved
	s.startEndpoint()
	check("after a kill")
	for len(messages) > 0 {
		out, err := s.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: queue.QueueUrl, MaxNumberOfMessages: 10})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			t.Fatalf("%d acknowledged messages are lost", len(messages))
		}
		var gone []sqstypes.DeleteMessageBatchRequestEntry
		for i, m := range out.Messages {
			if want, ok := messages[*m.MessageId]; ok && want != *m.Body {
				t.Errorf("message %s came back as %q", *m.MessageId, *m.Body)
			}
			delete(messages, *m.MessageId)
			gone = append(gone, sqstypes.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle})
		}
		if _, err := s.sqs.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: queue.QueueUrl, Entries: gone}); err != nil {
			t.Fatal(err)
		}
	}
}
