package sns

import (
	"encoding/json"
	"errors"
	"io"
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
	GroupID    string // MessageGroupId, passed on to queues; may be empty
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
		id: wire.UUID(), time: s.now(), subject: p.Subject, attrs: p.Attributes, groupID: p.GroupID,
		bodies: map[string]string{"default": p.Message}, signatures: map[string]string{}, size: len(p.Message),
	}
	switch {
	case p.Message == "":
		return nil, invalid("Empty message")
	case !utf8.ValidString(p.Message):
		return nil, invalid("Message Reason: it is not valid UTF-8")
	case !validSubject(p.Subject):
		return nil, invalid("Subject Reason: at most 100 characters of UTF-8 without line breaks or control characters are taken")
	case p.GroupID != "" && !groupID.MatchString(p.GroupID):
		return nil, invalid("MessageGroupId Reason: 1 to 128 letters, digits or punctuation are expected")
	}
	for _, name := range sorted(p.Attributes) {
		a := p.Attributes[name]
		if err := checkAttribute(name, a); err != nil {
			return nil, err
		}
		n.size += len(name) + len(aws.ToString(a.DataType)) + len(aws.ToString(a.StringValue)) + len(a.BinaryValue)
	}
	if n.size > maxMessage {
		return nil, invalid("Message too long")
	}
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
// strings are ignored, keys given twice are an error (SDK documentation of Publish).
func perProtocol(message string) (map[string]string, error) {
	dec := json.NewDecoder(strings.NewReader(message))
	open, err := dec.Token()
	if err != nil || open != json.Delim('{') {
		return nil, invalid("Message Structure - JSON message body failed to parse")
	}
	bodies := map[string]string{}
	seen := map[string]bool{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, invalid("Message Structure - JSON message body failed to parse")
		}
		var value any
		if err := dec.Decode(&value); err != nil {
			return nil, invalid("Message Structure - JSON message body failed to parse")
		}
		key := name.(string) // the decoder lets nothing else stand there
		if seen[key] {
			return nil, invalid("Message Structure - the key %q is given twice", key)
		}
		seen[key] = true
		if s, ok := value.(string); ok {
			bodies[key] = s
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil, invalid("Message Structure - JSON message body failed to parse")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, invalid("Message Structure - JSON message body failed to parse")
	}
	if _, ok := bodies["default"]; !ok {
		return nil, invalid("Message Structure - No default entry in JSON message body")
	}
	return bodies, nil
}

var (
	attributeName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,256}$`)
	groupID       = regexp.MustCompile("^[A-Za-z0-9!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]{1,128}$")
)

// checkAttribute enforces the rules of message attributes (Amazon SNS Developer Guide,
// "Amazon SNS message attributes").
func checkAttribute(name string, a types.MessageAttributeValue) error {
	refuse := func(format string, args ...any) error {
		e := invalid(format, args...)
		e.Code = "ParameterValueInvalid"
		return e
	}
	lower := strings.ToLower(name)
	switch {
	case !attributeName.MatchString(name) || strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || strings.Contains(name, ".."):
		return refuse("MessageAttributes Reason: %q is no name of an attribute", name)
	case strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon."):
		return refuse("MessageAttributes Reason: names beginning with AWS. or Amazon. are reserved: %q", name)
	}
	kind, _, _ := strings.Cut(aws.ToString(a.DataType), ".")
	value := aws.ToString(a.StringValue)
	switch kind {
	case "Binary":
		if len(a.BinaryValue) == 0 {
			return refuse("The message attribute '%s' must contain non-empty message attribute value for message attribute type '%s'.", name, *a.DataType)
		}
		return nil
	case "String", "Number":
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
	if *a.DataType == "String.Array" {
		if v, err := parseJSON([]byte(value)); err != nil {
			return refuse("The message attribute '%s' of type String.Array is not JSON.", name)
		} else if _, ok := v.([]any); !ok {
			return refuse("The message attribute '%s' of type String.Array is not a JSON array.", name)
		}
	}
	return nil
}

// tooLong is the error for a batch.
func tooLong() *wire.Error {
	return wire.Errorf("BatchRequestTooLong", "The length of all the messages put together is more than the limit of %d bytes.", maxMessage)
}
