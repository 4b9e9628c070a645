package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// TestAcknowledgedConfigurationSurvivesKill kills the endpoint right after it has
// acknowledged each kind of write that is no object and no message, and looks for it
// after the next start.
func TestAcknowledgedConfigurationSurvivesKill(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	const account = "000000000000"
	queueARN, topicARN := "arn:aws:sqs:us-east-1:"+account+":q", "arn:aws:sns:us-east-1:"+account+":t"
	url := aws.String("http://" + s.endpointAddr + "/" + account + "/q")
	attribute := func(name string) (string, error) {
		out, err := s.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: url, AttributeNames: []sqstypes.QueueAttributeName{"All"}})
		if err != nil {
			return "", err
		}
		return out.Attributes[name], nil
	}
	is := func(got, want string, err error) error {
		if err == nil && got != want {
			err = fmt.Errorf("%q, want %q", got, want)
		}
		return err
	}
	subscription := ""
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"SNS:Publish","Resource":"` + topicARN + `"}]}`
	p := s.startEndpoint()
	for _, step := range []struct {
		name         string
		write, there func() error
	}{
		{"queue", func() error {
			_, err := s.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("q")})
			return err
		}, func() error { got, err := attribute("QueueArn"); return is(got, queueARN, err) }},
		{"queue attribute", func() error {
			_, err := s.sqs.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: url, Attributes: map[string]string{"VisibilityTimeout": "77"}})
			return err
		}, func() error { got, err := attribute("VisibilityTimeout"); return is(got, "77", err) }},
		{"queue tag", func() error {
			_, err := s.sqs.TagQueue(ctx, &sqs.TagQueueInput{QueueUrl: url, Tags: map[string]string{"a": "b"}})
			return err
		}, func() error {
			out, err := s.sqs.ListQueueTags(ctx, &sqs.ListQueueTagsInput{QueueUrl: url})
			if err != nil {
				return err
			}
			return is(out.Tags["a"], "b", nil)
		}},
		{"topic", func() error {
			_, err := s.sns.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("t")})
			return err
		}, func() error {
			_, err := s.sns.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &topicARN})
			return err
		}},
		{"topic policy", func() error {
			_, err := s.sns.SetTopicAttributes(ctx, &sns.SetTopicAttributesInput{TopicArn: &topicARN, AttributeName: aws.String("Policy"), AttributeValue: &policy})
			return err
		}, func() error {
			out, err := s.sns.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &topicARN})
			if err != nil {
				return err
			}
			return is(out.Attributes["Policy"], policy, nil)
		}},
		{"subscription", func() error {
			out, err := s.sns.Subscribe(ctx, &sns.SubscribeInput{TopicArn: &topicARN, Protocol: aws.String("sqs"), Endpoint: &queueARN})
			if err == nil {
				subscription = *out.SubscriptionArn
			}
			return err
		}, func() error {
			_, err := s.sns.GetSubscriptionAttributes(ctx, &sns.GetSubscriptionAttributesInput{SubscriptionArn: &subscription})
			return err
		}},
		{"subscription attribute", func() error {
			_, err := s.sns.SetSubscriptionAttributes(ctx, &sns.SetSubscriptionAttributesInput{SubscriptionArn: &subscription, AttributeName: aws.String("RawMessageDelivery"), AttributeValue: aws.String("true")})
			return err
		}, func() error {
			out, err := s.sns.GetSubscriptionAttributes(ctx, &sns.GetSubscriptionAttributesInput{SubscriptionArn: &subscription})
			if err != nil {
				return err
			}
			return is(out.Attributes["RawMessageDelivery"], "true", nil)
		}},
		{"bucket", func() error {
			_, err := s.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("bucket")})
			return err
		}, func() error {
			_, err := s.s3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String("bucket")})
			return err
		}},
		{"event notification", func() error {
			_, err := s.s3.PutBucketNotificationConfiguration(ctx, &s3.PutBucketNotificationConfigurationInput{Bucket: aws.String("bucket"), NotificationConfiguration: &s3types.NotificationConfiguration{
				TopicConfigurations: []s3types.TopicConfiguration{{TopicArn: &topicARN, Events: []s3types.Event{"s3:ObjectCreated:*"}}},
			}})
			return err
		}, func() error {
			out, err := s.s3.GetBucketNotificationConfiguration(ctx, &s3.GetBucketNotificationConfigurationInput{Bucket: aws.String("bucket")})
			if err == nil && len(out.TopicConfigurations) != 1 {
				err = fmt.Errorf("%d configurations", len(out.TopicConfigurations))
			}
			return err
		}},
		{"email subscription and its mail", func() error {
			_, err := s.sns.Subscribe(ctx, &sns.SubscribeInput{TopicArn: &topicARN, Protocol: aws.String("email"), Endpoint: aws.String("ann@example.com")})
			return err
		}, func() error {
			mails, err := s.inbox("ann@example.com")
			if err == nil && (len(mails) != 1 || !strings.Contains(mails[0].Text, topicARN)) {
				err = fmt.Errorf("%d mails", len(mails))
			}
			return err
		}},
		{"unsubscription", func() error {
			_, err := s.sns.Unsubscribe(ctx, &sns.UnsubscribeInput{SubscriptionArn: &subscription})
			return err
		}, func() error {
			if _, err := s.sns.GetSubscriptionAttributes(ctx, &sns.GetSubscriptionAttributesInput{SubscriptionArn: &subscription}); err == nil {
				return fmt.Errorf("%s is there again", subscription)
			}
			return nil
		}},
	} {
		if err := step.write(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		p.kill()
		p = s.startEndpoint()
		// Mails leave by the outbox a moment after the start; the rest is there at once.
		eventually(t, step.name+" after the kill", step.there)
	}
}
