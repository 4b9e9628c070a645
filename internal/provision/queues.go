package provision

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func (e *ensurer) deadLetterQueue(ctx context.Context) error {
	// What fails waits as long as SQS keeps anything: 14 days, so that a long weekend
	// does not lose the evidence.
	url, arnText, err := e.ensureQueue(ctx, e.spec.DeadLetterQueue, map[string]string{"MessageRetentionPeriod": strconv.Itoa(14 * 24 * 3600)})
	if err != nil {
		return err
	}
	e.res.DeadLetterQueueURL, e.res.DeadLetterQueueARN = url, arnText
	return e.account(arnText)
}

func (e *ensurer) queue(ctx context.Context) error {
	redrive := fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":"%d"}`, e.res.DeadLetterQueueARN, MaxReceiveCount)
	url, arnText, err := e.ensureQueue(ctx, e.spec.Queue, map[string]string{"RedrivePolicy": redrive})
	e.res.QueueURL, e.res.QueueARN = url, arnText
	return err
}

func (e *ensurer) queuePolicy(ctx context.Context) error {
	want := queuePolicy(e.res.QueueARN, e.res.UploadTopicARN).String()
	action, err := e.setAttributes(ctx, e.res.QueueURL, map[string]string{"Policy": want})
	if err == nil {
		e.did(action, "policy of queue %s", e.spec.Queue)
	}
	return err
}

// ensureQueue creates the queue or sets the given attributes on the one there.
func (e *ensurer) ensureQueue(ctx context.Context, name string, attrs map[string]string) (url, arnText string, err error) {
	var action Action
	url, arnText, err = e.findQueue(ctx, name)
	var missing *types.QueueDoesNotExist
	switch {
	case errors.As(err, &missing):
		if _, err := e.SQS.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name, Attributes: attrs}); err != nil {
			return "", "", err
		}
		if url, arnText, err = e.findQueue(ctx, name); err != nil {
			return "", "", err
		}
		action = Created
	case err != nil:
		return "", "", err
	default:
		if action, err = e.setAttributes(ctx, url, attrs); err != nil {
			return "", "", err
		}
	}
	e.did(action, "queue %s", name)
	return url, arnText, nil
}

func (e *ensurer) findQueue(ctx context.Context, name string) (url, arnText string, err error) {
	u, err := e.SQS.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})
	if err != nil {
		return "", "", err
	}
	a, err := e.SQS.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: u.QueueUrl, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn}})
	if err != nil {
		return "", "", err
	}
	return aws.ToString(u.QueueUrl), a.Attributes[string(types.QueueAttributeNameQueueArn)], nil
}

// setAttributes sets those attributes that differ.
func (e *ensurer) setAttributes(ctx context.Context, url string, want map[string]string) (Action, error) {
	have, err := e.SQS.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	if err != nil {
		return "", err
	}
	set := map[string]string{}
	for k, v := range want {
		if h := have.Attributes[k]; h != v && !sameAttribute(h, v) {
			set[k] = v
		}
	}
	if len(set) == 0 {
		return Unchanged, nil
	}
	_, err = e.SQS.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: set})
	return Updated, err
}

// sameAttribute compares JSON attributes; a redrive policy's count may come back as
// a number or as a string.
func sameAttribute(a, b string) bool {
	return sameJSON(a, b) || sameJSON(a, unquoteCount.ReplaceAllString(b, "$1$2"))
}
