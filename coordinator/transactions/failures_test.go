package transactions

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamhouse/streamhouse/coordinator/shards"
	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// retriable are the codes after which clients ask again.
func retriable(code protocol.Code) bool {
	switch code {
	case protocol.NotCoordinator, protocol.CoordinatorNotAvailable, protocol.CoordinatorLoadInProgress, protocol.ConcurrentTransactions:
		return true
	}
	return false
}

// persist asks until the answer is final, as clients do.
func persist(t testing.TB, what string, ask func() protocol.Code) protocol.Code {
	t.Helper()
	for range 1000 {
		code := ask()
		if !retriable(code) {
			return code
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal(what, "never ends")
	return 0
}

// client runs transactions by version 2 against whatever coordinator is there.
type client struct {
	t  testing.TB
	id string
	p  Producer
}

func (c *client) init(h *house) {
	code := persist(c.t, "init", func() (code protocol.Code) {
		c.p, code = h.InitProducerID(context.Background(), c.id, 60_000, noProducer)
		return code
	})
	if code != protocol.None {
		c.t.Fatal("init:", code)
	}
}

func (c *client) join(h *house, tps ...txn.TopicPartition) {
	code := persist(c.t, "join", func() protocol.Code {
		for _, code := range h.Join(context.Background(), c.id, c.p.ID, c.p.Epoch, true, tps) {
			if code != protocol.None {
				return code
			}
		}
		return protocol.None
	})
	if code != protocol.None {
		c.t.Fatal("join:", code)
	}
}

// stay joins until the record of it is durable: a client whose data is lost with the
// record sends it again, and so joins again.
func (c *client) stay(h *house, tps ...txn.TopicPartition) {
	for range 100 {
		c.join(h, tps...)
		time.Sleep(10 * time.Millisecond)
		if s, _ := h.Describe(c.id); s != nil && s.Status == txn.Ongoing {
			return
		}
	}
	c.t.Fatal("joins do not stay")
}

func (c *client) end(h *house, commit bool) {
	var next Producer
	code := persist(c.t, "end", func() (code protocol.Code) {
		next, code = h.End(context.Background(), c.id, c.p, commit, txn.Version2)
		return code
	})
	if code != protocol.None {
		c.t.Fatal("end:", code)
	}
	c.p = next
}

// Whichever append fails: the client is told something that it retries, and in the end
// everything is as if nothing had happened.
func TestEveryFailingAppend(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for n := 1; n <= 6; n++ {
			for _, synchronous := range []bool{false, true} {
				h := start(t, nil)
				h.log.set(func(l *fakeLog) {
					l.delay = time.Millisecond
					if synchronous {
						l.delay = 0
					}
					l.fail = func(i int) error {
						if i == n {
							return protocol.KafkaStorageError
						}
						return nil
					}
				})
				c := &client{t: t, id: "x"}
				c.init(h)
				c.stay(h, at("a", 1))
				c.end(h, true)
				c.stay(h, at("a", 1), at("b", 1))
				c.end(h, false)
				want := fmt.Sprintf("[commit %[1]d/1 of 5 abort %[1]d/2 of 5][abort %[1]d/2 of 5]", c.p.ID)
				if got := h.markers("a", 1) + h.markers("b", 1); got != want {
					t.Errorf("append %d failed: %s, want %s", n, got, want)
				}
				h.stop()
			}
		}
	})
}

// What nobody can append is answered so, and goes on when the log does.
func TestFullDisk(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, nil)
		defer h.stop()
		c := &client{t: t, id: "x"}
		c.init(h)
		c.join(h, at("a", 1))
		h.log.set(func(l *fakeLog) { l.fail = func(int) error { return errDisk } })
		for range 10 {
			if _, code := h.End(context.Background(), "x", c.p, true, txn.Version2); !retriable(code) {
				t.Fatal(code)
			}
			time.Sleep(100 * time.Millisecond)
		}
		h.log.set(func(l *fakeLog) { l.fail = nil })
		c.end(h, true)
		if got := h.markers("a", 1); got != "[commit 1000/1 of 5]" {
			t.Error(got)
		}
	})
}

