package s3

import "github.com/tintype/tintype/internal/localaws/db"

// Schema creates the service's tables; pass it to db.Open. Times are Unix
// milliseconds. Keys are blobs, so that SQLite compares them byte by byte: S3 lists
// keys in the order of their UTF-8 bytes.
//
// The bytes of an object or part are in s3_inline (column inline), in the blob file
// named by column blob, or, where both are NULL, none.
var Schema = db.Schema{Name: "s3", Steps: []string{baseTables, versions, bucketConfigs, replaces, nonces}}

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

// versions adds what versioned buckets need. s3_objects has each key's current object,
// as before; s3_versions has its older versions and its delete markers, newest first.
// A key whose newest version is a delete marker has no row in s3_objects, so that
// reading and listing current objects never meets what is not current.
//
// Column version is NULL for the version "null", which objects of older stores become.
// seq orders the versions of one key: it follows the clock in nanoseconds, and is 0 for
// what was stored before the bucket was versioned. A version with an id has its seq in
// it (see versionID). Columns lock and class are NULL where there is no retention or
// hold, and for the class STANDARD.
const versions = `
ALTER TABLE s3_buckets ADD COLUMN versioning TEXT;
ALTER TABLE s3_buckets ADD COLUMN lock TEXT;
ALTER TABLE s3_objects ADD COLUMN version TEXT;
ALTER TABLE s3_objects ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE s3_objects ADD COLUMN class TEXT;
ALTER TABLE s3_objects ADD COLUMN lock TEXT;
ALTER TABLE s3_uploads ADD COLUMN class TEXT;
ALTER TABLE s3_uploads ADD COLUMN lock TEXT;
CREATE TABLE s3_versions (
	bucket   INTEGER NOT NULL,
	key      BLOB NOT NULL,
	seq      INTEGER NOT NULL,
	version  TEXT,
	marker   INTEGER NOT NULL,
	size     INTEGER NOT NULL,
	etag     TEXT NOT NULL,
	modified INTEGER NOT NULL,
	checksum TEXT NOT NULL,
	blob     TEXT,
	inline   INTEGER,
	meta     TEXT NOT NULL,
	tags     TEXT,
	parts    TEXT,
	class    TEXT,
	lock     TEXT,
	PRIMARY KEY (bucket, key, seq DESC)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX s3_versions_null ON s3_versions (bucket, key) WHERE version IS NULL;
CREATE INDEX s3_versions_blob ON s3_versions (blob) WHERE blob IS NOT NULL;
`

// bucketConfigs are a bucket's sub-resources, each as the XML document in which it is
// shown. id tells those apart of which a bucket has several (inventories, metrics …);
// it is empty for the others.
const bucketConfigs = `
CREATE TABLE IF NOT EXISTS s3_configs (
	bucket INTEGER NOT NULL,
	kind   TEXT NOT NULL,
	id     TEXT NOT NULL,
	doc    BLOB NOT NULL,
	PRIMARY KEY (bucket, kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS s3_configs_lifecycle ON s3_configs (bucket) WHERE kind = 'lifecycle';
`

// replaces notes of an upload whether there was an object of its key when it began: a
// condition at its end may be about what happened since.
const replaces = `ALTER TABLE s3_uploads ADD COLUMN replaces INTEGER NOT NULL DEFAULT 0;`

// nonces are of parts that are encrypted with a key that the client provides.
const nonces = `ALTER TABLE s3_parts ADD COLUMN nonce BLOB;`
