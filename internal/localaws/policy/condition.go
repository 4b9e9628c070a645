package policy

import "strings"

// Condition is one operator applied to one key: it holds if one of the values fits.
type Condition struct {
	Operator string // as written: "ArnLike", "StringEqualsIfExists"
	Key      string // lower case: "aws:sourcearn"
	Values   []string
}

// A comparison says whether a wanted value fits the actual one.
type comparison func(wanted, actual string) bool

// operator returns the comparison that an operator's name stands for, and whether its
// sense is turned round. Unknown names have no comparison.
func operator(name string) (compare comparison, negated bool) {
	switch name {
	case "StringEquals":
		return equal, false
	case "StringNotEquals":
		return equal, true
	case "StringEqualsIgnoreCase":
		return strings.EqualFold, false
	case "StringNotEqualsIgnoreCase":
		return strings.EqualFold, true
	case "StringLike":
		return Match, false
	case "StringNotLike":
		return Match, true
	case "ArnEquals", "ArnLike": // AWS documents the two as the same
		return matchARN, false
	case "ArnNotEquals", "ArnNotLike":
		return matchARN, true
	case "Bool":
		return strings.EqualFold, false
	default:
		return further(name)
	}
}

func equal(a, b string) bool { return a == b }

// matchARN compares each of an ARN's six fields by itself, so that a * never reaches
// across a colon of the first five. A lone * stands for any ARN.
func matchARN(pattern, arn string) bool {
	a := strings.SplitN(arn, ":", 6)
	if len(a) != 6 || a[0] != "arn" {
		return false
	}
	if pattern == "*" {
		return true
	}
	p := strings.SplitN(pattern, ":", 6)
	if len(p) != 6 {
		return false
	}
	for i := range p {
		if !Match(p[i], a[i]) {
			return false
		}
	}
	return true
}

// supported says what of the condition this package cannot evaluate, or "".
func (c *Condition) supported() string {
	base := strings.TrimSuffix(c.Operator, "IfExists")
	compare, _ := operator(base)
	switch {
	case c.Operator == "Null":
		for _, v := range c.Values {
			if !strings.EqualFold(v, "true") && !strings.EqualFold(v, "false") {
				return `Null takes "true" or "false", not "` + v + `"`
			}
		}
		return ""
	case compare == nil:
		return "the condition operator " + c.Operator + " is not supported"
	}
	for _, v := range c.Values {
		if strings.Contains(v, "${") {
			return "policy variables are not supported: " + v
		}
		if strings.HasPrefix(base, "Arn") && v != "*" && strings.Count(v, ":") < 5 {
			return v + " is not an ARN (six fields separated by colons)"
		}
		if why := unreadable(base, v); why != "" {
			return why
		}
	}
	return ""
}

// holds says whether the condition holds, and whether it could be evaluated at all.
func (c *Condition) holds(keys map[string]string) (held, known bool) {
	if c.supported() != "" {
		return false, false
	}
	actual, present := keys[c.Key]
	if c.Operator == "Null" {
		for _, v := range c.Values {
			if strings.EqualFold(v, "true") != present {
				return true, true
			}
		}
		return false, true
	}
	base, ifExists := strings.CutSuffix(c.Operator, "IfExists")
	compare, negated := operator(base)
	if !present {
		// A key that is not there equals nothing.
		return ifExists || negated, true
	}
	for _, v := range c.Values {
		if compare(v, actual) {
			return !negated, true
		}
	}
	return negated, true
}
