package sns

import (
	"context"
	"time"
)

// TopicView is a topic as the console shows it.
type TopicView struct {
	ARN           string
	DisplayName   string
	Policy        string // JSON, set or default
	Subscriptions []SubscriptionView
	Owed          int // deliveries by mail and HTTP not made yet
}

// SubscriptionView is a subscription as the console shows it. It has no token: whoever
// looks at the console is not whoever reads the mail.
type SubscriptionView struct {
	ARN          string
	Protocol     string
	Endpoint     string
	Confirmed    bool
	Raw          bool
	FilterPolicy string
	DeadLetters  string // RedrivePolicy; may be empty
	Created      time.Time
	Failing      bool // the last delivery could not be made; the log says why
}

// Overview returns all topics with their subscriptions.
func (s *Service) Overview(ctx context.Context) ([]TopicView, error) {
	var arns []string
	owed := map[string]int{}
	rows, err := s.db.Read().QueryContext(ctx, `SELECT arn, (SELECT count(*) FROM sns_outbox WHERE topic = sns_topics.arn) FROM sns_topics ORDER BY arn`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var arn string
		var n int
		if err := rows.Scan(&arn, &n); err != nil {
			return nil, err
		}
		arns = append(arns, arn)
		owed[arn] = n
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	var list []TopicView
	for _, arn := range arns {
		t, err := findTopic(s.db.Read(), arn)
		if isNotFound(err) {
			continue // deleted a moment ago
		}
		if err != nil {
			return nil, err
		}
		v := TopicView{ARN: arn, DisplayName: t.attrs["DisplayName"], Policy: t.policy(s.opts.Account), Owed: owed[arn]}
		subs, err := findSubscriptions(s.db.Read(), byTopic, arn, "", -1)
		if err != nil {
			return nil, err
		}
		for _, sub := range subs {
			s.mu.Lock()
			failing := s.warned[sub.arn]
			s.mu.Unlock()
			v.Subscriptions = append(v.Subscriptions, SubscriptionView{
				ARN: sub.arn, Protocol: sub.protocol, Endpoint: sub.endpoint, Confirmed: sub.confirmed, Raw: sub.raw(),
				FilterPolicy: sub.attrs["FilterPolicy"], DeadLetters: sub.attrs["RedrivePolicy"], Created: time.UnixMilli(sub.created).UTC(), Failing: failing,
			})
		}
		list = append(list, v)
	}
	return list, nil
}
