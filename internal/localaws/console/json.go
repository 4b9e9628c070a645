package console

import (
	"bytes"
	"encoding/json"
	"strings"
)

// maxPretty is how long a text may be to be coloured, bytes: longer ones are shown
// plain.
const maxPretty = 128 << 10

// token is a piece of a JSON text. Kind is its class on the page: "k" for a key, "s"
// for a string, "n" for a number, "w" for true, false and null; empty for the rest.
type token struct{ Kind, Text string }

// pretty indents JSON and tells its tokens apart. What is no JSON, or too long, is one
// token as it is.
func pretty(s string) []token {
	if len(s) > maxPretty {
		return []token{{"", s}}
	}
	if t, ok := indent(s); ok {
		return tokens(t)
	}
	return []token{{"", s}}
}

// indent indents a JSON object or array.
func indent(s string) (string, bool) {
	s = strings.TrimSpace(s)
	if s == "" || s[0] != '{' && s[0] != '[' || len(s) > maxPretty || indentation(s) > 4*maxPretty {
		return "", false
	}
	var b bytes.Buffer
	if json.Indent(&b, []byte(s), "", "  ") != nil {
		return "", false
	}
	return b.String(), true
}

// indentation is how much indenting adds to a JSON text, roughly: with deep nesting it
// grows with the text's square.
func indentation(s string) int {
	depth, total := 0, 0
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			total += 1 + 2*depth
		case c == '}' || c == ']':
			depth--
			total += 1 + 2*depth
		case c == ',':
			total += 1 + 2*depth
		}
	}
	return total
}

// tokens cuts valid, indented JSON.
func tokens(s string) (out []token) {
	plain := 0 // where what is not cut off yet begins
	cut := func(from, to int, kind string) {
		if plain < from {
			out = append(out, token{"", s[plain:from]})
		}
		out = append(out, token{kind, s[from:to]})
		plain = to
	}
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '"':
			end := i + 1
			for end < len(s) && s[end] != '"' {
				if s[end] == '\\' {
					end++
				}
				end++
			}
			end = min(end+1, len(s))
			kind := "s"
			if end < len(s) && s[end] == ':' {
				kind = "k"
			}
			cut(i, end, kind)
			i = end
		case c == '-' || c >= '0' && c <= '9':
			end := i + 1
			for end < len(s) && strings.IndexByte("0123456789+-.eE", s[end]) >= 0 {
				end++
			}
			cut(i, end, "n")
			i = end
		case c == 't' || c == 'f' || c == 'n':
			end := i + 1
			for end < len(s) && s[end] >= 'a' && s[end] <= 'z' {
				end++
			}
			cut(i, end, "w")
			i = end
		default:
			i++
		}
	}
	if plain < len(s) {
		out = append(out, token{"", s[plain:]})
	}
	return out
}
