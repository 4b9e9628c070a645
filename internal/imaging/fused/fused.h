// The C half of the fused engine; what each part is for stands in fused.go.
//
// Nothing here keeps state outside of the objects that it makes, and no object is used by
// two threads at once. All functions that return int return a tf_status.
#ifndef TINTYPE_FUSED_H
#define TINTYPE_FUSED_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
	TF_OK = 0,
	TF_FLAWED, // the decoder has remarked on something, or failed
	TF_FOREIGN, // a kind of JPEG that is not worked on here
	TF_STOPPED, // *stop was set
	TF_FULL, // an output would become larger than allowed
	TF_NO_MEMORY,
	TF_BROKEN, // the encoder refuses: an error of ours
} tf_status;

// How many luma rows are handed on at once: at most TF_STRIP, and always a multiple of
// TF_GROUP but for the last rows of a picture. Encoders take rows in groups.
enum { TF_GROUP = 16, TF_STRIP = 64 };

// Rows of a picture as separate planes, or (a decoder's only) as RGB. Chroma has one
// sample for hs × vs pixels; a picture's last column and row may cover fewer. Every row has
// room for TF_SLACK bytes more than the picture is wide, which may be written.
enum { TF_SLACK = 64 };

typedef struct {
	uint8_t *y, *c[2]; // c is NULL where there is no chroma
	size_t y_stride, c_stride; // bytes
	int rows; // of luma
} tf_planes;

// A picture's size and how its chroma is sampled: hs and vs are 1 or 2.
typedef struct {
	int width, height, hs, vs;
} tf_shape;

// tf_planes_new makes room for rows of luma and what belongs to them; with chroma 0, for
// luma alone. The two extra rows that a decoder may write past an odd end are there.
int tf_planes_new(tf_planes *p, const tf_shape *shape, int rows, int chroma);
void tf_planes_free(tf_planes *p);

// --- reading JPEG (jpegin.c) ---

typedef struct tf_in tf_in;

// What a decoder gives.
typedef enum {
	TF_PLANES, // Y, Cb and Cr as stored
	TF_LUMA, // Y alone: chroma is not even transformed
	TF_RGB,
} tf_mode;

// tf_in_open reads the header. The bytes must stay where they are until tf_in_close. The
// decoder ends soon after *stop is no longer 0.
int tf_in_open(tf_in **in, const void *src, size_t len, const int *stop);

// tf_in_shape is the picture's, as stored; *gray says that it has luma alone.
void tf_in_shape(const tf_in *in, tf_shape *shape, int *gray);

// tf_in_start begins to decode at 1/shrink of the size (1, 2, 4, 8), and says what shape
// comes of it; for TF_RGB the chroma of shape means nothing. A progressive file is read
// to its end here.
int tf_in_start(tf_in *in, tf_mode mode, int shrink, tf_shape *shape);

// tf_in_rows reads the next rows into p, from its row at on, as many as make p->rows = most;
// fewer at the end. Behind the last row it makes sure that the file ends well. In mode
// TF_RGB, y holds rows of RGB.
int tf_in_rows(tf_in *in, tf_planes *p, int at, int most);

void tf_in_close(tf_in *in);

// --- writing JPEG (jpegout.c) ---

typedef struct tf_out tf_out;

typedef struct {
	int width, height;
	int quality; // 1 to 100
	int optimize; // Huffman tables of its own
	int subsample; // 4:2:0, else 4:4:4
	size_t most; // bytes
} tf_out_options;

int tf_out_open(tf_out **out, const tf_out_options *o);

// tf_out_rows writes rows of planes of its size, whose chroma is sampled by sub (1 or 2) in
// both directions. It writes into the slack of the rows.
int tf_out_rows(tf_out *out, tf_planes *p, int sub);

// tf_out_finish ends the file, whose bytes belong to out.
int tf_out_finish(tf_out *out, const void **bytes, size_t *len);

void tf_out_close(tf_out *out);

// --- shrinking (shrink.c) ---

typedef struct tf_shrink tf_shrink;

typedef int (*tf_sink)(void *to, tf_planes *p);

// tf_shrink_new makes pictures of one shape into another: by plain means of squares while
// that is more than twice as small, then by Lanczos' filter of three lobes. Samples keep
// their place: chroma follows luma however the two are sampled. all: everything is given
// to the sink at once, at the end.
int tf_shrink_new(tf_shrink **s, const tf_shape *from, const tf_shape *to, int chroma, int all);

// tf_shrink_rows takes rows and gives those that are finished to the sink.
int tf_shrink_rows(tf_shrink *s, const tf_planes *p, tf_sink sink, void *to);

void tf_shrink_free(tf_shrink *s);

// --- colours (color.c) ---

// A step on colours in YCbCr: Y' = y[Y], C' = keep · C + add[C][Y].
typedef struct {
	int32_t keep; // 16 bits behind the point, 0 to 1
	int same_y; // y changes nothing
	uint8_t y[256];
	uint32_t add[256]; // Cb low, Cr high; each 6 bits behind the point, at most 255
} tf_map;

// tf_chroma fills out's chroma, sampled by sub in both directions, from in's luma and
// chroma (map may be NULL), and then changes in's luma. width is in pixels; in's chroma is
// sampled by hs and vs and may be missing where map keeps none. Where in has none and map
// is NULL, the picture is gray.
void tf_chroma(const tf_map *map, tf_planes *in, int hs, int vs, tf_planes *out, int sub, int width);

// tf_split makes planes of RGB, chroma sampled by sub.
void tf_split(const uint8_t *rgb, size_t stride, int width, int rows, tf_planes *out, int sub);

// --- turning (turn.c) ---

// tf_turn copies rows of a stored picture as they are to be shown under an Exif
// orientation: rows from from on, out->rows of them, of the shown picture. from is even.
void tf_turn(const tf_planes *in, const tf_shape *stored, int orientation, int from, tf_planes *out);

// --- the whole (chain.c) ---

typedef struct tf_chain tf_chain;

// One size, and the files that are written in it.
typedef struct {
	int width, height;
	int files;
	const tf_out_options *file;
} tf_level;

// tf_chain_new prepares to make levels, each no larger than the one before, of a picture. If
// the first is smaller than the picture, it is shrunk before colours are done. sub is how
// chroma is sampled on the way, 1 or 2; chroma 0: luma alone will come. Of the last level
// a raster of the given size is kept. map may be NULL.
int tf_chain_new(tf_chain **chain, const tf_shape *from, int chroma, const tf_map *map, int sub,
	const tf_level *level, int levels, int raster_width, int raster_height);

// tf_chain_rows takes the next rows, and may change them.
int tf_chain_rows(tf_chain *chain, tf_planes *p);

// tf_chain_rgb is the same for RGB.
int tf_chain_rgb(tf_chain *chain, const uint8_t *rgb, size_t stride, int rows);

// tf_chain_all takes all rows of a decoder that does not give RGB, most at a time through p.
int tf_chain_all(tf_chain *chain, tf_in *in, tf_planes *p, int most);

// tf_chain_finish ends all files.
int tf_chain_finish(tf_chain *chain);

// tf_chain_file gives the bytes of one, which belong to chain.
void tf_chain_file(const tf_chain *chain, int level, int file, const void **bytes, size_t *len);

// tf_chain_raster is the small picture, Y, Cb and Cr in the same size.
const tf_planes *tf_chain_raster(const tf_chain *chain);

void tf_chain_free(tf_chain *chain);

void tf_set_stop(int *stop);

#endif
