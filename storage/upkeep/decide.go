package upkeep

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/streamhouse/streamhouse/protocol/record"
)

// decisions tell, for the transactional batches of one partition, which transactions
// were committed. What lies below the last stable offset is decided by a marker, which
// may lie above it.
type decisions struct {
	pending map[int64]*pendingTxn // by producer
	aborted map[int64][]span      // by producer, in offset order
}

// pendingTxn is a transaction whose marker has not come yet.
type pendingTxn struct {
	first  int64
	latest map[string]int64 // key -> offset of its latest record
}

// span is a row of offsets, both ends included.
type span struct{ first, last int64 }

// add remembers the keys of a transactional batch until its transaction ends.
func (d *decisions) add(b record.Batch) error {
	t := d.pending[b.Header.ProducerID]
	if t == nil {
		if d.pending == nil {
			d.pending = make(map[int64]*pendingTxn)
		}
		t = &pendingTxn{b.Header.BaseOffset, make(map[string]int64)}
		d.pending[b.Header.ProducerID] = t
	}
	return eachKey(b, func(key []byte, offset int64) { t.latest[string(key)] = offset })
}

// end takes in a control batch. It returns the keys of the transaction that it commits.
func (d *decisions) end(b record.Batch) (committed map[string]int64, err error) {
	m, err := record.ParseMarker(b.Bytes)
	if err != nil {
		return nil, fmt.Errorf("control batch at offset %d: %w", b.Header.BaseOffset, err)
	}
	producer := b.Header.ProducerID
	t := d.pending[producer]
	if t == nil {
		return nil, nil // nothing of it is here
	}
	delete(d.pending, producer)
	if m.Commit {
		return t.latest, nil
	}
	if d.aborted == nil {
		d.aborted = make(map[int64][]span)
	}
	d.aborted[producer] = append(d.aborted[producer], span{t.first, b.Header.BaseOffset})
	return nil, nil
}

// isAborted says whether a transactional batch belongs to an aborted transaction.
// Batches are asked about in offset order.
func (d *decisions) isAborted(h *record.Header) bool {
	spans := d.aborted[h.ProducerID]
	for len(spans) > 0 && spans[0].last < h.BaseOffset {
		spans = spans[1:]
		d.aborted[h.ProducerID] = spans
	}
	return len(spans) > 0 && spans[0].first <= h.BaseOffset
}

// errDecided ends a search for markers.
var errDecided = errors.New("all transactions are decided")

// decide looks for the markers of transactions that began up to c.upTo and ended above.
func (c *compaction) decide(ctx context.Context) error {
	if len(c.decisions.pending) == 0 {
		return nil
	}
	above := compaction{u: c.u, id: c.id, upTo: math.MaxInt64}
	err := above.read(ctx, c.upTo+1, func(b record.Batch) error {
		if b.Header.Control() {
			if err := c.end(b); err != nil {
				return err
			}
		}
		if len(c.decisions.pending) == 0 {
			return errDecided
		}
		return nil
	}, func([]byte) {})
	if errors.Is(err, errDecided) {
		return nil
	}
	for producer, t := range c.decisions.pending {
		err = errors.Join(err, fmt.Errorf("the transaction of producer %d, begun at offset %d, has no end", producer, t.first))
	}
	return err
}

// eachKey calls fn with the key of each record of a batch; the key is valid during the
// call.
func eachKey(b record.Batch, fn func(key []byte, offset int64)) error {
	for r, err := range record.Records(b.Bytes, recordBytesMax) {
		if err != nil {
			return fmt.Errorf("records of the batch at offset %d: %w", b.Header.BaseOffset, err)
		}
		fn(r.Key, r.Offset)
	}
	return nil
}
