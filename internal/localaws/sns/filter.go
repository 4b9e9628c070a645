package sns

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
)

// filter is a parsed filter policy. A message passes if every property does, and, for
// each $or, one of its alternatives.
//
// Messages are matched as AWS's event ruler does it. Properties are known by their path
// with dots, so {"a": {"b": 1}} and {"a.b": 1} are the same. Elements of a list all have
// the list's path; but where a policy asks for several properties of objects in a list,
// they must be the same object's.
type filter struct {
	properties   []property
	alternatives [][]*filter
}

// property is what a filter asks of one path: one of the conditions.
type property struct {
	path       string
	conditions []condition
}

// leaf is a value of a message that is neither object nor list, and the lists that it
// is in.
type leaf struct {
	value any
	in    []place
}

// place is an element of a list, which is known by where its elements are stored.
type place struct {
	list  *any
	index int
}

// matchSteps bounds the search for objects in lists that fit each other. A message with
// so many possibilities that it is not found then does not pass.
const matchSteps = 100_000

// matches says whether an object passes: attributes by name, or a message's body.
func (f *filter) matches(object map[string]any) bool {
	m := matcher{object: object, steps: matchSteps}
	return m.all(f, 0, nil, func([]place) bool { return true })
}

type matcher struct {
	object map[string]any
	steps  int
	found  map[string][]leaf // by path: what was looked for in lists
}

func (m *matcher) leaves(path string) []leaf {
	if leaves, ok := m.found[path]; ok {
		return leaves
	}
	leaves := find(m.object, path, nil, nil)
	if len(leaves) > 1 { // a single one is found as quickly again
		if m.found == nil {
			m.found = map[string][]leaf{}
		}
		m.found[path] = leaves
	}
	return leaves
}

// all looks for values that satisfy the properties from the i-th on, in places that go
// together with those taken already, such that next finds the rest.
func (m *matcher) all(f *filter, i int, taken []place, next func([]place) bool) bool {
	if m.steps--; m.steps < 0 {
		return false
	}
	if i == len(f.properties) {
		return m.one(f, 0, taken, next)
	}
	p := &f.properties[i]
	leaves := m.leaves(p.path)
	for _, c := range p.conditions {
		if c.exists != nil && !*c.exists && len(leaves) == 0 {
			return m.all(f, i+1, taken, next)
		}
	}
	for _, l := range leaves {
		m.steps--
		if !p.accepts(l.value) {
			continue
		}
		together, ok := join(taken, l.in)
		if ok && m.all(f, i+1, together, next) {
			return true
		}
		if len(l.in) == 0 {
			return false // another value of the path would not change what is missing
		}
	}
	return false
}

// one goes through the $or's from the i-th on.
func (m *matcher) one(f *filter, i int, taken []place, next func([]place) bool) bool {
	if i == len(f.alternatives) {
		return next(taken)
	}
	for _, alternative := range f.alternatives[i] {
		if m.all(alternative, 0, taken, func(taken []place) bool { return m.one(f, i+1, taken, next) }) {
			return true
		}
	}
	return false
}

func (p *property) accepts(value any) bool {
	for _, c := range p.conditions {
		if c.exists != nil && *c.exists || c.exists == nil && c.matches(value) {
			return true
		}
	}
	return false
}

// join adds places to those taken, if none is another element of the same list.
func join(taken, more []place) ([]place, bool) {
	out := taken[:len(taken):len(taken)]
	for _, p := range more {
		i := slices.IndexFunc(taken, func(t place) bool { return t.list == p.list })
		switch {
		case i < 0:
			out = append(out, p)
		case taken[i].index != p.index:
			return nil, false
		}
	}
	return out, true
}

