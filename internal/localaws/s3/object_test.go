package s3

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func TestObjectsOfEverySizeComeBackWhole(t *testing.T) {
	e := start(t)
	b := e.bucket("sizes")
	for _, n := range []int{0, 1, inlineLimit - 1, inlineLimit, inlineLimit + 1, 256 << 10, 1<<20 + 7, 5 << 20} {
		body := random(n, uint64(n))
		out, err := e.PutObject(e.ctx(), &awss3.PutObjectInput{Bucket: &b, Key: aws.String("k"), Body: bytes.NewReader(body)})
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if want := `"` + md5hex(body) + `"`; *out.ETag != want {
			t.Errorf("%d bytes: ETag %s, want %s", n, *out.ETag, want)
		}
		if got := e.get(b, "k"); !bytes.Equal(got, body) {
			t.Errorf("%d bytes: %d other bytes came back", n, len(got))
		}
		head, err := e.HeadObject(e.ctx(), &awss3.HeadObjectInput{Bucket: &b, Key: aws.String("k")})
		if err != nil {
			t.Fatal(err)
		}
		if *head.ContentLength != int64(n) {
			t.Errorf("HEAD says %d bytes, want %d", *head.ContentLength, n)
		}
		wantFiles := 0
		if n > inlineLimit {
			wantFiles = 1
		}
		if got := e.blobFiles(); got != wantFiles {
			t.Errorf("%d bytes: %d blob files, want %d: what was replaced must go", n, got, wantFiles)
		}
	}
	if _, err := e.DeleteObject(e.ctx(), &awss3.DeleteObjectInput{Bucket: &b, Key: aws.String("k")}); err != nil {
		t.Fatal(err)
	}
	if got := e.blobFiles(); got != 0 {
		t.Errorf("%d blob files after the deletion", got)
	}
	_, err := e.GetObject(e.ctx(), &awss3.GetObjectInput{Bucket: &b, Key: aws.String("k")})
	wantCode(t, err, "NoSuchKey")
}

