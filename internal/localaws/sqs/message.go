package sqs

import (
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/localaws/wire"
)

// Limits of message attributes:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
const (
	maxMessageAttributes = 10
	maxAttributeName     = 256
	maxDelay             = 900 // seconds
)

// submission is a message as a caller gives it, alone or in a batch.
type submission struct {
	body         *string
	attributes   map[string]types.MessageAttributeValue
	system       map[string]types.MessageSystemAttributeValue
	delay        *int32 // nil: the queue's
	dedup, group *string
	trace        string // of the request; the message's own counts more
}

// size is what counts towards the batch's limit.
func (m *submission) size() int { return len(deref(m.body)) + attributesSize(m.attributes) }

// outgoing checks the submission against SQS's rules and the queue's limits.
func (m *submission) outgoing(q *queue, cfg *settings, sender string) (*outgoing, error) {
	out := &outgoing{sender: sender, delay: cfg.delay}
	if m.delay != nil && q.fifo && *m.delay > 0 && *m.delay <= maxDelay {
		return nil, badParameter("DelaySeconds", *m.delay, notForThisType)
	}
	if m.delay != nil && (!q.fifo || *m.delay != 0) {
		if *m.delay < 0 || *m.delay > maxDelay {
			return nil, badParameter("DelaySeconds", *m.delay, "DelaySeconds must be >= 0 and <= 900.")
		}
		out.delay = time.Duration(*m.delay) * time.Second
	}
	out.trace = traceHeader(m.trace)
	for name, v := range m.system {
		if name != "AWSTraceHeader" {
			return nil, badParameter("MessageSystemAttributes", name, "The only system attribute that can be sent is AWSTraceHeader.")
		}
		if deref(v.DataType) != "String" || deref(v.StringValue) == "" {
			return nil, invalid("The message system attribute AWSTraceHeader must have a StringValue of type String.")
		}
		if bad := badRune(*v.StringValue); bad >= 0 {
			return nil, badContents(bad)
		}
		out.trace = v.StringValue
	}
	if err := out.fill(m.body, m.attributes); err != nil {
		return nil, err
	}
	if err := out.order(q, cfg, m.group, m.dedup); err != nil {
		return nil, err
	}
	return out, out.fits(cfg)
}

// errTooLong is a message over the queue's limit, for which AWS has one text alone and
// another in a batch.
var errTooLong = errors.New("too long")

const notForThisType = "The request include parameter that is not valid for this queue type."

// errUnordered is what makes AWS refuse a whole batch to a FIFO queue.
var errUnordered = errors.New("no place in the order")

// order sets what a FIFO queue orders and deduplicates by. Standard queues take a group
// as a hint for fair queues.
func (o *outgoing) order(q *queue, cfg *settings, group, dedup *string) error {
	if group != nil {
		if err := checkFIFOID("MessageGroupId", *group); err != nil {
			return err
		}
		o.group = group
	}
	if !q.fifo {
		if dedup != nil {
			return badParameter("MessageDeduplicationId", *dedup, notForThisType)
		}
		return nil
	}
	if group == nil {
		return fmt.Errorf("%w: %w", errUnordered, missing("MessageGroupId"))
	}
	if dedup == nil {
		if !cfg.byContent {
			return fmt.Errorf("%w: %w", errUnordered, invalid("The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"))
		}
		id := contentID(o.body)
		o.dedup = &id
		return nil
	}
	o.dedup = dedup
	return checkFIFOID("MessageDeduplicationId", *dedup)
}

// sequenceNumber is answered for FIFO queues alone.
func (o *outgoing) sequenceNumber() *string {
	if o.sequence == 0 {
		return nil
	}
	n := sequenceNumber(o.sequence)
	return &n
}

// optional is nil for an empty string.
func optional(v string) *string {
	if v == "" {
		return nil
	}
	return &v
}

// message is the text of an API error, without its code.
func message(err error) string {
	if api := (*wire.Error)(nil); errors.As(err, &api) {
		return api.Message
	}
	return err.Error()
}

// traceHeader is a trace as it is stored: none, where it is empty or cannot be shown.
func traceHeader(v string) *string {
	if badRune(v) >= 0 {
		return nil
	}
	return optional(v)
}

// fill sets body and attributes.
func (o *outgoing) fill(body *string, attrs map[string]types.MessageAttributeValue) error {
	if deref(body) == "" {
		return missing("MessageBody")
	}
	if bad := badRune(*body); bad >= 0 {
		return badContents(bad)
	}
	if err := checkMessageAttributes(attrs); err != nil {
		return err
	}
	o.uuid, o.body, o.size = wire.UUID(), *body, len(*body)+attributesSize(attrs)
	if len(attrs) == 0 {
		return nil
	}
	enc, err := encodeAttributes(attrs)
	o.attributes = &enc
	return err
}

func (o *outgoing) fits(cfg *settings) error {
	if o.size > cfg.maxSize {
		return fmt.Errorf("%w: %w", errTooLong, invalid("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", cfg.maxSize))
	}
	return nil
}

func badContents(r rune) *wire.Error {
	return wire.Errorf("InvalidMessageContents", "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF: the message has %U.", r)
}

// badRune returns the first character that SQS does not carry, or -1.
func badRune(s string) rune {
	for i, r := range s {
		switch {
		case r == utf8.RuneError:
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return r // not UTF-8 at all
			}
		case r >= 0x20 && r <= 0xD7FF, r == '\t', r == '\n', r == '\r', r >= 0xE000 && r <= 0xFFFD, r >= 0x10000:
		default:
			return r
		}
	}
	return -1
}

// maxEntries is how many messages one call sends, receives or deletes at most.
const maxEntries = 10

// checkBatch refuses a batch that SQS refuses as a whole.
func checkBatch(operation string, n int, id func(i int) *string) error {
	if n == 0 {
		return batch("EmptyBatchRequest", "There should be at least one %sRequestEntry in the request.", operation)
	}
	if n > maxEntries {
		return batch("TooManyEntriesInBatchRequest", "Maximum number of entries per request are %d. You have sent %d.", maxEntries, n)
	}
	seen := make(map[string]bool, n)
	for i := range n {
		v := deref(id(i))
		if !isName(v, 80) {
			return batch("InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		}
		if seen[v] {
			return batch("BatchEntryIdsNotDistinct", "Id %s repeated.", v)
		}
		seen[v] = true
	}
	return nil
}

// entryMember is the path of a batch entry's member; see wire.Request.Present.
func entryMember(i int, member string) string { return "Entries." + strconv.Itoa(i) + "." + member }

// failedEntry reports what was wrong with one entry of a batch. Only API errors come
// here: what is not the caller's fault fails the whole batch.
func failedEntry(id *string, err error) types.BatchResultErrorEntry {
	e := types.BatchResultErrorEntry{Id: id, SenderFault: true}
	code, message := "InternalError", err.Error()
	if api := (*wire.Error)(nil); errors.As(err, &api) {
		code, message = api.Code, api.Message
		if api.QueryCode != "" {
			code = api.QueryCode
		}
	}
	e.Code, e.Message = &code, &message
	return e
}
