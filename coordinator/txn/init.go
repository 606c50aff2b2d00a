package txn

import "github.com/streamhouse/streamhouse/protocol"

// InitRequest is an InitProducerId with a transactional id.
type InitRequest struct {
	TimeoutMs int32
	// ProducerID and Epoch are what the producer had (KIP-360); both -1: it begins.
	ProducerID int64
	Epoch      int16
	// NewID is a producer id that nobody has had, or NoProducerID: then a step that
	// needs one says so and changes nothing.
	NewID int64
	// Level is the finalised level of transaction.version: what fences a producer
	// follows it, since no request of the fenced one is there to tell.
	Level int16
	NowMs int64
}

func (r *InitRequest) resumes() bool { return r.ProducerID != NoProducerID }

// Outcome is what a step comes to.
type Outcome struct {
	// Code is the answer, once what the outcome promises is durable.
	Code protocol.Code
	// ProducerID and Epoch are answered with None.
	ProducerID int64
	Epoch      int16
	// NeedID: the step has to be done again with a new producer id.
	NeedID bool
	// Next is the state afterwards and the record to write; nil: nothing changed.
	Next *State
	// End: Next is reached by markers in all partitions of the transaction.
	End *End
}

// End is a transaction that is being ended.
type End struct {
	Commit bool
	// ProducerID and Epoch stand in the markers.
	ProducerID int64
	Epoch      int16
	Partitions []TopicPartition
	// Prepared is stored before the first marker unless markers and Outcome.Next become
	// durable at once. A transaction in this state is completed whatever happens.
	Prepared *State
}

func refuse(code protocol.Code) Outcome {
	return Outcome{Code: code, ProducerID: NoProducerID, Epoch: NoEpoch}
}

func answer(s *State) Outcome {
	return Outcome{ProducerID: s.ProducerID, Epoch: s.Epoch}
}

func changed(s *State) Outcome {
	o := answer(s)
	o.Next = s
	return o
}

// Init begins a producer's use of a transactional id, or lets it go on after an error.
// s is nil for an id that is not known. An open transaction is aborted, and the answer
// is CONCURRENT_TRANSACTIONS: the producer comes again.
func Init(s *State, r *InitRequest) Outcome {
	if s == nil {
		return initNew(r)
	}
	if r.resumes() && !s.knows(r.ProducerID, r.Epoch) {
		return refuse(protocol.ProducerFenced)
	}
	switch {
	case s.Status.Preparing():
		return refuse(protocol.ConcurrentTransactions)
	case s.Status == Ongoing:
		o := fence(s, r.NewID, r.Level, r.NowMs)
		if o.End != nil {
			o.Code, o.ProducerID, o.Epoch = protocol.ConcurrentTransactions, NoProducerID, NoEpoch
		}
		return o
	case exhausted(s.Epoch) && (!r.resumes() || r.Epoch == s.Epoch):
		return initRotated(s, r)
	}
	return initBumped(s, r)
}

// knows says whether the id is the producer's, or was it before its epochs were used up.
func (s *State) knows(producerID int64, epoch int16) bool {
	return producerID == s.ProducerID || (producerID == s.PrevProducerID && exhausted(epoch))
}

func initNew(r *InitRequest) Outcome {
	if r.NewID == NoProducerID {
		return Outcome{NeedID: true}
	}
	return changed(&State{
		ProducerID: r.NewID, PrevProducerID: r.NewID, NextProducerID: NoProducerID,
		Epoch: 0, LastEpoch: NoEpoch, TimeoutMs: r.TimeoutMs, Status: Empty, StartMs: -1, UpdateMs: r.NowMs,
	})
}

func initRotated(s *State, r *InitRequest) Outcome {
	if r.NewID == NoProducerID {
		return Outcome{NeedID: true}
	}
	n := s.emptied(r)
	n.ProducerID, n.Epoch, n.LastEpoch = r.NewID, 0, NoEpoch
	if r.resumes() {
		n.LastEpoch = s.Epoch
	}
	return changed(n)
}

func initBumped(s *State, r *InitRequest) Outcome {
	n := s.emptied(r)
	switch {
	case !r.resumes():
		n.Epoch, n.LastEpoch = s.Epoch+1, NoEpoch
	case r.Epoch == s.Epoch:
		n.Epoch, n.LastEpoch = s.Epoch+1, s.Epoch
	case r.Epoch == s.LastEpoch && s.LastEpoch != NoEpoch:
		// The request again, or the producer's first after its transaction was
		// aborted for it: nobody else can have begun, since that clears LastEpoch.
	default:
		return refuse(protocol.ProducerFenced)
	}
	return changed(n)
}

// emptied is the state of an id whose producer begins.
func (s *State) emptied(r *InitRequest) *State {
	n := s.next(Empty, r.NowMs)
	n.TimeoutMs, n.Partitions, n.StartMs = r.TimeoutMs, nil, -1
	return n
}

// Timeout aborts a transaction that has lasted too long and fences its producer.
func Timeout(s *State, newID int64, level int16, nowMs int64) Outcome {
	if !s.TimedOut(nowMs) {
		return refuse(protocol.InvalidTxnState)
	}
	return fence(s, newID, level, nowMs)
}

// fence aborts an open transaction by an epoch above its producer's.
func fence(s *State, newID int64, level int16, nowMs int64) Outcome {
	if level >= Version2 {
		return end(s, false, newID, nowMs)
	}
	n := *s
	if n.Epoch < lastEpoch+1 {
		n.Epoch++
	}
	n.LastEpoch = NoEpoch
	return endSame(&n, false, nowMs)
}
