package sqs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tintype/tintype/internal/localaws/db"
	"github.com/tintype/tintype/internal/localaws/wire"
)

const (
	maxVisibility = 43200 // seconds
	maxWait       = 20    // seconds
)

func (s *Service) receiveMessage(ctx context.Context, r *wire.Request, in *sqs.ReceiveMessageInput) (*sqs.ReceiveMessageOutput, error) {
	q, err := s.byURL(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	cfg := q.cfg.Load()
	want, visibility, wait := 1, cfg.visibility, cfg.wait
	if r.Present("MaxNumberOfMessages") {
		if in.MaxNumberOfMessages < 1 || in.MaxNumberOfMessages > maxEntries {
			return nil, badParameter("MaxNumberOfMessages", in.MaxNumberOfMessages, "Must be between 1 and 10, if provided.")
		}
		want = int(in.MaxNumberOfMessages)
	}
	if r.Present("VisibilityTimeout") {
		if err := checkVisibility(in.VisibilityTimeout); err != nil {
			return nil, err
		}
		visibility = time.Duration(in.VisibilityTimeout) * time.Second
	}
	if r.Present("WaitTimeSeconds") {
		if in.WaitTimeSeconds < 0 || in.WaitTimeSeconds > maxWait {
			return nil, badParameter("WaitTimeSeconds", in.WaitTimeSeconds, "Must be >= 0 and <= 20, if provided.")
		}
		wait = time.Duration(in.WaitTimeSeconds) * time.Second
	}
	attempt := in.ReceiveRequestAttemptId
	if attempt != nil {
		if !q.fifo {
			return nil, badParameter("ReceiveRequestAttemptId", *attempt, notForThisType)
		}
		if err := checkFIFOID("ReceiveRequestAttemptId", *attempt); err != nil {
			return nil, err
		}
	}
	system, err := systemSelection(in)
	if err != nil {
		return nil, err
	}
	var got []received
	if attempt != nil {
		if leases := q.attempts.recall(*attempt, time.Now().UnixMilli()); leases != nil {
			if got, err = s.again(ctx, q, leases, visibility); err != nil {
				return nil, err
			}
		}
	}
	if got == nil {
		if got, err = s.receive(ctx, q, want, visibility, wait); err != nil {
			return nil, err
		}
		if attempt != nil {
			q.attempts.remember(*attempt, time.Now().UnixMilli(), got)
		}
	}
	out := &sqs.ReceiveMessageOutput{}
	for i := range got {
		m, err := s.render(q, &got[i], system, in.MessageAttributeNames)
		if err != nil {
			return nil, err
		}
		out.Messages = append(out.Messages, m)
	}
	return out, nil
}

func checkVisibility(v int32) error {
	if v < 0 || v > maxVisibility {
		return badParameter("VisibilityTimeout", v, "VisibilityTimeout must be between 0 and 43200.")
	}
	return nil
}

// received is a message handed out.
type received struct {
	row                 int64 // of sqs_messages: the id of its first message
	id, sentAt, firstAt int64
	visibleAt           int64 // before this receive
	receives            int64 // from this queue, this receive included
	at                  int64 // of this receive
	gid                 int64 // of a FIFO queue: the group's number
	tenant              int64 // of a standard queue
	earlier             int64 // receives from queues it was in before
	uuid, body, sender  string
	attributes, trace   sql.NullString
	group, source       sql.NullString
	dedup, md5          sql.NullString
}

// receive takes up to want messages, waiting up to wait for the first.
func (s *Service) receive(ctx context.Context, q *queue, want int, visibility, wait time.Duration) ([]received, error) {
	var me *receiver // nil: does not wait
	var timeout <-chan time.Time
	if wait > 0 {
		me = newReceiver(want)
		t := time.NewTimer(wait)
		defer t.Stop()
		timeout = t.C
	}
	for {
		if !q.gate.park(me) {
			got, parked, err := s.take(ctx, q, want, visibility, me)
			if errors.Is(err, errFull) {
				q.gate.wake(1)
				return nil, nil
			}
			if err != nil {
				q.gate.wake(1) // in case it was our turn
				return nil, err
			}
			if len(got) > 0 && ctx.Err() != nil {
				// The caller left while the commit was under way.
				return nil, errors.Join(ctx.Err(), s.giveBack(q, got))
			}
			if len(got) > 0 || me == nil {
				return got, nil
			}
			if !parked {
				continue
			}
		}
		if me == nil {
			return nil, nil
		}
		select {
		case <-me.ready:
		case <-timeout:
			q.gate.leave(me)
			return nil, nil
		case <-ctx.Done():
			q.gate.leave(me)
			return nil, ctx.Err()
		case <-s.closing:
			q.gate.leave(me)
			return nil, nil
		}
	}
}

const selectNext = `SELECT visible_at FROM sqs_messages INDEXED BY sqs_messages_visible
	WHERE spool = ? AND visible_at > ? ORDER BY visible_at LIMIT 1`

// takeRounds bounds how often one receive looks again because all it found was
// expired or dead: the writer has others to serve.
const takeRounds = 64

// take leases up to want due messages in one transaction. On the way it drops what
// has expired and moves what was received too often to the dead-letter queue. If it
// finds the queue empty it makes the gate quiet and parks me.
func (s *Service) take(ctx context.Context, q *queue, want int, visibility time.Duration, me *receiver) (got []received, parked bool, err error) {
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		if err := ctx.Err(); err != nil {
			return err // nobody is there to take a message
		}
		if q.deleted.Load() {
			return errNoQueue()
		}
		spool, now := q.spool.Load(), time.Now().UnixMilli()
		if err := s.checkInFlight(tx, q, spool, now); err != nil {
			return err
		}
		drained := false
		if q.fifo {
			if got, drained, err = s.takeGroups(tx, q, spool, now, want, visibility); err != nil {
				return err
			}
		}
		for round := 0; !q.fifo && len(got) < want && !drained && round < takeRounds; round++ {
			found, err := due(tx, spool, now, want-len(got))
			if err != nil {
				return err
			}
			if drained = len(found) < want-len(got); !drained {
				if found, err = s.fair(tx, q, spool, now, found); err != nil {
					return err
				}
			}
			live, err := s.sift(tx, q, spool, now, found)
			if err != nil {
				return err
			}
			if err := s.lease(tx, spool, now, visibility, live); err != nil {
				return err
			}
			got = append(got, live...)
		}
		var next time.Time
		if drained {
			if next, err = s.next(tx, q, spool, now); err != nil {
				return err
			}
			// A lease of no time at all leaves its messages visible.
			drained = len(got) == 0 || visibility > 0
		}
		tx.OnCommit(func() {
			q.inFlight.Add(int64(len(got)))
			q.traffic.received.add(now, len(got))
			switch {
			case !drained:
				q.gate.wake(1) // there may be more
			case len(got) > 0:
				q.gate.settle(next, nil)
			default:
				q.gate.settle(next, me)
				parked = me != nil
			}
		})
		return nil
	})
	return got, parked, err
}

