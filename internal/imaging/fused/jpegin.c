#include "fused.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

#if JPEG_LIB_VERSION >= 70
#define SCALED_SIZE(c) ((c)->DCT_h_scaled_size)
#define MIN_SCALED_SIZE(d) ((d)->min_DCT_h_scaled_size)
#else
#define SCALED_SIZE(c) ((c)->DCT_scaled_size)
#define MIN_SCALED_SIZE(d) ((d)->min_DCT_scaled_size)
#endif

// No camera or program writes near as many passes over a picture. Each costs a walk over all
// coefficients, of which a few bytes of file can ask for thousands.
enum { MOST_SCANS = 100 };

struct tf_in {
	struct jpeg_decompress_struct d;
	struct jpeg_error_mgr err;
	struct jpeg_source_mgr src;
	struct jpeg_progress_mgr progress;
	jmp_buf jump;
	tf_status status; // why jump was taken
	const int *stop;
	tf_mode mode;
	int started;
	tf_shape shape; // of what is decoded
	uint8_t *spill; // where the rows of the last blocks go that are below the picture
	size_t spill_stride;
};

static struct tf_in *self(j_common_ptr c) {
	return (struct tf_in *) c->client_data;
}

static void leave(j_common_ptr c, tf_status status) {
	self(c)->status = status;
	longjmp(self(c)->jump, 1);
}

static void on_error(j_common_ptr c) {
	leave(c, c->err->msg_code == JERR_OUT_OF_MEMORY ? TF_NO_MEMORY : TF_FLAWED);
}

// A remark ends the work at once: others decide what it means. Traces are not remarks.
static void on_message(j_common_ptr c, int level) {
	if (level < 0)
		leave(c, TF_FLAWED);
}

static void on_output(j_common_ptr c) {
	(void) c;
}

static void check_stop(j_common_ptr c) {
	if (__atomic_load_n(self(c)->stop, __ATOMIC_RELAXED))
		leave(c, TF_STOPPED);
}

static void on_progress(j_common_ptr c) {
	check_stop(c);
	if (((j_decompress_ptr) c)->input_scan_number > MOST_SCANS)
		leave(c, TF_FLAWED);
}

// --- the source: one block of memory ---

static void source_init(j_decompress_ptr d) {
	(void) d;
}

// The whole file is there from the start: to be asked for more is to be cut off.
static boolean source_fill(j_decompress_ptr d) {
	leave((j_common_ptr) d, TF_FLAWED);
	return FALSE;
}

static void source_skip(j_decompress_ptr d, long n) {
	if (n <= 0)
		return;
	if ((unsigned long) n > d->src->bytes_in_buffer)
		leave((j_common_ptr) d, TF_FLAWED);
	d->src->next_input_byte += n;
	d->src->bytes_in_buffer -= (size_t) n;
}

static int foreign(const struct tf_in *in) {
	const struct jpeg_decompress_struct *d = &in->d;
	if (d->data_precision != 8 || d->arith_code)
		return 1;
	if (d->num_components == 1)
		return d->jpeg_color_space != JCS_GRAYSCALE;
	if (d->num_components != 3 || d->jpeg_color_space != JCS_YCbCr)
		return 1;
	const jpeg_component_info *c = d->comp_info;
	return c[0].h_samp_factor > 2 || c[0].v_samp_factor > 2 ||
		c[1].h_samp_factor != 1 || c[1].v_samp_factor != 1 ||
		c[2].h_samp_factor != 1 || c[2].v_samp_factor != 1;
}

int tf_in_open(tf_in **out, const void *src, size_t len, const int *stop) {
	struct tf_in *in = calloc(1, sizeof *in);
	if (!in)
		return TF_NO_MEMORY;
	in->stop = stop;
	in->d.err = jpeg_std_error(&in->err);
	in->err.error_exit = on_error;
	in->err.emit_message = on_message;
	in->err.output_message = on_output;
	in->d.client_data = in;
	if (setjmp(in->jump)) {
		tf_status status = in->status;
		tf_in_close(in);
		return status;
	}
	jpeg_create_decompress(&in->d);
	in->src.init_source = source_init;
	in->src.fill_input_buffer = source_fill;
	in->src.skip_input_data = source_skip;
	in->src.resync_to_restart = jpeg_resync_to_restart;
	in->src.term_source = source_init;
	in->src.next_input_byte = src;
	in->src.bytes_in_buffer = len;
	in->d.src = &in->src;
	in->progress.progress_monitor = on_progress;
	in->d.progress = &in->progress;
	jpeg_read_header(&in->d, TRUE);
	if (foreign(in)) {
		tf_in_close(in);
		return TF_FOREIGN;
	}
	*out = in;
	return TF_OK;
}

