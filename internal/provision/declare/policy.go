package declare

import (
	"bytes"
	"encoding/json"
)

// Document is a policy. Format:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
type Document struct {
	Statement []Statement
}

// Statement of a policy. A resource's policy has principals, a role's has none.
type Statement struct {
	Sid       string     `json:"Sid"`
	Effect    string     `json:"Effect"`
	Principal *Principal `json:"Principal,omitempty"`
	Action    Strings    `json:"Action"`
	Resource  Strings    `json:"Resource"`
	Condition Conditions `json:"Condition,omitempty"`
}

// Conditions are values by operator and key.
type Conditions map[string]map[string]Strings

// Principal is one service, or without one everybody.
type Principal struct{ Service string }

// Strings is written as one string where it has one.
type Strings []string

// The Sids by which our statements are known among those of others.
const (
	SidTLSOnly          = "TintypeTLSOnly"
	SidS3MayPublish     = "S3MayPublishUploads"
	SidTopicMaySend     = "TopicMaySend"
	SidS3MayUseKey      = "TintypeS3MayUseKey"
	SidTopicsMayUseKey  = "TintypeTopicsMayUseKey"
	policyVersion       = "2012-10-17"
	effectAllow         = "Allow"
	effectDeny          = "Deny"
	keySourceArn        = "aws:SourceArn"
	keySourceAccount    = "aws:SourceAccount"
	keySecureTransport  = "aws:SecureTransport"
	serviceS3           = "s3.amazonaws.com"
	serviceSNS          = "sns.amazonaws.com"
	arnEquals, strEqual = "ArnEquals", "StringEquals"
)

func (d *Document) add(s ...Statement) { d.Statement = append(d.Statement, s...) }

// Empty says that nothing is declared.
func (d Document) Empty() bool { return len(d.Statement) == 0 }

// MarshalJSON writes the policy with its version.
func (d Document) MarshalJSON() ([]byte, error) {
	return encode(struct {
		Version   string      `json:"Version"`
		Statement []Statement `json:"Statement"`
	}{policyVersion, d.Statement})
}

func (d Document) String() string {
	b, err := encode(d)
	if err != nil {
		panic(err) // strings only: cannot fail
	}
	return string(b)
}

// MarshalJSON writes the principal as policies have it.
func (p Principal) MarshalJSON() ([]byte, error) {
	if p.Service == "" {
		return []byte(`"*"`), nil
	}
	return encode(map[string]string{"Service": p.Service})
}

// MarshalJSON writes a single string by itself.
func (s Strings) MarshalJSON() ([]byte, error) {
	if len(s) == 1 {
		return encode(s[0])
	}
	return encode([]string(s))
}

// encode leaves <, > and & alone, which are common in nothing here but in what people
// read the result with.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}

// bucketMayPublish lets S3 publish to the topic, and only for events of this bucket in
// this account: without the conditions any bucket of anybody could (the confused deputy).
func (s Spec) bucketMayPublish(topicARN, bucketARN string) Statement {
	return Statement{
		Sid: SidS3MayPublish, Effect: effectAllow, Principal: &Principal{serviceS3},
		Action: Strings{"SNS:Publish"}, Resource: Strings{topicARN},
		Condition: Conditions{arnEquals: {keySourceArn: {bucketARN}}, strEqual: {keySourceAccount: {s.Account}}},
	}
}

// topicMaySend lets the topic, and no other, send to the queue. The topic's ARN names
// the account.
func topicMaySend(queueARN, topicARN string) Statement {
	return Statement{
		Sid: SidTopicMaySend, Effect: effectAllow, Principal: &Principal{serviceSNS},
		Action: Strings{"SQS:SendMessage"}, Resource: Strings{queueARN},
		Condition: Conditions{arnEquals: {keySourceArn: {topicARN}}},
	}
}

// tlsOnly denies everybody, the account's own included, what is not asked for over TLS.
func tlsOnly(action string, resources ...string) Statement {
	return Statement{
		Sid: SidTLSOnly, Effect: effectDeny, Principal: &Principal{}, Action: Strings{action}, Resource: resources,
		Condition: Conditions{"Bool": {keySecureTransport: {"false"}}},
	}
}

// KeyPolicy are the statements that the key of spec.KMSKey needs in its own policy, so
// that S3's events reach the encrypted topic and the topic's messages the encrypted
// queue. That they be there is up to who keeps the key: a key's policy is never changed
// from here.
// https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#sns-what-permissions-for-sse
func KeyPolicy(spec Spec) Document {
	use := Strings{"kms:Decrypt", "kms:GenerateDataKey*"}
	return Document{Statement: []Statement{
		{Sid: SidS3MayUseKey, Effect: effectAllow, Principal: &Principal{serviceS3}, Action: use, Resource: Strings{"*"},
			Condition: Conditions{arnEquals: {keySourceArn: {spec.BucketARN(spec.UploadsBucket)}}, strEqual: {keySourceAccount: {spec.Account}}}},
		{Sid: SidTopicsMayUseKey, Effect: effectAllow, Principal: &Principal{serviceSNS}, Action: use, Resource: Strings{"*"},
			Condition: Conditions{arnEquals: {keySourceArn: {spec.TopicARN(spec.UploadTopic)}}, strEqual: {keySourceAccount: {spec.Account}}}},
	}}
}
