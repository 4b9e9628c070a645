package auth

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Scope is a set of what somebody may do.
type Scope uint8

// What there is to do.
const (
	Read   Scope = 1 << iota // look at images, events and figures
	Upload                   // send images in, and through again
	Admin                    // delete, and move dead letters; it contains the others

	all = Read | Upload | Admin
)

var scopeNames = []struct {
	name  string
	scope Scope
}{{"read", Read}, {"upload", Upload}, {"admin", all}}

// ParseScope reads the name of one scope.
func ParseScope(name string) (Scope, error) {
	for _, s := range scopeNames {
		if s.name == name {
			return s.scope, nil
		}
	}
	return 0, fmt.Errorf("%.40q is no scope: read, upload or admin", name)
}

// Names are the scopes of a set, the widest alone where it contains the others.
func (s Scope) Names() []string {
	if s&Admin != 0 {
		return []string{"admin"}
	}
	names := []string{}
	for _, n := range scopeNames {
		if s&n.scope == n.scope {
			names = append(names, n.name)
		}
	}
	return names
}

func (s Scope) String() string { return strings.Join(s.Names(), ",") }

// has reports whether all of need is in s.
func (s Scope) has(need Scope) bool { return s&need == need }

// User is somebody, or a program with a token.
type User struct {
	Name  string // of a person as people know it, of a token as its file has it
	Token bool
	Scope Scope
	// Until is when this ends by itself: a session's or a token's end.
	Until time.Time
	// SignsOut is set where the user came by a session that can be ended.
	SignsOut bool

	session string      // the session's id; "" without one
	still   func() bool // whether it holds; nil: until Until
}

// Still reports whether the user is still one: sessions end and tokens are taken away while
// a stream of events goes on.
func (u *User) Still() bool {
	return (u.Until.IsZero() || time.Now().Before(u.Until)) && (u.still == nil || u.still())
}

// key tells users and tokens apart for limits.
func (u *User) key() string {
	if u.Token {
		return "token " + u.Name
	}
	return "user " + u.Name
}

type userKey struct{}

// Of is the user of a request's context; nil where nobody is asked.
func Of(ctx context.Context) *User {
	u, _ := ctx.Value(userKey{}).(*User)
	return u
}

// By is the attribute of a log line that says whose request it was; empty, which handlers
// leave out, where nobody is asked.
func By(ctx context.Context) slog.Attr {
	u := Of(ctx)
	if u == nil {
		return slog.Attr{}
	}
	return slog.String("by", u.key())
}

// maxName bounds a user's or token's name, bytes.
const maxName = 256

// goodName reports whether a name can be shown and logged: it has no control characters, no
// line ends of any kind, and nothing that turns the direction of text.
func goodName(name string) bool {
	return name != "" && len(name) <= maxName && utf8.ValidString(name) && strings.TrimSpace(name) == name &&
		!strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
}

// userScope is what a user of that name may do.
func (g *Guard) userScope(name string) Scope {
	if len(g.o.Admins) == 0 || slices.Contains(g.o.Admins, name) {
		return all
	}
	return Read | Upload
}
