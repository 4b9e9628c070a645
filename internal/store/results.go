package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/recipe"
)

// maxManifest bounds what is read as a manifest, in bytes; real ones have a few thousand.
const maxManifest = 1 << 20

// PutOutput stores one output in the results bucket and returns the SHA-256 of its bytes, in
// hexadecimal. Without TLS the signature wants the same hash; it is computed once.
func (s *Store) PutOutput(ctx context.Context, key, contentType string, body []byte) (string, error) {
	sum := sha256.Sum256(body)
	digest := hex.EncodeToString(sum[:])
	_, err := s.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket:        &s.opts.ResultsBucket,
		Key:           &key,
		Body:          bytes.NewReader(body),
		ContentLength: aws.Int64(int64(len(body))),
		ContentType:   &contentType,
		// The key changes whenever the content does.
		CacheControl: aws.String("private, max-age=31536000, immutable"),
	}, s3.WithAPIOptions(payloadHash(digest)))
	return digest, classify("store s3://"+s.opts.ResultsBucket+"/"+key, err)
}

// payloadHash tells the signer the hash of a request's body, where it signs one.
func payloadHash(digest string) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("KnownPayloadHash",
			func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
				return next.HandleInitialize(v4.SetPayloadHash(ctx, digest), in)
			}), middleware.Before)
	}
}

// Manifest reads an image's manifest and its ETag, which a later CommitManifest takes.
// ErrNotFound where there is none. ErrUnreadable, together with the ETag, where something
// else stands in its place.
func (s *Store) Manifest(ctx context.Context, id string) (*recipe.Manifest, string, error) {
	key := ManifestKey(id)
	op := "read s3://" + s.opts.ResultsBucket + "/" + key
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.opts.ResultsBucket, Key: &key})
	if err != nil {
		if is404(err) {
			return nil, "", sentinel(op, ErrNotFound, fault.CodeNotFound, "there is no result for this image", err)
		}
		return nil, "", classify(op, err)
	}
	defer out.Body.Close()
	etag := bareETag(aws.ToString(out.ETag))
	body, err := io.ReadAll(io.LimitReader(out.Body, maxManifest+1))
	if err != nil {
		return nil, "", classify(op, err)
	}
	var m recipe.Manifest
	switch err := json.Unmarshal(body, &m); {
	case len(body) > maxManifest:
		return nil, etag, unreadable(op, fmt.Errorf("%w: over %d bytes", ErrUnreadable, maxManifest))
	case err != nil:
		return nil, etag, unreadable(op, fmt.Errorf("%w: %w", ErrUnreadable, err))
	case m.Version > recipe.ManifestVersion:
		return nil, etag, &fault.Error{Op: op, Kind: fault.Bug, Code: fault.CodeInternal,
			Message: fmt.Sprintf("the result was written by a newer program (manifest version %d, known here: %d)", m.Version, recipe.ManifestVersion),
			Hint:    "run the same version of tintype everywhere"}
	case m.Version >= 1 && m.ID != id && ValidID(m.ID):
		return nil, etag, unreadable(op, fmt.Errorf("%w: %w: it has the id %q", ErrUnreadable, ErrMisplaced, m.ID))
	case m.Version >= 1 && m.ID == id && IDForKey(m.Source.Key) != id:
		return nil, etag, unreadable(op, fmt.Errorf("%w: %w: it is of the original %q", ErrUnreadable, ErrMisplaced, clip(m.Source.Key, 200)))
	case m.Version < 1 || m.ID != id:
		return nil, etag, unreadable(op, fmt.Errorf("%w: it has version %d and id %q", ErrUnreadable, m.Version, clip(m.ID, 64)))
	}
	return &m, etag, nil
}

func unreadable(op string, err error) error {
	return &fault.Error{Op: op, Kind: fault.Bug, Code: fault.CodeInternal, Message: "what stands in the manifest's place is no manifest",
		Hint: "sending the image through again replaces it", Err: err}
}

