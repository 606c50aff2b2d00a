package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/protocol"
)

const testNow = 1_700_000_000_000

func testRules() *Rules {
	return &Rules{
		ProduceVersion: 9, Now: testNow,
		TimestampBeforeMax: math.MaxInt64, TimestampAfterMax: 3_600_000,
		MaxMessageBytes: 100 << 20, MaxRecordBytes: math.MaxInt32, Compression: CodecProducer,
	}
}

// spec describes a batch for encodeBatch. It is encoded by kmsg, not by this package, so
// that the two are held against each other.
type spec struct {
	records  []kmsg.Record
	codec    Codec
	payload  []byte // instead of records and codec
	override func(*kmsg.RecordBatch)
	raw      func([]byte) // after the CRC
}

func encodeBatch(t testing.TB, s spec) []byte {
	t.Helper()
	b := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, Magic: 2, Attributes: int16(s.codec),
		LastOffsetDelta: int32(len(s.records) - 1), NumRecords: int32(len(s.records)),
		FirstTimestamp: testNow, MaxTimestamp: testNow, ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1,
	}
	for _, r := range s.records {
		b.MaxTimestamp = max(b.MaxTimestamp, testNow+r.TimestampDelta64)
	}
	if b.Records = s.payload; b.Records == nil {
		b.Records = compressWith(t, s.codec, encodeRecords(s.records))
	}
	if s.override != nil {
		s.override(&b)
	}
	b.Length = int32(HeaderSize - prefixSize + len(b.Records))
	out := b.AppendTo(nil)
	seal(out)
	if s.raw != nil {
		s.raw(out)
	}
	return out
}

// seal makes the CRC of b anew.
func seal(b []byte) {
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], Castagnoli))
}

func encodeRecords(records []kmsg.Record) []byte {
	var out []byte
	for i := range records {
		r := &records[i]
		r.Length = 0
		body := r.AppendTo(nil)
		r.Length = int32(len(body) - 1)
		out = r.AppendTo(out)
	}
	return out
}

// compressWith compresses as franz-go does.
func compressWith(t testing.TB, codec Codec, p []byte) []byte {
	t.Helper()
	kinds := map[Codec]kgo.CompressionCodec{
		CodecNone: kgo.NoCompression(), CodecGzip: kgo.GzipCompression(), CodecSnappy: kgo.SnappyCompression(),
		CodecLZ4: kgo.Lz4Compression(), CodecZstd: kgo.ZstdCompression(),
	}
	if codec == CodecNone {
		return p
	}
	c, err := kgo.DefaultCompressor(kinds[codec])
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	out, kind := c.Compress(&buf, p)
	if Codec(kind) != codec {
		t.Fatalf("franz-go compressed with %d, want %d", kind, codec)
	}
	return bytes.Clone(out)
}

// xerial frames p as Java's SnappyOutputStream does, in blocks of 32 KiB.
func xerial(p []byte) []byte {
	out := append([]byte{}, 0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1)
	for len(p) > 0 {
		n := min(len(p), 32<<10)
		block := s2.EncodeSnappy(nil, p[:n])
		out = binary.BigEndian.AppendUint32(out, uint32(len(block)))
		out = append(out, block...)
		p = p[n:]
	}
	return out
}

// someRecords makes n records with values of about size bytes that compress about 2:1.
func someRecords(n, size int) []kmsg.Record {
	rng := rand.New(rand.NewPCG(1, 2))
	records := make([]kmsg.Record, n)
	for i := range records {
		value := make([]byte, size)
		for j := range value {
			value[j] = "0123456789abcdef"[rng.IntN(16)]
		}
		records[i] = kmsg.Record{
			TimestampDelta64: int64(i / 10), OffsetDelta: int32(i),
			Key: fmt.Appendf(nil, "key-%d", i), Value: value,
		}
		if i%7 == 3 {
			records[i].Headers = []kmsg.Header{{Key: "trace", Value: []byte("abc")}, {Key: "null", Value: nil}}
		}
	}
	return records
}

func wantCode(t *testing.T, err error, code protocol.Code) {
	t.Helper()
	if !errors.Is(err, code) {
		t.Fatalf("got %v, want %v", err, code)
	}
	var e *protocol.Error
	if !errors.As(err, &e) || e.Message == "" {
		t.Fatalf("%#v is no *protocol.Error with a message", err)
	}
}

var allCodecs = []Codec{CodecNone, CodecGzip, CodecSnappy, CodecLZ4, CodecZstd}
