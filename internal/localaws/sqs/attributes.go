package sqs

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
)

// Limits of message bodies with their attributes, in bytes:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
const (
	minMessageSize = 1024
	maxMessageSize = 1 << 20
	maxBatchSize   = 1 << 20
)

// attribute describes one settable queue attribute:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
type attribute struct {
	def      string // reported when not set; empty: not reported
	min, max int64  // of a number; both 0: not a number
	check    func(string) bool
}

// attributes returns the settable attributes of a standard queue.
func attributes(name string) (attribute, bool) {
	switch name {
	case "DelaySeconds":
		return attribute{def: "0", min: 0, max: 900}, true
	case "MaximumMessageSize":
		return attribute{def: "1048576", min: minMessageSize, max: maxMessageSize}, true
	case "MessageRetentionPeriod":
		return attribute{def: "345600", min: 60, max: 1209600}, true
	case "ReceiveMessageWaitTimeSeconds":
		return attribute{def: "0", min: 0, max: 20}, true
	case "VisibilityTimeout":
		return attribute{def: "30", min: 0, max: maxVisibility}, true
	case "KmsDataKeyReusePeriodSeconds":
		return attribute{min: 60, max: 86400}, true
	case "SqsManagedSseEnabled":
		return attribute{def: "true", check: func(v string) bool { return v == "true" || v == "false" }}, true
	case "Policy", "RedriveAllowPolicy":
		return attribute{check: isObject}, true
	case "KmsMasterKeyId", "RedrivePolicy":
		return attribute{check: func(string) bool { return true }}, true
	}
	return attribute{}, false
}

// settable lists the attributes in the order that GetQueueAttributes' All looks them up.
func settable() []string {
	return []string{"DelaySeconds", "MaximumMessageSize", "MessageRetentionPeriod", "ReceiveMessageWaitTimeSeconds", "VisibilityTimeout",
		"KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled", "Policy", "RedriveAllowPolicy", "KmsMasterKeyId", "RedrivePolicy"}
}

// computed lists the attributes that the queue itself has.
func computed() []string {
	return []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed", "ApproximateNumberOfMessagesNotVisible",
		"CreatedTimestamp", "LastModifiedTimestamp", "QueueArn"}
}

// attributeOr is an attribute's value or default.
func attributeOr(set map[string]string, name string) string {
	if v, ok := set[name]; ok {
		return v
	}
	a, _ := attributes(name)
	return a.def
}

// checkAttributes refuses unknown names and values out of range. Whether a
// dead-letter queue exists is the transaction's to say.
func checkAttributes(in map[string]string) error {
	for name, v := range in {
		if name == "FifoQueue" && v == "true" {
			return errFIFO()
		}
		a, ok := attributes(name)
		if !ok {
			return unknownAttribute(name)
		}
		if v == "" && a.check != nil {
			continue // takes the attribute away
		}
		if a.check != nil {
			if !a.check(v) {
				return badAttribute(name)
			}
		} else if n, ok := parseNumber(v); !ok || n < a.min || n > a.max {
			return badAttribute(name)
		}
		if name == "RedrivePolicy" {
			if _, err := parseRedrive(v); err != nil {
				return err
			}
		}
		if name == "RedriveAllowPolicy" {
			if _, err := parseAllow(v); err != nil {
				return err
			}
		}
	}
	return nil
}

// errFIFO refuses what only FIFO queues have.
func errFIFO() error { return unsupported("FIFO queues are not supported by this endpoint.") }

func isObject(v string) bool {
	var m map[string]any
	return json.Unmarshal([]byte(v), &m) == nil && m != nil
}

// parseNumber reads a non-negative decimal without sign, as SQS takes them.
func parseNumber(v string) (int64, bool) {
	n, err := strconv.ParseUint(v, 10, 31)
	return int64(n), err == nil && v[0] != '+'
}

// sameAttribute compares two values of an attribute; documents by their content.
func sameAttribute(a, b string) bool {
	if a == b {
		return true
	}
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	return reflect.DeepEqual(x, y)
}

// allowPolicy is the RedriveAllowPolicy attribute: which queues may name this one as
// their dead-letter queue.
type allowPolicy struct {
	Permission string   `json:"redrivePermission"`
	Sources    []string `json:"sourceQueueArns"`
}

func parseAllow(v string) (*allowPolicy, error) {
	if v == "" {
		return &allowPolicy{Permission: "allowAll"}, nil
	}
	var p allowPolicy
	if err := json.Unmarshal([]byte(v), &p); err != nil {
		return nil, badParameter("RedriveAllowPolicy", v, "Redrive allow policy is not valid.")
	}
	switch {
	case p.Permission != "allowAll" && p.Permission != "denyAll" && p.Permission != "byQueue":
		return nil, badParameter("RedriveAllowPolicy", v, "redrivePermission must be allowAll, denyAll or byQueue.")
	case (p.Permission == "byQueue") != (len(p.Sources) > 0) || len(p.Sources) > 10:
		return nil, badParameter("RedriveAllowPolicy", v, "sourceQueueArns, 1 to 10 of them, go with byQueue and with nothing else.")
	}
	return &p, nil
}

func (p *allowPolicy) allows(sourceARN string) bool {
	return p.Permission == "allowAll" || slices.Contains(p.Sources, sourceARN)
}
