package txn

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/protocol"
)

const (
	thePID   = 7
	theEpoch = 5
	before   = 1_000 // ms: start of the transaction and last change
	now      = 2_000
	freshID  = 99
)

var parts = []TopicPartition{{"a", 0}, {"a", 3}, {"b", 1}}

// states are one state per status, as version 2 leaves them; nil: the id is not known.
func states() map[string]*State {
	m := map[string]*State{"none": nil}
	for _, st := range Statuses {
		s := &State{
			ProducerID: thePID, PrevProducerID: thePID, NextProducerID: NoProducerID, Epoch: theEpoch, LastEpoch: theEpoch - 1,
			TimeoutMs: 60_000, Status: st, StartMs: before, UpdateMs: before, ClientVersion: Version2,
		}
		switch st {
		case Empty:
			s.StartMs = -1
		case Ongoing, PrepareCommit, PrepareAbort:
			s.Partitions = parts
		}
		m[st.String()] = s
	}
	return m
}

// does is what an outcome comes to, in a word: the code's number if it is an error; "ok"
// for an answer without change; else the state that is reached with its id and epoch,
// with "!" behind it if markers are written, and their epoch.
func does(o Outcome) string {
	switch {
	case o.NeedID:
		return "need"
	case o.Next == nil && o.Code != protocol.None:
		return fmt.Sprint(int16(o.Code))
	case o.Next == nil:
		return fmt.Sprintf("ok:%d/%d", o.ProducerID, o.Epoch)
	}
	s := fmt.Sprintf("%s:%d/%d", o.Next.Status, o.Next.ProducerID, o.Next.Epoch)
	if o.End != nil {
		s += fmt.Sprintf("!%d/%d", o.End.ProducerID, o.End.Epoch)
	}
	if o.Code != protocol.None {
		s += fmt.Sprintf("=%d", int16(o.Code))
	}
	return s
}

// runTable holds every row (a request) and column (a state) against step.
func runTable(t *testing.T, table string, step func(request string, s *State) Outcome) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(table), "\n")
	columns := strings.Fields(lines[0])
	all := states()
	if len(columns) != len(all) {
		t.Fatalf("%d columns for %d states", len(columns), len(all))
	}
	for _, line := range lines[1:] {
		name, cells, ok := strings.Cut(line, "|")
		want := strings.Fields(cells)
		if !ok || len(want) != len(columns) {
			t.Fatalf("row %q", line)
		}
		name = strings.TrimSpace(name)
		for i, c := range columns {
			s := all[c]
			var kept *State
			if s != nil {
				copied := *s
				kept = &copied
			}
			o := step(name, s)
			if got := does(o); got != want[i] {
				t.Errorf("%s in %s: %s, want %s", name, c, got, want[i])
			}
			if s != nil && !reflect.DeepEqual(s, kept) {
				t.Errorf("%s in %s changed the state it was given", name, c)
			}
			if o.Code != protocol.None && (o.ProducerID != NoProducerID || o.Epoch != NoEpoch) {
				t.Errorf("%s in %s: an error with %d/%d", name, c, o.ProducerID, o.Epoch)
			}
			if o.Next != nil {
				checkChange(t, name+" in "+c, s, &o, now)
			}
		}
	}
}

