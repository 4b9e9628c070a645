// Package policy reads and evaluates the resource policies of queues, topics and
// buckets: who may do what to them, under which conditions. It is pure: no state, no
// input or output, and it imports none of our packages.
//
// The rules are those of the IAM policy language as far as resource policies use it
// (IAM User Guide, "Policy evaluation logic" and "IAM JSON policy elements
// reference"): an explicit Deny wins, otherwise an Allow is needed. What this package
// does not know fails closed: an Allow with an unsupported condition grants nothing, a
// Deny with one always denies. Validate names such parts, so that they are refused
// when the policy is set and not silently ignored later.
package policy

import "strings"

// Decision is what a policy says about a request.
type Decision int

const (
	// NoMatch means no statement speaks of the request. Only the owner is allowed.
	NoMatch Decision = iota
	// Allowed means an Allow statement matches and no Deny does.
	Allowed
	// Denied means a Deny statement matches.
	Denied
)

func (d Decision) String() string {
	switch d {
	case Allowed:
		return "allowed"
	case Denied:
		return "denied"
	default:
		return "no match"
	}
}

// Request is one thing somebody wants to do.
type Request struct {
	// Service is the calling service's principal ("s3.amazonaws.com"); empty for a
	// caller with credentials, who is named by PrincipalARN instead.
	Service string
	// PrincipalARN is the caller's ARN ("arn:aws:iam::000000000000:root").
	PrincipalARN string
	// Action has the service's prefix: "sns:Publish". Case does not matter.
	Action string
	// Resource is the ARN acted upon.
	Resource string
	// Context holds the values of condition keys, by lower-case key ("aws:sourcearn").
	Context map[string]string
}

// Evaluate says what the document decides about a request.
func (d *Document) Evaluate(r Request) Decision {
	decision := NoMatch
	for i := range d.Statements {
		s := &d.Statements[i]
		if !s.matches(r) {
			continue
		}
		if !s.Allow {
			return Denied
		}
		decision = Allowed
	}
	return decision
}

// Allows says whether the policy lets an AWS service do action (such as "sns:Publish")
// to the resource on behalf of a source, which is a bucket or topic by its ARN and the
// account that owns it. An empty or malformed policy allows nothing.
func Allows(policyJSON, service, action, resource, sourceARN, sourceAccount string) bool {
	return ForService(policyJSON, service, action, resource, sourceARN, sourceAccount) == Allowed
}

// ForService is Allows with the whole decision, for callers that tell a missing Allow
// from an explicit Deny. A malformed policy is Denied.
func ForService(policyJSON, service, action, resource, sourceARN, sourceAccount string) Decision {
	if strings.TrimSpace(policyJSON) == "" {
		return NoMatch
	}
	d, err := Parse(policyJSON)
	if err != nil {
		return Denied
	}
	// Services call each other inside the endpoint, as they do over TLS on AWS.
	keys := map[string]string{
		"aws:principalisawsservice": "true",
		"aws:principalservicename":  service,
		"aws:securetransport":       "true",
	}
	if sourceARN != "" {
		keys["aws:sourcearn"] = sourceARN
	}
	if sourceAccount != "" {
		keys["aws:sourceaccount"] = sourceAccount
	}
	return d.Evaluate(Request{Service: service, Action: action, Resource: resource, Context: keys})
}

func (s *Statement) matches(r Request) bool {
	return s.Principal.matches(r) &&
		anyMatch(s.Actions, strings.ToLower(r.Action)) != s.NotAction &&
		anyMatch(s.Resources, r.Resource) != s.NotResource &&
		s.conditionsHold(r)
}

// conditionsHold: all must hold. One that is not understood is taken to the safe side.
func (s *Statement) conditionsHold(r Request) bool {
	for _, c := range s.Conditions {
		held, known := c.holds(r.Context)
		if !known {
			held = !s.Allow
		}
		if !held {
			return false
		}
	}
	return true
}

func (p *Principal) matches(r Request) bool {
	return p.names(r) != p.Not
}

func (p *Principal) names(r Request) bool {
	if p.Everyone {
		return true
	}
	if r.Service != "" {
		for _, s := range p.Services {
			if strings.EqualFold(s, r.Service) {
				return true
			}
		}
		return false
	}
	account := arnAccount(r.PrincipalARN)
	for _, a := range p.AWS {
		switch {
		case a == r.PrincipalARN && a != "":
			return true
		// An account, in either spelling, stands for everybody in it.
		case account != "" && (a == account || strings.HasPrefix(a, "arn:") && strings.HasSuffix(a, ":iam::"+account+":root")):
			return true
		}
	}
	return false
}

// anyMatch says whether one of the patterns matches s.
func anyMatch(patterns []string, s string) bool {
	for _, p := range patterns {
		if Match(p, s) {
			return true
		}
	}
	return false
}

// Match says whether s matches the pattern, in which * stands for any run of
// characters and ? for exactly one. Case matters. It takes at most
// len(pattern)·len(s) steps, whatever the pattern.
func Match(pattern, s string) bool {
	p, i := 0, 0
	star, mark := -1, 0 // the last * seen, and where its run in s ends for now
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// arnAccount is the fifth field of an ARN, or "".
func arnAccount(arn string) string {
	f := strings.SplitN(arn, ":", 6)
	if len(f) != 6 || f[0] != "arn" {
		return ""
	}
	return f[4]
}