void tf_in_shape(const tf_in *in, tf_shape *s, int *gray) {
	s->width = (int) in->d.image_width;
	s->height = (int) in->d.image_height;
	*gray = in->d.num_components == 1;
	s->hs = *gray ? 1 : in->d.comp_info[0].h_samp_factor;
	s->vs = *gray ? 1 : in->d.comp_info[0].v_samp_factor;
}

int tf_in_start(tf_in *in, tf_mode mode, int shrink, tf_shape *shape) {
	struct jpeg_decompress_struct *d = &in->d;
	if (setjmp(in->jump))
		return in->status;
	in->mode = mode;
	d->scale_num = 1;
	d->scale_denom = (unsigned) shrink;
	switch (mode) {
	case TF_PLANES:
		d->raw_data_out = TRUE;
		d->out_color_space = d->jpeg_color_space;
		break;
	case TF_LUMA:
		d->out_color_space = JCS_GRAYSCALE;
		break;
	case TF_RGB:
		d->out_color_space = JCS_RGB;
		break;
	}
	jpeg_start_decompress(d);
	in->started = 1;
	in->shape = (tf_shape){ (int) d->output_width, (int) d->output_height, 1, 1 };
	if (mode == TF_PLANES) {
		// At a fraction of the size, chroma may be decoded at more than its share of it.
		const jpeg_component_info *y = &d->comp_info[0], *c = &d->comp_info[1];
		in->shape.hs = y->h_samp_factor * SCALED_SIZE(y) / SCALED_SIZE(c);
		in->shape.vs = y->v_samp_factor * SCALED_SIZE(y) / SCALED_SIZE(c);
		if (in->shape.hs < 1 || in->shape.hs > 2 || in->shape.vs < 1 || in->shape.vs > 2)
			return TF_FOREIGN;
		in->spill_stride = (size_t) y->width_in_blocks * (size_t) SCALED_SIZE(y);
		for (int i = 1; i < 3; i++) {
			size_t n = (size_t) d->comp_info[i].width_in_blocks * (size_t) SCALED_SIZE(&d->comp_info[i]);
			if (n > in->spill_stride)
				in->spill_stride = n;
		}
		in->spill = malloc(in->spill_stride);
		if (!in->spill)
			return TF_NO_MEMORY;
	}
	*shape = in->shape;
	return TF_OK;
}

// point lists where the rows of one group of blocks go: below the picture, to the spill.
static void point(const struct tf_in *in, uint8_t **row, int rows, uint8_t *base, size_t stride, int from, int height) {
	for (int i = 0; i < rows; i++)
		row[i] = from + i < height ? base + (size_t) i * stride : in->spill;
}

static void read_planes(struct tf_in *in, tf_planes *p, int *at, int most) {
	struct jpeg_decompress_struct *d = &in->d;
	int lines = d->max_v_samp_factor * MIN_SCALED_SIZE(d);
	while (*at + lines <= most && d->output_scanline < d->output_height) {
		uint8_t *y[2 * DCTSIZE], *c[2][2 * DCTSIZE];
		JSAMPARRAY planes[3] = { y, c[0], c[1] };
		int from = (int) d->output_scanline, height = in->shape.height, vs = in->shape.vs;
		int chroma_height = (height + vs - 1) / vs;
		check_stop((j_common_ptr) d);
		point(in, y, lines, p->y + (size_t) *at * p->y_stride, p->y_stride, from, height);
		for (int i = 0; i < 2; i++)
			point(in, c[i], lines / vs, p->c[i] + (size_t) (*at / vs) * p->c_stride, p->c_stride, from / vs, chroma_height);
		jpeg_read_raw_data(d, planes, (JDIMENSION) lines);
		*at += lines < height - from ? lines : height - from;
	}
}

static void read_lines(struct tf_in *in, tf_planes *p, int *at, int most) {
	struct jpeg_decompress_struct *d = &in->d;
	while (*at < most && d->output_scanline < d->output_height) {
		uint8_t *row[TF_GROUP];
		int n = most - *at < TF_GROUP ? most - *at : TF_GROUP;
		check_stop((j_common_ptr) d);
		for (int i = 0; i < n; i++)
			row[i] = p->y + (size_t) (*at + i) * p->y_stride;
		*at += (int) jpeg_read_scanlines(d, row, (JDIMENSION) n);
	}
}

int tf_in_rows(tf_in *in, tf_planes *p, int at, int most) {
	struct jpeg_decompress_struct *d = &in->d;
	p->rows = at;
	if (!in->started)
		return TF_OK; // all were read
	if (setjmp(in->jump))
		return in->status;
	if (in->mode == TF_PLANES)
		read_planes(in, p, &p->rows, most);
	else
		read_lines(in, p, &p->rows, most);
	if (d->output_scanline >= d->output_height) {
		in->started = 0;
		jpeg_finish_decompress(d);
	}
	return TF_OK;
}

void tf_in_close(tf_in *in) {
	if (!in)
		return;
	jpeg_destroy_decompress(&in->d);
	free(in->spill);
	free(in);
}
