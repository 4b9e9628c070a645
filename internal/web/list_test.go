package web

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// album is a store of very many finished images that were never made: the listing of a bucket
// that no test could fill. Everything else is the real store's.
type album struct {
	*store.Store

	ids []string
	at  map[string]int // id, and cursor after it -> place in ids
}

// newAlbum has n images, of which every 10th is by the recipe sepia and every 1000th has failed.
func newAlbum(s *store.Store, n int) *album {
	a := &album{Store: s, ids: make([]string, n), at: make(map[string]int, 2*n)}
	newest := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i := range a.ids {
		a.ids[i] = store.NewID(newest.Add(-time.Duration(i) * time.Second))
		a.at[a.ids[i]] = i
		a.at[store.CursorAfter(a.info(i).Key)] = i
	}
	return a
}

func (a *album) info(i int) store.SourceInfo {
	return store.SourceInfo{
		ID: a.ids[i], Key: fmt.Sprintf("%s/picture %06d.jpg", a.ids[i], i), Size: 1000, ETag: "e",
		LastModified: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
	}
}

func (a *album) List(_ context.Context, cursor string, limit int) (page []store.SourceInfo, next string, err error) {
	from := 0
	if cursor != "" {
		from = a.at[cursor] + 1
	}
	to := min(len(a.ids), from+limit)
	for i := from; i < to; i++ {
		page = append(page, a.info(i))
	}
	if to < len(a.ids) {
		next = store.CursorAfter(a.info(to - 1).Key)
	}
	return page, next, nil
}

func (a *album) KeyOf(_ context.Context, id string) (store.SourceInfo, error) {
	if i, ok := a.at[id]; ok {
		return a.info(i), nil
	}
	return store.SourceInfo{}, store.ErrNotFound
}

func (a *album) Manifest(_ context.Context, id string) (m *recipe.Manifest, etag string, err error) {
	i, ok := a.at[id]
	if !ok {
		return nil, "", store.ErrNotFound
	}
	info := a.info(i)
	at := info.LastModified.Add(time.Hour)
	m = &recipe.Manifest{
		Version: 1, ID: id, Status: recipe.Done, Recipe: "tint", Params: recipe.Params{"tint": "#ff8800", "strength": 1.0},
		Source:   recipe.Source{Key: info.Key, ETag: info.ETag, Bytes: info.Size},
		Timings:  recipe.Timings{Uploaded: at, Started: at.Add(5 * time.Millisecond), Finished: at.Add(80 * time.Millisecond), ProcessMS: 60},
		Attempts: 1,
	}
	if i%10 == 0 {
		m.Recipe = "sepia"
	}
	if i%1000 == 0 {
		m.Status, m.Error = recipe.Failed, &recipe.Failure{Code: "corrupt_image", Message: "The image is damaged.", Hint: "Export it again."}
	}
	return m, "", nil
}

// A filter is a search in bounded parts: each says how far it came, and all of them together
// find everything exactly once.
func TestListSearch(t *testing.T) {
	const n = 45_000
	s := newSystem(t, nil)
	a := newAlbum(s.store, n)
	s.web, s.url = s.serve(func(o *Options) { o.Store = a })
	for name, tt := range map[string]struct {
		query     string
		want      int
		mostParts int // 0: any
	}{
		"name":             {"q=PICTURE+0449", 100, 8},
		"nothing":          {"q=no+such+name", 0, 3},
		"name and recipe":  {"q=picture+0449&recipe=sepia", 10, 6},
		"name and failure": {"q=000.jpg&status=failed", 45, 6},
	} {
		t.Run(name, func(t *testing.T) {
			found := map[string]bool{}
			searched, cursor, parts := 0, "", 0
			for {
				var l imageList
				s.json("GET", "/api/images?limit=24&cursor="+url.QueryEscape(cursor)+"&"+tt.query, "", 200).json(t, &l)
				parts++
				if l.Searched > maxKeys+searchPage || len(l.Images) > 24 {
					t.Fatalf("one part passed over %d originals and found %d", l.Searched, len(l.Images))
				}
				searched += l.Searched
				for _, img := range l.Images {
					if found[img.ID] {
						t.Errorf("%s twice", img.Name)
					}
					found[img.ID] = true
				}
				if l.Next == "" {
					break
				}
				cursor = l.Next
			}
			if len(found) != tt.want || searched != n || (tt.mostParts > 0 && parts > tt.mostParts) {
				t.Errorf("found %d of %d, searched %d of %d, in %d parts", len(found), tt.want, searched, n, parts)
			}
		})
	}
	// Where every image must be looked up, a request does so for a few hundred and comes back.
	var l imageList
	s.json("GET", "/api/images?status=queued", "", 200).json(t, &l)
	if len(l.Images) != 0 || l.Next == "" || l.Searched < lookUps || l.Searched > mostLookUps+maxPage {
		t.Errorf("status alone: found %d, searched %d, next %q", len(l.Images), l.Searched, l.Next)
	}
	for _, bad := range []string{"q=" + strings.Repeat("x", maxQuery+1), "recipe=" + strings.Repeat("x", maxQuery+1)} {
		s.refused(s.request("GET", "/api/images?"+bad, nil), 400, "bad_request")
	}
}
