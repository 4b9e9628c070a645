package s3

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const mib = 1 << 20

// upload is a multipart upload under way.
type mpu struct {
	e           *env
	bucket, key string
	id          *string
	parts       []types.CompletedPart
	bytes       []byte
	sums        []byte
}

func (e *env) begin(bucket, key string, opts ...func(*awss3.CreateMultipartUploadInput)) *mpu {
	e.t.Helper()
	in := &awss3.CreateMultipartUploadInput{Bucket: &bucket, Key: &key}
	for _, o := range opts {
		o(in)
	}
	out, err := e.CreateMultipartUpload(e.ctx(), in)
	if err != nil {
		e.t.Fatal(err)
	}
	return &mpu{e: e, bucket: bucket, key: key, id: out.UploadId}
}

func (u *mpu) part(n int32, body []byte) {
	u.e.t.Helper()
	out, err := u.e.UploadPart(u.e.ctx(), &awss3.UploadPartInput{Bucket: &u.bucket, Key: &u.key, UploadId: u.id, PartNumber: &n, Body: bytes.NewReader(body)})
	if err != nil {
		u.e.t.Fatal(err)
	}
	sum := md5.Sum(body)
	u.bytes, u.sums = append(u.bytes, body...), append(u.sums, sum[:]...)
	u.parts = append(u.parts, types.CompletedPart{PartNumber: &n, ETag: out.ETag})
}

func (u *mpu) complete() (*awss3.CompleteMultipartUploadOutput, error) {
	return u.e.CompleteMultipartUpload(u.e.ctx(), &awss3.CompleteMultipartUploadInput{
		Bucket: &u.bucket, Key: &u.key, UploadId: u.id, MultipartUpload: &types.CompletedMultipartUpload{Parts: u.parts},
	})
}

func (u *mpu) etag() string {
	sum := md5.Sum(u.sums)
	return fmt.Sprintf(`"%s-%d"`, hex.EncodeToString(sum[:]), len(u.parts))
}

