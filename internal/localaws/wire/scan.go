package wire

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// maxNesting bounds how deep values may be in each other: none that AWS has is deeper than
// a few levels, and each takes some of the stack.
const maxNesting = 1000

// scanner reads one JSON document (RFC 8259) in the order in which its caller expects
// it. Strings must be UTF-8 and escapes must be whole characters.
type scanner struct {
	s     string // not to be kept: it may be a view of a buffer
	i     int
	depth int
}

// errSyntax is input that is not JSON; input that ends too soon is io.ErrUnexpectedEOF.
func (d *scanner) errSyntax(what string) error {
	if d.i >= len(d.s) {
		return io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%s at byte %d", what, d.i)
}

// peek skips white space and returns the byte with which the next value begins or the
// present one ends; 0 at the end of the input.
func (d *scanner) peek() byte {
	for ; d.i < len(d.s); d.i++ {
		switch c := d.s[d.i]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// enter consumes the brace or bracket that peek saw.
func (d *scanner) enter() error {
	if d.depth++; d.depth > maxNesting {
		return d.errSyntax("values are nested too deeply")
	}
	d.i++
	return nil
}

// more tells whether the object or array that ends with end has a further member, and
// goes to it, or behind the end. first says that none was read yet.
func (d *scanner) more(first bool, end byte) (bool, error) {
	c := d.peek()
	if c == end {
		d.i++
		d.depth--
		return false, nil
	}
	if first {
		return true, nil
	}
	if c != ',' {
		return false, d.errSyntax(fmt.Sprintf("a comma or %q is missing", end))
	}
	d.i++
	if d.peek() == end {
		return false, d.errSyntax("a comma has nothing after it")
	}
	return true, nil
}

// name reads a member's name and its colon. It may be a view of the input.
func (d *scanner) name() (string, error) {
	if d.peek() != '"' {
		return "", d.errSyntax("the name of a member is missing")
	}
	n, err := d.str()
	if err != nil {
		return "", err
	}
	if d.peek() != ':' {
		return "", d.errSyntax("a colon is missing")
	}
	d.i++
	return n, nil
}

// str reads the string that peek saw the quote of. It is a view of the input, unless
// escapes had to be resolved.
func (d *scanner) str() (string, error) {
	d.i++
	start := d.i
	var b []byte // what was before start, where there were escapes
	for {
		d.i += unescaped(d.s[d.i:])
		if d.i >= len(d.s) {
			return "", io.ErrUnexpectedEOF
		}
		switch c := d.s[d.i]; {
		case c == '"':
			v := d.s[start:d.i]
			d.i++
			if b != nil {
				return string(append(b, v...)), nil
			}
			return v, nil
		case c == '\\':
			b = append(b, d.s[start:d.i]...)
			var err error
			if b, err = d.escape(b); err != nil {
				return "", err
			}
			start = d.i
		case c < 0x20:
			return "", d.errSyntax("a string has a control character")
		default:
			r, n := utf8.DecodeRuneInString(d.s[d.i:])
			if r == utf8.RuneError && n == 1 {
				return "", d.errSyntax("a string is not UTF-8")
			}
			d.i += n
		}
	}
}

// escape resolves the escape that begins here and appends its character to b.
func (d *scanner) escape(b []byte) ([]byte, error) {
	if d.i+1 >= len(d.s) {
		return nil, io.ErrUnexpectedEOF
	}
	const plain, meant = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	if at := strings.IndexByte(plain, d.s[d.i+1]); at >= 0 {
		d.i += 2
		return append(b, meant[at]), nil
	}
	r, err := d.unit()
	if err != nil {
		return nil, err
	}
	if r >= 0xD800 && r < 0xE000 { // one of two halves of a character
		if r >= 0xDC00 {
			return nil, d.errSyntax("a string has half a character")
		}
		low, err := d.unit()
		if err != nil {
			return nil, err
		}
		if low < 0xDC00 || low >= 0xE000 {
			return nil, d.errSyntax("a string has half a character")
		}
		r = 0x10000 + (r-0xD800)<<10 + (low - 0xDC00)
	}
	return utf8.AppendRune(b, r), nil
}

// unit reads \uXXXX.
func (d *scanner) unit() (rune, error) {
	switch d.s[d.i:min(d.i+2, len(d.s))] {
	case `\u`:
	case `\`, "":
		return 0, io.ErrUnexpectedEOF
	default:
		return 0, d.errSyntax("a string has an unknown escape, or half a character,")
	}
	if d.i+6 > len(d.s) {
		return 0, io.ErrUnexpectedEOF
	}
	r := rune(0)
	for _, c := range []byte(d.s[d.i+2 : d.i+6]) {
		r <<= 4
		switch {
		case c >= '0' && c <= '9':
			r |= rune(c - '0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r |= rune(c|0x20-'a') + 10
		default:
			return 0, d.errSyntax("a string has an unknown escape")
		}
	}
	d.i += 6
	return r, nil
}

// word consumes true, false or null.
func (d *scanner) word(w string) error {
	if !strings.HasPrefix(d.s[d.i:], w) {
		if strings.HasPrefix(w, d.s[d.i:]) {
			return io.ErrUnexpectedEOF
		}
		return d.errSyntax("an unknown word")
	}
	d.i += len(w)
	return nil
}

// number reads a number as it is written. It is a view of the input.
func (d *scanner) number() (string, error) {
	start := d.i
	if d.at("-") {
		d.i++
	}
	if d.at("0") {
		d.i++
	} else if !d.digits() {
		return "", d.errSyntax("a number has no digits")
	}
	if d.at(".") {
		if d.i++; !d.digits() {
			return "", d.errSyntax("a number has no digits after its point")
		}
	}
	if d.at("eE") {
		if d.i++; d.at("+-") {
			d.i++
		}
		if !d.digits() {
			return "", d.errSyntax("a number has no digits in its exponent")
		}
	}
	return d.s[start:d.i], nil
}

func (d *scanner) at(any string) bool {
	return d.i < len(d.s) && strings.IndexByte(any, d.s[d.i]) >= 0
}

func (d *scanner) digits() bool {
	start := d.i
	for d.at("0123456789") {
		d.i++
	}
	return d.i > start
}

// skip reads a value of any kind.
func (d *scanner) skip() (err error) {
	switch c := d.peek(); c {
	case '"':
		_, err = d.str()
	case '{', '[':
		if err := d.enter(); err != nil {
			return err
		}
		end := c + 2 // in ASCII, both close two after they open
		for first := true; ; first = false {
			more, err := d.more(first, end)
			if err != nil || !more {
				return err
			}
			if c == '{' {
				if _, err := d.name(); err != nil {
					return err
				}
			}
			if err := d.skip(); err != nil {
				return err
			}
		}
	case 't':
		err = d.word("true")
	case 'f':
		err = d.word("false")
	case 'n':
		err = d.word("null")
	default:
		if c != '-' && (c < '0' || c > '9') {
			return d.errSyntax("a value is missing")
		}
		_, err = d.number()
	}
	return err
}
