// Package fused makes several JPEGs of one picture in one pass: each row is decoded, its
// colours are done, it is shrunk and encoded, and forgotten. That is a fourth of the work
// of decoding into memory and starting again for each output, and little memory.
//
// It works on luma and chroma as JPEG stores them wherever the colour steps have a form
// for that (tone.Planes): nothing is converted to RGB and back, and where the result is a
// function of luma alone, chroma is not even decoded. Steps that need RGB are done by the
// package tone on rows of RGB.
//
// What is off its ground it leaves to others: ErrForeign. It is strict: whatever the decoder
// remarks on ends in ErrFlawed, and others say what the file is worth.
//
// The C is ours, on libjpeg's API (libjpeg-turbo's, for what RFC and standard leave open):
// jpegin.c reads, jpegout.c writes, shrink.c resizes, color.c and turn.c do what their names
// say, chain.c ties them together. All calls from Go are short but for those that read a
// whole file, which end once the context does. Of ours it imports internal/imaging/tone.
package fused

// #cgo pkg-config: libjpeg
// #cgo CFLAGS: -O3 -Wall -Wextra
// #cgo LDFLAGS: -lm
// #include <stdlib.h>
// #include "fused.h"
import "C"

import (
	"context"
	"errors"
	"fmt"

	"github.com/tintype/tintype/internal/imaging/tone"
)

// ErrForeign says that the work is not for this package; nothing is wrong with the file.
var ErrForeign = errors.New("the picture is not on the ground of the fused engine")

// ErrFlawed says that the JPEG decoder failed or remarked on something.
var ErrFlawed = errors.New("the JPEG has a flaw")

// Options say what is to be made.
type Options struct {
	Outputs []Output // one and more, each no larger than the one before
	// Colors are done on the first output's size, as all outputs are made of it.
	Colors *tone.Program
	// Shrink decodes a JPEG at 1/2, 1/4 or 1/8 of its size; 0 and 1: as it is.
	Shrink int
	// Orientation is that of Exif, 1 to 8; 0: 1. Sizes are those of the picture as shown.
	Orientation int
	RasterSide  int  // the longest side of Result.Raster, pixels
	Parallel    bool // decode and encode on two threads
}

// Output is one JPEG.
type Output struct {
	Width, Height int // pixels
	Quality       int // 1 to 100; below 90 chroma has half the size
	Optimize      bool
}

// halvedBelow is the quality from which on chroma is kept in full, as libvips does it.
const halvedBelow = 90

// Result is what was made.
type Result struct {
	Files  [][]byte // in the order of Outputs
	Raster Raster
}

// Raster is the last output's picture, small.
type Raster struct {
	Width, Height int
	RGB           []byte
}

// failed is the error of a tf_status.
func failed(ctx context.Context, status C.int) error {
	switch status {
	case C.TF_OK:
		return nil
	case C.TF_FLAWED:
		return ErrFlawed
	case C.TF_FOREIGN:
		return ErrForeign
	case C.TF_STOPPED:
		return context.Cause(ctx)
	case C.TF_NO_MEMORY:
		return errors.New("make JPEGs: out of memory")
	case C.TF_FULL:
		return errors.New("make JPEGs: an output has more bytes than any picture of its size")
	default:
		return fmt.Errorf("make JPEGs: the encoder failed (status %d)", int(status))
	}
}
