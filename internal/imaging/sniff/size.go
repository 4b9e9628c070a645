package sniff

import "encoding/binary"

// jpegSize finds the frame header (ITU-T T.81, B.2.2) by walking the marker segments.
func jpegSize(b []byte) (w, h int) {
	for i := 2; i+4 <= len(b); {
		if b[i] != 0xff {
			i++ // junk between segments is allowed for, as decoders do
			continue
		}
		m := b[i+1]
		switch {
		case m == 0xff: // fill byte
			i++
			continue
		case m == 0 || m == 1 || m >= 0xd0 && m <= 0xd8: // no length follows
			i += 2
			continue
		case m == 0xd9 || m == 0xda: // end of image, or pixels before any frame header
			return 0, 0
		}
		n := int(be16(b[i+2:]))
		if m >= 0xc0 && m <= 0xcf && m != 0xc4 && m != 0xc8 && m != 0xcc {
			if n < 8 || i+9 > len(b) {
				return 0, 0
			}
			return int(be16(b[i+7:])), int(be16(b[i+5:]))
		}
		if n < 2 {
			return 0, 0
		}
		i += 2 + n
	}
	return 0, 0
}

// webpSize reads the first chunk: lossy (RFC 6386, 9.1), lossless or extended
// (https://developers.google.com/speed/webp/docs/riff_container).
func webpSize(b []byte) (w, h int) {
	if len(b) < 30 {
		return 0, 0
	}
	switch string(b[12:16]) {
	case "VP8 ":
		if b[23] == 0x9d && b[24] == 0x01 && b[25] == 0x2a {
			return int(le16(b[26:]) & 0x3fff), int(le16(b[28:]) & 0x3fff)
		}
	case "VP8L":
		if b[20] == 0x2f {
			v := binary.LittleEndian.Uint32(b[21:])
			return int(v&0x3fff) + 1, int(v>>14&0x3fff) + 1
		}
	case "VP8X":
		return int(b[24]) | int(b[25])<<8 | int(b[26])<<16 + 1, int(b[27]) | int(b[28])<<8 | int(b[29])<<16 + 1
	}
	return 0, 0
}

// tiffSize reads ImageWidth and ImageLength of the first directory (TIFF 6.0), if
// that stands within b: many writers put it last.
func tiffSize(b []byte) (w, h int) {
	var order binary.ByteOrder = binary.LittleEndian
	if b[0] == 'M' {
		order = binary.BigEndian
	}
	if len(b) < 8 {
		return 0, 0
	}
	at := int64(order.Uint32(b[4:]))
	if at+2 > int64(len(b)) {
		return 0, 0
	}
	entries := int64(order.Uint16(b[at:]))
	for i := range entries {
		e := at + 2 + 12*i
		if e+12 > int64(len(b)) {
			break
		}
		var v uint32
		switch order.Uint16(b[e+2:]) {
		case 3: // SHORT
			v = uint32(order.Uint16(b[e+8:]))
		case 4: // LONG
			v = order.Uint32(b[e+8:])
		}
		switch n, _ := size(v, 0); order.Uint16(b[e:]) {
		case 256:
			w = n
		case 257:
			h = n
		}
	}
	if w == 0 || h == 0 {
		return 0, 0
	}
	return w, h
}

// heifBrand tells HEIC and AVIF by the brands of the ftyp box (ISO/IEC 14496-12, 4.3;
// 23008-12, 10): the major one, or where that is a general one, the compatible ones.
func heifBrand(b []byte) string {
	if len(b) < 16 || string(b[4:8]) != "ftyp" {
		return ""
	}
	n := min(int(be32(b)), len(b), 256)
	for i := 8; i+4 <= n; i += 4 {
		if i == 12 {
			continue // the minor version
		}
		switch string(b[i : i+4]) {
		case "avif", "avis":
			return AVIF
		case "heic", "heix", "hevc", "hevx", "heim", "heis":
			return HEIF
		}
	}
	return ""
}

// heifSize is the largest image spatial extent in meta/iprp/ipco: the picture itself
// is never smaller than its tiles, thumbnail and auxiliary images.
func heifSize(b []byte) (w, h int) {
	meta := box(b, "meta")
	if len(meta) < 4 {
		return 0, 0
	}
	ipco := box(box(meta[4:], "iprp"), "ipco") // meta is a full box: version and flags first
	for len(ipco) >= 8 {
		n := int64(be32(ipco))
		if n < 8 || n > int64(len(ipco)) {
			break
		}
		if string(ipco[4:8]) == "ispe" && n >= 20 {
			iw, ih := size(be32(ipco[12:]), be32(ipco[16:]))
			if int64(iw)*int64(ih) > int64(w)*int64(h) {
				w, h = iw, ih
			}
		}
		ipco = ipco[n:]
	}
	return w, h
}

// box returns the body of the first box of a type, cut where b ends.
func box(b []byte, name string) []byte {
	for len(b) >= 8 {
		n, head := int64(be32(b)), int64(8)
		switch n {
		case 0: // to the end of the file
			n = int64(len(b))
		case 1: // 64-bit length
			if len(b) < 16 || be32(b[8:]) != 0 {
				return nil
			}
			n, head = int64(be32(b[12:])), 16
		}
		if n < head {
			return nil
		}
		if string(b[4:8]) == name {
			return b[head:min(n, int64(len(b)))]
		}
		if n > int64(len(b)) {
			return nil
		}
		b = b[n:]
	}
	return nil
}
