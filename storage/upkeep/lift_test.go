package upkeep

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// commits produces count records over the given number of keys to a partition of the
// internal topic, a few per batch.
func (r *rig) commits(id pack.PartitionID, count, keys int) {
	r.t.Helper()
	now := r.clock.Now().UnixMilli()
	for done := 0; done < count; {
		var kv [][]byte
		for range min(100, count-done) {
			kv = append(kv, fmt.Appendf(nil, "group-%d", done%keys), fmt.Appendf(nil, "offset %d of %d", done, r.commitRounds))
			done++
		}
		r.produce(id, batchOf(-1, -1, now, kv...))
	}
	r.commitRounds++
}

// table returns the latest value per key as a coordinator would load it, and how many
// bytes it reads for that.
func (r *rig) table(id pack.PartitionID) (map[string]string, int) {
	r.t.Helper()
	b := r.read(id)
	table := map[string]string{}
	next := int64(0)
	for batch, err := range record.Batches(b) {
		r.must(err)
		if batch.Header.BaseOffset < next {
			r.t.Fatalf("partition %v: batch at %d after offset %d", id, batch.Header.BaseOffset, next)
		}
		next = batch.Header.LastOffset() + 1
		for rec, err := range record.Records(batch.Bytes, 1<<20) {
			r.must(err)
			if rec.Value == nil {
				delete(table, string(rec.Key))
			} else {
				table[string(rec.Key)] = string(rec.Value)
			}
		}
	}
	return table, len(b)
}

// expect is the table of everything that was acknowledged.
func (r *rig) expect(id pack.PartitionID) map[string]string {
	table := map[string]string{}
	for batch := range record.Batches(r.acked[id]) {
		for rec := range record.Records(batch.Bytes, 1<<20) {
			if rec.Value == nil {
				delete(table, string(rec.Key))
			} else {
				table[string(rec.Key)] = string(rec.Value)
			}
		}
	}
	return table
}

// checkTables compares what a coordinator loads with what was acknowledged, and
// returns how many bytes all partitions take to load.
func (r *rig) checkTables() (total int) {
	r.t.Helper()
	for id := range r.acked {
		if id.Topic != consumers.ID && id.Topic != txns.ID {
			continue
		}
		got, n := r.table(id)
		total += n
		want := r.expect(id)
		if len(got) != len(want) {
			r.t.Errorf("partition %v: %d keys, want %d", id, len(got), len(want))
		}
		for k, v := range want {
			if got[k] != v {
				r.t.Errorf("partition %v: key %s is %q, want %q", id, k, got[k], v)
			}
		}
	}
	return total
}

func TestLiftKeepsTheLatestPerKey(t *testing.T) {
	kinds(t, func(t *testing.T, k kind) {
		r := newRig(t, k)
		ctx := context.Background()
		r.commits(at(consumers, 0), 1000, 10)
		r.commits(at(consumers, 2), 1000, 30)
		before := r.checkTables()
		r.must(r.upkeep.Lift(ctx))
		after := r.checkTables()
		if after*5 > before {
			t.Errorf("%d bytes to load, %d before", after, before)
		}
		r.commits(at(consumers, 0), 55, 11)
		r.roll()
		r.must(r.upkeep.Seal(ctx)) // the volume's slices below the lifted end stay out
		r.checkTables()
		r.checkStates()
		r.restart()
		r.checkTables()
		r.must(r.upkeep.Lift(ctx))
		r.checkTables()
		r.checkStates()
		sweepAll(r)
		if n := len(r.objects(liftedPrefix)); n != 1 {
			t.Errorf("%d lifted segments, want 1", n)
		}
		if n := len(r.objects(segmentPrefix)); n != 0 {
			t.Errorf("%d shared segments are kept by internal topics that were lifted", n)
		}
		r.restart()
		r.checkTables()
		r.commits(at(consumers, 0), 20, 20)
		r.checkTables()
	})
}

func TestLiftIsDueByBytes(t *testing.T) {
	r := newRig(t, adopted)
	ctx := context.Background()
	id := at(consumers, 1)
	for i := range 40 {
		r.commits(id, 1000, 10)
		r.must(r.upkeep.LiftIfDue(ctx))
		if i%7 == 3 {
			r.roll()
			r.must(r.upkeep.Seal(ctx))
		}
		if n := len(r.read(id)); n > 2*int(groupsAllowance.due) {
			t.Fatalf("%d bytes to load after %d commits", n, 1000*(i+1))
		}
	}
	r.checkTables()
	if lifts := testutil.ToFloat64(r.upkeep.metrics.lifts); lifts < 2 || lifts > 6 {
		t.Errorf("%v lifts for %d bytes", lifts, len(r.acked[id]))
	}
}

// TestDebtsAreApart: each coordinator's topic is lifted by an allowance of its own.
func TestDebtsAreApart(t *testing.T) {
	r := newRig(t, adopted)
	ctx := context.Background()
	grow := func(id pack.PartitionID, until int64) {
		t.Helper()
		for r.log.OpenBytes(id, -1) < until {
			r.commits(id, 1000, 10)
		}
		r.must(r.upkeep.LiftIfDue(ctx))
	}
	groups, transactions := at(consumers, 0), at(txns, 0)
	want := func(what string, groupBytes, transactionBytes bool) {
		t.Helper()
		if g, x := r.log.OpenBytes(groups, -1), r.log.OpenBytes(transactions, -1); (g > 0) != groupBytes || (x > 0) != transactionBytes {
			t.Errorf("%s: %d bytes of groups and %d of transactions are not lifted", what, g, x)
		}
	}
	grow(transactions, transactionsAllowance.due/2)
	want("transactions within their allowance", false, true)
	grow(groups, groupsAllowance.due+1)
	want("groups beyond theirs", false, true)
	grow(groups, groupsAllowance.due/2)
	grow(transactions, transactionsAllowance.due+1)
	want("transactions beyond theirs", true, false)
	r.checkTables()
	r.restart()
	if n := r.checkTables(); n > int(groupsAllowance.due) {
		t.Errorf("%d bytes to load", n)
	}
}

