package identity

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/tintype/tintype/internal/localaws/wire"
)

// Admit is asked by SQS and SNS before an operation of a user. The account's own key
// may do everything.
func (u *Users) Admit(service string) func(r *wire.Request, in any) error {
	if u == nil {
		return nil
	}
	return func(r *wire.Request, in any) error {
		if !u.Is(r.Principal) {
			return nil
		}
		for _, c := range calls(service, r.Operation, reflect.ValueOf(in).Elem(), r.Region, u.account) {
			if !u.May(r.Principal, c.action, c.resource, c.keys) {
				return refusal(service, u.ARN(r.Principal), c)
			}
		}
		return nil
	}
}

func refusal(service, who string, c call) error {
	e := &wire.Error{Code: "AccessDenied", Status: http.StatusForbidden,
		Message: fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s because no identity-based policy allows the %[2]s action", who, c.action, c.resource)}
	if service == "sns" {
		e.Code = "AuthorizationError"
	}
	return e
}

// call is one action on one resource.
type call struct {
	action, resource string
	keys             map[string]string
}

// calls are what an operation needs permission for. Batches need that of their single
// operation.
// Source: Service Authorization Reference, "Actions, resources, and condition keys for
// Amazon SQS" and "… for Amazon SNS".
func calls(service, operation string, in reflect.Value, region, account string) []call {
	arn := func(name string) string {
		return strings.Join([]string{"arn", "aws", service, region, account, name}, ":")
	}
	resource := "*" // of what knows no resource
	switch {
	case member(in, "QueueUrl") != "":
		url := member(in, "QueueUrl")
		resource = arn(url[strings.LastIndexByte(url, '/')+1:])
	case member(in, "QueueName") != "":
		resource = arn(member(in, "QueueName"))
	case service == "sqs" && member(in, "SourceArn") != "":
		resource = member(in, "SourceArn")
	case member(in, "TopicArn") != "":
		resource = member(in, "TopicArn")
	case member(in, "TargetArn") != "":
		resource = member(in, "TargetArn")
	case member(in, "ResourceArn") != "":
		resource = member(in, "ResourceArn")
	case operation == "CreateTopic":
		resource = arn(member(in, "Name"))
	}
	keys := map[string]string{"aws:securetransport": "false", "aws:requestedregion": region, "aws:principalaccount": account, "aws:resourceaccount": account}
	if service == "sns" && operation == "Subscribe" {
		keys["sns:protocol"], keys["sns:endpoint"] = member(in, "Protocol"), member(in, "Endpoint")
	}
	out := []call{{service + ":" + strings.TrimSuffix(operation, "Batch"), resource, keys}}
	if operation == "StartMessageMoveTask" {
		for _, needs := range []string{"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"} {
			out = append(out, call{needs, resource, keys})
		}
	}
	if tags := in.FieldByName("Tags"); strings.HasPrefix(operation, "Create") && tags.IsValid() && tags.Len() > 0 {
		tag := "sqs:TagQueue"
		if service == "sns" {
			tag = "sns:TagResource"
		}
		out = append(out, call{tag, resource, keys})
	}
	return out
}

// member is a string of the input, empty where there is none.
func member(in reflect.Value, name string) string {
	f := in.FieldByName(name)
	if !f.IsValid() || f.Type() != reflect.TypeFor[*string]() || f.IsNil() {
		return ""
	}
	return f.Elem().String()
}
