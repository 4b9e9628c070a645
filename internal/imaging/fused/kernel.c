#include "kernel.h"

#include <stddef.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#endif

void tf_halve(const uint8_t *restrict a, const uint8_t *restrict b, int width, uint8_t *restrict out) {
	int x;
	for (x = 0; x < width / 2; x++)
		out[x] = (uint8_t) ((a[2 * x] + a[2 * x + 1] + b[2 * x] + b[2 * x + 1] + 2) >> 2);
	if (width & 1)
		out[x] = (uint8_t) ((a[2 * x] + b[2 * x] + 1) >> 1);
}

static uint8_t to_byte(int32_t v) {
	v = (v + (1 << (TF_SHIFT - 1))) >> TF_SHIFT;
	return (uint8_t) (v < 0 ? 0 : v > 255 ? 255 : v);
}

static void vertical_plain(const uint8_t *const *row, const int16_t *weight, int taps, int n, uint8_t *out) {
	for (int x = 0; x < n; x++) {
		int32_t v = 0;
		for (int k = 0; k < taps; k++)
			v += weight[k] * row[k][x];
		out[x] = to_byte(v);
	}
}

static void horizontal_plain(const uint8_t *row, const int *start, const int16_t *weight, int taps, int n, uint8_t *out) {
	for (int x = 0; x < n; x++, weight += taps) {
		const uint8_t *p = row + start[x];
		int32_t v = 0;
		for (int k = 0; k < taps; k++)
			v += weight[k] * p[k];
		out[x] = to_byte(v);
	}
}

#if defined(__x86_64__) && defined(__GNUC__)

// Both exist twice: for SSE2, which every such processor has, and for AVX2, where at run time
// it is found to be there.

static void vertical_sse2(const uint8_t *const *row, const int16_t *weight, int taps, int n, uint8_t *out) {
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

// Unpacking and packing work within halves of 16 bytes: what one takes apart, the other puts
// together.
__attribute__((target("avx2")))
static void vertical_avx2(const uint8_t *const *row, const int16_t *weight, int taps, int n, uint8_t *out) {
	const __m256i zero = _mm256_setzero_si256(), half = _mm256_set1_epi32(1 << (TF_SHIFT - 1));
	for (int x = 0; x < n; x += 32) {
		__m256i s0 = half, s1 = half, s2 = half, s3 = half;
		for (int k = 0; k < taps; k += 2) {
			int32_t pair;
			memcpy(&pair, weight + k, sizeof pair);
			__m256i w = _mm256_set1_epi32(pair);
			__m256i a = _mm256_loadu_si256((const __m256i *) (row[k] + x));
			__m256i b = _mm256_loadu_si256((const __m256i *) (row[k + 1] + x));
			__m256i lo = _mm256_unpacklo_epi8(a, b), hi = _mm256_unpackhi_epi8(a, b);
			s0 = _mm256_add_epi32(s0, _mm256_madd_epi16(_mm256_unpacklo_epi8(lo, zero), w));
			s1 = _mm256_add_epi32(s1, _mm256_madd_epi16(_mm256_unpackhi_epi8(lo, zero), w));
			s2 = _mm256_add_epi32(s2, _mm256_madd_epi16(_mm256_unpacklo_epi8(hi, zero), w));
			s3 = _mm256_add_epi32(s3, _mm256_madd_epi16(_mm256_unpackhi_epi8(hi, zero), w));
		}
		__m256i a = _mm256_packs_epi32(_mm256_srai_epi32(s0, TF_SHIFT), _mm256_srai_epi32(s1, TF_SHIFT));
		__m256i b = _mm256_packs_epi32(_mm256_srai_epi32(s2, TF_SHIFT), _mm256_srai_epi32(s3, TF_SHIFT));
		_mm256_storeu_si256((__m256i *) (out + x), _mm256_packus_epi16(a, b));
	}
}

static inline __m128i sum_sse2(const uint8_t *p, const int16_t *weight, int taps) {
	const __m128i zero = _mm_setzero_si128();
	__m128i s = zero;
	for (int k = 0; k < taps; k += 8) {
		__m128i v = _mm_unpacklo_epi8(_mm_loadl_epi64((const __m128i *) (p + k)), zero);
		s = _mm_add_epi32(s, _mm_madd_epi16(v, _mm_loadu_si128((const __m128i *) (weight + k))));
	}
	return s;
}

__attribute__((target("avx2")))
static inline __m128i sum_avx2(const uint8_t *p, const int16_t *weight, int taps) {
	__m256i s = _mm256_setzero_si256();
	int k = 0;
	for (; k + 16 <= taps; k += 16) {
		__m256i v = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *) (p + k)));
		s = _mm256_add_epi32(s, _mm256_madd_epi16(v, _mm256_loadu_si256((const __m256i *) (weight + k))));
	}
	__m128i r = _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
	if (k < taps) {
		__m128i v = _mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *) (p + k)));
		r = _mm_add_epi32(r, _mm_madd_epi16(v, _mm_loadu_si128((const __m128i *) (weight + k))));
	}
	return r;
}

// HORIZONTAL makes four samples at a time, by the sum of its name.
#define HORIZONTAL(name, sum_of) \
	static void name(const uint8_t *row, const int *start, const int16_t *weight, int taps, int n, uint8_t *out) { \
		const __m128i half = _mm_set1_epi32(1 << (TF_SHIFT - 1)); \
		int x = 0; \
		for (; x + 4 <= n; x += 4) { \
			const int16_t *w = weight + (long) x * taps; \
			__m128i a = sum_of(row + start[x], w, taps); \
			__m128i b = sum_of(row + start[x + 1], w + taps, taps); \
			__m128i c = sum_of(row + start[x + 2], w + 2 * taps, taps); \
			__m128i d = sum_of(row + start[x + 3], w + 3 * taps, taps); \
			__m128i ab = _mm_add_epi32(_mm_unpacklo_epi32(a, b), _mm_unpackhi_epi32(a, b)); \
			__m128i cd = _mm_add_epi32(_mm_unpacklo_epi32(c, d), _mm_unpackhi_epi32(c, d)); \
			__m128i s = _mm_add_epi32(_mm_unpacklo_epi64(ab, cd), _mm_unpackhi_epi64(ab, cd)); \
			s = _mm_srai_epi32(_mm_add_epi32(s, half), TF_SHIFT); \
			s = _mm_packs_epi32(s, s); \
			int32_t four = _mm_cvtsi128_si32(_mm_packus_epi16(s, s)); \
			memcpy(out + x, &four, sizeof four); \
		} \
		horizontal_plain(row, start + x, weight + (long) x * taps, taps, n - x, out + x); \
	}

HORIZONTAL(horizontal_sse2, sum_sse2)
__attribute__((target("avx2"))) HORIZONTAL(horizontal_avx2, sum_avx2)

const tf_kernel *tf_kernels(void) {
	static const tf_kernel all[] = {
		{ "avx2", vertical_avx2, horizontal_avx2 },
		{ "sse2", vertical_sse2, horizontal_sse2 },
		{ "plain", vertical_plain, horizontal_plain },
		{ NULL, NULL, NULL },
	};
	__builtin_cpu_init();
	return __builtin_cpu_supports("avx2") ? all : all + 1;
}

#else

const tf_kernel *tf_kernels(void) {
	static const tf_kernel all[] = {
		{ "plain", vertical_plain, horizontal_plain },
		{ NULL, NULL, NULL },
	};
	return all;
}

#endif
