package history

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"sync"
	"testing"
)

// written is a history with one event of each kind, as its Writer wrote it.
func written(t testing.TB) ([]Event, string) {
	t.Helper()
	events := []Event{
		{Client: "p", Op: Begin, Outcome: OK, Txn: "p/1", ProducerID: 7, Epoch: 2},
		{Client: "p", Op: Produce, Outcome: OK, Topic: "t", Offset: 0, Producer: "p", Delivery: Transactional, Txn: "p/1",
			Source: &Source{Group: "g", Topic: "in", Offset: 4}},
		{Client: "p", Op: EndTxn, Outcome: Unknown, Error: "cut <off>", Txn: "p/1", Commit: true},
		{Client: "r", Op: Poll, Outcome: OK, Topic: "t", Next: 2, Isolation: ReadCommitted, Records: []Record{{Offset: 0, Producer: "p"}, {Offset: 1, Control: true}},
			Marks: &Marks{HighWatermark: 2, LastStable: 2, LogStart: -1}},
		{Client: "c", Op: Commit, Outcome: OK, Topic: "t", Group: "g", Offset: 2},
		{Client: "c", Op: Committed, Outcome: OK, Topic: "t", Group: "g", Offset: -1, Stable: true},
		{Client: "w", Op: Watermarks, Outcome: OK, Topic: "t", Marks: &Marks{}},
		{Client: "a", Op: DeleteRecords, Outcome: OK, Topic: "t", Offset: 1},
		{Client: "a", Op: DeleteTopic, Outcome: OK, Topic: "t"},
		{Client: "a", Op: CreateTopic, Outcome: OK, Topic: "k", Compacted: true, DeleteRetention: 3e9},
		{Client: "p", Op: Produce, Outcome: OK, Topic: "k", Offset: 0, Producer: "p", Sequence: 1, Delivery: Once, Key: "x", Tombstone: true},
		{Client: "r", Op: Poll, Outcome: OK, Topic: "k", Next: 1, Isolation: ReadUncommitted, Records: []Record{{Producer: "p", Sequence: 1, Key: "x", Tombstone: true}}},
		{Client: "a", Op: Fault, Outcome: OK, Fault: "kill"},
	}
	var text bytes.Buffer
	w := NewWriter(&text)
	for _, e := range events {
		w.Add(e)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return events, text.String()
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	events, text := written(t)
	got, err := Read(strings.NewReader(text))
	if err != nil || !reflect.DeepEqual(got, events) {
		t.Fatalf("%v\n%+v\n%+v", err, got, events)
	}
}

func TestManyClientsWriteAtOnce(t *testing.T) {
	var text bytes.Buffer
	w := NewWriter(&text)
	var group sync.WaitGroup
	const clients, each = 8, 500
	for c := range clients {
		group.Go(func() {
			for i := range each {
				w.Add(Event{Start: int64(i), End: w.Now() + each, Client: string(rune('a' + c)), Op: Fault, Outcome: OK, Fault: "cut"})
			}
		})
	}
	group.Wait()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if n := w.Done("a", Fault); n != each {
		t.Errorf("%d of one client's", n)
	}
	if n := w.Done("", Fault); n != clients*each {
		t.Errorf("%d of all clients'", n)
	}
	events, err := Read(&text)
	if err != nil || len(events) != clients*each {
		t.Fatal(len(events), err)
	}
	next := map[string]int64{}
	for _, e := range events {
		if e.Start != next[e.Client] {
			t.Fatalf("client %s: %d after %d", e.Client, e.Start, next[e.Client]-1)
		}
		next[e.Client]++
	}
}

func TestWriterKeepsItsFirstFailure(t *testing.T) {
	w := NewWriter(failing{})
	for range 10_000 {
		w.Add(Event{Client: "a", Op: Fault, Outcome: OK, Fault: "cut"})
	}
	if err := w.Close(); !errors.Is(err, io.ErrClosedPipe) {
		t.Fatal(err)
	}
	w = NewWriter(io.Discard)
	w.Add(Event{Client: "a", Op: "nonsense"})
	w.Add(Event{Client: "a", Op: Fault, Outcome: OK, Fault: "cut"})
	if err := w.Close(); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Fatal(err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestReaderRefuses(t *testing.T) {
	_, text := written(t)
	lines := strings.SplitAfter(text, "\n")
	swap := func(old, with string) string {
		if !strings.Contains(text, old) {
			t.Fatalf("%q is not in the history", old)
		}
		return strings.Replace(text, old, with, 1)
	}
	cases := []struct{ name, text, want string }{
		{"nothing", "", "breaks off after 0"},
		{"no last line", strings.Join(lines[:10], ""), "breaks off after 10"},
		{"a line less", strings.Join(lines[1:], ""), "12 events, the last line says 13"},
		{"a line more", text + lines[0], "more after the last line"},
		{"half a line", text[:len(text)-5], "unexpected EOF"},
		{"unknown field", swap(`"client"`, `"klient"`), "klient"},
		{"unknown operation", swap(`"op":"fault"`, `"op":"default"`), `op "default"`},
		{"unknown outcome", swap(`"outcome":"unknown"`, `"outcome":"maybe"`), `outcome "maybe"`},
		{"outcome of another operation", swap(`"op":"poll","outcome":"ok"`, `"op":"poll","outcome":"fail"`), `outcome "fail" of poll`},
		{"ends before it starts", swap(`"start":0`, `"start":1`), "times 1 to 0"},
		{"acknowledged without an offset", swap(`"offset":0,"producer"`, `"offset":-1,"producer"`), "offset -1 with outcome ok"},
		{"transactional without a transaction", swap(`"source":{"group":"g","topic":"in","partition":0,"offset":4},"txn":"p/1"`, `"txn":""`), "transactional with transaction"},
		{"backward poll", swap(`"next":2`, `"next":-2`), "from 0 to -2"},
		{"no isolation", swap(`"isolation":"read_committed"`, `"isolation":""`), `isolation ""`},
		{"no topic", swap(`"topic":"t"`, `"topic":""`), "without a topic"},
		{"two values", swap("}\n", "} {}\n"), "more than one value"},
		{"no group", swap(`"group":"g","stable"`, `"stable"`), `group ""`},
		{"no fault", swap(`"fault":"kill"`, `"fault":""`), "no kind"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := Read(strings.NewReader(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestValueShowsAnyChangedByte(t *testing.T) {
	v := Value("p1", 42, 50)
	if producer, sequence, err := ParseValue(v); producer != "p1" || sequence != 42 || err != nil {
		t.Fatal(producer, sequence, err)
	}
	for i := len("p1 42 "); i < len(v); i++ {
		v[i] ^= 1
		if _, _, err := ParseValue(v); err == nil {
			t.Fatalf("byte %d changed unnoticed", i)
		}
		v[i] ^= 1
	}
	if _, _, err := ParseValue(v[:len(v)-1]); err == nil {
		t.Fatal("a cut went unnoticed")
	}
}

// Whatever the reader takes, a writer can write, and it means the same.
func FuzzRead(f *testing.F) {
	_, text := written(f)
	f.Add([]byte(text))
	f.Add([]byte(text[strings.LastIndex(strings.TrimSpace(text), "\n")+1:]))
	f.Fuzz(func(t *testing.T, text []byte) {
		events, err := Read(bytes.NewReader(text))
		if err != nil {
			return
		}
		var again bytes.Buffer
		w := NewWriter(&again)
		for _, e := range events {
			w.Add(e)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := Read(&again)
		if err != nil || len(got) != len(events) {
			t.Fatal(len(got), err)
		}
		for i := range got {
			// An empty list and none are the same.
			if got[i].Records == nil && len(events[i].Records) == 0 {
				events[i].Records = nil
			}
			if !reflect.DeepEqual(got[i], events[i]) {
				t.Fatalf("%+v became %+v", events[i], got[i])
			}
		}
	})
}