// Nothing is appended on top of a lost record, even if the log works again at once.
func TestNothingBuildsOnALostRecord(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, nil)
		defer h.stop()
		c := &client{t: t, id: "x"}
		c.init(h)
		c.join(h, at("a", 1))
		synctest.Wait()
		h.log.set(func(l *fakeLog) {
			l.held = true
			n := l.appends
			l.fail = func(i int) error {
				if i == n+1 {
					return errDisk
				}
				return nil
			}
		})
		lost := make(chan protocol.Code, 1)
		go func() {
			_, code := h.End(context.Background(), "x", c.p, true, txn.Version2)
			lost <- code
		}()
		synctest.Wait()
		next := Producer{c.p.ID, c.p.Epoch + 1}
		h.join("x", next, at("a", 2))
		h.log.release()
		if code := <-lost; !retriable(code) {
			t.Fatal(code)
		}
		c.end(h, true)
		if got := h.markers("a", 1); got != "[commit 1000/1 of 5]" {
			t.Error(got)
		}
		if got := h.markers("a", 2); got != "[]" {
			t.Error("a lost join has left a marker:", got)
		}
	})
}

// scenario runs transactions whose outcome is known.
func scenario(t *testing.T, h *house) {
	c := &client{t: t, id: "x"}
	c.init(h)
	c.join(h, at("a", 1), at(offsetsTopic, 3))
	c.end(h, true)
	c.join(h, at("a", 1))
	c.join(h, at("b", 1))
	c.end(h, false)
	c.end(h, false)
	c.join(h, at("b", 2))
	other := &client{t: t, id: "x"}
	other.init(h)
	other.join(h, at("a", 3))
	other.end(h, true)
}

// A kill behind every durable append: whatever the log says is prepared is completed,
// nothing is half done, and the id can be used.
func TestKillAtEveryAppend(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, nil)
		scenario(t, h)
		h.stop()
		if h.log.packs() < 12 {
			t.Fatal(h.log.packs(), "appends")
		}
		for n := range h.log.packs() + 1 {
			next := h.crash(n)
			checkLog(t, next, n)
			c := &client{t: t, id: "x"}
			c.init(next)
			c.join(next, at("a", 9))
			c.end(next, true)
			time.Sleep(time.Second)
			checkLog(t, next, n)
			if open := openTransactions(next); len(open) > 0 {
				t.Errorf("after %d appends: %v is left open", n, open)
			}
			next.stop()
		}
	})
}

// A transaction of more partitions than one append takes, killed at every step of its
// end.
func TestLargeTransaction(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, nil)
		c := &client{t: t, id: "x"}
		c.init(h)
		var tps []txn.TopicPartition
		for i := range int32(2*log.AtomicBatchesMax + 7) {
			tps = append(tps, at("a", i))
		}
		tps = append(tps, at(offsetsTopic, 3))
		c.join(h, tps...)
		time.Sleep(time.Second)
		before := h.log.packs()
		c.end(h, true)
		c.join(h, at("b", 0))
		time.Sleep(time.Second)
		h.stop()
		steps := h.log.packs() - before - 1 // the next transaction
		if steps != 4 {
			t.Fatalf("%d appends", steps)
		}
		if got := fmt.Sprint(h.groups.ended); got != "[3: 1000 true]" {
			t.Error(got)
		}
		for n := before; n <= before+steps; n++ {
			next := h.crash(n)
			time.Sleep(time.Second)
			s := next.state("x")
			if n == before {
				if s.Status != txn.Ongoing {
					t.Error("nothing has begun and it is", s.Status)
				}
				next.stop()
				continue
			}
			if s.Status != txn.CompleteCommit || s.Epoch != 1 {
				t.Errorf("after %d of %d appends: %+v", n-before, steps, s)
			}
			topic, _ := next.topics.ByName("a")
			if marked := next.log.marked(topic); marked != len(tps)-1 {
				t.Fatalf("after %d of %d appends: %d partitions have a marker", n-before, steps, marked)
			}
			if again := next.end("x", Producer{1000, 0}, true); again != (Producer{1000, 1}) {
				t.Error("asked again:", again)
			}
			next.stop()
		}
	})
}

// The appends of a large transaction fail one after the other.
func TestLargeTransactionFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for n := range 4 {
			h := start(t, nil)
			c := &client{t: t, id: "x"}
			c.init(h)
			var tps []txn.TopicPartition
			for i := range int32(2*log.AtomicBatchesMax + 7) {
				tps = append(tps, at("a", i))
			}
			c.join(h, tps...)
			time.Sleep(time.Second)
			h.log.set(func(l *fakeLog) {
				begun := l.appends
				l.fail = func(i int) error {
					if i == begun+1+n {
						return errDisk
					}
					return nil
				}
			})
			c.end(h, true)
			topic, _ := h.topics.ByName("a")
			if marked := h.log.marked(topic); marked != len(tps) {
				t.Fatalf("append %d failed: %d partitions have a marker", n, marked)
			}
			h.stop()
		}
	})
}

