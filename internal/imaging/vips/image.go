package vips

// #include "bridge.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"unsafe"

	"github.com/davidbyttow/govips/v2/vips"
)

// Width in pixels.
func (m *Image) Width() int { return m.ref.Width() }

// Height of one frame in pixels.
func (m *Image) Height() int { return m.ref.Height() / m.frames }

// Frames is the number of frames, 1 or more.
func (m *Image) Frames() int { return m.frames }

// Bands is 3 for RGB, 4 with alpha.
func (m *Image) Bands() int { return m.ref.Bands() }

// Close frees the picture.
func (m *Image) Close() { m.ref.Close() }

// Pixels calls f with the pixels themselves, row by row without gaps, to read or to
// change. They are gone once the image is closed.
func (m *Image) Pixels(f func(pix []byte) error) error {
	p, err := pointer(m.ref)
	if err != nil {
		return err
	}
	var n C.size_t
	data := C.tt_pixels(p, &n)
	if data == nil {
		return errors.New("reach pixels: the image is not in memory")
	}
	return f(unsafe.Slice((*byte)(data), int(n)))
}

// Resize returns the picture at a size, computed; each frame of an animation by
// itself, so that none bleeds into the next. Colours are weighted by alpha.
func (m *Image) Resize(ctx context.Context, width, height int) (*Image, error) {
	if w, h := min(width, m.Width()), min(height, m.Height()); w < width || h < height {
		if w == m.Width() && h == m.Height() {
			return m.enlarge(ctx, width, height)
		}
		smaller, err := m.Resize(ctx, w, h)
		if err != nil {
			return nil, err
		}
		defer smaller.Close()
		return smaller.enlarge(ctx, width, height)
	}
	if m.frames == 1 {
		return m.resizeStill(ctx, width, height)
	}
	frames := make([]*vips.ImageRef, 0, m.frames)
	defer func() {
		for _, f := range frames {
			f.Close()
		}
	}()
	for i := range m.frames {
		f, err := m.ref.Copy()
		if err != nil {
			return nil, brief("resize animation", err)
		}
		frames = append(frames, f)
		if err := f.ExtractArea(0, i*m.Height(), m.Width(), m.Height()); err != nil {
			return nil, brief("resize animation", err)
		}
		if err := f.ThumbnailWithSize(width, height, vips.InterestingNone, vips.SizeForce); err != nil {
			return nil, brief("resize animation", err)
		}
	}
	all, err := frames[0].Copy()
	if err != nil {
		return nil, brief("resize animation", err)
	}
	defer all.Close()
	if err := all.ArrayJoin(frames[1:], 1); err != nil {
		return nil, brief("resize animation", err)
	}
	return m.compute(ctx, all)
}

// resizeStill goes the first part of a long way by plain means of squares: the good
// filter costs by the square of the factor, and what it does beyond a factor of two
// nobody sees.
func (m *Image) resizeStill(ctx context.Context, width, height int) (*Image, error) {
	ref, err := m.ref.Copy()
	if err != nil {
		return nil, brief("resize image", err)
	}
	defer ref.Close()
	if n := min(m.Width()/width, m.Height()/height) / 2; n >= 2 {
		p, err := pointer(ref)
		if err != nil {
			return nil, err
		}
		box := C.tt_box(p, C.int(n))
		if box == nil {
			return nil, lastError("shrink image")
		}
		small, err := adopt(box)
		if err != nil {
			return nil, err
		}
		defer small.Close()
		ref = small
	}
	if err := ref.ThumbnailWithSize(width, height, vips.InterestingNone, vips.SizeForce); err != nil {
		return nil, brief("resize image", err)
	}
	return m.compute(ctx, ref)
}

// First returns the first frame.
func (m *Image) First(ctx context.Context) (*Image, error) {
	ref, err := m.ref.Copy()
	if err != nil {
		return nil, brief("take first frame", err)
	}
	defer ref.Close()
	if err := ref.ExtractArea(0, 0, m.Width(), m.Height()); err != nil {
		return nil, brief("take first frame", err)
	}
	still := Image{ref: ref, frames: 1}
	return still.compute(ctx, ref)
}

// DropOpaqueAlpha returns the picture without its alpha where that is opaque everywhere,
// as it is in most that have one, and closes m; else it returns m.
func (m *Image) DropOpaqueAlpha(ctx context.Context) (*Image, error) {
	if m.Bands() != 4 {
		return m, nil
	}
	opaque := true
	err := m.Pixels(func(pix []byte) error {
		for i := 3; i < len(pix); i += 4 {
			if pix[i] != 255 {
				opaque = false
				break
			}
		}
		return nil
	})
	if err != nil || !opaque {
		return m, err
	}
	rgb, err := m.Opaque(ctx)
	if err != nil {
		return m, err
	}
	m.Close()
	return rgb, nil
}

