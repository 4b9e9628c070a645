// The floor: libjpeg decodes a JPEG to RGB and encodes it again at its full size with
// quality 80, row by row, and nothing else. Prints JSON as the other programs do.
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include <jpeglib.h>

static double cpu_ms(void) {
	struct rusage r;
	getrusage(RUSAGE_SELF, &r);
	return (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e3 + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e3;
}

static double wall_ms(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

// Of this program alone: what getrusage says holds for the one that started it, too.
static double peak_mb(void) {
	char line[256];
	long kb = 0;
	FILE *f = fopen("/proc/self/status", "r");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "VmHWM: %ld", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb / 1024.0;
}

static void once(const unsigned char *src, unsigned long len) {
	struct jpeg_error_mgr err;
	struct jpeg_decompress_struct d;
	struct jpeg_compress_struct c;
	d.err = c.err = jpeg_std_error(&err);
	jpeg_create_decompress(&d);
	jpeg_mem_src(&d, src, len);
	jpeg_read_header(&d, TRUE);
	d.out_color_space = JCS_RGB;
	jpeg_start_decompress(&d);

	unsigned char *out = NULL;
	unsigned long out_len = 0;
	jpeg_create_compress(&c);
	jpeg_mem_dest(&c, &out, &out_len);
	c.image_width = d.output_width;
	c.image_height = d.output_height;
	c.input_components = 3;
	c.in_color_space = JCS_RGB;
	jpeg_set_defaults(&c);
	jpeg_set_quality(&c, 80, TRUE);
	jpeg_start_compress(&c, TRUE);
	unsigned char *rows = malloc((size_t) d.output_width * 3 * 16), *row[16];
	for (int i = 0; i < 16; i++)
		row[i] = rows + (size_t) i * 3 * d.output_width;
	while (d.output_scanline < d.output_height) {
		JDIMENSION n = 0;
		while (n < 16 && d.output_scanline < d.output_height)
			n += jpeg_read_scanlines(&d, row + n, 16 - n);
		jpeg_write_scanlines(&c, row, n);
	}
	jpeg_finish_compress(&c);
	jpeg_finish_decompress(&d);
	jpeg_destroy_compress(&c);
	jpeg_destroy_decompress(&d);
	free(rows);
	free(out);
}

int main(int argc, char **argv) {
	if (argc != 3)
		return 2;
	FILE *f = fopen(argv[1], "rb");
	if (!f)
		return 1;
	fseek(f, 0, SEEK_END);
	long len = ftell(f);
	rewind(f);
	unsigned char *src = malloc((size_t) len);
	if (!src || fread(src, 1, (size_t) len, f) != (size_t) len)
		return 1;
	int n = atoi(argv[2]);
	once(src, (unsigned long) len);
	double cpu = cpu_ms(), wall = wall_ms();
	for (int i = 0; i < n; i++)
		once(src, (unsigned long) len);
	cpu = cpu_ms() - cpu, wall = wall_ms() - wall;
	printf("{\"cpuMs\":%f,\"wallMs\":%f,\"peakMb\":%f}\n", cpu / n, wall / n, peak_mb());
	return 0;
}
