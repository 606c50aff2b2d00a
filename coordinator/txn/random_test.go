package txn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/streamhouse/streamhouse/protocol"
)

// model is what must be true of any history of one transactional id, told from what
// clients are answered and what partitions receive, without the coordinator's state.
type model struct {
	t       *testing.T
	history []string

	open    map[TopicPartition]bool // have data of the open transaction
	highest map[int64]int16         // epochs that partitions know, by producer
	handed  map[[2]int64]int        // (id, epoch) by the instance that it was given to
}

// producer is an instance of a client: what it was last told.
type producer struct {
	name  int
	pid   int64
	epoch int16
}

func (m *model) log(format string, args ...any) {
	m.history = append(m.history, fmt.Sprintf(format, args...))
}

func (m *model) fail(format string, args ...any) {
	m.t.Helper()
	for _, h := range m.history[max(0, len(m.history)-12):] {
		m.t.Log(h)
	}
	m.t.Fatalf(format, args...)
}

// given notes an id and epoch that an instance goes on with: no two instances may have
// the same, or a zombie could write into another's transaction.
func (m *model) given(p *producer, pid int64, epoch int16) {
	k := [2]int64{pid, int64(epoch)}
	if other, ok := m.handed[k]; ok && other != p.name {
		m.fail("instance %d was given %d/%d, which instance %d has", p.name, pid, epoch, other)
	}
	m.handed[k] = p.name
	p.pid, p.epoch = pid, epoch
}

// ended checks the markers of a transaction.
func (m *model) ended(e *End) {
	got := map[TopicPartition]bool{}
	for _, tp := range e.Partitions {
		got[tp] = true
	}
	if len(got) != len(e.Partitions) || !reflect.DeepEqual(got, m.open) && len(got)+len(m.open) > 0 {
		m.fail("markers in %v, data in %v", e.Partitions, m.open)
	}
	if e.Epoch < m.highest[e.ProducerID] {
		m.fail("a marker of epoch %d behind epoch %d", e.Epoch, m.highest[e.ProducerID])
	}
	if len(e.Partitions) > 0 {
		m.highest[e.ProducerID] = e.Epoch
	}
	m.open = map[TopicPartition]bool{}
}

// untouched checks that nothing happens to a transaction that is being ended, whoever
// asks for what.
func (m *model) untouched(s *State, instances []*producer, level int16, nowMs int64) {
	begun := &producer{pid: NoProducerID, epoch: NoEpoch}
	for _, p := range append([]*producer{begun, {pid: s.ProducerID, epoch: s.Epoch}, {pid: s.ProducerID, epoch: s.Epoch - 1}}, instances...) {
		some := []TopicPartition{{"t", 9}}
		asked := []Outcome{
			Init(s, &InitRequest{TimeoutMs: 2_000, ProducerID: p.pid, Epoch: p.epoch, NewID: 1, Level: level, NowMs: nowMs}),
			Add(s, &AddRequest{ProducerID: p.pid, Epoch: p.epoch, Partitions: some, NowMs: nowMs}),
			Timeout(s, 1, level, nowMs+1<<40),
		}
		for _, version := range []int16{Version0, Version2} {
			for _, commit := range []bool{true, false} {
				asked = append(asked, Finish(s, &EndRequest{ProducerID: p.pid, Epoch: p.epoch, Commit: commit, Version: version, NewID: 1, NowMs: nowMs}))
			}
		}
		for i, o := range asked {
			if o.Next != nil || o.NeedID || o.Code == protocol.None {
				m.fail("request %d of %d/%d does something to a transaction that ends: %s", i, p.pid, p.epoch, does(o))
			}
		}
		if len(s.Partitions) > 0 {
			some = s.Partitions[:1]
		}
		if code := Verify(s, p.pid, p.epoch, some)[0]; code == protocol.None {
			m.fail("%v of %d/%d is verified for a transaction that ends", some, p.pid, p.epoch)
		}
	}
}

func TestRandomHistories(t *testing.T) {
	counts := map[string]int{}
	for seed := range uint64(400) {
		runHistory(t, seed, counts)
	}
	for what, least := range map[string]int{
		"init": 1000, "refused init": 100, "add": 3000, "refused add": 1000, "commit": 500, "abort": 500, "refused end": 1000,
		"timeout": 60, "restart": 1000, "halted": 300, "rotation": 50, "again": 100,
	} {
		if counts[what] < least {
			t.Errorf("%s: %d times, want %d at least", what, counts[what], least)
		}
	}
}

