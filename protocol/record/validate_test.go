package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/protocol"
)

func TestValidateAccepts(t *testing.T) {
	for _, shape := range []struct{ n, size int }{{1, 0}, {1, 300_000}, {1000, 100}, {70, 1000}, {3, 70_000}, {40_000, 3}} {
		for _, codec := range allCodecs {
			b := encodeBatch(t, spec{records: someRecords(shape.n, shape.size), codec: codec})
			checkAccepted(t, b, shape.n)
		}
		framed := xerial(encodeRecords(someRecords(shape.n, shape.size)))
		b := encodeBatch(t, spec{records: someRecords(shape.n, shape.size), codec: CodecSnappy, payload: framed})
		checkAccepted(t, b, shape.n)
	}
}

// checkAccepted wants b accepted and left as it is.
func checkAccepted(t *testing.T, b []byte, n int) {
	t.Helper()
	before := bytes.Clone(b)
	info, err := Validate(b, testRules(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, before) {
		t.Fatal("a batch that is right was changed")
	}
	h, _ := ParseHeader(b)
	if info.Header != h || int(h.Records) != n || info.Recompress || info.Header.Size() != len(b) {
		t.Fatalf("%+v", info)
	}
	if want := int32((n - 1) / 10 * 10); info.MaxTimestampDelta != want {
		t.Fatalf("first record with the largest timestamp is %d, want %d", info.MaxTimestampDelta, want)
	}
	if info.RecordBytes == 0 {
		t.Fatal("no record bytes")
	}
}

func TestValidateScratchIsReusable(t *testing.T) {
	var s Scratch
	for range 3 {
		for _, codec := range allCodecs {
			good := encodeBatch(t, spec{records: someRecords(50, 2000), codec: codec})
			if _, err := Validate(good, testRules(), &s); err != nil {
				t.Fatal(err)
			}
			if codec == CodecNone {
				continue
			}
			bad := encodeBatch(t, spec{records: someRecords(50, 2000), codec: codec})
			clear(bad[len(bad)/2:])
			seal(bad)
			_, err := Validate(bad, testRules(), &s)
			wantCode(t, err, protocol.InvalidRecord)
		}
	}
}

// Every refusal that depends on the header or the whole batch, with Kafka's code or the
// one that this broker documents instead.
func TestValidateRefuses(t *testing.T) {
	records := someRecords(3, 20)
	header := func(f func(*kmsg.RecordBatch)) []byte {
		return encodeBatch(t, spec{records: records, override: f})
	}
	raw := func(f func([]byte)) []byte { return encodeBatch(t, spec{records: records, raw: f}) }
	attr := func(a int16) []byte { return header(func(b *kmsg.RecordBatch) { b.Attributes |= a }) }
	good := encodeBatch(t, spec{records: records})
	for name, c := range map[string]struct {
		batch []byte
		code  protocol.Code
	}{
		"null":                         {nil, protocol.InvalidRecord},
		"empty":                        {[]byte{}, protocol.InvalidRecord},
		"11 bytes":                     {good[:11], protocol.InvalidRecord},
		"16 bytes":                     {good[:16], protocol.InvalidRecord},
		"header only":                  {good[:HeaderSize], protocol.InvalidRecord},
		"cut short":                    {good[:len(good)-1], protocol.InvalidRecord},
		"two batches":                  {append(bytes.Clone(good), good...), protocol.InvalidRecord},
		"garbage behind":               {append(bytes.Clone(good), make([]byte, 20)...), protocol.CorruptMessage},
		"declares 13 bytes":            {raw(func(b []byte) { binary.BigEndian.PutUint32(b[8:], 13) }), protocol.CorruptMessage},
		"declares 48 bytes":            {good48(good), protocol.CorruptMessage},
		"negative length":              {raw(func(b []byte) { binary.BigEndian.PutUint32(b[8:], 1<<31) }), protocol.CorruptMessage},
		"declares 2 GiB":               {raw(func(b []byte) { binary.BigEndian.PutUint32(b[8:], math.MaxInt32) }), protocol.InvalidRecord},
		"magic 0":                      {raw(func(b []byte) { b[16] = 0 }), protocol.InvalidRecord},
		"magic 1":                      {raw(func(b []byte) { b[16] = 1 }), protocol.InvalidRecord},
		"magic 3":                      {raw(func(b []byte) { b[16] = 3 }), protocol.CorruptMessage},
		"magic -1":                     {raw(func(b []byte) { b[16] = 255 }), protocol.CorruptMessage},
		"base offset":                  {raw(func(b []byte) { b[7] = 5 }), protocol.InvalidRecord},
		"wrong CRC":                    {raw(func(b []byte) { b[17] ^= 1 }), protocol.CorruptMessage},
		"a bit in a record":            {raw(func(b []byte) { b[len(b)-1] ^= 1 }), protocol.CorruptMessage},
		"last offset delta -1":         {header(func(b *kmsg.RecordBatch) { b.LastOffsetDelta = -1 }), protocol.InvalidRecord},
		"last offset delta minimum":    {header(func(b *kmsg.RecordBatch) { b.LastOffsetDelta = math.MinInt32 }), protocol.InvalidRecord},
		"last offset delta maximum":    {header(func(b *kmsg.RecordBatch) { b.LastOffsetDelta = math.MaxInt32 }), protocol.InvalidRecord},
		"no records":                   {header(func(b *kmsg.RecordBatch) { b.NumRecords, b.LastOffsetDelta = 0, -1 }), protocol.InvalidRecord},
		"negative count":               {header(func(b *kmsg.RecordBatch) { b.NumRecords = -3 }), protocol.InvalidRecord},
		"count above delta":            {header(func(b *kmsg.RecordBatch) { b.NumRecords++ }), protocol.InvalidRecord},
		"count and delta above":        {header(func(b *kmsg.RecordBatch) { b.NumRecords++; b.LastOffsetDelta++ }), protocol.InvalidRecord},
		"count and delta below":        {header(func(b *kmsg.RecordBatch) { b.NumRecords--; b.LastOffsetDelta-- }), protocol.InvalidRecord},
		"control":                      {attr(attrControl), protocol.InvalidRecord},
		"sequence of a producer":       {header(func(b *kmsg.RecordBatch) { b.ProducerID, b.ProducerEpoch = 5, 0 }), protocol.InvalidRecord},
		"producer id -2":               {header(func(b *kmsg.RecordBatch) { b.ProducerID = -2 }), protocol.InvalidRecord},
		"transaction without producer": {attr(attrTransactional), protocol.InvalidRecord},
		"delete horizon":               {attr(attrDeleteHorizon), protocol.InvalidRecord},
		"unused bit 7":                 {attr(0x80), protocol.InvalidRecord},
		"unused bit 15":                {attr(math.MinInt16), protocol.InvalidRecord},
		"codec 5":                      {attr(5), protocol.InvalidRecord},
		"codec 7":                      {attr(7), protocol.InvalidRecord},
		"timestamp overflow": {header(func(b *kmsg.RecordBatch) {
			b.FirstTimestamp, b.Records = math.MaxInt64, encodeRecords([]kmsg.Record{{}, {OffsetDelta: 1, TimestampDelta64: 1}, {OffsetDelta: 2}})
		}), protocol.InvalidRecord},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Validate(c.batch, testRules(), nil)
			wantCode(t, err, c.code)
		})
	}
}

