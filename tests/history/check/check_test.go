package check

import (
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/tests/history"
)

// story is a history in the making. Each step takes 1 ms, after the one before.
type story struct {
	events []history.Event
	now    int64
}

const ms = int64(1e6)

// mutate changes an event of a story before it is added.
type mutate func(*history.Event)

func (s *story) add(e history.Event, changes ...mutate) *story {
	e.Start, e.End = s.now, s.now+ms/2
	s.now += ms
	if e.Outcome == "" {
		e.Outcome = history.OK
	}
	if e.Topic == "" && e.Txn == "" || e.Op == history.Produce || e.Op == history.Poll {
		e.Topic = "t"
	}
	for _, change := range changes {
		change(&e)
	}
	s.events = append(s.events, e)
	return s
}

// sent is an acknowledged record of an idempotent producer.
func (s *story) sent(producer string, sequence, offset int64, changes ...mutate) *story {
	return s.add(history.Event{Client: producer, Op: history.Produce, Offset: offset, Producer: producer, Sequence: sequence, Delivery: history.Idempotent}, changes...)
}

// wrote is an acknowledged record in a transaction.
func (s *story) wrote(txn string, sequence, offset int64, changes ...mutate) *story {
	producer, _, _ := strings.Cut(txn, "/")
	return s.sent(producer, sequence, offset, append([]mutate{func(e *history.Event) { e.Delivery, e.Txn = history.Transactional, txn }}, changes...)...)
}

func (s *story) begin(txn string) *story {
	return s.add(history.Event{Client: txn, Op: history.Begin, Txn: txn})
}

func (s *story) end(txn string, commit bool, changes ...mutate) *story {
	return s.add(history.Event{Client: txn, Op: history.EndTxn, Txn: txn, Commit: commit}, changes...)
}

// polled is a poll by client from an offset: "a1 b2 | -": records in a row, "|" for a
// marker, "-" for an offset that nothing was returned for.
func (s *story) polled(client string, from int64, what string, changes ...mutate) *story {
	e := history.Event{Client: client, Op: history.Poll, Offset: from, Isolation: history.ReadUncommitted}
	offset := from
	for word := range strings.FieldsSeq(what) {
		switch word {
		case "-":
		case "|":
			e.Records = append(e.Records, history.Record{Offset: offset, Control: true})
		case "?":
			e.Records = append(e.Records, history.Record{Offset: offset, Corrupt: "noise"})
		default:
			e.Records = append(e.Records, history.Record{Offset: offset, Producer: word[:1], Sequence: int64(word[1] - '0')})
		}
		offset++
	}
	e.Next = offset
	return s.add(e, changes...)
}

func (s *story) marks(high, stable, start int64, changes ...mutate) *story {
	return s.add(history.Event{Client: "w", Op: history.Watermarks, Marks: &history.Marks{HighWatermark: high, LastStable: stable, LogStart: start}}, changes...)
}

func (s *story) commit(offset int64, changes ...mutate) *story {
	return s.add(history.Event{Client: "c", Op: history.Commit, Group: "g", Offset: offset, Topic: "t"}, changes...)
}

func (s *story) answer(offset int64, changes ...mutate) *story {
	return s.add(history.Event{Client: "c", Op: history.Committed, Group: "g", Offset: offset, Topic: "t"}, changes...)
}

// Changes.
func outcome(o history.Outcome) mutate {
	return func(e *history.Event) {
		e.Outcome, e.Error = o, "why"
		if e.Op == history.Produce {
			e.Offset = -1
		}
	}
}
func committed(e *history.Event) { e.Isolation = history.ReadCommitted }
func stable(e *history.Event)    { e.Stable = true }
func on(partition int32) mutate  { return func(e *history.Event) { e.Partition = partition } }
func in(txn string) mutate       { return func(e *history.Event) { e.Txn = txn } }
func delivery(d history.Delivery) mutate {
	return func(e *history.Event) { e.Delivery = d }
}
func marked(high, stable, start int64) mutate {
	return func(e *history.Event) {
		e.Marks = &history.Marks{HighWatermark: high, LastStable: stable, LogStart: start}
	}
}

