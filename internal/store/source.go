package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/telemetry"
)

// Source is an original, opened for reading.
type Source struct {
	Body         io.ReadCloser // the caller closes it, and bounds what it reads
	Size         int64         // bytes, as the headers announce
	ETag         string        // without quotes
	VersionID    string        // empty in an unversioned bucket
	ContentType  string        // as the uploader said; no defence
	LastModified time.Time
	Archived     bool              // of Stat: it lies in an archive, and nobody has restored it
	Recipe       string            // empty: the default recipe
	Params       map[string]string // raw, as uploaded; nil: the defaults
	// MetaErr says why the recipe's parameters in the object's metadata cannot be read:
	// a permanent *fault.Error with CodeBadParameter. The object itself is readable.
	MetaErr error
	// Traceparent is the trace that the object's metadata name: untrusted, often empty.
	Traceparent string
}

// OpenSource opens the original at key. With an ETag it opens exactly that content:
// ErrChanged where another has taken its place. ErrGone where there is none.
func (s *Store) OpenSource(ctx context.Context, key, etag string) (*Source, error) {
	in := &s3.GetObjectInput{Bucket: &s.opts.UploadsBucket, Key: &key}
	if etag != "" {
		in.IfMatch = aws.String(quoteETag(etag))
	}
	return s.open(ctx, in)
}

// OpenAsset opens a further picture in the uploads bucket, a watermark for instance. It is
// nil, without an error, where its ETag is still the one that is known. ErrGone where there
// is none.
func (s *Store) OpenAsset(ctx context.Context, key, knownETag string) (*Source, error) {
	in := &s3.GetObjectInput{Bucket: &s.opts.UploadsBucket, Key: &key}
	if knownETag != "" {
		in.IfNoneMatch = aws.String(quoteETag(knownETag))
	}
	src, err := s.open(ctx, in)
	if status, _ := code(err); status == http.StatusNotModified {
		return nil, nil
	}
	return src, err
}

func (s *Store) open(ctx context.Context, in *s3.GetObjectInput) (*Source, error) {
	op := "fetch s3://" + s.opts.UploadsBucket + "/" + aws.ToString(in.Key)
	out, err := s.client.GetObject(ctx, in, func(o *s3.Options) {
		// TCP and TLS see to what is damaged on its way; computing S3's own checksum once more
		// would cost as much as everything else about a download (docs/adr/0036).
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	})
	if err != nil {
		if is404(err) {
			return nil, sentinel(op, ErrGone, fault.CodeSourceGone, "the original was deleted before it was processed", err)
		}
		if status, c := code(err); status == http.StatusPreconditionFailed || c == "PreconditionFailed" {
			return nil, sentinel(op, ErrChanged, fault.CodeSourceGone, "the original was overwritten by a newer upload", err)
		}
		return nil, ofThisObject(op, err)
	}
	src := &Source{
		Body:         &classifiedBody{ReadCloser: out.Body, op: op},
		Size:         aws.ToInt64(out.ContentLength),
		ETag:         bareETag(aws.ToString(out.ETag)),
		VersionID:    realVersion(aws.ToString(out.VersionId)),
		ContentType:  aws.ToString(out.ContentType),
		LastModified: aws.ToTime(out.LastModified),
	}
	src.Recipe, src.Params, src.MetaErr = decodeMeta(out.Metadata)
	src.Traceparent = traceparentOf(out.Metadata)
	return src, nil
}

// classifiedBody makes what goes wrong while reading a fault as well.
type classifiedBody struct {
	io.ReadCloser
	op string
}

func (b *classifiedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = whileReading(b.op, err)
	}
	return n, err
}

// PutSource is an upload that goes through us.
type PutSource struct {
	Key         string        // from UploadKey
	Body        io.ReadSeeker // rewound when an attempt is repeated
	Size        int64         // bytes of Body
	ContentType string
	Recipe      string            // empty: the default recipe
	Params      map[string]string // raw
}

// Stored is what an object is known by once it is stored.
type Stored struct {
	ETag      string // without quotes
	VersionID string // empty in an unversioned bucket
}

