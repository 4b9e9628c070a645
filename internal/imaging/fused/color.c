#include "fused.h"
#include "kernel.h"

#include <string.h>

// The weights of luma are those of the package tone.
enum { LUMA_R = 19595, LUMA_G = 38470, LUMA_B = 7471, HALF = 1 << 15 };

// sum_add sums what the map adds over each square of sub × sub pixels, scaled so that four
// terms make the mean: Cb low, Cr high. Rows must be even in width for sub 2.
static inline uint32_t sum_add(const uint32_t *add, const uint8_t *a, const uint8_t *b, int sub, int x) {
	if (sub == 1)
		return 4 * add[a[x]];
	return add[a[2 * x]] + add[a[2 * x + 1]] + add[b[2 * x]] + add[b[2 * x + 1]];
}

// With 6 bits behind the point and four terms of at most 255, the sum and its rounding fit
// 16 bits: the two halves never touch.
enum { ROUND = 128 << 16 | 128 };

static inline void add_only(const uint32_t *add, const uint8_t *a, const uint8_t *b, int sub, int n, uint8_t *cb, uint8_t *cr) {
	for (int x = 0; x < n; x++) {
		uint32_t s = sum_add(add, a, b, sub, x) + ROUND;
		cb[x] = (uint8_t) (s >> 8);
		cr[x] = (uint8_t) (s >> 24);
	}
}

static inline uint8_t mix(int32_t keep, uint8_t c, uint32_t sum) {
	int32_t v = (keep * c + (int32_t) (sum << 8) + HALF) >> 16;
	return (uint8_t) (v > 255 ? 255 : v);
}

static inline void add_mixed(const tf_map *m, const uint8_t *a, const uint8_t *b, int sub, int n, uint8_t *cb, uint8_t *cr) {
	for (int x = 0; x < n; x++) {
		uint32_t s = sum_add(m->add, a, b, sub, x);
		cb[x] = mix(m->keep, cb[x], s & 0xffff);
		cr[x] = mix(m->keep, cr[x], s >> 16);
	}
}

// average makes each sample of out from sx × 2 of in, whose width is n_in.
static void average(const uint8_t *a, const uint8_t *b, int sx, int n_in, uint8_t *out, int n) {
	if (sx == 2) {
		tf_halve(a, b, n_in, out);
		return;
	}
	for (int x = 0; x < n; x++)
		out[x] = (uint8_t) ((a[x] + b[x] + 1) >> 1);
}

void tf_chroma(const tf_map *map, tf_planes *in, int hs, int vs, tf_planes *out, int sub, int width) {
	int n = (width + sub - 1) / sub, rows = (in->rows + sub - 1) / sub;
	int n_in = (width + hs - 1) / hs, rows_in = (in->rows + vs - 1) / vs;
	int keep = in->c[0] && (!map || map->keep > 0);

	for (int r = 0; r < rows; r++) {
		uint8_t *o[2] = { out->c[0] + (size_t) r * out->c_stride, out->c[1] + (size_t) r * out->c_stride };
		if (keep) {
			// The rows of in that cover this one: sub / vs of them, 1 or 2.
			int r0 = r * sub / vs, r1 = r0 + sub / vs - 1;
			if (r1 >= rows_in)
				r1 = rows_in - 1;
			for (int i = 0; i < 2; i++) {
				const uint8_t *a = in->c[i] + (size_t) r0 * in->c_stride;
				const uint8_t *b = in->c[i] + (size_t) r1 * in->c_stride;
				if (sub == hs && a == b)
					memcpy(o[i], a, (size_t) n);
				else
					average(a, b, sub / hs, n_in, o[i], n);
			}
		}
		if (!map) {
			if (!keep) {
				memset(o[0], 128, (size_t) n);
				memset(o[1], 128, (size_t) n);
			}
			continue;
		}
		uint8_t *a = in->y + (size_t) (r * sub) * in->y_stride;
		uint8_t *b = r * sub + sub - 1 < in->rows ? a + (size_t) (sub - 1) * in->y_stride : a;
		if (sub == 2 && (width & 1)) {
			a[width] = a[width - 1];
			b[width] = b[width - 1];
		}
		// sub as a constant, for the compiler to make two loops of each.
		if (keep && sub == 2)
			add_mixed(map, a, b, 2, n, o[0], o[1]);
		else if (keep)
			add_mixed(map, a, b, 1, n, o[0], o[1]);
		else if (sub == 2)
			add_only(map->add, a, b, 2, n, o[0], o[1]);
		else
			add_only(map->add, a, b, 1, n, o[0], o[1]);
	}
	if (!map || map->same_y)
		return;
	for (int r = 0; r < in->rows; r++) {
		uint8_t *y = in->y + (size_t) r * in->y_stride;
		for (int x = 0; x < width; x++)
			y[x] = map->y[y[x]];
	}
}

// chroma_of gives Cb and Cr of a sum of count (1, 2 or 4) pixels, shift its logarithm.
static inline void chroma_of(int r, int g, int b, int shift, uint8_t *cb, uint8_t *cr) {
	const int middle = (128 << 16) + HALF - 1; // as libjpeg rounds: 255.5 does not become 256
	*cb = (uint8_t) ((((-11059 * r - 21709 * g + 32768 * b) >> shift) + middle) >> 16);
	*cr = (uint8_t) ((((32768 * r - 27439 * g - 5329 * b) >> shift) + middle) >> 16);
}

static void luma_row(const uint8_t *rgb, int width, uint8_t *y) {
	for (int x = 0; x < width; x++, rgb += 3)
		y[x] = (uint8_t) ((LUMA_R * rgb[0] + LUMA_G * rgb[1] + LUMA_B * rgb[2] + HALF) >> 16);
}

void tf_split(const uint8_t *rgb, size_t stride, int width, int rows, tf_planes *out, int sub) {
	out->rows = rows;
	for (int r = 0; r < rows; r++)
		luma_row(rgb + (size_t) r * stride, width, out->y + (size_t) r * out->y_stride);
	if (!out->c[0])
		return;
	for (int r = 0; r < rows; r += sub) {
		const uint8_t *a = rgb + (size_t) r * stride, *b = r + 1 < rows ? a + stride : a;
		uint8_t *cb = out->c[0] + (size_t) (r / sub) * out->c_stride;
		uint8_t *cr = out->c[1] + (size_t) (r / sub) * out->c_stride;
		if (sub == 1) {
			for (int x = 0; x < width; x++)
				chroma_of(a[3 * x], a[3 * x + 1], a[3 * x + 2], 0, cb + x, cr + x);
			continue;
		}
		int x;
		for (x = 0; x < width / 2; x++) {
			const uint8_t *p = a + 6 * x, *q = b + 6 * x;
			chroma_of(p[0] + p[3] + q[0] + q[3], p[1] + p[4] + q[1] + q[4], p[2] + p[5] + q[2] + q[5], 2, cb + x, cr + x);
		}
		if (width & 1) {
			const uint8_t *p = a + 6 * x, *q = b + 6 * x;
			chroma_of(p[0] + q[0], p[1] + q[1], p[2] + q[2], 1, cb + x, cr + x);
		}
	}
}
