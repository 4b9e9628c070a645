#include "fused.h"

#include <stdlib.h>
#include <string.h>

void tf_set_stop(int *stop) {
	__atomic_store_n(stop, 1, __ATOMIC_RELAXED);
}

// A row's stride: room for TF_SLACK bytes, and never a multiple of 4096, at which the rows
// of a column would fall into the same lines of the cache.
static size_t stride_for(int width) {
	size_t n = ((size_t) width + 63) / 64 * 64 + TF_SLACK;
	return n % 4096 ? n : n + 64;
}

int tf_planes_new(tf_planes *p, const tf_shape *shape, int rows, int chroma) {
	memset(p, 0, sizeof *p);
	p->y_stride = stride_for(shape->width);
	p->y = calloc((size_t) rows + 2, p->y_stride);
	if (!p->y)
		return TF_NO_MEMORY;
	if (!chroma)
		return TF_OK;
	p->c_stride = stride_for((shape->width + shape->hs - 1) / shape->hs);
	size_t lines = (size_t) (rows + shape->vs - 1) / shape->vs + 2;
	for (int i = 0; i < 2; i++) {
		p->c[i] = calloc(lines, p->c_stride);
		if (!p->c[i]) {
			tf_planes_free(p);
			return TF_NO_MEMORY;
		}
	}
	return TF_OK;
}

void tf_planes_free(tf_planes *p) {
	free(p->y);
	free(p->c[0]);
	free(p->c[1]);
	memset(p, 0, sizeof *p);
}
