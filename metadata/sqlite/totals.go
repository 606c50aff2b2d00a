package sqlite

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Oldest returns partitions with their oldest slices.
func (s *Store) Oldest(ctx context.Context, after pack.PartitionID, n int) (out []metadata.Oldest, err error) {
	err = s.rows(ctx, s.read, queryOldest, []any{after.Topic[:], after.Partition, n}, func(scan func(...any) error) error {
		var x metadata.Oldest
		var topic []byte
		f := &x.First
		err := scan(&topic, &f.ID.Partition, &f.BaseOffset, &f.LastOffset, &f.Segment, &f.Bytes, &f.MaxTimestamp, &f.AppendTime, &f.Level,
			&x.Slices, &x.Bytes, &x.LastOffset)
		copy(f.ID.Topic[:], topic)
		out = append(out, x)
		return err
	})
	if err != nil {
		return nil, s.wrap("oldest slices behind "+after.String(), err)
	}
	return out, nil
}

// Usage looks at all segments.
func (s *Store) Usage(ctx context.Context, topics []metadata.TopicID) (u metadata.Usage, err error) {
	err = s.snapshot(ctx, func(tx *sql.Tx) (err error) {
		if err := tx.QueryRowContext(ctx, queryHolding).Scan(&u.Segments, &u.Bytes, &u.Data, &u.Live); err != nil {
			return err
		}
		if u.Stranded, err = s.stranded(ctx, tx); err != nil {
			return err
		}
		u.Alone, err = s.alone(ctx, tx, topics)
		return err
	})
	if err != nil {
		return metadata.Usage{}, s.wrap("usage of segments", err)
	}
	return u, nil
}

func (s *Store) stranded(ctx context.Context, tx *sql.Tx) (out []metadata.State, err error) {
	err = s.rows(ctx, tx, queryStranded, nil, func(scan func(...any) error) error {
		var x metadata.State
		var topic []byte
		err := scan(&topic, &x.ID.Partition, &x.NextOffset, &x.LeaderEpoch, &x.Block, &x.BlockPos, &x.BlockLen)
		copy(x.ID.Topic[:], topic)
		out = append(out, x)
		return err
	})
	return out, err
}

func (s *Store) alone(ctx context.Context, tx *sql.Tx, topics []metadata.TopicID) (out []metadata.Segment, err error) {
	names := make([]string, len(topics))
	for i := range topics {
		names[i] = hex.EncodeToString(topics[i][:])
	}
	list, err := json.Marshal(names)
	if err != nil {
		return nil, err
	}
	err = s.rows(ctx, tx, queryAlone, []any{string(list)}, func(scan func(...any) error) error {
		var x metadata.Segment
		err := scan(&x.ID, &x.Key, &x.Bytes, &x.CreatedAt, &x.Data)
		out = append(out, x)
		return err
	})
	return out, err
}

// Sparse returns the segments with the most dead data.
func (s *Store) Sparse(ctx context.Context, dead float64, n int) (out []metadata.Held, err error) {
	err = s.rows(ctx, s.read, querySparse, []any{dead, n}, func(scan func(...any) error) error {
		var x metadata.Held
		err := scan(&x.ID, &x.Key, &x.Bytes, &x.CreatedAt, &x.Data, &x.Live)
		out = append(out, x)
		return err
	})
	return out, s.wrap("sparse segments", err)
}

// Lying returns the slices of a segment.
func (s *Store) Lying(ctx context.Context, id metadata.SegmentID) (out []metadata.Slice, err error) {
	err = s.rows(ctx, s.read, queryLying, []any{id}, func(scan func(...any) error) error {
		x := metadata.Slice{Segment: id}
		var topic []byte
		err := scan(&topic, &x.ID.Partition, &x.BaseOffset, &x.LastOffset, &x.Bytes, &x.MaxTimestamp, &x.AppendTime, &x.Level)
		copy(x.ID.Topic[:], topic)
		out = append(out, x)
		return err
	})
	return out, s.wrap(fmt.Sprintf("slices in segment %d", id), err)
}
