package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Register makes an object part of the log, in one transaction.
func (s *Store) Register(ctx context.Context, r metadata.Registration) (id metadata.SegmentID, err error) {
	err = s.update(ctx, "register "+r.Segment.Key, func(ctx context.Context, tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `SELECT id FROM segments WHERE key = ?`, r.Segment.Key).Scan(&id)
		if !errors.Is(err, sql.ErrNoRows) {
			return err // nil: it was registered before
		}
		id, err = s.newSegment(ctx, tx, r.Segment)
		if err != nil {
			return err
		}
		g := &registration{tx: tx, id: id, held: map[metadata.SegmentID]held{}, deleted: map[pack.TopicID]bool{}}
		return g.run(ctx, r)
	})
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	delete(s.seen, r.Segment.Key)
	s.mu.Unlock()
	return id, nil
}

// newSegment consumes the intent and adds the segment's row.
func (s *Store) newSegment(ctx context.Context, tx *sql.Tx, seg metadata.Segment) (id metadata.SegmentID, err error) {
	res, err := tx.ExecContext(ctx, `DELETE FROM intents WHERE key = ?`, seg.Key)
	if n, err := changed(res, err); err != nil {
		return 0, err
	} else if n == 0 {
		return 0, fmt.Errorf("there is no intent: %w", metadata.ErrConflict)
	}
	err = tx.QueryRowContext(ctx, `UPDATE cluster SET next_segment = next_segment + 1 RETURNING next_segment - 1`).Scan(&id)
	if err != nil {
		return 0, err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO segments VALUES (?, ?, ?, ?, 0, ?, 0)`, id, seg.Key, seg.Bytes, s.millis(), seg.Data)
	return id, err
}

// registration is one Register under way.
type registration struct {
	tx *sql.Tx
	id metadata.SegmentID
	// held is by how much changes what is held of each segment.
	held    map[metadata.SegmentID]held
	deleted map[pack.TopicID]bool // whether each topic seen has a tombstone
	// sealed is where the partitions of the registration stand, kept up to date.
	sealed map[pack.PartitionID]*metadata.Sealed
}

// held is what refers to a segment: how many slices and state blocks, and the bytes of the
// slices.
type held struct{ refs, live int64 }

// hold changes what is held of a segment.
func (g *registration) hold(id metadata.SegmentID, refs, live int64) {
	h := g.held[id]
	g.held[id] = held{h.refs + refs, h.live + live}
}

func (g *registration) run(ctx context.Context, r metadata.Registration) error {
	if err := g.replace(ctx, r.Replaces); err != nil {
		return err
	}
	if err := g.read(ctx, &r); err != nil {
		return err
	}
	if err := g.slices(ctx, r.Slices); err != nil {
		return err
	}
	if err := g.states(ctx, r.States); err != nil {
		return err
	}
	if err := g.volumes(ctx, r.Volumes); err != nil {
		return err
	}
	return g.count(ctx)
}

// replace removes the slices that the new ones stand for.
func (g *registration) replace(ctx context.Context, list []metadata.Replace) error {
	if len(list) == 0 {
		return nil
	}
	stmt, err := g.tx.PrepareContext(ctx, queryReplace)
	if err != nil {
		return err
	}
	defer stmt.Close()
	for i := range list {
		if err := g.replaceOne(ctx, stmt, &list[i]); err != nil {
			return err
		}
	}
	return nil
}

func (g *registration) replaceOne(ctx context.Context, stmt *sql.Stmt, r *metadata.Replace) error {
	type row struct {
		base    int64
		segment metadata.SegmentID
		bytes   int64
	}
	var rows []row
	err := each(stmt.QueryContext(ctx, r.ID.Topic[:], r.ID.Partition, r.From, r.To))(func(scan func(...any) error) error {
		var x row
		err := scan(&x.base, &x.segment, &x.bytes)
		rows = append(rows, x)
		return err
	})
	if err != nil {
		return err
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.base, b.base) })
	was := make([]metadata.SegmentID, len(rows))
	for i, x := range rows {
		g.hold(x.segment, -1, -x.bytes)
		was[i] = x.segment
	}
	if r.Was != nil && !slices.Equal(was, r.Was) {
		return fmt.Errorf("slices of %s from %d to %d lie in segments %v, not %v: %w", r.ID, r.From, r.To, was, r.Was, metadata.ErrConflict)
	}
	return nil
}

// read asks where all the partitions stand, once what is replaced is gone.
func (g *registration) read(ctx context.Context, r *metadata.Registration) error {
	g.sealed = make(map[pack.PartitionID]*metadata.Sealed, max(len(r.Slices), len(r.States)))
	var ids []pack.PartitionID
	add := func(id pack.PartitionID) {
		if _, known := g.sealed[id]; !known {
			g.sealed[id] = nil
			ids = append(ids, id)
		}
	}
	for i := range r.Slices {
		add(r.Slices[i].ID)
	}
	for i := range r.States {
		add(r.States[i].ID)
	}
	query, err := g.tx.PrepareContext(ctx, querySealed)
	if err != nil {
		return err
	}
	defer query.Close()
	sealed, err := sealedIn(ctx, query, ids)
	for i := range sealed {
		g.sealed[ids[i]] = &sealed[i]
	}
	return err
}

// slices adds the new slices, none of which may overlap another one.
func (g *registration) slices(ctx context.Context, list []metadata.Slice) error {
	if len(list) == 0 {
		return nil
	}
	insert, err := g.tx.PrepareContext(ctx, `INSERT INTO slices VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	defer insert.Close()
	before, err := g.tx.PrepareContext(ctx, queryBefore)
	if err != nil {
		return err
	}
	defer before.Close()
	for i := range list {
		x := &list[i]
		if gone, err := g.gone(ctx, x.ID.Topic); err != nil || gone {
			if err != nil {
				return err
			}
			continue
		}
		if err := g.fits(ctx, before, x); err != nil {
			return err
		}
		if x.LastOffset < g.sealed[x.ID].LogStart {
			continue
		}
		_, err = insert.ExecContext(ctx, x.ID.Topic[:], x.ID.Partition, x.BaseOffset, x.LastOffset, g.id, x.Bytes, x.MaxTimestamp, x.AppendTime, x.Level)
		if err != nil {
			return err
		}
		g.hold(g.id, 1, x.Bytes)
	}
	return nil
}

// fits refuses a slice that overlaps one of its partition. A seal's slices all lie
// behind the last one, which is known, so that only others need a look.
func (g *registration) fits(ctx context.Context, before *sql.Stmt, x *metadata.Slice) error {
	if x.BaseOffset < 0 || x.LastOffset < x.BaseOffset {
		return fmt.Errorf("slice of %s from %d to %d", x.ID, x.BaseOffset, x.LastOffset)
	}
	at := g.sealed[x.ID]
	if x.BaseOffset > at.LastOffset {
		at.LastOffset = x.LastOffset
		return nil
	}
	// The nearest slice at or before this one's end must end before its start.
	var last int64
	err := before.QueryRowContext(ctx, x.ID.Topic[:], x.ID.Partition, x.LastOffset).Scan(&last)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return err
	case last >= x.BaseOffset:
		return fmt.Errorf("slice of %s from %d to %d overlaps one that ends at %d: %w",
			x.ID, x.BaseOffset, x.LastOffset, last, metadata.ErrConflict)
	}
	return nil
}

