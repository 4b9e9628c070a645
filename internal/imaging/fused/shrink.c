#include "fused.h"
#include "kernel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// One plane on its way from one size to another. Rows come in; those that the next result
// needs are kept in a ring.
typedef struct {
	const tf_kernel *kernel;
	int from_w, from_h, to_w, to_h;
	int box; // each sample of the middle picture is the mean of box × box
	int mid_w, mid_h;
	uint32_t *sum; // of the rows that came for the next row of means; box 2: the first
	int summed, boxed; // rows in sum; rows that came
	uint8_t *ring;
	size_t stride;
	int ring_rows; // a power of two
	int have; // rows of the middle picture that came
	int next; // the next result
	int taps_v, taps_h; // taps_v even, taps_h divisible by 8
	int *start_v, *start_h; // first sample for each result; may lie outside
	int16_t *weight_v, *weight_h;
	const uint8_t **row; // taps_v of them
	uint8_t *line; // a row of the result's height, with its ends repeated
	int margin;
} plane;

static double lanczos3(double x) {
	if (x < 1e-9)
		return 1;
	if (x >= 3)
		return 0;
	x *= M_PI;
	return 3 * sin(x) * sin(x / 3) / (x * x);
}

// The filter as a table, between whose points lines are exact to less than a weight's last
// bit: sines would cost more than all that is done with them.
enum { STEPS = 512 };
typedef struct {
	double at[3 * STEPS + 2];
} filter;

static void filter_init(filter *f) {
	for (int i = 0; i < 3 * STEPS + 2; i++)
		f->at[i] = lanczos3((double) i / STEPS);
}

static double filter_at(const filter *f, double x) {
	x = fabs(x) * STEPS;
	if (x >= 3 * STEPS)
		return 0;
	int i = (int) x;
	return f->at[i] + (f->at[i + 1] - f->at[i]) * (x - i);
}

// weights lists for each of n results the first sample and the weights of taps samples
// from there on, in units of 1/16384, adding up to one. scale is samples per result.
static int weights(const filter *f, int n, double scale, int round_to, int *taps, int **start, int16_t **weight) {
	double wide = scale > 1 ? scale : 1, reach = 3 * wide;
	int used = (int) ceil(2 * reach) + 1;
	*taps = (used + round_to - 1) / round_to * round_to;
	*start = malloc((size_t) n * sizeof **start);
	*weight = calloc((size_t) n * (size_t) *taps, sizeof **weight);
	double *w = malloc((size_t) used * sizeof *w);
	if (!*start || !*weight || !w) {
		free(w);
		return TF_NO_MEMORY;
	}
	for (int i = 0; i < n; i++) {
		double center = (i + 0.5) * scale - 0.5, sum = 0;
		int first = (int) ceil(center - reach), largest = 0, total = 0;
		for (int k = 0; k < used; k++)
			sum += w[k] = filter_at(f, (first + k - center) / wide);
		int16_t *out = *weight + (size_t) i * (size_t) *taps;
		for (int k = 0; k < used; k++) {
			out[k] = (int16_t) lrint(w[k] / sum * TF_ONE);
			total += out[k];
			if (out[k] > out[largest])
				largest = k;
		}
		out[largest] = (int16_t) (out[largest] + TF_ONE - total);
		(*start)[i] = first;
	}
	free(w);
	return TF_OK;
}

static void plane_free(plane *p) {
	free(p->sum);
	free(p->ring);
	free(p->start_v);
	free(p->start_h);
	free(p->weight_v);
	free(p->weight_h);
	free(p->line);
	free(p->row);
}

