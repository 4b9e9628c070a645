package web

import (
	"maps"
	"testing"

	"github.com/tintype/tintype/internal/recipe"
)

func TestSrcsets(t *testing.T) {
	out := func(name, contentType string, width int, bytes int64, hash string) recipe.Result {
		return recipe.Result{Name: name, ContentType: contentType, Width: width, Bytes: bytes, ThumbHash: hash}
	}
	for name, tc := range map[string]struct {
		outputs []recipe.Result
		want    map[string]string
	}{
		"none": {nil, nil},
		"one":  {[]recipe.Result{out("full", "image/jpeg", 800, 9, "a")}, nil},
		"two types": {[]recipe.Result{out("webp-640", "image/webp", 640, 5, "a"), out("webp-320", "image/webp", 320, 2, "a"),
			out("jpeg-640", "image/jpeg", 640, 6, "a"), out("jpeg-320", "image/jpeg", 320, 3, "a"), out("avif", "image/avif", 320, 1, "a")},
			map[string]string{"image/webp": "/api/images/id/outputs/webp-320 320w, /api/images/id/outputs/webp-640 640w",
				"image/jpeg": "/api/images/id/outputs/jpeg-320 320w, /api/images/id/outputs/jpeg-640 640w"}},
		"same width": {[]recipe.Result{out("good", "image/jpeg", 320, 9, "a"), out("small", "image/jpeg", 320, 3, "a"), out("full", "image/jpeg", 900, 20, "a")},
			map[string]string{"image/jpeg": "/api/images/id/outputs/small 320w, /api/images/id/outputs/full 900w"}},
		"a cropped one": {[]recipe.Result{out("avatar", "image/jpeg", 64, 1, "b"), out("large", "image/jpeg", 800, 9, "a"), out("full", "image/jpeg", 1600, 9, "a")},
			map[string]string{"image/jpeg": "/api/images/id/outputs/large 800w, /api/images/id/outputs/full 1600w"}},
		"different pictures only": {[]recipe.Result{out("avatar", "image/jpeg", 64, 1, "b"), out("full", "image/jpeg", 1600, 9, "a")}, nil},
	} {
		if got := srcsets("id", tc.outputs); !maps.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}
