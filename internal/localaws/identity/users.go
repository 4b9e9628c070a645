// Package identity knows the endpoint's users besides the account's own, and what each may
// do: access keys with IAM policies, as a test of least privilege needs them.
//
// A user may do what one of its policies allows and none denies. It is pure but for
// reading the file, and of ours it imports only the policy package.
package identity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/tintype/tintype/internal/localaws/policy"
)

// maxFile bounds the file of users, bytes.
const maxFile = 8 << 20

// User is one of them.
type User struct {
	Name      string
	AccessKey string
	SecretKey string
	Policies  []*policy.Document
}

// Access is one decision.
type Access struct {
	User     string
	Action   string // "s3:GetObject"
	Resource string // ARN, or "*" where the action has no resource
	Allowed  bool
	// Implied says that the action is no call of its own, but decides what another answers:
	// who may list a bucket is told that a key is not there.
	Implied bool
}

// Users are the endpoint's users by their access keys. A nil Users has none.
type Users struct {
	account string
	byKey   map[string]*User
	told    func(Access)
}

// file is how users are written down.
type file struct {
	Users []struct {
		Name      string            `json:"name"`
		AccessKey string            `json:"accessKey"`
		SecretKey string            `json:"secretKey"`
		Policies  []json.RawMessage `json:"policies"`
	} `json:"users"`
}

var (
	userName  = regexp.MustCompile(`^[A-Za-z0-9+=,.@_-]{1,64}$`)
	accessKey = regexp.MustCompile(`^[A-Za-z0-9_]{3,128}$`)
)

// Parse reads users; account is the account they are of. told hears of every decision and
// may be nil.
//
//	{"users": [{"name": "web", "accessKey": "…", "secretKey": "…", "policies": [{…}]}]}
func Parse(text []byte, account string, told func(Access)) (*Users, error) {
	if len(text) > maxFile {
		return nil, fmt.Errorf("the users have more than %d bytes", maxFile)
	}
	var f file
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("users: %w", err)
	}
	if d.More() {
		return nil, errors.New("users: something follows the closing brace")
	}
	u := &Users{account: account, byKey: map[string]*User{}, told: told}
	var names []string
	for i, x := range f.Users {
		switch {
		case !userName.MatchString(x.Name):
			return nil, fmt.Errorf("user %d: %q is no name: 1 to 64 letters, digits and +=,.@_-", i+1, x.Name)
		case slices.Contains(names, x.Name):
			return nil, fmt.Errorf("user %s is there twice", x.Name)
		case !accessKey.MatchString(x.AccessKey):
			return nil, fmt.Errorf("user %s: the access key must have 3 to 128 letters and digits", x.Name)
		case u.byKey[x.AccessKey] != nil:
			return nil, fmt.Errorf("user %s: the access key is that of %s as well", x.Name, u.byKey[x.AccessKey].Name)
		case x.SecretKey == "":
			return nil, fmt.Errorf("user %s has no secretKey", x.Name)
		}
		names = append(names, x.Name)
		user := &User{Name: x.Name, AccessKey: x.AccessKey, SecretKey: x.SecretKey}
		for n, raw := range x.Policies {
			p, err := policy.ParseIdentity(string(raw))
			if err != nil {
				return nil, fmt.Errorf("user %s: policy %d: %w", x.Name, n+1, err)
			}
			user.Policies = append(user.Policies, p)
		}
		u.byKey[x.AccessKey] = user
	}
	return u, nil
}

// Secret is the secret of a user's access key.
func (u *Users) Secret(key string) (string, bool) {
	if u == nil || u.byKey[key] == nil {
		return "", false
	}
	return u.byKey[key].SecretKey, true
}

// Is says whether the access key is that of a user.
func (u *Users) Is(key string) bool { return u != nil && u.byKey[key] != nil }

// ARN is the user's, by the access key.
func (u *Users) ARN(key string) string {
	return "arn:aws:iam::" + u.account + ":user/" + u.byKey[key].Name
}

// May says whether the user of an access key may do something.
func (u *Users) May(key, action, resource string, keys map[string]string) bool {
	return u.decide(key, action, resource, keys, false)
}

// Implies is May for what is no call of its own.
func (u *Users) Implies(key, action, resource string, keys map[string]string) bool {
	return u.decide(key, action, resource, keys, true)
}

func (u *Users) decide(key, action, resource string, keys map[string]string, implied bool) bool {
	user := u.byKey[key]
	if user == nil {
		return false
	}
	r := policy.Request{PrincipalARN: u.ARN(key), Action: action, Resource: resource, Context: keys}
	allowed, denied := false, false
	for _, p := range user.Policies {
		switch p.Evaluate(r) {
		case policy.Denied:
			denied = true
		case policy.Allowed:
			allowed = true
		case policy.NoMatch:
		}
	}
	allowed = allowed && !denied
	if u.told != nil {
		u.told(Access{User: user.Name, Action: action, Resource: resource, Allowed: allowed, Implied: implied})
	}
	return allowed
}
