package auth

import (
	"crypto/rand"
	"net/http"
	"time"
)

// The kinds of sealed cookies, and their names where the connection is not encrypted. Where
// it is, the prefix __Host- keeps other hosts of the domain from setting them.
const (
	sessionCookie = "tintype"
	flowCookie    = "tintype-sign-in"
)

// session is what a browser carries of a sign-in, sealed.
type session struct {
	ID    string `json:"i"`
	Mode  Mode   `json:"o"`
	Name  string `json:"n"`
	Admin bool   `json:"a,omitempty"`
	// Mark is of what the sign-in rests on: the password, or the provider. Another one ends it.
	Mark string `json:"m"`
	Ends int64  `json:"e"` // Unix seconds
}

// cookie makes a cookie of one of the kinds; life 0 takes it away.
func (g *Guard) cookie(r *http.Request, kind, value string, life time.Duration) *http.Cookie {
	c := &http.Cookie{Name: kind, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(life.Seconds())}
	if life == 0 {
		c.MaxAge = -1
	}
	if g.encrypted(r) {
		c.Name, c.Secure = "__Host-"+kind, true
	}
	return c
}

// opened is a sealed cookie's content.
func (g *Guard) opened(r *http.Request, kind string, v any) bool {
	name := kind
	if g.encrypted(r) {
		name = "__Host-" + kind
	}
	// A host that shares a domain with this one can set a second cookie of the name: any that
	// opens is ours.
	for _, c := range r.CookiesNamed(name) {
		if g.sealer().open(kind, c.Value, v) {
			return true
		}
	}
	return false
}

// start signs a user in: it sets the session's cookie.
func (g *Guard) start(w http.ResponseWriter, r *http.Request, s session) error {
	s.ID, s.Mode, s.Ends = rand.Text(), g.o.Mode, time.Now().Add(g.o.SessionLife).Unix()
	value, err := g.sealer().seal(sessionCookie, s)
	if err != nil {
		return err
	}
	http.SetCookie(w, g.cookie(r, sessionCookie, value, g.o.SessionLife))
	g.log.Info("signed in", "user", s.Name, "client", g.client(r))
	return nil
}

// bySession is the user of a request's session; nil without one that holds.
func (g *Guard) bySession(r *http.Request) *User {
	var s session
	if !g.opened(r, sessionCookie, &s) || s.Mode != g.o.Mode {
		return nil
	}
	u := &User{Name: s.Name, Until: time.Unix(s.Ends, 0), SignsOut: true, session: s.ID, still: func() bool { return g.lives(s) }}
	u.Scope = Read | Upload
	if s.Admin || g.o.Mode == Basic && g.userScope(s.Name) == all {
		u.Scope = all
	}
	if !u.Still() {
		return nil
	}
	return u
}

// lives reports whether a session that has not ended by itself still holds.
func (g *Guard) lives(s session) bool {
	g.revoked.mu.Lock()
	out := g.revoked.v.Contains(s.ID)
	g.revoked.mu.Unlock()
	if out {
		return false
	}
	if g.o.Mode == Basic {
		return g.holds(s.Name, s.Mark)
	}
	return s.Mark == g.provider.mark()
}

// end signs a user out: the cookie goes, and the session is good for nothing on this
// instance any more, whoever has a copy of it.
func (g *Guard) end(w http.ResponseWriter, r *http.Request) {
	if u := g.bySession(r); u != nil {
		g.revoked.mu.Lock()
		g.revoked.v.Add(u.session, struct{}{})
		g.revoked.mu.Unlock()
		g.log.Info("signed out", "user", u.Name, "client", g.client(r))
	}
	http.SetCookie(w, g.cookie(r, sessionCookie, "", 0))
}
