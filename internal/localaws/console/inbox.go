package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/tintype/tintype/internal/localaws/mail"
)

const (
	mailLimit = 50   // mails on a page of the inbox
	maxMails  = 500  // mails in one answer to a script
	mailScan  = 5000 // mails that are looked through for those to one address
)

type inboxData struct {
	Mails       []mail.Mail
	To          string // whose mails; empty: everybody's
	Next, First string
	Last        int64 // id of the latest mail
}

func inboxOf(address string) string { return "/inbox?to=" + url.QueryEscape(address) }

func (c *Console) inbox(r *http.Request) (view, error) {
	q := r.URL.Query()
	before, _ := strconv.ParseInt(q.Get("before"), 10, 64) // anything else means from the start
	d := &inboxData{To: q.Get("to")}
	v := view{name: "inbox", page: page{Title: "Inbox", Here: "inbox", Fixed: before > 0}, Data: d}
	var next int64
	var err error
	if d.To == "" {
		d.Mails, next, err = c.mails(r.Context(), before, mailLimit)
	} else {
		d.Mails, next, err = c.mailsTo(r.Context(), d.To, before)
	}
	if next > 0 {
		d.Next = address(r, "before", strconv.FormatInt(next, 10))
	}
	if before > 0 {
		d.First = address(r, "before", "")
	}
	if len(d.Mails) > 0 {
		d.Last = d.Mails[0].ID
	}
	return v, err
}

// mails is a page of the inbox and where the next one begins.
func (c *Console) mails(ctx context.Context, before int64, limit int) ([]mail.Mail, int64, error) {
	list, err := c.opts.Mail.List(ctx, before, limit+1)
	if err != nil || len(list) <= limit {
		return list, 0, err
	}
	return list[:limit], list[limit-1].ID, nil
}

// mailsTo is mails to one address. It looks through a bounded number of mails; the next
// page goes on from there.
func (c *Console) mailsTo(ctx context.Context, to string, before int64) (found []mail.Mail, next int64, err error) {
	for seen := 0; seen < mailScan; {
		list, more, err := c.mails(ctx, before, maxMails)
		if err != nil {
			return nil, 0, err
		}
		for _, m := range list {
			if !strings.EqualFold(m.To, to) {
				continue
			}
			if found = append(found, m); len(found) == mailLimit {
				return found, m.ID, nil
			}
		}
		if more == 0 {
			return found, 0, nil
		}
		before, seen = more, seen+len(list)
	}
	return found, before, nil
}

type mailData struct {
	mail.Mail
	Parts []part
}

func (c *Console) mail(r *http.Request) (view, error) {
	m, err := c.mailOf(r)
	text := m.Text
	if t, ok := indent(text); ok {
		text = t // of an email-json subscription
	}
	d := &mailData{Mail: m, Parts: splitLinks(text)}
	return view{name: "mail", page: page{Title: orElse(m.Subject, "(no subject)"), Here: "inbox"}, Data: d}, err
}

func (c *Console) mailOf(r *http.Request) (mail.Mail, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return mail.Mail{}, mail.ErrNotFound
	}
	return c.opts.Mail.Get(r.Context(), id)
}

// mailRaw gives a mail as it is sent.
func (c *Console) mailRaw(w http.ResponseWriter, r *http.Request) {
	m, err := c.mailOf(r)
	if err != nil {
		c.fail(w, r, err)
		return
	}
	sealed(w.Header())
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write(m.Raw) // a client that left cannot be told
}

// inboxJSON is the inbox for scripts: {"mails": […], "next": id}, newest first; with
// ?before=id the page after that mail, with ?limit=n up to n mails.
func (c *Console) inboxJSON(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	before, _ := strconv.ParseInt(q.Get("before"), 10, 64)
	limit, err := strconv.Atoi(q.Get("limit"))
	if err != nil || limit <= 0 {
		limit = mailLimit
	}
	list, next, err := c.mails(r.Context(), before, min(limit, maxMails))
	c.answerJSON(w, r, struct {
		Mails []mail.Mail `json:"mails"`
		Next  int64       `json:"next,omitempty"`
	}{list, next}, err)
}

// mailJSON is a mail for scripts, with the links in its text.
func (c *Console) mailJSON(w http.ResponseWriter, r *http.Request, id string) {
	r.SetPathValue("id", id)
	m, err := c.mailOf(r)
	links := []string{}
	for _, p := range splitLinks(m.Text) {
		if p.Link {
			links = append(links, p.Text)
		}
	}
	c.answerJSON(w, r, struct {
		mail.Mail
		Links []string `json:"links"`
	}{m, links}, err)
}

func (c *Console) answerJSON(w http.ResponseWriter, r *http.Request, data any, err error) {
	w.Header().Set("Content-Type", "application/json")
	switch {
	case errors.Is(err, mail.ErrNotFound):
		w.WriteHeader(http.StatusNotFound)
		data = map[string]string{"error": "There is no such mail."}
	case err != nil:
		c.log.Error("console: request failed", "path", r.URL.Path, "err", err)
		w.WriteHeader(http.StatusInternalServerError)
		data = map[string]string{"error": "The mails cannot be read; the log says why."}
	}
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(data); err != nil {
		c.log.Error("console: request failed", "path", r.URL.Path, "err", err)
		return
	}
	_, _ = w.Write(b.Bytes()) // a client that left cannot be told
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
