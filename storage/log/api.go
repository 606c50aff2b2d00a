// Package log is the broker's log: every partition this broker leads, the journal
// they share and the sealed segments behind them. It owns the order of appends, the
// watermarks, and where each offset can be read.
//
// One mutex guards what an append touches (sequence check, offsets, the open pack);
// it is held for a few hundred nanoseconds per batch and never across I/O. Reads
// take no part in it.
package log

import (
	"os"

	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/buffer"
)

// Batch is one validated record batch on its way into the log.
type Batch struct {
	// Buf holds Bytes, which may be a part of it: several batches of one socket read
	// share a buffer. Append takes over one hold on Buf.
	Buf    *buffer.Buf
	Bytes  []byte
	Header record.Header // as it is in Bytes after validation
	// Coordinator marks appends of the broker's own coordinators: they are outside
	// the duplicate check. A transactional one needs a Guard like any other.
	Coordinator bool
	// VersionTwo marks what is written by the rules of transaction version 2 (KIP-890).
	VersionTwo bool
	// Marker says that the batch is the control batch with this end marker.
	Marker *record.EndMarker
	// Guard is what TransactionGuard gave before the coordinator confirmed that the
	// partition belongs to the transaction of this (transactional) batch. On markers and
	// other batches of coordinators it is optional and older than the state that they
	// build on: they are refused once a pack has been lost since.
	Guard Guard
	// Unconfirmed lets the (transactional) batch begin a transaction that no coordinator
	// has confirmed (transaction.partition.verification.enable is false).
	Unconfirmed bool
}

// Result is what became of one batch of a Ticket. Err is nil, a protocol.Code or a
// *protocol.Error.
type Result struct {
	Err           error
	BaseOffset    int64
	LogAppendTime int64 // ms, or -1 when the topic keeps the client's time
	LogStart      int64
}

// Bounds are a partition's offsets, all of the durable state.
type Bounds struct {
	LogStart      int64
	HighWatermark int64 // first offset that is not durable
	LastStable    int64 // first offset that read_committed may not see
	LeaderEpoch   int32
}

// ReadRequest asks for the batches of one partition.
type ReadRequest struct {
	Offset int64 // the first batch returned contains it or is the first above it
	// MaxBytes bounds what is returned. With AtLeastOne the first batch is returned
	// even if it is larger.
	MaxBytes   int
	AtLeastOne bool
	Committed  bool // stop at the last stable offset
}

// Aborted is an aborted transaction that overlaps what was read.
type Aborted struct {
	ProducerID  int64
	FirstOffset int64
}

// ReadResult is what Read found. Chunks must be released in any case.
type ReadResult struct {
	Bounds
	Chunks  []Chunk
	Bytes   int
	Aborted []Aborted // never nil when Committed was asked for
}

// Release gives up all chunks.
func (r *ReadResult) Release() {
	for i := range r.Chunks {
		r.Chunks[i].Release()
	}
	r.Chunks = nil
}

// Joined returns what was read as one piece, a copy: chunks end anywhere, batches do not.
func (r *ReadResult) Joined() ([]byte, error) {
	data := make([]byte, 0, r.Bytes)
	for i := range r.Chunks {
		c := &r.Chunks[i]
		if c.File == nil {
			data = append(data, c.Mem...)
			continue
		}
		from := len(data)
		data = append(data, make([]byte, c.Len)...)
		if _, err := c.File.ReadAt(data[from:], c.Pos); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// Chunk is a run of stored bytes: either in memory (Mem) or a section of a local
// file that can go to a socket by sendfile (File, Pos, Len).
type Chunk struct {
	Mem  []byte
	File *os.File
	Pos  int64
	Len  int64 // bytes, in both cases
	free func()
}

// Release gives up the memory or the file. The chunk is not used afterwards.
func (c *Chunk) Release() {
	if c.free != nil {
		c.free()
		c.free = nil
	}
}
