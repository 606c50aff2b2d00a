package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Intend records an object to come.
func (s *Store) Intend(ctx context.Context, key string) error {
	err := s.update(ctx, "intend "+key, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO intents VALUES (?, ?) ON CONFLICT DO NOTHING`, key, s.millis())
		return err
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.seen[key]; !ok {
		s.seen[key] = s.now()
	}
	return nil
}

// Partition returns slices and state, both of one moment.
func (s *Store) Partition(ctx context.Context, id pack.PartitionID) ([]metadata.Slice, metadata.State, error) {
	state := metadata.State{ID: id}
	var list []metadata.Slice
	err := s.snapshot(ctx, func(tx *sql.Tx) error {
		row := tx.StmtContext(ctx, s.stateOf).QueryRowContext(ctx, id.Topic[:], id.Partition)
		err := row.Scan(&state.NextOffset, &state.LeaderEpoch, &state.Block, &state.BlockPos, &state.BlockLen)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		rows, err := tx.StmtContext(ctx, s.slicesOf).QueryContext(ctx, id.Topic[:], id.Partition)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			x := metadata.Slice{ID: id}
			if err := rows.Scan(&x.BaseOffset, &x.LastOffset, &x.Segment, &x.Bytes, &x.MaxTimestamp, &x.AppendTime, &x.Level); err != nil {
				return err
			}
			list = append(list, x)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, metadata.State{}, s.wrap("partition "+id.String(), err)
	}
	return list, state, nil
}

// snapshot runs f over one moment of the database.
func (s *Store) snapshot(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback() // nothing was written
	return f(tx)
}

// Segment returns a row.
func (s *Store) Segment(ctx context.Context, id metadata.SegmentID) (metadata.Segment, error) {
	seg := metadata.Segment{ID: id}
	err := s.segmentOf.QueryRowContext(ctx, id).Scan(&seg.Key, &seg.Bytes, &seg.CreatedAt, &seg.Data)
	if errors.Is(err, sql.ErrNoRows) {
		err = metadata.ErrNotFound
	}
	if err != nil {
		return metadata.Segment{}, s.wrap(fmt.Sprintf("segment %d", id), err)
	}
	return seg, nil
}

// SetLogStarts raises log starts and removes the slices below them.
func (s *Store) SetLogStarts(ctx context.Context, starts ...metadata.LogStart) error {
	what := fmt.Sprintf("log starts of %d partitions", len(starts))
	if len(starts) == 1 {
		what = "log start of " + starts[0].ID.String()
	}
	return s.update(ctx, what, func(ctx context.Context, tx *sql.Tx) error {
		for i := range starts {
			if err := setLogStart(ctx, tx, starts[i].ID, starts[i].Offset); err != nil {
				return err
			}
		}
		return nil
	})
}

func setLogStart(ctx context.Context, tx *sql.Tx, id pack.PartitionID, offset int64) error {
	if gone, err := tombstone(ctx, tx, id.Topic); err != nil || gone {
		return err
	}
	res, err := tx.ExecContext(ctx, `INSERT INTO log_starts VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET start = excluded.start WHERE excluded.start > start`,
		id.Topic[:], id.Partition, offset)
	if n, err := changed(res, err); err != nil || n == 0 {
		return err
	}
	if err := dropRefs(ctx, tx, queryBelow, id.Topic[:], id.Partition, offset, offset); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM slices WHERE topic = ? AND part = ? AND base < ? AND last < ?`,
		id.Topic[:], id.Partition, offset, offset)
	return err
}

// LogStart returns a log start.
func (s *Store) LogStart(ctx context.Context, id pack.PartitionID) (start int64, err error) {
	err = s.logStartOf.QueryRowContext(ctx, id.Topic[:], id.Partition).Scan(&start)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return start, s.wrap("log start of "+id.String(), err)
}

// Garbage lists segments nobody refers to, and intents that this process has seen for
// longer than the grace.
func (s *Store) Garbage(ctx context.Context, grace int64) (segments []metadata.Segment, intents []string, err error) {
	now := s.now()
	err = s.snapshot(ctx, func(tx *sql.Tx) error {
		err := s.rows(ctx, tx, queryGarbage, nil, func(scan func(...any) error) error {
			var x metadata.Segment
			err := scan(&x.ID, &x.Key, &x.Bytes, &x.CreatedAt, &x.Data)
			segments = append(segments, x)
			return err
		})
		if err != nil {
			return err
		}
		return s.rows(ctx, tx, queryIntents, nil, func(scan func(...any) error) error {
			var key string
			err := scan(&key)
			if s.age(key, now) >= time.Duration(grace)*time.Millisecond {
				intents = append(intents, key)
			}
			return err
		})
	})
	if err != nil {
		return nil, nil, s.wrap("garbage", err)
	}
	return segments, intents, nil
}

func (s *Store) age(key string, now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.seen[key]
	if !ok { // committed and about to be noted by Intend
		return 0
	}
	return now.Sub(at)
}

// Forget removes rows of garbage.
func (s *Store) Forget(ctx context.Context, segments []metadata.SegmentID, intents []string) error {
	err := s.update(ctx, "forget", func(ctx context.Context, tx *sql.Tx) error {
		for _, id := range segments {
			if err := forgetSegment(ctx, tx, id); err != nil {
				return err
			}
		}
		for _, key := range intents {
			if err := forgetIntent(ctx, tx, key); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range intents {
		delete(s.seen, key)
	}
	return nil
}

func forgetSegment(ctx context.Context, tx *sql.Tx, id metadata.SegmentID) error {
	res, err := tx.ExecContext(ctx, `DELETE FROM segments WHERE id = ? AND refs = 0`, id)
	if n, err := changed(res, err); err != nil || n == 1 {
		return err
	}
	var refs int64
	err = tx.QueryRowContext(ctx, `SELECT refs FROM segments WHERE id = ?`, id).Scan(&refs)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // forgotten before
	}
	return errors.Join(err, fmt.Errorf("segment %d is referred to %d times: %w", id, refs, metadata.ErrConflict))
}

func forgetIntent(ctx context.Context, tx *sql.Tx, key string) error {
	var n int
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM segments WHERE key = ?`, key).Scan(&n)
	if err != nil {
		return err
	}
	if n > 0 {
		return fmt.Errorf("object %s is registered: %w", key, metadata.ErrConflict)
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM intents WHERE key = ?`, key)
	return err
}
