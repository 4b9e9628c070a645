package vips

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// bareWebP takes Exif, XMP and colour profile out of a WebP file. libvips 8.14 writes
// an Exif block of its own making even when it is told to write no metadata. Format:
// https://developers.google.com/speed/webp/docs/riff_container.
func bareWebP(b []byte) []byte {
	const head = 12 // "RIFF", size, "WEBP"
	if len(b) < head {
		return b
	}
	out := append([]byte{}, b[:head]...)
	for at := head; at+8 <= len(b); {
		size := uint64(binary.LittleEndian.Uint32(b[at+4:]))
		end := uint64(at) + 8 + size + size&1 // chunks start at even places
		if end > uint64(len(b)) {
			return b // not as the encoder writes it: better left alone
		}
		chunk := b[at:end]
		at = int(end)
		switch string(chunk[:4]) {
		case "EXIF", "XMP ", "ICCP":
			continue
		case "VP8X":
			const profile, alpha, exif, xmp, animation = 0x20, 0x10, 0x08, 0x04, 0x02
			if size < 10 || chunk[8]&(alpha|animation) == 0 {
				continue // the plain format needs no extended header
			}
			start := len(out)
			out = append(out, chunk...)
			out[start+8] &^= profile | exif | xmp
			continue
		}
		out = append(out, chunk...)
	}
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
	return out
}

// profiledWebP puts a colour profile into a WebP file that has the extended header, as
// every one has that was written with metadata.
func profiledWebP(b, profile []byte) []byte {
	const at = 12 + 8 + 10 // behind the header's chunk
	if len(b) < at || string(b[12:16]) != "VP8X" || len(profile) == 0 || len(profile) > 1<<20 || bytes.Contains(b[at:min(len(b), at+8)], []byte("ICCP")) {
		return b
	}
	chunk := binary.LittleEndian.AppendUint32([]byte("ICCP"), uint32(len(profile)))
	chunk = append(append(chunk, profile...), make([]byte, len(profile)&1)...)
	out := slices.Concat(b[:at], chunk, b[at:])
	out[20] |= 0x20 // it has a profile
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
	return out
}
