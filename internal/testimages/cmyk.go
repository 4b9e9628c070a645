package testimages

import (
	"encoding/binary"
	"math/bits"
)

// CMYKSide is the side in pixels of each square that CMYKJPEG makes.
const CMYKSide = 16

// CMYKJPEG is a baseline CMYK JPEG as Adobe's programs write it, values inverted and
// an Adobe marker saying so, without a profile: one row of squares of CMYKSide pixels,
// each of one ink mix (cyan, magenta, yellow, black; 255 is all ink). Go's encoder
// knows no CMYK; flat blocks need only the DC part of ITU-T T.81.
func CMYKJPEG(inks ...[4]uint8) []byte {
	w := len(inks) * CMYKSide
	out := []byte{0xff, 0xd8}
	segment := func(marker byte, body ...byte) {
		out = append(out, 0xff, marker)
		out = binary.BigEndian.AppendUint16(out, uint16(len(body)+2))
		out = append(out, body...)
	}
	segment(0xee, append([]byte("Adobe"), 0, 100, 0, 0, 0, 0, 0)...) // transform 0: CMYK
	quant := make([]byte, 65)
	for i := 1; i < len(quant); i++ {
		quant[i] = 1
	}
	segment(0xdb, quant...)
	frame := []byte{8, 0, CMYKSide, byte(w >> 8), byte(w), 4}
	for c := byte(1); c <= 4; c++ {
		frame = append(frame, c, 0x11, 0)
	}
	segment(0xc0, frame...)
	// DC: categories 0 to 11 in codes of 4 bits. AC: end of block alone, code 0.
	segment(0xc4, append(append([]byte{0x00}, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
		0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)...)
	segment(0xc4, append(append([]byte{0x10}, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), 0)...)
	segment(0xda, 4, 1, 0, 2, 0, 3, 0, 4, 0, 0, 63, 0)

	var s bitWriter
	var last [4]int
	for range CMYKSide / 8 {
		for _, ink := range inks {
			for range CMYKSide / 8 {
				for c := range 4 {
					dc := 8 * (int(255-ink[c]) - 128)
					diff := dc - last[c]
					last[c] = dc
					n := bits.Len(uint(max(diff, -diff)))
					s.write(uint(n), 4)
					if diff < 0 {
						diff += 1<<n - 1
					}
					s.write(uint(diff), n)
					s.write(0, 1) // end of block
				}
			}
		}
	}
	s.write(0x7f, 7) // the rest of the last byte is ones
	out = append(out, s.out...)
	return append(out, 0xff, 0xd9)
}

// bitWriter packs bits, most significant first, and stuffs a zero behind each 0xff.
type bitWriter struct {
	out []byte
	acc uint
	n   int
}

func (w *bitWriter) write(v uint, n int) {
	w.acc = w.acc<<n | v
	w.n += n
	for w.n >= 8 {
		b := byte(w.acc >> (w.n - 8))
		w.out = append(w.out, b)
		if b == 0xff {
			w.out = append(w.out, 0)
		}
		w.n -= 8
		w.acc &= 1<<w.n - 1
	}
}
