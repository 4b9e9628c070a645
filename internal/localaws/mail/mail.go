// Package mail keeps the endpoint's mails: every one in an inbox that the console
// shows, and, where an SMTP server is configured, sends each to it as real mail.
//
// A mail is a row of the shared store, added in the transaction of whatever causes
// it, so it is as durable as its cause. Sending happens afterwards, again and again
// until the server accepts it or refuses it for good; a crash between acceptance and
// its record sends a mail twice with the same Message-ID, never not at all.
//
// It imports package db and nothing else of ours.
package mail

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tintype/tintype/internal/localaws/db"
)

// Schema is the package's part of the store.
var Schema = db.Schema{Name: "mail", Steps: []string{baseTables}}

const baseTables = `
CREATE TABLE IF NOT EXISTS mail_inbox (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	time INTEGER NOT NULL,            -- unix ms
	message_id TEXT NOT NULL,
	sender_name TEXT NOT NULL,
	sender TEXT NOT NULL,
	recipient TEXT NOT NULL,
	subject TEXT NOT NULL,
	body TEXT NOT NULL,
	unsubscribe TEXT NOT NULL,
	raw BLOB NOT NULL,                -- RFC 5322
	state TEXT NOT NULL,              -- see State
	attempts INTEGER NOT NULL DEFAULT 0,
	next INTEGER NOT NULL DEFAULT 0,  -- unix ms of the next attempt
	error TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX IF NOT EXISTS mail_queued ON mail_inbox (next) WHERE state = 'queued';
`

// State is how far a mail has come on its way to an SMTP server.
type State string

// The states of a mail.
const (
	Kept    State = "kept"    // in the inbox only: no SMTP server is configured
	Queued  State = "queued"  // to be sent, perhaps after failed attempts
	Sent    State = "sent"    // accepted by the SMTP server
	Refused State = "refused" // refused for good (5xx); Error says why
)

// DefaultFrom is the sender's address where Options name none.
const DefaultFrom = "no-reply@sns.localhost"

// ErrNotFound says that there is no mail of that id.
var ErrNotFound = errors.New("no such mail")

// Options configure a Service.
type Options struct {
	// From is the sender's address; empty: DefaultFrom.
	From string
	// SMTPAddr is the server's host:port. Empty: mails only go to the inbox.
	// Port 465 means TLS from the start; elsewhere STARTTLS is used if it is
	// offered, but never to a loopback address.
	SMTPAddr string
	// SMTPUser and SMTPPassword authenticate to the server, where it asks for that.
	SMTPUser, SMTPPassword string
	Logger                 *slog.Logger     // nil: nothing is logged
	Now                    func() time.Time // nil: time.Now
}

// Message is what a caller wants sent.
type Message struct {
	FromName    string // display name of the sender; may be empty
	To          string // one plain address
	Subject     string
	Text        string
	Unsubscribe string // URL for List-Unsubscribe; may be empty
}

// Mail is one mail of the inbox.
type Mail struct {
	ID       int64     `json:"id"`
	Time     time.Time `json:"time"`
	From     string    `json:"from"`
	To       string    `json:"to"`
	Subject  string    `json:"subject"`
	Text     string    `json:"text,omitempty"`
	Raw      []byte    `json:"-"` // RFC 5322, as it is sent
	State    State     `json:"state"`
	Attempts int       `json:"attempts"`
	Error    string    `json:"error,omitempty"` // of the last attempt
}

// Service is the inbox and its sender. It is safe for concurrent use.
type Service struct {
	db      *db.DB
	opts    Options
	log     *slog.Logger
	now     func() time.Time
	backoff func(attempts int) time.Duration
	wake    chan struct{}

	mu   sync.Mutex
	stop context.CancelFunc // nil while not running
	done chan struct{}
}

