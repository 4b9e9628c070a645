package sns

import "github.com/tintype/tintype/internal/localaws/db"

// Schema is the package's part of the store. Times are unix milliseconds.
var Schema = db.Schema{Name: "sns", Steps: []string{baseTables, fifoTables}}

const baseTables = `
CREATE TABLE IF NOT EXISTS sns_topics (
	arn TEXT PRIMARY KEY,
	attributes TEXT NOT NULL,               -- JSON object of what was set
	deleted INTEGER NOT NULL DEFAULT 0      -- subscriptions deleted so far
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sns_tags (
	arn TEXT NOT NULL,
	key TEXT NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY (arn, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sns_subscriptions (
	arn TEXT PRIMARY KEY,
	topic TEXT NOT NULL,
	protocol TEXT NOT NULL,
	endpoint TEXT NOT NULL,
	attributes TEXT NOT NULL,               -- JSON object of what was set
	principal TEXT NOT NULL,                -- who subscribed
	confirmed INTEGER NOT NULL,
	token TEXT NOT NULL,                    -- of the confirmation; '' where none is needed
	expires INTEGER NOT NULL,               -- of the token
	authenticated INTEGER NOT NULL,         -- confirmed by a signed call
	guarded INTEGER NOT NULL DEFAULT 0,     -- unsubscribing takes a signed call
	created INTEGER NOT NULL,
	UNIQUE (topic, protocol, endpoint)
) STRICT;
CREATE TABLE IF NOT EXISTS sns_outbox (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	lane TEXT NOT NULL,                     -- 'mail' or 'http'
	subscription TEXT NOT NULL,
	topic TEXT NOT NULL,
	endpoint TEXT NOT NULL,
	type TEXT NOT NULL,                     -- 'Notification', 'SubscriptionConfirmation'
	message_id TEXT NOT NULL,
	sender TEXT NOT NULL,                   -- display name, of mails
	subject TEXT NOT NULL,                  -- of mails
	body TEXT NOT NULL,
	unsubscribe TEXT NOT NULL,              -- link, of mails
	raw INTEGER NOT NULL,                   -- raw message delivery, of HTTP
	attempts INTEGER NOT NULL DEFAULT 0,
	next INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS sns_outbox_due ON sns_outbox (lane, next);
CREATE TABLE IF NOT EXISTS sns_key (
	id INTEGER PRIMARY KEY CHECK (id = 1),
	key BLOB NOT NULL,                      -- PKCS #8
	certificate BLOB NOT NULL               -- DER
) STRICT;
`

// fifoTables is what FIFO topics, stored data-protection policies and links that take
// an unsubscribing back need.
const fifoTables = `
ALTER TABLE sns_topics ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0; -- of the last message, FIFO topics
ALTER TABLE sns_topics ADD COLUMN protection TEXT NOT NULL DEFAULT ''; -- data protection policy, JSON
ALTER TABLE sns_outbox ADD COLUMN attributes TEXT NOT NULL DEFAULT ''; -- for a dead-letter queue, JSON
CREATE TABLE sns_seen (
	topic TEXT NOT NULL,
	key TEXT NOT NULL,                      -- deduplication id, in its scope
	message_id TEXT NOT NULL,
	sequence INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	PRIMARY KEY (topic, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX sns_seen_expires ON sns_seen (expires);
CREATE TABLE sns_ended (
	token TEXT PRIMARY KEY,                 -- of the link that takes the end back
	subscription TEXT NOT NULL,             -- JSON, see ended
	topic TEXT NOT NULL,
	expires INTEGER NOT NULL                -- of the token
) STRICT, WITHOUT ROWID;
CREATE INDEX sns_ended_topic ON sns_ended (topic);
CREATE INDEX sns_ended_expires ON sns_ended (expires);
CREATE INDEX sns_subscriptions_token ON sns_subscriptions (token) WHERE token <> '';
`
