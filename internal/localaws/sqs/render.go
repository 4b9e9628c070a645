package sqs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// systemSelection is the set of system attributes asked for; "All" is in it as such.
func systemSelection(in *sqs.ReceiveMessageInput) (map[string]bool, error) {
	sel := map[string]bool{}
	for _, n := range in.AttributeNames { //nolint:staticcheck // deprecated for callers, who still send it
		sel[string(n)] = true
	}
	for _, n := range in.MessageSystemAttributeNames {
		sel[string(n)] = true
	}
	for n := range sel {
		switch types.MessageSystemAttributeName(n) {
		case "All", types.MessageSystemAttributeNameSenderId, types.MessageSystemAttributeNameSentTimestamp,
			types.MessageSystemAttributeNameApproximateReceiveCount, types.MessageSystemAttributeNameApproximateFirstReceiveTimestamp,
			types.MessageSystemAttributeNameSequenceNumber, types.MessageSystemAttributeNameMessageDeduplicationId,
			types.MessageSystemAttributeNameMessageGroupId, types.MessageSystemAttributeNameAWSTraceHeader,
			types.MessageSystemAttributeNameDeadLetterQueueSourceArn:
		default:
			return nil, unknownAttribute(n)
		}
	}
	return sel, nil
}

// render is a message as it is answered.
func (s *Service) render(q *queue, m *received, system map[string]bool, names []string) (types.Message, error) {
	sum := m.md5.String
	if sum == "" {
		sum = md5Hex(m.body)
	}
	handle := s.handle(receipt{queue: q.id, message: m.id, receive: uint32(m.receives), at: m.at})
	out := types.Message{MessageId: &m.uuid, Body: &m.body, MD5OfBody: &sum, ReceiptHandle: &handle}
	if len(system) > 0 {
		out.Attributes = map[string]string{}
		add := func(name types.MessageSystemAttributeName, v string) {
			if v != "" && (system["All"] || system[string(name)]) {
				out.Attributes[string(name)] = v
			}
		}
		add(types.MessageSystemAttributeNameSenderId, m.sender)
		add(types.MessageSystemAttributeNameSentTimestamp, strconv.FormatInt(m.sentAt, 10))
		add(types.MessageSystemAttributeNameApproximateReceiveCount, strconv.FormatInt(m.earlier+m.receives, 10))
		add(types.MessageSystemAttributeNameApproximateFirstReceiveTimestamp, strconv.FormatInt(m.firstAt, 10))
		add(types.MessageSystemAttributeNameAWSTraceHeader, m.trace.String)
		add(types.MessageSystemAttributeNameMessageGroupId, m.group.String)
		add(types.MessageSystemAttributeNameDeadLetterQueueSourceArn, m.source.String)
		if q.fifo {
			add(types.MessageSystemAttributeNameMessageDeduplicationId, m.dedup.String)
			add(types.MessageSystemAttributeNameSequenceNumber, sequenceNumber(m.id))
		}
	}
	if len(names) == 0 || !m.attributes.Valid {
		return out, nil
	}
	attrs, err := decodeAttributes(m.attributes.String)
	if err != nil {
		return out, fmt.Errorf("message %s: attributes: %w", m.uuid, err)
	}
	for name := range attrs {
		if !selected(names, name) {
			delete(attrs, name)
		}
	}
	if len(attrs) > 0 {
		out.MessageAttributes = attrs
		out.MD5OfMessageAttributes = md5OfAttributes(attrs)
	}
	return out, nil
}

// selected tells whether a message attribute is asked for: by name, by "prefix.*", or
// by "All", "*" or ".*".
func selected(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool {
		if n == "All" || n == "*" || n == name {
			return true
		}
		prefix, ok := strings.CutSuffix(n, ".*")
		return ok && strings.HasPrefix(name, prefix)
	})
}
