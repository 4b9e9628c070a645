package provision

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/tintype/tintype/internal/provision/declare"
)

// topic makes a topic or puts it right.
func (e *ensurer) topic(ctx context.Context, t declare.Topic) error {
	resource := "topic " + t.Name
	have, err := e.SNS.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &t.ARN})
	isNew := isTopicGone(err)
	if isNew {
		if e.dry {
			e.settled(resource, true, nil)
			return nil
		}
		if _, err := e.SNS.CreateTopic(ctx, &sns.CreateTopicInput{Name: &t.Name}); err != nil {
			return err
		}
		have, err = e.SNS.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &t.ARN})
	}
	if err != nil {
		return err
	}
	set := func(name, value string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := e.SNS.SetTopicAttributes(ctx, &sns.SetTopicAttributesInput{TopicArn: &t.ARN, AttributeName: &name, AttributeValue: &value})
			return err
		}
	}
	differed, err := e.aspects(ctx, resource,
		aspect{"policy", func(context.Context) (func(context.Context) error, error) {
			want, missing, err := t.Policy.Merge(have.Attributes["Policy"])
			if err != nil || len(missing) == 0 {
				return nil, err
			}
			return set("Policy", want), nil
		}},
		aspect{"encryption", func(context.Context) (func(context.Context) error, error) {
			if t.KMSKey == "" || sameKey(have.Attributes["KmsMasterKeyId"], t.KMSKey) {
				return nil, nil
			}
			return set("KmsMasterKeyId", t.KMSKey), nil
		}},
		aspect{"tags", func(ctx context.Context) (func(context.Context) error, error) {
			tags, err := e.SNS.ListTagsForResource(ctx, &sns.ListTagsForResourceInput{ResourceArn: &t.ARN})
			if err != nil {
				return nil, err
			}
			there := map[string]string{}
			for _, tag := range tags.Tags {
				there[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
			}
			var add []types.Tag
			for k, v := range lacking(there, t.Tags) {
				add = append(add, types.Tag{Key: &k, Value: &v})
			}
			if len(add) == 0 {
				return nil, nil
			}
			return func(ctx context.Context) error {
				_, err := e.SNS.TagResource(ctx, &sns.TagResourceInput{ResourceArn: &t.ARN, Tags: add})
				return err
			}, nil
		}})
	if err != nil {
		return err
	}
	e.settled(resource, isNew, differed)
	return nil
}

func isTopicGone(err error) bool {
	var missing *types.NotFoundException
	return errors.As(err, &missing)
}

// pending is the ARN of a subscription whose owner has not confirmed it yet.
const pending = "PendingConfirmation"

// subscriptions subscribes the queue to the upload topic, and people to both.
func (e *ensurer) subscriptions(ctx context.Context) error {
	there := map[string]map[string]string{}
	for _, s := range e.stack.Subscriptions {
		if there[s.TopicARN] == nil {
			subs, err := e.subscribed(ctx, s.TopicARN)
			if e.dry && isTopicGone(err) {
				subs, err = map[string]string{}, nil
			}
			if err != nil {
				return err
			}
			there[s.TopicARN] = subs
		}
		what, made := s.Name, Requested
		if s.Protocol == "sqs" {
			what, made = "queue "+s.Name, Created
		}
		action := Unchanged
		// One that still waits is asked again, as a person who runs this again would expect.
		if arnText, ok := there[s.TopicARN][s.Protocol+" "+s.Endpoint]; !ok || arnText == pending {
			action = made
			if !e.dry {
				if _, err := e.SNS.Subscribe(ctx, &sns.SubscribeInput{TopicArn: &s.TopicARN, Protocol: &s.Protocol, Endpoint: &s.Endpoint}); err != nil {
					return err
				}
			}
		}
		e.did(action, "", "subscription of %s to topic %s", what, s.Topic)
	}
	return nil
}

// subscribed lists a topic's subscriptions: "protocol endpoint" to ARN.
func (e *ensurer) subscribed(ctx context.Context, topic string) (map[string]string, error) {
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
