package journaltest

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"

	"github.com/streamhouse/streamhouse/storage/pack"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Batch makes a record batch that passes every check of the pack format, with size
// bytes of payload from rng, and its index entry.
func Batch(rng *rand.Rand, id pack.PartitionID, baseOffset int64, records int32, size int) (pack.Entry, []byte) {
	b := make([]byte, pack.MinBatchSize+size)
	fill(rng, b[pack.MinBatchSize:])
	be := binary.BigEndian
	be.PutUint64(b, uint64(baseOffset))
	be.PutUint32(b[8:], uint32(len(b)-12))
	be.PutUint32(b[12:], 7) // leader epoch
	b[16] = 2
	be.PutUint32(b[23:], uint32(records-1))
	be.PutUint64(b[43:], 1<<64-1) // no producer
	be.PutUint16(b[51:], 1<<16-1)
	be.PutUint32(b[53:], 1<<32-1)
	be.PutUint32(b[57:], uint32(records))
	crc := crc32.Checksum(b[21:], castagnoli)
	be.PutUint32(b[17:], crc)
	return pack.Entry{
		ID: id, LeaderEpoch: 7, BaseOffset: baseOffset, LastOffsetDelta: records - 1, Records: records,
		ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1, CRC: crc,
	}, b
}

func fill(rng *rand.Rand, b []byte) {
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, rng.Uint64())
		b = b[8:]
	}
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
}

// Content is a pack to be appended, and what a test remembers of it.
type Content struct {
	Bufs [][]byte
	Sum  uint32 // over everything behind the pack's header
}

// Make builds a pack of batches in `partitions` partitions, each with about size
// bytes of payload. All bytes come from rng, so no two packs are alike.
func Make(rng *rand.Rand, partitions, batches, size int) Content {
	var b pack.Builder
	next := make([]int64, partitions)
	for range batches {
		p := rng.IntN(partitions)
		records := int32(1 + rng.IntN(3))
		id := pack.PartitionID{Topic: pack.TopicID{1, 2, 3}, Partition: int32(p)}
		e, data := Batch(rng, id, next[p], records, rng.IntN(size+1))
		next[p] += int64(records)
		b.Add(e, data)
	}
	bufs, _ := b.Encode(pack.Header{CreatedAt: rng.Int64N(1 << 40)})
	return Content{Bufs: bufs, Sum: SumOf(bufs)}
}

// SumOf is a checksum of a pack without its header, which the journal stamps.
func SumOf(bufs [][]byte) uint32 {
	sum := crc32.Checksum(bufs[0][pack.HeaderSize:], castagnoli)
	for _, b := range bufs[1:] {
		sum = crc32.Update(sum, castagnoli, b)
	}
	return sum
}

// sumAt reads a pack's bytes back and sums them like SumOf.
func sumAt(r interface {
	ReadAt([]byte, int64) (int, error)
}, pos, n int64) (uint32, error) {
	b := make([]byte, n)
	if got, err := r.ReadAt(b, pos); got < len(b) {
		return 0, fmt.Errorf("read %d of %d bytes at %d: %w", got, n, pos, err)
	}
	return SumOf([][]byte{b}), nil
}
