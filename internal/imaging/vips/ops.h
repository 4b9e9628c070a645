// The operations on pictures in memory; see ops.c.
#ifndef TINTYPE_VIPS_OPS_H
#define TINTYPE_VIPS_OPS_H

#include <vips/vips.h>

typedef enum {
	TT_CROP, // the part at x, y of width × height
	TT_FRAME, // onto a background of width × height, the picture at x, y
	TT_FLIP, // left becomes right; value not 0: top becomes bottom
	TT_TURN, // value quarters of a turn clockwise, 1 to 3
	TT_ROTATE, // value degrees clockwise onto a background of width × height
	TT_ENLARGE // to width × height
} tt_kind;

// What is to be done to a picture.
typedef struct {
	tt_kind kind;
	int x, y, width, height; // pixels, of one frame
	double value;
	int background[4]; // red, green, blue, alpha: 0 or 255
} tt_op;

// tt_plan plans an operation on each of the frames that lie one below the other in an
// image in memory. Where the background is transparent the result has alpha.
VipsImage *tt_plan(VipsImage *in, int frames, const tt_op *op);

// tt_blur blurs each of the frames of an image in memory by a Gaussian whose sigma is as
// many pixels across and down, colours weighted by alpha; beyond its edges a frame goes on
// as it ends. It ends early, with an error, once *stop is not 0.
VipsImage *tt_blur(VipsImage *in, int frames, double across, double down, int *stop);

// tt_interesting finds where the part of width × height lies that draws most attention,
// or has the most entropy.
int tt_interesting(VipsImage *in, int width, int height, int entropy, int *x, int *y);

// tt_text draws text in Pango's markup into memory: RGBA, as large as its ink.
VipsImage *tt_text(const char *markup, const char *font, int dpi, const int colour[3]);

#endif
