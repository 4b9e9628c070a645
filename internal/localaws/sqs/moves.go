package sqs

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/localaws/db"
	"github.com/tintype/tintype/internal/localaws/wire"
)

// The states of a message move task:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListMessageMoveTasksResultEntry.html
const (
	moveRunning    = "RUNNING"
	moveCompleted  = "COMPLETED"
	moveCancelling = "CANCELLING"
	moveCancelled  = "CANCELLED"
	moveFailed     = "FAILED"
)

const (
	maxMoveRate  = 500 // messages per second
	maxMoveTasks = 10  // that are listed, and kept, of one source
)

// taskHandle names a message move task.
type taskHandle struct {
	TaskID    string `json:"taskId"`
	SourceARN string `json:"sourceArn"`
}

func (h taskHandle) String() string {
	b, _ := json.Marshal(h) // two strings: it cannot fail
	return base64.StdEncoding.EncodeToString(b)
}

func parseTaskHandle(v string) (h taskHandle, ok bool) {
	b, err := base64.StdEncoding.DecodeString(v)
	if err != nil || json.Unmarshal(b, &h) != nil {
		return h, false
	}
	return h, h.TaskID != "" && h.SourceARN != ""
}

func noResource(message string) *wire.Error {
	return &wire.Error{Code: "ResourceNotFoundException", Message: message, Status: 404}
}

func noArn(parameter string) *wire.Error {
	return noResource("The resource that you specified for the " + parameter + " parameter doesn't exist.")
}

func (s *Service) startMove(ctx context.Context, _ *wire.Request, in *sqs.StartMessageMoveTaskInput) (*sqs.StartMessageMoveTaskOutput, error) {
	if deref(in.SourceArn) == "" {
		return nil, missing("SourceArn")
	}
	var rate *int32
	if n := in.MaxNumberOfMessagesPerSecond; n != nil {
		if *n < 1 || *n > maxMoveRate {
			return nil, badParameter("MaxNumberOfMessagesPerSecond", *n, "Must be between 1 and 500.")
		}
		rate = n
	}
	source := s.byARN(*in.SourceArn)
	if source == nil {
		return nil, noArn("SourceArn")
	}
	if !s.isDeadLetterQueue(source) {
		return nil, invalid("Source queue must be configured as a Dead Letter Queue.")
	}
	var destination *string
	if deref(in.DestinationArn) != "" {
		destination = in.DestinationArn
		to := s.byARN(*destination)
		switch {
		case to == nil:
			return nil, noArn("DestinationArn")
		case to == source:
			return nil, invalid("Source queue and destination queue must not be the same.")
		case to.fifo != source.fifo:
			return nil, invalid("Source queue and destination queue must be of the same type.")
		}
	}
	if err := s.expire(ctx, source); err != nil {
		return nil, err
	}
	c, err := s.count(ctx, source)
	if err != nil {
		return nil, err
	}
	h := taskHandle{TaskID: wire.UUID(), SourceARN: source.arn}
	if err := s.db.Update(ctx, func(tx *db.Tx) error {
		var running int
		if err := tx.QueryRow("SELECT count(*) FROM sqs_moves WHERE source = ? AND status IN ('RUNNING', 'CANCELLING')", source.arn).Scan(&running); err != nil {
			return err
		}
		if running > 0 {
			return invalid("There is already a task running. Only one active task is allowed for a source queue arn at a given time.")
		}
		if _, err := tx.Exec("INSERT INTO sqs_moves (uuid, source, destination, rate, status, started, to_move) VALUES (?, ?, ?, ?, ?, ?, ?)",
			h.TaskID, source.arn, destination, rate, moveRunning, time.Now().UnixMilli(), c.visible); err != nil {
			return err
		}
		if _, err := tx.Exec("DELETE FROM sqs_moves WHERE source = ?1 AND id NOT IN (SELECT id FROM sqs_moves WHERE source = ?1 ORDER BY id DESC LIMIT ?2)", source.arn, maxMoveTasks); err != nil {
			return err
		}
		tx.OnCommit(func() {
			s.log.Info("message move task started", "source", source.name, "task", h.TaskID, "messages", c.visible)
			s.tellMover()
		})
		return nil
	}); err != nil {
		return nil, err
	}
	handle := h.String()
	return &sqs.StartMessageMoveTaskOutput{TaskHandle: &handle}, nil
}

