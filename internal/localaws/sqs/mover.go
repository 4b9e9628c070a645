package sqs

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"github.com/tintype/tintype/internal/localaws/db"
	"github.com/tintype/tintype/internal/localaws/wire"
)

// One transaction of a message move task moves this much at most: little enough that
// others hardly wait for it.
const (
	moveChunk = 100
	moveBytes = 4 << 20
)

// FailureReasons of message move tasks.
const (
	failedNoQueue  = legacy + "NonExistentQueue"
	failedNoSource = "CouldNotDetermineMessageSource"
)

// mover runs the message move tasks that are under way. Its state is the store's: tasks
// go on where they were when the endpoint starts again.
type mover struct {
	s    *Service
	wg   sync.WaitGroup
	mu   sync.Mutex
	wake map[int64]chan struct{} // by task under way: look at it anew
}

// tellMover has the mover look for tasks that began or are to end.
func (s *Service) tellMover() {
	select {
	case s.moves <- struct{}{}:
	default: // already told
	}
}

// run runs tasks until ctx ends.
func (v *mover) run(ctx context.Context) {
	defer v.wg.Wait()
	for {
		if err := v.look(ctx); err != nil && ctx.Err() == nil {
			v.s.log.Error("message move tasks could not be read", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-v.s.moves:
		}
	}
}

// look starts what is not under way and wakes what is.
func (v *mover) look(ctx context.Context) error {
	rows, err := v.s.db.Read().QueryContext(ctx, "SELECT id FROM sqs_moves INDEXED BY sqs_moves_active WHERE status IN ('RUNNING', 'CANCELLING')")
	if err != nil {
		return err
	}
	defer rows.Close()
	v.mu.Lock()
	defer v.mu.Unlock()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return err
		}
		if wake, ok := v.wake[id]; ok {
			select {
			case wake <- struct{}{}:
			default:
			}
			continue
		}
		wake := make(chan struct{}, 1)
		v.wake[id] = wake
		v.wg.Go(func() {
			v.task(ctx, id, wake)
			v.mu.Lock()
			delete(v.wake, id)
			v.mu.Unlock()
		})
	}
	return rows.Err()
}

// task runs one task to its end, chunk by chunk.
func (v *mover) task(ctx context.Context, id int64, wake <-chan struct{}) {
	next := time.Now()
	for {
		moved, rate, done, err := v.s.moveSome(ctx, id)
		if ctx.Err() != nil || done && err == nil {
			return
		}
		var pause time.Duration
		switch {
		case err != nil:
			v.s.log.Error("message move task: a part failed and is tried again", "task", id, "err", err)
			pause = time.Second
		case rate > 0:
			next = next.Add(time.Duration(moved) * time.Second / time.Duration(rate))
			pause = time.Until(next)
		}
		if pause <= 0 {
			continue
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-wake:
		case <-ctx.Done():
		}
		t.Stop()
	}
}

const (
	selectMovable = `SELECT m.id, m.gid, m.sent_at, b.grp, b.source, octet_length(b.body) FROM sqs_messages m INDEXED BY sqs_messages_visible JOIN sqs_bodies b ON b.id = m.id
	WHERE m.spool = ?1 AND m.visible_at <= ?2 ORDER BY m.visible_at, m.id LIMIT ?3`
	// A FIFO queue's messages go in their order, without those of groups that are held back.
	selectMovableFIFO = `SELECT m.id, m.gid, m.sent_at, b.grp, b.source, octet_length(b.body), m.visible_at <= ?2 AND g.due <= ?4
	FROM sqs_messages m JOIN sqs_groups g ON g.id = m.gid JOIN sqs_bodies b ON b.id = m.id
	WHERE m.spool = ?1 AND m.id > ?5 ORDER BY m.id LIMIT ?3`
)

// movable is a message that a task may move.
type movable struct {
	id, gid, sentAt, size int64
	group, source         sql.NullString
	visible               bool
}

// moveSome moves the next messages of a task in one transaction, or ends it.
func (s *Service) moveSome(ctx context.Context, id int64) (moved int, rate int32, done bool, err error) {
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		var m moveRow
		switch err := m.scan(tx.QueryRow("SELECT "+moveColumns+" FROM sqs_moves WHERE id = ?", id)); {
		case errors.Is(err, sql.ErrNoRows): // its queue was deleted
			done = true
			return nil
		case err != nil:
			return err
		}
		chunk := moveChunk
		if m.rate != nil {
			rate = *m.rate
			chunk = min(chunk, max(1, int(rate)/10))
		}
		switch m.status {
		case moveRunning:
		case moveCancelling:
			done = true
			return s.endMove(tx, &m, moveCancelled, "")
		default:
			done = true
			return nil
		}
		q := s.byARN(m.source)
		if q == nil {
			done = true
			return s.endMove(tx, &m, moveFailed, failedNoQueue)
		}
		found, err := s.movable(tx, q, &m, chunk)
		if err != nil {
			return err
		}
		var failure string
		if moved, failure, err = s.moveChunk(tx, q, &m, found); err != nil {
			return err
		}
		m.moved += int64(moved)
		switch {
		case failure != "":
			done = true
			return s.endMove(tx, &m, moveFailed, failure)
		case len(found) == 0:
			done = true
			return s.endMove(tx, &m, moveCompleted, "")
		}
		_, err = tx.Exec("UPDATE sqs_moves SET moved = ?, cursor = ? WHERE id = ?", m.moved, m.cursor, m.id)
		return err
	})
	return moved, rate, done, err
}