// good48 declares one byte less than a header, with a CRC that is right.
func good48(good []byte) []byte {
	b := bytes.Clone(good[:HeaderSize-1])
	binary.BigEndian.PutUint32(b[8:], 48)
	return b
}

func TestValidateRules(t *testing.T) {
	b := encodeBatch(t, spec{records: someRecords(3, 20)})
	r := testRules()
	r.MaxMessageBytes = len(b)
	if _, err := Validate(b, r, nil); err != nil {
		t.Error(err)
	}
	r.MaxMessageBytes = len(b) - 1
	_, err := Validate(b, r, nil)
	wantCode(t, err, protocol.MessageTooLarge)
	// The size is judged before the CRC, as in Kafka: a client splits such a batch.
	b[17] ^= 1
	_, err = Validate(b, r, nil)
	wantCode(t, err, protocol.MessageTooLarge)

	z := encodeBatch(t, spec{records: someRecords(3, 20), codec: CodecZstd})
	r = testRules()
	r.ProduceVersion = 6
	_, err = Validate(z, r, nil)
	wantCode(t, err, protocol.UnsupportedCompressionType)
	r.ProduceVersion = 7
	if _, err = Validate(z, r, nil); err != nil {
		t.Error(err)
	}
	r.Compression = CodecZstd
	if info, err := Validate(z, r, nil); err != nil || info.Recompress {
		t.Error(info, err)
	}
	r.Compression = CodecNone
	if info, err := Validate(z, r, nil); err != nil || !info.Recompress {
		t.Error(info, err)
	}
}

