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
		if c := changes[i]; c != nil && c.gone {
			errs[i] = wire.Errorf("ReceiptHandleIsInvalid", messageGone)
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
	gone    bool        // set by change: there is no such message
}

// messageGone is what is said of a message that is there no more. AWS has a code of its
// own for it in batches.
const messageGone = "Message does not exist or is not available for visibility timeout change"

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
			if _, _, err := single(tx, spool, c.message); err != nil {
				return err
			}
			err := tx.QueryRow("SELECT visible_at, receives, gid FROM sqs_messages WHERE spool = ? AND id = ?", spool, c.message).Scan(&visibleAt, &receives, &gid)
			switch {
			case errors.Is(err, sql.ErrNoRows):
				c.failure, c.gone = badParameter("ReceiptHandle", c.handle, messageGone+"."), true
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
