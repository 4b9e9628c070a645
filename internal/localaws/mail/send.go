package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/tintype/tintype/internal/localaws/db"
	gomail "github.com/wneessen/go-mail"
)

const (
	// perConnection is how many mails share one connection to the server.
	perConnection = 20
	// connectionTime bounds one connection with all its mails.
	connectionTime = 2 * time.Minute
	maxBackoff     = 15 * time.Minute
	smtpsPort      = 465
)

// backoff is the pause after so many failed attempts: 1 s, doubling up to 15 min,
// with a fifth of jitter so that mails that failed together do not return together.
func backoff(attempts int) time.Duration {
	d := maxBackoff
	if attempts < 11 { // 2^10 s is over the limit
		d = min(d, time.Second<<max(attempts-1, 0))
	}
	return d + rand.N(d/5+1)
}

// newClient makes the SMTP client that Options describe. Its connections are closed
// when ctx ends, for the library itself heeds a context only while it dials.
func newClient(ctx context.Context, o Options) (*gomail.Client, error) {
	host, p, err := net.SplitHostPort(o.SMTPAddr)
	if err != nil {
		return nil, errors.New("not of the form host:port")
	}
	port, err := strconv.Atoi(p)
	if err != nil {
		return nil, fmt.Errorf("port %q is not a number", p)
	}
	security := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	dial := (&net.Dialer{}).DialContext
	policy := gomail.TLSOpportunistic
	switch {
	case port == smtpsPort:
		dial = (&tls.Dialer{Config: security}).DialContext
		policy = gomail.NoTLS // it is there already
	case isLoopback(host):
		// Test servers on this machine offer certificates that nobody signed.
		policy = gomail.NoTLS
	}
	opts := []gomail.Option{
		gomail.WithPort(port), gomail.WithTimeout(30 * time.Second), gomail.WithTLSPolicy(policy), gomail.WithTLSConfig(security),
		gomail.WithDialContextFunc(func(dialCtx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial(dialCtx, network, addr)
			if err == nil {
				context.AfterFunc(ctx, func() { _ = conn.Close() })
			}
			return conn, err
		}),
	}
	if o.SMTPUser != "" {
		auth := gomail.SMTPAuthAutoDiscover
		if isLoopback(host) || port == smtpsPort {
			auth = gomail.SMTPAuthPlainNoEnc // nothing leaves the machine, or all of it inside TLS
		}
		opts = append(opts, gomail.WithSMTPAuth(auth), gomail.WithUsername(o.SMTPUser), gomail.WithPassword(o.SMTPPassword))
	}
	return gomail.NewClient(host, opts...)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Start begins sending queued mails in the background, including those of earlier
// runs. Starting twice, or without an SMTP server, does nothing.
func (s *Service) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop != nil || s.opts.SMTPAddr == "" {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	s.stop, s.done = cancel, done
	go func() {
		defer close(done)
		s.run(ctx)
	}()
}

// Stop ends sending and waits until it has ended. What is still queued waits for the
// next Start. Stopping twice, or before Start, does nothing.
func (s *Service) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop == nil {
		return
	}
	s.stop()
	<-s.done
	s.stop = nil
}

