package sqs

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/localaws/db"
	"github.com/tintype/tintype/internal/localaws/wire"
)

// Outbound is a message that another service of the endpoint sends.
type Outbound struct {
	Body       string
	Attributes map[string]types.MessageAttributeValue
	Sender     string // reported as SenderId
	// GroupID is the MessageGroupId; a FIFO queue needs it. DedupID is the
	// MessageDeduplicationId, for FIFO queues alone; empty: by content, where the queue
	// has ContentBasedDeduplication.
	GroupID, DedupID string
	Trace            string // AWSTraceHeader; may be empty
}

// outgoing is a message about to be stored.
type outgoing struct {
	uuid       string
	body       string
	md5        *string // of body, if somebody needed it
	size       int     // body and attributes, bytes
	attributes *string // encoded
	sender     string
	trace      *string
	group      *string
	dedup      *string // of a FIFO queue; never nil there
	sequence   int64   // of a FIFO queue, once it is stored
	delay      time.Duration
}

// digest sets md5.
func (m *outgoing) digest() {
	sum := md5Hex(m.body)
	m.md5 = &sum
}

// EnqueueTx stores a message in the same transaction as whatever caused it, and wakes
// the queue's receivers when that commits. A queue that does not exist is the
// *wire.Error QueueDoesNotExist; a message that the queue does not take is the error
// that SendMessage would have answered.
func (s *Service) EnqueueTx(tx *db.Tx, queueARN string, m Outbound) error {
	q := s.byARN(queueARN)
	if q == nil {
		return errNoQueue()
	}
	cfg := q.cfg.Load()
	out := &outgoing{sender: m.Sender, delay: cfg.delay, trace: traceHeader(m.Trace)}
	if err := out.fill(&m.Body, m.Attributes); err != nil {
		return err
	}
	if err := out.fits(cfg); err != nil {
		return err
	}
	if err := out.order(q, cfg, optional(m.GroupID), optional(m.DedupID)); err != nil {
		return err
	}
	return s.insert(tx, q, []*outgoing{out}, nil)
}

