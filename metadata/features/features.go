// Package features keeps the finalised levels of features (KIP-584): what the cluster
// has agreed to speak, which an administrator can lower and raise. They survive in the
// metadata store.
package features

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/streamhouse/streamhouse/metadata"
)

// Transaction is the feature whose level says which version of the transaction protocol
// clients use: 2 has them raise their epoch with every transaction (KIP-890).
const Transaction = "transaction.version"

// VolumeHeader is a feature of ours, of which clients are not told: the newest version
// in which the headers of journal volumes are written. Level 2 says which start of the
// broker began the volume.
const VolumeHeader = "storage.volume.header"

// defaults are the levels of a new cluster, as Kafka 4.4 has them.
var defaults = map[string]int16{Transaction: 2}

// storeName is where the levels lie in the store.
const storeName = "features"

// Levels are the levels in force. Its methods may be called from any goroutine.
type Levels struct {
	store metadata.Cluster

	turn chan struct{} // holds a token: who has it may change levels
	mu   sync.RWMutex
	now  stored
}

// stored is what the store keeps.
type stored struct {
	Epoch  int64            `json:"epoch"` // of the last change
	Levels map[string]int16 `json:"levels"`
}

// Open reads the levels.
func Open(ctx context.Context, store metadata.Cluster) (*Levels, error) {
	l := &Levels{store: store, turn: make(chan struct{}, 1), now: stored{Levels: maps.Clone(defaults)}}
	l.turn <- struct{}{}
	b, err := store.Get(ctx, storeName)
	if errors.Is(err, metadata.ErrNotFound) {
		return l, nil
	}
	if err != nil {
		return nil, fmt.Errorf("feature levels: %w", err)
	}
	var s stored
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("feature levels: %w", err)
	}
	l.now.Epoch = s.Epoch
	maps.Copy(l.now.Levels, s.Levels)
	return l, nil
}

// Level returns the level of a feature, 0 if it has none.
func (l *Levels) Level(name string) int16 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.now.Levels[name]
}

// Epoch counts the changes.
func (l *Levels) Epoch() int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.now.Epoch
}

// Set changes levels, durably, and all or none of them.
func (l *Levels) Set(ctx context.Context, levels map[string]int16) error {
	return l.change(ctx, func(next *stored) {
		maps.Copy(next.Levels, levels)
		next.Epoch++
	})
}

// Raise brings a feature of ours up to a level, durably, or leaves it where it is if
// that is not lower. The epoch counts what clients are told, so it stays.
func (l *Levels) Raise(ctx context.Context, name string, level int16) error {
	return l.change(ctx, func(next *stored) { next.Levels[name] = max(next.Levels[name], level) })
}

// change stores what fn makes of the levels, if they differ then.
func (l *Levels) change(ctx context.Context, fn func(next *stored)) error {
	select {
	case <-l.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { l.turn <- struct{}{} }()
	l.mu.RLock()
	next := stored{Epoch: l.now.Epoch, Levels: maps.Clone(l.now.Levels)}
	l.mu.RUnlock()
	fn(&next)
	if maps.Equal(next.Levels, l.now.Levels) {
		return nil
	}
	b, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("feature levels: %w", err)
	}
	if err := l.store.Put(ctx, storeName, b); err != nil {
		return fmt.Errorf("feature levels: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = next
	return nil
}