// checkChange is what must hold of every change.
func checkChange(t *testing.T, what string, s *State, o *Outcome, nowMs int64) {
	t.Helper()
	n := o.Next
	if n.NextProducerID != NoProducerID && !n.Status.Preparing() {
		t.Errorf("%s: a next producer is left", what)
	}
	if n.Status.Idle() && len(n.Partitions) != 0 {
		t.Errorf("%s: partitions are left", what)
	}
	if (n.StartMs == -1) != (n.Status == Empty) {
		t.Errorf("%s: start %d", what, n.StartMs)
	}
	if o.End != nil {
		if p := o.End.Prepared; !p.Status.Preparing() || !reflect.DeepEqual(p.Partitions, o.End.Partitions) ||
			p.ProducerID != o.End.ProducerID || p.Epoch != o.End.Epoch || (p.Status == PrepareCommit) != o.End.Commit {
			t.Errorf("%s: prepared %+v, ends %+v", what, p, o.End)
		}
		if again := Complete(o.End.Prepared, nowMs); !reflect.DeepEqual(again.Next, n) {
			t.Errorf("%s: completed after a restart %+v, at once %+v", what, again.Next, n)
		}
	}
	if s == nil {
		return
	}
	if n.UpdateMs < s.UpdateMs {
		t.Errorf("%s: time goes back", what)
	}
	if n.ProducerID == s.ProducerID && n.Epoch < s.Epoch {
		t.Errorf("%s: the epoch goes back", what)
	}
}

func TestFinish(t *testing.T) {
	request := func(name string) *EndRequest {
		r := &EndRequest{ProducerID: thePID, NewID: NoProducerID, NowMs: now}
		f := strings.Fields(name)
		r.Version = map[string]int16{"v1": Version0, "v2": Version2}[f[0]]
		r.Commit = f[1] == "commit"
		switch f[2] {
		case "current":
			r.Epoch = theEpoch
		case "again":
			r.Epoch = theEpoch - 1
		case "older":
			r.Epoch = theEpoch - 2
		case "ahead":
			r.Epoch = theEpoch + 1
		case "stranger":
			r.Epoch, r.ProducerID = theEpoch, thePID+1
		}
		return r
	}
	runTable(t, `
none Empty Ongoing PrepareCommit PrepareAbort CompleteCommit CompleteAbort
v1 commit current  | 49 48 CompleteCommit:7/5!7/5 51 48 ok:7/5 48
v1 abort current   | 49 48 CompleteAbort:7/5!7/5 48 51 48 ok:7/5
v1 commit again    | 49 90 90 90 90 90 90
v1 abort again     | 49 90 90 90 90 90 90
v1 commit ahead    | 49 90 90 90 90 90 90
v1 abort ahead     | 49 90 90 90 90 90 90
v1 commit stranger | 49 49 49 49 49 49 49
v1 abort stranger  | 49 49 49 49 49 49 49
v2 commit current  | 49 48 CompleteCommit:7/6!7/6 90 90 48 48
v2 abort current   | 49 CompleteAbort:7/6!7/6 CompleteAbort:7/6!7/6 90 90 CompleteAbort:7/6!7/6 CompleteAbort:7/6!7/6
v2 commit again    | 49 90 90 51 48 ok:7/5 48
v2 abort again     | 49 90 90 48 51 48 ok:7/5
v2 commit older    | 49 90 90 90 90 90 90
v2 abort older     | 49 90 90 90 90 90 90
v2 commit ahead    | 49 90 90 90 90 90 90
v2 abort ahead     | 49 90 90 90 90 90 90
v2 commit stranger | 49 49 49 49 49 49 49
v2 abort stranger  | 49 49 49 49 49 49 49
`, func(name string, s *State) Outcome { return Finish(s, request(name)) })
}

