package imaging

import (
	"cmp"
	"context"
	"slices"

	"github.com/tintype/tintype/internal/imaging/thumbhash"
	"github.com/tintype/tintype/internal/imaging/vips"
	"github.com/tintype/tintype/internal/recipe"
)

// render makes all outputs from the decoded image, which it closes. The largest comes
// first, and each smaller one from the one before it: shrinking costs by the size of
// what is shrunk. Colours are done once, on the largest.
func (p *plan) render(ctx context.Context, img *vips.Image) ([]Encoded, error) {
	rasters := []*vips.Image{img}
	defer func() {
		for _, r := range rasters {
			r.Close()
		}
	}()
	alpha := img.Bands() == 4
	order := make([]int, len(p.targets))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(p.targets[b].width*p.targets[b].height, p.targets[a].width*p.targets[a].height)
	})

	outs := make([]Encoded, len(p.targets))
	done := make(map[target]int) // outputs by what they ask for, but for the name
	for n, i := range order {
		t := p.targets[i]
		// A small image has the same full, large and thumb: it is encoded once.
		same := target{Output: recipe.Output{Format: formatFor(t.Format, p.source.format, alpha),
			Quality: t.Quality, Effort: t.Effort}, width: t.width, height: t.height, moving: t.moving}
		if j, ok := done[same]; ok {
			outs[i] = outs[j]
			outs[i].Name = t.Name
			continue
		}
		done[same] = i
		r := rasters[len(rasters)-1]
		if r.Width() != t.width || r.Height() != t.height {
			smaller, err := r.Resize(ctx, t.width, t.height)
			if err != nil {
				return nil, bug("resize to "+t.Name, err)
			}
			rasters = append(rasters, smaller)
			r = smaller
			if n == 0 { // what was decoded is needed no more
				img.Close()
				rasters = rasters[1:]
			}
		}
		if n == 0 && !p.colors.Empty() {
			err := r.Pixels(func(pix []byte) error { return p.colors.Apply(pix, r.Bands()) })
			if err != nil {
				return nil, bug("apply colours", err)
			}
		}
		var err error
		if outs[i], err = p.encode(ctx, r, t); err != nil {
			return nil, err
		}
	}
	hash, err := hashOf(ctx, rasters[len(rasters)-1])
	if err != nil {
		return nil, bug("make thumb hash", err)
	}
	for i := range outs {
		outs[i].ThumbHash = hash // one picture, one hash: it has no size
	}
	return outs, nil
}

// encode writes one output.
func (p *plan) encode(ctx context.Context, r *vips.Image, t target) (Encoded, error) {
	if err := ctx.Err(); err != nil {
		return Encoded{}, err
	}
	if r.Frames() > 1 && !t.moving {
		still, err := r.First(ctx)
		if err != nil {
			return Encoded{}, bug("take first frame for "+t.Name, err)
		}
		defer still.Close()
		r = still
	}
	format := formatFor(t.Format, p.source.format, r.Bands() == 4)
	enc := encodings[format]
	o := vips.EncodeOptions{Format: string(format), Quality: t.Quality, Effort: t.Effort,
		Delays: p.source.header.Delays, Loop: p.source.header.Loop}
	if o.Quality == 0 {
		o.Quality = enc.quality
	}
	if o.Effort == 0 {
		o.Effort = enc.effort
	}
	b, err := r.Encode(o)
	if err != nil {
		return Encoded{}, bug("encode "+t.Name, err)
	}
	return Encoded{Name: t.Name, Format: string(format), ContentType: enc.contentType, Ext: enc.ext,
		Width: r.Width(), Height: r.Height(), Bytes: b}, nil
}

// hashOf is the ThumbHash of a picture's first frame.
func hashOf(ctx context.Context, r *vips.Image) (string, error) {
	var made []*vips.Image
	defer func() {
		for _, m := range made {
			m.Close()
		}
	}()
	if r.Frames() > 1 {
		still, err := r.First(ctx)
		if err != nil {
			return "", err
		}
		made = append(made, still)
		r = still
	}
	w, h := r.Width(), r.Height()
	if most := max(w, h); most > thumbhash.MaxSide {
		small, err := r.Resize(ctx, max(1, w*thumbhash.MaxSide/most), max(1, h*thumbhash.MaxSide/most))
		if err != nil {
			return "", err
		}
		made = append(made, small)
		r = small
	}
	var hash string
	err := r.Pixels(func(pix []byte) (err error) {
		hash, err = thumbhash.Encode(r.Width(), r.Height(), r.Bands(), pix)
		return err
	})
	return hash, err
}
