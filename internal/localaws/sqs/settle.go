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
	return nil, s.deleteAll(ctx, q, []int64{rc.message})
}

func (s *Service) deleteMessageBatch(ctx context.Context, _ *wire.Request, in *sqs.DeleteMessageBatchInput) (*sqs.DeleteMessageBatchOutput, error) {
	q, err := s.byURL(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := checkBatch(len(in.Entries), func(i int) *string { return in.Entries[i].Id }); err != nil {
		return nil, err
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
		n, inFlight, err := s.remove(tx, q.spool.Load(), ids)
		if err == nil {
			tx.OnCommit(func() {
				q.inFlight.Add(-int64(inFlight))
				q.traffic.out.add(time.Now().UnixMilli(), n)
			})
		}
		return err
	})
}

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
	if err := checkBatch(len(in.Entries), func(i int) *string { return in.Entries[i].Id }); err != nil {
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

func (c *visibilityChange) outcome() error {
	if c.failure != nil {
		return c.failure
	}
	return nil
}

func (s *Service) visibilityChange(q *queue, handle *string, timeout int32) (*visibilityChange, error) {
	rc, err := s.receipt(q, handle)
	if err != nil {
		return nil, err
	}
	if err := checkVisibility(timeout); err != nil {
		return nil, err
	}
	return &visibilityChange{receipt: rc, handle: *handle, timeout: time.Duration(timeout) * time.Second}, nil
}

// change sets new ends of visibility. A handle whose message was received again since
// has lost its lease and changes nothing: it must not take the next receiver's.
func (s *Service) change(ctx context.Context, q *queue, changes []*visibilityChange) error {
	return s.db.Update(ctx, func(tx *db.Tx) error {
		spool, now := q.spool.Load(), time.Now().UnixMilli()
		visible, first := 0, int64(0)
		for _, c := range changes {
			var visibleAt, receives int64
			err := tx.QueryRow("SELECT visible_at, receives FROM sqs_messages WHERE spool = ? AND id = ?", spool, c.message).Scan(&visibleAt, &receives)
			switch {
			case errors.Is(err, sql.ErrNoRows), err == nil && receives != int64(c.receive):
				c.failure = badParameter("ReceiptHandle", c.handle, "Message does not exist or is not available for visibility timeout change.")
				continue
			case err != nil:
				return err
			case visibleAt <= now:
				c.failure = &wire.Error{Code: "MessageNotInflight", QueryCode: legacy + "MessageNotInflight", Message: "The message is not in flight: its visibility timeout has ended."}
				continue
			}
			at := now + c.timeout.Milliseconds()
			if _, err := tx.Exec("UPDATE sqs_messages SET visible_at = ? WHERE spool = ? AND id = ?", at, spool, c.message); err != nil {
				return err
			}
			if c.timeout == 0 {
				visible++
			} else if first == 0 || at < first {
				first = at
			}
		}
		tx.OnCommit(func() {
			q.inFlight.Add(-int64(visible))
			if visible > 0 {
				q.gate.wake(visible)
			}
			if first > 0 {
				q.gate.notice(time.UnixMilli(first))
			}
		})
		return nil
	})
}