// find appends the leaves of a path. A path may be one name, or names with dots.
func find(object map[string]any, path string, in []place, to []leaf) []leaf {
	for i := range len(path) + 1 {
		if i < len(path) && path[i] != '.' {
			continue
		}
		value, ok := object[path[:i]]
		switch {
		case !ok:
		case i == len(path):
			to = values(value, in, to)
		default:
			to = findBelow(value, path[i+1:], in, to)
		}
	}
	return to
}

func findBelow(value any, path string, in []place, to []leaf) []leaf {
	switch v := value.(type) {
	case map[string]any:
		to = find(v, path, in, to)
	case []any:
		for i := range v {
			to = findBelow(v[i], path, append(in[:len(in):len(in)], place{&v[0], i}), to)
		}
	}
	return to
}

func values(value any, in []place, to []leaf) []leaf {
	switch v := value.(type) {
	case map[string]any:
		return to
	case []any:
		for i := range v {
			to = values(v[i], append(in[:len(in):len(in)], place{&v[0], i}), to)
		}
		return to
	default:
		return append(to, leaf{value, in})
	}
}

// filters keeps parsed filter policies: each is parsed once, not for every message.
type filters struct {
	mu     sync.Mutex
	parsed map[filterText]*filter // nil: it does not parse
}

type filterText struct {
	text string
	body bool
}

// keptFilters bounds what is kept; AWS allows 10,000 filter policies in an account.
const keptFilters = 10_000

func (c *filters) get(text string, body bool) *filter {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := filterText{text, body}
	f, ok := c.parsed[key]
	if !ok {
		f, _ = parseFilter(text, body) // checked when it was set
		if c.parsed == nil || len(c.parsed) >= keptFilters {
			c.parsed = map[filterText]*filter{}
		}
		c.parsed[key] = f
	}
	return f
}

// passes says whether a notification with this body passes the subscription's filter.
// A policy that does not parse, which setting it excludes, lets nothing through.
func (s *Service) passes(sub *subscription, n *notification, body string) bool {
	text := sub.attrs["FilterPolicy"]
	if text == "" {
		return true
	}
	inBody := sub.attrs["FilterPolicyScope"] == scopeBody
	key := verdict{filterText{text, inBody}, ""}
	if inBody {
		key.body = body
	}
	pass, ok := n.verdicts[key]
	if !ok {
		object := n.values
		if inBody {
			object = n.object(body)
		}
		f := s.filters.get(text, inBody)
		pass = f != nil && object != nil && f.matches(object)
		if n.verdicts == nil {
			n.verdicts = map[verdict]bool{}
		}
		n.verdicts[key] = pass
	}
	return pass
}

// verdict is a filter and what it was asked about: attributes, or a body.
type verdict struct {
	filter filterText
	body   string
}

// object is a body as a JSON object, parsed once; nil if it is none.
func (n *notification) object(body string) map[string]any {
	obj, ok := n.objects[body]
	if !ok {
		if v, err := parseJSON([]byte(body)); err == nil {
			obj, _ = v.(map[string]any)
		}
		if n.objects == nil {
			n.objects = map[string]map[string]any{}
		}
		n.objects[body] = obj
	}
	return obj
}

// attributeValues are message attributes as filters see them: strings, numbers, lists.
// Binary ones are not there for filters.
func attributeValues(attrs map[string]types.MessageAttributeValue) map[string]any {
	out := make(map[string]any, len(attrs))
	for name, a := range attrs {
		s := aws.ToString(a.StringValue)
		kind := aws.ToString(a.DataType)
		switch {
		case kind == "String.Array":
			// Publishing does not check it. What is no JSON is there and equals nothing.
			var err error
			if out[name], err = parseJSON([]byte(s)); err != nil {
				out[name] = noJSON{}
			}
		case strings.HasPrefix(kind, "Number"):
			out[name] = json.Number(s)
		case strings.HasPrefix(kind, "Binary"):
		default:
			out[name] = s
		}
	}
	return out
}

type noJSON struct{}

// parseJSON reads one JSON value, with numbers as written.
func parseJSON(b []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON value")
	}
	return v, nil
}
