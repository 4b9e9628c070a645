package s3

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// clientKey is a key in the form of the SDK's inputs.
func clientKey(n byte) (key, sum *string) {
	raw := bytes.Repeat([]byte{n}, 32)
	digest := md5.Sum(raw)
	return aws.String(base64.StdEncoding.EncodeToString(raw)), aws.String(base64.StdEncoding.EncodeToString(digest[:]))
}

func TestClientProvidedKeys(t *testing.T) {
	e := start(t)
	b, aes := e.bucket("keys"), aws.String("AES256")
	key, sum := clientKey(1)
	other, otherSum := clientKey(2)
	for _, size := range []int{0, 1, 100, inlineLimit + 1, 300_001} {
		name := fmt.Sprint("k", size)
		body := random(size, uint64(size))
		if _, err := e.PutObject(e.ctx(), &awss3.PutObjectInput{Bucket: &b, Key: &name, Body: bytes.NewReader(body), SSECustomerAlgorithm: aes, SSECustomerKey: key, SSECustomerKeyMD5: sum}); err != nil {
			t.Fatal(err)
		}
		get := func(r string) []byte {
			t.Helper()
			in := &awss3.GetObjectInput{Bucket: &b, Key: &name, SSECustomerAlgorithm: aes, SSECustomerKey: key, SSECustomerKeyMD5: sum}
			if r != "" {
				in.Range = &r
			}
			out, err := e.GetObject(e.ctx(), in)
			if err != nil {
				t.Fatal(err)
			}
			defer out.Body.Close()
			if aws.ToString(out.SSECustomerKeyMD5) != *sum {
				t.Errorf("%+v", out)
			}
			got, err := io.ReadAll(out.Body)
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		if !bytes.Equal(get(""), body) {
			t.Errorf("%d bytes came back otherwise", size)
		}
		for _, from := range []int{0, 1, 15, 16, 17, 99_999} {
			if from < size && !bytes.Equal(get(fmt.Sprintf("bytes=%d-", from)), body[from:]) {
				t.Errorf("%d bytes from %d on came back otherwise", size, from)
			}
		}
		_, err := e.GetObject(e.ctx(), &awss3.GetObjectInput{Bucket: &b, Key: &name})
		wantCode(t, err, "InvalidRequest")
		_, err = e.GetObject(e.ctx(), &awss3.GetObjectInput{Bucket: &b, Key: &name, SSECustomerAlgorithm: aes, SSECustomerKey: other, SSECustomerKeyMD5: otherSum})
		wantCode(t, err, "AccessDenied")

		// A copy may have another key, or none.
		copied := name + "-copy"
		if _, err := e.CopyObject(e.ctx(), &awss3.CopyObjectInput{
			Bucket: &b, Key: &copied, CopySource: aws.String(b + "/" + name),
			CopySourceSSECustomerAlgorithm: aes, CopySourceSSECustomerKey: key, CopySourceSSECustomerKeyMD5: sum,
		}); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(e.get(b, copied), body) {
			t.Errorf("%d bytes were copied otherwise", size)
		}
	}
	_, err := e.CopyObject(e.ctx(), &awss3.CopyObjectInput{Bucket: &b, Key: aws.String("x"), CopySource: aws.String(b + "/k100")})
	wantCode(t, err, "InvalidRequest")
}

func TestClientProvidedKeysOfParts(t *testing.T) {
	e := start(t)
	b, k, aes := e.bucket("keyed-parts"), aws.String("k"), aws.String("AES256")
	key, sum := clientKey(1)
	up, err := e.CreateMultipartUpload(e.ctx(), &awss3.CreateMultipartUploadInput{Bucket: &b, Key: k, SSECustomerAlgorithm: aes, SSECustomerKey: key, SSECustomerKeyMD5: sum})
	if err != nil {
		t.Fatal(err)
	}
	var whole []byte
	var parts []types.CompletedPart
	for n := range int32(3) {
		body := random(5<<20+7, uint64(n))
		whole = append(whole, body...)
		in := &awss3.UploadPartInput{Bucket: &b, Key: k, UploadId: up.UploadId, PartNumber: aws.Int32(n + 1)}
		in.Body = bytes.NewReader(nil) // refused before it is read
		_, err := e.UploadPart(e.ctx(), in)
		wantCode(t, err, "InvalidRequest")
		in.Body, in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = bytes.NewReader(body), aes, key, sum
		out, err := e.UploadPart(e.ctx(), in)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, types.CompletedPart{ETag: out.ETag, PartNumber: aws.Int32(n + 1)})
	}
	if _, err := e.CompleteMultipartUpload(e.ctx(), &awss3.CompleteMultipartUploadInput{Bucket: &b, Key: k, UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}}); err != nil {
		t.Fatal(err)
	}
	for r, want := range map[string][]byte{"bytes=0-": whole, "bytes=5242880-5242900": whole[5242880:5242901], "bytes=-3": whole[len(whole)-3:]} {
		out, err := e.GetObject(e.ctx(), &awss3.GetObjectInput{Bucket: &b, Key: k, Range: &r, SSECustomerAlgorithm: aes, SSECustomerKey: key, SSECustomerKeyMD5: sum})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(out.Body)
		out.Body.Close()
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s came back otherwise: %d bytes, %v", r, len(got), err)
		}
	}
	// What lies on the disk is not what was sent.
	files, err := filepath.Glob(filepath.Join(e.dir, "blobs", "*", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%q, %v", files, err)
	}
	raw, err := os.ReadFile(files[0])
	if err != nil || bytes.Contains(raw, whole[:64]) || len(raw) != len(whole) {
		t.Errorf("%d bytes on the disk, %v", len(raw), err)
	}
}
