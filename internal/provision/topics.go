package provision

import (
	"context"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
)

var unquoteCount = regexp.MustCompile(`("maxReceiveCount":)"(\d+)"`)

func (e *ensurer) uploadTopic(ctx context.Context) error {
	arnText, existed, err := e.ensureTopic(ctx, e.spec.UploadTopic)
	if err != nil {
		return err
	}
	e.res.UploadTopicARN = arnText
	want := topicPolicy(arnText, e.bucketARN(e.spec.UploadsBucket), e.res.Account).String()
	have, err := e.SNS.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &arnText})
	if err != nil {
		return err
	}
	action := Unchanged
	if !sameJSON(have.Attributes["Policy"], want) {
		if _, err := e.SNS.SetTopicAttributes(ctx, &sns.SetTopicAttributesInput{TopicArn: &arnText, AttributeName: aws.String("Policy"), AttributeValue: &want}); err != nil {
			return err
		}
		action = Updated
	}
	if !existed {
		action = Created
	}
	e.did(action, "topic %s, whose policy lets S3 publish for bucket %s", e.spec.UploadTopic, e.spec.UploadsBucket)
	return nil
}

func (e *ensurer) completionTopic(ctx context.Context) error {
	arnText, existed, err := e.ensureTopic(ctx, e.spec.CompletionTopic)
	if err != nil {
		return err
	}
	e.res.CompletionTopicARN = arnText
	action := Created
	if existed {
		action = Unchanged
	}
	e.did(action, "topic %s", e.spec.CompletionTopic)
	return nil
}

func (e *ensurer) ensureTopic(ctx context.Context, name string) (arnText string, existed bool, err error) {
	// CreateTopic answers the existing topic's ARN; asking first is only for the report.
	_, err = e.SNS.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: aws.String(e.topicARN(name))})
	existed = err == nil
	out, err := e.SNS.CreateTopic(ctx, &sns.CreateTopicInput{Name: &name})
	if err != nil {
		return "", false, err
	}
	return aws.ToString(out.TopicArn), existed, nil
}

func (e *ensurer) subscribeQueue(ctx context.Context) error {
	subs, err := e.subscriptions(ctx, e.res.UploadTopicARN)
	if err != nil {
		return err
	}
	action := Unchanged
	if _, ok := subs["sqs "+e.res.QueueARN]; !ok {
		if _, err := e.SNS.Subscribe(ctx, &sns.SubscribeInput{TopicArn: &e.res.UploadTopicARN, Protocol: aws.String("sqs"), Endpoint: &e.res.QueueARN}); err != nil {
			return err
		}
		action = Created
	}
	e.did(action, "subscription of queue %s to topic %s", e.spec.Queue, e.spec.UploadTopic)
	return nil
}

func (e *ensurer) emails(ctx context.Context) error {
	if len(e.spec.Emails) == 0 {
		return nil
	}
	for _, topic := range []struct{ name, arn string }{{e.spec.UploadTopic, e.res.UploadTopicARN}, {e.spec.CompletionTopic, e.res.CompletionTopicARN}} {
		subs, err := e.subscriptions(ctx, topic.arn)
		if err != nil {
			return err
		}
		for _, address := range e.spec.Emails {
			action := Unchanged
			// One that still waits is asked again, as a person who runs this again would expect.
			if arnText, ok := subs["email "+address]; !ok || arnText == "PendingConfirmation" {
				if _, err := e.SNS.Subscribe(ctx, &sns.SubscribeInput{TopicArn: aws.String(topic.arn), Protocol: aws.String("email"), Endpoint: aws.String(address)}); err != nil {
					return err
				}
				action = Requested
			}
			e.did(action, "subscription of %s to topic %s", address, topic.name)
		}
	}
	return nil
}

// subscriptions lists a topic's subscriptions: "protocol endpoint" to ARN.
func (e *ensurer) subscriptions(ctx context.Context, topic string) (map[string]string, error) {
	out := map[string]string{}
	p := sns.NewListSubscriptionsByTopicPaginator(e.SNS, &sns.ListSubscriptionsByTopicInput{TopicArn: &topic})
	for p.HasMorePages() {
		page, err := p.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, s := range page.Subscriptions {
			out[aws.ToString(s.Protocol)+" "+aws.ToString(s.Endpoint)] = aws.ToString(s.SubscriptionArn)
		}
	}
	return out, nil
}
