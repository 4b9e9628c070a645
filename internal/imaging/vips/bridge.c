#include "bridge.h"

#include <string.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

// --- memory ---

void tt_limit_arenas(void) {
#ifdef __GLIBC__
	mallopt(M_ARENA_MAX, 2);
#endif
}

void tt_trim(size_t keep) {
#ifdef __GLIBC__
#if __GLIBC_PREREQ(2, 33)
	if (mallinfo2().fordblks <= keep)
		return;
#endif
	malloc_trim(0);
#endif
}

// --- loaders ---

typedef struct {
	const char **allowed, **untrusted;
	int wrong;
} check_state;

static int listed(const char **list, const char *name) {
	for (; *list; list++)
		if (strcmp(*list, name) == 0)
			return 1;
	return 0;
}

static void *check_loader(GType type, void *a) {
	check_state *s = (check_state *) a;
	if (!G_TYPE_IS_ABSTRACT(type)) {
		VipsOperationClass *c = (VipsOperationClass *) g_type_class_ref(type);
		int blocked = (c->flags & VIPS_OPERATION_BLOCKED) != 0;
		int untrusted = (c->flags & VIPS_OPERATION_UNTRUSTED) != 0;
		const char *name = g_type_name(type);
		int want = !listed(s->untrusted, name) && (untrusted || !listed(s->allowed, name));
		if (blocked != want)
			s->wrong++;
		g_type_class_unref(c);
	}
	return NULL;
}

int tt_block_loaders(const char **allowed, const char **untrusted) {
	vips_operation_block_set("VipsForeignLoad", TRUE);
	for (const char **name = allowed; *name; name++)
		vips_operation_block_set(*name, FALSE);
	// Last, so that it also holds for a listed loader that is untrusted.
	vips_block_untrusted_set(TRUE);
	for (const char **name = untrusted; *name; name++)
		vips_operation_block_set(*name, FALSE);

	GType base = g_type_from_name("VipsForeignLoad");
	if (!base)
		return -1;
	check_state s = { allowed, untrusted, 0 };
	vips_type_map_all(base, check_loader, &s);
	return s.wrong;
}

int tt_has_operation(const char *name) {
	return vips_type_find("VipsOperation", name) != 0;
}

// --- header ---

VipsImage *tt_open(const void *buf, size_t len, const tt_open_options *o) {
	VipsOperation *op = vips_operation_new(o->loader);
	if (!op)
		return NULL;
	VipsBlob *blob = vips_blob_new(NULL, buf, len);
	int err = vips_object_set(VIPS_OBJECT(op), "buffer", blob, "access",
		VIPS_ACCESS_SEQUENTIAL, "fail_on", o->fail_on, NULL);
	vips_area_unref(VIPS_AREA(blob));
	if (!err && o->page >= 0)
		err = vips_object_set(VIPS_OBJECT(op), "page", o->page, "n", o->n, NULL);
	if (!err && o->dpi > 0)
		err = vips_object_set(VIPS_OBJECT(op), "dpi", o->dpi, NULL);
	if (!err && o->shrink > 1)
		err = vips_object_set(VIPS_OBJECT(op), "shrink", o->shrink, NULL);
	VipsImage *out = NULL;
	if (!err && !vips_cache_operation_buildp(&op))
		g_object_get(op, "out", &out, NULL);
	vips_object_unref_outputs(VIPS_OBJECT(op));
	g_object_unref(op);
	return out;
}

static int get_int(VipsImage *in, const char *name, int otherwise) {
	int v;
	if (!vips_image_get_typeof(in, name) || vips_image_get_int(in, name, &v))
		return otherwise;
	return v;
}

void tt_read_header(VipsImage *in, tt_header *h) {
	h->width = vips_image_get_width(in);
	h->height = vips_image_get_page_height(in);
	h->frames = vips_image_get_n_pages(in);
	h->primary = get_int(in, "heif-primary", 0);
	h->orientation = vips_image_get_orientation(in);
	h->loop = get_int(in, "loop", 0);
}