// TestCoordinatorLoadIsBounded is what the bound is for: many commits over few keys.
func TestCoordinatorLoadIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("five million commits")
	}
	r := newRig(t, adopted)
	ctx := context.Background()
	id := at(consumers, 0)
	const commits, keys, perBatch = 5_000_000, 100, 1000
	now := r.clock.Now().UnixMilli()
	for done := 0; done < commits; {
		var kv [][]byte
		for range perBatch {
			kv = append(kv, fmt.Appendf(nil, "group-%d", done%keys), fmt.Appendf(nil, "offset %d", done))
			done++
		}
		r.produce(id, batchOf(-1, -1, now, kv...))
		delete(r.acked, id) // not needed, and large
		r.must(r.upkeep.LiftIfDue(ctx))
		if done%500_000 == 0 {
			r.roll()
			r.must(r.upkeep.Seal(ctx))
			sweepAll(r)
		}
	}
	r.restart()
	table, n := r.table(id)
	if n >= 1<<20 {
		t.Errorf("%d bytes to load", n)
	}
	for i := range keys {
		if want := fmt.Sprintf("offset %d", commits-keys+i); table[fmt.Sprintf("group-%d", i)] != want {
			t.Errorf("group-%d is %q, want %q", i, table[fmt.Sprintf("group-%d", i)], want)
		}
	}
}

func TestTombstonesGoOnceLiftedAndOld(t *testing.T) {
	r := newRig(t, adopted)
	ctx := context.Background()
	id := at(consumers, 0)
	r.commits(id, 50, 50)
	now := r.clock.Now().UnixMilli()
	for i := range 50 {
		r.produce(id, batchOf(-1, -1, now, fmt.Appendf(nil, "group-%d", i), nil))
	}
	tombstones := func() (n int) {
		for batch, err := range record.Batches(r.read(id)) {
			r.must(err)
			n += int(batch.Header.Records)
		}
		return n
	}
	r.clock.advance(r.upkeep.cfg.TombstoneGrace + time.Second)
	r.must(r.upkeep.Lift(ctx))
	if n := tombstones(); n != 50 {
		t.Errorf("%d records after the first lift, want the 50 tombstones, old as they are", n)
	}
	now = r.clock.Now().UnixMilli()
	for i := range 50 {
		r.produce(id, batchOf(-1, -1, now, fmt.Appendf(nil, "group-%d", i), nil))
	}
	r.must(r.upkeep.Lift(ctx))
	r.must(r.upkeep.Lift(ctx))
	if n := tombstones(); n != 50 {
		t.Errorf("%d records after the second lift within the grace, want the 50 tombstones", n)
	}
	r.clock.advance(r.upkeep.cfg.TombstoneGrace + time.Second)
	r.must(r.upkeep.Lift(ctx))
	if n := tombstones(); n != 1 {
		t.Errorf("%d records behind the grace, want 1: the last batch shows how far the log goes", n)
	}
	r.checkTables()
	r.restart()
	p, err := r.log.Partition(ctx, id, r.topics.epoch)
	r.must(err)
	if end := p.Bounds().HighWatermark; end != 150 {
		t.Errorf("the log ends at %d, want 150", end)
	}
}

// TestLiftStoppedAtEachStep ends the process at each step of a lift with sealed,
// lifted and open data, and looks at the tables in between.
func TestLiftStoppedAtEachStep(t *testing.T) {
	for _, restart := range []bool{false, true} {
		for n := 1; ; n++ {
			stopped := ""
			t.Run(fmt.Sprintf("step %d restart %v", n, restart), func(t *testing.T) { stopped = liftStopped(t, n, restart) })
			if stopped == "" {
				if n < 5 {
					t.Fatalf("only %d steps", n-1)
				}
				break
			}
		}
	}
}

func liftStopped(t *testing.T, n int, restart bool) string {
	r := newRig(t, adopted)
	ctx := context.Background()
	id := at(consumers, 0)
	r.commits(id, 300, 10)
	r.must(r.upkeep.Lift(ctx))
	r.commits(id, 300, 20)
	r.some()
	r.roll()
	r.must(r.upkeep.Seal(ctx))
	r.commits(id, 300, 5)
	seam, _, stopped := stopAt(n)
	r.seam = seam
	err := r.upkeep.Lift(ctx)
	r.seam = nil
	if *stopped != "" && !errors.Is(err, errStop) {
		t.Fatalf("stopped at %q with %v", *stopped, err)
	}
	r.checkTables()
	if restart {
		r.restart()
		r.checkTables()
	}
	r.commits(id, 10, 10)
	r.must(r.upkeep.Lift(ctx))
	r.checkTables()
	r.roll()
	r.must(r.upkeep.Seal(ctx))
	r.checkTables()
	r.checkStates()
	r.restart()
	r.checkTables()
	sweepAll(r)
	if n := len(r.objects(liftedPrefix)); n != 1 {
		t.Errorf("%d lifted segments, want 1", n)
	}
	return *stopped
}
