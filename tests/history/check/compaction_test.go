package check

import (
	"testing"

	"github.com/streamhouse/streamhouse/tests/history"
)

// stay is how long the compacted topic of these stories keeps a tombstone, in steps.
const stay = 20

// compacted is a story of one compacted topic.
func compacted() *story {
	return new(story).add(history.Event{Client: "s", Op: history.CreateTopic, Topic: "t", Compacted: true, DeleteRetention: stay * ms})
}

func key(k string) mutate             { return func(e *history.Event) { e.Key = k } }
func tombstone(e *history.Event)      { e.Tombstone = true }
func (s *story) later(n int64) *story { s.now += n * ms; return s }

// named gives the records of all polls the keys with which they were sent.
func (s *story) named() *story {
	sent := map[record]*history.Event{}
	for i := range s.events {
		if e := &s.events[i]; e.Op == history.Produce {
			sent[record{e.Producer, e.Sequence}] = e
		}
	}
	for i := range s.events {
		for n := range s.events[i].Records {
			r := &s.events[i].Records[n]
			if e := sent[record{r.Producer, r.Sequence}]; e != nil {
				r.Key, r.Tombstone = e.Key, e.Tombstone
			}
		}
	}
	return s
}

func compactedRows(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		r.story.named()
	}
	run(t, rows)
}

func TestCompacted(t *testing.T) {
	base := func() *story {
		return compacted().sent("a", 0, 0, key("x")).sent("b", 0, 1, key("y")).sent("a", 1, 2, key("x"))
	}
	gone := func() *story { return base().polled("r", 0, "a0 b0 a1").polled("s", 0, "- b0 a1") }
	unknown := outcome(history.Unknown)
	compactedRows(t, []row{
		{"nothing is gone yet", base().polled("r", 0, "a0 b0 a1"), nil},
		{"superseded, gone", gone(), nil},
		{"superseded and gone, in a topic that is not compacted", compacted().sent("a", 0, 0, key("x"), topicID("other")).sent("a", 1, 1, key("x"), topicID("other")).polled("r", 0, "- a1", topicID("other")), []Kind{Lost}},
		{"latest gone", base().polled("r", 0, "- b0 -"), []Kind{Lost}},
		{"latest gone that others saw", gone().polled("q", 0, "- b0 -"), []Kind{Skipped}},
		{"only version gone", base().polled("r", 0, "- - a1"), []Kind{Lost}},
		{"latest gone though an older one is there", base().polled("r", 0, "a0 b0 -"), []Kind{Lost}},
		{"offset moved", gone().polled("q", 0, "- b0 - a1"), []Kind{Duplicated}},
		{"moved to where another was", gone().polled("q", 0, "a1 b0 -"), []Kind{Duplicated, TwoRecords}},
		{"another key", gone().polled("q", 0, "- b0 a1"), nil},
		{"a key of another partition", base().sent("c", 0, 0, key("y"), on(1)).polled("r", 0, "a0 - a1"), []Kind{Lost}},
		{"gone before the later version was sent", compacted().sent("a", 0, 0, key("x")).sent("b", 0, 1, key("y")).polled("r", 0, "- b0").sent("a", 1, 2, key("x")), []Kind{Lost}},
		{"gone while the later version is sent", compacted().sent("a", 0, 0, key("x")).sent("b", 0, 1, key("y")).polled("r", 0, "- b0", until(9)).sent("a", 1, 2, key("x")), nil},
		{"came back", gone().polled("q", 0, "a0 b0 a1"), []Kind{CameBack}},
		{"seen by a reader that began before", gone().polled("q", 0, "a0 b0 a1", since(1)), nil},
		{"an older version came back", base().sent("a", 2, 3, key("x")).polled("r", 2, "- a2").polled("q", 0, "a0 b0"), []Kind{CameBack}},
		{"nobody sent it", gone().polled("q", 3, "z9"), []Kind{Phantom}},
		{"refused", gone().sent("b", 1, 3, key("x"), outcome(history.Fail)).polled("q", 0, "- b0 -"), []Kind{Skipped}},
		{"unknown, never seen", base().sent("b", 1, 3, key("x"), unknown).polled("r", 0, "- b0 -"), []Kind{Lost}},
		{"unknown, seen", base().sent("b", 1, 3, key("x"), unknown).polled("r", 0, "- b0 - b1"), nil},
		{"unknown, superseded before anybody saw it", base().sent("b", 1, 3, key("x"), unknown).polled("r", 0, "- b0 -").sent("a", 2, 4, key("x")), nil},
	})
	s := base().polled("r", 0, "a0 b0 a1").named()
	s.events[len(s.events)-1].Records[0].Key = "y"
	run(t, []row{{"its key is another", s, []Kind{Corrupt}}})
}