// since moves an event's start: it began while the steps before were under way.
func since(t int64) mutate     { return func(e *history.Event) { e.Start = t * ms } }
func until(t int64) mutate     { return func(e *history.Event) { e.End = t * ms } }
func topicID(id string) mutate { return func(e *history.Event) { e.TopicID = id } }
func from(offset int64) mutate {
	return func(e *history.Event) { e.Source = &history.Source{Group: "g", Topic: "t", Offset: offset} }
}

// verdict judges a story; every event must be one that a Writer takes.
func (s *story) verdict(t *testing.T) Verdict {
	t.Helper()
	for i := range s.events {
		if err := s.events[i].Validate(); err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
	}
	v, err := Check(s.events)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// row is a story and the anomalies that it has; none for a sound one.
type row struct {
	name  string
	story *story
	want  []Kind
}

func run(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			v := r.story.verdict(t)
			for _, kind := range r.want {
				if !v.Has(kind) {
					t.Errorf("not found: %s", kind)
				}
			}
			found := 0
			for _, a := range v.Anomalies {
				found++
				if len(r.want) == 0 {
					t.Errorf("found in a sound history: %v", a)
				}
				if len(a.Events) == 0 || a.Summary == "" {
					t.Errorf("no evidence: %v", a)
				}
			}
			if len(r.want) == 1 && found > 1 {
				t.Errorf("%d anomalies, not 1: %v", found, v.Anomalies)
			}
		})
	}
}

func TestRecords(t *testing.T) {
	base := func() *story { return new(story).sent("a", 0, 0).sent("b", 0, 1).sent("a", 1, 2) }
	run(t, []row{
		{"sound", base().polled("r", 0, "a0 b0 a1"), nil},
		{"sound in two polls", base().polled("r", 0, "a0").polled("r", 1, "b0 a1"), nil},
		{"not read yet", base().polled("r", 0, "a0 b0"), nil},
		{"lost", base().polled("r", 0, "a0 - a1"), []Kind{Lost}},
		{"skipped by one reader", base().polled("r", 0, "a0 b0 a1").polled("s", 0, "a0 - a1"), []Kind{Skipped}},
		{"unknown and absent", base().sent("b", 1, 3, outcome(history.Unknown)).polled("r", 0, "a0 b0 a1 |"), nil},
		{"unknown and there", base().sent("b", 1, 3, outcome(history.Unknown)).polled("r", 0, "a0 b0 a1 b1"), nil},
		{"unknown, seen by one, passed by another", base().sent("b", 1, 3, outcome(history.Unknown)).polled("r", 0, "a0 b0 a1 b1").polled("s", 3, "-"), []Kind{Skipped}},
		{"refused and absent", base().sent("b", 1, 3, outcome(history.Fail)).polled("r", 0, "a0 b0 a1"), nil},
		{"refused and read", base().sent("b", 1, 3, outcome(history.Fail)).polled("r", 0, "a0 b0 a1 b1"), []Kind{FailedRead}},
		{"duplicated", base().polled("r", 0, "a0 b0 a1 b0"), []Kind{Duplicated}},
		{"duplicated in another partition", base().polled("r", 0, "b0", on(1)), []Kind{Duplicated, Phantom}},
		{"copies of a producer without sequences", new(story).sent("a", 0, 0, delivery(history.Retried)).sent("a", 1, 1, delivery(history.Retried)).polled("r", 0, "a0 a1 a0"), nil},
		{"reordered", new(story).sent("a", 1, 0).sent("a", 0, 1), []Kind{Reordered}},
		{"order of two producers is free", new(story).sent("a", 1, 0).sent("b", 0, 1), nil},
		{"order of two partitions is free", new(story).sent("a", 1, 0).sent("a", 0, 1, on(1)), nil},
		{"given up and late", new(story).sent("a", 0, 0, outcome(history.Unknown), delivery(history.Once)).sent("a", 1, 0, delivery(history.Once)).polled("r", 0, "a1 a0"), nil},
		{"one offset, two records, both acknowledged", base().sent("b", 1, 2), []Kind{TwoRecords}},
		{"one offset, two records, read", base().polled("r", 0, "a0 b0 a1").sent("c", 0, 3, outcome(history.Unknown)).polled("s", 0, "a0 c0 a1"), []Kind{TwoRecords, Skipped}},
		{"a new topic of the same name", base().sent("b", 1, 0, topicID("second")).polled("r", 0, "b1", topicID("second")), nil},
		{"phantom", base().polled("r", 3, "z9"), []Kind{Phantom}},
		{"wrong partition", base().sent("b", 1, 0, on(1), outcome(history.Unknown)).polled("r", 3, "b1"), []Kind{Phantom}},
		{"read before it was sent", new(story).polled("r", 0, "a0").sent("a", 0, 0), []Kind{Phantom}},
		{"corrupt", base().polled("r", 0, "a0 b0 a1 ?"), []Kind{Corrupt}},
		{"went back", base().polled("r", 0, "a0 b0").polled("r", 1, "b0 a1"), []Kind{WentBack}},
		{"jumped", base().polled("r", 0, "a0").polled("r", 2, "a1"), []Kind{WentBack}},
		{"another assignment may begin anywhere", base().polled("r", 0, "a0 b0").polled("r", 1, "b0 a1", func(e *history.Event) { e.Assignment = 2 }), nil},
		{"records fall within a poll", base().polled("r", 0, "a0 b0 a1", func(e *history.Event) { e.Records[0], e.Records[1] = e.Records[1], e.Records[0] }), []Kind{WentBack}},
		{"record outside of its poll", base().polled("r", 0, "a0 b0 a1", func(e *history.Event) { e.Next = 2 }), []Kind{WentBack}},
		{"deleted records are not lost", base().add(history.Event{Client: "d", Op: history.DeleteRecords, Offset: 2}).polled("r", 0, "- - a1"), nil},
		{"deleted too much", base().add(history.Event{Client: "d", Op: history.DeleteRecords, Offset: 1}).polled("r", 0, "- - a1"), []Kind{Lost}},
		{"below the log's start", base().marks(3, 3, 2).polled("r", 0, "- - a1"), nil},
	})
}

