package sns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/tintype/tintype/internal/localaws/db"
	"github.com/tintype/tintype/internal/localaws/mail"
)

// The outbox has two lanes, so that an HTTP subscriber that does not answer never
// holds up a mail.
const (
	laneMail = "mail"
	laneHTTP = "http"
)

// How often a mail is tried: 50 times in about 7 hours, the pause doubling from the
// first to the longest. How often HTTP is, the delivery policy says.
const (
	maxAttempts  = 50
	firstPause   = time.Second
	longestPause = 10 * time.Minute
	pruneEvery   = time.Hour
)

// delivery is a row of sns_outbox.
type delivery struct {
	id           int64
	lane         string
	subscription string
	topic        string
	endpoint     string
	kind         string // the message's Type
	messageID    string
	sender       string
	subject      string
	body         string
	unsubscribe  string
	raw          bool
	attempts     int
	attributes   map[string]sqstypes.MessageAttributeValue // for a dead-letter queue

	contentType string // of HTTP; not stored
}

// lane works off one kind of delivery with its own slots.
type lane struct {
	name    string
	slots   int
	deliver deliverFunc
	wake    chan struct{} // holds one token when there is something new
	client  *http.Client  // whose idle connections end with the lane; may be nil
}

// A deliverFunc makes one delivery. What it returns as done is run in the transaction
// that forgets the delivery; may be nil. An error of type *permanentError ends the
// delivery, any other means that it is tried again.
type deliverFunc func(ctx context.Context, d *delivery) (done func(*db.Tx) error, err error)

type permanentError struct{ failure }

func (e *permanentError) Error() string { return e.why }

