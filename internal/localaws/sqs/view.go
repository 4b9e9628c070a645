package sqs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// QueueView is a queue as the console shows it.
type QueueView struct {
	Name, ARN                  string
	Attributes                 map[string]string // set ones and defaults, without the counts
	Tags                       map[string]string
	Created, Modified          time.Time
	Visible, InFlight, Delayed int64     // messages, at this moment; they do not overlap
	Rough                      bool      // more are hidden than were counted: Visible counts the rest of them, too
	DeadLetters                string    // ARN of its dead-letter queue; empty: none
	MaxReceives                int64     // after which messages go there
	Oldest                     time.Time // when the oldest message was sent; zero: there is none
	Receivers                  int       // long polls waiting for a message
	In, Received, Out          TrafficView
}

// TrafficView is what passed since the endpoint started.
type TrafficView struct {
	PerSecond []int64 // of the last TrafficSeconds whole seconds, oldest first
	Total     int64
}

// MessageView is a message as the console shows it.
type MessageView struct {
	Seq        int64 // of this endpoint: greater for later messages
	ID         string
	Sent       time.Time
	First      time.Time // first receive; zero: none yet
	Visible    time.Time // when it can be received; past: now
	Receives   int       // from this queue
	Earlier    int       // from queues it was in before
	Delayed    bool      // hidden since it was sent, not by a receive
	Attributes map[string]string
	Sender     string
	Group      string // MessageGroupId; may be empty
	Source     string // ARN of the queue it was moved here from; may be empty
	Trace      string // AWSTraceHeader; may be empty
	Body       string // cut where asked for
	Size       int64  // of the whole body, bytes
}

// PeekOrder is the order of messages in Peek.
type PeekOrder int

// The orders of Peek.
const (
	OldestFirst  PeekOrder = iota
	NewestFirst            // latest sent first
	HiddenByTime           // those in flight or delayed, by when they can be received
)

// PeekQuery says which messages of a queue Peek returns.
type PeekQuery struct {
	Order PeekOrder
	// After is the last message of the page before: its Seq, and with HiddenByTime also
	// its Visible in Unix milliseconds. Zero: from the start.
	After, AfterVisible int64
	Limit               int
	MaxBody             int // bytes of a body that are read at most, roughly; 0: all
}

// Exists tells whether there is a queue of that ARN.
func (s *Service) Exists(queueARN string) bool { return s.byARN(queueARN) != nil }

// View returns one queue. One that does not exist is the *wire.Error
// QueueDoesNotExist.
func (s *Service) View(ctx context.Context, name string) (QueueView, error) {
	q := s.byName(name)
	if q == nil {
		return QueueView{}, errNoQueue()
	}
	c, rough, err := s.glance(ctx, q)
	if err != nil {
		return QueueView{}, fmt.Errorf("count queue %s: %w", name, err)
	}
	cfg := q.cfg.Load()
	v := QueueView{
		Name: name, ARN: q.arn, Attributes: map[string]string{}, Tags: maps.Clone(cfg.tags),
		Created: time.Unix(q.created, 0).UTC(), Modified: time.Unix(cfg.modified, 0).UTC(),
		Visible: c.visible, InFlight: c.inFlight, Delayed: c.delayed, Rough: rough, Receivers: q.gate.waiting(),
	}
	if cfg.redrive != nil {
		v.DeadLetters, v.MaxReceives = cfg.redrive.target, cfg.redrive.maxReceives
	}
	for _, a := range settable(q.fifo) {
		if value := attributeOr(cfg.raw, a); value != "" {
			v.Attributes[a] = value
		}
	}
	now := time.Now().UnixMilli()
	v.In.PerSecond, v.In.Total = q.traffic.in.read(now)
	v.Received.PerSecond, v.Received.Total = q.traffic.received.read(now)
	v.Out.PerSecond, v.Out.Total = q.traffic.out.read(now)
	var oldest int64
	err = s.db.Read().QueryRowContext(ctx, "SELECT sent_at FROM sqs_messages WHERE spool = ? ORDER BY id LIMIT 1", q.spool.Load()).Scan(&oldest)
	switch {
	case err == nil:
		v.Oldest = time.UnixMilli(oldest).UTC()
	case !errors.Is(err, sql.ErrNoRows):
		return v, fmt.Errorf("oldest message of %s: %w", name, err)
	}
	return v, nil
}

const peekColumns = `SELECT m.id, m.n, m.pack, p.data, b.uuid, m.sent_at, m.first_at, m.visible_at, m.receives, b.received, m.delayed, b.attributes, b.sender, b.grp, b.source, b.trace,
	CASE WHEN ?1 > 0 AND octet_length(b.body) > ?1 THEN substr(b.body, 1, ?1) ELSE b.body END, octet_length(b.body)
	FROM sqs_messages m LEFT JOIN sqs_packs p ON p.id = m.pack LEFT JOIN sqs_bodies b ON b.id = m.id AND m.pack = 0
	WHERE (p.id IS NOT NULL OR b.id IS NOT NULL) AND m.spool = ?2 AND `

