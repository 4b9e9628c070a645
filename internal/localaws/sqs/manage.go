package sqs

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tintype/tintype/internal/localaws/db"
	"github.com/tintype/tintype/internal/localaws/wire"
)

func (s *Service) createQueue(ctx context.Context, r *wire.Request, in *sqs.CreateQueueInput) (*sqs.CreateQueueOutput, error) {
	if in.QueueName == nil {
		return nil, missing("QueueName")
	}
	name := *in.QueueName
	if err := checkQueueName(name, in.Attributes["FifoQueue"]); err != nil {
		return nil, err
	}
	set, err := checkAttributes(in.Attributes, isFIFO(name))
	if err != nil {
		return nil, err
	}
	if len(in.Tags) > maxTags {
		return nil, invalid("Too many tags added for queue %s.", name)
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	now := time.Now().Unix()
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		old, err := stored(tx, name)
		if err == nil {
			return agrees(old, set)
		}
		if !isNoQueue(err) {
			return err
		}
		if err := s.checkDeleted(tx, name); err != nil {
			return err
		}
		row := &queueRow{name: name, created: now, modified: now, attributes: map[string]string{}, tags: maps.Clone(in.Tags)}
		if row.tags == nil {
			row.tags = map[string]string{}
		}
		if err := s.apply(tx, row, set); err != nil {
			return err
		}
		if isFIFO(name) {
			row.scope = attributeOr(row.attributes, "DeduplicationScope")
		}
		return s.insertQueue(tx, row)
	})
	if err != nil {
		return nil, err
	}
	url := s.url(r.BaseURL, name)
	return &sqs.CreateQueueOutput{QueueUrl: &url}, nil
}

