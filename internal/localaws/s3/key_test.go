package s3

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// hostileKeys are keys that other stores stumble over.
func hostileKeys() []string {
	return []string{
		"a", "a/b", "a/b/", "a//b", "a/", "a b+c%d&e=f", "%2e%2e%2f", "..", ".", "../../etc/passwd", "a/../b", "a/./b", "./x",
		"/", "//", "/leading", "trailing/", "Füße/日本語/🎨.jpg", "q?x=1#frag", "quote\"'<>&;", "back\\slash", "tab\tnew\nline", "*~!()[]{}|^`",
		"+", "%", "%00", "versions", "?versionId=3", strings.Repeat("k", 1024), strings.Repeat("ü", 512), strings.Repeat("d/", 512),
		"İstanbul", "\u200b", "con", "endpoint.db", "blobs/00", "a\u0000b", "\ufffe", " ", " lead", "trail ",
	}
}

func TestHostileKeysGoThroughUnharmed(t *testing.T) {
	e := start(t)
	b := e.bucket("keys")
	keys := hostileKeys()
	for i, key := range keys {
		e.put(b, key, []byte(fmt.Sprint("small ", i)))
	}
	for i, key := range keys {
		if got := string(e.get(b, key)); got != fmt.Sprint("small ", i) {
			t.Errorf("key %q: %q came back", key, got)
		}
		if _, err := e.HeadObject(e.ctx(), &awss3.HeadObjectInput{Bucket: &b, Key: &key}); err != nil {
			t.Errorf("head %q: %v", key, err)
		}
	}
	// Presigned URLs and copies carry keys in two more encodings.
	pre := awss3.NewPresignClient(e.Client)
	for i, key := range keys {
		signed, err := pre.PresignGetObject(e.ctx(), &awss3.GetObjectInput{Bucket: &b, Key: &key})
		if err != nil {
			t.Fatal(err)
		}
		if resp, body := e.send("GET", signed.URL, nil, nil); resp.StatusCode != http.StatusOK || body != fmt.Sprint("small ", i) {
			t.Errorf("presigned %q: %d %q", key, resp.StatusCode, body)
		}
		if _, err := e.CopyObject(e.ctx(), &awss3.CopyObjectInput{Bucket: &b, Key: aws.String("copy"), CopySource: aws.String(b + "/" + url.QueryEscape(key))}); err != nil {
			t.Errorf("copy %q: %v", key, err)
		} else if got := string(e.get(b, "copy")); got != fmt.Sprint("small ", i) {
			t.Errorf("copy of %q: %q", key, got)
		}
		if _, err := e.DeleteObject(e.ctx(), &awss3.DeleteObjectInput{Bucket: &b, Key: aws.String("copy")}); err != nil {
			t.Fatal(err)
		}
	}
	// The listing has them all, in the order of their bytes.
	var listed []string
	for p := awss3.NewListObjectsV2Paginator(e.Client, &awss3.ListObjectsV2Input{Bucket: &b, MaxKeys: aws.Int32(3), EncodingType: types.EncodingTypeUrl}); p.HasMorePages(); {
		page, err := p.NextPage(e.ctx())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			key, err := url.QueryUnescape(*o.Key)
			if err != nil {
				t.Fatal(err)
			}
			listed = append(listed, key)
		}
	}
	sort.Strings(keys)
	if !slices.Equal(listed, keys) {
		t.Errorf("listed %q, want %q", listed, keys)
	}
	// Nothing of a key ever became a path: small objects make no files at all.
	err := filepath.WalkDir(e.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.HasPrefix(d.Name(), "endpoint.db") {
			t.Errorf("unexpected file %s", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if _, err := e.DeleteObject(e.ctx(), &awss3.DeleteObjectInput{Bucket: &b, Key: &key}); err != nil {
			t.Errorf("delete %q: %v", key, err)
		}
	}
	if _, err := e.DeleteBucket(e.ctx(), &awss3.DeleteBucketInput{Bucket: &b}); err != nil {
		t.Errorf("delete the emptied bucket: %v", err)
	}
}

func TestKeysThatS3Refuses(t *testing.T) {
	e := start(t)
	b := e.bucket("refused")
	for key, want := range map[string]string{
		strings.Repeat("k", 1025): "KeyTooLongError",
		"invalid \xff utf-8":      "InvalidURI",
	} {
		_, err := e.PutObject(e.ctx(), &awss3.PutObjectInput{Bucket: &b, Key: &key, Body: bytes.NewReader(nil)})
		wantCode(t, err, want)
	}
}

func TestVirtualHostedStyle(t *testing.T) {
	e := start(t)
	b := e.bucket("hosted")
	signed, err := awss3.NewPresignClient(client("http://s3.localhost:4566", func(o *awss3.Options) { o.UsePathStyle = false })).
		PresignPutObject(e.ctx(), &awss3.PutObjectInput{Bucket: &b, Key: aws.String("a b/c")})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(signed.URL)
	if err != nil {
		t.Fatal(err)
	}
	if u.Host != "hosted.s3.localhost:4566" {
		t.Fatalf("presigned host %s", u.Host)
	}
	if resp, body := e.sendHost("PUT", e.server.URL+u.RequestURI(), u.Host, strings.NewReader("hi")); resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	if got := string(e.get(b, "a b/c")); got != "hi" {
		t.Errorf("got %q", got)
	}
}

func TestListing(t *testing.T) {
	e := start(t)
	b := e.bucket("listing")
	for _, k := range []string{"a", "dir/1", "dir/2", "dir/sub/3", "dir2/x", "dir2/y", "z", "é/1", "photos-old", "photos/1"} {
		e.put(b, k, []byte("x"))
	}
	for name, c := range map[string]struct {
		in       awss3.ListObjectsV2Input
		keys     []string
		prefixes []string
	}{
		"all":                    {awss3.ListObjectsV2Input{}, []string{"a", "dir/1", "dir/2", "dir/sub/3", "dir2/x", "dir2/y", "photos-old", "photos/1", "z", "é/1"}, nil},
		"delimiter":              {awss3.ListObjectsV2Input{Delimiter: aws.String("/")}, []string{"a", "photos-old", "z"}, []string{"dir/", "dir2/", "photos/", "é/"}},
		"prefix":                 {awss3.ListObjectsV2Input{Prefix: aws.String("dir/")}, []string{"dir/1", "dir/2", "dir/sub/3"}, nil},
		"prefix and delimiter":   {awss3.ListObjectsV2Input{Prefix: aws.String("dir/"), Delimiter: aws.String("/")}, []string{"dir/1", "dir/2"}, []string{"dir/sub/"}},
		"prefix is no directory": {awss3.ListObjectsV2Input{Prefix: aws.String("dir"), Delimiter: aws.String("/")}, nil, []string{"dir/", "dir2/"}},
		"start after":            {awss3.ListObjectsV2Input{StartAfter: aws.String("dir2/x")}, []string{"dir2/y", "photos-old", "photos/1", "z", "é/1"}, nil},
		"start before prefix":    {awss3.ListObjectsV2Input{StartAfter: aws.String("a"), Prefix: aws.String("z")}, []string{"z"}, nil},
		"start after prefix":     {awss3.ListObjectsV2Input{StartAfter: aws.String("zz"), Prefix: aws.String("dir")}, nil, nil},
		"long delimiter":         {awss3.ListObjectsV2Input{Delimiter: aws.String("r/")}, []string{"a", "dir2/x", "dir2/y", "photos-old", "photos/1", "z", "é/1"}, []string{"dir/"}},
		"nothing":                {awss3.ListObjectsV2Input{Prefix: aws.String("none")}, nil, nil},
		"no keys wanted":         {awss3.ListObjectsV2Input{MaxKeys: aws.Int32(0)}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c.in.Bucket = &b
			sizes := []int32{1, 2, 3, 1000}
			if c.in.MaxKeys != nil {
				sizes = []int32{*c.in.MaxKeys}
			}
			for _, n := range sizes {
				c.in.MaxKeys = &n
				var keys, prefixes []string
				in := c.in
				for {
					out, err := e.ListObjectsV2(e.ctx(), &in)
					if err != nil {
						t.Fatal(err)
					}
					for _, o := range out.Contents {
						keys = append(keys, *o.Key)
					}
					for _, p := range out.CommonPrefixes {
						prefixes = append(prefixes, *p.Prefix)
					}
					if got := int32(len(out.Contents) + len(out.CommonPrefixes)); got != *out.KeyCount || got > n {
						t.Errorf("%d entries, KeyCount %d, MaxKeys %d", got, *out.KeyCount, n)
					}
					if !*out.IsTruncated {
						break
					}
					in.ContinuationToken = out.NextContinuationToken
				}
				if !slices.Equal(keys, c.keys) || !slices.Equal(prefixes, c.prefixes) {
					t.Errorf("pages of %d: keys %q prefixes %q, want %q and %q", n, keys, prefixes, c.keys, c.prefixes)
				}
				// Version 1 pages by marker.
				keys, prefixes = nil, nil
				v1 := awss3.ListObjectsInput{Bucket: &b, Prefix: c.in.Prefix, Delimiter: c.in.Delimiter, Marker: c.in.StartAfter, MaxKeys: &n}
				for {
					out, err := e.ListObjects(e.ctx(), &v1)
					if err != nil {
						t.Fatal(err)
					}
					for _, o := range out.Contents {
						keys = append(keys, *o.Key)
					}
					for _, p := range out.CommonPrefixes {
						prefixes = append(prefixes, *p.Prefix)
					}
					if !*out.IsTruncated {
						break
					}
					if aws.ToString(c.in.Delimiter) == "" {
						if out.NextMarker != nil {
							t.Fatal("a next marker without a delimiter")
						}
						out.NextMarker = out.Contents[len(out.Contents)-1].Key
					}
					v1.Marker = out.NextMarker
				}
				if !slices.Equal(keys, c.keys) || !slices.Equal(prefixes, c.prefixes) {
					t.Errorf("version 1, pages of %d: keys %q prefixes %q", n, keys, prefixes)
				}
			}
		})
	}
	_, err := e.ListObjectsV2(e.ctx(), &awss3.ListObjectsV2Input{Bucket: &b, ContinuationToken: aws.String("~")})
	wantCode(t, err, "InvalidArgument")
	_, err = e.ListObjectsV2(e.ctx(), &awss3.ListObjectsV2Input{Bucket: aws.String("no-such")})
	wantCode(t, err, "NoSuchBucket")

	versions, err := e.ListObjectVersions(e.ctx(), &awss3.ListObjectVersionsInput{Bucket: &b})
	if err != nil {
		t.Fatal(err)
	}
	if len(versions.Versions) != 10 || *versions.Versions[0].VersionId != "null" {
		t.Errorf("versions: %v", versions.Versions)
	}
}

