package worker

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/tintype/tintype/internal/event"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/outage"
)

// SNSAnnouncer publishes completions on an SNS topic: JSON for programs, text for people.
type SNSAnnouncer struct {
	client *sns.Client
	topic  string
	// PageURL, where set, gives the address at which people see an image; mails carry it.
	PageURL func(imageID string) string
}

// NewSNSAnnouncer publishes on the topic with this ARN.
func NewSNSAnnouncer(client *sns.Client, topicARN string) *SNSAnnouncer {
	return &SNSAnnouncer{client: client, topic: topicARN}
}

// Announce publishes c. The message attributes "type" and "status" let subscribers filter:
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-filtering.html
func (a *SNSAnnouncer) Announce(ctx context.Context, c event.Completion) error {
	page := ""
	if a.PageURL != nil {
		page = a.PageURL(c.ImageID)
	}
	message, err := c.Structure(page)
	if err != nil {
		return err
	}
	_, err = a.client.Publish(ctx, &sns.PublishInput{
		TopicArn: &a.topic, Message: &message, MessageStructure: aws.String("json"), Subject: aws.String(c.Subject()),
		MessageAttributes: map[string]types.MessageAttributeValue{
			"type":   {DataType: aws.String("String"), StringValue: aws.String(c.Type)},
			"status": {DataType: aws.String("String"), StringValue: aws.String(string(c.Manifest.Status))},
		},
	})
	if err == nil {
		return nil
	}
	kind := outage.Of(err)
	f := &fault.Error{Op: "announce image " + c.ImageID, Kind: fault.Retry, Code: fault.CodeUnavailable, Message: "the result could not be announced",
		Hint: kind.Hint(), Outage: kind != outage.None, Err: err}
	var missing *types.NotFoundException
	var refused *types.AuthorizationErrorException
	var invalid *types.InvalidParameterException
	if errors.As(err, &missing) || errors.As(err, &refused) || errors.As(err, &invalid) {
		f.Kind, f.Code, f.Hint = fault.Bug, fault.CodeInternal, "`tintype doctor` checks the topic "+a.topic+" and its policy"
		f.Outage = !errors.As(err, &invalid) // topic and policy are the same for all
	}
	return f
}
