package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/streamhouse/streamhouse/metadata"
)

// BeginVolume remembers the journal's newest volume.
func (s *Store) BeginVolume(ctx context.Context, v metadata.Volume) error {
	return s.update(ctx, fmt.Sprintf("begin volume %d", v.Number), func(ctx context.Context, tx *sql.Tx) error {
		var id int64
		var nonce []byte
		err := tx.QueryRowContext(ctx, `SELECT volume, volume_nonce FROM cluster`).Scan(&id, &nonce)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return errors.New("Begin was not called")
		case err != nil:
			return err
		case uint64(id) == v.Number && bytes.Equal(nonce, v.Nonce[:]):
			return nil
		case uint64(id) >= v.Number:
			return fmt.Errorf("volume %d is remembered: %w", uint64(id), metadata.ErrConflict)
		}
		_, err = tx.ExecContext(ctx, `UPDATE cluster SET volume = ?, volume_nonce = ?`, volumeID(v.Number), v.Nonce[:])
		return err
	})
}

// NewestVolumes returns the volume begun last and the highest number registered.
func (s *Store) NewestVolumes(ctx context.Context) (begun metadata.Volume, registered uint64, err error) {
	var id, highest int64
	var nonce []byte
	// The upper half of the numbers is stored as negative ones.
	err = s.read.QueryRowContext(ctx, `SELECT coalesce(max(volume), 0), coalesce(max(volume_nonce), x''),
		coalesce((SELECT max(id) FROM volumes WHERE id < 0), (SELECT max(id) FROM volumes), 0) FROM cluster`).Scan(&id, &nonce, &highest)
	if err == nil && id != 0 && len(nonce) != len(begun.Nonce) {
		err = fmt.Errorf("%w: the nonce of volume %d has %d bytes", ErrDamaged, uint64(id), len(nonce))
	}
	begun.Number = uint64(id)
	copy(begun.Nonce[:], nonce)
	return begun, uint64(highest), s.wrap("newest volumes", err)
}

// Registered looks for a volume.
func (s *Store) Registered(ctx context.Context, v metadata.Volume) (bool, error) {
	var n int
	err := s.read.QueryRowContext(ctx, `SELECT count(*) FROM volumes WHERE id = ? AND (nonce IS NULL OR nonce = ?)`,
		volumeID(v.Number), v.Nonce[:]).Scan(&n)
	return n > 0, s.wrap("volume", err)
}

// ForgetNameless drops the volumes that version 1 of the schema registered.
func (s *Store) ForgetNameless(ctx context.Context) error {
	return s.update(ctx, "forget nameless volumes", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM volumes WHERE nonce IS NULL`)
		return err
	})
}

// volumes remembers what a registration makes superfluous.
func (g *registration) volumes(ctx context.Context, list []metadata.Volume) error {
	for _, v := range list {
		_, err := g.tx.ExecContext(ctx, `INSERT INTO volumes (id, nonce) VALUES (?, ?) ON CONFLICT DO UPDATE SET nonce = excluded.nonce`,
			volumeID(v.Number), v.Nonce[:])
		if err != nil {
			return err
		}
	}
	return nil
}
