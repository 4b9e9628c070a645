package vips

// #include <stdlib.h>
// #include "bridge.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/davidbyttow/govips/v2/vips"
)

// FailOn says what ends decoding.
type FailOn int

// Levels of FailOn; each holds the ones before it.
const (
	FailOnTruncated FailOn = C.VIPS_FAIL_ON_TRUNCATED // the file ends early
	FailOnError     FailOn = C.VIPS_FAIL_ON_ERROR     // serious damage
	FailOnWarning   FailOn = C.VIPS_FAIL_ON_WARNING   // anything the decoder remarks on
)

// operations are the loaders by format.
var operations = map[string]struct {
	operation string
	pages     bool // it has the options page and n
	dpi       float64
}{
	"jpeg": {"jpegload_buffer", false, 0},
	"png":  {"pngload_buffer", false, 0},
	"gif":  {"gifload_buffer", true, 0},
	"webp": {"webpload_buffer", true, 0},
	"tiff": {"tiffload_buffer", true, 0},
	"heif": {"heifload_buffer", true, 0},
	"avif": {"heifload_buffer", true, 0},
	"svg":  {"svgload_buffer", false, 0}, // a unit of its own is a pixel
	"pdf":  {"pdfload_buffer", true, pdfDPI},
}

// pdfDPI is at how many dots per inch the pages of a PDF are drawn: a letter of 1275 × 1650.
const pdfDPI = 150

// LoadOptions say how to open a file.
type LoadOptions struct {
	Format string // "jpeg", "png", "gif", "webp", "tiff", "heif" or "avif", or a document
	FailOn FailOn
	Page   int  // the page of a HEIF file that is wanted
	All    bool // all frames of an animation, one below the other, else one
	Shrink int  // JPEG: decode at 1/2, 1/4 or 1/8 of the size
}

// Header is what a file says of itself before any pixel is decoded.
type Header struct {
	Width       int // pixels, of one frame as stored
	Height      int // pixels, of one frame as stored
	Frames      int // frames or pages in the file
	Primary     int // HEIF: the page that stands for the file
	Orientation int // Exif, 1 to 8
	Loop        int // repetitions of an animation; 0: endless
	Delays      []int
}

// File is a file whose header has been read. It must be closed.
type File struct {
	image *C.VipsImage
	pin   runtime.Pinner // libvips reads from the bytes as long as image is there
}

// Open reads the header of a file. The bytes must not change until it is closed.
func Open(src []byte, o LoadOptions) (*File, error) {
	op, ok := operations[o.Format]
	if !ok || len(src) == 0 {
		return nil, fmt.Errorf("open %q image of %d bytes: there is no loader for it", o.Format, len(src))
	}
	loader := C.CString(op.operation)
	defer C.free(unsafe.Pointer(loader))
	c := C.tt_open_options{loader: loader, page: -1, n: 1, shrink: C.int(o.Shrink), fail_on: C.int(o.FailOn), dpi: C.double(op.dpi)}
	if op.pages {
		c.page = C.int(o.Page)
	}
	if o.All {
		c.n = -1
	}
	f := &File{}
	f.pin.Pin(unsafe.SliceData(src))
	data, size := unsafe.Pointer(unsafe.SliceData(src)), C.size_t(len(src))
	f.image = C.tt_open(data, size, &c) //nolint:gocritic // it sees the code that cgo makes of this
	if f.image == nil {
		f.pin.Unpin()
		return nil, lastError("open " + o.Format + " image")
	}
	return f, nil
}

// Close lets go of the file.
func (f *File) Close() {
	if f.image != nil {
		C.g_object_unref(C.gpointer(f.image))
		f.image = nil
		f.pin.Unpin()
	}
}

// Header returns what the file says of itself.
func (f *File) Header() Header {
	var c C.tt_header
	C.tt_read_header(f.image, &c)
	h := Header{
		Width: int(c.width), Height: int(c.height), Frames: int(c.frames),
		Primary: int(c.primary), Orientation: int(c.orientation), Loop: int(c.loop),
	}
	var n C.int
	if d := C.tt_delays(f.image, &n); d != nil {
		for _, v := range unsafe.Slice(d, int(n)) {
			h.Delays = append(h.Delays, int(v))
		}
	}
	return h
}

// Profile returns a copy of the embedded ICC profile, or nil.
func (f *File) Profile() []byte { return f.blob(C.VIPS_META_ICC_NAME) }

func (f *File) blob(name string) []byte { return blobOf(f.image, name) }

func blobOf(image *C.VipsImage, name string) []byte {
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	var n C.size_t
	p := C.tt_blob(image, c, &n)
	if p == nil || n == 0 || n > 64<<20 {
		return nil
	}
	return C.GoBytes(p, C.int(n))
}

// Decode decodes the file into memory, upright and in sRGB, without metadata. Where
// useProfile is false, an embedded profile is taken for that of sRGB. It may be called
// once: a file is read from its start to its end.
func (f *File) Decode(ctx context.Context, useProfile bool) (*Image, error) {
	frames := 1
	if h := f.Header(); h.Height > 0 && int(f.image.Ysize) > h.Height {
		frames = int(f.image.Ysize) / h.Height
	}
	use := C.int(0)
	if useProfile {
		use = 1
	}
	return stoppable(ctx, "decode image", frames, func(stop *C.int) *C.VipsImage {
		return C.tt_decode(f.image, use, stop)
	})
}

// stoppable runs work, which libvips ends early once ctx is done, and wraps its image.
func stoppable(ctx context.Context, op string, frames int, work func(stop *C.int) *C.VipsImage) (*Image, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	stop := (*C.int)(C.calloc(1, C.sizeof_int))
	if stop == nil {
		return nil, errors.New(op + ": out of memory")
	}
	defer C.free(unsafe.Pointer(stop))
	done := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		C.tt_set_stop(stop)
		close(done)
	})
	image := work(stop)
	if !cancel() {
		<-done // it holds stop
	}
	if image == nil {
		err := lastError(op)
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	return newImage(image, frames)
}

func newImage(image *C.VipsImage, frames int) (*Image, error) {
	ref, err := adopt(image)
	if err != nil {
		return nil, err
	}
	return &Image{ref: ref, frames: frames}, nil
}

// Image is a picture in memory: 8-bit sRGB, 3 bands or 4 with alpha. An animation is
// its frames one below the other. It must be closed.
type Image struct {
	ref    *vips.ImageRef
	frames int
}
