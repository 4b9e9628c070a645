package s3

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tintype/tintype/internal/localaws/db"
)

// Events are made twice. Beforehand, outside of the store's writer, so that what is
// slow about them (the signature that SNS puts on every envelope) happens beside other
// requests; and again in the transaction, which is cheap, because only there it is
// certain what the event says. Where the two agree, what was prepared is sent. Where
// they do not, because the configuration changed or the key was written meanwhile, the
// event is sent as the transaction sees it.

// destinations are a bucket's notification configuration, parsed.
type destinations struct {
	doc  string
	list []Destination
}

// destinationsOf parses a stored configuration, or remembers having parsed it: what it
// keeps is what the bucket's last event was made from, and tells prepare whether there
// will be one.
func (s *Service) destinationsOf(b bucket) ([]Destination, error) {
	known, ok := s.told.Load(b.name)
	if b.notification == "" {
		if ok {
			s.told.Delete(b.name)
		}
		return nil, nil
	}
	if ok {
		if ds := known.(*destinations); ds.doc == b.notification {
			return ds.list, nil
		}
	}
	list, err := decodeDestinations(b.notification)
	if err != nil {
		return nil, err
	}
	s.told.Store(strings.Clone(b.name), &destinations{b.notification, list})
	return list, nil
}

// prepared are the events of one change, made before its transaction.
type prepared struct {
	sequence int64 // 0: none was taken
	events   []preparedEvent
	release  func()
}

type preparedEvent struct {
	target, body string
	send         func(*db.Tx) error
}

// prepare makes the events that the change will probably have. The caller releases
// them when the change is made, or is not.
func (s *Service) prepare(ctx context.Context, bucketName string, c change) *prepared {
	p := &prepared{release: func() {}}
	known, ok := s.told.Load(bucketName)
	if !ok || s.opts.Notifier == nil {
		return p
	}
	for _, d := range known.(*destinations).list {
		if !d.wants("s3:"+c.event, c.key) {
			continue
		}
		if p.sequence == 0 {
			p.sequence, p.release = s.sequences.reserve(bucketName, c.key, c.when)
		}
		body, err := s.eventBody(requestOf(ctx), bucketName, d, c, p.sequence)
		if err != nil {
			continue // the transaction meets it again and reports it
		}
		p.events = append(p.events, preparedEvent{d.Target, body, s.opts.Notifier.Prepare(d.Target, bucketARN(bucketName), subject, body)})
	}
	return p
}

// sender is what sends this very event, if it was prepared.
func (p *prepared) sender(target, body string) func(*db.Tx) error {
	if p != nil {
		for _, e := range p.events {
			if e.target == target && e.body == body {
				return e.send
			}
		}
	}
	return nil
}

// ahead is how far the store's mark is put ahead of the numbers given out, so that it
// is written about once a minute and not with every event.
const ahead = int64(time.Minute)

// sequences gives events their sequencers: of two events about one key the later
// committed has the greater (Amazon S3 User Guide, "Event message structure"). Numbers
// follow the clock in nanoseconds, so that they also exceed those of a store that was
// lost, and never stand still.
type sequences struct {
	mu      sync.Mutex
	last    int64
	mark    int64 // in the store: a later run begins above it
	pending map[place]*pendingKey
}

type place struct{ bucket, key string }

// pendingKey is a key that events are being prepared about.
type pendingKey struct {
	events    int
	committed int64 // the greatest number that a transaction has used since
}

func (q *sequences) load(d *db.DB) error {
	q.pending = map[place]*pendingKey{}
	err := d.Read().QueryRow(`SELECT last FROM s3_sequence WHERE id = 1`).Scan(&q.mark)
	q.last = q.mark
	return err
}

func (q *sequences) next(now time.Time) int64 {
	q.last = max(q.last+1, now.UnixNano())
	return q.last
}

// reserve takes a number for an event that is yet to be committed. Until release is
// called, take knows whether another event about the key overtook it.
func (q *sequences) reserve(bucketName, key string, now time.Time) (n int64, release func()) {
	at := place{bucketName, key}
	q.mu.Lock()
	defer q.mu.Unlock()
	p := q.pending[at]
	if p == nil {
		// The request's strings are its buffer's, which the next request overwrites; the
		// entry may outlive the one that made it.
		at = place{strings.Clone(bucketName), strings.Clone(key)}
		p = &pendingKey{}
		q.pending[at] = p
	}
	p.events++
	return q.next(now), func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if p.events--; p.events == 0 {
			delete(q.pending, at)
		}
	}
}

// take is the number of an event in its transaction: the reserved one, unless another
// event about the key has a greater, or none was reserved.
func (q *sequences) take(tx *db.Tx, bucketName, key string, now time.Time, reserved int64) (int64, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := reserved
	p := q.pending[place{bucketName, key}]
	if n == 0 || p != nil && p.committed >= n {
		n = q.next(now)
	}
	if p != nil {
		p.committed = n // if the transaction fails, that costs the next one a signature
	}
	if n <= q.mark {
		return n, nil
	}
	mark := n + ahead
	if _, err := tx.Exec(`UPDATE s3_sequence SET last = max(last, ?) WHERE id = 1`, mark); err != nil {
		return 0, fmt.Errorf("s3: sequence of events: %w", err)
	}
	tx.OnCommit(func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.mark = max(q.mark, mark)
	})
	return n, nil
}
