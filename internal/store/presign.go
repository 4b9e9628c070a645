package store

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/tintype/tintype/internal/fault"
)

// PresignUpload says what a browser may upload.
type PresignUpload struct {
	Key         string // from UploadKey
	ContentType string
	Recipe      string            // empty: the default recipe
	Params      map[string]string // raw
	MaxBytes    int64             // the largest file that S3 will take
}

// Form is a presigned POST: a multipart/form-data request to URL with Fields, in any
// order, and then the bytes as the field "file", last.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-UsingHTTPPOST.html
type Form struct {
	URL    string            `json:"url"`
	Fields map[string]string `json:"fields"`
}

// PresignUpload lets a browser upload straight to S3. The form's signed policy binds
// bucket, key, size (1 byte to MaxBytes), content type, recipe and params: none of them
// can be changed by who holds the form.
func (s *Store) PresignUpload(ctx context.Context, in PresignUpload) (Form, error) {
	op := "presign upload to s3://" + s.opts.UploadsBucket + "/" + in.Key
	if in.MaxBytes < 1 {
		return Form{}, &fault.Error{Op: op, Kind: fault.Bug, Code: fault.CodeInternal, Message: fmt.Sprintf("an upload of at most %d bytes makes no sense", in.MaxBytes)}
	}
	meta, err := encodeMeta(in.Recipe, in.Params)
	if err != nil {
		return Form{}, err
	}
	fields := map[string]string{"Content-Type": cleanType(in.ContentType)}
	for k, v := range meta {
		fields[metaPrefix+k] = v
	}
	conditions := []any{[]any{"content-length-range", 1, in.MaxBytes}}
	for _, name := range []string{"key", "Content-Type", metaPrefix + metaRecipe, metaPrefix + metaParams} {
		value, ok := fields[name]
		if name == "key" {
			value, ok = in.Key, true
		}
		if !ok {
			continue
		}
		// The policy's own rules ask for \u escapes outside ASCII:
		// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
		text, err := asciiJSON(value)
		if err != nil {
			return Form{}, classify(op, err)
		}
		conditions = append(conditions, map[string]any{name: json.RawMessage(text)})
	}
	post, err := s.presign.PresignPostObject(ctx, &s3.PutObjectInput{Bucket: &s.opts.UploadsBucket, Key: &in.Key},
		func(o *s3.PresignPostOptions) {
			o.Conditions = conditions
			o.Expires = s.opts.PresignTTL
			o.PostPresigner = punctualPost{o.PostPresigner, s.clock}
		})
	if err != nil {
		return Form{}, classify(op, err)
	}
	for k, v := range post.Values {
		fields[k] = v
	}
	return Form{URL: post.URL, Fields: fields}, nil
}

// imageTypes are the types under which an original may be shown in place. Originals are
// untrusted: whatever type their uploader claimed, a browser is told one of these, or
// bytes. SVG and HTML, which can carry scripts, are not among them.
var imageTypes = map[string]string{
	".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".gif": "image/gif", ".webp": "image/webp",
	".avif": "image/avif", ".tif": "image/tiff", ".tiff": "image/tiff", ".heic": "image/heic", ".heif": "image/heif", ".bmp": "image/bmp",
}

// PresignGet returns a URL under which anybody can read one object for as long as
// PresignTTL says. With a downloadName browsers save it under that name instead of
// showing it.
func (s *Store) PresignGet(ctx context.Context, bucket Which, key, downloadName string) (string, error) {
	in := &s3.GetObjectInput{Bucket: aws.String(s.Bucket(bucket)), Key: &key}
	if bucket == Uploads {
		in.ResponseContentType = aws.String("application/octet-stream")
		if t, ok := imageTypes[strings.ToLower(path.Ext(key))]; ok {
			in.ResponseContentType = &t
		}
	}
	if downloadName != "" {
		in.ResponseContentDisposition = aws.String(attachment(downloadName))
	}
	req, err := s.presign.PresignGetObject(ctx, in)
	if err != nil {
		return "", classify("presign s3://"+s.Bucket(bucket)+"/"+key, err)
	}
	return req.URL, nil
}

// attachment is a Content-Disposition for a file name of any origin: a plain ASCII name
// for old clients, then the exact one (RFC 6266, section 5; RFC 5987, section 3.2).
func attachment(name string) string {
	name = strings.TrimPrefix(UploadKey("", name), "/") // the same rules as for keys: no path, no control characters
	plain := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`"\%`, r) {
			return '_'
		}
		return r
	}, name)
	var exact strings.Builder
	for _, b := range []byte(name) {
		if b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || strings.IndexByte("!#$&+-.^_`|~", b) >= 0 {
			exact.WriteByte(b)
		} else {
			fmt.Fprintf(&exact, "%%%02X", b)
		}
	}
	return `attachment; filename="` + plain + `"; filename*=UTF-8''` + exact.String()
}