func TestTransactions(t *testing.T) {
	// p/1 writes a record to each of two partitions.
	open := func() *story { return new(story).begin("p/1").wrote("p/1", 0, 0).wrote("p/1", 1, 0, on(1)) }
	run(t, []row{
		{"committed", open().end("p/1", true).polled("r", 0, "p0 |", committed).polled("r", 0, "p1 |", committed, on(1)), nil},
		{"aborted", open().end("p/1", false).polled("r", 0, "- |", committed).polled("u", 0, "p0 |"), nil},
		{"aborted read", open().end("p/1", false).polled("r", 0, "p0 |", committed), []Kind{AbortedRead}},
		{"abort of unknown outcome is no commit", open().end("p/1", false, outcome(history.Unknown)).polled("r", 0, "p0 |", committed), []Kind{AbortedRead}},
		{"commit that was refused", open().end("p/1", true, outcome(history.Fail)).polled("r", 0, "p0 |", committed), []Kind{AbortedRead}},
		{"never ended, read", open().polled("r", 0, "p0", committed), []Kind{AbortedRead}},
		{"read before the commit was asked for", open().polled("r", 0, "p0", committed).end("p/1", true), []Kind{EarlyRead, PastLastStable}},
		{"read while the commit is under way", open().end("p/1", true, since(1), until(9)).polled("r", 0, "p0 |", committed).polled("r", 0, "p1 |", committed, on(1)), nil},
		{"read_uncommitted may", open().polled("r", 0, "p0").end("p/1", true), nil},
		{"torn", open().end("p/1", true).polled("r", 0, "p0 |", committed).polled("r", 0, "- |", committed, on(1)), []Kind{Torn}},
		{"torn, unknown outcome", open().end("p/1", true, outcome(history.Unknown)).polled("r", 0, "p0 |", committed).polled("r", 0, "- |", committed, on(1)), []Kind{Torn}},
		{"unknown outcome, all there", open().end("p/1", true, outcome(history.Unknown)).polled("r", 0, "p0 |", committed).polled("r", 0, "p1 |", committed, on(1)), nil},
		{"unknown outcome, nothing there", open().end("p/1", true, outcome(history.Unknown)).polled("r", 0, "- |", committed).polled("r", 0, "- |", committed, on(1)), nil},
		{"other part not read yet", open().end("p/1", true).polled("r", 0, "p0 |", committed), nil},
		{"committed and gone", open().end("p/1", true).polled("r", 0, "- |", committed), []Kind{Lost}},
		{"seen by one reader, not by another", open().end("p/1", true).polled("r", 0, "p0 |", committed).polled("s", 0, "- |", committed), []Kind{Skipped}},
		{"position beyond an open transaction", open().sent("a", 0, 1).polled("r", 0, "- a0", committed).end("p/1", true), []Kind{PastLastStable, Lost}},
		{"last stable offset beyond an open transaction", open().marks(1, 1, 0).end("p/1", true), []Kind{PastLastStable}},
		{"last stable offset at an open transaction", open().marks(1, 0, 0).end("p/1", true), nil},
		{"another partition's open transaction", open().sent("a", 0, 0, on(2)).polled("r", 0, "a0", committed, on(2)).end("p/1", true), nil},
		{"longest of several", new(story).begin("p/1").begin("q/1").wrote("p/1", 0, 0).wrote("q/1", 0, 1).end("q/1", true).polled("r", 0, "- q0", committed).end("p/1", true), []Kind{PastLastStable, Lost}},
		{"aborted by the broker before its client knew", open().polled("r", 0, "- |", committed).end("p/1", true, outcome(history.Fail)), nil},
	})
}