func runHistory(t *testing.T, seed uint64, counts map[string]int) {
	rnd := rand.New(rand.NewPCG(seed, 5))
	m := &model{t: t, open: map[TopicPartition]bool{}, highest: map[int64]int16{}, handed: map[[2]int64]int{}}
	m.log("seed %d", seed)
	// Both versions on one id; the level is what the cluster is at.
	level := int16(rnd.IntN(3))
	var s *State
	var nowMs, ids int64 = 1_000, 10
	instances := []*producer{{name: 0, pid: -1, epoch: -1}, {name: 1, pid: -1, epoch: -1}, {name: 2, pid: -1, epoch: -1}}
	// take makes an outcome the state, as the service does; the second half of a
	// transaction that is ended may come only after a restart.
	take := func(step func(newID int64) Outcome) Outcome {
		o := step(NoProducerID)
		if o.NeedID {
			ids++
			o = step(ids)
			if o.NeedID {
				m.fail("a step asks for an id again")
			}
		}
		if o.Next == nil {
			return o
		}
		if s != nil && o.Next.ProducerID != s.ProducerID {
			counts["rotation"]++
			if !exhausted(s.Epoch) {
				m.fail("another producer id at epoch %d", s.Epoch)
			}
		}
		checkChange(t, "change", s, &o, nowMs)
		s = o.Next
		if o.End != nil {
			if rnd.IntN(3) == 0 {
				counts["halted"]++
				s = o.End.Prepared
				m.untouched(s, instances, level, nowMs)
				o = completed(m, s, level, nowMs, o)
				s = o.Next
			}
			m.ended(o.End)
		}
		return o
	}
	for range 200 {
		nowMs += int64(rnd.IntN(400))
		if rnd.IntN(20) == 0 {
			nowMs += 2_000
		}
		p := instances[rnd.IntN(len(instances))]
		version := []int16{Version0, Version2}[rnd.IntN(2)]
		switch n := rnd.IntN(20); {
		case n < 3:
			r := InitRequest{TimeoutMs: 2_000, ProducerID: NoProducerID, Epoch: NoEpoch, Level: level, NowMs: nowMs}
			if rnd.IntN(2) == 0 {
				r.ProducerID, r.Epoch = p.pid, p.epoch
			}
			o := take(func(id int64) Outcome { r.NewID = id; return Init(s, &r) })
			m.log("%d: init %d/%d of instance %d: %s", nowMs, r.ProducerID, r.Epoch, p.name, does(o))
			if o.Code != protocol.None {
				counts["refused init"]++
				break
			}
			counts["init"]++
			m.given(p, o.ProducerID, o.Epoch)
		case n < 11:
			tps := []TopicPartition{{"t", int32(rnd.IntN(4))}, {"u", int32(rnd.IntN(2))}}[:1+rnd.IntN(2)]
			o := take(func(int64) Outcome {
				return Add(s, &AddRequest{ProducerID: p.pid, Epoch: p.epoch, Partitions: tps, Version: version, NowMs: nowMs})
			})
			m.log("%d: add %v %d/%d: %s", nowMs, tps, p.pid, p.epoch, does(o))
			if o.Code != protocol.None {
				counts["refused add"]++
				break
			}
			counts["add"]++
			for i, c := range Verify(s, p.pid, p.epoch, tps) {
				if c != protocol.None {
					m.fail("%v was added and is not there: %v", tps[i], c)
				}
				m.open[tps[i]] = true
			}
			if p.epoch < m.highest[p.pid] {
				m.fail("data of epoch %d behind a marker of epoch %d", p.epoch, m.highest[p.pid])
			}
			m.highest[p.pid] = p.epoch
		case n < 17:
			r := EndRequest{ProducerID: p.pid, Epoch: p.epoch, Commit: rnd.IntN(2) == 0, Version: version, NowMs: nowMs}
			was := s
			o := take(func(id int64) Outcome { r.NewID = id; return Finish(s, &r) })
			m.log("%d: end %v v%d %d/%d: %s", nowMs, r.Commit, version, p.pid, p.epoch, does(o))
			if o.Code != protocol.None {
				counts["refused end"]++
				break
			}
			if o.End != nil {
				if was.Status != Ongoing && r.Commit {
					m.fail("what was not open is committed")
				}
				if again := Finish(s, &r); version == Version2 && (does(again) != fmt.Sprintf("ok:%d/%d", o.ProducerID, o.Epoch)) {
					m.fail("asked again: %s", does(again))
				}
				counts[map[bool]string{true: "commit", false: "abort"}[r.Commit]]++
			} else {
				counts["again"]++
			}
			if version == Version2 {
				m.given(p, o.ProducerID, o.Epoch)
			}
		case n < 18:
			if s == nil || !s.TimedOut(nowMs) {
				break
			}
			counts["timeout"]++
			o := take(func(id int64) Outcome { return Timeout(s, id, level, nowMs) })
			m.log("%d: timed out: %s", nowMs, does(o))
			for _, p := range instances {
				if c := Add(s, &AddRequest{ProducerID: p.pid, Epoch: p.epoch, Partitions: parts}); c.Next != nil {
					m.fail("instance %d goes on after the timeout", p.name)
				}
			}
		case n < 19:
			if s != nil {
				counts["restart"]++
				s = stored(m, s, level)
				m.log("%d: restart", nowMs)
			}
		default:
			// Wear the producer's epochs out, for that is rare.
			if s != nil && s.Status.Idle() && rnd.IntN(4) == 0 && s.Epoch < math.MaxInt16-3 {
				n := *s
				n.Epoch, n.LastEpoch = math.MaxInt16-3, NoEpoch
				s = &n
			}
		}
	}
}

// stored is a state after a restart.
func stored(m *model, s *State, level int16) *State {
	_, loaded, known, err := Decode(Encode("id", s, level))
	if err != nil || !known {
		m.fail("%+v is not read back: %v", s, err)
	}
	return loaded
}

// completed ends, after a restart, a transaction that was only prepared.
func completed(m *model, s *State, level int16, nowMs int64, was Outcome) Outcome {
	loaded := s
	if level >= Version1 {
		loaded = stored(m, s, level)
	}
	o := Complete(loaded, nowMs)
	if does(o) != does(Outcome{ProducerID: was.ProducerID, Epoch: was.Epoch, Next: was.Next, End: was.End}) {
		m.fail("completed as %s, was to be %s", does(o), does(was))
	}
	o.Code, o.ProducerID, o.Epoch = was.Code, was.ProducerID, was.Epoch
	return o
}
