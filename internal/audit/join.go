package audit

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/tintype/tintype/internal/store"
)

// maxGroup is how many objects of one image are held; of more, only the first are judged.
const maxGroup = 10_000

// group is one image: what lies under its id in both buckets.
type group struct {
	id      string
	sources []store.SourceInfo // one, unless somebody put a second file under an upload's prefix
	objects []store.Object     // of the results bucket, in the order of their keys
	more    int                // objects beyond maxGroup
}

// join brings the two listings together, each read once. Ids of our own lie in the same
// order in both, so they meet as they come. Of other keys the ids ("k-", "h-") are ordered
// otherwise than the keys themselves; these wait in a sorter until all keys have been seen,
// which is in time: their ids come after all of our own. Other is told of objects that are
// no image's.
func (a *auditor) join(ctx context.Context, emit func(group) error, other func(store.Object) error) error {
	foreign := &sorter{dir: a.opts.TempDir}
	defer foreign.close()
	nextSource, stopSources := iter.Pull2(a.sourcesByID(ctx, foreign))
	defer stopSources()
	nextObject, stopObjects := iter.Pull2(inOrder(a.opts.Store.Walk(ctx, store.Results, "", "")))
	defer stopObjects()

	src, err, haveSource := nextSource()
	if err != nil {
		return err
	}
	obj, err, haveObject := nextObject()
	for haveSource || haveObject {
		if err != nil {
			return err
		}
		id := ""
		if haveObject {
			var ok bool
			if id, ok = imageOf(obj.Key); !ok {
				if err := other(obj); err != nil {
					return err
				}
				obj, err, haveObject = nextObject()
				continue
			}
		}
		if haveSource && (!haveObject || compareIDs(src.id, id) < 0) {
			id = src.id
		}
		g := group{id: id}
		for haveSource && src.id == id {
			g.sources = append(g.sources, src.source())
			if src, err, haveSource = nextSource(); err != nil {
				return err
			}
		}
		for haveObject {
			if of, ok := imageOf(obj.Key); !ok || of != id {
				break
			}
			if len(g.objects) < maxGroup {
				g.objects = append(g.objects, obj)
			} else {
				g.more++
			}
			if obj, err, haveObject = nextObject(); err != nil {
				return err
			}
		}
		a.seenResults(len(g.objects) + g.more)
		if err := emit(g); err != nil {
			return err
		}
	}
	return err
}

// sourcesByID yields the originals in the order of their ids.
func (a *auditor) sourcesByID(ctx context.Context, foreign *sorter) iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		for o, err := range inOrder(a.opts.Store.Walk(ctx, store.Uploads, "", "")) {
			if err != nil {
				yield(record{}, err)
				return
			}
			r := fromSource(sourceOf(o))
			if _, own := store.RuleKey(o.Key); !own {
				if err := foreign.add(r); err != nil {
					yield(record{}, err)
					return
				}
				continue
			}
			if !yield(r, nil) {
				return
			}
		}
		for r, err := range foreign.all() {
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

func sourceOf(o store.Object) store.SourceInfo {
	return store.SourceInfo{ID: store.IDForKey(o.Key), Key: o.Key, Size: o.Size, ETag: o.ETag, LastModified: o.LastModified}
}

// imageOf is the id in a key of the results bucket.
func imageOf(key string) (id string, ok bool) {
	id, rest, cut := strings.Cut(key, "/")
	return id, cut && rest != "" && store.ValidID(id)
}

// inOrder refuses a listing that is not in ascending order, as those of directory buckets
// are: joining it would find losses that are none.
func inOrder(objects iter.Seq2[store.Object, error]) iter.Seq2[store.Object, error] {
	return func(yield func(store.Object, error) bool) {
		last := ""
		for o, err := range objects {
			if err == nil && o.Key <= last {
				err = fmt.Errorf("the listing is not in the order of its keys: %q comes after %q", o.Key, last)
			}
			last = o.Key
			if !yield(o, err) || err != nil {
				return
			}
		}
	}
}

// narrow yields the images of some originals only. Their results are listed one image at a
// time, so that what belongs to others is not seen at all.
func (a *auditor) narrow(ctx context.Context, emit func(group) error) error {
	for o, err := range a.opts.Store.Walk(ctx, store.Uploads, a.opts.Prefix, "") {
		if err != nil {
			return err
		}
		if o.LastModified.Before(a.opts.Since) {
			continue
		}
		g := group{id: store.IDForKey(o.Key), sources: []store.SourceInfo{sourceOf(o)}}
		if g.objects, g.more, err = a.resultsOf(ctx, g.id); err != nil {
			return err
		}
		a.seenResults(len(g.objects) + g.more)
		if err := emit(g); err != nil {
			return err
		}
	}
	return nil
}

// resultsOf lists what lies under one id in the results bucket.
func (a *auditor) resultsOf(ctx context.Context, id string) (objects []store.Object, more int, err error) {
	for o, err := range a.opts.Store.Walk(ctx, store.Results, id+"/", "") {
		if err != nil {
			return nil, 0, err
		}
		if len(objects) == maxGroup {
			more++
			continue
		}
		objects = append(objects, o)
	}
	return objects, more, nil
}
