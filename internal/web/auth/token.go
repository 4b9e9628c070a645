package auth

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// tokenPrefix tells our tokens from others', also to programs that search for secrets where
// none should be.
const tokenPrefix = "tintype_"

// token is one line of the file of tokens.
type token struct {
	name    string
	digest  [sha256.Size]byte // of the whole token: it is random enough to need no more
	scope   Scope
	expires time.Time // zero: never
}

// tokens are a file's, by digest.
type tokens map[[sha256.Size]byte]token

// NewToken makes a token, and its line for the file of tokens.
func NewToken(name string, scope Scope, expires time.Time) (secret, line string, err error) {
	if !goodName(name) || strings.ContainsFunc(name, func(r rune) bool { return r == ' ' || r == '#' }) {
		return "", "", fmt.Errorf("%.80q is no name for a token: letters, digits and signs, without spaces", name)
	}
	if scope == 0 {
		return "", "", errors.New("a token needs a scope: read, upload or admin")
	}
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails
	secret = tokenPrefix + base64.RawURLEncoding.EncodeToString(random)
	end := "never"
	if !expires.IsZero() {
		end = expires.UTC().Format(time.RFC3339)
	}
	digest := sha256.Sum256([]byte(secret))
	return secret, fmt.Sprintf("%s %s %s %s", name, hex.EncodeToString(digest[:]), scope, end), nil
}

// TokenNames are the names in a file of tokens.
func TokenNames(text []byte) (map[string]bool, error) {
	all, err := parseTokens(text)
	names := map[string]bool{}
	for _, t := range all {
		names[t.name] = true
	}
	return names, err
}

// parseTokens reads a file of tokens: name, SHA-256 in hexadecimal, scopes and end, separated
// by spaces, one token a line.
func parseTokens(text []byte) (tokens, error) {
	out, names := tokens{}, map[string]bool{}
	n := 0
	for line := range bytes.Lines(text) {
		n++
		fields := strings.Fields(string(line))
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) != 4 {
			return nil, fmt.Errorf("line %d: want name, SHA-256, scopes and end, as `tintype auth token` prints", n)
		}
		t := token{name: fields[0]}
		switch {
		case !goodName(t.name):
			return nil, fmt.Errorf("line %d: %.80q is no name for a token", n, t.name)
		case names[t.name]:
			return nil, fmt.Errorf("line %d: a second token of the name %s", n, t.name)
		}
		digest, err := hex.DecodeString(fields[1])
		if err != nil || len(digest) != len(t.digest) {
			return nil, fmt.Errorf("line %d: the second field must be a SHA-256 of 64 hexadecimal digits", n)
		}
		copy(t.digest[:], digest)
		if _, twice := out[t.digest]; twice {
			return nil, fmt.Errorf("line %d: the same token under two names", n)
		}
		for name := range strings.SplitSeq(fields[2], ",") {
			s, err := ParseScope(name)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", n, err)
			}
			t.scope |= s
		}
		if fields[3] != "never" {
			if t.expires, err = time.Parse(time.RFC3339, fields[3]); err != nil {
				return nil, fmt.Errorf("line %d: the end must be an instant such as 2030-01-31T00:00:00Z, or never", n)
			}
		}
		out[t.digest], names[t.name] = t, true
	}
	return out, nil
}

// find looks a token up by its digest, of which a stranger cannot choose a part: how long
// that takes says nothing about the tokens there are.
func (all tokens) find(secret string) (token, bool) {
	digest := sha256.Sum256([]byte(secret))
	t, ok := all[digest]
	if !ok || subtle.ConstantTimeCompare(t.digest[:], digest[:]) != 1 || !t.expires.IsZero() && !time.Now().Before(t.expires) {
		return token{}, false
	}
	return t, true
}

// byToken is the user of a token; nil where it is none.
func (g *Guard) byToken(secret string) *User {
	if g.tokens == nil {
		return nil
	}
	t, ok := g.tokens.Get().find(secret)
	if !ok {
		return nil
	}
	return &User{Name: t.name, Token: true, Scope: t.scope, Until: t.expires, still: func() bool {
		now, ok := g.tokens.Get()[t.digest]
		return ok && now.scope.has(t.scope) && now.name == t.name && now.expires.Equal(t.expires)
	}}
}
