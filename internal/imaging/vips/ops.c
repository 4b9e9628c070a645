#include "ops.h"

#include <math.h>

// keep replaces *image by next, which it may then be NULL for.
static int keep(VipsImage **image, VipsImage *next) {
	if (!next)
		return -1;
	g_object_unref(*image);
	*image = next;
	return 0;
}

// bytes rounds to 8 bits: casting alone cuts off.
static int bytes(VipsImage **image) {
	VipsImage *next = NULL;
	if ((*image)->BandFmt == VIPS_FORMAT_UCHAR)
		return 0;
	vips_rint(*image, &next, NULL);
	if (keep(image, next))
		return -1;
	next = NULL;
	vips_cast_uchar(*image, &next, NULL);
	return keep(image, next);
}

// weigh multiplies colours by alpha, where there is any; the result is not in bytes.
static int weigh(VipsImage **image) {
	VipsImage *next = NULL;
	if (!vips_image_hasalpha(*image))
		return 0;
	vips_premultiply(*image, &next, NULL);
	return keep(image, next);
}

static int unweigh(VipsImage **image) {
	VipsImage *next = NULL;
	if (!vips_image_hasalpha(*image))
		return 0;
	vips_unpremultiply(*image, &next, NULL);
	return keep(image, next);
}

// for_background gives the picture alpha where the background asks for it, and the
// background as libvips takes it.
static VipsArrayDouble *for_background(VipsImage **image, const tt_op *op) {
	if (op->background[3] == 0 && !vips_image_hasalpha(*image)) {
		VipsImage *next = NULL;
		vips_addalpha(*image, &next, NULL);
		if (keep(image, next))
			return NULL;
	}
	double v[4];
	for (int i = 0; i < 4; i++)
		v[i] = op->background[i];
	return vips_array_double_new(v, (*image)->Bands);
}

static int frame(VipsImage **image, const tt_op *op) {
	VipsImage *next = NULL;
	VipsArrayDouble *back = for_background(image, op);
	if (!back)
		return -1;
	vips_embed(*image, &next, op->x, op->y, op->width, op->height,
		"extend", VIPS_EXTEND_BACKGROUND, "background", back, NULL);
	vips_area_unref(VIPS_AREA(back));
	return keep(image, next);
}

// resample maps the pixels by a matrix about the centre, which becomes that of the canvas.
// Past its edges a picture is the background, or goes on as it ends.
static int resample(VipsImage **image, double a, double b, double c, double d, int width, int height, VipsExtend past, VipsArrayDouble *back) {
	VipsImage *next = NULL;
	VipsInterpolate *cubic = vips_interpolate_new("bicubic");
	if (!cubic)
		return -1;
	int err = weigh(image);
	if (!err) {
		// libvips has the centre of a pixel at whole numbers.
		double x = ((*image)->Xsize - 1) / 2.0, y = ((*image)->Ysize - 1) / 2.0;
		int area[4] = { 0, 0, width, height };
		VipsArrayInt *canvas = vips_array_int_new(area, 4);
		vips_affine(*image, &next, a, b, c, d, "oarea", canvas,
			"odx", (width - 1) / 2.0 - a * x - b * y,
			"ody", (height - 1) / 2.0 - c * x - d * y,
			"interpolate", cubic, "premultiplied", TRUE,
			"extend", past, "background", back, NULL);
		vips_area_unref(VIPS_AREA(canvas));
		err = keep(image, next) || unweigh(image) || bytes(image);
	}
	g_object_unref(cubic);
	return err;
}

static int rotate(VipsImage **image, const tt_op *op) {
	VipsArrayDouble *back = for_background(image, op);
	if (!back)
		return -1;
	double angle = VIPS_RAD(op->value), sine = sin(angle), cosine = cos(angle);
	int err = resample(image, cosine, -sine, sine, cosine, op->width, op->height,
		VIPS_EXTEND_BACKGROUND, back);
	vips_area_unref(VIPS_AREA(back));
	return err;
}

static int enlarge(VipsImage **image, const tt_op *op) {
	double black[4] = { 0, 0, 0, 255 };
	VipsArrayDouble *back = vips_array_double_new(black, (*image)->Bands);
	int err = resample(image, (double) op->width / (*image)->Xsize, 0, 0, (double) op->height / (*image)->Ysize,
		op->width, op->height, VIPS_EXTEND_COPY, back);
	vips_area_unref(VIPS_AREA(back));
	return err;
}

static int plan_one(VipsImage **image, const tt_op *op) {
	VipsImage *next = NULL;
	switch (op->kind) {
	case TT_CROP:
		vips_extract_area(*image, &next, op->x, op->y, op->width, op->height, NULL);
		return keep(image, next);
	case TT_FRAME:
		return frame(image, op);
	case TT_FLIP:
		vips_flip(*image, &next, op->value != 0 ? VIPS_DIRECTION_VERTICAL : VIPS_DIRECTION_HORIZONTAL, NULL);
		return keep(image, next);
	case TT_TURN:
		vips_rot(*image, &next, (VipsAngle) op->value, NULL);
		return keep(image, next);
	case TT_ROTATE:
		return rotate(image, op);
	case TT_ENLARGE:
		return enlarge(image, op);
	}
	vips_error("tintype", "no operation of kind %d", (int) op->kind);
	return -1;
}

VipsImage *tt_plan(VipsImage *in, int frames, const tt_op *op) {
	if (frames < 2) {
		VipsImage *out = in;
		g_object_ref(out);
		if (plan_one(&out, op)) {
			g_object_unref(out);
			return NULL;
		}
		return out;
	}
	VipsImage *out = NULL, **parts = g_new0(VipsImage *, frames);
	int height = in->Ysize / frames, err = 0;
	for (int i = 0; i < frames && !err; i++)
		err = vips_extract_area(in, &parts[i], 0, i * height, in->Xsize, height, NULL) ||
			plan_one(&parts[i], op);
	if (!err)
		vips_arrayjoin(parts, &out, frames, "across", 1, NULL);
	for (int i = 0; i < frames; i++)
		if (parts[i])
			g_object_unref(parts[i]);
	g_free(parts);
	return out;
}

int tt_interesting(VipsImage *in, int width, int height, int entropy, int *x, int *y) {
	VipsImage *out = NULL;
	if (vips_smartcrop(in, &out, width, height, "interesting",
			entropy ? VIPS_INTERESTING_ENTROPY : VIPS_INTERESTING_ATTENTION, NULL))
		return -1;
	*x = in->Xoffset - out->Xoffset;
	*y = in->Yoffset - out->Yoffset;
	g_object_unref(out);
	return 0;
}

VipsImage *tt_text(const char *markup, const char *font, int dpi, const int colour[3]) {
	VipsImage *ink = NULL, *paint = NULL, *both = NULL, *srgb = NULL, *out = NULL;
	double c[3] = { colour[0], colour[1], colour[2] };
	if (!vips_text(&ink, markup, "font", font, "dpi", dpi, NULL) &&
		(paint = vips_image_new_from_image(ink, c, 3)) &&
		!vips_bandjoin2(paint, ink, &both, NULL) &&
		!vips_copy(both, &srgb, "interpretation", VIPS_INTERPRETATION_sRGB, "xoffset", 0, "yoffset", 0, NULL))
		out = vips_image_copy_memory(srgb);
	VipsImage *made[] = { ink, paint, both, srgb };
	for (int i = 0; i < 4; i++)
		if (made[i])
			g_object_unref(made[i]);
	return out;
}
