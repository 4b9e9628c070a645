package sniff_test

import (
	"encoding/hex"
	"testing"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/imaging/sniff"
	"github.com/tintype/tintype/internal/testimages"
)

func TestProbeSound(t *testing.T) {
	type want struct {
		format string
		w, h   int
	}
	check := func(name string, b []byte, w want) {
		t.Helper()
		format, width, height, ok := sniff.Probe(b[:min(len(b), sniff.HeadSize)])
		if !ok || format != w.format || width != w.w || height != w.h {
			t.Errorf("%s: %q %d × %d, %v; want %+v", name, format, width, height, ok, w)
		}
	}
	for _, f := range testimages.Photos() {
		check(f.Name, f.Bytes, want{f.ContentType[len("image/"):], f.Width, f.Height})
	}
	check("exif", testimages.Oriented(48, 32, 6), want{"jpeg", 32, 48}) // as stored
	check("profile", testimages.WithProfile(testimages.JPEG(50, 40), testimages.SRGB.Profile()), want{"jpeg", 50, 40})
	check("bomb", testimages.BombJPEG(), want{"jpeg", 65500, 65500})
	check("huge", testimages.HugePNG(), want{"png", 20001, 20001})
	check("gif", testimages.AnimatedGIF(31, 17, 3), want{"gif", 31, 17})
	check("tiff", testimages.TIFF(31, 17), want{"tiff", 31, 17})

	// Headers by hand, from the formats' specifications.
	for name, tc := range map[string]struct {
		hex  string
		want want
	}{
		"webp lossy":       {"52494646 24000000 57454250 56503820 18000000 300100 9d012a 4001 f000 0000", want{"webp", 320, 240}},
		"webp lossless":    {"52494646 24000000 57454250 5650384c 18000000 2f 3fc13b00 0000000000", want{"webp", 320, 240}},
		"webp extended":    {"52494646 24000000 57454250 56503858 0a000000 10000000 3f0100 ef0000", want{"webp", 320, 240}},
		"avif":             {"0000001c 66747970 61766966 00000000 61766966 6d696631 6d696166", want{"avif", 0, 0}},
		"avif, brand mif1": {"00000018 66747970 6d696631 00000000 61766966 6d696166", want{"avif", 0, 0}},
		"heic": {"00000018 66747970 68656963 00000000 6d696631 68656963" + // ftyp
			"00000048 6d657461 00000000 0000003c 69707270 00000034 6970636f" + // meta, iprp, ipco
			"00000014 69737065 00000000 00000040 00000040" + // a tile of 64 × 64
			"00000014 69737065 00000000 00000fc0 00000bd0" + "00000004", want{"heif", 4032, 3024}},
		"tiff, directory out of reach": {"49492a00 00ff0000", want{"tiff", 0, 0}},
		"jpeg, nothing more":           {"ffd8ff", want{"jpeg", 0, 0}},
		"jpeg, fill bytes and junk":    {"ffd8 ffff fffe 0004 aaaa 00 ffc2 000b 08 0010 0020 01 011100", want{"jpeg", 32, 16}},
	} {
		check(name, unhex(t, tc.hex), tc.want)
	}
}

func TestProbeRefused(t *testing.T) {
	for _, f := range testimages.Bad() {
		format, _, _, ok := sniff.Probe(f.Bytes)
		switch f.Code {
		case fault.CodeUnsupported:
			if ok || format == "" {
				t.Errorf("%s: %q, %v; want a name and false", f.Name, format, ok)
			}
		case fault.CodeNotAnImage, fault.CodeEmpty:
			if ok || format != "" {
				t.Errorf("%s: %q, %v; want nothing", f.Name, format, ok)
			}
		default:
			if !ok {
				t.Errorf("%s: %q is not taken for an image", f.Name, format)
			}
		}
	}
	for text, want := range map[string]string{
		"<svg>":                              "svg",
		"\xef\xbb\xbf \n<!-- a --><svg x=''": "svg",
		"<?xml version='1.0'?><!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN'": "svg",
		"<svgfoo>":                     "",
		"<!-- unclosed <svg>":          "",
		"<html><svg></svg>":            "",
		"BM is how this starts":        "",
		"RIFF\x00\x00\x00\x00WAVEfmt ": "",
		"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00isomiso2": "",
		"%!PS-Adobe-3.0": "postscript",
	} {
		if got, _, _, ok := sniff.Probe([]byte(text)); got != want || ok {
			t.Errorf("%q: %q, %v; want %q", text, got, ok, want)
		}
	}
}

// FuzzProbe: no bytes make it panic, hang or invent a size.
func FuzzProbe(f *testing.F) {
	for _, b := range [][]byte{testimages.JPEG(8, 8), testimages.PNG(8, 8), testimages.GIF(8, 8), testimages.TIFF(8, 8),
		testimages.Oriented(8, 8, 6), testimages.SVG(),
		[]byte("RIFF\x24\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x10\x00\x00\x00\x3f\x01\x00\xef\x00\x00"),
		[]byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic\x00\x00\x00\x10meta\x00\x00\x00\x00\x00\x00\x00\x00iprp")} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		format, w, h, ok := sniff.Probe(b)
		if w < 0 || h < 0 || ok && format == "" || !ok && (w != 0 || h != 0) {
			t.Fatalf("%q %d × %d, %v", format, w, h, ok)
		}
	})
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	var clean []byte
	for i := range len(s) {
		if s[i] != ' ' {
			clean = append(clean, s[i])
		}
	}
	b, err := hex.DecodeString(string(clean))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
