// Package layer does what needs two pictures, or a picture and a background: one over
// another, onto a colour, and a picture against its blurred self. Pixels are 8-bit sRGB
// of 3 bands, or 4 with alpha that is not multiplied in; sums are made in the
// gamma-coded values, as browsers do, and rounded to the nearest.
//
// The package is pure Go and imports none of ours.
package layer

// Raster is a picture's pixels, row by row without gaps.
type Raster struct {
	W, H, Bands int
	Pix         []byte
}

// Over lays src onto dst with its top left pixel at x, y; what lies outside is cut off.
// Opacity, 0 to 1, multiplies the alpha of src. Where dst has no alpha it is opaque.
func Over(dst, src Raster, x, y int, opacity float64) {
	alpha := uint32(min(max(0, opacity), 1)*255*257 + 0.5) // of an opaque pixel, 0 to 65535
	x0, x1 := max(0, -x), min(src.W, dst.W-x)
	if x0 >= x1 {
		return
	}
	for row := max(0, -y); row < min(src.H, dst.H-y); row++ {
		s := src.Pix[(row*src.W+x0)*src.Bands:]
		d := dst.Pix[((y+row)*dst.W+x+x0)*dst.Bands:]
		for range x1 - x0 {
			a := alpha
			if src.Bands == 4 {
				a = uint32((uint64(alpha)*uint64(s[3]) + 127) / 255)
			}
			blend(d, s, a, dst.Bands)
			s, d = s[src.Bands:], d[dst.Bands:]
		}
	}
}

// blend puts the colour s with alpha a, 0 to 65535, onto the pixel d.
func blend(d, s []byte, a uint32, bands int) {
	if a == 0 {
		return
	}
	const full = 65535
	if bands == 3 || d[3] == 255 {
		for i := range 3 {
			d[i] = uint8((uint32(s[i])*a + uint32(d[i])*(full-a) + full/2) / full)
		}
		return
	}
	under := (uint64(d[3])*257*(full-uint64(a)) + full/2) / full // what shows through of d
	sum := uint64(a) + under
	for i := range 3 {
		d[i] = uint8((uint64(s[i])*uint64(a) + uint64(d[i])*under + sum/2) / sum)
	}
	d[3] = uint8((sum + 128) / 257)
}

// Flatten puts RGBA pixels onto a background, in place; their alpha is 255 then.
func Flatten(pix []byte, background [3]uint8) {
	for ; len(pix) >= 4; pix = pix[4:] {
		if a := uint32(pix[3]); a != 255 {
			for i := range 3 {
				pix[i] = uint8((uint32(pix[i])*a + uint32(background[i])*(255-a) + 127) / 255)
			}
			pix[3] = 255
		}
	}
}

// Sharpen is an unsharp mask, in place: each channel moves away from its blurred value by
// amount times the difference. Alpha stays. Both pictures have the same size and bands.
func Sharpen(pix, blurred []byte, bands int, amount float64) {
	var move [511]int32 // by the difference + 255
	for i := range move {
		v := amount * float64(i-255)
		if v < 0 {
			move[i] = int32(v - 0.5)
		} else {
			move[i] = int32(v + 0.5)
		}
	}
	for ; len(pix) >= bands; pix, blurred = pix[bands:], blurred[bands:] {
		for i := range 3 {
			v := int32(pix[i]) + move[255+int(pix[i])-int(blurred[i])]
			pix[i] = uint8(min(max(0, v), 255))
		}
	}
}