// Opaque returns the picture's colours without their alpha.
func (m *Image) Opaque(ctx context.Context) (*Image, error) {
	ref, err := m.ref.Copy()
	if err != nil {
		return nil, brief("drop alpha", err)
	}
	defer ref.Close()
	if err := ref.ExtractBand(0, 3); err != nil {
		return nil, brief("drop alpha", err)
	}
	return m.compute(ctx, ref)
}

// compute evaluates what libvips has only planned so far.
func (m *Image) compute(ctx context.Context, ref *vips.ImageRef) (*Image, error) {
	p, err := pointer(ref)
	if err != nil {
		return nil, err
	}
	return stoppable(ctx, "compute image", m.frames, func(stop *C.int) *C.VipsImage {
		return C.tt_to_memory(p, stop)
	})
}

// EncodeOptions say how to write a picture.
type EncodeOptions struct {
	Format  string // "jpeg", "png", "webp", "avif", "gif" or "tiff"
	Quality int    // 1 to 100, for JPEG, WebP and AVIF
	Effort  int    // WebP 0 to 6, AVIF 1 to 9, PNG 1 to 9, GIF 1 to 10
	Delays  []int  // milliseconds, of an animation's frames
	Loop    int    // repetitions of an animation; 0: endless
	Keep    *Keep  // metadata to write; nil: none
}

// optimizedPixels is the size up to which JPEGs get Huffman tables of their own: they
// are 3 to 8 % smaller for twice the cost, which pays for what is sent often.
const optimizedPixels = 4_000_000

// Encode writes the picture. Formats without alpha, JPEG, take none that has.
func (m *Image) Encode(o EncodeOptions) ([]byte, error) {
	ref, err := m.ref.Copy()
	if err != nil {
		return nil, brief("encode "+o.Format, err)
	}
	defer ref.Close()
	bare := o.Keep == nil
	if !bare {
		if err := o.Keep.attach(ref); err != nil {
			return nil, err
		}
	}
	if m.frames > 1 {
		if err := m.animate(ref, o); err != nil {
			return nil, brief("encode animated "+o.Format, err)
		}
	}
	var out []byte
	switch o.Format {
	case "jpeg":
		out, _, err = ref.ExportJpeg(&vips.JpegExportParams{
			StripMetadata: bare, Quality: o.Quality,
			OptimizeCoding: m.Width()*m.Height() <= optimizedPixels,
			SubsampleMode:  vips.VipsForeignSubsampleAuto, // 4:2:0 below quality 90
		})
	case "png":
		out, _, err = ref.ExportPng(&vips.PngExportParams{
			StripMetadata: bare, Compression: o.Effort, Filter: vips.PngFilterAll,
		})
	case "webp":
		out, _, err = ref.ExportWebp(&vips.WebpExportParams{
			StripMetadata: bare, Quality: o.Quality, ReductionEffort: o.Effort,
		})
		switch {
		case bare:
			out = bareWebP(out)
		case o.Keep.profile: // which govips does not let through
			out = profiledWebP(out, profileOf(ref))
		}
	case "avif":
		out, _, err = ref.ExportAvif(&vips.AvifExportParams{
			StripMetadata: bare, Quality: o.Quality, Effort: o.Effort, Bitdepth: 8,
		})
	case "gif":
		out, _, err = ref.ExportGIF(&vips.GifExportParams{Effort: o.Effort, Bitdepth: 8, Dither: 1})
	case "tiff":
		out, _, err = ref.ExportTiff(&vips.TiffExportParams{
			StripMetadata: bare, Compression: vips.TiffCompressionDeflate, Predictor: vips.TiffPredictorHorizontal,
		})
	default:
		return nil, fmt.Errorf("encode %q: there is no encoder for it", o.Format)
	}
	if err != nil {
		return nil, brief("encode "+o.Format, err)
	}
	return out, nil
}

// animate tells the encoder where the frames are and how long they last.
func (m *Image) animate(ref *vips.ImageRef, o EncodeOptions) error {
	if err := ref.SetPageHeight(m.Height()); err != nil {
		return err
	}
	if err := ref.SetPages(m.frames); err != nil {
		return err
	}
	ref.SetInt("loop", o.Loop)
	if len(o.Delays) != m.frames {
		return nil
	}
	return ref.SetPageDelay(o.Delays)
}
