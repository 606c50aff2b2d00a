package partition

import (
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
)

// Origin is what the log knows of a batch beside what its header says.
type Origin struct {
	// Coordinator: written by one of the broker's coordinators, whose batches all carry
	// the same sequence. They are outside the duplicate check.
	Coordinator bool
	// Verified: the coordinator has confirmed that the partition belongs to the
	// producer's transaction, and nothing has ended it since; or nobody asks for that.
	Verified bool
	// VersionTwo: written by the rules of transaction version 2 (KIP-890), by which each
	// transaction has an epoch of its own.
	VersionTwo bool
}

// triesMax bounds how many producers are remembered whose verification failed.
const triesMax = 1024

// try is the lowest sequence that a producer offered and that was not let in because
// its transaction could not be verified.
type try struct {
	epoch    int16
	sequence int32
}

// Unverified remembers that a transactional batch was turned away because the
// coordinator did not confirm it. Until that sequence comes, or the transaction ends, the
// producer may not begin with a higher one: those were sent behind it.
// It is no part of the fold. Past 1,024 producers one of them is forgotten.
//
// Source: Kafka's VerificationStateEntry.
func (s *State) Unverified(producerID int64, epoch int16, sequence int32) {
	if sequence < 0 {
		return
	}
	t, known := s.tries[producerID]
	if known && (epoch < t.epoch || epoch == t.epoch && sequence >= t.sequence) {
		return
	}
	if s.tries == nil {
		s.tries = make(map[int64]try)
	}
	if !known && len(s.tries) >= triesMax {
		for id := range s.tries {
			delete(s.tries, id)
			break
		}
	}
	s.tries[producerID] = try{epoch, sequence}
}

// checkBegin checks a batch that begins a transaction against what was turned away
// before, and against the rule that the first sequence in version 2 is 0.
func (s *State) checkBegin(p *producer, h *record.Header, o Origin) error {
	if o.Coordinator {
		return nil
	}
	if o.VersionTwo && h.BaseSequence != 0 && (p == nil || !p.known()) {
		return protocol.Errorf(protocol.OutOfOrderSequenceNumber,
			"producer %d: sequence %d where the first one is 0", h.ProducerID, h.BaseSequence)
	}
	if t, ok := s.tries[h.ProducerID]; ok && h.ProducerEpoch == t.epoch && h.BaseSequence > t.sequence {
		return protocol.Errorf(protocol.OutOfOrderSequenceNumber,
			"producer %d: sequence %d cannot precede sequence %d, which was not verified", h.ProducerID, h.BaseSequence, t.sequence)
	}
	return nil
}

// Stamp marks a producer's last end marker with a number that rises with each marker
// and roll-back of the log. It is no part of the fold.
func (s *State) Stamp(producerID int64, stamp uint64) {
	if p := s.producers[producerID]; p != nil {
		p.stamp = stamp
	}
}

// MarkedSince says whether the producer may have got an end marker with a stamp above
// the given one. Of producers that are forgotten nobody knows: then it is true if any
// of them had.
func (s *State) MarkedSince(producerID int64, stamp uint64) bool {
	if p := s.producers[producerID]; p != nil && p.stamp != 0 {
		return p.stamp > stamp
	}
	return s.forgotten > stamp
}

// CheckEpoch refuses a producer that is known under a higher epoch:
// INVALID_PRODUCER_EPOCH.
func (s *State) CheckEpoch(producerID int64, epoch int16) error {
	if p := s.producers[producerID]; p != nil && epoch < p.epoch() {
		return oldEpoch(producerID, epoch, p.epoch())
	}
	return nil
}

func oldEpoch(producerID int64, epoch, known int16) error {
	return protocol.Errorf(protocol.InvalidProducerEpoch, "producer %d: epoch %d is older than %d", producerID, epoch, known)
}

// InTransaction says whether the producer has a transaction open under this epoch.
func (s *State) InTransaction(producerID int64, epoch int16) bool {
	return s.producers[producerID].open(epoch)
}
