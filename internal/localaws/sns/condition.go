package sns

import (
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
)

// condition is one element of a key's list in a filter policy.
type condition struct {
	exists  *bool // set: it asks only whether the key is there
	matches func(value any) bool
}

// numericBound is the largest magnitude of numbers in filters.
const numericBound = 1e9

// numeric reads ["=", n] or a range such as [">", 0, "<=", 10], behind its bracket.
func (p *filterParser) numeric() (func(any) bool, error) {
	if p.next() != 's' {
		return nil, p.refuse("Invalid member in numeric match: %s", p.text())
	}
	operator := p.text()
	p.next()
	switch operator {
	case "=", "<", "<=", ">", ">=":
	default:
		return nil, p.refuse("Unrecognized numeric range operator: %s", operator)
	}
	if p.t.kind != '#' {
		called := operator
		if operator == "=" {
			called = "equals"
		}
		return nil, p.refuse("Value of %s must be numeric", called)
	}
	first, err := p.number()
	if err != nil {
		return nil, err
	}
	r := numberRange{low: math.Inf(-1), high: math.Inf(1)}
	switch operator {
	case "=":
		r.low, r.high = first, first
	case "<", "<=":
		r.high, r.highOpen = first, operator == "<"
	default:
		r.low, r.lowOpen = first, operator == ">"
	}
	if p.next() == ']' {
		return r.contains, nil
	}
	if operator[0] != '>' {
		return nil, p.refuse("Too many elements in numeric expression")
	}
	if p.t.kind != 's' {
		return nil, p.refuse("Bad value in numeric range: %s", p.text())
	}
	operator = p.text()
	if operator != "<" && operator != "<=" {
		return nil, p.refuse("Bad numeric range operator: %s", operator)
	}
	if p.next() != '#' {
		return nil, p.refuse("Value of %s must be numeric", operator)
	}
	if r.high, err = p.number(); err != nil {
		return nil, err
	}
	r.highOpen = operator == "<"
	if p.next() != ']' {
		return nil, p.refuse("Too many terms in numeric range expression")
	}
	if r.low >= r.high {
		return nil, p.refuse("Bottom must be less than top")
	}
	return r.contains, nil
}

type numberRange struct {
	low, high         float64
	lowOpen, highOpen bool // the bound itself is outside
}

func (r numberRange) contains(x any) bool {
	v, ok := toNumber(x)
	return ok && (v > r.low || v == r.low && !r.lowOpen) && (v < r.high || v == r.high && !r.highOpen)
}

// decimals is how exact numbers are compared: five digits after the decimal point.
func decimals(n float64) float64 { return math.Round(n*1e5) / 1e5 }

// toNumber is the value as a number, if it is one. Text that looks like one is not.
func toNumber(x any) (float64, bool) {
	n, ok := x.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(n), 64)
	return decimals(f), err == nil
}

// parseCIDR reads a range of addresses such as 10.0.0.0/24.
func parseCIDR(text string) (_ netip.Prefix, problem string) {
	address, bits, ok := strings.Cut(text, "/")
	if !ok || strings.Contains(bits, "/") {
		return netip.Prefix{}, "Malformed CIDR, one '/' required"
	}
	mask, err := strconv.Atoi(bits)
	if err != nil {
		return netip.Prefix{}, "Malformed CIDR, mask bits must be an integer"
	}
	addr, err := netip.ParseAddr(address)
	if err != nil || addr.Zone() != "" {
		return netip.Prefix{}, "Nonstandard IP address: " + address
	}
	network, err := addr.Prefix(mask)
	if err != nil {
		return netip.Prefix{}, fmt.Sprintf("Malformed CIDR, mask bits must be between 0 and %d", addr.BitLen())
	}
	return network, ""
}

// wildcard is a pattern: pieces with any run of characters between them.
type wildcard []string

// parseWildcard reads a pattern, in which * stands for any run of characters and \* and
// \\ for themselves.
func parseWildcard(text string) (_ wildcard, problem string) {
	var pieces wildcard
	var piece strings.Builder
	star := -2 // where the last star was
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '*' && star == i-1:
			return nil, fmt.Sprintf("Consecutive wildcard characters at pos %d", star)
		case c == '*':
			star = i
			pieces = append(pieces, piece.String())
			piece.Reset()
		case c == '\\':
			i++
			if i == len(text) || text[i] != '*' && text[i] != '\\' {
				return nil, fmt.Sprintf("Invalid escape character at pos %d", i-1)
			}
			piece.WriteByte(text[i])
		default:
			piece.WriteByte(c)
		}
	}
	return append(pieces, piece.String()), ""
}

// matches takes the leftmost place for each piece, which finds a match if there is one.
func (w wildcard) matches(s string) bool {
	if len(w) == 1 {
		return s == w[0]
	}
	first, last := w[0], w[len(w)-1]
	if len(s) < len(first)+len(last) || !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, piece := range w[1 : len(w)-1] {
		_, after, ok := strings.Cut(s, piece)
		if !ok {
			return false
		}
		s = after
	}
	return true
}
