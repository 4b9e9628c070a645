package sns

import (
	"bytes"
	"encoding/base64"
	"encoding/json"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
)

const (
	typeNotification = "Notification"
	typeConfirmation = "SubscriptionConfirmation"
	typeEnd          = "UnsubscribeConfirmation"
)

// timeFormat of envelopes: UTC, milliseconds.
const timeFormat = "2006-01-02T15:04:05.000Z"

// field is one member of an envelope; the order matters to people who read it.
type field struct{ name, value string }

// writeEnvelope writes the JSON document that wraps a message, laid out as AWS lays it
// out. Message attributes follow the other members, if there are any.
func writeEnvelope(fields []field, attrs map[string]types.MessageAttributeValue) string {
	var b bytes.Buffer
	b.WriteString("{\n")
	for i, f := range fields {
		if i > 0 {
			b.WriteString(",\n")
		}
		b.WriteString("  ")
		b.WriteString(quote(f.name))
		b.WriteString(" : ")
		b.WriteString(quote(f.value))
	}
	if len(attrs) > 0 {
		b.WriteString(",\n  \"MessageAttributes\" : {\n")
		for i, name := range sorted(attrs) {
			if i > 0 {
				b.WriteString(",\n")
			}
			a := attrs[name]
			value := aws.ToString(a.StringValue)
			if a.BinaryValue != nil {
				value = base64.StdEncoding.EncodeToString(a.BinaryValue)
			}
			b.WriteString("    " + quote(name) + ` : {"Type":` + quote(aws.ToString(a.DataType)) + `,"Value":` + quote(value) + "}")
		}
		b.WriteString("\n  }")
	}
	b.WriteString("\n}")
	return b.String()
}

// quote is s as a JSON string, with < > & left as they are.
func quote(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string into memory cannot fail
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

// notificationEnvelope wraps a notification for one subscription. Those of FIFO topics
// have a number and no signature.
func (s *Service) notificationEnvelope(t *topic, sub *subscription, n *notification, body string) (string, error) {
	fields := []field{{"Type", typeNotification}, {"MessageId", n.id}}
	if n.sequence != "" {
		fields = append(fields, field{"SequenceNumber", n.sequence})
	}
	fields = append(fields, field{"TopicArn", t.arn})
	if n.subject != "" {
		fields = append(fields, field{"Subject", n.subject})
	}
	fields = append(fields, field{"Message", body}, field{"Timestamp", n.time.UTC().Format(timeFormat)})
	if n.sequence == "" {
		version := t.signatureVersion()
		signature, err := n.signature(s.signer, version, t.arn, body)
		if err != nil {
			return "", err
		}
		fields = append(fields, field{"SignatureVersion", version}, field{"Signature", signature}, field{"SigningCertURL", s.opts.BaseURL + s.signer.path()})
	}
	fields = append(fields, field{"UnsubscribeURL", s.unsubscribeURL(sub.arn)})
	return writeEnvelope(fields, n.attrs), nil
}

// signature signs one body of the notification, once.
func (n *notification) signature(by *signer, version, topicARN, body string) (string, error) {
	key := version + "\n" + body
	if sig, ok := n.signatures[key]; ok {
		return sig, nil
	}
	pairs := []string{"Message", body, "MessageId", n.id}
	if n.subject != "" {
		pairs = append(pairs, "Subject", n.subject)
	}
	pairs = append(pairs, "Timestamp", n.time.UTC().Format(timeFormat), "TopicArn", topicARN, "Type", typeNotification)
	sig, err := by.sign(version, stringToSign(pairs...))
	if err == nil {
		n.signatures[key] = sig
	}
	return sig, err
}

// askEnvelope asks a subscriber over HTTP, or as email-json, to visit a link: to confirm
// a subscription, or to take back that it ended.
func (s *Service) askEnvelope(t *topic, kind, message, token, messageID string) (string, error) {
	version := t.signatureVersion()
	timestamp := s.now().UTC().Format(timeFormat)
	link := s.confirmURL(t.arn, token)
	signature, err := s.signer.sign(version, stringToSign(
		"Message", message, "MessageId", messageID, "SubscribeURL", link, "Timestamp", timestamp,
		"Token", token, "TopicArn", t.arn, "Type", kind))
	if err != nil {
		return "", err
	}
	return writeEnvelope([]field{
		{"Type", kind}, {"MessageId", messageID}, {"Token", token}, {"TopicArn", t.arn},
		{"Message", message}, {"SubscribeURL", link}, {"Timestamp", timestamp},
		{"SignatureVersion", version}, {"Signature", signature}, {"SigningCertURL", s.opts.BaseURL + s.signer.path()},
	}, nil), nil
}

// Links have ARNs as they are, as AWS's do: they consist of what a query may have.

func (s *Service) confirmURL(topicARN, token string) string {
	return s.opts.BaseURL + "/?Action=ConfirmSubscription&TopicArn=" + topicARN + "&Token=" + token
}

func (s *Service) unsubscribeURL(subscriptionARN string) string {
	return s.opts.BaseURL + "/?Action=Unsubscribe&SubscriptionArn=" + subscriptionARN
}
