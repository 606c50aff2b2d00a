package txn

import "github.com/streamhouse/streamhouse/protocol"

// AddRequest adds partitions to the transaction that a producer has open, or opens one.
type AddRequest struct {
	ProducerID int64
	Epoch      int16
	Partitions []TopicPartition
	Version    int16 // of the transaction protocol
	NowMs      int64
}

// check refuses who is not the id's producer, and everybody while a transaction ends.
func (s *State) check(producerID int64, epoch int16) protocol.Code {
	switch {
	case s == nil || s.ProducerID != producerID:
		return protocol.InvalidProducerIDMapping
	case s.Epoch != epoch:
		return protocol.ProducerFenced
	case s.Status.Preparing():
		return protocol.ConcurrentTransactions
	}
	return protocol.None
}

// Add makes partitions part of the open transaction, and opens it if need be.
func Add(s *State, r *AddRequest) Outcome {
	if code := s.check(r.ProducerID, r.Epoch); code != protocol.None {
		return refuse(code)
	}
	if s.Status == Ongoing && s.hasAll(r.Partitions) {
		return answer(s)
	}
	n := s.next(Ongoing, r.NowMs)
	n.Partitions, n.ClientVersion = s.with(r.Partitions), r.Version
	if s.Status != Ongoing {
		// Not UpdateMs: that stays ahead when the clock was and has gone back, and the
		// transaction would not be over before the clock is there again.
		n.StartMs = r.NowMs
	}
	return changed(n)
}

// Verify says of each partition whether it belongs to the producer's open transaction:
// TRANSACTION_ABORTABLE if not (KIP-890).
func Verify(s *State, producerID int64, epoch int16, parts []TopicPartition) []protocol.Code {
	codes := make([]protocol.Code, len(parts))
	all := s.check(producerID, epoch)
	for i, tp := range parts {
		switch {
		case all != protocol.None:
			codes[i] = all
		case !s.Has(tp):
			codes[i] = protocol.TransactionAbortable
		}
	}
	return codes
}
