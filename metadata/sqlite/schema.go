package sqlite

import (
	"context"
	"database/sql"
	"fmt"
)

// applicationID marks the file as ours, in the database header ("SHmd").
const applicationID = 0x53486d64

// migrations bring the schema from version i to i+1. A released one never changes.
//
// segments.refs counts the slices and state blocks that lie in a segment, so that
// garbage is found through an index and not by reading every slice; segments.live adds up
// the bytes of those slices, so that dead space is. All rows of a
// partition lie together, and a partition is one range of the primary key.
var migrations = []string{`
CREATE TABLE cluster (
	one           INTEGER PRIMARY KEY CHECK (one = 1),
	cluster_id    TEXT    NOT NULL,
	epoch         INTEGER NOT NULL,
	incarnation   INTEGER NOT NULL,
	next_producer INTEGER NOT NULL,
	next_segment  INTEGER NOT NULL
) STRICT;
CREATE TABLE named_values (
	name  TEXT PRIMARY KEY,
	value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE topics (
	id          BLOB    PRIMARY KEY,
	name        TEXT    NOT NULL UNIQUE,
	partitions  INTEGER NOT NULL,
	replicas    INTEGER NOT NULL,
	birth_epoch INTEGER NOT NULL,
	configs     TEXT    NOT NULL, -- JSON object
	version     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE tombstones (
	topic      BLOB    PRIMARY KEY,
	deleted_at INTEGER NOT NULL, -- ms
	segment    INTEGER NOT NULL  -- the last segment that may name the topic
) STRICT, WITHOUT ROWID;
CREATE TABLE configs (
	type  INTEGER NOT NULL,
	name  TEXT    NOT NULL,
	value TEXT    NOT NULL, -- JSON object
	PRIMARY KEY (type, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE segments (
	id         INTEGER PRIMARY KEY,
	key        TEXT    NOT NULL UNIQUE,
	bytes      INTEGER NOT NULL,
	created_at INTEGER NOT NULL, -- ms
	refs       INTEGER NOT NULL CHECK (refs >= 0)
) STRICT;
CREATE INDEX segments_garbage ON segments (id) WHERE refs = 0;
CREATE TABLE slices (
	topic         BLOB    NOT NULL,
	part          INTEGER NOT NULL,
	base          INTEGER NOT NULL,
	last          INTEGER NOT NULL,
	segment       INTEGER NOT NULL,
	bytes         INTEGER NOT NULL,
	max_timestamp INTEGER NOT NULL,
	append_time   INTEGER NOT NULL,
	PRIMARY KEY (topic, part, base)
) STRICT, WITHOUT ROWID;
CREATE TABLE states (
	topic        BLOB    NOT NULL,
	part         INTEGER NOT NULL,
	next_offset  INTEGER NOT NULL,
	leader_epoch INTEGER NOT NULL,
	block        INTEGER NOT NULL,
	block_pos    INTEGER NOT NULL,
	block_len    INTEGER NOT NULL,
	PRIMARY KEY (topic, part)
) STRICT, WITHOUT ROWID;
CREATE TABLE log_starts (
	topic  BLOB    NOT NULL,
	part   INTEGER NOT NULL,
	start  INTEGER NOT NULL,
	PRIMARY KEY (topic, part)
) STRICT, WITHOUT ROWID;
CREATE TABLE intents (
	key  TEXT    PRIMARY KEY,
	made INTEGER NOT NULL -- ms
) STRICT, WITHOUT ROWID;
CREATE TABLE volumes (
	id INTEGER PRIMARY KEY -- the journal's number, as a signed integer
) STRICT;
`, `
ALTER TABLE volumes ADD COLUMN nonce BLOB; -- NULL: registered by version 1
ALTER TABLE cluster ADD COLUMN volume INTEGER NOT NULL DEFAULT 0; -- of the journal, begun last, as a signed integer; 0: not known
ALTER TABLE cluster ADD COLUMN volume_nonce BLOB NOT NULL DEFAULT x'';
`, `
ALTER TABLE cluster ADD COLUMN security INTEGER NOT NULL DEFAULT 0; -- counts the changes of the tables below
CREATE TABLE credentials (
	user       TEXT    NOT NULL,
	mechanism  INTEGER NOT NULL,
	salt       BLOB    NOT NULL,
	stored_key BLOB    NOT NULL,
	server_key BLOB    NOT NULL,
	iterations INTEGER NOT NULL,
	version    INTEGER NOT NULL,
	writer     BLOB    NOT NULL,
	changed    INTEGER NOT NULL,
	deleted    INTEGER NOT NULL,
	PRIMARY KEY (user, mechanism)
) STRICT, WITHOUT ROWID;
CREATE INDEX credentials_changed ON credentials (changed);
`, `
ALTER TABLE slices ADD COLUMN level INTEGER NOT NULL DEFAULT 0;
CREATE INDEX slices_segment ON slices (segment);
ALTER TABLE segments ADD COLUMN data INTEGER NOT NULL DEFAULT 0; -- bytes of the batches
ALTER TABLE segments ADD COLUMN live INTEGER NOT NULL DEFAULT 0; -- of these, what slices hold
UPDATE segments SET data = held.n, live = held.n
FROM (SELECT segment, sum(bytes) AS n FROM slices GROUP BY segment) AS held WHERE held.segment = segments.id;
`, `
CREATE TABLE acls (
	type       INTEGER NOT NULL,
	name       TEXT    NOT NULL,
	pattern    INTEGER NOT NULL,
	principal  TEXT    NOT NULL,
	host       TEXT    NOT NULL,
	operation  INTEGER NOT NULL,
	permission INTEGER NOT NULL,
	version    INTEGER NOT NULL,
	writer     BLOB    NOT NULL,
	changed    INTEGER NOT NULL,
	deleted    INTEGER NOT NULL,
	PRIMARY KEY (type, name, pattern, principal, host, operation, permission)
) STRICT, WITHOUT ROWID;
CREATE INDEX acls_changed ON acls (changed);
`}

// migrate brings the schema up to date. A file of another program or of a later
// version is refused.
func migrate(ctx context.Context, db *sql.DB) error {
	var app, version, tables int
	if err := pragma(ctx, db, "application_id", &app); err != nil {
		return err
	}
	if err := pragma(ctx, db, "user_version", &version); err != nil {
		return err
	}
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return err
	}
	switch {
	case app != applicationID && tables > 0:
		return fmt.Errorf("not a StreamHouse metadata store (application id %#x)", app)
	case version > len(migrations):
		return fmt.Errorf("schema version %d is newer than this program's %d: use the newer program", version, len(migrations))
	}
	for v := version; v < len(migrations); v++ {
		if err := migrateOne(ctx, db, v); err != nil {
			return fmt.Errorf("schema version %d: %w", v+1, err)
		}
	}
	return nil
}

func migrateOne(ctx context.Context, db *sql.DB, v int) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after a commit
	steps := []string{
		migrations[v],
		fmt.Sprintf("PRAGMA application_id = %d", applicationID),
		fmt.Sprintf("PRAGMA user_version = %d", v+1),
	}
	for _, step := range steps {
		if _, err := tx.ExecContext(ctx, step); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func pragma(ctx context.Context, db *sql.DB, name string, into any) error {
	return db.QueryRowContext(ctx, "PRAGMA "+name).Scan(into)
}
