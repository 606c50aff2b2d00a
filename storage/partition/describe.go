package partition

import (
	"slices"
	"sort"
)

// ProducerInfo is one producer as DescribeProducers shows it (KIP-664).
type ProducerInfo struct {
	ID               int64
	Epoch            int16
	LastSequence     int32 // -1 if the last thing was a marker that began an epoch
	LastTimestamp    int64 // ms
	CoordinatorEpoch int32 // of the last end marker, -1 if there was none
	TxnStartOffset   int64 // first offset of the open transaction, -1 if there is none
}

// stride is how many producers are looked at between two pauses.
const stride = 256

// pacer calls pause after every stride of steps: producers may be hundreds of thousands,
// and whoever owns the state holds its mutex.
type pacer struct {
	pause func() // nil: nobody waits
	n     int
}

func (p *pacer) step() {
	if p.n++; p.n%stride == 0 && p.pause != nil {
		p.pause()
	}
}

// ProducerIDs lists the producers, by id. pause is called every few hundred of them, and
// the state may change meanwhile: who comes or goes then is listed or not.
func (s *State) ProducerIDs(pause func()) []int64 {
	ids := make([]int64, 0, len(s.producers))
	p := pacer{pause: pause}
	for id := range s.producers {
		ids = append(ids, id)
		p.step()
	}
	slices.Sort(ids)
	return ids
}

// DescribeProducers appends to out those of the producers that have something durable, as
// the durable packs left them.
func (s *State) DescribeProducers(out []ProducerInfo, ids []int64, durable uint64) []ProducerInfo {
	before := s.beforeMarkers(durable)
	for _, id := range ids {
		seen, marked := before[id]
		if !marked {
			p := s.producers[id]
			if p == nil {
				continue
			}
			seen = *p
		}
		for n := len(seen.batches); n > 0 && seen.batches[n-1].Pack > durable; n-- {
			seen.batches = seen.batches[:n-1]
		}
		if !seen.known() {
			continue
		}
		info := seen.describe(id)
		if seen.txnStart != none && s.begun(seen.txnStart, durable) {
			info.TxnStartOffset = seen.txnStart
		}
		out = append(out, info)
	}
	return out
}

// begun says whether the transaction that begins at first does so in a durable pack.
func (s *State) begun(first int64, durable uint64) bool {
	i := sort.Search(len(s.txns), func(i int) bool { return s.txns[i].first >= first })
	return i < len(s.txns) && s.txns[i].first == first && s.txns[i].began <= durable
}

// beforeMarkers returns the producers that got markers in packs after durable, as they
// were before those.
func (s *State) beforeMarkers(durable uint64) map[int64]producer {
	out := make(map[int64]producer)
	for i := len(s.undo) - 1; i >= 0 && s.undo[i].pack > durable; i-- {
		u := &s.undo[i]
		p, ok := out[u.producer]
		if !ok {
			p = *s.producers[u.producer]
		}
		p.marked, p.marker, p.txnStart = u.marked, u.marker, u.txnStart
		if u.cleared {
			p.batches = u.batches
		}
		out[u.producer] = p
	}
	return out
}

func (p *producer) describe(id int64) ProducerInfo {
	info := ProducerInfo{ID: id, Epoch: p.epoch(), LastSequence: -1, LastTimestamp: -1, CoordinatorEpoch: -1, TxnStartOffset: none}
	last := int64(-1)
	if n := len(p.batches); n > 0 {
		b := &p.batches[n-1]
		info.LastSequence, info.LastTimestamp, last = b.LastSequence, b.Timestamp, b.LastOffset
	}
	if p.marked {
		info.CoordinatorEpoch = p.marker.coordinatorEpoch
		if p.marker.offset > last {
			info.LastTimestamp = p.marker.timestamp
		}
	}
	return info
}
