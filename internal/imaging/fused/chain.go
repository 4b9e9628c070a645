package fused

// #include <stdlib.h>
// #include "fused.h"
import "C"

import (
	"context"
	"errors"
	"math"
	"unsafe"

	"github.com/tintype/tintype/internal/imaging/tone"
)

// shape is a picture's size and how its chroma is sampled.
type shape struct{ width, height, hs, vs int }

func (s shape) c() C.tf_shape {
	return C.tf_shape{width: C.int(s.width), height: C.int(s.height), hs: C.int(s.hs), vs: C.int(s.vs)}
}

// turned is the shape as an Exif orientation shows it.
func (s shape) turned(orientation int) shape {
	if orientation >= 5 {
		return shape{s.height, s.width, s.vs, s.hs}
	}
	return s
}

// chain is the way of rows from the decoder to all outputs.
type chain struct {
	c     *C.tf_chain
	place []struct{ level, file int } // of each output
}

// mostBytes bounds an output: the worst noise at quality 100 stays below.
func mostBytes(o Output) int { return o.Width*o.Height*8 + 1<<16 }

// newChain prepares for rows of from. planes is nil where colours are done already, or there
// are none; chroma says whether it will come.
func newChain(ctx context.Context, from shape, chroma bool, planes *tone.Planes, o Options) (*chain, error) {
	n := &chain{}
	var levels []C.tf_level
	defer func() {
		for _, l := range levels {
			C.free(unsafe.Pointer(l.file))
		}
	}()
	for _, out := range o.Outputs {
		last := len(levels) - 1
		if last < 0 || int(levels[last].width) != out.Width || int(levels[last].height) != out.Height {
			files := (*C.tf_out_options)(C.calloc(C.size_t(len(o.Outputs)), C.sizeof_tf_out_options))
			if files == nil {
				return nil, failed(ctx, C.TF_NO_MEMORY)
			}
			levels = append(levels, C.tf_level{width: C.int(out.Width), height: C.int(out.Height), file: files})
			last++
		}
		l := &levels[last]
		n.place = append(n.place, struct{ level, file int }{last, int(l.files)})
		unsafe.Slice(l.file, len(o.Outputs))[l.files] = C.tf_out_options{
			width: l.width, height: l.height, quality: C.int(out.Quality), optimize: truth(out.Optimize),
			subsample: truth(out.Quality < halvedBelow), most: C.size_t(mostBytes(out)),
		}
		l.files++
	}
	fixed, size := (*C.tf_level)(C.malloc(C.size_t(len(levels))*C.sizeof_tf_level)), from.c()
	if fixed == nil {
		return nil, failed(ctx, C.TF_NO_MEMORY)
	}
	defer C.free(unsafe.Pointer(fixed))
	copy(unsafe.Slice(fixed, len(levels)), levels)
	w, h := rasterSize(o)
	status := C.tf_chain_new(&n.c, &size, truth(chroma), tables(planes), C.int(sampling(o)), fixed, C.int(len(levels)), C.int(w), C.int(h)) //nolint:gocritic // it sees the code that cgo makes of this
	if status != C.TF_OK {
		return nil, failed(ctx, status)
	}
	return n, nil
}

func (n *chain) close() { C.tf_chain_free(n.c) }

// finish ends the files and copies what was made.
func (n *chain) finish(ctx context.Context, o Options) (*Result, error) {
	if err := failed(ctx, C.tf_chain_finish(n.c)); err != nil {
		return nil, err
	}
	r := &Result{}
	for _, at := range n.place {
		var bytes unsafe.Pointer
		var size C.size_t
		C.tf_chain_file(n.c, C.int(at.level), C.int(at.file), &bytes, &size) //nolint:gocritic // it sees the code that cgo makes of this
		if size > math.MaxInt32 {
			return nil, errors.New("make JPEGs: an output has more than 2 GB")
		}
		r.Files = append(r.Files, C.GoBytes(bytes, C.int(size)))
	}
	w, h := rasterSize(o)
	r.Raster = raster(C.tf_chain_raster(n.c), w, h)
	return r, nil
}

// raster converts the last planes by ITU-T T.871, 7.
func raster(p *C.tf_planes, w, h int) Raster {
	r := Raster{Width: w, Height: h, RGB: make([]byte, 0, 3*w*h)}
	for row := range h {
		line := func(base *C.uint8_t, stride C.size_t) []C.uint8_t {
			return unsafe.Slice((*C.uint8_t)(unsafe.Add(unsafe.Pointer(base), row*int(stride))), w)
		}
		y, blue, red := line(p.y, p.y_stride), line(p.c[0], p.c_stride), line(p.c[1], p.c_stride)
		for x := range w {
			l, b, d := float64(y[x]), float64(blue[x])-128, float64(red[x])-128
			for _, v := range [3]float64{l + 1.402*d, l - 0.344136*b - 0.714136*d, l + 1.772*b} {
				r.RGB = append(r.RGB, uint8(math.Round(min(255, max(0, v)))))
			}
		}
	}
	return r
}

func rasterSize(o Options) (w, h int) {
	last := o.Outputs[len(o.Outputs)-1]
	w, h = last.Width, last.Height
	if most := max(w, h); most > o.RasterSide {
		w, h = max(1, w*o.RasterSide/most), max(1, h*o.RasterSide/most)
	}
	return w, h
}

// sampling of chroma on the way: 2 if every output has it in half the size.
func sampling(o Options) int {
	for _, out := range o.Outputs {
		if out.Quality >= halvedBelow {
			return 1
		}
	}
	return 2
}

// tables makes fixed-point numbers of a program.
func tables(p *tone.Planes) *C.tf_map {
	if p == nil {
		return nil
	}
	m := &C.tf_map{keep: C.int32_t(math.Round(p.Keep * (1 << 16))), same_y: 1}
	for y := range p.Luma {
		m.y[y] = C.uint8_t(p.Luma[y])
		if int(p.Luma[y]) != y {
			m.same_y = 0
		}
		blue, red := math.Round(p.Blue[y]*64), math.Round(p.Red[y]*64)
		m.add[y] = C.uint32_t(blue) | C.uint32_t(red)<<16
	}
	return m
}

func truth(b bool) C.int {
	if b {
		return 1
	}
	return 0
}
