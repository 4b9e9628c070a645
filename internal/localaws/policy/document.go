package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// MaxBytes bounds a policy document: the 30 KiB that SNS allows, the largest limit of
// the services that use this package.
const MaxBytes = 30 << 10

// Document is a parsed policy.
type Document struct {
	Version    string
	ID         string
	Statements []Statement
}

// Statement allows or denies something to somebody.
type Statement struct {
	SID         string
	Allow       bool // false: Deny
	Principal   Principal
	Actions     []string // lower case, since AWS compares actions without regard to case
	NotAction   bool     // Actions are those the statement does not speak of
	Resources   []string
	NotResource bool
	Conditions  []Condition
}

// Principal is whom a statement speaks of.
type Principal struct {
	Everyone bool     // "*" or {"AWS": "*"}
	AWS      []string // account ids and ARNs
	Services []string // "sns.amazonaws.com"
	Not      bool     // NotPrincipal: everybody else
}

// Validate says what is wrong with a policy: what Parse refuses, and conditions this
// package cannot evaluate. A service must refuse to store a policy that fails here.
func Validate(policyJSON string) error {
	d, err := Parse(policyJSON)
	if err != nil {
		return err
	}
	return d.supported()
}

// supported says which condition cannot be evaluated.
func (d *Document) supported() error {
	for i := range d.Statements {
		for _, c := range d.Statements[i].Conditions {
			if why := c.supported(); why != "" {
				return fmt.Errorf("statement %d: %s", i+1, why)
			}
		}
	}
	return nil
}

// Parse reads a policy document of a resource. Unknown elements are errors.
func Parse(policyJSON string) (*Document, error) { return parse(policyJSON, false) }

// ParseIdentity reads a policy document of a user or a role. It names no principal: it
// speaks of whoever has it. Conditions that cannot be evaluated are errors.
func ParseIdentity(policyJSON string) (*Document, error) {
	d, err := parse(policyJSON, true)
	if err != nil {
		return nil, err
	}
	return d, d.supported()
}

