package compact

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// written is one record as its writer knows it.
type written struct {
	offset    int64
	key       []byte // nil: null
	value     string // "": a tombstone
	timestamp int64
	producer  int64
}

// txn is a transaction of the log, ended or not.
type txn struct {
	producer   int64
	first, end int64 // offsets of its first batch and of its marker, end -1: open
	commit     bool
}

// testLog is a partition as its writers made it, and what a compaction has left of it.
type testLog struct {
	t       *testing.T
	rng     *rand.Rand
	next    int64
	batches []record.Batch
	records []written
	txns    []*txn
	open    map[int64]*txn
	seqs    map[int64]int32
	epochs  map[int64]int16
	last    map[int64]int64 // base offset of each producer's last batch, or of a marker of a newer epoch
	now     int64
	// covered is when a run first covered an offset of a tombstone or a marker.
	covered map[int64]int64
	// readings counts how often batches were read for their keys.
	readings int
}

func newTestLog(t *testing.T, seed uint64) *testLog {
	return &testLog{t: t, rng: rand.New(rand.NewPCG(seed, 1)), open: map[int64]*txn{}, seqs: map[int64]int32{}, epochs: map[int64]int16{}, last: map[int64]int64{}, now: 1_000_000, covered: map[int64]int64{}}
}

func (l *testLog) put(data []byte) {
	l.t.Helper()
	data = bytes.Clone(data)
	record.SetOffset(data, l.next, 3)
	h, err := record.ParseHeader(data)
	if err != nil {
		l.t.Fatal(err)
	}
	l.batches = append(l.batches, record.Batch{Header: h, Bytes: data})
	l.next = h.LastOffset() + 1
}

// write appends a batch of some records, in one of a few forms.
func (l *testLog) write() {
	b := record.NewBuilder()
	producer := int64(-1)
	if kind := l.rng.IntN(3); kind > 0 {
		producer = int64(kind*10 + l.rng.IntN(3)) // 10..12 plain, 20..22 transactional
		b.Producer = record.Producer{ID: producer, Epoch: l.epochs[producer], Sequence: l.seqs[producer]}
		b.Transactional = kind == 2
		l.last[producer] = l.next
		if kind == 2 && l.open[producer] == nil {
			x := &txn{producer: producer, first: l.next, end: -1}
			l.open[producer] = x
			l.txns = append(l.txns, x)
		}
	}
	for range 1 + l.rng.IntN(5) {
		w := written{offset: l.next + int64(b.Len()), timestamp: l.now + l.rng.Int64N(50), producer: producer}
		switch k := l.rng.IntN(20); k {
		case 0:
		case 1:
			w.key = []byte{}
		default:
			w.key = fmt.Appendf(nil, "key-%d", k)
		}
		var value []byte
		if l.rng.IntN(4) > 0 {
			w.value = fmt.Sprintf("value-%d", w.offset)
			value = []byte(w.value)
		}
		b.Append(w.timestamp, w.key, value, record.Field{Key: "h", Value: []byte("v")})
		l.records = append(l.records, w)
	}
	l.seqs[producer] += int32(b.Len())
	data, err := record.Recompress(nil, b.Batch(), record.Recompression{Codec: record.Codec(l.rng.IntN(5)), MaxBytes: 1 << 20})
	if err != nil {
		l.t.Fatal(err)
	}
	l.put(data)
}

// end ends a transaction, if one is open; some by the producer's next life.
func (l *testLog) end() {
	open := slices.Sorted(maps.Keys(l.open))
	if len(open) == 0 {
		return
	}
	p := open[l.rng.IntN(len(open))]
	x := l.open[p]
	x.end, x.commit = l.next, l.rng.IntN(2) == 0
	if l.rng.IntN(8) == 0 {
		x.commit = false
		l.epochs[p], l.seqs[p], l.last[p] = l.epochs[p]+1, 0, l.next
	}
	l.put(record.AppendMarker(nil, p, l.epochs[p], record.EndMarker{Commit: x.commit, CoordinatorEpoch: 1}, l.now))
	delete(l.open, p)
}

