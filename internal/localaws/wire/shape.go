package wire

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

// Naming is how a service spells lists and maps in Query and XML. SNS's is
//
//	Naming{Members: map[string]MemberName{"MessageAttributes": {Key: "Name", Value: "Value"}}}
type Naming struct {
	// Flattened: SQS's style, Attribute.1.Name and repeated <Attribute> elements, where
	// a list of structs is named after the struct (Entries of
	// SendMessageBatchRequestEntry: SendMessageBatchRequestEntry.1.Id). Otherwise SNS's:
	// Tags.member.1.Key, Attributes.entry.1.key, <Topics><member>.
	Flattened bool
	// Members are the exceptions, by the field's name.
	Members map[string]MemberName
}

// MemberName spells one list or map; an empty field means the style's default.
type MemberName struct {
	Name  string // of the element: "Attribute" for Attributes
	Key   string // of a map's key: "Name"
	Value string // of a map's value: "Value"
}

type kind uint8

const (
	kindString kind = iota
	kindInt
	kindFloat
	kindBool
	kindBlob
	kindTime
	kindList
	kindMap
	kindStruct
)

// shape is a Go type as the codecs see it. Pointers are transparent: a nil pointer
// is an absent member.
type shape struct {
	kind   kind
	typ    reflect.Type // without pointer
	fields []field      // of a struct
	byJSON map[string]int
	elem   *shape // of a list or map
	// ambiguous: a struct with members whose zero could be explicit or absent.
	ambiguous bool
}

// member finds a struct's member by its JSON name; nil if there is none.
func (s *shape) member(name string) *field {
	if i, ok := s.byJSON[name]; ok {
		return &s.fields[i]
	}
	return nil
}

// field is one member of a struct.
type field struct {
	index     int
	name      string // Go's
	json      string
	query     string
	flattened bool
	key, val  string // of a map's entries
	shape     *shape
}

type compiler struct {
	naming    Naming
	jsonNames map[string]string
	seen      map[reflect.Type]*shape
}

// shape derives a type's shape. It panics on a type that no AWS shape maps to: that
// is a mistake in a service's table, met when the service is first used.
func (c *compiler) shape(t reflect.Type) *shape {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if s, ok := c.seen[t]; ok {
		return s
	}
	s := &shape{typ: t}
	c.seen[t] = s
	switch {
	case t == reflect.TypeFor[time.Time]():
		s.kind = kindTime
	case t == reflect.TypeFor[[]byte]():
		s.kind = kindBlob
	default:
		switch t.Kind() {
		case reflect.String:
			s.kind = kindString
		case reflect.Int32, reflect.Int64, reflect.Int:
			s.kind = kindInt
		case reflect.Float32, reflect.Float64:
			s.kind = kindFloat
		case reflect.Bool:
			s.kind = kindBool
		case reflect.Slice:
			s.kind, s.elem = kindList, c.shape(t.Elem())
		case reflect.Map:
			if t.Key().Kind() != reflect.String {
				panic(fmt.Sprintf("wire: %v: map keys must be strings", t))
			}
			s.kind, s.elem = kindMap, c.shape(t.Elem())
		case reflect.Struct:
			s.kind = kindStruct
			c.fields(s)
		default:
			panic(fmt.Sprintf("wire: %v is no AWS shape", t))
		}
	}
	return s
}

func (c *compiler) fields(s *shape) {
	s.byJSON = map[string]int{}
	for i := range s.typ.NumField() {
		sf := s.typ.Field(i)
		// ResultMetadata is the SDK's own, never on the wire.
		if !sf.IsExported() || sf.Name == "ResultMetadata" {
			continue
		}
		f := field{index: i, name: sf.Name, json: sf.Name, query: sf.Name, shape: c.shape(sf.Type)}
		if n, ok := c.jsonNames[s.typ.Name()+"."+sf.Name]; ok {
			f.json = n
		}
		c.name(&f)
		s.ambiguous = s.ambiguous || ambiguous(&f, reflect.New(sf.Type).Elem())
		s.byJSON[f.json] = len(s.fields)
		s.fields = append(s.fields, f)
	}
}

// name applies the service's Query naming to a list or map.
func (c *compiler) name(f *field) {
	if f.shape.kind != kindList && f.shape.kind != kindMap {
		return
	}
	f.flattened = c.naming.Flattened
	f.key, f.val = "key", "value"
	if f.flattened {
		f.key, f.val = "Name", "Value"
		if f.shape.kind == kindList && f.shape.elem.kind == kindStruct {
			f.query = f.shape.elem.typ.Name()
		}
	}
	n := c.naming.Members[f.name]
	if n.Name != "" {
		f.query = n.Name
	}
	if n.Key != "" {
		f.key = n.Key
	}
	if n.Value != "" {
		f.val = n.Value
	}
}

// presence records the paths of the members met in a request.
type presence map[string]struct{}

func (p presence) has(path string) bool { _, ok := p[path]; return ok }

func (p presence) add(path string) { p[path] = struct{}{} }

// join appends a member to a path.
func join(path, member string) string {
	if path == "" {
		return member
	}
	return path + "." + member
}

// ambiguous tells whether f's zero value could be either explicit or absent.
func ambiguous(f *field, v reflect.Value) bool {
	switch f.shape.kind {
	case kindInt, kindFloat, kindBool:
		return v.Kind() != reflect.Pointer
	}
	return false
}

// deref returns what v points to, making it where it is nil.
func deref(v reflect.Value) reflect.Value {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		return v.Elem()
	}
	return v
}

// display is a path as error messages show it.
func display(path string) string { return strings.TrimPrefix(path, ".") }