// post owes a delivery: it is made after the transaction has committed.
func (s *Service) post(tx *db.Tx, d *delivery) error {
	attributes := ""
	if len(d.attributes) > 0 {
		b, err := json.Marshal(d.attributes)
		if err != nil {
			return fmt.Errorf("outbox: %w", err)
		}
		attributes = string(b)
	}
	_, err := tx.Exec(`INSERT INTO sns_outbox (lane, subscription, topic, endpoint, type, message_id, sender, subject, body, unsubscribe, raw, next, attributes)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		d.lane, d.subscription, d.topic, d.endpoint, d.kind, d.messageID, d.sender, d.subject, d.body, d.unsubscribe, d.raw, s.now().UnixMilli(), attributes)
	if err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	for _, l := range s.lanes {
		if l.name == d.lane {
			tx.OnCommit(func() {
				select {
				case l.wake <- struct{}{}:
				default:
				}
			})
		}
	}
	return nil
}

// Start begins to make the deliveries that are owed, including those of earlier runs.
// Starting twice does nothing.
func (s *Service) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	s.stop, s.done = cancel, done
	ended := make(chan struct{})
	for _, l := range s.lanes {
		go func() { s.run(ctx, l); ended <- struct{}{} }()
	}
	go func() { s.prune(ctx); ended <- struct{}{} }()
	go func() {
		for range len(s.lanes) + 1 {
			<-ended
		}
		close(done)
	}()
}

// Stop ends deliveries and waits for those under way, which are cut short and made
// again after the next Start. Stopping twice, or before Start, does nothing.
func (s *Service) Stop() {
	s.mu.Lock()
	done := s.done
	if done != nil {
		s.stop()
	}
	s.mu.Unlock()
	if done == nil {
		return
	}
	<-done
	s.mu.Lock()
	if s.done == done {
		s.done = nil
	}
	s.mu.Unlock()
}

// run keeps a lane's slots busy while something is due.
func (s *Service) run(ctx context.Context, l *lane) {
	busy := map[int64]bool{}
	ended := make(chan int64)
	for ctx.Err() == nil {
		// One moment for both questions: what falls due between them must not be missed.
		now := s.now().UnixMilli()
		list, err := s.due(ctx, l, now, len(busy))
		if err != nil && ctx.Err() == nil {
			s.log.Error("sns: cannot read the outbox", "err", err)
		}
		for _, d := range list {
			if !busy[d.id] && len(busy) < l.slots {
				busy[d.id] = true
				go func() { s.attempt(ctx, l, d); ended <- d.id }()
			}
		}
		timer := time.NewTimer(s.pauseUntilDue(ctx, l, now, len(busy)))
		select {
		case <-ctx.Done():
		case <-l.wake:
		case <-timer.C:
		case id := <-ended:
			delete(busy, id)
		}
		timer.Stop()
	}
	for range busy {
		<-ended
	}
	if l.client != nil {
		l.client.CloseIdleConnections()
	}
}

// due reads what is due, enough to find a free slot's worth behind what is under way.
func (s *Service) due(ctx context.Context, l *lane, now int64, busy int) ([]*delivery, error) {
	if busy >= l.slots {
		return nil, nil
	}
	rows, err := s.db.Read().QueryContext(ctx, `SELECT id, lane, subscription, topic, endpoint, type, message_id, sender, subject, body, unsubscribe, raw, attempts, attributes
		FROM sns_outbox WHERE lane = ? AND next <= ? ORDER BY next, id LIMIT ?`, l.name, now, l.slots)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []*delivery
	for rows.Next() {
		d := &delivery{}
		var attributes string
		err := rows.Scan(&d.id, &d.lane, &d.subscription, &d.topic, &d.endpoint, &d.kind, &d.messageID, &d.sender, &d.subject, &d.body, &d.unsubscribe, &d.raw, &d.attempts, &attributes)
		if err == nil && attributes != "" {
			err = json.Unmarshal([]byte(attributes), &d.attributes)
		}
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, rows.Err()
}

// pauseUntilDue is how long nothing will fall due that is not due now. What is due now
// is under way, waits for a slot, or was added a moment ago and has left a token in wake.
func (s *Service) pauseUntilDue(ctx context.Context, l *lane, now int64, busy int) time.Duration {
	const idle = time.Hour
	if busy >= l.slots {
		return idle
	}
	var next *int64
	err := s.db.Read().QueryRowContext(ctx, `SELECT min(next) FROM sns_outbox WHERE lane = ? AND next > ?`, l.name, now).Scan(&next)
	switch {
	case err != nil:
		return time.Second
	case next == nil:
		return idle
	}
	return time.Duration(*next-now) * time.Millisecond
}

// attempt makes one delivery and records what became of it.
func (s *Service) attempt(ctx context.Context, l *lane, d *delivery) {
	policy, err := s.deliveryPolicy(d)
	var done func(*db.Tx) error
	if err == nil {
		now := s.now()
		if at := s.throttles.admit(d, policy.Throttle, now); at.After(now) {
			s.postpone(ctx, d, at)
			return
		}
		d.contentType = *policy.Request.HeaderContentType
		done, err = l.deliver(ctx, d)
	}
	if ctx.Err() != nil && err != nil {
		return // cut short by Stop: still owed
	}
	record := context.WithoutCancel(ctx)
	if err == nil {
		err = s.db.Update(record, func(tx *db.Tx) error {
			if done != nil {
				if err := done(tx); err != nil {
					return err
				}
			}
			return forget(tx, d)
		})
		if err == nil {
			s.recovered(d.subscription)
			s.log.Info("notification delivered", "type", d.kind, "message", d.messageID, "subscription", d.subscription, "endpoint", d.endpoint)
			return
		}
	}
	var final *permanentError
	pause, more := retryAfter(d, policy)
	if !errors.As(err, &final) && !more {
		final = &permanentError{failure{"RetriesExhausted", fmt.Sprintf("given up after %d attempts, the last: %v", d.attempts+1, err)}}
	}
	recordErr := s.db.Update(record, func(tx *db.Tx) error {
		if final != nil {
			return s.giveUp(tx, d, &final.failure)
		}
		s.log.Warn("delivery failed, will be tried again", "message", d.messageID, "subscription", d.subscription, "endpoint", d.endpoint, "attempts", d.attempts+1, "in", pause, "err", err)
		_, err := tx.Exec(`UPDATE sns_outbox SET attempts = attempts + 1, next = ? WHERE id = ?`, s.now().Add(pause).UnixMilli(), d.id)
		return err
	})
	if recordErr != nil {
		s.log.Error("sns: cannot record a delivery", "message", d.messageID, "subscription", d.subscription, "err", recordErr)
	}
}

// postpone lets a delivery wait without counting an attempt.
func (s *Service) postpone(ctx context.Context, d *delivery, until time.Time) {
	err := s.db.Update(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`UPDATE sns_outbox SET next = ? WHERE id = ?`, until.UnixMilli(), d.id)
		return err
	})
	if err != nil && ctx.Err() == nil {
		s.log.Error("sns: cannot postpone a delivery", "message", d.messageID, "subscription", d.subscription, "err", err)
	}
}

func forget(tx *db.Tx, d *delivery) error {
	_, err := tx.Exec(`DELETE FROM sns_outbox WHERE id = ?`, d.id)
	return err
}

// giveUp ends a delivery that failed for good.
func (s *Service) giveUp(tx *db.Tx, d *delivery, why *failure) error {
	if err := forget(tx, d); err != nil {
		return err
	}
	sub, err := findSubscription(tx, byARN, d.subscription)
	if isNotFound(err) {
		return nil // unsubscribed meanwhile: nobody misses it
	}
	if err != nil {
		return err
	}
	if d.kind != typeNotification {
		s.log.Warn("a confirmation request could not be delivered; subscribe again for a new one", "subscription", d.subscription, "endpoint", d.endpoint, "why", why.why)
		return nil
	}
	return s.undeliverable(tx, sub, QueueMessage{Body: d.body, Attributes: d.attributes}, why)
}

// deliverMail hands a mail to the inbox, in the transaction that forgets the delivery:
// it is there exactly once.
func (s *Service) deliverMail(_ context.Context, d *delivery) (func(*db.Tx) error, error) {
	draft, err := s.opts.Mail.Compose(mail.Message{FromName: d.sender, To: d.endpoint, Subject: d.subject, Text: d.body, Unsubscribe: d.unsubscribe})
	if err != nil {
		return nil, &permanentError{failure{"InvalidMail", err.Error()}}
	}
	return func(tx *db.Tx) error { _, err := s.opts.Mail.AddTx(tx, draft); return err }, nil
}

// prune removes what has had its time: subscriptions that nobody confirmed, links that
// nobody followed, deduplication ids.
func (s *Service) prune(ctx context.Context) {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		err := s.db.Update(ctx, func(tx *db.Tx) error {
			now := s.now().UnixMilli()
			if _, err := tx.Exec(`DELETE FROM sns_subscriptions WHERE confirmed = 0 AND expires < ?`, now); err != nil {
				return err
			}
			_, err := tx.Exec(`DELETE FROM sns_ended WHERE expires < ?`, now)
			return err
		})
		if err != nil && ctx.Err() == nil {
			s.log.Error("sns: cannot remove lapsed subscriptions", "err", err)
		}
		s.throttles.forget(s.now())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
