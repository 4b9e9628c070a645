#include "ops.h"

#include <math.h>
#include <string.h>

// libvips's own blur of bytes rounds the weights of its mask to whole numbers, and on some
// processors to 8 bits once more: a flat 50 became 48. Here weights have 15 bits, and
// values between the two passes 8 more than they have in the picture.

#define UNIT 32768 // the sum of the weights

typedef struct {
	int radius;
	guint32 weights[336]; // from the middle outwards
} mask;

static int make_mask(mask *m, double sigma) {
	m->radius = (int) ceil(3.2 * sigma);
	if (sigma <= 0 || m->radius >= (int) G_N_ELEMENTS(m->weights))
		return -1;
	double sum = 0, weight[G_N_ELEMENTS(m->weights)];
	for (int i = 0; i <= m->radius; i++) {
		// The Gaussian's part of this pixel, not its value in the middle of it.
		weight[i] = erf((i + 0.5) / (sigma * G_SQRT2)) - erf((i - 0.5) / (sigma * G_SQRT2));
		sum += i ? 2 * weight[i] : weight[i];
	}
	guint32 rest = UNIT;
	for (int i = m->radius; i > 0; i--) {
		m->weights[i] = (guint32) rint(weight[i] / sum * UNIT);
		rest -= 2 * m->weights[i];
	}
	m->weights[0] = rest;
	return 0;
}

// load writes a row with radius pixels more at each end; 8 bits are added to each value, and
// colours are weighted by alpha.
static void load(guint16 *to, const VipsPel *from, int width, int bands, int radius) {
	guint16 *p = to + radius * bands;
	if (bands == 4) {
		for (int x = 0; x < width; x++, p += 4, from += 4) {
			for (int i = 0; i < 3; i++)
				p[i] = (from[i] * from[3] * 256 + 127) / 255;
			p[3] = from[3] << 8;
		}
	} else {
		for (int x = 0; x < width * bands; x++)
			p[x] = from[x] << 8;
	}
	const guint16 *first = to + radius * bands, *last = first + (width - 1) * bands;
	for (int x = 0; x < radius; x++) {
		memcpy(to + x * bands, first, bands * sizeof(guint16));
		memcpy(to + (radius + width + x) * bands, last, bands * sizeof(guint16));
	}
}

static void store(VipsPel *to, const guint16 *from, int width, int bands) {
	if (bands != 4) {
		for (int x = 0; x < width * bands; x++)
			to[x] = (from[x] + 128) >> 8;
		return;
	}
	for (int x = 0; x < width; x++, to += 4, from += 4) {
		guint32 a = from[3];
		to[3] = (a + 128) >> 8;
		for (int i = 0; i < 3; i++)
			to[i] = a < 128 ? 0 : VIPS_MIN(255, (from[i] * 255 + a / 2) / a);
	}
}

// spread adds what lies at two places, times a weight, to sums.
__attribute__((optimize("O3"))) static void spread(guint32 *restrict sums, const guint16 *restrict a,
	const guint16 *restrict b, guint32 weight, int n) {
	for (int i = 0; i < n; i++)
		sums[i] += weight * ((guint32) a[i] + b[i]);
}

__attribute__((optimize("O3"))) static void begin(guint32 *restrict sums, const guint16 *restrict a, guint32 weight, int n) {
	for (int i = 0; i < n; i++)
		sums[i] = UNIT / 2 + weight * a[i];
}

__attribute__((optimize("O3"))) static void finish(guint16 *restrict to, const guint32 *restrict sums, int n) {
	for (int i = 0; i < n; i++)
		to[i] = sums[i] / UNIT;
}

// across blurs a row along itself.
static void across(guint16 *to, const VipsPel *row, guint16 *wide, guint32 *sums, int width, int bands, const mask *m) {
	int n = width * bands;
	load(wide, row, width, bands, m->radius);
	const guint16 *middle = wide + m->radius * bands;
	begin(sums, middle, m->weights[0], n);
	for (int i = 1; i <= m->radius; i++)
		spread(sums, middle - i * bands, middle + i * bands, m->weights[i], n);
	finish(to, sums, n);
}

static int blur_frame(VipsPel *to, const VipsPel *from, int width, int height, int bands, const mask *along, const mask *m,
	int *stop) {
	int n = width * bands, kept = 2 * m->radius + 1;
	guint16 *wide = g_try_new(guint16, (gsize) (width + 2 * along->radius) * bands);
	guint32 *sums = g_try_new(guint32, n);
	guint16 *done = g_try_new(guint16, n);
	guint16 *rows = g_try_new(guint16, (gsize) kept * n); // a ring of rows that are blurred along themselves
	int err = !wide || !sums || !done || !rows;
	if (err)
		vips_error("tintype", "out of memory");
	int loaded = 0;
	for (int y = 0; y < height && !err; y++) {
		for (; loaded < height && loaded <= y + m->radius; loaded++)
			across(rows + (gsize) (loaded % kept) * n, from + (gsize) loaded * n, wide, sums, width, bands, along);
#define ROW(Y) (rows + (gsize) (VIPS_CLIP(0, Y, height - 1) % kept) * n)
		begin(sums, ROW(y), m->weights[0], n);
		for (int i = 1; i <= m->radius; i++)
			spread(sums, ROW(y - i), ROW(y + i), m->weights[i], n);
		finish(done, sums, n);
		store(to + (gsize) y * n, done, width, bands);
		err = __atomic_load_n(stop, __ATOMIC_RELAXED);
	}
	g_free(wide);
	g_free(sums);
	g_free(done);
	g_free(rows);
	return err;
}

VipsImage *tt_blur(VipsImage *in, int frames, double across, double down, int *stop) {
	mask mx, my;
	if (make_mask(&mx, across) || make_mask(&my, down) || in->dtype != VIPS_IMAGE_SETBUF) {
		vips_error("tintype", "no blur of %g by %g pixels", across, down);
		return NULL;
	}
	VipsImage *out = vips_image_new_memory();
	if (vips_image_pipelinev(out, VIPS_DEMAND_STYLE_ANY, in, NULL) || vips_image_write_prepare(out)) {
		g_object_unref(out);
		return NULL;
	}
	int height = in->Ysize / frames;
	for (int i = 0; i < frames; i++)
		if (blur_frame(VIPS_IMAGE_ADDR(out, 0, i * height), VIPS_IMAGE_ADDR(in, 0, i * height),
				in->Xsize, height, in->Bands, &mx, &my, stop)) {
			g_object_unref(out);
			return NULL;
		}
	return out;
}
