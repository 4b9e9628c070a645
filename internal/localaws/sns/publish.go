package sns

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/tintype/tintype/internal/localaws/db"
	"github.com/tintype/tintype/internal/localaws/policy"
	"github.com/tintype/tintype/internal/localaws/wire"
)

// PublishTx publishes in the caller's transaction: when that commits, the queues have
// the message, and mail and HTTP deliveries are owed. A *wire.Error (no such topic, not
// allowed by its policy, message not valid) is found before anything is written, so a
// caller may go on with its transaction after one.
//
// Signing envelopes takes about a millisecond of the store's writer. Prepare does it
// beforehand.
func (s *Service) PublishTx(tx *db.Tx, topicARN string, p Publish) error {
	_, err := s.publishTx(tx, topicARN, p, "")
	return err
}

// Prepare checks a message and signs it for the subscribers of this moment, outside of
// any transaction; PublishTx of what it returns has less to do. It decides nothing:
// PublishTx works on the topic as it is then.
func (s *Service) Prepare(topicARN string, p Publish) (Publish, error) {
	n, err := s.check(p)
	if err != nil {
		return p, err
	}
	p.ready = n
	t, err := findTopic(s.db.Read(), topicARN)
	if err != nil {
		return p, err
	}
	subs, err := findSubscriptions(s.db.Read(), toDeliverTo, topicARN)
	if err != nil {
		return p, err
	}
	for _, sub := range subs {
		if sub.protocol == protocolEmail || sub.raw() {
			continue
		}
		if _, err := n.signature(s.signer, t.signatureVersion(), t.arn, n.body(sub.protocol)); err != nil {
			return p, err
		}
	}
	return p, nil
}

// CheckSource says, with a *wire.Error, why a service may not publish to the topic: it
// does not exist or its policy does not allow it.
func (s *Service) CheckSource(topicARN string, from Source) error {
	t, err := findTopic(s.db.Read(), topicARN)
	if err != nil {
		return err
	}
	return s.authorize(t, Publish{Source: from}, "")
}

func (s *Service) authorize(t *topic, p Publish, principal string) error {
	from := p.Source
	if from == (Source{}) {
		return s.authorizeOwner(t, principal, "SNS:Publish")
	}
	switch policy.ForService(t.policy(s.opts.Account), from.Service, "SNS:Publish", t.arn, from.ARN, from.Account) {
	case policy.Allowed:
		return nil
	case policy.Denied:
		return forbidden("The policy of %s explicitly denies SNS:Publish to %s on behalf of %s", t.arn, from.Service, from.ARN)
	default:
		return forbidden(`The policy of %s does not let %s publish on behalf of %s. A statement such as this one is missing: `+
			`{"Effect":"Allow","Principal":{"Service":%q},"Action":"SNS:Publish","Resource":%q,"Condition":{"ArnLike":{"aws:SourceArn":%q},"StringEquals":{"aws:SourceAccount":%q}}}`,
			t.arn, from.Service, from.ARN, from.Service, t.arn, from.ARN, from.Account)
	}
}

// publishTx returns the message's id.
func (s *Service) publishTx(tx *db.Tx, topicARN string, p Publish, principal string) (string, error) {
	n := p.ready
	if n == nil {
		var err error
		if n, err = s.check(p); err != nil {
			return "", err
		}
	}
	t, err := findTopic(tx, topicARN)
	if err != nil {
		return "", err
	}
	if err := s.authorize(t, p, principal); err != nil {
		return "", err
	}
	return n.id, s.fanOut(tx, t, n)
}

func (s *Service) publish(ctx context.Context, r *wire.Request, in *sns.PublishInput) (*sns.PublishOutput, error) {
	topicARN := aws.ToString(in.TopicArn)
	if topicARN == "" {
		topicARN = aws.ToString(in.TargetArn)
	}
	if aws.ToString(in.PhoneNumber) != "" {
		return nil, invalid("PhoneNumber Reason: SMS is not supported by this endpoint")
	}
	p, err := s.prepareEntry(topicARN, types.PublishBatchRequestEntry{
		Message: in.Message, Subject: in.Subject, MessageStructure: in.MessageStructure, MessageAttributes: in.MessageAttributes,
		MessageDeduplicationId: in.MessageDeduplicationId, MessageGroupId: in.MessageGroupId,
	})
	if err != nil {
		return nil, err
	}
	out := &sns.PublishOutput{}
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		id, err := s.publishTx(tx, topicARN, p, r.Principal)
		out.MessageId = &id
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (s *Service) prepareEntry(topicARN string, e types.PublishBatchRequestEntry) (Publish, error) {
	p := Publish{
		Subject: aws.ToString(e.Subject), Message: aws.ToString(e.Message), Structure: aws.ToString(e.MessageStructure),
		Attributes: e.MessageAttributes, GroupID: aws.ToString(e.MessageGroupId),
	}
	if err := checkARN(topicARN); err != nil {
		return p, err
	}
	if aws.ToString(e.MessageDeduplicationId) != "" {
		return p, invalid("MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type")
	}
	return s.Prepare(topicARN, p)
}

var batchID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// publishBatch publishes up to ten messages at once. An entry that is not valid fails
// by itself.
func (s *Service) publishBatch(ctx context.Context, r *wire.Request, in *sns.PublishBatchInput) (*sns.PublishBatchOutput, error) {
	topicARN := aws.ToString(in.TopicArn)
	entries := in.PublishBatchRequestEntries
	switch {
	case len(entries) == 0:
		return nil, wire.Errorf("EmptyBatchRequest", "The batch request doesn't contain any entries.")
	case len(entries) > 10:
		return nil, wire.Errorf("TooManyEntriesInBatchRequest", "The batch request contains more entries than permissible (10).")
	}
	if err := checkARN(topicARN); err != nil {
		return nil, err
	}
	t, err := findTopic(s.db.Read(), topicARN)
	if err != nil {
		return nil, err
	}
	if err := s.authorizeOwner(t, r.Principal, "SNS:Publish"); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	size := 0
	for _, e := range entries {
		id := aws.ToString(e.Id)
		switch {
		case !batchID.MatchString(id):
			return nil, wire.Errorf("InvalidBatchEntryId", "The Id of a batch entry in a batch request doesn't abide by the specification: %q", id)
		case seen[id]:
			return nil, wire.Errorf("BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id: %q", id)
		}
		seen[id] = true
		size += len(aws.ToString(e.Message))
		for name, a := range e.MessageAttributes {
			size += len(name) + len(aws.ToString(a.DataType)) + len(aws.ToString(a.StringValue)) + len(a.BinaryValue)
		}
	}
	if size > maxMessage {
		return nil, tooLong()
	}
	ready := make([]Publish, len(entries))
	failed := make([]error, len(entries))
	for i, e := range entries {
		ready[i], failed[i] = s.prepareEntry(topicARN, e)
	}
	out := &sns.PublishBatchOutput{}
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		for i, e := range entries {
			id, err := "", failed[i]
			if err == nil {
				id, err = s.publishTx(tx, topicARN, ready[i], r.Principal)
			}
			var refused *wire.Error
			switch {
			case err == nil:
				out.Successful = append(out.Successful, types.PublishBatchResultEntry{Id: e.Id, MessageId: &id})
			case errors.As(err, &refused):
				out.Failed = append(out.Failed, types.BatchResultErrorEntry{
					Id: e.Id, Code: &refused.Code, Message: &refused.Message, SenderFault: refused.Status < http.StatusInternalServerError,
				})
			default:
				return fmt.Errorf("entry %s: %w", aws.ToString(e.Id), err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
