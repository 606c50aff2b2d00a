package log

import (
	"context"

	"github.com/streamhouse/streamhouse/protocol/record"
)

// What a partition does through its log, for those who hold the partition alone.

// Append is Appender.Append.
func (p *Partition) Append(ctx context.Context, t *Ticket, slot int, b Batch) {
	a := Appender{log: p.log}
	a.Append(ctx, t, slot, p, b)
}

// Read is Log.Read.
func (p *Partition) Read(ctx context.Context, req ReadRequest) (ReadResult, error) {
	return p.log.Read(ctx, p, req)
}

// OffsetForTime is Log.OffsetForTime.
func (p *Partition) OffsetForTime(ctx context.Context, timestamp int64, committed bool) (record.TimestampOffset, bool, error) {
	return p.log.OffsetForTime(ctx, p, timestamp, committed)
}

// DeleteRecords is Log.DeleteRecords.
func (p *Partition) DeleteRecords(ctx context.Context, offset int64) (logStart int64, err error) {
	return p.log.DeleteRecords(ctx, p, offset)
}