func TestMetadataComesBackAsItWasPut(t *testing.T) {
	e := start(t)
	b := e.bucket("meta")
	user := map[string]string{"tintype-recipe": "tint", "Tintype-Params": `{"tint":"#ff8800"}`}
	_, err := e.PutObject(e.ctx(), &awss3.PutObjectInput{
		Bucket: &b, Key: aws.String("k"), Body: strings.NewReader("hello"), Metadata: user,
		ContentType: aws.String("image/jpeg"), CacheControl: aws.String("max-age=60"), ContentDisposition: aws.String(`attachment; filename="a b.jpg"`),
		ContentLanguage: aws.String("de"), Tagging: aws.String("a=1&b=2"),
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := e.GetObject(e.ctx(), &awss3.GetObjectInput{Bucket: &b, Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	got.Body.Close()
	if got.Metadata["tintype-recipe"] != "tint" || got.Metadata["tintype-params"] != `{"tint":"#ff8800"}` {
		t.Errorf("metadata = %v", got.Metadata)
	}
	for what, pair := range map[string][2]string{
		"type":        {*got.ContentType, "image/jpeg"},
		"cache":       {*got.CacheControl, "max-age=60"},
		"disposition": {*got.ContentDisposition, `attachment; filename="a b.jpg"`},
		"language":    {*got.ContentLanguage, "de"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s = %q, want %q", what, pair[0], pair[1])
		}
	}
	if got.TagCount == nil || *got.TagCount != 2 {
		t.Errorf("tag count = %v, want 2", got.TagCount)
	}
	// On the wire the names are in lower case, as S3 sends them.
	signed, err := awss3.NewPresignClient(e.Client).PresignGetObject(e.ctx(), &awss3.GetObjectInput{Bucket: &b, Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	raw := rawResponse(t, e.server.Listener.Addr().String(), signed.URL)
	if !strings.Contains(raw, "\r\nx-amz-meta-tintype-recipe: tint\r\n") {
		t.Errorf("response headers:\n%s", raw)
	}

	big := strings.Repeat("x", 2000)
	if _, err := e.PutObject(e.ctx(), &awss3.PutObjectInput{Bucket: &b, Key: aws.String("big"), Metadata: map[string]string{"v": big}}); err != nil {
		t.Errorf("2,000 bytes of metadata: %v", err)
	}
	_, err = e.PutObject(e.ctx(), &awss3.PutObjectInput{Bucket: &b, Key: aws.String("big"), Metadata: map[string]string{"v": big + big}})
	wantCode(t, err, "MetadataTooLarge")
}

func TestRanges(t *testing.T) {
	e := start(t)
	b := e.bucket("ranges")
	for _, n := range []int{1000, 200_000} { // inline and file
		body := random(n, 1)
		e.put(b, "k", body)
		for spec, want := range map[string][]byte{
			"bytes=0-0":                 body[:1],
			"bytes=10-19":               body[10:20],
			"bytes=990-":                body[990:],
			"bytes=-7":                  body[n-7:],
			"bytes=0-999999999":         body,
			"bytes=-999999999":          body,
			"bytes=5-2":                 body, // nonsense is ignored, as on S3
			"bytes=500-999999999999999": body[500:],
			"lines=1-2":                 body,
			"bytes=" + "0-9,20-29":      body,
		} {
			out, err := e.GetObject(e.ctx(), &awss3.GetObjectInput{Bucket: &b, Key: aws.String("k"), Range: &spec})
			if err != nil {
				t.Errorf("%s of %d: %v", spec, n, err)
				continue
			}
			got, _ := io.ReadAll(out.Body)
			out.Body.Close()
			if !bytes.Equal(got, want) {
				t.Errorf("%s of %d: %d bytes, want %d", spec, n, len(got), len(want))
			}
		}
		_, err := e.GetObject(e.ctx(), &awss3.GetObjectInput{Bucket: &b, Key: aws.String("k"), Range: aws.String("bytes=999999-")})
		wantCode(t, err, "InvalidRange")
	}
}

func TestConditionalReads(t *testing.T) {
	e := start(t)
	b := e.bucket("conditions")
	e.put(b, "k", []byte("hello"))
	etag := `"` + md5hex([]byte("hello")) + `"`
	head, err := e.HeadObject(e.ctx(), &awss3.HeadObjectInput{Bucket: &b, Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	at := *head.LastModified
	before := at.Add(-time.Hour)
	for name, c := range map[string]struct {
		in     awss3.GetObjectInput
		status int
	}{
		"If-Match met":             {awss3.GetObjectInput{IfMatch: &etag}, 200},
		"If-Match any":             {awss3.GetObjectInput{IfMatch: aws.String("*")}, 200},
		"If-Match not met":         {awss3.GetObjectInput{IfMatch: aws.String(`"x"`)}, 412},
		"If-None-Match met":        {awss3.GetObjectInput{IfNoneMatch: aws.String(`"x"`)}, 200},
		"If-None-Match not met":    {awss3.GetObjectInput{IfNoneMatch: &etag}, 304},
		"modified since":           {awss3.GetObjectInput{IfModifiedSince: &before}, 200},
		"not modified since":       {awss3.GetObjectInput{IfModifiedSince: &at}, 304},
		"unmodified since":         {awss3.GetObjectInput{IfUnmodifiedSince: &at}, 200},
		"modified, must not be":    {awss3.GetObjectInput{IfUnmodifiedSince: &before}, 412},
		"If-Match beats the clock": {awss3.GetObjectInput{IfMatch: &etag, IfUnmodifiedSince: &before}, 200},
	} {
		c.in.Bucket, c.in.Key = &b, aws.String("k")
		out, err := e.GetObject(e.ctx(), &c.in)
		if got := statusOf(err); got != c.status {
			t.Errorf("%s: status %d, want %d (%v)", name, got, c.status, err)
		}
		if err == nil {
			out.Body.Close()
		}
	}
}

func TestCopies(t *testing.T) {
	e := start(t)
	b, other := e.bucket("copies"), e.bucket("copies-2")
	for _, n := range []int{0, 100, 300_000} {
		body := random(n, 2)
		if _, err := e.PutObject(e.ctx(), &awss3.PutObjectInput{
			Bucket: &b, Key: aws.String("a b+c%d/ü"), Body: bytes.NewReader(body), Metadata: map[string]string{"m": "1"}, Tagging: aws.String("t=1"), ContentType: aws.String("image/png"),
		}); err != nil {
			t.Fatal(err)
		}
		source := aws.String("copies/a%20b%2Bc%25d/%C3%BC")
		out, err := e.CopyObject(e.ctx(), &awss3.CopyObjectInput{Bucket: &other, Key: aws.String("copy"), CopySource: source})
		if err != nil {
			t.Fatal(err)
		}
		if want := `"` + md5hex(body) + `"`; *out.CopyObjectResult.ETag != want {
			t.Errorf("ETag %s, want %s", *out.CopyObjectResult.ETag, want)
		}
		// The copy lives on without the original.
		if _, err := e.DeleteObject(e.ctx(), &awss3.DeleteObjectInput{Bucket: &b, Key: aws.String("a b+c%d/ü")}); err != nil {
			t.Fatal(err)
		}
		got, err := e.GetObject(e.ctx(), &awss3.GetObjectInput{Bucket: &other, Key: aws.String("copy")})
		if err != nil {
			t.Fatal(err)
		}
		data, _ := io.ReadAll(got.Body)
		got.Body.Close()
		if !bytes.Equal(data, body) || got.Metadata["m"] != "1" || *got.ContentType != "image/png" || *got.TagCount != 1 {
			t.Errorf("copy of %d bytes: %d bytes, metadata %v, type %s", n, len(data), got.Metadata, *got.ContentType)
		}

		// Onto itself: only with something to change.
		self := aws.String("/copies-2/copy")
		_, err = e.CopyObject(e.ctx(), &awss3.CopyObjectInput{Bucket: &other, Key: aws.String("copy"), CopySource: self})
		wantCode(t, err, "InvalidRequest")
		if _, err := e.CopyObject(e.ctx(), &awss3.CopyObjectInput{
			Bucket: &other, Key: aws.String("copy"), CopySource: self, MetadataDirective: types.MetadataDirectiveReplace,
			Metadata: map[string]string{"m": "2"}, ContentType: aws.String("image/webp"),
		}); err != nil {
			t.Fatal(err)
		}
		head, err := e.HeadObject(e.ctx(), &awss3.HeadObjectInput{Bucket: &other, Key: aws.String("copy")})
		if err != nil {
			t.Fatal(err)
		}
		if head.Metadata["m"] != "2" || *head.ContentType != "image/webp" {
			t.Errorf("after replacing: metadata %v, type %s", head.Metadata, *head.ContentType)
		}
		if got := e.get(other, "copy"); !bytes.Equal(got, body) {
			t.Errorf("a copy onto itself changed the bytes")
		}
	}
	if got := e.blobFiles(); got != 1 {
		t.Errorf("%d blob files, want 1", got)
	}
	_, err := e.CopyObject(e.ctx(), &awss3.CopyObjectInput{Bucket: &b, Key: aws.String("x"), CopySource: aws.String("copies/none")})
	wantCode(t, err, "NoSuchKey")
	_, err = e.CopyObject(e.ctx(), &awss3.CopyObjectInput{Bucket: &b, Key: aws.String("x"), CopySource: aws.String("copies-2/copy"), CopySourceIfMatch: aws.String(`"no"`)})
	wantCode(t, err, "PreconditionFailed")
	_, err = e.CopyObject(e.ctx(), &awss3.CopyObjectInput{Bucket: &b, Key: aws.String("x"), CopySource: aws.String("nowhere/copy")})
	wantCode(t, err, "NoSuchBucket")
}

func TestChecksums(t *testing.T) {
	e := start(t)
	b := e.bucket("sums")
	for _, algo := range []types.ChecksumAlgorithm{types.ChecksumAlgorithmCrc32, types.ChecksumAlgorithmCrc32c, types.ChecksumAlgorithmSha1, types.ChecksumAlgorithmSha256, types.ChecksumAlgorithmCrc64nvme} {
		body := random(100_000, 3)
		put, err := e.PutObject(e.ctx(), &awss3.PutObjectInput{Bucket: &b, Key: aws.String("k"), Body: bytes.NewReader(body), ChecksumAlgorithm: algo})
		if err != nil {
			t.Errorf("%s: %v", algo, err)
			continue
		}
		// The client verifies what it reads against the checksum.
		out, err := e.GetObject(e.ctx(), &awss3.GetObjectInput{Bucket: &b, Key: aws.String("k"), ChecksumMode: types.ChecksumModeEnabled})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(out.Body); err != nil {
			t.Errorf("%s: %v", algo, err)
		}
		out.Body.Close()
		if algo == types.ChecksumAlgorithmSha256 && (put.ChecksumSHA256 == nil || out.ChecksumSHA256 == nil || *put.ChecksumSHA256 != *out.ChecksumSHA256) {
			t.Errorf("sha256: put %v, get %v", put.ChecksumSHA256, out.ChecksumSHA256)
		}
	}
	_, err := e.PutObject(e.ctx(), &awss3.PutObjectInput{Bucket: &b, Key: aws.String("wrong"), Body: strings.NewReader("x"), ChecksumSHA256: aws.String("ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=")})
	wantCode(t, err, "BadDigest")
	_, err = e.PutObject(e.ctx(), &awss3.PutObjectInput{Bucket: &b, Key: aws.String("wrong"), Body: strings.NewReader("x"), ContentMD5: aws.String("1B2M2Y8AsgTpgAmY7PhCfg==")})
	wantCode(t, err, "BadDigest")
	_, err = e.HeadObject(e.ctx(), &awss3.HeadObjectInput{Bucket: &b, Key: aws.String("wrong")})
	wantCode(t, err, "NotFound")
	if got := e.blobFiles(); got != 1 {
		t.Errorf("%d blob files, want 1: refused uploads must leave nothing", got)
	}
}

func TestTagging(t *testing.T) {
	e := start(t)
	b := e.bucket("tags")
	e.put(b, "k", []byte("x"))
	if _, err := e.PutObjectTagging(e.ctx(), &awss3.PutObjectTaggingInput{Bucket: &b, Key: aws.String("k"), Tagging: &types.Tagging{TagSet: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}}}}); err != nil {
		t.Fatal(err)
	}
	out, err := e.GetObjectTagging(e.ctx(), &awss3.GetObjectTaggingInput{Bucket: &b, Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.TagSet) != 1 || *out.TagSet[0].Key != "a" || *out.TagSet[0].Value != "1" {
		t.Errorf("tags = %v", out.TagSet)
	}
	if _, err := e.DeleteObjectTagging(e.ctx(), &awss3.DeleteObjectTaggingInput{Bucket: &b, Key: aws.String("k")}); err != nil {
		t.Fatal(err)
	}
	if out, err = e.GetObjectTagging(e.ctx(), &awss3.GetObjectTaggingInput{Bucket: &b, Key: aws.String("k")}); err != nil || len(out.TagSet) != 0 {
		t.Errorf("tags after deletion = %v, %v", out, err)
	}
	_, err = e.PutObjectTagging(e.ctx(), &awss3.PutObjectTaggingInput{Bucket: &b, Key: aws.String("none"), Tagging: &types.Tagging{TagSet: []types.Tag{}}})
	wantCode(t, err, "NoSuchKey")
}

func TestDeleteObjects(t *testing.T) {
	e := start(t)
	b := e.bucket("deletes")
	var ids []types.ObjectIdentifier
	for i := range 250 {
		key := strings.Repeat("k", i+1)
		if i%2 == 0 {
			e.put(b, key, []byte("x"))
		}
		ids = append(ids, types.ObjectIdentifier{Key: &key})
	}
	out, err := e.DeleteObjects(e.ctx(), &awss3.DeleteObjectsInput{Bucket: &b, Delete: &types.Delete{Objects: ids}})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Deleted) != 250 || len(out.Errors) != 0 {
		t.Errorf("%d deleted, %d errors", len(out.Deleted), len(out.Errors))
	}
	list, err := e.ListObjectsV2(e.ctx(), &awss3.ListObjectsV2Input{Bucket: &b})
	if err != nil || len(list.Contents) != 0 {
		t.Errorf("left: %v, %v", list.Contents, err)
	}

	e.put(b, "kept", []byte("x"))
	e.put(b, "gone", []byte("x"))
	out, err = e.DeleteObjects(e.ctx(), &awss3.DeleteObjectsInput{Bucket: &b, Delete: &types.Delete{Quiet: aws.Bool(true), Objects: []types.ObjectIdentifier{
		{Key: aws.String("kept"), ETag: aws.String(`"other"`)}, {Key: aws.String("gone")},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Deleted) != 0 || len(out.Errors) != 1 || *out.Errors[0].Code != "PreconditionFailed" {
		t.Errorf("deleted %v, errors %v", out.Deleted, out.Errors)
	}
	e.get(b, "kept")
	_, err = e.HeadObject(e.ctx(), &awss3.HeadObjectInput{Bucket: &b, Key: aws.String("gone")})
	wantCode(t, err, "NotFound")

	tooMany := make([]types.ObjectIdentifier, 1001)
	for i := range tooMany {
		tooMany[i].Key = aws.String("x")
	}
	_, err = e.DeleteObjects(e.ctx(), &awss3.DeleteObjectsInput{Bucket: &b, Delete: &types.Delete{Objects: tooMany}})
	wantCode(t, err, "MalformedXML")
}

func TestAReaderKeepsWhatItOpened(t *testing.T) {
	e := start(t)
	b := e.bucket("readers")
	old := random(8<<20, 4)
	e.put(b, "k", old)
	out, err := e.GetObject(e.ctx(), &awss3.GetObjectInput{Bucket: &b, Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	e.put(b, "k", []byte("new"))
	if _, err := e.DeleteObject(e.ctx(), &awss3.DeleteObjectInput{Bucket: &b, Key: aws.String("k")}); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(out.Body)
	if err != nil || !bytes.Equal(got, old) {
		t.Errorf("%d bytes, %v; want the %d of the object that was opened", len(got), err, len(old))
	}
}

func TestACutOffUploadLeavesNothing(t *testing.T) {
	e := start(t)
	b := e.bucket("cut")
	signed, err := awss3.NewPresignClient(e.Client).PresignPutObject(e.ctx(), &awss3.PutObjectInput{Bucket: &b, Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	for _, sent := range []int{10, 300_000} {
		status := rawUpload(t, e.server.Listener.Addr().String(), signed.URL, 500_000, random(sent, 5))
		if status != http.StatusBadRequest {
			t.Errorf("%d of 500,000 bytes: status %d, want 400", sent, status)
		}
	}
	_, err = e.HeadObject(e.ctx(), &awss3.HeadObjectInput{Bucket: &b, Key: aws.String("k")})
	wantCode(t, err, "NotFound")
	if got := e.blobFiles(); got != 0 {
		t.Errorf("%d blob files, want none", got)
	}
}

func TestGetObjectAttributes(t *testing.T) {
	e := start(t)
	b := e.bucket("attributes")
	e.put(b, "k", []byte("hello"))
	out, err := e.GetObjectAttributes(e.ctx(), &awss3.GetObjectAttributesInput{Bucket: &b, Key: aws.String("k"), ObjectAttributes: []types.ObjectAttributes{
		types.ObjectAttributesEtag, types.ObjectAttributesObjectSize, types.ObjectAttributesChecksum, types.ObjectAttributesStorageClass,
	}})
	if err != nil {
		t.Fatal(err)
	}
	if *out.ETag != md5hex([]byte("hello")) || *out.ObjectSize != 5 || out.Checksum == nil {
		t.Errorf("attributes = %+v", out)
	}
}
