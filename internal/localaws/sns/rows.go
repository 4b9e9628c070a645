package sns

import (
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/tintype/tintype/internal/localaws/db"
)

// pageSize is how many entries a list operation answers at most, as on AWS.
const pageSize = 100

// topic is a row of sns_topics.
type topic struct {
	arn        string
	attrs      map[string]string
	deleted    int64
	protection string // set when it is created; see protection.go
}

// subscription is a row of sns_subscriptions.
type subscription struct {
	arn, topic         string
	protocol, endpoint string
	attrs              map[string]string
	principal          string
	confirmed          bool
	token              string
	expires            int64
	authenticated      bool
	guarded            bool
	created            int64
}

func (sub *subscription) raw() bool { return sub.attrs["RawMessageDelivery"] == "true" }

// findTopic returns the topic, or the NotFound error.
func findTopic(q querier, arn string) (*topic, error) {
	rows, err := q.Query(`SELECT arn, attributes, deleted FROM sns_topics WHERE arn = ?`, arn)
	if err != nil {
		return nil, fmt.Errorf("read topic %s: %w", arn, err)
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return nil, fmt.Errorf("read topic %s: %w", arn, err)
		}
		return nil, notFound("Topic")
	}
	t := &topic{}
	var attrs string
	if err := rows.Scan(&t.arn, &attrs, &t.deleted); err != nil {
		return nil, fmt.Errorf("read topic %s: %w", arn, err)
	}
	return t, json.Unmarshal([]byte(attrs), &t.attrs)
}

const subscriptionColumns = `SELECT arn, topic, protocol, endpoint, attributes, principal, confirmed, token, expires, authenticated, guarded, created FROM sns_subscriptions `

// Queries of subscriptions. Each is a fixed text: the store keeps them prepared.
const (
	byARN       = subscriptionColumns + `WHERE arn = ?`
	byEndpoint  = subscriptionColumns + `WHERE topic = ? AND protocol = ? AND endpoint = ?`
	byToken     = subscriptionColumns + `WHERE token = ? AND token <> ''`
	byTopic     = subscriptionColumns + `WHERE topic = ? AND arn > ? ORDER BY arn LIMIT ?`
	all         = subscriptionColumns + `WHERE arn > ? ORDER BY arn LIMIT ?`
	toDeliverTo = subscriptionColumns + `WHERE topic = ? AND confirmed = 1 ORDER BY arn`
)

func findSubscriptions(q querier, query string, args ...any) ([]*subscription, error) {
	rows, err := q.Query(query, args...)
	if err != nil {
		return nil, fmt.Errorf("read subscriptions: %w", err)
	}
	defer rows.Close()
	var list []*subscription
	for rows.Next() {
		s := &subscription{}
		var attrs string
		err := rows.Scan(&s.arn, &s.topic, &s.protocol, &s.endpoint, &attrs, &s.principal, &s.confirmed, &s.token, &s.expires, &s.authenticated, &s.guarded, &s.created)
		if err == nil {
			err = json.Unmarshal([]byte(attrs), &s.attrs)
		}
		if err != nil {
			return nil, fmt.Errorf("read subscriptions: %w", err)
		}
		list = append(list, s)
	}
	return list, rows.Err()
}

// findSubscription returns the first match, or the NotFound error.
func findSubscription(q querier, query string, args ...any) (*subscription, error) {
	list, err := findSubscriptions(q, query, args...)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, notFound("Subscription")
	}
	return list[0], nil
}

func saveTopic(tx *db.Tx, t *topic) error {
	_, err := tx.Exec(`INSERT INTO sns_topics (arn, attributes, protection) VALUES (?, ?, ?)
		ON CONFLICT (arn) DO UPDATE SET attributes = excluded.attributes`, t.arn, toJSON(t.attrs), t.protection)
	return err
}

func saveSubscription(tx *db.Tx, s *subscription) error {
	_, err := tx.Exec(`INSERT INTO sns_subscriptions
			(arn, topic, protocol, endpoint, attributes, principal, confirmed, token, expires, authenticated, guarded, created)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (arn) DO UPDATE SET attributes = excluded.attributes, confirmed = excluded.confirmed, token = excluded.token,
			expires = excluded.expires, authenticated = excluded.authenticated, guarded = excluded.guarded`,
		s.arn, s.topic, s.protocol, s.endpoint, toJSON(s.attrs), s.principal, s.confirmed, s.token, s.expires, s.authenticated, s.guarded, s.created)
	return err
}

// toJSON writes a map of strings, which cannot fail; nil is an empty object.
func toJSON(m map[string]string) string {
	if len(m) == 0 {
		return "{}"
	}
	b, _ := json.Marshal(m)
	return string(b)
}

// A page token is the last key of the page before.

func pageToken(last string) *string {
	t := base64.StdEncoding.EncodeToString([]byte(last))
	return &t
}

func afterToken(token *string) (string, error) {
	if token == nil || *token == "" {
		return "", nil
	}
	b, err := base64.StdEncoding.DecodeString(*token)
	if err != nil {
		return "", invalid("NextToken")
	}
	return string(b), nil
}
