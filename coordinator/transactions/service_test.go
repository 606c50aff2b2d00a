package transactions

import (
	"context"
	"fmt"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// bubble runs a test with simulated time.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func TestTransaction(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, nil)
		defer h.stop()
		p := h.init("x")
		if p != (Producer{1000, 0}) {
			t.Fatal(p)
		}
		h.join("x", p, at("a", 1), at("b", 2))
		h.join("x", p, at(offsetsTopic, 3))
		time.Sleep(time.Millisecond)
		if s := h.state("x"); s.Status != txn.Ongoing || len(s.Partitions) != 3 {
			t.Fatalf("%+v", s)
		}
		before := h.log.packs()
		if p = h.end("x", p, true); p != (Producer{1000, 1}) {
			t.Fatal(p)
		}
		if n := h.log.packs() - before; n != 1 {
			t.Errorf("a commit takes %d durable writes", n)
		}
		for _, tp := range []txn.TopicPartition{at("a", 1), at("b", 2), at(offsetsTopic, 3)} {
			if got := h.markers(tp.Topic, tp.Partition); got != "[commit 1000/1 of 5]" {
				t.Errorf("%v: %s", tp, got)
			}
		}
		if got := fmt.Sprint(h.groups.ended); got != "[3: 1000 true]" {
			t.Error(got)
		}
		if again := h.end("x", Producer{1000, 0}, true); again != p {
			t.Error("asked again:", again)
		}
		// An abort of what is empty takes no marker.
		if p = h.end("x", p, false); p != (Producer{1000, 2}) || h.markers("a", 1) != "[commit 1000/1 of 5]" {
			t.Error(p, h.markers("a", 1))
		}
	})
}

func TestVersionOne(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, nil)
		defer h.stop()
		ctx := context.Background()
		p := h.init("x")
		if codes := h.Join(ctx, "x", p.ID, p.Epoch, false, []txn.TopicPartition{at("a", 1)}); codes[0] != protocol.TransactionAbortable {
			t.Fatal(codes)
		}
		if code := h.AddPartitions(ctx, "x", p, txn.Version0, []txn.TopicPartition{at("a", 1)}); code != protocol.None {
			t.Fatal(code)
		}
		if code := h.AddOffsets(ctx, "x", p, "g"); code != protocol.None {
			t.Fatal(code)
		}
		codes := h.Join(ctx, "x", p.ID, p.Epoch, false, []txn.TopicPartition{at("a", 1), at(offsetsTopic, 3), at("a", 2)})
		if fmt.Sprint(codes) != fmt.Sprint([]protocol.Code{0, 0, protocol.TransactionAbortable}) {
			t.Fatal(codes)
		}
		if got := h.Verify(ctx, "x", p, []txn.TopicPartition{at("a", 1), at("a", 2)}); got[0] != 0 || got[1] != protocol.TransactionAbortable {
			t.Fatal(got)
		}
		q, code := h.End(ctx, "x", p, false, txn.Version0)
		if code != protocol.None || q != p {
			t.Fatal(q, code)
		}
		if got := h.markers("a", 1) + h.markers(offsetsTopic, 3); got != "[abort 1000/0 of 5][abort 1000/0 of 5]" {
			t.Error(got)
		}
		if got := fmt.Sprint(h.groups.ended); got != "[3: 1000 false]" {
			t.Error(got)
		}
		h.groups.code = protocol.CoordinatorNotAvailable
		if code := h.AddOffsets(ctx, "x", p, "g"); code != protocol.CoordinatorNotAvailable {
			t.Error(code)
		}
	})
}

