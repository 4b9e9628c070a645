package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"net/http"
	"reflect"
	"strconv"
	"time"
)

const xmlContentType = "text/xml"

type queryProtocol struct{}

func (queryProtocol) result(_ []byte, s *Service, op string, sh *shape, out any, requestID string) (string, []byte) {
	x := &xmlWriter{}
	x.header()
	x.b.WriteString("<" + op + `Response xmlns="` + s.Namespace + `">`)
	if len(sh.fields) > 0 || s.EmptyResults[op] {
		x.result(op+"Result", sh, reflect.ValueOf(out).Elem())
	}
	x.open("ResponseMetadata")
	x.text("RequestId", requestID)
	x.close("ResponseMetadata")
	x.close(op + "Response")
	return xmlContentType, x.b.Bytes()
}

func (queryProtocol) failure(s *Service, e *Error, requestID string, _ http.Header) (string, []byte) {
	if e.Code == noOperation {
		return xmlContentType, []byte("<" + noOperation + "/>\n")
	}
	x := &xmlWriter{}
	x.header()
	x.b.WriteString(`<ErrorResponse xmlns="` + s.Namespace + `">`)
	x.open("Error")
	x.text("Type", e.fault())
	x.text("Code", e.queryCode())
	x.text("Message", e.queryMessage())
	if s.Naming.Flattened {
		x.b.WriteString("<Detail/>") // SQS has it, SNS has not
	}
	x.close("Error")
	x.text("RequestId", requestID)
	x.close("ErrorResponse")
	return xmlContentType, x.b.Bytes()
}

// xmlWriter writes elements. Element names are from shapes and operation tables,
// never from requests, so only text is escaped.
type xmlWriter struct{ b bytes.Buffer }

func (x *xmlWriter) header()           { x.b.WriteString(`<?xml version="1.0"?>` + "\n") }
func (x *xmlWriter) open(name string)  { x.b.WriteString("<" + name + ">") }
func (x *xmlWriter) close(name string) { x.b.WriteString("</" + name + ">") }

func (x *xmlWriter) text(name, s string) {
	x.open(name)
	_ = xml.EscapeText(&x.b, []byte(s)) // a bytes.Buffer does not fail
	x.close(name)
}

// result writes an operation's result, whose element is there even when it is empty:
// some clients insist on it.
func (x *xmlWriter) result(name string, sh *shape, v reflect.Value) {
	before := x.b.Len()
	x.open(name)
	began := x.b.Len()
	x.fields(sh, v)
	if x.b.Len() > began {
		x.close(name)
		return
	}
	x.b.Truncate(before)
	x.b.WriteString("<" + name + "/>")
}

func (x *xmlWriter) fields(sh *shape, v reflect.Value) {
	for i := range sh.fields {
		f := &sh.fields[i]
		fv := v.Field(f.index)
		switch {
		case f.shape.kind == kindList:
			x.list(f, fv)
		case f.shape.kind == kindMap:
			x.mapping(f, fv)
		case !absent(f, fv):
			x.value(f.query, f.shape, fv)
		}
	}
}

// list writes repeated elements (flattened) or a wrapper with members; the wrapper
// is written even when empty, so that clients see an empty list and not none.
func (x *xmlWriter) list(f *field, v reflect.Value) {
	name := f.query
	if !f.flattened {
		x.open(f.query)
		defer x.close(f.query)
		name = "member"
	}
	for i := range v.Len() {
		x.value(name, f.shape.elem, v.Index(i))
	}
}

func (x *xmlWriter) mapping(f *field, v reflect.Value) {
	name := f.query
	if !f.flattened {
		x.open(f.query)
		defer x.close(f.query)
		name = "entry"
	}
	for _, k := range sortedKeys(v) {
		x.open(name)
		x.text(f.key, k.String())
		x.value(f.val, f.shape.elem, v.MapIndex(k))
		x.close(name)
	}
}

func (x *xmlWriter) value(name string, sh *shape, v reflect.Value) {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch sh.kind {
	case kindString:
		x.text(name, v.String())
	case kindInt:
		x.text(name, strconv.FormatInt(v.Int(), 10))
	case kindFloat:
		x.text(name, strconv.FormatFloat(v.Float(), 'g', -1, 64))
	case kindBool:
		x.text(name, strconv.FormatBool(v.Bool()))
	case kindBlob:
		x.text(name, base64.StdEncoding.EncodeToString(v.Bytes()))
	case kindTime:
		x.text(name, v.Interface().(time.Time).UTC().Format("2006-01-02T15:04:05.000Z"))
	case kindStruct:
		x.open(name)
		x.fields(sh, v)
		x.close(name)
	}
}