// PutSource stores an original. When it returns without an error the object is durable and
// its event, where the bucket has a notification, is on its way.
func (s *Store) PutSource(ctx context.Context, in PutSource) (Stored, error) {
	op := "store s3://" + s.opts.UploadsBucket + "/" + in.Key
	meta, err := encodeMeta(in.Recipe, in.Params)
	if err != nil {
		return Stored{}, err
	}
	traceMeta(ctx, meta)
	out, err := s.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket:        &s.opts.UploadsBucket,
		Key:           &in.Key,
		Body:          in.Body,
		ContentLength: &in.Size,
		ContentType:   aws.String(cleanType(in.ContentType)),
		Metadata:      meta,
	})
	if err != nil {
		return Stored{}, classify(op, err)
	}
	return Stored{ETag: bareETag(aws.ToString(out.ETag)), VersionID: realVersion(aws.ToString(out.VersionId))}, nil
}

// Touch sends the original of id through the pipeline again: it is copied onto itself,
// which is a new ObjectCreated:Copy event. The new recipe and params take the place of
// the old ones; an empty recipe with nil params keeps them. ErrNotFound where there
// is no such image, ErrConflict where it was overwritten meanwhile.
func (s *Store) Touch(ctx context.Context, id, recipe string, params map[string]string) error {
	info, err := s.KeyOf(ctx, id)
	if err != nil {
		return err
	}
	op := "repeat s3://" + s.opts.UploadsBucket + "/" + info.Key
	head, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.opts.UploadsBucket, Key: &info.Key})
	if err != nil {
		if is404(err) {
			return sentinel(op, ErrNotFound, fault.CodeNotFound, "there is no such image", err)
		}
		return classify(op, err)
	}
	meta := map[string]string{}
	for k, v := range head.Metadata {
		meta[strings.ToLower(k)] = v
	}
	if recipe != "" || params != nil {
		delete(meta, metaRecipe)
		delete(meta, metaParams)
		ours, err := encodeMeta(recipe, params)
		if err != nil {
			return err
		}
		for k, v := range ours {
			meta[k] = v
		}
	}
	delete(meta, telemetry.Traceparent) // that of the time before
	traceMeta(ctx, meta)
	_, err = s.client.CopyObject(ctx, &s3.CopyObjectInput{
		Bucket:            &s.opts.UploadsBucket,
		Key:               &info.Key,
		CopySource:        aws.String(copySource(s.opts.UploadsBucket, info.Key)),
		CopySourceIfMatch: head.ETag,
		MetadataDirective: types.MetadataDirectiveReplace,
		Metadata:          meta,
		ContentType:       head.ContentType,
		CacheControl:      head.CacheControl,
		StorageClass:      head.StorageClass, // the directive replaces this as well
	})
	if err != nil {
		if status, _ := code(err); status == http.StatusPreconditionFailed {
			return sentinel(op, ErrConflict, fault.CodeBadRequest, "the original was overwritten in the meantime: try again", err)
		}
		if is404(err) {
			return sentinel(op, ErrNotFound, fault.CodeNotFound, "there is no such image", err)
		}
	}
	return classify(op, err)
}

// copySource is the x-amz-copy-source of an object: each segment escaped, slashes kept.
func copySource(bucket, key string) string {
	segments := strings.Split(key, "/")
	for i, seg := range segments {
		segments[i] = url.PathEscape(seg)
	}
	// PathEscape leaves "+" alone; servers differ in whether they read it as a space.
	return bucket + "/" + strings.ReplaceAll(strings.Join(segments, "/"), "+", "%2B")
}

func bareETag(etag string) string { return strings.Trim(strings.TrimPrefix(etag, "W/"), `"`) }

func quoteETag(etag string) string { return fmt.Sprintf("%q", bareETag(etag)) }

// realVersion drops the version "null", which S3 reports for objects from before
// versioning and which is no identity.
func realVersion(v string) string {
	if v == "null" {
		return ""
	}
	return v
}
