package imaging

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/imaging/geometry"
)

// Limits bound what is accepted, and what steps and outputs may make of it. They are
// checked against a file's size and header, before any pixel is decoded. A zero field is
// its default.
type Limits struct {
	Bytes  int64 // of the file; 50,000,000
	Pixels int64 // width × height, times the frames of an animation; 100,000,000
	Side   int   // width or height in pixels; 20,000
	Frames int   // of an animation; 300
}

// Defaults of Limits.
const (
	DefaultBytes  = 50_000_000
	DefaultPixels = 100_000_000
	DefaultSide   = 20_000
	DefaultFrames = 300
)

func (l *Limits) fill() error {
	if l.Bytes < 0 || l.Pixels < 0 || l.Side < 0 || l.Frames < 0 {
		return errors.New("image limits: none may be negative")
	}
	if l.Bytes == 0 {
		l.Bytes = DefaultBytes
	}
	if l.Pixels == 0 {
		l.Pixels = DefaultPixels
	}
	if l.Side == 0 {
		l.Side = DefaultSide
	}
	if l.Frames == 0 {
		l.Frames = DefaultFrames
	}
	return nil
}

// checkSize holds a file's size to the limits.
func (l Limits) checkSize(n int64) error {
	if n == 0 {
		return fault.Permanentf(fault.CodeEmpty, "The file is empty.")
	}
	if n > l.Bytes {
		return fault.Permanentf(fault.CodeTooLarge, "The file has %s; at most %s are accepted.",
			megabytes(n), megabytes(l.Bytes))
	}
	return nil
}

// checkPixels holds what a header claims to the limits.
func (l Limits) checkPixels(width, height, frames int) error {
	w, h, n := int64(width), int64(height), int64(max(1, frames))
	// Each factor is below 2³¹, so the product of two fits.
	if w*h > l.Pixels {
		return fault.Permanentf(fault.CodeTooManyPixels, "The image is %d × %d pixels; at most %s are accepted.",
			w, h, millions(l.Pixels))
	}
	if max(width, height) > l.Side {
		return fault.Permanentf(fault.CodeSideTooLong, "The image is %d × %d pixels; at most %d on a side are accepted.",
			w, h, l.Side)
	}
	if frames > l.Frames {
		return fault.Permanentf(fault.CodeTooManyFrames, "The animation has %d frames; at most %d are accepted.",
			frames, l.Frames)
	}
	if w*h*n > l.Pixels {
		return fault.Permanentf(fault.CodeTooManyPixels,
			"The animation is %d frames of %d × %d pixels; at most %s in all are accepted.", n, w, h, millions(l.Pixels))
	}
	return nil
}

// checkResult holds what a step or an output would make to the limits.
func (l Limits) checkResult(maker string, s geometry.Size, frames int) error {
	if max(s.W, s.H) > l.Side {
		return fault.Permanentf(fault.CodeSideTooLong, "The %s would make the image %d × %d pixels; at most %d on a side are allowed.",
			maker, s.W, s.H, l.Side)
	}
	if s.Pixels()*int64(max(1, frames)) > l.Pixels {
		if frames > 1 {
			return fault.Permanentf(fault.CodeTooManyPixels, "The %s would make the animation %d frames of %d × %d pixels; at most %s in all are allowed.",
				maker, frames, s.W, s.H, millions(l.Pixels))
		}
		return fault.Permanentf(fault.CodeTooManyPixels, "The %s would make the image %d × %d pixels; at most %s are allowed.",
			maker, s.W, s.H, millions(l.Pixels))
	}
	return nil
}

func millions(pixels int64) string {
	if pixels < 1_000_000 {
		return fmt.Sprintf("%d pixels", pixels)
	}
	return strconv.FormatFloat(float64(pixels/100_000)/10, 'f', -1, 64) + " million pixels"
}

func megabytes(n int64) string {
	if n < 1_000_000 {
		return fmt.Sprintf("%d bytes", n)
	}
	return strconv.FormatFloat(float64(n/100_000)/10, 'f', -1, 64) + " MB"
}
