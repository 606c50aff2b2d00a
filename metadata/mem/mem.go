// Package mem is the metadata store in memory: the twin of the durable ones, for
// tests. It passes the same suite.
package mem

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/streamhouse/streamhouse/auth"
	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Store is a metadata.Store that forgets everything with the process. One mutex makes
// every call one transaction.
type Store struct {
	mu  sync.Mutex
	now func() time.Time

	start        metadata.Start
	nextProducer int64
	values       map[string][]byte

	topics  map[metadata.TopicID]metadata.Topic
	deleted map[metadata.TopicID]*tombstone
	configs map[metadata.Resource]map[string]string

	lastSegment metadata.SegmentID
	segments    map[metadata.SegmentID]metadata.Segment
	slices      map[pack.PartitionID][]metadata.Slice
	states      map[pack.PartitionID]metadata.State
	logStarts   map[pack.PartitionID]int64
	intents     map[string]time.Time
	volumes     map[uint64]pack.Nonce // sealed ones
	begun       metadata.Volume

	security    int64
	credentials map[credentialKey]metadata.Credential
	acls        map[auth.ACL]metadata.Row
}

var _ metadata.Store = (*Store)(nil)

// New returns an empty store. now is its clock; nil: the machine's.
func New(now func() time.Time) *Store {
	if now == nil {
		now = time.Now
	}
	return &Store{
		now:       now,
		values:    map[string][]byte{},
		topics:    map[metadata.TopicID]metadata.Topic{},
		deleted:   map[metadata.TopicID]*tombstone{},
		configs:   map[metadata.Resource]map[string]string{},
		segments:  map[metadata.SegmentID]metadata.Segment{},
		slices:    map[pack.PartitionID][]metadata.Slice{},
		states:    map[pack.PartitionID]metadata.State{},
		logStarts: map[pack.PartitionID]int64{},
		intents:   map[string]time.Time{},
		volumes:   map[uint64]pack.Nonce{},

		credentials: map[credentialKey]metadata.Credential{},
		acls:        map[auth.ACL]metadata.Row{},
	}
}

// Close does nothing: the store can be used again, as a database can be opened again.
func (s *Store) Close() error { return nil }

// Identity returns what Begin will.
func (s *Store) Identity(context.Context) (metadata.Start, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.makeCluster()
	next := s.start
	next.Epoch++
	return next, nil
}

// Begin counts a start.
func (s *Store) Begin(context.Context) (metadata.Start, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.makeCluster()
	s.start.Epoch++
	return s.start, nil
}

func (s *Store) makeCluster() {
	if s.start.ClusterID == "" {
		var b [16]byte
		rand.Read(b[:]) // never fails, see its documentation
		s.start.ClusterID = base64.RawURLEncoding.EncodeToString(b[:])
		s.start.Incarnation = 1
	}
}

// AllocateProducerIDs reserves n ids.
func (s *Store) AllocateProducerIDs(_ context.Context, n int64) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n <= 0 {
		return 0, fmt.Errorf("metadata: allocate %d producer ids", n)
	}
	first := s.nextProducer
	s.nextProducer += n
	return first, nil
}

// Get returns a named value.
func (s *Store) Get(_ context.Context, name string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.values[name]
	if !ok {
		return nil, fmt.Errorf("value %s: %w", name, metadata.ErrNotFound)
	}
	return bytes.Clone(v), nil
}

// Put keeps a named value.
func (s *Store) Put(_ context.Context, name string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values[name] = append([]byte{}, value...)
	return nil
}

// LoadTopics returns all topics by name.
func (s *Store) LoadTopics(context.Context) ([]metadata.Topic, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []metadata.Topic
	for _, t := range s.topics {
		t.Configs = maps.Clone(t.Configs)
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b metadata.Topic) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// CreateTopic adds a topic.
func (s *Store) CreateTopic(_ context.Context, t metadata.Topic) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, taken := s.topics[t.ID]
	for _, other := range s.topics {
		taken = taken || other.Name == t.Name
	}
	if taken || s.deleted[t.ID] != nil {
		return fmt.Errorf("topic %s: %w", t.Name, metadata.ErrExists)
	}
	t.Configs = copySet(t.Configs)
	s.topics[t.ID] = t
	return nil
}

// UpdateTopic replaces partitions and configs.
func (s *Store) UpdateTopic(_ context.Context, t metadata.Topic) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.topics[t.ID]
	switch {
	case !ok:
		return fmt.Errorf("topic %s: %w", t.Name, metadata.ErrNotFound)
	case old.Version != t.Version:
		return fmt.Errorf("topic %s: %w", t.Name, metadata.ErrConflict)
	}
	old.Partitions, old.Configs = t.Partitions, copySet(t.Configs)
	old.Version++
	s.topics[t.ID] = old
	return nil
}

// DeleteTopic removes a topic and leaves a tombstone.
func (s *Store) DeleteTopic(_ context.Context, id metadata.TopicID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.topics[id]; !ok {
		return fmt.Errorf("topic %x: %w", id, metadata.ErrNotFound)
	}
	delete(s.topics, id)
	s.deleted[id] = &tombstone{s.now(), s.lastSegment}
	maps.DeleteFunc(s.slices, func(p pack.PartitionID, _ []metadata.Slice) bool { return p.Topic == id })
	maps.DeleteFunc(s.states, func(p pack.PartitionID, _ metadata.State) bool { return p.Topic == id })
	maps.DeleteFunc(s.logStarts, func(p pack.PartitionID, _ int64) bool { return p.Topic == id })
	return nil
}

// Deleted looks for a tombstone.
func (s *Store) Deleted(_ context.Context, id metadata.TopicID) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deleted[id] != nil, nil
}

// tombstone is a deleted topic.
type tombstone struct {
	at      time.Time
	segment metadata.SegmentID // the last one that may name the topic
}

// tombstoneAge is how long a deleted topic's id is remembered at least.
const tombstoneAge = 30 * 24 * time.Hour

// Tombstones returns those that only the journal may need.
func (s *Store) Tombstones(_ context.Context, limit int) ([]metadata.TopicID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []metadata.TopicID
	for id, t := range s.deleted {
		if s.now().Sub(t.at) > tombstoneAge && s.unnamed(t) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b metadata.TopicID) int { return s.deleted[a].at.Compare(s.deleted[b].at) })
	return ids[:min(len(ids), limit)], nil
}

// ForgetTombstones removes some.
func (s *Store) ForgetTombstones(_ context.Context, ids []metadata.TopicID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if t := s.deleted[id]; t != nil && s.unnamed(t) {
			delete(s.deleted, id)
		}
	}
	return nil
}

// unnamed holds for a tombstone whose id lies in no segment. The caller holds s.mu.
func (s *Store) unnamed(t *tombstone) bool {
	for id := range s.segments {
		if id <= t.segment {
			return false
		}
	}
	return true
}

// LoadConfigs returns all dynamic settings.
func (s *Store) LoadConfigs(context.Context) (map[metadata.Resource]map[string]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[metadata.Resource]map[string]string{}
	for r, set := range s.configs {
		out[r] = maps.Clone(set)
	}
	return out, nil
}

// SetConfigs replaces the set of one resource.
func (s *Store) SetConfigs(_ context.Context, r metadata.Resource, set map[string]string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(set) == 0 {
		delete(s.configs, r)
		return nil
	}
	s.configs[r] = maps.Clone(set)
	return nil
}

func copySet(m map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, m)
	return out
}
