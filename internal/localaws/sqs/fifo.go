package sqs

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/tintype/tintype/internal/localaws/db"
)

// dedupInterval is how long a FIFO queue recognizes a message that it has seen:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-exactly-once-processing.html
const dedupInterval = 5 * time.Minute

const fifoSuffix = ".fifo"

// sequenceNumber is the SequenceNumber of a message of a FIFO queue: twenty digits that
// grow, as on AWS, so that they sort as text, too.
func sequenceNumber(id int64) string { return fmt.Sprintf("1885%016d", id) }

// contentID is the MessageDeduplicationId that ContentBasedDeduplication makes.
func contentID(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

// released tells what a change makes available: the gate's receivers hear of it when
// the change commits.
type released struct {
	now     int64
	visible int   // messages or groups that can be received at once
	first   int64 // when the next of the others can; 0: none
}

func (r *released) add(due int64) {
	switch {
	case due == never:
	case due <= r.now:
		r.visible++
	case r.first == 0 || due < r.first:
		r.first = due
	}
}

// tell lets receivers through. It is for commit hooks.
func (r *released) tell(g *gate) {
	if r.visible > 0 {
		g.wake(r.visible)
	}
	if r.first > 0 {
		g.notice(time.UnixMilli(r.first))
	}
}

const (
	selectDedup = "SELECT sent_at, message, uuid FROM sqs_dedup WHERE spool = ? AND scope = ? AND dedup = ?"
	upsertDedup = `INSERT INTO sqs_dedup (spool, scope, dedup, sent_at, message, uuid) VALUES (?, ?, ?, ?, ?, ?)
	ON CONFLICT (spool, scope, dedup) DO UPDATE SET sent_at = excluded.sent_at, message = excluded.message, uuid = excluded.uuid`
	selectGroup = "SELECT id, due FROM sqs_groups WHERE spool = ? AND name = ?"
	selectHead  = `SELECT id, visible_at FROM sqs_messages INDEXED BY sqs_messages_group
	WHERE spool = ? AND gid = ? AND gid > 0 ORDER BY id LIMIT 1`
)

// insertFIFO stores messages of a FIFO queue in their order. A duplicate takes the id
// and the sequence number of the message that it repeats, and is not stored.
func (s *Service) insertFIFO(tx *db.Tx, q *queue, out []*outgoing) error {
	spool, now := q.spool.Load(), time.Now().UnixMilli()
	free := released{now: now}
	stored := 0
	for _, m := range out {
		scope := ""
		if q.dedupByGroup {
			scope = *m.group
		}
		var sentAt, id int64
		var uuid string
		err := tx.QueryRow(selectDedup, spool, scope, *m.dedup).Scan(&sentAt, &id, &uuid)
		if err == nil && sentAt > now-dedupInterval.Milliseconds() {
			m.uuid, m.sequence = uuid, id
			continue
		}
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		res, err := tx.Exec("INSERT INTO sqs_bodies (uuid, body, attributes, sender, trace, grp, dedup) VALUES (?, ?, ?, ?, ?, ?, ?)",
			m.uuid, m.body, m.attributes, m.sender, m.trace, m.group, m.dedup)
		if err != nil {
			return err
		}
		if m.sequence, err = res.LastInsertId(); err != nil {
			return err
		}
		if _, err := tx.Exec(upsertDedup, spool, scope, *m.dedup, now, m.sequence, m.uuid); err != nil {
			return err
		}
		due, err := s.join(tx, spool, *m.group, m.sequence, now, now+m.delay.Milliseconds())
		if err != nil {
			return err
		}
		free.add(due)
		stored++
	}
	if err := addTotal(tx, spool, stored); err != nil {
		return err
	}
	tx.OnCommit(func() {
		q.traffic.in.add(now, stored)
		free.tell(q.gate)
	})
	return nil
}

// join puts a message, whose body is stored, at the end of a group of a spool and
// returns when the group is due. The caller counts it in the spool's total.
func (s *Service) join(tx *db.Tx, spool int64, group string, id, now, visibleAt int64) (due int64, err error) {
	var gid int64
	err = tx.QueryRow(selectGroup, spool, group).Scan(&gid, &due)
	if errors.Is(err, sql.ErrNoRows) {
		due = visibleAt
		var res sql.Result
		if res, err = tx.Exec("INSERT INTO sqs_groups (spool, name, head, due) VALUES (?, ?, ?, ?)", spool, group, id, due); err == nil {
			gid, err = res.LastInsertId()
		}
	}
	if err != nil {
		return 0, err
	}
	delayed := 0
	if visibleAt > now {
		delayed = 1
	}
	_, err = tx.Exec("INSERT INTO sqs_messages (spool, id, visible_at, sent_at, delayed, gid) VALUES (?, ?, ?, ?, ?, ?)", spool, id, visibleAt, now, delayed, gid)
	return due, err
}

// regroup finds a group's head anew and returns when it is due: never, if the group has
// no messages and so is no more.
func (s *Service) regroup(tx *db.Tx, spool, gid int64) (due int64, err error) {
	var head int64
	switch err := tx.QueryRow(selectHead, spool, gid).Scan(&head, &due); {
	case errors.Is(err, sql.ErrNoRows):
		_, err := tx.Exec("DELETE FROM sqs_groups WHERE id = ?", gid)
		return never, err
	case err != nil:
		return 0, err
	}
	_, err = tx.Exec("UPDATE sqs_groups SET head = ?, due = ? WHERE id = ?", head, due, gid)
	return due, err
}

// regroupAll is regroup of each of some groups once.
func (s *Service) regroupAll(tx *db.Tx, spool int64, gids map[int64]bool, free *released) error {
	for gid := range gids {
		due, err := s.regroup(tx, spool, gid)
		if err != nil {
			return err
		}
		free.add(due)
	}
	return nil
}

// removeFIFO is remove for a FIFO queue: the groups move on to their next messages.
func (s *Service) removeFIFO(tx *db.Tx, spool int64, ids []int64, free *released) (n, inFlight int, err error) {
	rows, err := tx.Query(s.sql.deleteGrouped, padded([]any{spool}, ids)...)
	if err != nil {
		return 0, 0, err
	}
	defer rows.Close()
	gone := make([]int64, 0, maxEntries)
	gids := map[int64]bool{}
	for rows.Next() {
		var id, visibleAt, gid int64
		if err := rows.Scan(&id, &visibleAt, &gid); err != nil {
			return 0, 0, err
		}
		gone = append(gone, id)
		gids[gid] = true
		if visibleAt > free.now {
			inFlight++
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || len(gone) == 0 {
		return 0, 0, err
	}
	if _, err := tx.Exec(s.sql.deleteBodies, padded(nil, gone)...); err != nil {
		return 0, 0, err
	}
	if err := s.regroupAll(tx, spool, gids, free); err != nil {
		return 0, 0, err
	}
	return len(gone), inFlight, addTotal(tx, spool, -len(gone))
}

// isFIFOID tells whether v can be a message group or deduplication id: 1 to 128
// letters, digits and punctuation.
func isFIFOID(v string) bool {
	if v == "" || len(v) > 128 {
		return false
	}
	for i := range len(v) {
		if v[i] < 0x21 || v[i] > 0x7e {
			return false
		}
	}
	return true
}

func checkFIFOID(name, v string) error {
	if isFIFOID(v) {
		return nil
	}
	return badParameter(name, v, name+" can only include alphanumeric and punctuation characters. 1 to 128 in length.")
}
