package auth

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

const (
	// hashCost is that of hashes we make, maxCost of those we take: each step doubles the work
	// that every attempt to sign in costs us.
	hashCost = 12
	maxCost  = 15
	// maxPassword is what bcrypt looks at, bytes.
	maxPassword = 72
)

// users are the hashes of a htpasswd file.
type users struct {
	hashes map[string][]byte // by name
	cost   int               // the highest
}

// nobody is a hash of the users' cost that no password has.
func (u users) nobody() []byte {
	return fmt.Appendf(nil, "$2a$%02d$%s", u.cost, strings.Repeat(".", 53))
}

// parseUsers reads a htpasswd file with bcrypt hashes.
// Format: https://httpd.apache.org/docs/2.4/misc/password_encryptions.html
func parseUsers(text []byte) (users, error) {
	out := users{hashes: map[string][]byte{}}
	n := 0
	for line := range bytes.Lines(text) {
		n++
		line := strings.TrimSpace(string(line))
		if line == "" || line[0] == '#' {
			continue
		}
		name, hash, ok := strings.Cut(line, ":")
		switch {
		case !ok || !goodName(name):
			return out, fmt.Errorf("line %d: want name:hash, as `tintype auth hash` prints", n)
		case out.hashes[name] != nil:
			return out, fmt.Errorf("line %d: a second line for %s", n, name)
		}
		hash, _, _ = strings.Cut(hash, ":") // further fields are others'
		cost, err := bcrypt.Cost([]byte(hash))
		switch {
		case err != nil || len(hash) != 60 || !strings.HasPrefix(hash, "$2"):
			return out, fmt.Errorf("line %d: the hash of %s is not by bcrypt: make it with `tintype auth hash` or `htpasswd -B`", n, name)
		case cost > maxCost:
			return out, fmt.Errorf("line %d: the hash of %s has a cost of %d: at most %d", n, name, cost, maxCost)
		}
		out.hashes[name], out.cost = []byte(hash), max(out.cost, cost)
	}
	if len(out.hashes) == 0 {
		return out, errors.New("there is no user in it: `tintype auth hash NAME` prints a line for one")
	}
	return out, nil
}

// HashPassword makes a user's line of a htpasswd file.
func HashPassword(name, password string) (string, error) {
	return hashPassword(name, password, hashCost)
}

func hashPassword(name, password string, cost int) (string, error) {
	switch {
	case !goodName(name) || strings.ContainsAny(name, ":#"):
		return "", fmt.Errorf("%.80q is no name for a user: no colon, no #", name)
	case len(password) < 8:
		return "", errors.New("the password is shorter than 8 bytes")
	case len(password) > maxPassword:
		return "", fmt.Errorf("the password is longer than the %d bytes that bcrypt looks at", maxPassword)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		return "", err
	}
	// The same algorithm by the name that Apache knows it by.
	return name + ":$2y$" + strings.TrimPrefix(string(hash), "$2a$"), nil
}

// mark changes with a user's hash: sessions and memories of an old password end.
func mark(hash []byte) string {
	sum := sha256.Sum256(hash)
	return hex.EncodeToString(sum[:12])
}