// plane_new prepares a plane; scales are samples that come per sample that results.
static int plane_new(plane *p, const filter *f, int from_w, int from_h, int to_w, int to_h, double scale_x, double scale_y) {
	p->kernel = tf_kernels();
	p->from_w = from_w, p->from_h = from_h, p->to_w = to_w, p->to_h = to_h;
	p->box = (int) (fmin(scale_x, scale_y) / 2 + 1e-9);
	if (p->box < 2)
		p->box = 1;
	p->mid_w = (from_w + p->box - 1) / p->box;
	p->mid_h = (from_h + p->box - 1) / p->box;
	if (weights(f, to_h, scale_y / p->box, 2, &p->taps_v, &p->start_v, &p->weight_v) ||
		weights(f, to_w, scale_x / p->box, 8, &p->taps_h, &p->start_h, &p->weight_h))
		return TF_NO_MEMORY;
	for (p->ring_rows = 2; p->ring_rows < p->taps_v + 1; p->ring_rows *= 2)
		;
	p->stride = ((size_t) p->mid_w + 63) / 64 * 64 + TF_SLACK;
	p->margin = p->taps_h;
	p->ring = calloc((size_t) p->ring_rows, p->stride);
	p->line = calloc(1, (size_t) p->mid_w + 2 * (size_t) p->margin + TF_SLACK);
	p->row = calloc((size_t) p->taps_v, sizeof *p->row);
	if (p->box > 1)
		p->sum = calloc((size_t) p->from_w, sizeof *p->sum);
	return p->ring && p->line && p->row && (p->box == 1 || p->sum) ? TF_OK : TF_NO_MEMORY;
}

static uint8_t *ring_row(const plane *p, int i) {
	return p->ring + (size_t) (i & (p->ring_rows - 1)) * p->stride;
}

static int clamp(int v, int most) {
	return v < 0 ? 0 : v > most ? most : v;
}

// means makes a row of the middle picture of the sums of rows.
static void means(const plane *p, uint8_t *to) {
	for (int i = 0; i < p->mid_w; i++) {
		int x = i * p->box, end = x + p->box < p->from_w ? x + p->box : p->from_w;
		uint64_t n = (uint64_t) (end - x) * (uint64_t) p->summed, s = n / 2;
		for (; x < end; x++)
			s += p->sum[x];
		to[i] = (uint8_t) (s / n);
	}
}

// take_row enters a row, and says whether the middle picture has one more by it.
static int take_row(plane *p, const uint8_t *row) {
	if (p->box == 1) {
		memcpy(ring_row(p, p->have++), row, (size_t) p->mid_w);
		return 1;
	}
	int last = ++p->boxed == p->from_h;
	if (p->box == 2) { // the commonest, without sums
		uint8_t *first = (uint8_t *) p->sum;
		if (p->boxed % 2 && !last) {
			memcpy(first, row, (size_t) p->from_w);
			return 0;
		}
		tf_halve(p->boxed % 2 ? row : first, row, p->from_w, ring_row(p, p->have++));
		return 1;
	}
	for (int x = 0; x < p->from_w; x++)
		p->sum[x] += row[x];
	if (++p->summed < p->box && !last)
		return 0;
	means(p, ring_row(p, p->have++));
	memset(p->sum, 0, (size_t) p->from_w * sizeof *p->sum);
	p->summed = 0;
	return 1;
}

// ready says whether the rows for the next result are there.
static int ready(const plane *p) {
	return p->next < p->to_h && clamp(p->start_v[p->next] + p->taps_v - 1, p->mid_h - 1) < p->have;
}

static void make_row(plane *p, uint8_t *to) {
	int first = p->start_v[p->next];
	for (int k = 0; k < p->taps_v; k++)
		p->row[k] = ring_row(p, clamp(first + k, p->mid_h - 1));
	uint8_t *line = p->line + p->margin;
	p->kernel->vertical(p->row, p->weight_v + (size_t) p->next * (size_t) p->taps_v, p->taps_v, p->mid_w, line);
	memset(line - p->margin, line[0], (size_t) p->margin);
	memset(line + p->mid_w, line[p->mid_w - 1], (size_t) p->margin);
	p->kernel->horizontal(line, p->start_h, p->weight_h, p->taps_h, p->to_w, to);
	p->next++;
}

// --- three planes together ---

struct tf_shrink {
	tf_shape from, to;
	plane p[3];
	int planes;
	int all;
	tf_planes out; // results that wait
	int cap; // rows in out
	int waiting[3]; // rows of each plane in out
	int given; // luma rows
};

