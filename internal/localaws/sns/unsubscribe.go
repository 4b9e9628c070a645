package sns

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/tintype/tintype/internal/localaws/db"
	"github.com/tintype/tintype/internal/localaws/wire"
)

// unsubscribe ends a subscription; one that is gone already is no error. Without
// credentials it works as long as the confirmation did not ask for them.
func (s *Service) unsubscribe(ctx context.Context, r *wire.Request, in *sns.UnsubscribeInput) (*sns.UnsubscribeOutput, error) {
	_, err := s.end(ctx, in.SubscriptionArn, r.Principal != "")
	return nil, err
}

// end removes a subscription and returns what it was, or nil if there was none. Where
// it was not the account that ended it, the endpoint is sent a link to take it back
// (SDK documentation of Unsubscribe).
func (s *Service) end(ctx context.Context, parameter *string, authenticated bool) (*subscription, error) {
	arn, err := subscriptionARN(parameter)
	if err != nil {
		return nil, err
	}
	var sub *subscription
	err = s.db.Update(ctx, func(tx *db.Tx) (err error) {
		sub, err = findSubscription(tx, byARN, arn)
		if isNotFound(err) {
			sub = nil
			return nil
		}
		if err != nil {
			return err
		}
		if sub.guarded && !authenticated {
			return forbidden("Unsubscribing %s takes the credentials of the account", arn)
		}
		if _, err := tx.Exec(`DELETE FROM sns_subscriptions WHERE arn = ?`, arn); err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE sns_topics SET deleted = deleted + 1 WHERE arn = ?`, sub.topic); err != nil {
			return err
		}
		if authenticated || !sub.confirmed || sub.protocol == protocolSQS {
			return nil
		}
		return s.sayFarewell(tx, sub)
	})
	return sub, err
}

// ended is what is kept of a subscription that may be taken up again.
type ended struct {
	ARN        string            `json:"arn"`
	Protocol   string            `json:"protocol"`
	Endpoint   string            `json:"endpoint"`
	Principal  string            `json:"principal"`
	Attributes map[string]string `json:"attributes"`
	Created    int64             `json:"created"`
}

// sayFarewell owes the endpoint of an ended subscription a message with the link that
// takes it up again.
func (s *Service) sayFarewell(tx *db.Tx, sub *subscription) error {
	t, err := findTopic(tx, sub.topic)
	if isNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	kept, err := json.Marshal(ended{sub.arn, sub.protocol, sub.endpoint, sub.principal, sub.attrs, sub.created})
	if err != nil {
		return err
	}
	token := newToken()
	_, err = tx.Exec(`INSERT INTO sns_ended (token, subscription, topic, expires) VALUES (?, ?, ?, ?)`,
		token, string(kept), sub.topic, s.now().Add(tokenLife).UnixMilli())
	if err != nil {
		return fmt.Errorf("keep the end of %s: %w", sub.arn, err)
	}
	d := &delivery{lane: laneHTTP, subscription: sub.arn, topic: t.arn, endpoint: sub.endpoint, kind: typeEnd, messageID: wire.UUID()}
	if !sub.overHTTP() {
		d.lane, d.sender, d.subject = laneMail, t.displayName(), "AWS Notification - Unsubscribe Confirmation"
	}
	if sub.protocol == protocolEmail {
		d.body = "Your subscription to the topic below has been deactivated:\n" + t.arn +
			"\n\nIf this was in error or you wish to resubscribe, click or visit the link below to resubscribe to the topic:\n" +
			s.confirmURL(t.arn, token) + "\n"
		return s.post(tx, d)
	}
	message := "You have chosen to deactivate subscription " + sub.arn +
		".\nTo cancel this operation and restore the subscription, visit the SubscribeURL included in this message."
	if d.body, err = s.askEnvelope(t, typeEnd, message, token, d.messageID); err != nil {
		return err
	}
	return s.post(tx, d)
}

// revived is the ended subscription that a token takes up again, not confirmed yet; or
// the one of the same endpoint that was made since. There may be none: the NotFound error.
func (s *Service) revived(tx *db.Tx, token string) (*subscription, error) {
	var text, topicARN string
	var expires int64
	err := tx.QueryRow(`SELECT subscription, topic, expires FROM sns_ended WHERE token = ?`, token).Scan(&text, &topicARN, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, notFound("Subscription")
	}
	if err != nil {
		return nil, fmt.Errorf("look for an ended subscription: %w", err)
	}
	var e ended
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		return nil, fmt.Errorf("ended subscription: %w", err)
	}
	sub, err := findSubscription(tx, byEndpoint, topicARN, e.Protocol, e.Endpoint)
	if !isNotFound(err) {
		return sub, err
	}
	return &subscription{
		arn: e.ARN, topic: topicARN, protocol: e.Protocol, endpoint: e.Endpoint, attrs: e.Attributes, principal: e.Principal,
		created: e.Created, token: token, expires: expires,
	}, nil
}
