package sqs

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tintype/tintype/internal/localaws/db"
)

const (
	countInvisible = "SELECT coalesce(sum(n), 0) FROM sqs_messages INDEXED BY sqs_messages_visible WHERE spool = ? AND visible_at > ?"
	countDelayed   = "SELECT count(*) FROM sqs_messages INDEXED BY sqs_messages_delayed WHERE spool = ? AND visible_at > ? AND delayed = 1"
)

// statements are those whose text depends on how many rows they are for.
type statements struct {
	insertBodies, insertMessages [maxEntries + 1]string
	// The following take maxEntries ids; unused places are 0, which no message has.
	lease, deleteSingles, deleteGrouped, deleteBodies string
}

func newStatements() statements {
	var st statements
	for n := 1; n <= maxEntries; n++ {
		st.insertBodies[n] = "INSERT INTO sqs_bodies (uuid, body, attributes, sender, trace, grp, md5) VALUES " + repeat("(?, ?, ?, ?, ?, ?, ?)", n)
		st.insertMessages[n] = "INSERT INTO sqs_messages (spool, id, visible_at, sent_at, delayed, tenant) VALUES " + repeat("(?, ?, ?, ?, ?, ?)", n)
	}
	in := " IN (" + repeat("?", maxEntries) + ")"
	st.lease = `UPDATE sqs_messages SET visible_at = ?, receives = receives + 1, delayed = 0,
		first_at = CASE first_at WHEN 0 THEN ? ELSE first_at END WHERE spool = ? AND id` + in
	st.deleteSingles = "DELETE FROM sqs_messages WHERE spool = ? AND n = 1 AND id" + in + " RETURNING id, visible_at, pack"
	st.deleteGrouped = "DELETE FROM sqs_messages WHERE spool = ? AND id" + in + " RETURNING id, visible_at, gid"
	st.deleteBodies = "DELETE FROM sqs_bodies WHERE id" + in
	return st
}

func repeat(s string, n int) string { return strings.TrimSuffix(strings.Repeat(s+", ", n), ", ") }

// padded appends ids, and zeros up to maxEntries, to args.
func padded(args []any, ids []int64) []any {
	for _, id := range ids {
		args = append(args, id)
	}
	for range maxEntries - len(ids) {
		args = append(args, int64(0))
	}
	return args
}

func newSpool(tx *db.Tx) (int64, error) {
	res, err := tx.Exec("INSERT INTO sqs_spools (total) VALUES (0)")
	if err != nil {
		return 0, err
	}
	return res.LastInsertId()
}

func addTotal(tx *db.Tx, spool int64, n int) error {
	if n == 0 {
		return nil
	}
	_, err := tx.Exec("UPDATE sqs_spools SET total = total + ? WHERE id = ?", n, spool)
	return err
}

// bury gives a spool to the background to be emptied.
func (s *Service) bury(tx *db.Tx, spool int64) error {
	if _, err := tx.Exec("UPDATE sqs_spools SET dead = 1 WHERE id = ?", spool); err != nil {
		return err
	}
	tx.OnCommit(func() {
		select {
		case s.garbage <- struct{}{}:
		default: // already told
		}
	})
	return nil
}

// counts are a queue's messages by state.
type counts struct{ visible, inFlight, delayed int64 }

func (s *Service) count(ctx context.Context, q *queue) (c counts, err error) {
	now := time.Now().UnixMilli()
	spool := q.spool.Load()
	var total, invisible int64
	// One statement: one snapshot.
	err = s.db.Read().QueryRowContext(ctx, "SELECT total, ("+countInvisible+"), ("+countDelayed+") FROM sqs_spools WHERE id = ?",
		spool, now, spool, now, spool).Scan(&total, &invisible, &c.delayed)
	if err != nil {
		return c, fmt.Errorf("count messages of %s: %w", q.name, err)
	}
	c.visible, c.inFlight = total-invisible, invisible-c.delayed
	return c, nil
}
