package partition

import "sort"

// ProducerInfo is one producer as DescribeProducers shows it (KIP-664).
type ProducerInfo struct {
	ID               int64
	Epoch            int16
	LastSequence     int32 // -1 if the last thing was a marker that began an epoch
	LastTimestamp    int64 // ms
	CoordinatorEpoch int32 // of the last end marker, -1 if there was none
	TxnStartOffset   int64 // first offset of the open transaction, -1 if there is none
}

// DescribeProducers lists the producers that have something durable, by id, as the
// durable packs left them.
func (s *State) DescribeProducers(durable uint64) []ProducerInfo {
	starts := make(map[int64]int64)
	for i := range s.txns {
		if x := &s.txns[i]; x.began <= durable && (x.ended == 0 || x.ended > durable) {
			starts[x.producer] = x.first
		}
	}
	before := s.beforeMarkers(durable)
	out := make([]ProducerInfo, 0, len(s.producers))
	for id, p := range s.producers {
		seen, marked := before[id]
		if !marked {
			seen = *p
		}
		for n := len(seen.batches); n > 0 && seen.batches[n-1].Pack > durable; n-- {
			seen.batches = seen.batches[:n-1]
		}
		if seen.known() {
			info := seen.describe(id)
			if first, open := starts[id]; open {
				info.TxnStartOffset = first
			}
			out = append(out, info)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out
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
		p.marked, p.marker = u.marked, u.marker
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