func (s *Service) sendMessage(ctx context.Context, r *wire.Request, in *sqs.SendMessageInput) (*sqs.SendMessageOutput, error) {
	q, err := s.byURL(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	m := &submission{
		body: in.MessageBody, attributes: in.MessageAttributes, system: in.MessageSystemAttributes,
		dedup: in.MessageDeduplicationId, group: in.MessageGroupId, trace: r.Trace,
	}
	if r.Present("DelaySeconds") {
		m.delay = &in.DelaySeconds
	}
	out, err := m.outgoing(q, q.cfg.Load(), r.Principal)
	if err != nil {
		return nil, err
	}
	out.digest()
	if err := s.db.Update(ctx, func(tx *db.Tx) error { return s.insert(tx, q, []*outgoing{out}, nil) }); err != nil {
		return nil, err
	}
	return &sqs.SendMessageOutput{
		MessageId: &out.uuid, MD5OfMessageBody: out.md5, SequenceNumber: out.sequenceNumber(),
		MD5OfMessageAttributes:       md5OfAttributes(in.MessageAttributes),
		MD5OfMessageSystemAttributes: md5OfAttributes(systemAsMessage(in.MessageSystemAttributes)),
	}, nil
}

func (s *Service) sendMessageBatch(ctx context.Context, r *wire.Request, in *sqs.SendMessageBatchInput) (*sqs.SendMessageBatchOutput, error) {
	q, err := s.byURL(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := checkBatch("SendMessageBatch", len(in.Entries), func(i int) *string { return in.Entries[i].Id }); err != nil {
		return nil, err
	}
	cfg := q.cfg.Load()
	reply := &sqs.SendMessageBatchOutput{}
	var out []*outgoing
	var total int
	for i := range in.Entries {
		e := &in.Entries[i]
		m := &submission{
			body: e.MessageBody, attributes: e.MessageAttributes, system: e.MessageSystemAttributes,
			dedup: e.MessageDeduplicationId, group: e.MessageGroupId, trace: r.Trace,
		}
		if r.Present(entryMember(i, "DelaySeconds")) {
			m.delay = &e.DelaySeconds
		}
		total += m.size()
		o, err := m.outgoing(q, cfg, r.Principal)
		if errors.Is(err, errTooLong) {
			err = invalid("One or more parameters cannot be validated. Reason: Message must be shorter than %d bytes.", cfg.maxSize)
		}
		if errors.Is(err, errUnordered) {
			return nil, invalid("%s", message(err)) // AWS refuses the batch as a whole, too
		}
		if err != nil {
			reply.Failed = append(reply.Failed, failedEntry(e.Id, err))
			continue
		}
		out = append(out, o)
		o.digest()
		reply.Successful = append(reply.Successful, types.SendMessageBatchResultEntry{
			Id: e.Id, MessageId: &o.uuid, MD5OfMessageBody: o.md5,
			MD5OfMessageAttributes:       md5OfAttributes(e.MessageAttributes),
			MD5OfMessageSystemAttributes: md5OfAttributes(systemAsMessage(e.MessageSystemAttributes)),
		})
	}
	if total > maxBatchSize {
		return nil, batch("BatchRequestTooLong", "Batch requests cannot be longer than %d bytes. You have sent %d bytes.", maxBatchSize, total)
	}
	if len(out) > 0 {
		together := pack(q, out)
		if err := s.db.Update(ctx, func(tx *db.Tx) error { return s.insert(tx, q, out, together) }); err != nil {
			return nil, err
		}
		for i, o := range out {
			reply.Successful[i].SequenceNumber = o.sequenceNumber()
		}
	}
	return reply, nil
}

// insert stores up to maxEntries messages and wakes receivers once they are durable.
// together is their pack, where they have one.
func (s *Service) insert(tx *db.Tx, q *queue, out []*outgoing, together []byte) error {
	if q.deleted.Load() {
		return errNoQueue()
	}
	if q.fifo {
		return s.insertFIFO(tx, q, out)
	}
	if together != nil {
		return insertPack(tx, q, int64(len(out)), together)
	}
	spool := q.spool.Load()
	now := time.Now().UnixMilli()
	args := make([]any, 0, 7*len(out))
	for _, m := range out {
		args = append(args, m.uuid, m.body, m.attributes, m.sender, m.trace, m.group, m.md5)
	}
	res, err := tx.Exec(s.sql.insertBodies[len(out)], args...)
	if err != nil {
		return err
	}
	// One statement by one writer: the ids are consecutive.
	id, err := res.LastInsertId()
	if err != nil {
		return err
	}
	id -= int64(len(out)) - 1
	args = args[:0]
	visible, first := 0, int64(0)
	for i, m := range out {
		at, delayed := now, 0
		if m.delay > 0 {
			at, delayed = now+m.delay.Milliseconds(), 1
			if first == 0 || at < first {
				first = at
			}
		} else {
			visible++
		}
		args = append(args, spool, id+int64(i), at, now, delayed, q.tenant(deref(m.group), m.group != nil))
	}
	if _, err := tx.Exec(s.sql.insertMessages[len(out)], args...); err != nil {
		return err
	}
	if err := addTotal(tx, spool, len(out)); err != nil {
		return err
	}
	tx.OnCommit(func() {
		q.traffic.in.add(now, len(out))
		if visible > 0 {
			q.gate.wake(visible)
		}
		if first > 0 {
			q.gate.notice(time.UnixMilli(first))
		}
	})
	return nil
}

// insertPack is insert of n messages as one.
func insertPack(tx *db.Tx, q *queue, n int64, data []byte) error {
	spool, now := q.spool.Load(), time.Now().UnixMilli()
	// The ids are from the sequence that those of single messages are from.
	var last int64
	if err := tx.QueryRow("UPDATE sqlite_sequence SET seq = seq + ? WHERE name = 'sqs_bodies' RETURNING seq", n).Scan(&last); err != nil {
		return err
	}
	first := last - n + 1
	if _, err := tx.Exec("INSERT INTO sqs_packs (id, data) VALUES (?, ?)", first, data); err != nil {
		return err
	}
	if _, err := tx.Exec("INSERT INTO sqs_messages (spool, id, visible_at, sent_at, delayed, n, pack) VALUES (?, ?, ?, ?, 0, ?, ?)", spool, first, now, now, n, first); err != nil {
		return err
	}
	if err := addTotal(tx, spool, int(n)); err != nil {
		return err
	}
	tx.OnCommit(func() {
		q.traffic.in.add(now, int(n))
		q.gate.wake(int(n))
	})
	return nil
}
