package txn

import (
	"math"
	"sort"
	"strings"
)

// What stands for no producer id and no epoch.
const (
	NoProducerID int64 = -1
	NoEpoch      int16 = -1
)

// lastEpoch is the highest epoch that clients get to see: one is kept back, so that
// such a producer can still be fenced.
const lastEpoch = math.MaxInt16 - 1

func exhausted(epoch int16) bool { return epoch >= lastEpoch }

// The versions of the transaction protocol, as levels of the feature transaction.version.
const (
	Version0 int16 = 0 // KIP-98
	Version1 int16 = 1 // the same; records have tagged fields
	Version2 int16 = 2 // KIP-890: every end of a transaction raises the epoch
)

// State is all that is known of a transactional id. A state is never changed once a
// step has returned it: the next step returns another one.
type State struct {
	ProducerID     int64
	PrevProducerID int64 // before the last change
	// NextProducerID takes over when the transaction that is being ended is over,
	// because the epochs of ProducerID are used up.
	NextProducerID int64
	Epoch          int16
	// LastEpoch is the epoch that the producer had before Epoch, if the same producer
	// goes on: a repeated request may still name it.
	LastEpoch  int16
	TimeoutMs  int32
	Status     Status
	Partitions []TopicPartition // of the transaction; sorted, each once
	StartMs    int64            // of the transaction, wall clock; -1: there was none
	UpdateMs   int64            // of the last change, wall clock
	// ClientVersion is the protocol version that the last transaction was run by.
	ClientVersion int16
}

// next copies the state for a change at a time that does not go back.
func (s *State) next(status Status, nowMs int64) *State {
	n := *s
	n.PrevProducerID = s.ProducerID
	n.Status = status
	n.UpdateMs = max(nowMs, s.UpdateMs)
	return &n
}

// Has says whether the partition belongs to the transaction.
func (s *State) Has(tp TopicPartition) bool {
	i := sort.Search(len(s.Partitions), func(i int) bool { return s.Partitions[i].compare(tp) >= 0 })
	return i < len(s.Partitions) && s.Partitions[i] == tp
}

func (s *State) hasAll(parts []TopicPartition) bool {
	for _, tp := range parts {
		if !s.Has(tp) {
			return false
		}
	}
	return true
}

// with returns the transaction's partitions and the given ones.
func (s *State) with(parts []TopicPartition) []TopicPartition {
	all := make([]TopicPartition, 0, len(s.Partitions)+len(parts))
	all = append(all, s.Partitions...)
	return normal(append(all, parts...))
}

// normal sorts the partitions, in place, and leaves each in once.
func normal(parts []TopicPartition) []TopicPartition {
	sort.Slice(parts, func(i, j int) bool { return parts[i].compare(parts[j]) < 0 })
	kept := parts[:0]
	for i, tp := range parts {
		if i == 0 || tp != parts[i-1] {
			kept = append(kept, tp)
		}
	}
	return kept
}

func (tp TopicPartition) compare(other TopicPartition) int {
	if c := strings.Compare(tp.Topic, other.Topic); c != 0 {
		return c
	}
	return int(tp.Partition) - int(other.Partition)
}

// TimedOut says whether an open transaction has lasted longer than its producer allows.
// It counts from the stored start, so across restarts.
func (s *State) TimedOut(nowMs int64) bool {
	return s.Status == Ongoing && nowMs > s.StartMs+int64(s.TimeoutMs)
}

// Expired says whether nobody has used the id for so long that it is forgotten.
func (s *State) Expired(nowMs, expirationMs int64) bool {
	return s.Status.Idle() && s.UpdateMs <= nowMs-expirationMs
}
