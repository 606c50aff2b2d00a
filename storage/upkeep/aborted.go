package upkeep

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// aborted lists the aborted transactions of a partition, wherever their markers lie, for a caller
// that holds the right to register: no seal moves a marker between the two questions.
func (u *Upkeep) aborted(ctx context.Context, id pack.PartitionID, slices []metadata.Slice) ([]pack.Aborted, error) {
	_, open, err := u.cfg.Log.Decided(ctx, id)
	if err != nil {
		return nil, err
	}
	sealed, err := u.sealedAborted(ctx, id, slices)
	return append(open, sealed...), err
}

// sealedAborted lists the aborted transactions that the segments of slices list.
func (u *Upkeep) sealedAborted(ctx context.Context, id pack.PartitionID, slices []metadata.Slice) (list []pack.Aborted, err error) {
	for i := range slices {
		seg, err := u.cfg.Store.Segment(ctx, slices[i].Segment)
		if err != nil {
			return nil, fmt.Errorf("segment %d: %w", slices[i].Segment, err)
		}
		t, _, err := u.cfg.Index.Transactions(ctx, seg, id)
		if err != nil {
			return nil, fmt.Errorf("transactions in %s: %w", seg.Key, err)
		}
		list = append(list, t.Aborted...)
	}
	return list, nil
}

// seed is the key of one run's hash.
func seed() [2]uint64 {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return [2]uint64{binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:])}
}
