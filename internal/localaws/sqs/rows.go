package sqs

import (
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/tintype/tintype/internal/localaws/db"
)

// row is a row of sqs_messages as far as it says which messages it stands for: n of
// them, from id on.
type row struct{ id, n, pack int64 }

func (r row) end() int64 { return r.id + r.n }

const (
	selectRow = "SELECT id, n, pack FROM sqs_messages WHERE spool = ? AND id <= ? ORDER BY id DESC LIMIT 1"
	// copyRow makes a row for n messages from id on, which share all else with another.
	copyRow = `INSERT INTO sqs_messages (spool, id, visible_at, sent_at, delayed, receives, first_at, gid, tenant, n, pack)
		SELECT spool, ?3, visible_at, sent_at, delayed, receives, first_at, gid, tenant, ?4, pack FROM sqs_messages WHERE spool = ?1 AND id = ?2`
	shortenRow = "UPDATE sqs_messages SET n = ? WHERE spool = ? AND id = ?"
	deleteRow  = "DELETE FROM sqs_messages WHERE spool = ? AND id = ? AND n = ? RETURNING visible_at, pack"
	// freePack deletes a pack that no row refers to any more; its rows are all in one spool,
	// among the ids that it had.
	freePack = `DELETE FROM sqs_packs WHERE id = ?1 AND NOT EXISTS (
		SELECT 1 FROM sqs_messages WHERE spool = ?2 AND id >= ?1 AND id < ?1 + 10 AND pack = ?1)`
)

// rowOf is the row that stands for a message; ok is false where there is none.
func rowOf(tx *db.Tx, spool, id int64) (r row, ok bool, err error) {
	err = tx.QueryRow(selectRow, spool, id).Scan(&r.id, &r.n, &r.pack)
	if errors.Is(err, sql.ErrNoRows) || err == nil && id >= r.end() {
		return row{}, false, nil
	}
	return r, err == nil, err
}

// carve gives the messages of r from lo to before hi a row of their own, and those
// before and after them, too.
func carve(tx *db.Tx, spool int64, r row, lo, hi int64) error {
	if hi < r.end() {
		if _, err := tx.Exec(copyRow, spool, r.id, hi, r.end()-hi); err != nil {
			return err
		}
		if _, err := tx.Exec(shortenRow, hi-r.id, spool, r.id); err != nil {
			return err
		}
	}
	if lo > r.id {
		if _, err := tx.Exec(copyRow, spool, r.id, lo, hi-lo); err != nil {
			return err
		}
		if _, err := tx.Exec(shortenRow, lo-r.id, spool, r.id); err != nil {
			return err
		}
	}
	return nil
}

// part begins a row with a message, if the row that stands for it begins before it.
func part(tx *db.Tx, spool, id int64) error {
	r, ok, err := rowOf(tx, spool, id)
	if err != nil || !ok || r.id == id {
		return err
	}
	return carve(tx, spool, r, r.id, id)
}

// single gives a message a row of its own, if it is there: for what happens to it alone.
func single(tx *db.Tx, spool, id int64) (r row, ok bool, err error) {
	if r, ok, err = rowOf(tx, spool, id); err != nil || !ok || r.n == 1 {
		return r, ok, err
	}
	return row{id, 1, r.pack}, true, carve(tx, spool, r, id, id+1)
}

// own takes a message out of its pack, if it is in one: for what happens to its body, or
// takes it to another spool.
func own(tx *db.Tx, spool, id int64) error {
	r, ok, err := single(tx, spool, id)
	if err != nil || !ok || r.pack == 0 {
		return err
	}
	var data sql.RawBytes
	rows, err := tx.Query("SELECT data FROM sqs_packs WHERE id = ?", r.pack)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		return errors.Join(errPack, rows.Err())
	}
	if err := rows.Scan(&data); err != nil {
		return err
	}
	found, err := unpackSome(string(data), id-r.pack, 1)
	if err != nil {
		return err
	}
	if err := rows.Close(); err != nil {
		return err
	}
	m := &found[0]
	if _, err := tx.Exec("INSERT INTO sqs_bodies (id, uuid, body, attributes, sender, trace, md5) VALUES (?, ?, ?, ?, ?, ?, ?)",
		id, m.uuid, m.body, m.attributes, m.sender, m.trace, m.md5); err != nil {
		return err
	}
	if _, err := tx.Exec("UPDATE sqs_messages SET pack = 0 WHERE spool = ? AND id = ?", spool, id); err != nil {
		return err
	}
	_, err = tx.Exec(freePack, r.pack, spool)
	return err
}

