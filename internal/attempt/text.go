package attempt

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// secrets are what an error's text may carry along and nobody should read in a record: what
// a URL is signed with, names and passwords in URLs, access keys.
var secrets = []struct {
	is   *regexp.Regexp
	then string
}{
	{regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://)[^\s/@"'<>]*@`), "${1}…@"},
	{regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://[^\s"'<>?]*)\?[^\s"'<>]*`), "${1}?…"},
	{regexp.MustCompile(`(?i)\b(x-amz-(?:signature|credential|security-token)|awsaccesskeyid|signature|authorization|password|secret(?:[_-]?access[_-]?key)?|token)(["']?\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s,;&]+)`), "${1}${2}…"},
	{regexp.MustCompile(`\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}\b`), "…"},
}

// Redact takes out of an error's text what is known to be a secret.
func Redact(s string) string {
	for _, x := range secrets {
		s = x.is.ReplaceAllString(s, x.then)
	}
	return s
}

// Clean makes untrusted text one line that does nothing to a log or a terminal: valid UTF-8,
// no control characters, none that turns the direction of writing, at most limit bytes.
func Clean(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r' || r == '\u2028' || r == '\u2029':
			return ' '
		case Harmful(r):
			return '\uFFFD'
		}
		return r
	}, s)
	s = strings.TrimSpace(s)
	if len(s) <= limit {
		return s
	}
	cut := limit - len("…")
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strings.TrimSpace(s[:cut]) + "…"
}

// Harmful reports whether a character could do something to a terminal, or hide what else
// is there, other than be seen.
func Harmful(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || unicode.Is(unicode.Cf, r) && r != '\u200d' || r == utf8.RuneError
}