// isDeadLetterQueue tells whether a queue's redrive policy names q.
func (s *Service) isDeadLetterQueue(q *queue) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, other := range s.queues {
		if p := other.cfg.Load().redrive; p != nil && p.target == q.arn {
			return true
		}
	}
	return false
}

func (s *Service) listMoves(ctx context.Context, r *wire.Request, in *sqs.ListMessageMoveTasksInput) (*sqs.ListMessageMoveTasksOutput, error) {
	if deref(in.SourceArn) == "" {
		return nil, missing("SourceArn")
	}
	limit := int32(1)
	if n := in.MaxResults; n != nil && r.Present("MaxResults") {
		if *n < 1 || *n > maxMoveTasks {
			return nil, badParameter("MaxResults", *n, "Must be between 1 and 10.")
		}
		limit = *n
	}
	if s.byARN(*in.SourceArn) == nil {
		return nil, noArn("SourceArn")
	}
	rows, err := s.db.Read().QueryContext(ctx, "SELECT "+moveColumns+" FROM sqs_moves WHERE source = ? ORDER BY id DESC LIMIT ?", *in.SourceArn, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := &sqs.ListMessageMoveTasksOutput{Results: []types.ListMessageMoveTasksResultEntry{}}
	for rows.Next() {
		var m moveRow
		if err := m.scan(rows); err != nil {
			return nil, err
		}
		out.Results = append(out.Results, m.entry())
	}
	return out, rows.Err()
}

func (s *Service) cancelMove(ctx context.Context, _ *wire.Request, in *sqs.CancelMessageMoveTaskInput) (*sqs.CancelMessageMoveTaskOutput, error) {
	if deref(in.TaskHandle) == "" {
		return nil, missing("TaskHandle")
	}
	h, ok := parseTaskHandle(*in.TaskHandle)
	if !ok {
		return nil, invalid("Value for parameter TaskHandle is invalid.")
	}
	if s.byARN(h.SourceARN) == nil {
		return nil, noArn("SourceArn")
	}
	out := &sqs.CancelMessageMoveTaskOutput{}
	err := s.db.Update(ctx, func(tx *db.Tx) error {
		var m moveRow
		err := m.scan(tx.QueryRow("SELECT "+moveColumns+" FROM sqs_moves WHERE uuid = ? AND source = ?", h.TaskID, h.SourceARN))
		if errors.Is(err, sql.ErrNoRows) {
			return noResource("Task does not exist.")
		}
		if err != nil {
			return err
		}
		if m.status != moveRunning {
			return unsupported("Only a task that is running can be cancelled; this one is " + m.status + ".")
		}
		out.ApproximateNumberOfMessagesMoved = m.moved
		if _, err := tx.Exec("UPDATE sqs_moves SET status = ? WHERE id = ?", moveCancelling, m.id); err != nil {
			return err
		}
		tx.OnCommit(s.tellMover)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// moveRow is a message move task as it is stored.
type moveRow struct {
	id                   int64
	uuid, source, status string
	destination, failure *string // destination nil: each message's own source
	rate                 *int32  // messages per second; nil: as fast as it goes
	started              int64   // Unix milliseconds
	toMove, moved        int64
	cursor               int64 // FIFO queues: the last message that was looked at
}

const moveColumns = "id, uuid, source, destination, rate, status, failure, started, to_move, moved, cursor"

func (m *moveRow) scan(sc scanner) error {
	return sc.Scan(&m.id, &m.uuid, &m.source, &m.destination, &m.rate, &m.status, &m.failure, &m.started, &m.toMove, &m.moved, &m.cursor)
}

func (m *moveRow) entry() types.ListMessageMoveTasksResultEntry {
	e := types.ListMessageMoveTasksResultEntry{
		SourceArn: &m.source, DestinationArn: m.destination, Status: &m.status, FailureReason: m.failure, StartedTimestamp: m.started,
		MaxNumberOfMessagesPerSecond: m.rate, ApproximateNumberOfMessagesMoved: m.moved, ApproximateNumberOfMessagesToMove: &m.toMove,
	}
	if m.status == moveRunning {
		h := taskHandle{TaskID: m.uuid, SourceARN: m.source}.String()
		e.TaskHandle = &h
	}
	return e
}
