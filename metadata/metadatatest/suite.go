// Package metadatatest is the suite that every metadata.Store passes.
package metadatatest

import (
	"iter"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Harness is one store under test.
type Harness struct {
	Store metadata.Store
	// Advance moves the store's clock.
	Advance func(time.Duration)
	// Reopen closes the store and opens what it left.
	Reopen func(t *testing.T) metadata.Store
}

// Run runs the suite. open makes an empty store with a clock that stands still but for
// Advance.
func Run(t *testing.T, open func(t *testing.T) *Harness) {
	for name, test := range map[string]func(*testing.T, *Harness){
		"Begin":              testBegin,
		"ProducerIDs":        testProducerIDs,
		"Values":             testValues,
		"Tombstones":         testTombstones,
		"Topics":             testTopics,
		"TopicConflicts":     testTopicConflicts,
		"TopicDelete":        testTopicDelete,
		"Configs":            testConfigs,
		"Register":           testRegister,
		"RegisterTwice":      testRegisterTwice,
		"RegisterNoIntent":   testRegisterNoIntent,
		"RegisterRefused":    testRegisterRefused,
		"RegisterDeleted":    testRegisterDeleted,
		"RegisterStates":     testRegisterStates,
		"RegisterReplaces":   testRegisterReplaces,
		"ReplacesWhatWas":    testRegisterReplacesWhatWas,
		"VolumesRegistered":  testVolumesRegistered,
		"VolumesBegun":       testVolumesBegun,
		"LogStart":           testLogStart,
		"LogStarts":          testLogStarts,
		"Oldest":             testOldest,
		"Usage":              testUsage,
		"Sparse":             testSparse,
		"Sealed":             testSealed,
		"GarbageSegments":    testGarbageSegments,
		"GarbageStateBlocks": testGarbageStateBlocks,
		"GarbageIntents":     testGarbageIntents,
		"ForgetRefused":      testForgetRefused,
		"Credentials":        testCredentials,
		"ACLs":               testACLs,
		"SecurityConflicts":  testSecurityConflicts,
		"SecurityTombstones": testSecurityTombstones,
		"SecurityLostAnswer": testSecurityLostAnswer,
		"Random":             testRandom,
		"Concurrent":         testConcurrent,
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			if _, err := h.Store.Begin(t.Context()); err != nil {
				t.Fatal(err)
			}
			test(t, h)
		})
	}
}

func topicID(n byte) metadata.TopicID { return metadata.TopicID{0: 0x40, 15: n} }

func partition(topic byte, p int32) pack.PartitionID {
	return pack.PartitionID{Topic: topicID(topic), Partition: p}
}

// slice makes a slice whose other facts follow from its offsets.
func slice(id pack.PartitionID, base, last int64) metadata.Slice {
	return metadata.Slice{ID: id, BaseOffset: base, LastOffset: last, Bytes: 10 * (last - base + 1), MaxTimestamp: 1000 + last, AppendTime: 2000 + last}
}

// register intends and registers a segment.
func register(t *testing.T, s metadata.Store, key string, r metadata.Registration) metadata.SegmentID {
	t.Helper()
	if err := s.Intend(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	r.Segment.Key = key
	if r.Segment.Bytes == 0 {
		r.Segment.Bytes = 1 << 20
	}
	id, err := s.Register(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if id < 1 {
		t.Fatalf("segment id %d", id)
	}
	return id
}

// garbage returns the ids of garbage segments.
func garbage(t *testing.T, s metadata.Store) []metadata.SegmentID {
	t.Helper()
	list, _, err := s.Garbage(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	var ids []metadata.SegmentID
	for _, x := range list {
		ids = append(ids, x.ID)
	}
	return ids
}

// offsets returns the base offsets of a partition's slices.
func offsets(t *testing.T, s metadata.Store, id pack.PartitionID) []int64 {
	t.Helper()
	list, _, err := s.Partition(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var out []int64
	for _, x := range list {
		out = append(out, x.BaseOffset)
	}
	return out
}

// beforeAndAfter yields the store as it is and then as it is after it was opened again.
func beforeAndAfter(t *testing.T, h *Harness) iter.Seq[metadata.Store] {
	return func(yield func(metadata.Store) bool) {
		t.Helper()
		if !yield(h.Store) {
			return
		}
		h.Store = h.Reopen(t)
		yield(h.Store)
	}
}
