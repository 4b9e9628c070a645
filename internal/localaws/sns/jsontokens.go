package sns

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// jsonTokens reads JSON token by token and knows where it is. AWS's errors about filter
// policies name the column that its parser (Jackson's) has read to; that is not always
// the end of the token, so this reader looks ahead exactly as far as that one does:
// after a member's name it has read the value, but of a string only the opening quote.
type jsonTokens struct {
	src   string
	pos   int    // read so far
	stack []byte // '{' or '[' for each value open
	first bool   // nothing was read yet of the innermost value
	kind  byte   // of the current token: { } [ ] n(ame) s(tring) # t f 0(null), or 'E' at the end
	text  string // of a name, number or finished string
	word  string // the last number or word read
	ahead byte   // the kind of the value behind a name, read already
	open  bool   // the current string was read only up to its opening quote
	done  bool   // the outermost value was begun
}

// syntaxError is JSON that does not parse, in Jackson's words.
type syntaxError struct {
	what string
	at   int // offset
	src  string
}

func (e *syntaxError) Error() string {
	line, column := position(e.src, e.at)
	return fmt.Sprintf("%s\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: %d, column: %d]", e.what, line, column)
}

func position(src string, at int) (line, column int) {
	before := src[:at]
	return strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
}

func (t *jsonTokens) fail(at int, format string, args ...any) error {
	return &syntaxError{fmt.Sprintf(format, args...), at, t.src}
}

// where is the place that an error about the current token names.
func (t *jsonTokens) where() string {
	const shown = 500
	text, rest := t.src, ""
	if n := len(text); n > shown {
		text, rest = text[:shown], fmt.Sprintf("[truncated %d chars]", n-shown)
	}
	line, column := position(t.src, t.pos)
	return fmt.Sprintf("\n at [Source: (String)\"%s\"%s; line: %d, column: %d]", text, rest, line, column)
}

// next reads the next token.
func (t *jsonTokens) next() error {
	if t.kind == 'n' {
		t.kind = t.ahead
		t.opened()
		return nil
	}
	if err := t.finish(); err != nil {
		return err
	}
	t.space()
	if t.pos == len(t.src) {
		if len(t.stack) > 0 {
			what := "Array"
			if t.stack[len(t.stack)-1] == '{' {
				what = "Object"
			}
			return t.fail(t.pos, "Unexpected end-of-input: expected close marker for %s", what)
		}
		if !t.done {
			return t.fail(t.pos, "No content to map due to end-of-input")
		}
		t.kind = 'E'
		return nil
	}
	c := t.src[t.pos]
	if c == ']' || c == '}' {
		want := byte(0)
		if n := len(t.stack); n > 0 {
			want = t.stack[n-1] + 2 // of both kinds the closing mark is two after the opening one
		}
		if c != want {
			return t.unexpected("expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')")
		}
		t.stack = t.stack[:len(t.stack)-1]
		t.pos++
		t.kind, t.text, t.first = c, string(c), false
		return nil
	}
	if len(t.stack) == 0 && t.done {
		return t.fail(t.pos, "Trailing token found after value")
	}
	if len(t.stack) > 0 && !t.first {
		if c != ',' {
			what := "Array"
			if t.stack[len(t.stack)-1] == '{' {
				what = "Object"
			}
			return t.unexpected("was expecting comma to separate " + what + " entries")
		}
		t.pos++
		t.space()
	}
	t.first = false
	if len(t.stack) > 0 && t.stack[len(t.stack)-1] == '{' {
		return t.name()
	}
	t.done = true
	kind, err := t.value()
	t.kind = kind
	t.opened()
	return err
}

