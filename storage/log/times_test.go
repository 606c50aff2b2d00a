package log

import (
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/buffer"
)

// timed is a batch of one record per timestamp.
func timed(timestamps ...int64) Batch {
	built := record.NewBuilder()
	for _, ts := range timestamps {
		built.Append(ts, nil, []byte("v"))
	}
	b := built.Batch()
	buf := buffer.Get(len(b))
	copy(buf.Bytes(), b)
	h, err := record.ParseHeader(buf.Bytes())
	if err != nil {
		panic(err)
	}
	return Batch{Buf: buf, Bytes: buf.Bytes(), Header: h}
}

// The record with the largest timestamp is found without a look at every pack.
func TestLargestTimestampReadsLittle(t *testing.T) {
	j := newScriptedJournal(1)
	r := newRigWith(t, j, func(c *Config) { c.RecentBytes = 0 })
	p := r.partition(0)
	const packs = 300 // more than one look at the index takes
	for i := range int64(packs) {
		ts := 1000 + i
		if i == 200 {
			ts = 9000
		}
		r.must(p, timed(ts, ts-500), 2*i)
	}
	for _, c := range []struct{ start, offset, timestamp int64 }{
		{0, 400, 9000}, {400, 400, 9000}, {402, 598, 1299}, {598, 598, 1299},
	} {
		if c.start > 0 {
			if _, err := r.log.DeleteRecords(t.Context(), p, c.start); err != nil {
				t.Fatal(err)
			}
		}
		before := j.opened.Load()
		at, ok, err := r.log.OffsetForTime(t.Context(), p, MaxTimestamp, false)
		if err != nil || !ok || at.Offset != c.offset || at.Timestamp != c.timestamp {
			t.Errorf("from %d: %+v, %v, %v", c.start, at, ok, err)
		}
		if n := j.opened.Load() - before; n > 3 {
			t.Errorf("from %d: %d packs were opened", c.start, n)
		}
	}
}

// When the record at an offset was written is told without a look at records.
func TestTimeAt(t *testing.T) {
	r := newRig(t, newScriptedJournal(1))
	p := r.partition(0)
	r.must(p, timed(1000, 1500), 0)
	r.must(p, timed(2000, 2500), 2)
	untimed := timed(-1)
	r.must(p, untimed, 4)
	for _, c := range []struct {
		offset, ms int64
		ok         bool
	}{{-1, 1000, true}, {0, 1000, true}, {1, 1000, true}, {2, 2000, true}, {3, 2000, true}, {5, 0, false}} {
		if ms, ok, err := r.log.TimeAt(t.Context(), p, c.offset); err != nil || ok != c.ok || ms != c.ms {
			t.Errorf("at %d: %d, %t, %v", c.offset, ms, ok, err)
		}
	}
	if ms, ok, err := r.log.TimeAt(t.Context(), p, 4); err != nil || !ok || time.Since(time.UnixMilli(ms)).Abs() > time.Hour {
		t.Errorf("without a timestamp: %d, %t, %v", ms, ok, err)
	}
	if u := p.usage(); u.Received < 200 || u.Received != u.Bytes || u.HighWatermark != 5 {
		t.Errorf("%+v", u)
	}
}