func TestDeletedPartitions(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, nil)
		defer h.stop()
		c := &client{t: t, id: "x"}
		c.init(h)
		b, _ := h.topics.ByName("b")
		// Gone before the end.
		c.join(h, at("a", 1), at("b", 1))
		h.topics.remove("b")
		c.end(h, true)
		// Gone while the end is on its way; refused for other reasons.
		for _, code := range []protocol.Code{protocol.UnknownTopicOrPartition, protocol.InvalidProducerEpoch, protocol.TransactionCoordinatorFenced} {
			h.topics.mu.Lock()
			h.topics.topics["b"] = b
			h.topics.mu.Unlock()
			h.log.set(func(l *fakeLog) {
				l.refuse = func(id pack.PartitionID) error {
					if id.Topic == b.ID {
						return protocol.Errorf(code, "refused")
					}
					return nil
				}
			})
			c.join(h, at("a", 1), at("b", 1), at("b", 2))
			c.end(h, true)
			if got := h.state("x").Status; got != txn.CompleteCommit {
				t.Error(code, got)
			}
			c.join(h, at("b", 1))
			c.end(h, false)
		}
		if got, want := h.markers("a", 1), "[commit 1000/1 of 5 commit 1000/2 of 5 commit 1000/4 of 5 commit 1000/6 of 5]"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if got := h.markers("b", 1); got != "[]" {
			t.Error(got)
		}
	})
}

// A partition that can not be opened keeps the transaction as it is.
func TestPartitionThatCanNotBeOpened(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, nil)
		defer h.stop()
		c := &client{t: t, id: "x"}
		c.init(h)
		c.stay(h, at("a", 1))
		a, _ := h.topics.ByName("a")
		h.log.set(func(l *fakeLog) {
			l.openErr = func(id pack.PartitionID) error {
				if id.Topic == a.ID {
					return protocol.KafkaStorageError
				}
				return nil
			}
		})
		if _, code := h.End(context.Background(), "x", c.p, true, txn.Version2); code != protocol.NotCoordinator {
			t.Error(code)
		}
		if h.state("x").Status != txn.Ongoing {
			t.Error(h.state("x").Status)
		}
		h.log.set(func(l *fakeLog) { l.openErr = nil })
		c.end(h, true)
	})
}

func TestLoadIsTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, nil)
		c := &client{t: t, id: "x"}
		c.init(h)
		c.join(h, at("a", 1))
		time.Sleep(time.Second)
		h.stop()
		l := h.log.after(h.log.packs())
		l.openErr = func(pack.PartitionID) error { return errDisk }
		next := run(t, l, h.topics, h.producer, nil)
		defer next.stop()
		if code := next.Find(context.Background(), "x"); code != protocol.None {
			t.Fatal(code)
		}
		if _, code := next.End(context.Background(), "x", c.p, true, txn.Version2); code != protocol.CoordinatorLoadInProgress {
			t.Fatal(code)
		}
		if _, code := next.List(&Filter{DurationMs: -1}); code != protocol.CoordinatorLoadInProgress {
			t.Fatal(code)
		}
		if err := next.Ready(); !errors.Is(err, errDisk) {
			t.Fatal("ready while a partition cannot be loaded:", err)
		}
		l.set(func(l *fakeLog) { l.openErr = nil })
		c.end(next, true)
		time.Sleep(15 * time.Second)
		if err := next.Ready(); err != nil {
			t.Fatal(err)
		}
	})
}

// A damaged record is no reason to forget transactions.
func TestDamagedRecordKeepsTheShardLoading(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, nil)
		h.init("x")
		h.stop()
		l := h.log.after(h.log.packs())
		topic, _ := h.topics.ByName(TopicName)
		b := record.NewBuilder()
		b.Append(0, []byte{0, 0, 0, 1, 'x'}, []byte{0, 1, 7})
		id := pack.PartitionID{Topic: topic.ID, Partition: shards.PartitionFor("x", 50)}
		data := append([]byte(nil), b.Batch()...)
		record.SetOffset(data, next(l.durable, id), 0)
		l.durable = append(l.durable, fakePack{{id: id, offset: next(l.durable, id), data: data}})
		again := run(t, l, h.topics, h.producer, nil)
		defer again.stop()
		again.Find(context.Background(), "x")
		if _, code := again.Describe("x"); code != protocol.CoordinatorLoadInProgress {
			t.Error(code)
		}
	})
}

func TestTopicIsDeleted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, nil)
		defer h.stop()
		p := h.init("x")
		h.topics.remove(TopicName)
		h.TopicDeleted()
		synctest.Wait()
		if _, code := h.End(context.Background(), "x", p, true, txn.Version2); code != protocol.NotCoordinator {
			t.Error(code)
		}
		h.find("x")
		if _, code := h.End(context.Background(), "x", p, true, txn.Version2); code != protocol.InvalidProducerIDMapping {
			t.Error(code)
		}
		if h.known.Load() != 0 {
			t.Error(h.known.Load())
		}
	})
}

