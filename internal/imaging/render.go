package imaging

import (
	"cmp"
	"context"
	"slices"

	"github.com/tintype/tintype/internal/imaging/dominant"
	"github.com/tintype/tintype/internal/imaging/geometry"
	"github.com/tintype/tintype/internal/imaging/thumbhash"
	"github.com/tintype/tintype/internal/imaging/vips"
	"github.com/tintype/tintype/internal/recipe"
)

// render takes the decoded image, which it closes, through the stages and makes all
// outputs from what they leave. The largest comes first, and each smaller one from the one
// before it: shrinking costs by the size of what is shrunk.
func (p *plan) render(ctx context.Context, img *vips.Image) ([]Encoded, error) {
	img, err := p.picture(ctx, img)
	if err != nil {
		return nil, err
	}
	rasters := []*vips.Image{img} // the whole picture, ever smaller
	defer func() {
		for _, r := range rasters {
			r.Close()
		}
	}()
	keep, err := p.keepMetadata()
	if err != nil {
		return nil, err
	}
	if keep != nil {
		defer keep.Close()
	}
	alpha := img.Bands() == 4
	order := make([]int, len(p.targets))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(p.targets[b].fitted.Resize.Pixels(), p.targets[a].fitted.Resize.Pixels())
	})

	outs := make([]Encoded, len(p.targets))
	done := make(map[target]int) // outputs by what they are, but for the name
	var whole []int              // outputs that show all of the picture
	for _, i := range order {
		t := p.targets[i]
		// A small image has the same full, large and thumb: it is encoded once.
		same := t.distinct(formatFor(t.Format, p.source.format, alpha))
		if j, ok := done[same]; ok {
			outs[i] = outs[j]
			outs[i].Name = t.Name
			if slices.Contains(whole, j) {
				whole = append(whole, i)
			}
			continue
		}
		done[same] = i
		r := nearest(rasters, t.fitted.Resize)
		resized, err := resize(ctx, r, t.fitted.Resize)
		if err != nil {
			return nil, bug("resize to "+t.Name, err)
		}
		proportional := t.Fit != recipe.FitFill
		if resized != r {
			if last := sizeOf(rasters[len(rasters)-1]); proportional && t.fitted.Resize.Within(last) == t.fitted.Resize {
				rasters = append(rasters, resized)
			} else {
				defer resized.Close()
			}
		}
		if proportional && t.fitted.Size() == t.fitted.Resize {
			whole = append(whole, i)
			outs[i], err = p.encode(ctx, resized, t, keep)
		} else {
			outs[i], err = p.renderPart(ctx, resized, t, keep)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(whole) == 0 {
		return outs, nil
	}
	// One picture, one likeness: it has no size.
	l, err := likenessOf(ctx, rasters[len(rasters)-1])
	if err != nil {
		return nil, bug("make thumb hash", err)
	}
	for _, i := range whole {
		outs[i].ThumbHash, outs[i].DominantColor = l.thumbHash, l.color
	}
	return outs, nil
}

// distinct is what makes two outputs differ, but for the name.
func (t target) distinct(format recipe.Format) target {
	t.Name, t.Width, t.Height, t.Enlarge, t.Format = "", 0, 0, false, format
	if t.fitted.Crop == (geometry.Size{}) {
		t.Focus = ""
	}
	t.Fit, t.Background = "", "" // t.fitted and t.background say it
	return t
}

// nearest is the smallest raster of which a size can be made by shrinking, else the
// largest.
func nearest(rasters []*vips.Image, s geometry.Size) *vips.Image {
	for _, r := range slices.Backward(rasters) {
		if s.Within(sizeOf(r)) == s {
			return r
		}
	}
	return rasters[0]
}

// renderPart makes an output that shows a part of the picture, a frame about it, or
// the picture stretched; it has a likeness of its own.
func (p *plan) renderPart(ctx context.Context, r *vips.Image, t target, keep *vips.Keep) (Encoded, error) {
	part, err := boxed(ctx, r, t.fitted, focus{by: cmp.Or(t.Focus, "center")}, t.background)
	if err != nil {
		return Encoded{}, bug("fit "+t.Name, err)
	}
	if part != r {
		defer part.Close()
	}
	out, err := p.encode(ctx, part, t, keep)
	if err != nil {
		return Encoded{}, err
	}
	l, err := likenessOf(ctx, part)
	if err != nil {
		return Encoded{}, bug("make thumb hash", err)
	}
	out.ThumbHash, out.DominantColor = l.thumbHash, l.color
	return out, nil
}

// likeness is what a page can paint while a picture is on its way.
type likeness struct{ thumbHash, color string }

// likenessOf is that of a picture's first frame.
func likenessOf(ctx context.Context, r *vips.Image) (likeness, error) {
	var made []*vips.Image
	defer func() {
		for _, m := range made {
			m.Close()
		}
	}()
	if r.Frames() > 1 {
		still, err := r.First(ctx)
		if err != nil {
			return likeness{}, err
		}
		made = append(made, still)
		r = still
	}
	w, h := r.Width(), r.Height()
	if most := max(w, h); most > thumbhash.MaxSide {
		small, err := r.Resize(ctx, max(1, w*thumbhash.MaxSide/most), max(1, h*thumbhash.MaxSide/most))
		if err != nil {
			return likeness{}, err
		}
		made = append(made, small)
		r = small
	}
	var l likeness
	err := r.Pixels(func(pix []byte) (err error) {
		l, err = likenessOfPixels(r.Width(), r.Height(), r.Bands(), pix)
		return err
	})
	return l, err
}

// likenessOfPixels is that of at most thumbhash.MaxSide pixels a side.
func likenessOfPixels(w, h, bands int, pix []byte) (l likeness, err error) {
	if l.thumbHash, err = thumbhash.Encode(w, h, bands, pix); err != nil {
		return l, err
	}
	l.color, err = dominant.Color(bands, pix)
	return l, err
}
