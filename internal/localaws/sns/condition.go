package sns

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
)

// condition is one element of a key's list in a filter policy.
type condition struct {
	exists  *bool // set: it asks only whether the key is there
	matches func(value any) bool
}

// operators are the names that conditions written as objects may have.
var operators = map[string]bool{
	"prefix": true, "suffix": true, "equals-ignore-case": true, "anything-but": true,
	"numeric": true, "exists": true, "cidr": true,
}

// numericBound is the largest magnitude of numbers in filters (AWS: -10^9 to 10^9).
const numericBound = 1e9

func parseCondition(v any) (condition, error) {
	switch v := v.(type) {
	case nil, bool, string:
		return condition{matches: func(x any) bool { return x == v }}, nil
	case json.Number:
		want, err := number(v)
		if err != nil {
			return condition{}, err
		}
		return condition{matches: func(x any) bool { got, ok := toNumber(x); return ok && got == want }}, nil
	case map[string]any:
		if len(v) != 1 {
			return condition{}, errors.New("a condition has exactly one operator")
		}
		for name, operand := range v {
			c, err := parseOperator(name, operand)
			if err != nil {
				return condition{}, fmt.Errorf("%s: %w", name, err)
			}
			return c, nil
		}
	}
	return condition{}, errors.New("match value must be String, number, true, false, or null, or an operator")
}

func parseOperator(name string, operand any) (condition, error) {
	s, isString := operand.(string)
	switch name {
	case "prefix", "suffix", "equals-ignore-case", "cidr":
		if !isString {
			return condition{}, errors.New("a string is expected")
		}
		test, err := stringTest(name, s)
		return condition{matches: test}, err
	case "exists":
		b, ok := operand.(bool)
		if !ok {
			return condition{}, errors.New("true or false is expected")
		}
		return condition{exists: &b}, nil
	case "numeric":
		test, err := numericTest(operand)
		return condition{matches: test}, err
	case "anything-but":
		test, err := anythingBut(operand)
		return condition{matches: test}, err
	default:
		return condition{}, errors.New("no such operator in this endpoint")
	}
}

func stringTest(name, want string) (func(any) bool, error) {
	if want == "" && name != "equals-ignore-case" {
		return nil, errors.New("the string is empty")
	}
	var test func(string) bool
	switch name {
	case "prefix":
		test = func(got string) bool { return strings.HasPrefix(got, want) }
	case "suffix":
		test = func(got string) bool { return strings.HasSuffix(got, want) }
	case "equals-ignore-case":
		test = func(got string) bool { return strings.EqualFold(got, want) }
	case "cidr":
		if !strings.Contains(want, "/") {
			return nil, fmt.Errorf("%q is not a range of addresses such as 10.0.0.0/24", want)
		}
		network, err := netip.ParsePrefix(want)
		if err != nil {
			return nil, err
		}
		test = func(got string) bool {
			addr, err := netip.ParseAddr(got)
			return err == nil && network.Contains(addr)
		}
	default:
		return nil, errors.New("no such operator in this endpoint")
	}
	return func(v any) bool { got, ok := v.(string); return ok && test(got) }, nil
}

// anythingBut is the negation of: a value, a list of values, or an operator on strings.
func anythingBut(operand any) (func(any) bool, error) {
	list, isList := operand.([]any)
	if !isList {
		list = []any{operand}
	}
	if len(list) == 0 {
		return nil, errors.New("the list is empty")
	}
	var tests []func(any) bool
	for _, v := range list {
		switch v := v.(type) {
		case string, json.Number:
			c, err := parseCondition(v)
			if err != nil {
				return nil, err
			}
			tests = append(tests, c.matches)
		case map[string]any:
			if isList || len(v) != 1 {
				return nil, errors.New("one operator is expected")
			}
			for name, w := range v {
				got, err := parseNegated(name, w)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", name, err)
				}
				tests = append(tests, got...)
			}
		default:
			return nil, errors.New("strings, numbers or an operator are expected")
		}
	}
	return func(x any) bool {
		if _, ok := x.(binary); ok {
			return false
		}
		for _, t := range tests {
			if t(x) {
				return false
			}
		}
		return true
	}, nil
}

// parseNegated reads the operator inside an anything-but: a string or a list of them.
func parseNegated(name string, operand any) ([]func(any) bool, error) {
	if name != "prefix" && name != "suffix" && name != "equals-ignore-case" {
		return nil, errors.New("no such operator inside anything-but in this endpoint")
	}
	list, isList := operand.([]any)
	if !isList {
		list = []any{operand}
	}
	if len(list) == 0 {
		return nil, errors.New("the list is empty")
	}
	var tests []func(any) bool
	for _, v := range list {
		s, ok := v.(string)
		if !ok {
			return nil, errors.New("a string is expected")
		}
		t, err := stringTest(name, s)
		if err != nil {
			return nil, err
		}
		tests = append(tests, t)
	}
	return tests, nil
}

// numericTest reads ["=", n] or a range such as [">", 0, "<=", 10].
func numericTest(operand any) (func(any) bool, error) {
	list, ok := operand.([]any)
	if !ok || len(list) != 2 && len(list) != 4 {
		return nil, errors.New(`a list such as ["=", 1] or [">", 0, "<=", 10] is expected`)
	}
	equal := math.NaN()
	low, high := math.Inf(-1), math.Inf(1)
	lowOpen, highOpen := false, false
	for i := 0; i < len(list); i += 2 {
		op, _ := list[i].(string)
		n, ok := list[i+1].(json.Number)
		if !ok {
			return nil, errors.New("value of an operator must be numeric")
		}
		v, err := number(n)
		if err != nil {
			return nil, err
		}
		switch {
		case op == "=" && len(list) == 2:
			equal = v
		case (op == ">" || op == ">=") && i == 0:
			low, lowOpen = v, op == ">"
		case (op == "<" || op == "<=") && (i == 2 || len(list) == 2):
			high, highOpen = v, op == "<"
		default:
			return nil, fmt.Errorf("operator %q is not expected there", op)
		}
	}
	if low > high || low == high && (lowOpen || highOpen) {
		return nil, errors.New("bottom must be less than top")
	}
	return func(x any) bool {
		v, ok := toNumber(x)
		switch {
		case !ok:
			return false
		case !math.IsNaN(equal):
			return v == equal
		default:
			return (v > low || v == low && !lowOpen) && (v < high || v == high && !highOpen)
		}
	}, nil
}

func number(n json.Number) (float64, error) {
	f, err := strconv.ParseFloat(string(n), 64)
	if err != nil || math.Abs(f) > numericBound {
		return 0, fmt.Errorf("the number %s is not between -10^9 and 10^9", n)
	}
	return f, nil
}

// toNumber is the value as a number, if it is one. Text that looks like one is not.
func toNumber(x any) (float64, bool) {
	n, ok := x.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(n), 64)
	return f, err == nil
}