func parse(policyJSON string, identity bool) (*Document, error) {
	if len(policyJSON) > MaxBytes {
		return nil, fmt.Errorf("the policy has %d bytes, at most %d are allowed", len(policyJSON), MaxBytes)
	}
	fields, err := object([]byte(policyJSON))
	if err != nil {
		return nil, fmt.Errorf("the policy is not a JSON object: %w", err)
	}
	d := &Document{}
	for name, raw := range fields {
		switch name {
		case "Version":
			err = str(raw, &d.Version)
			if err == nil && d.Version != "2012-10-17" && d.Version != "2008-10-17" {
				err = fmt.Errorf("%q is neither 2012-10-17 nor 2008-10-17", d.Version)
			}
		case "Id":
			err = str(raw, &d.ID)
		case "Statement":
			d.Statements, err = statements(raw, identity)
		default:
			err = errors.New("no such policy element")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if len(d.Statements) == 0 {
		return nil, errors.New("the policy has no Statement")
	}
	return d, nil
}

func statements(raw json.RawMessage, identity bool) ([]Statement, error) {
	list := []json.RawMessage{raw}
	if isList(raw) {
		list = nil
		if err := json.Unmarshal(raw, &list); err != nil {
			return nil, err
		}
	}
	out := make([]Statement, 0, len(list))
	for i, r := range list {
		s, err := statement(r, identity)
		if err != nil {
			return nil, fmt.Errorf("%d: %w", i+1, err)
		}
		out = append(out, s)
	}
	return out, nil
}

func statement(raw json.RawMessage, identity bool) (Statement, error) {
	var s Statement
	fields, err := object(raw)
	if err != nil {
		return s, err
	}
	if err := oneOf(fields, "Effect"); err != nil {
		return s, err
	}
	pairs := [][]string{{"Action", "NotAction"}, {"Resource", "NotResource"}}
	if !identity {
		pairs = append(pairs, []string{"Principal", "NotPrincipal"})
	} else if fields["Principal"] != nil || fields["NotPrincipal"] != nil {
		return s, errors.New("a user's policy names no Principal")
	}
	for _, pair := range pairs {
		if err := oneOf(fields, pair...); err != nil {
			return s, err
		}
	}
	for name, raw := range fields {
		if err := s.set(name, raw); err != nil {
			return s, fmt.Errorf("%s: %w", name, err)
		}
	}
	if identity {
		s.Principal.Everyone = true
	}
	return s, nil
}

func (s *Statement) set(name string, raw json.RawMessage) (err error) {
	switch name {
	case "Sid":
		return str(raw, &s.SID)
	case "Effect":
		var effect string
		if err := str(raw, &effect); err != nil {
			return err
		}
		if effect != "Allow" && effect != "Deny" {
			return fmt.Errorf("%q is neither Allow nor Deny", effect)
		}
		s.Allow = effect == "Allow"
	case "Principal", "NotPrincipal":
		s.Principal, err = principal(raw)
		s.Principal.Not = name == "NotPrincipal"
	case "Action", "NotAction":
		s.NotAction = name == "NotAction"
		s.Actions, err = actions(raw)
	case "Resource", "NotResource":
		s.NotResource = name == "NotResource"
		s.Resources, err = stringsOf(raw)
		if slices.ContainsFunc(s.Resources, func(r string) bool { return strings.Contains(r, "${") }) {
			return errors.New("policy variables are not supported")
		}
	case "Condition":
		s.Conditions, err = conditions(raw)
	default:
		return errors.New("no such statement element")
	}
	return err
}

func actions(raw json.RawMessage) ([]string, error) {
	list, err := stringsOf(raw)
	if err != nil {
		return nil, err
	}
	for i, a := range list {
		if prefix, action, ok := strings.Cut(a, ":"); a != "*" && (!ok || prefix == "" || action == "") {
			return nil, fmt.Errorf("%q has not the form service:action", a)
		}
		list[i] = strings.ToLower(a)
	}
	return list, nil
}

func principal(raw json.RawMessage) (Principal, error) {
	var p Principal
	if !isObject(raw) {
		var s string
		if err := str(raw, &s); err != nil {
			return p, err
		}
		if s != "*" {
			return p, fmt.Errorf(`%q is neither "*" nor an object such as {"Service": "sns.amazonaws.com"}`, s)
		}
		p.Everyone = true
		return p, nil
	}
	fields, err := object(raw)
	if err != nil {
		return p, err
	}
	if len(fields) == 0 {
		return p, errors.New("nobody is named")
	}
	for kind, raw := range fields {
		list, err := stringsOf(raw)
		if err != nil {
			return p, fmt.Errorf("%s: %w", kind, err)
		}
		switch kind {
		case "AWS":
			p.AWS = list
			p.Everyone = p.Everyone || slices.Contains(list, "*")
		case "Service":
			p.Services = list
		case "Federated", "CanonicalUser":
			// Nobody here calls as one of these: such a statement never applies.
		default:
			return p, fmt.Errorf("%s: no such kind of principal", kind)
		}
	}
	return p, nil
}

func conditions(raw json.RawMessage) ([]Condition, error) {
	operators, err := object(raw)
	if err != nil {
		return nil, err
	}
	var out []Condition
	for op, raw := range operators {
		keys, err := object(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", op, err)
		}
		for key, raw := range keys {
			values, err := stringsOf(raw)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", op, key, err)
			}
			out = append(out, Condition{Operator: op, Key: strings.ToLower(key), Values: values})
		}
	}
	// A map has no order; a document does, so that evaluating and printing repeat.
	slices.SortFunc(out, func(a, b Condition) int {
		return strings.Compare(a.Operator+"\x00"+a.Key, b.Operator+"\x00"+b.Key)
	})
	return out, nil
}

// oneOf makes sure that exactly one of the elements is there.
func oneOf(fields map[string]json.RawMessage, names ...string) error {
	n := 0
	for _, name := range names {
		if _, ok := fields[name]; ok {
			n++
		}
	}
	switch {
	case n == 0:
		return fmt.Errorf("%s is missing", names[0])
	case n > 1:
		return fmt.Errorf("%s exclude each other", strings.Join(names, " and "))
	}
	return nil
}

// object reads a JSON object. Names are kept as written, unlike with struct tags, and
// a name given twice is an error: a reader and the evaluation could each believe another.
func object(raw []byte) (map[string]json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	open, err := dec.Token()
	if err != nil {
		return nil, err
	}
	if open != json.Delim('{') {
		return nil, errors.New("an object is expected")
	}
	fields := map[string]json.RawMessage{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		key := name.(string) // the decoder lets nothing else stand there
		if _, twice := fields[key]; twice {
			return nil, fmt.Errorf("%q is given twice", key)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
		fields[key] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the closing brace")
	}
	return fields, nil
}

// stringsOf reads one scalar or a non-empty list of them. Condition values may be
// written as JSON booleans and numbers; they mean their text.
func stringsOf(raw json.RawMessage) ([]string, error) {
	list := []json.RawMessage{raw}
	if isList(raw) {
		list = nil
		if err := json.Unmarshal(raw, &list); err != nil {
			return nil, err
		}
	}
	if len(list) == 0 {
		return nil, errors.New("the list is empty")
	}
	out := make([]string, len(list))
	for i, r := range list {
		dec := json.NewDecoder(bytes.NewReader(r))
		dec.UseNumber()
		var v any
		if err := dec.Decode(&v); err != nil {
			return nil, err
		}
		switch v := v.(type) {
		case string:
			out[i] = v
		case bool:
			out[i] = strconv.FormatBool(v)
		case json.Number:
			out[i] = v.String()
		default:
			return nil, errors.New("a string or a list of strings is expected")
		}
	}
	return out, nil
}

func str(raw json.RawMessage, to *string) error {
	list, err := stringsOf(raw)
	if err != nil || isList(raw) {
		return errors.New("a string is expected")
	}
	*to = list[0]
	return nil
}

func isList(raw json.RawMessage) bool   { return bytes.HasPrefix(bytes.TrimSpace(raw), []byte("[")) }
func isObject(raw json.RawMessage) bool { return bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) }
