package sns

import (
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/tintype/tintype/internal/localaws/db"
	"github.com/tintype/tintype/internal/localaws/wire"
)

// maxQueueAttributes is how many attributes a queue's message may have; a raw delivery
// with more cannot be made.
const maxQueueAttributes = 10

// fanOut delivers a notification to everybody subscribed: to queues at once, to the
// others by way of the outbox.
func (s *Service) fanOut(tx *db.Tx, t *topic, n *notification) error {
	subs, err := findSubscriptions(tx, toDeliverTo, t.arn)
	if err != nil {
		return err
	}
	for _, sub := range subs {
		body := n.body(sub.protocol)
		if !s.passes(sub, n, body) {
			continue
		}
		if err := s.deliver(tx, t, sub, n, body); err != nil {
			return fmt.Errorf("deliver %s to %s: %w", n.id, sub.arn, err)
		}
	}
	return nil
}

func (s *Service) deliver(tx *db.Tx, t *topic, sub *subscription, n *notification, body string) error {
	var err error
	if sub.protocol != protocolEmail && !sub.raw() {
		if body, err = s.notificationEnvelope(t, sub, n, body); err != nil {
			return err
		}
	}
	if sub.protocol == protocolSQS {
		return s.toQueue(tx, sub, n, body)
	}
	d := &delivery{
		lane: laneHTTP, subscription: sub.arn, topic: t.arn, endpoint: sub.endpoint, kind: typeNotification,
		messageID: n.id, body: body, raw: sub.raw(),
	}
	if d.raw && sub.attrs["RedrivePolicy"] != "" {
		d.attributes = queueAttributes(n.attrs)
	}
	if sub.protocol == protocolEmail || sub.protocol == protocolEmailJSON {
		d.lane, d.sender, d.unsubscribe = laneMail, t.displayName(), s.unsubscribeURL(sub.arn)
		d.subject = n.subject
		if d.subject == "" {
			d.subject = "AWS Notification Message"
		}
		if sub.protocol == protocolEmail {
			d.body += "\n\n--\nYou get this mail because this address is subscribed to the topic " + t.arn +
				".\nTo end that, open this link:\n" + d.unsubscribe + "\n"
		}
	}
	return s.post(tx, d)
}

// toQueue puts a message into the subscribed queue, or, where that cannot be, into the
// subscription's dead-letter queue.
func (s *Service) toQueue(tx *db.Tx, sub *subscription, n *notification, body string) error {
	m := QueueMessage{Body: body, Trace: n.trace}
	if sub.raw() {
		m.Attributes = queueAttributes(n.attrs)
	}
	if !isFIFO(sub.topic) || isFIFO(sub.endpoint) {
		// What orders messages in a FIFO topic means nothing to a standard queue of it.
		m.GroupID, m.DedupID = n.groupID, n.dedupID
	}
	failed := &failure{code: "TooManyAttributes", why: fmt.Sprintf("a raw message has at most %d attributes, this one has %d", maxQueueAttributes, len(m.Attributes))}
	if len(m.Attributes) <= maxQueueAttributes {
		var err error
		if failed, err = s.enqueue(tx, sub.topic, sub.endpoint, m); err != nil {
			return err
		}
	}
	if failed == nil {
		tx.OnCommit(func() { s.recovered(sub.arn) })
		return nil
	}
	return s.undeliverable(tx, sub, m, failed)
}

// failure is why a delivery cannot be made, now or later.
type failure struct{ code, why string }

// enqueue sends to a queue if its policy lets this topic. A failure is final; an error
// is the store's.
func (s *Service) enqueue(tx *db.Tx, topicARN, queueARN string, m QueueMessage) (*failure, error) {
	allowed, err := s.opts.Queues.AllowsTx(tx, queueARN, servicePrincipal, topicARN, s.opts.Account)
	if err == nil && !allowed {
		return &failure{"AccessDenied", fmt.Sprintf("the policy of queue %s does not let SNS send to it. A statement such as this one is missing there: "+
			`{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage","Resource":%q,"Condition":{"ArnEquals":{"aws:SourceArn":%q}}}`,
			queueARN, queueARN, topicARN)}, nil
	}
	if err == nil {
		err = s.opts.Queues.EnqueueTx(tx, queueARN, m)
	}
	var refused *wire.Error
	switch {
	case errors.Is(err, ErrNoQueue):
		return &failure{"NonExistentQueue", "there is no queue " + queueARN}, nil
	case errors.As(err, &refused):
		return &failure{refused.Code, refused.Message}, nil
	}
	return nil, err
}

