package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/streamhouse/streamhouse/metadata"
)

// LoadTopics returns all topics by name.
func (s *Store) LoadTopics(ctx context.Context) ([]metadata.Topic, error) {
	var out []metadata.Topic
	query := `SELECT id, name, partitions, replicas, birth_epoch, configs, version FROM topics ORDER BY name`
	err := s.rows(ctx, s.read, query, nil, func(scan func(...any) error) error {
		var t metadata.Topic
		var id []byte
		var set string
		if err := scan(&id, &t.Name, &t.Partitions, &t.Replicas, &t.BirthEpoch, &set, &t.Version); err != nil {
			return err
		}
		if copy(t.ID[:], id) != len(t.ID) || len(id) != len(t.ID) {
			return fmt.Errorf("%w: topic %s has an id of %d bytes", ErrDamaged, t.Name, len(id))
		}
		if err := json.Unmarshal([]byte(set), &t.Configs); err != nil {
			return fmt.Errorf("%w: configs of topic %s: %w", ErrDamaged, t.Name, err)
		}
		out = append(out, t)
		return nil
	})
	return out, s.wrap("load topics", err)
}

// CreateTopic adds a topic.
func (s *Store) CreateTopic(ctx context.Context, t metadata.Topic) error {
	set, err := encode(t.Configs)
	if err != nil {
		return err
	}
	return s.update(ctx, "create topic "+t.Name, func(ctx context.Context, tx *sql.Tx) error {
		if gone, err := tombstone(ctx, tx, t.ID); err != nil || gone {
			return errors.Join(err, metadata.ErrExists)
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO topics VALUES (?, ?, ?, ?, ?, ?, ?)`,
			t.ID[:], t.Name, t.Partitions, t.Replicas, t.BirthEpoch, set, t.Version)
		if taken(err) {
			return metadata.ErrExists
		}
		return err
	})
}

// UpdateTopic replaces partitions and configs.
func (s *Store) UpdateTopic(ctx context.Context, t metadata.Topic) error {
	set, err := encode(t.Configs)
	if err != nil {
		return err
	}
	return s.update(ctx, "change topic "+t.Name, func(ctx context.Context, tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE topics SET partitions = ?, configs = ?, version = version + 1 WHERE id = ? AND version = ?`,
			t.Partitions, set, t.ID[:], t.Version)
		if n, err := changed(res, err); err != nil || n == 1 {
			return err
		}
		var version int64
		err = tx.QueryRowContext(ctx, `SELECT version FROM topics WHERE id = ?`, t.ID[:]).Scan(&version)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return metadata.ErrNotFound
		case err != nil:
			return err
		}
		return fmt.Errorf("version %d is now %d: %w", t.Version, version, metadata.ErrConflict)
	})
}

// DeleteTopic removes a topic and all that is known of its partitions, and leaves a
// tombstone.
func (s *Store) DeleteTopic(ctx context.Context, id metadata.TopicID) error {
	return s.update(ctx, fmt.Sprintf("delete topic %x", id), func(ctx context.Context, tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `DELETE FROM topics WHERE id = ?`, id[:])
		if n, err := changed(res, err); err != nil {
			return err
		} else if n == 0 {
			return metadata.ErrNotFound
		}
		if err := dropRefs(ctx, tx, queryTopicSegments, id[:]); err != nil {
			return err
		}
		if err := dropRefs(ctx, tx, queryTopicBlocks, id[:]); err != nil {
			return err
		}
		for _, table := range []string{"slices", "states", "log_starts"} {
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE topic = ?`, id[:]); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO tombstones SELECT ?, ?, next_segment - 1 FROM cluster`, id[:], s.millis())
		return err
	})
}

// Deleted looks for a tombstone.
func (s *Store) Deleted(ctx context.Context, id metadata.TopicID) (bool, error) {
	gone, err := tombstone(ctx, s.read, id)
	return gone, s.wrap(fmt.Sprintf("tombstone of %x", id), err)
}

// tombstoneAge is how long a deleted topic's id is remembered at least.
const tombstoneAge = 30 * 24 * time.Hour

// unnamed holds for a tombstone whose id lies in no segment.
const unnamed = `segment < (SELECT coalesce(min(id), 9223372036854775807) FROM segments)`

// Tombstones returns those that only the journal may need.
func (s *Store) Tombstones(ctx context.Context, limit int) (ids []metadata.TopicID, err error) {
	err = s.snapshot(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT topic FROM tombstones WHERE deleted_at < ? AND `+unnamed+` ORDER BY deleted_at LIMIT ?`,
			s.millis()-tombstoneAge.Milliseconds(), limit)
		return each(rows, err)(func(scan func(...any) error) error {
			var b []byte
			if err := scan(&b); err != nil {
				return err
			}
			var id metadata.TopicID
			if copy(id[:], b) < len(id) {
				return fmt.Errorf("%w: a tombstone of %d bytes", ErrDamaged, len(b))
			}
			ids = append(ids, id)
			return nil
		})
	})
	return ids, s.wrap("tombstones", err)
}

// ForgetTombstones removes rows.
func (s *Store) ForgetTombstones(ctx context.Context, ids []metadata.TopicID) error {
	return s.update(ctx, "forget tombstones", func(ctx context.Context, tx *sql.Tx) error {
		for _, id := range ids {
			if _, err := tx.ExecContext(ctx, `DELETE FROM tombstones WHERE topic = ? AND `+unnamed, id[:]); err != nil {
				return err
			}
		}
		return nil
	})
}

func tombstone(ctx context.Context, db interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}, id metadata.TopicID) (bool, error) {
	var n int
	err := db.QueryRowContext(ctx, `SELECT count(*) FROM tombstones WHERE topic = ?`, id[:]).Scan(&n)
	return n > 0, err
}

// LoadConfigs returns all dynamic settings.
func (s *Store) LoadConfigs(ctx context.Context) (map[metadata.Resource]map[string]string, error) {
	out := map[metadata.Resource]map[string]string{}
	err := s.rows(ctx, s.read, `SELECT type, name, value FROM configs`, nil, func(scan func(...any) error) error {
		var r metadata.Resource
		var text string
		if err := scan(&r.Type, &r.Name, &text); err != nil {
			return err
		}
		var set map[string]string
		if err := json.Unmarshal([]byte(text), &set); err != nil {
			return fmt.Errorf("%w: configs of resource %d %s: %w", ErrDamaged, r.Type, r.Name, err)
		}
		out[r] = set
		return nil
	})
	return out, s.wrap("load configs", err)
}

// SetConfigs replaces the set of one resource.
func (s *Store) SetConfigs(ctx context.Context, r metadata.Resource, set map[string]string) error {
	text, err := encode(set)
	if err != nil {
		return err
	}
	return s.update(ctx, fmt.Sprintf("configs of resource %d %s", r.Type, r.Name), func(ctx context.Context, tx *sql.Tx) error {
		if len(set) == 0 {
			_, err := tx.ExecContext(ctx, `DELETE FROM configs WHERE type = ? AND name = ?`, r.Type, r.Name)
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO configs VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value`, r.Type, r.Name, text)
		return err
	})
}

func encode(set map[string]string) (string, error) {
	if set == nil {
		set = map[string]string{}
	}
	b, err := json.Marshal(set)
	return string(b), err
}

// taken reports a violated PRIMARY KEY or UNIQUE.
func taken(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_CONSTRAINT
}

func changed(res sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}