// A listing with a delimiter must not read the keys it does not show: many keys under
// a few prefixes are listed by seeking.
func TestAListingSkipsWhatItDoesNotShow(t *testing.T) {
	e := start(t)
	b := e.bucket("many")
	id, err := e.svc.bucketID(e.ctx(), b)
	if err != nil {
		t.Fatal(err)
	}
	fillBucket(t, e.db, id, 20_000)
	p, err := e.svc.scan(t.Context(), id, "", "/", "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, en := range p.entries {
		if !en.prefix {
			t.Errorf("%q is no common prefix", en.key)
		}
	}
	if len(p.entries) != 10 || p.truncated {
		t.Errorf("%d common prefixes (truncated %t), want 10", len(p.entries), p.truncated)
	}
	if limit := 10 * (skipAfter + 1); p.read > limit {
		t.Errorf("%d rows were read, want at most %d", p.read, limit)
	}
	out, err := e.ListObjectsV2(e.ctx(), &awss3.ListObjectsV2Input{Bucket: &b, Prefix: aws.String("dir5/"), StartAfter: aws.String("dir5/000990")})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Contents) != 1000 || *out.Contents[0].Key != "dir5/000991" {
		t.Errorf("%d keys from %s", len(out.Contents), *out.Contents[0].Key)
	}
}

