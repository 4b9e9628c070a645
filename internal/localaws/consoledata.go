package localaws

import (
	"context"
	"errors"
	"fmt"

	"github.com/tintype/tintype/internal/localaws/console"
	"github.com/tintype/tintype/internal/localaws/s3"
	"github.com/tintype/tintype/internal/localaws/sqs"
	"github.com/tintype/tintype/internal/localaws/wire"
)

func (s *Server) consoleOptions() console.Options {
	return console.Options{
		Endpoint: s.opts.BaseURL, Buckets: consoleBuckets{s.s3}, Queues: consoleQueues{s.sqs},
		Topics: s.sns, Mail: s.mail, Logger: s.log,
	}
}

// consoleBuckets is S3 as the console shows it.
type consoleBuckets struct{ s3 *s3.Service }

func (b consoleBuckets) ConsoleBuckets(ctx context.Context) ([]console.Bucket, error) {
	list, err := b.s3.Buckets(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]console.Bucket, len(list))
	for i, v := range list {
		out[i] = console.Bucket{Name: v.Name, Created: v.Created, Objects: v.Objects, Bytes: v.Bytes}
		for _, d := range v.Notification {
			out[i].Notifications = append(out[i].Notifications, console.Notification(d))
		}
	}
	return out, nil
}

// consoleQueues is SQS as the console shows it.
type consoleQueues struct{ sqs *sqs.Service }

func (q consoleQueues) ConsoleQueues(ctx context.Context) ([]console.Queue, error) {
	list, _, err := q.sqs.Page(ctx, "", "", 1000)
	if err != nil {
		return nil, err
	}
	out := make([]console.Queue, len(list))
	for i, v := range list {
		out[i] = console.Queue{Name: v.Name, ARN: v.ARN, Attributes: v.Attributes, Visible: v.Visible, InFlight: v.InFlight, Delayed: v.Delayed}
	}
	return out, nil
}

func (q consoleQueues) ConsoleMessages(ctx context.Context, queue string, limit int) ([]console.Message, error) {
	list, err := q.sqs.Peek(ctx, queue, sqs.PeekQuery{Limit: limit})
	var refused *wire.Error
	if errors.As(err, &refused) {
		return nil, fmt.Errorf("queue %s: %w", queue, console.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	out := make([]console.Message, len(list))
	for i, v := range list {
		out[i] = console.Message{ID: v.ID, Sent: v.Sent, Visible: v.Visible, Receives: v.Receives, Delayed: v.Delayed, Attributes: v.Attributes, Body: v.Body}
	}
	return out, nil
}