func TestMarks(t *testing.T) {
	run(t, []row{
		{"sound", new(story).marks(3, 3, 0).marks(5, 4, 1).marks(5, 5, 1), nil},
		{"high watermark went back", new(story).marks(3, 3, 0).marks(2, -1, 0), []Kind{HighWatermark}},
		{"last stable offset went back", new(story).marks(3, 3, 0).marks(3, 2, 0), []Kind{LastStable}},
		{"log start went back", new(story).marks(3, 3, 2).marks(3, 3, 1), []Kind{LogStart}},
		{"overlapping answers", new(story).marks(3, 3, 0).marks(2, 2, 0, since(0)), nil},
		{"below an acknowledged record", new(story).sent("a", 0, 3).marks(3, 3, 0), []Kind{HighWatermark}},
		{"below a record that was read", new(story).sent("a", 0, 3, outcome(history.Unknown)).polled("r", 3, "a0").marks(3, 3, 0), []Kind{HighWatermark}},
		{"last stable below a committed record that was read", new(story).sent("a", 0, 3).polled("r", 3, "a0", committed).marks(4, 3, 0), []Kind{LastStable}},
		{"in the answer of a fetch", new(story).marks(3, 3, 0).polled("r", 0, "", marked(2, 2, 0)), []Kind{HighWatermark, LastStable}},
		{"not said", new(story).marks(3, 3, 0).marks(-1, 3, -1), nil},
		{"another partition", new(story).marks(3, 3, 0).marks(2, 2, 0, on(1)), nil},
		{"deleted to", new(story).add(history.Event{Client: "d", Op: history.DeleteRecords, Offset: 2}).marks(3, 3, 1), []Kind{LogStart}},
	})
}

