package sns

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/tintype/tintype/internal/localaws/db"
	"github.com/tintype/tintype/internal/localaws/mail"
	"github.com/tintype/tintype/internal/localaws/wire"
)

// tokenLife is how long a confirmation link works; afterwards the subscription that
// was never confirmed is removed. (SDK documentation of Subscribe: two days.)
const tokenLife = 48 * time.Hour

const (
	protocolSQS       = "sqs"
	protocolEmail     = "email"
	protocolEmailJSON = "email-json"
	protocolHTTP      = "http"
	protocolHTTPS     = "https"
)

func (s *Service) subscribe(ctx context.Context, r *wire.Request, in *sns.SubscribeInput) (*sns.SubscribeOutput, error) {
	topicARN, protocol, endpoint := aws.ToString(in.TopicArn), aws.ToString(in.Protocol), aws.ToString(in.Endpoint)
	if err := checkARN(topicARN); err != nil {
		return nil, err
	}
	if err := s.checkEndpoint(protocol, endpoint); err != nil {
		return nil, err
	}
	want := &subscription{
		arn: topicARN + ":" + wire.UUID(), topic: topicARN, protocol: protocol, endpoint: endpoint, attrs: map[string]string{},
		principal: s.callerARN(r.Principal), created: s.now().UnixMilli(),
	}
	if err := want.setAll(in.Attributes); err != nil {
		return nil, err
	}
	if protocol == protocolSQS {
		// Queues of the own account need no confirmation.
		want.confirmed, want.authenticated = true, true
	}
	var sub *subscription
	err := s.db.Update(ctx, func(tx *db.Tx) error {
		t, err := findTopic(tx, topicARN)
		if err != nil {
			return err
		}
		if err := s.authorizeOwner(t, r.Principal, "SNS:Subscribe"); err != nil {
			return err
		}
		sub, err = findSubscription(tx, byEndpoint, topicARN, protocol, endpoint)
		switch {
		case isNotFound(err):
			sub = want
		case err != nil:
			return err
		case sub.confirmed && !attributesAgree(sub.attrs, want.attrs):
			return invalid("Attributes Reason: Subscription already exists with different attributes")
		case sub.confirmed:
			return nil
		default:
			sub.attrs = want.attrs
		}
		if !sub.confirmed {
			// Asked again, the link is sent again; links already sent keep working.
			if sub.token == "" {
				sub.token = newToken()
			}
			sub.expires = s.now().Add(tokenLife).UnixMilli()
			if err := s.askToConfirm(tx, t, sub); err != nil {
				return err
			}
		}
		return saveSubscription(tx, sub)
	})
	if err != nil {
		return nil, err
	}
	if !sub.confirmed && !in.ReturnSubscriptionArn {
		return &sns.SubscribeOutput{SubscriptionArn: aws.String("pending confirmation")}, nil
	}
	return &sns.SubscribeOutput{SubscriptionArn: &sub.arn}, nil
}

// attributesAgree says whether what is asked for is what is there; what is not asked
// for may be as it likes.
func attributesAgree(have, want map[string]string) bool {
	for k, v := range want {
		isDefault := k == "RawMessageDelivery" && have[k] == "" && v == "false"
		if have[k] != v && !isDefault {
			return false
		}
	}
	return true
}

