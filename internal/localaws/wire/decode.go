package wire

import (
	"encoding/base64"
	"errors"
	"io"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unsafe"
)

// The decoder binds values to the shape as they come: a batch of messages is mostly
// long strings, which a tree of values would copy and collect once more.

// decodeJSON reads an AWS JSON 1.0 body into v. Members that the shape does not have
// are ignored, and of a member that is given twice the last counts, as on AWS. Nothing in
// v refers to body afterwards.
func decodeJSON(sh *shape, body []byte, v reflect.Value, present presence) error {
	b := binder{d: &scanner{s: unsafe.String(unsafe.SliceData(body), len(body))}, present: present}
	switch b.d.peek() {
	case '{':
	case 0:
		if b.d.i == len(body) {
			return nil // nothing at all is an empty object
		}
		return explain(b.d.errSyntax("no JSON"))
	default:
		if err := b.d.skip(); err != nil {
			return explain(err)
		}
		return Errorf("SerializationException", "The request body must be a JSON object.")
	}
	if err := b.bind(sh, v, ""); err != nil {
		return explain(err)
	}
	if b.d.peek(); b.d.i < len(body) {
		return Errorf("SerializationException", "The request body has data after its JSON document.")
	}
	return nil
}

// mismatch is a value that is not what its shape wants. The path is put together on
// the way up: only a request in error pays for it.
type mismatch struct {
	path, want string
}

func (m *mismatch) Error() string { return m.path + " must " + m.want + "." }

func wrong(want string) error { return &mismatch{want: "be " + want} }

// within says in which member err happened.
func within(member string, err error) error {
	var m *mismatch
	if errors.As(err, &m) {
		if m.path == "" {
			m.path = member
		} else {
			m.path = member + "." + m.path
		}
	}
	return err
}

func explain(err error) error {
	var m *mismatch
	if errors.As(err, &m) {
		return Errorf("SerializationException", "%s", m.Error())
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return Errorf("SerializationException", "The request body is not valid JSON: it ends too soon.")
	}
	return Errorf("SerializationException", "The request body is not valid JSON: %v", err)
}

type binder struct {
	d       *scanner
	present presence
}

// bind assigns the next value to v. null means absent. prefix is the path of v's
// members in present, "" or ending with a dot; below a map nothing is noted.
func (b *binder) bind(sh *shape, v reflect.Value, prefix string) error {
	c := b.d.peek()
	if c == 'n' {
		return b.d.word("null")
	}
	v = deref(v)
	switch sh.kind {
	case kindList:
		return b.list(sh, v, c, prefix)
	case kindMap:
		return b.object(sh, v, c)
	case kindStruct:
		return b.members(sh, v, c, prefix)
	}
	if c != '{' && c != '[' {
		ok, err := b.scalar(sh, v, c)
		if ok || err != nil {
			return err
		}
	}
	return b.wrong(scalarNames[sh.kind])
}

// wrong is a value that is not what its shape wants; or no JSON, which is said first.
func (b *binder) wrong(want string) error {
	if err := b.d.skip(); err != nil {
		return err
	}
	return wrong(want)
}

// null is a null where a value has to be.
func (b *binder) null() error {
	if err := b.d.word("null"); err != nil {
		return err
	}
	return &mismatch{want: "not be null"}
}

var scalarNames = [...]string{
	kindString: "a string", kindInt: "an integer", kindFloat: "a number", kindBool: "true or false",
	kindBlob: "a base64 string", kindTime: "a time in seconds since 1970",
}

// scalar reads a value that begins with c; ok is false, and nothing read, where that is
// not what the shape is in JSON.
func (b *binder) scalar(sh *shape, v reflect.Value, c byte) (ok bool, err error) {
	switch sh.kind {
	case kindString, kindBlob:
		if c != '"' {
			return false, nil
		}
		s, err := b.d.str()
		if err != nil {
			return true, err
		}
		if sh.kind == kindString {
			v.SetString(strings.Clone(s))
			return true, nil
		}
		data, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return true, wrong("a base64 string")
		}
		v.SetBytes(data)
		return true, nil
	case kindBool:
		if c != 't' && c != 'f' {
			return false, nil
		}
		v.SetBool(c == 't')
		return true, b.d.word(map[byte]string{'t': "true", 'f': "false"}[c])
	}
	if c != '-' && (c < '0' || c > '9') {
		return false, nil
	}
	s, err := b.d.number()
	if err != nil {
		return true, err
	}
	return true, setNumber(sh, v, s)
}

func setNumber(sh *shape, v reflect.Value, s string) error {
	switch sh.kind {
	case kindInt:
		i, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			f, ferr := strconv.ParseFloat(s, 64)
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
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return wrong("a number within range")
		}
		v.SetFloat(f)
	case kindTime:
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || math.Abs(f) > 1e11 {
			return wrong("a time in seconds since 1970")
		}
		v.Set(reflect.ValueOf(time.UnixMilli(int64(math.Round(f * 1000))).UTC()))
	}
	return nil
}

func (b *binder) list(sh *shape, v reflect.Value, c byte, prefix string) error {
	if c != '[' {
		return b.wrong("a list")
	}
	if err := b.d.enter(); err != nil {
		return err
	}
	v.Set(reflect.MakeSlice(sh.typ, 0, 0))
	for i := 0; ; i++ {
		more, err := b.d.more(i == 0, ']')
		if err != nil || !more {
			return err
		}
		if b.d.peek() == 'n' {
			return within(strconv.Itoa(i), b.null())
		}
		v.Grow(1)
		v.SetLen(i + 1)
		at := prefix
		if b.present != nil && sh.elem.ambiguous {
			at += strconv.Itoa(i) + "."
		}
		if err := b.bind(sh.elem, v.Index(i), at); err != nil {
			return within(strconv.Itoa(i), err)
		}
	}
}

func (b *binder) object(sh *shape, v reflect.Value, c byte) error {
	if c != '{' {
		return b.wrong("an object")
	}
	if err := b.d.enter(); err != nil {
		return err
	}
	below := binder{d: b.d}
	out := reflect.MakeMap(sh.typ)
	for first := true; ; first = false {
		more, err := b.d.more(first, '}')
		if err != nil {
			return err
		}
		if !more {
			v.Set(out)
			return nil
		}
		name, err := b.d.name()
		if err != nil {
			return err
		}
		name = strings.Clone(name)
		if b.d.peek() == 'n' {
			return within(name, b.null())
		}
		e := reflect.New(sh.typ.Elem()).Elem()
		if err := below.bind(sh.elem, e, ""); err != nil {
			return within(name, err)
		}
		out.SetMapIndex(reflect.ValueOf(name).Convert(sh.typ.Key()), e)
	}
}

func (b *binder) members(sh *shape, v reflect.Value, c byte, prefix string) error {
	if c != '{' {
		return b.wrong("an object")
	}
	if err := b.d.enter(); err != nil {
		return err
	}
	for first := true; ; first = false {
		more, err := b.d.more(first, '}')
		if err != nil || !more {
			return err
		}
		name, err := b.d.name()
		if err != nil {
			return err
		}
		f := sh.member(name)
		if f == nil {
			if err := b.d.skip(); err != nil {
				return err
			}
			continue
		}
		fv := v.Field(f.index)
		at := prefix
		if b.present != nil && b.d.peek() != 'n' {
			if prefix == "" || ambiguous(f, fv) {
				b.present.add(prefix + f.name)
			}
			if f.shape.kind == kindStruct || f.shape.kind == kindList {
				at += f.name + "."
			}
		}
		if err := b.bind(f.shape, fv, at); err != nil {
			return within(f.name, err)
		}
	}
}
