package fused

// #include "fused.h"
// #include "kernel.h"
//
// static void call_vertical(const tf_kernel *k, const uint8_t *row, size_t stride, const int16_t *weight, int taps, int n, uint8_t *out) {
//	const uint8_t *rows[64];
//	for (int i = 0; i < taps; i++)
//		rows[i] = row + (size_t) i * stride;
//	k->vertical(rows, weight, taps, n, out);
// }
// static void call_horizontal(const tf_kernel *k, const uint8_t *row, const int *start, const int16_t *weight, int taps, int n, uint8_t *out) {
//	k->horizontal(row, start, weight, taps, n, out);
// }
import "C"

import "unsafe"

// kernel is one form of the inner loops of shrinking, for comparing it with the others.
type kernel struct {
	name string
	c    *C.tf_kernel
}

// slack is what a kernel may read and write behind a row.
const slack = C.TF_SLACK

// kernels lists the forms that this processor can do, plain C last.
func kernels() (list []kernel) {
	for k := C.tf_kernels(); k.name != nil; k = (*C.tf_kernel)(unsafe.Add(unsafe.Pointer(k), C.sizeof_tf_kernel)) {
		list = append(list, kernel{C.GoString(k.name), k})
	}
	return list
}

// vertical sums rows that lie stride bytes apart, at most 64.
func (k kernel) vertical(rows []byte, stride int, weight []int16, n int, out []byte) {
	C.call_vertical(k.c, (*C.uint8_t)(&rows[0]), C.size_t(stride), (*C.int16_t)(&weight[0]), C.int(len(weight)), C.int(n), (*C.uint8_t)(&out[0]))
}

func (k kernel) horizontal(row []byte, start []int32, weight []int16, out []byte) {
	C.call_horizontal(k.c, (*C.uint8_t)(&row[0]), (*C.int)(&start[0]), (*C.int16_t)(&weight[0]), C.int(len(weight)/len(start)), C.int(len(start)), (*C.uint8_t)(&out[0]))
}