// name reads a member's name, and its value as far as Jackson does.
func (t *jsonTokens) name() error {
	if t.pos == len(t.src) || t.src[t.pos] != '"' {
		return t.unexpected("was expecting double-quote to start field name")
	}
	t.pos++
	name, err := t.string()
	if err != nil {
		return err
	}
	t.space()
	if t.pos == len(t.src) || t.src[t.pos] != ':' {
		return t.unexpected("was expecting a colon to separate field name and value")
	}
	t.pos++
	t.space()
	if t.ahead, err = t.value(); err != nil {
		return err
	}
	t.kind, t.text = 'n', name
	return nil
}

// opened notes what a value's token begins.
func (t *jsonTokens) opened() {
	switch t.kind {
	case '{', '[':
		t.stack = append(t.stack, t.kind)
		t.first = true
		t.text = string(t.kind)
	case 's':
		t.open = true
	case '#', 't', 'f', '0':
		t.text = t.word
	}
}

// value reads a value's beginning: all of a number or word, one character of others.
func (t *jsonTokens) value() (byte, error) {
	const values = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
	if t.pos == len(t.src) {
		return 0, t.fail(t.pos, "Unexpected end-of-input within/between Object entries")
	}
	switch c := t.src[t.pos]; {
	case c == '"':
		t.pos++
		return 's', nil
	case c == '{' || c == '[':
		t.pos++
		return c, nil
	case c == '-' || c >= '0' && c <= '9':
		end := t.pos + 1
		for end < len(t.src) && strings.IndexByte("+-.eE0123456789", t.src[end]) >= 0 {
			end++
		}
		t.word = t.src[t.pos:end]
		if !json.Valid([]byte(t.word)) {
			return 0, t.fail(t.pos, "Invalid numeric value: %s", t.word)
		}
		t.pos = end
		return '#', nil
	}
	end := t.pos
	for end < len(t.src) {
		r, n := utf8.DecodeRuneInString(t.src[end:])
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '$' {
			break
		}
		end += n
	}
	word := t.src[t.pos:end]
	switch word {
	case "true", "false":
		t.pos, t.word = end, word
		return word[0], nil
	case "null":
		t.pos, t.word = end, word
		return '0', nil
	case "":
		return 0, t.unexpected("expected a valid value " + values)
	}
	return 0, t.fail(end, "Unrecognized token '%s': was expecting %s", word, values)
}

// finish reads the rest of the current string, if it is one; the text is then in t.text.
func (t *jsonTokens) finish() error {
	if !t.open {
		return nil
	}
	t.open = false
	text, err := t.string()
	t.text = text
	return err
}

// string reads behind an opening quote.
func (t *jsonTokens) string() (string, error) {
	for i := t.pos; i < len(t.src); i++ {
		switch c := t.src[i]; {
		case c == '\\':
			i++
		case c == '"':
			var s string
			if err := json.Unmarshal([]byte(t.src[t.pos-1:i+1]), &s); err != nil {
				return "", t.fail(t.pos, "Unrecognized character escape")
			}
			t.pos = i + 1
			return s, nil
		case c < ' ':
			return "", t.fail(i, "Illegal unquoted character ((CTRL-CHAR, code %d)): has to be escaped using backslash to be included in string value", c)
		}
	}
	return "", t.fail(len(t.src), "Unexpected end-of-input in VALUE_STRING")
}

func (t *jsonTokens) space() {
	for t.pos < len(t.src) && strings.IndexByte(" \t\r\n", t.src[t.pos]) >= 0 {
		t.pos++
	}
}

func (t *jsonTokens) unexpected(why string) error {
	if t.pos == len(t.src) {
		return t.fail(t.pos, "Unexpected end-of-input")
	}
	r, _ := utf8.DecodeRuneInString(t.src[t.pos:])
	return t.fail(t.pos, "Unexpected character ('%c' (code %d)): %s", r, r, why)
}

// checkJSON says whether a text is one JSON value, with Jackson's error if not.
func checkJSON(text string) error {
	t := jsonTokens{src: text}
	for t.kind != 'E' {
		if err := t.next(); err != nil {
			return err
		}
	}
	return nil
}
