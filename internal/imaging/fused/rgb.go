package fused

// #include "fused.h"
import "C"

import (
	"context"
	"errors"
	"unsafe"
)

// RGB makes outputs of a picture that is in memory already, 8-bit sRGB without gaps, upright.
// It may change the pixels. Shrink and Orientation do not count.
func RGB(ctx context.Context, width, height int, pix []byte, o Options) (*Result, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if width < 1 || height < 1 || len(pix) != 3*width*height {
		return nil, errors.New("make JPEGs: the pixels are not RGB of that size")
	}
	planes, rgb, err := o.colors()
	if err != nil {
		return nil, err
	}
	first := o.Outputs[0]
	if first.Width > width || first.Height > height || rgb && (first.Width != width || first.Height != height) {
		return nil, ErrForeign
	}
	sub := sampling(o)
	to, err := newChain(ctx, shape{width, height, sub, sub}, planes == nil || planes.Keep > 0, planes, o)
	if err != nil {
		return nil, err
	}
	defer to.close()
	const rows = C.TF_STRIP
	for from := 0; from < height; from += rows {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		n := min(rows, height-from)
		part := pix[3*width*from : 3*width*(from+n)]
		if rgb {
			if err := o.Colors.Apply(part, 3); err != nil {
				return nil, err
			}
		}
		at := (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(part)))
		if err := failed(ctx, C.tf_chain_rgb(to.c, at, C.size_t(3*width), C.int(n))); err != nil {
			return nil, err
		}
	}
	return to.finish(ctx, o)
}