// stable is the last stable offset.
func (l *testLog) stable() int64 {
	stable := l.next
	for _, x := range l.open {
		stable = min(stable, x.first)
	}
	return stable
}

func (l *testLog) aborted(end int64) (list []pack.Aborted) {
	for _, x := range l.txns {
		if x.end >= 0 && !x.commit && x.first < end {
			list = append(list, pack.Aborted{ProducerID: x.producer, FirstOffset: x.first, LastOffset: x.end})
		}
	}
	return list
}

// void says whether the record belongs to an aborted transaction.
func (l *testLog) void(w *written) bool {
	for _, x := range l.txns {
		if x.producer == w.producer && x.end >= 0 && !x.commit && x.first <= w.offset && w.offset < x.end {
			return true
		}
	}
	return false
}

// compact runs from clean end c to the end e, which is where a batch begins.
func (l *testLog) compact(c, e int64) Count {
	l.t.Helper()
	l.cover(e)
	var all []record.Batch
	last := int64(-1)
	for _, b := range l.batches {
		if b.Header.BaseOffset < e {
			all = append(all, b)
			last = b.Header.LastOffset()
		}
	}
	latest := l.latest(all, c, last, e)
	f := NewFilter(Rules{
		Superseded: latest.Superseded, Aborted: l.aborted(e), LastBatches: l.last, Last: last, Now: l.now, DeleteRetention: retention,
	})
	latest.Rewind()
	var left []record.Batch
	for i := range all {
		before := bytes.Clone(all[i].Bytes)
		latest.Enter(&all[i].Header)
		out, err := f.Batch(nil, &all[i])
		if err != nil {
			l.t.Fatal(err)
		}
		if !bytes.Equal(before, all[i].Bytes) {
			l.t.Fatal("the filter changed its input")
		}
		if out != nil {
			h, err := record.ParseHeader(out)
			if err != nil {
				l.t.Fatal(err)
			}
			left = append(left, record.Batch{Header: h, Bytes: out})
		}
	}
	l.batches = append(left, l.batches[len(all):]...)
	return f.Count
}

// latest finds what of some batches is superseded, as a run does it. With an odd end the memory is
// so small that it takes several classes of keys.
func (l *testLog) latest(all []record.Batch, c, last, e int64) *Latest {
	l.t.Helper()
	bytesMax := int64(1 << 20)
	if e%2 == 1 {
		bytesMax = 4 * SlotBytes
	}
	latest := NewLatest([2]uint64{1, uint64(e)}, c, last, bytesMax, MarksMax)
	add := func(key []byte, offset int64) error {
		err := latest.Add(key, offset)
		if err == ErrFull && !latest.Divided() {
			below := int64(0)
			for i := range all {
				if h := &all[i].Header; h.BaseOffset < c {
					below += h.LastOffset() + 1 - h.BaseOffset
				}
			}
			latest.Divide(below)
			err = latest.Add(key, offset)
		}
		return err
	}
	mark := func(key []byte, offset int64) error { latest.Mark(key, offset); return nil }
	for first := true; first || latest.Next(); first = false {
		l.readings++
		voids := NewVoids(l.aborted(e))
		latest.Rewind()
		for i := range all {
			b := &all[i]
			if b.Header.BaseOffset >= c && !voids.Void(&b.Header) && !b.Header.Control() {
				if err := Keys(b, add); err != nil {
					l.t.Fatal(err)
				}
			}
		}
		for i := range all {
			b := &all[i]
			if latest.Divided() && b.Header.BaseOffset < c {
				if latest.Enter(&b.Header); b.Header.Control() {
					continue
				}
				if err := Keys(b, mark); err != nil {
					l.t.Fatal(err)
				}
			}
		}
	}
	return latest
}