// CommitManifest writes m, provided that nothing changed since the caller looked: with an
// empty prevETag there must be no manifest yet, else its ETag must still be prevETag.
// ErrConflict where that does not hold. A conflict can also be the caller's own write,
// stored by an attempt whose answer was lost: read again, then decide.
func (s *Store) CommitManifest(ctx context.Context, m *recipe.Manifest, prevETag string) error {
	key := ManifestKey(m.ID)
	op := "commit s3://" + s.opts.ResultsBucket + "/" + key
	body, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return &fault.Error{Op: op, Kind: fault.Bug, Code: fault.CodeInternal, Message: "the manifest cannot be encoded", Err: err}
	}
	in := &s3.PutObjectInput{
		Bucket:        &s.opts.ResultsBucket,
		Key:           &key,
		Body:          bytes.NewReader(body),
		ContentLength: aws.Int64(int64(len(body))),
		ContentType:   aws.String("application/json"),
		CacheControl:  aws.String("no-cache"),
	}
	if prevETag == "" {
		in.IfNoneMatch = aws.String("*")
	} else {
		in.IfMatch = aws.String(quoteETag(prevETag))
	}
	_, err = s.client.PutObject(ctx, in)
	if err == nil {
		return nil
	}
	status, c := code(err)
	// 412: the condition does not hold. 409: another conditional write was under way.
	// 404 on If-Match: the manifest was deleted in between.
	// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
	if status == http.StatusPreconditionFailed || status == http.StatusConflict || (prevETag != "" && status == http.StatusNotFound && c != "NoSuchBucket") {
		return &fault.Error{Op: op, Kind: fault.Retry, Code: fault.CodeUnavailable, Message: "somebody else wrote the result in between",
			Err: fmt.Errorf("%w: %w", ErrConflict, err)}
	}
	return classify(op, err)
}

// Delete removes an image: its outputs, its manifest and its original. The original goes
// after them because it is what the id leads to: after an interruption the same call finds it
// and finishes. An image that is not there is no error.
//
// A worker may be at the image meanwhile. It looks for the original once more after its
// commit; so what it commits before the original goes is found by the second look here, and
// what it commits afterwards it takes back itself.
func (s *Store) Delete(ctx context.Context, id string) error {
	if !ValidID(id) {
		return sentinel("delete "+clip(id, 64), ErrNotFound, fault.CodeNotFound, "there is no such image", nil)
	}
	// Found before anything is deleted: a hashed id may need the manifest to find its key.
	sources, err := s.keysOf(ctx, id)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if err := s.deleteResults(ctx, id, nil); err != nil || len(sources) == 0 {
		return err
	}
	keys := make([]string, len(sources))
	for i, src := range sources {
		keys[i] = src.Key
	}
	if err := s.deleteKeys(ctx, s.opts.UploadsBucket, keys); err != nil {
		return err
	}
	return s.deleteResults(ctx, id, func() (bool, error) {
		_, err := s.head(ctx, keys[0]) // not where somebody puts the same key there again
		return errors.Is(err, ErrNotFound), ignoreNotFound(err)
	})
}

// deleteResults deletes what there is under an id in the results bucket. Where there is
// something, still is asked first, if given, whether to.
func (s *Store) deleteResults(ctx context.Context, id string, still func() (bool, error)) error {
	var results []string
	for info, err := range s.scan(ctx, s.opts.ResultsBucket, id+"/", "", 0) {
		if err != nil {
			return err
		}
		results = append(results, info.Key)
	}
	if len(results) > 0 && still != nil {
		if ok, err := still(); err != nil || !ok {
			return err
		}
	}
	return s.deleteKeys(ctx, s.opts.ResultsBucket, results)
}

func ignoreNotFound(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// DeleteOutputs removes outputs from the results bucket; what is gone already is fine.
func (s *Store) DeleteOutputs(ctx context.Context, keys []string) error {
	return s.deleteKeys(ctx, s.opts.ResultsBucket, keys)
}

// deleteKeys deletes keys in batches of 1,000, S3's limit for one request. A single key
// goes by DeleteObject, because the body of the batch request is XML, which cannot
// carry every key S3 allows.
func (s *Store) deleteKeys(ctx context.Context, bucket string, keys []string) error {
	op := "delete from s3://" + bucket
	if len(keys) == 1 {
		_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: &keys[0]})
		if err != nil && is404(err) {
			return nil
		}
		return classify(op, err)
	}
	for len(keys) > 0 {
		batch := keys[:min(len(keys), 1000)]
		keys = keys[len(batch):]
		objects := make([]types.ObjectIdentifier, len(batch))
		for i := range batch {
			objects[i].Key = &batch[i]
		}
		out, err := s.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
			Bucket: &bucket, Delete: &types.Delete{Objects: objects, Quiet: aws.Bool(true)},
		})
		if err != nil {
			return classify(op, err)
		}
		for _, e := range out.Errors {
			if c := aws.ToString(e.Code); c != "NoSuchKey" {
				return &fault.Error{Op: op, Kind: fault.Retry, Code: fault.CodeUnavailable, Message: "not everything could be deleted: try again",
					Err: fmt.Errorf("%s: %s: %s", clip(aws.ToString(e.Key), 200), c, aws.ToString(e.Message))}
			}
		}
	}
	return nil
}
