package sns

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Limits of a filter policy (Amazon SNS Developer Guide, "Filter policy constraints").
const (
	maxFilterKeys         = 5
	maxFilterCombinations = 150
	maxFilterBytes        = 256 << 10
	maxWildcards          = 3   // in one pattern
	maxAllWildcards       = 100 // in all patterns of a policy
)

var (
	errTooComplex = errors.New("FilterPolicy: Filter policy is too complex")
	errNested     = errors.New("Filter policy scope MessageAttributes does not support nested filter policy") //nolint:staticcheck // AWS's words
)

// operators are the names that conditions written as objects may have.
var operators = map[string]bool{
	"exact": true, "prefix": true, "suffix": true, "equals-ignore-case": true, "wildcard": true,
	"anything-but": true, "numeric": true, "exists": true, "cidr": true,
}

// parseFilter reads a filter policy of the scope. Its errors have AWS's words.
func parseFilter(text string, body bool) (*filter, error) {
	if len(text) > maxFilterBytes {
		return nil, fmt.Errorf("FilterPolicy: Filter policy can not be longer than %d bytes", maxFilterBytes)
	}
	if err := checkJSON(text); err != nil {
		return nil, fmt.Errorf("FilterPolicy: failed to parse JSON. %w", err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(text)); err != nil {
		return nil, fmt.Errorf("FilterPolicy: failed to parse JSON. %w", err)
	}
	p := &filterParser{t: jsonTokens{src: compact.String()}, body: body}
	if err := p.t.next(); err != nil {
		return nil, err
	}
	if p.t.kind != '{' {
		return nil, errors.New("FilterPolicy: Filter is not an object" + p.t.where())
	}
	f := &filter{}
	combinations, err := p.object(f, "", 1)
	switch {
	case errors.Is(err, errTooComplex):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("FilterPolicy: %w", err)
	case p.nested && !body:
		return nil, errNested
	case p.keys > maxFilterKeys:
		return nil, fmt.Errorf("FilterPolicy: Filter policy can not have more than %d keys", maxFilterKeys)
	case combinations > maxFilterCombinations, p.stars > maxAllWildcards:
		return nil, errTooComplex
	}
	return f, nil
}

type filterParser struct {
	t      jsonTokens
	body   bool
	keys   int  // of the outermost object and its alternatives
	nested bool // there are objects in objects
	stars  int  // wildcards so far
}

// refuse is an error about the current token.
func (p *filterParser) refuse(format string, args ...any) error {
	return errors.New(fmt.Sprintf(format, args...) + p.t.where())
}

// next reads on; the policy is known to be JSON, so an error is a mistake here.
func (p *filterParser) next() byte {
	if err := p.t.next(); err != nil {
		return 'E'
	}
	return p.t.kind
}

// text is the current string or number, read to its end.
func (p *filterParser) text() string {
	_ = p.t.finish() // the policy is known to be JSON
	return p.t.text
}

// object reads behind an opening brace: what is below the path. It returns the number of
// combinations of values, which AWS limits.
func (p *filterParser) object(f *filter, path string, depth int) (int, error) {
	if depth > maxFilterCombinations {
		return 0, errTooComplex // one value that deep is already
	}
	combinations := 1
	empty := true
	for p.next() == 'n' {
		empty = false
		name := p.t.text
		n := 1
		var err error
		switch p.next() {
		case '[':
			if name == "$or" && p.isAlternatives() {
				n, err = p.or(f, path, depth)
				break
			}
			if depth == 1 {
				p.keys++
			}
			var list []condition
			list, err = p.conditions()
			f.properties = append(f.properties, property{path + name, list})
			n = len(list) * depth
		case '{':
			p.nested = true
			if depth == 1 {
				p.keys++
			}
			n, err = p.object(f, path+name+".", depth+1)
		default:
			err = p.refuse("%q must be an object or an array", name)
		}
		if err != nil {
			return 0, err
		}
		// The bound keeps the product from overflowing; past it the policy is refused anyway.
		combinations = min(combinations*n, 1<<20)
	}
	if empty {
		return 0, p.refuse("Empty objects are not allowed")
	}
	return combinations, nil
}

// isAlternatives says whether $or has its meaning: AWS takes a list with less than two
// objects, or with anything else, for an ordinary key of that name.
func (p *filterParser) isAlternatives() bool {
	var list []any
	if json.NewDecoder(strings.NewReader(p.t.src[p.t.pos-1:])).Decode(&list) != nil {
		return false
	}
	for _, v := range list {
		object, ok := v.(map[string]any)
		if !ok || len(object) == 0 {
			return false
		}
		for name := range object {
			if operators[name] {
				return false
			}
		}
	}
	return len(list) >= 2
}

func (p *filterParser) or(f *filter, path string, depth int) (int, error) {
	var alternatives []*filter
	total := 0
	for p.next() == '{' {
		alternative := &filter{}
		n, err := p.object(alternative, path, depth)
		if err != nil {
			return 0, err
		}
		alternatives = append(alternatives, alternative)
		total = min(total+n, 1<<20)
	}
	f.alternatives = append(f.alternatives, alternatives)
	return total, nil
}

func (p *filterParser) conditions() ([]condition, error) {
	var list []condition
	for p.next() != ']' {
		var c condition
		var err error
		switch p.t.kind {
		case 's':
			c = equals(p.text())
		case '#':
			var n float64
			n, err = p.number()
			c = condition{matches: func(x any) bool { got, ok := toNumber(x); return ok && got == n }}
		case 't':
			c = equals(true)
		case 'f':
			c = equals(false)
		case '0':
			c = equals(nil)
		case '{':
			c, err = p.operator()
		default:
			err = p.refuse("Match value must be String, number, true, false, or null")
		}
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, p.refuse("Empty arrays are not allowed")
	}
	return list, nil
}

func equals(want any) condition {
	return condition{matches: func(x any) bool { return x == want }}
}

// operator reads a condition written as an object, behind its brace.
func (p *filterParser) operator() (condition, error) {
	if p.next() != 'n' {
		return condition{}, p.refuse("Match expression name not found")
	}
	var c condition
	var err error
	switch name := p.t.text; name {
	case "exact", "prefix", "suffix", "equals-ignore-case", "wildcard":
		c.matches, err = p.stringOperand(name, name)
	case "cidr":
		c.matches, err = p.stringOperand(name, "prefix") // AWS says prefix here, too
	case "exists":
		switch p.next() {
		case 't', 'f':
			is := p.t.kind == 't'
			c.exists = &is
		default:
			err = p.refuse("exists match pattern must be either true or false.")
		}
	case "numeric":
		if p.next() != '[' {
			err = p.refuse("Value of numeric must be an array.")
		} else {
			c.matches, err = p.numeric()
		}
	case "anything-but":
		c.matches, err = p.anythingBut()
	default:
		err = p.refuse("Unrecognized match type %s", name)
	}
	if err == nil && p.next() != '}' {
		err = p.refuse("Only one key allowed in match expression")
	}
	return c, err
}
