package sqs

import (
	"database/sql"
	"errors"
	"time"

	"github.com/tintype/tintype/internal/localaws/db"
)

const (
	// selectDueGroups seeks the groups that can be received from, longest due first, from
	// a place on: those behind a message in flight or delayed are beyond now.
	selectDueGroups = `SELECT id, due, head FROM sqs_groups INDEXED BY sqs_groups_due
	WHERE spool = ?1 AND due <= ?2 AND (due, head) > (?3, ?4) ORDER BY due, head LIMIT ?5`

	selectNextGroup = "SELECT due FROM sqs_groups INDEXED BY sqs_groups_due WHERE spool = ? AND due > ? ORDER BY due LIMIT 1"

	selectGrouped = `SELECT m.id, m.sent_at, m.first_at, m.visible_at, m.receives, b.received, b.uuid, b.body, b.sender, b.attributes, b.trace, b.grp, b.source, b.dedup
	FROM sqs_messages m INDEXED BY sqs_messages_group JOIN sqs_bodies b ON b.id = m.id
	WHERE m.spool = ? AND m.gid = ? AND m.gid > 0 AND m.id > ? ORDER BY m.id LIMIT ?`
)

// dueGroup is a message group whose head is visible.
type dueGroup struct{ id, due, head int64 }

func dueGroups(tx *db.Tx, spool, now int64, after dueGroup, n int) ([]dueGroup, error) {
	rows, err := tx.Query(selectDueGroups, spool, now, after.due, after.head, n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []dueGroup
	for rows.Next() {
		var g dueGroup
		if err := rows.Scan(&g.id, &g.due, &g.head); err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, rows.Err()
}

// takeGroups is the part of take that is a FIFO queue's: of each group that is due,
// longest due first, it takes as many messages as it can, in their order. drained tells
// that no group is due any more.
func (s *Service) takeGroups(tx *db.Tx, q *queue, spool, now int64, want int, visibility time.Duration) (got []received, drained bool, err error) {
	var after dueGroup
	seen := map[int64]bool{} // a lease of no time leaves a group due
	left := false
	for round := 0; round < takeRounds; round++ {
		n := want - len(got)
		groups, err := dueGroups(tx, spool, now, after, n)
		if err != nil {
			return nil, false, err
		}
		for _, g := range groups {
			if after = g; seen[g.id] {
				continue
			}
			seen[g.id] = true
			live, more, err := s.takeGroup(tx, q, spool, now, g.id, want-len(got), visibility)
			if err != nil {
				return nil, false, err
			}
			if got = append(got, live...); len(got) == want {
				return got, false, nil
			}
			left = left || more
		}
		if len(groups) < n {
			return got, !left, nil
		}
	}
	return got, false, nil
}

// takeGroup leases up to want messages from a group's head on, as far as they are
// visible: the first that is not holds back all behind it. more tells that it stopped
// because of how many expired and dead ones it met.
func (s *Service) takeGroup(tx *db.Tx, q *queue, spool, now, gid int64, want int, visibility time.Duration) (live []received, more bool, err error) {
	blocked := false
	for last, round := int64(0), 0; len(live) < want && !blocked && round < takeRounds; round++ {
		n := want - len(live)
		found, err := grouped(tx, spool, gid, last, n)
		if err != nil {
			return nil, false, err
		}
		blocked = len(found) < n
		for i, m := range found {
			if m.visibleAt > now {
				found, blocked = found[:i], true
				break
			}
			last = m.id
		}
		some, err := s.sift(tx, q, spool, now, found)
		if err != nil {
			return nil, false, err
		}
		live = append(live, some...)
	}
	more = !blocked && len(live) < want
	if len(live) == 0 {
		_, err := s.regroup(tx, spool, gid)
		return nil, more, err
	}
	if err := s.lease(tx, spool, now, visibility, live); err != nil {
		return nil, false, err
	}
	// What was before the first of them is gone: it expired or died.
	_, err = tx.Exec("UPDATE sqs_groups SET head = ?, due = ? WHERE id = ?", live[0].id, now+visibility.Milliseconds(), gid)
	return live, more, err
}

func grouped(tx *db.Tx, spool, gid, after int64, n int) ([]received, error) {
	rows, err := tx.Query(selectGrouped, spool, gid, after, n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := make([]received, 0, n)
	for rows.Next() {
		m := received{gid: gid}
		if err := rows.Scan(&m.id, &m.sentAt, &m.firstAt, &m.visibleAt, &m.receives, &m.earlier, &m.uuid, &m.body, &m.sender, &m.attributes, &m.trace, &m.group, &m.source, &m.dedup); err != nil {
			return nil, err
		}
		m.row = m.id
		found = append(found, m)
	}
	return found, rows.Err()
}

// nextGroup is when the next group becomes due; zero: none will.
func nextGroup(tx *db.Tx, spool, now int64) (time.Time, error) {
	var at int64
	switch err := tx.QueryRow(selectNextGroup, spool, now).Scan(&at); {
	case errors.Is(err, sql.ErrNoRows):
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, err
	}
	return time.UnixMilli(at), nil
}

// bounceFIFO moves dead messages to a FIFO dead-letter queue, to the ends of the groups
// of their names. They keep their ids, but their retention begins anew there, as AWS
// has it for FIFO queues. Regrouping the source is the caller's.
func (s *Service) bounceFIFO(tx *db.Tx, q *queue, spool, to, now int64, dead []received, free *released) error {
	for _, m := range dead {
		res, err := tx.Exec(`INSERT INTO sqs_bodies (uuid, body, attributes, sender, trace, grp, dedup, received, source)
			SELECT uuid, body, attributes, sender, trace, grp, dedup, received + ?, ? FROM sqs_bodies WHERE id = ?`, m.receives, q.arn, m.id)
		if err != nil {
			return err
		}
		id, err := res.LastInsertId()
		if err != nil {
			return err
		}
		if _, err := tx.Exec("DELETE FROM sqs_bodies WHERE id = ?", m.id); err != nil {
			return err
		}
		if _, err := tx.Exec("DELETE FROM sqs_messages WHERE spool = ? AND id = ?", spool, m.id); err != nil {
			return err
		}
		due, err := s.join(tx, to, m.group.String, id, now, now)
		if err != nil {
			return err
		}
		free.add(due)
	}
	return nil
}