func TestValidateTrailingBytes(t *testing.T) {
	good := encodeBatch(t, spec{records: someRecords(3, 20)})
	for _, tail := range [][]byte{{1, 2, 3}, make([]byte, 11), good[:16], good[:len(good)-1]} {
		info, err := Validate(append(bytes.Clone(good), tail...), testRules(), nil)
		if err != nil || info.Header.Size() != len(good) {
			t.Errorf("%d bytes behind the batch: %v", len(tail), err)
		}
	}
}

// Faults within the records, which the CRC does not show, in every codec.
func TestValidateRecordFaults(t *testing.T) {
	rec := func(body ...byte) []byte { return append(appendVarint(nil, int64(len(body))), body...) }
	large := make([]byte, 100_000)
	largeRecord := func(tail ...byte) []byte { // a value beyond the window, then tail
		body := append([]byte{0, 0, 0, 1}, appendVarint(nil, int64(len(large)))...)
		return rec(append(append(body, large...), tail...)...)
	}
	good := rec(0, 0, 0, 1, 1, 0) // null key, null value, no headers
	for name, c := range map[string]struct {
		n       int
		records []byte
	}{
		"negative length":         {1, []byte{1}},
		"length beyond the end":   {1, []byte{20, 0, 0}},
		"length 0":                {1, rec()},
		"nothing":                 {1, nil},
		"varint without end":      {1, []byte{0xff, 0xff}},
		"varint of 6 bytes":       {1, []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0, 0, 0}},
		"varint of 33 bits":       {1, []byte{0x80, 0x80, 0x80, 0x80, 0x70, 0, 0}},
		"delta time of 11 bytes":  {1, rec(0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 0, 1, 1, 0)},
		"offset delta 1 first":    {1, rec(0, 0, 2, 1, 1, 0)},
		"offset delta -1":         {1, rec(0, 0, 1, 1, 1, 0)},
		"offset delta twice":      {2, append(bytes.Clone(good), good...)},
		"gap":                     {2, append(bytes.Clone(good), rec(0, 0, 4, 1, 1, 0)...)},
		"key length -2":           {1, rec(0, 0, 0, 3, 1, 0)},
		"key beyond the record":   {1, rec(0, 0, 0, 8, 1, 0)},
		"value length -2":         {1, rec(0, 0, 0, 1, 3, 0)},
		"value beyond the record": {1, rec(0, 0, 0, 1, 8, 0)},
		"negative header count":   {1, rec(0, 0, 0, 1, 1, 1)},
		"a billion headers":       {1, rec(0, 0, 0, 1, 1, 0x80, 0xa8, 0xd6, 0xb9, 0x07)},
		"null header key":         {1, rec(0, 0, 0, 1, 1, 2, 1, 0)},
		"header value -2":         {1, rec(0, 0, 0, 1, 1, 2, 0, 3)},
		"header cut short":        {1, rec(0, 0, 0, 1, 1, 2, 2)},
		"bytes after the headers": {1, rec(0, 0, 0, 1, 1, 0, 0)},
		"a record too many":       {1, append(bytes.Clone(good), rec(0, 0, 2, 1, 1, 0)...)},
		"a byte too many":         {1, append(bytes.Clone(good), 0)},
		"a record too few":        {2, good},
		"large, no headers":       {1, largeRecord()},
		"large, negative headers": {1, largeRecord(1)},
		"large, many headers":     {1, largeRecord(0x80, 0xa8, 0xd6, 0xb9, 0x07)},
		"large, null header key":  {1, largeRecord(2, 1, 0)},
		"large, header too long":  {1, largeRecord(2, 0x80, 0x10, 0)},
		"large, byte too many":    {1, largeRecord(0, 0)},
		"large, cut short":        {1, largeRecord(0)[:50_000]},
		"large, key beyond it":    {1, rec(append([]byte{0, 0, 0, 0xfe, 0xff, 0xff, 0x0f}, large...)...)},
	} {
		t.Run(name, func(t *testing.T) {
			for _, codec := range allCodecs {
				b := encodeBatch(t, spec{codec: codec, payload: nonNil(compressWith(t, codec, c.records)), override: func(b *kmsg.RecordBatch) {
					b.NumRecords, b.LastOffsetDelta = int32(c.n), int32(c.n-1)
				}})
				_, err := Validate(b, testRules(), nil)
				wantCode(t, err, protocol.InvalidRecord)
			}
		})
	}
}

