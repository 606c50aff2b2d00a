package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"math"

	"github.com/streamhouse/streamhouse/metadata"
)

// volumesKept is how many sealed journal volumes are remembered. A volume is let go
// within minutes of its seal, so an older one is not asked for any more.
const volumesKept = 100000

// Identity returns what Begin will, and makes the cluster's id if there is none.
func (s *Store) Identity(ctx context.Context) (start metadata.Start, err error) {
	err = s.update(ctx, "identity", func(ctx context.Context, tx *sql.Tx) error {
		if err := makeCluster(ctx, tx); err != nil {
			return err
		}
		row := tx.QueryRowContext(ctx, `SELECT cluster_id, epoch + 1, incarnation FROM cluster`)
		return row.Scan(&start.ClusterID, &start.Epoch, &start.Incarnation)
	})
	return start, err
}

func makeCluster(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO cluster (one, cluster_id, epoch, incarnation, next_producer, next_segment)
		VALUES (1, ?, 0, 1, 0, 1) ON CONFLICT DO NOTHING`, newClusterID())
	return err
}

// Begin counts a start, makes the cluster's id at the first one, and drops what no
// start needs any more.
func (s *Store) Begin(ctx context.Context) (start metadata.Start, err error) {
	err = s.update(ctx, "begin", func(ctx context.Context, tx *sql.Tx) error {
		err := makeCluster(ctx, tx)
		if err != nil {
			return err
		}
		row := tx.QueryRowContext(ctx, `UPDATE cluster SET epoch = epoch + 1 RETURNING cluster_id, epoch, incarnation`)
		if err := row.Scan(&start.ClusterID, &start.Epoch, &start.Incarnation); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, queryVolumes, volumesKept)
		return err
	})
	return start, err
}

// newClusterID returns 22 characters that do not begin with '-', which command lines
// would take for an option.
func newClusterID() string {
	for {
		var b [16]byte
		rand.Read(b[:]) // never fails, see its documentation
		if id := base64.RawURLEncoding.EncodeToString(b[:]); id[0] != '-' {
			return id
		}
	}
}

// AllocateProducerIDs reserves n ids.
func (s *Store) AllocateProducerIDs(ctx context.Context, n int64) (first int64, err error) {
	err = s.update(ctx, "allocate producer ids", func(ctx context.Context, tx *sql.Tx) error {
		if n <= 0 {
			return fmt.Errorf("%d ids asked for", n)
		}
		var next int64
		err := tx.QueryRowContext(ctx, `UPDATE cluster SET next_producer = next_producer + ? WHERE next_producer <= ? RETURNING next_producer`,
			n, math.MaxInt64-n).Scan(&next)
		first = next - n
		if errors.Is(err, sql.ErrNoRows) {
			return errors.New("no producer ids are left, or Begin was not called")
		}
		return err
	})
	return first, err
}

// Get returns a named value.
func (s *Store) Get(ctx context.Context, name string) (value []byte, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT value FROM named_values WHERE name = ?`, name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		err = metadata.ErrNotFound
	}
	return value, s.wrap("value "+name, err)
}

// Put keeps a named value.
func (s *Store) Put(ctx context.Context, name string, value []byte) error {
	if value == nil {
		value = []byte{} // nil would be NULL
	}
	return s.update(ctx, "value "+name, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO named_values VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value`, name, value)
		return err
	})
}