int *tt_delays(VipsImage *in, int *n) {
	int *delays = NULL;
	*n = 0;
	if (!vips_image_get_typeof(in, "delay") ||
		vips_image_get_array_int(in, "delay", &delays, n))
		return NULL;
	return delays;
}

const void *tt_blob(VipsImage *in, const char *name, size_t *len) {
	const void *data = NULL;
	*len = 0;
	if (!vips_image_get_typeof(in, name) || vips_image_get_blob(in, name, &data, len))
		return NULL;
	return data;
}

int tt_attach(VipsImage *to, VipsImage *from, int profile) {
	char **fields = vips_image_get_fields(from);
	for (char **f = fields; f && *f; f++) {
		GValue value = { 0 };
		if ((strncmp(*f, "exif-", 5) == 0 || strcmp(*f, VIPS_META_XMP_NAME) == 0) &&
			!vips_image_get(from, *f, &value)) {
			vips_image_set(to, *f, &value);
			g_value_unset(&value);
		}
	}
	g_strfreev(fields);
	if (profile) {
		VipsBlob *srgb = NULL;
		if (vips_profile_load("srgb", &srgb, NULL) || !srgb)
			return -1;
		size_t len;
		const void *data = vips_blob_get(srgb, &len);
		vips_image_set_blob_copy(to, VIPS_META_ICC_NAME, data, len);
		vips_area_unref(VIPS_AREA(srgb));
	}
	return 0;
}

// --- pixels ---

void tt_set_stop(int *stop) {
	__atomic_store_n(stop, 1, __ATOMIC_RELAXED);
}

static void on_eval(VipsImage *image, VipsProgress *progress, int *stop) {
	(void) progress;
	if (__atomic_load_n(stop, __ATOMIC_RELAXED))
		vips_image_set_kill(image, TRUE);
}

VipsImage *tt_to_memory(VipsImage *in, int *stop) {
	VipsImage *counted = NULL, *out = NULL;
	// A copy to hang the progress signal on: the caller's image stays untouched.
	if (vips_copy(in, &counted, NULL))
		return NULL;
	vips_image_set_progress(counted, TRUE);
	g_signal_connect(counted, "eval", G_CALLBACK(on_eval), stop);
	out = vips_image_new_memory();
	if (vips_image_write(counted, out)) {
		g_object_unref(out);
		out = NULL;
	} else {
		vips_image_set_progress(out, FALSE);
	}
	g_object_unref(counted);
	return out;
}

// by_profile transforms by the embedded profile into 8-bit sRGB. Alpha of 16 bits goes a
// way of its own: libvips 8.14 cuts it off at 255.
static int by_profile(VipsImage *in, VipsImage **out, const char *otherwise) {
	VipsImage *colours = NULL, *alpha = NULL, *eighth = NULL, *bytes = NULL, *srgb = NULL;
	int err = 0, deep = vips_image_hasalpha(in) && in->BandFmt == VIPS_FORMAT_USHORT;
	if (deep)
		err = vips_extract_band(in, &colours, 0, "n", in->Bands - 1, NULL) ||
			vips_extract_band(in, &alpha, in->Bands - 1, NULL) ||
			vips_rshift_const1(alpha, &eighth, 8, NULL) ||
			vips_cast_uchar(eighth, &bytes, NULL);
	err = err || vips_icc_transform(deep ? colours : in, deep ? &srgb : out, "srgb", "embedded", TRUE,
			"input_profile", otherwise, "intent", VIPS_INTENT_PERCEPTUAL, "depth", 8, NULL);
	if (deep && !err)
		err = vips_bandjoin2(srgb, bytes, out, NULL);
	VipsImage *made[] = { colours, alpha, eighth, bytes, srgb };
	for (int i = 0; i < 5; i++)
		if (made[i])
			g_object_unref(made[i]);
	return err;
}

