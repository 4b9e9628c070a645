package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tintype/tintype/internal/attempt"
	"github.com/tintype/tintype/internal/deadletter"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/queue"
)

// deadLettersView is what the page of dead letters shows before, and without, scripts.
type deadLettersView struct {
	Coupled bool
	NoQueue bool     // there is no dead-letter queue: scripts need not ask
	Away    string   // why they cannot be told
	Done    string   // what became of a form
	Confirm []string // messages that a form without scripts wants to drop: it is asked again
	Shown   string   // how many there are
	None    bool     // there is none, as far as SQS knows
	Letters []letterView
	Blank   letterView // the one that scripts fill
}

// letterView is one dead letter; deadletters/list.js has the same.
type letterView struct {
	ID, Name, Preview, Cause, Hint, Code, Facts, Tries, Body string
	Images                                                   []letterImage
	Attempts                                                 []attemptView
}

// letterImage is an image of a dead letter. Its ID is empty where it is of another bucket.
type letterImage struct{ ID, Name string }

type attemptView struct{ Title, What, Where string }

// handleDeadLettersPage answers the page with how many there are. A look at them is a receive
// and takes seconds: scripts take it while the page is there already. Without scripts the
// page is asked for it, with ?look; a link on another site must not cause it.
func (s *Server) handleDeadLettersPage(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("look") && r.Header.Get("Sec-Fetch-Site") != "cross-site" {
		if err := patient(w); err != nil {
			s.fail(w, r, err)
			return
		}
		s.writeLetters(w, r, http.StatusOK, s.lettersView(r.Context()))
		return
	}
	v := deadLettersView{Away: s.noLetters()}
	if s.o.Backlog != nil && v.Away == "" {
		ctx, cancel := context.WithTimeout(r.Context(), 3*time.Second)
		defer cancel()
		if f, err := s.o.Backlog.Sample(ctx, pipelineAge); err == nil {
			v.Shown, v.None = many(int(f.DeadLetters), "message"), f.DeadLetters == 0
		}
	}
	s.writeLetters(w, r, http.StatusOK, v)
}

// noLetters says why there can be none; empty where there can.
func (s *Server) noLetters() string {
	if s.o.DeadLetters != nil || s.o.Mode == "coupled" {
		return ""
	}
	p := problemOf(noDeadLetters())
	return p.Detail + " " + p.Hint
}

func (s *Server) writeLetters(w http.ResponseWriter, r *http.Request, status int, v deadLettersView) {
	v.Coupled, v.NoQueue = s.o.Mode == "coupled", s.o.DeadLetters == nil
	s.writeView(w, r, status, view{Page: "deadletters", Title: "Dead letters", Data: v})
}

// lettersView looks at the dead letters. The page is of use even where they cannot be told.
func (s *Server) lettersView(ctx context.Context) (v deadLettersView) {
	if v.Away = s.noLetters(); v.Away != "" || s.o.Mode == "coupled" {
		return v
	}
	list, err := s.lookAtLetters(ctx, maxLetters)
	if err != nil {
		s.log.Warn("page shown without the dead letters", "err", err)
		p := problemOf(err)
		v.Away = strings.TrimSpace(p.Detail + " " + p.Hint)
		return v
	}
	v.None = list.Total == 0
	v.Shown = many(int(list.Total), "message")
	if n := len(list.Letters); int64(n) < list.Total {
		v.Shown = fmt.Sprintf("%d of %s shown", n, v.Shown)
	}
	now := time.Now()
	for i := range list.Letters {
		v.Letters = append(v.Letters, newLetterView(&list.Letters[i], now))
	}
	return v
}

// previewed are extensions of originals that S3 is asked to serve as a picture, and that
// browsers display. Everything else is served as bytes, and not asked for.
var previewed = []string{".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif"}

