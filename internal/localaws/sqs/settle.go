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

func (s *Service) changeVisibility(ctx context.Context, r *wire.Request, in *sqs.ChangeMessageVisibilityInput) (*sqs.ChangeMessageVisibilityOutput, error) {
	q, err := s.byURL(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if !r.Present("VisibilityTimeout") {
		return nil, missing("VisibilityTimeout")
	}
	c, err := s.visibilityChange(q, in.ReceiptHandle, in.VisibilityTimeout)
	if err != nil {
		return nil, err
	}
	if err := s.change(ctx, q, []*visibilityChange{c}); err != nil {
		return nil, err
	}
	return nil, c.outcome()
}

func (s *Service) changeVisibilityBatch(ctx context.Context, r *wire.Request, in *sqs.ChangeMessageVisibilityBatchInput) (*sqs.ChangeMessageVisibilityBatchOutput, error) {
	q, err := s.byURL(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := checkBatch("ChangeMessageVisibilityBatch", len(in.Entries), func(i int) *string { return in.Entries[i].Id }); err != nil {
		return nil, err
	}
	changes := make([]*visibilityChange, len(in.Entries))
	errs := make([]error, len(in.Entries))
	var todo []*visibilityChange
	for i := range in.Entries {
		e := &in.Entries[i]
		if !r.Present(entryMember(i, "VisibilityTimeout")) {
			errs[i] = missing("VisibilityTimeout")
			continue
		}
		if changes[i], errs[i] = s.visibilityChange(q, e.ReceiptHandle, e.VisibilityTimeout); errs[i] == nil {
			todo = append(todo, changes[i])
		}
	}
	if len(todo) > 0 {
		if err := s.change(ctx, q, todo); err != nil {
			return nil, err
		}
	}
	reply := &sqs.ChangeMessageVisibilityBatchOutput{}
	for i := range in.Entries {
		id := in.Entries[i].Id
		if errs[i] == nil {
			errs[i] = changes[i].outcome()
		}
		if errs[i] != nil {
			reply.Failed = append(reply.Failed, failedEntry(id, errs[i]))
			continue
		}
		reply.Successful = append(reply.Successful, types.ChangeMessageVisibilityBatchResultEntry{Id: id})
	}
	return reply, nil
}

// visibilityChange is one lease to be extended or ended.
type visibilityChange struct {
	receipt
	handle  string
	timeout time.Duration
	failure *wire.Error // set by change
}

func (c *visibilityChange) outcome() error { return asError(c.failure) }

func (s *Service) visibilityChange(q *queue, handle *string, timeout int32) (*visibilityChange, error) {
	rc, err := s.receipt(q, handle)
	if err != nil {
		return nil, err
	}
	if err := checkVisibility(timeout); err != nil {
		return nil, err
	}
	if elapsed := (time.Now().UnixMilli() - rc.at) / 1000; elapsed+int64(timeout) > maxVisibility {
		return nil, badParameter("VisibilityTimeout", timeout, "Total VisibilityTimeout for the message is beyond the limit [43200 seconds].")
	}
	return &visibilityChange{receipt: rc, handle: *handle, timeout: time.Duration(timeout) * time.Second}, nil
}

// change sets new ends of visibility. As on AWS, a standard queue takes any handle of a
// message that is still there, also one whose time is up; a FIFO queue takes only the
// one whose lease lasts.
func (s *Service) change(ctx context.Context, q *queue, changes []*visibilityChange) error {
	return s.db.Update(ctx, func(tx *db.Tx) error {
		spool, free := q.spool.Load(), released{now: time.Now().UnixMilli()}
		var gids map[int64]bool
		inFlight := int64(0)
		for _, c := range changes {
			var visibleAt, receives, gid int64
			err := tx.QueryRow("SELECT visible_at, receives, gid FROM sqs_messages WHERE spool = ? AND id = ?", spool, c.message).Scan(&visibleAt, &receives, &gid)
			switch {
			case errors.Is(err, sql.ErrNoRows):
				c.failure = badParameter("ReceiptHandle", c.handle, "Message does not exist or is not available for visibility timeout change.")
				continue
			case err != nil:
				return err
			case q.fifo && (visibleAt <= free.now || receives != int64(c.receive)):
				c.failure = expired(c.handle)
				continue
			}
			at := free.now + c.timeout.Milliseconds()
			if _, err := tx.Exec("UPDATE sqs_messages SET visible_at = ? WHERE spool = ? AND id = ?", at, spool, c.message); err != nil {
				return err
			}
			if visibleAt > free.now {
				inFlight--
			}
			if at > free.now {
				inFlight++
			}
			if !q.fifo {
				free.add(at)
				continue
			}
			if gids == nil {
				gids = map[int64]bool{}
			}
			gids[gid] = true
		}
		if err := s.regroupAll(tx, spool, gids, &free); err != nil {
			return err
		}
		tx.OnCommit(func() {
			q.inFlight.Add(inFlight)
			free.tell(q.gate)
		})
		return nil
	})
}
