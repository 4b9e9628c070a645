package meta

import "encoding/binary"

// Carrier is a JPEG of one grey pixel that holds the blocks and nothing else: libvips
// reads metadata, as it writes it, only along with a picture. A block that is too long
// for a JPEG is left out.
func (s Selected) Carrier() []byte {
	out := []byte{0xff, 0xd8}
	segment := func(marker byte, body []byte) {
		if len(body) <= 0xffff-2 {
			out = append(out, 0xff, marker)
			out = binary.BigEndian.AppendUint16(out, uint16(len(body)+2))
			out = append(out, body...)
		}
	}
	if len(s.Exif) > 0 {
		segment(0xe1, s.Exif)
	}
	if len(s.XMP) > 0 {
		segment(0xe1, append([]byte("http://ns.adobe.com/xap/1.0/\x00"), s.XMP...))
	}
	quant := make([]byte, 65)
	for i := 1; i < len(quant); i++ {
		quant[i] = 1
	}
	segment(0xdb, quant)
	segment(0xc0, []byte{8, 0, 1, 0, 1, 1, 1, 0x11, 0})
	// One code in each table: no difference, and the end of the block.
	for _, class := range []byte{0x00, 0x10} {
		segment(0xc4, append(append([]byte{class, 1}, make([]byte, 15)...), 0))
	}
	segment(0xda, []byte{1, 1, 0, 0, 63, 0})
	return append(out, 0x3f, 0xff, 0xd9) // both codes are a 0; the rest of the byte is filled with ones
}
