package doctor

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

const (
	serviceS3  = "s3.amazonaws.com"
	serviceSNS = "sns.amazonaws.com"
)

// ours are the Sids of statements that provision puts right itself.
var ours = []string{"S3MayPublishUploads", "TopicMaySend"}

func (j *judge) bucketARN(name string) string {
	part := j.st.Partition
	if part == "" {
		part = "aws"
	}
	return arn.ARN{Partition: part, Service: "s3", Resource: name}.String()
}

func (j *judge) topics() {
	for _, t := range []*Topic{&j.st.UploadTopic, &j.st.CompletionTopic} {
		if t.State == Missing {
			j.found("topic-missing", topicName(t.Name), "there is no such topic", "", Provision)
		}
	}
	if t := &j.st.CompletionTopic; t.Attributes != nil {
		j.guarded(t, "", serviceSNS)
		j.ownKey(topicName(t.Name), t.Attributes["KmsMasterKeyId"], "")
	}
	t := &j.st.UploadTopic
	if t.Attributes == nil {
		return
	}
	name := topicName(t.Name)
	j.ownKey(name, t.Attributes["KmsMasterKeyId"], "topic-key")
	ans, ok := j.guarded(t, j.bucketARN(j.Uploads), serviceS3)
	if !ok {
		return
	}
	switch {
	case ans.deniedBy != nil:
		j.found("topic-denies", name, ans.deniedBy.name()+" of its policy denies it", "take the statement out", j.dropStatement(t.ARN, "", ans.deniedBy))
	case ans.allowed == maybe:
		j.found("policy-unclear", name, "its policy lets S3 publish under conditions that cannot be judged", "", "")
	case ans.allowed == yes || j.direct():
	case ans.near != nil && ans.offArn:
		j.found("topic-other-bucket", name, ans.near.name()+" names another aws:SourceArn than "+j.bucketARN(j.Uploads), "", Provision)
	case ans.near != nil && ans.offAcct:
		j.found("topic-other-account", name, ans.near.name()+" names another aws:SourceAccount than "+j.st.Account, "", Provision)
	default:
		j.found("topic-closed", name, "no statement of its policy lets "+serviceS3+" publish for "+j.Uploads, "", Provision)
	}
}

// guarded says what the policy answers, and whom it lets in besides.
func (j *judge) guarded(t *Topic, source, service string) (answer, bool) {
	policy, err := parsePolicy(t.Attributes["Policy"])
	if err != nil {
		j.found("policy-unclear", topicName(t.Name), err.Error(), "", "")
		return answer{}, false
	}
	ans := evaluate(policy, ask{service: service, action: "sns:Publish", resource: t.ARN, source: source, account: j.st.Account})
	if ans.open != nil {
		j.found("topic-open", topicName(t.Name), ans.open.name()+" lets everybody publish, without a condition", "take the statement out", j.dropStatement(t.ARN, "", ans.open))
	}
	if ans.unguarded != nil && source != "" {
		j.found("topic-any-bucket", topicName(t.Name), ans.unguarded.name()+" has neither aws:SourceArn nor aws:SourceAccount as a condition", "", j.dropStatement(t.ARN, "", ans.unguarded))
	}
	return ans, true
}

// dropStatement is the command that takes a statement out of a topic's policy, or with a
// queue's URL out of that queue's; provision where it puts the statement right itself.
func (j *judge) dropStatement(topicARN, queueURL string, s *statement) string {
	switch {
	case slices.Contains(ours, s.sid):
		return Provision
	case s.sid == "":
		return ""
	case queueURL != "":
		return "aws sqs remove-permission --queue-url " + quote(queueURL) + " --label " + quote(s.sid)
	default:
		return "aws sns remove-permission --topic-arn " + quote(topicARN) + " --label " + quote(s.sid)
	}
}

// quote makes one word of a shell of a text that others wrote.
func quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// ownKey looks at the key that encrypts a topic or queue. Code is the finding where S3 or
// SNS would have to use it.
func (j *judge) ownKey(name, key, code string) {
	switch {
	case key == "" || code == "":
	case strings.HasPrefix(strings.TrimPrefix(key[strings.LastIndex(key, ":")+1:], "alias/"), "aws/"):
		j.found(code, name, "its key is "+key, "use a key of your own, whose policy lets S3 and SNS use it, or none: "+keyless(code), "")
	default:
		j.found("key-unseen", name, "its key is "+key, "see the key's policy in AWS KMS", "")
	}
}

func keyless(code string) string {
	if code == "queue-key" {
		return "SQS-managed encryption needs none"
	}
	return "SNS keeps messages only until they are delivered"
}

// subscriptions judges what is subscribed.
func (j *judge) subscriptions() {
	t, q := &j.st.UploadTopic, &j.st.Queue
	name := j.subscriptionName()
	if t.State == There && t.SubsKnown && q.ARN != "" {
		var mine []Subscription
		var others []string
		for _, s := range t.Subs {
			switch {
			case s.Protocol == "sqs" && s.Endpoint == q.ARN:
				mine = append(mine, s)
			case s.Protocol == "sqs":
				others = append(others, s.Endpoint)
			}
		}
		switch {
		case len(mine) == 0 && !j.direct():
			what := "no queue is subscribed"
			if len(others) > 0 {
				what = "subscribed is " + strings.Join(others, ", ")
			}
			j.found("subscription-missing", name, what, "", Provision)
		case len(mine) > 1:
			j.found("subscription-twice", name, fmt.Sprintf("there are %d", len(mine)), "end all but one", unsubscribe(mine[1]))
		}
		for _, s := range mine {
			j.subscription(s, name)
		}
	}
	for _, t := range []*Topic{&j.st.UploadTopic, &j.st.CompletionTopic} {
		for _, s := range t.Subs {
			switch {
			case s.ARN == pendingARN && (s.Protocol == "email" || s.Protocol == "email-json"):
				j.found("subscription-pending", "subscription of "+s.Endpoint+" to topic "+t.Name, "its owner has not followed the link in the confirmation mail",
					"look into the mailbox (and its junk); `tintype provision --email "+quote(s.Endpoint)+"` has it sent again", "")
			case s.Protocol == "sqs" && s.Endpoint == q.ARN && q.ARN != "" && t == &j.st.CompletionTopic:
				j.found("subscription-completions", "subscription of queue "+q.Name+" to topic "+t.Name, "completions go to the work queue", "", unsubscribe(s))
			case s.Protocol == "sqs" && s.Endpoint == j.st.DeadLetters.ARN && j.st.DeadLetters.ARN != "":
				j.found("subscription-dead-letters", "subscription of queue "+j.st.DeadLetters.Name+" to topic "+t.Name, "the topic sends to the dead-letter queue", "", unsubscribe(s))
			}
		}
	}
}

func unsubscribe(s Subscription) string {
	return "aws sns unsubscribe --subscription-arn " + quote(s.ARN)
}

func (j *judge) subscription(s Subscription, name string) {
	var filter map[string]any
	if text := s.Attributes["FilterPolicy"]; text != "" && (json.Unmarshal([]byte(text), &filter) != nil || len(filter) > 0) {
		code := "subscription-filter"
		if s.Attributes["FilterPolicyScope"] == "MessageBody" {
			code = "subscription-body-filter"
		}
		j.found(code, name, "filter policy "+clip(text, 200), "take the filter away",
			"aws sns set-subscription-attributes --subscription-arn "+quote(s.ARN)+" --attribute-name FilterPolicy --attribute-value '{}'")
	}
	if s.Attributes["RawMessageDelivery"] == "true" {
		j.found("subscription-raw", name, "messages come without SNS's envelope", "", "")
	}
}