func (s *Service) endMove(tx *db.Tx, m *moveRow, status, failure string) error {
	_, err := tx.Exec("UPDATE sqs_moves SET status = ?, failure = ?, moved = ?, cursor = ? WHERE id = ?", status, optional(failure), m.moved, m.cursor, m.id)
	tx.OnCommit(func() {
		s.log.Info("message move task ended", "source", m.source, "task", m.uuid, "status", status, "moved", m.moved, "failure", failure)
	})
	return err
}

// movable reads the next messages that were visible when the task started and still
// are: those that died again meanwhile are not moved twice.
func (s *Service) movable(tx *db.Tx, q *queue, m *moveRow, n int) (found []movable, err error) {
	args := []any{q.spool.Load(), m.started, n}
	query := selectMovable
	if q.fifo {
		query = selectMovableFIFO
		args = append(args, time.Now().UnixMilli(), m.cursor)
	} else if err := ownDue(tx, q.spool.Load(), m.started, n); err != nil {
		return nil, err
	}
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	size := int64(0)
	for rows.Next() {
		x := movable{visible: true}
		dest := []any{&x.id, &x.gid, &x.sentAt, &x.group, &x.source, &x.size}
		if q.fifo {
			dest = append(dest, &x.visible)
		}
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		if size += x.size; size > moveBytes && len(found) > 0 {
			break
		}
		if q.fifo && x.sentAt > m.started {
			break // and so are all after it
		}
		found = append(found, x)
	}
	return found, rows.Err()
}

// moveChunk moves messages to where their task says. failure is why the task ends, with
// what was moved until then.
func (s *Service) moveChunk(tx *db.Tx, q *queue, m *moveRow, found []movable) (moved int, failure string, err error) {
	spool, now := q.spool.Load(), time.Now().UnixMilli()
	from := released{now: now}
	gids := map[int64]bool{}
	arrived := map[*queue]*released{}
	counts := map[*queue]int{}
	for _, x := range found {
		m.cursor = x.id
		if !x.visible {
			continue
		}
		target := x.source.String
		if m.destination != nil {
			target = *m.destination
		} else if target == "" {
			failure = failedNoSource
			break
		}
		to := s.byARN(target)
		if to == nil || to.deleted.Load() {
			failure = failedNoQueue
			break
		}
		if arrived[to] == nil {
			arrived[to] = &released{now: now}
		}
		due, err := s.moveOne(tx, spool, to, &x, now)
		if err != nil {
			return 0, "", err
		}
		arrived[to].add(due)
		counts[to]++
		moved++
		if x.gid > 0 {
			gids[x.gid] = true
		}
	}
	if err := s.regroupAll(tx, spool, gids, &from); err != nil {
		return 0, "", err
	}
	for to, n := range counts {
		if err := addTotal(tx, to.spool.Load(), n); err != nil {
			return 0, "", err
		}
	}
	if err := addTotal(tx, spool, -moved); err != nil {
		return 0, "", err
	}
	tx.OnCommit(func() {
		q.traffic.out.add(now, moved)
		from.tell(q.gate)
		for to, r := range arrived {
			to.traffic.in.add(now, counts[to])
			r.tell(to.gate)
		}
	})
	return moved, failure, nil
}

// moveOne makes a message of one spool a new message of another queue: with an id, an
// age and a count of receives of its own, as AWS says of what it redrives:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html
func (s *Service) moveOne(tx *db.Tx, spool int64, to *queue, x *movable, now int64) (due int64, err error) {
	res, err := tx.Exec(`INSERT INTO sqs_bodies (uuid, body, attributes, sender, trace, grp, dedup)
		SELECT ?, body, attributes, sender, trace, grp, dedup FROM sqs_bodies WHERE id = ?`, wire.UUID(), x.id)
	if err != nil {
		return 0, err
	}
	id, err := res.LastInsertId()
	if err != nil {
		return 0, err
	}
	if _, err := tx.Exec("DELETE FROM sqs_bodies WHERE id = ?", x.id); err != nil {
		return 0, err
	}
	if _, err := tx.Exec("DELETE FROM sqs_messages WHERE spool = ? AND id = ?", spool, x.id); err != nil {
		return 0, err
	}
	if to.fifo {
		return s.join(tx, to.spool.Load(), x.group.String, id, now, now)
	}
	_, err = tx.Exec("INSERT INTO sqs_messages (spool, id, visible_at, sent_at, delayed, tenant) VALUES (?, ?, ?, ?, 0, ?)",
		to.spool.Load(), id, now, now, to.tenant(x.group.String, x.group.Valid))
	return now, err
}