func TestCommits(t *testing.T) {
	txn := func(o history.Outcome, commit bool) *story {
		return new(story).commit(1).begin("p/1").commit(5, in("p/1")).end("p/1", commit, outcome(o))
	}
	run(t, []row{
		{"sound", new(story).answer(-1).commit(5).answer(5).commit(7, outcome(history.Unknown)).answer(7), nil},
		{"unknown and without effect", new(story).commit(5).commit(7, outcome(history.Unknown)).answer(5), nil},
		{"went back", new(story).commit(5).commit(7).answer(5), []Kind{CommitBack}},
		{"gone", new(story).commit(5).answer(-1), []Kind{CommitBack}},
		{"an answer taken back", new(story).commit(5).commit(7, outcome(history.Unknown)).answer(7).answer(5), []Kind{CommitBack}},
		{"given up and late", new(story).commit(5, outcome(history.Unknown)).commit(7).answer(7).answer(5), nil},
		{"asked while it is committed", new(story).commit(5).commit(7).answer(5, since(1)), nil},
		{"made up", new(story).commit(5).answer(6), []Kind{CommitPhantom}},
		{"answered before it was committed", new(story).answer(5).commit(5), []Kind{CommitPhantom}},
		{"refused", new(story).commit(5, outcome(history.Fail)).answer(5), []Kind{CommitPhantom}},
		{"in a committed transaction", txn(history.OK, true).answer(5, stable), nil},
		{"committed with it, not there", txn(history.OK, true).answer(1, stable), []Kind{CommitBack}},
		{"committed with it, not stable yet", txn(history.OK, true).answer(1), nil},
		{"in an aborted transaction", txn(history.OK, false).answer(1, stable), nil},
		{"aborted with it, there", txn(history.OK, false).answer(5, stable), []Kind{CommitPhantom}},
		{"unknown, there", txn(history.Unknown, true).answer(5, stable), nil},
		{"unknown, not there", txn(history.Unknown, true).answer(1, stable), nil},
		{"there before the transaction ended", new(story).begin("p/1").commit(5, in("p/1")).answer(5).end("p/1", true), []Kind{CommitPhantom}},
		{"another group", new(story).commit(5).answer(-1, func(e *history.Event) { e.Group = "h" }), nil},
	})
}

func TestCopies(t *testing.T) {
	// Two records, one copied to partition 1 by a transaction that commits offset 1.
	base := func() *story {
		return new(story).sent("a", 0, 0).sent("a", 1, 1).begin("p/1").wrote("p/1", 0, 0, on(1), from(0)).commit(1, in("p/1")).end("p/1", true)
	}
	run(t, []row{
		{"once", base().answer(1, stable), nil},
		{"twice", base().begin("p/2").wrote("p/2", 1, 2, on(1), from(0)).end("p/2", true), []Kind{CopiedTwice}},
		{"again after an abort", new(story).sent("a", 0, 0).begin("p/1").wrote("p/1", 0, 0, on(1), from(0)).end("p/1", false).
			begin("p/2").wrote("p/2", 1, 2, on(1), from(0)).commit(1, in("p/2")).end("p/2", true).answer(1, stable), nil},
		{"left out", base().begin("p/2").commit(2, in("p/2")).end("p/2", true).answer(2, stable), []Kind{NotCopied}},
		{"perhaps", base().begin("p/2").wrote("p/2", 1, 2, on(1), from(1)).commit(2, in("p/2")).end("p/2", true, outcome(history.Unknown)).answer(2, stable), nil},
	})
}

func TestCycles(t *testing.T) {
	// two transactions write a record each and read before they end.
	two := func() *story {
		return new(story).begin("p/1").begin("q/1").wrote("p/1", 0, 0).wrote("q/1", 0, 0, on(1))
	}
	both := func(p, q []mutate) *story {
		return two().polled("x", 0, "q0", append(p, on(1), in("p/1"), committed, until(30))...).polled("y", 0, "p0", append(q, in("q/1"), committed, until(30))...).
			end("p/1", true, until(30)).end("q/1", true, until(30))
	}
	run(t, []row{
		{"each read the other", both(nil, nil), []Kind{WriteReadCycle}},
		{"one read the other", two().end("p/1", true).polled("y", 0, "p0", in("q/1"), committed).end("q/1", true), nil},
		{"uncommitted reads may", both([]mutate{func(e *history.Event) { e.Isolation = history.ReadUncommitted }}, []mutate{func(e *history.Event) { e.Isolation = history.ReadUncommitted }}).uncommitted(), nil},
		{"three in a circle", new(story).begin("p/1").begin("q/1").begin("s/1").wrote("p/1", 0, 0).wrote("q/1", 0, 1).wrote("s/1", 0, 2).
			polled("x", 0, "p0", in("q/1"), committed, until(30)).polled("y", 1, "q0", in("s/1"), committed, until(30)).polled("z", 2, "s0", in("p/1"), committed, until(30)).
			end("p/1", true, until(30)).end("q/1", true, until(30)).end("s/1", true, until(30)), []Kind{WriteReadCycle}},
	})
}

