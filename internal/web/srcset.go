package web

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/tintype/tintype/internal/recipe"
)

// srcsets makes the srcset attribute of each content type of which there are at least two
// widths. A browser chooses among the files of one attribute by width alone: so they must
// show the same, which is taken of those with the ThumbHash of the largest of the type. Of
// two of the same width the smaller file serves.
func srcsets(id string, outputs []recipe.Result) map[string]string {
	byType := make(map[string][]recipe.Result)
	for _, o := range outputs {
		byType[o.ContentType] = append(byType[o.ContentType], o)
	}
	sets := make(map[string]string)
	for contentType, same := range byType {
		slices.SortStableFunc(same, func(a, b recipe.Result) int {
			return cmp.Or(cmp.Compare(a.Width, b.Width), cmp.Compare(a.Bytes, b.Bytes))
		})
		hash := same[len(same)-1].ThumbHash
		same = slices.DeleteFunc(same, func(o recipe.Result) bool { return o.ThumbHash != hash })
		same = slices.CompactFunc(same, func(a, b recipe.Result) bool { return a.Width == b.Width })
		if len(same) < 2 {
			continue
		}
		var parts []string
		for _, o := range same {
			parts = append(parts, fmt.Sprintf("%s/outputs/%s %dw", imageURL(id), url.PathEscape(o.Name), o.Width))
		}
		sets[contentType] = strings.Join(parts, ", ")
	}
	if len(sets) == 0 {
		return nil
	}
	return sets
}
