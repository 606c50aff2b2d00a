package record

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/protocol"
)

// growth runs f and returns by how many bytes the live heap grew at most, as sampled.
func growth(f func()) int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	start, peak := int64(m.HeapInuse), int64(0)
	done, sampled := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(sampled)
		for {
			runtime.ReadMemStats(&m)
			peak = max(peak, int64(m.HeapInuse)-start)
			select {
			case <-done:
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	f()
	close(done)
	<-sampled
	return peak
}

// bigRecord writes one record with a value of n zeros.
func bigRecord(w io.Writer, n int64) {
	body := appendVarint([]byte{0, 0, 0, 1}, n)
	head := appendVarint(nil, int64(len(body))+n+1)
	zeros := make([]byte, 1<<20)
	w.Write(append(head, body...))
	for n > 0 {
		k := min(n, int64(len(zeros)))
		w.Write(zeros[:k])
		n -= k
	}
	w.Write([]byte{0})
}

func bomb(t testing.TB, codec Codec, n int64) []byte {
	var buf bytes.Buffer
	var w io.WriteCloser
	var err error
	switch codec {
	case CodecGzip:
		w, err = gzip.NewWriterLevel(&buf, 1)
	case CodecLZ4: // with the default blocks of 4 MiB, as franz-go and sarama write them
		w = lz4.NewWriter(&buf)
	case CodecZstd:
		w, err = zstd.NewWriter(&buf, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	case CodecSnappy:
		var plain bytes.Buffer
		bigRecord(&plain, n)
		buf.Write(s2.EncodeSnappy(nil, plain.Bytes()))
	}
	if err != nil {
		t.Fatal(err)
	}
	if w != nil {
		bigRecord(w, n)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return encodeBatch(t, spec{codec: codec, payload: buf.Bytes(), override: func(b *kmsg.RecordBatch) { b.NumRecords, b.LastOffsetDelta = 1, 0 }})
}

// A batch of about 1 MiB that expands to 1 GiB, or as far as the codec goes, is walked
// in little memory: accepted if the topic allows such a record, else refused.
func TestBombs(t *testing.T) {
	large := int64(1 << 30)
	if raceEnabled { // the size matters less than the time then
		large = 128 << 20
	}
	for codec, n := range map[Codec]int64{CodecGzip: large, CodecSnappy: 20 << 20, CodecLZ4: large, CodecZstd: large} {
		b := bomb(t, codec, n)
		for _, limit := range []int{math.MaxInt32, 64 << 10} {
			r := testRules()
			r.MaxRecordBytes = limit
			var err error
			var info Info
			grown := growth(func() { info, err = Validate(b, r, nil) })
			if grown > 64<<20 {
				t.Errorf("%s: the heap grew by %d MiB", codec, grown>>20)
			}
			if limit == math.MaxInt32 && (err != nil || info.RecordBytes < n) {
				t.Errorf("%s, %d bytes: %+v %v", codec, len(b), info, err)
			}
			if limit != math.MaxInt32 {
				wantCode(t, err, protocol.InvalidRecord)
			}
		}
		grown := growth(func() {
			_, err := Recompress(nil, b, Recompression{Codec: CodecNone, MaxBytes: 1 << 20})
			wantCode(t, err, protocol.MessageTooLarge)
			if _, ok, err := MaxTimestampRecord(b); !ok || err != nil {
				t.Errorf("%s: %v", codec, err)
			}
		})
		if grown > 64<<20 {
			t.Errorf("%s: the heap grew by %d MiB", codec, grown>>20)
		}
	}
}

// Kafka accepts a batch of 44,897 bytes with one record of 400 MiB.
func TestValidateHugeRecord(t *testing.T) {
	b := bomb(t, CodecZstd, 400<<20)
	if len(b) > 100_000 {
		t.Fatalf("the batch has %d bytes", len(b))
	}
	r := testRules()
	r.MaxMessageBytes = 1 << 20
	var err error
	if grown := growth(func() { _, err = Validate(b, r, nil) }); err != nil || grown > 64<<20 {
		t.Errorf("the heap grew by %d MiB, %v", grown>>20, err)
	}
}

// A hundred bombs at once share what decoders may take.
func TestBombsAtOnce(t *testing.T) {
	size := int64(40 << 20)
	if raceEnabled {
		size = 8 << 20
	}
	batches := [][]byte{bomb(t, CodecZstd, size), bomb(t, CodecLZ4, size), bomb(t, CodecSnappy, size/2), bomb(t, CodecGzip, size/2)}
	grown := growth(func() {
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				b := bytes.Clone(batches[i%len(batches)])
				if _, err := Validate(b, testRules(), nil); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
	// Garbage of finished decoders and the batches themselves come on top of the shares.
	var shares int64
	for i := range decodeShares {
		shares += decodeShares[i].total
	}
	if grown > 3*shares {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
}

// The length that a raw snappy block claims is checked before it is believed.
func TestSnappyClaims(t *testing.T) {
	for name, payload := range map[string][]byte{
		"2 GiB in six bytes":      {0xff, 0xff, 0xff, 0xff, 0x07, 0},
		"4 GiB in six bytes":      {0xff, 0xff, 0xff, 0xff, 0x0f, 0},
		"65 MiB in 4 MiB":         append(binary.AppendUvarint(nil, 65<<20), make([]byte, 4<<20)...),
		"1 MiB in 1,000 bytes":    append(binary.AppendUvarint(nil, 1<<20), make([]byte, 1000)...),
		"a framed chunk of 2 GiB": append(append([]byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1}, 0, 0, 0, 6), 0xff, 0xff, 0xff, 0xff, 0x07, 0),
	} {
		b := encodeBatch(t, spec{codec: CodecSnappy, payload: payload, override: func(b *kmsg.RecordBatch) { b.NumRecords, b.LastOffsetDelta = 1, 0 }})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Validate(b, testRules(), nil)
		runtime.ReadMemStats(&after)
		wantCode(t, err, protocol.InvalidRecord)
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Errorf("%s: %d bytes allocated", name, n)
		}
	}
}

// A window that is declared and not needed is not set aside; one that is needed works up
// to zstdMaxWindow.
func TestZstdWindows(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	noise := make([]byte, 1<<20)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	for _, c := range []struct {
		window  int
		content []byte
		alloc   uint64
	}{
		{128 << 20, []byte("small"), 1 << 20},
		{128 << 20, noise[:100<<10], 2 << 20},
		{8 << 20, bytes.Repeat(noise, 6), 16 << 20},
		{32 << 20, append(bytes.Repeat(noise, 2), append(make([]byte, 20<<20), noise...)...), 40 << 20},
	} {
		enc, err := zstd.NewWriter(nil, zstd.WithWindowSize(c.window), zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedBestCompression))
		if err != nil {
			t.Fatal(err)
		}
		var buf bytes.Buffer
		enc.Reset(&buf)
		value := encodeRecords([]kmsg.Record{{Value: c.content}})
		enc.Write(value[:len(value)/2])
		enc.Flush() // no content size, no single segment
		enc.Write(value[len(value)/2:])
		enc.Close()
		single := enc.EncodeAll(value, nil)
		for _, payload := range [][]byte{buf.Bytes(), single, append(buf.Bytes()[:buf.Len():buf.Len()], emptyZstdFrame...)} {
			b := encodeBatch(t, spec{codec: CodecZstd, payload: payload, override: func(b *kmsg.RecordBatch) { b.NumRecords, b.LastOffsetDelta = 1, 0 }})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err = Validate(b, testRules(), new(Scratch))
			runtime.ReadMemStats(&after)
			if err != nil {
				t.Errorf("window of %d MiB: %v", c.window>>20, err)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > c.alloc {
				t.Errorf("window of %d MiB, content of %d bytes: %d bytes allocated", c.window>>20, len(c.content), n)
			}
		}
	}
}

// emptyZstdFrame declares a window of 128 MiB for nothing.
var emptyZstdFrame = []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 17 << 3, 1, 0, 0}

// Matches that reach back further than the largest window are refused, not followed.
func TestZstdBeyondWindow(t *testing.T) {
	h := zstdHeader{window: 128 << 20}
	if log, changed := shownWindow(&h, 1<<30); log != 25 || !changed {
		t.Errorf("2^%d is shown", log)
	}
	if need := zstdSize(bomb(t, CodecZstd, 64<<20)[HeaderSize:]); need > zstdMaxWindow+zstdOverhead {
		t.Errorf("%d bytes are needed", need)
	}
	if need := zstdSize([]byte("no frame")); need != zstdMaxWindow+zstdOverhead {
		t.Errorf("%d bytes are needed", need)
	}
}

// TestWhatComesOut: a batch that expands beyond the bound is refused where it is reached,
// for every codec.
func TestWhatComesOut(t *testing.T) {
	for codec, n := range map[Codec]int64{CodecGzip: 64 << 20, CodecSnappy: 20 << 20, CodecLZ4: 64 << 20, CodecZstd: 64 << 20} {
		b := bomb(t, codec, n)
		r := testRules()
		r.MaxBatchBytes = n / 4
		_, err := Validate(b, r, nil)
		wantCode(t, err, protocol.MessageTooLarge)
		r.MaxBatchBytes = n + 100
		if _, err := Validate(b, r, nil); err != nil {
			t.Errorf("%s: %v", codec, err)
		}
	}
}

// TestSmallDecodersDoNotWait: while large decoders hold all that they may, small ones go
// on; who waits for one does so no longer than its request.
func TestSmallDecodersDoNotWait(t *testing.T) {
	large := &decodeShares[len(decodeShares)-1]
	if !large.free.TryAcquire(large.total) {
		t.Fatal("somebody is decoding")
	}
	defer large.free.Release(large.total)
	small := encodeRecords([]kmsg.Record{{Value: make([]byte, 10_000)}})
	for _, codec := range []Codec{CodecGzip, CodecSnappy, CodecLZ4, CodecZstd} {
		payload, err := compress(nil, small, codec)
		if err != nil {
			t.Fatal(err)
		}
		b := encodeBatch(t, spec{codec: codec, payload: payload, override: func(b *kmsg.RecordBatch) { b.NumRecords, b.LastOffsetDelta = 1, 0 }})
		r := testRules()
		r.Wait = canceled()
		if _, err := Validate(b, r, nil); err != nil {
			t.Errorf("%s: %v", codec, err)
		}
	}
	b := bomb(t, CodecSnappy, 20<<20)
	r := testRules()
	r.Wait = canceled()
	_, err := Validate(b, r, nil)
	wantCode(t, err, protocol.RequestTimedOut)
	_, err = Recompress(nil, b, Recompression{Codec: CodecNone, MaxBytes: 1 << 20, Wait: canceled()})
	wantCode(t, err, protocol.RequestTimedOut)
}

// TestDecodingEnds: nobody waits for what is being decompressed any more.
func TestDecodingEnds(t *testing.T) {
	r := testRules()
	r.Wait = canceled()
	_, err := Validate(bomb(t, CodecGzip, 64<<20), r, nil)
	wantCode(t, err, protocol.RequestTimedOut)
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// A batch of a few MiB at most whose records come to 256 MiB is rewritten in little memory,
// all of them but one kept; one that holds a record of 64 MiB is refused.
func TestRewriteOfBombs(t *testing.T) {
	const each = 1 << 20
	count := 256
	if raceEnabled {
		count = 32
	}
	for _, codec := range []Codec{CodecGzip, CodecSnappy, CodecLZ4, CodecZstd} {
		var buf bytes.Buffer
		pool, err := encoderPool(codec, 0)
		if err != nil {
			t.Fatal(err)
		}
		enc, err := pool.get()
		if err != nil {
			t.Fatal(err)
		}
		enc.Reset(&buf)
		value := make([]byte, each)
		for i := range count {
			body := appendVarint(appendVarint([]byte{0}, 0), int64(i))
			body = appendVarint(append(appendVarint(body, 1), byte(i)), each)
			head := appendVarint(nil, int64(len(body)+each+1))
			for _, part := range [][]byte{head, body, value, {0}} {
				if _, err := enc.Write(part); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := enc.Close(); err != nil {
			t.Fatal(err)
		}
		b := encodeBatch(t, spec{codec: codec, payload: buf.Bytes(), override: func(b *kmsg.RecordBatch) {
			b.NumRecords, b.LastOffsetDelta = int32(count), int32(count-1)
		}})
		var kept int
		grown := growth(func() {
			_, kept, err = Rewrite(nil, b, NoHorizon, func(r *Record) bool { return r.Offset%int64(count) != 3 })
		})
		// What comes out as Snappy, 20 times smaller, grows by appending.
		if limit := int64(32<<20 + 4*len(b)); err != nil || kept != count-1 || grown > limit {
			t.Errorf("%s, %d bytes: %d records kept, the heap grew by %d MiB, %v", codec, len(b), kept, grown>>20, err)
		}
		if codec == CodecSnappy {
			continue // no block of it holds so much
		}
		one := bomb(t, codec, 64<<20)
		grown = growth(func() { _, _, err = Rewrite(nil, one, NoHorizon, func(*Record) bool { return true }) })
		wantCode(t, err, protocol.InvalidRecord)
		if grown > 32<<20 {
			t.Errorf("%s, one record of 64 MiB: the heap grew by %d MiB", codec, grown>>20)
		}
	}
}
