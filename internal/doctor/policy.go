package doctor

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
)

// verdict is what is known of whether something holds.
type verdict int

const (
	no verdict = iota
	maybe
	yes
)

// statement of a resource's policy. Format:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
type statement struct {
	sid                   string
	allow                 bool
	everyone, notThose    bool // Principal "*"; NotPrincipal
	services, accounts    []string
	actions, notActions   []string // lower case
	resources, notResurcs []string
	conditions            []condition
}

type condition struct {
	operator, key string // the key in lower case
	values        []string
}

// many takes one value for a list of one, as policies do.
type many []string

func (m *many) UnmarshalJSON(b []byte) error {
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	for _, x := range list {
		switch x.(type) {
		case string, bool, float64:
			*m = append(*m, fmt.Sprint(x))
		default:
			return fmt.Errorf("%v stands where a text should", x)
		}
	}
	return nil
}

type rawStatement struct {
	Sid, Effect             string
	Principal, NotPrincipal json.RawMessage
	Action, NotAction       many
	Resource, NotResource   many
	Condition               map[string]map[string]many
}

// parsePolicy reads a policy; an empty text is one without statements.
func parsePolicy(text string) ([]statement, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var doc struct{ Statement json.RawMessage }
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return nil, fmt.Errorf("the policy cannot be read: %w", err)
	}
	var raws []rawStatement
	if err := json.Unmarshal(doc.Statement, &raws); err != nil {
		var one rawStatement
		if err := json.Unmarshal(doc.Statement, &one); err != nil {
			return nil, fmt.Errorf("the policy's statements cannot be read: %w", err)
		}
		raws = []rawStatement{one}
	}
	out := make([]statement, 0, len(raws))
	for _, r := range raws {
		s := statement{sid: r.Sid, allow: r.Effect == "Allow", resources: r.Resource, notResurcs: r.NotResource}
		for _, a := range r.Action {
			s.actions = append(s.actions, strings.ToLower(a))
		}
		for _, a := range r.NotAction {
			s.notActions = append(s.notActions, strings.ToLower(a))
		}
		who := r.Principal
		if len(r.NotPrincipal) > 0 {
			who, s.notThose = r.NotPrincipal, true
		}
		if err := s.principal(who); err != nil {
			return nil, err
		}
		for op, keys := range r.Condition {
			for key, values := range keys {
				s.conditions = append(s.conditions, condition{op, strings.ToLower(key), values})
			}
		}
		out = append(out, s)
	}
	return out, nil
}

func (s *statement) principal(raw json.RawMessage) error {
	var kinds map[string]many
	if json.Unmarshal(raw, &kinds) != nil {
		var text string
		if err := json.Unmarshal(raw, &text); err != nil || text != "*" {
			return fmt.Errorf("the policy's principal %.80q cannot be read", raw)
		}
		s.everyone = true
		return nil
	}
	s.services, s.accounts = kinds["Service"], kinds["AWS"]
	s.everyone = slices.Contains(s.accounts, "*")
	return nil
}

// ask is what a service wants to do on behalf of a source.
type ask struct {
	service          string // "s3.amazonaws.com"
	action, resource string
	source           string // ARN
	account          string // the source's; empty: not known
}

// covers reports whether the statement speaks of a, its conditions aside.
func (s *statement) covers(a ask) bool {
	named := s.everyone || slices.ContainsFunc(s.services, func(v string) bool { return strings.EqualFold(v, a.service) })
	return named != s.notThose && s.does(a.action) && s.on(a.resource)
}

// does reports whether the statement speaks of an action.
func (s *statement) does(action string) bool {
	action = strings.ToLower(action)
	return len(s.actions) > 0 && matchAny(s.actions, action) || len(s.notActions) > 0 && !matchAny(s.notActions, action)
}

// on reports whether the statement speaks of a resource.
func (s *statement) on(resource string) bool {
	return len(s.resources) > 0 && matchAny(s.resources, resource) || len(s.notResurcs) > 0 && !matchAny(s.notResurcs, resource)
}

// holds says whether the statement's conditions hold for a.
func (s *statement) holds(a ask) verdict {
	v := yes
	for _, c := range s.conditions {
		v = min(v, c.holds(a))
	}
	return v
}

