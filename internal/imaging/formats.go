package imaging

import "github.com/tintype/tintype/internal/recipe"

// Encoding gives the content type and the file name extension, without dot, of a format
// that outputs are written in. It does not depend on what any engine says.
func Encoding(format string) (contentType, ext string, ok bool) {
	e, ok := encodings[recipe.Format(format)]
	return e.contentType, e.ext, ok
}

// Filled returns the limits with zero fields replaced by their defaults.
func (l Limits) Filled() (Limits, error) {
	err := l.fill()
	return l, err
}

// CheckBytes holds a file's size to the limits, whose zero fields must be filled.
func (l Limits) CheckBytes(n int64) error { return l.checkSize(n) }