// A stop lets what was queued become durable.
func TestStop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, nil)
		c := &client{t: t, id: "x"}
		c.init(h)
		c.join(h, at("a", 1))
		synctest.Wait()
		h.log.set(func(l *fakeLog) { l.held = true })
		answer := make(chan protocol.Code, 1)
		go func() { _, code := h.End(context.Background(), "x", c.p, true, txn.Version2); answer <- code }()
		synctest.Wait()
		go func() {
			time.Sleep(time.Second)
			h.log.release()
		}()
		h.stop()
		if code := <-answer; code != protocol.None {
			t.Error(code)
		}
		if _, code := h.End(context.Background(), "x", c.p, true, txn.Version2); code != protocol.CoordinatorNotAvailable {
			t.Error(code)
		}
		// One that does not end is given up.
		h = h.crash(h.log.packs())
		h.log.set(func(l *fakeLog) { l.held = true })
		for _, p := range []Producer{c.p, {c.p.ID, c.p.Epoch + 1}} {
			go func() { _, code := h.End(context.Background(), "x", p, false, txn.Version2); answer <- code }()
		}
		synctest.Wait()
		h.stop()
		if a, b := <-answer, <-answer; a == protocol.None || b == protocol.None {
			t.Error(a, b)
		}
		h.log.release()
	})
}

// openTransactions lists the ids whose transaction is not over.
func openTransactions(h *house) []Listed {
	list, _ := h.List(&Filter{DurationMs: -1, Statuses: []txn.Status{txn.Ongoing, txn.PrepareCommit, txn.PrepareAbort}})
	return list
}

// checkLog replays a log: markers of a transaction lie in the append of the record that
// completes it, or behind one that prepares it; no marker without a transaction.
func checkLog(t testing.TB, h *house, n int) {
	t.Helper()
	h.log.mu.Lock()
	defer h.log.mu.Unlock()
	topic, _ := h.topics.ByName(TopicName)
	states := map[string]*txn.State{}
	preparing := map[int64]bool{}
	for i, p := range h.log.durable {
		var done *txn.State
		marked := int64(-1)
		for _, b := range p {
			hd, err := record.ParseHeader(b.data)
			if err != nil {
				t.Fatal(err)
			}
			if b.marker != nil {
				marked = hd.ProducerID
				continue
			}
			if b.id.Topic != topic.ID {
				continue
			}
			for r, err := range record.Records(b.data, 1<<20) {
				if err != nil {
					t.Fatal(err)
				}
				id, s, _, err := txn.Decode(txn.Record{Key: r.Key, Value: r.Value})
				if err != nil {
					t.Fatal(err)
				}
				if was := states[id]; was != nil && s != nil && s.ProducerID == was.ProducerID && s.Epoch < was.Epoch {
					t.Fatalf("killed after %d, append %d: the epoch of %q goes back from %d to %d", n, i, id, was.Epoch, s.Epoch)
				}
				if s != nil && s.Status.Preparing() {
					preparing[s.ProducerID] = true
				}
				states[id], done = s, s
			}
		}
		if marked >= 0 && (done == nil || !done.Status.Idle()) && !preparing[marked] {
			t.Fatalf("killed after %d, append %d: markers of producer %d without a record", n, i, marked)
		}
	}
}

// Many clients, appends that fail now and then, kills: every transaction that a client
// was told of has its outcome in all its partitions, once.
func TestRandomFailures(t *testing.T) {
	for seed := range uint64(10) {
		bubble(t, func(t *testing.T) { randomFailures(t, seed) })
	}
}

