package sns

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/tintype/tintype/internal/localaws/db"
)

// dedupTime is how long a FIFO topic remembers a deduplication id (Amazon SNS Developer
// Guide, "Message deduplication for FIFO topics").
const dedupTime = 5 * time.Minute

// Values of FifoThroughputScope: within what a deduplication id is one message's. Topic
// is the default.
const (
	scopeTopic = "Topic"
	scopeGroup = "MessageGroup"
)

// checkFIFO says what is wrong with a message's group and deduplication ids for a topic
// of the kind that its name tells. What depends on the topic's attributes, dedupID says.
func checkFIFO(topicARN string, n *notification) error {
	switch {
	case isFIFO(topicARN) && n.groupID == "":
		return invalid("The MessageGroupId parameter is required for FIFO topics")
	case !isFIFO(topicARN) && n.dedupID != "":
		return invalid("MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type")
	}
	return nil
}

// dedup is the deduplication id of a message to a FIFO topic: the publisher's, or the
// hash of the message.
func (t *topic) dedup(n *notification) (string, error) {
	if n.dedupID != "" {
		return n.dedupID, nil
	}
	if t.attrs["ContentBasedDeduplication"] != "true" {
		return "", invalid("The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
	}
	sum := sha256.Sum256([]byte(n.message))
	return hex.EncodeToString(sum[:]), nil
}

// receipt is what a publisher is told.
type receipt struct {
	id       string
	sequence string // of FIFO topics
}

// accept gives a message its place in a FIFO topic. A message of the last five minutes
// with the same deduplication id is the same message: its receipt is returned again,
// and again is true.
func (s *Service) accept(tx *db.Tx, t *topic, n *notification) (r receipt, again bool, err error) {
	dedup, err := t.dedup(n)
	if err != nil {
		return r, false, err
	}
	key := dedup
	if t.attrs["FifoThroughputScope"] == scopeGroup {
		key += " " + n.groupID // neither has spaces
	}
	now := s.now()
	var sequence int64
	err = tx.QueryRow(`SELECT message_id, sequence FROM sns_seen WHERE topic = ? AND key = ? AND expires > ?`, t.arn, key, now.UnixMilli()).Scan(&r.id, &sequence)
	if err == nil {
		r.sequence = sequenceNumber(sequence)
		return r, true, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return r, false, fmt.Errorf("look for duplicates in %s: %w", t.arn, err)
	}
	if err := tx.QueryRow(`UPDATE sns_topics SET sequence = sequence + 1 WHERE arn = ? RETURNING sequence`, t.arn).Scan(&sequence); err != nil {
		return r, false, fmt.Errorf("number a message of %s: %w", t.arn, err)
	}
	if sequence%100 == 0 { // so that what is remembered does not grow with the traffic of a day
		if _, err := tx.Exec(`DELETE FROM sns_seen WHERE expires < ?`, now.UnixMilli()); err != nil {
			return r, false, fmt.Errorf("forget old messages: %w", err)
		}
	}
	_, err = tx.Exec(`INSERT INTO sns_seen (topic, key, message_id, sequence, expires) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET message_id = excluded.message_id, sequence = excluded.sequence, expires = excluded.expires`,
		t.arn, key, n.id, sequence, now.Add(dedupTime).UnixMilli())
	if err != nil {
		return r, false, fmt.Errorf("remember a message of %s: %w", t.arn, err)
	}
	n.dedupID, n.sequence = dedup, sequenceNumber(sequence)
	return receipt{n.id, n.sequence}, false, nil
}

// sequenceNumber is a number as AWS writes it: twenty digits, so that text order is its order.
func sequenceNumber(n int64) string { return fmt.Sprintf("1%019d", n) }
