package sqs

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/tintype/tintype/internal/localaws/wire"
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
	fifo     bool // of FIFO queues only
	folded   bool // kept in lower case
}

// The values of DeduplicationScope and FifoThroughputLimit.
const (
	scopeQueue = "queue"
	scopeGroup = "messageGroup"
	perQueue   = "perQueue"
	perGroup   = "perMessageGroupId"
)

// attributes returns the settable attributes.
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
		return attribute{def: "true", check: isBool, folded: true}, true
	case "Policy", "RedriveAllowPolicy":
		return attribute{check: isObject}, true
	case "KmsMasterKeyId", "RedrivePolicy":
		return attribute{check: func(string) bool { return true }}, true
	case "FifoQueue":
		return attribute{def: "true", check: isBool, fifo: true, folded: true}, true
	case "ContentBasedDeduplication":
		return attribute{def: "false", check: isBool, fifo: true, folded: true}, true
	case "DeduplicationScope":
		return attribute{def: scopeQueue, check: func(v string) bool { return v == scopeQueue || v == scopeGroup }, fifo: true}, true
	case "FifoThroughputLimit":
		return attribute{def: perQueue, check: func(v string) bool { return v == perQueue || v == perGroup }, fifo: true}, true
	}
	return attribute{}, false
}

// settable lists the attributes in the order that GetQueueAttributes' All looks them up.
func settable(fifo bool) []string {
	names := []string{"DelaySeconds", "MaximumMessageSize", "MessageRetentionPeriod", "ReceiveMessageWaitTimeSeconds", "VisibilityTimeout",
		"KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled", "Policy", "RedriveAllowPolicy", "KmsMasterKeyId", "RedrivePolicy"}
	if fifo {
		names = append(names, "FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit")
	}
	return names
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

// checkAttributes refuses unknown names and values out of range, and returns the
// attributes as they are kept. Whether a dead-letter queue exists is the transaction's
// to say.
func checkAttributes(in map[string]string, fifo bool) (map[string]string, error) {
	out := make(map[string]string, len(in))
	for _, name := range slices.Sorted(maps.Keys(in)) {
		v := in[name]
		a, ok := attributes(name)
		switch {
		case !ok:
			return nil, unknownAttribute(name)
		case a.fifo && !fifo && (name == "DeduplicationScope" || name == "FifoThroughputLimit"):
			return nil, wire.Errorf("InvalidAttributeName", "You can specify the %s only when FifoQueue is set to true.", name)
		case a.fifo && !fifo:
			return nil, unknownAttribute(name)
		}
		if a.folded {
			v = strings.ToLower(v)
		}
		if out[name] = v; v == "" && a.check != nil && !a.fifo && !a.folded {
			continue // takes the attribute away
		}
		if a.check != nil {
			if !a.check(v) {
				return nil, badAttribute(name)
			}
		} else if n, ok := parseNumber(v); !ok || n < a.min || n > a.max {
			return nil, badAttribute(name)
		}
		if err := checkAttribute(name, v); err != nil {
			return nil, err
		}
		if name == "RedrivePolicy" {
			out[name] = plainRedrive(v)
		}
	}
	if in["KmsMasterKeyId"] != "" && out["SqsManagedSseEnabled"] == "true" {
		return nil, wire.Errorf("InvalidAttributeName", "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.")
	}
	return out, nil
}

func checkAttribute(name, v string) (err error) {
	switch name {
	case "FifoQueue":
		if v != "true" {
			return wire.Errorf("InvalidAttributeValue", "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.")
		}
	case "RedrivePolicy":
		_, err = parseRedrive(v)
	case "RedriveAllowPolicy":
		_, err = parseAllow(v)
	}
	return err
}

// settle brings attributes that depend on each other into agreement after the ones in
// were set; both are as checkAttributes returns them.
func settle(all, in map[string]string) error {
	if in["KmsMasterKeyId"] != "" {
		all["SqsManagedSseEnabled"] = "false"
	} else if in["SqsManagedSseEnabled"] == "true" {
		delete(all, "KmsMasterKeyId")
	}
	if all["KmsDataKeyReusePeriodSeconds"] == "300" {
		delete(all, "KmsDataKeyReusePeriodSeconds") // its default is not shown
	}
	if all["FifoThroughputLimit"] == perGroup && all["DeduplicationScope"] != scopeGroup {
		return wire.Errorf("InvalidAttributeValue", "Invalid value for the parameter FifoThroughputLimit. Reason: perMessageGroupId is allowed only when DeduplicationScope is messageGroup.")
	}
	return nil
}

func isBool(v string) bool { return v == "true" || v == "false" }

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
