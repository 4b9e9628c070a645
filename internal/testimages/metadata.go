package testimages

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Secrets are texts in the metadata of WithMetadata that must not go with a picture: in
// positions, thumbnails, makers' notes, comments, serial numbers and owners' names.
var Secrets = []string{"48.8584", "MAKERNOTE-SECRET", "COMMENT-SECRET", "SERIAL-SECRET", "OWNER-SECRET", "UNIQUE-SECRET",
	"THUMBNAIL-SECRET", "XMP-GPS-SECRET", "IPTC-CITY-SECRET", "GPS-AREA-SECRET"}

// WithMetadata puts Exif, XMP and IPTC into a JPEG, as a camera and an archive would:
// credits, the taking, and Secrets. Orientation is 1 to 8; the Exif is in either byte order.
func WithMetadata(jpeg []byte, orientation int, order binary.ByteOrder) []byte {
	out := withSegment(jpeg, 0xed, Photoshop(
		IPTCSet(80, "Iptc Author"), IPTCSet(90, "IPTC-CITY-SECRET"), IPTCSet(110, "Iptc Agency"), IPTCSet(116, "Iptc Copyright")))
	out = withSegment(out, 0xe1, append([]byte("http://ns.adobe.com/xap/1.0/\x00"), XMP()...))
	return withSegment(out, 0xe1, Exif(orientation, order))
}

// XMP is a packet with rights, creators, credit, and a position.
func XMP() []byte {
	return []byte(`<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">` +
		`<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"` +
		` xmlns:xmpRights="http://ns.adobe.com/xap/1.0/rights/" photoshop:Credit="Xmp &amp; Agency" exif:GPSLatitude="XMP-GPS-SECRET" xmpRights:WebStatement="https://example.com/rights">` +
		`<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">Xmp Copyright</rdf:li><rdf:li xml:lang="de">anders</rdf:li></rdf:Alt></dc:rights>` +
		`<dc:creator><rdf:Seq><rdf:li>First Author</rdf:li><rdf:li>Second Author</rdf:li></rdf:Seq></dc:creator>` +
		`<xmpRights:UsageTerms><rdf:Alt><rdf:li xml:lang="x-default">Ask first</rdf:li></rdf:Alt></xmpRights:UsageTerms>` +
		`</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>`)
}

// IPTCSet is one data set of IIM's application record.
func IPTCSet(number byte, value string) []byte {
	return append([]byte{0x1c, 2, number, byte(len(value) >> 8), byte(len(value))}, value...)
}

// Photoshop is IIM data sets within Photoshop's image resources, behind another resource.
func Photoshop(sets ...[]byte) []byte {
	var iim []byte
	for _, s := range sets {
		iim = append(iim, s...)
	}
	out := []byte("Photoshop 3.0\x00" + "8BIM\x03\xed\x03odd" + "\x00\x00\x00\x03abc\x00" + "8BIM\x04\x04\x00\x00")
	out = binary.BigEndian.AppendUint32(out, uint32(len(iim)))
	return append(out, iim...)
}

// Exif is an Exif segment's body: first directory, that of the taking, GPS, and a
// thumbnail.
func Exif(orientation int, order binary.ByteOrder) []byte {
	type field struct {
		tag, kind uint16
		value     []byte
		pointer   int // 1 + the directory that it points to
	}
	short := func(tag uint16, v int) field {
		b := make([]byte, 2)
		order.PutUint16(b, uint16(v))
		return field{tag, 3, b, 0}
	}
	words := func(tag uint16, s string) field { return field{tag, 2, append([]byte(s), 0), 0} }
	rational := func(tag uint16, v ...uint32) field {
		b := make([]byte, 4*len(v))
		for i, n := range v {
			order.PutUint32(b[4*i:], n)
		}
		return field{tag, 5, b, 0}
	}
	directories := [][]field{
		{words(0x010f, "Maker"), words(0x0110, "Model 7"), short(0x0112, orientation), words(0x013b, "Exif Author"), words(0x8298, "Exif Copyright"),
			{0x8769, 4, make([]byte, 4), 2}, {0x8825, 4, make([]byte, 4), 3}},
		{rational(0x829a, 1, 250), rational(0x829d, 28, 10), short(0x8827, 400), {0x9000, 7, []byte("0232"), 0}, words(0x9003, "2024:05:06 07:08:09"),
			{0x927c, 7, []byte("MAKERNOTE-SECRET"), 0}, {0x9286, 7, []byte("ASCII\x00\x00\x00COMMENT-SECRET"), 0},
			words(0xa420, "UNIQUE-SECRET"), words(0xa430, "OWNER-SECRET"), words(0xa431, "SERIAL-SECRET"), words(0xa434, "Lens 50mm")},
		{words(0x0001, "N"), rational(0x0002, 48, 1, 51, 1, 3024, 100), words(0x001b, "GPS-AREA-SECRET 48.8584")},
		{{0x0201, 4, make([]byte, 4), 5}, {0x0202, 4, make([]byte, 4), 0}},
	}
	thumbnail := []byte("\xff\xd8THUMBNAIL-SECRET\xff\xd9")
	order.PutUint32(directories[3][1].value, uint32(len(thumbnail)))

	size := func(d []field) int {
		n := 2 + 12*len(d) + 4
		for _, f := range d {
			if len(f.value) > 4 {
				n += len(f.value) + len(f.value)&1
			}
		}
		return n
	}
	starts := []int{8}
	for _, d := range directories {
		starts = append(starts, starts[len(starts)-1]+size(d))
	}
	put16 := func(b []byte, v int) []byte { return append(b, order2(order, v)...) }
	put32 := func(b []byte, v int) []byte {
		w := make([]byte, 4)
		order.PutUint32(w, uint32(v))
		return append(b, w...)
	}
	head := "MM\x00\x2a"
	if order == binary.LittleEndian {
		head = "II\x2a\x00"
	}
	out := put32([]byte(head), 8)
	for i, d := range directories {
		out = put16(out, len(d))
		behind := starts[i] + 2 + 12*len(d) + 4
		var values []byte
		for _, f := range d {
			if f.pointer > 0 {
				order.PutUint32(f.value, uint32(starts[f.pointer-1]))
			}
			out = put16(put16(out, int(f.tag)), int(f.kind))
			out = put32(out, len(f.value)/map[uint16]int{2: 1, 3: 2, 4: 4, 5: 8, 7: 1}[f.kind])
			if len(f.value) <= 4 {
				out = append(append(out, f.value...), make([]byte, 4-len(f.value))...)
				continue
			}
			out = put32(out, behind+len(values))
			values = append(append(values, f.value...), make([]byte, len(f.value)&1)...)
		}
		next := 0
		if i == 0 {
			next = starts[3] // the thumbnail's directory
		}
		out = append(put32(out, next), values...)
	}
	return append(append([]byte("Exif\x00\x00"), out...), thumbnail...)
}

func order2(order binary.ByteOrder, v int) []byte {
	b := make([]byte, 2)
	order.PutUint16(b, uint16(v))
	return b
}

// HasSecret names the first of Secrets that stands in a file, as it is or as UTF-16.
func HasSecret(file []byte) (string, bool) {
	text := string(file)
	for _, s := range Secrets {
		wide := fmt.Sprintf("%s\x00", strings.Join(strings.Split(s, ""), "\x00"))
		if strings.Contains(text, s) || strings.Contains(text, wide) {
			return s, true
		}
	}
	return "", false
}
