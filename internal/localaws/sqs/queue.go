package sqs

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// maxInFlight is how many messages of a standard queue may be received and not yet
// deleted:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
const maxInFlight = 120_000

// queue is what is kept in memory of a queue. Its fields follow the store by commit
// hooks; within a commit only the store is up to date.
type queue struct {
	id      int64 // never used again, unlike the name
	name    string
	arn     string
	created int64
	fifo    bool // a FIFO queue
	// dedupByGroup: DeduplicationScope was messageGroup when the queue was made. On AWS,
	// too, changing the attribute later changes nothing.
	dedupByGroup bool
	spool        atomic.Int64
	cfg          atomic.Pointer[settings]
	deleted      atomic.Bool
	gate         *gate
	// inFlight is at least the number of messages in flight: ends of visibility are
	// not deducted until it reaches the limit and is counted anew.
	inFlight atomic.Int64
	traffic  traffic // for the console
	attempts attempts
	tenants  atomic.Bool // of a standard queue: messages with groups were met
	cursor   int64       // the tenant that was looked at last; the writer's alone
	ended    ended       // the writer's alone
}

// settings are a queue's attributes as the operations use them. They are not changed
// once made.
type settings struct {
	raw        map[string]string // as set; absent means the default
	tags       map[string]string
	modified   int64
	delay      time.Duration
	visibility time.Duration
	wait       time.Duration
	retention  time.Duration
	maxSize    int
	byContent  bool // ContentBasedDeduplication
	policy     string
	redrive    *redrivePolicy
}

// redrivePolicy is the RedrivePolicy attribute.
type redrivePolicy struct {
	target      string // ARN of the dead-letter queue
	maxReceives int64
}

func (s *Service) newQueue(r *queueRow) (*queue, error) {
	cfg, err := s.settings(r)
	if err != nil {
		return nil, err
	}
	q := &queue{
		id: r.id, name: r.name, arn: s.arn(r.name), created: r.created, gate: newGate(),
		fifo: isFIFO(r.name), dedupByGroup: r.scope == scopeGroup,
	}
	q.spool.Store(r.spool)
	q.cfg.Store(cfg)
	return q, nil
}

// settings interprets what is stored.
func (s *Service) settings(r *queueRow) (*settings, error) {
	get := func(name string) int64 {
		v, _ := parseNumber(attributeOr(r.attributes, name))
		return v
	}
	seconds := func(name string) time.Duration { return time.Duration(get(name)) * time.Second }
	c := &settings{
		raw: r.attributes, tags: r.tags, modified: r.modified,
		delay: seconds("DelaySeconds"), visibility: seconds("VisibilityTimeout"),
		wait: seconds("ReceiveMessageWaitTimeSeconds"), retention: seconds("MessageRetentionPeriod"),
		maxSize: int(get("MaximumMessageSize")), policy: r.attributes["Policy"],
		byContent: r.attributes["ContentBasedDeduplication"] == "true",
	}
	if v := r.attributes["RedrivePolicy"]; v != "" {
		p, err := parseRedrive(v)
		if err != nil {
			return nil, err
		}
		c.redrive = p
	}
	return c, nil
}

// parseRedrive reads a RedrivePolicy. maxReceiveCount is a number or a string of one.
func parseRedrive(v string) (*redrivePolicy, error) {
	var p struct {
		Target string `json:"deadLetterTargetArn"`
		Max    any    `json:"maxReceiveCount"`
	}
	if err := json.Unmarshal([]byte(v), &p); err != nil {
		return nil, badParameter("RedrivePolicy", v, "Redrive policy is not a valid JSON map.")
	}
	if p.Target == "" {
		return nil, badParameter("RedrivePolicy", v, "Redrive policy does not contain mandatory attribute: deadLetterTargetArn.")
	}
	if p.Max == nil {
		return nil, badParameter("RedrivePolicy", v, "Redrive policy does not contain mandatory attribute: maxReceiveCount.")
	}
	var n int64
	switch m := p.Max.(type) {
	case float64:
		if n = int64(m); float64(n) != m {
			n = 0
		}
	case string:
		n, _ = parseNumber(m)
	}
	if n < 1 || n > 1000 {
		return nil, badParameter("RedrivePolicy", v, fmt.Sprintf("Invalid value for maxReceiveCount: %v, valid values are from 1 to 1000 both inclusive.", p.Max))
	}
	return &redrivePolicy{target: p.Target, maxReceives: n}, nil
}

// plainRedrive is a RedrivePolicy whose maxReceiveCount is a number, as AWS shows it
// also where it was set as a string.
func plainRedrive(v string) string {
	var p map[string]any
	if json.Unmarshal([]byte(v), &p) != nil {
		return v
	}
	s, ok := p["maxReceiveCount"].(string)
	if !ok {
		return v
	}
	n, ok := parseNumber(s)
	if !ok {
		return v
	}
	p["maxReceiveCount"] = n
	b, err := json.Marshal(p)
	if err != nil {
		return v
	}
	return string(b)
}

// isFIFO tells a FIFO queue by its name: only those may, and must, end so.
func isFIFO(name string) bool { return strings.HasSuffix(name, fifoSuffix) }
