package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Figures are what SQS says of a queue. It calls its counts approximate.
type Figures struct {
	Waiting         int64         // messages that may be received
	InFlight        int64         // received, and neither deleted nor given back yet
	Delayed         int64         // sent, not yet to be received
	Visibility      time.Duration // how long a received message stays hidden, unless the receiver says otherwise
	Retention       time.Duration // how long a message is kept
	Delay           time.Duration // how long a new message is not to be received
	MaxReceiveCount int           // receives after which a message is moved to DeadLetterARN; 0: never
	DeadLetterARN   string
}

// ReadFigures asks for the figures of the queue with this URL.
func ReadFigures(ctx context.Context, client *sqs.Client, url string) (Figures, error) {
	var f Figures
	out, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	if err != nil {
		return f, fmt.Errorf("ask for the figures of %s: %w", url, err)
	}
	var errs []error
	number := func(name types.QueueAttributeName) int64 {
		n, err := strconv.ParseInt(out.Attributes[string(name)], 10, 64)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s of %s: %w", name, url, err))
		}
		return n
	}
	seconds := func(name types.QueueAttributeName) time.Duration { return time.Duration(number(name)) * time.Second }
	f.Waiting = number(types.QueueAttributeNameApproximateNumberOfMessages)
	f.InFlight = number(types.QueueAttributeNameApproximateNumberOfMessagesNotVisible)
	f.Delayed = number(types.QueueAttributeNameApproximateNumberOfMessagesDelayed)
	f.Visibility = seconds(types.QueueAttributeNameVisibilityTimeout)
	f.Retention = seconds(types.QueueAttributeNameMessageRetentionPeriod)
	f.Delay = seconds(types.QueueAttributeNameDelaySeconds)
	if policy := out.Attributes[string(types.QueueAttributeNameRedrivePolicy)]; policy != "" {
		// The count may be a number or a text: SQS takes both, and answers with what it was given.
		var p struct {
			DeadLetterTargetArn string
			MaxReceiveCount     json.Number `json:"maxReceiveCount"`
		}
		if err := json.Unmarshal([]byte(policy), &p); err != nil {
			errs = append(errs, fmt.Errorf("the redrive policy of %s: %w", url, err))
		}
		f.DeadLetterARN = p.DeadLetterTargetArn
		f.MaxReceiveCount, err = strconv.Atoi(p.MaxReceiveCount.String())
		if err != nil {
			errs = append(errs, fmt.Errorf("the redrive policy of %s: %w", url, err))
		}
	}
	return f, errors.Join(errs...)
}
