package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// compare reads the outputs of a group and compares them with their manifest.
func (a *auditor) compare(ctx context.Context, j *judgement, g group) error {
	for _, o := range j.checked {
		sum, n, err := a.sum(ctx, o)
		switch {
		case errors.Is(err, store.ErrNotFound):
			j.unsettled = true // removed meanwhile, with its image perhaps
			return nil
		case err != nil:
			return err
		case sum != o.SHA256:
			j.making = j.making || slices.ContainsFunc(g.objects, func(x store.Object) bool { return x.Key == o.Key && time.Since(x.LastModified) < young })
			j.find(TornOutput, j.key, o.Key, "`tintype backfill --all --prefix` with the original's key makes it again",
				"the output %q has %d bytes with the SHA-256 %s; its manifest says %d with %s", o.Name, n, sum, o.Bytes, o.SHA256)
		}
	}
	return nil
}

func (a *auditor) sum(ctx context.Context, o recipe.Result) (sum string, n int64, err error) {
	body, err := a.opts.Store.OpenResult(ctx, o.Key)
	if err != nil {
		return "", 0, err
	}
	defer body.Close()
	h := sha256.New()
	if n, err = io.Copy(h, body); err != nil {
		return "", n, err
	}
	return hex.EncodeToString(h.Sum(nil)), n, nil
}
