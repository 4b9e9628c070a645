package web

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

// queueNameMax is the longest queue name SQS allows.
const queueNameMax = 80

// removeQueue unsubscribes and deletes a queue; what is gone already is fine, and so is an empty name.
func removeQueue(ctx context.Context, sqsClient *sqs.Client, snsClient *sns.Client, url, subscription string) error {
	var errs []error
	// The subscription first: the other way round SNS would deliver into nothing.
	if subscription != "" {
		_, err := snsClient.Unsubscribe(ctx, &sns.UnsubscribeInput{SubscriptionArn: &subscription})
		var gone *snstypes.NotFoundException
		if err != nil && !errors.As(err, &gone) {
			errs = append(errs, fmt.Errorf("unsubscribe %s: %w", subscription, err))
		}
	}
	if url != "" {
		_, err := sqsClient.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &url})
		if err != nil && !isQueueGone(err) {
			errs = append(errs, fmt.Errorf("delete queue %s: %w", url, err))
		}
	}
	return errors.Join(errs...)
}

// queuePolicy lets SNS deliver from one topic into one queue.
// Format: https://docs.aws.amazon.com/sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html
func queuePolicy(queueARN, topicARN string) (string, error) {
	p := map[string]any{
		"Version": "2012-10-17",
		"Statement": []any{map[string]any{
			"Effect":    "Allow",
			"Principal": map[string]any{"Service": "sns.amazonaws.com"},
			"Action":    "sqs:SendMessage",
			"Resource":  queueARN,
			"Condition": map[string]any{"ArnEquals": map[string]any{"aws:SourceArn": topicARN}},
		}},
	}
	b, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("encode queue policy: %w", err)
	}
	return string(b), nil
}

// queueName is <prefix><host>-<8 random>, within the characters and the length SQS allows.
func queueName(prefix, host string) string {
	suffix := "-" + strings.ToLower(rand.Text()[:8])
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, host)
	return prefix + clean[:min(len(clean), queueNameMax-len(prefix)-len(suffix))] + suffix
}

// isQueueGone reports that a queue does not exist. Endpoints differ in the code: the
// query protocol's legacy name is still answered by many.
func isQueueGone(err error) bool {
	var gone *sqstypes.QueueDoesNotExist
	if errors.As(err, &gone) {
		return true
	}
	var api smithy.APIError
	return errors.As(err, &api) && (api.ErrorCode() == "AWS.SimpleQueueService.NonExistentQueue" || api.ErrorCode() == "QueueDoesNotExist")
}
