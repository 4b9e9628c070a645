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
var Schema = db.Schema{Name: "sqs", Steps: []string{baseTables, fifoTables, digestColumn, tenantColumn, packTables}}

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

// What FIFO queues and message move tasks need.
//
// sqs_groups has a row for each message group that has messages. head is its oldest
// message and due is when that becomes visible, which is when the group may be received
// from at all: whatever lies behind a message in flight is never looked at. A message
// of a FIFO queue has its group's number in gid, others 0, so that the index of groups
// costs standard queues nothing.
//
// sqs_dedup remembers for five minutes what was sent. Its scope is the group, or empty
// where the whole queue is; sqs_queues.scope says which, as the queue was made.
const fifoTables = `
ALTER TABLE sqs_messages ADD COLUMN gid INTEGER NOT NULL DEFAULT 0;
CREATE INDEX sqs_messages_group ON sqs_messages (spool, gid, id) WHERE gid > 0;
ALTER TABLE sqs_bodies ADD COLUMN dedup TEXT;
ALTER TABLE sqs_queues ADD COLUMN scope TEXT NOT NULL DEFAULT '';
ALTER TABLE sqs_queues ADD COLUMN purged INTEGER NOT NULL DEFAULT 0;

CREATE TABLE sqs_groups (
	id    INTEGER PRIMARY KEY,
	spool INTEGER NOT NULL,
	name  TEXT NOT NULL,
	head  INTEGER NOT NULL,
	due   INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX sqs_groups_name ON sqs_groups (spool, name);
CREATE INDEX sqs_groups_due ON sqs_groups (spool, due, head);

CREATE TABLE sqs_dedup (
	spool   INTEGER NOT NULL,
	scope   TEXT NOT NULL,
	dedup   TEXT NOT NULL,
	sent_at INTEGER NOT NULL,
	message INTEGER NOT NULL,
	uuid    TEXT NOT NULL,
	PRIMARY KEY (spool, scope, dedup)
) STRICT, WITHOUT ROWID;
CREATE INDEX sqs_dedup_age ON sqs_dedup (sent_at);

CREATE TABLE sqs_deleted (
	name TEXT PRIMARY KEY,
	at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sqs_moves (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	uuid        TEXT NOT NULL UNIQUE,
	source      TEXT NOT NULL,
	destination TEXT,
	rate        INTEGER,
	status      TEXT NOT NULL,
	failure     TEXT,
	started     INTEGER NOT NULL,
	to_move     INTEGER NOT NULL,
	moved       INTEGER NOT NULL DEFAULT 0,
	cursor      INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX sqs_moves_source ON sqs_moves (source, id);
CREATE INDEX sqs_moves_active ON sqs_moves (status) WHERE status IN ('RUNNING', 'CANCELLING');
`

// digestColumn keeps the MD5 of a body, in hexadecimal, from sending to receiving;
// NULL is calculated then. Hashing twice was a tenth of the processor time of a
// message of 3 KB.
const digestColumn = `ALTER TABLE sqs_bodies ADD COLUMN md5 TEXT;`

// tenantColumn is whose a message of a standard queue is, for fair queues; 0 without
// groups, which the index does not cost anything.
const tenantColumn = `
ALTER TABLE sqs_messages ADD COLUMN tenant INTEGER NOT NULL DEFAULT 0;
CREATE INDEX sqs_messages_tenant ON sqs_messages (spool, tenant, visible_at, delayed) WHERE tenant <> 0;
`

// packTables lets messages that were sent together be stored together: a row of
// sqs_messages with a pack stands for n messages, id to id+n-1, which have everything
// in the row in common; what is each one's own is in the pack, whose id is that of its
// first message. Several rows may refer to one pack once its messages have gone
// different ways; all of them are in one spool. See pack.go.
//
// Messages of packs take their numbers from the sequence of sqs_bodies, which has to
// exist for that.
const packTables = `
ALTER TABLE sqs_messages ADD COLUMN n INTEGER NOT NULL DEFAULT 1;
ALTER TABLE sqs_messages ADD COLUMN pack INTEGER NOT NULL DEFAULT 0;
DROP INDEX sqs_messages_visible;
CREATE INDEX sqs_messages_visible ON sqs_messages (spool, visible_at, id, n);

CREATE TABLE sqs_packs (
	id   INTEGER PRIMARY KEY,
	data BLOB NOT NULL
) STRICT;

INSERT INTO sqlite_sequence (name, seq) SELECT 'sqs_bodies', 0
	WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'sqs_bodies');
`
