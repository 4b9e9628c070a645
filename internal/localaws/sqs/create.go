package sqs

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
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
	case asked && (!suffixed || !isName(base, 80-len(fifoSuffix))):
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
