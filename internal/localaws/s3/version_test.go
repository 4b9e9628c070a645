package s3

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/tintype/tintype/internal/localaws/db"
)

func (e *env) versioning(bucket string, s types.BucketVersioningStatus) {
	e.t.Helper()
	if _, err := e.PutBucketVersioning(e.ctx(), &awss3.PutBucketVersioningInput{Bucket: &bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: s}}); err != nil {
		e.t.Fatal(err)
	}
}

func wantStatus(t *testing.T, err error, status int) *smithyhttp.ResponseError {
	t.Helper()
	var re *smithyhttp.ResponseError
	if !errors.As(err, &re) || re.HTTPStatusCode() != status {
		t.Errorf("error %v, want status %d", err, status)
		return &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{Header: http.Header{}}}}
	}
	return re
}

func TestVersionsOfAKey(t *testing.T) {
	e := start(t)
	b, k := e.bucket("versions"), aws.String("k")
	e.put(b, "k", []byte("before"))
	e.versioning(b, types.BucketVersioningStatusEnabled)
	put := func(body string) string {
		out, err := e.PutObject(e.ctx(), &awss3.PutObjectInput{Bucket: &b, Key: k, Body: strings.NewReader(body)})
		if err != nil {
			t.Fatal(err)
		}
		return aws.ToString(out.VersionId)
	}
	get := func(version *string, want string) {
		t.Helper()
		out, err := e.GetObject(e.ctx(), &awss3.GetObjectInput{Bucket: &b, Key: k, VersionId: version})
		if err != nil {
			t.Fatal(err)
		}
		defer out.Body.Close()
		got, _ := io.ReadAll(out.Body)
		if string(got) != want || version != nil && aws.ToString(out.VersionId) != *version {
			t.Errorf("version %v: %q of version %s, want %q", version, got, aws.ToString(out.VersionId), want)
		}
	}
	v1, v2 := put("one"), put("two")
	if len(v1) != 32 || v1 == v2 {
		t.Errorf("versions %q, %q", v1, v2)
	}
	get(nil, "two")
	get(&v1, "one")
	get(aws.String("null"), "before")

	del, err := e.DeleteObject(e.ctx(), &awss3.DeleteObjectInput{Bucket: &b, Key: k})
	if err != nil || !aws.ToBool(del.DeleteMarker) || aws.ToString(del.VersionId) == "" {
		t.Fatalf("%+v, %v", del, err)
	}
	_, err = e.GetObject(e.ctx(), &awss3.GetObjectInput{Bucket: &b, Key: k})
	wantCode(t, err, "NoSuchKey")
	if h := wantStatus(t, err, 404).Response.Header; h.Get("x-amz-delete-marker") != "true" || h.Get("x-amz-version-id") != *del.VersionId {
		t.Errorf("header of a deleted object: %v", h)
	}
	_, err = e.GetObject(e.ctx(), &awss3.GetObjectInput{Bucket: &b, Key: k, VersionId: del.VersionId})
	wantCode(t, err, "MethodNotAllowed")
	if h := wantStatus(t, err, 405).Response.Header; h.Get("x-amz-delete-marker") != "true" || h.Get("Allow") != "DELETE" || h.Get("Last-Modified") == "" {
		t.Errorf("header of a delete marker: %v", h)
	}
	_, err = e.HeadObject(e.ctx(), &awss3.HeadObjectInput{Bucket: &b, Key: k, VersionId: del.VersionId})
	wantStatus(t, err, 405)
	if keys := e.keys(b); len(keys) != 0 {
		t.Errorf("listed: %q", keys)
	}
	// The marker away, the object is back.
	back, err := e.DeleteObject(e.ctx(), &awss3.DeleteObjectInput{Bucket: &b, Key: k, VersionId: del.VersionId})
	if err != nil || !aws.ToBool(back.DeleteMarker) || aws.ToString(back.VersionId) != *del.VersionId {
		t.Errorf("%+v, %v", back, err)
	}
	get(nil, "two")
	if _, err := e.DeleteObject(e.ctx(), &awss3.DeleteObjectInput{Bucket: &b, Key: k, VersionId: &v2}); err != nil {
		t.Fatal(err)
	}
	get(nil, "one")
	_, err = e.GetObject(e.ctx(), &awss3.GetObjectInput{Bucket: &b, Key: k, VersionId: &v2})
	wantCode(t, err, "NoSuchVersion")
	_, err = e.GetObject(e.ctx(), &awss3.GetObjectInput{Bucket: &b, Key: k, VersionId: aws.String(v2[:28] + "ABCD")})
	wantCode(t, err, "InvalidArgument")
	if _, err := e.DeleteObject(e.ctx(), &awss3.DeleteObjectInput{Bucket: &b, Key: k, VersionId: &v2}); err != nil {
		t.Errorf("deleting a version twice: %v", err)
	}

	// Copies name the version they were made of, and restore old ones.
	cp, err := e.CopyObject(e.ctx(), &awss3.CopyObjectInput{Bucket: &b, Key: k, CopySource: aws.String(b + "/k?versionId=null")})
	if err != nil || cp.CopySourceVersionId != nil || len(aws.ToString(cp.VersionId)) != 32 {
		t.Fatalf("%+v, %v", cp, err)
	}
	get(nil, "before")
	_, err = e.DeleteBucket(e.ctx(), &awss3.DeleteBucketInput{Bucket: &b})
	wantCode(t, err, "BucketNotEmpty")

	// Tags are a version's own.
	tag := &types.Tagging{TagSet: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}}}
	if out, err := e.PutObjectTagging(e.ctx(), &awss3.PutObjectTaggingInput{Bucket: &b, Key: k, VersionId: &v1, Tagging: tag}); err != nil || aws.ToString(out.VersionId) != v1 {
		t.Errorf("%+v, %v", out, err)
	}
	if out, err := e.GetObjectTagging(e.ctx(), &awss3.GetObjectTaggingInput{Bucket: &b, Key: k, VersionId: &v1}); err != nil || len(out.TagSet) != 1 {
		t.Errorf("%+v, %v", out, err)
	}
	if out, err := e.GetObjectTagging(e.ctx(), &awss3.GetObjectTaggingInput{Bucket: &b, Key: k}); err != nil || len(out.TagSet) != 0 || aws.ToString(out.VersionId) != *cp.VersionId {
		t.Errorf("%+v, %v", out, err)
	}
}

