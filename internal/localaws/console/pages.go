package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/tintype/tintype/internal/localaws/mail"
	"github.com/tintype/tintype/internal/localaws/sns"
)

const (
	peekLimit = 50  // messages of a queue on its page
	mailLimit = 50  // mails on a page of the inbox
	maxMails  = 500 // mails in one answer to a script
)

// page is what every page has.
type page struct {
	Title    string
	Here     string // the part of the navigation it belongs to
	Endpoint string
	Refresh  int  // seconds; 0: the page stays as it is
	Still    bool // it would refresh, but was asked not to
}

// refresh makes the page load itself again and again, unless ?still is asked for: what
// is unfolded to be read folds up with each.
func (p *page) refresh(r *http.Request) {
	if p.Still = r.URL.Query().Has("still"); !p.Still {
		p.Refresh = 5
	}
}

type overviewPage struct {
	page
	Buckets []Bucket
	Topics  []sns.TopicView
	Queues  []Queue
	Mails   []mail.Mail
}

func (c *console) overview(w http.ResponseWriter, r *http.Request) {
	p := overviewPage{page: c.page("Overview", "overview")}
	p.refresh(r)
	ctx := r.Context()
	var err error
	if p.Buckets, err = c.opts.Buckets.ConsoleBuckets(ctx); err == nil {
		p.Topics, err = c.opts.Topics.Overview(ctx)
	}
	if err == nil {
		p.Queues, err = c.opts.Queues.ConsoleQueues(ctx)
	}
	if err == nil {
		p.Mails, err = c.opts.Mail.List(ctx, 0, 5)
	}
	c.answer(w, r, "overview", p, err)
}

type queuePage struct {
	page
	Queue    Queue
	Messages []Message
	Limit    int
}

func (c *console) queue(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	p := queuePage{page: c.page(name, "overview"), Limit: peekLimit}
	p.refresh(r)
	queues, err := c.opts.Queues.ConsoleQueues(r.Context())
	if err == nil {
		err = ErrNotFound
		for _, q := range queues {
			if q.Name == name {
				p.Queue = q
				p.Messages, err = c.opts.Queues.ConsoleMessages(r.Context(), name, peekLimit)
			}
		}
	}
	c.answer(w, r, "queue", p, err)
}

type inboxPage struct {
	page
	Mails []mail.Mail
	Next  int64 // where the next page begins; 0: there is none
}

func (c *console) inbox(w http.ResponseWriter, r *http.Request) {
	p := inboxPage{page: c.page("Inbox", "inbox")}
	before, _ := strconv.ParseInt(r.FormValue("before"), 10, 64) // anything else means from the start
	if before <= 0 {
		p.refresh(r)
	}
	var err error
	p.Mails, p.Next, err = c.mails(r.Context(), before, mailLimit)
	c.answer(w, r, "inbox", p, err)
}

// mails is a page of the inbox and where the next one begins.
func (c *console) mails(ctx context.Context, before int64, limit int) ([]mail.Mail, int64, error) {
	list, err := c.opts.Mail.List(ctx, before, limit+1)
	if err != nil || len(list) <= limit {
		return list, 0, err
	}
	return list[:limit], list[limit-1].ID, nil
}

// inboxJSON is the inbox for scripts: {"mails": […], "next": id}, newest first; with
// ?before=id the page after that mail, with ?limit=n up to n mails.
func (c *console) inboxJSON(w http.ResponseWriter, r *http.Request) {
	before, _ := strconv.ParseInt(r.FormValue("before"), 10, 64)
	limit, err := strconv.Atoi(r.FormValue("limit"))
	if err != nil || limit <= 0 {
		limit = mailLimit
	}
	list, next, err := c.mails(r.Context(), before, min(limit, maxMails))
	c.answerJSON(w, r, struct {
		Mails []mail.Mail `json:"mails"`
		Next  int64       `json:"next,omitempty"`
	}{list, next}, err)
}

type mailPage struct {
	page
	Mail  mail.Mail
	Parts []part
}

// mail is one mail, or with .json behind its id the same for scripts.
func (c *console) mail(w http.ResponseWriter, r *http.Request) {
	id, asJSON := strings.CutSuffix(r.PathValue("id"), ".json")
	m, err := c.find(r.Context(), id)
	parts := splitLinks(m.Text)
	if !asJSON {
		p := mailPage{page: c.page(m.Subject, "inbox"), Mail: m, Parts: parts}
		c.answer(w, r, "mail", p, err)
		return
	}
	out := struct {
		mail.Mail
		Links []string `json:"links"` // of the text, in order
	}{m, []string{}}
	for _, p := range parts {
		if p.Link {
			out.Links = append(out.Links, p.Text)
		}
	}
	c.answerJSON(w, r, out, err)
}

// mailRaw is the mail as it is sent.
func (c *console) mailRaw(w http.ResponseWriter, r *http.Request) {
	m, err := c.find(r.Context(), r.PathValue("id"))
	if err != nil {
		c.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	c.write(w, m.Raw)
}

func (c *console) find(ctx context.Context, id string) (mail.Mail, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return mail.Mail{}, mail.ErrNotFound
	}
	return c.opts.Mail.Get(ctx, n)
}

func (c *console) page(title, here string) page {
	return page{Title: title, Here: here, Endpoint: c.opts.Endpoint}
}

// answer renders a page, whole or not at all.
func (c *console) answer(w http.ResponseWriter, r *http.Request, name string, data any, err error) {
	if err != nil {
		c.fail(w, r, err)
		return
	}
	c.render(w, r, http.StatusOK, name, data)
}

func (c *console) render(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	var b bytes.Buffer
	if err := c.pages[name].Execute(&b, data); err != nil {
		c.log.Error("console: a page cannot be made", "page", name, "path", r.URL.Path, "err", err)
		http.Error(w, "This page cannot be shown; the log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	c.write(w, b.Bytes())
}

func (c *console) answerJSON(w http.ResponseWriter, r *http.Request, data any, err error) {
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
	b, err := json.Marshal(data)
	if err != nil {
		c.log.Error("console: request failed", "path", r.URL.Path, "err", err)
		return
	}
	c.write(w, append(b, '\n'))
}

func (c *console) fail(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, mail.ErrNotFound):
		c.problem(w, r, http.StatusNotFound, "There is no such mail.")
	case errors.Is(err, ErrNotFound):
		c.problem(w, r, http.StatusNotFound, "There is no such queue.")
	default:
		c.log.Error("console: request failed", "path", r.URL.Path, "err", err)
		c.problem(w, r, http.StatusInternalServerError, "This cannot be shown right now; the log says why.")
	}
}

type problemPage struct {
	page
	Text string
}

func (c *console) problem(w http.ResponseWriter, r *http.Request, status int, text string) {
	c.render(w, r, status, "problem", problemPage{page: c.page(http.StatusText(status), ""), Text: text})
}

func (c *console) write(w http.ResponseWriter, b []byte) {
	_, _ = w.Write(b) // a client that left cannot be told
}
