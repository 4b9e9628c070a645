package auth

import (
	"encoding/json"
	"strings"
)

// claims are what a provider says of somebody.
type claims struct {
	Subject       string
	Email         string
	EmailVerified bool
	Groups        []string
}

// parseClaims reads an ID token's or the user info's claims. Groups may be one text or a
// list, and some providers say "true" for true.
func parseClaims(raw []byte, groupsClaim string) (claims, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return claims{}, err
	}
	var c claims
	text := func(name string) (s string) {
		_ = json.Unmarshal(all[name], &s) // what is no text says nothing
		return s
	}
	c.Subject, c.Email = text("sub"), text("email")
	c.EmailVerified = string(all["email_verified"]) == "true" || text("email_verified") == "true"
	if json.Unmarshal(all[groupsClaim], &c.Groups) != nil {
		c.Groups = nil
		if one := text(groupsClaim); one != "" {
			c.Groups = []string{one}
		}
	}
	return c, nil
}

// name is what somebody is called here: the address, where the provider has verified it.
// Names that people choose for themselves could be others' names.
func (c claims) name() string {
	if c.EmailVerified && goodName(c.Email) && strings.Contains(c.Email, "@") {
		return strings.ToLower(c.Email)
	}
	if goodName(c.Subject) {
		return c.Subject
	}
	return ""
}
