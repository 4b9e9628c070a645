package auth

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tintype/tintype/internal/fault"
)

//go:embed page
var pageFiles embed.FS

// The routes of signing in and out.
const (
	pathPrefix   = "/auth/"
	signInPath   = pathPrefix + "sign-in"
	stylePath    = pathPrefix + "sign-in.css"
	startPath    = pathPrefix + "start"
	callbackPath = pathPrefix + "callback"
	// SignOutPath is where a form is posted to that ends the session.
	SignOutPath = pathPrefix + "sign-out"
)

const (
	// maxForm bounds the form of the sign-in page, bytes.
	maxForm = 8 << 10
	// formTimeout is how long a client may take to send it.
	formTimeout = 15 * time.Second
)

func newSignInPage() (*template.Template, error) {
	t, err := template.ParseFS(pageFiles, "page/sign-in.html")
	if err != nil {
		return nil, fmt.Errorf("sign-in page: %w", err)
	}
	return t, nil
}

// signInData is what the sign-in page shows.
type signInData struct {
	Mode           Mode
	Action, Start  string // where the form goes, and the link to the provider
	Issuer         string // the provider's host
	Return, Name   string
	Message, Hint  string // why the last attempt failed
	SignedOut, Bad bool
}

// servePage serves the routes of signing in and out; false: there is none of that address.
func (g *Guard) servePage(w http.ResponseWriter, r *http.Request) bool {
	switch r.Method + " " + r.URL.Path {
	case "GET " + stylePath, "HEAD " + stylePath:
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		w.Header().Set("Cache-Control", "no-cache")
		http.ServeFileFS(w, r, pageFiles, "page/sign-in.css")
	case "GET " + signInPath, "HEAD " + signInPath:
		to := returnPath(r.URL.Query().Get("return"))
		if g.bySession(r) != nil {
			see(w, to)
			return true
		}
		g.writeSignIn(w, r, http.StatusOK, signInData{Return: to, SignedOut: r.URL.Query().Has("out")})
	case "POST " + SignOutPath:
		g.end(w, r)
		see(w, signInPath+"?out=1")
	case "POST " + signInPath:
		if g.o.Mode != Basic {
			return false
		}
		g.signInByPassword(w, r)
	case "GET " + startPath:
		if g.o.Mode != OIDC {
			return false
		}
		g.goToProvider(w, r)
	case "GET " + callbackPath:
		if g.o.Mode != OIDC {
			return false
		}
		g.comeFromProvider(w, r)
	default:
		return false
	}
	return true
}

