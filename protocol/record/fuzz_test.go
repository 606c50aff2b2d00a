package record

import (
	"bytes"
	"math"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// What Validate accepts is a batch that every reader agrees on; it fits its header.
func FuzzValidate(f *testing.F) {
	for _, codec := range allCodecs {
		f.Add(encodeBatch(f, spec{records: variety()[:5], codec: codec}), false)
		f.Add(encodeBatch(f, spec{records: someRecords(9, 3), codec: codec}), true)
	}
	f.Add(encodeBatch(f, spec{records: someRecords(9, 3), codec: CodecSnappy, payload: xerial(encodeRecords(someRecords(9, 3)))}), false)
	f.Fuzz(func(t *testing.T, b []byte, logAppendTime bool) {
		if size, err := Extent(b, len(b)); err == nil {
			seal(b[:size]) // else nothing comes past the CRC
		}
		r := testRules()
		r.LogAppendTime, r.MaxRecordBytes, r.TimestampAfterMax = logAppendTime, 1<<20, math.MaxInt64
		info, err := Validate(b, r, nil)
		if err != nil {
			return
		}
		b = b[:info.Header.Size()]
		if again, err := Validate(b, r, nil); err != nil && !logAppendTime || err == nil && again != info {
			t.Fatalf("%+v, then %+v %v", info, again, err)
		}
		n, largest, first := int32(0), int64(NoTimestamp), int32(0)
		for rec, err := range Records(b, 1<<20) {
			if err != nil {
				t.Fatal(err)
			}
			if rec.Offset != int64(n) {
				t.Fatalf("record %d has offset %d", n, rec.Offset)
			}
			if rec.Timestamp > largest {
				largest, first = rec.Timestamp, n
			}
			n++
		}
		if n != info.Header.Records || largest != info.Header.MaxTimestamp || first != info.MaxTimestampDelta {
			t.Fatalf("%d records, largest timestamp %d at %d: %+v", n, largest, first, info)
		}
		var k kmsg.RecordBatch
		if err := k.ReadFrom(b); err != nil || k.NumRecords != n {
			t.Fatalf("kmsg: %v", err)
		}
		out, err := Recompress(nil, b, Recompression{Codec: CodecLZ4, MaxBytes: 64 << 20})
		if err != nil {
			t.Fatal(err)
		}
		wantRecords(t, readAll(t, out), readAll(t, b))
	})
}

// A payload of any codec, whole or broken, neither crashes nor grows the heap, and the
// iterator finds the records that the walk counts.
func FuzzDecompress(f *testing.F) {
	for _, codec := range allCodecs {
		f.Add(int8(codec), int32(20), compressWith(f, codec, encodeRecords(someRecords(20, 30))))
	}
	f.Add(int8(CodecSnappy), int32(20), xerial(encodeRecords(someRecords(20, 30))))
	f.Add(int8(CodecZstd), int32(1), emptyZstdFrame)
	f.Fuzz(func(t *testing.T, codec int8, n int32, payload []byte) {
		if codec < 0 || Codec(codec) > CodecZstd || len(payload) > 1<<20 {
			return
		}
		b := encodeBatch(t, spec{codec: Codec(codec), payload: nonNil(payload), override: func(b *kmsg.RecordBatch) {
			b.NumRecords, b.LastOffsetDelta = n, n-1
		}})
		r := testRules()
		r.MaxRecordBytes = 1 << 20
		_, err := Validate(b, r, nil)
		count := int32(0)
		var failed error
		for _, failed = range Records(b, 1<<20) {
			if failed == nil {
				count++
			}
		}
		if err == nil && (failed != nil || count != n) {
			t.Fatalf("validated, but %d of %d records: %v", count, n, failed)
		}
	})
}

// Stored bytes are not trusted either: nothing that reads them crashes.
func FuzzStored(f *testing.F) {
	b := encodeBatch(f, spec{records: variety()[:5]})
	f.Add(b)
	f.Add(append(bytes.Clone(b), encodeBatch(f, spec{records: someRecords(4, 4), codec: CodecZstd})...))
	f.Fuzz(func(t *testing.T, b []byte) {
		total := 0
		for batch, err := range Batches(b) {
			if err != nil {
				break
			}
			total += len(batch.Bytes)
			_, _, _ = FindTimestamp(batch.Bytes, batch.Header.MaxTimestamp, batch.Header.BaseOffset+1)
			_, _, _ = MaxTimestampRecord(batch.Bytes)
			out, kept, err := Rewrite(nil, batch.Bytes, NoHorizon, func(r *Record) bool { return len(r.Key) > 1 })
			if err != nil {
				continue
			}
			h, err := ParseHeader(out)
			if err != nil || h.Size() != len(out) || int(h.Records) != kept || h.LastOffset() != batch.Header.LastOffset() {
				t.Fatalf("%+v %v", h, err)
			}
			if len(readAll(t, out)) != kept {
				t.Fatal("records that stay are gone")
			}
		}
		if total > len(b) {
			t.Fatal("more batches than bytes")
		}
	})
}
