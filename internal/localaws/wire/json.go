package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

const jsonContentType = "application/x-amz-json-1.0"

type jsonProtocol struct{}

func (jsonProtocol) result(_ *Service, _ string, sh *shape, out any, _ string) (string, []byte) {
	return jsonContentType, appendJSON(make([]byte, 0, 512), sh, reflect.ValueOf(out))
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

// decodeJSON reads an AWS JSON 1.0 body into v. Members that the shape does not have
// are ignored, as AWS does.
func decodeJSON(sh *shape, body []byte, v reflect.Value, present presence) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	if !utf8.Valid(body) {
		return Errorf("SerializationException", "The request body is not valid UTF-8.")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return Errorf("SerializationException", "The request body is not valid JSON: %v", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return Errorf("SerializationException", "The request body has data after its JSON document.")
	}
	if _, ok := tree.(map[string]any); !ok {
		return Errorf("SerializationException", "The request body must be a JSON object.")
	}
	return bindJSON(sh, tree, v, "", present)
}

// bindJSON assigns a decoded JSON value to v. null means absent.
func bindJSON(sh *shape, tree any, v reflect.Value, path string, present presence) error {
	if tree == nil {
		return nil
	}
	v = deref(v)
	wrong := func(want string) error {
		return Errorf("SerializationException", "%s must be %s.", display(path), want)
	}
	switch sh.kind {
	case kindString:
		s, ok := tree.(string)
		if !ok {
			return wrong("a string")
		}
		v.SetString(s)
	case kindInt:
		n, ok := tree.(json.Number)
		if !ok {
			return wrong("an integer")
		}
		i, err := n.Int64()
		if err != nil {
			f, ferr := n.Float64()
			if ferr != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
				return wrong("an integer")
			}
			i = int64(f)
		}
		if v.OverflowInt(i) {
			return wrong("an integer within range")
		}
		v.SetInt(i)
	case kindFloat:
		n, ok := tree.(json.Number)
		if !ok {
			return wrong("a number")
		}
		f, err := n.Float64()
		if err != nil {
			return wrong("a number within range")
		}
		v.SetFloat(f)
	case kindBool:
		b, ok := tree.(bool)
		if !ok {
			return wrong("true or false")
		}
		v.SetBool(b)
	case kindBlob:
		s, ok := tree.(string)
		if !ok {
			return wrong("a base64 string")
		}
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return wrong("a base64 string")
		}
		v.SetBytes(b)
	case kindTime:
		n, ok := tree.(json.Number)
		if !ok {
			return wrong("a time in seconds since 1970")
		}
		f, err := n.Float64()
		if err != nil || math.Abs(f) > 1e11 {
			return wrong("a time in seconds since 1970")
		}
		v.Set(reflect.ValueOf(time.UnixMilli(int64(math.Round(f * 1000))).UTC()))
	case kindList:
		list, ok := tree.([]any)
		if !ok {
			return wrong("a list")
		}
		out := reflect.MakeSlice(sh.typ, len(list), len(list))
		for i, e := range list {
			p := join(path, strconv.Itoa(i))
			if e == nil {
				return Errorf("SerializationException", "%s must not be null.", p)
			}
			if err := bindJSON(sh.elem, e, out.Index(i), p, present); err != nil {
				return err
			}
		}
		v.Set(out)
	case kindMap:
		m, ok := tree.(map[string]any)
		if !ok {
			return wrong("an object")
		}
		out := reflect.MakeMapWithSize(sh.typ, len(m))
		for k, e := range m {
			p := join(path, k)
			if e == nil {
				return Errorf("SerializationException", "%s must not be null.", p)
			}
			ev := reflect.New(sh.typ.Elem()).Elem()
			if err := bindJSON(sh.elem, e, ev, p, nil); err != nil {
				return err
			}
			out.SetMapIndex(reflect.ValueOf(k).Convert(sh.typ.Key()), ev)
		}
		v.Set(out)
	case kindStruct:
		m, ok := tree.(map[string]any)
		if !ok {
			return wrong("an object")
		}
		for k, e := range m {
			i, known := sh.byJSON[k]
			if !known || e == nil {
				continue
			}
			f := &sh.fields[i]
			fv := v.Field(f.index)
			p := join(path, f.name)
			if present != nil && (path == "" || ambiguous(f, fv)) {
				present.add(p)
			}
			if err := bindJSON(f.shape, e, fv, p, present); err != nil {
				return err
			}
		}
	}
	return nil
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
