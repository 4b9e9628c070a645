package sns

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

func (p *filterParser) stringOperand(name, called string) (func(any) bool, error) {
	if p.next() != 's' {
		return nil, p.refuse("%s match pattern must be a string", called)
	}
	return p.stringTest(name, p.text())
}

func (p *filterParser) stringTest(name, want string) (func(any) bool, error) {
	switch name {
	case "cidr":
		network, problem := parseCIDR(want)
		if problem != "" {
			return nil, errors.New(problem)
		}
		return onStrings(func(got string) bool {
			addr, err := netip.ParseAddr(got)
			return err == nil && network.Contains(addr)
		}), nil
	case "wildcard":
		pattern, problem := parseWildcard(want)
		if problem == "" && len(pattern)-1 > maxWildcards {
			problem = "A single pattern must not contain more than 3 wildcards"
		}
		if problem != "" {
			return nil, p.refuse("%s", problem)
		}
		p.stars += len(pattern) - 1
		return onStrings(pattern.matches), nil
	case "prefix":
		return onStrings(func(got string) bool { return strings.HasPrefix(got, want) }), nil
	case "suffix":
		return onStrings(func(got string) bool { return strings.HasSuffix(got, want) }), nil
	case "equals-ignore-case":
		return onStrings(func(got string) bool { return strings.EqualFold(got, want) }), nil
	default: // exact
		return onStrings(func(got string) bool { return got == want }), nil
	}
}

func onStrings(test func(string) bool) func(any) bool {
	return func(v any) bool { got, ok := v.(string); return ok && test(got) }
}

// anythingBut reads what must not be: a string, a number, a list of them, or one of the
// operators prefix and wildcard. AWS has no other operator there.
func (p *filterParser) anythingBut() (func(any) bool, error) {
	var not []func(any) bool
	switch p.next() {
	case '{':
		if p.next() != 'n' {
			return nil, p.refuse("Anything-But expression name not found")
		}
		name := p.t.text
		if name != "prefix" && name != "wildcard" {
			return nil, p.refuse("Unsupported anything-but pattern: %s", name)
		}
		if p.next() == '[' {
			for p.next() != ']' {
				if p.t.kind != 's' {
					return nil, p.refuse("%s match pattern must be a string", name)
				}
				test, err := p.stringTest(name, p.text())
				if err != nil {
					return nil, err
				}
				not = append(not, test)
			}
			if len(not) == 0 {
				return nil, p.refuse("Empty arrays are not allowed")
			}
		} else {
			if p.t.kind != 's' {
				return nil, p.refuse("%s match pattern must be a string", name)
			}
			test, err := p.stringTest(name, p.text())
			if err != nil {
				return nil, err
			}
			not = append(not, test)
		}
		if p.next() != '}' {
			return nil, p.refuse("Only one key allowed in match expression")
		}
	case '[':
		kind := byte(0)
		for p.next() != ']' {
			if p.t.kind != 's' && p.t.kind != '#' {
				return nil, p.refuse("Inside anything but list, start|null|boolean is not supported.")
			}
			if kind != 0 && kind != p.t.kind {
				return nil, p.refuse("Inside anything but list, either all values are number or string, mixed type is not supported")
			}
			kind = p.t.kind
			test, err := p.literal()
			if err != nil {
				return nil, err
			}
			not = append(not, test)
		}
		if len(not) == 0 {
			return nil, p.refuse("Empty arrays are not allowed")
		}
	case 's', '#':
		test, err := p.literal()
		if err != nil {
			return nil, err
		}
		not = append(not, test)
	default:
		return nil, p.refuse("Inside anything but list, start|null|boolean is not supported.")
	}
	return func(x any) bool {
		for _, t := range not {
			if t(x) {
				return false
			}
		}
		return true
	}, nil
}

// literal reads the current string or number as a test.
func (p *filterParser) literal() (func(any) bool, error) {
	if p.t.kind == 's' {
		return equals(p.text()).matches, nil
	}
	n, err := p.number()
	return func(x any) bool { got, ok := toNumber(x); return ok && got == n }, err
}

// number is the current number. AWS bounds numbers in filters by 10^9 either way.
func (p *filterParser) number() (float64, error) {
	n, err := strconv.ParseFloat(p.t.text, 64)
	if err != nil || n > numericBound || n < -numericBound {
		return 0, p.refuse("Value must be between %.1E and %.1E, inclusive", -numericBound, numericBound)
	}
	return decimals(n), nil
}
