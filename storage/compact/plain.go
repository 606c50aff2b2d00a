package compact

import (
	"fmt"

	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// PlainRules are what a coordinator's partition is rewritten by. Nobody but the coordinator reads
// it, all of it, and it takes no markers: of transactions, all of which are decided up to Last,
// committed records become plain, and the rest goes.
type PlainRules struct {
	// Superseded and Aborted are as in Rules.
	Superseded func(key []byte, offset int64) bool
	Aborted    []pack.Aborted
	// Last is the last offset of all that is rewritten. Its record stays whatever it is, if only
	// as its batch's header: it says how far the partition was rewritten.
	Last int64
	// A tombstone has done its work once it was rewritten and whoever was loading then is done:
	// those up to offset Rewritten and before the time Before (ms) go.
	Rewritten, Before int64
}

// Plain decides what stays of a coordinator's partition, batch by batch.
type Plain struct {
	rules PlainRules
	voids *Voids
}

// NewPlain makes a Plain for one rewrite.
func NewPlain(r PlainRules) *Plain { return &Plain{r, NewVoids(r.Aborted)} }

// Batch returns what stays of the next batch, appended to dst[:0]; nil if nothing does. It was compared
// with its checksum before.
func (p *Plain) Batch(dst []byte, b *record.Batch) ([]byte, error) {
	h := &b.Header
	void := p.voids.Void(h)
	last := h.LastOffset() >= p.rules.Last
	if h.Control() {
		if last {
			return append(dst[:0], b.Bytes...), nil
		}
		return nil, nil
	}
	out, n, err := record.Rewrite(dst[:0], b.Bytes, record.NoHorizon, func(r *record.Record) bool { return !void && p.stays(r) })
	if err != nil {
		return nil, fmt.Errorf("compact the batch at offset %d: %w", h.BaseOffset, err)
	}
	if n == 0 && !(void && last) {
		return nil, nil
	}
	if h.Transactional() {
		record.SetPlain(out)
	}
	return out, nil
}

func (p *Plain) stays(r *record.Record) bool {
	switch {
	case r.Offset == p.rules.Last:
		return true
	case p.rules.Superseded(r.Key, r.Offset):
		return false
	}
	return r.Value != nil || r.Offset > p.rules.Rewritten || r.Timestamp > p.rules.Before
}
