package log

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/protocol/record"
)

// outcome is what was acknowledged at an offset.
type outcome struct {
	offset   int64
	producer int64
	txn      bool
	end      bool
	commit   bool
}

// ledger is what was acknowledged in one partition. The log must hold that and no more.
type ledger struct {
	mu  sync.Mutex
	got []outcome
}

func (l *ledger) add(res Result, o outcome) {
	if res.Err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	o.offset = res.BaseOffset
	l.got = append(l.got, o)
}

// visible lists the offsets of data that read_committed shows, and where it stops.
func (l *ledger) visible(t *testing.T) (offsets []int64, stable int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.SortFunc(l.got, func(a, b outcome) int { return int(a.offset - b.offset) })
	open, committed := map[int64][]int64{}, []int64{}
	for i, o := range l.got {
		if o.offset != int64(i) {
			t.Fatalf("offset %d was acknowledged where %d is next", o.offset, i)
		}
		switch {
		case o.end && o.commit:
			committed = append(committed, open[o.producer]...)
			delete(open, o.producer)
		case o.end:
			delete(open, o.producer)
		case o.txn:
			open[o.producer] = append(open[o.producer], o.offset)
		default:
			committed = append(committed, o.offset)
		}
	}
	stable = int64(len(l.got))
	for _, offsets := range open {
		stable = min(stable, offsets[0])
	}
	slices.Sort(committed)
	for _, o := range committed {
		if o < stable {
			offsets = append(offsets, o)
		}
	}
	return offsets, stable
}

// consume reads what a consumer with isolation level read_committed gets to see.
//
// Source: Kafka's CompletedFetch.
func (r *rig) consume(p *Partition) (offsets []int64, end int64) {
	r.t.Helper()
	for from := int64(0); ; {
		res, err := r.log.Read(context.Background(), p, ReadRequest{Offset: from, MaxBytes: 300, AtLeastOne: true, Committed: true})
		if err != nil {
			r.t.Fatal(err)
		}
		if res.Bytes == 0 {
			res.Release()
			return offsets, res.LastStable
		}
		slices.SortFunc(res.Aborted, func(a, b Aborted) int { return int(a.FirstOffset - b.FirstOffset) })
		dropping := map[int64]bool{}
		for i := range res.Chunks {
			for b, err := range record.Batches(res.Chunks[i].Mem) {
				if err != nil {
					r.t.Fatal(err)
				}
				h := &b.Header
				for len(res.Aborted) > 0 && res.Aborted[0].FirstOffset <= h.LastOffset() {
					dropping[res.Aborted[0].ProducerID] = true
					res.Aborted = res.Aborted[1:]
				}
				if h.Control() {
					if m, err := record.ParseMarker(b.Bytes); err == nil && !m.Commit {
						delete(dropping, h.ProducerID)
					}
				} else if !h.Transactional() || !dropping[h.ProducerID] {
					offsets = append(offsets, h.BaseOffset)
				}
				from = h.LastOffset() + 1
			}
		}
		res.Release()
	}
}

// Transactions over several partitions, ended by atomic appends, while packs fail: what
// was acknowledged is what is there, an end is everywhere or nowhere, and a reader sees
// committed records only. So it is after a restart.
func TestTransactionsWhilePacksFail(t *testing.T) {
	const partitions, producers = 3, 3
	for _, flights := range []int{1, 4} {
		seed := rand.Uint64()
		t.Logf("%d in flight, seed %d", flights, seed)
		rng := rand.New(rand.NewPCG(seed, 5))
		var faults sync.Mutex
		failures := 0
		random := rand.New(rand.NewPCG(seed, 6))
		j := newScriptedJournal(flights)
		j.before = func(uint64) error {
			faults.Lock()
			defer faults.Unlock()
			if random.IntN(6) != 0 {
				return nil
			}
			failures++
			return []error{errors.New("no effect"), errAfterEffect}[random.IntN(2)]
		}
		r := newRig(t, j)
		ledgers := make([]*ledger, partitions)
		for i := range ledgers {
			ledgers[i] = &ledger{}
		}
		next := map[[2]int64]int32{}
		ends := 0
		for range 150 {
			var wait sync.WaitGroup
			a := r.log.NewAppender()
			for range 1 + rng.IntN(6) {
				producer, n := 1+rng.Int64N(producers), rng.IntN(partitions)
				p := r.partition(int32(n))
				if rng.IntN(3) > 0 {
					key := [2]int64{producer, int64(n)}
					_, g, _ := p.TransactionGuard(producer, 0)
					b := txnBatch(producer, next[key], g)
					b.Coordinator = true // sequences are another test's
					wait.Add(1)
					a.Append(t.Context(), NewTicket(1, func(ticket *Ticket) {
						ledgers[n].add(ticket.Results()[0], outcome{producer: producer, txn: true})
						wait.Done()
					}), 0, p, b)
					continue
				}
				commit := rng.IntN(2) == 0
				batches := make([]AtomicBatch, partitions)
				for i := range batches {
					batches[i] = AtomicBatch{r.partition(int32(i)), markerBatch(producer, commit, 0)}
				}
				wait.Add(1)
				a.AppendAtomic(t.Context(), NewTicket(partitions, func(ticket *Ticket) {
					for i, res := range ticket.Results() {
						if (res.Err == nil) != (ticket.Results()[0].Err == nil) {
							t.Errorf("an end is in some partitions only: %+v", ticket.Results())
						}
						ledgers[i].add(res, outcome{producer: producer, end: true, commit: commit})
					}
					wait.Done()
				}), batches)
				ends++
			}
			wait.Wait()
			if rng.IntN(30) == 0 {
				if err := r.stop(); err != nil {
					t.Fatal(err)
				}
				r.start()
			}
			for i, l := range ledgers {
				p := r.partition(int32(i))
				want, stable := l.visible(t)
				if got, end := r.consume(p); !slices.Equal(got, want) || end != stable || p.Bounds().HighWatermark != int64(len(l.got)) {
					t.Fatalf("partition %d: a consumer gets %v and stands at %d of %d; want %v, %d of %d",
						i, got, end, p.Bounds().HighWatermark, want, stable, len(l.got))
				}
			}
			if rng.IntN(4) == 0 {
				time.Sleep(time.Millisecond) // the journal becomes usable
			}
		}
		if failures < 5 || ends < 20 || len(ledgers[0].got) < 20 {
			t.Errorf("%d failures, %d ends, %d batches show too little", failures, ends, len(ledgers[0].got))
		}
	}
}
