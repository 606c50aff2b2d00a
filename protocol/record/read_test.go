package record

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/protocol"
)

// plain is a Record that outlives its iteration.
func plain(r *Record) Record {
	out := Record{Offset: r.Offset, Timestamp: r.Timestamp, Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value)}
	for _, f := range r.Headers {
		out.Headers = append(out.Headers, Field{Key: f.Key, Value: bytes.Clone(f.Value)})
	}
	return out
}

func readAll(t testing.TB, batch []byte) []Record {
	t.Helper()
	var out []Record
	for r, err := range Records(batch, math.MaxInt32) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, plain(r))
	}
	return out
}

// same compares two records; null and empty differ.
func same(a, b Record) bool {
	eq := func(x, y []byte) bool { return bytes.Equal(x, y) && (x == nil) == (y == nil) }
	if a.Offset != b.Offset || a.Timestamp != b.Timestamp || !eq(a.Key, b.Key) || !eq(a.Value, b.Value) || len(a.Headers) != len(b.Headers) {
		return false
	}
	for i := range a.Headers {
		if a.Headers[i].Key != b.Headers[i].Key || !eq(a.Headers[i].Value, b.Headers[i].Value) {
			return false
		}
	}
	return true
}

// expect is what encodeBatch's records read as.
func expect(records []kmsg.Record, base int64) []Record {
	var out []Record
	for _, r := range records {
		e := Record{Offset: base + int64(r.OffsetDelta), Timestamp: testNow + r.TimestampDelta64, Key: r.Key, Value: r.Value}
		for _, h := range r.Headers {
			e.Headers = append(e.Headers, Field{Key: h.Key, Value: h.Value})
		}
		out = append(out, e)
	}
	return out
}

func wantRecords(t testing.TB, got, want []Record) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i := range got {
		if !same(got[i], want[i]) {
			t.Fatalf("record %d is %+v, want %+v", i, got[i], want[i])
		}
	}
}

// variety has null and empty keys and values, and a record beyond the window.
func variety() []kmsg.Record {
	records := someRecords(60, 50)
	records[1].Key, records[2].Key = nil, []byte{}
	records[3].Value, records[4].Value = nil, []byte{}
	records[5].Value = bytes.Repeat([]byte("0123456789abcde\n"), 12_000)
	records[6].Headers = []kmsg.Header{{Key: "", Value: []byte{}}, {Key: "a", Value: nil}, {Key: "a", Value: []byte("x")}}
	return records
}

func TestRecords(t *testing.T) {
	for _, codec := range allCodecs {
		b := encodeBatch(t, spec{records: variety(), codec: codec})
		SetOffset(b, 1000, 3)
		wantRecords(t, readAll(t, b), expect(variety(), 1000))
		n := 0
		for range Records(b, math.MaxInt32) { // stopping early is allowed
			if n++; n == 6 {
				break
			}
		}
		SetMaxTimestamp(b, 12345, true)
		for _, r := range readAll(t, b) {
			if r.Timestamp != 12345 {
				t.Fatalf("timestamp %d with LogAppendTime", r.Timestamp)
			}
		}
		var last error
		for _, err := range Records(b, 1000) {
			last = err
		}
		wantCode(t, last, protocol.InvalidRecord)
	}
}

func TestBatches(t *testing.T) {
	var row []byte
	sizes := []int{1, 20, 3}
	for i, n := range sizes {
		b := encodeBatch(t, spec{records: someRecords(n, 30), codec: allCodecs[i]})
		SetOffset(b, int64(i*100), 1)
		row = append(row, b...)
	}
	i := 0
	for b, err := range Batches(row) {
		if err != nil {
			t.Fatal(err)
		}
		if b.Header.BaseOffset != int64(i*100) || len(readAll(t, b.Bytes)) != sizes[i] {
			t.Errorf("batch %d: %+v", i, b.Header)
		}
		i++
	}
	if i != len(sizes) {
		t.Fatalf("%d batches", i)
	}
	for _, cut := range []int{1, 60, 100} {
		var last error
		for _, err := range Batches(row[:len(row)-cut]) {
			last = err
		}
		wantCode(t, last, protocol.CorruptMessage)
	}
}

