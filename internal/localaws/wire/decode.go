package wire

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"math"
	"reflect"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// The decoder binds tokens to the shape as they come: a batch of messages is mostly
// long strings, which a tree of values would copy and collect once more.

// jsonDecoders are kept, as each brings buffers.
var jsonDecoders = sync.Pool{New: func() any { return new(jsontext.Decoder) }}

// lenient accepts a member given twice, as AWS does: the last one counts.
var lenient = jsontext.AllowDuplicateNames(true)

// decodeJSON reads an AWS JSON 1.0 body into v. Members that the shape does not have
// are ignored, as AWS does. Nothing in v refers to body afterwards.
func decodeJSON(sh *shape, body []byte, v reflect.Value, present presence) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	d := jsonDecoders.Get().(*jsontext.Decoder)
	defer func() {
		d.Reset(bytes.NewReader(nil)) // lets go of the body
		jsonDecoders.Put(d)
	}()
	// The decoder reads a bytes.Buffer in place.
	d.Reset(bytes.NewBuffer(body), lenient)
	if k := d.PeekKind(); k != '{' && k != 0 {
		return Errorf("SerializationException", "The request body must be a JSON object.")
	}
	b := binder{d: d, present: present}
	if err := b.bind(sh, v, ""); err != nil {
		return explain(err)
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
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
	d       *jsontext.Decoder
	present presence
}

// bind assigns the next value to v. null means absent. prefix is the path of v's
// members in present, "" or ending with a dot; below a map nothing is noted.
func (b *binder) bind(sh *shape, v reflect.Value, prefix string) error {
	kind := b.d.PeekKind()
	if kind == 'n' {
		_, err := b.d.ReadToken()
		return err
	}
	if kind == 0 { // not JSON: reading says what is wrong with it
		_, err := b.d.ReadToken()
		return err
	}
	v = deref(v)
	switch sh.kind {
	case kindList:
		return b.list(sh, v, kind, prefix)
	case kindMap:
		return b.object(sh, v, kind)
	case kindStruct:
		return b.members(sh, v, kind, prefix)
	}
	if kind == '{' || kind == '[' {
		return wrong(scalarNames[sh.kind])
	}
	t, err := b.d.ReadToken()
	if err != nil {
		return err
	}
	if kind != jsonKinds[sh.kind] && (sh.kind != kindBool || kind != 'f') {
		return wrong(scalarNames[sh.kind])
	}
	return setScalar(sh, v, t)
}

// jsonKinds is what a scalar is in JSON; a boolean is 't' or 'f'.
var jsonKinds = [...]jsontext.Kind{kindString: '"', kindInt: '0', kindFloat: '0', kindBool: 't', kindBlob: '"', kindTime: '0'}

var scalarNames = [...]string{
	kindString: "a string", kindInt: "an integer", kindFloat: "a number", kindBool: "true or false",
	kindBlob: "a base64 string", kindTime: "a time in seconds since 1970",
}

func setScalar(sh *shape, v reflect.Value, t jsontext.Token) error {
	switch sh.kind {
	case kindString:
		v.SetString(t.String())
	case kindBool:
		v.SetBool(t.Bool())
	case kindBlob:
		data, err := base64.StdEncoding.DecodeString(t.String())
		if err != nil {
			return wrong("a base64 string")
		}
		v.SetBytes(data)
	case kindInt:
		i, err := strconv.ParseInt(t.String(), 10, 64)
		if err != nil {
			f, ferr := strconv.ParseFloat(t.String(), 64)
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
		f, err := strconv.ParseFloat(t.String(), 64)
		if err != nil {
			return wrong("a number within range")
		}
		v.SetFloat(f)
	case kindTime:
		f, err := strconv.ParseFloat(t.String(), 64)
		if err != nil || math.Abs(f) > 1e11 {
			return wrong("a time in seconds since 1970")
		}
		v.Set(reflect.ValueOf(time.UnixMilli(int64(math.Round(f * 1000))).UTC()))
	}
	return nil
}

func (b *binder) list(sh *shape, v reflect.Value, kind jsontext.Kind, prefix string) error {
	if kind != '[' {
		return wrong("a list")
	}
	if _, err := b.d.ReadToken(); err != nil {
		return err
	}
	v.Set(reflect.MakeSlice(sh.typ, 0, 0))
	for i := 0; b.d.PeekKind() != ']'; i++ {
		if b.d.PeekKind() == 'n' {
			return within(strconv.Itoa(i), &mismatch{want: "not be null"})
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
	_, err := b.d.ReadToken()
	return err
}

func (b *binder) object(sh *shape, v reflect.Value, kind jsontext.Kind) error {
	if kind != '{' {
		return wrong("an object")
	}
	if _, err := b.d.ReadToken(); err != nil {
		return err
	}
	below := binder{d: b.d}
	out := reflect.MakeMap(sh.typ)
	for b.d.PeekKind() != '}' {
		t, err := b.d.ReadToken()
		if err != nil {
			return err
		}
		name := t.String()
		if b.d.PeekKind() == 'n' {
			return within(name, &mismatch{want: "not be null"})
		}
		e := reflect.New(sh.typ.Elem()).Elem()
		if err := below.bind(sh.elem, e, ""); err != nil {
			return within(name, err)
		}
		out.SetMapIndex(reflect.ValueOf(name).Convert(sh.typ.Key()), e)
	}
	v.Set(out)
	_, err := b.d.ReadToken()
	return err
}

func (b *binder) members(sh *shape, v reflect.Value, kind jsontext.Kind, prefix string) error {
	if kind != '{' {
		return wrong("an object")
	}
	if _, err := b.d.ReadToken(); err != nil {
		return err
	}
	for b.d.PeekKind() != '}' {
		t, err := b.d.ReadToken()
		if err != nil {
			return err
		}
		f := sh.member(t.String())
		if f == nil {
			if err := b.d.SkipValue(); err != nil {
				return err
			}
			continue
		}
		fv := v.Field(f.index)
		at := prefix
		if b.present != nil && b.d.PeekKind() != 'n' {
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
	_, err := b.d.ReadToken()
	return err
}