// The queries of Peek seek where the page begins, however many messages there are. A row
// may stand for ten messages, so that they begin up to nine ids before it; what is not of
// the page is left out by peek.
const (
	peekOldest = peekColumns + `m.id > ?3 - 10 ORDER BY m.id LIMIT ?4 + 10`
	peekNewest = peekColumns + `m.id < ?3 ORDER BY m.id DESC LIMIT ?4`
	peekHidden = peekColumns + `(m.visible_at, m.id) > (?5, ?3 - 10) ORDER BY m.visible_at, m.id LIMIT ?4 + 10`
	peekOne    = peekColumns + `m.id <= ?3 AND m.id > ?3 - 10 ORDER BY m.id DESC LIMIT 1`
)

// Peek returns messages of a queue and leaves them as they are: nothing is received. A
// queue that does not exist is the *wire.Error QueueDoesNotExist.
func (s *Service) Peek(ctx context.Context, name string, in PeekQuery) ([]MessageView, error) {
	q := s.byName(name)
	if q == nil {
		return nil, errNoQueue()
	}
	args := []any{in.MaxBody, q.spool.Load(), in.After, in.Limit}
	query, wanted := peekOldest, func(m *MessageView) bool { return m.Seq > in.After }
	switch in.Order {
	case NewestFirst:
		query = peekNewest
		if in.After == 0 {
			args[2] = never
		}
		wanted = func(m *MessageView) bool { return in.After == 0 || m.Seq < in.After }
	case HiddenByTime:
		query = peekHidden
		from := max(in.AfterVisible, time.Now().UnixMilli())
		args = append(args, from)
		wanted = func(m *MessageView) bool { return m.Visible.UnixMilli() > from || m.Seq > in.After }
	}
	out, err := s.peek(ctx, q, in, wanted, query, args...)
	return out[:min(len(out), in.Limit)], err
}

// PeekMessage returns one message of a queue with its whole body; none where it is
// not, or no longer, in that queue.
func (s *Service) PeekMessage(ctx context.Context, name string, seq int64) (*MessageView, error) {
	q := s.byName(name)
	if q == nil {
		return nil, errNoQueue()
	}
	list, err := s.peek(ctx, q, PeekQuery{}, func(m *MessageView) bool { return m.Seq == seq }, peekOne, 0, q.spool.Load(), seq)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

func (s *Service) peek(ctx context.Context, q *queue, in PeekQuery, wanted func(*MessageView) bool, query string, args ...any) (out []MessageView, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("look into queue %s: %w", q.name, err)
		}
	}()
	rows, err := s.db.Read().QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		found, err := scanMessages(rows, in.MaxBody)
		if err != nil {
			return nil, err
		}
		if in.Order == NewestFirst {
			slices.Reverse(found)
		}
		for i := range found {
			if wanted(&found[i]) {
				out = append(out, found[i])
			}
		}
	}
	return out, rows.Err()
}

// scanMessages reads the messages that a row of a peek stands for, oldest first.
func scanMessages(rows *sql.Rows, maxBody int) ([]MessageView, error) {
	var m MessageView
	var r row
	var data sql.RawBytes
	var sent, first, visible int64
	var uuid, sender, body, attributes, group, source, trace sql.NullString
	var earlier, size sql.NullInt64
	if err := rows.Scan(&r.id, &r.n, &r.pack, &data, &uuid, &sent, &first, &visible, &m.Receives, &earlier, &m.Delayed,
		&attributes, &sender, &group, &source, &trace, &body, &size); err != nil {
		return nil, err
	}
	m.Sent, m.Visible = time.UnixMilli(sent).UTC(), time.UnixMilli(visible).UTC()
	if first > 0 {
		m.First = time.UnixMilli(first).UTC()
	}
	if r.pack == 0 {
		m.Seq, m.ID, m.Earlier, m.Sender, m.Body, m.Size = r.id, uuid.String, int(earlier.Int64), sender.String, body.String, size.Int64
		m.Group, m.Source, m.Trace = group.String, source.String, trace.String
		return []MessageView{m}, m.readAttributes(attributes)
	}
	members, err := unpackSome(string(data), r.id-r.pack, r.n)
	if err != nil {
		return nil, err
	}
	all := make([]MessageView, len(members))
	for i := range members {
		p := &members[i]
		all[i] = m
		v := &all[i]
		v.Seq, v.ID, v.Sender, v.Trace, v.Size = r.id+int64(i), p.uuid, p.sender, deref(p.trace), int64(len(p.body))
		if v.Body = p.body; maxBody > 0 {
			v.Body = cut(v.Body, maxBody)
		}
		if err := v.readAttributes(nullable(p.attributes)); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// cut is SQLite's substr(s, 1, n): at most n characters.
func cut(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

func (m *MessageView) readAttributes(encoded sql.NullString) error {
	if !encoded.Valid {
		return nil
	}
	decoded, err := decodeAttributes(encoded.String)
	if err != nil {
		return err
	}
	m.Attributes = map[string]string{}
	for k, v := range decoded {
		if v.BinaryValue != nil {
			m.Attributes[k] = fmt.Sprintf("%d bytes (%s)", len(v.BinaryValue), aws.ToString(v.DataType))
		} else {
			m.Attributes[k] = aws.ToString(v.StringValue)
		}
	}
	return nil
}
