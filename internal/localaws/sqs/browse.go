package sqs

import (
	"context"
	"slices"
	"strings"
	"time"
)

// maxGlance is how many hidden messages a look at a queue counts: more than can be in
// flight, so that only a queue of very many delayed messages has more.
const maxGlance = 150_000

// glanceCounts is count with a bound.
const glanceCounts = `SELECT total,
	(SELECT coalesce(sum(n), 0) FROM (SELECT n FROM sqs_messages INDEXED BY sqs_messages_visible WHERE spool = ?1 AND visible_at > ?2 LIMIT ?3)),
	(SELECT count(*) FROM (SELECT 1 FROM sqs_messages INDEXED BY sqs_messages_delayed WHERE spool = ?1 AND visible_at > ?2 AND delayed = 1 LIMIT ?3))
	FROM sqs_spools WHERE id = ?1`

// glance counts a queue's messages without reading a whole backlog of delayed ones.
func (s *Service) glance(ctx context.Context, q *queue) (c counts, rough bool, err error) {
	var total, hidden int64
	err = s.db.Read().QueryRowContext(ctx, glanceCounts, q.spool.Load(), time.Now().UnixMilli(), maxGlance).Scan(&total, &hidden, &c.delayed)
	c.visible, c.inFlight = total-hidden, max(hidden-c.delayed, 0)
	return c, hidden >= maxGlance, err
}

// Page returns queues whose names contain a text, by name: those after one of them, at
// most limit, and whether there are more.
func (s *Service) Page(ctx context.Context, contains, after string, limit int) (page []QueueView, more bool, err error) {
	contains = strings.ToLower(contains)
	names := s.names(func(q *queue) bool {
		return q.name > after && (contains == "" || strings.Contains(strings.ToLower(q.name), contains))
	})
	if len(names) > limit {
		names, more = names[:limit], true
	}
	for _, name := range names {
		v, err := s.View(ctx, name)
		if isNoQueue(err) {
			continue // deleted a moment ago
		}
		if err != nil {
			return nil, false, err
		}
		page = append(page, v)
	}
	return page, more, nil
}

// Names returns the names of all queues, sorted.
func (s *Service) Names() []string { return s.names(func(*queue) bool { return true }) }

// Totals returns how many queues there are and how many messages in all of them.
func (s *Service) Totals(ctx context.Context) (queues int, messages int64, err error) {
	s.mu.RLock()
	queues = len(s.queues)
	s.mu.RUnlock()
	err = s.db.Read().QueryRowContext(ctx, "SELECT coalesce(sum(total), 0) FROM sqs_spools WHERE dead = 0").Scan(&messages)
	return queues, messages, err
}

// DeadLetterSources returns, for each ARN that a RedrivePolicy names, the sorted names
// of the queues that do.
func (s *Service) DeadLetterSources() map[string][]string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := map[string][]string{}
	for name, q := range s.queues {
		if p := q.cfg.Load().redrive; p != nil {
			out[p.target] = append(out[p.target], name)
		}
	}
	for _, names := range out {
		slices.Sort(names)
	}
	return out
}

// DeleteSeen deletes a message that was seen by Peek, without a receipt of it, and
// tells whether it was there. A queue that does not exist is the *wire.Error
// QueueDoesNotExist.
func (s *Service) DeleteSeen(ctx context.Context, name string, seq int64) (bool, error) {
	m, err := s.PeekMessage(ctx, name, seq)
	if err != nil || m == nil {
		return false, err
	}
	q := s.byName(name)
	if q == nil {
		return false, errNoQueue()
	}
	return true, s.deleteAll(ctx, q, []int64{seq})
}