func newLetterView(l *deadletter.Letter, now time.Time) letterView {
	v := letterView{
		ID: l.MessageID, Name: "Message " + l.MessageID[:min(8, len(l.MessageID))], Body: l.Body,
		Cause: sentence(l.Cause.Message), Hint: sentence(l.Cause.Hint), Code: l.Cause.Code,
	}
	if len(l.Images) > 0 {
		first := l.Images[0]
		v.Name = first.Name
		if more := len(l.Images) - 1; more > 0 {
			v.Name += fmt.Sprintf(" and %d more", more)
		}
		if first.ID != "" && slices.Contains(previewed, strings.ToLower(path.Ext(first.Key))) {
			v.Preview = imageURL(first.ID) + "/original"
		}
	}
	for _, i := range l.Images[:min(len(l.Images), 20)] {
		v.Images = append(v.Images, letterImage{i.ID, i.Bucket + "/" + i.Key})
	}
	facts := []string{"sent " + timeSpan(new(now.Sub(l.SentAt).Seconds())) + " ago, " + l.SentAt.Local().Format(time.DateTime)}
	if l.Receives > 0 {
		facts = append(facts, "received "+many(l.Receives, "time"))
	}
	if l.Kind == deadletter.KindJunk {
		facts = append(facts, "no image")
	}
	v.Facts = strings.Join(facts, " · ")
	v.Tries = many(len(l.Attempts), "attempt") + " on record"
	for i, a := range l.Attempts {
		w := newAttemptView(a)
		if i > 0 && a.Message != "" && a.Message == l.Attempts[i-1].Message && a.Code == l.Attempts[i-1].Code {
			w.What = "The same."
		}
		v.Attempts = append(v.Attempts, w)
	}
	return v
}

func newAttemptView(a attempt.Attempt) attemptView {
	v := attemptView{Title: fmt.Sprintf("Attempt %d", a.Attempt), What: sentence(a.Message)}
	if a.Code != "" {
		v.What += " (" + a.Code + ")"
	}
	where := a.Started.Local().Format(time.DateTime)
	if a.Ended != nil {
		where += ", for " + timeSpan(new(a.Ended.Sub(a.Started).Seconds()))
	}
	for _, more := range []string{"on " + a.Host, a.Program} {
		if more != "on " && more != "" {
			where += " · " + more
		}
	}
	v.Where = where
	return v
}

// sentence begins with a capital letter, as what stands alone on a page does.
func sentence(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 || r == utf8.RuneError {
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
}

// handleLettersForm is what the page's form does without scripts: messages are sent back,
// or dropped once it was asked whether that is meant.
func (s *Server) handleLettersForm(w http.ResponseWriter, r *http.Request) {
	fail := func(err error) {
		v := deadLettersView{}
		p := problemOf(err)
		s.metrics.refused.add(p.Code)
		v.Away = strings.TrimSpace(p.Detail + " " + p.Hint)
		s.writeLetters(w, r, p.Status, v)
	}
	if s.o.DeadLetters == nil {
		fail(noDeadLetters())
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		fail(refuse(fault.CodeBadRequest, "", "The form cannot be read."))
		return
	}
	c := chosen{MessageIDs: r.PostForm["messageId"]}
	if len(c.MessageIDs) == 0 {
		fail(refuse(fault.CodeBadRequest, "Tick the box of each that is meant.", "No message was chosen."))
		return
	}
	if err := c.check(); err != nil {
		fail(err)
		return
	}
	take, done := s.o.DeadLetters.Redrive, "sent back to the queue"
	switch action := r.PostForm.Get("action"); {
	case action == "redrive":
	case action == "drop" && r.PostForm.Get("sure") == "yes":
		take, done = s.o.DeadLetters.Drop, "dropped"
	case action == "drop":
		s.writeLetters(w, r, http.StatusOK, deadLettersView{Confirm: c.MessageIDs})
		return
	default:
		fail(refuse(fault.CodeBadRequest, "", "The form does not say what to do."))
		return
	}
	if err := patient(w); err != nil {
		fail(err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), takeTimeout)
	defer cancel()
	t, err := take(ctx, queue.Selection{IDs: c.MessageIDs, Limit: maxTaken})
	s.forgetLetters()
	if err != nil && (t.Done == 0 || !errors.Is(err, context.DeadlineExceeded)) {
		s.log.Error("dead letters could not be dealt with", "err", err)
		fail(err)
		return
	}
	s.log.Info("dead letters were dealt with", "path", r.URL.Path, "messages", t.Done, "missing", len(t.Missing))
	v := s.lettersView(r.Context())
	v.Done = many(t.Done, "message") + " " + done + "."
	if n := len(c.MessageIDs) - t.Done; n > 0 {
		v.Done += " " + many(n, "message") + " not found any more, or held by somebody else just now."
	}
	s.writeLetters(w, r, http.StatusOK, v)
}
