// Package auth says who may use the web tier, and how much of it: people who sign in with
// a password or through an OpenID provider, people whom a proxy vouches for, and programs
// with tokens.
//
// Guard.Middleware is all that the web tier sees of it: what comes through has a User in
// its context, may do what it asks for, and has not asked too often. The guard keeps no
// state that other instances would need: sessions travel in sealed cookies.
//
// Of ours it imports fault, fresh and limit.
package auth

import (
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/tintype/tintype/internal/fresh"
	"github.com/tintype/tintype/internal/problem"
	"github.com/tintype/tintype/internal/web/limit"
)

// Mode is how people prove who they are.
type Mode string

// The modes.
const (
	None  Mode = "none"  // nobody is asked
	Basic Mode = "basic" // name and password, of a file
	OIDC  Mode = "oidc"  // an OpenID provider says
	Proxy Mode = "proxy" // a proxy in front says, in a header
)

// Codes of refusals. They are part of the API.
const (
	CodeSignedOut = problem.CodeSignedOut // nobody, or not any more
	CodeForbidden = problem.CodeForbidden // somebody who may not do this
	CodeTooMany   = problem.CodeTooMany   // too often
)

// Options say who may do what.
type Options struct {
	Mode Mode
	// UsersFile is the htpasswd file of Basic, TokensFile that of tokens; "": no tokens.
	UsersFile, TokensFile string
	// Admins are the users that may also delete; empty: all may. With OIDC they are as in
	// Provider.Allow.
	Admins []string

	// SessionKeys is the file of the keys that seal sessions, one a line in base64: the first
	// seals, all open. Instances behind one address need the same. "": a key of this process.
	SessionKeys string
	SessionLife time.Duration // how long a sign-in holds; default 12 h

	Provider Provider // of OIDC

	UserHeader string // of Proxy; default X-Forwarded-User
	// TrustedProxies are the addresses whose word on users and clients' addresses is taken.
	TrustedProxies []netip.Prefix

	// PublicURL is where browsers reach the page; OIDC's provider sends them back there. With
	// https in it, cookies are for https alone.
	PublicURL string
	// OpenMetrics lets anybody read the metrics.
	OpenMetrics bool
	Limits      Limits
	Logger      *slog.Logger
}

// Limits are for each client: a signed-in user, a token, or an address (of IPv6: a /64).
// What is 0 is not limited.
type Limits struct {
	Requests int // per second, ten times as many at once
	Uploads  int // per minute
	Streams  int // of events, at once
	// Failures is how many failed sign-ins are borne in five minutes; default 10.
	Failures int
}

const (
	defaultLife     = 12 * time.Hour
	defaultFailures = 10
	failureWindow   = 5 * time.Minute
	// maxFile bounds the files of users, tokens and keys, bytes.
	maxFile = 4 << 20
	// maxRevoked is how many sessions that were signed out are remembered.
	maxRevoked = 10_000
)

// Guard is who may use the web tier.
type Guard struct {
	o         Options
	log       *slog.Logger
	users     *fresh.Files[users]  // nil but in Basic
	tokens    *fresh.Files[tokens] // nil: none
	keys      *fresh.Files[*sealer]
	ownKeys   *sealer // where there is no file of keys
	passwords *passwords
	provider  *provider // nil but in OIDC
	public    *url.URL
	secure    bool // all browsers come by https
	revoked   locked[*simplelru.LRU[string, struct{}]]
	signIn    *template.Template

	requests, uploads *limit.Rate
	failures, guesses *limit.Rate // by client, by user's name
	streams           *limit.AtOnce
}

// New makes a Guard. It reads files and talks to nobody.
func New(o Options) (*Guard, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.SessionLife <= 0 {
		o.SessionLife = defaultLife
	}
	if o.Limits.Failures <= 0 {
		o.Limits.Failures = defaultFailures
	}
	if o.UserHeader == "" {
		o.UserHeader = "X-Forwarded-User"
	}
	perSecond := float64(o.Limits.Failures) / failureWindow.Seconds()
	g := &Guard{
		o: o, log: o.Logger, passwords: newPasswords(),
		requests: limit.NewRate(float64(o.Limits.Requests), 10*o.Limits.Requests),
		uploads:  limit.NewRate(float64(o.Limits.Uploads)/60, o.Limits.Uploads),
		failures: limit.NewRate(perSecond, o.Limits.Failures),
		// Whoever fails as somebody keeps that somebody out, too: so it takes more of it.
		guesses: limit.NewRate(5*perSecond, 5*o.Limits.Failures),
		streams: limit.NewAtOnce(o.Limits.Streams),
	}
	public, err := url.Parse(o.PublicURL)
	if err != nil {
		return nil, fmt.Errorf("public URL %q: %w", o.PublicURL, err)
	}
	g.public, g.secure = public, public.Scheme == "https"
	if g.revoked.v, err = simplelru.NewLRU[string, struct{}](maxRevoked, nil); err != nil {
		return nil, err
	}
	if g.signIn, err = newSignInPage(); err != nil {
		return nil, err
	}
	if o.TokensFile != "" && o.Mode != None {
		if g.tokens, err = fresh.Open(one(parseTokens), g.stale("tokens"), maxFile, o.TokensFile); err != nil {
			return nil, fmt.Errorf("tokens: %w", err)
		}
	}
	switch o.Mode {
	case None:
	case Basic:
		if o.UsersFile == "" {
			return nil, errors.New("a file of users is missing")
		}
		if g.users, err = fresh.Open(one(parseUsers), g.stale("users"), maxFile, o.UsersFile); err != nil {
			return nil, fmt.Errorf("users: %w", err)
		}
		return g, g.openKeys()
	case OIDC:
		if public.Host == "" {
			return nil, errors.New("the page's URL is missing, to which the provider sends people back")
		}
		if g.provider, err = newProvider(o.Provider, o.Admins, strings.TrimSuffix(o.PublicURL, "/")+callbackPath); err != nil {
			return nil, err
		}
		return g, g.openKeys()
	case Proxy:
		if len(o.TrustedProxies) == 0 {
			return nil, errors.New("the proxy's addresses are missing: anybody could write its header")
		}
	default:
		return nil, fmt.Errorf("%q is no way to prove who somebody is", o.Mode)
	}
	return g, nil
}

// openKeys reads or makes the keys that seal sessions.
func (g *Guard) openKeys() (err error) {
	if g.o.SessionKeys == "" {
		g.ownKeys, err = randomSealer()
		return err
	}
	if g.keys, err = fresh.Open(one(parseKeys), g.stale("session keys"), maxFile, g.o.SessionKeys); err != nil {
		return fmt.Errorf("session keys: %w", err)
	}
	return nil
}

func (g *Guard) sealer() *sealer {
	if g.keys != nil {
		return g.keys.Get()
	}
	return g.ownKeys
}

// stale is told that a file cannot be read again.
func (g *Guard) stale(what string) func(error) {
	return func(err error) {
		g.log.Error("file cannot be used as it is now; what was read before holds", "what", what, "err", err)
	}
}

// one adapts a parser of one file.
func one[T any](parse func([]byte) (T, error)) func([][]byte) (T, error) {
	return func(c [][]byte) (T, error) { return parse(c[0]) }
}

// Asks reports whether anybody is asked who they are.
func (g *Guard) Asks() bool { return g != nil && g.o.Mode != None }

// signsIn reports whether there is a sign-in page.
func (g *Guard) signsIn() bool { return g.o.Mode == Basic || g.o.Mode == OIDC }

// OpenMetrics reports whether anybody may read the metrics.
func (g *Guard) OpenMetrics() bool { return g.o.OpenMetrics }
