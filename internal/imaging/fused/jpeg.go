package fused

// #include <stdlib.h>
// #include "fused.h"
import "C"

import (
	"context"
	"errors"
	"runtime"
	"unsafe"

	"github.com/tintype/tintype/internal/imaging/tone"
)

// Rows that go from the decoder to the chain at once. On one thread as few as can be, so that
// they are still in the fastest cache; on two, fewer handings-over.
const (
	rowsAlone    = C.TF_GROUP
	rowsRGB      = C.TF_STRIP
	rowsParallel = C.TF_STRIP
)

// decoder reads one JPEG.
type decoder struct {
	c      *C.tf_in
	stop   *C.int
	pin    runtime.Pinner // the decoder reads from the bytes
	cancel func() bool
	done   chan struct{}

	mode   C.tf_mode
	stored shape // of what is decoded
}

// open reads the header of src and holds on to it.
func open(ctx context.Context, src []byte) (*decoder, error) {
	if len(src) == 0 {
		return nil, ErrFlawed
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	d := &decoder{stop: (*C.int)(C.calloc(1, C.sizeof_int)), done: make(chan struct{})}
	if d.stop == nil {
		return nil, failed(ctx, C.TF_NO_MEMORY)
	}
	d.cancel = context.AfterFunc(ctx, func() {
		C.tf_set_stop(d.stop)
		close(d.done)
	})
	d.pin.Pin(unsafe.SliceData(src))
	data := unsafe.Pointer(unsafe.SliceData(src))
	status := C.tf_in_open(&d.c, data, C.size_t(len(src)), d.stop) //nolint:gocritic // it sees the code that cgo makes of this
	if err := failed(ctx, status); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func (d *decoder) close() {
	C.tf_in_close(d.c)
	d.c = nil
	if !d.cancel() {
		<-d.done // it holds stop
	}
	C.free(unsafe.Pointer(d.stop))
	d.pin.Unpin()
}

// start chooses how to decode and begins. planes is nil where there are no colours to be
// done on planes, and may be changed to suit the file; rgb says that there are some to be
// done on RGB.
func (d *decoder) start(ctx context.Context, planes *tone.Planes, rgb bool, o Options) error {
	var size C.tf_shape
	var gray C.int
	C.tf_in_shape(d.c, &size, &gray)
	sub := C.int(sampling(o))
	switch {
	case rgb:
		d.mode = C.TF_RGB
	case gray != 0:
		d.mode = C.TF_LUMA
		if planes != nil { // what is kept of chroma is that of gray
			for y := range planes.Blue {
				planes.Blue[y] += 128 * planes.Keep
				planes.Red[y] += 128 * planes.Keep
			}
			planes.Keep = 0
		}
	case planes != nil && planes.Keep == 0:
		d.mode = C.TF_LUMA
	case size.hs <= sub && size.vs <= sub:
		d.mode = C.TF_PLANES
	default: // chroma is wanted in more than it is stored: libjpeg knows how
		d.mode = C.TF_RGB
	}
	if status := C.tf_in_start(d.c, d.mode, C.int(max(1, o.Shrink)), &size); status != C.TF_OK {
		return failed(ctx, status)
	}
	d.stored = shape{int(size.width), int(size.height), int(size.hs), int(size.vs)}
	if d.mode == C.TF_RGB {
		d.stored.hs, d.stored.vs = int(sub), int(sub)
	}
	return nil
}

// planes makes room for a number of rows as they are decoded.
func (d *decoder) planes(ctx context.Context, rows int) (*C.tf_planes, error) {
	size := d.stored.c()
	if d.mode == C.TF_RGB {
		size.width *= 3
	}
	return newPlanes(ctx, size, rows, d.mode == C.TF_PLANES)
}

func newPlanes(ctx context.Context, size C.tf_shape, rows int, chroma bool) (*C.tf_planes, error) {
	p := (*C.tf_planes)(C.calloc(1, C.sizeof_tf_planes))
	if p == nil || C.tf_planes_new(p, &size, C.int(rows), truth(chroma)) != C.TF_OK {
		C.free(unsafe.Pointer(p))
		return nil, failed(ctx, C.TF_NO_MEMORY)
	}
	return p, nil
}

func freePlanes(p *C.tf_planes) {
	C.tf_planes_free(p)
	C.free(unsafe.Pointer(p))
}

// JPEG makes outputs of a JPEG. The bytes must not change meanwhile. It ends soon after ctx
// does, with ctx's cause.
func JPEG(ctx context.Context, src []byte, o Options) (*Result, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	planes, rgb, err := o.colors()
	if err != nil {
		return nil, err
	}
	d, err := open(ctx, src)
	if err != nil {
		return nil, err
	}
	defer d.close()
	if err := d.start(ctx, planes, rgb, o); err != nil {
		return nil, err
	}
	shown := d.stored.turned(o.Orientation)
	first := o.Outputs[0]
	if first.Width > shown.width || first.Height > shown.height ||
		rgb && (first.Width != shown.width || first.Height != shown.height) ||
		d.mode == C.TF_RGB && o.Orientation > 1 {
		return nil, ErrForeign
	}
	chroma := d.mode == C.TF_PLANES || d.mode == C.TF_RGB && (planes == nil || planes.Keep > 0)
	to, err := newChain(ctx, shown, chroma, planes, o)
	if err != nil {
		return nil, err
	}
	defer to.close()
	push := func(p *C.tf_planes) error { return failed(ctx, C.tf_chain_rows(to.c, p)) }
	if d.mode == C.TF_RGB {
		push = func(p *C.tf_planes) error { return to.pushRGB(ctx, p, shown.width, rgb, o.Colors) }
	}
	switch {
	case o.Orientation > 1:
		err = d.turn(ctx, o, push)
	case o.Parallel:
		err = d.streamParallel(ctx, push)
	case d.mode == C.TF_RGB:
		err = d.streamRGB(ctx, push)
	default:
		err = d.stream(ctx, to)
	}
	if err != nil {
		return nil, err
	}
	return to.finish(ctx, o)
}

func (o Options) check() error {
	if len(o.Outputs) == 0 || o.RasterSide < 1 {
		return errors.New("make JPEGs: there is nothing to make")
	}
	for i, out := range o.Outputs {
		if out.Width < 1 || out.Height < 1 || out.Quality < 1 || out.Quality > 100 {
			return errors.New("make JPEGs: an output has no size or no quality")
		}
		if i > 0 && (out.Width > o.Outputs[i-1].Width || out.Height > o.Outputs[i-1].Height) {
			return ErrForeign
		}
		if max(out.Width, out.Height) > 65500 {
			return ErrForeign
		}
	}
	return nil
}

// colors says how they can be done: on planes, on RGB, or (both nothing) not at all.
func (o Options) colors() (planes *tone.Planes, rgb bool, err error) {
	if o.Colors == nil || o.Colors.Empty() {
		return nil, false, nil
	}
	if p, ok := o.Colors.Planes(); ok {
		return &p, false, nil
	}
	return nil, true, nil
}

// pushRGB does the colours that need RGB, and hands the rows on.
func (n *chain) pushRGB(ctx context.Context, p *C.tf_planes, width int, colors bool, program *tone.Program) error {
	if colors {
		for row := range int(p.rows) {
			line := unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(p.y), row*int(p.y_stride))), 3*width)
			if err := program.Apply(line, 3); err != nil {
				return err
			}
		}
	}
	return failed(ctx, C.tf_chain_rgb(n.c, p.y, p.y_stride, p.rows))
}

