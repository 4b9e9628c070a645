package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/tintype/tintype/internal/localaws/wire"
)

// move is a message move task.
// Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListMessageMoveTasksResultEntry.html
type move struct {
	TaskHandle       string
	Status           string
	DestinationArn   string
	Moved            int64 `xml:"ApproximateNumberOfMessagesMoved"`
	ToMove           int64 `xml:"ApproximateNumberOfMessagesToMove"`
	FailureReason    string
	StartedTimestamp int64
}

// moves are the message move tasks of a queue, latest first.
type moves struct {
	Known   bool // SQS can move messages at all
	Tasks   []move
	Running *move
}

func (c *Console) moveTasks(ctx context.Context, queueARN string) (m moves, err error) {
	var out struct {
		Results []move `xml:"ListMessageMoveTasksResult>ListMessageMoveTasksResultEntry"`
	}
	err = c.call(ctx, c.sqsAPI, "ListMessageMoveTasks", url.Values{"SourceArn": {queueARN}, "MaxResults": {"3"}}, &out)
	var refused *wire.Error
	if errors.As(err, &refused) {
		return m, nil // not to be offered
	}
	m.Known, m.Tasks = true, out.Results
	for i := range m.Tasks {
		if m.Tasks[i].Status == "RUNNING" {
			m.Running = &m.Tasks[i]
		}
	}
	return m, err
}

// redrive starts to move a queue's messages back to where they came from, or to
// another queue.
func (c *Console) redrive(r *http.Request) (string, error) {
	name := r.PathValue("queue")
	in := url.Values{"SourceArn": {c.queueARN(name)}}
	if to := strings.TrimSpace(r.PostFormValue("to")); to != "" {
		in.Set("DestinationArn", c.queueARN(to))
	}
	return queuePath(name, "moving"), c.call(r.Context(), c.sqsAPI, "StartMessageMoveTask", in, nil)
}

// redriveStop ends the move that is under way.
func (c *Console) redriveStop(r *http.Request) (string, error) {
	name := r.PathValue("queue")
	return queuePath(name, "stopped"), c.call(r.Context(), c.sqsAPI, "CancelMessageMoveTask", url.Values{"TaskHandle": {r.PostFormValue("task")}}, nil)
}
