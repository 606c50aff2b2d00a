package mutant

import (
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// swapper gives the first two records of a batch each other's offset.
type swapper struct{ target }

// Response swaps them wherever the batch is fetched.
func (w *swapper) Response(p *Proxy, req kmsg.Request, resp kmsg.Response) (changed bool) {
	w.choose(p, req, resp, func(b batch) bool { return b.count() > 1 && !b.is(codecMask) })
	fetch, ok := resp.(*kmsg.FetchResponse)
	if !ok || !w.chosen {
		return false
	}
	p.fetched(fetch, func(s spot, part *kmsg.FetchResponseTopicPartition) {
		for _, b := range split(part.RecordBatches) {
			if s == w.spot && b.base() == w.base {
				b.swap()
				changed = true
			}
		}
	})
	return changed
}

// swap exchanges the first two records of an uncompressed batch. Their offset deltas, 0
// and 1, are one byte each.
func (b batch) swap() {
	first := b[headerBytes:]
	length, n := binary.Varint(first)
	second := first[n+int(length):]
	length2, n2 := binary.Varint(second)
	swapped := append(append([]byte{}, second[:n2+int(length2)]...), first[:n+int(length)]...)
	setDelta(swapped[n2:], 0)
	setDelta(swapped[n2+int(length2)+n:], 1)
	copy(first, swapped)
	b.seal()
}

// setDelta changes the offset delta of a record without its length: behind attributes
// and the timestamp delta.
func setDelta(record []byte, delta int64) {
	_, n := binary.Varint(record[1:])
	binary.PutVarint(record[1+n:], delta)
}

// reuser goes down once, forgets the last batch that it had acknowledged, and gives its
// offsets away again.
type reuser struct {
	target
	count int64 // records forgotten
}

// Request moves positions behind the forgotten batch.
func (r *reuser) Request(p *Proxy, req kmsg.Request) (changed bool) {
	fetch, ok := req.(*kmsg.FetchRequest)
	if !ok || !r.chosen {
		return false
	}
	for i := range fetch.Topics {
		t := &fetch.Topics[i]
		for j := range t.Partitions {
			part := &t.Partitions[j]
			if p.spot(t.Topic, t.TopicID, part.Partition) == r.spot && part.FetchOffset >= r.base {
				part.FetchOffset += r.count
				changed = true
			}
		}
	}
	return changed
}

// Response renumbers what lies behind the forgotten batch.
func (r *reuser) Response(p *Proxy, req kmsg.Request, resp kmsg.Response) (changed bool) {
	if count, now := r.choose(p, req, resp, anyBatch); now {
		r.count = count
		p.Cut()
		return false
	}
	if !r.chosen {
		return false
	}
	switch resp := resp.(type) {
	case *kmsg.ProduceResponse:
		p.acked(req.(*kmsg.ProduceRequest), resp, func(s spot, _ batch, part *kmsg.ProduceResponseTopicPartition) {
			changed = r.move(s, &part.BaseOffset) || changed
		})
	case *kmsg.ListOffsetsResponse:
		for i := range resp.Topics {
			t := &resp.Topics[i]
			for j := range t.Partitions {
				changed = r.move(spot{t.Topic, t.Partitions[j].Partition}, &t.Partitions[j].Offset) || changed
			}
		}
	case *kmsg.FetchResponse:
		p.fetched(resp, func(s spot, part *kmsg.FetchResponseTopicPartition) {
			changed = r.renumber(s, part) || changed
		})
	}
	return changed
}

// move takes an offset behind the forgotten batch down.
func (r *reuser) move(s spot, offset *int64) bool {
	if s != r.spot || *offset < r.base+r.count {
		return false
	}
	*offset -= r.count
	return true
}

func (r *reuser) renumber(s spot, part *kmsg.FetchResponseTopicPartition) bool {
	if s != r.spot {
		return false
	}
	part.RecordBatches = filter(part.RecordBatches, func(b batch) bool {
		offset := b.base()
		if r.move(s, &offset) {
			b.rebase(offset)
			return true
		}
		return offset < r.base
	})
	r.move(s, &part.HighWatermark)
	r.move(s, &part.LastStableOffset)
	for i := range part.AbortedTransactions {
		r.move(s, &part.AbortedTransactions[i].FirstOffset)
	}
	return true
}