func (s *Service) checkEndpoint(protocol, endpoint string) error {
	switch protocol {
	case protocolSQS:
		f := strings.Split(endpoint, ":")
		switch {
		case len(f) != 6 || f[0] != "arn" || f[2] != "sqs" || f[5] == "":
			return invalid("SQS endpoint ARN")
		case f[3] != s.opts.Region || f[4] != s.opts.Account:
			return invalid("Endpoint Reason: %s is not a queue of this endpoint (region %s, account %s)", endpoint, s.opts.Region, s.opts.Account)
		case strings.HasSuffix(f[5], ".fifo"):
			return invalid("Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics")
		}
	case protocolEmail, protocolEmailJSON:
		if err := mail.CheckAddress(endpoint); err != nil {
			return invalid("Email address: %v", err)
		}
	case protocolHTTP, protocolHTTPS:
		u, err := url.Parse(endpoint)
		if err != nil || u.Scheme != protocol || u.Host == "" || len(endpoint) > 2048 {
			return invalid("Endpoint must match the specified protocol")
		}
	case "sms", "application", "lambda", "firehose":
		return invalid("Protocol Reason: %s subscriptions are not supported by this endpoint; sqs, email, email-json, http and https are", protocol)
	default:
		return invalid("Amazon SNS does not support this protocol string: %s", protocol)
	}
	return nil
}

