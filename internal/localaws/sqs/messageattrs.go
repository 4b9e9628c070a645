package sqs

import (
	"encoding/json"
	"math/big"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func attributesSize(attrs map[string]types.MessageAttributeValue) (n int) {
	for name, v := range attrs {
		n += len(name) + len(deref(v.DataType)) + len(deref(v.StringValue)) + len(v.BinaryValue)
	}
	return n
}

func checkMessageAttributes(attrs map[string]types.MessageAttributeValue) error {
	if len(attrs) > maxMessageAttributes {
		return invalid("Number of message attributes [%d] exceeds the allowed maximum [%d].", len(attrs), maxMessageAttributes)
	}
	for name, v := range attrs {
		if err := checkAttributeName(name); err != nil {
			return err
		}
		if err := checkMessageAttribute(name, v); err != nil {
			return err
		}
	}
	return nil
}

func checkAttributeName(name string) error {
	if len(name) > maxAttributeName {
		return invalid("Message (user) attribute names must be shorter than %d Bytes", maxAttributeName)
	}
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
		case r >= 0xC0 && r <= 0x17F: // undocumented, but AWS takes them
		default:
			return invalid("The message attribute name '%s' is invalid. Attribute name can contain A-Z, a-z, 0-9, underscore (_), hyphen (-), and period (.) characters.", name)
		}
	}
	lower := strings.ToLower(name)
	if strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon.") || strings.Contains(name, "..") ||
		strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || name == "" {
		return invalid("You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. These strings are reserved for internal use. Additionally, they cannot start or end with '.', and have no periods in succession: '%s'.", name)
	}
	return nil
}

func checkMessageAttribute(name string, v types.MessageAttributeValue) error {
	typ := deref(v.DataType)
	base, _, _ := strings.Cut(typ, ".")
	if typ == "" {
		return invalid("The message attribute '%s' must contain non-empty message attribute type.", name)
	}
	if len(typ) > maxAttributeName {
		return invalid("Message (user) attribute types must be shorter than %d Bytes", maxAttributeName)
	}
	if len(v.StringListValues) > 0 || len(v.BinaryListValues) > 0 {
		return unsupported("Message attribute list values in SendMessage operation are not supported.")
	}
	switch base {
	case "String", "Number":
		if deref(v.StringValue) == "" || v.BinaryValue != nil {
			return noValue(name, typ)
		}
		if bad := badRune(*v.StringValue); bad >= 0 {
			return invalid("%s", badContents(bad).Message)
		}
		if base == "Number" && !isNumber(*v.StringValue) {
			return invalid("Can't cast the value of message (user) attribute '%s' to a number.", name)
		}
	case "Binary":
		if len(v.BinaryValue) == 0 || v.StringValue != nil {
			return noValue(name, typ)
		}
	default:
		return invalid("The message attribute '%s' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.", name)
	}
	return nil
}

func noValue(name, typ string) error {
	return invalid("Message (user) attribute '%s' must contain a non-empty value of type '%s'.", name, typ)
}

// isNumber tells whether v is a decimal of any precision that fits a line. The length
// bounds what parsing may cost.
func isNumber(v string) bool {
	if len(v) > 128 || strings.ContainsAny(v, "_xXoObBpPnNiI/") {
		return false
	}
	f, _, err := big.ParseFloat(v, 10, 64, big.ToNearestEven)
	return err == nil && !f.IsInf()
}

// storedAttribute is a message attribute as it is kept.
type storedAttribute struct {
	Type   string  `json:"t"`
	String *string `json:"s,omitempty"`
	Binary []byte  `json:"b,omitempty"`
}

func encodeAttributes(attrs map[string]types.MessageAttributeValue) (string, error) {
	m := make(map[string]storedAttribute, len(attrs))
	for name, v := range attrs {
		m[name] = storedAttribute{Type: deref(v.DataType), String: v.StringValue, Binary: v.BinaryValue}
	}
	b, err := json.Marshal(m)
	return string(b), err
}

func decodeAttributes(enc string) (map[string]types.MessageAttributeValue, error) {
	var m map[string]storedAttribute
	if err := json.Unmarshal([]byte(enc), &m); err != nil {
		return nil, err
	}
	out := make(map[string]types.MessageAttributeValue, len(m))
	for name, v := range m {
		out[name] = types.MessageAttributeValue{DataType: &v.Type, StringValue: v.String, BinaryValue: v.Binary}
	}
	return out, nil
}

func systemAsMessage(in map[string]types.MessageSystemAttributeValue) map[string]types.MessageAttributeValue {
	if len(in) == 0 {
		return nil
	}
	out := make(map[string]types.MessageAttributeValue, len(in))
	for name, v := range in {
		out[name] = types.MessageAttributeValue{DataType: v.DataType, StringValue: v.StringValue, BinaryValue: v.BinaryValue}
	}
	return out
}
