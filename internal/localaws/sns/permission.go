package sns

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/tintype/tintype/internal/localaws/db"
	"github.com/tintype/tintype/internal/localaws/policy"
	"github.com/tintype/tintype/internal/localaws/wire"
)

// grantable are the actions that AddPermission takes.
var grantable = map[string]bool{
	"Publish": true, "RemovePermission": true, "SetTopicAttributes": true, "DeleteTopic": true,
	"ListSubscriptionsByTopic": true, "GetTopicAttributes": true, "Receive": true, "AddPermission": true, "Subscribe": true,
}

var accountID = regexp.MustCompile(`^\d{12}$`)

// addPermission adds a statement to the topic's policy: the accounts may do the actions.
func (s *Service) addPermission(ctx context.Context, _ *wire.Request, in *sns.AddPermissionInput) (*sns.AddPermissionOutput, error) {
	arn, err := s.topicARN("TopicArn", in.TopicArn)
	if err != nil {
		return nil, err
	}
	label := aws.ToString(in.Label)
	statement := map[string]any{"Sid": label, "Effect": "Allow", "Resource": arn}
	return nil, s.editPolicy(ctx, arn, func(statements []map[string]any) ([]map[string]any, error) {
		for _, st := range statements {
			if st["Sid"] == label {
				return nil, invalid("Statement already exists")
			}
		}
		var principals, actions []string
		for _, id := range in.AWSAccountId {
			if !accountID.MatchString(id) {
				return nil, invalid("Policy Error: PrincipalNotFound")
			}
			principals = append(principals, "arn:aws:iam::"+id+":root")
		}
		for _, a := range in.ActionName {
			if !grantable[a] {
				return nil, invalid("Policy statement action out of service scope!")
			}
			actions = append(actions, "SNS:"+a)
		}
		if label == "" || len(principals) == 0 || len(actions) == 0 {
			return nil, invalid("Label, AWSAccountId and ActionName must not be empty")
		}
		statement["Principal"] = map[string]any{"AWS": oneOrMore(principals)}
		statement["Action"] = oneOrMore(actions)
		return append(statements, statement), nil
	})
}

// removePermission removes the statements of that label; one that is not there is no error.
func (s *Service) removePermission(ctx context.Context, _ *wire.Request, in *sns.RemovePermissionInput) (*sns.RemovePermissionOutput, error) {
	arn, err := s.topicARN("TopicArn", in.TopicArn)
	if err != nil {
		return nil, err
	}
	return nil, s.editPolicy(ctx, arn, func(statements []map[string]any) ([]map[string]any, error) {
		var kept []map[string]any
		for _, st := range statements {
			if st["Sid"] != aws.ToString(in.Label) {
				kept = append(kept, st)
			}
		}
		if len(kept) == 0 {
			return nil, invalid("Policy Error: a policy has at least one statement")
		}
		return kept, nil
	})
}

// editPolicy changes the statements of a topic's policy, the default one included.
func (s *Service) editPolicy(ctx context.Context, arn string, edit func([]map[string]any) ([]map[string]any, error)) error {
	return s.db.Update(ctx, func(tx *db.Tx) error {
		t, err := findTopic(tx, arn)
		if err != nil {
			return err
		}
		var doc struct {
			Version   string           `json:"Version,omitempty"`
			ID        string           `json:"Id,omitempty"`
			Statement []map[string]any `json:"Statement"`
		}
		text := []byte(t.policy(s.opts.Account))
		if err := json.Unmarshal(text, &doc); err != nil {
			// A single statement need not be in a list.
			var one struct{ Statement map[string]any }
			if err := json.Unmarshal(text, &one); err != nil {
				return fmt.Errorf("policy of %s: %w", arn, err)
			}
			doc.Statement = []map[string]any{one.Statement}
		}
		if doc.Statement, err = edit(doc.Statement); err != nil {
			return err
		}
		changed, err := json.Marshal(doc)
		if err != nil {
			return fmt.Errorf("policy of %s: %w", arn, err)
		}
		if len(changed) > policy.MaxBytes {
			return invalid("Policy Error: it is longer than %d bytes", policy.MaxBytes)
		}
		t.attrs["Policy"] = string(changed)
		return saveTopic(tx, t)
	})
}

// oneOrMore is how AWS writes lists in policies: one value stands alone.
func oneOrMore(list []string) any {
	if len(list) == 1 {
		return list[0]
	}
	return list
}