// uncommitted makes every poll read_uncommitted.
func (s *story) uncommitted() *story {
	for i := range s.events {
		if s.events[i].Op == history.Poll {
			s.events[i].Isolation = history.ReadUncommitted
		}
	}
	return s
}

// Cycles over the order of writes are notes: Kafka does not isolate writes.
func TestWriteCyclesAreNotes(t *testing.T) {
	s := new(story).begin("p/1").begin("q/1").wrote("p/1", 0, 0).wrote("q/1", 0, 1).wrote("q/1", 1, 0, on(1)).wrote("p/1", 1, 1, on(1)).
		end("p/1", true).end("q/1", true)
	v := s.verdict(t)
	if len(v.Anomalies) > 0 || v.Found[WriteCycle] != 1 || len(v.Notes) != 1 || len(v.Notes[0].Events) != 2 {
		t.Fatalf("%+v", v)
	}
	s = new(story).begin("p/1").begin("q/1").wrote("q/1", 0, 0).wrote("p/1", 0, 1).wrote("p/1", 1, 0, on(1)).
		end("p/1", true).polled("x", 0, "p1", on(1), in("q/1"), committed).end("q/1", true)
	if v = s.verdict(t); len(v.Anomalies) > 0 || v.Found[WriteAndReadLoop] != 1 {
		t.Fatalf("%+v", v)
	}
}

func TestSelfContradictionsAreRefused(t *testing.T) {
	for want, s := range map[string]*story{
		"sent twice":  new(story).sent("a", 0, 0).sent("a", 0, 1),
		"began twice": new(story).begin("p/1").begin("p/1"),
		"ended twice": new(story).begin("p/1").end("p/1", true).end("p/1", true),
		"never began": new(story).wrote("p/1", 0, 0),
	} {
		if _, err := Check(s.events); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func TestCounts(t *testing.T) {
	v := new(story).sent("a", 0, 0).sent("a", 1, 0, outcome(history.Unknown)).sent("a", 2, 0, outcome(history.Fail)).
		begin("p/1").end("p/1", true).begin("p/2").end("p/2", false).begin("p/3").end("p/3", true, outcome(history.Unknown)).
		polled("r", 0, "a0").polled("s", 0, "a0", committed).marks(1, 1, 0).commit(1).answer(1).
		add(history.Event{Client: "f", Op: history.Fault, Fault: "kill"}).verdict(t)
	want := Counts{Acknowledged: 1, Refused: 1, Open: 1, Read: 1, ReadCommitted: 1, Committed: 1, Aborted: 1, Unresolved: 1,
		Commits: 1, Answers: 1, Watermarks: 1, Covered: 1, Faults: 1}
	if v.Counts != want || len(v.Anomalies) > 0 {
		t.Fatalf("%+v", v)
	}
}

// What there are many of is counted, and a few are spelled out.
func TestManyOfOneKind(t *testing.T) {
	s := new(story)
	for i := range int64(100) {
		s.polled("r", i, "z9")
	}
	v := s.verdict(t)
	if v.Found[Phantom] != 100 || len(v.Anomalies) != 2*maxPerKind {
		t.Fatalf("%d found, %d shown", v.Found[Phantom], len(v.Anomalies))
	}
	if text := v.Anomalies[0].String(); !strings.Contains(text, "poll t-0@0 to 1") {
		t.Error(text)
	}
}
