package sqs

import (
	"context"
	"database/sql"
	"errors"
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
// purged and deleted queues left behind. At its end long polls are answered at once,
// so that the server can stop.
func (s *Service) Run(ctx context.Context) error {
	defer s.once.Do(func() { close(s.closing) })
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
	for _, name := range s.names(func(*queue) bool { return true }) {
		if q := s.byName(name); q != nil {
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
			if more, err = s.deleteOldest(ctx, func() int64 { return spool }, never); err != nil {
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
		more, err := s.deleteOldest(ctx, q.spool.Load, cutoff())
		if err != nil || !more {
			return err
		}
	}
}

// deleteOldest deletes up to sweepChunk messages sent at or before cutoff, oldest
// first, and tells whether there may be more.
func (s *Service) deleteOldest(ctx context.Context, spool func() int64, cutoff int64) (more bool, err error) {
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		sp := spool()
		rows, err := tx.Query("SELECT id, sent_at FROM sqs_messages WHERE spool = ? ORDER BY id LIMIT ?", sp, sweepChunk)
		if err != nil {
			return err
		}
		defer rows.Close()
		var ids []int64
		more = true
		for rows.Next() {
			var id, sentAt int64
			if err := rows.Scan(&id, &sentAt); err != nil {
				return err
			}
			if sentAt > cutoff {
				more = false
				break
			}
			ids = append(ids, id)
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
		for len(ids) > 0 {
			n := min(len(ids), maxEntries)
			if _, _, err := s.remove(tx, sp, ids[:n]); err != nil {
				return err
			}
			ids = ids[n:]
		}
		return nil
	})
	return more, err
}
