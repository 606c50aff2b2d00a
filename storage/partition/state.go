// Package partition is the state of one partition's log as a pure state machine:
// next offset, leader epochs, producers.
//
// A State is a fold over the index entries of packs: recovery, sealing and the
// running broker apply the same entries in the same order and come to the same
// state. What is appended but not durable yet is marked with its pack, so that the
// state can fall back to the durable one when a pack fails.
//
// No clock, no I/O, no locks: the owner (storage/log) brings them.
package partition

import (
	"fmt"
	"sort"

	"github.com/streamhouse/streamhouse/storage/pack"
)

// EpochStart says that a leader epoch's first record has this offset.
type EpochStart struct {
	Epoch int32
	Start int64
}

// State is the fold. The zero value is the state of a partition without a record.
type State struct {
	next      int64
	newest    int64        // epoch of the last of epochs plus one, 0: there is none
	epochs    []EpochStart // rising in both
	producers map[int64]*producer

	// Transactions; see transaction.go.
	txns    []txn       // by first offset
	undo    []undo      // by pack
	aborted []abortedIn // by pack; not asked for yet

	// No part of the fold; see verify.go.
	tries     map[int64]try
	forgotten uint64 // largest stamp of a producer that was forgotten
}

// NextOffset is the offset that the next record gets.
func (s *State) NextOffset() int64 { return s.next }

// SetNextOffset moves an empty fold to where a partition stands whose batches are
// all gone. It never goes back.
func (s *State) SetNextOffset(next int64) {
	if next > s.next {
		s.next = next
	}
}

// Bridge moves the fold on to a batch at base, if all that is missing before it lies
// below floor: it was deleted, or is held in another form. A log that was found to end
// below its floor has begun there, when what had held it was given up with a journal.
func (s *State) Bridge(base, floor int64) {
	if base <= floor {
		s.SetNextOffset(base)
	}
}

// Apply adds one batch. packSeq is the journal sequence of the pack it goes into, and
// durable that of the last durable pack; a fold over durable packs passes 0 for
// both. The base offset must be the next offset, and leader epochs never fall:
// anything else is an error that the caller treats as damage (DURABILITY invariant
// 5), since numbering a record twice is worse than stopping.
func (s *State) Apply(e *pack.Entry, packSeq, durable uint64) error {
	if e.BaseOffset != s.next {
		return fmt.Errorf("partition %v: batch at offset %d where %d comes next", e.ID, e.BaseOffset, s.next)
	}
	if e.LastOffsetDelta < 0 {
		return fmt.Errorf("partition %v: batch at offset %d ends before it begins", e.ID, e.BaseOffset)
	}
	switch epoch := int64(e.LeaderEpoch) + 1; {
	case epoch > s.newest:
		s.epochs = append(s.epochs, EpochStart{e.LeaderEpoch, e.BaseOffset})
		s.newest = epoch
	case epoch < s.newest:
		return fmt.Errorf("partition %v: batch at offset %d has leader epoch %d after %d",
			e.ID, e.BaseOffset, e.LeaderEpoch, s.newest-1)
	}
	s.next = e.LastOffset() + 1
	if e.ProducerID >= 0 {
		s.applyProducer(e, packSeq, durable)
	}
	return nil
}

// applyProducer takes in a batch that has a producer.
func (s *State) applyProducer(e *pack.Entry, packSeq, durable uint64) {
	transactional := e.Flags&pack.FlagTransactional != 0
	switch {
	case e.Flags&(pack.FlagMarkerAbort|pack.FlagMarkerCommit) != 0:
		s.mark(e, packSeq, durable)
		return
	case e.Flags&pack.FlagControl != 0, e.BaseSequence < 0 && !transactional:
		return
	}
	p := s.producer(e.ProducerID)
	p.push(Batch{
		Epoch:         e.ProducerEpoch,
		FirstSequence: e.BaseSequence,
		LastSequence:  addSequence(e.BaseSequence, e.LastOffsetDelta),
		BaseOffset:    e.BaseOffset,
		LastOffset:    e.LastOffset(),
		Timestamp:     e.MaxTimestamp,
		AppendTime:    e.AppendTime,
		Pack:          packSeq,
	}, durable)
	if transactional {
		delete(s.tries, e.ProducerID)
		s.begin(p, e, packSeq)
	}
}

func (s *State) producer(id int64) *producer {
	p := s.producers[id]
	if p == nil {
		if s.producers == nil {
			s.producers = make(map[int64]*producer)
		}
		p = &producer{txnStart: none}
		s.producers[id] = p
	}
	return p
}

// setNewest follows a change of epochs: an append looks at newest only, which lies
// beside next in memory.
func (s *State) setNewest() {
	s.newest = 0
	if n := len(s.epochs); n > 0 {
		s.newest = int64(s.epochs[n-1].Epoch) + 1
	}
}

// RollBack forgets everything in packs after durable; next is the durable next
// offset. Producers that lost a batch must repeat it before anything else of theirs
// is taken.
func (s *State) RollBack(durable uint64, next int64) {
	s.next = next
	for n := len(s.epochs); n > 0 && s.epochs[n-1].Start >= next; n-- {
		s.epochs = s.epochs[:n-1]
	}
	s.setNewest()
	s.rollBackTransactions(durable)
	for id, p := range s.producers {
		p.rollBack(durable)
		if !p.known() && !p.guarded {
			delete(s.producers, id) // it had nothing but a marker
		}
	}
}

// ExpireProducers forgets producers that appended nothing since before (ms, the
// broker's clock). Those with something that is not durable stay, and those with an
// open transaction, however old. pause is called every few hundred producers, unless it is
// nil, and the state may change meanwhile.
func (s *State) ExpireProducers(before int64, durable uint64, pause func()) (expired int) {
	pace := pacer{pause: pause}
	for id, p := range s.producers {
		pace.step()
		if p.lastAppend() < before && !p.pending(durable) {
			s.forgotten = max(s.forgotten, p.stamp)
			delete(s.producers, id)
			expired++
		}
	}
	return expired
}

// Producers is how many producer ids the partition remembers.
func (s *State) Producers() int { return len(s.producers) }

// EpochEnd answers OffsetForLeaderEpoch (KIP-101, KIP-279) for a partition whose
// leader has the epoch current since offset started (its next offset when it began
// to lead), with the durable end and log start given. Results: the epoch found and its end
// offset; -1, -1 for an epoch that was never seen.
func (s *State) EpochEnd(epoch, current int32, started, end, logStart int64) (int32, int64) {
	if epoch == -1 || epoch > current {
		return -1, -1
	}
	if epoch == current {
		return current, end
	}
	epochs := s.epochs
	if n := len(epochs); n == 0 || epochs[n-1].Epoch < current {
		epochs = append(epochs[:n:n], EpochStart{current, started})
		// An epoch that began where another one did held no record.
	}
	i := sort.Search(len(epochs), func(i int) bool { return epochs[i].Epoch > epoch })
	if i == 0 {
		return epoch, max(epochs[0].Start, logStart)
	}
	return epochs[i-1].Epoch, max(min(epochs[i].Start, end), logStart)
}

// EpochAt returns the leader epoch of the record at offset, or -1 if none is known.
func (s *State) EpochAt(offset int64) int32 {
	i := sort.Search(len(s.epochs), func(i int) bool { return s.epochs[i].Start > offset })
	if i == 0 {
		return -1
	}
	return s.epochs[i-1].Epoch
}

// Epochs returns the leader epochs that have records, oldest first; not to be changed.
func (s *State) Epochs() []EpochStart { return s.epochs }
