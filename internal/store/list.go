package store

import (
	"context"
	"encoding/base64"
	"errors"
	"iter"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/tintype/tintype/internal/fault"
)

// maxPage is the most that one call of List returns; S3 lists no more at once.
const maxPage = 1000

// SourceInfo is what is known of an original without reading it.
type SourceInfo struct {
	ID           string // IDForKey(Key)
	Key          string
	Size         int64  // bytes
	ETag         string // without quotes
	LastModified time.Time
}

// KeyOf finds the original of an image; ErrNotFound where there is none.
//
// For ids of our own it lists the id's prefix and for "k-" ids it decodes the key: one
// request each. An "h-" id is a hash: its manifest names the key; without a manifest the
// uploads bucket is searched.
func (s *Store) KeyOf(ctx context.Context, id string) (SourceInfo, error) {
	found, err := s.keysOf(ctx, id)
	if err != nil {
		return SourceInfo{}, err
	}
	return found[0], nil
}

// keysOf finds every original of an id: one, unless somebody put a second file under
// the prefix of an upload by hand. The newest comes first.
func (s *Store) keysOf(ctx context.Context, id string) ([]SourceInfo, error) {
	op := "find image " + clip(id, 64)
	none := sentinel(op, ErrNotFound, fault.CodeNotFound, "there is no such image", nil)
	if !ValidID(id) {
		return nil, none
	}
	switch {
	case strings.HasPrefix(id, "k-"):
		key, _ := plainKey(id)
		info, err := s.head(ctx, key)
		return []SourceInfo{info}, err
	case strings.HasPrefix(id, "h-"):
		if m, _, err := s.Manifest(ctx, id); err == nil && IDForKey(m.Source.Key) == id {
			info, err := s.head(ctx, m.Source.Key)
			return []SourceInfo{info}, err
		} else if err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrUnreadable) {
			return nil, err
		}
		for info, err := range s.scan(ctx, s.opts.UploadsBucket, "", "", 0) {
			if err != nil {
				return nil, err
			}
			if info.ID == id {
				return []SourceInfo{info}, nil
			}
		}
		return nil, none
	}
	var found []SourceInfo
	for info, err := range s.scan(ctx, s.opts.UploadsBucket, id+"/", "", 0) {
		if err != nil {
			return nil, err
		}
		if info.ID != id { // "<id>/dir/name" is another image
			continue
		}
		found = append(found, info)
		if last := len(found) - 1; info.LastModified.After(found[0].LastModified) {
			found[0], found[last] = found[last], found[0]
		}
	}
	if len(found) == 0 {
		return nil, none
	}
	return found, nil
}

// head looks at one original.
func (s *Store) head(ctx context.Context, key string) (SourceInfo, error) {
	op := "look at s3://" + s.opts.UploadsBucket + "/" + key
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.opts.UploadsBucket, Key: &key})
	if err != nil {
		if is404(err) {
			return SourceInfo{}, sentinel(op, ErrNotFound, fault.CodeNotFound, "there is no such image", err)
		}
		return SourceInfo{}, classify(op, err)
	}
	return SourceInfo{
		ID: IDForKey(key), Key: key, Size: aws.ToInt64(out.ContentLength),
		ETag: bareETag(aws.ToString(out.ETag)), LastModified: aws.ToTime(out.LastModified),
	}, nil
}

// List returns a page of originals in the order of their keys, which for uploads of our
// own is newest first. Cursor is empty for the first page, then the next that the page
// before returned; next is empty after the last page. Limit is cut to 1–1000.
func (s *Store) List(ctx context.Context, cursor string, limit int) (page []SourceInfo, next string, err error) {
	limit = min(max(limit, 1), maxPage)
	after, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(after) > maxKeyBytes {
		return nil, "", fault.Permanentf(fault.CodeBadRequest, "the cursor %q is none that was given out", clip(cursor, 64))
	}
	// One more than asked for tells whether there is a next page.
	for info, err := range s.scan(ctx, s.opts.UploadsBucket, "", string(after), int32(min(limit+1, maxPage))) {
		if err != nil {
			return nil, "", err
		}
		if len(page) == limit {
			return page, CursorAfter(page[limit-1].Key), nil
		}
		page = append(page, info)
	}
	return page, "", nil
}

// CursorAfter is the cursor with which List goes on after a key.
func CursorAfter(key string) string { return base64.RawURLEncoding.EncodeToString([]byte(key)) }

// scan yields every object under prefix whose key is greater than after. Page is how
// many are asked for at a time, 0 for S3's own 1,000.
func (s *Store) scan(ctx context.Context, bucket, prefix, after string, page int32) iter.Seq2[SourceInfo, error] {
	return func(yield func(SourceInfo, error) bool) {
		for o, err := range s.objects(ctx, bucket, prefix, after, page) {
			if err != nil {
				yield(SourceInfo{}, err)
				return
			}
			if !yield(SourceInfo{ID: IDForKey(o.Key), Key: o.Key, Size: o.Size, ETag: o.ETag, LastModified: o.LastModified}, nil) {
				return
			}
		}
	}
}