func FuzzScan(f *testing.F) {
	f.Add("a/b\x00a\x00b/c\x00b", "", "/", "", uint8(1))
	f.Add("x\x00xx\x00xxx", "x", "x", "xx", uint8(2))
	f.Add("é/1\x00é/2", "é", "/", "", uint8(3))
	dir := f.TempDir()
	e := newBare(f, dir)
	f.Fuzz(func(t *testing.T, joined, prefix, delimiter, after string, limit uint8) {
		keys := map[string]bool{}
		for k := range strings.SplitSeq(joined, "\x00") {
			if k = strings.ToValidUTF8(k, ""); k != "" {
				keys[k] = true
			}
		}
		prefix, delimiter, after = strings.ToValidUTF8(prefix, ""), strings.ToValidUTF8(delimiter, ""), strings.ToValidUTF8(after, "")
		n := int(limit)%5 + 1
		id := e.refill(t, keys)
		var got []string
		pages := 0
		for at := after; ; {
			if pages++; pages > len(keys)+1 {
				t.Fatalf("page %d of %d keys: the listing makes no headway", pages, len(keys))
			}
			p, err := e.svc.scan(t.Context(), id, prefix, delimiter, at, n)
			if err != nil {
				t.Fatal(err)
			}
			if len(p.entries) > n {
				t.Fatalf("%d entries, limit %d", len(p.entries), n)
			}
			for _, en := range p.entries {
				got = append(got, en.key)
			}
			if !p.truncated {
				break
			}
			at = p.last()
		}
		if want := plainListing(keys, prefix, delimiter, after); !slices.Equal(got, want) {
			t.Errorf("keys %v prefix %q delimiter %q after %q by %d: %q, want %q", keys, prefix, delimiter, after, n, got, want)
		}
	})
}

