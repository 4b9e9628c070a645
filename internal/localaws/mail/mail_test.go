package mail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"mime"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/tintype/tintype/internal/localaws/db"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a real SMTP server that keeps what it accepts.
type server struct {
	addr string
	got  chan accepted

	mu      sync.Mutex
	answers []error // to RCPT, one each; then all are accepted
}

type accepted struct {
	from, to string
	data     []byte
}

func serve(t *testing.T, answers ...error) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{addr: l.Addr().String(), got: make(chan accepted, 100), answers: answers}
	srv := smtp.NewServer(s)
	srv.Domain = "localhost"
	srv.ErrorLog = log.New(io.Discard, "", 0) // clients that hang up are none of the test's concern
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(l) })
	t.Cleanup(func() { _ = srv.Close(); wg.Wait() })
	return s
}

func (s *server) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{s: s}, nil }

type session struct {
	s   *server
	now accepted
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error { s.now.from = from; return nil }
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.s.mu.Lock()
	defer s.s.mu.Unlock()
	if len(s.s.answers) > 0 {
		err := s.s.answers[0]
		s.s.answers = s.s.answers[1:]
		if err != nil {
			return err
		}
	}
	s.now.to = to
	return nil
}

func (s *session) Data(r io.Reader) (err error) {
	s.now.data, err = io.ReadAll(r)
	s.s.got <- s.now
	return err
}
func (s *session) Reset()        { s.now = accepted{} }
func (s *session) Logout() error { return nil }

func open(t *testing.T, dir string, opts Options) (*Service, *db.DB) {
	t.Helper()
	d, err := db.Open(dir, db.Options{Schemas: []db.Schema{Schema}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(d, opts)
	if err != nil {
		t.Fatal(err)
	}
	s.backoff = func(int) time.Duration { return time.Millisecond }
	t.Cleanup(func() { s.Stop(); _ = d.Close() })
	return s, d
}

func add(t *testing.T, s *Service, m Message) int64 {
	t.Helper()
	draft, err := s.Compose(m)
	if err != nil {
		t.Fatal(err)
	}
	var id int64
	err = s.db.Update(context.Background(), func(tx *db.Tx) (err error) { id, err = s.AddTx(tx, draft); return err })
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// await polls the inbox until the mail is in the state.
func await(t *testing.T, s *Service, id int64, want State) Mail {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		m, err := s.Get(ctx, id)
		if err == nil && m.State == want {
			return m
		}
		select {
		case <-ctx.Done():
			t.Fatalf("mail %d is %+v (%v), want %s", id, m, err, want)
		case <-tick.C:
		}
	}
}

func receive(t *testing.T, s *server) accepted {
	t.Helper()
	select {
	case m := <-s.got:
		return m
	case <-time.After(20 * time.Second):
		t.Fatal("no mail arrived")
		return accepted{}
	}
}

func parse(t *testing.T, raw []byte) (netmail.Header, string) {
	t.Helper()
	m, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil {
		t.Fatal(err)
	}
	return m.Header, strings.ReplaceAll(string(body), "\r\n", "\n")
}

func TestWithoutAServerMailsAreKept(t *testing.T) {
	dir := t.TempDir()
	s, d := open(t, dir, Options{})
	s.Start()
	first := add(t, s, Message{To: "anna@example.com", Subject: "one", Text: "Grüße\n"})
	add(t, s, Message{To: "bert@example.com", Subject: "two", Text: "2"})
	s.Stop()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	s, _ = open(t, dir, Options{})
	list, err := s.List(context.Background(), 0, 10)
	if err != nil || len(list) != 2 || list[0].Subject != "two" || list[1].ID != first || list[1].State != Kept {
		t.Fatalf("list = %+v, %v", list, err)
	}
	if rest, err := s.List(context.Background(), list[0].ID, 10); err != nil || len(rest) != 1 {
		t.Errorf("second page = %+v, %v", rest, err)
	}
	m, err := s.Get(context.Background(), first)
	if err != nil || m.Text != "Grüße\n" {
		t.Errorf("mail = %+v, %v", m, err)
	}
	if _, err := s.Get(context.Background(), 99); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown mail: %v", err)
	}
}

func TestMailsReachTheServer(t *testing.T) {
	srv := serve(t)
	s, _ := open(t, t.TempDir(), Options{SMTPAddr: srv.addr, From: "sender@example.com"})
	s.Start()
	s.Start()
	text := "A line that is longer than the seventy-six characters that quoted-printable takes: ü\n.\nafter a dot\n"
	id := add(t, s, Message{FromName: "Überraschung", To: "anna@example.com", Subject: "Bild fertig ✓", Text: text, Unsubscribe: "http://127.0.0.1:4566/?Action=Unsubscribe"})
	got := receive(t, srv)
	if got.from != "sender@example.com" || got.to != "anna@example.com" {
		t.Errorf("envelope from %q to %q", got.from, got.to)
	}
	h, body := parse(t, got.data)
	if body != text {
		t.Errorf("text = %q, want %q", body, text)
	}
	subject, err := (&mime.WordDecoder{}).DecodeHeader(h.Get("Subject"))
	if err != nil || subject != "Bild fertig ✓" {
		t.Errorf("subject = %q, %v", subject, err)
	}
	if from, err := h.AddressList("From"); err != nil || from[0].Name != "Überraschung" || from[0].Address != "sender@example.com" {
		t.Errorf("from = %v, %v", from, err)
	}
	if h.Get("List-Unsubscribe") != "<http://127.0.0.1:4566/?Action=Unsubscribe>" {
		t.Errorf("List-Unsubscribe = %q", h.Get("List-Unsubscribe"))
	}
	m := await(t, s, id, Sent)
	if !bytes.Equal(bytes.TrimSpace(m.Raw), bytes.TrimSpace(got.data)) {
		t.Errorf("the inbox has\n%s\nthe server got\n%s", m.Raw, got.data)
	}
	s.Stop()
	s.Stop()
}

func TestRefusedForNowIsTriedAgain(t *testing.T) {
	busy := &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "try later"}
	srv := serve(t, busy, busy)
	s, _ := open(t, t.TempDir(), Options{SMTPAddr: srv.addr})
	s.Start()
	id := add(t, s, Message{To: "anna@example.com", Subject: "x", Text: "y"})
	receive(t, srv)
	if m := await(t, s, id, Sent); m.Attempts != 3 || m.Error != "" {
		t.Errorf("mail = %+v, want 3 attempts and no error", m)
	}
}

