package sns

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
)

// Limits of a filter policy (Amazon SNS Developer Guide, "Filter policy constraints").
const (
	maxFilterKeys         = 5
	maxFilterCombinations = 150
	maxFilterBytes        = 256 << 10
	maxFilterDepth        = 32 // ours: AWS's limit of combinations has the same effect
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

// parseFilter reads a filter policy of the scope. Its errors are for the subscriber.
func parseFilter(text string, body bool) (*filter, error) {
	if len(text) > maxFilterBytes {
		return nil, fmt.Errorf("longer than %d bytes", maxFilterBytes)
	}
	v, err := parseJSON([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("failed to parse JSON. %w", err)
	}
	obj, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("the filter policy must be a JSON object")
	}
	p := filterParser{body: body}
	f, combinations, err := p.filter(obj, 1)
	switch {
	case err != nil:
		return nil, err
	case p.keys > maxFilterKeys:
		return nil, fmt.Errorf("too many keys: %d, at most %d are allowed", p.keys, maxFilterKeys)
	case combinations > maxFilterCombinations:
		return nil, fmt.Errorf("too complex: %d combinations of values, at most %d are allowed", combinations, maxFilterCombinations)
	}
	return f, nil
}

type filterParser struct {
	body bool
	keys int // leaves seen so far
}

// filter also returns the number of combinations of values, which AWS limits.
func (p *filterParser) filter(obj map[string]any, depth int) (*filter, int, error) {
	if depth > maxFilterDepth {
		return nil, 0, fmt.Errorf("nested deeper than %d levels", maxFilterDepth)
	}
	f := &filter{keys: map[string]*filterKey{}}
	combinations := 1
	for _, name := range sorted(obj) {
		n := 0
		var err error
		switch v := obj[name].(type) {
		case []any:
			if name == "$or" && isAlternatives(v) {
				n, err = p.or(f, v, depth)
				break
			}
			p.keys++
			k := &filterKey{}
			for _, c := range v {
				var parsed condition
				if parsed, err = parseCondition(c); err != nil {
					break
				}
				k.conditions = append(k.conditions, parsed)
			}
			if err == nil && len(v) == 0 {
				err = errors.New("empty arrays are not allowed")
			}
			f.keys[name] = k
			n = len(v) * depth
		case map[string]any:
			if !p.body {
				return nil, 0, fmt.Errorf("%q: filter policy scope MessageAttributes does not support nested filter policy", name)
			}
			if len(v) == 0 {
				return nil, 0, fmt.Errorf("%q: empty objects are not allowed", name)
			}
			k := &filterKey{}
			k.nested, n, err = p.filter(v, depth+1)
			f.keys[name] = k
		default:
			err = errors.New("must be an object or an array")
		}
		if err != nil {
			return nil, 0, fmt.Errorf("%q: %w", name, err)
		}
		// The bound keeps the product from overflowing; past it the policy is refused anyway.
		combinations = min(combinations*max(n, 1), 1<<20)
	}
	return f, combinations, nil
}

// isAlternatives says whether $or has its meaning; AWS takes a list with less than two
// objects, or with anything else, for an ordinary key of that name.
func isAlternatives(list []any) bool {
	for _, v := range list {
		if _, ok := v.(map[string]any); !ok {
			return false
		}
		for op := range v.(map[string]any) {
			if operators[op] {
				return false
			}
		}
	}
	return len(list) >= 2
}

func (p *filterParser) or(f *filter, list []any, depth int) (int, error) {
	var alternatives []*filter
	total := 0
	for _, v := range list {
		alt, n, err := p.filter(v.(map[string]any), depth)
		if err != nil {
			return 0, err
		}
		alternatives = append(alternatives, alt)
		total += n
	}
	f.alternatives = append(f.alternatives, alternatives)
	return total, nil
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

// passes says whether a notification with this body passes the subscription's filter.
// A policy that does not parse, which setting it excludes, lets nothing through.
func (sub *subscription) passes(body string, attrs map[string]types.MessageAttributeValue) bool {
	text := sub.attrs["FilterPolicy"]
	if text == "" {
		return true
	}
	inBody := sub.attrs["FilterPolicyScope"] == scopeBody
	f, err := parseFilter(text, inBody)
	if err != nil {
		return false
	}
	if !inBody {
		return f.matches(attributeValues(attrs))
	}
	v, err := parseJSON([]byte(body))
	obj, ok := v.(map[string]any)
	return err == nil && ok && f.matches(obj)
}

// attributeValues are message attributes as filters see them. Binary ones exist but
// match nothing.
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
			out[name] = binary{}
		default:
			out[name] = s
		}
	}
	return out
}

// binary is a value that equals nothing.
type binary struct{}

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
