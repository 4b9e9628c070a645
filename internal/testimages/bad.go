package testimages

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"sync"

	"github.com/tintype/tintype/internal/fault"
)

// BadFile is a file that must be refused with a known code.
type BadFile struct {
	File
	Code string // fault.Code…, under the default limits
}

// Bad returns files that are bad each in its own way, for an upload of each to end in
// its code.
func Bad() []BadFile {
	file := func(name, contentType, code string, b []byte) BadFile {
		return BadFile{File{Name: name, ContentType: contentType, Bytes: b}, code}
	}
	return []BadFile{
		file("empty.jpg", "image/jpeg", fault.CodeEmpty, []byte{}),
		file("page.jpg", "image/jpeg", fault.CodeNotAnImage, HTML()),
		file("notes.png", "image/png", fault.CodeNotAnImage, []byte("Dear diary, this is no picture.\n")),
		file("one-byte.jpg", "image/jpeg", fault.CodeNotAnImage, []byte{0xff}),
		file("drawing.svg", "image/svg+xml", fault.CodeUnsupported, SVG()),
		file("paper.pdf", "application/pdf", fault.CodeUnsupported, []byte("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n")),
		file("layers.psd", "image/vnd.adobe.photoshop", fault.CodeUnsupported, []byte("8BPS\x00\x01\x00\x00\x00\x00\x00\x00\x00\x03")),
		file("old.bmp", "image/bmp", fault.CodeUnsupported, append([]byte("BM\x46\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00"), make([]byte, 64)...)),
		file("truncated.jpg", "image/jpeg", fault.CodeCorrupt, Truncated()),
		file("truncated.png", "image/png", fault.CodeCorrupt, TruncatedPNG()),
		file("header-only.jpg", "image/jpeg", fault.CodeCorrupt, Photo()[:400]),
		file("damaged.jpg", "image/jpeg", fault.CodeCorrupt, Damaged()),
		file("huge.png", "image/png", fault.CodeTooManyPixels, HugePNG()),
		file("long.png", "image/png", fault.CodeSideTooLong, BlackPNG(20001, 100)),
		file("bomb.jpg", "image/jpeg", fault.CodeTooManyPixels, BombJPEG()),
		file("frames.gif", "image/gif", fault.CodeTooManyFrames, AnimatedGIF(4, 4, 301)),
	}
}

// Truncated is a photograph that ends after three fifths of its bytes.
func Truncated() []byte {
	p := Photo()
	return p[:len(p)*3/5]
}

// TruncatedPNG is a PNG that ends after three fifths of its bytes.
func TruncatedPNG() []byte {
	p := Photos()[3].Bytes
	return p[:len(p)*3/5]
}

// Damaged is a whole photograph with 2 KB overwritten in the middle of its pixels.
func Damaged() []byte {
	p := Photo()
	for i := range 2048 {
		p[len(p)/2+i] = byte(i * 37)
	}
	return p
}

// HTML is a web page.
func HTML() []byte {
	return []byte("<!doctype html>\n<html><head><title>404</title></head><body>Not found</body></html>\n")
}

// SVG is a drawing that would run a script in a browser.
func SVG() []byte {
	return []byte(`<?xml version="1.0"?>` + "\n" +
		`<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><script>alert(1)</script><rect width="10" height="10"/></svg>`)
}

// BombJPEG is a small JPEG whose header claims 65,500 × 65,500 pixels.
func BombJPEG() []byte {
	b := JPEG(16, 16)
	i := bytes.Index(b, []byte{0xff, 0xc0}) // start of frame: length 2, precision 1, height 2, width 2
	binary.BigEndian.PutUint16(b[i+5:], 65500)
	binary.BigEndian.PutUint16(b[i+7:], 65500)
	return b
}

// HugePNG is a sound 1-bit PNG of 20,001 × 20,001 pixels, 50 KB.
func HugePNG() []byte { return bytes.Clone(hugePNG()) }

var hugePNG = sync.OnceValue(func() []byte { return BlackPNG(20001, 20001) })

// BlackPNG is a sound, all black 1-bit PNG of any size.
func BlackPNG(w, h int) []byte {
	var data bytes.Buffer
	z := zlib.NewWriter(&data)
	row := make([]byte, 1+(w+7)/8) // filter type 0, then the pixels
	for range h {
		_, err := z.Write(row)
		must(err)
	}
	must(z.Close())
	out := []byte("\x89PNG\r\n\x1a\n")
	chunk := func(name string, body []byte) {
		out = binary.BigEndian.AppendUint32(out, uint32(len(body)))
		from := len(out)
		out = append(append(out, name...), body...)
		out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[from:]))
	}
	header := binary.BigEndian.AppendUint32(nil, uint32(w))
	header = binary.BigEndian.AppendUint32(header, uint32(h))
	chunk("IHDR", append(header, 1, 0, 0, 0, 0)) // 1 bit, gray
	chunk("IDAT", data.Bytes())
	chunk("IEND", nil)
	return out
}
