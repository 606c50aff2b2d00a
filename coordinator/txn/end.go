package txn

import "github.com/streamhouse/streamhouse/protocol"

// EndRequest is an EndTxn.
type EndRequest struct {
	ProducerID int64
	Epoch      int16
	Commit     bool
	Version    int16 // of the transaction protocol
	NewID      int64 // as in InitRequest
	NowMs      int64
}

// Finish ends the producer's transaction. With version 2 the producer goes on with the
// epoch, and maybe id, of the answer, and may ask again with those it had.
func Finish(s *State, r *EndRequest) Outcome {
	if r.Version < Version2 {
		return finish1(s, r)
	}
	return finish2(s, r)
}

// finish1 is Finish by KIP-98: the epoch stays, so that a request that comes late can
// not be told from the one that ends the next transaction.
func finish1(s *State, r *EndRequest) Outcome {
	switch {
	case s == nil || s.ProducerID != r.ProducerID:
		return refuse(protocol.InvalidProducerIDMapping)
	case s.Epoch != r.Epoch:
		return refuse(protocol.ProducerFenced)
	}
	switch s.Status {
	case Ongoing:
		return endSame(s, r.Commit, r.NowMs)
	case complete(r.Commit):
		return answer(s)
	case prepare(r.Commit):
		return refuse(protocol.ConcurrentTransactions)
	}
	return refuse(protocol.InvalidTxnState)
}

// finish2 is Finish by KIP-890. An empty transaction can be aborted, not committed.
//
//	             abort             commit
//	             again  current    again  current
//	Empty        90     new epoch  90     48
//	CompleteAbort  0    new epoch  48     48
//	CompleteCommit 48   new epoch  0      48
//
// Again is a request with the epoch before the id's, if that was raised by the end of a
// transaction. Kafka takes any epoch that is one too low, and so a zombie's for the
// producer's own when both versions are mixed.
func finish2(s *State, r *EndRequest) Outcome {
	if s == nil {
		return refuse(protocol.InvalidProducerIDMapping)
	}
	raised := s.ClientVersion >= Version2
	rotated := raised && s.PrevProducerID == r.ProducerID && r.Epoch == lastEpoch && s.Epoch == 0
	if s.ProducerID != r.ProducerID && !rotated {
		return refuse(protocol.InvalidProducerIDMapping)
	}
	again := rotated || raised && int(s.Epoch) == int(r.Epoch)+1
	current := s.Epoch == r.Epoch && s.ProducerID == r.ProducerID
	switch s.Status {
	case Ongoing, Empty:
		if !current {
			return refuse(protocol.ProducerFenced)
		}
	case PrepareCommit, PrepareAbort:
		if !again {
			return refuse(protocol.ProducerFenced)
		}
	default:
		if !again && !current {
			return refuse(protocol.ProducerFenced)
		}
	}
	switch {
	case s.Status == Ongoing:
		return end(s, r.Commit, r.NewID, r.NowMs)
	case s.Status == prepare(r.Commit):
		return refuse(protocol.ConcurrentTransactions)
	case s.Status == complete(r.Commit) && again:
		return answer(s)
	case s.Status.Idle() && !r.Commit && !again:
		return end(s, false, r.NewID, r.NowMs)
	}
	return refuse(protocol.InvalidTxnState)
}

func prepare(commit bool) Status {
	if commit {
		return PrepareCommit
	}
	return PrepareAbort
}

func complete(commit bool) Status {
	if commit {
		return CompleteCommit
	}
	return CompleteAbort
}

// endSame ends a transaction; the epoch stays.
func endSame(s *State, commit bool, nowMs int64) Outcome {
	p := s.next(prepare(commit), nowMs)
	p.NextProducerID, p.ClientVersion = NoProducerID, Version0
	return Complete(p, nowMs)
}

// end ends a transaction, which may be empty, and raises the epoch.
func end(s *State, commit bool, newID, nowMs int64) Outcome {
	if exhausted(s.Epoch) && newID == NoProducerID {
		return Outcome{NeedID: true}
	}
	p := s.next(prepare(commit), nowMs)
	p.LastEpoch, p.NextProducerID, p.ClientVersion = s.Epoch, NoProducerID, Version2
	if exhausted(s.Epoch) {
		p.NextProducerID = newID
	}
	if s.Epoch <= lastEpoch {
		p.Epoch++
	}
	if s.Status != Ongoing {
		p.StartMs = p.UpdateMs // there was none, and a completed transaction has one
	}
	return Complete(p, nowMs)
}

// Complete is what is left to do of a transaction in a state of preparation: its
// markers, and the state after them. The answer is what the producer goes on with.
func Complete(p *State, nowMs int64) Outcome {
	commit := p.Status == PrepareCommit
	n := p.next(complete(commit), nowMs)
	n.Partitions, n.NextProducerID = nil, NoProducerID
	if p.ClientVersion >= Version2 && p.NextProducerID != NoProducerID {
		n.ProducerID, n.Epoch = p.NextProducerID, 0
	}
	o := changed(n)
	o.End = &End{Commit: commit, ProducerID: p.ProducerID, Epoch: p.Epoch, Partitions: p.Partitions, Prepared: p}
	return o
}
