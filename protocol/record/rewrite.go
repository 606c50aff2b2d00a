package record

import (
	"errors"
	"fmt"
)

// DeleteHorizon returns the time in ms from which on a compaction may drop the batch's
// tombstones, or the end marker that it is; false if it has none. It lies where the base
// timestamp does otherwise.
//
// Source: KIP-534.
func (h *Header) DeleteHorizon() (int64, bool) {
	return h.BaseTimestamp, h.Attributes&attrDeleteHorizon != 0
}

// NoHorizon asks Rewrite to set no delete horizon: the batch keeps the one it has.
const NoHorizon = -1

// Rewrite appends to dst the batch as a compaction leaves it: with only those records that
// keep returns true for, and how many these are. Offsets with the batch's base and last
// offset stay, so that a gap shows where records were, and so do keys, values, headers and
// timestamps, producer, epoch and sequence, timestamp type and codec. With a horizon (ms)
// the batch gets that delete horizon. With no record left it is a header alone, without
// codec, timestamps and horizon, which a log keeps to show a producer's last sequence or
// where the log ends. A Record is valid inside keep only.
//
// The caller has compared the batch with its checksum: here it gets a new one.
//
// Records go from decoder to encoder one by one: memory is one of them (RewriteMax), what comes
// out, which is at most a few times the batch, and the two. INVALID_RECORD for a batch that
// does not parse or goes beyond that.
//
// Source: Kafka's MemoryRecords.filterTo, KIP-534.
func Rewrite(dst, batch []byte, horizon int64, keep func(*Record) bool) (out []byte, kept int, err error) {
	h, batch, err := stored(batch)
	if err != nil {
		return dst, 0, err
	}
	old, has := h.DeleteHorizon()
	if horizon == NoHorizon && has {
		horizon = old
	}
	w := rewriter{h: h, base: horizon, largest: NoTimestamp}
	w.out.b = append(dst, batch[:HeaderSize]...)
	w.out.max = len(dst) + rewriteGrowth*len(batch) + rewriteRoom
	defer w.close()
	err = scan(batch, &h, RewriteMax(batch), func(raw []byte, r *Record) bool {
		if keep(r) {
			w.record(raw, r, horizon == NoHorizon)
		}
		return w.err == nil
	})
	if err = errors.Join(err, w.end()); err != nil {
		return dst, 0, err
	}
	out, kept = w.out.b, int(w.kept)
	h.Records = w.kept
	if kept == 0 {
		h.Attributes &^= attrCodecMask | attrDeleteHorizon
		w.base, w.largest = NoTimestamp, NoTimestamp
	} else if horizon != NoHorizon {
		h.Attributes |= attrDeleteHorizon
	}
	h.BaseTimestamp, h.MaxTimestamp = w.base, w.largest
	putHeader(out[len(dst):], &h)
	return out, kept, nil
}

const (
	// recordBytesMax bounds one record of a batch that is smaller, decompressed: a batch of 1 MiB
	// can hold one of 1 GiB.
	recordBytesMax = 32 << 20
	// What Rewrite makes is at most rewriteGrowth times the batch and rewriteRoom: another
	// encoder than ours may have had a better level or larger blocks.
	rewriteGrowth = 4
	rewriteRoom   = 1 << 20
	// rewritePiece is how much is gathered before it goes to the encoder.
	rewritePiece = 32 << 10
)

// RewriteMax is how large in bytes, decompressed, a record of a batch may be for Rewrite.
func RewriteMax(batch []byte) int { return max(recordBytesMax, len(batch)) }

// rewriter encodes the records of a batch that stay.
type rewriter struct {
	h             Header
	base, largest int64
	kept          int32
	out           boundedWriter
	pool          *encoders
	enc           encoder // nil until a record stays
	body, piece   []byte
	err           error
}

// record adds one, whose timestamp is counted from base on; the first one brings it, if that
// is asked for.
func (w *rewriter) record(raw []byte, r *Record, rebase bool) {
	if w.kept == 0 {
		if rebase {
			w.base = r.Timestamp
		}
		if w.err = w.open(); w.err != nil {
			return
		}
	}
	w.kept++
	w.largest = max(w.largest, r.Timestamp)
	_, rest := varlong(raw, 1)
	w.body = appendVarint(append(w.body[:0], raw[0]), r.Timestamp-w.base)
	w.piece = appendVarint(w.piece, int64(len(w.body)+len(raw)-rest))
	w.piece = append(w.piece, w.body...)
	if len(w.piece)+len(raw) < rewritePiece {
		w.piece = append(w.piece, raw[rest:]...)
		return
	}
	w.flush()
	w.write(raw[rest:])
}

func (w *rewriter) open() (err error) {
	if w.pool, err = encoderPool(w.h.Codec(), 0); err != nil {
		return err
	}
	if w.enc, err = w.pool.get(); err != nil {
		return fmt.Errorf("encoder for %s: %w", w.h.Codec(), err)
	}
	w.enc.Reset(&w.out)
	return nil
}

func (w *rewriter) flush() {
	w.write(w.piece)
	w.piece = w.piece[:0]
}

func (w *rewriter) write(b []byte) {
	if w.err == nil && len(b) > 0 {
		_, w.err = w.enc.Write(b)
	}
}

// end writes what is left.
func (w *rewriter) end() error {
	if w.enc != nil {
		if w.flush(); w.err == nil {
			w.err = w.enc.Close()
		}
	}
	if errors.Is(w.err, errTooLarge) {
		return invalid("the batch at offset %d comes to more than %d bytes when some of its records are taken out", w.h.BaseOffset, w.out.max)
	}
	return w.err
}

// close gives the encoder back.
func (w *rewriter) close() {
	if w.enc != nil {
		w.pool.put(w.enc)
	}
}
