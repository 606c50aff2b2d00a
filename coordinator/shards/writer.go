package shards

import (
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/buffer"
	"github.com/streamhouse/streamhouse/storage/log"
)

// BatchFill is where a batch of records ends, in bytes; a larger record has one to itself.
// Batches are admitted one by one, and what a restart reads is bounded by what is admitted.
const BatchFill = 64 << 10

// recordOverhead is what a record takes besides key and value, at most: five varints,
// the attributes and the header count.
const recordOverhead = 5*5 + 2

// RecordSize is what a record takes in a batch at most, BatchSize what a batch of it alone
// does, in bytes.
func RecordSize(key, value []byte) int { return recordOverhead + len(key) + len(value) }
func BatchSize(key, value []byte) int  { return record.HeaderSize + RecordSize(key, value) }

// Kick leaves word in a channel that has room for one; more are the same word.
func Kick(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Write is the life of a shard's writer. one appends what comes next without waiting for
// it to become durable, and says whether there was anything. When there is nothing Write
// waits for word in queued, or for quit: it ends then if last agrees, which it does in the
// end.
func Write(queued, quit <-chan struct{}, one func() bool, last func() bool) {
	for {
		if one() {
			continue
		}
		select {
		case <-queued:
		case <-quit:
			if last() {
				return
			}
		}
	}
}

// Batches builds one batch after the other, for one writer.
type Batches struct{ builder *record.Builder }

// NewBatches makes an empty Batches.
func NewBatches() *Batches { return &Batches{record.NewBuilder()} }

// Begin begins a batch of no producer.
func (b *Batches) Begin() {
	b.builder.Reset()
	b.builder.Producer, b.builder.Transactional = record.NoProducer, false
}

// Within makes the batch, which is empty yet, part of a producer's transaction.
func (b *Batches) Within(p record.Producer) { b.builder.Producer, b.builder.Transactional = p, true }

// Takes says whether another record belongs into the batch before it has fill bytes. An
// empty one takes any.
func (b *Batches) Takes(key, value []byte, fill int) bool {
	return b.builder.Len() == 0 || b.builder.Size()+RecordSize(key, value) <= fill
}

// Add adds a record with a time, ms.
func (b *Batches) Add(now int64, key, value []byte) { b.builder.Append(now, key, value) }

// Len is the number of records, Size the bytes of the batch as it is.
func (b *Batches) Len() int  { return b.builder.Len() }
func (b *Batches) Size() int { return b.builder.Size() }

// Batch is the batch in memory that the log may keep.
func (b *Batches) Batch(guard log.Guard) log.Batch {
	built := b.builder.Batch()
	buf := buffer.Get(len(built))
	copy(buf.Bytes(), built)
	h, err := record.ParseHeader(buf.Bytes())
	if err != nil {
		panic(err) // we have just built it
	}
	return log.Batch{Buf: buf, Bytes: buf.Bytes(), Header: h, Coordinator: true, Guard: guard}
}
