package partition

import (
	"cmp"
	"slices"
)

// blockBytes is how large a state block the producer takes at most.
func (p *producer) blockBytes() int {
	n := 8 + 1 + min(len(p.batches), window)*batchBytes
	if p.marked {
		n += markerBytes
	}
	if p.txnStart != none {
		n += txnBytes
	}
	return n
}

// Trim makes sure that the state block takes at most limit bytes, some 50 for a producer
// with one batch. If it would take more, those that have been idle for longest are
// forgotten until an eighth of the room is free, so that the next one has less to do. It
// is called on folds over durable packs only. Producers with an open transaction stay: the
// ids that can have one are bounded elsewhere.
func (s *State) Trim(limit int) (forgotten int) {
	size := 1 + 8 + 4 + 12*len(s.epochs) + 4
	for _, p := range s.producers {
		size += p.blockBytes()
	}
	if size <= limit {
		return 0
	}
	idle := make([]int64, 0, len(s.producers))
	for id, p := range s.producers {
		if p.txnStart == none {
			idle = append(idle, id)
		}
	}
	slices.SortFunc(idle, func(a, b int64) int {
		return cmp.Or(cmp.Compare(s.producers[a].lastAppend(), s.producers[b].lastAppend()), cmp.Compare(a, b))
	})
	for _, id := range idle {
		if size <= limit-limit/8 {
			break
		}
		size -= s.producers[id].blockBytes()
		delete(s.producers, id)
		forgotten++
	}
	return forgotten
}
