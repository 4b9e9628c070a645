package imaging_test

import (
	"context"
	"testing"

	"github.com/tintype/tintype/internal/imaging"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/testimages"
)

// BenchmarkProcess12MP takes a JPEG of 12 megapixels through each built-in recipe.
func BenchmarkProcess12MP(b *testing.B) {
	e, err := imaging.New(imaging.Options{})
	if err != nil {
		b.Fatal(err)
	}
	src := testimages.JPEG(4000, 3000)
	for _, r := range recipe.Builtin().Recipes() {
		job, err := recipe.Builtin().Resolve(r.Name, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(r.Name, func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				if _, err := e.Process(context.Background(), imaging.Request{Source: src, Job: job}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
