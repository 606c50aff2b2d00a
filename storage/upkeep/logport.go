package upkeep

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// LogOf makes a Log of the broker's log. epochs are the topics by which the log
// itself was made.
func LogOf(l *log.Log, epochs log.Topics) Log { return brokerLog{l, epochs} }

// brokerLog adds to *log.Log the methods that it has in another shape.
type brokerLog struct {
	*log.Log
	epochs log.Topics
}

// LiftEnd asks the partition, loading it if need be: its open transactions are in its
// sealed state.
func (l brokerLog) LiftEnd(ctx context.Context, id pack.PartitionID) (int64, error) {
	epoch, exists := l.epochs.LeaderEpoch(id)
	if !exists {
		return 0, protocol.UnknownTopicOrPartition
	}
	p, err := l.Partition(ctx, id, epoch)
	if err != nil {
		return 0, err
	}
	return p.LiftEnd(), nil
}

// Decided asks the partition, loading it if need be.
func (l brokerLog) Decided(ctx context.Context, id pack.PartitionID) (int64, []pack.Aborted, error) {
	epoch, exists := l.epochs.LeaderEpoch(id)
	if !exists {
		return 0, nil, protocol.UnknownTopicOrPartition
	}
	p, err := l.Partition(ctx, id, epoch)
	if err != nil {
		return 0, nil, err
	}
	// The stable offset first: what is aborted below it is known then.
	stable := p.Bounds().LastStable
	return stable, p.OpenAborted(), nil
}

// ReadBatches reads through the log as a fetch would.
func (l brokerLog) ReadBatches(ctx context.Context, id pack.PartitionID, offset int64, bytesMax int) ([]byte, error) {
	epoch, exists := l.epochs.LeaderEpoch(id)
	if !exists {
		return nil, protocol.UnknownTopicOrPartition
	}
	p, err := l.Partition(ctx, id, epoch)
	if err != nil {
		return nil, err
	}
	res, err := l.Read(ctx, p, log.ReadRequest{Offset: offset, MaxBytes: bytesMax, AtLeastOne: true})
	defer res.Release()
	if err != nil {
		if errors.Is(err, protocol.OffsetOutOfRange) && offset >= res.HighWatermark {
			return nil, nil
		}
		return nil, err
	}
	out := make([]byte, 0, res.Bytes)
	for i := range res.Chunks {
		if out, err = appendChunk(out, &res.Chunks[i]); err != nil {
			return nil, fmt.Errorf("read %v at offset %d: %w", id, offset, err)
		}
	}
	return out, nil
}

// appendChunk appends the bytes of a chunk, wherever they are.
func appendChunk(out []byte, c *log.Chunk) ([]byte, error) {
	if c.File == nil {
		return append(out, c.Mem...), nil
	}
	start := len(out)
	out = append(out, make([]byte, c.Len)...)
	n, err := c.File.ReadAt(out[start:], c.Pos)
	if int64(n) < c.Len && err == nil {
		err = io.ErrUnexpectedEOF
	}
	if int64(n) == c.Len {
		err = nil
	}
	return out, err
}
