package vips

// #include <stdlib.h>
// #include "bridge.h"
// #include "ops.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"unicode"
	"unsafe"
)

// Background is a colour, or nothing where it is transparent.
type Background struct {
	R, G, B     uint8
	Transparent bool
}

// do plans an operation on every frame and computes it.
func (m *Image) do(ctx context.Context, name string, op C.tt_op) (*Image, error) {
	p, err := pointer(m.ref)
	if err != nil {
		return nil, err
	}
	planned := C.tt_plan(p, C.int(m.frames), &op)
	if planned == nil {
		return nil, lastError(name)
	}
	defer C.g_object_unref(C.gpointer(planned))
	return stoppable(ctx, name, m.frames, func(stop *C.int) *C.VipsImage {
		return C.tt_to_memory(planned, stop)
	})
}

func area(kind C.tt_kind, x, y, width, height int, back Background) C.tt_op {
	op := C.tt_op{kind: kind, x: C.int(x), y: C.int(y), width: C.int(width), height: C.int(height)}
	if !back.Transparent {
		op.background = [4]C.int{C.int(back.R), C.int(back.G), C.int(back.B), 255}
	}
	return op
}

// Crop returns a part of each frame, which must lie within it.
func (m *Image) Crop(ctx context.Context, x, y, width, height int) (*Image, error) {
	return m.do(ctx, "crop image", area(C.TT_CROP, x, y, width, height, Background{}))
}

// Frame returns each frame, as it is, at x, y of a larger canvas.
func (m *Image) Frame(ctx context.Context, x, y, width, height int, back Background) (*Image, error) {
	return m.do(ctx, "frame image", area(C.TT_FRAME, x, y, width, height, back))
}

// Flip returns the picture mirrored: left becomes right, or top becomes bottom.
func (m *Image) Flip(ctx context.Context, vertical bool) (*Image, error) {
	op := C.tt_op{kind: C.TT_FLIP}
	if vertical {
		op.value = 1
	}
	return m.do(ctx, "flip image", op)
}

// Turn returns the picture after quarter turns clockwise, 1 to 3.
func (m *Image) Turn(ctx context.Context, quarters int) (*Image, error) {
	return m.do(ctx, "turn image", C.tt_op{kind: C.TT_TURN, value: C.double(quarters)})
}

// Rotate returns the picture turned clockwise about its centre, which comes to lie in
// that of a canvas of a size. Colours are weighted by alpha.
func (m *Image) Rotate(ctx context.Context, degrees float64, width, height int, back Background) (*Image, error) {
	op := area(C.TT_ROTATE, 0, 0, width, height, back)
	op.value = C.double(degrees)
	return m.do(ctx, "rotate image", op)
}

// enlarge returns the picture at a size that is no smaller. libvips's own resizing moves
// the picture by half a pixel when it enlarges.
func (m *Image) enlarge(ctx context.Context, width, height int) (*Image, error) {
	return m.do(ctx, "enlarge image", area(C.TT_ENLARGE, 0, 0, width, height, Background{}))
}

// Blur returns the picture blurred by a Gaussian of sigma pixels, 0.3 and more. Colours
// are weighted by alpha; beyond the edges the picture is thought to go on as it ends.
//
// Where sigma is large, a smaller picture is blurred and enlarged again: nothing finer than
// sigma is left anyway, and the cost of a Gaussian grows with it.
func (m *Image) Blur(ctx context.Context, sigma float64) (*Image, error) {
	n := max(1, int(sigma/3))
	w, h := max(1, m.Width()/n), max(1, m.Height()/n)
	if n == 1 || w == 1 || h == 1 {
		return m.blur(ctx, sigma, sigma)
	}
	small, err := m.Resize(ctx, w, h)
	if err != nil {
		return nil, err
	}
	defer small.Close()
	soft, err := small.blur(ctx, sigma*float64(w)/float64(m.Width()), sigma*float64(h)/float64(m.Height()))
	if err != nil {
		return nil, err
	}
	defer soft.Close()
	return soft.Resize(ctx, m.Width(), m.Height())
}

func (m *Image) blur(ctx context.Context, across, down float64) (*Image, error) {
	p, err := pointer(m.ref)
	if err != nil {
		return nil, err
	}
	return stoppable(ctx, "blur image", m.frames, func(stop *C.int) *C.VipsImage {
		return C.tt_blur(p, C.int(m.frames), C.double(across), C.double(down), stop)
	})
}

