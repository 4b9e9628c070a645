package imaging

import (
	"bytes"
	"context"
	"errors"
	"image/jpeg"
	"io"
	"slices"
	"strings"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/imaging/sniff"
	"github.com/tintype/tintype/internal/imaging/vips"
)

// source is an image file that has been inspected, not yet decoded.
type source struct {
	bytes  []byte
	format string
	header vips.Header
	// profile is the ICC profile of a JPEG, which decides who may decode it.
	profile []byte
}

// inspect tells the format by the bytes and holds the header to the limits.
func (e *Engine) inspect(src []byte) (*source, error) {
	if err := e.limits.checkSize(int64(len(src))); err != nil {
		return nil, err
	}
	format, w, h, ok := sniff.Probe(src)
	if format == "" {
		return nil, fault.Permanentf(fault.CodeNotAnImage, "The file is not an image.")
	}
	if !ok && !slices.Contains(e.documents, format) || !vips.CanLoad(format) {
		return nil, fault.Permanentf(fault.CodeUnsupported,
			"%s files are not accepted; JPEG, PNG, GIF, WebP, TIFF, AVIF and HEIC are.", strings.ToUpper(format))
	}
	// What our own reader found comes first: it costs nothing and no foreign code.
	if err := e.limits.checkPixels(w, h, 1); err != nil {
		return nil, err
	}
	s := &source{bytes: src, format: format}
	if format == sniff.GIF && !wholeGIF(src) {
		return nil, corrupt(errors.New("the file ends within a block"))
	}
	if err := s.readHeader(); err != nil {
		return nil, corrupt(err)
	}
	if s.header.Primary != 0 { // it is another picture than the first, of a size of its own
		if err := s.readHeader(); err != nil {
			return nil, corrupt(err)
		}
	}
	if err := e.limits.checkPixels(s.header.Width, s.header.Height, s.frames()); err != nil {
		return nil, err
	}
	return s, nil
}

// readHeader reads the header of the page that stands for the file, as far as that is
// known.
func (s *source) readHeader() error {
	f, err := s.open(vips.LoadOptions{})
	if err != nil {
		return err
	}
	defer f.Close()
	s.header = f.Header()
	if s.format == sniff.JPEG {
		s.profile = f.Profile()
	}
	return nil
}

// frames is the number of frames of an animation, 1 for all else: of the pages of a
// TIFF or HEIF file one is used.
func (s *source) frames() int {
	if s.format == sniff.GIF || s.format == sniff.WebP {
		return max(1, s.header.Frames)
	}
	return 1
}

func (s *source) info() Info {
	w, h := s.header.Width, s.header.Height
	if s.header.Orientation >= 5 {
		w, h = h, w
	}
	return Info{Width: w, Height: h, Format: s.format}
}

// open reads the header with what the format and a plan ask for.
func (s *source) open(o vips.LoadOptions) (*vips.File, error) {
	o.Format = s.format
	if o.FailOn == 0 {
		o.FailOn = vips.FailOnError
	}
	o.Page = 0
	if s.format == sniff.HEIF || s.format == sniff.AVIF {
		o.Page = s.header.Primary
	}
	return vips.Open(s.bytes, o)
}

// decode decodes the whole image as the plan wants it.
func (s *source) decode(ctx context.Context, p *plan) (*vips.Image, error) {
	o := vips.LoadOptions{All: p.animated, Shrink: p.shrink}
	if s.format == sniff.JPEG {
		o.FailOn = vips.FailOnWarning
	}
	img, err := s.load(ctx, o)
	if err != nil && s.format == sniff.JPEG && ctx.Err() == nil {
		img, err = s.decodeDoubtful(ctx, o)
	}
	if err != nil {
		return nil, corrupt(err)
	}
	// JPEG instead of PNG for some formats, and a quarter less work for all.
	lean, err := img.DropOpaqueAlpha(ctx)
	if err != nil {
		img.Close()
		return nil, bug("drop alpha", err)
	}
	return lean, nil
}

func (s *source) load(ctx context.Context, o vips.LoadOptions) (*vips.Image, error) {
	f, err := s.open(o)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// Most profiles in the world say sRGB: converting would cost much and change nothing.
	return f.Decode(ctx, !isSRGB(f.Profile()))
}

// judgedPixels bounds the images that Go's JPEG decoder is given to judge; a
// progressive one takes it 6 bytes per pixel and more.
const judgedPixels = 40_000_000

// endOfImage is the marker that closes a JPEG.
const endOfImage = "\xff\xd9"

// decodeDoubtful decodes a JPEG on which libjpeg has remarked. It remarks alike on
// junk between segments, which harms nothing and which some cameras write, and on
// pixels that are missing or scrambled, which it fills with gray. Go's decoder knows
// the difference: what it decodes is whole. A missing end marker alone is no damage.
func (s *source) decodeDoubtful(ctx context.Context, o vips.LoadOptions) (*vips.Image, error) {
	o.FailOn = vips.FailOnTruncated
	if int64(s.header.Width)*int64(s.header.Height) > judgedPixels {
		return s.load(ctx, o)
	}
	_, err := jpeg.Decode(io.MultiReader(bytes.NewReader(s.bytes), strings.NewReader(endOfImage)))
	var unsupported jpeg.UnsupportedError
	if errors.As(err, &unsupported) {
		return s.load(ctx, o)
	}
	if err != nil {
		return nil, err
	}
	closed := *s
	closed.bytes = slices.Concat(s.bytes, []byte(endOfImage))
	return closed.load(ctx, o)
}

// corrupt is the end of a file that claims to be an image and cannot be decoded.
func corrupt(err error) error {
	f := fault.Permanentf(fault.CodeCorrupt, "The image is damaged or incomplete and cannot be read.")
	f.Op, f.Err = "decode image", err
	f.Hint = "Open it in an image program, save it again, and upload that."
	return f
}
