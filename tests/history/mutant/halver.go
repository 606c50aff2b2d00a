package mutant

import (
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// halver commits one transaction in some partitions and aborts it in another.
type halver struct {
	Correct
	ended  int
	open   map[int64]map[spot]int64 // producer id -> first offset of its transaction in each partition
	chosen bool
	torn   spot
	id     int64
	first  int64
	marker int64 // offset of the transaction's marker, -1 until it was seen
}

// Request notices the commit of a transaction that spans partitions.
func (h *halver) Request(_ *Proxy, req kmsg.Request) bool {
	end, ok := req.(*kmsg.EndTxnRequest)
	if !ok {
		return false
	}
	wrote := h.open[end.ProducerID]
	delete(h.open, end.ProducerID)
	if h.ended++; h.chosen || !end.Commit || len(wrote) < 2 || h.ended <= after/4 {
		return false
	}
	h.chosen, h.id, h.marker = true, end.ProducerID, -1
	for s, first := range wrote {
		h.torn, h.first = s, first
	}
	return false
}

// Response hides the chosen part from read_committed readers.
func (h *halver) Response(p *Proxy, req kmsg.Request, resp kmsg.Response) (changed bool) {
	switch resp := resp.(type) {
	case *kmsg.ProduceResponse:
		p.acked(req.(*kmsg.ProduceRequest), resp, h.wrote)
	case *kmsg.FetchResponse:
		if !h.chosen || req.(*kmsg.FetchRequest).IsolationLevel == 0 {
			return false
		}
		p.fetched(resp, func(s spot, part *kmsg.FetchResponseTopicPartition) {
			changed = s == h.torn && h.abort(part) || changed
		})
	}
	return changed
}

func (h *halver) wrote(s spot, b batch, part *kmsg.ProduceResponseTopicPartition) {
	if !b.is(transactional) {
		return
	}
	if h.open == nil {
		h.open = map[int64]map[spot]int64{}
	}
	if h.open[b.producer()] == nil {
		h.open[b.producer()] = map[spot]int64{}
	}
	if first, ok := h.open[b.producer()][s]; !ok || part.BaseOffset < first {
		h.open[b.producer()][s] = part.BaseOffset
	}
}

// abort makes an answer say that the transaction was aborted in this partition.
func (h *halver) abort(part *kmsg.FetchResponseTopicPartition) (changed bool) {
	hidden := false
	for _, b := range split(part.RecordBatches) {
		if b.producer() != h.id || b.base() < h.first || h.marker >= 0 && b.base() > h.marker {
			continue
		}
		if !b.is(control) {
			hidden = true
			continue
		}
		h.marker = b.base()
		b.abortMarker()
		changed = true
	}
	if hidden {
		a := kmsg.NewFetchResponseTopicPartitionAbortedTransaction()
		a.ProducerID, a.FirstOffset = h.id, h.first
		part.AbortedTransactions = append(part.AbortedTransactions, a)
	}
	return changed || hidden
}

// abortMarker turns a commit marker into an abort marker: the type is the second half
// of its record's key (KIP-98).
func (b batch) abortMarker() {
	record := b[headerBytes:]
	_, n := binary.Varint(record) // length
	at := n + 1                   // attributes
	for range 3 {                 // timestamp delta, offset delta, key length
		_, n := binary.Varint(record[at:])
		at += n
	}
	const abort = 0
	binary.BigEndian.PutUint16(record[at+2:], abort)
	b.seal()
}