// lookedAt is the longest side of the picture in which Interesting looks. libvips itself
// looks for attention in one of 32 × 32 pixels.
const lookedAt = 400

// Interesting finds where a part of a size lies in the first frame that draws the
// eye (edges, skin, strong colours), or that has the most entropy.
func (m *Image) Interesting(ctx context.Context, width, height int, entropy bool) (x, y int, err error) {
	look := m
	if m.frames > 1 {
		first, err := m.First(ctx)
		if err != nil {
			return 0, 0, err
		}
		defer first.Close()
		look = first
	}
	fx, fy := 1.0, 1.0
	if longest := max(look.Width(), look.Height()); longest > lookedAt {
		w, h := max(1, look.Width()*lookedAt/longest), max(1, look.Height()*lookedAt/longest)
		fx, fy = float64(look.Width())/float64(w), float64(look.Height())/float64(h)
		small, err := look.Resize(ctx, w, h)
		if err != nil {
			return 0, 0, err
		}
		defer small.Close()
		look = small
	}
	p, err := pointer(look.ref)
	if err != nil {
		return 0, 0, err
	}
	scaled := func(v int, f float64, most int) C.int {
		return C.int(min(max(1, int(math.Round(float64(v)/f))), most))
	}
	var cx, cy, e C.int
	if entropy {
		e = 1
	}
	if C.tt_interesting(p, scaled(width, fx, look.Width()), scaled(height, fy, look.Height()), e, &cx, &cy) != 0 {
		return 0, 0, lastError("find what is interesting")
	}
	at := func(v C.int, f float64, most int) int { return min(max(0, int(math.Round(float64(v)*f))), most) }
	return at(cx, fx, m.Width()-width), at(cy, fy, m.Height()-height), nil
}

// CanDrawText says whether the libvips at hand can draw text.
func CanDrawText() bool {
	c := C.CString("text")
	defer C.free(unsafe.Pointer(c))
	return C.tt_has_operation(c) != 0
}

// ErrNoInk is that of a text of which nothing is to be seen: white space alone, or
// characters that no font at hand has.
var ErrNoInk = errors.New("the text has no ink")

// drawing is held while text is drawn: the libraries below libvips share their fonts.
var drawing sync.Mutex

// markup makes text harmless to Pango, which reads markup.
var markup = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;")

// Text draws a text, which is taken as it stands, as large as fits a box of a size. It
// has alpha. A line ends at "\n" alone; other control characters are left out.
func Text(ctx context.Context, text string, r, g, b uint8, width, height int) (*Image, error) {
	plain := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd"))
	if strings.TrimSpace(plain) == "" {
		return nil, ErrNoInk
	}
	escaped := C.CString(markup.Replace(plain))
	defer C.free(unsafe.Pointer(escaped))
	font := C.CString("sans bold 16")
	defer C.free(unsafe.Pointer(font))
	color := [3]C.int{C.int(r), C.int(g), C.int(b)}
	draw := func(dpi int) *C.VipsImage {
		drawing.Lock()
		defer drawing.Unlock()
		return C.tt_text(escaped, font, C.int(dpi), &color[0])
	}
	// Once to see how large it comes out, once as large as wanted. Where the first fails, the
	// text may be too long to be drawn that large.
	var first *C.VipsImage
	trial := 288
	for ; trial > 1 && first == nil; trial /= 8 {
		if first = draw(trial); first != nil {
			break
		}
	}
	if first == nil {
		return nil, fmt.Errorf("%w (%w)", ErrNoInk, lastError("draw text"))
	}
	scale := min(float64(width)/float64(first.Xsize), float64(height)/float64(first.Ysize))
	dpi := int(min(max(1, math.Ceil(float64(trial)*scale)), 10_000))
	C.g_object_unref(C.gpointer(first))
	drawn := draw(dpi)
	if drawn == nil {
		return nil, lastError("draw text")
	}
	m, err := newImage(drawn, 1)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	scale = min(float64(width)/float64(m.Width()), float64(height)/float64(m.Height()))
	w := min(max(1, int(math.Round(float64(m.Width())*scale))), width)
	h := min(max(1, int(math.Round(float64(m.Height())*scale))), height)
	return m.Resize(ctx, w, h)
}
