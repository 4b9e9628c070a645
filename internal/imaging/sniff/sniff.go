// Package sniff tells from the first bytes of a file what image it is and how large.
//
// It decides by bytes alone: names and content types are what the sender claims. It
// decodes nothing and imports nothing of ours, so that the web tier can ask at the
// door without linking libvips.
package sniff

import (
	"bytes"
	"encoding/binary"
)

// HeadSize is how many bytes of a file are worth giving to Probe: the frame header of
// a JPEG comes after its Exif thumbnail and colour profile, 64 KiB at most each.
const HeadSize = 256 << 10

// Formats that are decoded. They are also the names used in the manifest.
const (
	JPEG = "jpeg"
	PNG  = "png"
	GIF  = "gif"
	WebP = "webp"
	TIFF = "tiff"
	HEIF = "heif" // HEIC
	AVIF = "avif"
)

// Documents, which are drawn and not decoded; only where they are asked for.
const (
	SVG = "svg"
	PDF = "pdf"
)

// Probe names the format of a file from its first bytes, and its size in pixels as
// stored, before any Exif orientation. Format is "" where the bytes are no known image
// format; ok says that the format is one that is decoded here. A known one that is
// not ("svg", "pdf", "bmp", …) is named with ok false. Width and height are 0 where
// they do not stand within head.
func Probe(head []byte) (format string, width, height int, ok bool) {
	switch {
	case hasPrefix(head, "\xff\xd8\xff"):
		format = JPEG
		width, height = jpegSize(head)
	case hasPrefix(head, "\x89PNG\r\n\x1a\n"):
		format = PNG
		if len(head) >= 24 && string(head[12:16]) == "IHDR" {
			width, height = size(be32(head[16:]), be32(head[20:]))
		}
	case hasPrefix(head, "GIF87a"), hasPrefix(head, "GIF89a"):
		format = GIF
		if len(head) >= 10 {
			width, height = int(le16(head[6:])), int(le16(head[8:]))
		}
	case len(head) >= 12 && hasPrefix(head, "RIFF") && string(head[8:12]) == "WEBP":
		format = WebP
		width, height = webpSize(head)
	case hasPrefix(head, "II\x2a\x00"), hasPrefix(head, "MM\x00\x2a"):
		format = TIFF
		width, height = tiffSize(head)
	default:
		if format = heifBrand(head); format != "" {
			width, height = heifSize(head)
			break
		}
		return foreign(head), 0, 0, false
	}
	return format, width, height, true
}

// foreign names formats that are known and not decoded here.
func foreign(head []byte) string {
	for _, f := range []struct{ prefix, name string }{
		{"8BPS\x00", "psd"},
		{"BM", "bmp"},
		{"\x00\x00\x01\x00", "ico"},
		{"\x00\x00\x00\x0cjP  \r\n\x87\n", "jpeg2000"},
		{"\xff\x4f\xff\x51", "jpeg2000"},
		{"\xff\x0a", "jpegxl"},
		{"\x00\x00\x00\x0cJXL \r\n\x87\n", "jpegxl"},
		{"II\x2b\x00", "bigtiff"},
		{"MM\x00\x2b", "bigtiff"},
		{"\x76\x2f\x31\x01", "openexr"},
		{"#?RADIANCE", "hdr"},
		{"gimp xcf", "xcf"},
		{"FORM", "iff"},
		{"SIMPLE  =", "fits"},
		{"qoif", "qoi"},
		{"FUJIFILMCCD-RAW", "raw"},
		{"IIRO", "raw"},
		{"IIU\x00", "raw"},
	} {
		if !hasPrefix(head, f.prefix) {
			continue
		}
		// Two letters are not enough to tell a bitmap from a text: its header has
		// zeros in the reserved words.
		if f.name == "bmp" && (len(head) < 18 || be32(head[6:]) != 0) {
			continue
		}
		return f.name
	}
	if i := bytes.Index(head[:min(len(head), 1024)], []byte("%PDF-")); i >= 0 {
		return PDF // readers allow junk before the header
	}
	if hasPrefix(head, "%!PS") {
		return "postscript"
	}
	if isSVG(head) {
		return SVG
	}
	return ""
}

// isSVG looks for a document whose first element is svg, behind a byte order mark,
// white space, declarations and comments.
func isSVG(head []byte) bool {
	s := bytes.TrimPrefix(head[:min(len(head), 64<<10)], []byte("\xef\xbb\xbf"))
	for {
		s = bytes.TrimLeft(s, " \t\r\n")
		var end string
		switch {
		case hasPrefix(s, "<?"):
			end = "?>"
		case hasPrefix(s, "<!--"):
			end = "-->"
		case hasPrefix(s, "<!DOCTYPE svg"):
			return true
		default:
			return hasPrefix(s, "<svg") && len(s) > 4 && bytes.IndexByte([]byte(" \t\r\n>/"), s[4]) >= 0 ||
				hasPrefix(s, "<svg:svg")
		}
		i := bytes.Index(s, []byte(end))
		if i < 0 {
			return false
		}
		s = s[i+len(end):]
	}
}

func hasPrefix(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && string(b[:len(prefix)]) == prefix
}

// size is a width and height if both can be real, else zeros.
func size(w, h uint32) (int, int) {
	if w > 1<<31-1 || h > 1<<31-1 {
		return 0, 0
	}
	return int(w), int(h)
}

func be16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }
func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }
func le16(b []byte) uint16 { return binary.LittleEndian.Uint16(b) }
