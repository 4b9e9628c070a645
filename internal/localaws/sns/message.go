package sns

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/tintype/tintype/internal/localaws/wire"
)

// maxMessage bounds a message with its attributes, and a batch of them: 256 KiB, the
// figure of the pinned SDK's documentation of Publish and PublishBatch.
const maxMessage = 256 << 10

// Publish is a message for a topic's subscribers.
type Publish struct {
	Subject string // at most 100 characters; may be empty
	Message string
	// Structure "json" means Message is a JSON object of a body per protocol, with one
	// under "default" for the others.
	Structure  string
	Attributes map[string]types.MessageAttributeValue
	GroupID    string // MessageGroupId, passed on to queues; FIFO topics need one
	DedupID    string // MessageDeduplicationId, of FIFO topics only
	Trace      string // the publisher's X-Ray trace, which goes on with messages of queues
	// Source is the service on whose behalf this is published, checked against the
	// topic's policy. The zero value means the account itself.
	Source Source

	ready *notification // set by Prepare
}

// Source is an AWS service that acts for one of its resources.
type Source struct {
	Service string // "s3.amazonaws.com"
	ARN     string // "arn:aws:s3:::bucket"
	Account string // that owns the resource
}

// notification is a checked message, about to be delivered. It belongs to one caller.
type notification struct {
	id         string
	time       time.Time
	subject    string
	bodies     map[string]string // by protocol; "default" for the others
	attrs      map[string]types.MessageAttributeValue
	groupID    string
	dedupID    string
	trace      string
	message    string                    // as it was published
	sequence   string                    // set by accept, of FIFO topics
	values     map[string]any            // attributes, for filters
	objects    map[string]map[string]any // bodies, parsed for filters
	verdicts   map[verdict]bool          // of filters: found before the transaction, used in it
	size       int
	signatures map[string]string // by version and body
}

// body is what subscribers of the protocol get.
func (n *notification) body(protocol string) string {
	if b, ok := n.bodies[protocol]; ok {
		return b
	}
	return n.bodies["default"]
}

// check makes a notification of a message, or says what is wrong with it.
func (s *Service) check(p Publish) (*notification, error) {
	n := &notification{
		id: wire.UUID(), time: s.now(), subject: p.Subject, attrs: p.Attributes, groupID: p.GroupID, dedupID: p.DedupID, trace: p.Trace, message: p.Message,
		bodies: map[string]string{"default": p.Message}, signatures: map[string]string{}, size: len(p.Message),
	}
	switch {
	case p.Message == "":
		return nil, invalid("Empty message")
	case !utf8.ValidString(p.Message):
		return nil, invalid("Message Reason: it is not valid UTF-8")
	case !validSubject(p.Subject):
		return nil, invalid("Subject")
	case p.GroupID != "" && !groupID.MatchString(p.GroupID):
		return nil, invalid("MessageGroupId Reason: it can only include 1 to 128 alphanumeric and punctuation characters")
	case p.DedupID != "" && !groupID.MatchString(p.DedupID):
		return nil, invalid("MessageDeduplicationId Reason: it can only include 1 to 128 alphanumeric and punctuation characters")
	}
	for _, name := range sorted(p.Attributes) {
		a := p.Attributes[name]
		if err := checkAttribute(name, a); err != nil {
			return nil, err
		}
		n.size += attributeSize(name, a)
	}
	if n.size > maxMessage {
		return nil, invalid("Message too long")
	}
	n.values = attributeValues(p.Attributes)
	switch p.Structure {
	case "":
	case "json":
		bodies, err := perProtocol(p.Message)
		if err != nil {
			return nil, err
		}
		n.bodies = bodies
	default:
		return nil, invalid("MessageStructure Reason: json is expected, not %q", p.Structure)
	}
	return n, nil
}

func validSubject(s string) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= 100 && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
	})
}

// perProtocol reads the bodies of a message of structure "json". Values that are no
// strings are ignored. Of a key given twice the last counts, though AWS's documentation
// of Publish does not allow it.
func perProtocol(message string) (map[string]string, error) {
	var values map[string]any
	if err := json.Unmarshal([]byte(message), &values); err != nil || values == nil {
		return nil, invalid("Message Structure - JSON message body failed to parse")
	}
	bodies := make(map[string]string, len(values))
	for key, value := range values {
		if s, ok := value.(string); ok {
			bodies[key] = s
		}
	}
	if _, ok := bodies["default"]; !ok {
		return nil, invalid("Message Structure - No default entry in JSON message body")
	}
	return bodies, nil
}

var groupID = regexp.MustCompile("^[A-Za-z0-9!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]{1,128}$")

// checkAttributeName says what AWS says of a message attribute's name.
func checkAttributeName(name string) (problem string) {
	lower := strings.ToLower(name)
	switch {
	case len(name) > 256:
		return "Length of message attribute name must be less than 256 bytes."
	case strings.HasPrefix(name, "."):
		return "Invalid message attribute name starting with character '.' was found."
	case strings.HasSuffix(name, "."):
		return "Invalid message attribute name ending with character '.' was found."
	case strings.Contains(name, ".."):
		return "Message attribute name can not have successive '.' character."
	case strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon."):
		return "Message attribute name can not start with 'AWS.' or 'Amazon.'."
	case name == "":
		return "The message attribute name can not be empty."
	}
	for _, r := range name {
		if !strings.ContainsRune(attributeNameChars, r) {
			return fmt.Sprintf("Invalid non-alphanumeric character '#x%X' was found in the message attribute name. "+
				"Can only include alphanumeric characters, hyphens, underscores, or dots.", r)
		}
	}
	return ""
}

// attributeNameChars are those that names of message attributes consist of.
const attributeNameChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."

// checkAttribute enforces the rules of message attributes (Amazon SNS Developer Guide,
// "Amazon SNS message attributes").
func checkAttribute(name string, a types.MessageAttributeValue) error {
	refuse := func(format string, args ...any) error { return wire.Errorf("ParameterValueInvalid", format, args...) }
	if problem := checkAttributeName(name); problem != "" {
		return refuse("%s", problem)
	}
	if a.DataType == nil {
		return noDataType("messageAttributes", name)
	}
	kind, label, labelled := strings.Cut(*a.DataType, ".")
	if labelled && label == "" {
		kind = ""
	}
	value := aws.ToString(a.StringValue)
	switch kind {
	case "Binary":
		if value != "" {
			return refuse("The message attribute '%s' with type 'Binary' must use field 'Binary'.", name)
		}
		if len(a.BinaryValue) == 0 {
			return refuse("The message attribute '%s' must contain non-empty message attribute value for message attribute type '%s'.", name, *a.DataType)
		}
		return nil
	case "String", "Number":
		if len(a.BinaryValue) > 0 {
			return refuse("The message attribute '%s' with type '%s' must use field 'String'.", name, kind)
		}
		if value == "" || !utf8.ValidString(value) {
			return refuse("The message attribute '%s' must contain non-empty message attribute value for message attribute type '%s'.", name, *a.DataType)
		}
	default:
		return refuse("The message attribute '%s' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.", name)
	}
	if kind == "Number" {
		if _, err := strconv.ParseFloat(value, 64); err != nil && !errors.Is(err, strconv.ErrRange) {
			return refuse("Could not cast message attribute '%s' value to number.", name)
		}
	}
	return nil
}

// noDataType is the error for an attribute without a type, under the path of the
// attributes in the request.
func noDataType(path, name string) error {
	return wire.Errorf("ValidationError", "1 validation error detected: Value null at '%s.%s.member.dataType' failed to satisfy constraint: Member must not be null", path, name)
}
