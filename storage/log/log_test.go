package log

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/journal"
)

func TestAppendsAreReadBackInOrder(t *testing.T) {
	r := newRig(t, newScriptedJournal(1))
	p, q := r.partition(0), r.partition(1)
	var want []int64
	for i := range int32(100) {
		res := <-r.send(p, batch(-1, i, 3, 100))
		if res.Err != nil || res.BaseOffset != int64(i)*3 {
			t.Fatalf("batch %d: %+v", i, res)
		}
		want = append(want, res.BaseOffset)
		if res := <-r.send(q, batch(-1, i, 1, 5000)); res.Err != nil {
			t.Fatal(res.Err)
		}
	}
	for _, maxBytes := range []int{1, 200, 5000, 1 << 20} {
		if got := r.offsets(p, 0, maxBytes); !reflect.DeepEqual(got, want) {
			t.Fatalf("with %d bytes at a time: %v", maxBytes, got)
		}
	}
	if got := r.offsets(p, 151, 1<<20); got[0] != 150 {
		t.Fatalf("from inside a batch: %v", got[0])
	}
	if b := p.Bounds(); b.HighWatermark != 300 || b.LogStart != 0 || b.LeaderEpoch != 3 {
		t.Fatalf("bounds %+v", b)
	}
	if _, err := r.log.Read(context.Background(), p, ReadRequest{Offset: 301, MaxBytes: 1}); !errors.Is(err, protocol.OffsetOutOfRange) {
		t.Fatalf("above the end: %v", err)
	}
	if low, err := r.log.DeleteRecords(context.Background(), p, 150); err != nil || low != 150 {
		t.Fatal(low, err)
	}
	if _, err := r.log.Read(context.Background(), p, ReadRequest{Offset: 149, MaxBytes: 1}); !errors.Is(err, protocol.OffsetOutOfRange) {
		t.Fatalf("below the log start: %v", err)
	}
}

// Nothing is visible and nothing is answered before its pack is durable.
func TestNothingBeforeItsPackIsDurable(t *testing.T) {
	j := newScriptedJournal(1)
	gate := make(chan struct{})
	j.before = func(uint64) error { <-gate; return nil }
	r := newRig(t, j)
	p := r.partition(0)
	first := r.send(p, batch(5, 0, 1, 100))
	dup := r.send(p, batch(5, 0, 1, 100))
	select {
	case res := <-first:
		t.Fatalf("answered before it was durable: %+v", res)
	case res := <-dup:
		t.Fatalf("the duplicate of what is not durable was answered: %+v", res)
	case <-time.After(20 * time.Millisecond):
	}
	if b := p.Bounds(); b.HighWatermark != 0 {
		t.Fatalf("high watermark %d", b.HighWatermark)
	}
	// The appended end is a legal offset that sees nothing yet.
	if res, err := r.log.Read(context.Background(), p, ReadRequest{Offset: 1, MaxBytes: 10}); err != nil || res.Bytes != 0 {
		t.Fatal(res, err)
	}
	close(gate)
	if a, b := <-first, <-dup; a.Err != nil || b.Err != nil || a.BaseOffset != 0 || b.BaseOffset != 0 {
		t.Fatalf("%+v, %+v", a, b)
	}
	if got := r.offsets(p, 0, 1000); len(got) != 1 {
		t.Fatalf("the duplicate was stored: %v", got)
	}
}

