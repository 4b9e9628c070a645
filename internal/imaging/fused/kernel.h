// The inner loops of shrinking, in plain C and for processors that can do more at once.
#ifndef TINTYPE_FUSED_KERNEL_H
#define TINTYPE_FUSED_KERNEL_H

#include <stdint.h>

// Weights have 14 bits behind the point.
enum { TF_SHIFT = 14, TF_ONE = 1 << TF_SHIFT };

typedef struct {
	const char *name;

	// vertical makes n samples, each the weighted sum of those above one another in taps
	// rows. taps is even. Up to 31 bytes more may be read of each row, and written.
	void (*vertical)(const uint8_t *const *row, const int16_t *weight, int taps, int n, uint8_t *out);

	// horizontal makes n samples, each the weighted sum of the taps samples from start on.
	// taps is divisible by 8.
	void (*horizontal)(const uint8_t *row, const int *start, const int16_t *weight, int taps, int n, uint8_t *out);
} tf_kernel;

// tf_kernels lists what this processor can do, the fastest first; the end has no name. All
// give the same bytes.
const tf_kernel *tf_kernels(void);

// tf_halve makes means of two samples of each of two rows; an odd last one counts twice.
void tf_halve(const uint8_t *a, const uint8_t *b, int width, uint8_t *out);

#endif
