package shards

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamhouse/streamhouse/protocol/record"
)

// Fold is what becomes of the records of a partition when a shard loads, in their order.
type Fold struct {
	// Record takes one record; its bytes are valid during the call.
	Record func(h *record.Header, r *record.Record) error
	// Control takes a control batch; nil leaves them out.
	Control func(h *record.Header, batch []byte) error
	// Skip takes note of what cannot be understood, which is then left out; nil makes it
	// an error of the load.
	Skip func(offset int64, err error)
	// Bytes counts what was read.
	Bytes prometheus.Counter
}

// Run folds a partition from its start to its end.
func (f *Fold) Run(ctx context.Context, p Source) error {
	return Read(ctx, p, func(n int) { f.Bytes.Add(float64(n)) }, f.batch)
}

func (f *Fold) batch(h *record.Header, b []byte) error {
	if h.Control() {
		if f.Control == nil {
			return nil
		}
		return f.fault(h.BaseOffset, f.Control(h, b))
	}
	for r, err := range record.Records(b, RecordMax) {
		if err != nil {
			return f.fault(h.BaseOffset, err) // with what follows in the batch, whose checksum is right
		}
		if err := f.fault(r.Offset, f.Record(h, r)); err != nil {
			return err
		}
	}
	return nil
}

func (f *Fold) fault(offset int64, err error) error {
	switch {
	case err == nil:
		return nil
	case f.Skip == nil:
		return fmt.Errorf("record at offset %d: %w", offset, err)
	}
	f.Skip(offset, err)
	return nil
}
