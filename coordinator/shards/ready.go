package shards

import (
	"fmt"
	"sync"
)

// Loads remembers which partitions of an internal topic cannot be loaded. Its methods may
// be called from any goroutine.
type Loads struct {
	topic string

	mu     sync.Mutex
	failed map[int32]error
}

// NewLoads is for the partitions of one topic, of which none has failed yet.
func NewLoads(topic string) *Loads { return &Loads{topic: topic, failed: make(map[int32]error)} }

// Tried notes how an attempt to load a partition ended; nil also when nobody tries any more.
func (l *Loads) Tried(partition int32, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		delete(l.failed, partition)
		return
	}
	l.failed[partition] = err
}

// Ready says which partitions cannot be loaded, by the example of the first; nil if all
// can, as far as is known.
func (l *Loads) Ready() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.failed) == 0 {
		return nil
	}
	first := int32(-1)
	for p := range l.failed {
		if first < 0 || p < first {
			first = p
		}
	}
	return fmt.Errorf("%d partitions of %s cannot be loaded, %d for one: %w", len(l.failed), l.topic, first, l.failed[first])
}
