package sns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/tintype/tintype/internal/localaws/db"
	"github.com/tintype/tintype/internal/localaws/policy"
	"github.com/tintype/tintype/internal/localaws/wire"
)

var topicName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// TopicARN is the ARN of the topic of that name in this endpoint.
func (s *Service) TopicARN(name string) string {
	return "arn:aws:sns:" + s.opts.Region + ":" + s.opts.Account + ":" + name
}

// createTopic makes a topic, or finds it: the same name with the same attributes and
// tags is the same topic, with others it is an error.
func (s *Service) createTopic(ctx context.Context, _ *wire.Request, in *sns.CreateTopicInput) (*sns.CreateTopicOutput, error) {
	name := aws.ToString(in.Name)
	fifo := in.Attributes["FifoTopic"]
	switch {
	case !topicName.MatchString(strings.TrimSuffix(name, fifoSuffix)) || len(name) > 256 || isFIFO(name) != (fifo == "true"):
		return nil, invalid("Topic Name")
	case fifo != "" && fifo != "true" && fifo != "false":
		return nil, invalid("Attributes Reason: FifoTopic: Invalid value [%s]. Must be true or false.", fifo)
	}
	t := &topic{arn: s.TopicARN(name), attrs: map[string]string{}, protection: aws.ToString(in.DataProtectionPolicy)}
	if err := checkProtection(t.protection); err != nil {
		return nil, err
	}
	for _, k := range sorted(in.Attributes) {
		if k == "FifoTopic" {
			continue
		}
		if problem := t.set(k, in.Attributes[k]); problem != "" {
			return nil, invalid("Attributes Reason: %s", problem)
		}
	}
	asked := maps.Clone(t.attrs)
	if isFIFO(name) {
		t.attrs["FifoTopic"] = "true"
		if t.attrs["ContentBasedDeduplication"] == "" {
			t.attrs["ContentBasedDeduplication"] = "false"
		}
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	err := s.db.Update(ctx, func(tx *db.Tx) error {
		old, err := findTopic(tx, t.arn)
		if isNotFound(err) {
			if err := saveTopic(tx, t); err != nil {
				return err
			}
			return saveTags(tx, t.arn, in.Tags)
		}
		if err != nil {
			return err
		}
		for k, v := range asked {
			if old.attrs[k] != v {
				return invalid("Attributes Reason: Topic already exists with different attributes")
			}
		}
		tags, err := findTags(tx, t.arn)
		if err != nil {
			return err
		}
		have := tagMap(tags)
		for k, v := range tagMap(in.Tags) {
			if old, ok := have[k]; !ok || old != v {
				return invalid("Tags Reason: Topic already exists with different tags")
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &sns.CreateTopicOutput{TopicArn: &t.arn}, nil
}

// deleteTopic removes the topic and its subscriptions. Deliveries that it owes are
// still made.
func (s *Service) deleteTopic(ctx context.Context, _ *wire.Request, in *sns.DeleteTopicInput) (*sns.DeleteTopicOutput, error) {
	arn, err := s.topicARN("TopicArn", in.TopicArn)
	if err != nil {
		return nil, err
	}
	return nil, s.db.Update(ctx, func(tx *db.Tx) error {
		for _, q := range []string{
			`DELETE FROM sns_topics WHERE arn = ?`, `DELETE FROM sns_subscriptions WHERE topic = ?`, `DELETE FROM sns_tags WHERE arn = ?`,
			`DELETE FROM sns_seen WHERE topic = ?`, `DELETE FROM sns_ended WHERE topic = ?`} {
			if _, err := tx.Exec(q, arn); err != nil {
				return fmt.Errorf("delete topic %s: %w", arn, err)
			}
		}
		return nil
	})
}

func (s *Service) listTopics(ctx context.Context, _ *wire.Request, in *sns.ListTopicsInput) (*sns.ListTopicsOutput, error) {
	after, err := afterToken(in.NextToken)
	if err != nil {
		return nil, err
	}
	rows, err := s.db.Read().QueryContext(ctx, `SELECT arn FROM sns_topics WHERE arn > ? ORDER BY arn LIMIT ?`, after, pageSize+1)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	defer rows.Close()
	out := &sns.ListTopicsOutput{}
	for rows.Next() {
		var arn string
		if err := rows.Scan(&arn); err != nil {
			return nil, fmt.Errorf("list topics: %w", err)
		}
		if len(out.Topics) == pageSize {
			out.NextToken = pageToken(*out.Topics[pageSize-1].TopicArn)
			break
		}
		out.Topics = append(out.Topics, types.Topic{TopicArn: &arn})
	}
	return out, rows.Err()
}

func (s *Service) getTopicAttributes(ctx context.Context, _ *wire.Request, in *sns.GetTopicAttributesInput) (*sns.GetTopicAttributesOutput, error) {
	arn, err := s.topicARN("TopicArn", in.TopicArn)
	if err != nil {
		return nil, err
	}
	t, err := findTopic(s.db.Read(), arn)
	if err != nil {
		return nil, err
	}
	var confirmed, pending int64
	err = s.db.Read().QueryRowContext(ctx, `SELECT coalesce(sum(confirmed), 0), coalesce(sum(1 - confirmed), 0) FROM sns_subscriptions WHERE topic = ?`, arn).Scan(&confirmed, &pending)
	if err != nil {
		return nil, fmt.Errorf("count subscriptions of %s: %w", arn, err)
	}
	out := t.attributes(s.opts.Account)
	out["SubscriptionsConfirmed"] = strconv.FormatInt(confirmed, 10)
	out["SubscriptionsPending"] = strconv.FormatInt(pending, 10)
	out["SubscriptionsDeleted"] = strconv.FormatInt(t.deleted, 10)
	return &sns.GetTopicAttributesOutput{Attributes: out}, nil
}

func (s *Service) setTopicAttributes(ctx context.Context, _ *wire.Request, in *sns.SetTopicAttributesInput) (*sns.SetTopicAttributesOutput, error) {
	arn, err := s.topicARN("TopicArn", in.TopicArn)
	if err != nil {
		return nil, err
	}
	return nil, s.db.Update(ctx, func(tx *db.Tx) error {
		t, err := findTopic(tx, arn)
		if err != nil {
			return err
		}
		if problem := t.set(aws.ToString(in.AttributeName), aws.ToString(in.AttributeValue)); problem != "" {
			return invalid("%s", problem)
		}
		return saveTopic(tx, t)
	})
}

// policy is the topic's policy: as set, or as AWS makes it, for the owner only.
func (t *topic) policy(account string) string {
	if p := t.attrs["Policy"]; p != "" {
		return p
	}
	type statement struct {
		Effect    string
		Sid       string
		Principal map[string]string
		Action    []string
		Resource  string
		Condition map[string]map[string]string
	}
	b, _ := json.Marshal(struct { // strings only: it cannot fail
		Version   string
		ID        string `json:"Id"`
		Statement []statement
	}{"2008-10-17", "__default_policy_ID", []statement{{
		Effect: "Allow", Sid: "__default_statement_ID", Principal: map[string]string{"AWS": "*"},
		Action: []string{
			"SNS:GetTopicAttributes", "SNS:SetTopicAttributes", "SNS:AddPermission", "SNS:RemovePermission",
			"SNS:DeleteTopic", "SNS:Subscribe", "SNS:ListSubscriptionsByTopic", "SNS:Publish",
		},
		Resource:  t.arn,
		Condition: map[string]map[string]string{"StringEquals": {"AWS:SourceOwner": account}},
	}}})
	return string(b)
}

// displayName is what mails of the topic come from.
func (t *topic) displayName() string {
	if n := t.attrs["DisplayName"]; n != "" {
		return n
	}
	return t.arn[strings.LastIndexByte(t.arn, ':')+1:]
}

func (t *topic) signatureVersion() string {
	if v := t.attrs["SignatureVersion"]; v != "" {
		return v
	}
	return "1"
}

// authorizeOwner lets the account itself do everything that the topic's policy does
// not explicitly deny.
func (s *Service) authorizeOwner(t *topic, principal, action string) error {
	if t.attrs["Policy"] == "" {
		return nil
	}
	d, err := policy.Parse(t.attrs["Policy"])
	if err != nil {
		return fmt.Errorf("policy of %s: %w", t.arn, err)
	}
	if !strings.HasPrefix(principal, "arn:") {
		principal = "arn:aws:iam::" + s.opts.Account + ":root"
	}
	decision := d.Evaluate(policy.Request{
		PrincipalARN: principal, Action: action, Resource: t.arn,
		Context: map[string]string{"aws:principalarn": principal, "aws:principalaccount": s.opts.Account, "aws:sourceowner": s.opts.Account},
	})
	if decision == policy.Denied {
		return forbidden("User: %s is not authorized to perform: %s on resource: %s with an explicit deny in a resource-based policy", principal, action, t.arn)
	}
	return nil
}

func isNotFound(err error) bool {
	var e *wire.Error
	return errors.As(err, &e) && e.Code == "NotFound"
}

// sorted are a map's keys in order.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
