package console

import (
	"context"
	"net/http"
	"strconv"
	"strings"
)

// move is a message move task.
// Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListMessageMoveTasksResultEntry.html
type move struct {
	TaskHandle       string
	Status           string
	DestinationARN   string `json:"DestinationArn"`
	Moved            int64  `json:"ApproximateNumberOfMessagesMoved"`
	ToMove           int64  `json:"ApproximateNumberOfMessagesToMove"`
	FailureReason    string
	StartedTimestamp int64 // Unix milliseconds
}

// maxMoves is how many of a queue's tasks are shown.
const maxMoves = 3

// moves are the message move tasks of a queue, latest first.
type moves struct {
	Tasks   []move
	Running *move
}

func (c *Console) moveTasks(ctx context.Context, queueARN string) (m moves, err error) {
	var out struct {
		Results []move
	}
	err = c.callSQS(ctx, "ListMessageMoveTasks", map[string]any{"SourceArn": queueARN, "MaxResults": maxMoves}, &out)
	m.Tasks = out.Results
	for i := range m.Tasks {
		if m.Tasks[i].Status == "RUNNING" || m.Tasks[i].Status == "CANCELLING" {
			m.Running = &m.Tasks[i]
		}
	}
	return m, err
}

// redrive starts to move a queue's messages back to where they came from, or to
// another queue.
func (c *Console) redrive(r *http.Request) (string, error) {
	name := r.PathValue("queue")
	in := map[string]any{"SourceArn": c.queueARN(name)}
	if to := strings.TrimSpace(r.PostFormValue("to")); to != "" {
		in["DestinationArn"] = c.queueARN(to)
	}
	if v := strings.TrimSpace(r.PostFormValue("rate")); v != "" {
		rate, err := strconv.Atoi(v)
		if err != nil {
			return "", &problem{http.StatusBadRequest, "This is not a number of messages per second: " + v, ""}
		}
		in["MaxNumberOfMessagesPerSecond"] = rate
	}
	return queuePath(name, "moving"), c.callSQS(r.Context(), "StartMessageMoveTask", in, nil)
}

// redriveStop ends the move that is under way.
func (c *Console) redriveStop(r *http.Request) (string, error) {
	name := r.PathValue("queue")
	return queuePath(name, "stopped"), c.callSQS(r.Context(), "CancelMessageMoveTask", map[string]any{"TaskHandle": r.PostFormValue("task")}, nil)
}