func randomFailures(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	h := start(t, nil)
	var mu sync.Mutex
	failures := 0
	faulty := func(l *fakeLog) {
		l.delay = 2 * time.Millisecond
		l.fail = func(int) error {
			mu.Lock()
			defer mu.Unlock()
			if rnd.IntN(12) == 0 {
				failures++
				return protocol.KafkaStorageError
			}
			return nil
		}
	}
	var wg sync.WaitGroup
	told := make([][]string, 8) // by client, in order
	for round := range 3 {
		h.log.set(faulty)
		for i := range told {
			r := rand.New(rand.NewPCG(seed, uint64(100+10*round+i)))
			wg.Go(func() {
				c := &client{t: t, id: fmt.Sprint("client-", i)}
				c.init(h)
				for range 20 {
					c.stay(h, at("a", int32(i)), at("b", int32(i)))
					commit := r.IntN(2) == 0
					c.end(h, commit)
					word := map[bool]string{true: "commit", false: "abort"}[commit]
					told[i] = append(told[i], fmt.Sprintf("%s %d/%d of 5", word, c.p.ID, c.p.Epoch))
				}
			})
		}
		wg.Wait()
		h.log.set(func(l *fakeLog) { l.fail = nil })
		old := h
		h = h.crash(h.log.packs())
		old.stop()
	}
	defer h.stop()
	if failures < 20 {
		t.Errorf("seed %d: only %d failures", seed, failures)
	}
	checkLog(t, h, -1)
	for i, want := range told {
		for _, topic := range []string{"a", "b"} {
			tp, _ := h.topics.ByName(topic)
			got := map[string]int{}
			for _, m := range h.log.markers(tp, int32(i)) {
				got[m]++
			}
			for _, w := range want {
				if got[w] != 1 {
					t.Errorf("seed %d, %s-%d: %q comes %d times", seed, topic, i, w, got[w])
				}
				delete(got, w)
			}
			if len(got) > 0 {
				t.Errorf("seed %d, %s-%d: %v was never answered", seed, topic, i, got)
			}
		}
	}
}

// A transaction that began under a clock that has gone back by hours since still times out.
func TestTimeoutAfterTheClockWentBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, nil)
		h.join("x", h.init("x"), at("a", 1))
		time.Sleep(time.Second)
		h.stop()
		back := func(o *Options) { o.Now = func() time.Time { return time.Now().Add(-3 * time.Hour) } }
		h = run(t, h.log.after(h.log.packs()), h.topics, h.producer, back)
		defer h.stop()
		h.find("x")
		if s := h.state("x"); s.Status != txn.Ongoing {
			t.Fatalf("%+v", s)
		}
		time.Sleep(5 * time.Minute)
		if s := h.state("x"); s.Status == txn.Ongoing {
			t.Errorf("still open: %+v", s)
		}
	})
}

// A pack was lost that held nothing of the coordinator's: its next append is refused, since
// nobody can tell. The partition has not joined then, and no data may be let in, though the
// producer asked after the loss and has a guard that stands.
func TestJoinThatIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, nil)
		defer h.stop()
		c := &client{t: t, id: "x"}
		c.init(h)
		lose := func() {
			h.log.set(func(l *fakeLog) {
				l.marks++
				l.lost = l.marks
			})
		}
		for _, parts := range [][]txn.TopicPartition{{at("a", 1)}, {at("a", 2), at("a", 3)}} {
			lose()
			for i, code := range h.Join(context.Background(), "x", c.p.ID, c.p.Epoch, true, parts) {
				if code == protocol.None {
					t.Errorf("%v joined, and its record is refused", parts[i])
				} else if !retriable(code) {
					t.Error(code)
				}
			}
			c.stay(h, parts...)
		}
		// The same for one that is verified while the record is on its way.
		lose()
		added := make(chan protocol.Code, 1)
		go func() {
			added <- h.AddPartitions(context.Background(), "x", c.p, txn.Version0, []txn.TopicPartition{at("b", 1)})
		}()
		for {
			codes := h.Join(context.Background(), "x", c.p.ID, c.p.Epoch, false, []txn.TopicPartition{at("b", 1)})
			if codes[0] == protocol.None {
				t.Fatal("verified, and the record is refused")
			}
			if codes[0] != protocol.TransactionAbortable {
				break
			}
		}
		if code := <-added; !retriable(code) {
			t.Error(code)
		}
	})
}

// The record that a partition joined is lost, and the coordinator has not heard of it yet:
// the partition has not joined, whatever is in memory.
func TestJoinThatWasJustLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, nil)
		defer h.stop()
		c := &client{t: t, id: "x"}
		c.init(h)
		h.log.set(func(l *fakeLog) { l.held = true })
		tp := at("a", 1)
		c.join(h, tp) // it has its place
		h.log.set(func(l *fakeLog) {
			l.marks++
			l.lost = l.marks
			for _, f := range l.open {
				f.err = errDisk
			}
		})
		for _, adds := range []bool{true, false} {
			if code := h.Join(context.Background(), "x", c.p.ID, c.p.Epoch, adds, []txn.TopicPartition{tp})[0]; !retriable(code) {
				t.Errorf("adds %v: %v for a partition whose record is lost", adds, code)
			}
		}
		h.log.release()
		c.stay(h, tp)
		c.end(h, true)
		if got := h.markers("a", 1); got != "[commit 1000/1 of 5]" {
			t.Error(got)
		}
	})
}
