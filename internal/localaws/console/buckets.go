package console

import (
	"bytes"
	"context"
	"fmt"
	"html/template"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/tintype/tintype/internal/localaws/s3"
)

func (c *Console) buckets(r *http.Request) (view, error) {
	l, after := place(r)
	lines, more, err := c.opts.S3.BucketPage(r.Context(), l.Filter, after, listLimit)
	if more {
		l.Next = address(r, "after", lines[len(lines)-1].Name)
	}
	l.Lines = lines
	return view{name: "buckets", page: page{Title: "Buckets", Here: "buckets", Fixed: after != ""}, Data: l}, err
}

type bucketData struct {
	s3.BucketView
	Targets []target
	Prefix  string
	Crumbs  []crumb
	Objects []objectLine
	Next    string
	First   string
}

// target is an entry of a notification configuration.
type target struct {
	s3.Destination
	Name string
	Link string // empty: it has no page
	Edge edge
}

// crumb is a part of a prefix, and the address of everything under it.
type crumb struct{ Name, Link string }

type objectLine struct {
	s3.ObjectLine
	Name string // what of the key comes after the prefix
	Link string
}

func (c *Console) bucket(r *http.Request) (view, error) {
	name, q := r.PathValue("bucket"), r.URL.Query()
	after := q.Get("after")
	d := &bucketData{Prefix: q.Get("prefix")}
	v := view{name: "bucket", page: page{Title: name, Here: "buckets", Fixed: after != ""}, Data: d}
	var err error
	if d.BucketView, err = c.opts.S3.BucketView(r.Context(), name); err != nil {
		return v, err
	}
	for _, to := range d.Notification {
		t := target{Destination: to, Name: bridgeName, Edge: c.eventEdge(name, to)}
		if to.Target != eventBridge {
			t.Name, t.Link = lastField(to.Target), c.linkOf(to.Target)
		}
		d.Targets = append(d.Targets, t)
	}
	lines, next, err := c.opts.S3.ObjectPage(r.Context(), name, d.Prefix, after, listLimit)
	if err != nil {
		return v, err
	}
	for _, o := range lines {
		l := objectLine{o, strings.TrimPrefix(o.Key, d.Prefix), objectLink(name, o.Key, "")}
		if o.Prefix {
			l.Link = bucketLink(name, o.Key)
		}
		if l.Name == "" {
			l.Name = path.Base(o.Key) + "/" // an object whose key is the prefix: what some tools make of a directory
		}
		d.Objects = append(d.Objects, l)
	}
	d.Crumbs = crumbs(name, d.Prefix)
	if next != "" {
		d.Next = address(r, "after", next)
	}
	if after != "" {
		d.First = address(r, "after", "")
	}
	return v, nil
}

// linkOf is the page of the topic or queue of an ARN.
func (c *Console) linkOf(arn string) string {
	name := url.PathEscape(lastField(arn))
	if strings.HasPrefix(arn, "arn:aws:sqs:") {
		return "/queues/" + name
	}
	return "/topics/" + name
}

func bucketLink(bucket, prefix string) string {
	return "/buckets/" + url.PathEscape(bucket) + "?prefix=" + url.QueryEscape(prefix)
}

func objectLink(bucket, key, version string) string {
	return "/buckets/" + url.PathEscape(bucket) + "/object?" + objectQuery(key, version)
}

func objectQuery(key, version string) string {
	q := url.Values{"key": {key}}
	if version != "" {
		q.Set("version", version)
	}
	return q.Encode()
}

// crumbs are the steps to a prefix. Only so many are links as fit a line.
func crumbs(bucket, prefix string) []crumb {
	const most = 12
	out := []crumb{{bucket, "/buckets/" + url.PathEscape(bucket)}}
	for at := 0; at < len(prefix); {
		end := strings.IndexByte(prefix[at:], '/')
		if end < 0 || len(out) == most {
			return append(out, crumb{prefix[at:], bucketLink(bucket, prefix)})
		}
		out = append(out, crumb{prefix[at : at+end+1], bucketLink(bucket, prefix[:at+end+1])})
		at += end + 1
	}
	return out
}

type objectData struct {
	*s3.ObjectView // nil: the latest version is a delete marker
	Bucket, Key    string
	Version        string // that was asked for
	Crumbs         []crumb
	Versions       []s3.VersionLine
	MoreVersions   bool
	Query          template.URL // of download and preview; made by url.Values
	Preview        bool
	Folder         string
}