func (e *env) keys(bucket string) (keys []string) {
	e.t.Helper()
	out, err := e.ListObjectsV2(e.ctx(), &awss3.ListObjectsV2Input{Bucket: &bucket})
	if err != nil {
		e.t.Fatal(err)
	}
	for _, o := range out.Contents {
		keys = append(keys, *o.Key)
	}
	return keys
}

// modelVersion is a version as the model below has it.
type modelVersion struct {
	key, id, body string
	marker        bool
}

// A long series of operations, chosen by chance, has the same outcome as in a model of
// a versioned bucket that is a plain list; and nothing is left of what was removed.
func TestVersionsAgreeWithAModel(t *testing.T) {
	e := start(t)
	b := e.bucket("model")
	rnd := rand.New(rand.NewPCG(1, 2))
	keys := []string{"a", "a/b", "b", "ü"}
	var all []modelVersion // oldest first
	status := types.BucketVersioningStatus("")
	of := func(key string) (list []int) { // newest first
		for i := len(all) - 1; i >= 0; i-- {
			if all[i].key == key {
				list = append(list, i)
			}
		}
		return list
	}
	dropNull := func(key string) {
		all = slices.DeleteFunc(all, func(v modelVersion) bool { return v.key == key && v.id == "null" })
	}
	for step := range 400 {
		key := keys[rnd.IntN(len(keys))]
		switch n := rnd.IntN(100); {
		case n < 4:
			status = types.BucketVersioningStatusEnabled
			e.versioning(b, status)
		case n < 8 && status != "":
			status = types.BucketVersioningStatusSuspended
			e.versioning(b, status)
		case n < 50:
			body := random(10, uint64(step))
			if n < 20 {
				body = random(inlineLimit+10, uint64(step))
			}
			out, err := e.PutObject(e.ctx(), &awss3.PutObjectInput{Bucket: &b, Key: &key, Body: bytes.NewReader(body)})
			if err != nil {
				t.Fatal(err)
			}
			id := cmp.Or(aws.ToString(out.VersionId), "null")
			if (id == "null") != (status != types.BucketVersioningStatusEnabled) {
				t.Fatalf("step %d: version %q while %q", step, id, status)
			}
			if id == "null" {
				dropNull(key)
			}
			all = append(all, modelVersion{key: key, id: id, body: string(body)})
		case n < 65:
			out, err := e.DeleteObject(e.ctx(), &awss3.DeleteObjectInput{Bucket: &b, Key: &key})
			if err != nil {
				t.Fatal(err)
			}
			if status != types.BucketVersioningStatusEnabled {
				dropNull(key)
			}
			if status != "" {
				all = append(all, modelVersion{key: key, id: *out.VersionId, marker: true})
			}
		case n < 90:
			list := of(key)
			if len(list) == 0 {
				continue
			}
			i := list[rnd.IntN(len(list))]
			v := all[i]
			if n < 75 {
				cp, err := e.CopyObject(e.ctx(), &awss3.CopyObjectInput{
					Bucket: &b, Key: &key, CopySource: aws.String(copySourceOf(b, key, v.id)), MetadataDirective: types.MetadataDirectiveReplace,
				})
				if v.marker {
					wantCode(t, err, "InvalidRequest")
					continue
				}
				if err != nil {
					t.Fatalf("step %d: copy %q of %s: %v", step, v.id, key, err)
				}
				id := cmp.Or(aws.ToString(cp.VersionId), "null")
				if id == "null" {
					dropNull(key)
				}
				all = append(all, modelVersion{key: key, id: id, body: v.body})
				continue
			}
			out, err := e.DeleteObjects(e.ctx(), &awss3.DeleteObjectsInput{Bucket: &b, Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: &key, VersionId: &v.id}}}})
			if err != nil || len(out.Deleted) != 1 || aws.ToBool(out.Deleted[0].DeleteMarker) != v.marker {
				t.Fatalf("step %d: %+v, %v", step, out, err)
			}
			all = slices.Delete(all, i, i+1)
		default:
			list := of(key)
			var want *modelVersion
			version := ""
			if len(list) > 0 {
				want = &all[list[0]]
				if n < 95 {
					want = &all[list[rnd.IntN(len(list))]]
					version = want.id
				}
			}
			in := &awss3.GetObjectInput{Bucket: &b, Key: &key}
			if version != "" {
				in.VersionId = &version
			}
			out, err := e.GetObject(e.ctx(), in)
			switch {
			case want == nil:
				wantCode(t, err, "NoSuchKey")
			case want.marker && version != "":
				wantCode(t, err, "MethodNotAllowed")
			case want.marker:
				wantCode(t, err, "NoSuchKey")
			case err != nil:
				t.Fatalf("step %d: get %s %q: %v", step, key, version, err)
			default:
				got, _ := io.ReadAll(out.Body)
				out.Body.Close()
				if string(got) != want.body {
					t.Fatalf("step %d: other bytes", step)
				}
			}
		}
		if step%20 == 0 {
			e.compareVersions(b, all, keys, of)
		}
	}
	e.compareVersions(b, all, keys, of)
	e.tidy(b)

	// Emptied page by page, each deleted before the next is read.
	in := &awss3.ListObjectVersionsInput{Bucket: &b, MaxKeys: aws.Int32(5)}
	for pages := awss3.NewListObjectVersionsPaginator(e, in); pages.HasMorePages(); {
		page, err := pages.NextPage(e.ctx())
		if err != nil {
			t.Fatal(err)
		}
		var ids []types.ObjectIdentifier
		for _, v := range page.Versions {
			ids = append(ids, types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
		}
		for _, v := range page.DeleteMarkers {
			ids = append(ids, types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
		}
		if out, err := e.DeleteObjects(e.ctx(), &awss3.DeleteObjectsInput{Bucket: &b, Delete: &types.Delete{Objects: ids}}); err != nil || len(out.Errors) > 0 {
			t.Fatalf("%+v, %v", out, err)
		}
	}
	if _, err := e.DeleteBucket(e.ctx(), &awss3.DeleteBucketInput{Bucket: &b}); err != nil {
		t.Error(err)
	}
	e.noFiles()
}

func copySourceOf(bucket, key, version string) string {
	return bucket + "/" + strings.ReplaceAll(formEncode(key), "+", "%20") + "?versionId=" + version
}

// compareVersions lists with pages of all sizes and compares.
func (e *env) compareVersions(b string, all []modelVersion, keys []string, of func(string) []int) {
	e.t.Helper()
	var want []string
	for _, key := range keys {
		for n, i := range of(key) {
			want = append(want, fmt.Sprint(key, " ", all[i].id, " ", all[i].marker, " ", n == 0))
		}
	}
	for _, size := range []int32{1, 3, 1000} {
		var got []string
		query := url.Values{"versions": {""}, "max-keys": {fmt.Sprint(size)}}
		for more := true; more; {
			status, body := e.ask("GET", "/"+b+"?"+query.Encode())
			// As the service writes it, because SDKs take versions and markers apart.
			var l struct {
				IsTruncated   bool
				NextKeyMarker string
				NextVersion   string `xml:"NextVersionIdMarker"`
				Entries       []struct {
					XMLName   xml.Name
					Key       string
					VersionID string `xml:"VersionId"`
					IsLatest  bool
				} `xml:",any"`
			}
			if err := xml.Unmarshal(body, &l); err != nil || status != http.StatusOK {
				e.t.Fatalf("status %d, %v: %s", status, err, body)
			}
			for _, v := range l.Entries {
				if v.VersionID != "" {
					got = append(got, fmt.Sprint(v.Key, " ", v.VersionID, " ", v.XMLName.Local == "DeleteMarker", " ", v.IsLatest))
				}
			}
			more = l.IsTruncated
			query.Set("key-marker", l.NextKeyMarker)
			query.Set("version-id-marker", l.NextVersion)
		}
		if !slices.Equal(got, want) {
			e.t.Fatalf("pages of %d:\n%s\nwant\n%s", size, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// tidy compares the bucket's counts with its rows.
func (e *env) tidy(b string) {
	e.t.Helper()
	var objects, bytes, rows, size int64
	err := e.db.Read().QueryRow(`SELECT objects, bytes, (SELECT count(*) FROM s3_objects WHERE bucket = b.id),
		(SELECT coalesce(sum(size), 0) FROM s3_objects WHERE bucket = b.id) + (SELECT coalesce(sum(size), 0) FROM s3_versions WHERE bucket = b.id) FROM s3_buckets b WHERE name = ?`, b).
		Scan(&objects, &bytes, &rows, &size)
	if err != nil || objects != rows || bytes != size {
		e.t.Errorf("counted %d objects, %d bytes; there are %d, %d (%v)", objects, bytes, rows, size, err)
	}
}

// noFiles fails where a blob or inline bytes are left.
func (e *env) noFiles() {
	e.t.Helper()
	var inline int
	if err := e.db.Read().QueryRow(`SELECT count(*) FROM s3_inline`).Scan(&inline); err != nil || inline != 0 {
		e.t.Errorf("%d inline contents are left, %v", inline, err)
	}
	if n := e.blobFiles(); n != 0 {
		e.t.Errorf("%d blobs are left", n)
	}
}

func TestVersionEvents(t *testing.T) {
	e := start(t)
	b, k := e.bucket("told"), aws.String("k")
	if err := e.configure(b, types.NotificationConfiguration{TopicConfigurations: []types.TopicConfiguration{topic("s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*")}}); err != nil {
		t.Fatal(err)
	}
	e.versioning(b, types.BucketVersioningStatusEnabled)
	out, err := e.PutObject(e.ctx(), &awss3.PutObjectInput{Bucket: &b, Key: k, Body: strings.NewReader("x")})
	if err != nil {
		t.Fatal(err)
	}
	tag := &types.Tagging{TagSet: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}}}
	if _, err := e.PutObjectTagging(e.ctx(), &awss3.PutObjectTaggingInput{Bucket: &b, Key: k, Tagging: tag}); err != nil {
		t.Fatal(err)
	}
	del, err := e.DeleteObject(e.ctx(), &awss3.DeleteObjectInput{Bucket: &b, Key: k})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.DeleteObject(e.ctx(), &awss3.DeleteObjectInput{Bucket: &b, Key: k, VersionId: out.VersionId}); err != nil {
		t.Fatal(err)
	}
	events := e.events()[1:]
	want := []struct {
		name, version string
		fields        []string
	}{
		{"ObjectCreated:Put", *out.VersionId, []string{"eTag", "key", "sequencer", "size", "versionId"}},
		{"ObjectTagging:Put", *out.VersionId, []string{"eTag", "key", "versionId"}},
		{"ObjectRemoved:DeleteMarkerCreated", *del.VersionId, []string{"eTag", "key", "sequencer", "versionId"}},
		{"ObjectRemoved:Delete", *out.VersionId, []string{"key", "sequencer", "versionId"}},
	}
	if len(events) != len(want) {
		t.Fatalf("%d events", len(events))
	}
	for i, w := range want {
		o := events[i].object()
		var fields []string
		for f := range o {
			fields = append(fields, f)
		}
		slices.Sort(fields)
		if events[i].record["eventName"] != w.name || o["versionId"] != w.version || !slices.Equal(fields, w.fields) {
			t.Errorf("event %d: %s %v, want %+v", i, events[i].record["eventName"], o, w)
		}
	}
}

// A store that knew no versions is taken over: what it holds are the versions "null".
func TestAnOlderStoreBecomesVersions(t *testing.T) {
	dir := t.TempDir()
	old := Schema
	old.Steps = old.Steps[:1]
	d, err := db.Open(dir, db.Options{Schemas: []db.Schema{old}})
	if err != nil {
		t.Fatal(err)
	}
	err = d.Update(t.Context(), func(tx *db.Tx) error {
		for _, q := range []string{
			`INSERT INTO s3_buckets (id, name, created, acl, objects, bytes) VALUES (1, 'older', 1, CAST('{"Owner":"test"}' AS BLOB), 1, 3)`,
			`INSERT INTO s3_inline (id, data) VALUES (7, X'616263')`,
			`INSERT INTO s3_objects (bucket, key, size, etag, modified, checksum, inline, meta) VALUES (1, X'6B', 3, '900150983cd24fb0d6963f7d28e17f72', 1000, '', 7, '{}')`,
		} {
			if _, err := tx.Exec(q); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, d.Close()); err != nil {
		t.Fatal(err)
	}
	e := startIn(t, dir)
	b := "older"
	if got := e.get(b, "k"); string(got) != "abc" {
		t.Errorf("%q", got)
	}
	e.versioning(b, types.BucketVersioningStatusEnabled)
	e.put(b, "k", []byte("new"))
	out, err := e.GetObject(e.ctx(), &awss3.GetObjectInput{Bucket: &b, Key: aws.String("k"), VersionId: aws.String("null")})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	if got, _ := io.ReadAll(out.Body); string(got) != "abc" {
		t.Errorf("%q", got)
	}
}

func FuzzVersionID(f *testing.F) {
	f.Add(newVersionID(12345))
	f.Add("null")
	f.Fuzz(func(t *testing.T, id string) {
		seq, ok := parseVersionID(id)
		if ok && len(id) != 32 {
			t.Errorf("%q is taken for a version id", id)
		}
		if again, ok := parseVersionID(newVersionID(seq)); !ok || again != seq {
			t.Errorf("seq %d became %d, %v", seq, again, ok)
		}
	})
}

// S3 tells of every key of a list that is to be deleted, also of one that is not there;
// of a single key only where there is one.
func TestAListOfDeletionsIsToldWhole(t *testing.T) {
	e := start(t)
	b := e.bucket("absent")
	if err := e.configure(b, types.NotificationConfiguration{TopicConfigurations: []types.TopicConfiguration{topic("s3:ObjectRemoved:*")}}); err != nil {
		t.Fatal(err)
	}
	e.put(b, "there", []byte("x"))
	ids := []types.ObjectIdentifier{{Key: aws.String("there")}, {Key: aws.String("absent")}}
	if _, err := e.DeleteObjects(e.ctx(), &awss3.DeleteObjectsInput{Bucket: &b, Delete: &types.Delete{Objects: ids}}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.DeleteObject(e.ctx(), &awss3.DeleteObjectInput{Bucket: &b, Key: aws.String("absent")}); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, v := range e.events()[1:] {
		keys = append(keys, fmt.Sprint(v.object()["key"]))
	}
	if !slices.Equal(keys, []string{"there", "absent"}) {
		t.Errorf("told of %q", keys)
	}
}
