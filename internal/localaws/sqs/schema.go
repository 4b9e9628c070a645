package sqs

import "github.com/tintype/tintype/internal/localaws/db"

// Schema is the tables. Times of messages are Unix
// milliseconds, those of queues Unix seconds, as SQS reports them.
//
// sqs_messages is narrow, so that receiving (which rewrites a row) costs the same for
// a body of 1 MiB as for none, and ordered by spool and id, which is by age: ids
// only grow, and a message keeps its id when it moves to another queue. The index is
// what a receive seeks in: due messages of a spool, longest due first.
//
// total counts a spool's messages, so that nothing ever scans to count them: what is
// in flight or delayed is counted by index ranges beyond now, the rest is the
// difference.
var Schema = db.Schema{Name: "sqs", Steps: []string{baseTables}}

const baseTables = `
CREATE TABLE IF NOT EXISTS sqs_meta (
	name  TEXT PRIMARY KEY,
	value BLOB NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS sqs_spools (
	id    INTEGER PRIMARY KEY AUTOINCREMENT,
	total INTEGER NOT NULL DEFAULT 0,
	dead  INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE IF NOT EXISTS sqs_queues (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	name       TEXT NOT NULL UNIQUE,
	spool      INTEGER NOT NULL REFERENCES sqs_spools(id),
	created    INTEGER NOT NULL,
	modified   INTEGER NOT NULL,
	attributes TEXT NOT NULL,
	tags       TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS sqs_messages (
	spool      INTEGER NOT NULL,
	id         INTEGER NOT NULL,
	visible_at INTEGER NOT NULL,
	sent_at    INTEGER NOT NULL,
	delayed    INTEGER NOT NULL,
	receives   INTEGER NOT NULL DEFAULT 0,
	first_at   INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (spool, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS sqs_messages_visible ON sqs_messages (spool, visible_at, id);
CREATE INDEX IF NOT EXISTS sqs_messages_delayed ON sqs_messages (spool, visible_at) WHERE delayed = 1;

CREATE TABLE IF NOT EXISTS sqs_bodies (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	uuid       TEXT NOT NULL,
	body       TEXT NOT NULL,
	attributes TEXT,
	sender     TEXT NOT NULL,
	trace      TEXT,
	grp        TEXT,
	source     TEXT,
	received   INTEGER NOT NULL DEFAULT 0
) STRICT;
`
