package chaos

import (
	"slices"
	"strings"
	"testing"
)

// sound is a small history without a fault: two producers, a reader, a group.
func sound() []Event {
	at := func(op string, offset int64, producer string, sequence int64) Event {
		return Event{Op: op, Outcome: OK, Client: op, Topic: "t", Offset: offset, Producer: producer, Sequence: sequence}
	}
	commit := func(op, outcome string, offset, start, end int64) Event {
		return Event{Op: op, Outcome: outcome, Group: "g", Topic: "t", Offset: offset, Start: start, End: end}
	}
	return []Event{
		at(OpProduce, 0, "a", 0), at(OpProduce, 1, "b", 0), at(OpProduce, 3, "a", 2),
		{Op: OpProduce, Outcome: Unknown, Topic: "t", Producer: "a", Sequence: 1},
		{Op: OpProduce, Outcome: Unknown, Topic: "t", Producer: "a", Sequence: 3},
		at(OpRead, 0, "a", 0), at(OpRead, 1, "b", 0), at(OpRead, 2, "a", 1),
		at(OpFinal, 0, "a", 0), at(OpFinal, 1, "b", 0), at(OpFinal, 2, "a", 1), at(OpFinal, 3, "a", 2),
		commit(OpCommit, OK, 5, 0, 10), commit(OpCommit, Unknown, 6, 11, 20), commit(OpCommitted, OK, 6, 30, 40),
		{Op: OpKill}, commit(OpCommit, OK, 7, 50, 60), commit(OpCommitted, OK, 7, 70, 80),
	}
}

func TestSoundHistoryPasses(t *testing.T) {
	v := Check(sound())
	if len(v.Violations) > 0 {
		t.Fatal(v.Violations)
	}
	if v.Acknowledged != 3 || v.Unknown != 2 || v.Stored != 4 || v.Reads != 3 || v.Commits != 2 || v.Asked != 2 || v.Kills != 1 {
		t.Fatalf("counted %+v", v)
	}
}

// Each mutant breaks one promise; the checker must name it.
func TestMutantsAreFound(t *testing.T) {
	index := func(events []Event, op string, offset int64) int {
		return slices.IndexFunc(events, func(e Event) bool { return e.Op == op && e.Offset == offset })
	}
	mutants := []struct {
		name string
		make func(e []Event) []Event
		want string
	}{
		{"last acknowledged record gone", func(e []Event) []Event {
			i := index(e, OpFinal, 3)
			return slices.Delete(e, i, i+1)
		}, "lost"},
		{"acknowledged record in the middle gone", func(e []Event) []Event {
			i := index(e, OpFinal, 1)
			return slices.Delete(e, i, i+1)
		}, "hole"},
		{"offset given to another record", func(e []Event) []Event {
			e[index(e, OpFinal, 1)].Producer = "c"
			return e
		}, "lost or renumbered"},
		{"retry stored twice", func(e []Event) []Event {
			return append(e, Event{Op: OpFinal, Outcome: OK, Topic: "t", Offset: 4, Producer: "a", Sequence: 2})
		}, "doubled"},
		{"older record after a newer one", func(e []Event) []Event {
			return append(e, Event{Op: OpFinal, Outcome: OK, Topic: "t", Offset: 4, Producer: "a", Sequence: 1})
		}, "reordered"},
		{"read before it was durable", func(e []Event) []Event {
			e[index(e, OpRead, 2)].Sequence = 9
			return e
		}, "two records at one offset"},
		{"reader sent back", func(e []Event) []Event {
			return append(e, Event{Op: OpRead, Outcome: OK, Client: OpRead, Topic: "t", Offset: 0, Producer: "a"})
		}, "reader jumped"},
		{"reader sent over a record", func(e []Event) []Event {
			i := index(e, OpRead, 1)
			return slices.Delete(e, i, i+1)
		}, "reader jumped"},
		{"damaged value", func(e []Event) []Event {
			e[index(e, OpFinal, 2)].Outcome = Corrupt
			return e
		}, "corrupt"},
		{"acknowledged commit forgotten", func(e []Event) []Event {
			e[index(e, OpCommitted, 7)].Offset = 6
			return e
		}, "commit taken back"},
		{"answer taken back", func(e []Event) []Event {
			return append(e, Event{Op: OpCommitted, Outcome: OK, Group: "g", Topic: "t", Offset: 6, Start: 90, End: 95})
		}, "commit taken back"},
		{"commit nobody made", func(e []Event) []Event {
			e[index(e, OpCommitted, 7)].Offset = 8
			return e
		}, "commit made up"},
	}
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			v := Check(m.make(sound()))
			if !slices.ContainsFunc(v.Violations, func(s string) bool { return strings.HasPrefix(s, m.want) }) {
				t.Fatalf("not found: %q in %q", m.want, v.Violations)
			}
		})
	}
}

func TestValueShowsAnyChangedByte(t *testing.T) {
	v := value("p1", 42, 50)
	if producer, sequence, err := parseValue(v); producer != "p1" || sequence != 42 || err != nil {
		t.Fatal(producer, sequence, err)
	}
	for i := len("p1 42 "); i < len(v); i++ {
		v[i] ^= 1
		if _, _, err := parseValue(v); err == nil {
			t.Fatalf("byte %d changed unnoticed", i)
		}
		v[i] ^= 1
	}
	if _, _, err := parseValue(v[:len(v)-1]); err == nil {
		t.Fatal("a cut went unnoticed")
	}
}
