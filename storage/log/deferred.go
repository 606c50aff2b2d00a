package log

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// blockError: a partition's state block, which lies in a sealed object, cannot be read.
type blockError struct{ err error }

func (e *blockError) Error() string { return e.err.Error() }
func (e *blockError) Unwrap() error { return e.err }

// deferred is what the open journal holds of partitions whose state block could not be
// read when the journal was replayed, as when the bucket was away. All others live on.
// These answer KAFKA_STORAGE_ERROR until a load succeeds, which folds what is kept here.
// It takes what an open journal takes of any partition: an element per extent.
type deferred struct {
	mu      sync.Mutex
	extents map[pack.PartitionID][]extent // in order
}

// begin says that a partition is deferred from now on.
func (d *deferred) begin(id pack.PartitionID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.extents == nil {
		d.extents = make(map[pack.PartitionID][]extent)
	}
	d.extents[id] = []extent{}
}

// add keeps an extent of a partition that is deferred, and says whether it is.
func (d *deferred) add(id pack.PartitionID, x extent) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	have, is := d.extents[id]
	if is {
		d.extents[id] = append(have, x)
	}
	return is
}

func (d *deferred) of(id pack.PartitionID) []extent {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.extents[id]
}

func (d *deferred) end(id pack.PartitionID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.extents, id)
}

func (d *deferred) drop(topic pack.TopicID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id := range d.extents {
		if id.Topic == topic {
			delete(d.extents, id)
		}
	}
}

func (d *deferred) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.extents)
}

// replayed folds what a pack holds of a partition, or keeps it for a later load.
func (l *Log) replayed(ctx context.Context, id pack.PartitionID, epoch int32, x extent, entries []pack.Entry) error {
	if l.deferred.add(id, x) {
		return nil
	}
	p, err := l.handle(ctx, id, epoch)
	if block := (*blockError)(nil); errors.As(err, &block) {
		l.logger.Log(levelOf(err), "partition answers KAFKA_STORAGE_ERROR until its state can be read", zap.Stringer("partition", id), zap.Error(err))
		l.deferred.begin(id)
		l.deferred.add(id, x)
		return nil
	}
	if err != nil {
		return err
	}
	return p.replay(x.ref, x.Extent, entries)
}

// levelOf is how loud a partition that cannot be loaded is. That the bucket is away is said
// once for all, and not by each partition each time a client asks.
func levelOf(err error) zapcore.Level {
	if errors.Is(err, bucket.ErrAway) {
		return zapcore.DebugLevel
	}
	return zapcore.ErrorLevel
}

// catchUp folds what the journal holds of a partition that was deferred onto its sealed
// state, and returns the extents that are not sealed. Nobody else uses p yet, whose
// floor is given.
func (l *Log) catchUp(p *Partition, floor int64) ([]extent, error) {
	var open []extent
	for _, x := range l.deferred.of(p.id) {
		l.mu.Lock()
		sealed := x.LastOffset < p.state.NextOffset()
		l.mu.Unlock()
		if sealed {
			continue // and its volume may be gone
		}
		entries, err := l.entriesOf(x)
		if err != nil {
			return nil, fmt.Errorf("index of %v in volume %d, pack %d: %w", p.id, x.ref.Volume, x.ref.Seq, err)
		}
		l.mu.Lock()
		err = p.fold(x.ref, entries, floor)
		l.mu.Unlock()
		if err != nil {
			return nil, err
		}
		open = append(open, x)
	}
	return open, nil
}

func (l *Log) entriesOf(x extent) ([]pack.Entry, error) {
	h, err := l.source(x.ref)
	if err != nil {
		return nil, err
	}
	defer h.release()
	return h.entries(x.Extent)
}
