package sns

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"
	"strings"

	"github.com/tintype/tintype/internal/localaws/wire"
)

// IsPublic says whether a request needs no signature and is for ServePublic: the links
// in mails and messages, and the signing certificate.
func (s *Service) IsPublic(r *http.Request) bool {
	if r.Method != http.MethodGet {
		return false
	}
	if s.isCertificate(r) {
		return true
	}
	q := r.URL.Query()
	if r.URL.Path != "/" || q.Has("X-Amz-Signature") || r.Header.Get("Authorization") != "" {
		return false
	}
	action := q.Get("Action")
	return action == "ConfirmSubscription" || action == "Unsubscribe"
}

func (s *Service) isCertificate(r *http.Request) bool {
	path := s.signer.path()
	return path != "" && r.URL.Path == path
}

// ServePublic answers the requests of IsPublic: pages to browsers, XML to programs.
func (s *Service) ServePublic(w http.ResponseWriter, r *http.Request) {
	if s.isCertificate(r) {
		w.Header().Set("Content-Type", "application/x-pem-file")
		_, _ = w.Write(s.signer.id.Load().pem) // a client that left cannot be told
		return
	}
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		s.wire.Serve(w, r, nil, wire.Identity{Account: s.opts.Account, Region: s.opts.Region})
		return
	}
	var page linkPage
	q := r.URL.Query()
	if q.Get("Action") == "ConfirmSubscription" {
		page = s.confirmPage(r, q.Get("TopicArn"), q.Get("Token"))
	} else {
		page = s.unsubscribePage(r, q.Get("SubscriptionArn"))
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", linkPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer") // the address has the token
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(page.status)
	_ = linkTemplate.Execute(w, page)
}

// linkPage is what somebody sees who followed a link.
type linkPage struct {
	status   int
	Title    string
	Text     string
	Details  []field
	Link     string // what may be done next; may be empty
	LinkText string
	Style    template.CSS
}

func (p linkPage) detail(name, value string) linkPage {
	p.Details = append(p.Details, field{name, value})
	return p
}

// Name and Value are for the template.
func (f field) Name() string  { return f.name }
func (f field) Value() string { return f.value }

func (s *Service) confirmPage(r *http.Request, topicARN, token string) linkPage {
	sub, err := s.confirm(r.Context(), &topicARN, token, false, false)
	if err != nil {
		var refused *wire.Error
		if errors.As(err, &refused) {
			err = &wire.Error{Message: "No subscription waits for this link. It may have expired, or been used up; subscribe again to get a new one."}
		}
		return s.errorPage("The subscription could not be confirmed", err)
	}
	p := linkPage{
		status: http.StatusOK, Title: "Subscription confirmed", Style: linkStyle,
		Text: "From now on " + sub.endpoint + " gets the notifications of this topic.",
		Link: s.unsubscribeURL(sub.arn), LinkText: "Not what you wanted? Unsubscribe",
	}
	return p.detail("Topic", sub.topic).detail("Address", sub.endpoint).detail("Subscription", sub.arn)
}

func (s *Service) unsubscribePage(r *http.Request, arn string) linkPage {
	sub, err := s.end(r.Context(), &arn, false)
	if err != nil {
		return s.errorPage("The subscription could not be ended", err)
	}
	p := linkPage{status: http.StatusOK, Title: "Unsubscribed", Text: "There is no such subscription any more.", Style: linkStyle}
	if sub == nil {
		return p.detail("Subscription", arn)
	}
	p.Text = sub.endpoint + " gets no more notifications of this topic."
	return p.detail("Topic", sub.topic).detail("Address", sub.endpoint)
}

func (s *Service) errorPage(title string, err error) linkPage {
	var e *wire.Error
	if !errors.As(err, &e) {
		s.log.Error("sns: a link failed", "err", err)
		e = &wire.Error{Message: "Something went wrong here. Try the link again later.", Status: http.StatusInternalServerError}
	}
	status := e.Status
	if status == 0 {
		status = http.StatusBadRequest
	}
	return linkPage{status: status, Title: title, Text: e.Message, Style: linkStyle}
}

const linkStyle = `body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem;color:#222}h1{font-size:1.5rem}dt{color:#666;font-size:.85rem}dd{margin:0 0 .6rem;overflow-wrap:anywhere}a{color:#0a58ca}`

// linkPolicy lets a page do nothing but have that style.
var linkPolicy = func() string {
	sum := sha256.Sum256([]byte(linkStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}()

var linkTemplate = template.Must(template.New("link").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.Title}}</title><style>{{.Style}}</style></head>
<body><h1>{{.Title}}</h1><p>{{.Text}}</p>
{{with .Details}}<dl>{{range .}}<dt>{{.Name}}</dt><dd>{{.Value}}</dd>{{end}}</dl>{{end}}
{{with .Link}}<p><a href="{{.}}">{{$.LinkText}}</a></p>{{end}}
</body></html>
`))
