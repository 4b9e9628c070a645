package sqs

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"github.com/tintype/tintype/internal/localaws/db"
)

const (
	// sweepEvery is how often expired messages are looked for that nobody receives.
	sweepEvery = time.Minute
	// sweepChunk is how many messages one transaction deletes: few enough that
	// others hardly wait for it.
	sweepChunk = 500
)

// Run does the background work until ctx ends: it deletes what has expired and what
// purged and deleted queues left behind, and runs the message move tasks. At its end long polls are answered at once,
// so that the server can stop.
func (s *Service) Run(ctx context.Context) error {
	defer s.once.Do(func() { close(s.closing) })
	var moving sync.WaitGroup
	v := &mover{s: s, wake: map[int64]chan struct{}{}}
	moving.Go(func() { v.run(ctx) })
	defer moving.Wait()
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			// The next sweep tries again; nothing depends on this one.
			s.log.Error("sweep failed", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-s.garbage:
		}
	}
}

func (s *Service) sweep(ctx context.Context) error {
	if err := s.deleteSome(ctx, deleteOldDedups, time.Now().Add(-dedupInterval).UnixMilli()); err != nil {
		return err
	}
	if err := s.deleteSome(ctx, forgetDeleted, time.Now().Add(-settleTime).UnixMilli()); err != nil {
		return err
	}
	for _, name := range s.names(func(*queue) bool { return true }) {
		if q := s.byName(name); q != nil {
			q.attempts.forget(time.Now().UnixMilli())
			if err := s.expire(ctx, q); err != nil {
				return err
			}
		}
	}
	for {
		var spool int64
		err := s.db.Read().QueryRowContext(ctx, "SELECT id FROM sqs_spools WHERE dead = 1 LIMIT 1").Scan(&spool)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		for more := true; more; {
			if more, err = s.deleteOldest(ctx, nil, spool, never); err != nil {
				return err
			}
		}
		for _, query := range []string{deleteSomeGroups, deleteSomeDedups} {
			if err := s.deleteSome(ctx, query, spool); err != nil {
				return err
			}
		}
		if err := s.db.Update(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec("DELETE FROM sqs_spools WHERE id = ?", spool)
			return err
		}); err != nil {
			return err
		}
	}
}

// never is later than any time a message was sent.
const never = int64(1) << 62

// expire deletes q's messages that are older than its retention period. Where there
// are none it costs one read of the oldest.
func (s *Service) expire(ctx context.Context, q *queue) error {
	cutoff := func() int64 { return time.Now().Add(-q.cfg.Load().retention).UnixMilli() }
	for {
		var oldest int64
		err := s.db.Read().QueryRowContext(ctx, "SELECT sent_at FROM sqs_messages WHERE spool = ? ORDER BY id LIMIT 1", q.spool.Load()).Scan(&oldest)
		if errors.Is(err, sql.ErrNoRows) || err == nil && oldest > cutoff() {
			return nil
		}
		if err != nil {
			return err
		}
		more, err := s.deleteOldest(ctx, q, 0, cutoff())
		if err != nil || !more {
			return err
		}
	}
}

// Each deletes up to sweepChunk rows.
const (
	deleteOldDedups  = "DELETE FROM sqs_dedup WHERE (spool, scope, dedup) IN (SELECT spool, scope, dedup FROM sqs_dedup INDEXED BY sqs_dedup_age WHERE sent_at <= ? LIMIT 500)"
	forgetDeleted    = "DELETE FROM sqs_deleted WHERE name IN (SELECT name FROM sqs_deleted WHERE at <= ? LIMIT 500)"
	deleteSomeDedups = "DELETE FROM sqs_dedup WHERE (spool, scope, dedup) IN (SELECT spool, scope, dedup FROM sqs_dedup WHERE spool = ? LIMIT 500)"
	deleteSomeGroups = "DELETE FROM sqs_groups WHERE id IN (SELECT id FROM sqs_groups INDEXED BY sqs_groups_name WHERE spool = ? LIMIT 500)"
)

// deleteSome runs one of them until it finds nothing more.
func (s *Service) deleteSome(ctx context.Context, query string, arg int64) error {
	for n := int64(sweepChunk); n >= sweepChunk; {
		if err := s.db.Update(ctx, func(tx *db.Tx) error {
			res, err := tx.Exec(query, arg)
			if err == nil {
				n, err = res.RowsAffected()
			}
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// deleteOldest deletes up to sweepChunk messages sent at or before cutoff, oldest
// first, and tells whether there may be more. They are q's or, where q is nil, those of
// a dead spool.
func (s *Service) deleteOldest(ctx context.Context, q *queue, sp, cutoff int64) (more bool, err error) {
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		if q != nil {
			sp = q.spool.Load()
		}
		rows, err := tx.Query("SELECT id, n, sent_at FROM sqs_messages WHERE spool = ? ORDER BY id LIMIT ?", sp, sweepChunk)
		if err != nil {
			return err
		}
		defer rows.Close()
		var ids []int64
		more = true
		for len(ids) < sweepChunk && rows.Next() {
			var id, n, sentAt int64
			if err := rows.Scan(&id, &n, &sentAt); err != nil {
				return err
			}
			if sentAt > cutoff {
				more = false
				break
			}
			for i := range n {
				ids = append(ids, id+i)
			}
		}
		if err := rows.Close(); err != nil {
			return err
		}
		if err := rows.Err(); err != nil {
			return err
		}
		if len(ids) < sweepChunk {
			more = false
		}
		free := released{now: time.Now().UnixMilli()}
		for len(ids) > 0 {
			n := min(len(ids), maxEntries)
			if q != nil && q.fifo {
				_, _, err = s.removeFIFO(tx, sp, ids[:n], &free)
			} else {
				_, _, err = s.remove(tx, sp, ids[:n])
			}
			if err != nil {
				return err
			}
			ids = ids[n:]
		}
		if q != nil && q.fifo {
			tx.OnCommit(func() { free.tell(q.gate) })
		}
		return nil
	})
	return more, err
}