static int chroma_size(int n, int sub) {
	return (n + sub - 1) / sub;
}

int tf_shrink_new(tf_shrink **to_s, const tf_shape *from, const tf_shape *to, int chroma, int all) {
	tf_shrink *s = calloc(1, sizeof *s);
	if (!s)
		return TF_NO_MEMORY;
	s->from = *from, s->to = *to, s->all = all;
	s->planes = chroma ? 3 : 1;
	filter f;
	filter_init(&f);
	double x = (double) from->width / to->width, y = (double) from->height / to->height;
	int err = plane_new(&s->p[0], &f, from->width, from->height, to->width, to->height, x, y);
	for (int i = 1; i < s->planes && !err; i++)
		err = plane_new(&s->p[i], &f, chroma_size(from->width, from->hs), chroma_size(from->height, from->vs),
			chroma_size(to->width, to->hs), chroma_size(to->height, to->vs),
			x * to->hs / from->hs, y * to->vs / from->vs);
	// A plane may run ahead of the others by what one group holds and what one strip brings.
	s->cap = all ? to->height : 2 * TF_STRIP + 2 * TF_GROUP;
	if (!err)
		err = tf_planes_new(&s->out, to, s->cap, chroma);
	if (err) {
		tf_shrink_free(s);
		return err;
	}
	*to_s = s;
	return TF_OK;
}

void tf_shrink_free(tf_shrink *s) {
	if (!s)
		return;
	for (int i = 0; i < 3; i++)
		plane_free(&s->p[i]);
	tf_planes_free(&s->out);
	free(s);
}

static uint8_t *out_row(tf_shrink *s, int i, int row) {
	return i == 0 ? s->out.y + (size_t) row * s->out.y_stride : s->out.c[i - 1] + (size_t) row * s->out.c_stride;
}

// whole says how many luma rows can be given: groups, or all that are left at the end.
static int whole(const tf_shrink *s) {
	int rows = s->waiting[0], end = s->given + rows == s->to.height;
	for (int i = 1; i < s->planes; i++) {
		int of = s->waiting[i] * s->to.vs;
		end = end && s->p[i].next == s->p[i].to_h;
		if (!end && of < rows)
			rows = of;
	}
	if (end)
		return rows;
	return s->all ? 0 : rows / TF_GROUP * TF_GROUP;
}

static int give(tf_shrink *s, tf_sink sink, void *to) {
	int rows = whole(s);
	if (rows == 0)
		return TF_OK;
	int most = s->all ? rows : TF_STRIP;
	for (int at = 0; at < rows; at += most) {
		tf_planes p = s->out;
		p.rows = rows - at < most ? rows - at : most;
		p.y = out_row(s, 0, at);
		for (int i = 1; i < s->planes; i++)
			p.c[i - 1] = out_row(s, i, at / s->to.vs);
		int err = sink(to, &p);
		if (err)
			return err;
	}
	s->given += rows;
	for (int i = 0; i < s->planes; i++) {
		int gone = i == 0 ? rows : chroma_size(rows, s->to.vs);
		s->waiting[i] -= gone;
		memmove(out_row(s, i, 0), out_row(s, i, gone), (size_t) s->waiting[i] * (i ? s->out.c_stride : s->out.y_stride));
	}
	return TF_OK;
}

int tf_shrink_rows(tf_shrink *s, const tf_planes *p, tf_sink sink, void *to) {
	for (int i = 0; i < s->planes; i++) {
		plane *q = &s->p[i];
		const uint8_t *row = i ? p->c[i - 1] : p->y;
		size_t stride = i ? p->c_stride : p->y_stride;
		int rows = i ? chroma_size(p->rows, s->from.vs) : p->rows;
		for (int r = 0; r < rows; r++, row += stride) {
			if (!take_row(q, row))
				continue;
			while (ready(q)) {
				if (s->waiting[i] >= (i ? chroma_size(s->cap, s->to.vs) : s->cap))
					return TF_BROKEN;
				make_row(q, out_row(s, i, s->waiting[i]++));
			}
		}
	}
	return give(s, sink, to);
}
