// Package sqlite is the metadata store in one SQLite file: the embedded default.
//
// The file is in WAL mode with synchronous=FULL: a commit is one append to the WAL and
// one sync, it is durable when it returns, and readers never wait for the writer. All
// writes go over one connection, so that a transaction never meets another one; reads
// have a few connections of their own. The WAL is bounded by SQLite's checkpoints.
//
// Opening costs the same however much data is sealed: only the small tables are
// checked whole. SQLite itself reports damage elsewhere when a page is read.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/streamhouse/streamhouse/metadata"
)

// ErrDamaged is wrapped by every error that means that the file is not whole.
var ErrDamaged = errors.New("the metadata store is damaged")

// busyTimeout is how long a statement waits for another process's lock, such as a
// backup's.
const busyTimeout = 5 * time.Second

// readers is the number of connections for reads.
const readers = 4

// Options say where the store is.
type Options struct {
	Path string           // of the file; it is made if it is missing
	Now  func() time.Time // the store's clock; nil: the machine's
}

// Store is a metadata.Store in a file.
type Store struct {
	path  string
	now   func() time.Time
	write *sql.DB // one connection
	read  *sql.DB
	// What is asked often is parsed once per connection.
	stateOf, slicesOf, sealed, segmentOf, logStartOf *sql.Stmt

	// seen is when each intent was first seen by this process: ages count from there
	// on a clock that does not jump, so neither a wrong clock nor a start makes a
	// running upload look abandoned.
	mu     sync.Mutex
	opened time.Time
	seen   map[string]time.Time
}

var _ metadata.Store = (*Store)(nil)

// Open opens or makes the store. The folder must exist. An error that wraps ErrDamaged
// means that the file must be restored or recovered, never that a new one is begun.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Store{path: o.Path, now: o.Now, opened: o.Now(), seen: map[string]time.Time{}}
	var err error
	if s.write, err = connect(o.Path, 1, false); err != nil {
		return nil, s.wrap("open", err)
	}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(s.wrap("open", err), s.write.Close())
	}
	if s.read, err = connect(o.Path, readers, true); err != nil {
		return nil, errors.Join(s.wrap("open", err), s.write.Close())
	}
	if err := s.prepareQueries(ctx); err != nil {
		return nil, errors.Join(s.wrap("open", err), s.Close())
	}
	return s, nil
}

func (s *Store) prepareQueries(ctx context.Context) (err error) {
	for query, stmt := range map[string]**sql.Stmt{
		queryState: &s.stateOf, querySlices: &s.slicesOf, querySealed: &s.sealed,
		querySegment: &s.segmentOf, queryLogStart: &s.logStartOf,
	} {
		if *stmt, err = s.read.PrepareContext(ctx, query); err != nil {
			return err
		}
	}
	return nil
}

func connect(path string, n int, readOnly bool) (*sql.DB, error) {
	q := url.Values{}
	q.Set("_txlock", "immediate")
	q.Add("_pragma", fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()))
	if readOnly {
		q.Add("_pragma", "query_only(1)")
		q.Set("_txlock", "deferred")
	} else {
		q.Add("_pragma", "journal_mode(WAL)")
		q.Add("_pragma", "synchronous(FULL)")
		q.Add("_pragma", "fullfsync(1)") // macOS: a sync reaches the medium
		q.Add("_pragma", "checkpoint_fullfsync(1)")
	}
	file := (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db, nil
}

// prepare migrates, checks the small tables, and remembers the intents.
func (s *Store) prepare(ctx context.Context) error {
	if err := migrate(ctx, s.write); err != nil {
		return err
	}
	var mode string
	if err := pragma(ctx, s.write, "journal_mode", &mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("journal mode is %s: the file system of %s does not allow WAL", mode, s.path)
	}
	for _, table := range []string{"cluster", "named_values", "topics", "configs", "credentials", "acls", "intents"} {
		if err := s.check(ctx, "quick_check("+table+")"); err != nil {
			return err
		}
	}
	return s.rows(ctx, s.write, "SELECT key FROM intents", nil, func(scan func(...any) error) error {
		var key string
		err := scan(&key)
		s.seen[key] = s.opened
		return err
	})
}

// Check reads the whole file and reports damage. It takes as long as the file is large.
func (s *Store) Check(ctx context.Context) error {
	return s.wrap("check", s.check(ctx, "integrity_check"))
}

func (s *Store) check(ctx context.Context, what string) error {
	var bad []string
	err := s.rows(ctx, s.write, "PRAGMA "+what, nil, func(scan func(...any) error) error {
		var line string
		err := scan(&line)
		if line != "ok" {
			bad = append(bad, line)
		}
		return err
	})
	if err == nil && len(bad) > 0 {
		err = fmt.Errorf("%w: %s", ErrDamaged, strings.Join(bad, "; "))
	}
	return err
}

// Close closes the file; what was committed is durable already.
func (s *Store) Close() error {
	return s.wrap("close", errors.Join(s.read.Close(), s.write.Close()))
}

// update runs f in one transaction and commits it. The commit is not interrupted by
// ctx, so that its outcome is never open.
func (s *Store) update(ctx context.Context, what string, f func(context.Context, *sql.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return s.wrap(what, err)
	}
	defer tx.Rollback() // does nothing after a commit
	if err := f(ctx, tx); err != nil {
		return s.wrap(what, err)
	}
	return s.wrap(what, tx.Commit())
}

// querier is a database or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// rows calls f for each row of a query.
func (s *Store) rows(ctx context.Context, db querier, query string, args []any, f func(scan func(...any) error) error) error {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// wrap says what was tried, and marks damage.
func (s *Store) wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	var e *sqlite.Error
	if errors.As(err, &e) && !errors.Is(err, ErrDamaged) {
		if code := e.Code() & 0xff; code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB {
			err = fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	return fmt.Errorf("metadata store %s: %s: %w", s.path, what, err)
}

// millis is the store's clock.
func (s *Store) millis() int64 { return s.now().UnixMilli() }

// volumeID stores a journal volume's number, which uses all 64 bits.
func volumeID(v uint64) int64 { return int64(v) }
