package shards

import (
	"context"
	"fmt"

	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/log"
)

// readChunk is what one read asks for, in bytes.
const readChunk = 1 << 20

// Source is a partition to read.
type Source interface {
	Bounds() log.Bounds
	Read(ctx context.Context, req log.ReadRequest) (log.ReadResult, error)
}

// Read folds a partition from its start to its end: apply gets each batch, in order.
// bytes is told how much was read. The end does not move: nobody but the caller appends
// to the partition.
func Read(ctx context.Context, p Source, bytes func(n int), apply func(h *record.Header, batch []byte) error) error {
	bounds := p.Bounds()
	for at := bounds.LogStart; at < bounds.HighWatermark; {
		res, err := p.Read(ctx, log.ReadRequest{Offset: at, MaxBytes: readChunk, AtLeastOne: true})
		if err != nil {
			return fmt.Errorf("offset %d: %w", at, err)
		}
		bytes(res.Bytes)
		next, err := applyChunks(&res, at, apply)
		res.Release()
		if err != nil {
			return err
		}
		if next == at {
			return nil // what is left up to the end was compacted away
		}
		at = next
	}
	return nil
}

// applyChunks folds what one read returned and says where the next begins.
func applyChunks(res *log.ReadResult, at int64, apply func(h *record.Header, batch []byte) error) (int64, error) {
	data, err := res.Joined()
	if err != nil {
		return 0, fmt.Errorf("offset %d: %w", at, err)
	}
	for b, err := range record.Batches(data) {
		if err != nil {
			return 0, fmt.Errorf("batch at or after offset %d: %w", at, err)
		}
		if err := apply(&b.Header, b.Bytes); err != nil {
			return 0, fmt.Errorf("batch at offset %d: %w", b.Header.BaseOffset, err)
		}
		at = max(at, b.Header.LastOffset()+1)
	}
	return at, nil
}