// undeliverable ends a delivery that cannot be made: in the subscription's dead-letter
// queue if it has one, as it would have been delivered, else in the log, once per
// subscription.
func (s *Service) undeliverable(tx *db.Tx, sub *subscription, m QueueMessage, why *failure) error {
	kept := false
	if redrive := sub.attrs["RedrivePolicy"]; redrive != "" {
		queue, problem := deadLetterQueue(redrive)
		if problem != "" {
			return fmt.Errorf("redrive policy of %s: %s", sub.arn, problem)
		}
		if len(m.Attributes) > maxQueueAttributes {
			m.Attributes = nil
		}
		failed, err := s.enqueue(tx, sub.topic, queue, m)
		if err != nil {
			return err
		}
		if kept = failed == nil; !kept {
			why = &failure{why.code, why.why + "; nor can its dead-letter queue take it: " + failed.why}
		}
	}
	tx.OnCommit(func() { s.warnOnce(sub, why, kept) })
	return nil
}

func (s *Service) warnOnce(sub *subscription, why *failure, kept bool) {
	s.mu.Lock()
	before := s.warned[sub.arn]
	s.warned[sub.arn] = true
	s.mu.Unlock()
	if before {
		return
	}
	what := "notifications are lost: a subscription cannot deliver"
	if kept {
		what = "notifications go to the dead-letter queue: a subscription cannot deliver"
	}
	s.log.Warn(what, "subscription", sub.arn, "protocol", sub.protocol, "endpoint", sub.endpoint, "code", why.code, "why", why.why)
}

// recovered makes the subscription's next failure worth a warning again.
func (s *Service) recovered(subscriptionARN string) {
	s.mu.Lock()
	delete(s.warned, subscriptionARN)
	s.mu.Unlock()
}

// queueAttributes are a notification's attributes as a queue's message has them.
func queueAttributes(attrs map[string]types.MessageAttributeValue) map[string]sqstypes.MessageAttributeValue {
	if len(attrs) == 0 {
		return nil
	}
	out := make(map[string]sqstypes.MessageAttributeValue, len(attrs))
	for name, a := range attrs {
		out[name] = sqstypes.MessageAttributeValue{DataType: a.DataType, StringValue: a.StringValue, BinaryValue: a.BinaryValue}
	}
	return out
}

// askToConfirm owes the endpoint of a pending subscription a message with the link.
func (s *Service) askToConfirm(tx *db.Tx, t *topic, sub *subscription) error {
	d := &delivery{
		lane: laneHTTP, subscription: sub.arn, topic: t.arn, endpoint: sub.endpoint, kind: typeConfirmation, messageID: wire.UUID(),
	}
	if sub.protocol == protocolEmail || sub.protocol == protocolEmailJSON {
		d.lane, d.sender, d.subject = laneMail, t.displayName(), "AWS Notification - Subscription Confirmation"
	}
	if sub.protocol == protocolEmail {
		d.body = s.confirmationText(t, sub)
		return s.post(tx, d)
	}
	message := "You have chosen to subscribe to the topic " + t.arn + ".\nTo confirm the subscription, visit the SubscribeURL included in this message."
	var err error
	if d.body, err = s.askEnvelope(t, typeConfirmation, message, sub.token, d.messageID); err != nil {
		return err
	}
	return s.post(tx, d)
}

func (s *Service) confirmationText(t *topic, sub *subscription) string {
	return "Somebody wants this address (" + sub.endpoint + ") to get the notifications of the topic\n\n    " + t.arn +
		"\n\nIf that is what you want, confirm it by opening this link within two days:\n\n" + s.confirmURL(t.arn, sub.token) +
		"\n\nIf not, do nothing: without the confirmation you will get no notifications, and the request lapses.\n\n" +
		"Asked for by " + sub.principal + "\nat " + s.now().UTC().Format("2006-01-02 15:04:05 MST") + " through " + s.opts.BaseURL + "\n"
}
