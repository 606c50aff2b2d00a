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
// order; the last one has the current epoch. It holds the youngest five durable
// batches and whatever was appended after them.
type producer struct {
	epoch   int16
	batches []Batch
	// guard, when guarded, is the first sequence that was rolled back: until it
	// arrives again, nothing else of this producer is accepted, so that a failed
	// batch cannot be overtaken by those sent behind it.
	guarded    bool
	guard      int32
	guardEpoch int16
	guardTime  int64 // ms; when the dropped batch was appended
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
// offset once its pack is durable. The errors are INVALID_PRODUCER_EPOCH and
// OUT_OF_ORDER_SEQUENCE_NUMBER, as in Kafka's ProducerAppendInfo; a producer that is
// not known may begin with any sequence number (KIP-360).
func (s *State) Check(h *record.Header) (*Batch, error) {
	if h.ProducerID < 0 {
		return nil, nil
	}
	p := s.producers[h.ProducerID]
	if p == nil {
		return nil, nil
	}
	last := addSequence(h.BaseSequence, h.LastOffsetDelta)
	if h.ProducerEpoch == p.epoch {
		if dup := p.find(h.ProducerEpoch, h.BaseSequence, last); dup != nil {
			return dup, nil
		}
	}
	if p.guarded && h.ProducerEpoch == p.guardEpoch && h.BaseSequence != p.guard {
		return nil, protocol.Errorf(protocol.OutOfOrderSequenceNumber,
			"producer %d: sequence %d cannot precede the failed sequence %d", h.ProducerID, h.BaseSequence, p.guard)
	}
	switch {
	case len(p.batches) == 0:
		return nil, nil
	case h.ProducerEpoch < p.epoch:
		return nil, protocol.Errorf(protocol.InvalidProducerEpoch,
			"producer %d: epoch %d is older than %d", h.ProducerID, h.ProducerEpoch, p.epoch)
	case h.ProducerEpoch > p.epoch:
		if h.BaseSequence != 0 {
			return nil, protocol.Errorf(protocol.OutOfOrderSequenceNumber,
				"producer %d: epoch %d begins with sequence %d instead of 0", h.ProducerID, h.ProducerEpoch, h.BaseSequence)
		}
		return nil, nil
	}
	if next := addSequence(p.batches[len(p.batches)-1].LastSequence, 1); h.BaseSequence != next {
		return nil, protocol.Errorf(protocol.OutOfOrderSequenceNumber,
			"producer %d: sequence %d instead of %d", h.ProducerID, h.BaseSequence, next)
	}
	return nil, nil
}

// find returns the batch of the last five with exactly these sequence numbers.
func (p *producer) find(epoch int16, first, last int32) *Batch {
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
	p.epoch = b.Epoch
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
		if i > 0 {
			p.epoch = p.batches[i-1].Epoch
		}
		p.guarded, p.guard, p.guardEpoch, p.guardTime = true, first.FirstSequence, first.Epoch, first.AppendTime
		return true
	}
	return false
}

// lastAppend is when the producer last appended something, or tried to, ms.
func (p *producer) lastAppend() int64 {
	if len(p.batches) == 0 {
		return p.guardTime
	}
	return p.batches[len(p.batches)-1].AppendTime
}
