package partition

import (
	"math"
	"sort"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// none is an offset that stands for no open transaction.
const none = -1

// txn is a transaction that has begun in this partition. One that has ended stays
// until its marker is durable, so that a failed pack can open it again.
type txn struct {
	producer int64
	first    int64
	began    uint64 // pack of its first batch
	ended    uint64 // pack of its marker, while that is not durable; 0: open
}

// abortedIn is an aborted transaction whose marker lies in a pack.
type abortedIn struct {
	pack.Aborted
	pack uint64
}

// marker is the last end marker of a producer.
type marker struct {
	epoch            int16
	coordinatorEpoch int32
	offset           int64
	timestamp        int64  // ms
	appendTime       int64  // ms, the broker's clock
	pack             uint64 // as in Batch
}

// undo is what a marker that is not durable has replaced.
type undo struct {
	pack     uint64
	producer int64
	marked   bool
	marker   marker
	txnStart int64 // first offset of the transaction that it ended, or none
	cleared  bool  // batches were forgotten because the marker began an epoch
	batches  []Batch
	stamp    uint64
}

// CheckMarker decides whether an end marker may be appended. INVALID_PRODUCER_EPOCH
// below the producer's epoch, TRANSACTION_COORDINATOR_FENCED below the coordinator
// epoch of an earlier marker. Nothing need be open: a marker that is repeated, or that
// reaches a partition which the producer added and never wrote to, is appended too. In
// version 2 a marker carries a new epoch, so that one with the epoch in force can only
// be such a repeat: with a transaction open it is refused.
//
// Source: Kafka's ProducerAppendInfo.appendEndTxnMarker; KIP-890.
func (s *State) CheckMarker(h *record.Header, m record.EndMarker, versionTwo bool) error {
	p := s.producers[h.ProducerID]
	if p == nil {
		return nil
	}
	epoch := p.epoch()
	switch {
	case h.ProducerEpoch < epoch, versionTwo && h.ProducerEpoch == epoch && p.txnStart != none:
		return protocol.Errorf(protocol.InvalidProducerEpoch,
			"producer %d: a marker of epoch %d comes after epoch %d", h.ProducerID, h.ProducerEpoch, epoch)
	case p.marked && m.CoordinatorEpoch < p.marker.coordinatorEpoch:
		return protocol.Errorf(protocol.TransactionCoordinatorFenced,
			"producer %d: a marker of coordinator epoch %d comes after epoch %d",
			h.ProducerID, m.CoordinatorEpoch, p.marker.coordinatorEpoch)
	}
	return nil
}

// begin opens a transaction with the batch e unless the producer has one open.
func (s *State) begin(p *producer, e *pack.Entry, packSeq uint64) {
	if p.txnStart != none {
		return
	}
	p.txnStart = e.BaseOffset
	s.txns = append(s.txns, txn{producer: e.ProducerID, first: e.BaseOffset, began: packSeq})
}

// mark applies an end marker: it ends the transaction that is open, if any, and sets
// the producer's epoch. A new epoch begins with sequence 0.
func (s *State) mark(e *pack.Entry, packSeq, durable uint64) {
	p := s.producer(e.ProducerID)
	delete(s.tries, e.ProducerID)
	newEpoch := e.ProducerEpoch > p.epoch()
	if packSeq > durable {
		u := undo{pack: packSeq, producer: e.ProducerID, marked: p.marked, marker: p.marker, txnStart: p.txnStart, stamp: p.stamp}
		if newEpoch {
			u.cleared, u.batches = true, p.batches
		}
		s.undo = append(s.undo, u)
	}
	if newEpoch {
		p.batches = nil
	}
	p.marked = true
	p.marker = marker{
		epoch: e.ProducerEpoch, coordinatorEpoch: e.CoordinatorEpoch, offset: e.BaseOffset,
		timestamp: e.MaxTimestamp, appendTime: e.AppendTime, pack: packSeq,
	}
	if p.txnStart != none {
		s.end(p, e, packSeq, durable)
	}
}

func (s *State) end(p *producer, e *pack.Entry, packSeq, durable uint64) {
	first := p.txnStart
	p.txnStart = none
	i := sort.Search(len(s.txns), func(i int) bool { return s.txns[i].first >= first })
	if packSeq > durable {
		s.txns[i].ended = packSeq
	} else {
		s.txns = append(s.txns[:i], s.txns[i+1:]...)
	}
	if e.Flags&pack.FlagMarkerAbort == 0 {
		return
	}
	a := pack.Aborted{ProducerID: e.ProducerID, FirstOffset: first, LastOffset: e.LastOffset(), LastStable: e.LastOffset() + 1}
	for i := range s.txns {
		if s.txns[i].ended == 0 {
			a.LastStable = s.txns[i].first
			break
		}
	}
	s.aborted = append(s.aborted, abortedIn{a, packSeq})
}

// FirstUnstable is the first offset of the oldest transaction whose end is not
// durable, or MaxInt64: with the durable end it gives the last stable offset.
func (s *State) FirstUnstable(durable uint64) int64 {
	for i := range s.txns {
		if x := &s.txns[i]; x.ended == 0 || x.ended > durable {
			return x.first
		}
	}
	return math.MaxInt64
}

// Settle takes note that packs up to durable are durable: what it kept to undo them is
// forgotten. It returns the transactions that were aborted by them and not returned
// before, in order of their markers.
func (s *State) Settle(durable uint64) []pack.Aborted {
	open := s.txns[:0]
	for _, x := range s.txns {
		if x.ended == 0 || x.ended > durable {
			open = append(open, x)
		}
	}
	s.txns = open
	n := sort.Search(len(s.undo), func(i int) bool { return s.undo[i].pack > durable })
	s.undo = append(s.undo[:0:0], s.undo[n:]...) // a new list lets go of what was replaced
	n = sort.Search(len(s.aborted), func(i int) bool { return s.aborted[i].pack > durable })
	if n == 0 {
		return nil
	}
	out := make([]pack.Aborted, n)
	for i := range out {
		out[i] = s.aborted[i].Aborted
	}
	s.aborted = append(s.aborted[:0:0], s.aborted[n:]...)
	return out
}

// rollBackTransactions takes back the markers in packs after durable, and forgets the
// transactions that began there. It comes before producers lose their batches.
func (s *State) rollBackTransactions(durable uint64) {
	n := len(s.undo)
	for ; n > 0 && s.undo[n-1].pack > durable; n-- {
		u := &s.undo[n-1]
		p := s.producer(u.producer)
		p.marked, p.marker, p.stamp = u.marked, u.marker, u.stamp
		if u.cleared {
			p.rollBack(durable) // what came behind the marker has its place in line too
			p.batches = u.batches
		}
	}
	s.undo = s.undo[:n]
	for n = len(s.aborted); n > 0 && s.aborted[n-1].pack > durable; n-- {
	}
	s.aborted = s.aborted[:n]
	if len(s.txns) == 0 {
		return
	}
	for i := range s.txns {
		s.producer(s.txns[i].producer).txnStart = none
	}
	kept := s.txns[:0]
	for _, x := range s.txns {
		if x.began > durable {
			continue
		}
		if x.ended > durable {
			x.ended = 0
		}
		if x.ended == 0 {
			s.producer(x.producer).txnStart = x.first
		}
		kept = append(kept, x)
	}
	s.txns = kept
}
