package upkeep

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// inTransaction is a transactional batch of one record.
func inTransaction(producer int64, timestamp int64, key, value string) []byte {
	b := batchOf(producer, 0, timestamp, []byte(key), []byte(value))
	setAttributes(b, timestamp, 0x10)
	return b
}

func plain(timestamp int64, key, value string) []byte {
	return batchOf(-1, -1, timestamp, []byte(key), []byte(value))
}

func marker(producer int64, commit bool, timestamp int64) []byte {
	return record.AppendMarker(nil, producer, 0, record.EndMarker{Commit: commit, CoordinatorEpoch: 9}, timestamp)
}

// setAttributes adds attribute bits to a batch.
func setAttributes(b []byte, timestamp int64, attributes byte) {
	b[22] |= attributes
	record.SetMaxTimestamp(b, timestamp, false)
}

// list shows what a partition holds: offset, key and value of each record, with a star
// where it is in a transaction; markers by their producers.
func (r *rig) list(id pack.PartitionID) string {
	r.t.Helper()
	var out []string
	for b, err := range record.Batches(r.read(id)) {
		r.must(err)
		h := &b.Header
		switch {
		case h.Control():
			m, err := record.ParseMarker(b.Bytes)
			r.must(err)
			out = append(out, fmt.Sprintf("%d:end(%d,%v)", h.BaseOffset, h.ProducerID, m.Commit))
			continue
		case h.Records == 0:
			out = append(out, fmt.Sprintf("%d:empty", h.BaseOffset))
		}
		if !h.Transactional() && (h.ProducerID != -1 || h.ProducerEpoch != -1 || h.BaseSequence != -1) {
			r.t.Errorf("batch at offset %d belongs to producer %d", h.BaseOffset, h.ProducerID)
		}
		for x, err := range record.Records(b.Bytes, 1<<20) {
			r.must(err)
			star := ""
			if h.Transactional() {
				star = "*"
			}
			out = append(out, fmt.Sprintf("%d%s:%s=%s", x.Offset, star, x.Key, x.Value))
		}
	}
	return strings.Join(out, " ")
}

// A lift goes as far as is decided: aborted records go, committed ones become plain.
func TestLiftOfTransactions(t *testing.T) {
	kinds(t, func(t *testing.T, k kind) {
		r := newRig(t, k)
		ctx := context.Background()
		id := at(consumers, 0)
		now := r.clock.Now().UnixMilli()
		for _, b := range [][]byte{
			plain(now, "a", "1"),
			inTransaction(5, now, "a", "2"),
			inTransaction(6, now, "b", "1"), // aborted below
			inTransaction(8, now, "e", "1"), // goes on above, and is committed there
			inTransaction(9, now, "h", "1"), // likewise, and aborted
			marker(5, true, now),
			plain(now, "b", "0"),
			marker(6, false, now),
			inTransaction(7, now, "c", "1"), // 8: left open
			inTransaction(8, now, "f", "1"),
			marker(8, true, now),
			marker(9, false, now),
			plain(now, "d", "1"),
		} {
			r.produce(id, b)
		}
		const above = "8*:c=1 9*:f=1 10:end(8,true) 11:end(9,false) 12:d=1"
		r.must(r.upkeep.Lift(ctx))
		if got, want := r.list(id), "1:a=2 3:e=1 6:b=0 7:end(6,false) "+above; got != want {
			t.Fatalf("after the first lift:\n%s, want\n%s", got, want)
		}
		sl, _, err := r.store.Partition(ctx, id)
		r.must(err)
		if end := sl[len(sl)-1].LastOffset; end != 7 {
			t.Fatalf("lifted to offset %d, want 7", end)
		}
		// Nothing is left that a lift could take: one that is due every time would go on
		// for as long as the transaction is open.
		if bytes, stable := r.log.Liftable(id); bytes != 0 || stable != 8 {
			t.Errorf("%d bytes below offset %d may still be lifted", bytes, stable)
		}
		r.roll()
		r.must(r.upkeep.Seal(ctx))
		r.restart()
		r.must(r.upkeep.Lift(ctx)) // the partition is not loaded: its state says what is open
		if got := r.list(id); !strings.HasSuffix(got, above) {
			t.Fatalf("after a restart and a lift: %s", got)
		}
		r.produce(id, marker(7, false, now))
		r.produce(id, plain(now, "g", "1"))
		r.must(r.upkeep.Lift(ctx))
		if got, want := r.list(id), "1:a=2 3:e=1 6:b=0 9:f=1 12:d=1 14:g=1"; got != want {
			t.Fatalf("after the last lift:\n%s, want\n%s", got, want)
		}
		r.roll()
		r.must(r.upkeep.Seal(ctx))
		r.checkStates()
		r.restart()
		if got, want := r.list(id), "1:a=2 3:e=1 6:b=0 9:f=1 12:d=1 14:g=1"; got != want {
			t.Fatalf("after a restart:\n%s, want\n%s", got, want)
		}
	})
}

