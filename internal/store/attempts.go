package store

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/tintype/tintype/internal/attempt"
	"github.com/tintype/tintype/internal/fault"
)

// OwnPrefix begins the keys in the results bucket that belong to no image. No image's id
// begins so: see ValidID.
const OwnPrefix = ".tintype/"

// attemptsPrefix begins the keys of the records of failed attempts.
const attemptsPrefix = OwnPrefix + "attempts/"

// AttemptsKey is the key, in the results bucket, of the record of a message's failed attempts.
func AttemptsKey(messageID string) string { return attemptsPrefix + messageID + ".json" }

// ValidMessageID reports whether id could be one of SQS's: letters, digits, "-" and "_", at
// most 100. What passes is safe in a key.
func ValidMessageID(id string) bool {
	if id == "" || len(id) > 100 {
		return false
	}
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

func noMessage(op string) error {
	return sentinel(op, ErrNotFound, fault.CodeNotFound, "no message has such an id", nil)
}

// Attempts reads the record of a message's failed attempts, and its ETag for PutAttempts.
// ErrNotFound where there is none. ErrUnreadable, together with the ETag, where what is
// there is no record.
func (s *Store) Attempts(ctx context.Context, messageID string) (*attempt.Record, string, error) {
	op := "read the attempts at message " + clip(messageID, 100)
	if !ValidMessageID(messageID) {
		return nil, "", noMessage(op)
	}
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.opts.ResultsBucket, Key: aws.String(AttemptsKey(messageID))})
	if err != nil {
		if is404(err) {
			return nil, "", sentinel(op, ErrNotFound, fault.CodeNotFound, "nothing is on record", err)
		}
		return nil, "", classify(op, err)
	}
	defer out.Body.Close()
	etag := bareETag(aws.ToString(out.ETag))
	body, err := io.ReadAll(io.LimitReader(out.Body, attempt.MaxBytes+1))
	if err != nil {
		return nil, "", classify(op, err)
	}
	r, err := attempt.Parse(body)
	if err == nil && r.MessageID != messageID {
		err = fmt.Errorf("%w: it is of message %q", attempt.ErrUnreadable, r.MessageID)
	}
	if err != nil {
		return nil, etag, &fault.Error{Op: op, Kind: fault.Permanent, Code: fault.CodeInternal, Message: "what stands in the record's place is none", Err: fmt.Errorf("%w: %w", ErrUnreadable, err)}
	}
	return r, etag, nil
}

// PutAttempts writes a record, provided that nothing changed since the caller looked: see
// CommitManifest. It returns the new ETag.
func (s *Store) PutAttempts(ctx context.Context, r *attempt.Record, prevETag string) (string, error) {
	op := "note the attempts at message " + clip(r.MessageID, 100)
	if !ValidMessageID(r.MessageID) {
		return "", noMessage(op)
	}
	body, err := r.Encode()
	if err != nil {
		return "", &fault.Error{Op: op, Kind: fault.Bug, Code: fault.CodeInternal, Message: "the record cannot be encoded", Err: err}
	}
	in := &s3.PutObjectInput{
		Bucket: &s.opts.ResultsBucket, Key: aws.String(AttemptsKey(r.MessageID)), Body: bytes.NewReader(body),
		ContentLength: aws.Int64(int64(len(body))), ContentType: aws.String("application/json"), CacheControl: aws.String("no-cache"),
	}
	if prevETag == "" {
		in.IfNoneMatch = aws.String("*")
	} else {
		in.IfMatch = aws.String(quoteETag(prevETag))
	}
	out, err := s.client.PutObject(ctx, in)
	if err == nil {
		return bareETag(aws.ToString(out.ETag)), nil
	}
	status, c := code(err)
	if status == http.StatusPreconditionFailed || status == http.StatusConflict || (prevETag != "" && status == http.StatusNotFound && c != "NoSuchBucket") {
		return "", &fault.Error{Op: op, Kind: fault.Retry, Code: fault.CodeUnavailable, Message: "somebody else wrote it in between", Err: fmt.Errorf("%w: %w", ErrConflict, err)}
	}
	return "", classify(op, err)
}

// DeleteAttempts removes the records of messages; one that is not there is no error.
func (s *Store) DeleteAttempts(ctx context.Context, messageIDs ...string) error {
	var keys []string
	for _, id := range messageIDs {
		if ValidMessageID(id) {
			keys = append(keys, AttemptsKey(id))
		}
	}
	return s.deleteKeys(ctx, s.opts.ResultsBucket, keys)
}

// SweepAttempts removes the records that have not been written to since before: of messages
// that left the queues unseen, because they were purged, moved by SQS itself, or kept for
// as long as a queue keeps anything. It returns how many there were.
func (s *Store) SweepAttempts(ctx context.Context, before time.Time) (int, error) {
	var old []string
	for info, err := range s.scan(ctx, s.opts.ResultsBucket, attemptsPrefix, "", 0) {
		if err != nil {
			return 0, err
		}
		if info.LastModified.Before(before) && strings.HasSuffix(info.Key, ".json") {
			old = append(old, info.Key)
		}
	}
	return len(old), s.deleteKeys(ctx, s.opts.ResultsBucket, old)
}
