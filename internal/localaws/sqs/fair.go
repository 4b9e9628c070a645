package sqs

import (
	"cmp"
	"database/sql"
	"errors"
	"hash/fnv"
	"slices"
	"time"

	"github.com/tintype/tintype/internal/localaws/db"
)

// Fair queues: a message's group in a standard queue is its tenant. While a tenant has
// much in flight, what is due of the others goes before its backlog:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html
//
// A tenant is noisy with at least noisyFrom messages in flight that are more than one in
// noisyShare of the queue's. AWS's other measure, the share of processing time, is not
// taken. Queues without groups pay nothing for all this.

// The tenant of a message is a number made of its group, or one of these. Groups whose
// numbers are the same, which is next to never, share their fortune.
const (
	noTenant  = 0 // there were no groups yet
	ungrouped = 1 // among messages with groups: a tenant by itself, so never a noisy one
)

const (
	noisyFrom  = 30
	noisyShare = 10
	// tenantsSeen bounds the tenants that one receive looks for: the writer has others to
	// serve. The next receive goes on behind them.
	tenantsSeen = 64
)

const (
	countTenant = `SELECT count(*) FROM (SELECT 1 FROM sqs_messages INDEXED BY sqs_messages_tenant
	WHERE spool = ? AND tenant = ? AND tenant <> 0 AND visible_at > ? AND delayed = 0 LIMIT ?)`

	selectTenant = `SELECT tenant, visible_at FROM sqs_messages INDEXED BY sqs_messages_tenant
	WHERE spool = ? AND tenant > ? AND tenant <> 0 ORDER BY tenant, visible_at LIMIT 1`

	selectDueOf = `SELECT visible_at, id FROM sqs_messages INDEXED BY sqs_messages_tenant
	WHERE spool = ? AND tenant = ? AND tenant <> 0 AND visible_at <= ? ORDER BY visible_at LIMIT ?`

	selectOne = selectMessages + "AND m.spool = ? AND m.id = ?"
)

// tenant is whose a message with this group is.
func (q *queue) tenant(group string, has bool) int64 {
	if !has {
		if q.tenants.Load() {
			return ungrouped
		}
		return noTenant
	}
	q.tenants.Store(true)
	h := fnv.New64a()
	_, _ = h.Write([]byte(group)) // a hash does not fail
	return max(int64(h.Sum64()>>1), ungrouped+1)
}

// fair puts messages of quiet tenants in the place of found, the oldest that are due,
// where those are noisy tenants'.
func (s *Service) fair(tx *db.Tx, q *queue, spool, now int64, found []received) ([]received, error) {
	if q.inFlight.Load() < noisyFrom || !slices.ContainsFunc(found, func(m received) bool { return m.tenant > ungrouped }) {
		return found, nil
	}
	total, err := s.inFlightNow(tx, q, spool, now)
	if err != nil {
		return nil, err
	}
	verdicts := map[int64]bool{noTenant: false, ungrouped: false}
	noisy := func(tenant int64) (bool, error) {
		verdict, known := verdicts[tenant]
		if known {
			return verdict, nil
		}
		q.tenants.Store(true)
		var n int64
		limit := max(noisyFrom, total/noisyShare+1)
		err := tx.QueryRow(countTenant, spool, tenant, now, limit).Scan(&n)
		verdicts[tenant] = n == limit
		return n == limit, err
	}
	var loud bool
	for i := range found {
		n, err := noisy(found[i].tenant)
		if err != nil {
			return nil, err
		}
		loud = loud || n
	}
	if !loud {
		return found, nil
	}
	quiet, err := s.quiet(tx, q, spool, now, len(found), noisy)
	if err != nil {
		return nil, err
	}
	want := len(found)
	for i, m := range found {
		if len(quiet) == want {
			// What is left out may share its row with what is not.
			if i > 0 && found[i-1].row == m.row {
				return quiet, part(tx, spool, m.id)
			}
			break
		}
		if !slices.ContainsFunc(quiet, func(other received) bool { return other.id == m.id }) {
			quiet = append(quiet, m)
		}
	}
	return quiet, nil
}

// ended is how much of a queue's inFlight was in flight no more when it was counted.
type ended struct{ n, at int64 }

// inFlightNow is how many messages are in flight, of which inFlight is only a bound.
// Visibility that ended within the last second may not be known yet.
func (s *Service) inFlightNow(tx *db.Tx, q *queue, spool, now int64) (int64, error) {
	if now-q.ended.at >= time.Second.Milliseconds() {
		n, err := countInFlight(tx, spool, now)
		if err != nil {
			return 0, err
		}
		q.ended = ended{n: q.inFlight.Load() - n, at: now}
	}
	return q.inFlight.Load() - q.ended.n, nil
}

// quiet returns up to want messages of tenants that are not noisy, longest due first as
// far as it sees.
func (s *Service) quiet(tx *db.Tx, q *queue, spool, now int64, want int, noisy func(int64) (bool, error)) ([]received, error) {
	var places []place
	began, wrapped := q.cursor, false
	for range tenantsSeen {
		var tenant, due int64
		err := tx.QueryRow(selectTenant, spool, q.cursor).Scan(&tenant, &due)
		if errors.Is(err, sql.ErrNoRows) {
			if wrapped {
				break
			}
			q.cursor, wrapped = noTenant, true
			continue
		}
		if err != nil {
			return nil, err
		}
		if wrapped && tenant > began {
			break // all have been seen
		}
		q.cursor = tenant
		if due > now {
			continue
		}
		if n, err := noisy(tenant); err != nil {
			return nil, err
		} else if n {
			continue
		}
		some, err := dueOf(tx, spool, tenant, now, want)
		if err != nil {
			return nil, err
		}
		places = append(places, some...)
	}
	slices.SortFunc(places, func(a, b place) int { return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.id, b.id)) })
	var out []received
	for _, p := range places[:min(want, len(places))] {
		some, err := messages(tx, spool, 1, selectOne, spool, p.id)
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
	}
	return out, nil
}

// place is where a message stands among those that are due.
type place struct{ due, id int64 }

// dueOf is what is due of a tenant.
func dueOf(tx *db.Tx, spool, tenant, now int64, n int) ([]place, error) {
	rows, err := tx.Query(selectDueOf, spool, tenant, now, n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []place
	for rows.Next() {
		var p place
		if err := rows.Scan(&p.due, &p.id); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, rows.Err()
}
