package wire

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestPlainBytesAreFound(t *testing.T) {
	for at := range 20 {
		for c := range 256 {
			b := bytes.Repeat([]byte{'x'}, 24)
			b[at] = byte(c)
			s := string(b)
			want := 24
			if c < 0x20 || c >= 0x80 {
				want = at
			}
			if got := Printable(s); got != want {
				t.Fatalf("byte %#x at %d: printable %d, want %d", c, at, got, want)
			}
			if c == '"' || c == '\\' {
				want = at
			}
			if got := unescaped(s); got != want {
				t.Fatalf("byte %#x at %d: unescaped %d, want %d", c, at, got, want)
			}
		}
	}
}

// FuzzStrings writes strings and reads them with the standard library.
func FuzzStrings(f *testing.F) {
	for _, s := range []string{"", "plain", `"\`, "\x00\x1f\x7f\x80", "grüß\u2028", strings.Repeat("x", 100) + "\n", "\xff\xfe"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var back string
		if err := json.Unmarshal(appendString(nil, s), &back); err != nil || back != strings.ToValidUTF8(s, "\ufffd") && back != eachInvalid(s) {
			t.Errorf("%q came back as %q, %v", s, back, err)
		}
	})
}

// eachInvalid replaces each byte that is not UTF-8, where ToValidUTF8 replaces a run.
func eachInvalid(s string) string { return string([]rune(s)) }
