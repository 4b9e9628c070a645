#include "fused.h"

#include <stdlib.h>
#include <string.h>

// One size on the way: what is written in it, and the way to the next.
typedef struct level {
	tf_chain *chain;
	int files;
	tf_out **file;
	const void **bytes; // of the finished files
	size_t *len;
	tf_shrink *on; // to the next level, or to the raster
	struct level *next;
} level;

struct tf_chain {
	tf_shape from; // what comes
	int chroma_comes;
	tf_shrink *first; // to the first level, if it is smaller
	tf_shape colored; // what colours are done on: from, or the first level with from's chroma
	int mapped; // there is a map
	tf_map map;
	int sub; // chroma of the levels
	int alias; // chroma needs no work: it is used where it lies
	tf_planes chroma; // chroma of the first level
	tf_planes split; // planes of RGB
	int levels;
	level *level;
	tf_planes raster;
	tf_shape raster_shape;
};

static int keep_raster(void *to, tf_planes *p) {
	tf_chain *c = to;
	for (int r = 0; r < p->rows; r++) {
		memcpy(c->raster.y + (size_t) r * c->raster.y_stride, p->y + (size_t) r * p->y_stride, (size_t) c->raster_shape.width);
		for (int i = 0; i < 2; i++)
			memcpy(c->raster.c[i] + (size_t) r * c->raster.c_stride, p->c[i] + (size_t) r * p->c_stride, (size_t) c->raster_shape.width);
	}
	c->raster.rows = p->rows;
	return TF_OK;
}

static int run_level(void *to, tf_planes *p) {
	level *l = to;
	// Before the files: they write into the slack of the rows.
	int err = tf_shrink_rows(l->on, p, l->next ? run_level : keep_raster, l->next ? (void *) l->next : (void *) l->chain);
	for (int i = 0; i < l->files && !err; i++)
		err = tf_out_rows(l->file[i], p, l->chain->sub);
	return err;
}

static int run_colors(void *to, tf_planes *p) {
	tf_chain *c = to;
	tf_planes q = *p;
	if (!c->alias) {
		tf_chroma(c->mapped ? &c->map : NULL, &q, c->colored.hs, c->colored.vs, &c->chroma, c->sub, c->colored.width);
		q.c[0] = c->chroma.c[0];
		q.c[1] = c->chroma.c[1];
		q.c_stride = c->chroma.c_stride;
	}
	return run_level(c->level, &q);
}

int tf_chain_rows(tf_chain *c, tf_planes *p) {
	if (c->first)
		return tf_shrink_rows(c->first, p, run_colors, c);
	return run_colors(c, p);
}

int tf_chain_all(tf_chain *c, tf_in *in, tf_planes *p, int most) {
	for (;;) {
		int err = tf_in_rows(in, p, 0, most);
		if (err || p->rows == 0)
			return err;
		err = tf_chain_rows(c, p);
		if (err)
			return err;
	}
}

int tf_chain_rgb(tf_chain *c, const uint8_t *rgb, size_t stride, int rows) {
	if (!c->split.y) {
		int err = tf_planes_new(&c->split, &c->from, TF_STRIP, c->chroma_comes);
		if (err)
			return err;
	}
	for (int at = 0; at < rows; at += TF_STRIP) {
		int n = rows - at < TF_STRIP ? rows - at : TF_STRIP;
		tf_split(rgb + (size_t) at * stride, stride, c->from.width, n, &c->split, c->from.hs);
		int err = tf_chain_rows(c, &c->split);
		if (err)
			return err;
	}
	return TF_OK;
}

static int build_level(tf_chain *c, level *l, const tf_level *want, const tf_shape *next, int all) {
	l->chain = c;
	l->file = calloc((size_t) want->files + 1, sizeof *l->file);
	l->bytes = calloc((size_t) want->files + 1, sizeof *l->bytes);
	l->len = calloc((size_t) want->files + 1, sizeof *l->len);
	if (!l->file || !l->bytes || !l->len)
		return TF_NO_MEMORY;
	for (int i = 0; i < want->files; i++) {
		int err = tf_out_open(&l->file[i], &want->file[i]);
		if (err)
			return err;
		l->files++;
	}
	const tf_shape at = { want->width, want->height, c->sub, c->sub };
	return tf_shrink_new(&l->on, &at, next, 1, all);
}

static int build(tf_chain *c, int chroma, const tf_level *want, int levels) {
	const tf_shape top = { want[0].width, want[0].height, c->sub, c->sub };
	c->colored = c->from;
	if (c->from.width != top.width || c->from.height != top.height) {
		c->colored = top;
		int err = tf_shrink_new(&c->first, &c->from, &top, chroma, 0);
		if (err)
			return err;
	}
	c->alias = chroma && !c->mapped && c->colored.hs == c->sub && c->colored.vs == c->sub;
	if (!c->alias) {
		int err = tf_planes_new(&c->chroma, &top, TF_STRIP, 1);
		if (err)
			return err;
	}
	c->level = calloc((size_t) levels, sizeof *c->level);
	if (!c->level)
		return TF_NO_MEMORY;
	c->levels = levels;
	for (int i = 0; i < levels; i++) {
		int last = i == levels - 1;
		const tf_shape next = last ? c->raster_shape : (tf_shape){ want[i + 1].width, want[i + 1].height, c->sub, c->sub };
		c->level[i].next = last ? NULL : &c->level[i + 1];
		int err = build_level(c, &c->level[i], &want[i], &next, last);
		if (err)
			return err;
	}
	return tf_planes_new(&c->raster, &c->raster_shape, c->raster_shape.height, 1);
}

int tf_chain_new(tf_chain **to, const tf_shape *from, int chroma, const tf_map *map, int sub,
	const tf_level *want, int levels, int raster_width, int raster_height) {
	tf_chain *c = calloc(1, sizeof *c);
	if (!c)
		return TF_NO_MEMORY;
	c->from = *from;
	c->chroma_comes = chroma;
	c->sub = sub;
	if (map) {
		c->mapped = 1;
		c->map = *map;
	}
	c->raster_shape = (tf_shape){ raster_width, raster_height, 1, 1 };
	int err = build(c, chroma, want, levels);
	if (err) {
		tf_chain_free(c);
		return err;
	}
	*to = c;
	return TF_OK;
}

int tf_chain_finish(tf_chain *c) {
	for (int i = 0; i < c->levels; i++) {
		level *l = &c->level[i];
		for (int k = 0; k < l->files; k++) {
			int err = tf_out_finish(l->file[k], &l->bytes[k], &l->len[k]);
			if (err)
				return err;
		}
	}
	return TF_OK;
}

void tf_chain_file(const tf_chain *c, int l, int file, const void **bytes, size_t *len) {
	*bytes = c->level[l].bytes[file];
	*len = c->level[l].len[file];
}

const tf_planes *tf_chain_raster(const tf_chain *c) {
	return &c->raster;
}

void tf_chain_free(tf_chain *c) {
	if (!c)
		return;
	for (int i = 0; i < c->levels; i++) {
		level *l = &c->level[i];
		for (int k = 0; k < l->files; k++)
			tf_out_close(l->file[k]);
		free(l->file);
		free(l->bytes);
		free(l->len);
		tf_shrink_free(l->on);
	}
	free(c->level);
	tf_shrink_free(c->first);
	tf_planes_free(&c->chroma);
	tf_planes_free(&c->split);
	tf_planes_free(&c->raster);
	free(c);
}
