package upkeep

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamhouse/streamhouse/protocol"
)

// debtMax is a bound that these tests work with, groups'.
const debtMax = 768 << 10

func groupsDebt(t *testing.T) *Debt {
	t.Helper()
	if groupsAllowance.max != debtMax {
		t.Fatalf("the bound is %d", groupsAllowance.max)
	}
	return newDebt(groupsAllowance, make(chan struct{}, 1))
}

// held is what a start would read at this moment.
func (d *Debt) held() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.durable + d.inFlight
}

// TestDebtIsBoundedAtEveryMoment has coordinators append as fast as they may, beside a
// lift that is slow: what is not lifted stays within the bound, and everybody gets on.
func TestDebtIsBoundedAtEveryMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := groupsDebt(t)
		d.kick() // Run measures at once
		ctx, cancel := context.WithCancel(context.Background())
		var unlifted, most atomic.Int64
		var wg sync.WaitGroup
		wg.Go(func() { // the lift: takes what is durable when it begins
			for {
				select {
				case <-ctx.Done():
					return
				case <-d.due:
				}
				mark := d.mark()
				takes := unlifted.Load()
				if !d.measured(mark, takes, 1000) {
					continue
				}
				time.Sleep(50 * time.Millisecond)
				unlifted.Add(-takes)
				mark = d.mark()
				d.measured(mark, unlifted.Load(), 1000)
				d.recovered()
			}
		})
		var appended atomic.Int64
		for range 8 {
			wg.Go(func() {
				for ctx.Err() == nil {
					const n = 60 << 10
					if d.Admit(ctx, n) != nil {
						return
					}
					time.Sleep(time.Millisecond) // on its way to disk
					for sum := unlifted.Add(n); sum > most.Load(); sum = unlifted.Load() {
						most.Store(sum)
					}
					d.Settle(n, true)
					appended.Add(n)
				}
			})
		}
		time.Sleep(10 * time.Second)
		cancel()
		wg.Wait()
		if most.Load() > debtMax || most.Load() < debtMax/2 {
			t.Errorf("%d bytes were not lifted at a time, the bound is %d", most.Load(), debtMax)
		}
		if d.waits.Load() == 0 || d.stalls.Load() != 0 {
			t.Errorf("%d waits, %d stalls", d.waits.Load(), d.stalls.Load())
		}
		if got := appended.Load(); got < 50*debtMax {
			t.Errorf("%d bytes in 10 s, 20 lifts a second", got)
		}
	})
}

func TestDebtIsWaitedForNoLongerThanItHelps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := groupsDebt(t)
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		go d.measured(d.mark(), 0, 0)
		must(d.Admit(t.Context(), debtMax)) // waits for the measurement
		d.Settle(debtMax, true)
		began := time.Now()
		must(d.Admit(t.Context(), 1)) // nobody lifts
		if took := time.Since(began); took != debtPatience {
			t.Errorf("waited for %v", took)
		}
		must(d.Admit(t.Context(), debtMax))
		if took := time.Since(began); took != debtPatience {
			t.Errorf("the next one waited as well, until %v", took)
		}
		d.Settle(1, true)
		d.Settle(debtMax, false)
		if got := d.held(); got != debtMax+1 {
			t.Errorf("%d bytes, want the durable %d", got, debtMax+1)
		}
		mark := d.mark()
		d.measured(mark, 0, 0) // a lift succeeded
		d.recovered()
		must(d.Admit(t.Context(), debtMax))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := d.Admit(ctx, 1); !errors.Is(err, protocol.RequestTimedOut) {
			t.Errorf("a wait whose time is over ends with %v", err)
		}
		d.Settle(debtMax, false)
		if got := d.held(); got != 0 {
			t.Errorf("%d bytes of an append that failed and of one that was given up", got)
		}
	})
}

func TestWhatIsLargerThanTheBoundGoesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := groupsDebt(t)
		d.measured(d.mark(), 0, 0)
		if err := d.Admit(t.Context(), 100); err != nil {
			t.Fatal(err)
		}
		var order []string
		var mu sync.Mutex
		admit := func(name string, n int) {
			go func() {
				_ = d.Admit(t.Context(), n)
				mu.Lock()
				order = append(order, name)
				mu.Unlock()
			}()
			synctest.Wait()
		}
		admit("large", 2*debtMax)
		admit("small", 100) // there is room for it, but it is not its turn
		if len(order) != 0 {
			t.Fatalf("%v went on", order)
		}
		d.Settle(100, true)
		d.measured(d.mark(), 0, 0)
		synctest.Wait()
		d.Settle(2*debtMax, true)
		d.measured(d.mark(), 0, 4*debtMax)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if fmt.Sprint(order) != "[large small]" {
			t.Errorf("order %v", order)
		}
	})
}

// TestRunBoundsWhatAStartReads: commits go through the debt while all jobs run and each
// lift is slow, and the log is asked all the time.
func TestRunBoundsWhatAStartReads(t *testing.T) {
	r := newRig(t, adopted)
	ctx, cancel := context.WithCancel(context.Background())
	r.seam = func(step string) error {
		time.Sleep(time.Millisecond)
		return nil
	}
	d := r.upkeep.cfg.Debts.Groups
	ran := make(chan error, 1)
	go func() { ran <- r.upkeep.Run(ctx) }()
	id := at(consumers, 1)
	const batches = 2000
	most, key := int64(0), make([]byte, 100)
	for i := range batches {
		var kv [][]byte
		for j := range 40 {
			kv = append(kv, fmt.Appendf(nil, "group-%d", j), fmt.Appendf(key[:0:0], "%d of a long value %s", i, key))
		}
		b := batchOf(-1, -1, r.clock.Now().UnixMilli(), kv...)
		r.must(d.Admit(ctx, len(b)))
		r.produce(id, b)
		d.Settle(len(b), true)
		most = max(most, r.log.OpenBytes(id, -1))
		if i%500 == 250 {
			r.log.RequestRoll()
		}
		r.clock.advance(time.Millisecond)
	}
	cancel()
	r.must(<-ran)
	if most > debtMax || d.stalls.Load() != 0 {
		t.Errorf("%d bytes were not lifted at a time, the bound is %d; %d stalls", most, debtMax, d.stalls.Load())
	}
	if all := len(r.acked[id]); all < 10*debtMax {
		t.Errorf("%d bytes in all prove nothing", all)
	}
	r.stop()
	r.begin()
	if n := r.checkTables(); n > debtMax+64<<10 {
		t.Errorf("%d bytes to load", n)
	}
}

// TestStopLeavesLittle: what is open is lifted, sealed and released when Run ends.
func TestStopLeavesLittle(t *testing.T) {
	kinds(t, func(t *testing.T, k kind) {
		r := newRig(t, k)
		r.upkeep.cfg.StopMax = 10 * time.Second
		r.some()
		r.commits(at(consumers, 0), 2000, 5)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		r.must(r.upkeep.Run(ctx))
		volumes := r.journal.Volumes()
		if len(volumes) != 1 || used(volumes[0]) {
			t.Errorf("the journal still holds %+v", volumes)
		}
		r.restart()
		r.checkAcked(orders, clicks)
		if n := r.checkTables(); n > 2000 {
			t.Errorf("%d bytes to load for 5 keys", n)
		}
	})
}

// TestStopThatIsTooShort breaks off, and nothing is lost.
func TestStopThatIsTooShort(t *testing.T) {
	for _, step := range []string{"intend", "upload", "register", "adopt", "release"} {
		t.Run(step, func(t *testing.T) {
			r := newRig(t, adopted)
			r.upkeep.cfg.StopMax = 10 * time.Second
			r.some()
			r.commits(at(consumers, 0), 2000, 5)
			reached := false
			r.seam = func(now string) error {
				if now == step {
					reached = true
					return context.DeadlineExceeded
				}
				return nil
			}
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			r.must(r.upkeep.Run(ctx))
			r.seam = nil
			if !reached {
				t.Fatal("the stop has no such step")
			}
			r.restart()
			r.checkAcked(orders, clicks)
			r.checkTables()
			r.must(r.upkeep.Seal(context.Background()))
			r.checkStates()
		})
	}
}
