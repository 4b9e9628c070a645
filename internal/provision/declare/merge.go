package declare

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// defaultSid is the statement of the policy that SNS gives a topic that got none. It lets
// the whole account do everything, which its users' own policies say better: it goes
// where a policy of ours comes.
const defaultSid = "__default_statement_ID"

// Merge puts the statements of d into a policy that is there, which may be empty. What
// others stated stays; a statement under one of our Sids that says
// something else is replaced. It returns the policy as it should be and the Sids of what
// was not there; where there are none, nothing is to be done.
func (d Document) Merge(have string) (want string, missing []string, err error) {
	if d.Empty() {
		return have, nil, nil
	}
	old, err := parse(have)
	if err != nil {
		return "", nil, err
	}
	ours := map[string]bool{}
	for _, s := range d.Statement {
		ours[s.Sid] = true
		there := slices.ContainsFunc(old.Statement, func(h json.RawMessage) bool { return says(h, s) })
		altered := slices.ContainsFunc(old.Statement, func(h json.RawMessage) bool { return sidOf(h) == s.Sid && !says(h, s) })
		if !there || altered {
			missing = append(missing, s.Sid)
		}
	}
	if len(missing) == 0 {
		return have, nil, nil
	}
	out := struct {
		Version   string            `json:"Version"`
		ID        string            `json:"Id,omitempty"`
		Statement []json.RawMessage `json:"Statement"`
	}{Version: policyVersion, ID: old.ID}
	for _, h := range old.Statement {
		if sid := sidOf(h); !ours[sid] && sid != defaultSid {
			out.Statement = append(out.Statement, h)
		}
	}
	for _, s := range d.Statement {
		b, err := encode(s)
		if err != nil {
			return "", nil, err
		}
		out.Statement = append(out.Statement, b)
	}
	b, err := encode(out)
	return string(b), missing, err
}

// Without takes the statements of d out of a policy that is there. The result is empty
// where nothing is left.
func (d Document) Without(have string) (want string, changed bool, err error) {
	old, err := parse(have)
	if err != nil {
		return "", false, err
	}
	left := slices.DeleteFunc(slices.Clone(old.Statement), func(h json.RawMessage) bool {
		return slices.ContainsFunc(d.Statement, func(s Statement) bool { return s.Sid == sidOf(h) })
	})
	if len(left) == len(old.Statement) {
		return have, false, nil
	}
	if len(left) == 0 {
		return "", true, nil
	}
	b, err := encode(struct {
		Version   string            `json:"Version"`
		ID        string            `json:"Id,omitempty"`
		Statement []json.RawMessage `json:"Statement"`
	}{policyVersion, old.ID, left})
	return string(b), true, err
}

// policyText is a policy as it is there.
type policyText struct {
	ID        string `json:"Id"`
	Statement list   `json:"Statement"`
}

// list takes a single statement for a list of one, as AWS does.
type list []json.RawMessage

func (l *list) UnmarshalJSON(b []byte) error {
	if b = bytes.TrimSpace(b); len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, (*[]json.RawMessage)(l))
	}
	*l = list{slices.Clone(b)}
	return nil
}

func parse(text string) (policyText, error) {
	var p policyText
	if strings.TrimSpace(text) == "" {
		return p, nil
	}
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return p, fmt.Errorf("the policy that is there cannot be read: %w", err)
	}
	return p, nil
}

func sidOf(statement json.RawMessage) string {
	var s struct{ Sid string }
	if json.Unmarshal(statement, &s) != nil {
		return ""
	}
	return s.Sid
}

// says compares what two statements say, whatever they are called: one that somebody made
// by hand serves as well. The services give policies back with their own spacing and order.
func says(have json.RawMessage, want Statement) bool {
	b, err := encode(want)
	if err != nil {
		return false
	}
	a, okA := plain(have)
	w, okW := plain(b)
	return okA && okW && reflect.DeepEqual(a, w)
}

// plain brings a statement into one of the forms in which it can be written.
func plain(raw []byte) (map[string]any, bool) {
	var m map[string]any
	if json.Unmarshal(raw, &m) != nil {
		return nil, false
	}
	delete(m, "Sid")
	for k, v := range m {
		m[k] = plainValue(v)
	}
	if p, ok := m["Principal"].(map[string]any); ok && len(p) == 1 && reflect.DeepEqual(p["AWS"], []any{"*"}) {
		m["Principal"] = []any{"*"}
	}
	if actions, ok := m["Action"].([]any); ok {
		for i, a := range actions {
			if s, ok := a.(string); ok {
				actions[i] = strings.ToLower(s)
			}
		}
	}
	return m, true
}

// plainValue makes each value a sorted list of text.
func plainValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			v[k] = plainValue(x)
		}
		return v
	case []any:
		out := slices.Clone(v)
		slices.SortFunc(out, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		return out
	default:
		return []any{fmt.Sprint(v)}
	}
}

// SameJSON compares two JSON texts by content.
func SameJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}