// A failed pack takes everything after it along; the offsets are given again.
func TestFailedPackFallsBack(t *testing.T) {
	for _, failure := range []error{errors.New("no effect"), errAfterEffect} {
		t.Run(failure.Error(), func(t *testing.T) {
			j := newScriptedJournal(1)
			var fail atomic.Bool
			gate := make(chan struct{}, 100)
			j.before = func(uint64) error {
				<-gate
				if fail.Load() {
					return failure
				}
				return nil
			}
			r := newRig(t, j)
			p := r.partition(0)
			gate <- struct{}{}
			if res := <-r.send(p, batch(5, 0, 1, 10)); res.Err != nil {
				t.Fatal(res.Err)
			}
			fail.Store(true)
			var lost []<-chan Result
			for seq := int32(1); seq < 5; seq++ {
				lost = append(lost, r.send(p, batch(5, seq, 1, 10)))
			}
			lost = append(lost, r.send(p, batch(5, 1, 1, 10))) // a duplicate shares the outcome
			gate <- struct{}{}
			for i, c := range lost {
				if res := <-c; !errors.Is(res.Err, protocol.KafkaStorageError) {
					t.Fatalf("batch %d: %+v", i, res)
				}
			}
			fail.Store(false)
			close(gate)
			// Sequence 2 may not come before 1, which the client will repeat.
			deadline := time.Now().Add(5 * time.Second)
			for {
				res := <-r.send(p, batch(5, 2, 1, 10))
				if errors.Is(res.Err, protocol.OutOfOrderSequenceNumber) {
					break
				}
				if !errors.Is(res.Err, protocol.KafkaStorageError) || time.Now().After(deadline) {
					t.Fatalf("overtaking: %+v", res)
				}
			}
			for seq := int32(1); seq < 5; seq++ {
				if res := <-r.send(p, batch(5, seq, 1, 10)); res.Err != nil || res.BaseOffset != int64(seq) {
					t.Fatalf("sequence %d: %+v", seq, res)
				}
			}
			if got := r.offsets(p, 0, 1<<20); !reflect.DeepEqual(got, []int64{0, 1, 2, 3, 4}) {
				t.Fatalf("stored %v", got)
			}
		})
	}
}

// With several packs in flight, an early failure voids later ones even if the
// journal took them.
func TestFailureVoidsLaterPacksInFlight(t *testing.T) {
	j := newScriptedJournal(8)
	release := make(chan struct{})
	var broken atomic.Bool
	broken.Store(true)
	j.before = func(seq uint64) error {
		if seq == 2 && broken.Load() {
			<-release
			return errors.New("slot 2 failed")
		}
		return nil
	}
	r := newRig(t, j)
	p := r.partition(0)
	if res := <-r.send(p, batch(-1, 0, 1, 10)); res.Err != nil {
		t.Fatal(res.Err)
	}
	var later []<-chan Result
	for i := range int32(4) {
		later = append(later, r.send(p, batch(-1, 1+i, 1, 10)))
		waitFor(t, func() bool { return r.log.flights() == int(i)+1 })
	}
	if hw := p.Bounds().HighWatermark; hw != 1 {
		t.Fatalf("high watermark %d with a gap before it", hw)
	}
	broken.Store(false)
	close(release)
	for _, c := range later {
		if res := <-c; !errors.Is(res.Err, protocol.KafkaStorageError) {
			t.Fatalf("acknowledged behind a failed pack: %+v", res)
		}
	}
	waitFor(t, func() bool { return (<-r.send(p, batch(-1, 9, 1, 10))).Err == nil })
	if got := r.offsets(p, 0, 1<<20); !reflect.DeepEqual(got, []int64{0, 1}) {
		t.Fatalf("stored %v", got)
	}
}

func (l *Log) flights() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, f := range l.inFlight {
		if len(f.pack.items) > 0 {
			n++
		}
	}
	return n
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestFencedLogEnds(t *testing.T) {
	j := newScriptedJournal(1)
	j.before = func(uint64) error { return fmt.Errorf("slot taken: %w", journal.ErrFenced) }
	r := newRig(t, j)
	p := r.partition(0)
	if res := <-r.send(p, batch(-1, 0, 1, 10)); res.Err == nil {
		t.Fatal("acknowledged after a fence")
	}
	if err := r.stop(); !errors.Is(err, journal.ErrFenced) {
		t.Fatalf("Run returned %v", err)
	}
	if res := <-r.send(p, batch(-1, 0, 1, 10)); res.Err == nil {
		t.Fatal("acknowledged by a log that ended")
	}
}

