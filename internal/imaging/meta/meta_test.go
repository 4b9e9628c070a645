package meta_test

import (
	"bytes"
	"encoding/binary"
	"image/jpeg"
	"slices"
	"strings"
	"testing"

	"github.com/tintype/tintype/internal/imaging/meta"
	"github.com/tintype/tintype/internal/testimages"
)

var all = meta.Raw{Exif: testimages.Exif(6, binary.LittleEndian), XMP: testimages.XMP(),
	IPTC: testimages.Photoshop(testimages.IPTCSet(80, "Iptc Author"), testimages.IPTCSet(110, "Iptc Agency"), testimages.IPTCSet(116, "Iptc Copyright"))}

// tags reads a block that Select has written: the values by tag, of both directories.
func tags(t testing.TB, exif []byte) map[uint16]string {
	t.Helper()
	out := map[uint16]string{}
	if len(exif) == 0 {
		return out
	}
	b := bytes.TrimPrefix(exif, []byte("Exif\x00\x00"))
	var order binary.ByteOrder = binary.BigEndian
	if b[0] == 'I' {
		order = binary.LittleEndian
	}
	sizes := map[uint16]uint32{1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 9: 4, 10: 8}
	var read func(at uint32)
	read = func(at uint32) {
		n := uint32(order.Uint16(b[at:]))
		var last uint16
		for i := range n {
			e := b[at+2+12*i:]
			tag, size := order.Uint16(e), sizes[order.Uint16(e[2:])]*order.Uint32(e[4:])
			if tag <= last {
				t.Errorf("tag %#x comes behind %#x", tag, last)
			}
			last = tag
			v := e[8:12]
			if size > 4 {
				v = b[order.Uint32(e[8:]):]
			}
			if tag == 0x8769 {
				read(order.Uint32(e[8:]))
				continue
			}
			out[tag] = string(v[:size])
		}
		if next := order.Uint32(b[at+2+12*n:]); next != 0 {
			t.Errorf("there is a directory of a thumbnail at %d", next)
		}
	}
	read(order.Uint32(b[4:]))
	return out
}

func TestCopyright(t *testing.T) {
	for name, tc := range map[string]struct {
		raw               meta.Raw
		copyright, artist string
		xmp               []string
	}{
		"all":       {all, "Exif Copyright", "Exif Author", []string{"Xmp &amp; Agency", "Ask first", "https://example.com/rights"}},
		"xmp":       {meta.Raw{XMP: all.XMP}, "Xmp Copyright", "First Author; Second Author", []string{"Xmp &amp; Agency"}},
		"iptc":      {meta.Raw{IPTC: all.IPTC}, "Iptc Copyright", "Iptc Author", []string{"<photoshop:Credit>Iptc Agency<"}},
		"bare iptc": {meta.Raw{IPTC: testimages.IPTCSet(116, "\xa9 M\xfcller\r\n")}, "© Müller", "", []string{"© Müller"}},
		"none":      {meta.Raw{}, "", "", nil},
	} {
		s := meta.Select(tc.raw, meta.Keep{Copyright: true})
		got := tags(t, s.Exif)
		if c, a := strings.TrimRight(got[0x8298], "\x00"), strings.TrimRight(got[0x013b], "\x00"); c != tc.copyright || a != tc.artist {
			t.Errorf("%s: copyright %q, artist %q", name, c, a)
		}
		delete(got, 0x8298)
		delete(got, 0x013b)
		if len(got) > 0 {
			t.Errorf("%s: more is kept: %v", name, got)
		}
		for _, want := range append(tc.xmp, tc.copyright) {
			if !bytes.Contains(s.XMP, []byte(want)) {
				t.Errorf("%s: XMP has no %q: %s", name, want, s.XMP)
			}
		}
		if tc.xmp == nil && (s.XMP != nil || s.Exif != nil) {
			t.Errorf("%s: something is written", name)
		}
		if secret, ok := testimages.HasSecret(append(s.Exif, s.XMP...)); ok {
			t.Errorf("%s: %s is kept", name, secret)
		}
	}
}

func TestExifWithoutPlace(t *testing.T) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		s := meta.Select(meta.Raw{Exif: testimages.Exif(6, order), XMP: all.XMP}, meta.Keep{Exif: true})
		got := tags(t, s.Exif)
		for tag, want := range map[uint16]string{0x010f: "Maker\x00", 0x0110: "Model 7\x00", 0x013b: "Exif Author\x00", 0x8298: "Exif Copyright\x00",
			0x9003: "2024:05:06 07:08:09\x00", 0xa434: "Lens 50mm\x00", 0x9000: "0232"} {
			if got[tag] != want {
				t.Errorf("tag %#x is %q, want %q", tag, got[tag], want)
			}
		}
		if n := order.Uint16([]byte(got[0x8827])); n != 400 {
			t.Errorf("sensitivity is %d", n)
		}
		for _, gone := range []uint16{0x0112, 0x8825, 0x927c, 0x9286, 0xa420, 0xa430, 0xa431, 0x0201} {
			if v, ok := got[gone]; ok {
				t.Errorf("tag %#x is kept: %q", gone, v)
			}
		}
		if secret, ok := testimages.HasSecret(s.Exif); ok || s.XMP != nil {
			t.Errorf("%s is kept, XMP of %d bytes", secret, len(s.XMP))
		}
	}
}

func TestNothingWanted(t *testing.T) {
	if s := meta.Select(all, meta.Keep{Profile: true}); s.Exif != nil || s.XMP != nil {
		t.Errorf("%+v", s)
	}
}

func TestCarrierIsAJPEG(t *testing.T) {
	b := meta.Select(all, meta.Keep{Copyright: true, Exif: true}).Carrier()
	m, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil || m.Bounds().Dx() != 1 || m.Bounds().Dy() != 1 {
		t.Fatalf("%v, %v", m, err)
	}
	if !bytes.Contains(b, []byte("Exif Copyright")) || !bytes.Contains(b, []byte("xmpmeta")) {
		t.Error("it does not carry what was selected")
	}
}

// FuzzSelect: whatever a file has in its blocks, the result is readable, bounded, and has
// no tag but those that are to be kept.
func FuzzSelect(f *testing.F) {
	f.Add(all.Exif, all.XMP, all.IPTC)
	f.Add(testimages.Exif(1, binary.BigEndian), []byte("<a><b>"), testimages.IPTCSet(80, "x"))
	f.Add([]byte("II\x2a\x00\x08\x00\x00\x00"), []byte("<?xml?>&lol;"), []byte("Photoshop 3.0\x008BIM\x04\x04\xff"))
	f.Add(all.Exif[:60], all.XMP[:400], all.IPTC[:30])
	allowed := []uint16{0x010e, 0x010f, 0x0110, 0x0131, 0x0132, 0x013b, 0x8298}
	f.Fuzz(func(t *testing.T, exif, xmp, iptc []byte) {
		s := meta.Select(meta.Raw{Exif: exif, XMP: xmp, IPTC: iptc}, meta.Keep{Copyright: true, Exif: true})
		if len(s.Exif) > 0xffff-2 || len(s.XMP) > 0xffff-100 {
			t.Fatalf("%d and %d bytes", len(s.Exif), len(s.XMP))
		}
		for tag := range tags(t, s.Exif) {
			if tag < 0x829a && !slices.Contains(allowed, tag) || tag == 0x8825 || tag == 0x927c || tag == 0x9286 {
				t.Fatalf("tag %#x is kept", tag)
			}
		}
		s.Carrier()
	})
}