// to_srgb makes in 8-bit sRGB, with or without alpha. It steals in.
static VipsImage *to_srgb(VipsImage *in, int use_profile) {
	VipsImage *next = NULL;
	VipsInterpretation space = vips_image_guess_interpretation(in);

	if (use_profile && vips_image_get_typeof(in, VIPS_META_ICC_NAME)) {
		// A profile that is broken, or made for other channels, is passed over, as
		// browsers do.
		if (!by_profile(in, &next, space == VIPS_INTERPRETATION_CMYK ? "cmyk" : "srgb")) {
			g_object_unref(in);
			in = next;
			next = NULL;
			space = VIPS_INTERPRETATION_sRGB;
		} else {
			vips_error_clear();
		}
	}
	// Where there was no usable profile, CMYK goes through libvips's own.
	if (space != VIPS_INTERPRETATION_sRGB || in->BandFmt != VIPS_FORMAT_UCHAR ||
		in->Coding != VIPS_CODING_NONE || in->Bands < 3) {
		if (in->Coding == VIPS_CODING_NONE && space != in->Type) {
			if (vips_copy(in, &next, "interpretation", space, NULL))
				goto fail;
			g_object_unref(in);
			in = next;
			next = NULL;
		}
		if (vips_colourspace(in, &next, VIPS_INTERPRETATION_sRGB, NULL))
			goto fail;
		g_object_unref(in);
		in = next;
		next = NULL;
	}
	if (in->Bands > 4) {
		if (vips_extract_band(in, &next, 0, "n", 4, NULL))
			goto fail;
		g_object_unref(in);
		in = next;
		next = NULL;
	}
	if (in->BandFmt != VIPS_FORMAT_UCHAR) {
		if (vips_cast_uchar(in, &next, NULL))
			goto fail;
		g_object_unref(in);
		in = next;
	}
	if (in->Bands == 3 || in->Bands == 4)
		return in;
	vips_error("tintype", "%d bands are no colours", in->Bands);
fail:
	g_object_unref(in);
	return NULL;
}

static void strip(VipsImage *image) {
	char **fields = vips_image_get_fields(image);
	for (char **f = fields; f && *f; f++)
		vips_image_remove(image, *f); // a built-in field is not removed
	g_strfreev(fields);
	image->Xres = image->Yres = 72 / 25.4; // pixels per millimetre
}

VipsImage *tt_decode(VipsImage *in, int use_profile, int *stop) {
	int orientation = vips_image_get_orientation(in);
	g_object_ref(in);
	VipsImage *image = to_srgb(in, use_profile);
	if (!image)
		return NULL;
	VipsImage *out = tt_to_memory(image, stop);
	g_object_unref(image);
	if (!out)
		return NULL;
	// Turning needs any pixel at any time, so it comes after decoding, which gives
	// them from top to bottom only.
	if (orientation > 1) {
		VipsImage *turned = NULL, *copy = NULL;
		if (!vips_autorot(out, &turned, NULL)) {
			copy = tt_to_memory(turned, stop);
			g_object_unref(turned);
		}
		g_object_unref(out);
		out = copy;
	}
	if (out)
		strip(out);
	return out;
}

VipsImage *tt_box(VipsImage *in, int n) {
	VipsImage *weighted = NULL, *small = NULL, *plain = NULL, *whole = NULL, *out = NULL;
	if (!vips_image_hasalpha(in)) {
		vips_shrink(in, &out, n, n, NULL);
		return out;
	}
	if (!vips_premultiply(in, &weighted, NULL) &&
		!vips_shrink(weighted, &small, n, n, NULL) &&
		!vips_unpremultiply(small, &plain, NULL) &&
		!vips_rint(plain, &whole, NULL) && // casting cuts off
		vips_cast_uchar(whole, &out, NULL))
		out = NULL;
	if (weighted)
		g_object_unref(weighted);
	if (small)
		g_object_unref(small);
	if (plain)
		g_object_unref(plain);
	if (whole)
		g_object_unref(whole);
	return out;
}

void *tt_pixels(VipsImage *in, size_t *len) {
	if (in->dtype != VIPS_IMAGE_SETBUF)
		return NULL;
	*len = VIPS_IMAGE_SIZEOF_IMAGE(in);
	return VIPS_IMAGE_ADDR(in, 0, 0);
}
