package meta

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
)

// exifHead stands before the TIFF structure in a JPEG.
const exifHead = "Exif\x00\x00"

// Bounds of what is read: more is no photograph's.
const (
	mostEntries = 512     // of a directory
	mostValue   = 8 << 10 // bytes
	mostExif    = 48 << 10
)

// directory is what is kept of an Exif block.
type directory struct {
	order   byteOrder
	main    []entry
	camera  []entry
	credits credits
}

type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// entry is a field; its value is as it stands in the file, in the file's byte order.
type entry struct {
	tag, kind uint16
	count     uint32
	value     []byte
}

// readExif reads what is to be kept; where a block is damaged, what can be read of it.
func readExif(b []byte) directory {
	b = bytes.TrimPrefix(b, []byte(exifHead))
	d := directory{order: binary.BigEndian}
	if len(b) < 8 {
		return d
	}
	switch string(b[:4]) {
	case "II\x2a\x00":
		d.order = binary.LittleEndian
	case "MM\x00\x2a":
	default:
		return d
	}
	room := mostExif
	all := readEntries(b, d.order, d.order.Uint32(b[4:]), &room)
	for _, e := range all {
		switch {
		case e.tag == tagCamera && e.kind == 4 && e.count == 1 && d.camera == nil:
			for _, c := range readEntries(b, d.order, d.order.Uint32(e.value), &room) {
				if cameraTags[c.tag] != "" {
					d.camera = append(d.camera, c)
				}
			}
		case mainTags[e.tag] != "":
			d.main = append(d.main, e)
			if e.kind != 2 {
				continue
			}
			// The photographer's and the editor's copyright are parted by a NUL.
			said := text([]byte(strings.ReplaceAll(strings.Trim(string(e.value), "\x00 "), "\x00", "; ")))
			switch e.tag {
			case tagArtist:
				d.credits.artist = said
			case tagCopyright:
				d.credits.copyright = said
			}
		}
	}
	return d
}

// readEntries reads a directory; of a tag that comes twice the first counts.
func readEntries(b []byte, order byteOrder, offset uint32, room *int) []entry {
	at := int64(offset)
	if at < 8 || at+2 > int64(len(b)) {
		return nil
	}
	var out []entry
	for i := range min(int64(order.Uint16(b[at:])), mostEntries) {
		p := at + 2 + 12*i
		if p+12 > int64(len(b)) {
			break
		}
		e := entry{tag: order.Uint16(b[p:]), kind: order.Uint16(b[p+2:]), count: order.Uint32(b[p+4:])}
		size := int64(e.count) * int64(typeSizes[e.kind])
		if size == 0 || size > mostValue || size > int64(*room) {
			continue
		}
		from := p + 8
		if size > 4 {
			from = int64(order.Uint32(b[p+8:]))
		}
		if from+size > int64(len(b)) || slices.ContainsFunc(out, func(o entry) bool { return o.tag == e.tag }) {
			continue
		}
		e.value = b[from : from+size]
		*room -= int(size)
		out = append(out, e)
	}
	return out
}

// writeExif writes a block of what is kept, or nothing where that is nothing.
func writeExif(d directory, c credits) []byte {
	main, camera := slices.Clone(d.main), slices.Clone(d.camera)
	for tag, s := range map[uint16]string{tagArtist: c.artist, tagCopyright: c.copyright} {
		if s == "" {
			continue
		}
		main = slices.DeleteFunc(main, func(e entry) bool { return e.tag == tag })
		main = append(main, entry{tag, 2, uint32(len(s) + 1), append([]byte(s), 0)})
	}
	if len(main)+len(camera) == 0 {
		return nil
	}
	if len(camera) > 0 {
		main = append(main, entry{tagCamera, 4, 1, make([]byte, 4)})
	}
	byTag := func(a, b entry) int { return int(a.tag) - int(b.tag) }
	slices.SortFunc(main, byTag)
	slices.SortFunc(camera, byTag)

	head := []byte("MM\x00\x2a")
	if d.order == binary.LittleEndian {
		head = []byte("II\x2a\x00")
	}
	out := d.order.AppendUint32(append([]byte(exifHead), head...), 8)
	// The second directory comes right behind the first and its values.
	second := 8 + sizeOf(main)
	for i := range main {
		if main[i].tag == tagCamera {
			d.order.PutUint32(main[i].value, uint32(second))
		}
	}
	out = appendDirectory(out, d.order, main)
	if len(camera) > 0 {
		out = appendDirectory(out, d.order, camera)
	}
	return out
}

// sizeOf is a directory's size in bytes, the values behind it included.
func sizeOf(entries []entry) int {
	n := 2 + 12*len(entries) + 4
	for _, e := range entries {
		if len(e.value) > 4 {
			n += len(e.value) + len(e.value)%2
		}
	}
	return n
}

func appendDirectory(out []byte, order byteOrder, entries []entry) []byte {
	values := len(out) - len(exifHead) + 2 + 12*len(entries) + 4 // where they begin
	var behind []byte
	out = order.AppendUint16(out, uint16(len(entries)))
	for _, e := range entries {
		out = order.AppendUint16(out, e.tag)
		out = order.AppendUint16(out, e.kind)
		out = order.AppendUint32(out, e.count)
		if len(e.value) <= 4 {
			out = append(append(out, e.value...), make([]byte, 4-len(e.value))...)
			continue
		}
		out = order.AppendUint32(out, uint32(values+len(behind)))
		behind = append(append(behind, e.value...), make([]byte, len(e.value)%2)...)
	}
	out = order.AppendUint32(out, 0) // no further directory: that would be of the thumbnail
	return append(out, behind...)
}
