// What govips v2.16.0 does not offer of libvips; see the package comment in vips.go.
#ifndef TINTYPE_VIPS_BRIDGE_H
#define TINTYPE_VIPS_BRIDGE_H

#include <vips/vips.h>

// What a loader says of a file before it decodes any pixel.
typedef struct {
	int width;
	int height; // of one frame
	int frames; // frames or pages in the file
	int primary; // the page that stands for a HEIF file
	int orientation; // Exif, 1 to 8
	int loop; // repetitions of an animation, 0: endless
} tt_header;

// How a file is to be opened.
typedef struct {
	const char *loader; // libvips operation, "jpegload_buffer"
	int page; // first page; below 0: the loader has no pages
	int n; // number of pages, -1: all
	int shrink; // JPEG: 1, 2, 4 or 8; 0: the loader has no such option
	int fail_on; // VipsFailOn
	double dpi; // documents: dots per inch; 0: the loader's default
} tt_open_options;

// tt_limit_arenas keeps glibc from giving each thread an arena of its own, between which
// libvips' short-lived buffers would fragment; elsewhere it does nothing. Call it before
// threads start to decode.
void tt_limit_arenas(void);

// tt_trim gives the memory that was freed back to the system where it is more than keep
// bytes (glibc before 2.33: always). glibc raises its threshold for separate mappings with
// the buffers it sees freed, up to 32 MB, and keeps what lies below it for good.
void tt_trim(size_t keep);

// tt_block_loaders forbids every loader that libvips counts as untrusted, and all
// others that are not in the list, by class name, which ends in NULL. Returns 0 when
// it has verified that they are forbidden and that the listed ones are not; where
// libvips lacks a listed one, nothing is wrong.
int tt_block_loaders(const char **allowed, const char **untrusted);

// tt_has_operation says whether libvips was built with an operation.
int tt_has_operation(const char *name);

// tt_open reads a file's header. The bytes must stay where they are until the image
// and all that is made from it are gone.
VipsImage *tt_open(const void *buf, size_t len, const tt_open_options *options);

void tt_read_header(VipsImage *in, tt_header *header);

// tt_delays gives the durations of an animation's frames in milliseconds, or NULL.
int *tt_delays(VipsImage *in, int *n);

// tt_blob gives a block of metadata by libvips's name of it, or NULL.
const void *tt_blob(VipsImage *in, const char *name, size_t *len);

// tt_attach copies Exif and XMP from one image to another, and gives that the profile of
// sRGB if profile is not 0.
int tt_attach(VipsImage *to, VipsImage *from, int profile);

// tt_decode decodes into memory: 8-bit sRGB of three bands, or four with alpha,
// upright, without metadata. Where use_profile is 0, an embedded RGB profile is
// taken for sRGB. It ends early, with an error, once *stop is not 0.
VipsImage *tt_decode(VipsImage *in, int use_profile, int *stop);

// tt_to_memory computes an image into memory of its own; *stop as in tt_decode.
VipsImage *tt_to_memory(VipsImage *in, int *stop);

// tt_box plans shrinking by a whole number, each pixel the mean of a square, colours
// weighted by alpha.
VipsImage *tt_box(VipsImage *in, int n);

// tt_pixels gives the pixels of an image in memory, or NULL.
void *tt_pixels(VipsImage *in, size_t *len);

void tt_set_stop(int *stop);

#endif