func TestMultipartUpload(t *testing.T) {
	e := start(t)
	b := e.bucket("multipart")
	u := e.begin(b, "big key", func(in *awss3.CreateMultipartUploadInput) {
		in.ContentType, in.Metadata, in.Tagging = aws.String("image/tiff"), map[string]string{"a": "b"}, aws.String("t=1")
	})
	u.part(2, random(5*mib, 1)) // replaced below
	u.parts, u.bytes, u.sums = nil, nil, nil
	u.part(1, random(5*mib, 2))
	u.part(2, random(5*mib+1, 3))
	u.part(7, random(1000, 4))

	parts, err := e.ListParts(e.ctx(), &awss3.ListPartsInput{Bucket: &b, Key: &u.key, UploadId: u.id, MaxParts: aws.Int32(2)})
	if err != nil {
		t.Fatal(err)
	}
	if len(parts.Parts) != 2 || !*parts.IsTruncated || *parts.NextPartNumberMarker != "2" {
		t.Errorf("parts = %+v", parts)
	}
	uploads, err := e.ListMultipartUploads(e.ctx(), &awss3.ListMultipartUploadsInput{Bucket: &b})
	if err != nil || len(uploads.Uploads) != 1 || *uploads.Uploads[0].Key != "big key" {
		t.Errorf("uploads = %+v, %v", uploads, err)
	}
	_, err = e.HeadObject(e.ctx(), &awss3.HeadObjectInput{Bucket: &b, Key: &u.key})
	wantCode(t, err, "NotFound")

	out, err := u.complete()
	if err != nil {
		t.Fatal(err)
	}
	if *out.ETag != u.etag() {
		t.Errorf("ETag %s, want %s", *out.ETag, u.etag())
	}
	if got := e.get(b, u.key); !bytes.Equal(got, u.bytes) {
		t.Errorf("%d bytes came back, want the %d that were put", len(got), len(u.bytes))
	}
	if got := e.blobFiles(); got != 1 {
		t.Errorf("%d blob files, want 1", got)
	}
	head, err := e.HeadObject(e.ctx(), &awss3.HeadObjectInput{Bucket: &b, Key: &u.key, PartNumber: aws.Int32(2)})
	if err != nil {
		t.Fatal(err)
	}
	if *head.PartsCount != 3 || *head.ContentLength != 5*mib+1 || head.Metadata["a"] != "b" || *head.ContentType != "image/tiff" {
		t.Errorf("head of part 2 = %+v", head)
	}
	attrs, err := e.GetObjectAttributes(e.ctx(), &awss3.GetObjectAttributesInput{Bucket: &b, Key: &u.key, ObjectAttributes: []types.ObjectAttributes{types.ObjectAttributesObjectParts}, MaxParts: aws.Int32(2)})
	if err != nil {
		t.Fatal(err)
	}
	// Parts are listed where the object's checksum is made of theirs, else counted.
	if p := attrs.ObjectParts; p == nil || len(p.Parts) != 0 || *p.TotalPartsCount != 3 {
		t.Errorf("attributes = %+v", attrs.ObjectParts)
	}
	// Who did not get the answer asks again, until the object is another one.
	if _, err = u.complete(); err != nil {
		t.Error(err)
	}

	// A copy is one piece, with the ETag of one.
	c, err := e.CopyObject(e.ctx(), &awss3.CopyObjectInput{Bucket: &b, Key: aws.String("copy"), CopySource: aws.String("multipart/big%20key")})
	if err != nil {
		t.Fatal(err)
	}
	if want := `"` + md5hex(u.bytes) + `"`; *c.CopyObjectResult.ETag != want {
		t.Errorf("copy's ETag %s, want %s", *c.CopyObjectResult.ETag, want)
	}
	// Also onto itself.
	c, err = e.CopyObject(e.ctx(), &awss3.CopyObjectInput{Bucket: &b, Key: &u.key, CopySource: aws.String("multipart/big%20key"), MetadataDirective: types.MetadataDirectiveReplace})
	if err != nil {
		t.Fatal(err)
	}
	if want := `"` + md5hex(u.bytes) + `"`; *c.CopyObjectResult.ETag != want || !bytes.Equal(e.get(b, u.key), u.bytes) {
		t.Errorf("copy onto itself: ETag %s, want %s", *c.CopyObjectResult.ETag, want)
	}
	if got := e.blobFiles(); got != 2 {
		t.Errorf("%d blob files, want 2", got)
	}
	// The object is no longer the one that the upload made.
	_, err = u.complete()
	wantCode(t, err, "NoSuchUpload")
}

