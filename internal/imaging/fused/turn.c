#include "fused.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

// A plane as it is stored, and how to show it.
typedef struct {
	const uint8_t *from;
	size_t stride;
	int width, height; // as stored
	int across; // rows become columns
	int flip_x, flip_y; // of the picture as shown
} turned;

static void reverse(uint8_t *row, int n) {
	for (int i = 0, j = n - 1; i < j; i++, j--) {
		uint8_t t = row[i];
		row[i] = row[j];
		row[j] = t;
	}
}

enum { TILE = 16 };

// tile makes rows of the columns of TILE × TILE bytes. Strides may be negative.
#ifdef __SSE2__
static void tile(const uint8_t *from, ptrdiff_t from_stride, uint8_t *to, ptrdiff_t to_stride) {
	__m128i a[TILE], b[TILE];
	for (int i = 0; i < TILE; i++)
		a[i] = _mm_loadu_si128((const __m128i *) (from + i * from_stride));
	// Each round deals the rows as two halves of a pack of cards; after four, columns are rows.
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < TILE / 2; i++) {
			b[2 * i] = _mm_unpacklo_epi8(a[i], a[i + TILE / 2]);
			b[2 * i + 1] = _mm_unpackhi_epi8(a[i], a[i + TILE / 2]);
		}
		for (int i = 0; i < TILE / 2; i++) {
			a[2 * i] = _mm_unpacklo_epi8(b[i], b[i + TILE / 2]);
			a[2 * i + 1] = _mm_unpackhi_epi8(b[i], b[i + TILE / 2]);
		}
	}
	for (int i = 0; i < TILE; i++)
		_mm_storeu_si128((__m128i *) (to + i * to_stride), a[i]);
}
#else
static void tile(const uint8_t *from, ptrdiff_t from_stride, uint8_t *to, ptrdiff_t to_stride) {
	for (int i = 0; i < TILE; i++)
		for (int k = 0; k < TILE; k++)
			to[k * to_stride + i] = from[i * from_stride + k];
}
#endif

// turn copies rows of the shown picture. Where rows become columns, it reads runs of bytes
// as long as there are rows wanted: 64 make a whole line of the cache.
static void turn(const turned *t, int from, int rows, uint8_t *to, size_t stride) {
	if (!t->across) {
		for (int r = 0; r < rows; r++, to += stride) {
			int y = t->flip_y ? t->height - 1 - from - r : from + r;
			memcpy(to, t->from + (size_t) y * t->stride, (size_t) t->width);
			if (t->flip_x)
				reverse(to, t->width);
		}
		return;
	}
	int first = t->flip_y ? t->width - from - rows : from; // column as stored
	for (int x0 = 0; x0 < t->height; x0 += TILE) {
		int n = t->height - x0 < TILE ? t->height - x0 : TILE;
		for (int r0 = 0; r0 < rows; r0 += TILE) {
			int m = rows - r0 < TILE ? rows - r0 : TILE;
			if (n == TILE && m == TILE) {
				int y = t->flip_x ? t->height - 1 - x0 : x0, r = t->flip_y ? rows - TILE - r0 : r0;
				tile(t->from + (size_t) y * t->stride + first + r, t->flip_x ? -(ptrdiff_t) t->stride : (ptrdiff_t) t->stride,
					to + (size_t) (t->flip_y ? r0 + TILE - 1 : r0) * stride + x0, t->flip_y ? -(ptrdiff_t) stride : (ptrdiff_t) stride);
				continue;
			}
			for (int x = x0; x < x0 + n; x++) {
				int y = t->flip_x ? t->height - 1 - x : x;
				const uint8_t *src = t->from + (size_t) y * t->stride + first;
				uint8_t *dst = to + x;
				if (t->flip_y)
					for (int r = r0; r < r0 + m; r++)
						dst[(size_t) r * stride] = src[rows - 1 - r];
				else
					for (int r = r0; r < r0 + m; r++)
						dst[(size_t) r * stride] = src[r];
			}
		}
	}
}

// turn_chroma is turn for a plane whose samples stand for pairs of pixels. Counted from the
// other end of an odd number of pixels, the pairs are others, each half of two old ones.
static void turn_chroma(const turned *t, int between_x, int between_y, int from, int rows, uint8_t *to, size_t stride) {
	int width = t->across ? t->height : t->width, height = t->across ? t->width : t->height;
	int extra = between_y && from + rows < height;
	turn(t, from, rows + extra, to, stride);
	if (between_x)
		for (int r = 0; r < rows + extra; r++)
			for (int x = 0; x + 1 < width; x++)
				to[(size_t) r * stride + (size_t) x] = (uint8_t) ((to[(size_t) r * stride + (size_t) x] + to[(size_t) r * stride + (size_t) x + 1] + 1) >> 1);
	if (between_y)
		for (int r = 0; r + 1 < rows + extra; r++)
			for (int x = 0; x < width; x++)
				to[(size_t) r * stride + (size_t) x] = (uint8_t) ((to[(size_t) r * stride + (size_t) x] + to[(size_t) (r + 1) * stride + (size_t) x] + 1) >> 1);
}

void tf_turn(const tf_planes *in, const tf_shape *s, int orientation, int from, tf_planes *out) {
	int o = orientation;
	turned t = { in->y, in->y_stride, s->width, s->height,
		o >= 5, o == 2 || o == 3 || o == 6 || o == 7, o == 3 || o == 4 || o == 7 || o == 8 };
	turn(&t, from, out->rows, out->y, out->y_stride);
	if (!in->c[0])
		return;
	// As shown: how chroma is sampled, and the number of pixels.
	int hs = t.across ? s->vs : s->hs, vs = t.across ? s->hs : s->vs;
	int width = t.across ? s->height : s->width, height = t.across ? s->width : s->height;
	int between_x = t.flip_x && hs == 2 && width & 1, between_y = t.flip_y && vs == 2 && height & 1;
	t.width = (s->width + s->hs - 1) / s->hs;
	t.height = (s->height + s->vs - 1) / s->vs;
	t.stride = in->c_stride;
	for (int i = 0; i < 2; i++) {
		t.from = in->c[i];
		turn_chroma(&t, between_x, between_y, from / vs, (out->rows + vs - 1) / vs, out->c[i], out->c_stride);
	}
}
