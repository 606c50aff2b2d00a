package topic

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/log"
)

const (
	// readBytes is what one read asks for; a larger batch comes alone.
	readBytes = 1 << 20
	// A read that fails because the store is away is tried again after pauseMin, then
	// twice as long, up to pauseMax.
	pauseMin = 100 * time.Millisecond
	pauseMax = 10 * time.Second
)

// Follower applies the records of a partition: those that are there, and then each that
// becomes durable. Control records and records of aborted transactions are left out, as
// for a client that reads committed. Its fields are set before Run and not changed.
type Follower struct {
	Partition *Partition
	// From is the first offset. Where the log begins above it, it begins there.
	From int64
	// RecordMax bounds one record in bytes.
	RecordMax int
	// Apply is given each record, in order; it is valid until Apply returns. An error
	// ends Run.
	Apply func(r *record.Record) error
	// CaughtUp, if set, is told each time that all below end was applied, first when
	// what was there at the start of Run has been.
	CaughtUp func(end int64)
	// Failed, if set, is told of a read that failed and will be tried again.
	Failed func(err error, pause time.Duration)
}

// Run follows until ctx ends, which is no error. Errors: UNKNOWN_TOPIC_OR_PARTITION when
// the topic was deleted, what Apply returned, and a batch that does not parse.
func (f *Follower) Run(ctx context.Context) error {
	w := f.Partition.log.NewWatcher()
	defer w.Close()
	w.Add(f.Partition.part, 0)
	at := f.From
	for ctx.Err() == nil {
		var err error
		if at, err = f.catchUp(ctx, at); err != nil {
			return err
		}
		if ctx.Err() != nil {
			break
		}
		if f.CaughtUp != nil {
			f.CaughtUp(at)
		}
		select {
		case <-w.Wake():
			w.Drain(nil)
		case <-ctx.Done():
		}
	}
	return nil
}

// catchUp applies all below the last stable offset and says where it came to. A store
// that is away is waited for.
func (f *Follower) catchUp(ctx context.Context, at int64) (int64, error) {
	pause := pauseMin
	for {
		b := f.Partition.Bounds()
		at = max(at, b.LogStart)
		if at >= b.LastStable && !f.Partition.part.Deleted() {
			return at, nil
		}
		next, err := f.pass(ctx, at, b.LastStable)
		if err == nil {
			at, pause = next, pauseMin
			continue
		}
		if ctx.Err() != nil {
			return at, nil
		}
		if !retriable(err) {
			return at, err
		}
		if f.Failed != nil {
			f.Failed(err, pause)
		}
		sleep(ctx, pause)
		pause = min(2*pause, pauseMax)
	}
}

// retriable says whether the same read may do better later. A log start that was raised
// meanwhile counts: the next pass begins above it.
func retriable(err error) bool {
	return errors.Is(err, protocol.KafkaStorageError) || errors.Is(err, protocol.RequestTimedOut) ||
		errors.Is(err, protocol.OffsetOutOfRange)
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// pass applies what one read gives from at on, below end, and says where the next begins.
func (f *Follower) pass(ctx context.Context, at, end int64) (int64, error) {
	res, err := f.Partition.log.Read(ctx, f.Partition.part, log.ReadRequest{
		Offset: at, MaxBytes: readBytes, AtLeastOne: true, Committed: true,
	})
	if err != nil {
		return at, err
	}
	defer res.Release()
	data, err := res.Joined()
	if err != nil {
		return at, protocol.Errorf(protocol.KafkaStorageError, "offset %d: %v", at, err)
	}
	if len(data) == 0 {
		return end, nil // what is left below end was compacted away
	}
	aborted := NewAborted(res.Aborted)
	for b, err := range record.Batches(data) {
		if err != nil {
			return at, fmt.Errorf("batch at or after offset %d: %w", at, err)
		}
		if !aborted.Skips(&b) {
			if err := f.batch(&b, at); err != nil {
				return at, err
			}
		}
		at = max(at, b.Header.LastOffset()+1)
	}
	return at, nil
}

// batch applies the records of one batch from offset from on.
func (f *Follower) batch(b *record.Batch, from int64) error {
	for r, err := range record.Records(b.Bytes, f.RecordMax) {
		if err != nil {
			return fmt.Errorf("batch at offset %d: %w", b.Header.BaseOffset, err)
		}
		if r.Offset < from {
			continue
		}
		if err := f.Apply(r); err != nil {
			return fmt.Errorf("record at offset %d: %w", r.Offset, err)
		}
	}
	return nil
}
