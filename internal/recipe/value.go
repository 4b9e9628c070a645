package recipe

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// maxValueText is the longest text of a parameter that is looked at, in bytes. No
// sound colour or number comes near it.
const maxValueText = 64

// RGB returns the channels of a colour, 0 to 255 each.
func (v Value) RGB() (r, g, b uint8, err error) {
	c, err := parseColor(string(v))
	if err != nil {
		return 0, 0, 0, err
	}
	n, err := strconv.ParseUint(c[1:], 16, 24)
	if err != nil {
		return 0, 0, 0, fmt.Errorf("parse colour %q: %w", c, err)
	}
	return uint8(n >> 16), uint8(n >> 8), uint8(n), nil
}

// Float returns the value of a number; it is finite.
func (v Value) Float() (float64, error) { return parseNumber(string(v)) }

// parseColor returns the canonical form, "#rrggbb" in lower case, of "#rgb" or
// "#rrggbb" in either case. The "#" may be missing: in URLs and shells it has a
// meaning of its own and gets lost.
func parseColor(s string) (string, error) {
	hex := strings.TrimPrefix(s, "#")
	if len(hex) != 3 && len(hex) != 6 {
		return "", errors.New("not #rgb or #rrggbb")
	}
	var b strings.Builder
	b.WriteByte('#')
	for i := range len(hex) {
		c := hex[i]
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f':
		case c >= 'A' && c <= 'F':
			c += 'a' - 'A'
		default:
			return "", errors.New("not hexadecimal")
		}
		b.WriteByte(c)
		if len(hex) == 3 {
			b.WriteByte(c)
		}
	}
	return b.String(), nil
}

// parseNumber reads a finite decimal number. What Go's parser takes beyond decimal
// digits (hexadecimal, underscores, "inf", "nan") is refused: other readers of the
// same parameter would disagree.
func parseNumber(s string) (float64, error) {
	if s == "" || len(s) > maxValueText {
		return 0, errors.New("not a number")
	}
	for i := range len(s) {
		if !strings.ContainsRune("0123456789+-.eE", rune(s[i])) {
			return 0, errors.New("not a number")
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return 0, errors.New("not a number")
	}
	if f == 0 {
		f = 0 // not -0: the two are one value and must have one text
	}
	return f, nil
}

// formatNumber is the shortest decimal text that reads back as f.
func formatNumber(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
