package localaws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/tintype/tintype/internal/localaws/db"
	"github.com/tintype/tintype/internal/localaws/s3"
	"github.com/tintype/tintype/internal/localaws/sns"
	"github.com/tintype/tintype/internal/localaws/sqs"
	"github.com/tintype/tintype/internal/localaws/wire"
)

// snsSender is the SenderId of what SNS sends; AWS shows an id of its own user there.
const snsSender = "AIDAIT2UOQQY3AUEKVGXU"

// queues is SQS as SNS delivers to it.
type queues struct{ sqs *sqs.Service }

func (q queues) AllowsTx(_ *db.Tx, queueARN, service, sourceARN, sourceAccount string) (bool, error) {
	if !q.sqs.Exists(queueARN) {
		return false, fmt.Errorf("%s: %w", queueARN, sns.ErrNoQueue)
	}
	return q.sqs.Allows(queueARN, service, sourceARN, sourceAccount), nil
}

func (q queues) EnqueueTx(tx *db.Tx, queueARN string, m sns.QueueMessage) error {
	return q.sqs.EnqueueTx(tx, queueARN, sqs.Outbound{
		Body: m.Body, Attributes: m.Attributes, Sender: snsSender, GroupID: m.GroupID, DedupID: m.DedupID, Trace: m.Trace,
	})
}

// notifier takes S3's events to topics and queues, as far as their policies let it.
type notifier struct {
	topics  *sns.Service
	queues  *sqs.Service
	account string
}

const s3Principal = "s3.amazonaws.com"

func (n notifier) source(bucketARN string) sns.Source {
	return sns.Source{Service: s3Principal, ARN: bucketARN, Account: n.account}
}

// Check says why S3 may not publish to the target about the bucket; ErrNoTarget where
// there is none.
func (n notifier) Check(_ context.Context, targetARN, bucketARN string) error {
	switch service(targetARN) {
	case "sns":
		err := n.topics.CheckSource(targetARN, n.source(bucketARN))
		var refused *wire.Error
		if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
			return fmt.Errorf("%w: %w", s3.ErrNoTarget, err)
		}
		return err
	case "sqs":
		if strings.HasSuffix(targetARN, ".fifo") {
			return fmt.Errorf("%s is a FIFO queue, to which S3 does not send", targetARN)
		}
		if !n.queues.Exists(targetARN) {
			return fmt.Errorf("%w: the queue %s does not exist", s3.ErrNoTarget, targetARN)
		}
		if !n.queues.Allows(targetARN, s3Principal, bucketARN, n.account) {
			return fmt.Errorf("the policy of queue %s does not let %s send on behalf of %s", targetARN, s3Principal, bucketARN)
		}
		return nil
	default:
		return fmt.Errorf("%w: %s is neither a topic nor a queue", s3.ErrNoTarget, targetARN)
	}
}

// NotifyTx publishes an event in the transaction of the change it tells of.
func (n notifier) NotifyTx(tx *db.Tx, targetARN, bucketARN, subject, body string) error {
	return n.publishTx(tx, targetARN, bucketARN, sns.Publish{Subject: subject, Message: body, Source: n.source(bucketARN)})
}

// Prepare signs the event for a topic's subscribers.
func (n notifier) Prepare(targetARN, bucketARN, subject, body string) func(*db.Tx) error {
	p := sns.Publish{Subject: subject, Message: body, Source: n.source(bucketARN)}
	if service(targetARN) == "sns" {
		// What is wrong with it, PublishTx finds as well.
		if ready, err := n.topics.Prepare(targetARN, p); err == nil {
			p = ready
		}
	}
	return func(tx *db.Tx) error { return n.publishTx(tx, targetARN, bucketARN, p) }
}

func (n notifier) publishTx(tx *db.Tx, targetARN, bucketARN string, p sns.Publish) error {
	var err error
	switch service(targetARN) {
	case "sns":
		err = n.topics.PublishTx(tx, targetARN, p)
	case "sqs":
		if !n.queues.Allows(targetARN, s3Principal, bucketARN, n.account) {
			return fmt.Errorf("%w: the policy of queue %s does not let S3 send", s3.ErrNoTarget, targetARN)
		}
		err = n.queues.EnqueueTx(tx, targetARN, sqs.Outbound{Body: p.Message})
	default:
		return fmt.Errorf("%w: %s is neither a topic nor a queue", s3.ErrNoTarget, targetARN)
	}
	// A *wire.Error is a refusal, found before anything was written: the topic or queue is
	// gone or closed to S3. The upload it is about is none the worse for it.
	var refused *wire.Error
	if errors.As(err, &refused) {
		return fmt.Errorf("%w: %w", s3.ErrNoTarget, err)
	}
	return err
}

// service is the service of an ARN: arn:partition:service:…
func service(arn string) string {
	parts := strings.SplitN(arn, ":", 4)
	if len(parts) < 4 {
		return ""
	}
	return parts[2]
}