// Nothing is answered before it is durable, but a partition joins before that.
func TestAnswersWaitForTheLog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, nil)
		defer h.stop()
		ctx := context.Background()
		p := h.init("x")
		h.log.set(func(l *fakeLog) { l.held = true })
		h.join("x", p, at("a", 1))
		if h.state("x").Status != txn.Empty {
			t.Error("what is not durable is described")
		}
		answers := make(chan string, 10)
		ask := func(what string, f func() protocol.Code) {
			go func() { answers <- fmt.Sprintf("%s %d", what, int16(f())) }()
			synctest.Wait()
		}
		ask("add", func() protocol.Code {
			return h.AddPartitions(ctx, "x", p, txn.Version2, []txn.TopicPartition{at("a", 1)})
		})
		ask("end", func() protocol.Code { _, c := h.End(ctx, "x", p, true, txn.Version2); return c })
		ask("again", func() protocol.Code { _, c := h.End(ctx, "x", p, true, txn.Version2); return c })
		ask("fenced", func() protocol.Code { return h.AddPartitions(ctx, "x", p, txn.Version2, nil) })
		ask("join fenced", func() protocol.Code {
			return h.Join(ctx, "x", p.ID, p.Epoch, true, []txn.TopicPartition{at("a", 1)})[0]
		})
		ask("verify fenced", func() protocol.Code {
			return h.Join(ctx, "x", p.ID, p.Epoch, false, []txn.TopicPartition{at("a", 1)})[0]
		})
		// The next transaction may begin meanwhile.
		p.Epoch++
		h.join("x", p, at("a", 7))
		select {
		case a := <-answers:
			t.Fatal("answered too early:", a)
		default:
		}
		h.log.release()
		synctest.Wait()
		got := map[string]bool{}
		for range 6 {
			got[<-answers] = true
		}
		for _, want := range []string{"add 0", "end 0", "again 0", "fenced 90", "join fenced 90", "verify fenced 90"} {
			if !got[want] {
				t.Errorf("no answer %q in %v", want, got)
			}
		}
		if h.state("x").Status != txn.Ongoing {
			t.Error(h.state("x").Status)
		}
	})
}

// An answer does not wait for ever, and what it was about takes its course.
func TestAnswerTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, nil)
		defer h.stop()
		p := h.init("x")
		h.join("x", p, at("a", 1))
		h.log.set(func(l *fakeLog) { l.held = true })
		if _, code := h.End(context.Background(), "x", p, true, txn.Version2); code != protocol.CoordinatorNotAvailable {
			t.Fatal(code)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, code := h.End(ctx, "x", p, true, txn.Version2); code != protocol.CoordinatorNotAvailable {
			t.Fatal(code)
		}
		h.log.release()
		synctest.Wait()
		if q := h.end("x", p, true); q != (Producer{1000, 1}) || h.markers("a", 1) != "[commit 1000/1 of 5]" {
			t.Fatal(q, h.markers("a", 1))
		}
	})
}

func TestRequestsThatAreRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := run(t, newFakeLog(), newFakeTopics("a"), &fakeIDs{}, func(o *Options) { o.IDsMax = 1 })
		defer h.stop()
		ctx := context.Background()
		init := func(id string, timeout int32, had Producer) protocol.Code {
			_, code := h.InitProducerID(ctx, id, timeout, had)
			return code
		}
		end := func(id string) protocol.Code {
			_, code := h.End(ctx, id, Producer{1, 1}, true, txn.Version2)
			return code
		}
		one := []txn.TopicPartition{at("a", 0)}
		long := string(make([]byte, txn.MaxIDBytes+1))
		check := func(what string, got, want protocol.Code) {
			t.Helper()
			if got != want {
				t.Errorf("%s: %v, want %v", what, got, want)
			}
		}
		check("before there is a topic", end("x"), protocol.NotCoordinator)
		check("join then", h.Join(ctx, "x", 1, 1, true, one)[0], protocol.NotCoordinator)
		check("verify then", h.Join(ctx, "x", 1, 1, false, one)[0], protocol.NotCoordinator)
		if _, code := h.Describe("x"); code != protocol.NotCoordinator {
			t.Error(code)
		}
		if l, code := h.List(&Filter{DurationMs: -1}); len(l) != 0 || code != protocol.None {
			t.Error(l, code)
		}
		h.find("x")
		for _, id := range []string{"", long} {
			check("no id", init(id, 1, noProducer), protocol.InvalidRequest)
			check("no id", end(id), protocol.InvalidRequest)
			check("no id", h.AddPartitions(ctx, id, Producer{1, 1}, 0, one), protocol.InvalidRequest)
			check("no id", h.AddOffsets(ctx, id, Producer{1, 1}, "g"), protocol.InvalidRequest)
			check("no id", h.Verify(ctx, id, Producer{1, 1}, one)[0], protocol.InvalidRequest)
			check("no id", h.Join(ctx, id, 1, 1, true, one)[0], protocol.InvalidRequest)
			check("no id", h.Join(ctx, id, 1, 1, false, one)[0], protocol.InvalidRequest)
		}
		if _, code := h.Describe(""); code != protocol.InvalidRequest {
			t.Error(code)
		}
		if _, code := h.Describe("x"); code != protocol.TransactionalIDNotFound {
			t.Error(code)
		}
		for _, timeout := range []int32{0, -1, 900_001, 1<<31 - 1} {
			check("timeout", init("x", timeout, noProducer), protocol.InvalidTransactionTimeout)
		}
		check("unknown id", end("x"), protocol.InvalidProducerIDMapping)
		check("unknown id", h.Join(ctx, "x", 1, 1, true, one)[0], protocol.InvalidProducerIDMapping)
		check("unknown id", h.Join(ctx, "x", 1, 1, false, one)[0], protocol.InvalidProducerIDMapping)
		h.producer.err = errDisk
		check("no producer ids", init("x", 900_000, noProducer), protocol.CoordinatorLoadInProgress)
		h.producer.err = nil
		check("the longest timeout", init("x", 900_000, noProducer), protocol.None)
		check("one id too many", init("y", 1, noProducer), protocol.CoordinatorNotAvailable)
		check("fenced", init("x", 1, Producer{1000, 5}), protocol.ProducerFenced)
		var many []txn.TopicPartition
		for i := range int32(300_000) {
			many = append(many, at("a", i))
		}
		check("no batch holds it", h.AddPartitions(ctx, "x", Producer{1000, 0}, 0, many), protocol.UnknownServerError)
		check("and nothing came of it", h.AddPartitions(ctx, "x", Producer{1000, 0}, 0, one), protocol.None)
		if s := h.state("x"); len(s.Partitions) != 1 {
			t.Error(len(s.Partitions))
		}
	})
}