// next is when the next message becomes visible; zero: none will.
func (s *Service) next(tx *db.Tx, q *queue, spool, now int64) (time.Time, error) {
	if q.fifo {
		return nextGroup(tx, spool, now)
	}
	var at int64
	switch err := tx.QueryRow(selectNext, spool, now).Scan(&at); {
	case errors.Is(err, sql.ErrNoRows):
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, err
	}
	return time.UnixMilli(at), nil
}

// errFull is a FIFO queue at its limit of messages in flight: it answers nothing, but
// no error.
var errFull = errors.New("too many messages in flight")

// checkInFlight refuses to go beyond SQS's limit of messages in flight.
func (s *Service) checkInFlight(tx *db.Tx, q *queue, spool, now int64) error {
	if q.inFlight.Load() < maxInFlight {
		return nil
	}
	n, err := countInFlight(tx, spool, now)
	if err != nil {
		return err
	}
	q.inFlight.Store(n)
	if n >= maxInFlight && q.fifo {
		return errFull
	}
	if n >= maxInFlight {
		return overLimit("The queue has %d messages in flight, which is the maximum.", n)
	}
	return nil
}

func countInFlight(tx *db.Tx, spool, now int64) (int64, error) {
	var invisible, delayed int64
	if err := tx.QueryRow(countInvisible, spool, now).Scan(&invisible); err != nil {
		return 0, err
	}
	err := tx.QueryRow(countDelayed, spool, now).Scan(&delayed)
	return invisible - delayed, err
}

