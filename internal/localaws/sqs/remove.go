package sqs

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tintype/tintype/internal/localaws/db"
	"github.com/tintype/tintype/internal/localaws/wire"
)

func (s *Service) deleteQueue(ctx context.Context, _ *wire.Request, in *sqs.DeleteQueueInput) (*sqs.DeleteQueueOutput, error) {
	q, err := s.byURL(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return nil, s.db.Update(ctx, func(tx *db.Tx) error {
		row, err := stored(tx, q.name)
		if err != nil {
			return err
		}
		if _, err := tx.Exec("DELETE FROM sqs_queues WHERE id = ?", row.id); err != nil {
			return err
		}
		if err := s.bury(tx, row.spool); err != nil {
			return err
		}
		if _, err := tx.Exec("DELETE FROM sqs_moves WHERE source = ?", q.arn); err != nil {
			return err
		}
		if _, err := tx.Exec("INSERT INTO sqs_deleted (name, at) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET at = excluded.at", q.name, time.Now().UnixMilli()); err != nil {
			return err
		}
		tx.OnCommit(func() {
			s.mu.Lock()
			delete(s.queues, q.name)
			s.mu.Unlock()
			q.deleted.Store(true)
			q.gate.wake(1 << 30) // all: they find the queue gone
			s.log.Info("queue deleted", "queue", q.name)
		})
		return nil
	})
}

// settleTime is how long AWS takes to purge a queue, and to forget a deleted one.
const settleTime = 60 * time.Second

// checkDeleted refuses to make a queue again right after it was deleted, where the
// options ask for that.
func (s *Service) checkDeleted(tx *db.Tx, name string) error {
	if !s.opts.Settle {
		return nil
	}
	var at int64
	err := tx.QueryRow("SELECT at FROM sqs_deleted WHERE name = ?", name).Scan(&at)
	if errors.Is(err, sql.ErrNoRows) || err == nil && time.Now().UnixMilli()-at >= settleTime.Milliseconds() {
		return nil
	}
	if err != nil {
		return err
	}
	return &wire.Error{Code: "QueueDeletedRecently", QueryCode: legacy + "QueueDeletedRecently",
		Message: "You must wait 60 seconds after deleting a queue before you can create another with the same name."}
}

func (s *Service) purgeQueue(ctx context.Context, _ *wire.Request, in *sqs.PurgeQueueInput) (*sqs.PurgeQueueOutput, error) {
	q, err := s.byURL(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return nil, s.db.Update(ctx, func(tx *db.Tx) error {
		row, err := stored(tx, q.name)
		if err != nil {
			return err
		}
		now := time.Now().UnixMilli()
		if s.opts.Settle && now-row.purged < settleTime.Milliseconds() {
			return &wire.Error{Code: "PurgeQueueInProgress", QueryCode: legacy + "PurgeQueueInProgress", Status: 403,
				Message: "Only one PurgeQueue operation on " + q.name + " is allowed every 60 seconds."}
		}
		spool, err := newSpool(tx)
		if err != nil {
			return err
		}
		if _, err := tx.Exec("UPDATE sqs_queues SET spool = ?, purged = ? WHERE id = ?", spool, now, row.id); err != nil {
			return err
		}
		if err := s.bury(tx, row.spool); err != nil {
			return err
		}
		tx.OnCommit(func() {
			q.spool.Store(spool)
			q.inFlight.Store(0)
			s.log.Info("queue purged", "queue", q.name)
		})
		return nil
	})
}