// see sends the browser on, by a path of this server or the provider's address.
func see(w http.ResponseWriter, to string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

func (g *Guard) signInByPassword(w http.ResponseWriter, r *http.Request) {
	data := signInData{Return: "/"}
	err := readForm(w, r)
	if err == nil {
		data.Return, data.Name = returnPath(r.PostForm.Get("return")), bounded(r.PostForm.Get("name"))
		var u *User
		if u, err = g.check(r, r.PostForm.Get("name"), r.PostForm.Get("password")); err == nil {
			err = g.start(w, r, session{Name: u.Name, Mark: mark(g.users.Get().hashes[u.Name])})
		}
	}
	if err != nil {
		g.failSignIn(w, r, data, err)
		return
	}
	see(w, data.Return)
}

// readForm reads the form of the sign-in page.
func readForm(w http.ResponseWriter, r *http.Request) error {
	rc := http.NewResponseController(w)
	if err := rc.SetReadDeadline(time.Now().Add(formTimeout)); err != nil {
		return err
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return refuse(fault.CodeBadRequest, "Use the sign-in page.", "The form cannot be read.")
	}
	// A deadline that passed while we work would look like a client that went away.
	return rc.SetReadDeadline(time.Time{})
}

func (g *Guard) goToProvider(w http.ResponseWriter, r *http.Request) {
	to := returnPath(r.URL.Query().Get("return"))
	// The provider sends the browser to the page's own address, where cookies of another name of
	// this server are not to be seen. A proxy may change the name, so that is tried once.
	if !strings.EqualFold(r.Host, g.public.Host) && !r.URL.Query().Has("moved") {
		see(w, g.public.Scheme+"://"+g.public.Host+startPath+"?moved=1&return="+url.QueryEscape(to))
		return
	}
	address, f, err := g.provider.start(r.Context(), to)
	if err != nil {
		g.failSignIn(w, r, signInData{Return: to}, err)
		return
	}
	value, err := g.sealer().seal(flowCookie, f)
	if err != nil {
		g.failSignIn(w, r, signInData{Return: to}, err)
		return
	}
	http.SetCookie(w, g.cookie(r, flowCookie, value, flowLife))
	see(w, address)
}

func (g *Guard) comeFromProvider(w http.ResponseWriter, r *http.Request) {
	var f flow
	g.opened(r, flowCookie, &f)
	data := signInData{Return: returnPath(f.Return)}
	http.SetCookie(w, g.cookie(r, flowCookie, "", 0)) // good for one attempt
	client := g.client(r)
	if wait, ok := g.failures.Take(client); !ok {
		g.failSignIn(w, r, data, tooMany(wait, "Too many sign-ins have failed."))
		return
	}
	c, err := g.provider.finish(r.Context(), r.URL.Query(), f)
	switch {
	case err != nil:
	case c.name() == "":
		err = refuse(CodeForbidden, "", "The provider gives you no name that can be used.")
	case !g.provider.allow.has(c):
		g.log.Warn("sign-in refused: not among those allowed", "user", c.name(), "client", client)
		err = refuse(CodeForbidden, "Ask who runs this server, or sign in as somebody else.", "%s may not use this server.", c.name())
	default:
		err = g.start(w, r, session{Name: c.name(), Admin: g.provider.admin.has(c), Mark: g.provider.mark()})
	}
	if err != nil {
		g.failSignIn(w, r, data, err)
		return
	}
	g.failures.Return(client)
	see(w, data.Return)
}

// failSignIn shows the sign-in page with what went wrong.
func (g *Guard) failSignIn(w http.ResponseWriter, r *http.Request, data signInData, err error) {
	status := http.StatusServiceUnavailable
	data.Bad, data.Message, data.Hint = true, "Signing in does not work just now.", "Try again in a moment."
	f := fault.As(err)
	var wait *Wait
	switch {
	case errors.As(err, &wait):
		retryAfter(w, wait.Duration)
		status = http.StatusTooManyRequests
	case f != nil && f.Code == CodeForbidden:
		status = http.StatusForbidden
	case f != nil && f.Code == CodeSignedOut:
		status = http.StatusUnauthorized
	case f != nil && f.Kind == fault.Permanent:
		status = http.StatusBadRequest
	default:
		f = nil
		g.log.Error("sign-in does not work", "err", err)
	}
	if f != nil {
		data.Message, data.Hint = f.Message, f.Hint
		if f.Err != nil {
			g.log.Warn("sign-in failed", "client", g.client(r), "err", err)
		}
	}
	g.writeSignIn(w, r, status, data)
}

// signInPolicy is the page's Content-Security-Policy: style and picture, and its form.
const signInPolicy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func (g *Guard) writeSignIn(w http.ResponseWriter, _ *http.Request, status int, data signInData) {
	data.Mode, data.Action = g.o.Mode, signInPath
	if g.provider != nil {
		data.Start = startPath + "?return=" + url.QueryEscape(data.Return)
		if u, err := url.Parse(g.provider.Issuer); err == nil {
			data.Issuer = u.Host
		}
	}
	var b bytes.Buffer
	if err := g.signIn.Execute(&b, data); err != nil {
		g.log.Error("sign-in page cannot be made", "err", err)
		status = http.StatusInternalServerError
		b.Reset()
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", signInPolicy)
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}
