package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// allowList is whom of a provider's people is meant. A provider that anybody may have an
// account with, as Google's, vouches for everybody.
type allowList struct {
	everybody               bool
	emails, domains, groups []string // emails and domains in lower case
}

// parseAllow reads a list of mail addresses, "@domain", "group:name" and "*".
func parseAllow(entries []string) (a allowList, err error) {
	for _, e := range entries {
		e = strings.TrimSpace(e)
		group, isGroup := strings.CutPrefix(e, "group:")
		at := strings.LastIndexByte(e, '@')
		switch {
		case e == "*":
			a.everybody = true
		case isGroup && group != "":
			a.groups = append(a.groups, group)
		case at == 0 && len(e) > 1:
			a.domains = append(a.domains, strings.ToLower(e[1:]))
		case at > 0 && at < len(e)-1 && !isGroup:
			a.emails = append(a.emails, strings.ToLower(e))
		default:
			return a, fmt.Errorf("%.80q is nobody: want a mail address, @domain, group:name or *", e)
		}
	}
	return a, nil
}

func (a allowList) empty() bool {
	return !a.everybody && len(a.emails)+len(a.domains)+len(a.groups) == 0
}

// has reports whether somebody is meant. An address that the provider has not verified is
// anybody's claim, and does not count.
func (a allowList) has(c claims) bool {
	if a.everybody {
		return true
	}
	if c.EmailVerified && c.Email != "" {
		email := strings.ToLower(c.Email)
		domain := email[strings.LastIndexByte(email, '@')+1:]
		if slices.Contains(a.emails, email) || domain != email && slices.Contains(a.domains, domain) {
			return true
		}
	}
	return slices.ContainsFunc(c.Groups, func(g string) bool { return slices.Contains(a.groups, g) })
}

// lists are who is let in and who may also delete: all of them, where none is named.
func (p Provider) lists(admins []string) (allow, admin allowList, err error) {
	if allow, err = parseAllow(p.Allow); err != nil {
		return allow, admin, err
	}
	if allow.empty() {
		return allow, admin, errors.New("nobody is allowed in: name addresses, @domain, group:name, or * for everybody that the provider knows")
	}
	if admin, err = parseAllow(admins); err != nil {
		return allow, admin, err
	}
	admin.everybody = admin.everybody || admin.empty()
	return allow, admin, nil
}
