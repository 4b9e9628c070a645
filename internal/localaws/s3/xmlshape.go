package s3

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
)

// The documents of a bucket's sub-resources are many and simple. Each is read into a
// tree, held against a shape (which elements, how often, with which values), and kept
// and shown as the tree is written out again: what S3 would not have understood never
// gets in.

const (
	xmlNamespace = "http://s3.amazonaws.com/doc/2006-03-01/"
	xsiNamespace = "http://www.w3.org/2001/XMLSchema-instance"
	// maxDepth and maxElements bound a document; S3's own go five deep.
	maxDepth    = 16
	maxElements = 100_000
)

// element is one element of a document.
type element struct {
	name string
	kind string // xsi:type
	text string
	kids []*element
}

// child is the first element of that path below e, or nil.
func (e *element) child(path ...string) *element {
	for _, name := range path {
		if e == nil {
			return nil
		}
		var found *element
		for _, k := range e.kids {
			if k.name == name {
				found = k
				break
			}
		}
		e = found
	}
	return e
}

// all are the direct children of that name.
func (e *element) all(name string) []*element {
	var out []*element
	if e != nil {
		for _, k := range e.kids {
			if k.name == name {
				out = append(out, k)
			}
		}
	}
	return out
}

// value is the text at a path, or "".
func (e *element) value(path ...string) string {
	if c := e.child(path...); c != nil {
		return c.text
	}
	return ""
}

// parseElement reads a document. Text beside elements is dropped.
func parseElement(doc []byte) (*element, error) {
	dec := xml.NewDecoder(bytes.NewReader(doc))
	var root *element
	var open []*element
	for n := 0; ; {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if n++; n > maxElements || len(open) >= maxDepth {
				return nil, errors.New("the document is too large")
			}
			e := &element{name: t.Name.Local}
			for _, a := range t.Attr {
				if a.Name.Local == "type" && a.Name.Space == xsiNamespace {
					e.kind = a.Value
				}
			}
			switch {
			case len(open) > 0:
				top := open[len(open)-1]
				top.kids = append(top.kids, e)
			case root != nil:
				return nil, errors.New("a second root element")
			default:
				root = e
			}
			open = append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].text += string(t)
			}
		}
	}
	if root == nil {
		return nil, errors.New("the document is empty")
	}
	return root, nil
}

// encode writes e as a document of S3's namespace.
func (e *element) encode() []byte {
	var b bytes.Buffer
	b.WriteString(xml.Header)
	e.write(&b, true)
	return b.Bytes()
}

// encodePlain writes e as a document without namespace: S3's errors have none.
func (e *element) encodePlain() []byte {
	var b bytes.Buffer
	b.WriteString(xml.Header)
	e.write(&b, false)
	return b.Bytes()
}

func (e *element) write(b *bytes.Buffer, root bool) {
	b.WriteString("<" + e.name)
	if root {
		b.WriteString(` xmlns="` + xmlNamespace + `"`)
	}
	if e.kind != "" {
		b.WriteString(` xmlns:xsi="` + xsiNamespace + `" xsi:type="`)
		_ = xml.EscapeText(b, []byte(e.kind)) // a buffer does not fail
		b.WriteString(`"`)
	}
	if len(e.kids) == 0 && e.text == "" {
		b.WriteString("/>")
		return
	}
	b.WriteString(">")
	if len(e.kids) == 0 {
		_ = xml.EscapeText(b, []byte(e.text))
	}
	for _, k := range e.kids {
		k.write(b, false)
	}
	b.WriteString("</" + e.name + ">")
}

// leaf makes an element with a text.
func leaf(name, text string) *element { return &element{name: name, text: text} }

// branch makes an element with children.
func branch(name string, kids ...*element) *element { return &element{name: name, kids: kids} }

// shape says what an element must look like. With text set it has no children, and
// text says whether its content will do.
type shape struct {
	text func(string) bool
	kids []slot
}

// slot is one kind of child and how often it may stand there; max 0 is without bound.
type slot struct {
	name     string
	shape    *shape
	min, max int
}

func tree(kids ...slot) *shape            { return &shape{kids: kids} }
func must(name string, s *shape) slot     { return slot{name, s, 1, 1} }
func may(name string, s *shape) slot      { return slot{name, s, 0, 1} }
func any0(name string, s *shape) slot     { return slot{name, s, 0, 0} }
func some(name string, s *shape) slot     { return slot{name, s, 1, 0} }
func value(fits func(string) bool) *shape { return &shape{text: fits} }
func free() *shape                        { return value(func(string) bool { return true }) }
func oneOf(words ...string) *shape {
	return value(func(s string) bool {
		for _, w := range words {
			if s == w {
				return true
			}
		}
		return false
	})
}
func whole() *shape {
	return value(func(s string) bool { _, err := strconv.ParseInt(s, 10, 64); return err == nil })
}
func truth() *shape { return oneOf("true", "false") }
func date() *shape  { return value(func(s string) bool { _, err := parseDate(s); return err == nil }) }

// parseDate reads the forms of a date that S3 takes.
func parseDate(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errors.New("not a date")
}

// fits says whether e has the shape. On the way it drops white space around values
// that are no free text, and text between elements.
func (s *shape) fits(e *element) bool {
	if s.text != nil {
		if len(e.kids) > 0 {
			return false
		}
		if trimmed := strings.TrimSpace(e.text); !s.text(e.text) && s.text(trimmed) {
			e.text = trimmed
		}
		return s.text(e.text)
	}
	if strings.TrimSpace(e.text) != "" {
		return false
	}
	e.text = ""
	count := map[string]int{}
	for _, k := range e.kids {
		var at *slot
		for i := range s.kids {
			if s.kids[i].name == k.name {
				at = &s.kids[i]
			}
		}
		if at == nil || !at.shape.fits(k) {
			return false
		}
		count[k.name]++
	}
	for _, slot := range s.kids {
		if n := count[slot.name]; n < slot.min || slot.max > 0 && n > slot.max {
			return false
		}
	}
	return true
}

// readDocument parses a document whose root must have the name and shape.
func readDocument(doc []byte, root string, s *shape) (*element, error) {
	e, err := parseElement(doc)
	if err != nil || e.name != root || !s.fits(e) {
		return nil, malformedXML()
	}
	return e, nil
}