// plainListing is what scan shall find, found without an index.
func plainListing(keys map[string]bool, prefix, delimiter, after string) []string {
	var all []string
	for k := range keys {
		all = append(all, k)
	}
	sort.Strings(all)
	var out []string
	for _, k := range all {
		if !strings.HasPrefix(k, prefix) || k <= after {
			continue
		}
		entry := k
		if delimiter != "" {
			if head, _, ok := strings.Cut(k[len(prefix):], delimiter); ok {
				entry = prefix + head + delimiter
			}
		}
		if entry == after || len(out) > 0 && out[len(out)-1] == entry {
			continue
		}
		out = append(out, entry)
	}
	return out
}

// A listing that is not asked to encode keys tells them as they are, also where XML has
// no form for them: never another key in their place.
func TestControlCharactersInListings(t *testing.T) {
	e := start(t)
	b := e.bucket("control")
	const key = "a\x01b\x1f/c\n"
	e.put(b, key, []byte("x"))
	e.begin(b, key)
	for query, want := range map[string]string{
		"":                              "<Key>a&#x1;b&#x1f;/c&#xA;</Key>",
		"list-type=2&delimiter=/":       "<Prefix>a&#x1;b&#x1f;/</Prefix>",
		"versions":                      "<Key>a&#x1;b&#x1f;/c&#xA;</Key>",
		"versions&delimiter=/":          "<Prefix>a&#x1;b&#x1f;/</Prefix>",
		"uploads":                       "<Key>a&#x1;b&#x1f;/c&#xA;</Key>",
		"list-type=2&encoding-type=url": "<Key>a%01b%1F/c%0A</Key>",
	} {
		if _, text := e.ask("GET", "/"+b+"?"+query); !strings.Contains(string(text), want) {
			t.Errorf("%q: %s", query, text)
		}
	}
}
