package wire

import (
	"encoding/base64"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxDepth bounds the dots of one parameter's name; the deepest real one is
// SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.StringListValue.1.
const maxDepth = 12

// node is one step of a dotted parameter name.
type node struct {
	value    string
	children map[string]*node
}

// newForm arranges a form's parameters as the tree that their dotted names spell.
// Where a parameter is given twice the first counts.
func newForm(values url.Values) (*node, error) {
	root := &node{children: map[string]*node{}}
	for name, vs := range values {
		if strings.Count(name, ".") > maxDepth {
			return nil, Errorf("MalformedQueryString", "A parameter's name has more than %d parts.", maxDepth+1)
		}
		if !utf8.ValidString(name) || !utf8.ValidString(vs[0]) {
			return nil, Errorf("MalformedQueryString", "A parameter is not valid UTF-8.")
		}
		n := root
		for part := range strings.SplitSeq(name, ".") {
			child := n.children[part]
			if child == nil {
				child = &node{}
				if n.children == nil {
					n.children = map[string]*node{}
				}
				n.children[part] = child
			}
			n = child
		}
		n.value = vs[0]
	}
	return root, nil
}

// indexed returns the children whose names are positive numbers, in their order.
// Gaps are closed: the numbers only order the entries.
func (n *node) indexed(path string) ([]*node, error) {
	type entry struct {
		i int
		n *node
	}
	entries := make([]entry, 0, len(n.children))
	for name, c := range n.children {
		i, err := strconv.Atoi(name)
		if err != nil || i < 0 {
			return nil, Errorf("MalformedInput", "%s.%s: list entries are numbered from 1.", display(path), name)
		}
		entries = append(entries, entry{i, c})
	}
	slices.SortFunc(entries, func(a, b entry) int { return a.i - b.i })
	out := make([]*node, len(entries))
	for i, e := range entries {
		out[i] = e.n
	}
	return out, nil
}

// decodeQuery reads a Query form into v. Parameters that the shape does not have are
// ignored, as AWS does.
func decodeQuery(sh *shape, form *node, v reflect.Value, present presence) error {
	return bindQuery(sh, form, v, "", present)
}

func bindQuery(sh *shape, n *node, v reflect.Value, path string, present presence) error {
	v = deref(v)
	wrong := func(want string) error {
		return Errorf("MalformedInput", "%s must be %s.", display(path), want)
	}
	switch sh.kind {
	case kindString:
		v.SetString(n.value)
	case kindInt:
		i, err := strconv.ParseInt(n.value, 10, 64)
		if err != nil || v.OverflowInt(i) {
			return wrong("an integer within range")
		}
		v.SetInt(i)
	case kindFloat:
		f, err := strconv.ParseFloat(n.value, 64)
		if err != nil {
			return wrong("a number")
		}
		v.SetFloat(f)
	case kindBool:
		switch strings.ToLower(n.value) {
		case "true", "1":
			v.SetBool(true)
		case "false", "0":
			v.SetBool(false)
		default:
			return wrong("true or false")
		}
	case kindBlob:
		b, err := base64.StdEncoding.DecodeString(n.value)
		if err != nil {
			return wrong("base64")
		}
		v.SetBytes(b)
	case kindTime:
		t, err := time.Parse(time.RFC3339Nano, n.value)
		if err != nil {
			return wrong("a time such as 2006-01-02T15:04:05Z")
		}
		v.Set(reflect.ValueOf(t.UTC()))
	case kindStruct:
		for i := range sh.fields {
			f := &sh.fields[i]
			child := n.children[f.query]
			if child == nil {
				continue
			}
			fv := v.Field(f.index)
			p := join(path, f.name)
			if present != nil && (path == "" || ambiguous(f, fv)) {
				present.add(p)
			}
			if err := bindField(f, child, fv, p, present); err != nil {
				return err
			}
		}
	default:
		return wrong("a single value")
	}
	return nil
}

// bindField binds a struct's member: lists and maps know their entries' names only there.
func bindField(f *field, n *node, v reflect.Value, path string, present presence) error {
	if f.shape.kind != kindList && f.shape.kind != kindMap {
		return bindQuery(f.shape, n, v, path, present)
	}
	if !f.flattened {
		wrapper := "member"
		if f.shape.kind == kindMap {
			wrapper = "entry"
		}
		// "Tags=" alone is an empty list.
		if n = n.children[wrapper]; n == nil {
			n = &node{}
		}
	}
	entries, err := n.indexed(path)
	if err != nil {
		return err
	}
	sh := f.shape
	if sh.kind == kindList {
		out := reflect.MakeSlice(sh.typ, len(entries), len(entries))
		for i, e := range entries {
			if err := bindQuery(sh.elem, e, out.Index(i), join(path, strconv.Itoa(i)), present); err != nil {
				return err
			}
		}
		v.Set(out)
		return nil
	}
	out := reflect.MakeMapWithSize(sh.typ, len(entries))
	for i, e := range entries {
		p := join(path, strconv.Itoa(i))
		k, val := e.children[f.key], e.children[f.val]
		if k == nil || k.value == "" {
			return Errorf("MalformedInput", "%s has no %s.", p, f.key)
		}
		if val == nil {
			val = &node{}
		}
		ev := reflect.New(sh.typ.Elem()).Elem()
		if err := bindQuery(sh.elem, val, ev, p, nil); err != nil {
			return err
		}
		kv := reflect.ValueOf(k.value).Convert(sh.typ.Key())
		if out.MapIndex(kv).IsValid() {
			return Errorf("InvalidParameterValue", "%s is given more than once in %s.", k.value, path)
		}
		out.SetMapIndex(kv, ev)
	}
	v.Set(out)
	return nil
}
