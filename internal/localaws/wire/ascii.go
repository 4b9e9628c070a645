package wire

import (
	"encoding/binary"
	"unsafe"
)

// Message bodies are most of what is read and answered, and most of a body is plain
// ASCII: it is looked at eight bytes at a time.

const (
	ones = 0x0101010101010101
	high = 0x8080808080808080
)

// below marks words that have a byte under c (at most 0x80); it may be wrong about
// bytes after the first of them.
func below(x uint64, c byte) uint64 { return (x - ones*uint64(c)) &^ x & high }

// equal marks words that have a byte c, as below does.
func equal(x uint64, c byte) uint64 { return below(x^ones*uint64(c), 1) }

// Printable is how many bytes s begins with that are ASCII without control characters
// (0x20 to 0x7f).
func Printable(s string) int { return prefix(s, false) }

// unescaped is how many bytes s begins with that JSON takes as they are and that are
// ASCII.
func unescaped(s string) int { return prefix(s, true) }

func prefix(s string, json bool) int {
	i := 0
	b := unsafe.Slice(unsafe.StringData(s), len(s)) // only read
	for ; len(s)-i >= 8; i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		hit := x&high | below(x, 0x20)
		if json {
			hit |= equal(x, '"') | equal(x, '\\')
		}
		if hit != 0 {
			break
		}
	}
	for ; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c >= 0x80 || json && (c == '"' || c == '\\') {
			break
		}
	}
	return i
}
