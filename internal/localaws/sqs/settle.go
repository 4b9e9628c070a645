package sqs

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/localaws/db"
	"github.com/tintype/tintype/internal/localaws/wire"
)

func (s *Service) deleteMessage(ctx context.Context, _ *wire.Request, in *sqs.DeleteMessageInput) (*sqs.DeleteMessageOutput, error) {
	q, err := s.byURL(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	rc, err := s.receipt(q, in.ReceiptHandle)
	if err != nil {
		return nil, err
	}
	if q.fifo {
		d := &deletion{receipt: rc, handle: *in.ReceiptHandle}
		if err := s.deleteFIFO(ctx, q, []*deletion{d}); err != nil {
			return nil, err
		}
		return nil, asError(d.failure)
	}
	return nil, s.deleteAll(ctx, q, []int64{rc.message})
}

func (s *Service) deleteMessageBatch(ctx context.Context, _ *wire.Request, in *sqs.DeleteMessageBatchInput) (*sqs.DeleteMessageBatchOutput, error) {
	q, err := s.byURL(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := checkBatch("DeleteMessageBatch", len(in.Entries), func(i int) *string { return in.Entries[i].Id }); err != nil {
		return nil, err
	}
	if q.fifo {
		return s.deleteBatchFIFO(ctx, q, in)
	}
	reply := &sqs.DeleteMessageBatchOutput{}
	var ids []int64
	for i := range in.Entries {
		e := &in.Entries[i]
		rc, err := s.receipt(q, e.ReceiptHandle)
		if err != nil {
			reply.Failed = append(reply.Failed, failedEntry(e.Id, err))
			continue
		}
		ids = append(ids, rc.message)
		reply.Successful = append(reply.Successful, types.DeleteMessageBatchResultEntry{Id: e.Id})
	}
	if len(ids) == 0 {
		return reply, nil
	}
	return reply, s.deleteAll(ctx, q, ids)
}

// deleteAll deletes messages of q. One that is gone already is deleted, too: a
// caller that did not hear the first answer asks again.
func (s *Service) deleteAll(ctx context.Context, q *queue, ids []int64) error {
	return s.db.Update(ctx, func(tx *db.Tx) error {
		free := released{now: time.Now().UnixMilli()}
		var n, inFlight int
		var err error
		if q.fifo {
			n, inFlight, err = s.removeFIFO(tx, q.spool.Load(), ids, &free)
		} else {
			n, inFlight, err = s.remove(tx, q.spool.Load(), ids)
		}
		if err == nil {
			tx.OnCommit(func() {
				q.inFlight.Add(-int64(inFlight))
				q.traffic.out.add(free.now, n)
				free.tell(q.gate)
			})
		}
		return err
	})
}

// deletion is one message of a FIFO queue to be deleted.
type deletion struct {
	receipt
	handle  string
	failure *wire.Error // set by deleteFIFO
}

// deleteFIFO deletes messages of a FIFO queue whose leases last: another receiver may
// have those whose lease has ended, and the order would be lost.
func (s *Service) deleteFIFO(ctx context.Context, q *queue, all []*deletion) error {
	return s.db.Update(ctx, func(tx *db.Tx) error {
		spool, free := q.spool.Load(), released{now: time.Now().UnixMilli()}
		var ids []int64
		for _, d := range all {
			var visibleAt, receives int64
			err := tx.QueryRow(selectLease, spool, d.message).Scan(&visibleAt, &receives)
			switch {
			case errors.Is(err, sql.ErrNoRows): // it is gone already
			case err != nil:
				return err
			case receives != int64(d.receive) || visibleAt <= free.now:
				d.failure = expired(d.handle)
			default:
				ids = append(ids, d.message)
			}
		}
		if len(ids) == 0 {
			return nil
		}
		n, inFlight, err := s.removeFIFO(tx, spool, ids, &free)
		if err != nil {
			return err
		}
		tx.OnCommit(func() {
			q.inFlight.Add(-int64(inFlight))
			q.traffic.out.add(free.now, n)
			free.tell(q.gate)
		})
		return nil
	})
}

func (s *Service) deleteBatchFIFO(ctx context.Context, q *queue, in *sqs.DeleteMessageBatchInput) (*sqs.DeleteMessageBatchOutput, error) {
	reply := &sqs.DeleteMessageBatchOutput{}
	all := make([]*deletion, len(in.Entries))
	errs := make([]error, len(in.Entries))
	var todo []*deletion
	for i := range in.Entries {
		rc, err := s.receipt(q, in.Entries[i].ReceiptHandle)
		if errs[i] = err; err == nil {
			all[i] = &deletion{receipt: rc, handle: *in.Entries[i].ReceiptHandle}
			todo = append(todo, all[i])
		}
	}
	if err := s.deleteFIFO(ctx, q, todo); err != nil {
		return nil, err
	}
	for i := range in.Entries {
		id := in.Entries[i].Id
		if errs[i] == nil {
			errs[i] = asError(all[i].failure)
		}
		if errs[i] != nil {
			reply.Failed = append(reply.Failed, failedEntry(id, errs[i]))
			continue
		}
		reply.Successful = append(reply.Successful, types.DeleteMessageBatchResultEntry{Id: id})
	}
	return reply, nil
}

// asError is nil for nil, which a nil *wire.Error in an error is not.
func asError(e *wire.Error) error {
	if e == nil {
		return nil
	}
	return e
}

const selectLease = "SELECT visible_at, receives FROM sqs_messages WHERE spool = ? AND id = ?"