func TestMultipartChecksums(t *testing.T) {
	e := start(t)
	b := e.bucket("multisums")
	for _, c := range []struct {
		algo types.ChecksumAlgorithm
		kind types.ChecksumType
	}{
		{types.ChecksumAlgorithmCrc32, types.ChecksumTypeFullObject}, {types.ChecksumAlgorithmCrc32, types.ChecksumTypeComposite},
		{types.ChecksumAlgorithmSha256, types.ChecksumTypeComposite}, {types.ChecksumAlgorithmCrc64nvme, types.ChecksumTypeFullObject},
	} {
		one, two := random(5*mib, 5), random(700, 6)
		in := &awss3.CreateMultipartUploadInput{Bucket: &b, Key: aws.String("k"), ChecksumAlgorithm: c.algo, ChecksumType: c.kind}
		begun, err := e.CreateMultipartUpload(e.ctx(), in)
		if err != nil {
			t.Fatal(err)
		}
		var parts []types.CompletedPart
		for i, body := range [][]byte{one, two} {
			n := int32(i + 1)
			out, err := e.UploadPart(e.ctx(), &awss3.UploadPartInput{Bucket: &b, Key: in.Key, UploadId: begun.UploadId, PartNumber: &n, Body: bytes.NewReader(body), ChecksumAlgorithm: c.algo})
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, types.CompletedPart{PartNumber: &n, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32, ChecksumSHA256: out.ChecksumSHA256, ChecksumCRC64NVME: out.ChecksumCRC64NVME})
		}
		out, err := e.CompleteMultipartUpload(e.ctx(), &awss3.CompleteMultipartUploadInput{Bucket: &b, Key: in.Key, UploadId: begun.UploadId, ChecksumType: c.kind, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
		if err != nil {
			t.Errorf("%s %s: %v", c.algo, c.kind, err)
			continue
		}
		if out.ChecksumType != c.kind {
			t.Errorf("type %s, want %s", out.ChecksumType, c.kind)
		}
		// Read back: the client verifies full-object checksums itself.
		got, err := e.GetObject(e.ctx(), &awss3.GetObjectInput{Bucket: &b, Key: in.Key, ChecksumMode: types.ChecksumModeEnabled})
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(got.Body)
		got.Body.Close()
		if err != nil || !bytes.Equal(data, slices.Concat(one, two)) {
			t.Errorf("%s %s: %d bytes, %v", c.algo, c.kind, len(data), err)
		}
	}
}

func TestMultipartRefusals(t *testing.T) {
	e := start(t)
	b := e.bucket("refusals")
	u := e.begin(b, "k")
	u.part(1, []byte("small"))
	u.part(2, []byte("last"))
	_, err := u.complete()
	wantCode(t, err, "EntityTooSmall")

	slices.Reverse(u.parts)
	_, err = u.complete()
	wantCode(t, err, "InvalidPartOrder")

	u.parts = []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: aws.String(`"00000000000000000000000000000000"`)}}
	_, err = u.complete()
	wantCode(t, err, "InvalidPart")
	u.parts = []types.CompletedPart{{PartNumber: aws.Int32(9), ETag: aws.String(`"00000000000000000000000000000000"`)}}
	_, err = u.complete()
	wantCode(t, err, "InvalidPart")

	for _, key := range []string{"k", "other"} {
		_, err = e.UploadPart(e.ctx(), &awss3.UploadPartInput{Bucket: &b, Key: &key, UploadId: aws.String("none"), PartNumber: aws.Int32(1), Body: bytes.NewReader(nil)})
		wantCode(t, err, "NoSuchUpload")
	}
	if _, err := e.AbortMultipartUpload(e.ctx(), &awss3.AbortMultipartUploadInput{Bucket: &b, Key: aws.String("k"), UploadId: u.id}); err != nil {
		t.Fatal(err)
	}
	_, err = u.complete()
	wantCode(t, err, "NoSuchUpload")

	// What an abandoned upload holds goes with its bucket.
	u = e.begin(b, "k")
	u.part(1, random(200_000, 7))
	if got := e.blobFiles(); got != 1 {
		t.Errorf("%d blob files, want 1", got)
	}
	if _, err := e.DeleteBucket(e.ctx(), &awss3.DeleteBucketInput{Bucket: &b}); err != nil {
		t.Fatal(err)
	}
	if got := e.blobFiles(); got != 0 {
		t.Errorf("%d blob files after the bucket is gone", got)
	}
}

