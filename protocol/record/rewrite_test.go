package record

import (
	"bytes"
	"errors"
	"hash/crc32"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/protocol"
)

func TestRewrite(t *testing.T) {
	for _, codec := range allCodecs {
		b := encodeBatch(t, spec{records: variety(), codec: codec, override: func(b *kmsg.RecordBatch) {
			b.ProducerID, b.ProducerEpoch, b.FirstSequence = 7, 2, 40
		}})
		SetOffset(b, 500, 6)
		before, _ := ParseHeader(b)
		for _, horizon := range []int64{NoHorizon, testNow + 86_400_000} {
			prefix := []byte("prefix")
			out, kept, err := Rewrite(prefix, b, horizon, func(r *Record) bool { return r.Offset%3 == 2 })
			if err != nil || kept != 20 || !bytes.HasPrefix(out, prefix) {
				t.Fatal(kept, err)
			}
			out = out[len(prefix):]
			var want []Record
			for _, r := range expect(variety(), 500) {
				if r.Offset%3 == 2 {
					want = append(want, r)
				}
			}
			wantRecords(t, readAll(t, out), want)
			after, _ := ParseHeader(out)
			if after.Size() != len(out) || after.CRC != crc32.Checksum(out[21:], Castagnoli) || after.Records != 20 {
				t.Errorf("%+v", after)
			}
			at, has := after.DeleteHorizon()
			if has != (horizon != NoHorizon) || has && at != horizon {
				t.Errorf("horizon %d, %v", at, has)
			}
			if !has && after.BaseTimestamp != want[0].Timestamp {
				t.Errorf("base timestamp %d, the first record's is %d", after.BaseTimestamp, want[0].Timestamp)
			}
			// A second rewrite that keeps all changes nothing, the horizon included.
			again, _, err := Rewrite(nil, out, NoHorizon, func(*Record) bool { return true })
			if err != nil || codec != CodecGzip && !bytes.Equal(again, out) {
				t.Errorf("%s: rewritten again it is not the same: %v", codec, err)
			}
			wantRecords(t, readAll(t, again), want)
			after.Attributes &^= attrDeleteHorizon
			after.Length, after.CRC, after.Records = before.Length, before.CRC, before.Records
			after.BaseTimestamp, after.MaxTimestamp = before.BaseTimestamp, before.MaxTimestamp
			if after != before {
				t.Errorf("header was %+v, is %+v", before, after)
			}
		}
	}
}

// A batch of which nothing is left opens without its codec: Java's streaming iterator
// opens the codec whatever the count.
func TestRewriteToNothing(t *testing.T) {
	for _, codec := range allCodecs {
		b := encodeBatch(t, spec{records: variety(), codec: codec, override: func(b *kmsg.RecordBatch) {
			b.ProducerID, b.ProducerEpoch, b.FirstSequence = 7, 2, 40
		}})
		SetOffset(b, 500, 6)
		before, _ := ParseHeader(b)
		empty, kept, err := Rewrite(nil, b, testNow, func(*Record) bool { return false })
		if err != nil || kept != 0 || len(empty) != HeaderSize {
			t.Fatal(len(empty), kept, err)
		}
		h, _ := ParseHeader(empty)
		if _, has := h.DeleteHorizon(); has || h.Codec() != CodecNone || h.MaxTimestamp != -1 || h.BaseTimestamp != -1 || h.Records != 0 {
			t.Errorf("%+v", h)
		}
		if h.BaseOffset != before.BaseOffset || h.LastOffset() != before.LastOffset() || h.ProducerID != 7 ||
			h.ProducerEpoch != 2 || h.BaseSequence != 40 || h.LeaderEpoch != 6 || len(readAll(t, empty)) != 0 {
			t.Errorf("%+v", h)
		}
		if again, kept, err := Rewrite(nil, empty, NoHorizon, nil); err != nil || kept != 0 || !bytes.Equal(again, empty) {
			t.Error("an empty batch does not stay itself", err)
		}
	}
	if _, _, err := Rewrite(nil, []byte("short"), NoHorizon, nil); !errors.Is(err, protocol.CorruptMessage) {
		t.Error(err)
	}
}

// With LogAppendTime each record has the batch's time, whatever its delta says.
func TestRewriteKeepsLogAppendTime(t *testing.T) {
	b := encodeBatch(t, spec{records: variety()})
	SetMaxTimestamp(b, 777, true)
	for _, horizon := range []int64{NoHorizon, testNow} {
		out, _, err := Rewrite(nil, b, horizon, func(r *Record) bool { return r.Offset > 3 })
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range readAll(t, out) {
			if r.Timestamp != 777 {
				t.Fatalf("timestamp %d", r.Timestamp)
			}
		}
	}
}