// sift returns the messages that may be handed out, disposing of the others.
func (s *Service) sift(tx *db.Tx, q *queue, spool, now int64, found []received) ([]received, error) {
	cfg := q.cfg.Load()
	var dlq *queue
	if cfg.redrive != nil {
		// Without its dead-letter queue (deleted since) a queue goes on delivering.
		dlq = s.byARN(cfg.redrive.target)
	}
	live := found[:0]
	var expired []int64
	var dead []received
	for _, m := range found {
		switch {
		case m.sentAt <= now-cfg.retention.Milliseconds():
			expired = append(expired, m.id)
		case dlq != nil && dlq != q && m.receives >= cfg.redrive.maxReceives:
			dead = append(dead, m)
		default:
			live = append(live, m)
		}
	}
	if len(expired) > 0 {
		if _, _, err := s.remove(tx, spool, expired); err != nil {
			return nil, err
		}
	}
	for _, m := range dead {
		if err := own(tx, spool, m.id); err != nil {
			return nil, err
		}
	}
	if len(dead) > 0 {
		if err := s.bounce(tx, q, dlq, spool, now, dead); err != nil {
			return nil, err
		}
	}
	return live, nil
}

// bounce moves messages to the dead-letter queue, keeping id, body and age. The count
// of receives starts anew there for its own redrive policy; the one that receivers see
// goes on, as SQS counts "across all queues".
func (s *Service) bounce(tx *db.Tx, q, dlq *queue, spool, now int64, dead []received) error {
	to := dlq.spool.Load()
	free := released{now: now, visible: len(dead)}
	if dlq.fifo {
		free.visible = 0
		if err := s.bounceFIFO(tx, q, spool, to, now, dead, &free); err != nil {
			return err
		}
	}
	for _, m := range dead {
		if dlq.fifo {
			break
		}
		if _, err := tx.Exec("UPDATE sqs_messages SET spool = ?, visible_at = ?, receives = 0, delayed = 0 WHERE spool = ? AND id = ?", to, now, spool, m.id); err != nil {
			return err
		}
		if _, err := tx.Exec("UPDATE sqs_bodies SET received = received + ?, source = ? WHERE id = ?", m.receives, q.arn, m.id); err != nil {
			return err
		}
	}
	if err := addTotal(tx, spool, -len(dead)); err != nil {
		return err
	}
	if err := addTotal(tx, to, len(dead)); err != nil {
		return err
	}
	tx.OnCommit(func() {
		for _, m := range dead {
			s.log.Warn("message moved to dead-letter queue", "queue", q.name, "dlq", dlq.name, "message", m.uuid, "receives", m.receives)
		}
		q.traffic.out.add(now, len(dead))
		dlq.traffic.in.add(now, len(dead))
		free.tell(dlq.gate)
	})
	return nil
}

// lease makes messages invisible and counts the receive.
func (s *Service) lease(tx *db.Tx, spool, now int64, visibility time.Duration, live []received) error {
	if len(live) == 0 {
		return nil
	}
	ids := make([]int64, 0, len(live)) // of the rows, each of which stands for some of live and no others
	for i := range live {
		m := &live[i]
		if len(ids) == 0 || ids[len(ids)-1] != m.row {
			ids = append(ids, m.row)
		}
		m.receives++
		m.at = now
		if m.firstAt == 0 {
			m.firstAt = now
		}
	}
	_, err := tx.Exec(s.sql.lease, padded([]any{now + visibility.Milliseconds(), now, spool}, ids)...)
	return err
}

// giveBack undoes a receive whose caller is gone: the messages are visible again at
// once, and this receive does not count towards the dead-letter queue.
func (s *Service) giveBack(q *queue, got []received) error {
	err := s.db.Update(context.Background(), func(tx *db.Tx) error {
		spool := q.spool.Load()
		gids, free := map[int64]bool{}, released{now: time.Now().UnixMilli(), visible: len(got)}
		for _, m := range got {
			if m.gid > 0 {
				gids[m.gid] = true
			}
			if _, _, err := single(tx, spool, m.id); err != nil {
				return err
			}
			if _, err := tx.Exec("UPDATE sqs_messages SET visible_at = ?, receives = receives - 1 WHERE spool = ? AND id = ? AND receives = ?",
				m.visibleAt, spool, m.id, m.receives); err != nil {
				return err
			}
		}
		if err := s.regroupAll(tx, spool, gids, &free); err != nil {
			return err
		}
		tx.OnCommit(func() {
			q.inFlight.Add(-int64(len(got)))
			free.tell(q.gate)
		})
		return nil
	})
	if err != nil {
		return fmt.Errorf("give back %d messages to %s: %w", len(got), q.name, err)
	}
	return nil
}
