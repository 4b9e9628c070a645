package sqs

import (
	"database/sql"
	"errors"

	"github.com/tintype/tintype/internal/localaws/db"
)

const (
	messageColumns = `SELECT m.id, m.n, m.pack, m.sent_at, m.first_at, m.visible_at, m.receives, m.tenant, p.data, b.received, b.uuid, b.body, b.sender, b.attributes, b.trace, b.grp, b.source, b.md5
	FROM sqs_messages m `
	contents       = ` LEFT JOIN sqs_packs p ON p.id = m.pack LEFT JOIN sqs_bodies b ON b.id = m.id AND m.pack = 0 WHERE (p.id IS NOT NULL OR b.id IS NOT NULL) `
	selectMessages = messageColumns + contents
	selectDue      = messageColumns + "INDEXED BY sqs_messages_visible" + contents + "AND m.spool = ? AND m.visible_at <= ? ORDER BY m.visible_at, m.id LIMIT ?"
)

// due finds up to n messages that are due and gives them rows that stand for no others.
func due(tx *db.Tx, spool, now int64, n int) ([]received, error) {
	return messages(tx, spool, n, selectDue, spool, now, n)
}

// messages finds up to n messages of a spool by a query of messageColumns and gives them
// rows that stand for no others.
func messages(tx *db.Tx, spool int64, n int, query string, args ...any) ([]received, error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := make([]received, 0, n)
	var last row // as it is stored
	for len(found) < n && rows.Next() {
		var m received
		var data sql.RawBytes
		var earlier sql.NullInt64
		var uuid, body, sender sql.NullString
		if err := rows.Scan(&last.id, &last.n, &last.pack, &m.sentAt, &m.firstAt, &m.visibleAt, &m.receives, &m.tenant, &data,
			&earlier, &uuid, &body, &sender, &m.attributes, &m.trace, &m.group, &m.source, &m.md5); err != nil {
			return nil, err
		}
		m.row = last.id
		if last.pack == 0 {
			m.id, m.earlier, m.uuid, m.body, m.sender = last.id, earlier.Int64, uuid.String, body.String, sender.String
			found = append(found, m)
			continue
		}
		// The messages share one string, which lives as long as any of them.
		members, err := unpackSome(string(data), last.id-last.pack, min(last.n, int64(n-len(found))))
		if err != nil {
			return nil, err
		}
		for i := range members {
			m.fill(&members[i])
			m.id = last.id + int64(i)
			found = append(found, m)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || len(found) == 0 {
		return nil, err
	}
	if end := found[len(found)-1].id + 1; end < last.end() {
		return found, carve(tx, spool, last, last.id, end)
	}
	return found, nil
}

// fill takes over what a pack says of a message.
func (m *received) fill(p *packed) {
	m.uuid, m.body, m.sender = p.uuid, p.body, p.sender
	m.attributes, m.trace, m.group, m.md5 = nullable(p.attributes), nullable(p.trace), sql.NullString{}, nullable(&p.md5)
}

func nullable(v *string) sql.NullString { return sql.NullString{String: deref(v), Valid: v != nil} }
