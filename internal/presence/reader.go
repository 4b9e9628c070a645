package presence

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
)

const (
	// staleAfter is how many intervals a presence may be old; then its process counts as dead.
	staleAfter = 3
	// sweepAfter is the age from which a dead process's presence is deleted.
	sweepAfter = 10 * time.Minute
	// maxApps is how many presences are read: one page of S3's listing.
	maxApps = 1000
	// readers is how many presences are read at once.
	readers = 16
	// readTimeout bounds one look at all of them.
	readTimeout = 10 * time.Second
)

// Seen is a presence as a reader found it.
type Seen struct {
	App
	// Stale means that its process has not been heard of for three of its intervals, by S3's
	// own clock: most likely it was killed, or it cannot reach S3.
	Stale bool `json:"stale"`
}

// Alive reports whether the process takes work, as far as anybody can know.
func (s Seen) Alive() bool { return !s.Stale && !s.Draining }

// Workers is how many workers the living processes have together.
func Workers(apps []Seen) int {
	n := 0
	for _, a := range apps {
		if a.Alive() {
			n += a.Workers
		}
	}
	return n
}

// Named is an image in work, and the id of the app process that has it.
type Named struct {
	Work
	App string
}

// InWork are the images that processes say they have in work, by the image's id. Those of
// stale processes do not count: their messages come back. A draining one still works.
func InWork(apps []Seen) map[string]Named {
	m := map[string]Named{}
	for _, a := range apps {
		if a.Stale {
			continue
		}
		for _, w := range a.InWork {
			// Two may have the same image for a moment; the later attempt is the one that counts.
			if have, ok := m[w.ID]; !ok || have.Attempt < w.Attempt {
				m[w.ID] = Named{w, a.ID}
			}
		}
	}
	return m
}

// Reader reads the presences in a results bucket. It is safe for concurrent use.
type Reader struct {
	client *s3.Client
	bucket string
	log    *slog.Logger
	turn   chan struct{} // holds a token: one look at a time, whoever asks
	sweeps bool

	// Used by whoever has the turn.
	known  map[string]known // by key
	last   []Seen
	err    error
	lastAt time.Time // when last and err were found
}

// known is a presence that was read before, and is read again only when it has changed.
type known struct {
	etag     string
	modified time.Time
	app      App
	err      error // why it is none
}

// NewReader makes a Reader of the results bucket. One that sweeps deletes what processes left
// behind that have been dead for long. A nil logger logs nothing.
func NewReader(client *s3.Client, bucket string, sweeps bool, log *slog.Logger) *Reader {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	r := &Reader{client: client, bucket: bucket, log: log, sweeps: sweeps, turn: make(chan struct{}, 1)}
	r.turn <- struct{}{}
	return r
}

// Recent returns what was found at most age ago, failure included, or looks now. However many
// ask at once, the bucket is asked once. The caller must not change what it gets.
func (r *Reader) Recent(ctx context.Context, age time.Duration) ([]Seen, error) {
	select {
	case <-r.turn:
		defer func() { r.turn <- struct{}{} }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if !r.lastAt.IsZero() && time.Since(r.lastAt) <= age {
		return r.last, r.err
	}
	// For all who wait, not only for the one whose request comes first.
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
	defer cancel()
	r.last, r.err = r.list(look)
	r.lastAt = time.Now()
	return r.last, r.err
}

// list looks at every presence: one listing, and one read for each that has changed.
func (r *Reader) list(ctx context.Context) ([]Seen, error) {
	out, err := r.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &r.bucket, Prefix: aws.String(Prefix), MaxKeys: aws.Int32(maxApps)})
	if err != nil {
		return nil, fmt.Errorf("list s3://%s/%s: %w", r.bucket, Prefix, err)
	}
	// The clock that wrote LastModified: hosts' clocks may be wrong, and differ.
	now, ok := awsmiddleware.GetServerTime(out.ResultMetadata)
	if !ok {
		now = time.Now()
	}
	found := make([]known, len(out.Contents))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i, o := range out.Contents {
		key, etag, modified := aws.ToString(o.Key), aws.ToString(o.ETag), aws.ToTime(o.LastModified)
		if k, ok := r.known[key]; ok && k.etag == etag && k.modified.Equal(modified) {
			found[i] = k
			continue
		}
		if _, ok := idOf(key); !ok || aws.ToInt64(o.Size) > maxBytes {
			continue // nobody of ours wrote that
		}
		g.Go(func() error {
			a, there, err := r.read(gctx, key)
			if there {
				found[i] = known{etag: etag, modified: modified, app: a, err: err}
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	r.known = make(map[string]known, len(found))
	seen := []Seen{}
	for i, k := range found {
		key := aws.ToString(out.Contents[i].Key)
		if k.etag == "" {
			continue
		}
		r.known[key] = k
		if k.err != nil {
			continue
		}
		age := now.Sub(k.modified)
		stale := age > time.Duration(staleAfter*k.app.Interval*float64(time.Second))
		if stale && r.sweeps && age > sweepAfter {
			r.sweep(ctx, key)
			continue
		}
		seen = append(seen, Seen{k.app, stale})
	}
	return seen, nil
}

// read reads one presence. There is false where it could not be read, and, without an
// error, where it was deleted meanwhile; otherwise an error says why it is none.
func (r *Reader) read(ctx context.Context, key string) (a App, there bool, err error) {
	// Whoever keeps no checksum need not be told of it every few seconds.
	quiet := func(o *s3.Options) { o.DisableLogOutputChecksumValidationSkipped = true }
	out, err := r.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &r.bucket, Key: &key}, quiet)
	var gone *types.NoSuchKey
	if errors.As(err, &gone) {
		return a, false, nil
	}
	if err != nil {
		return a, false, fmt.Errorf("read s3://%s/%s: %w", r.bucket, key, err)
	}
	defer out.Body.Close()
	body, err := io.ReadAll(io.LimitReader(out.Body, maxBytes+1))
	if err != nil {
		return a, false, fmt.Errorf("read s3://%s/%s: %w", r.bucket, key, err)
	}
	if a, err = Decode(key, body); err != nil {
		r.log.Info("an object among the presences of app processes is none", "key", key, "err", err)
	}
	return a, true, err
}

// sweep deletes what a dead process left. Where it is not dead after all it writes again.
func (r *Reader) sweep(ctx context.Context, key string) {
	if _, err := r.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &r.bucket, Key: &key}, once); err != nil {
		r.log.Info("the presence of a dead app process could not be deleted; trying again later", "key", key, "err", err)
		return
	}
	r.log.Info("the presence of an app process that has been dead for long was deleted", "key", key)
}
