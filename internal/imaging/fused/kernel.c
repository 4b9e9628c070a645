#include "kernel.h"

#ifdef __SSE2__
#include <emmintrin.h>
#include <string.h>
#endif

static uint8_t to_byte(int32_t v) {
	v = (v + (1 << (TF_SHIFT - 1))) >> TF_SHIFT;
	return (uint8_t) (v < 0 ? 0 : v > 255 ? 255 : v);
}

void tf_vertical_plain(const uint8_t *const *row, const int16_t *weight, int taps, int n, uint8_t *out) {
	for (int x = 0; x < n; x++) {
		int32_t v = 0;
		for (int k = 0; k < taps; k++)
			v += weight[k] * row[k][x];
		out[x] = to_byte(v);
	}
}

void tf_horizontal_plain(const uint8_t *row, const int *start, const int16_t *weight, int taps, int n, uint8_t *out) {
	for (int x = 0; x < n; x++, weight += taps) {
		const uint8_t *p = row + start[x];
		int32_t v = 0;
		for (int k = 0; k < taps; k++)
			v += weight[k] * p[k];
		out[x] = to_byte(v);
	}
}

#ifdef __SSE2__

void tf_vertical(const uint8_t *const *row, const int16_t *weight, int taps, int n, uint8_t *out) {
	const __m128i zero = _mm_setzero_si128(), half = _mm_set1_epi32(1 << (TF_SHIFT - 1));
	for (int x = 0; x < n; x += 16) {
		__m128i s0 = half, s1 = half, s2 = half, s3 = half;
		for (int k = 0; k < taps; k += 2) {
			int32_t pair;
			memcpy(&pair, weight + k, sizeof pair);
			__m128i w = _mm_set1_epi32(pair);
			__m128i a = _mm_loadu_si128((const __m128i *) (row[k] + x));
			__m128i b = _mm_loadu_si128((const __m128i *) (row[k + 1] + x));
			__m128i lo = _mm_unpacklo_epi8(a, b), hi = _mm_unpackhi_epi8(a, b);
			s0 = _mm_add_epi32(s0, _mm_madd_epi16(_mm_unpacklo_epi8(lo, zero), w));
			s1 = _mm_add_epi32(s1, _mm_madd_epi16(_mm_unpackhi_epi8(lo, zero), w));
			s2 = _mm_add_epi32(s2, _mm_madd_epi16(_mm_unpacklo_epi8(hi, zero), w));
			s3 = _mm_add_epi32(s3, _mm_madd_epi16(_mm_unpackhi_epi8(hi, zero), w));
		}
		__m128i a = _mm_packs_epi32(_mm_srai_epi32(s0, TF_SHIFT), _mm_srai_epi32(s1, TF_SHIFT));
		__m128i b = _mm_packs_epi32(_mm_srai_epi32(s2, TF_SHIFT), _mm_srai_epi32(s3, TF_SHIFT));
		_mm_storeu_si128((__m128i *) (out + x), _mm_packus_epi16(a, b));
	}
}

static inline __m128i sum_of(const uint8_t *p, const int16_t *weight, int taps) {
	const __m128i zero = _mm_setzero_si128();
	__m128i s = zero;
	for (int k = 0; k < taps; k += 8) {
		__m128i v = _mm_unpacklo_epi8(_mm_loadl_epi64((const __m128i *) (p + k)), zero);
		s = _mm_add_epi32(s, _mm_madd_epi16(v, _mm_loadu_si128((const __m128i *) (weight + k))));
	}
	return s;
}

void tf_horizontal(const uint8_t *row, const int *start, const int16_t *weight, int taps, int n, uint8_t *out) {
	const __m128i half = _mm_set1_epi32(1 << (TF_SHIFT - 1));
	int x = 0;
	for (; x + 4 <= n; x += 4) {
		const int16_t *w = weight + (long) x * taps;
		__m128i a = sum_of(row + start[x], w, taps);
		__m128i b = sum_of(row + start[x + 1], w + taps, taps);
		__m128i c = sum_of(row + start[x + 2], w + 2 * taps, taps);
		__m128i d = sum_of(row + start[x + 3], w + 3 * taps, taps);
		__m128i ab = _mm_add_epi32(_mm_unpacklo_epi32(a, b), _mm_unpackhi_epi32(a, b));
		__m128i cd = _mm_add_epi32(_mm_unpacklo_epi32(c, d), _mm_unpackhi_epi32(c, d));
		__m128i s = _mm_add_epi32(_mm_unpacklo_epi64(ab, cd), _mm_unpackhi_epi64(ab, cd));
		s = _mm_srai_epi32(_mm_add_epi32(s, half), TF_SHIFT);
		s = _mm_packs_epi32(s, s);
		int32_t four = _mm_cvtsi128_si32(_mm_packus_epi16(s, s));
		memcpy(out + x, &four, sizeof four);
	}
	tf_horizontal_plain(row, start + x, weight + (long) x * taps, taps, n - x, out + x);
}

#else

void tf_vertical(const uint8_t *const *row, const int16_t *weight, int taps, int n, uint8_t *out) {
	tf_vertical_plain(row, weight, taps, n, out);
}

void tf_horizontal(const uint8_t *row, const int *start, const int16_t *weight, int taps, int n, uint8_t *out) {
	tf_horizontal_plain(row, start, weight, taps, n, out);
}

#endif