func TestRefusedForGoodIsRecordedAndHarmsNoOther(t *testing.T) {
	srv := serve(t, &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"})
	s, _ := open(t, t.TempDir(), Options{SMTPAddr: srv.addr})
	bad := add(t, s, Message{To: "nobody@example.com", Subject: "x", Text: "y"})
	good := add(t, s, Message{To: "anna@example.com", Subject: "x", Text: "y"})
	s.Start()
	if m := await(t, s, bad, Refused); !strings.Contains(m.Error, "no such user") {
		t.Errorf("error = %q", m.Error)
	}
	await(t, s, good, Sent)
	if got := receive(t, srv); got.to != "anna@example.com" || len(srv.got) != 0 {
		t.Errorf("delivered to %s, and %d more", got.to, len(srv.got))
	}
}

func TestMailsWaitForTheServerAndSurviveARestart(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := l.Addr().String()
	_ = l.Close()
	dir := t.TempDir()
	s, d := open(t, dir, Options{SMTPAddr: dead})
	s.Start()
	for i := range 30 {
		add(t, s, Message{To: fmt.Sprintf("user%d@example.com", i), Subject: "x", Text: "y"})
	}
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for tried := false; !tried; {
		m, err := s.Get(context.Background(), 1)
		if err != nil {
			t.Fatal(err)
		}
		tried = m.Attempts > 1 && m.Error != "" && m.State == Queued
		select {
		case <-deadline:
			t.Fatalf("no failed attempts recorded: %+v", m)
		case <-tick.C:
		}
	}
	s.Stop()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}

	srv := serve(t)
	s, _ = open(t, dir, Options{SMTPAddr: srv.addr})
	s.Start()
	seen := map[string]bool{}
	for range 30 {
		seen[receive(t, srv).to] = true
	}
	if len(seen) != 30 {
		t.Errorf("%d of 30 arrived", len(seen))
	}
}

func TestStopDoesNotWaitForASilentServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, _ := open(t, t.TempDir(), Options{SMTPAddr: l.Addr().String()})
	id := add(t, s, Message{To: "anna@example.com", Subject: "x", Text: "y"})
	s.Start()
	conn, err := l.Accept() // and never a greeting
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s.Stop() // the test would run into its time limit
	if m, err := s.Get(context.Background(), id); err != nil || m.State != Queued || m.Attempts != 0 {
		t.Errorf("mail = %+v, %v; want it queued as it was", m, err)
	}
}

func TestNothingInAMailMakesHeaders(t *testing.T) {
	s, _ := open(t, t.TempDir(), Options{})
	for _, evil := range []string{"x\r\nBcc: eve@example.com", "x\nBcc: eve@example.com\n\nbody", "x\rBcc: eve@example.com", "x\u2028Bcc: e@example.com", "x\x00\v\fBcc: y", strings.Repeat("ä", 300) + "\r\nBcc: e@example.com"} {
		id := add(t, s, Message{FromName: evil, To: "anna@example.com", Subject: evil, Unsubscribe: "http://x/" + evil, Text: "Bcc: not a header"})
		m, err := s.Get(context.Background(), id)
		if err != nil {
			t.Fatal(err)
		}
		h, _ := parse(t, m.Raw)
		for name := range h {
			switch name {
			case "Date", "Mime-Version", "Message-Id", "Subject", "Auto-Submitted", "List-Unsubscribe", "From", "To", "Content-Type", "Content-Transfer-Encoding":
			default:
				t.Errorf("%q made the header %s in\n%s", evil, name, m.Raw)
			}
		}
		if strings.ContainsAny(m.Subject, "\r\n") {
			t.Errorf("the subject %q has several lines", m.Subject)
		}
	}
}

func TestCheckAddress(t *testing.T) {
	for addr, ok := range map[string]bool{
		"anna@example.com": true, "a.b+c@localhost": true, `"a b"@example.com`: false,
		"": false, "anna": false, "Anna <anna@example.com>": false, "<anna@example.com>": false,
		"anna@example.com, bert@example.com": false, "anna@example.com,bert@example.com": false,
		"anna@example.com\r\nBcc: eve@example.com": false, "änna@example.com": false, "a@b@c": false,
		strings.Repeat("a", 250) + "@b.cc": false,
	} {
		if err := CheckAddress(addr); (err == nil) != ok {
			t.Errorf("CheckAddress(%q) = %v", addr, err)
		}
	}
	s, _ := open(t, t.TempDir(), Options{})
	if _, err := s.Compose(Message{To: "x\r\n@y"}); err == nil {
		t.Error("a mail to a hostile address was composed")
	}
	for _, o := range []Options{{From: "nobody"}, {SMTPAddr: "localhost"}, {SMTPAddr: "localhost:smtp"}} {
		if _, err := New(s.db, o); err == nil {
			t.Errorf("New took %+v", o)
		}
	}
}

func TestBackoffGrowsToItsLimit(t *testing.T) {
	for attempts, least := range map[int]time.Duration{0: time.Second, 1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 11: maxBackoff, 1 << 30: maxBackoff} {
		if got := backoff(attempts); got < least || got > least+least/5 {
			t.Errorf("backoff(%d) = %v, want %v and up to a fifth more", attempts, got, least)
		}
	}
}

func FuzzCompose(f *testing.F) {
	f.Add("Anna", "anna@example.com", "subject", "text")
	f.Add("\r\nX: y", "a@b", "\r\n\r\nbody", ".\r\n")
	s := &Service{opts: Options{From: DefaultFrom}, now: time.Now}
	f.Fuzz(func(t *testing.T, name, to, subject, text string) {
		d, err := s.Compose(Message{FromName: name, To: to, Subject: subject, Text: text})
		if err != nil {
			return
		}
		m, err := netmail.ReadMessage(bytes.NewReader(d.raw))
		if err != nil {
			t.Fatalf("%v in %q", err, d.raw)
		}
		if len(m.Header) > 9 {
			t.Fatalf("too many headers: %v", m.Header)
		}
		if to2, err := m.Header.AddressList("To"); err != nil || len(to2) != 1 || to2[0].Address != to {
			t.Fatalf("to %q became %v, %v", to, to2, err)
		}
	})
}
