package provision

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/provision/declare"
)

// locate finds out which account this is, from a queue of it. Where there is none the
// first is made, or, in a dry run, a topic is asked.
func (e *ensurer) locate(ctx context.Context) error {
	e.born = map[string]bool{}
	known := ""
	for _, name := range []string{e.spec.DeadLetterQueue, e.spec.Queue} {
		_, arnText, err := e.findQueue(ctx, name)
		switch {
		case isQueueGone(err):
			e.born[name] = true
		case err != nil:
			return err
		default:
			known = arnText
		}
	}
	if known != "" {
		return e.account(known)
	}
	if !e.dry {
		_, arnText, err := e.createQueue(ctx, e.spec.DeadLetterQueue)
		if err != nil {
			return err
		}
		return e.account(arnText)
	}
	topics, err := e.SNS.ListTopics(ctx, &sns.ListTopicsInput{})
	if err != nil {
		return err
	}
	part, account := "aws", e.spec.Account // unknown: then there is nothing of it either
	if len(topics.Topics) > 0 {
		a, err := arn.Parse(aws.ToString(topics.Topics[0].TopicArn))
		if err != nil {
			return err
		}
		part, account = a.Partition, a.AccountID
	}
	return e.account(arn.ARN{Partition: part, Service: "sqs", Region: e.spec.Region, AccountID: account, Resource: e.spec.Queue}.String())
}

func isQueueGone(err error) bool {
	var missing *types.QueueDoesNotExist
	return errors.As(err, &missing)
}

// queue makes a queue or puts it right, all but its policy.
func (e *ensurer) queue(ctx context.Context, q declare.Queue) error {
	resource, isNew := "queue "+q.Name, e.born[q.Name]
	if isNew && e.dry {
		e.settled(resource, true, nil)
		return nil
	}
	url, arnText, err := e.findQueue(ctx, q.Name)
	if isQueueGone(err) {
		url, arnText, err = e.createQueue(ctx, q.Name)
	}
	if err != nil {
		return err
	}
	if q.Name == e.spec.Queue {
		e.res.QueueURL, e.res.QueueARN = url, arnText
	} else {
		e.res.DeadLetterQueueURL, e.res.DeadLetterQueueARN = url, arnText
	}
	have, err := e.SQS.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	if err != nil {
		return err
	}
	var all []aspect
	for _, name := range slices.Sorted(maps.Keys(q.Attributes)) {
		want, was := q.Attributes[name], have.Attributes[name]
		// An endpoint that has no such attribute says so, or takes it and shows it never.
		all = append(all, aspect{name, func(context.Context) (func(context.Context) error, error) {
			if holds(name, was, want, have.Attributes) {
				return nil, nil
			}
			return func(ctx context.Context) error {
				value, err := e.attribute(ctx, url, name, was, want)
				if err == nil {
					_, err = e.SQS.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{name: value}})
				}
				return err
			}, nil
		}})
	}
	all = append(all, aspect{"tags", func(ctx context.Context) (func(context.Context) error, error) {
		tags, err := e.SQS.ListQueueTags(ctx, &sqs.ListQueueTagsInput{QueueUrl: &url})
		if err != nil {
			return nil, err
		}
		set := lacking(tags.Tags, q.Tags)
		if len(set) == 0 {
			return nil, nil
		}
		return func(ctx context.Context) error {
			_, err := e.SQS.TagQueue(ctx, &sqs.TagQueueInput{QueueUrl: &url, Tags: set})
			return err
		}, nil
	}})
	differed, err := e.aspects(ctx, resource, all...)
	if err != nil {
		return err
	}
	e.settled(resource, isNew, differed)
	return nil
}

// queuePolicies lets the topic send to the queue, and nobody without TLS do anything.
func (e *ensurer) queuePolicies(ctx context.Context) error {
	for _, q := range e.stack.Queues() {
		if q.Policy.Empty() {
			continue
		}
		resource := "policy of queue " + q.Name
		if e.dry && e.born[q.Name] {
			e.settled(resource, true, nil)
			continue
		}
		url, _, err := e.findQueue(ctx, q.Name)
		if err != nil {
			return err
		}
		have, err := e.SQS.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNamePolicy}})
		if err != nil {
			return err
		}
		want, missing, err := q.Policy.Merge(have.Attributes["Policy"])
		if err != nil {
			return err
		}
		if len(missing) > 0 && !e.dry {
			if _, err := e.SQS.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"Policy": want}}); err != nil {
				return err
			}
		}
		e.settled(resource, false, missing)
	}
	return nil
}

func (e *ensurer) createQueue(ctx context.Context, name string) (url, arnText string, err error) {
	e.born[name] = true
	if _, err := e.SQS.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name}); err != nil {
		return "", "", err
	}
	return e.findQueue(ctx, name)
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

// Names of queue attributes that are compared by what they mean.
const (
	attrRedriveAllow = "RedriveAllowPolicy"
	attrKMSKey       = "KmsMasterKeyId"
	attrManagedSSE   = "SqsManagedSseEnabled"
)

// holds says whether an attribute is as declared, or better.
func holds(name, have, want string, all map[string]string) bool {
	switch name {
	case attrRedriveAllow:
		return slices.Contains(redriveAllow(have).Sources, redriveAllow(want).Sources[0])
	case attrKMSKey:
		return sameKey(have, want)
	case attrManagedSSE:
		// A key of somebody's own is more than what is declared.
		return have == want || all[attrKMSKey] != ""
	}
	return have == want || declare.SameJSON(have, want) || declare.SameJSON(have, unquoteCount.ReplaceAllString(want, "$1$2"))
}

// unquoteCount: a redrive policy's count may come back as a number or as a string.
var unquoteCount = regexp.MustCompile(`("maxReceiveCount":)"(\d+)"`)

// sameKey compares a key's ARN with what may be its id alone.
func sameKey(have, want string) bool {
	return have != "" && (have == want || strings.HasSuffix(want, "/"+have))
}

// redrivePermission is a RedriveAllowPolicy.
type redrivePermission struct {
	Permission string   `json:"redrivePermission"`
	Sources    []string `json:"sourceQueueArns,omitempty"`
}

// maxSources is how many queues a RedriveAllowPolicy may name.
const maxSources = 10

func redriveAllow(text string) (p redrivePermission) {
	if json.Unmarshal([]byte(text), &p) != nil {
		return redrivePermission{}
	}
	return p
}

// attribute is the value to set. Other queues that have this one as their dead-letter
// queue keep it.
func (e *ensurer) attribute(ctx context.Context, url, name, have, want string) (string, error) {
	if name != attrRedriveAllow {
		return want, nil
	}
	p := redriveAllow(want)
	others := redriveAllow(have).Sources
	pages := sqs.NewListDeadLetterSourceQueuesPaginator(e.SQS, &sqs.ListDeadLetterSourceQueuesInput{QueueUrl: &url, MaxResults: aws.Int32(1000)})
	for pages.HasMorePages() && redriveAllow(have).Permission != "byQueue" {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return "", err
		}
		for _, u := range page.QueueUrls {
			others = append(others, e.spec.QueueARN(u[strings.LastIndexByte(u, '/')+1:]))
		}
	}
	for _, o := range others {
		if !slices.Contains(p.Sources, o) {
			p.Sources = append(p.Sources, o)
		}
	}
	if len(p.Sources) > maxSources {
		p = redrivePermission{Permission: "allowAll"}
	}
	b, err := json.Marshal(p)
	return string(b), err
}
