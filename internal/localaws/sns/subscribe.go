package sns

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"net/url"
	"regexp"
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
	topicARN, err := s.topicARN("TopicArn", in.TopicArn)
	if err != nil {
		return nil, err
	}
	if _, err := findTopic(s.db.Read(), topicARN); err != nil {
		return nil, err
	}
	protocol, endpoint := aws.ToString(in.Protocol), aws.ToString(in.Endpoint)
	if err := s.checkEndpoint(topicARN, protocol, endpoint); err != nil {
		return nil, err
	}
	want := &subscription{
		arn: topicARN + ":" + wire.UUID(), topic: topicARN, protocol: protocol, endpoint: endpoint, attrs: map[string]string{},
		principal: s.callerARN(r.Principal), created: s.now().UnixMilli(),
	}
	if problem := want.setAll(in.Attributes); problem != "" {
		return nil, invalid("Attributes Reason: %s", problem)
	}
	if protocol == protocolSQS {
		// Queues of the own account need no confirmation.
		want.confirmed, want.authenticated = true, true
	}
	if err := s.signer.ready(ctx); err != nil {
		return nil, err
	}
	var sub *subscription
	err = s.db.Update(ctx, func(tx *db.Tx) error {
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
		isDefault := have[k] == "" && (k == "RawMessageDelivery" && v == "false" || k == "FilterPolicyScope" && v == scopeAttributes)
		if have[k] != v && !isDefault {
			return false
		}
	}
	return true
}

func (s *Service) checkEndpoint(topicARN, protocol, endpoint string) error {
	if isFIFO(topicARN) && protocol != protocolSQS {
		return invalid("Invalid protocol type: %s", protocol)
	}
	switch protocol {
	case protocolSQS:
		f := strings.Split(endpoint, ":")
		switch {
		case !isQueueARN(endpoint):
			return invalid("SQS endpoint ARN")
		case f[3] != s.opts.Region || f[4] != s.opts.Account:
			return invalid("Endpoint Reason: %s is not a queue of this endpoint (region %s, account %s)", endpoint, s.opts.Region, s.opts.Account)
		case isFIFO(endpoint) && !isFIFO(topicARN):
			return invalid("Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics")
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

// callerARN names a caller in mails and attributes. The endpoint has one user.
func (s *Service) callerARN(principal string) string {
	if strings.HasPrefix(principal, "arn:") {
		return principal
	}
	return "arn:aws:iam::" + s.opts.Account + ":user/TintypeUser"
}

// confirmSubscription needs no credentials: whoever has the token got it at the
// subscribed address.
func (s *Service) confirmSubscription(ctx context.Context, r *wire.Request, in *sns.ConfirmSubscriptionInput) (*sns.ConfirmSubscriptionOutput, error) {
	sub, err := s.confirm(ctx, in.TopicArn, aws.ToString(in.Token), r.Principal != "", aws.ToString(in.AuthenticateOnUnsubscribe) == "true")
	if err != nil {
		return nil, err
	}
	return &sns.ConfirmSubscriptionOutput{SubscriptionArn: &sub.arn}, nil
}

var hexDigits = regexp.MustCompile(`^[0-9a-fA-F]+$`)

// confirm makes a pending subscription deliver, or an ended one again. Confirming again
// changes nothing. The topic only has to be one of this region: the token is what counts.
func (s *Service) confirm(ctx context.Context, topicARN *string, token string, authenticated, guard bool) (*subscription, error) {
	if _, err := s.topicARN("Topic", topicARN); err != nil {
		return nil, invalid("Topic")
	}
	if !hexDigits.MatchString(token) {
		return nil, wire.Errorf("InvalidParameter", "Invalid token")
	}
	var sub *subscription
	err := s.db.Update(ctx, func(tx *db.Tx) (err error) {
		sub, err = findSubscription(tx, byToken, token)
		if isNotFound(err) {
			sub, err = s.revived(tx, token)
		}
		switch {
		case isNotFound(err):
			return invalid("Token")
		case err != nil || sub.confirmed:
			return err
		case sub.expires < s.now().UnixMilli():
			return invalid("Token")
		}
		sub.confirmed, sub.authenticated, sub.guarded = true, authenticated, authenticated && guard
		tx.OnCommit(func() {
			s.log.Info("subscription confirmed", "subscription", sub.arn, "protocol", sub.protocol, "endpoint", sub.endpoint)
		})
		return saveSubscription(tx, sub)
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
	arn, err := s.topicARN("TopicArn", in.TopicArn)
	if err != nil {
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
	arn, err := subscriptionARN(in.SubscriptionArn)
	if err != nil {
		return nil, err
	}
	sub, err := findSubscription(s.db.Read(), byARN, arn)
	if err != nil {
		return nil, err
	}
	out := map[string]string{
		"SubscriptionArn": sub.arn, "TopicArn": sub.topic, "Protocol": sub.protocol, "Endpoint": sub.endpoint,
		"Owner": s.opts.Account, "SubscriptionPrincipal": sub.principal, "RawMessageDelivery": "false",
		"PendingConfirmation":          fmt.Sprint(!sub.confirmed),
		"ConfirmationWasAuthenticated": fmt.Sprint(sub.authenticated),
	}
	maps.Copy(out, sub.attrs)
	if sub.overHTTP() {
		t, err := findTopic(s.db.Read(), sub.topic)
		if err != nil {
			return nil, err
		}
		out["EffectiveDeliveryPolicy"] = compactJSON(sub.delivery(t))
	}
	switch {
	case out["FilterPolicy"] == "":
		delete(out, "FilterPolicyScope") // it says nothing
	case out["FilterPolicyScope"] == "":
		out["FilterPolicyScope"] = scopeAttributes
	}
	return &sns.GetSubscriptionAttributesOutput{Attributes: out}, nil
}

func (s *Service) setSubscriptionAttributes(ctx context.Context, _ *wire.Request, in *sns.SetSubscriptionAttributesInput) (*sns.SetSubscriptionAttributesOutput, error) {
	arn, err := subscriptionARN(in.SubscriptionArn)
	if err != nil {
		return nil, err
	}
	return nil, s.db.Update(ctx, func(tx *db.Tx) error {
		sub, err := findSubscription(tx, byARN, arn)
		if err != nil {
			return err
		}
		if problem := sub.setAll(map[string]string{aws.ToString(in.AttributeName): aws.ToString(in.AttributeValue)}); problem != "" {
			return invalid("%s", problem)
		}
		return saveSubscription(tx, sub)
	})
}