func (g *registration) states(ctx context.Context, list []metadata.State) error {
	if len(list) == 0 {
		return nil
	}
	put, err := g.tx.PrepareContext(ctx, `REPLACE INTO states VALUES (?, ?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	defer put.Close()
	for i := range list {
		if gone, err := g.gone(ctx, list[i].ID.Topic); err != nil {
			return err
		} else if !gone {
			if err := g.state(ctx, put, list[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *registration) state(ctx context.Context, put *sql.Stmt, x metadata.State) error {
	old := &g.sealed[x.ID].State
	if x.NextOffset < old.NextOffset {
		return fmt.Errorf("next offset of %s back from %d to %d: %w", x.ID, old.NextOffset, x.NextOffset, metadata.ErrConflict)
	}
	if x.Block == 0 && x.BlockLen > 0 {
		x.Block = g.id
	}
	if old.Block != 0 {
		g.hold(old.Block, -1, 0)
	}
	if x.Block != 0 {
		g.hold(x.Block, 1, 0)
	}
	*old = x
	_, err := put.ExecContext(ctx, x.ID.Topic[:], x.ID.Partition, x.NextOffset, x.LeaderEpoch, x.Block, x.BlockPos, x.BlockLen)
	return err
}

// gone says whether the topic was deleted; then this object names it, and its
// tombstone stays as long as the object does.
func (g *registration) gone(ctx context.Context, id pack.TopicID) (bool, error) {
	gone, known := g.deleted[id]
	if known {
		return gone, nil
	}
	res, err := g.tx.ExecContext(ctx, `UPDATE tombstones SET segment = ? WHERE topic = ?`, g.id, id[:])
	n, err := changed(res, err)
	g.deleted[id] = n > 0
	return n > 0, err
}

// count brings up to date what is held of the segments.
func (g *registration) count(ctx context.Context) error {
	for id, by := range g.held {
		res, err := g.tx.ExecContext(ctx, `UPDATE segments SET refs = refs + ?, live = live + ? WHERE id = ?`, by.refs, by.live, id)
		if n, err := changed(res, err); err != nil {
			return err
		} else if n == 0 {
			return fmt.Errorf("segment %d is not known: %w", id, metadata.ErrConflict)
		}
	}
	return nil
}

// dropRefs takes references away, as a query of (segment, count, bytes) says.
func dropRefs(ctx context.Context, tx *sql.Tx, query string, args ...any) error {
	drop := map[metadata.SegmentID]held{}
	err := each(tx.QueryContext(ctx, query, args...))(func(scan func(...any) error) error {
		var id metadata.SegmentID
		var n held
		err := scan(&id, &n.refs, &n.live)
		drop[id] = n
		return err
	})
	if err != nil {
		return err
	}
	for id, n := range drop {
		if _, err := tx.ExecContext(ctx, `UPDATE segments SET refs = refs - ?, live = live - ? WHERE id = ?`, n.refs, n.live, id); err != nil {
			return err
		}
	}
	return nil
}

// each reads the rows of a query.
func each(rows *sql.Rows, err error) func(func(scan func(...any) error) error) error {
	return func(f func(scan func(...any) error) error) error {
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
}