func nonNil(b []byte) []byte { return append([]byte{}, b...) }

// What a codec cannot decode is INVALID_RECORD, whatever the damage.
func TestValidateBrokenCompression(t *testing.T) {
	plain := encodeRecords(someRecords(500, 100))
	for _, codec := range allCodecs[1:] {
		data := compressWith(t, codec, plain)
		forms := map[string][]byte{
			"empty": {}, "one byte": {7}, "zeros": make([]byte, 100), "cut in half": data[:len(data)/2], "cut by one": data[:len(data)-1],
			"the head": data[:min(8, len(data))],
		}
		if codec == CodecSnappy {
			framed := xerial(plain)
			forms["framed, cut by one"] = framed[:len(framed)-1]
			forms["framed, header only"] = framed[:16]
			forms["framed, half a length"] = framed[:18]
			forms["framed, chunk of 4 GiB"] = append(bytes.Clone(framed[:16]), 0xff, 0xff, 0xff, 0xff, 1, 2)
			forms["framed, zero block"] = append(bytes.Clone(framed[:16]), 0, 0, 0, 1, 0)
			forms["claims 2 GiB"] = []byte{0xff, 0xff, 0xff, 0xff, 0x07, 0}
			forms["claims 4 GiB"] = []byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0}
		}
		if codec == CodecLZ4 {
			forms["legacy frame"] = append([]byte{0x02, 0x21, 0x4c, 0x18}, data[4:]...)
		}
		for name, payload := range forms {
			b := encodeBatch(t, spec{codec: codec, payload: nonNil(payload), override: func(b *kmsg.RecordBatch) {
				b.NumRecords, b.LastOffsetDelta = 500, 499
			}})
			if _, err := Validate(b, testRules(), nil); !errors.Is(err, protocol.InvalidRecord) {
				t.Errorf("%s, %s: %v", codec, name, err)
			}
		}
	}
}

func TestValidateCorrectsTimestamps(t *testing.T) {
	const last = testNow + 99/10
	for name, c := range map[string]struct {
		override      func(*kmsg.RecordBatch)
		logAppendTime bool
		largest       int64
	}{
		"too large":              {func(b *kmsg.RecordBatch) { b.MaxTimestamp += 5 }, false, last},
		"too small":              {func(b *kmsg.RecordBatch) { b.MaxTimestamp = 0 }, false, last},
		"client's LogAppendTime": {func(b *kmsg.RecordBatch) { b.Attributes |= attrLogAppendTime }, false, last},
		"LogAppendTime topic":    {nil, true, testNow},
	} {
		for _, codec := range allCodecs {
			b := encodeBatch(t, spec{records: someRecords(100, 30), codec: codec, override: c.override})
			r := testRules()
			r.LogAppendTime = c.logAppendTime
			info, err := Validate(b, r, nil)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			h, _ := ParseHeader(b)
			if h != info.Header || h.MaxTimestamp != c.largest || h.LogAppendTime() != c.logAppendTime || h.Codec() != codec {
				t.Errorf("%s: %+v, info %+v", name, h, info)
			}
			if crc32.Checksum(b[21:], Castagnoli) != h.CRC {
				t.Errorf("%s: the CRC was not made anew", name)
			}
			if want := int32(90); !c.logAppendTime && info.MaxTimestampDelta != want || c.logAppendTime && info.MaxTimestampDelta != 0 {
				t.Errorf("%s: delta %d", name, info.MaxTimestampDelta)
			}
		}
	}
	// Without any timestamp the largest is -1.
	b := encodeBatch(t, spec{records: []kmsg.Record{{}, {OffsetDelta: 1}}, override: func(b *kmsg.RecordBatch) { b.FirstTimestamp = -1 }})
	r := testRules()
	r.TimestampBeforeMax = 1000
	if info, err := Validate(b, r, nil); err != nil || info.Header.MaxTimestamp != -1 || info.MaxTimestampDelta != 0 {
		t.Error(info, err)
	}
}