// The keys that a call of a service carries, and those that nobody outside can know.
const (
	keySourceArn     = "aws:sourcearn"
	keySourceAccount = "aws:sourceaccount"
	keyTLS           = "aws:securetransport"
)

func (c condition) holds(a ask) verdict {
	op := strings.TrimPrefix(strings.TrimPrefix(c.operator, "ForAnyValue:"), "ForAllValues:")
	op, ifExists := strings.CutSuffix(op, "IfExists")
	var value string
	switch c.key {
	case keySourceArn:
		value = a.source
	case keySourceAccount:
		value = a.account
	case keyTLS, "aws:principalisawsservice":
		value = "true"
	case "aws:principalservicename":
		value = a.service
	case "aws:sourceorgid", "aws:sourceorgpaths", "aws:currenttime", "aws:epochtime":
		return maybe
	}
	negated := strings.Contains(op, "Not")
	if value == "" {
		switch {
		case c.key == keySourceAccount:
			return maybe
		case ifExists || negated:
			return yes
		case op == "Null":
			return toVerdict(slices.Contains(c.values, "true"))
		}
		return no
	}
	var held bool
	switch strings.Replace(op, "Not", "", 1) {
	case "StringEquals", "ArnEquals", "ArnLike", "StringLike":
		held = slices.ContainsFunc(c.values, func(p string) bool {
			if op == "StringEquals" || op == "StringNotEquals" {
				return p == value
			}
			return match(p, value)
		})
	case "StringEqualsIgnoreCase", "Bool":
		held = slices.ContainsFunc(c.values, func(p string) bool { return strings.EqualFold(p, value) })
	case "Null":
		held = slices.Contains(c.values, "false")
	default:
		return maybe
	}
	return toVerdict(held != negated)
}

func toVerdict(b bool) verdict {
	if b {
		return yes
	}
	return no
}

// answer is what a policy says to an ask.
type answer struct {
	allowed   verdict
	deniedBy  *statement // where a statement denies it
	near      *statement // allows the same to another source or account
	offArn    bool       // near: it names another source
	offAcct   bool       // near: it names another account
	open      *statement // lets everybody in
	unguarded *statement // lets the service in, for whatever source of anybody
}

// evaluate asks a policy.
func evaluate(policy []statement, a ask) answer {
	var out answer
	for i := range policy {
		s := &policy[i]
		if !s.covers(a) {
			continue
		}
		held := s.holds(a)
		if !s.allow {
			if held == yes {
				out.deniedBy = s
			}
			continue
		}
		out.allowed = max(out.allowed, held)
		if held == no && out.near == nil {
			out.near = s
			for _, c := range s.conditions {
				if c.holds(a) != no {
					continue
				}
				out.offArn = out.offArn || c.key == keySourceArn
				out.offAcct = out.offAcct || c.key == keySourceAccount
			}
		}
		switch {
		case s.narrowed():
		case s.everyone:
			out.open = s
		default:
			out.unguarded = s
		}
	}
	if out.deniedBy != nil {
		out.allowed = no
	}
	return out
}

// narrowed reports whether a condition keeps anybody out, besides those without TLS.
func (s *statement) narrowed() bool {
	return slices.ContainsFunc(s.conditions, func(c condition) bool {
		return c.key != keyTLS && !slices.ContainsFunc(c.values, func(v string) bool { return strings.Trim(v, "*") == "" })
	})
}

// name is how a person finds the statement again.
func (s *statement) name() string {
	if s.sid == "" {
		return "a statement without Sid"
	}
	return fmt.Sprintf("statement %q", s.sid)
}

func matchAny(patterns []string, s string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, s) })
}

// match compares with a pattern of * and ?.
func match(pattern, s string) bool {
	// path.Match keeps its stars from crossing a slash, and knows classes and escapes that
	// policies do not.
	if !strings.ContainsAny(pattern, "*?") {
		return pattern == s
	}
	clean := strings.NewReplacer("/", "\x00", `\`, `\\`, "[", `\[`)
	ok, err := path.Match(clean.Replace(pattern), strings.ReplaceAll(s, "/", "\x00"))
	return err == nil && ok
}