func TestPartsCopiedFromObjects(t *testing.T) {
	e := start(t)
	b := e.bucket("partcopies")
	src := random(6*mib, 8)
	e.put(b, "../src+ ü", src)
	u := e.begin(b, "dst")
	out, err := e.UploadPartCopy(e.ctx(), &awss3.UploadPartCopyInput{
		Bucket: &b, Key: &u.key, UploadId: u.id, PartNumber: aws.Int32(1), CopySource: aws.String(b + "/..%2Fsrc%2B%20%C3%BC"), CopySourceRange: aws.String(fmt.Sprintf("bytes=0-%d", 5*mib-1)),
	})
	if err != nil {
		t.Fatal(err)
	}
	u.parts = append(u.parts, types.CompletedPart{PartNumber: aws.Int32(1), ETag: out.CopyPartResult.ETag})
	u.part(2, []byte("tail"))
	if _, err := u.complete(); err != nil {
		t.Fatal(err)
	}
	if got := e.get(b, "dst"); !bytes.Equal(got, slices.Concat(src[:5*mib], []byte("tail"))) {
		t.Errorf("%d other bytes", len(got))
	}
	u = e.begin(b, "dst")
	_, err = e.UploadPartCopy(e.ctx(), &awss3.UploadPartCopyInput{Bucket: &b, Key: &u.key, UploadId: u.id, PartNumber: aws.Int32(1), CopySource: aws.String(b + "/dst"), CopySourceRange: aws.String("bytes=0-99999999")})
	wantCode(t, err, "InvalidArgument")
}

// Of racing conditional writes exactly one wins, whatever they are.
func TestRacingConditionalWrites(t *testing.T) {
	e := start(t)
	b := e.bucket("races")
	for round := range 10 {
		key := fmt.Sprint("k", round)
		// Create: If-None-Match: *, by PutObject and by CompleteMultipartUpload.
		uploads := make([]*mpu, 4)
		for i := range uploads {
			uploads[i] = e.begin(b, key)
			uploads[i].part(1, []byte(fmt.Sprint("upload ", i)))
		}
		errs := make([]error, 12)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() {
				if i < len(uploads) {
					_, errs[i] = e.CompleteMultipartUpload(e.ctx(), &awss3.CompleteMultipartUploadInput{
						Bucket: &b, Key: &key, UploadId: uploads[i].id, IfNoneMatch: aws.String("*"), MultipartUpload: &types.CompletedMultipartUpload{Parts: uploads[i].parts},
					})
					return
				}
				_, errs[i] = e.PutObject(e.ctx(), &awss3.PutObjectInput{Bucket: &b, Key: &key, Body: bytes.NewReader(fmt.Append(nil, "put ", i)), IfNoneMatch: aws.String("*")})
			})
		}
		wg.Wait()
		if won := winners(t, errs); won != 1 {
			t.Fatalf("round %d: %d creations won", round, won)
		}
		// Replace: If-Match on what is there; and delete.
		head, err := e.HeadObject(e.ctx(), &awss3.HeadObjectInput{Bucket: &b, Key: &key})
		if err != nil {
			t.Fatal(err)
		}
		errs = make([]error, 10)
		for i := range errs {
			wg.Go(func() {
				if i%2 == 0 {
					_, errs[i] = e.DeleteObject(e.ctx(), &awss3.DeleteObjectInput{Bucket: &b, Key: &key, IfMatch: head.ETag})
					return
				}
				_, errs[i] = e.PutObject(e.ctx(), &awss3.PutObjectInput{Bucket: &b, Key: &key, Body: bytes.NewReader(fmt.Append(nil, "again ", i)), IfMatch: head.ETag})
			})
		}
		wg.Wait()
		if won := winners(t, errs); won != 1 {
			t.Fatalf("round %d: %d replacements won", round, won)
		}
	}
	_, err := e.PutObject(e.ctx(), &awss3.PutObjectInput{Bucket: &b, Key: aws.String("none"), IfMatch: aws.String(`"x"`)})
	wantCode(t, err, "NoSuchKey")
	_, err = e.DeleteObject(e.ctx(), &awss3.DeleteObjectInput{Bucket: &b, Key: aws.String("none"), IfMatch: aws.String(`"x"`)})
	wantCode(t, err, "NoSuchKey")
}

func winners(t *testing.T, errs []error) (won int) {
	t.Helper()
	for _, err := range errs {
		switch c := code(err); c {
		case "":
			won++
		case "PreconditionFailed", "NoSuchKey":
		default:
			t.Error(errors.Join(errors.New(c), err))
		}
	}
	return won
}
