package recipe

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Types of values beyond those that parameters have.
const (
	paint    ParamType = "paint"    // a Color or the word "transparent"
	ratio    ParamType = "ratio"    // "16:9"; canonical form in lowest terms
	assetKey ParamType = "assetKey" // key of an object in the uploads bucket
	wordList ParamType = "wordList" // some of the rule's words; canonical form sorted, with commas
)

// Transparent is the one paint that is no colour.
const Transparent = "transparent"

const (
	maxSide    = 16383 // longest side that a recipe may ask for: what every format can hold
	maxText    = 200   // characters of a text
	maxKey     = 1024  // bytes of a key: S3's limit
	maxRatio   = 10000 // either side of a ratio
	maxChoices = 64    // of a parameter
)

// rule says what a value may be.
type rule struct {
	typ      ParamType
	min, max float64           // Number, Integer
	words    []string          // Choice, wordList
	alias    map[string]string // Choice: other words for some
	length   int               // Text: most characters
}

var errValue = errors.New("not a value that is allowed here")

// parse returns text's canonical form and its typed value: a string, a float64 or a bool.
func (r *rule) parse(text string) (Value, any, error) {
	switch r.typ {
	case Color:
		c, err := parseColor(text)
		return Value(c), c, err
	case paint:
		if text == Transparent {
			return Transparent, Transparent, nil
		}
		c, err := parseColor(text)
		return Value(c), c, err
	case Number, Integer:
		return r.parseNumber(text)
	case Boolean:
		if text != "true" && text != "false" {
			return "", nil, errValue
		}
		return Value(text), text == "true", nil
	case Choice:
		if to, ok := r.alias[text]; ok {
			text = to
		}
		if !slices.Contains(r.words, text) {
			return "", nil, errValue
		}
		return Value(text), text, nil
	case Text:
		err := checkText(text, r.length)
		return Value(text), text, err
	case ratio:
		s, err := parseRatio(text)
		return Value(s), s, err
	case assetKey:
		err := checkKey(text)
		return Value(text), text, err
	case wordList:
		s, err := r.parseList(text)
		return Value(s), s, err
	default:
		return "", nil, fmt.Errorf("type %q is unknown", r.typ)
	}
}

func (r *rule) parseNumber(text string) (Value, any, error) {
	f, err := parseNumber(text)
	switch {
	case err != nil:
		return "", nil, err
	case f < r.min || f > r.max:
		return "", nil, errors.New("out of range")
	case r.typ == Number:
		return Value(formatNumber(f)), f, nil
	case f != math.Trunc(f):
		return "", nil, errors.New("not a whole number")
	}
	return Value(strconv.FormatFloat(f, 'f', -1, 64)), f, nil
}

func (r *rule) parseList(text string) (string, error) {
	var list []string
	for w := range strings.SplitSeq(text, ",") {
		w = strings.TrimSpace(w)
		if !slices.Contains(r.words, w) {
			return "", errValue
		}
		list = append(list, w)
	}
	slices.Sort(list)
	return strings.Join(slices.Compact(list), ","), nil
}

// parseRatio reads "16:9", two whole numbers.
func parseRatio(text string) (string, error) {
	a, b, ok := strings.Cut(text, ":")
	w, err := strconv.ParseUint(a, 10, 16)
	h, err2 := strconv.ParseUint(b, 10, 16)
	if !ok || err != nil || err2 != nil || w == 0 || h == 0 || w > maxRatio || h > maxRatio {
		return "", errors.New("not a ratio")
	}
	n, m := w, h
	for m != 0 {
		n, m = m, n%m
	}
	return fmt.Sprintf("%d:%d", w/n, h/n), nil
}

// checkText bounds a text that is shown or drawn: no control characters, none that turn
// the direction of what follows, none that are no characters.
func checkText(s string, length int) error {
	switch {
	case len(s) > 4*length, utf8.RuneCountInString(s) > length:
		return errors.New("too long")
	case !utf8.ValidString(s):
		return errors.New("not UTF-8")
	case strings.ContainsFunc(s, unshown):
		return errors.New("with control characters")
	}
	return nil
}

func unshown(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || unicode.Is(unicode.Noncharacter_Code_Point, r) ||
		r == '\u2028' || r == '\u2029'
}

func checkKey(s string) error {
	if s == "" || len(s) > maxKey || !utf8.ValidString(s) || strings.ContainsFunc(s, unshown) {
		return errors.New("not a key")
	}
	return nil
}

// wanted says in words for people what the value may be: "it must be …".
func (r *rule) wanted() string { return "it must be " + r.describe() }

func (r *rule) describe() string {
	switch r.typ {
	case Color:
		return "a colour such as #f80 or #ff8800"
	case paint:
		return "a colour such as #f80 or #ff8800, or " + Transparent
	case Number:
		return "a number from " + formatNumber(r.min) + " to " + formatNumber(r.max)
	case Integer:
		return "a whole number from " + formatNumber(r.min) + " to " + formatNumber(r.max)
	case Boolean:
		return "true or false"
	case Choice:
		return "one of: " + strings.Join(r.words, ", ")
	case Text:
		return fmt.Sprintf("a text of at most %d characters, without control characters", r.length)
	case ratio:
		return fmt.Sprintf("a ratio such as 16:9, of whole numbers from 1 to %d", maxRatio)
	case assetKey:
		return "the key of an object in the uploads bucket"
	case wordList:
		return "some of: " + strings.Join(r.words, ", ")
	default:
		return "of a type that there is"
	}
}

// takes reports whether every value that a parameter may have is one that r allows.
func (r *rule) takes(p *rule) bool {
	switch p.typ {
	case Choice:
		for _, w := range p.words {
			if _, _, err := r.parse(w); err != nil {
				return false
			}
		}
		return true
	case Color:
		return r.typ == Color || r.typ == paint
	case Number, Integer:
		return (r.typ == Number || r.typ == Integer && p.typ == Integer) && p.min >= r.min && p.max <= r.max
	case Text:
		return r.typ == Text && p.length <= r.length
	default:
		return p.typ == r.typ
	}
}

// params says of which types a parameter may be that stands for such a value.
func (r *rule) params() string {
	switch r.typ {
	case Number, Integer:
		return string(r.typ) + " from " + formatNumber(r.min) + " to " + formatNumber(r.max)
	case paint:
		return string(Color) + ", or " + string(Choice) + " of colours and " + Transparent
	case Choice, ratio, assetKey, wordList:
		return string(Choice) + " of values that may stand here"
	case Text:
		return fmt.Sprintf("%s of at most %d characters, or %s", Text, r.length, Choice)
	default:
		return string(r.typ)
	}
}