// New makes a service. Sending begins with Start.
func New(d *db.DB, opts Options) (*Service, error) {
	if opts.From == "" {
		opts.From = DefaultFrom
	}
	if err := CheckAddress(opts.From); err != nil {
		return nil, fmt.Errorf("the sender's address %q: %w", opts.From, err)
	}
	s := &Service{db: d, opts: opts, log: opts.Logger, now: opts.Now, backoff: backoff, wake: make(chan struct{}, 1)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	if opts.SMTPAddr != "" {
		if _, err := newClient(context.Background(), opts); err != nil {
			return nil, fmt.Errorf("SMTP server %q: %w", opts.SMTPAddr, err)
		}
	}
	return s, nil
}

// Draft is a checked and formatted mail that is not stored yet.
type Draft struct {
	letter letter
	raw    []byte
}

// Compose checks and formats a mail. That takes a moment, so it happens outside the
// transaction that stores it (AddTx). An error means the mail can never be sent.
func (s *Service) Compose(m Message) (*Draft, error) {
	if err := CheckAddress(m.To); err != nil {
		return nil, fmt.Errorf("address %q: %w", m.To, err)
	}
	l := letter{
		messageID: newMessageID(s.opts.From), date: s.now(),
		fromName: oneLine(m.FromName), from: s.opts.From, to: m.To,
		subject: oneLine(m.Subject), text: m.Text, unsubscribe: oneLine(m.Unsubscribe),
	}
	raw, err := l.format()
	if err != nil {
		return nil, fmt.Errorf("format a mail to %q: %w", m.To, err)
	}
	return &Draft{letter: l, raw: raw}, nil
}

// AddTx stores a mail in the caller's transaction and returns its id. Once that has
// committed the mail is in the inbox and, where a server is configured, on its way.
func (s *Service) AddTx(tx *db.Tx, d *Draft) (int64, error) {
	state := Kept
	if s.opts.SMTPAddr != "" {
		state = Queued
	}
	l := d.letter
	res, err := tx.Exec(`INSERT INTO mail_inbox (time, message_id, sender_name, sender, recipient, subject, body, unsubscribe, raw, state)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		l.date.UnixMilli(), l.messageID, l.fromName, l.from, l.to, l.subject, l.text, l.unsubscribe, d.raw, string(state))
	if err != nil {
		return 0, fmt.Errorf("store a mail to %q: %w", l.to, err)
	}
	if state == Queued {
		tx.OnCommit(s.wakeUp)
	}
	return res.LastInsertId()
}

func (s *Service) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default: // it is to wake up already
	}
}

const columns = `SELECT id, time, sender, recipient, subject, state, attempts, error`

// List returns up to limit mails, newest first, without text; those older than the
// mail before, or all where before is 0.
func (s *Service) List(ctx context.Context, before int64, limit int) ([]Mail, error) {
	if before <= 0 {
		before = 1<<63 - 1
	}
	rows, err := s.db.Read().QueryContext(ctx, columns+` FROM mail_inbox WHERE id < ? ORDER BY id DESC LIMIT ?`, before, limit)
	if err != nil {
		return nil, fmt.Errorf("list mails: %w", err)
	}
	defer rows.Close()
	list := []Mail{}
	for rows.Next() {
		var m Mail
		if err := scan(rows.Scan, &m); err != nil {
			return nil, fmt.Errorf("list mails: %w", err)
		}
		list = append(list, m)
	}
	return list, rows.Err()
}

// Get returns one mail with its text, or ErrNotFound.
func (s *Service) Get(ctx context.Context, id int64) (Mail, error) {
	var m Mail
	row := s.db.Read().QueryRowContext(ctx, columns+`, body, raw FROM mail_inbox WHERE id = ?`, id)
	err := scan(row.Scan, &m, &m.Text, &m.Raw)
	if errors.Is(err, sql.ErrNoRows) {
		return m, ErrNotFound
	}
	if err != nil {
		return m, fmt.Errorf("read mail %d: %w", id, err)
	}
	return m, nil
}

func scan(f func(...any) error, m *Mail, more ...any) error {
	var ms int64
	err := f(append([]any{&m.ID, &ms, &m.From, &m.To, &m.Subject, &m.State, &m.Attempts, &m.Error}, more...)...)
	m.Time = time.UnixMilli(ms).UTC()
	return err
}

func newMessageID(from string) string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:]) + from[lastAt(from):]
}
