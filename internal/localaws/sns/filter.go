package sns

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
)

// filter is a parsed filter policy. A message passes if every key does, and, for each
// $or, one of its alternatives.
type filter struct {
	keys         map[string]*filterKey
	alternatives [][]*filter
}

// filterKey is what a filter asks of one key: one of the conditions, or, in the body
// scope, a filter on the object below it.
type filterKey struct {
	conditions []condition
	nested     *filter
}

// matches says whether an object passes: attributes by name, or a message's body.
func (f *filter) matches(obj map[string]any) bool {
	for name, k := range f.keys {
		value, present := obj[name]
		if !k.matches(value, present) {
			return false
		}
	}
	for _, alternatives := range f.alternatives {
		one := false
		for _, alt := range alternatives {
			one = one || alt.matches(obj)
		}
		if !one {
			return false
		}
	}
	return true
}

func (k *filterKey) matches(value any, present bool) bool {
	list, isList := value.([]any)
	if k.nested != nil {
		if isList {
			for _, v := range list {
				if obj, ok := v.(map[string]any); ok && k.nested.matches(obj) {
					return true
				}
			}
			return false
		}
		// Where there is no object, none of its keys exists: that is what "exists": false asks.
		obj, _ := value.(map[string]any)
		return k.nested.matches(obj)
	}
	for _, c := range k.conditions {
		if c.exists != nil {
			_, isObject := value.(map[string]any)
			if *c.exists == (present && !isObject) {
				return true
			}
			continue
		}
		if !present {
			continue
		}
		if !isList {
			list = []any{value}
		}
		for _, v := range list {
			if c.matches(v) {
				return true
			}
		}
	}
	return false
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
	f := s.filters.get(text, inBody)
	if f == nil {
		return false
	}
	values := n.values
	if inBody {
		values = n.object(body)
	}
	return values != nil && f.matches(values)
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
			if list, err := parseJSON([]byte(s)); err == nil {
				out[name] = list
				continue
			}
			out[name] = s
		case strings.HasPrefix(kind, "Number"):
			out[name] = json.Number(s)
		case strings.HasPrefix(kind, "Binary"):
		default:
			out[name] = s
		}
	}
	return out
}

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