// maxVersions is how many versions of an object are listed.
const maxVersions = 100

func (c *Console) object(r *http.Request) (view, error) {
	name, q := r.PathValue("bucket"), r.URL.Query()
	d := &objectData{Bucket: name, Key: q.Get("key"), Version: q.Get("version")}
	v := view{name: "object", page: page{Title: d.Key, Here: "buckets", Fixed: true}, Data: d}
	var err error
	if d.Versions, d.MoreVersions, err = c.opts.S3.Versions(r.Context(), name, d.Key, maxVersions); err != nil {
		return v, err
	}
	marker := len(d.Versions) > 0 && d.Version == "" && d.Versions[0].Marker
	if d.ObjectView, err = c.opts.S3.Object(r.Context(), name, d.Key, d.Version); err != nil && !marker {
		return v, err
	}
	d.Folder = d.Key[:strings.LastIndexByte(d.Key, '/')+1]
	d.Crumbs = crumbs(name, d.Folder)
	err = nil
	d.Query = template.URL(objectQuery(d.Key, d.Version))
	if d.ObjectView != nil && d.Size <= maxPreview {
		d.Preview, err = c.isPicture(r.Context(), name, d.Key, d.Version)
	}
	return v, err
}

func (c *Console) isPicture(ctx context.Context, bucket, key, version string) (bool, error) {
	o, err := c.opts.S3.OpenObject(ctx, bucket, key, version)
	if err != nil {
		return false, err
	}
	defer o.Body.Close()
	return pictureKind(beginning(o.Body)) != "", nil
}

// beginning reads as much as it takes to tell what something is.
func beginning(r io.Reader) []byte {
	head := make([]byte, 512)
	n, _ := io.ReadFull(r, head) // less is what there is
	return head[:n]
}

// maxPreview is the largest picture that is shown, bytes.
const maxPreview = 32 << 20

// pictures are the kinds of pictures that are shown: rasters alone, which cannot
// contain scripts.
var pictures = []string{"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp"}

// sealed makes an answer harmless that has bytes of an object: whatever they are, the
// browser takes them neither for a page nor for a script.
func sealed(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
}

// download gives an object's bytes, to be saved.
func (c *Console) download(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	o, err := c.opts.S3.OpenObject(r.Context(), r.PathValue("bucket"), q.Get("key"), q.Get("version"))
	if err != nil {
		c.fail(w, r, err)
		return
	}
	defer o.Body.Close()
	h := w.Header()
	sealed(h)
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Length", fmt.Sprint(o.Size))
	h.Set("Content-Disposition", attachment(path.Base(q.Get("key"))))
	_, _ = io.Copy(w, o.Body) // a client that left cannot be told
}

// attachment is the header that makes a browser save an answer under a name.
func attachment(name string) string {
	if v := mime.FormatMediaType("attachment", map[string]string{"filename": name}); v != "" {
		return v
	}
	return "attachment"
}

// preview gives an object's bytes to be shown, where they are a raster picture: by what
// they are, not by what the object says.
func (c *Console) preview(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	o, err := c.opts.S3.OpenObject(r.Context(), r.PathValue("bucket"), q.Get("key"), q.Get("version"))
	if err != nil {
		c.fail(w, r, err)
		return
	}
	defer o.Body.Close()
	head := beginning(o.Body)
	kind := pictureKind(head)
	if o.Size > maxPreview || kind == "" {
		c.problem(w, r, &problem{http.StatusUnsupportedMediaType, "This object is not shown.", "Only PNG, JPEG, GIF, WebP, AVIF and BMP pictures are; it can be downloaded."})
		return
	}
	h := w.Header()
	sealed(h)
	h.Set("Content-Type", kind)
	h.Set("Content-Length", fmt.Sprint(o.Size))
	_, _ = io.Copy(w, io.MultiReader(bytes.NewReader(head), o.Body)) // a client that left cannot be told
}

// pictureKind is the media type of a raster picture that begins so; empty for anything
// else.
func pictureKind(head []byte) string {
	if len(head) >= 12 && string(head[4:8]) == "ftyp" && (string(head[8:12]) == "avif" || string(head[8:12]) == "avis") {
		return "image/avif"
	}
	if kind := http.DetectContentType(head); slices.Contains(pictures, kind) {
		return kind
	}
	return ""
}

// QueryOf is the address of another version of the object.
func (d *objectData) QueryOf(version string) template.URL {
	return template.URL(objectQuery(d.Key, version))
}
