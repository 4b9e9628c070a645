package sqs

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// QueueView is a queue as the console shows it.
type QueueView struct {
	Name, ARN                  string
	Attributes                 map[string]string // set ones and defaults, without the counts
	Visible, InFlight, Delayed int64             // messages, at this moment; they do not overlap
}

// MessageView is a message as the console shows it.
type MessageView struct {
	ID         string
	Sent       time.Time
	Visible    time.Time // when it can be received; past: now
	Receives   int
	Delayed    bool // hidden since it was sent, not by a receive
	Attributes map[string]string
	Body       string
}

// Exists tells whether there is a queue of that ARN.
func (s *Service) Exists(queueARN string) bool { return s.byARN(queueARN) != nil }

// Overview returns all queues, by name.
func (s *Service) Overview(ctx context.Context) ([]QueueView, error) {
	var out []QueueView
	for _, name := range s.names(func(*queue) bool { return true }) {
		q := s.byName(name)
		if q == nil {
			continue // deleted a moment ago
		}
		c, err := s.count(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("count queue %s: %w", name, err)
		}
		v := QueueView{Name: name, ARN: q.arn, Attributes: map[string]string{}, Visible: c.visible, InFlight: c.inFlight, Delayed: c.delayed}
		raw := q.cfg.Load().raw
		for _, a := range settable() {
			if value := attributeOr(raw, a); value != "" {
				v.Attributes[a] = value
			}
		}
		out = append(out, v)
	}
	return out, nil
}

// Peek returns the oldest messages of a queue, at most limit, and leaves them as they
// are: nothing is received. A queue that does not exist is the *wire.Error
// QueueDoesNotExist.
func (s *Service) Peek(ctx context.Context, name string, limit int) ([]MessageView, error) {
	q := s.byName(name)
	if q == nil {
		return nil, errNoQueue()
	}
	rows, err := s.db.Read().QueryContext(ctx, `SELECT b.uuid, m.sent_at, m.visible_at, m.receives, m.delayed, b.attributes, b.body
		FROM sqs_messages m JOIN sqs_bodies b ON b.id = m.id WHERE m.spool = ? ORDER BY m.id LIMIT ?`, q.spool.Load(), limit)
	if err != nil {
		return nil, fmt.Errorf("look into queue %s: %w", name, err)
	}
	defer rows.Close()
	var out []MessageView
	for rows.Next() {
		var m MessageView
		var sent, visible int64
		var attributes sql.NullString
		if err := rows.Scan(&m.ID, &sent, &visible, &m.Receives, &m.Delayed, &attributes, &m.Body); err != nil {
			return nil, fmt.Errorf("look into queue %s: %w", name, err)
		}
		m.Sent, m.Visible = time.UnixMilli(sent).UTC(), time.UnixMilli(visible).UTC()
		decoded, err := decodeAttributes(attributes.String)
		if err != nil {
			return nil, fmt.Errorf("look into queue %s: %w", name, err)
		}
		m.Attributes = map[string]string{}
		for k, v := range decoded {
			if v.BinaryValue != nil {
				m.Attributes[k] = fmt.Sprintf("%d bytes (%s)", len(v.BinaryValue), aws.ToString(v.DataType))
			} else {
				m.Attributes[k] = aws.ToString(v.StringValue)
			}
		}
		out = append(out, m)
	}
	return out, rows.Err()
}