// ownDue takes about n messages out of their packs, those that are due first at a time.
func ownDue(tx *db.Tx, spool, at int64, n int) error {
	rows, err := tx.Query("SELECT id, n, pack FROM sqs_messages INDEXED BY sqs_messages_visible WHERE spool = ? AND visible_at <= ? ORDER BY visible_at, id LIMIT ?", spool, at, n)
	if err != nil {
		return err
	}
	defer rows.Close()
	var packed []row
	for seen := int64(0); seen < int64(n) && rows.Next(); {
		var r row
		if err := rows.Scan(&r.id, &r.n, &r.pack); err != nil {
			return err
		}
		seen += r.n
		if r.pack > 0 {
			packed = append(packed, r)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, r := range packed {
		for id := r.id; id < r.end(); id++ {
			if err := own(tx, spool, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// removal is a call of remove under way.
type removal struct {
	s          *Service
	tx         *db.Tx
	spool, now int64
	gone       int
	inFlight   int
	bodies     []int64
	packs      []int64
}

// remove deletes messages of a spool of a standard queue by id, at most maxEntries of
// them, and tells how many there were, and how many of them were in flight. A message
// that moved to another queue is not of this spool, and keeps its body.
func (s *Service) remove(tx *db.Tx, spool int64, ids []int64) (n, inFlight int, err error) {
	r := removal{s: s, tx: tx, spool: spool, now: time.Now().UnixMilli()}
	left := slices.Compact(slices.Sorted(slices.Values(ids)))
	// What was received together is mostly deleted together.
	for _, step := range []func([]int64) ([]int64, error){r.whole, r.singles, r.parts} {
		if len(left) == 0 {
			break
		}
		if left, err = step(left); err != nil {
			return 0, 0, err
		}
	}
	if len(r.bodies) > 0 {
		if _, err := tx.Exec(s.sql.deleteBodies, padded(nil, r.bodies)...); err != nil {
			return 0, 0, err
		}
	}
	for _, p := range r.packs {
		if _, err := tx.Exec(freePack, p, spool); err != nil {
			return 0, 0, err
		}
	}
	return r.gone, r.inFlight, addTotal(tx, spool, -r.gone)
}

func (r *removal) count(id, n, visibleAt, pack int64) {
	r.gone += int(n)
	if visibleAt > r.now {
		r.inFlight += int(n)
	}
	switch {
	case pack == 0:
		r.bodies = append(r.bodies, id)
	case !slices.Contains(r.packs, pack):
		r.packs = append(r.packs, pack)
	}
}

// whole deletes the rows that stand for a whole run of ids, and returns the other ids.
func (r *removal) whole(ids []int64) (left []int64, err error) {
	for run := range runs(ids) {
		found := false
		if len(run) > 1 {
			if found, err = r.delete(run[0], int64(len(run))); err != nil {
				return nil, err
			}
		}
		if !found {
			left = append(left, run...)
		}
	}
	return left, nil
}

// delete deletes the row of exactly n messages from id on, if there is one.
func (r *removal) delete(id, n int64) (found bool, err error) {
	var visibleAt, pack int64
	switch err := r.tx.QueryRow(deleteRow, r.spool, id, n).Scan(&visibleAt, &pack); {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, err
	}
	r.count(id, n, visibleAt, pack)
	return true, nil
}

// singles deletes those that have rows of their own, and returns the others.
func (r *removal) singles(ids []int64) (left []int64, err error) {
	rows, err := r.tx.Query(r.s.sql.deleteSingles, padded([]any{r.spool}, ids)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	left = slices.Clone(ids)
	for rows.Next() {
		var id, visibleAt, pack int64
		if err := rows.Scan(&id, &visibleAt, &pack); err != nil {
			return nil, err
		}
		r.count(id, 1, visibleAt, pack)
		left = slices.DeleteFunc(left, func(x int64) bool { return x == id })
	}
	return left, rows.Err()
}

// parts takes rows apart that stand for messages to be deleted and for others. None is
// left: what has no row is gone already.
func (r *removal) parts(ids []int64) (left []int64, err error) {
	for run := range runs(ids) {
		for lo, hi := run[0], run[len(run)-1]+1; lo < hi; {
			row, ok, err := rowOf(r.tx, r.spool, lo)
			if err != nil {
				return nil, err
			}
			if !ok {
				lo++
				continue
			}
			end := min(hi, row.end())
			if err := carve(r.tx, r.spool, row, lo, end); err != nil {
				return nil, err
			}
			if _, err := r.delete(lo, end-lo); err != nil {
				return nil, err
			}
			lo = end
		}
	}
	return nil, nil
}

// runs yields the runs of consecutive numbers of a sorted list.
func runs(ids []int64) func(func([]int64) bool) {
	return func(yield func([]int64) bool) {
		for start := 0; start < len(ids); {
			end := start + 1
			for end < len(ids) && ids[end] == ids[end-1]+1 {
				end++
			}
			if !yield(ids[start:end]) {
				return
			}
			start = end
		}
	}
}
