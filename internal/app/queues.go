package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/config"
	"github.com/tintype/tintype/internal/deadletter"
	"github.com/tintype/tintype/internal/queue"
)

// queueDoc is a queue's figures as `queue stats` prints them with --json.
type queueDoc struct {
	Queue             string `json:"queue"`
	Waiting           int64  `json:"waiting"`
	InFlight          int64  `json:"inFlight"`
	Delayed           int64  `json:"delayed"`
	VisibilitySeconds int64  `json:"visibilitySeconds"`
	RetentionSeconds  int64  `json:"retentionSeconds"`
	MaxReceiveCount   int    `json:"maxReceiveCount,omitempty"`
	DeadLetterQueue   string `json:"deadLetterQueue,omitempty"` // its ARN
}

// QueueStats prints the figures of the queue and of its dead-letter queue.
func QueueStats(ctx context.Context, cfg config.Config, out IO) error {
	q, err := openQueues(ctx, cfg, out)
	if err != nil {
		return err
	}
	var docs []queueDoc
	for _, x := range []struct{ name, url string }{{q.d.spec.Queue, q.res.QueueURL}, {q.d.spec.DeadLetterQueue, q.res.DeadLetterQueueURL}} {
		if x.url == "" {
			continue
		}
		f, err := queue.ReadFigures(ctx, q.d.clients.SQS, x.url)
		if err != nil {
			return deadletter.Explain("ask for the figures of "+x.name, err)
		}
		docs = append(docs, queueDoc{x.name, f.Waiting, f.InFlight, f.Delayed, int64(f.Visibility / time.Second), int64(f.Retention / time.Second), f.MaxReceiveCount, f.DeadLetterARN})
	}
	if out.JSON {
		enc := json.NewEncoder(out.Out)
		for _, d := range docs {
			if err := enc.Encode(d); err != nil {
				return err
			}
		}
		return nil
	}
	tw := tabwriter.NewWriter(out.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "QUEUE\tWAITING\tIN FLIGHT\tDELAYED\tVISIBILITY\tKEPT FOR\tDEAD AFTER")
	for _, d := range docs {
		dead := "-"
		if d.MaxReceiveCount > 0 {
			dead = fmt.Sprintf("%d receives", d.MaxReceiveCount)
		}
		fmt.Fprintf(tw, "%s\t%d\t%d\t%d\t%ds\t%s\t%s\n", d.Queue, d.Waiting, d.InFlight, d.Delayed, d.VisibilitySeconds, days(d.RetentionSeconds), dead)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	switch {
	case q.res.DeadLetterQueueURL == "":
		fmt.Fprintf(out.Out, "There is no dead-letter queue %s: what fails comes back until it is %s old. `tintype provision` makes one.\n", q.d.spec.DeadLetterQueue, days(docs[0].RetentionSeconds))
	case docs[0].DeadLetterQueue != q.res.DeadLetterQueueARN:
		fmt.Fprintf(out.Out, "%s does not send its dead letters to %s. `tintype provision` mends that.\n", q.d.spec.Queue, q.d.spec.DeadLetterQueue)
	case docs[1].Waiting > 0:
		fmt.Fprintf(out.Out, "`tintype dlq list` tells what is in %s and why.\n", q.d.spec.DeadLetterQueue)
	}
	return nil
}

func days(seconds int64) string {
	d := time.Duration(seconds) * time.Second
	if day := 24 * time.Hour; d >= day && d%day == 0 {
		return fmt.Sprintf("%d days", d/day)
	}
	return d.String()
}

// QueuePeek prints up to limit messages that wait in the queue.
func QueuePeek(ctx context.Context, cfg config.Config, out IO, limit int) error {
	q, err := openQueues(ctx, cfg, out)
	if err != nil {
		return err
	}
	f, err := queue.ReadFigures(ctx, q.d.clients.SQS, q.res.QueueURL)
	if err != nil {
		return deadletter.Explain("look at the queue", err)
	}
	list, err := q.anyDesk().Peek(ctx, q.res.QueueURL, limit)
	if err != nil {
		return err
	}
	list.Elsewhere = 0 // app tiers at work, which is no news
	if err := printLetters(out, list, true); err != nil {
		return err
	}
	if len(list.Letters) == 0 && !out.JSON {
		fmt.Fprintf(out.Out, "Nothing waits in %s; %d in flight.\n", q.d.spec.Queue, f.InFlight)
	}
	if n := f.MaxReceiveCount; n > 0 && len(list.Letters) > 0 {
		fmt.Fprintf(out.Err, "This look counted as one of the %d receives after which a message is a dead letter.\n", n)
	}
	return nil
}

// anyDesk is for what needs no dead-letter queue.
func (q *queues) anyDesk() *deadletter.Desk {
	return &deadletter.Desk{Queue: queue.DeadLetters{Client: q.d.clients.SQS}, Store: q.d.store, UploadsBucket: q.d.spec.UploadsBucket, Logger: q.log}
}

// QueuePurge deletes everything that waits in the queue.
func QueuePurge(ctx context.Context, cfg config.Config, out IO, yes bool) error {
	q, err := openQueues(ctx, cfg, out)
	if err != nil {
		return err
	}
	f, err := queue.ReadFigures(ctx, q.d.clients.SQS, q.res.QueueURL)
	if err != nil {
		return deadletter.Explain("purge the queue", err)
	}
	n := f.Waiting + f.InFlight + f.Delayed
	if !yes {
		what := fmt.Sprintf("About %d messages of %s will be deleted for good. The originals stay in s3://%s, and `tintype backfill` can send them through later", n, q.d.spec.Queue, q.d.spec.UploadsBucket)
		if err := confirm(ctx, out, what, q.d.spec.Queue); err != nil {
			return err
		}
	}
	if _, err := q.d.clients.SQS.PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: &q.res.QueueURL}); err != nil {
		var early *types.PurgeQueueInProgress
		if errors.As(err, &early) {
			return refuse("SQS purges a queue once a minute: wait and repeat", "%s is being purged already", q.d.spec.Queue)
		}
		return deadletter.Explain("purge the queue", err)
	}
	if out.JSON {
		return json.NewEncoder(out.Out).Encode(map[string]any{"queue": q.d.spec.Queue, "purged": n})
	}
	fmt.Fprintf(out.Out, "%s was purged of about %d messages. The originals stay in s3://%s; `tintype backfill` sends through what has no result.\n", q.d.spec.Queue, n, q.d.spec.UploadsBucket)
	return nil
}
