package s3

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/xml"
	"strconv"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/s3api/controllers"
	"github.com/versity/versitygw/s3response"
)

// own lets the backend choose the document that is answered: versitygw's own structs
// have elements that S3 leaves out where they say nothing, and other forms of times.
func own(do controllers.Controller) controllers.Controller {
	return func(c fiber.Ctx) (*controllers.Response, error) {
		args := c.Request().URI().QueryArgs()
		if v := args.Peek("encoding-type"); args.Has("encoding-type") && string(v) != "url" {
			return &controllers.Response{}, badArgument("encoding-type", string(v), "Invalid Encoding Method specified in Request")
		}
		resp, err := do(c)
		if r, ok := resp.Data.(s3response.DeleteResult); err == nil && ok {
			resp.Data = deletedDoc{DeleteResult: r} // in S3's namespace
		}
		if doc := requestOf(c.RequestCtx()).answer; err == nil && doc != nil {
			resp.Data = doc
			if _, encoded := doc.([]byte); encoded {
				c.Response().Header.SetContentType(fiber.MIMEApplicationXML)
			}
		}
		return resp, err
	}
}

type deletedDoc struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ DeleteResult"`
	s3response.DeleteResult
}

// document writes XML. Listings of a thousand keys are written with it, because
// encoding/xml takes several times as long.
type document struct{ bytes.Buffer }

func newDocument(root string) *document {
	var d document
	d.WriteString(xml.Header)
	d.WriteString("<" + root + ` xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`)
	return &d
}

// put writes an element with text.
func (d *document) put(name, text string) {
	d.WriteByte('<')
	d.WriteString(name)
	d.WriteByte('>')
	escape(&d.Buffer, text)
	d.end(name)
}

// some writes the element where there is text.
func (d *document) some(name, text string) {
	if text != "" {
		d.put(name, text)
	}
}

func (d *document) number(name string, n int64) { d.put(name, strconv.FormatInt(n, 10)) }
func (d *document) truth(name string, b bool)   { d.put(name, strconv.FormatBool(b)) }

func (d *document) begin(name string) {
	d.WriteByte('<')
	d.WriteString(name)
	d.WriteByte('>')
}

func (d *document) end(name string) {
	d.WriteString("</")
	d.WriteString(name)
	d.WriteByte('>')
}

// listTime is a time in the form of listings.
type listTime time.Time

// MarshalText is for encoding/xml.
func (t listTime) MarshalText() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat(nil, "2006-01-02T15:04:05.000Z"), nil
}

func (t listTime) String() string {
	b, _ := t.MarshalText() // never fails
	return string(b)
}

// page writes what a listing found.
func (d *document) page(p page, req *request, owner string) {
	for _, e := range p.entries {
		if e.prefix {
			continue
		}
		d.begin("Contents")
		d.put("Key", *req.encode(e.key))
		d.put("LastModified", listTime(e.modified).String())
		d.put("ETag", `"`+e.etag+`"`)
		d.some("ChecksumAlgorithm", string(e.checksum.Algorithm))
		d.some("ChecksumType", string(e.checksum.Type))
		d.number("Size", e.size)
		if owner != "" {
			d.begin("Owner")
			d.put("ID", owner)
			d.end("Owner")
		}
		d.put("StorageClass", string(e.class))
		d.end("Contents")
	}
	for _, e := range p.entries {
		if e.prefix {
			d.begin("CommonPrefixes")
			d.put("Prefix", *req.encode(e.key))
			d.end("CommonPrefixes")
		}
	}
}

// ListObjects lists keys, version 1.
// Format: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html
func (s store) ListObjects(ctx context.Context, in *awss3.ListObjectsInput) (none s3response.ListObjectsResult, err error) {
	id, err := s.bucketID(ctx, *in.Bucket)
	if err != nil {
		return none, err
	}
	req := requestOf(ctx)
	prefix, delimiter, marker := deref(in.Prefix), deref(in.Delimiter), deref(in.Marker)
	p, err := s.scan(req.ctx, id, prefix, delimiter, pastPrefix(marker, prefix, delimiter), int(*in.MaxKeys))
	if err != nil {
		return none, err
	}
	d := newDocument("ListBucketResult")
	d.put("Name", *in.Bucket)
	d.put("Prefix", *req.encode(prefix))
	d.put("Marker", *req.encode(marker))
	if p.truncated && delimiter != "" { // without one the last key is the marker
		d.put("NextMarker", *req.encode(p.last()))
	}
	d.number("MaxKeys", int64(*in.MaxKeys))
	d.some("Delimiter", *req.encode(delimiter))
	d.some("EncodingType", string(req.encodingType()))
	d.truth("IsTruncated", p.truncated)
	d.page(p, req, s.owner)
	d.end("ListBucketResult")
	req.answer = d.Bytes()
	return none, nil
}

// pastPrefix is a marker that is under a common prefix as S3 takes it: what is left
// under that prefix was listed with it.
func pastPrefix(marker, prefix, delimiter string) string {
	if common, ok := commonPrefix(marker, prefix, delimiter); ok {
		return common
	}
	return marker
}

// objectsV2 is the outcome of a listing, version 2.
type objectsV2 struct {
	page
	next string // continuation token; empty: there is no more
}

// ListObjectsV2 lists keys, version 2.
// Format: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
func (s store) ListObjectsV2(ctx context.Context, in *awss3.ListObjectsV2Input) (none s3response.ListObjectsV2Result, err error) {
	p, err := s.objectsV2(ctx, in)
	if err != nil {
		return none, err
	}
	req := requestOf(ctx)
	d := newDocument("ListBucketResult")
	d.put("Name", *in.Bucket)
	d.put("Prefix", *req.encode(deref(in.Prefix)))
	if token := deref(in.ContinuationToken); token != "" {
		d.put("ContinuationToken", token)
	} else {
		d.some("StartAfter", *req.encode(deref(in.StartAfter)))
	}
	d.some("NextContinuationToken", p.next)
	d.number("KeyCount", int64(len(p.entries)))
	d.number("MaxKeys", int64(*in.MaxKeys))
	d.some("Delimiter", *req.encode(deref(in.Delimiter)))
	d.some("EncodingType", string(req.encodingType()))
	d.truth("IsTruncated", p.truncated)
	owner := ""
	if deref(in.FetchOwner) {
		owner = s.owner
	}
	d.page(p.page, req, owner)
	d.end("ListBucketResult")
	req.answer = d.Bytes()
	return none, nil
}

func (s *Service) objectsV2(ctx context.Context, in *awss3.ListObjectsV2Input) (p objectsV2, err error) {
	id, err := s.bucketID(ctx, *in.Bucket)
	if err != nil {
		return p, err
	}
	req := requestOf(ctx)
	after := deref(in.StartAfter)
	if token := deref(in.ContinuationToken); token != "" || req.emptyToken {
		raw, err := base64.URLEncoding.DecodeString(token)
		if err != nil || len(raw) == 0 {
			return p, invalidArgument("continuation-token", token, "The continuation token provided is incorrect")
		}
		after = string(raw)
	}
	if p.page, err = s.scan(req.ctx, id, deref(in.Prefix), deref(in.Delimiter), after, int(*in.MaxKeys)); err == nil && p.truncated {
		p.next = base64.URLEncoding.EncodeToString([]byte(p.last()))
	}
	return p, err
}
