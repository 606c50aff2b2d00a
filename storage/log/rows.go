package log

import (
	"context"
	"fmt"
	"sync"

	"github.com/streamhouse/streamhouse/metadata"
)

// rowsMax bounds how many segment rows are remembered.
const rowsMax = 1 << 16

// rows remembers the rows of segments. They never change; a segment that was
// deleted is noticed when its object is missing, and then asked for again.
type rows struct {
	mu   sync.RWMutex
	byID map[metadata.SegmentID]metadata.Segment
}

func (r *rows) get(ctx context.Context, store metadata.Segments, id metadata.SegmentID) (metadata.Segment, error) {
	r.mu.RLock()
	seg, ok := r.byID[id]
	r.mu.RUnlock()
	if ok {
		return seg, nil
	}
	seg, err := store.Segment(ctx, id)
	if err != nil {
		return seg, fmt.Errorf("segment %d: %w", id, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byID == nil || len(r.byID) >= rowsMax {
		r.byID = make(map[metadata.SegmentID]metadata.Segment)
	}
	r.byID[id] = seg
	return seg, nil
}

func (r *rows) forget(id metadata.SegmentID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.byID, id)
}