func newToken() string {
	var b [32]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// callerARN names a caller in mails and attributes.
func (s *Service) callerARN(principal string) string {
	if strings.HasPrefix(principal, "arn:") {
		return principal
	}
	return "arn:aws:iam::" + s.opts.Account + ":root"
}

// confirmSubscription needs no credentials: whoever has the token got it at the
// subscribed address.
func (s *Service) confirmSubscription(ctx context.Context, r *wire.Request, in *sns.ConfirmSubscriptionInput) (*sns.ConfirmSubscriptionOutput, error) {
	sub, err := s.confirm(ctx, aws.ToString(in.TopicArn), aws.ToString(in.Token), r.Principal != "", aws.ToString(in.AuthenticateOnUnsubscribe) == "true")
	if err != nil {
		return nil, err
	}
	return &sns.ConfirmSubscriptionOutput{SubscriptionArn: &sub.arn}, nil
}

// confirm makes a pending subscription deliver. Confirming again changes nothing.
func (s *Service) confirm(ctx context.Context, topicARN, token string, authenticated, guard bool) (*subscription, error) {
	if err := checkARN(topicARN); err != nil {
		return nil, err
	}
	var sub *subscription
	err := s.db.Update(ctx, func(tx *db.Tx) (err error) {
		if _, err = findTopic(tx, topicARN); err != nil {
			return err
		}
		sub, err = findSubscription(tx, byToken, topicARN, token)
		switch {
		case isNotFound(err):
			return invalid("Token Reason: no subscription of this topic waits for this token; subscribe again to get a new one")
		case err != nil || sub.confirmed:
			return err
		case sub.expires < s.now().UnixMilli():
			return invalid("Token Reason: it has expired; subscribe again to get a new one")
		}
		sub.confirmed, sub.authenticated, sub.guarded = true, authenticated, authenticated && guard
		tx.OnCommit(func() {
			s.log.Info("subscription confirmed", "subscription", sub.arn, "protocol", sub.protocol, "endpoint", sub.endpoint)
		})
		return saveSubscription(tx, sub)
	})
	return sub, err
}

// unsubscribe ends a subscription; one that is gone already is no error. Without
// credentials it works as long as the confirmation did not ask for them.
func (s *Service) unsubscribe(ctx context.Context, r *wire.Request, in *sns.UnsubscribeInput) (*sns.UnsubscribeOutput, error) {
	_, err := s.end(ctx, aws.ToString(in.SubscriptionArn), r.Principal != "")
	return nil, err
}

// end removes a subscription and returns what it was, or nil if there was none.
func (s *Service) end(ctx context.Context, arn string, authenticated bool) (*subscription, error) {
	if strings.Count(arn, ":") != 6 {
		return nil, invalid("SubscriptionArn Reason: An ARN must have at least 6 elements, not %d", strings.Count(arn, ":")+1)
	}
	var sub *subscription
	err := s.db.Update(ctx, func(tx *db.Tx) (err error) {
		sub, err = findSubscription(tx, byARN, arn)
		if isNotFound(err) {
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
		_, err = tx.Exec(`UPDATE sns_topics SET deleted = deleted + 1 WHERE arn = ?`, sub.topic)
		return err
	})
	return sub, err
}

func (s *Service) listSubscriptions(_ context.Context, _ *wire.Request, in *sns.ListSubscriptionsInput) (*sns.ListSubscriptionsOutput, error) {
	after, err := afterToken(in.NextToken)
	if err != nil {
		return nil, err
	}
	list, err := findSubscriptions(s.db.Read(), all, after, pageSize+1)
	out := &sns.ListSubscriptionsOutput{}
	out.Subscriptions, out.NextToken = s.page(list)
	return out, err
}

func (s *Service) listSubscriptionsByTopic(_ context.Context, _ *wire.Request, in *sns.ListSubscriptionsByTopicInput) (*sns.ListSubscriptionsByTopicOutput, error) {
	arn := aws.ToString(in.TopicArn)
	if err := checkARN(arn); err != nil {
		return nil, err
	}
	if _, err := findTopic(s.db.Read(), arn); err != nil {
		return nil, err
	}
	after, err := afterToken(in.NextToken)
	if err != nil {
		return nil, err
	}
	list, err := findSubscriptions(s.db.Read(), byTopic, arn, after, pageSize+1)
	out := &sns.ListSubscriptionsByTopicOutput{}
	out.Subscriptions, out.NextToken = s.page(list)
	return out, err
}

// page makes an answer of up to pageSize rows and, where there are more, the token to go on.
func (s *Service) page(list []*subscription) (page []types.Subscription, next *string) {
	if len(list) > pageSize {
		list = list[:pageSize]
		next = pageToken(list[pageSize-1].arn)
	}
	for _, sub := range list {
		arn := sub.arn
		if !sub.confirmed {
			arn = "PendingConfirmation"
		}
		page = append(page, types.Subscription{
			SubscriptionArn: &arn, TopicArn: &sub.topic, Protocol: &sub.protocol, Endpoint: &sub.endpoint, Owner: &s.opts.Account,
		})
	}
	return page, next
}

func (s *Service) getSubscriptionAttributes(_ context.Context, _ *wire.Request, in *sns.GetSubscriptionAttributesInput) (*sns.GetSubscriptionAttributesOutput, error) {
	sub, err := findSubscription(s.db.Read(), byARN, aws.ToString(in.SubscriptionArn))
	if err != nil {
		return nil, err
	}
	out := map[string]string{
		"SubscriptionArn": sub.arn, "TopicArn": sub.topic, "Protocol": sub.protocol, "Endpoint": sub.endpoint,
		"Owner": s.opts.Account, "SubscriptionPrincipal": sub.principal, "RawMessageDelivery": "false",
		"PendingConfirmation":          fmt.Sprint(!sub.confirmed),
		"ConfirmationWasAuthenticated": fmt.Sprint(sub.authenticated),
	}
	if sub.protocol == protocolHTTP || sub.protocol == protocolHTTPS {
		out["EffectiveDeliveryPolicy"] = subscriptionDeliveryPolicy
	}
	maps.Copy(out, sub.attrs)
	if out["FilterPolicy"] != "" && out["FilterPolicyScope"] == "" {
		out["FilterPolicyScope"] = scopeAttributes
	}
	return &sns.GetSubscriptionAttributesOutput{Attributes: out}, nil
}

func (s *Service) setSubscriptionAttributes(ctx context.Context, _ *wire.Request, in *sns.SetSubscriptionAttributesInput) (*sns.SetSubscriptionAttributesOutput, error) {
	return nil, s.db.Update(ctx, func(tx *db.Tx) error {
		sub, err := findSubscription(tx, byARN, aws.ToString(in.SubscriptionArn))
		if err != nil {
			return err
		}
		if err := sub.setAll(map[string]string{aws.ToString(in.AttributeName): aws.ToString(in.AttributeValue)}); err != nil {
			return err
		}
		return saveSubscription(tx, sub)
	})
}
