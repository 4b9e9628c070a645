package testimages

import (
	"encoding/binary"
	"image"
)

// Oriented is a JPEG whose stored pixels are turned or mirrored and whose Exif
// orientation (1 to 8) says so: shown rightly, all eight look like Picture(w, h).
func Oriented(w, h, orientation int) []byte {
	shown := Picture(w, h)
	sw, sh := w, h
	if orientation >= 5 {
		sw, sh = h, w
	}
	stored := image.NewNRGBA(image.Rect(0, 0, sw, sh))
	for y := range h {
		for x := range w {
			sx, sy := x, y // where the pixel shown at x, y is stored
			switch orientation {
			case 2:
				sx = sw - 1 - x
			case 3:
				sx, sy = sw-1-x, sh-1-y
			case 4:
				sy = sh - 1 - y
			case 5:
				sx, sy = y, x
			case 6:
				sx, sy = y, sh-1-x
			case 7:
				sx, sy = sw-1-y, sh-1-x
			case 8:
				sx, sy = sw-1-y, x
			}
			stored.SetNRGBA(sx, sy, shown.NRGBAAt(x, y))
		}
	}
	return WithOrientation(EncodeJPEG(stored, 95), orientation)
}

// WithOrientation puts an Exif segment into a JPEG that holds the orientation alone.
func WithOrientation(jpeg []byte, orientation int) []byte {
	exif := []byte("Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08") // big-endian TIFF, first directory at 8
	exif = append(exif, 0, 1)                                // one entry
	exif = append(exif, 0x01, 0x12, 0, 3, 0, 0, 0, 1)        // Orientation, SHORT, one
	exif = append(exif, 0, byte(orientation), 0, 0)
	exif = append(exif, 0, 0, 0, 0) // no further directory
	return withSegment(jpeg, 0xe1, exif)
}

// WithProfile puts an ICC profile into a JPEG.
func WithProfile(jpeg, profile []byte) []byte {
	return withSegment(jpeg, 0xe2, append([]byte("ICC_PROFILE\x00\x01\x01"), profile...))
}

// withSegment inserts a marker segment right behind the start of the image.
func withSegment(jpeg []byte, marker byte, body []byte) []byte {
	out := append([]byte{}, jpeg[:2]...)
	out = append(out, 0xff, marker)
	out = binary.BigEndian.AppendUint16(out, uint16(len(body)+2))
	out = append(out, body...)
	return append(out, jpeg[2:]...)
}
