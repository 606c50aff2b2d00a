package txn

import (
	"math"
	"testing"

	"github.com/streamhouse/streamhouse/protocol"
)

// worn is a state whose producer has used up its epochs.
func worn(status string, epoch int16) *State {
	s := *states()[status]
	s.Epoch, s.LastEpoch = epoch, epoch-1
	return &s
}

// A step that needs a producer id asks for one, and does it with it.
func TestExhaustedEpochs(t *testing.T) {
	const last = math.MaxInt16 - 1
	init := func(s *State, pid int64, epoch int16, level int16) func(int64) Outcome {
		return func(id int64) Outcome {
			return Init(s, &InitRequest{ProducerID: pid, Epoch: epoch, NewID: id, Level: level, NowMs: now})
		}
	}
	end := func(s *State, epoch int16, commit bool, version int16) func(int64) Outcome {
		return func(id int64) Outcome {
			return Finish(s, &EndRequest{ProducerID: thePID, Epoch: epoch, Commit: commit, Version: version, NewID: id, NowMs: now})
		}
	}
	for _, c := range []struct {
		name          string
		step          func(newID int64) Outcome
		without, with string
	}{
		{"begins", init(worn("Empty", last), -1, -1, 2), "need", "Empty:99/0"},
		{"begins after a fence of version 1", init(worn("CompleteAbort", last+1), -1, -1, 2), "need", "Empty:99/0"},
		{"resumes", init(worn("CompleteCommit", last), thePID, last, 2), "need", "Empty:99/0"},
		{"resumes with the last epoch", init(worn("CompleteCommit", last), thePID, last-1, 2), "Empty:7/32766", "Empty:7/32766"},
		{"resumes with an older epoch", init(worn("CompleteCommit", last), thePID, last-2, 2), "90", "90"},
		{"resumes fenced by version 1", init(func() *State {
			s := worn("CompleteAbort", last+1)
			s.LastEpoch = NoEpoch
			return s
		}(), thePID, last, 2), "90", "90"},
		{"begins in a transaction", init(worn("Ongoing", last), -1, -1, 2), "need", "CompleteAbort:99/0!7/32767=51"},
		{"begins in a transaction of version 1", init(worn("Ongoing", last), -1, -1, 1), "CompleteAbort:7/32767!7/32767=51", "CompleteAbort:7/32767!7/32767=51"},
		{"fenced twice by version 1", init(worn("Ongoing", last+1), -1, -1, 1), "CompleteAbort:7/32767!7/32767=51", "CompleteAbort:7/32767!7/32767=51"},
		{"below", end(worn("Ongoing", last-1), last-1, true, 2), "CompleteCommit:7/32766!7/32766", "CompleteCommit:7/32766!7/32766"},
		{"commit", end(worn("Ongoing", last), last, true, 2), "need", "CompleteCommit:99/0!7/32767"},
		{"abort", end(worn("Ongoing", last), last, false, 2), "need", "CompleteAbort:99/0!7/32767"},
		{"empty abort", end(worn("Empty", last), last, false, 2), "need", "CompleteAbort:99/0!7/32767"},
		{"abort above all", end(worn("Ongoing", last+1), last+1, false, 2), "need", "CompleteAbort:99/0!7/32767"},
		{"commit of version 1", end(worn("Ongoing", last), last, true, 0), "CompleteCommit:7/32766!7/32766", "CompleteCommit:7/32766!7/32766"},
	} {
		if got := does(c.step(NoProducerID)); got != c.without {
			t.Errorf("%s, without a new id: %s, want %s", c.name, got, c.without)
		}
		if got := does(c.step(freshID)); got != c.with {
			t.Errorf("%s, with a new id: %s, want %s", c.name, got, c.with)
		}
	}
}

// The producer may ask again with the id that was used up, also after a restart.
func TestRetryAcrossARotation(t *testing.T) {
	const last = math.MaxInt16 - 1
	r := &EndRequest{ProducerID: thePID, Epoch: last, Commit: true, Version: Version2, NewID: freshID, NowMs: now}
	s := Finish(worn("Ongoing", last), r).Next
	_, loaded, _, err := Decode(Encode("id", s, Version2))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*State{s, loaded} {
		if got := does(Finish(s, r)); got != "ok:99/0" {
			t.Error("commit again:", got)
		}
		abort := *r
		abort.Commit = false
		if got := does(Finish(s, &abort)); got != "48" {
			t.Error("abort of what was committed:", got)
		}
		resume := &InitRequest{ProducerID: thePID, Epoch: last, NewID: NoProducerID}
		if got := does(Init(s, resume)); got != "Empty:99/0" {
			t.Error("resumed:", got)
		}
		older := &EndRequest{ProducerID: thePID, Epoch: last - 1, Commit: true, Version: Version2}
		if got := does(Finish(s, older)); got != "49" {
			t.Error("older:", got)
		}
		next := Add(s, &AddRequest{ProducerID: freshID, Epoch: 0, Partitions: parts, Version: Version2}).Next
		if o := Finish(next, r); o.Code != protocol.InvalidProducerIDMapping {
			t.Error("commit again with the next one open:", does(o))
		}
	}
	// A producer id that was rotated by InitProducerId is found again, too.
	begun := Init(worn("CompleteCommit", last), &InitRequest{ProducerID: thePID, Epoch: last, NewID: freshID}).Next
	if got := does(Init(begun, &InitRequest{ProducerID: thePID, Epoch: last, NewID: NoProducerID})); got != "Empty:99/0" {
		t.Error("initialised again:", got)
	}
}