func TestBuilder(t *testing.T) {
	b := NewBuilder()
	if b.Batch() != nil || b.Len() != 0 || b.Size() != 0 {
		t.Error("an empty builder has a batch")
	}
	for round := range 2 { // the second after Reset
		b.Producer = Producer{ID: 9, Epoch: 1, Sequence: 4}
		b.Append(testNow+5, []byte("k"), []byte("v"), Field{Key: "h", Value: []byte("w")}, Field{Key: "n"})
		b.Append(testNow, nil, []byte{})
		b.Append(testNow+7, []byte{}, nil)
		got := b.Batch()
		if b.Len() != 3 || b.Size() != len(got) {
			t.Errorf("round %d: %d records, %d of %d bytes", round, b.Len(), b.Size(), len(got))
		}
		info, err := Validate(bytes.Clone(got), testRules(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if h := info.Header; h.MaxTimestamp != testNow+7 || h.ProducerID != 9 || h.BaseSequence != 4 || info.MaxTimestampDelta != 2 {
			t.Errorf("%+v", info)
		}
		wantRecords(t, readAll(t, got), []Record{
			{Offset: 0, Timestamp: testNow + 5, Key: []byte("k"), Value: []byte("v"), Headers: []Field{{"h", []byte("w")}, {"n", nil}}},
			{Offset: 1, Timestamp: testNow, Value: []byte{}},
			{Offset: 2, Timestamp: testNow + 7, Key: []byte{}},
		})
		// kmsg reads the same.
		var k kmsg.RecordBatch
		if err := k.ReadFrom(got); err != nil || k.NumRecords != 3 || int(k.Length) != len(got)-12 || k.PartitionLeaderEpoch != -1 {
			t.Errorf("%+v %v", k, err)
		}
		b.Reset()
	}
	b.Control, b.Transactional = true, true
	b.Append(testNow, []byte{0, 0, 0, 1}, []byte{0, 0, 0, 0, 0, 7})
	h, _ := ParseHeader(b.Batch())
	if !h.Control() || !h.Transactional() || h.LogAppendTime() {
		t.Errorf("%+v", h)
	}
}

func TestFindTimestamp(t *testing.T) {
	records := someRecords(40, 20)
	for i := range records {
		records[i].TimestampDelta64 = int64([]int{0, 10, 5, 30, 30}[i%5])
	}
	for _, codec := range allCodecs {
		b := encodeBatch(t, spec{records: records, codec: codec})
		SetOffset(b, 100, 0)
		for _, c := range []struct{ ts, min, offset, got int64 }{
			{0, 0, 100, 0}, {0, 103, 103, 30}, {1, 0, 101, 10}, {11, 0, 103, 30}, {30, 105, 108, 30}, {31, 0, -1, 0}, {0, 140, -1, 0}, {30, 139, 139, 30},
		} {
			at, ok, err := FindTimestamp(b, testNow+c.ts, c.min)
			if err != nil || ok != (c.offset >= 0) || ok && (at.Offset != c.offset || at.Timestamp != testNow+c.got) {
				t.Errorf("%s: timestamp %d from %d: %+v %v %v", codec, c.ts, c.min, at, ok, err)
			}
		}
		at, ok, err := MaxTimestampRecord(b)
		if err != nil || !ok || at != (TimestampOffset{103, testNow + 30}) {
			t.Errorf("%s: %+v %v", codec, at, err)
		}
		// After compaction offsets have gaps.
		gaps, _, err := Rewrite(nil, b, NoHorizon, func(r *Record) bool { return r.Offset > 105 && r.Offset%2 == 1 })
		if err != nil {
			t.Fatal(err)
		}
		if at, ok, err := FindTimestamp(gaps, testNow+1, 0); err != nil || !ok || at != (TimestampOffset{107, testNow + 5}) {
			t.Errorf("%s with gaps: %+v %v", codec, at, err)
		}
		if at, _, err := MaxTimestampRecord(gaps); err != nil || at != (TimestampOffset{109, testNow + 30}) {
			t.Errorf("%s with gaps: %+v %v", codec, at, err)
		}
		SetMaxTimestamp(b, 777, true)
		if at, ok, err := FindTimestamp(b, 777, 102); err != nil || !ok || at != (TimestampOffset{102, 777}) {
			t.Errorf("%s with LogAppendTime: %+v %v", codec, at, err)
		}
		if at, ok, err := MaxTimestampRecord(b); err != nil || !ok || at != (TimestampOffset{100, 777}) {
			t.Errorf("%s with LogAppendTime: %+v %v", codec, at, err)
		}
	}
	b := encodeBatch(t, spec{records: records})
	SetMaxTimestamp(b, -1, false)
	if _, ok, err := MaxTimestampRecord(b); ok || err != nil {
		t.Error("a batch without timestamps has one", err)
	}
	for _, b := range [][]byte{nil, make([]byte, 60), make([]byte, 100)} {
		if _, _, err := FindTimestamp(b, 0, 0); !errors.Is(err, protocol.CorruptMessage) {
			t.Error(err)
		}
		if _, _, err := MaxTimestampRecord(b); !errors.Is(err, protocol.CorruptMessage) {
			t.Error(err)
		}
	}
}

func TestRecompress(t *testing.T) {
	for _, from := range allCodecs {
		for _, to := range allCodecs {
			for _, level := range []int{0, -1, 1, 9, 22} {
				b := encodeBatch(t, spec{records: variety(), codec: from, override: func(b *kmsg.RecordBatch) {
					b.ProducerID, b.ProducerEpoch, b.FirstSequence = 7, 2, 40
				}})
				out, err := Recompress([]byte("p"), b, Recompression{Codec: to, Level: level, MaxBytes: 1 << 20})
				if err != nil {
					t.Fatalf("%s to %s level %d: %v", from, to, level, err)
				}
				out = out[1:]
				info, err := Validate(bytes.Clone(out), testRules(), nil)
				if err != nil {
					t.Fatalf("%s to %s level %d: %v", from, to, level, err)
				}
				if h := info.Header; h.Codec() != to || h.ProducerID != 7 || h.BaseSequence != 40 || h.Size() != len(out) {
					t.Errorf("%+v", h)
				}
				wantRecords(t, readAll(t, out), expect(variety(), 0))
			}
		}
	}
	// The limit holds for the whole batch as it comes out.
	b := encodeBatch(t, spec{records: variety(), codec: CodecZstd})
	exact, err := Recompress(nil, b, Recompression{Codec: CodecNone, MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Recompress(nil, b, Recompression{Codec: CodecNone, MaxBytes: len(exact)}); err != nil {
		t.Error(err)
	}
	out, err := Recompress([]byte("p"), b, Recompression{Codec: CodecNone, MaxBytes: len(exact) - 1})
	wantCode(t, err, protocol.MessageTooLarge)
	if string(out) != "p" {
		t.Errorf("%d bytes left behind", len(out))
	}
	clear(b[HeaderSize+10:])
	_, err = Recompress(nil, b, Recompression{Codec: CodecNone, MaxBytes: 1 << 20})
	wantCode(t, err, protocol.InvalidRecord)
	_, err = Recompress(nil, b, Recompression{Codec: 6, MaxBytes: 1 << 20})
	wantCode(t, err, protocol.InvalidRecord)
}

func TestCodecNames(t *testing.T) {
	for _, name := range []string{"producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"} {
		if c, ok := ParseCodec(name); !ok || c.String() != name {
			t.Errorf("%s: %v", name, c)
		}
	}
	if _, ok := ParseCodec("none"); ok || Codec(6).String() != "codec 6" {
		t.Error("none is a compression.type")
	}
}

// The bytes of a record are not there any more once the next one is: a view that somebody
// has kept shows in a test with two records.
func TestRecordsAreOverwrittenBehindTheIteration(t *testing.T) {
	for _, codec := range allCodecs {
		for _, size := range []int{10, 3000, windowSize + 100} {
			batch := encodeBatch(t, spec{records: someRecords(3, size), codec: codec})
			var views, values [][]byte
			for r, err := range Records(batch, 1<<20) {
				if err != nil {
					t.Fatal(codec, err)
				}
				for i, v := range views {
					if bytes.Equal(v, values[i]) {
						t.Errorf("%v, %d bytes: record %d is still there beside the next", codec, size, i)
					}
				}
				views, values = append(views, r.Value), append(values, bytes.Clone(r.Value))
			}
			if len(views) != 3 || bytes.Equal(views[2], values[2]) {
				t.Errorf("%v, %d bytes: %d records, and the last one is still there", codec, size, len(views))
			}
		}
	}
}

// A batch with a wrong bit does not check.
func TestCheckCRC(t *testing.T) {
	b := encodeBatch(t, spec{records: someRecords(5, 20)})
	h, err := ParseHeader(b)
	if err != nil || CheckCRC(&Batch{h, b}) != nil {
		t.Fatal(err, CheckCRC(&Batch{h, b}))
	}
	for at := crcStart; at < len(b); at++ {
		broken := bytes.Clone(b)
		broken[at] ^= 1
		wantCode(t, CheckCRC(&Batch{h, broken}), protocol.CorruptMessage)
	}
}