// stream hands on rows as they are decoded. It is one call: Go's scheduler takes a thread
// that is away for longer than some microseconds for lost, and would start another for
// every strip.
func (d *decoder) stream(ctx context.Context, to *chain) error {
	p, err := d.planes(ctx, rowsAlone)
	if err != nil {
		return err
	}
	defer freePlanes(p)
	return failed(ctx, C.tf_chain_all(to.c, d.c, p, rowsAlone))
}

// streamRGB hands on rows through Go.
func (d *decoder) streamRGB(ctx context.Context, push func(*C.tf_planes) error) error {
	p, err := d.planes(ctx, rowsRGB)
	if err != nil {
		return err
	}
	defer freePlanes(p)
	for left := d.stored.height; left > 0; left -= int(p.rows) {
		if err := failed(ctx, C.tf_in_rows(d.c, p, 0, rowsRGB)); err != nil {
			return err
		}
		if err := push(p); err != nil {
			return err
		}
	}
	return nil
}

// turn decodes into memory and hands on rows as the orientation shows them.
func (d *decoder) turn(ctx context.Context, o Options, push func(*C.tf_planes) error) error {
	whole := (d.stored.height + C.TF_STRIP - 1) / C.TF_STRIP * C.TF_STRIP
	in, err := d.planes(ctx, whole)
	if err != nil {
		return err
	}
	defer freePlanes(in)
	if err := failed(ctx, C.tf_in_rows(d.c, in, 0, C.int(whole))); err != nil {
		return err
	}
	shown := d.stored.turned(o.Orientation)
	stored := d.stored.c()
	p, err := newPlanes(ctx, shown.c(), C.TF_STRIP, in.c[0] != nil)
	if err != nil {
		return err
	}
	defer freePlanes(p)
	for from := 0; from < shown.height; from += C.TF_STRIP {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		p.rows = C.int(min(C.TF_STRIP, shown.height-from))
		C.tf_turn(in, &stored, C.int(o.Orientation), C.int(from), p)
		if err := push(p); err != nil {
			return err
		}
	}
	return nil
}