func TestFilterAgainstAModel(t *testing.T) {
	seeds := 60
	if testing.Short() {
		seeds = 10
	}
	var total Count
	runs, readings := 0, 0
	for seed := range uint64(seeds) {
		l := newTestLog(t, seed)
		clean := int64(0)
		for range 24 {
			for range 1 + l.rng.IntN(40) {
				if l.rng.IntN(5) == 0 {
					l.end()
				} else {
					l.write()
				}
				l.now += l.rng.Int64N(30)
			}
			end := l.cut(l.stable())
			if end <= clean && l.rng.IntN(2) == 0 {
				continue
			}
			c := l.compact(clean, max(end, clean))
			clean = max(end, clean)
			l.check(clean)
			runs++
			total.Records += c.Records
			total.RecordsKept += c.RecordsKept
			total.Tombstones += c.Tombstones
			total.Markers += c.Markers
		}
		// Quiet, and all horizons pass: one record per key is left, and no tombstone.
		for len(l.open) > 0 {
			l.end()
		}
		for range 4 {
			l.compact(clean, l.next)
			clean = l.next
			l.check(clean)
			l.now += 1000
		}
		l.checkQuiet()
		readings += l.readings
	}
	if total.Records-total.RecordsKept < int64(80*seeds) || total.Tombstones < int64(5*seeds) || total.Markers < int64(2*seeds) {
		t.Fatalf("the runs removed too little to prove anything: %+v", total)
	}
	if readings < 3*runs {
		t.Fatalf("%d readings in %d runs: the keys were hardly ever divided", readings, runs)
	}
}

// cut is the highest batch boundary at or below an offset.
func (l *testLog) cut(offset int64) int64 {
	at := int64(0)
	for i := range l.batches {
		if end := l.batches[i].Header.LastOffset() + 1; end <= offset {
			at = end
		}
	}
	return at
}

// read returns what is left, by offset.
func (l *testLog) read() map[int64]record.Record {
	out := map[int64]record.Record{}
	next := int64(0)
	for i := range l.batches {
		b := &l.batches[i]
		if b.Header.BaseOffset < next {
			l.t.Fatalf("batch at %d where %d is due", b.Header.BaseOffset, next)
		}
		next = b.Header.LastOffset() + 1
		if b.Header.Control() {
			continue
		}
		for r, err := range record.Records(b.Bytes, 1<<20) {
			if err != nil {
				l.t.Fatal(err)
			}
			c := *r
			c.Key, c.Value, c.Headers = bytes.Clone(r.Key), bytes.Clone(r.Value), slices.Clone(r.Headers)
			if r.Key != nil && c.Key == nil {
				c.Key = []byte{}
			}
			out[r.Offset] = c
		}
	}
	return out
}

// check holds what is left against what was written, with all below end compacted.
func (l *testLog) check(end int64) {
	l.t.Helper()
	left := l.read()
	latest := map[string]*written{}
	for i := range l.records {
		w := &l.records[i]
		if w.offset < end && w.key != nil && !l.void(w) {
			latest[string(w.key)] = w
		}
	}
	for i := range l.records {
		w := &l.records[i]
		r, there := left[w.offset]
		if there {
			if string(r.Key) != string(w.key) || (r.Key == nil) != (w.key == nil) || string(r.Value) != w.value ||
				(r.Value == nil) != (w.value == "") || r.Timestamp != w.timestamp || len(r.Headers) != 1 || r.Headers[0].Key != "h" {
				l.t.Fatalf("record %+v became %+v", w, r)
			}
			delete(left, w.offset)
		}
		switch {
		case w.offset >= end:
			if !there {
				l.t.Fatalf("record %d above the end %d is gone", w.offset, end)
			}
		case w.key == nil || l.void(w) || latest[string(w.key)] != w:
			if there {
				l.t.Fatalf("record %d is superseded, aborted or has no key, and is there", w.offset)
			}
		case w.value == "" && !there && l.early(w.offset):
			l.t.Fatalf("tombstone %d of %q went before its horizon", w.offset, w.key)
		case w.value != "" && !there:
			l.t.Fatalf("record %d is the latest of %q and is gone", w.offset, w.key)
		}
	}
	if len(left) > 0 {
		l.t.Fatalf("records that nobody wrote: %v", left)
	}
	l.checkBatches(end)
}

