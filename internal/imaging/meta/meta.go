// Package meta chooses what of a file's metadata goes with the pictures made of it, and
// writes it anew.
//
// Nothing is copied as it stands. What is wanted is read out of the file's Exif, IPTC and
// XMP by name (lists in tags.go), and new blocks are written that hold it and nothing else:
// so that no position, thumbnail, maker's note or serial number can come along. Blocks that
// cannot be read are passed over: a picture does not fail by its metadata.
//
// Pure Go; imports none of ours.
package meta

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Raw is what a file has, as it stands there; each may be empty.
type Raw struct {
	Exif []byte // a TIFF structure, with or without "Exif\0\0" before it
	XMP  []byte
	IPTC []byte // IIM data sets, with or without Photoshop's resources about them
}

// Keep is what is wanted of it.
type Keep struct {
	Copyright bool // who made the picture, and who owns it
	Exif      bool // how and when it was taken
	Profile   bool // the ICC profile: that of sRGB, in which the pixels are
}

// Any reports whether anything is wanted.
func (k Keep) Any() bool { return k != Keep{} }

// Selected are the new blocks, each empty where there is nothing to be said.
type Selected struct {
	Exif []byte // "Exif\0\0" and a TIFF structure
	XMP  []byte
}

// Select writes the new blocks.
func Select(raw Raw, k Keep) Selected {
	if !k.Copyright && !k.Exif {
		return Selected{}
	}
	dir := readExif(raw.Exif)
	if !k.Exif {
		dir.camera = nil
		dir.main = nil
	}
	var c credits
	if k.Copyright {
		c = dir.credits
		c.fill(readXMP(raw.XMP))
		c.fill(readIPTC(raw.IPTC))
	} else {
		c = credits{} // Exif's own are among dir.main
	}
	return Selected{Exif: writeExif(dir, c), XMP: writeXMP(c)}
}

// credits are who made a picture and who owns it.
type credits struct {
	copyright, artist, credit string
	terms, web                string // how it may be used, and where that is written
}

// fill takes from o what is missing.
func (c *credits) fill(o credits) {
	for _, p := range []struct {
		to   *string
		from string
	}{{&c.copyright, o.copyright}, {&c.artist, o.artist}, {&c.credit, o.credit}, {&c.terms, o.terms}, {&c.web, o.web}} {
		if *p.to == "" {
			*p.to = p.from
		}
	}
}

// mostText is the longest text that is kept, in bytes.
const mostText = 2000

// text makes what a file says fit to be written: UTF-8 (what is not was Latin-1), one
// line, without control characters.
func text(b []byte) string {
	if !utf8.Valid(b) {
		r := make([]rune, len(b))
		for i, c := range b {
			r[i] = rune(c)
		}
		b = []byte(string(r))
	}
	s := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, string(b))
	s = strings.Join(strings.Fields(s), " ")
	for len(s) > mostText {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}
