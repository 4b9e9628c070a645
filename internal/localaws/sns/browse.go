package sns

import (
	"context"
	"fmt"
)

// TopicLine is a topic in a list of topics.
type TopicLine struct {
	ARN, DisplayName       string
	Subscriptions, Pending int // all of them, and those to be confirmed; counted up to MaxSubscriptions
	Owed                   int // see TopicView
}

// MaxSubscriptions is how many subscriptions of a topic Page counts at most.
const MaxSubscriptions = 1000

// Page returns topics whose names contain a text, by ARN: those after one of them, at
// most limit, and whether there are more.
func (s *Service) Page(ctx context.Context, contains, after string, limit int) (page []TopicLine, more bool, err error) {
	arns, err := s.someARNs(ctx, contains, after, limit+1)
	if err != nil {
		return nil, false, err
	}
	if len(arns) > limit {
		arns, more = arns[:limit], true
	}
	owed, err := s.owed(ctx)
	if err != nil {
		return nil, false, err
	}
	for _, arn := range arns {
		t, err := findTopic(s.db.Read(), arn)
		if isNotFound(err) {
			continue // deleted a moment ago
		}
		if err != nil {
			return nil, false, err
		}
		l := TopicLine{ARN: arn, DisplayName: t.attrs["DisplayName"], Owed: owed[arn]}
		err = s.db.Read().QueryRowContext(ctx, `SELECT count(*), coalesce(sum(confirmed = 0), 0) FROM (SELECT confirmed FROM sns_subscriptions WHERE topic = ? LIMIT ?)`,
			arn, MaxSubscriptions).Scan(&l.Subscriptions, &l.Pending)
		if err != nil {
			return nil, false, fmt.Errorf("count subscriptions: %w", err)
		}
		page = append(page, l)
	}
	return page, more, nil
}

// someARNs lists topics. A name is the ARN's last field.
func (s *Service) someARNs(ctx context.Context, contains, after string, limit int) (arns []string, err error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT arn FROM sns_topics WHERE arn > ?1 AND (?2 = '' OR instr(lower(substr(arn, ?3)), lower(?2)) > 0) ORDER BY arn LIMIT ?4`,
		after, contains, len(s.TopicARN(""))+1, limit)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var arn string
		if err := rows.Scan(&arn); err != nil {
			return nil, fmt.Errorf("list topics: %w", err)
		}
		arns = append(arns, arn)
	}
	return arns, rows.Err()
}

// CountTopics returns how many topics there are.
func (s *Service) CountTopics(ctx context.Context) (n int, err error) {
	err = s.db.Read().QueryRowContext(ctx, `SELECT count(*) FROM sns_topics`).Scan(&n)
	return n, err
}

// TopicsOf returns the topics that an endpoint is subscribed to, at most limit: one
// seek for each topic.
func (s *Service) TopicsOf(ctx context.Context, protocol, endpoint string, limit int) (arns []string, err error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT t.arn FROM sns_topics t CROSS JOIN sns_subscriptions s
		ON s.topic = t.arn AND s.protocol = ? AND s.endpoint = ? ORDER BY t.arn LIMIT ?`, protocol, endpoint, limit)
	if err != nil {
		return nil, fmt.Errorf("list topics of %s: %w", endpoint, err)
	}
	defer rows.Close()
	for rows.Next() {
		var arn string
		if err := rows.Scan(&arn); err != nil {
			return nil, fmt.Errorf("list topics of %s: %w", endpoint, err)
		}
		arns = append(arns, arn)
	}
	return arns, rows.Err()
}
