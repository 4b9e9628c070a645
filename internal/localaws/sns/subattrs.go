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
// known. An empty policy ("" or "{}") removes what was there.
func (sub *subscription) setAll(attrs map[string]string) error {
	for name, value := range attrs {
		if err := sub.set(name, value); err != nil {
			return err
		}
	}
	if text := sub.attrs["FilterPolicy"]; text != "" {
		if _, err := parseFilter(text, sub.attrs["FilterPolicyScope"] == scopeBody); err != nil {
			return invalid("FilterPolicy: %v", err)
		}
	}
	return nil
}

func (sub *subscription) set(name, value string) error {
	if isEmptyObject(value) && (name == "FilterPolicy" || name == "RedrivePolicy") {
		delete(sub.attrs, name)
		return nil
	}
	switch name {
	case "RawMessageDelivery":
		value = strings.ToLower(value)
		if value != "true" && value != "false" {
			return invalid("Attributes Reason: RawMessageDelivery: Invalid value [%s]. Must be true or false.", value)
		}
		if value == "true" && (sub.protocol == protocolEmail || sub.protocol == protocolEmailJSON) {
			return invalid("Attributes Reason: RawMessageDelivery: Delivery protocol [%s] does not support raw message delivery.", sub.protocol)
		}
	case "FilterPolicy":
		// Checked by setAll, when the scope is known.
	case "FilterPolicyScope":
		if value != scopeAttributes && value != scopeBody {
			return invalid("FilterPolicyScope: Invalid value [%s]. Please use either MessageBody or MessageAttributes", value)
		}
	case "RedrivePolicy":
		if _, err := deadLetterQueue(value); err != nil {
			return err
		}
	case "DeliveryPolicy", "SubscriptionRoleArn", "ReplayPolicy", "ReplayStatus":
		return invalid("Attributes Reason: %s is not supported by this endpoint", name)
	default:
		return invalid("AttributeName")
	}
	sub.attrs[name] = value
	return nil
}

func isEmptyObject(value string) bool {
	var obj map[string]json.RawMessage
	return strings.TrimSpace(value) == "" || json.Unmarshal([]byte(value), &obj) == nil && len(obj) == 0
}

// deadLetterQueue reads a RedrivePolicy: {"deadLetterTargetArn": "arn:aws:sqs:…"}.
func deadLetterQueue(redrivePolicy string) (string, error) {
	var p map[string]string
	if err := json.Unmarshal([]byte(redrivePolicy), &p); err != nil {
		return "", invalid("RedrivePolicy: failed to parse JSON. %v", err)
	}
	arn := p["deadLetterTargetArn"]
	f := strings.Split(arn, ":")
	if len(p) != 1 || len(f) != 6 || f[0] != "arn" || f[2] != "sqs" || f[5] == "" || strings.HasSuffix(f[5], ".fifo") {
		return "", invalid("RedrivePolicy: deadLetterTargetArn, the ARN of a standard queue, is expected and nothing else")
	}
	return arn, nil
}
