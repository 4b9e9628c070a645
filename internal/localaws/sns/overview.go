package sns

import (
	"context"
	"maps"
	"time"
)

// TopicView is a topic as the console shows it.
type TopicView struct {
	ARN           string
	DisplayName   string
	Policy        string            // JSON, set or default
	Attributes    map[string]string // what was set, without Policy
	Subscriptions []SubscriptionView
	More          bool // there are more subscriptions than were asked for
	Owed          int  // deliveries by mail and HTTP not made yet, counted up to MaxOwed in all
}

// MaxOwed is how many deliveries Overview counts at most: who looks must not make the
// store read a whole backlog.
const MaxOwed = 10_000

// SubscriptionView is a subscription as the console shows it. It has no token: whoever
// looks at the console is not whoever reads the mail.
type SubscriptionView struct {
	ARN               string
	Protocol          string
	Endpoint          string
	Confirmed         bool
	Raw               bool
	FilterPolicy      string
	FilterPolicyScope string // empty: MessageAttributes
	DeadLetters       string // RedrivePolicy; may be empty
	Created           time.Time
	Failing           bool // the last delivery could not be made; the log says why
}

// OverviewSubscriptions is how many subscriptions of a topic Overview returns.
const OverviewSubscriptions = 50

// Overview returns all topics, each with its first subscriptions.
func (s *Service) Overview(ctx context.Context) ([]TopicView, error) {
	arns, err := s.topicARNs(ctx)
	if err != nil {
		return nil, err
	}
	owed, err := s.owed(ctx)
	if err != nil {
		return nil, err
	}
	var list []TopicView
	for _, arn := range arns {
		v, err := s.View(ctx, arn, "", OverviewSubscriptions)
		if isNotFound(err) {
			continue // deleted a moment ago
		}
		if err != nil {
			return nil, err
		}
		v.Owed = owed[arn]
		list = append(list, v)
	}
	return list, nil
}

// View returns a topic and its subscriptions after the one of that ARN, at most limit.
// It does not count what is owed. A topic that does not exist is the *wire.Error
// NotFound.
func (s *Service) View(_ context.Context, arn, after string, limit int) (TopicView, error) {
	t, err := findTopic(s.db.Read(), arn)
	if err != nil {
		return TopicView{}, err
	}
	v := TopicView{ARN: arn, DisplayName: t.attrs["DisplayName"], Policy: t.policy(s.opts.Account), Attributes: maps.Clone(t.attrs)}
	delete(v.Attributes, "Policy")
	subs, err := findSubscriptions(s.db.Read(), byTopic, arn, after, limit+1)
	if err != nil {
		return v, err
	}
	if len(subs) > limit {
		subs, v.More = subs[:limit], true
	}
	for _, sub := range subs {
		s.mu.Lock()
		failing := s.warned[sub.arn]
		s.mu.Unlock()
		v.Subscriptions = append(v.Subscriptions, SubscriptionView{
			ARN: sub.arn, Protocol: sub.protocol, Endpoint: sub.endpoint, Confirmed: sub.confirmed, Raw: sub.raw(),
			FilterPolicy: sub.attrs["FilterPolicy"], FilterPolicyScope: sub.attrs["FilterPolicyScope"],
			DeadLetters: sub.attrs["RedrivePolicy"], Created: time.UnixMilli(sub.created).UTC(), Failing: failing,
		})
	}
	return v, nil
}

func (s *Service) topicARNs(ctx context.Context) (arns []string, err error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT arn FROM sns_topics ORDER BY arn`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var arn string
		if err := rows.Scan(&arn); err != nil {
			return nil, err
		}
		arns = append(arns, arn)
	}
	return arns, rows.Err()
}

// owed counts deliveries by topic.
func (s *Service) owed(ctx context.Context) (map[string]int, error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT topic, count(*) FROM (SELECT topic FROM sns_outbox ORDER BY id LIMIT ?) GROUP BY topic`, MaxOwed)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	owed := map[string]int{}
	for rows.Next() {
		var arn string
		var n int
		if err := rows.Scan(&arn, &n); err != nil {
			return nil, err
		}
		owed[arn] = n
	}
	return owed, rows.Err()
}