// The last batch below a lift's end may be aborted: it stays as an empty one.
func TestLiftEndsInAnAbortedBatch(t *testing.T) {
	r := newRig(t, adopted)
	ctx := context.Background()
	id := at(consumers, 0)
	now := r.clock.Now().UnixMilli()
	r.produce(id, plain(now, "a", "1"))
	r.produce(id, inTransaction(5, now, "b", "1"))
	r.produce(id, inTransaction(6, now, "c", "1"))
	r.produce(id, marker(5, false, now))
	r.must(r.upkeep.Lift(ctx))
	if got, want := r.list(id), "0:a=1 1:empty 2*:c=1 3:end(5,false)"; got != want {
		t.Fatalf("%s, want %s", got, want)
	}
}

// Markers in the index of an object that upkeep makes say what those of the journal do.
func TestLiftedMarkerHasItsEntry(t *testing.T) {
	b := marker(5, true, 77)
	e, err := entryOf(at(consumers, 0), b)
	if err != nil {
		t.Fatal(err)
	}
	if e.Flags != pack.FlagTransactional|pack.FlagControl|pack.FlagMarkerCommit || e.CoordinatorEpoch != 9 {
		t.Errorf("entry %+v", e)
	}
	if e, err = entryOf(at(consumers, 0), marker(5, false, 77)); err != nil || e.Flags&pack.FlagMarkerAbort == 0 {
		t.Errorf("entry %+v, %v", e, err)
	}
	if _, err := entryOf(at(consumers, 0), slices.Concat(b[:61])); err == nil {
		t.Error("half a marker has an entry")
	}
}

// What a lift took the marker of is not listed as aborted any more: a consumer would wait
// for that marker and drop what the same producer committed later.
func TestLiftedMarkersAreNotListed(t *testing.T) {
	kinds(t, func(t *testing.T, k kind) {
		r := newRig(t, k)
		ctx := context.Background()
		id := at(consumers, 0)
		now := r.clock.Now().UnixMilli()
		r.produce(id, inTransaction(5, now, "b", "1"))
		r.produce(id, marker(5, false, now))
		r.produce(id, plain(now, "a", "1"))
		r.must(r.upkeep.Lift(ctx))
		r.produce(id, inTransaction(5, now, "c", "1"))
		r.produce(id, marker(5, true, now))
		check := func(when string) {
			t.Helper()
			if got, end := r.consume(id, 0, 1<<20); !slices.Equal(got, []int64{2, 3}) || end != 5 {
				t.Errorf("%s: a consumer gets %v and stands at %d", when, got, end)
			}
		}
		check("in the journal")
		r.restart()
		check("after a restart")
		r.produce(at(orders, 0), plain(now, "x", "1"))
		r.roll()
		r.must(r.upkeep.Seal(ctx))
		check("sealed")
	})
}