func TestInit(t *testing.T) {
	runTable(t, `
none Empty Ongoing PrepareCommit PrepareAbort CompleteCommit CompleteAbort
begins v2   | Empty:99/0 Empty:7/6 CompleteAbort:7/6!7/6=51 51 51 Empty:7/6 Empty:7/6
begins v1   | Empty:99/0 Empty:7/6 CompleteAbort:7/6!7/6=51 51 51 Empty:7/6 Empty:7/6
current v2  | Empty:99/0 Empty:7/6 CompleteAbort:7/6!7/6=51 51 51 Empty:7/6 Empty:7/6
last v2     | Empty:99/0 Empty:7/5 CompleteAbort:7/6!7/6=51 51 51 Empty:7/5 Empty:7/5
older v2    | Empty:99/0 90 CompleteAbort:7/6!7/6=51 51 51 90 90
ahead v2    | Empty:99/0 90 CompleteAbort:7/6!7/6=51 51 51 90 90
stranger v2 | Empty:99/0 90 90 90 90 90 90
`, func(name string, s *State) Outcome {
		r := &InitRequest{TimeoutMs: 30_000, ProducerID: thePID, NewID: freshID, Level: Version2, NowMs: now}
		if strings.HasSuffix(name, "v1") {
			r.Level = Version1
		}
		switch strings.Fields(name)[0] {
		case "begins":
			r.ProducerID, r.Epoch = NoProducerID, NoEpoch
		case "current":
			r.Epoch = theEpoch
		case "last":
			r.Epoch = theEpoch - 1
		case "older":
			r.Epoch = theEpoch - 2
		case "ahead":
			r.Epoch = theEpoch + 1
		case "stranger":
			r.ProducerID = thePID + 1
		}
		o := Init(s, r)
		if o.Next != nil && o.End == nil && (o.Next.TimeoutMs != 30_000 || o.Next.UpdateMs != now) {
			t.Errorf("%s: %+v", name, o.Next)
		}
		return o
	})
}

func TestAdd(t *testing.T) {
	added := []TopicPartition{{"b", 1}, {"a", 1}, {"a", 1}}
	runTable(t, `
none Empty Ongoing PrepareCommit PrepareAbort CompleteCommit CompleteAbort
new      | 49 Ongoing:7/5 Ongoing:7/5 51 51 Ongoing:7/5 Ongoing:7/5
there    | 49 Ongoing:7/5 ok:7/5 51 51 Ongoing:7/5 Ongoing:7/5
older    | 49 90 90 90 90 90 90
ahead    | 49 90 90 90 90 90 90
stranger | 49 49 49 49 49 49 49
`, func(name string, s *State) Outcome {
		r := &AddRequest{ProducerID: thePID, Epoch: theEpoch, Partitions: added, Version: Version2, NowMs: now}
		switch name {
		case "there":
			r.Partitions = []TopicPartition{{"b", 1}, {"a", 0}}
		case "older":
			r.Epoch--
		case "ahead":
			r.Epoch++
		case "stranger":
			r.ProducerID++
		}
		o := Add(s, r)
		if o.Next != nil {
			start := int64(now)
			if s.Status == Ongoing {
				start = before
			}
			if o.Next.StartMs != start || !o.Next.hasAll(r.Partitions) || !o.Next.hasAll(s.Partitions) {
				t.Errorf("%s: %+v", name, o.Next)
			}
		}
		return o
	})
	s := Add(states()["Ongoing"], &AddRequest{ProducerID: thePID, Epoch: theEpoch, Partitions: added, NowMs: now}).Next
	want := []TopicPartition{{"a", 0}, {"a", 1}, {"a", 3}, {"b", 1}}
	if !reflect.DeepEqual(s.Partitions, want) {
		t.Errorf("%v, want %v", s.Partitions, want)
	}
}

func TestVerify(t *testing.T) {
	asked := []TopicPartition{{"b", 1}, {"b", 2}}
	for name, want := range map[string][2]int16{
		"none": {49, 49}, "Empty": {120, 120}, "Ongoing": {0, 120}, "PrepareCommit": {51, 51}, "PrepareAbort": {51, 51},
		"CompleteCommit": {120, 120}, "CompleteAbort": {120, 120},
	} {
		s := states()[name]
		if c := Verify(s, thePID, theEpoch, asked); int16(c[0]) != want[0] || int16(c[1]) != want[1] {
			t.Errorf("in %s: %v, want %v", name, c, want)
		}
		if s == nil {
			continue
		}
		if c := Verify(s, thePID, theEpoch-1, asked); c[0] != protocol.ProducerFenced || c[1] != c[0] {
			t.Errorf("older in %s: %v", name, c)
		}
		if c := Verify(s, thePID+1, theEpoch, asked); c[0] != protocol.InvalidProducerIDMapping || c[1] != c[0] {
			t.Errorf("stranger in %s: %v", name, c)
		}
	}
}