// Many connections, failures at random, restarts: what was acknowledged is there
// once, in order; what a producer sent stays in its order.
func TestRandomFailuresAndRestarts(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for _, flights := range []int{1, 8} {
		j := newScriptedJournal(flights)
		var mu sync.Mutex
		rng := rand.New(rand.NewPCG(seed, uint64(flights)))
		chance := func(n int) bool { mu.Lock(); defer mu.Unlock(); return rng.IntN(n) == 0 }
		j.before = func(uint64) error {
			if chance(20) {
				return errors.New("random failure")
			}
			return nil
		}
		j.roll = func(uint64) error {
			if chance(3) {
				return errors.New("random failure of a roll")
			}
			return nil
		}
		r := newRig(t, j)
		acked := make([]map[int64]int32, 4) // by producer: offset to sequence
		sequence := make([]int32, len(acked))
		for i := range acked {
			acked[i] = map[int64]int32{}
		}
		for range 5 {
			var wg sync.WaitGroup
			for id := range acked {
				wg.Go(func() {
					p := r.partition(int32(id % 2))
					for n := 0; n < 60; {
						res := <-r.send(p, batch(int64(id), sequence[id], 1, 200))
						if res.Err == nil {
							acked[id][res.BaseOffset] = sequence[id]
							sequence[id]++
							n++
						} else if !errors.Is(res.Err, protocol.KafkaStorageError) {
							t.Errorf("seed %d: %v", seed, res.Err)
							return
						}
					}
				})
			}
			wg.Wait()
			if err := r.stop(); err != nil {
				t.Fatal(err)
			}
			r.start()
		}
		for id, m := range acked {
			if len(m) != 300 {
				t.Fatalf("producer %d: %d acknowledged at distinct offsets, want 300", id, len(m))
			}
		}
		for n := range int32(2) {
			got := r.offsets(r.partition(n), 0, 10000)
			if len(got) != 600 {
				t.Fatalf("seed %d: partition %d has %d batches, 600 were acknowledged", seed, n, len(got))
			}
			for i, o := range got {
				if o != int64(i) {
					t.Fatalf("seed %d: offset %d at place %d", seed, o, i)
				}
			}
		}
		_ = r.stop()
	}
}

func TestWatcher(t *testing.T) {
	r := newRig(t, newScriptedJournal(1))
	p, q := r.partition(0), r.partition(1)
	w := r.log.NewWatcher()
	defer w.Close()
	w.Add(p, 7)
	w.Add(q, 8)
	<-w.Wake()
	if got := w.Drain(nil); len(got) != 2 {
		t.Fatalf("new tags are dirty: %v", got)
	}
	<-r.send(q, batch(-1, 0, 1, 10))
	<-w.Wake()
	if got := w.Drain(nil); !reflect.DeepEqual(got, []int{8}) {
		t.Fatalf("dirty %v, want 8", got)
	}
	w.Remove(8)
	<-r.send(q, batch(-1, 0, 1, 10))
	if got := w.Drain(nil); len(got) != 0 {
		t.Fatalf("removed and dirty: %v", got)
	}
	r.log.DropTopic(p.ID().Topic)
	<-w.Wake()
	if got := w.Drain(nil); !reflect.DeepEqual(got, []int{7}) || !p.Deleted() {
		t.Fatalf("deletion: %v", got)
	}
	if res := <-r.send(p, batch(-1, 0, 1, 10)); !errors.Is(res.Err, protocol.UnknownTopicOrPartition) {
		t.Fatalf("append to a deleted partition: %+v", res)
	}
}

// A bulk appender that is held up does not hold up small appends, and an append
// whose context ends leaves the queue.
func TestAdmission(t *testing.T) {
	j := newScriptedJournal(1)
	gate := make(chan struct{})
	j.before = func(uint64) error { <-gate; return nil }
	r := newRig(t, j)
	p := r.partition(0)
	r.send(p, batch(-1, 0, 1, 10)) // goes to the journal and stays there
	waitFor(t, func() bool { return r.log.flights() == 1 })
	for range 2 {
		r.send(p, batch(-1, 0, 1, 120<<10))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	out := make(chan Result, 1)
	a := r.log.NewAppender()
	a.Append(ctx, NewTicket(1, func(t *Ticket) { out <- t.Results()[0] }), 0, p, batch(-1, 0, 1, 120<<10))
	if res := <-out; !errors.Is(res.Err, protocol.RequestTimedOut) {
		t.Fatalf("the third bulk append: %+v", res)
	}
	small := make(chan (<-chan Result), 1)
	go func() { small <- r.send(p, batch(-1, 0, 1, 1000)) }()
	select {
	case c := <-small:
		close(gate)
		if res := <-c; res.Err != nil {
			t.Fatal(res.Err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("a small append waits behind bulk")
	}
}