// retention is delete.retention.ms.
const retention = 200

// early says whether what is gone from an offset had to stay for longer.
func (l *testLog) early(offset int64) bool {
	at, covered := l.covered[offset]
	return !covered || l.now < at+retention
}

// cover notes when a run first came across tombstones and markers.
func (l *testLog) cover(end int64) {
	note := func(offset int64) {
		if _, has := l.covered[offset]; !has && offset < end {
			l.covered[offset] = l.now
		}
	}
	for i := range l.records {
		note(l.records[i].offset)
	}
	for _, x := range l.txns {
		if x.end >= 0 {
			note(x.end)
		}
	}
}

// checkBatches looks for the batches that must stay as headers, and for markers.
func (l *testLog) checkBatches(end int64) {
	l.t.Helper()
	bases, tail := map[int64]*record.Header{}, int64(-1)
	for i := range l.batches {
		h := &l.batches[i].Header
		bases[h.BaseOffset] = h
		if h.BaseOffset < end {
			tail = h.LastOffset()
		}
	}
	if end > 0 && tail != end-1 {
		l.t.Fatalf("the last batch below %d ends at %d", end, tail)
	}
	for p, at := range l.last {
		if h := bases[at]; h == nil || h.ProducerID != p {
			l.t.Fatalf("the last batch of producer %d, at %d, is gone", p, at)
		}
	}
	for _, x := range l.txns {
		if x.end < 0 || x.end >= end || bases[x.end] != nil {
			continue
		}
		if l.early(x.end) {
			l.t.Fatalf("the marker at %d went before its horizon", x.end)
		}
		// A marker that is gone outlived all data of its transaction, but for the header
		// that shows the producer's sequence.
		for i := range l.batches {
			h := &l.batches[i].Header
			if h.ProducerID == x.producer && x.first <= h.BaseOffset && h.BaseOffset < x.end && h.Records > 0 {
				l.t.Fatalf("the marker at %d is gone, data at %d is not", x.end, h.BaseOffset)
			}
		}
	}
}

// checkQuiet: one value per key, no tombstone, and no marker without a batch of its
// transaction.
func (l *testLog) checkQuiet() {
	l.t.Helper()
	seen := map[string]bool{}
	for _, r := range l.read() {
		if r.Value == nil || seen[string(r.Key)] {
			l.t.Fatalf("record %d: a tombstone past its horizon, or a key seen twice", r.Offset)
		}
		seen[string(r.Key)] = true
	}
	for _, x := range l.txns {
		marker, data := false, false
		for i := range l.batches {
			h := &l.batches[i].Header
			marker = marker || h.BaseOffset == x.end && h.LastOffset() != l.next-1
			data = data || h.ProducerID == x.producer && x.first <= h.BaseOffset && h.BaseOffset < x.end
		}
		if marker && !data && l.last[x.producer] != x.end {
			l.t.Fatalf("the marker at %d has outlived its transaction", x.end)
		}
	}
}

// The longest retention is one, not a horizon in the past.
func TestFilterKeepsTombstonesForEver(t *testing.T) {
	b := record.NewBuilder()
	b.Append(1, []byte("k"), nil)
	h, err := record.ParseHeader(b.Batch())
	if err != nil {
		t.Fatal(err)
	}
	batch := record.Batch{Header: h, Bytes: b.Batch()}
	for range 3 {
		f := NewFilter(Rules{
			Superseded: func([]byte, int64) bool { return false }, Last: 10, Now: 1_000_000, DeleteRetention: math.MaxInt64,
		})
		out, err := f.Batch(nil, &batch)
		if err != nil || out == nil {
			t.Fatalf("the tombstone is gone: %v", err)
		}
		if batch.Header, err = record.ParseHeader(out); err != nil || batch.Header.Records != 1 || f.Count.Horizon != math.MaxInt64 {
			t.Fatalf("%+v, horizon %d, %v", batch.Header, f.Count.Horizon, err)
		}
		batch.Bytes = out
	}
}