func (s *Service) run(ctx context.Context) {
	for ctx.Err() == nil {
		wait, err := s.pass(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.Error("mail: cannot read or write the queue", "err", err)
			wait = time.Second
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// queued is one mail to send.
type queued struct {
	id       int64
	attempts int
	letter   letter
}

// pass sends what is due and returns how long nothing will be.
func (s *Service) pass(ctx context.Context) (time.Duration, error) {
	list, err := s.due(ctx)
	if err != nil {
		return 0, err
	}
	if len(list) > 0 {
		return 0, s.send(ctx, list)
	}
	var next *int64
	err = s.db.Read().QueryRowContext(ctx, `SELECT min(next) FROM mail_inbox WHERE state = 'queued'`).Scan(&next)
	if err != nil || next == nil {
		return time.Hour, err
	}
	return max(time.UnixMilli(*next).Sub(s.now()), time.Millisecond), nil
}

func (s *Service) due(ctx context.Context) ([]queued, error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT id, attempts, message_id, time, sender_name, sender, recipient, subject, body, unsubscribe
		FROM mail_inbox WHERE state = 'queued' AND next <= ? ORDER BY next, id LIMIT ?`, s.now().UnixMilli(), perConnection)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []queued
	for rows.Next() {
		var q queued
		var ms int64
		l := &q.letter
		if err := rows.Scan(&q.id, &q.attempts, &l.messageID, &ms, &l.fromName, &l.from, &l.to, &l.subject, &l.text, &l.unsubscribe); err != nil {
			return nil, err
		}
		l.date = time.UnixMilli(ms)
		list = append(list, q)
	}
	return list, rows.Err()
}

// send hands the mails to the server over one connection and records what became of
// each. Its error is the store's; the server's end in the mails' rows.
func (s *Service) send(ctx context.Context, list []queued) error {
	sendCtx, cancel := context.WithTimeout(ctx, connectionTime)
	defer cancel()
	client, err := newClient(sendCtx, s.opts)
	if err != nil {
		return err
	}
	msgs := make([]*gomail.Msg, len(list))
	for i, q := range list {
		if msgs[i], err = q.letter.message(); err != nil {
			return fmt.Errorf("format mail %d: %w", q.id, err)
		}
	}
	connErr := client.DialAndSendWithContext(sendCtx, msgs...)
	stopped := ctx.Err() != nil
	tried := slices.ContainsFunc(msgs, func(m *gomail.Msg) bool { return m.IsDelivered() || m.HasSendError() })
	return s.db.Update(context.WithoutCancel(ctx), func(tx *db.Tx) error {
		if !tried && connErr != nil && !stopped {
			return s.unreachable(tx, list[0].attempts+1, connErr)
		}
		for i, q := range list {
			if err := s.record(tx, q, msgs[i], stopped); err != nil {
				return err
			}
		}
		return nil
	})
}

// unreachable puts off everything that is due: the server does not talk to us at all,
// which no mail's turn will change.
func (s *Service) unreachable(tx *db.Tx, attempts int, why error) error {
	pause := s.backoff(attempts)
	s.log.Warn("SMTP server not reached, mails wait", "server", s.opts.SMTPAddr, "attempts", attempts, "in", pause, "err", why)
	now := s.now()
	_, err := tx.Exec(`UPDATE mail_inbox SET attempts = attempts + 1, next = ?, error = ? WHERE state = 'queued' AND next <= ?`,
		now.Add(pause).UnixMilli(), oneLine(why.Error()), now.UnixMilli())
	return err
}

// record writes down what became of one mail.
func (s *Service) record(tx *db.Tx, q queued, m *gomail.Msg, stopped bool) error {
	err := m.SendError()
	var se *gomail.SendError
	switch {
	case m.IsDelivered():
		s.log.Info("mail sent", "mail", q.id, "to", q.letter.to)
		return s.set(tx, q.id, Sent, q.attempts+1, 0, "")
	case stopped || err == nil:
		return nil // cut off by Stop: it stays due
	case errors.As(err, &se) && se.ErrorCode()/100 == 5:
		s.log.Error("mail refused by the SMTP server", "mail", q.id, "to", q.letter.to, "err", err)
		return s.set(tx, q.id, Refused, q.attempts+1, 0, err.Error())
	default:
		pause := s.backoff(q.attempts + 1)
		s.log.Warn("mail not sent, will be tried again", "mail", q.id, "to", q.letter.to, "attempts", q.attempts+1, "in", pause, "err", err)
		return s.set(tx, q.id, Queued, q.attempts+1, s.now().Add(pause).UnixMilli(), err.Error())
	}
}

func (s *Service) set(tx *db.Tx, id int64, state State, attempts int, next int64, why string) error {
	_, err := tx.Exec(`UPDATE mail_inbox SET state = ?, attempts = ?, next = ?, error = ? WHERE id = ?`,
		string(state), attempts, next, oneLine(why), id)
	return err
}
