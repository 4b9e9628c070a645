package wire

import (
	"encoding/base64"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

const jsonContentType = "application/x-amz-json-1.0"

type jsonProtocol struct{}

func (jsonProtocol) result(b []byte, _ *Service, _ string, sh *shape, out any, _ string) (string, []byte) {
	return jsonContentType, appendJSON(b, sh, reflect.ValueOf(out))
}

func (jsonProtocol) failure(s *Service, e *Error, _ string, h http.Header) (string, []byte) {
	// Clients of services that once spoke Query find the old code here:
	// https://smithy.io/2.0/aws/protocols/aws-query-protocol.html (awsQueryCompatible).
	h.Set("x-amzn-query-error", e.queryCode()+";"+e.fault())
	b := append([]byte(nil), `{"__type":`...)
	b = appendString(b, "com.amazonaws."+s.Name+"#"+e.Code)
	b = append(b, `,"message":`...)
	b = appendString(b, e.Message)
	return jsonContentType, append(b, '}')
}

// absent tells whether a member is left out of an answer: nil pointers, lists, maps
// and blobs, and enums without a value. Numbers and booleans are always answered.
func absent(f *field, v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return v.IsNil()
	case reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return f.shape.kind == kindTime && v.IsZero()
	}
	return false
}

func appendJSON(b []byte, sh *shape, v reflect.Value) []byte {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch sh.kind {
	case kindString:
		return appendString(b, v.String())
	case kindInt:
		return strconv.AppendInt(b, v.Int(), 10)
	case kindFloat:
		return strconv.AppendFloat(b, v.Float(), 'g', -1, 64)
	case kindBool:
		return strconv.AppendBool(b, v.Bool())
	case kindBlob:
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, v.Bytes())
		return append(b, '"')
	case kindTime:
		t := v.Interface().(time.Time)
		return strconv.AppendFloat(b, float64(t.UnixMilli())/1000, 'f', -1, 64)
	case kindList:
		b = append(b, '[')
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, sh.elem, v.Index(i))
		}
		return append(b, ']')
	case kindMap:
		b = append(b, '{')
		for i, k := range sortedKeys(v) {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, k.String())
			b = append(b, ':')
			b = appendJSON(b, sh.elem, v.MapIndex(k))
		}
		return append(b, '}')
	}
	b = append(b, '{')
	first := true
	for i := range sh.fields {
		f := &sh.fields[i]
		fv := v.Field(f.index)
		if absent(f, fv) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = appendString(b, f.json)
		b = append(b, ':')
		b = appendJSON(b, f.shape, fv)
	}
	return append(b, '}')
}

// sortedKeys makes answers reproducible.
func sortedKeys(m reflect.Value) []reflect.Value {
	keys := m.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int {
		switch x, y := a.String(), b.String(); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	return keys
}

// appendString quotes s for JSON. Message bodies dominate the bytes answered, so
// runs that need no escape are copied whole.
func appendString(b []byte, s string) []byte {
	const hexDigits = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(b, s[start:i]...)
				b = append(b, `\ufffd`...)
				start = i + 1
			}
			i += size
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}
