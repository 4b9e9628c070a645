package template

import (
	"encoding/json"
	"strings"

	"github.com/tintype/tintype/internal/provision/declare"
)

// rawJSON is a text that is JSON already.
type rawJSON string

// MarshalJSON gives the text.
func (r rawJSON) MarshalJSON() ([]byte, error) { return []byte(r), nil }

// logicalRole is "WebRole" of "web".
func logicalRole(name, suffix string) string {
	return strings.ToUpper(name[:1]) + name[1:] + suffix
}

// roles are a policy for each role, and for the tiers a role that has it. An operator is
// somebody who has a role or is a user already, and gets the policy.
func (c *cloudFormation) roles() fields {
	var out fields
	var key declare.Document
	var tiers items
	for _, r := range declare.Roles(c.spec) {
		policy := logicalRole(r.Name, "Policy")
		var d declare.Document
		d, key = c.policy(r.Policy)
		out = append(out, resource(policy, "AWS::IAM::ManagedPolicy", nil, fields{
			{"Description", "What Tintype's " + r.Title + " may do"}, {"PolicyDocument", treeOf(d)},
		}))
		if r.Name == "operator" {
			continue
		}
		tiers = append(tiers, ref(logicalRole(r.Name, "Role")))
		out = append(out, resource(logicalRole(r.Name, "Role"), "AWS::IAM::Role", nil, fields{
			{"Description", "Tintype's " + r.Title},
			{"AssumeRolePolicyDocument", fields{{"Version", "2012-10-17"}, {"Statement", items{fields{
				{"Effect", "Allow"}, {"Principal", fields{{"Service", ref("TrustedServices")}}}, {"Action", "sts:AssumeRole"},
			}}}}},
			{"ManagedPolicyArns", items{ref(policy)}},
			{"Tags", tags(c.stack.Queue.Tags)},
		}))
	}
	return append(out, resource("KeyPolicy", "AWS::IAM::ManagedPolicy", fields{{"Condition", "HasKey"}}, fields{
		{"Description", "Use of the key that Tintype's buckets, topics and queues are encrypted with"},
		{"PolicyDocument", treeOf(key)}, {"Roles", tiers},
	}))
}

// policy is a document without the statements about the key, which are in a policy of
// their own: all roles have the same, and only where there is a key.
func (c *cloudFormation) policy(d declare.Document) (without, key declare.Document) {
	for _, s := range d.Statement {
		if len(s.Resource) == 1 && s.Resource[0] == c.spec.KMSKey {
			key.Statement = append(key.Statement, s)
			continue
		}
		without.Statement = append(without.Statement, s)
	}
	return without, key
}

// output is one value that a stack has for other stacks: its name, which is also that of
// the export after the stack's own and a hyphen.
type output struct {
	name, about string
	value       any
}

func (c *cloudFormation) outputs() fields {
	all := []output{
		{"UploadsBucketName", "Bucket that originals are uploaded to", ref(logicalUploads)},
		{"ResultsBucketName", "Bucket that results are written to", ref(logicalResults)},
		{"QueueUrl", "Queue that the app tier works off", ref(logicalQueue)},
		{"QueueArn", "", att(logicalQueue + ".Arn")},
		{"QueueName", "", att(logicalQueue + ".QueueName")},
		{"DeadLetterQueueUrl", "Queue of what could not be worked off", ref(logicalDead)},
		{"DeadLetterQueueArn", "", att(logicalDead + ".Arn")},
		{"DeadLetterQueueName", "", att(logicalDead + ".QueueName")},
		{"UploadTopicArn", "Topic that S3 announces uploads on", ref(logicalUpload)},
		{"CompletionTopicArn", "Topic that finished images are announced on", ref(logicalCompletion)},
		{"WebRoleArn", "Role of the web tier", att("WebRole.Arn")},
		{"WebRoleName", "", ref("WebRole")},
		{"AppRoleArn", "Role of the app tier", att("AppRole.Arn")},
		{"AppRoleName", "", ref("AppRole")},
		{"WebPolicyArn", "What the web tier may do, for roles of your own", ref("WebPolicy")},
		{"AppPolicyArn", "What the app tier may do, for roles of your own", ref("AppPolicy")},
		{"OperatorPolicyArn", "What who runs tintype's commands may do", ref("OperatorPolicy")},
		{"KeyPolicyArn", "Use of the key, for roles of your own; only with KmsKeyArn", ref("KeyPolicy")},
		{"NamePrefix", "For the flag --name-prefix of the tiers", nil},
	}
	var out fields
	for _, o := range all {
		f := fields{}
		if o.about != "" {
			f = append(f, field{"Description", o.about})
		}
		if o.name == "KeyPolicyArn" {
			f = append(f, field{"Condition", "HasKey"})
		}
		if o.name == "NamePrefix" {
			// CloudFormation exports nothing that is empty.
			out = append(out, field{o.name, append(f, field{"Value", ref("NamePrefix")})})
			continue
		}
		out = append(out, field{o.name, append(f, field{"Value", o.value}, field{"Export", fields{{"Name", "${AWS::StackName}-" + o.name}}})})
	}
	return out
}

// IAM are the roles' policies as AWS takes them, by the roles' names.
func IAM(s declare.Spec) ([]byte, error) {
	out := map[string]declare.Document{}
	for _, r := range declare.Roles(s) {
		out[r.Name] = r.Policy
	}
	return indented(out)
}

// KMS are the statements that the key's policy needs.
func KMS(s declare.Spec) ([]byte, error) { return indented(declare.KeyPolicy(s)) }

func indented(v any) ([]byte, error) {
	b, err := json.MarshalIndent(v, "", "  ")
	return append(b, '\n'), err
}
