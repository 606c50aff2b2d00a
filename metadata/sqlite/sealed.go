package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Sealed reads the ends of the partitions' sealed parts.
func (s *Store) Sealed(ctx context.Context, ids []pack.PartitionID) (out []metadata.Sealed, err error) {
	err = s.snapshot(ctx, func(tx *sql.Tx) error {
		out, err = sealedIn(ctx, tx.StmtContext(ctx, s.sealed), ids)
		return err
	})
	if err != nil {
		return nil, s.wrap(fmt.Sprintf("ends of %d partitions", len(ids)), err)
	}
	return out, nil
}

// sealedIn runs querySealed once for each topic.
func sealedIn(ctx context.Context, query *sql.Stmt, ids []pack.PartitionID) ([]metadata.Sealed, error) {
	out := make([]metadata.Sealed, len(ids))
	byTopic := make(map[pack.TopicID][]int) // indexes into ids
	for i, id := range ids {
		byTopic[id.Topic] = append(byTopic[id.Topic], i)
	}
	for topic, at := range byTopic {
		if err := sealedOf(ctx, query, topic, ids, at, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// sealedOf fills out for the ids of one topic, which are those at the places at.
func sealedOf(ctx context.Context, query *sql.Stmt, topic pack.TopicID, ids []pack.PartitionID, at []int, out []metadata.Sealed) error {
	numbers := []byte{'['}
	for i, n := range at {
		if i > 0 {
			numbers = append(numbers, ',')
		}
		numbers = strconv.AppendInt(numbers, int64(ids[n].Partition), 10)
	}
	numbers = append(numbers, ']')
	n := 0
	err := each(query.QueryContext(ctx, topic[:], string(numbers)))(func(scan func(...any) error) error {
		x := &out[at[n]]
		st := &x.State
		err := scan(&st.ID.Partition, &x.LastOffset, &x.LogStart, &st.NextOffset, &st.LeaderEpoch, &st.Block, &st.BlockPos, &st.BlockLen)
		if err == nil && st.ID.Partition != ids[at[n]].Partition {
			err = fmt.Errorf("partition %d where %v is due", st.ID.Partition, ids[at[n]])
		}
		st.ID.Topic = topic
		n++
		return err
	})
	if err == nil && n != len(at) {
		err = fmt.Errorf("%d rows for %d partitions of topic %x", n, len(at), topic)
	}
	return err
}
