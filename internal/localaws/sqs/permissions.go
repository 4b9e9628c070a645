package sqs

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tintype/tintype/internal/localaws/db"
	"github.com/tintype/tintype/internal/localaws/wire"
)

// Limits of AddPermission:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-policies.html
const (
	maxActions    = 7
	maxStatements = 20
)

// action tells whether SQS has an action of that name that a permission can be for, and
// whether only the queue's owner may ever call it.
func action(name string) (known, ownerOnly bool) {
	switch name {
	case "*", "SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "GetQueueAttributes", "GetQueueUrl",
		"ListDeadLetterSourceQueues", "PurgeQueue":
		return true, false
	case "AddPermission", "CreateQueue", "DeleteQueue", "ListQueues", "SetQueueAttributes", "RemovePermission", "ListQueueTags", "TagQueue",
		"UntagQueue", "StartMessageMoveTask", "ListMessageMoveTasks", "CancelMessageMoveTask":
		return true, true
	}
	return false, false
}

// isAccount tells whether v is an account's number, of twelve digits.
func isAccount(v string) bool {
	ok := len(v) == 12
	for i := range len(v) {
		ok = ok && v[i] >= '0' && v[i] <= '9'
	}
	return ok
}

// oneOrMore is how policies write a list of one.
func oneOrMore(v []string) any {
	if len(v) == 1 {
		return v[0]
	}
	return v
}

func overLimit(format string, args ...any) *wire.Error {
	e := wire.Errorf("OverLimit", format, args...)
	e.Status = 403
	return e
}

// policyDocument is as much of a policy as permissions change.
type policyDocument struct {
	Version   string            `json:"Version"`
	ID        string            `json:"Id,omitempty"`
	Statement []json.RawMessage `json:"Statement"`
}

// statements are the policy's; a single statement may stand without its list.
func parsePolicy(v string) (*policyDocument, error) {
	p := &policyDocument{}
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
	if label == "" {
		return nil, missing("Label")
	}
	if !isName(label, 80) {
		return nil, badParameter("Label", label, "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.")
	}
	if len(in.Actions) == 0 {
		return nil, missing("Actions")
	}
	if len(in.AWSAccountIds) == 0 {
		return nil, badParameter("PrincipalId", in.AWSAccountIds, "Unable to verify.")
	}
	if n := len(in.Actions); n > maxActions {
		return nil, overLimit("%d Actions were found, maximum allowed is %d.", n, maxActions)
	}
	var principals, actions []string
	for _, id := range in.AWSAccountIds {
		if !isAccount(id) {
			return nil, badParameter("PrincipalId", in.AWSAccountIds, "Unable to verify.")
		}
		principals = append(principals, "arn:aws:iam::"+id+":root")
	}
	for _, a := range in.Actions {
		known, ownerOnly := action(a)
		switch {
		case !known:
			return nil, badParameter("ActionName", "SQS:"+a, "Please refer to the appropriate WSDL for a list of valid actions. ")
		case ownerOnly:
			return nil, badParameter("ActionName", "SQS:"+a, "Only the queue owner is allowed to invoke this action.")
		}
		actions = append(actions, "SQS:"+a)
	}
	statement, err := json.Marshal(struct {
		Sid, Effect string
		Principal   map[string]any
		Action      any
		Resource    string
	}{label, "Allow", map[string]any{"AWS": oneOrMore(principals)}, oneOrMore(actions), q.arn})
	if err != nil {
		return nil, err
	}
	return nil, s.editPolicy(ctx, q, func(p *policyDocument) error {
		if slices.ContainsFunc(p.Statement, func(st json.RawMessage) bool { return sid(st) == label }) {
			return badParameter("Label", label, "Already exists.")
		}
		if len(p.Statement) >= maxStatements {
			return overLimit("%d policy statements were found, maximum allowed is %d.", len(p.Statement)+1, maxStatements)
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
		p := &policyDocument{Version: "2008-10-17", ID: q.arn + "/SQSDefaultPolicy"}
		if v := row.attributes["Policy"]; v != "" {
			var err error
			if p, err = parsePolicy(v); err != nil {
				return err
			}
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
