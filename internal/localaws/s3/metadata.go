package s3

import (
	"encoding/base64"
	"mime"
	"strings"
	"unicode"
	"unicode/utf8"
)

// User metadata that is not ASCII travels in the words of RFC 2047: S3 decodes them
// before it stores them, and encodes what it sends.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html

// decodeMetadata decodes the values of user metadata in place.
func decodeMetadata(m map[string]string) map[string]string {
	var words mime.WordDecoder
	for k, v := range m {
		if !strings.Contains(v, "=?") {
			continue
		}
		if text, err := words.DecodeHeader(v); err == nil {
			m[k] = text
		}
	}
	return m
}

// encodeMetadata is the metadata as it is sent. It is the same map where nothing has to
// be encoded.
func encodeMetadata(m map[string]string) map[string]string {
	plain := true
	for _, v := range m {
		plain = plain && isPlain(v)
	}
	if plain {
		return m
	}
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[k] = encodeWord(v)
	}
	return out
}

// isPlain says whether a value can be sent as it is: printable ASCII, and tabs.
func isPlain(v string) bool {
	for i := range len(v) {
		if c := v[i]; c != '\t' && (c < ' ' || c > '~') {
			return false
		}
	}
	return true
}

// encodeWord encodes a value as one word, of whatever length: in base64 where it has
// characters that cannot be printed, else quoted.
func encodeWord(v string) string {
	if isPlain(v) {
		return v
	}
	binary := !utf8.ValidString(v)
	for _, r := range v {
		binary = binary || r == utf8.RuneError || unicode.Is(unicode.C, r)
	}
	if binary {
		return "=?UTF-8?B?" + base64.StdEncoding.EncodeToString([]byte(v)) + "?="
	}
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	b.WriteString("=?UTF-8?Q?")
	for i := range len(v) {
		switch c := v[i]; {
		case c == ' ':
			b.WriteByte('_')
		case c == '\t' || c > ' ' && c <= '~' && c != '_' && c != '=' && c != '?':
			b.WriteByte(c)
		default:
			b.WriteByte('=')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
	b.WriteString("?=")
	return b.String()
}
