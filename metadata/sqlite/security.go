package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/streamhouse/streamhouse/metadata"
)

// LoadSecurity returns rows that changed.
func (s *Store) LoadSecurity(ctx context.Context, since int64) (rows metadata.SecurityRows, err error) {
	err = s.snapshot(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `SELECT security FROM cluster`).Scan(&rows.Version)
		if errors.Is(err, sql.ErrNoRows) {
			return nil // nothing was ever begun
		}
		if err != nil {
			return err
		}
		if rows.Credentials, err = loadCredentials(ctx, tx, since); err != nil {
			return err
		}
		rows.ACLs, err = loadACLs(ctx, tx, since)
		return err
	})
	return rows, s.wrap("load security", err)
}

func loadCredentials(ctx context.Context, tx *sql.Tx, since int64) (out []metadata.Credential, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT user, mechanism, salt, stored_key, server_key, iterations, version, writer, changed, deleted
		FROM credentials WHERE changed > ? ORDER BY user, mechanism`, since)
	err = each(rows, err)(func(scan func(...any) error) error {
		var c metadata.Credential
		var writer []byte
		if err := scan(&c.User, &c.Mechanism, &c.Salt, &c.StoredKey, &c.ServerKey, &c.Iterations, &c.Version, &writer, &c.Changed, &c.Deleted); err != nil {
			return err
		}
		out = append(out, c)
		return setWriter(&out[len(out)-1].Row, writer)
	})
	return out, err
}

func setWriter(r *metadata.Row, writer []byte) error {
	if copy(r.Writer[:], writer) != len(writer) || len(writer) != len(r.Writer) {
		return fmt.Errorf("%w: a row's writer has %d bytes", ErrDamaged, len(writer))
	}
	return nil
}

func loadACLs(ctx context.Context, tx *sql.Tx, since int64) (out []metadata.ACL, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT type, name, pattern, principal, host, operation, permission, version, writer, changed, deleted
		FROM acls WHERE changed > ? ORDER BY type, name, pattern, principal, host, operation, permission`, since)
	err = each(rows, err)(func(scan func(...any) error) error {
		var a metadata.ACL
		var writer []byte
		if err := scan(&a.Type, &a.Name, &a.Pattern, &a.Principal, &a.Host, &a.Operation, &a.Permission, &a.Version, &writer, &a.Changed, &a.Deleted); err != nil {
			return err
		}
		out = append(out, a)
		return setWriter(&out[len(out)-1].Row, writer)
	})
	return out, err
}

// ChangeSecurity writes rows.
func (s *Store) ChangeSecurity(ctx context.Context, writer [16]byte, rows metadata.SecurityRows) (version int64, err error) {
	err = s.update(ctx, "change security", func(ctx context.Context, tx *sql.Tx) error {
		raise := 1
		if len(rows.Credentials)+len(rows.ACLs) == 0 {
			raise = 0
		}
		if err := tx.QueryRowContext(ctx, `UPDATE cluster SET security = security + ? RETURNING security`, raise).Scan(&version); err != nil {
			return err
		}
		for i := range rows.Credentials {
			if err := putCredential(ctx, tx, &rows.Credentials[i], writer, version); err != nil {
				return err
			}
		}
		for i := range rows.ACLs {
			if err := putACL(ctx, tx, &rows.ACLs[i], writer, version); err != nil {
				return err
			}
		}
		return nil
	})
	return version, err
}

func putCredential(ctx context.Context, tx *sql.Tx, c *metadata.Credential, writer [16]byte, version int64) error {
	next, err := nextRow(tx.QueryRowContext(ctx, `SELECT version, deleted FROM credentials WHERE user = ? AND mechanism = ?`, c.User, c.Mechanism), c.Row)
	if err != nil {
		return fmt.Errorf("credential %d of %q: %w", c.Mechanism, c.User, err)
	}
	salt, stored, server, iterations := some(c.Salt), some(c.StoredKey), some(c.ServerKey), c.Iterations
	if c.Deleted {
		salt, stored, server, iterations = []byte{}, []byte{}, []byte{}, 0
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO credentials VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
		salt = excluded.salt, stored_key = excluded.stored_key, server_key = excluded.server_key, iterations = excluded.iterations,
		version = excluded.version, writer = excluded.writer, changed = excluded.changed, deleted = excluded.deleted`,
		c.User, c.Mechanism, salt, stored, server, iterations, next, writer[:], version, c.Deleted)
	return err
}

func putACL(ctx context.Context, tx *sql.Tx, a *metadata.ACL, writer [16]byte, version int64) error {
	key := []any{a.Type, a.Name, a.Pattern, a.Principal, a.Host, a.Operation, a.Permission}
	next, err := nextRow(tx.QueryRowContext(ctx, `SELECT version, deleted FROM acls WHERE type = ? AND name = ? AND pattern = ?
		AND principal = ? AND host = ? AND operation = ? AND permission = ?`, key...), a.Row)
	if err != nil {
		return fmt.Errorf("ACL %s: %w", &a.ACL, err)
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO acls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
		version = excluded.version, writer = excluded.writer, changed = excluded.changed, deleted = excluded.deleted`,
		append(key, next, writer[:], version, a.Deleted)...)
	return err
}

// nextRow is the version that a row gets, or ErrConflict. standing selects version and
// deleted of the row that is there.
func nextRow(standing *sql.Row, given metadata.Row) (int64, error) {
	var version int64
	var deleted bool
	if err := standing.Scan(&version, &deleted); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, err
	}
	live := version
	if deleted {
		live = 0
	}
	if live != given.Version || (live == 0 && given.Deleted) {
		return 0, fmt.Errorf("version %d is now %d: %w", given.Version, live, metadata.ErrConflict)
	}
	return version + 1, nil
}

// some is bytes that are not NULL.
func some(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// ForgetSecurity removes tombstones.
func (s *Store) ForgetSecurity(ctx context.Context, seen int64) error {
	return s.update(ctx, "forget security", func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM credentials WHERE deleted AND changed <= ?`, seen); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM acls WHERE deleted AND changed <= ?`, seen)
		return err
	})
}
