package topic

import (
	"context"
	"sync"
	"time"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/buffer"
	"github.com/streamhouse/streamhouse/storage/log"
)

// Record is what a part of the broker appends. A nil key or value is null.
type Record struct {
	Key, Value []byte
	Headers    []record.Field
}

// WriterOptions are what a Writer needs to know.
type WriterOptions struct {
	// BatchMax is the largest batch in bytes, asked for at each append: the topic's
	// max.message.bytes.
	BatchMax func() int
	// Now gives records their timestamp.
	Now func() time.Time
}

// Writer appends to one partition. Its methods may be called from any goroutine; what one
// goroutine appends has its order.
type Writer struct {
	p        *Partition
	opts     WriterOptions
	mu       sync.Mutex // guards build, which is used again
	build    *record.Builder
	appender *log.Appender
}

// NewWriter makes a writer of p. Close gives it up.
func NewWriter(p *Partition, o WriterOptions) *Writer {
	return &Writer{p: p, opts: o, build: record.NewBuilder(), appender: p.log.NewAppender()}
}

// Close gives the writer up; what it appended takes its course.
func (w *Writer) Close() { w.appender.Close() }

// Append puts records, at least one, behind all earlier ones as one batch: after a crash
// all of them are there or none. It waits for room in the log, which ctx bounds, and not
// for durability: done is told the first record's offset once the batch is durable, or
// why it is not in the log. done runs once, maybe on the log's committer, and must not
// block. Errors are the log's, or MESSAGE_TOO_LARGE above BatchMax. guard may be 0; see
// Partition.Guard.
func (w *Writer) Append(ctx context.Context, guard log.Guard, records []Record, done func(base int64, err error)) {
	buf, h, err := w.encode(records)
	if err != nil {
		done(-1, err)
		return
	}
	t := log.NewTicket(1, func(t *log.Ticket) {
		r := &t.Results()[0]
		done(r.BaseOffset, r.Err)
	})
	w.appender.Append(ctx, t, 0, w.p.part, log.Batch{
		Buf: buf, Bytes: buf.Bytes(), Header: h, Coordinator: true, Guard: guard,
	})
}

// AppendAndWait is Append that waits. When ctx ends first the error is
// REQUEST_TIMED_OUT and the outcome is open: a follower sees what became of it.
func (w *Writer) AppendAndWait(ctx context.Context, guard log.Guard, records []Record) (base int64, err error) {
	type result struct {
		base int64
		err  error
	}
	c := make(chan result, 1)
	w.Append(ctx, guard, records, func(base int64, err error) { c <- result{base, err} })
	select {
	case r := <-c:
		return r.base, r.err
	case <-ctx.Done():
		return -1, protocol.RequestTimedOut
	}
}

// encode builds the batch in memory that the log may keep.
func (w *Writer) encode(records []Record) (*buffer.Buf, record.Header, error) {
	if len(records) == 0 {
		return nil, record.Header{}, protocol.Errorf(protocol.InvalidRecord, "a batch without a record")
	}
	limit := w.opts.BatchMax()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.build.Reset()
	now := w.opts.Now().UnixMilli()
	for i := range records {
		r := &records[i]
		w.build.Append(now, r.Key, r.Value, r.Headers...)
		if w.build.Size() > limit {
			return nil, record.Header{}, protocol.Errorf(protocol.MessageTooLarge,
				"%d records take more than the %d bytes that a batch may have", len(records), limit)
		}
	}
	built := w.build.Batch()
	h, err := record.ParseHeader(built)
	if err != nil {
		panic(err) // we have just built it
	}
	buf := buffer.Get(len(built))
	copy(buf.Bytes(), built)
	return buf, h, nil
}