// An InitProducerId with a transaction open aborts it and has the producer come again.
func TestInitAborts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, nil)
		defer h.stop()
		p := h.init("x")
		h.join("x", p, at("a", 1))
		ctx := context.Background()
		if _, code := h.InitProducerID(ctx, "x", 60_000, noProducer); code != protocol.ConcurrentTransactions {
			t.Fatal(code)
		}
		if got := h.markers("a", 1); got != "[abort 1000/1 of 5]" {
			t.Error(got)
		}
		if q := h.init("x"); q != (Producer{1000, 2}) {
			t.Error(q)
		}
		if codes := h.Join(ctx, "x", p.ID, p.Epoch, true, []txn.TopicPartition{at("a", 1)}); codes[0] != protocol.ProducerFenced {
			t.Error("the fenced one goes on:", codes)
		}
	})
}

func TestTimeouts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, nil)
		defer func() { h.stop() }()
		p := h.init("x")
		h.join("x", p, at("a", 1))
		time.Sleep(40 * time.Second)
		old := h
		h = h.crash(h.log.packs())
		old.stop()
		time.Sleep(19 * time.Second) // it counts from the stored start
		if s := h.state("x"); s.Status != txn.Ongoing {
			t.Fatal("aborted too early", s)
		}
		time.Sleep(12 * time.Second)
		s := h.state("x")
		if s.Status != txn.CompleteAbort || s.Epoch != 1 || h.markers("a", 1) != "[abort 1000/1 of 5]" {
			t.Fatalf("%+v %s", s, h.markers("a", 1))
		}
		if _, code := h.End(context.Background(), "x", p, true, txn.Version2); code != protocol.InvalidTxnState {
			t.Error(code)
		}
		if _, code := h.End(context.Background(), "x", p, true, txn.Version0); code != protocol.ProducerFenced {
			t.Error(code)
		}
		if q, code := h.InitProducerID(context.Background(), "x", 60_000, p); q != (Producer{1000, 1}) || code != protocol.None {
			t.Error("the producer goes on:", q, code)
		}
	})
}