func TestTombstones(t *testing.T) {
	base := func() *story {
		return compacted().sent("a", 0, 0, key("x")).sent("a", 1, 1, key("x"), tombstone).sent("b", 0, 2, key("y"))
	}
	unknown := outcome(history.Unknown)
	compactedRows(t, []row{
		{"there", base().polled("r", 0, "- a1 b0"), nil},
		{"gone too soon", base().polled("r", 0, "- - b0"), []Kind{Lost}},
		{"gone after its time", base().later(stay).polled("r", 0, "- - b0"), nil},
		{"gone too soon though another reader passes later", base().polled("r", 0, "- - b0").later(stay).polled("s", 0, "- - b0"), []Kind{Lost}},
		{"what it deleted came back", base().later(stay).polled("r", 1, "- b0").polled("s", 0, "a0"), []Kind{CameBack}},
		{"superseded by a value", base().sent("a", 2, 3, key("x")).polled("r", 0, "- - b0 a2"), nil},
		{"in a transaction, before its commit", compacted().begin("p/1").wrote("p/1", 0, 0, key("x"), tombstone).later(stay).end("p/1", true).polled("r", 0, "- |", committed), []Kind{Lost}},
		{"unknown, and gone with what it deleted", compacted().sent("a", 0, 0, key("x")).sent("a", 1, 1, key("x"), tombstone, unknown).later(stay).polled("r", 0, "- -"), nil},
		{"unknown, and gone too soon", compacted().sent("a", 0, 0, key("x")).sent("a", 1, 1, key("x"), tombstone, unknown).polled("r", 0, "- -"), []Kind{Lost}},
		{"became a value", base().polled("r", 0, "- - b0", func(e *history.Event) {
			e.Records = append([]history.Record{{Offset: 1, Producer: "z", Sequence: 9}}, e.Records...)
		}), []Kind{TwoRecords, Phantom, Lost}},
	})
}

func TestCompactedTransactions(t *testing.T) {
	// a0 is superseded by p0 of a transaction.
	open := func() *story {
		return compacted().sent("a", 0, 0, key("x")).begin("p/1").wrote("p/1", 0, 1, key("x"))
	}
	unknown := outcome(history.Unknown)
	compactedRows(t, []row{
		{"committed", open().end("p/1", true).polled("r", 0, "- p0 |", committed), nil},
		{"gone before the commit was asked for", open().polled("r", 0, "- p0").end("p/1", true), []Kind{Lost}},
		{"aborted, it is gone", open().end("p/1", false).polled("r", 0, "a0 - |").polled("s", 0, "a0 - |", committed), nil},
		{"aborted, the one before is gone", open().end("p/1", false).polled("r", 0, "- p0 |"), []Kind{Lost}},
		{"aborted, both are gone", open().end("p/1", false).polled("r", 0, "- - |", committed), []Kind{Lost}},
		{"aborted, and read", open().end("p/1", false).polled("r", 0, "a0 p0 |", committed), []Kind{AbortedRead}},
		{"aborted, gone and back", open().end("p/1", false).polled("r", 0, "a0 - |").polled("s", 0, "a0 p0 |"), []Kind{CameBack}},
		{"aborted, gone, and the one before stays", open().end("p/1", false).polled("r", 0, "a0 - |").polled("s", 0, "a0 -"), nil},
		{"the latest committed is gone", open().end("p/1", true).polled("r", 0, "- - |"), []Kind{Lost}},
		{"of unknown outcome, there", open().end("p/1", true, unknown).polled("r", 0, "- p0 |", committed), nil},
		{"of unknown outcome, both gone", open().end("p/1", true, unknown).polled("r", 0, "- - |"), []Kind{Lost}},
		{"of unknown outcome, superseded", open().end("p/1", true, unknown).polled("r", 0, "- - |").sent("a", 1, 3, key("x")), nil},
		{"never ended, gone", open().polled("r", 0, "a0 -"), nil},
		{"never ended, the one before gone", open().polled("r", 0, "- -"), []Kind{Lost}},
		{"in part superseded is not torn", compacted().begin("p/1").wrote("p/1", 0, 0, key("x")).wrote("p/1", 1, 1, key("y")).end("p/1", true).
			sent("a", 0, 3, key("x")).polled("r", 0, "- p1 | a0", committed), nil},
		{"torn all the same", compacted().begin("p/1").wrote("p/1", 0, 0, key("x")).wrote("p/1", 1, 1, key("y")).end("p/1", true).
			sent("a", 0, 3, key("z")).polled("r", 0, "- p1 | a0", committed), []Kind{Torn}},
	})
}

// What compaction took out is counted, and the reads from the beginning after that.
func TestCompactionCounts(t *testing.T) {
	v := compacted().sent("a", 0, 0, key("x")).sent("a", 1, 1, key("x")).sent("a", 2, 2, key("x")).
		polled("r", 0, "a0 a1 a2").polled("r", 0, "- a1 a2", since(5)).polled("s", 0, "- - a2").polled("s", 0, "- - a2", on(1)).polled("q", 0, "- - a2").named().verdict(t)
	if v.Counts.Removed != 2 || v.Counts.Rereads != 2 {
		t.Fatalf("%+v", v.Counts)
	}
}
