package imaging

import (
	"context"
	"strings"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/imaging/meta"
	"github.com/tintype/tintype/internal/imaging/sniff"
	"github.com/tintype/tintype/internal/imaging/vips"
	"github.com/tintype/tintype/internal/recipe"
)

// encode writes one output.
func (p *plan) encode(ctx context.Context, r *vips.Image, t target, keep *vips.Keep) (Encoded, error) {
	if err := ctx.Err(); err != nil {
		return Encoded{}, err
	}
	format := formatFor(t.Format, p.source.format, r.Bands() == 4)
	if r.Frames() > 1 && !t.moving || format == recipe.JPEG && r.Bands() == 4 {
		// Of an animation the first frame; and a copy, as what follows changes it.
		still, err := r.First(ctx)
		if err != nil {
			return Encoded{}, bug("take first frame for "+t.Name, err)
		}
		defer still.Close()
		r = still
	}
	if format == recipe.JPEG {
		back := t.background
		if back.Transparent {
			back = vips.Background{R: 255, G: 255, B: 255}
		}
		flat, err := flatten(ctx, r, back)
		if err != nil {
			return Encoded{}, bug("flatten "+t.Name, err)
		}
		if flat != r {
			defer flat.Close()
		}
		r = flat
	}
	if !vips.CanSave(string(format)) {
		f := fault.Permanentf(fault.CodeNotBuiltIn, "%s cannot be written here.", strings.ToUpper(string(format)))
		f.Hint = "Run Tintype with a libvips that was built with an encoder for it, or choose another format."
		return Encoded{}, f
	}
	enc := encodings[format]
	o := vips.EncodeOptions{Format: string(format), Quality: t.Quality, Effort: t.Effort,
		Delays: p.source.header.Delays, Loop: p.source.header.Loop, Keep: keep}
	if o.Quality == 0 {
		o.Quality = enc.quality
	}
	if o.Effort == 0 {
		o.Effort = enc.effort
	}
	out := Encoded{Name: t.Name, Format: string(format), ContentType: enc.contentType, Ext: enc.ext,
		Width: r.Width(), Height: r.Height()}
	write := func(quality int) ([]byte, error) {
		o.Quality = quality
		return r.Encode(o)
	}
	var err error
	if enc.quality == 0 {
		out.Bytes, err = write(0)
	} else {
		out.Bytes, out.Quality, out.OverTarget, err = within(ctx, t.TargetBytes, o.Quality, write)
	}
	if err != nil {
		return Encoded{}, bug("encode "+t.Name, err)
	}
	return out, nil
}

// within writes with the best quality up to most that stays within a size in bytes: by
// halving the range of qualities, so that 8 times suffice for 100, and fewer where a file
// comes near to the target. Where none does, the smallest file is taken, and over is true.
// A target of 0 is none.
func within(ctx context.Context, target, most int, write func(quality int) ([]byte, error)) (b []byte, quality int, over bool, err error) {
	b, err = write(most)
	if err != nil || target == 0 || len(b) <= target {
		return b, most, false, err
	}
	smallest, at := b, most
	b = nil
	for low, high := 1, most-1; low <= high && len(b) < target-target/20; {
		if err := ctx.Err(); err != nil {
			return nil, 0, false, err
		}
		q := (low + high) / 2
		c, err := write(q)
		if err != nil {
			return nil, 0, false, err
		}
		if len(c) <= target {
			b, quality, low = c, q, q+1
			continue
		}
		if len(c) < len(smallest) {
			smallest, at = c, q
		}
		high = q - 1
	}
	if b == nil {
		return smallest, at, true, nil
	}
	return b, quality, false, nil
}

// keepMetadata chooses what goes with the outputs of the file's metadata; nil where that is
// nothing.
func (p *plan) keepMetadata() (*vips.Keep, error) {
	if !p.keep.Any() {
		return nil, nil
	}
	f, err := p.source.open(vips.LoadOptions{})
	if err != nil {
		return nil, corrupt(err)
	}
	defer f.Close()
	var raw meta.Raw
	raw.Exif, raw.XMP, raw.IPTC = f.Metadata()
	if p.source.format == sniff.TIFF {
		raw.Exif = p.source.bytes // which is what Exif is made after
	}
	chosen := meta.Select(raw, p.keep)
	if len(chosen.Exif)+len(chosen.XMP) == 0 && !p.keep.Profile {
		return nil, nil
	}
	keep, err := vips.NewKeep(chosen.Carrier(), p.keep.Profile)
	if err != nil {
		return nil, bug("keep metadata", err)
	}
	return keep, nil
}
