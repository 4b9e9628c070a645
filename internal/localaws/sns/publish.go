package sns

import (
	"context"
	"strings"

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
// PublishTx works on the topic as it is then, and signs for whom Prepare did not.
func (s *Service) Prepare(topicARN string, p Publish) (Publish, error) {
	n, err := s.checkFor(topicARN, p)
	if err != nil {
		return p, err
	}
	p.ready = n
	t, subs, err := s.subscribers(topicARN)
	if err != nil {
		return p, err
	}
	return p, s.presign(t, subs, n)
}

// checkFor is check with the rules of the topic's kind.
func (s *Service) checkFor(topicARN string, p Publish) (*notification, error) {
	n, err := s.check(p)
	if err == nil {
		err = checkFIFO(topicARN, n)
	}
	return n, err
}

// subscribers reads a topic and whom it delivers to at this moment.
func (s *Service) subscribers(topicARN string) (*topic, []*subscription, error) {
	t, err := findTopic(s.db.Read(), topicARN)
	if err != nil {
		return nil, nil, err
	}
	subs, err := findSubscriptions(s.db.Read(), toDeliverTo, topicARN)
	return t, subs, err
}

// presign makes the signatures that the subscribers' envelopes will need.
func (s *Service) presign(t *topic, subs []*subscription, n *notification) error {
	if isFIFO(t.arn) {
		return nil // FIFO topics do not sign
	}
	for _, sub := range subs {
		body := n.body(sub.protocol)
		if sub.protocol == protocolEmail || sub.raw() || !s.passes(sub, n, body) {
			continue
		}
		if _, err := n.signature(s.signer, t.signatureVersion(), t.arn, body); err != nil {
			return err
		}
	}
	return nil
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

func (s *Service) publishTx(tx *db.Tx, topicARN string, p Publish, principal string) (receipt, error) {
	n := p.ready
	if n == nil {
		var err error
		if n, err = s.checkFor(topicARN, p); err != nil {
			return receipt{}, err
		}
	}
	t, err := findTopic(tx, topicARN)
	if err != nil {
		return receipt{}, err
	}
	if err := s.authorize(t, p, principal); err != nil {
		return receipt{}, err
	}
	told := receipt{id: n.id}
	if isFIFO(topicARN) {
		var again bool
		if told, again, err = s.accept(tx, t, n); err != nil || again {
			return told, err
		}
	}
	return told, s.fanOut(tx, t, n)
}

func (s *Service) publish(ctx context.Context, r *wire.Request, in *sns.PublishInput) (*sns.PublishOutput, error) {
	topicARN, err := s.target(in)
	if err != nil {
		return nil, err
	}
	p, err := s.entry(r, topicARN, &types.PublishBatchRequestEntry{
		Message: in.Message, Subject: in.Subject, MessageStructure: in.MessageStructure, MessageAttributes: in.MessageAttributes,
		MessageDeduplicationId: in.MessageDeduplicationId, MessageGroupId: in.MessageGroupId,
	})
	if err != nil {
		return nil, err
	}
	t, subs, err := s.subscribers(topicARN)
	if err == nil {
		err = s.presign(t, subs, p.ready)
	}
	if err != nil {
		return nil, err
	}
	var told receipt
	err = s.db.Update(ctx, func(tx *db.Tx) (err error) {
		told, err = s.publishTx(tx, topicARN, p, r.Principal)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &sns.PublishOutput{MessageId: &told.id, SequenceNumber: orNil(told.sequence)}, nil
}

// target is the topic that a message is for.
func (s *Service) target(in *sns.PublishInput) (string, error) {
	switch {
	case aws.ToString(in.PhoneNumber) != "":
		return "", invalid("PhoneNumber Reason: SMS is not supported by this endpoint")
	case in.TopicArn != nil && in.TargetArn != nil:
		return "", invalid("TopicArn or TargetArn Reason: Only one is allowed")
	case in.TopicArn == nil && in.TargetArn == nil:
		return "", invalid("TopicArn or TargetArn Reason: no value for required parameter")
	case in.TargetArn != nil && strings.Contains(*in.TargetArn, ":endpoint/"):
		return "", invalid("TargetArn Reason: No endpoint found for the target arn specified")
	case in.TargetArn != nil:
		return s.topicARN("TargetArn", in.TargetArn)
	}
	return s.topicARN("TopicArn", in.TopicArn)
}

// entry is a message of an API call, checked.
func (s *Service) entry(r *wire.Request, topicARN string, e *types.PublishBatchRequestEntry) (Publish, error) {
	p := Publish{
		Subject: aws.ToString(e.Subject), Message: aws.ToString(e.Message), Structure: aws.ToString(e.MessageStructure),
		Attributes: e.MessageAttributes, GroupID: aws.ToString(e.MessageGroupId), DedupID: aws.ToString(e.MessageDeduplicationId),
		Trace: r.Trace,
	}
	if e.Subject != nil && *e.Subject == "" {
		return p, invalid("Subject") // none is one thing, an empty one another
	}
	var err error
	p.ready, err = s.checkFor(topicARN, p)
	return p, err
}

func orNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
