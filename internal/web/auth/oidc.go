package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/tintype/tintype/internal/fault"
)

// Provider is an OpenID provider and whom of its people to let in.
type Provider struct {
	Issuer, ClientID string
	ClientSecret     string   // empty: a public client
	Scopes           []string // to ask for besides openid, profile and email
	GroupsClaim      string   // the claim with somebody's groups; default "groups"
	// Allow are mail addresses, "@domain", "group:name", or "*" for everybody.
	Allow []string
}

const (
	// flowLife is how long somebody may take at the provider.
	flowLife = 10 * time.Minute
	// providerTimeout is for each request to the provider.
	providerTimeout = 10 * time.Second
)

// provider is the client of an OpenID provider: authorization code with PKCE, state and nonce.
type provider struct {
	Provider
	allow, admin allowList
	redirect     string
	http         *http.Client

	turn chan struct{} // holds one while nobody asks for the endpoints
	// known is set by who holds turn; nil until the provider has told.
	known *oidc.Provider
}

func newProvider(o Provider, admins []string, redirect string) (*provider, error) {
	issuer, err := url.Parse(o.Issuer)
	if err != nil || issuer.Host == "" || o.ClientID == "" {
		return nil, errors.New("the provider's issuer or the client id is missing")
	}
	if o.GroupsClaim == "" {
		o.GroupsClaim = "groups"
	}
	p := &provider{Provider: o, redirect: redirect, http: &http.Client{Timeout: providerTimeout}, turn: make(chan struct{}, 1)}
	p.turn <- struct{}{}
	p.allow, p.admin, err = o.lists(admins)
	return p, err
}

// mark ends sessions that rest on another provider or client.
func (p *provider) mark() string {
	sum := sha256.Sum256([]byte(p.Issuer + "\n" + p.ClientID))
	return hex.EncodeToString(sum[:12])
}

// context carries the client for calls to the provider.
func (p *provider) context(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, p.http)
}

// discover asks the provider for its endpoints, the first time that somebody signs in: the
// web tier starts without it.
func (p *provider) discover(ctx context.Context) (*oidc.Provider, *oauth2.Config, error) {
	select {
	case <-p.turn:
		defer func() { p.turn <- struct{}{} }()
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	if p.known == nil {
		// The provider keeps the context for as long as it lives.
		known, err := oidc.NewProvider(p.context(context.WithoutCancel(ctx)), p.Issuer)
		if err != nil {
			return nil, nil, &fault.Error{Op: "ask " + p.Issuer + " for its endpoints", Kind: fault.Retry, Code: fault.CodeUnavailable, Message: "the provider does not answer as one", Err: err}
		}
		p.known = known
	}
	return p.known, &oauth2.Config{
		ClientID: p.ClientID, ClientSecret: p.ClientSecret, Endpoint: p.known.Endpoint(), RedirectURL: p.redirect,
		Scopes: append([]string{oidc.ScopeOpenID, "profile", "email"}, p.Scopes...),
	}, nil
}

// flow is what a browser carries while somebody is at the provider, sealed.
type flow struct {
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"`
	Return   string `json:"r"`
	Ends     int64  `json:"e"` // Unix seconds
}

// start sends the browser to the provider.
func (p *provider) start(ctx context.Context, to string) (address string, f flow, err error) {
	_, config, err := p.discover(ctx)
	if err != nil {
		return "", f, err
	}
	// Each is of 256 random bits.
	f = flow{State: oauth2.GenerateVerifier(), Nonce: oauth2.GenerateVerifier(), Verifier: oauth2.GenerateVerifier(), Return: to, Ends: time.Now().Add(flowLife).Unix()}
	return config.AuthCodeURL(f.State, oidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier)), f, nil
}

const again = "Start again."

// finish takes what the provider sent the browser back with, and finds out who it is.
func (p *provider) finish(ctx context.Context, q url.Values, f flow) (claims, error) {
	if f.State == "" || time.Now().Unix() >= f.Ends || subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(f.State)) != 1 {
		return claims{}, refuse(CodeSignedOut, again, "This sign-in took too long, or was begun elsewhere.")
	}
	// https://www.rfc-editor.org/rfc/rfc9207: another provider's answer is not taken for this one's.
	if iss := q.Get("iss"); iss != "" && iss != p.Issuer {
		return claims{}, refuse(CodeSignedOut, again, "The answer is another provider's.")
	}
	if code := q.Get("error"); code != "" {
		return claims{}, refuse(CodeSignedOut, again, "The provider did not sign you in: %.60q.", code)
	}
	known, config, err := p.discover(ctx)
	if err != nil {
		return claims{}, err
	}
	ctx = p.context(ctx)
	granted, err := config.Exchange(ctx, q.Get("code"), oauth2.VerifierOption(f.Verifier))
	if err != nil {
		return claims{}, unproven(err)
	}
	raw, _ := granted.Extra("id_token").(string)
	id, err := known.Verifier(&oidc.Config{ClientID: p.ClientID}).Verify(ctx, raw)
	if err != nil {
		return claims{}, unproven(err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(f.Nonce)) != 1 {
		return claims{}, unproven(errors.New("the nonce is another's"))
	}
	if id.AccessTokenHash != "" {
		if err := id.VerifyAccessToken(granted.AccessToken); err != nil {
			return claims{}, unproven(err)
		}
	}
	c, err := p.claims(id.Claims)
	if err != nil {
		return claims{}, unproven(err)
	}
	if (!p.allow.has(c) || !p.admin.has(c) || !c.EmailVerified) && known.UserInfoEndpoint() != "" {
		// Many providers keep ID tokens small and tell the rest when asked.
		info, err := known.UserInfo(ctx, oauth2.StaticTokenSource(granted))
		if err != nil {
			return claims{}, unproven(err)
		}
		more, err := p.claims(info.Claims)
		if err != nil || more.Subject != c.Subject {
			return claims{}, unproven(fmt.Errorf("the user info is of %q, the ID token of %q: %w", more.Subject, c.Subject, err))
		}
		if more.EmailVerified {
			c.Email, c.EmailVerified = more.Email, true
		}
		c.Groups = append(c.Groups, more.Groups...)
	}
	return c, nil
}

func (p *provider) claims(decode func(any) error) (claims, error) {
	var raw json.RawMessage
	if err := decode(&raw); err != nil {
		return claims{}, err
	}
	return parseClaims(raw, p.GroupsClaim)
}

// unproven is the refusal of what the provider said; the cause is for the log alone.
func unproven(err error) error {
	return &fault.Error{Op: "sign in", Kind: fault.Permanent, Code: CodeSignedOut, Message: "What the provider says of you cannot be verified.", Hint: again, Err: err}
}
