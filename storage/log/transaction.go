package log

import (
	"math"
	"sort"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/pack"
	"github.com/streamhouse/streamhouse/storage/partition"
)

// Guard lets a batch begin a transaction in a partition, after the coordinator has
// confirmed that the partition belongs to it. It is the log's count of end markers and
// roll-backs when it was given, so that it is void once the producer got a marker, and
// once a pack was lost that may have held the coordinator's record. Zero: none.
type Guard uint64

// TransactionGuard says whether the producer has a transaction open here under this
// epoch, so that its batches need no confirmation; and the guard that the batch
// carries in either case. It is asked for before the coordinator is, and need not be if
// the partition knows the producer under a higher epoch: INVALID_PRODUCER_EPOCH.
func (p *Partition) TransactionGuard(producerID int64, epoch int16) (open bool, g Guard, err error) {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	return p.state.InTransaction(producerID, epoch), Guard(p.log.marks), p.state.CheckEpoch(producerID, epoch)
}

// Standing says whether nothing was rolled back since the guard was given: what the
// holder has read or appended since then is in the log, or on its way there.
func (p *Partition) Standing(g Guard) bool {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	return uint64(g) >= p.log.rolledBack
}

// standing refuses what a coordinator appends after a pack was lost that may have held
// what it builds on, if the batch carries the guard that the coordinator took before it
// read its state. Batches of a transaction have a rule of their own. The caller holds
// l.mu.
func (l *Log) standing(b *Batch) error {
	coordinators := b.Marker != nil || (b.Coordinator && !b.Header.Transactional())
	if coordinators && b.Guard != 0 && uint64(b.Guard) < l.rolledBack {
		return protocol.Errorf(protocol.KafkaStorageError, "a journal write failed since the coordinator read its state")
	}
	return nil
}

// Unverified tells the partition that a transactional batch was turned away because
// the coordinator did not confirm it: the producer may not begin with a later sequence
// until this one has come.
func (p *Partition) Unverified(producerID int64, epoch int16, sequence int32) {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	p.state.Unverified(producerID, epoch, sequence)
}

// checkProducer decides whether a batch that has a producer may be appended; see
// partition.State. The caller holds l.mu.
func (l *Log) checkProducer(p *Partition, b *Batch) (*partition.Batch, error) {
	if b.Marker != nil {
		return nil, p.state.CheckMarker(&b.Header, *b.Marker, b.VersionTwo)
	}
	o := partition.Origin{Coordinator: b.Coordinator, VersionTwo: b.VersionTwo, Verified: b.Unconfirmed}
	if b.Header.Transactional() && b.Guard != 0 && !b.Unconfirmed {
		o.Verified = uint64(b.Guard) >= l.rolledBack && !p.state.MarkedSince(b.Header.ProducerID, uint64(b.Guard))
		if !o.Verified && uint64(b.Guard) < l.rolledBack && !p.state.InTransaction(b.Header.ProducerID, b.Header.ProducerEpoch) {
			// What the guard stood for may be lost: the client asks again, and so do we.
			return nil, protocol.Errorf(protocol.KafkaStorageError, "a journal write failed while the batch was on its way")
		}
	}
	return p.state.Check(&b.Header, o)
}

// placed takes note of a transactional batch or marker that was applied to p. The
// caller holds l.mu.
func (l *Log) placed(p *Partition, b *Batch) {
	p.transactional.Store(true)
	if b.Marker != nil {
		l.marks++
		p.state.Stamp(b.Header.ProducerID, l.marks)
	}
}

// setMarker puts what a marker says into its index entry.
func setMarker(e *pack.Entry, m *record.EndMarker) {
	e.CoordinatorEpoch = m.CoordinatorEpoch
	if m.Commit {
		e.Flags |= pack.FlagMarkerCommit
	} else {
		e.Flags |= pack.FlagMarkerAbort
	}
}

// settle takes the partition's transactions as far as pack seq, which has become
// durable. It comes before the high watermark rises, so that nobody sees the batches
// of a transaction as stable before its end. The caller holds neither mutex.
func (p *Partition) settle(seq uint64) {
	if !p.transactional.Load() {
		return
	}
	p.log.mu.Lock()
	aborted, unstable := p.state.Settle(seq), p.state.FirstUnstable(seq)
	p.log.mu.Unlock()
	if len(aborted) > 0 {
		p.mu.Lock()
		if !p.gone {
			p.aborted = append(p.aborted, aborted...)
		}
		p.mu.Unlock()
	}
	p.unstable.Store(unstable)
}

// settleAll does so for what was loaded or replayed, which is all durable. Nobody
// appends to p yet; a seal may go on.
func (p *Partition) settleAll() {
	aborted, unstable := p.state.Settle(math.MaxUint64), p.state.FirstUnstable(math.MaxUint64)
	p.mu.Lock()
	p.aborted = append(p.aborted, aborted...)
	p.trimAborted()
	p.mu.Unlock()
	p.unstable.Store(unstable)
	p.transactional.Store(unstable != math.MaxInt64)
}

// trimAborted forgets aborted transactions whose markers lie in segments, which list
// them, or below the log start. The caller holds p.mu or is alone.
func (p *Partition) trimAborted() {
	if len(p.aborted) == 0 {
		return
	}
	below := max(p.sealedEnd()+1, p.logStart.Load())
	n := sort.Search(len(p.aborted), func(i int) bool { return p.aborted[i].LastOffset >= below })
	p.aborted = append(p.aborted[:0:0], p.aborted[n:]...)
}
