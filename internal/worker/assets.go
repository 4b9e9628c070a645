package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// maxAssetCache is how much of assets is kept in memory, in bytes.
const maxAssetCache = 32_000_000

// assets fetches the further pictures that jobs need and keeps the last ones. Each is asked
// for every time, but comes again only where it has changed.
type assets struct {
	store Store

	mu    sync.Mutex
	kept  map[string]*asset // by key
	bytes int               // of kept
	clock int64             // counts uses
}

type asset struct {
	etag string
	body []byte
	used int64 // the clock's reading
}

func newAssets(s Store) *assets { return &assets{store: s, kept: map[string]*asset{}} }

// get fetches what a job needs: the files by key, which must not be changed, and which they
// are. One that is missing or too large is a permanent fault: nobody but who wrote the
// recipe, or took the object away, can mend it.
func (a *assets) get(ctx context.Context, job *recipe.Job) (map[string][]byte, []recipe.Asset, error) {
	keys := job.Assets()
	if len(keys) == 0 {
		return nil, nil, nil
	}
	files := make(map[string][]byte, len(keys))
	docs := make([]recipe.Asset, 0, len(keys))
	for _, key := range keys {
		x, err := a.one(ctx, key)
		if err != nil {
			return nil, nil, err
		}
		files[key], docs = x.body, append(docs, recipe.Asset{Key: key, ETag: x.etag})
	}
	return files, docs, nil
}

func (a *assets) one(ctx context.Context, key string) (*asset, error) {
	known := a.find(key)
	etag := ""
	if known != nil {
		etag = known.etag
	}
	src, err := a.store.OpenAsset(ctx, key, etag)
	switch {
	case errors.Is(err, store.ErrGone):
		return nil, badAsset(key, "is missing", err)
	case err != nil:
		return nil, err
	case src == nil:
		return known, nil
	}
	defer src.Body.Close()
	if src.Size > recipe.MaxAsset {
		return nil, badAsset(key, fmt.Sprintf("has %s; at most %s are read", megabytes(src.Size), megabytes(recipe.MaxAsset)), nil)
	}
	var body bytes.Buffer
	n, err := body.ReadFrom(io.LimitReader(src.Body, recipe.MaxAsset+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the asset %s: %w", key, err)
	case n > recipe.MaxAsset:
		return nil, badAsset(key, fmt.Sprintf("is larger than %s", megabytes(recipe.MaxAsset)), nil)
	case src.Size > 0 && n != src.Size:
		return nil, fmt.Errorf("read the asset %s: got %d bytes of %d", key, n, src.Size)
	}
	x := &asset{etag: src.ETag, body: body.Bytes()}
	a.keep(key, x)
	return x, nil
}

func badAsset(key, what string, err error) error {
	return &fault.Error{Kind: fault.Permanent, Code: fault.CodeBadAsset, Message: "a picture that the recipe needs cannot be used: it " + what,
		Hint: fmt.Sprintf("put a picture at the key %q of the uploads bucket, or change the recipe, and send the image through again", key), Err: err}
}

// find is what is kept of a key, or nil.
func (a *assets) find(key string) *asset {
	a.mu.Lock()
	defer a.mu.Unlock()
	x := a.kept[key]
	if x != nil {
		a.clock++
		x.used = a.clock
	}
	return x
}

// keep keeps an asset, and drops those that have not been used for longest.
func (a *assets) keep(key string, x *asset) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.drop(key)
	a.clock++
	x.used = a.clock
	a.kept[key], a.bytes = x, a.bytes+len(x.body)
	for a.bytes > maxAssetCache {
		oldest := ""
		for k, other := range a.kept {
			if oldest == "" || other.used < a.kept[oldest].used {
				oldest = k
			}
		}
		a.drop(oldest)
	}
}

// drop forgets a key. a.mu is held.
func (a *assets) drop(key string) {
	if x := a.kept[key]; x != nil {
		a.bytes -= len(x.body)
		delete(a.kept, key)
	}
}