func TestValidateRecordErrors(t *testing.T) {
	old := someRecords(30, 20)
	old[4].TimestampDelta64 = -10_001
	old[7].TimestampDelta64 = 10_001
	old[9].TimestampDelta64 = -testNow - 1 // no timestamp: exempt
	noKeys := someRecords(30, 20)
	noKeys[2].Key, noKeys[29].Key = nil, nil
	noKeys[3].Key = []byte{} // empty is not null
	both := someRecords(30, 20)
	both[1].Key, both[2].TimestampDelta64 = nil, 20_000
	extreme := someRecords(2, 20)
	extreme[1].TimestampDelta64 = math.MinInt64 + 5
	all := someRecords(500, 1)
	for i := range all {
		all[i].Key = nil
	}
	for name, c := range map[string]struct {
		records []kmsg.Record
		code    protocol.Code
		at      []int32
	}{
		"timestamps": {old, protocol.InvalidTimestamp, []int32{4, 7}},
		"keys":       {noKeys, protocol.InvalidRecord, []int32{2, 29}},
		"both":       {both, protocol.InvalidTimestamp, []int32{1, 2}},
		"extreme":    {extreme, protocol.InvalidTimestamp, []int32{1}},
		"bounded":    {all, protocol.InvalidRecord, nil},
	} {
		for _, codec := range allCodecs {
			r := testRules()
			r.TimestampBeforeMax, r.TimestampAfterMax, r.Compacted = 10_000, 10_000, true
			_, err := Validate(encodeBatch(t, spec{records: c.records, codec: codec}), r, nil)
			wantCode(t, err, c.code)
			var be *BatchError
			if !errors.As(err, &be) {
				t.Fatalf("%s: %v names no records", name, err)
			}
			if c.at == nil {
				if len(be.Records) != maxRecordErrors {
					t.Errorf("%s: %d records named", name, len(be.Records))
				}
				continue
			}
			var at []int32
			for _, e := range be.Records {
				at = append(at, e.BatchIndex)
				if e.Message == "" {
					t.Errorf("%s: no message", name)
				}
			}
			if len(at) != len(c.at) || at[0] != c.at[0] || at[len(at)-1] != c.at[len(at)-1] {
				t.Errorf("%s with %s: records %v, want %v", name, codec, at, c.at)
			}
		}
	}
}

// A client's LogAppendTime bit is corrected where the topic keeps the client's time, and
// refused where it does not, as in Kafka's LogValidator.
func TestValidateLogAppendTimeBit(t *testing.T) {
	b := encodeBatch(t, spec{records: someRecords(3, 20), override: func(b *kmsg.RecordBatch) { b.Attributes |= attrLogAppendTime }})
	r := testRules()
	r.LogAppendTime = true
	_, err := Validate(b, r, nil)
	wantCode(t, err, protocol.InvalidTimestamp)
}

// A producer's fields pass through, also a sequence that wraps within the batch.
func TestValidateProducer(t *testing.T) {
	b := encodeBatch(t, spec{records: someRecords(3, 20), override: func(b *kmsg.RecordBatch) {
		b.ProducerID, b.ProducerEpoch, b.FirstSequence = 7, 2, math.MaxInt32
		b.Attributes |= attrTransactional
	}})
	info, err := Validate(b, testRules(), nil)
	if err != nil || info.Header.ProducerID != 7 || info.Header.BaseSequence != math.MaxInt32 || !info.Header.Transactional() {
		t.Error(info, err)
	}
}

func TestValidateRecordLimit(t *testing.T) {
	for _, size := range []int{1000, 200_000} {
		for _, codec := range allCodecs {
			b := encodeBatch(t, spec{records: someRecords(2, size), codec: codec})
			r := testRules()
			r.MaxRecordBytes = size
			_, err := Validate(b, r, nil)
			if codec == CodecNone { // it bounds what decompression makes
				if err != nil {
					t.Error(err)
				}
				continue
			}
			wantCode(t, err, protocol.InvalidRecord)
			r.MaxRecordBytes = size + 100
			if _, err = Validate(b, r, nil); err != nil {
				t.Errorf("%s: %v", codec, err)
			}
		}
	}
}

func TestValidateAllocatesNothing(t *testing.T) {
	b := encodeBatch(t, spec{records: someRecords(1000, 100)})
	r := testRules()
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := Validate(b, r, nil); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
