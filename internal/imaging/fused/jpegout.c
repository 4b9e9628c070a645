#include "fused.h"
#include "kernel.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

struct tf_out {
	struct jpeg_compress_struct c;
	struct jpeg_error_mgr err;
	struct jpeg_destination_mgr dest;
	jmp_buf jump;
	tf_status status;
	tf_out_options o;
	uint8_t *bytes; // belongs to the object from start to end, whatever libjpeg does
	size_t len, cap;
	tf_planes half; // chroma made smaller here, where it comes in full
};

static struct tf_out *self(j_common_ptr c) {
	return (struct tf_out *) c->client_data;
}

static void leave(j_common_ptr c, tf_status status) {
	self(c)->status = status;
	longjmp(self(c)->jump, 1);
}

static void on_error(j_common_ptr c) {
	leave(c, c->err->msg_code == JERR_OUT_OF_MEMORY ? TF_NO_MEMORY : TF_BROKEN);
}

static void on_message(j_common_ptr c, int level) {
	(void) c;
	(void) level;
}

static void on_output(j_common_ptr c) {
	(void) c;
}

// --- the destination: a block of memory that grows, up to a bound ---

static void give_room(struct tf_out *out) {
	out->dest.next_output_byte = out->bytes + out->len;
	out->dest.free_in_buffer = out->cap - out->len;
}

static void dest_init(j_compress_ptr c) {
	struct tf_out *out = self((j_common_ptr) c);
	// A good guess saves copying: photographs of quality 80 take 0.15 bytes a pixel.
	out->cap = (size_t) out->o.width * (size_t) out->o.height / 6 + 4096;
	if (out->cap > out->o.most)
		out->cap = out->o.most;
	out->bytes = malloc(out->cap);
	if (!out->bytes)
		leave((j_common_ptr) c, TF_NO_MEMORY);
	give_room(out);
}

// The buffer is full to its end when this is called, whatever the pointers say.
static boolean dest_grow(j_compress_ptr c) {
	struct tf_out *out = self((j_common_ptr) c);
	size_t cap = out->cap + out->cap / 2;
	if (cap > out->o.most)
		cap = out->o.most;
	if (cap <= out->cap)
		leave((j_common_ptr) c, TF_FULL);
	uint8_t *more = realloc(out->bytes, cap);
	if (!more)
		leave((j_common_ptr) c, TF_NO_MEMORY);
	out->len = out->cap;
	out->bytes = more;
	out->cap = cap;
	give_room(out);
	return TRUE;
}

static void dest_term(j_compress_ptr c) {
	struct tf_out *out = self((j_common_ptr) c);
	out->len = out->cap - out->dest.free_in_buffer;
}

int tf_out_open(tf_out **to, const tf_out_options *o) {
	struct tf_out *out = calloc(1, sizeof *out);
	if (!out)
		return TF_NO_MEMORY;
	out->o = *o;
	out->c.err = jpeg_std_error(&out->err);
	out->err.error_exit = on_error;
	out->err.emit_message = on_message;
	out->err.output_message = on_output;
	out->c.client_data = out;
	if (setjmp(out->jump)) {
		tf_status status = out->status;
		tf_out_close(out);
		return status;
	}
	struct jpeg_compress_struct *c = &out->c;
	jpeg_create_compress(c);
	out->dest.init_destination = dest_init;
	out->dest.empty_output_buffer = dest_grow;
	out->dest.term_destination = dest_term;
	c->dest = &out->dest;
	c->image_width = (JDIMENSION) o->width;
	c->image_height = (JDIMENSION) o->height;
	c->input_components = 3;
	c->in_color_space = JCS_YCbCr;
	jpeg_set_defaults(c);
	jpeg_set_quality(c, o->quality, TRUE);
	c->optimize_coding = o->optimize ? TRUE : FALSE;
	c->comp_info[0].h_samp_factor = c->comp_info[0].v_samp_factor = o->subsample ? 2 : 1;
	c->density_unit = 1; // what is written here says 72 dpi, as all outputs do
	c->X_density = c->Y_density = 72;
	c->raw_data_in = TRUE;
	if (o->subsample) {
		const tf_shape shape = { o->width, o->height, 2, 2 };
		if (tf_planes_new(&out->half, &shape, TF_GROUP, 1)) {
			tf_out_close(out);
			return TF_NO_MEMORY;
		}
	}
	jpeg_start_compress(c, TRUE);
	*to = out;
	return TF_OK;
}

// pad repeats each row's last sample up to the end of its block.
static void pad(uint8_t *row, size_t stride, int rows, int width, int block) {
	int n = (width + block - 1) / block * block - width;
	if (n == 0)
		return;
	for (int i = 0; i < rows; i++, row += stride)
		memset(row + width, row[width - 1], (size_t) n);
}

static void halve(const uint8_t *in, size_t in_stride, int width, int rows, uint8_t *out, size_t out_stride) {
	for (int y = 0; y < rows; y += 2, in += 2 * in_stride, out += out_stride)
		tf_halve(in, y + 1 < rows ? in + in_stride : in, width, out);
}

static void point(uint8_t **row, int n, uint8_t *base, size_t stride, int have) {
	for (int i = 0; i < n; i++)
		row[i] = base + (size_t) (i < have ? i : have - 1) * stride;
}

int tf_out_rows(tf_out *out, tf_planes *p, int sub) {
	struct jpeg_compress_struct *c = &out->c;
	int own = out->o.subsample ? 2 : 1, lines = own * DCTSIZE, width = out->o.width;
	int chroma_width = (width + own - 1) / own;
	if (setjmp(out->jump))
		return out->status;
	pad(p->y, p->y_stride, p->rows, width, own * DCTSIZE);
	for (int at = 0; at < p->rows; at += lines) {
		uint8_t *y[2 * DCTSIZE], *cb[DCTSIZE], *cr[DCTSIZE];
		JSAMPARRAY planes[3] = { y, cb, cr };
		int rows = p->rows - at < lines ? p->rows - at : lines;
		int chroma_rows = (rows + own - 1) / own;
		point(y, lines, p->y + (size_t) at * p->y_stride, p->y_stride, rows);
		for (int i = 0; i < 2; i++) {
			uint8_t *base = p->c[i] + (size_t) (at / sub) * p->c_stride;
			size_t stride = p->c_stride;
			if (sub != own) {
				halve(base, stride, width, rows, out->half.c[i], out->half.c_stride);
				base = out->half.c[i];
				stride = out->half.c_stride;
			}
			pad(base, stride, chroma_rows, chroma_width, DCTSIZE);
			point(planes[1 + i], DCTSIZE, base, stride, chroma_rows);
		}
		jpeg_write_raw_data(c, planes, (JDIMENSION) lines);
	}
	return TF_OK;
}

int tf_out_finish(tf_out *out, const void **bytes, size_t *len) {
	if (setjmp(out->jump))
		return out->status;
	jpeg_finish_compress(&out->c);
	*bytes = out->bytes;
	*len = out->len;
	return TF_OK;
}

void tf_out_close(tf_out *out) {
	if (!out)
		return;
	jpeg_destroy_compress(&out->c);
	tf_planes_free(&out->half);
	free(out->bytes);
	free(out);
}
