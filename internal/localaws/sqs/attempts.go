package sqs

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"github.com/tintype/tintype/internal/localaws/db"
)

// attempts remembers for five minutes what a FIFO queue answered to receives that had a
// ReceiveRequestAttemptId, so that one that is tried again gets the same messages:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-receiverequestattemptid-request-parameter.html
// It is memory alone: after a restart the messages are visible again when their time
// is up, as they are for those who name no attempt.
type attempts struct {
	mu   sync.Mutex
	byID map[string]attempt
}

type attempt struct {
	at  int64 // Unix milliseconds
	got []lease
}

// lease is one receive of one message.
type lease struct{ id, gid, receives, at int64 }

func (a *attempts) remember(id string, now int64, got []received) {
	if len(got) == 0 {
		return
	}
	leases := make([]lease, len(got))
	for i, m := range got {
		leases[i] = lease{m.id, m.gid, m.receives, m.at}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.byID == nil {
		a.byID = map[string]attempt{}
	}
	a.byID[id] = attempt{at: now, got: leases}
}

func (a *attempts) recall(id string, now int64) []lease {
	a.mu.Lock()
	defer a.mu.Unlock()
	if t, ok := a.byID[id]; ok && t.at > now-dedupInterval.Milliseconds() {
		return t.got
	}
	return nil
}

// forget drops what is too old to be recalled.
func (a *attempts) forget(now int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, t := range a.byID {
		if t.at <= now-dedupInterval.Milliseconds() {
			delete(a.byID, id)
		}
	}
}

const selectReceived = `SELECT m.id, m.sent_at, m.first_at, m.visible_at, m.receives, b.received, b.uuid, b.body, b.sender, b.attributes, b.trace, b.grp, b.source, b.dedup
	FROM sqs_messages m JOIN sqs_bodies b ON b.id = m.id WHERE m.spool = ? AND m.id = ?`

// again answers a receive that was made before: with the same messages and handles,
// whose visibility begins anew. Where any of them has been deleted or is no longer in
// flight by that receive, there is nothing to repeat, and got is nil.
func (s *Service) again(ctx context.Context, q *queue, leases []lease, visibility time.Duration) (got []received, err error) {
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		spool, now := q.spool.Load(), time.Now().UnixMilli()
		all := make([]received, 0, len(leases))
		for _, l := range leases {
			m := received{gid: l.gid, at: l.at}
			err := tx.QueryRow(selectReceived, spool, l.id).Scan(&m.id, &m.sentAt, &m.firstAt, &m.visibleAt, &m.receives, &m.earlier, &m.uuid, &m.body, &m.sender, &m.attributes, &m.trace, &m.group, &m.source, &m.dedup)
			if errors.Is(err, sql.ErrNoRows) || err == nil && (m.receives != l.receives || m.visibleAt <= now) {
				return nil
			}
			if err != nil {
				return err
			}
			all = append(all, m)
		}
		free := released{now: now}
		gids := map[int64]bool{}
		for _, m := range all {
			if _, err := tx.Exec("UPDATE sqs_messages SET visible_at = ? WHERE spool = ? AND id = ?", now+visibility.Milliseconds(), spool, m.id); err != nil {
				return err
			}
			gids[m.gid] = true
		}
		if err := s.regroupAll(tx, spool, gids, &free); err != nil {
			return err
		}
		got = all
		tx.OnCommit(func() {
			if visibility == 0 {
				q.inFlight.Add(-int64(len(all)))
			}
			free.tell(q.gate)
		})
		return nil
	})
	return got, err
}
