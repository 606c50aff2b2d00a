package topic

import (
	"sync"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
)

// Latest is what a topic means whose cleanup.policy is compact: the latest value of each
// key. Apply is a Follower's Apply; the other methods may be called beside it.
type Latest struct {
	bytesMax int64

	mu      sync.RWMutex
	entries map[string]Entry
	bytes   int64
}

// Entry is a key's latest record.
type Entry struct {
	Offset    int64
	Timestamp int64 // ms
	Value     []byte
}

// NewLatest makes an empty table of at most bytesMax bytes of keys and values.
func NewLatest(bytesMax int64) *Latest {
	return &Latest{bytesMax: bytesMax, entries: make(map[string]Entry)}
}

// Apply takes a record over. A null value removes its key; a record without a key says
// nothing about any and is left out. Above the bound the table stays as it was and the
// error is POLICY_VIOLATION.
func (t *Latest) Apply(r *record.Record) error {
	if r.Key == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	old, had := t.entries[string(r.Key)]
	bytes := t.bytes
	if had {
		bytes -= int64(len(r.Key) + len(old.Value))
	}
	if r.Value == nil {
		t.bytes = bytes
		delete(t.entries, string(r.Key))
		return nil
	}
	if bytes += int64(len(r.Key) + len(r.Value)); bytes > t.bytesMax {
		return protocol.Errorf(protocol.PolicyViolation, "keys and values take more than %d bytes", t.bytesMax)
	}
	t.bytes = bytes
	// The record is valid only now: it is copied.
	t.entries[string(r.Key)] = Entry{Offset: r.Offset, Timestamp: r.Timestamp, Value: append([]byte{}, r.Value...)}
	return nil
}

// Get returns a key's latest record; false if it has none. The value is shared: it is
// not to be changed.
func (t *Latest) Get(key []byte) (Entry, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	e, ok := t.entries[string(key)]
	return e, ok
}

// Len is the number of keys.
func (t *Latest) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.entries)
}

// Range tells visit of each key until it returns false, in no order. visit must not call
// the table's methods.
func (t *Latest) Range(visit func(key string, e Entry) bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for k, e := range t.entries {
		if !visit(k, e) {
			return
		}
	}
}
