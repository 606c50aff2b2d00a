package partition

import (
	"math"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
)

// window is how many of a producer's batches are remembered for the duplicate
// check; a producer has at most five requests in flight (KIP-98, KAFKA-5494).
const window = 5

// Batch is what a partition remembers of one batch of an idempotent producer.
type Batch struct {
	Epoch         int16
	FirstSequence int32
	LastSequence  int32
	BaseOffset    int64
	LastOffset    int64
	Timestamp     int64  // ms; the batch's largest
	AppendTime    int64  // ms; the broker's clock
	Pack          uint64 // journal sequence of the pack that holds it, 0 when long durable
}

// producer is the state of one producer id in one partition. batches is in append
// order, all of one epoch or rising ones. It holds the youngest five durable batches
// and whatever was appended after them.
type producer struct {
	batches  []Batch
	marked   bool   // it had an end marker
	marker   marker // the last one
	txnStart int64  // first offset of the open transaction, or none
	stamp    uint64 // see State.Stamp
	// guard, when guarded, is the first sequence that was rolled back: until it
	// arrives again, nothing else of this producer is accepted, so that a failed
	// batch cannot be overtaken by those sent behind it.
	guarded    bool
	guard      int32
	guardEpoch int16
	guardTime  int64 // ms; when the dropped batch was appended
}

// known says whether the producer has anything in the log.
func (p *producer) known() bool { return len(p.batches) > 0 || p.marked }

// epoch is the producer's epoch, by its last batch or marker; -1 if it has neither.
func (p *producer) epoch() int16 {
	epoch := int16(-1)
	if n := len(p.batches); n > 0 {
		epoch = p.batches[n-1].Epoch
	}
	if p.marked {
		epoch = max(epoch, p.marker.epoch)
	}
	return epoch
}

// open says whether a transaction is open under an epoch.
func (p *producer) open(epoch int16) bool {
	return p != nil && p.txnStart != none && p.epoch() == epoch
}

// addSequence is the sequence number after n further records, wrapping from the
// largest int32 to 0 as Kafka does (DefaultRecordBatch.incrementSequence).
func addSequence(seq, n int32) int32 {
	if seq > math.MaxInt32-n {
		return n - (math.MaxInt32 - seq) - 1
	}
	return seq + n
}

// Check decides whether a producer's batch may be appended: nil, nil means yes. A
// batch that was appended before is returned as such; its caller answers with its
// offset once its pack is durable. The errors are INVALID_PRODUCER_EPOCH,
// OUT_OF_ORDER_SEQUENCE_NUMBER and INVALID_TXN_STATE, as in Kafka's UnifiedLog and
// ProducerAppendInfo; a producer that is not known may begin with any sequence number
// (KIP-360), but for the rules of checkBegin.
func (s *State) Check(h *record.Header, o Origin) (*Batch, error) {
	if h.ProducerID < 0 {
		return nil, nil
	}
	p := s.producers[h.ProducerID]
	if p != nil && !o.Coordinator {
		if dup := p.find(h.ProducerEpoch, h.BaseSequence, addSequence(h.BaseSequence, h.LastOffsetDelta)); dup != nil {
			return dup, nil
		}
	}
	if h.Transactional() && !p.open(h.ProducerEpoch) {
		if !o.Verified {
			return nil, protocol.Errorf(protocol.InvalidTxnState,
				"producer %d: the batch belongs to no transaction that is open in this partition", h.ProducerID)
		}
		if err := s.checkBegin(p, h, o); err != nil {
			return nil, err
		}
	}
	if p == nil {
		return nil, nil
	}
	if err := p.check(h, o); err != nil {
		return nil, err
	}
	if p.txnStart != none && !h.Transactional() {
		return nil, protocol.Errorf(protocol.InvalidTxnState,
			"producer %d: a batch without a transaction while one is open since offset %d", h.ProducerID, p.txnStart)
	}
	return nil, nil
}

// check compares epoch and sequence of a batch with those of the producer.
func (p *producer) check(h *record.Header, o Origin) error {
	if !o.Coordinator && p.guarded && h.ProducerEpoch == p.guardEpoch && h.BaseSequence != p.guard {
		return protocol.Errorf(protocol.OutOfOrderSequenceNumber,
			"producer %d: sequence %d cannot precede the failed sequence %d", h.ProducerID, h.BaseSequence, p.guard)
	}
	if !p.known() {
		return nil
	}
	epoch := p.epoch()
	switch {
	case h.ProducerEpoch < epoch:
		return oldEpoch(h.ProducerID, h.ProducerEpoch, epoch)
	case o.Coordinator:
		return nil
	case h.ProducerEpoch > epoch:
		if h.BaseSequence != 0 {
			return protocol.Errorf(protocol.OutOfOrderSequenceNumber,
				"producer %d: epoch %d begins with sequence %d instead of 0", h.ProducerID, h.ProducerEpoch, h.BaseSequence)
		}
		return nil
	}
	next := int32(0)
	if n := len(p.batches); n > 0 {
		next = addSequence(p.batches[n-1].LastSequence, 1)
	}
	if h.BaseSequence != next {
		return protocol.Errorf(protocol.OutOfOrderSequenceNumber,
			"producer %d: sequence %d instead of %d", h.ProducerID, h.BaseSequence, next)
	}
	return nil
}

// find returns the batch of the last five with exactly these sequence numbers, in the
// epoch in force.
func (p *producer) find(epoch int16, first, last int32) *Batch {
	if epoch != p.epoch() {
		return nil
	}
	for i := len(p.batches) - 1; i >= 0 && i >= len(p.batches)-window; i-- {
		b := &p.batches[i]
		if b.Epoch == epoch && b.FirstSequence == first && b.LastSequence == last {
			return b
		}
	}
	return nil
}

// push appends a batch and forgets those that no rollback could bring back into
// the window: everything before the fifth-youngest durable batch.
func (p *producer) push(b Batch, durable uint64) {
	p.guarded = false
	p.batches = append(p.batches, b)
	kept := 0
	for i := len(p.batches) - 1; i >= 0; i-- {
		if p.batches[i].Pack > durable {
			continue
		}
		if kept++; kept == window {
			if i > 0 {
				p.batches = append(p.batches[:0], p.batches[i:]...)
			}
			return
		}
	}
}

// rollBack drops what was appended in packs after durable and remembers the first
// sequence dropped. It reports whether anything was.
func (p *producer) rollBack(durable uint64) bool {
	for i := range p.batches {
		if p.batches[i].Pack <= durable {
			continue
		}
		first := p.batches[i]
		p.batches = p.batches[:i]
		p.guarded, p.guard, p.guardEpoch, p.guardTime = true, first.FirstSequence, first.Epoch, first.AppendTime
		return true
	}
	return false
}

// lastAppend is when the producer last appended something, or tried to, ms.
func (p *producer) lastAppend() int64 {
	last := p.guardTime
	if n := len(p.batches); n > 0 {
		last = p.batches[n-1].AppendTime
	}
	if p.marked {
		last = max(last, p.marker.appendTime)
	}
	return last
}

// pending says whether something of the producer is not durable, or must not be
// forgotten for another reason.
func (p *producer) pending(durable uint64) bool {
	n := len(p.batches)
	return p.txnStart != none || p.marked && p.marker.pack > durable || n > 0 && p.batches[n-1].Pack > durable
}
