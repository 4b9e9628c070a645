package sns

import (
	"encoding/json"
	"strings"
)

// What a filter policy looks at.
const (
	scopeAttributes = "MessageAttributes"
	scopeBody       = "MessageBody"
)

// setAll checks and sets attributes. A filter is checked with its scope when both are
// known. An empty policy ("" or "{}") removes what was there. The problem's text has no
// "Invalid parameter: ": AWS puts that, or more, before it, depending on the operation.
func (sub *subscription) setAll(attrs map[string]string) (problem string) {
	for _, name := range sorted(attrs) {
		if problem := sub.set(name, attrs[name]); problem != "" {
			return problem
		}
	}
	if text := sub.attrs["FilterPolicy"]; text != "" {
		if _, err := parseFilter(text, sub.attrs["FilterPolicyScope"] == scopeBody); err != nil {
			return err.Error()
		}
	}
	return ""
}

func (sub *subscription) set(name, value string) (problem string) {
	switch name {
	case "FilterPolicy", "RedrivePolicy", "DeliveryPolicy", "SubscriptionRoleArn":
		if isEmptyObject(value) {
			delete(sub.attrs, name)
			return ""
		}
	}
	switch name {
	case "RawMessageDelivery":
		given := value
		value = strings.ToLower(value)
		if value != "true" && value != "false" {
			return "RawMessageDelivery: Invalid value [" + given + "]. Must be true or false."
		}
		if value == "true" && (sub.protocol == protocolEmail || sub.protocol == protocolEmailJSON) {
			return "RawMessageDelivery: Delivery protocol [" + sub.protocol + "] does not support raw message delivery."
		}
	case "FilterPolicy":
		// Checked by setAll, when the scope is known.
	case "FilterPolicyScope":
		if value != scopeAttributes && value != scopeBody {
			return "FilterPolicyScope: Invalid value [" + value + "]. Please use either MessageBody or MessageAttributes"
		}
	case "RedrivePolicy":
		queue, problem := deadLetterQueue(value)
		switch {
		case problem != "":
			return "RedrivePolicy: " + problem
		case isFIFO(sub.endpoint) && !isFIFO(queue):
			return "RedrivePolicy: must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic."
		case !isFIFO(sub.endpoint) && isFIFO(queue):
			return "RedrivePolicy: must use a standard queue as DLQ for a standard subscription."
		}
	case "DeliveryPolicy":
		if !sub.overHTTP() {
			return "DeliveryPolicy: Delivery protocol [" + sub.protocol + "] does not support a delivery policy."
		}
		p, problem := parseSubscriptionDelivery(value)
		if problem != "" {
			return "DeliveryPolicy: " + problem
		}
		value = p.shown()
	case "SubscriptionRoleArn":
		if !roleARN.MatchString(value) {
			return "SubscriptionRoleArn: [" + value + "] is not the ARN of an IAM role"
		}
	case "ReplayPolicy", "ReplayStatus":
		return name + ": message archiving and replay are not supported by this endpoint"
	default:
		return "AttributeName"
	}
	sub.attrs[name] = value
	return ""
}

func (sub *subscription) overHTTP() bool {
	return sub.protocol == protocolHTTP || sub.protocol == protocolHTTPS
}

func isEmptyObject(value string) bool {
	var obj map[string]json.RawMessage
	return strings.TrimSpace(value) == "" || json.Unmarshal([]byte(value), &obj) == nil && len(obj) == 0
}

// deadLetterQueue reads a RedrivePolicy: {"deadLetterTargetArn": "arn:aws:sqs:…"}.
func deadLetterQueue(redrivePolicy string) (arn, problem string) {
	if err := checkJSON(redrivePolicy); err != nil {
		return "", "failed to parse JSON. " + err.Error()
	}
	var p map[string]any
	if err := json.Unmarshal([]byte(redrivePolicy), &p); err != nil {
		return "", "it must be a JSON object"
	}
	arn, _ = p["deadLetterTargetArn"].(string)
	if !isQueueARN(arn) {
		return "", "deadLetterTargetArn is an invalid arn"
	}
	return arn, ""
}
