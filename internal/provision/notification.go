package provision

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// unreachableTopic is in S3's refusal of a topic to which it cannot publish.
const unreachableTopic = "Unable to validate the following destination configurations"

// A policy that was just set takes a moment until S3 sees it.
const (
	notificationTries = 6
	notificationPause = 2 * time.Second
)

// notification has S3 announce every created object on the upload topic. What
// others configured on the bucket stays.
func (e *ensurer) notification(ctx context.Context) error {
	n := e.stack.Notification
	resource := fmt.Sprintf("event notification of bucket %s to topic %s", n.Bucket, n.Topic)
	have, err := e.S3.GetBucketNotificationConfiguration(ctx, &s3.GetBucketNotificationConfigurationInput{Bucket: &n.Bucket})
	if e.dry && isBucketGone(err) {
		e.settled(resource, true, nil)
		return nil
	}
	if err != nil {
		return err
	}
	var events []types.Event
	for _, ev := range n.Events {
		events = append(events, types.Event(ev))
	}
	conf := &types.NotificationConfiguration{
		EventBridgeConfiguration:     have.EventBridgeConfiguration,
		LambdaFunctionConfigurations: have.LambdaFunctionConfigurations,
		QueueConfigurations:          have.QueueConfigurations,
	}
	isNew := true
	for _, t := range have.TopicConfigurations {
		// Ours is known by its ID or, set up by hand, by doing the same.
		switch same := aws.ToString(t.TopicArn) == n.TopicARN && t.Filter == nil && slices.Equal(t.Events, events); {
		case same:
			e.settled(resource, false, nil)
			return nil
		case aws.ToString(t.Id) == n.ID:
			isNew = false
		default:
			conf.TopicConfigurations = append(conf.TopicConfigurations, t)
		}
	}
	conf.TopicConfigurations = append(conf.TopicConfigurations, types.TopicConfiguration{Id: &n.ID, TopicArn: &n.TopicARN, Events: events})
	if !e.dry {
		if err := e.putNotification(ctx, n.Bucket, conf); err != nil {
			return err
		}
	}
	e.settled(resource, isNew, []string{"topic, events"})
	return nil
}

func (e *ensurer) putNotification(ctx context.Context, bucket string, conf *types.NotificationConfiguration) error {
	for try := 1; ; try++ {
		_, err := e.S3.PutBucketNotificationConfiguration(ctx, &s3.PutBucketNotificationConfigurationInput{Bucket: &bucket, NotificationConfiguration: conf})
		switch {
		case err == nil:
			return nil
		case strings.Contains(err.Error(), "overlap") || strings.Contains(err.Error(), "ambiguous"):
			return fmt.Errorf("another notification of the bucket already covers its object-created events; remove it (aws s3api get-bucket-notification-configuration --bucket %s shows it): %w", bucket, err)
		case try == notificationTries || !strings.Contains(err.Error(), unreachableTopic):
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(notificationPause):
		}
	}
}
