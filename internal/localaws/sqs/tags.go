package sqs

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tintype/tintype/internal/localaws/db"
	"github.com/tintype/tintype/internal/localaws/wire"
)

// maxTags is how many tags a queue may have:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-tags.html
const maxTags = 50

func (s *Service) tagQueue(ctx context.Context, _ *wire.Request, in *sqs.TagQueueInput) (*sqs.TagQueueOutput, error) {
	q, err := s.byURL(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if len(in.Tags) == 0 {
		return nil, missing("Tags")
	}
	return nil, s.edit(ctx, q, func(_ *db.Tx, row *queueRow) error {
		maps.Copy(row.tags, in.Tags)
		return checkTags(in.Tags, len(row.tags))
	})
}

func (s *Service) untagQueue(ctx context.Context, _ *wire.Request, in *sqs.UntagQueueInput) (*sqs.UntagQueueOutput, error) {
	q, err := s.byURL(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return nil, s.edit(ctx, q, func(_ *db.Tx, row *queueRow) error {
		for _, k := range in.TagKeys {
			delete(row.tags, k)
		}
		return nil
	})
}

func (s *Service) listQueueTags(_ context.Context, _ *wire.Request, in *sqs.ListQueueTagsInput) (*sqs.ListQueueTagsOutput, error) {
	q, err := s.byURL(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	out := &sqs.ListQueueTagsOutput{}
	if tags := q.cfg.Load().tags; len(tags) > 0 {
		out.Tags = tags
	}
	return out, nil
}

// checkTags refuses bad tags; total is how many the queue would have.
func checkTags(tags map[string]string, total int) error {
	if max(total, len(tags)) > maxTags {
		return invalid("A queue can have at most %d tags.", maxTags)
	}
	for k, v := range tags {
		if n := utf8.RuneCountInString(k); n < 1 || n > 128 {
			return invalid("Tag keys must be between 1 and 128 characters in length.")
		}
		if utf8.RuneCountInString(v) > 256 {
			return invalid("Tag values must be between 0 and 256 characters in length.")
		}
	}
	return nil
}

// policyDocument is as much of a policy as permissions change.
type policyDocument struct {
	Version   string            `json:"Version"`
	ID        string            `json:"Id,omitempty"`
	Statement []json.RawMessage `json:"Statement"`
}

// statements are the policy's; a single statement may stand without its list.
func parsePolicy(v string) (*policyDocument, error) {
	p := &policyDocument{Version: "2012-10-17"}
	if v == "" {
		return p, nil
	}
	var one struct {
		Version   string          `json:"Version"`
		ID        string          `json:"Id"`
		Statement json.RawMessage `json:"Statement"`
	}
	if err := json.Unmarshal([]byte(v), &one); err != nil {
		return nil, badAttribute("Policy")
	}
	p.Version, p.ID = one.Version, one.ID
	if json.Unmarshal(one.Statement, &p.Statement) != nil && len(one.Statement) > 0 {
		p.Statement = []json.RawMessage{one.Statement}
	}
	return p, nil
}

func sid(statement json.RawMessage) string {
	var st struct{ Sid string }
	if json.Unmarshal(statement, &st) != nil {
		return ""
	}
	return st.Sid
}

func (s *Service) addPermission(ctx context.Context, _ *wire.Request, in *sqs.AddPermissionInput) (*sqs.AddPermissionOutput, error) {
	q, err := s.byURL(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	label := deref(in.Label)
	if !isName(label, 80) {
		return nil, badParameter("Label", label, "It must be 1 to 80 alphanumeric characters, hyphens or underscores.")
	}
	if len(in.AWSAccountIds) == 0 {
		return nil, missing("AWSAccountIds")
	}
	if len(in.Actions) == 0 {
		return nil, missing("Actions")
	}
	var principals, actions []string
	for _, id := range in.AWSAccountIds {
		if len(id) != 12 {
			return nil, badParameter("AWSAccountIds", id, "An account id has twelve digits.")
		}
		principals = append(principals, "arn:aws:iam::"+id+":root")
	}
	for _, a := range in.Actions {
		if a != "*" && !isName(a, 64) {
			return nil, badParameter("Actions", a, "It must be the name of an action, or *.")
		}
		actions = append(actions, "SQS:"+a)
	}
	statement, err := json.Marshal(map[string]any{
		"Sid": label, "Effect": "Allow", "Principal": map[string]any{"AWS": principals}, "Action": actions, "Resource": q.arn,
	})
	if err != nil {
		return nil, err
	}
	return nil, s.editPolicy(ctx, q, func(p *policyDocument) error {
		if slices.ContainsFunc(p.Statement, func(st json.RawMessage) bool { return sid(st) == label }) {
			return badParameter("Label", label, "Already exists.")
		}
		p.Statement = append(p.Statement, statement)
		return nil
	})
}

func (s *Service) removePermission(ctx context.Context, _ *wire.Request, in *sqs.RemovePermissionInput) (*sqs.RemovePermissionOutput, error) {
	q, err := s.byURL(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	label := deref(in.Label)
	return nil, s.editPolicy(ctx, q, func(p *policyDocument) error {
		n := len(p.Statement)
		p.Statement = slices.DeleteFunc(p.Statement, func(st json.RawMessage) bool { return label != "" && sid(st) == label })
		if len(p.Statement) == n {
			return badParameter("Label", label, "can't find label.")
		}
		return nil
	})
}

func (s *Service) editPolicy(ctx context.Context, q *queue, change func(*policyDocument) error) error {
	return s.edit(ctx, q, func(_ *db.Tx, row *queueRow) error {
		p, err := parsePolicy(row.attributes["Policy"])
		if err != nil {
			return err
		}
		if err := change(p); err != nil {
			return err
		}
		if len(p.Statement) == 0 {
			delete(row.attributes, "Policy")
			return nil
		}
		b, err := json.Marshal(p)
		row.attributes["Policy"] = string(b)
		return err
	})
}
