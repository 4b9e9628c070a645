package s3

import "github.com/tintype/tintype/internal/localaws/db"

// Schema creates the service's tables; pass it to db.Open. Times are Unix
// milliseconds. Keys are blobs, so that SQLite compares them byte by byte: S3 lists
// keys in the order of their UTF-8 bytes.
//
// The bytes of an object or part are in s3_inline (column inline), in the blob file
// named by column blob, or, where both are NULL, none.
var Schema = db.Schema{Name: "s3", Steps: []string{baseTables}}

const baseTables = `
CREATE TABLE IF NOT EXISTS s3_buckets (
	id           INTEGER PRIMARY KEY AUTOINCREMENT,
	name         TEXT NOT NULL UNIQUE,
	created      INTEGER NOT NULL,
	ownership    TEXT,
	acl          BLOB NOT NULL,
	policy       BLOB,
	cors         BLOB,
	tags         TEXT,
	notification TEXT,
	objects      INTEGER NOT NULL DEFAULT 0,
	bytes        INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS s3_objects (
	bucket   INTEGER NOT NULL,
	key      BLOB NOT NULL,
	size     INTEGER NOT NULL,
	etag     TEXT NOT NULL,
	modified INTEGER NOT NULL,
	checksum TEXT NOT NULL,
	blob     TEXT,
	inline   INTEGER,
	meta     TEXT NOT NULL,
	tags     TEXT,
	parts    TEXT,
	PRIMARY KEY (bucket, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS s3_objects_blob ON s3_objects (blob) WHERE blob IS NOT NULL;
CREATE TABLE IF NOT EXISTS s3_inline (
	id   INTEGER PRIMARY KEY AUTOINCREMENT,
	data BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS s3_uploads (
	id        TEXT PRIMARY KEY,
	bucket    INTEGER NOT NULL,
	key       BLOB NOT NULL,
	initiated INTEGER NOT NULL,
	algorithm TEXT NOT NULL,
	kind      TEXT NOT NULL,
	meta      TEXT NOT NULL,
	tags      TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS s3_uploads_key ON s3_uploads (bucket, key, id);
CREATE TABLE IF NOT EXISTS s3_parts (
	upload   TEXT NOT NULL,
	number   INTEGER NOT NULL,
	size     INTEGER NOT NULL,
	etag     TEXT NOT NULL,
	modified INTEGER NOT NULL,
	checksum TEXT NOT NULL,
	crc64    TEXT NOT NULL,
	blob     TEXT,
	inline   INTEGER,
	PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS s3_parts_blob ON s3_parts (blob) WHERE blob IS NOT NULL;
CREATE TABLE IF NOT EXISTS s3_sequence (
	id   INTEGER PRIMARY KEY CHECK (id = 1),
	last INTEGER NOT NULL
) STRICT;
INSERT OR IGNORE INTO s3_sequence (id, last) VALUES (1, 0);
`
