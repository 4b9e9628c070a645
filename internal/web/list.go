package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

const (
	defaultPage = 24
	maxPage     = 100
	// maxKeys, mostLookUps and maxSearch bound what one request with a filter may cost: the
	// originals that it passes over, those of them that it looks up, and how long it begins
	// anything further.
	maxKeys     = 20_000
	mostLookUps = 480
	maxSearch   = 2 * time.Second
	// searchPage is how many originals are listed at once where names decide: what S3 tells in one answer, less the one that says whether more follow.
	searchPage = 999
	maxQuery   = 200 // bytes
)

// imageList is the answer of GET /api/images. Next is the cursor of what follows, empty after
// the last. S3 knows nothing but keys in their order: a filter is a search through them, of
// which one request does a bounded part. Its page may be short, even empty, and still have a
// Next; Searched is how many originals this request passed over.
type imageList struct {
	Images   []*Image `json:"images"`
	Next     string   `json:"next"`
	Searched int      `json:"searched"`
}

// filter is what a list is narrowed to; what is empty does not narrow it.
type filter struct {
	status recipe.Status
	recipe string
	query  string // in lower case; part of the name, or of the key that another program chose
}

// named says whether a filter can be decided by the key alone as far as it goes.
func (f filter) named(key string) bool {
	name, _ := store.RuleKey(key)
	return f.query == "" || strings.Contains(strings.ToLower(name), f.query)
}

func (f filter) takes(img *Image) bool {
	return (f.status == "" || img.Status == f.status) && (f.recipe == "" || img.Recipe == f.recipe)
}

func filterOf(q url.Values) (f filter, err error) {
	f = filter{status: recipe.Status(q.Get("status")), recipe: q.Get("recipe"), query: strings.ToLower(strings.TrimSpace(q.Get("q")))}
	if all := []recipe.Status{"", recipe.Queued, recipe.Processing, recipe.Done, recipe.Failed}; !slices.Contains(all, f.status) {
		return f, refuse(fault.CodeBadRequest, "", "status must be queued, processing, done or failed, not %.40q.", string(f.status))
	}
	if len(f.query) > maxQuery || len(f.recipe) > maxQuery {
		return f, refuse(fault.CodeBadRequest, "", "q and recipe may have at most %d bytes.", maxQuery)
	}
	return f, nil
}

func (s *Server) handleList(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	limit := defaultPage
	if v := q.Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxPage {
			s.fail(w, r, refuse(fault.CodeBadRequest, "", "limit must be a number from 1 to %d, not %.40q.", maxPage, v))
			return
		}
		limit = n
	}
	f, err := filterOf(q)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	list, err := s.list(r.Context(), q.Get("cursor"), limit, f)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.writeJSON(w, r, http.StatusOK, list)
}

// list reads one page of images, newest first.
func (s *Server) list(ctx context.Context, cursor string, limit int, f filter) (*imageList, error) {
	list := &imageList{Images: []*Image{}, Next: cursor}
	began, looked := time.Now(), 0
	for {
		// Without a filter a page is what was asked for; with one most of it will not be wanted.
		n := limit - len(list.Images)
		if f.query != "" {
			n = searchPage
		} else if f != (filter{}) {
			n = maxPage
		}
		infos, next, err := s.o.Store.List(ctx, list.Next, n)
		if err != nil {
			return nil, err
		}
		for len(infos) > 0 {
			batch, passed := f.batch(infos, max(limit-len(list.Images), lookUps))
			images, err := s.lookUpAll(ctx, batch)
			if err != nil {
				return nil, err
			}
			s.mark(ctx, images...)
			looked += len(batch)
			for i, img := range images {
				if img == nil || !f.takes(img) {
					continue
				}
				list.Images = append(list.Images, img)
				if len(list.Images) == limit {
					passed = 1 + slices.IndexFunc(infos, func(info store.SourceInfo) bool { return info.Key == batch[i].Key })
					break
				}
			}
			list.Searched += passed
			last := infos[passed-1].Key
			infos = infos[passed:]
			full := len(list.Images) == limit || looked >= mostLookUps || list.Searched >= maxKeys || time.Since(began) >= maxSearch
			if full && (len(infos) > 0 || next != "") {
				list.Next = store.CursorAfter(last)
				return list, nil
			}
		}
		list.Next = next
		if next == "" {
			return list, nil
		}
	}
}

// batch takes up to size originals of the right name from infos; passed is how many of infos
// that were, the others between them and after them included.
func (f filter) batch(infos []store.SourceInfo, size int) (batch []store.SourceInfo, passed int) {
	for _, info := range infos {
		if len(batch) == size {
			break
		}
		passed++
		if f.named(info.Key) {
			batch = append(batch, info)
		}
	}
	return batch, passed
}
