package sns

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tintype/tintype/internal/localaws/policy"
)

// Attributes of topics that have no effect here, kept and shown so that templates
// written for AWS work: there is nothing to encrypt with and nowhere to log to.
var (
	feedbackRole = regexp.MustCompile(`^(HTTP|SQS|Lambda|Firehose|Application)(Success|Failure)FeedbackRoleArn$`)
	feedbackRate = regexp.MustCompile(`^(HTTP|SQS|Lambda|Firehose|Application)SuccessFeedbackSampleRate$`)
	roleARN      = regexp.MustCompile(`^arn:[a-z0-9-]+:iam::\d{12}:role/.+$`)
)

// set checks and sets one attribute. Its error's text has no "Invalid parameter: ":
// AWS puts that, or more, before it, depending on the operation.
func (t *topic) set(name, value string) (problem string) {
	switch name {
	case "Policy":
		if value == "" {
			break // the default again
		}
		if err := policy.Validate(value); err != nil {
			return "Policy Error: " + err.Error()
		}
	case "DisplayName":
		if utf8.RuneCountInString(value) > 100 || strings.ContainsFunc(value, unicode.IsControl) {
			return "DisplayName: at most 100 characters without control characters are taken"
		}
	case "SignatureVersion":
		if value != "1" && value != "2" {
			return "SignatureVersion: Invalid value [" + value + "]. Must be 1 (SHA1) or 2 (SHA256)."
		}
	case "TracingConfig":
		if value != "PassThrough" && value != "Active" {
			return "TracingConfig: Invalid value [" + value + "]. Must be PassThrough or Active."
		}
	case "DeliveryPolicy":
		p, problem := parseTopicDelivery(value)
		if problem != "" {
			return "DeliveryPolicy: " + problem
		}
		value = p.shown()
	case "ContentBasedDeduplication":
		switch {
		case !isFIFO(t.arn):
			return "Content-based deduplication can only be set for FIFO topics"
		case value != "true" && value != "false":
			return "ContentBasedDeduplication: Invalid value [" + value + "]. Must be true or false."
		}
	case "FifoThroughputScope":
		switch {
		case !isFIFO(t.arn):
			return "FifoThroughputScope can only be set for FIFO topics"
		case value != scopeTopic && value != scopeGroup:
			return "FifoThroughputScope: Invalid value [" + value + "]. Must be Topic or MessageGroup."
		}
	case "KmsMasterKeyId":
		if len(value) > 2048 || strings.ContainsFunc(value, unicode.IsControl) {
			return "KmsMasterKeyId: it is no id, ARN or alias of a key"
		}
	case "ArchivePolicy":
		return "ArchivePolicy: message archiving and replay are not supported by this endpoint"
	default:
		switch {
		case feedbackRole.MatchString(name):
			if value != "" && !roleARN.MatchString(value) {
				return name + ": [" + value + "] is not the ARN of an IAM role"
			}
		case feedbackRate.MatchString(name):
			if n, err := strconv.Atoi(value); value != "" && (err != nil || n < 0 || n > 100) {
				return name + ": Invalid value [" + value + "]. Must be between 0 and 100."
			}
		default:
			return "AttributeName"
		}
	}
	if value == "" {
		delete(t.attrs, name)
	} else {
		t.attrs[name] = value
	}
	return ""
}

// attributes is what GetTopicAttributes shows of what was set, and of what holds where
// nothing was.
func (t *topic) attributes(account string) map[string]string {
	out := map[string]string{"TopicArn": t.arn, "Owner": account, "DisplayName": "", "EffectiveDeliveryPolicy": t.delivery().effective()}
	for name, value := range t.attrs {
		out[name] = value
	}
	out["Policy"] = t.policy(account)
	return out
}