func TestExpiry(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, func(o *Options) { o.Expiration = 3 * time.Hour })
		defer func() { h.stop() }()
		p := h.init("x")
		h.join("open", h.init("open"), at("a", 1))
		time.Sleep(2 * time.Hour) // "open" is aborted meanwhile
		h.join("x", p, at("a", 2))
		p = h.end("x", p, true)
		time.Sleep(2*time.Hour + time.Minute)
		if _, code := h.Describe("open"); code != protocol.TransactionalIDNotFound {
			t.Error(code)
		}
		h.state("x")
		time.Sleep(time.Hour)
		if _, code := h.Describe("x"); code != protocol.TransactionalIDNotFound {
			t.Error(code)
		}
		if h.known.Load() != 0 {
			t.Error(h.known.Load(), "ids are left")
		}
		old := h
		h = h.crash(h.log.packs())
		old.stop()
		if _, code := h.Describe("x"); code != protocol.TransactionalIDNotFound {
			t.Error("after a restart:", code)
		}
		if code := h.AddPartitions(context.Background(), "x", p, 0, nil); code != protocol.InvalidProducerIDMapping {
			t.Error(code)
		}
		if q := h.init("x"); q == p {
			t.Error("the same producer again:", q)
		}
	})
}

// An id that is used again while its removal is on its way stays.
func TestExpiredIDIsUsedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, nil)
		defer h.stop()
		h.init("x")
		s, _ := h.host.Shard("x")
		h.log.set(func(l *fakeLog) { l.held = true })
		time.Sleep(8 * 24 * time.Hour)
		s.expire()
		done := make(chan Producer)
		go func() { p, _ := h.InitProducerID(context.Background(), "x", 60_000, noProducer); done <- p }()
		synctest.Wait()
		h.log.release()
		if p := <-done; p != (Producer{1001, 0}) {
			t.Error(p)
		}
		if h.state("x").ProducerID != 1001 || h.known.Load() != 1 {
			t.Error(h.state("x"), h.known.Load())
		}
	})
}

func TestList(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, nil)
		defer h.stop()
		for _, id := range []string{"idle", "open-1", "open-2", "done"} {
			p := h.init(id)
			if id != "idle" {
				h.join(id, p, at("a", 1))
			}
			if id == "done" {
				h.end(id, p, true)
			}
			time.Sleep(10 * time.Second)
		}
		for want, f := range map[string]Filter{
			"[done idle open-1 open-2]": {DurationMs: -1},
			"[open-1 open-2]":           {DurationMs: -1, Statuses: []txn.Status{txn.Ongoing, txn.PrepareAbort}},
			"[open-2]":                  {DurationMs: -1, ProducerIDs: []int64{1002, 7}},
			"[idle open-1]":             {DurationMs: 20_000},
			"[done]":                    {DurationMs: -1, Pattern: regexp.MustCompile("^d.*$")},
			"[]":                        {DurationMs: -1, None: true},
		} {
			list, code := h.List(&f)
			ids := []string{}
			for _, l := range list {
				ids = append(ids, l.ID)
			}
			if code != protocol.None || fmt.Sprint(ids) != want {
				t.Errorf("%+v: %v %v, want %s", f, ids, code, want)
			}
		}
		list, _ := h.List(&Filter{DurationMs: -1})
		if list[0] != (Listed{"done", 1003, txn.CompleteCommit}) {
			t.Error(list[0])
		}
	})
}

func TestAdministratorsMarkers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, nil)
		defer h.stop()
		gone, _ := h.topics.ByName("b")
		h.log.set(func(l *fakeLog) {
			l.refuse = func(id pack.PartitionID) error {
				if id.Topic == gone.ID {
					return protocol.Errorf(protocol.TransactionCoordinatorFenced, "no")
				}
				return nil
			}
		})
		codes := h.WriteMarkers(context.Background(), &Markers{
			Producer: Producer{77, 3}, CoordinatorEpoch: 9,
			Partitions: []txn.TopicPartition{at("a", 1), at("none", 0), at("a", -1), at("b", 0), at(offsetsTopic, 4)},
		})
		want := []protocol.Code{0, protocol.UnknownTopicOrPartition, protocol.UnknownTopicOrPartition, protocol.TransactionCoordinatorFenced, 0}
		if fmt.Sprint(codes) != fmt.Sprint(want) {
			t.Errorf("%v, want %v", codes, want)
		}
		if got := h.markers("a", 1); got != "[abort 77/3 of 9]" {
			t.Error(got)
		}
		if got := fmt.Sprint(h.groups.ended); got != "[4: 77 false]" {
			t.Error(got)
		}
		h.log.set(func(l *fakeLog) { l.held = true })
		if codes := h.WriteMarkers(context.Background(), &Markers{Partitions: []txn.TopicPartition{at("a", 1)}}); codes[0] != protocol.RequestTimedOut {
			t.Error(codes)
		}
		h.log.release()
	})
}