// checkQueueName refuses names that are none, and those whose ending does not say what
// kind of queue is asked for.
func checkQueueName(name, fifoQueue string) error {
	base, suffixed := strings.CutSuffix(name, fifoSuffix)
	asked := strings.EqualFold(fifoQueue, "true")
	switch {
	case asked && !(suffixed && isName(base, 80-len(fifoSuffix))):
		return invalid("The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.")
	case !asked && !isName(name, 80):
		return invalid("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	return nil
}

func (s *Service) insertQueue(tx *db.Tx, row *queueRow) error {
	attributes, err := json.Marshal(row.attributes)
	if err != nil {
		return err
	}
	tags, err := json.Marshal(row.tags)
	if err != nil {
		return err
	}
	if row.spool, err = newSpool(tx); err != nil {
		return err
	}
	res, err := tx.Exec("INSERT INTO sqs_queues (name, spool, created, modified, attributes, tags, scope) VALUES (?, ?, ?, ?, ?, ?, ?)",
		row.name, row.spool, row.created, row.modified, string(attributes), string(tags), row.scope)
	if err != nil {
		return err
	}
	if row.id, err = res.LastInsertId(); err != nil {
		return err
	}
	q, err := s.newQueue(row)
	if err != nil {
		return err
	}
	tx.OnCommit(func() {
		s.mu.Lock()
		s.queues[row.name] = q
		s.mu.Unlock()
		s.log.Info("queue created", "queue", row.name)
	})
	return nil
}

// agrees tells whether creating an existing queue again changes nothing.
func agrees(old *queueRow, in map[string]string) error {
	for name, v := range in {
		if !sameAttribute(attributeOr(old.attributes, name), v) {
			return &wire.Error{Code: "QueueNameExists", QueryCode: "QueueAlreadyExists",
				Message: "A queue already exists with the same name and a different value for attribute " + name}
		}
	}
	return nil
}

// apply merges attributes into a queue's row; an empty document takes its attribute
// away. A dead-letter queue must exist and let this queue use it.
func (s *Service) apply(tx *db.Tx, row *queueRow, in map[string]string) error {
	for name, v := range in {
		if v == "" {
			delete(row.attributes, name)
			continue
		}
		row.attributes[name] = v
		if name == "RedrivePolicy" {
			if err := s.checkTarget(tx, s.arn(row.name), v); err != nil {
				return err
			}
		}
	}
	return settle(row.attributes, in)
}

func (s *Service) checkTarget(tx *db.Tx, source, policy string) error {
	p, err := parseRedrive(policy)
	if err != nil {
		return err
	}
	name, ok := strings.CutPrefix(p.target, s.arn(""))
	if !ok {
		return badParameter("RedrivePolicy", policy, "Dead letter target does not exist.")
	}
	target, err := stored(tx, name)
	if isNoQueue(err) {
		return badParameter("RedrivePolicy", policy, "Dead letter target does not exist.")
	}
	if err != nil {
		return err
	}
	if isFIFO(name) != isFIFO(source) {
		return badParameter("RedrivePolicy", policy, "Dead-letter queue must be same type of queue as the source.")
	}
	allow, err := parseAllow(target.attributes["RedriveAllowPolicy"])
	if err != nil {
		return err
	}
	if !allow.allows(source) {
		return badParameter("RedrivePolicy", policy, "The dead letter target's RedriveAllowPolicy does not allow this queue.")
	}
	return nil
}

func isNoQueue(err error) bool {
	var e *wire.Error
	return errors.As(err, &e) && e.Code == "QueueDoesNotExist"
}

func (s *Service) getQueueURL(_ context.Context, r *wire.Request, in *sqs.GetQueueUrlInput) (*sqs.GetQueueUrlOutput, error) {
	if in.QueueName == nil || *in.QueueName == "" {
		return nil, missing("QueueName")
	}
	owner := deref(in.QueueOwnerAWSAccountId)
	if s.byName(*in.QueueName) == nil || owner != "" && owner != s.opts.Account {
		return nil, errNoQueue()
	}
	url := s.url(r.BaseURL, *in.QueueName)
	return &sqs.GetQueueUrlOutput{QueueUrl: &url}, nil
}

func (s *Service) listQueues(_ context.Context, r *wire.Request, in *sqs.ListQueuesInput) (*sqs.ListQueuesOutput, error) {
	names := s.names(func(q *queue) bool { return strings.HasPrefix(q.name, deref(in.QueueNamePrefix)) })
	page, next, err := paginate(names, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &sqs.ListQueuesOutput{NextToken: next}
	for _, n := range page {
		out.QueueUrls = append(out.QueueUrls, s.url(r.BaseURL, n))
	}
	return out, nil
}

func (s *Service) listDeadLetterSourceQueues(_ context.Context, r *wire.Request, in *sqs.ListDeadLetterSourceQueuesInput) (*sqs.ListDeadLetterSourceQueuesOutput, error) {
	dlq, err := s.byURL(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	names := s.names(func(q *queue) bool {
		p := q.cfg.Load().redrive
		return p != nil && p.target == dlq.arn
	})
	page, next, err := paginate(names, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &sqs.ListDeadLetterSourceQueuesOutput{NextToken: next, QueueUrls: []string{}}
	for _, n := range page {
		out.QueueUrls = append(out.QueueUrls, s.url(r.BaseURL, n))
	}
	return out, nil
}

// names returns the sorted names of the queues that match.
func (s *Service) names(match func(*queue) bool) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var names []string
	for name, q := range s.queues {
		if match(q) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// paginate cuts a sorted list. A token is the last name of the page before it; pages
// have tokens only where the caller asked for pages, as in SQS.
func paginate(names []string, limit *int32, token *string) (page []string, next *string, err error) {
	const most = 1000
	n := most
	if limit != nil {
		if *limit < 1 || *limit > most {
			return nil, nil, badParameter("MaxResults", *limit, "Must be between 1 and 1000.")
		}
		n = int(*limit)
	}
	if t := deref(token); t != "" {
		after, err := base64.URLEncoding.DecodeString(t)
		if err != nil {
			return nil, nil, badParameter("NextToken", t, "It is not a token that this endpoint gave.")
		}
		i, found := slices.BinarySearch(names, string(after))
		if found {
			i++
		}
		names = names[i:]
	}
	if len(names) <= n {
		return names, nil, nil
	}
	if limit != nil {
		t := base64.URLEncoding.EncodeToString([]byte(names[n-1]))
		next = &t
	}
	return names[:n], next, nil
}

func (s *Service) setQueueAttributes(ctx context.Context, _ *wire.Request, in *sqs.SetQueueAttributesInput) (*sqs.SetQueueAttributesOutput, error) {
	q, err := s.byURL(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if len(in.Attributes) == 0 {
		return nil, missing("Attribute.Name")
	}
	set, err := checkAttributes(in.Attributes, q.fifo)
	if err != nil {
		return nil, err
	}
	return nil, s.edit(ctx, q, func(tx *db.Tx, row *queueRow) error { return s.apply(tx, row, set) })
}

// edit changes a queue's stored row.
func (s *Service) edit(ctx context.Context, q *queue, change func(*db.Tx, *queueRow) error) error {
	now := time.Now().Unix()
	return s.db.Update(ctx, func(tx *db.Tx) error {
		row, err := stored(tx, q.name)
		if err != nil {
			return err
		}
		row.modified = now
		if err := change(tx, row); err != nil {
			return err
		}
		return s.save(tx, row)
	})
}

func (s *Service) getQueueAttributes(ctx context.Context, _ *wire.Request, in *sqs.GetQueueAttributesInput) (*sqs.GetQueueAttributesOutput, error) {
	q, err := s.byURL(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, n := range in.AttributeNames {
		name := string(n)
		a, known := attributes(name)
		switch {
		case known && a.fifo && !q.fifo:
			return nil, unknownAttribute(name)
		case name == "All":
			for _, a := range slices.Concat(settable(q.fifo), computed()) {
				names[a] = true
			}
		case known || slices.Contains(computed(), name):
			names[name] = true
		default:
			return nil, unknownAttribute(name)
		}
	}
	out := &sqs.GetQueueAttributesOutput{}
	if len(names) == 0 {
		return out, nil
	}
	have, err := s.computedAttributes(ctx, q)
	if err != nil {
		return nil, err
	}
	raw := q.cfg.Load().raw
	for name := range names {
		v, ok := have[name]
		if !ok {
			v = attributeOr(raw, name)
		}
		if v == "" {
			continue
		}
		if out.Attributes == nil {
			out.Attributes = map[string]string{} // absent where nothing of what was asked for is set
		}
		out.Attributes[name] = v
	}
	return out, nil
}

func (s *Service) computedAttributes(ctx context.Context, q *queue) (map[string]string, error) {
	if err := s.expire(ctx, q); err != nil {
		return nil, err
	}
	c, err := s.count(ctx, q)
	if err != nil {
		return nil, err
	}
	return map[string]string{
		"ApproximateNumberOfMessages":           fmt.Sprint(c.visible),
		"ApproximateNumberOfMessagesDelayed":    fmt.Sprint(c.delayed),
		"ApproximateNumberOfMessagesNotVisible": fmt.Sprint(c.inFlight),
		"CreatedTimestamp":                      fmt.Sprint(q.created),
		"LastModifiedTimestamp":                 fmt.Sprint(q.cfg.Load().modified),
		"QueueArn":                              q.arn,
	}, nil
}

func (s *Service) deleteQueue(ctx context.Context, _ *wire.Request, in *sqs.DeleteQueueInput) (*sqs.DeleteQueueOutput, error) {
	q, err := s.byURL(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return nil, s.db.Update(ctx, func(tx *db.Tx) error {
		row, err := stored(tx, q.name)
		if err != nil {
			return err
		}
		if _, err := tx.Exec("DELETE FROM sqs_queues WHERE id = ?", row.id); err != nil {
			return err
		}
		if err := s.bury(tx, row.spool); err != nil {
			return err
		}
		if _, err := tx.Exec("DELETE FROM sqs_moves WHERE source = ?", q.arn); err != nil {
			return err
		}
		if _, err := tx.Exec("INSERT INTO sqs_deleted (name, at) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET at = excluded.at", q.name, time.Now().UnixMilli()); err != nil {
			return err
		}
		tx.OnCommit(func() {
			s.mu.Lock()
			delete(s.queues, q.name)
			s.mu.Unlock()
			q.deleted.Store(true)
			q.gate.wake(1 << 30) // all: they find the queue gone
			s.log.Info("queue deleted", "queue", q.name)
		})
		return nil
	})
}

// settleTime is how long AWS takes to purge a queue, and to forget a deleted one.
const settleTime = 60 * time.Second

// checkDeleted refuses to make a queue again right after it was deleted, where the
// options ask for that.
func (s *Service) checkDeleted(tx *db.Tx, name string) error {
	if !s.opts.DeletedRecently {
		return nil
	}
	var at int64
	err := tx.QueryRow("SELECT at FROM sqs_deleted WHERE name = ?", name).Scan(&at)
	if errors.Is(err, sql.ErrNoRows) || err == nil && time.Now().UnixMilli()-at >= settleTime.Milliseconds() {
		return nil
	}
	if err != nil {
		return err
	}
	return &wire.Error{Code: "QueueDeletedRecently", QueryCode: legacy + "QueueDeletedRecently",
		Message: "You must wait 60 seconds after deleting a queue before you can create another with the same name."}
}

func (s *Service) purgeQueue(ctx context.Context, _ *wire.Request, in *sqs.PurgeQueueInput) (*sqs.PurgeQueueOutput, error) {
	q, err := s.byURL(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return nil, s.db.Update(ctx, func(tx *db.Tx) error {
		row, err := stored(tx, q.name)
		if err != nil {
			return err
		}
		now := time.Now().UnixMilli()
		if now-row.purged < settleTime.Milliseconds() {
			return &wire.Error{Code: "PurgeQueueInProgress", QueryCode: legacy + "PurgeQueueInProgress", Status: 403,
				Message: "Only one PurgeQueue operation on " + q.name + " is allowed every 60 seconds."}
		}
		spool, err := newSpool(tx)
		if err != nil {
			return err
		}
		if _, err := tx.Exec("UPDATE sqs_queues SET spool = ?, purged = ? WHERE id = ?", spool, now, row.id); err != nil {
			return err
		}
		if err := s.bury(tx, row.spool); err != nil {
			return err
		}
		tx.OnCommit(func() {
			q.spool.Store(spool)
			q.inFlight.Store(0)
			s.log.Info("queue purged", "queue", q.name)
		})
		return nil
	})
}

// isName tells whether v is 1 to limit letters, digits, hyphens and underscores.
func isName(v string, limit int) bool {
	if v == "" || len(v) > limit {
		return false
	}
	for i := range len(v) {
		switch c := v[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}
