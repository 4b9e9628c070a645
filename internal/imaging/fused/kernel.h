// The inner loops of shrinking. On x86-64, where SSE2 is always there, they are written for
// it; elsewhere, and in the tests that compare the two, in plain C.
#ifndef TINTYPE_FUSED_KERNEL_H
#define TINTYPE_FUSED_KERNEL_H

#include <stdint.h>

// Weights have 14 bits behind the point.
enum { TF_SHIFT = 14, TF_ONE = 1 << TF_SHIFT };

// tf_vertical makes n samples, each the weighted sum of those above one another in taps rows.
// taps is even. Up to 16 bytes more may be read and written.
void tf_vertical(const uint8_t *const *row, const int16_t *weight, int taps, int n, uint8_t *out);
void tf_vertical_plain(const uint8_t *const *row, const int16_t *weight, int taps, int n, uint8_t *out);

// tf_horizontal makes n samples, each the weighted sum of taps samples from start on. taps is
// divisible by 8. Up to 4 bytes more may be written.
void tf_horizontal(const uint8_t *row, const int *start, const int16_t *weight, int taps, int n, uint8_t *out);
void tf_horizontal_plain(const uint8_t *row, const int *start, const int16_t *weight, int taps, int n, uint8_t *out);

#endif
