package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"runtime"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/crypto/bcrypt"

	"github.com/tintype/tintype/internal/fault"
)

const (
	// remembered is for how many users, and rememberFor how long, a right password need not be
	// hashed again: programs send theirs with every request.
	remembered  = 1000
	rememberFor = 5 * time.Minute
	// hashWait is how long an attempt waits for its turn.
	hashWait = 5 * time.Second
)

// passwords checks passwords, a few at a time: each takes a processor for a while, and
// strangers may ask for it.
type passwords struct {
	turns chan struct{}
	key   []byte // of the digests that good is indexed by
	good  locked[*simplelru.LRU[[sha256.Size]byte, time.Time]]
}

func newPasswords() *passwords {
	p := &passwords{turns: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)), key: make([]byte, 32)}
	_, _ = rand.Read(p.key) // never fails
	var err error
	if p.good.v, err = simplelru.NewLRU[[sha256.Size]byte, time.Time](remembered, nil); err != nil {
		panic(err) // only of a size that is not positive
	}
	return p
}

// right reports whether password is that of hash. It takes as long whether or not it is.
func (p *passwords) right(ctx context.Context, hash []byte, password string) (bool, error) {
	select {
	case p.turns <- struct{}{}:
		defer func() { <-p.turns }()
	case <-ctx.Done():
		return false, ctx.Err()
	case <-time.After(hashWait):
		return false, &fault.Error{Op: "check password", Kind: fault.Retry, Code: fault.CodeUnavailable, Message: "too many sign in at once"}
	}
	return len(password) <= maxPassword && bcrypt.CompareHashAndPassword(hash, []byte(password)) == nil, nil
}

// digest is what is remembered of a right password.
func (p *passwords) digest(hash []byte, password string) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, p.key)
	mac.Write(hash)
	mac.Write([]byte(password))
	mac.Sum(sum[:0])
	return sum
}

func (p *passwords) known(sum [sha256.Size]byte) bool {
	p.good.mu.Lock()
	defer p.good.mu.Unlock()
	until, ok := p.good.v.Get(sum)
	return ok && time.Now().Before(until)
}

func (p *passwords) remember(sum [sha256.Size]byte) {
	p.good.mu.Lock()
	defer p.good.mu.Unlock()
	p.good.v.Add(sum, time.Now().Add(rememberFor))
}

// check is the user of a name and a password. Failures of a client, and as a user, are
// counted before the password is looked at, so that attempts side by side are, too.
func (g *Guard) check(r *http.Request, name, password string) (*User, error) {
	have := g.users.Get()
	hash, known := have.hashes[name]
	sum := g.passwords.digest(hash, password)
	if known && g.passwords.known(sum) {
		return g.passwordUser(name, hash), nil
	}
	client := g.client(r)
	for _, l := range []struct {
		count func(string) (time.Duration, bool)
		of    string
	}{{g.failures.Take, client}, {g.guesses.Take, bounded(name)}} {
		if wait, ok := l.count(l.of); !ok {
			g.log.Warn("too many failed sign-ins", "user", bounded(name), "client", client)
			return nil, tooMany(wait, "Too many sign-ins have failed.")
		}
	}
	if !known {
		hash = have.nobody()
	}
	ok, err := g.passwords.right(r.Context(), hash, password)
	if err != nil {
		return nil, err
	}
	if !ok || !known {
		g.log.Warn("sign-in failed", "user", bounded(name), "client", client)
		return nil, refuse(CodeSignedOut, "Try again, or ask who runs this server.", "Name and password do not go together.")
	}
	g.failures.Return(client)
	g.guesses.Return(bounded(name))
	g.passwords.remember(sum)
	return g.passwordUser(name, hash), nil
}

func (g *Guard) passwordUser(name string, hash []byte) *User {
	m := mark(hash)
	return &User{Name: name, Scope: g.userScope(name), still: func() bool { return g.holds(name, m) }}
}

// holds reports whether a user has the password that mark is of.
func (g *Guard) holds(name, m string) bool {
	hash, ok := g.users.Get().hashes[name]
	return ok && mark(hash) == m
}

// bounded makes a name that strangers sent fit to be kept and logged.
func bounded(name string) string {
	if len(name) > maxName {
		name = name[:maxName]
	}
	return name
}
