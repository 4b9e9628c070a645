package sqs

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tintype/tintype/internal/localaws/db"
	"github.com/tintype/tintype/internal/localaws/wire"
)

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