func TestTimeout(t *testing.T) {
	for name, s := range states() {
		if s == nil {
			continue
		}
		if s.TimedOut(before + 60_000) {
			t.Errorf("%s timed out at its timeout and not after it", name)
		}
		late := int64(before + 60_001)
		want := s.Status == Ongoing
		if s.TimedOut(late) != want {
			t.Errorf("%s timed out: %v", name, !want)
		}
		if o := Timeout(s, NoProducerID, Version2, late); (o.End != nil) != want {
			t.Errorf("%s: %+v", name, o)
		}
	}
	s := states()["Ongoing"]
	for level, last := range map[int16]int16{Version0: NoEpoch, Version1: NoEpoch, Version2: theEpoch} {
		o := Timeout(s, NoProducerID, level, before+60_001)
		if o.End.Commit || o.End.Epoch != theEpoch+1 || o.Next.Epoch != theEpoch+1 || o.Next.LastEpoch != last || o.Next.Status != CompleteAbort {
			t.Errorf("level %d: %+v %+v", level, o.Next, o.End)
		}
	}
}

// A broker whose clock was ahead has left its times in the state of an id.
func TestTimeoutAfterTheClockWentBack(t *testing.T) {
	const hour = 3_600_000
	for _, status := range []string{"Empty", "CompleteCommit", "CompleteAbort"} {
		s := states()[status]
		s.UpdateMs += hour
		n := Add(s, &AddRequest{ProducerID: thePID, Epoch: theEpoch, Partitions: parts, NowMs: before}).Next
		if n.StartMs != before || n.UpdateMs != before+hour {
			t.Errorf("%s: began at %d, last change at %d", status, n.StartMs, n.UpdateMs)
		}
		if n.TimedOut(before+60_000) || !n.TimedOut(before+60_001) {
			t.Errorf("%s: does not time out after its timeout", status)
		}
	}
}

// What a producer meets whose transaction was aborted for it: seen at Kafka 4.4.
func TestAfterTimeout(t *testing.T) {
	s := Timeout(states()["Ongoing"], NoProducerID, Version2, before+60_001).Next
	for _, restarted := range []bool{false, true} {
		if restarted {
			_, loaded, _, err := Decode(Encode("id", s, Version2))
			if err != nil {
				t.Fatal(err)
			}
			s = loaded
		}
		for name, got := range map[string]string{
			"produce 90":     does(Add(s, &AddRequest{ProducerID: thePID, Epoch: theEpoch, Partitions: parts})),
			"commit1 90":     does(Finish(s, &EndRequest{ProducerID: thePID, Epoch: theEpoch, Commit: true})),
			"commit2 48":     does(Finish(s, &EndRequest{ProducerID: thePID, Epoch: theEpoch, Commit: true, Version: Version2})),
			"abort2 ok:7/6":  does(Finish(s, &EndRequest{ProducerID: thePID, Epoch: theEpoch, Version: Version2})),
			"init Empty:7/6": does(Init(s, &InitRequest{ProducerID: thePID, Epoch: theEpoch, NewID: NoProducerID})),
		} {
			if want := strings.Fields(name)[1]; got != want {
				t.Errorf("restarted %v: %s, got %s", restarted, name, got)
			}
		}
	}
}

func TestExpired(t *testing.T) {
	for name, s := range states() {
		if s == nil {
			continue
		}
		idle := name == "Empty" || name == "CompleteCommit" || name == "CompleteAbort"
		if s.Expired(before+100, 100) != idle || s.Expired(before+99, 100) {
			t.Errorf("%s: expires %v and a moment before %v", name, s.Expired(before+100, 100), s.Expired(before+99, 100))
		}
	}
}
