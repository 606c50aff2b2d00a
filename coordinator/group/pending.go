package group

import (
	"maps"
	"slices"
)

// Offsets committed inside a transaction are pending until the transaction's marker
// decides them (KIP-98, KIP-447). Pending offsets are not shown; a partition that has
// one is unstable for clients that ask for stable offsets only.

// pending is an offset that waits for its producer's transaction to end.
type pending struct {
	producer int64
	value    Offset
}

// SetPending notes a durable offset of a producer's open transaction. It replaces an
// earlier one of the same transaction.
func (o *Offsets) SetPending(producer int64, topic string, partition int32, v Offset) {
	s := o.slot(topic, partition)
	for i := range s.pending {
		if s.pending[i].producer == producer {
			s.pending[i].value = v
			return
		}
	}
	s.pending = append(s.pending, pending{producer, v})
	if o.open == nil {
		o.open = make(map[int64][]TopicPartition)
	}
	o.open[producer] = append(o.open[producer], TopicPartition{topic, partition})
}

// EndTransaction decides a producer's pending offsets: with commit they become
// visible, else they are forgotten. An offset that was committed outside the
// transaction, behind the pending one, stays: what the log says last wins. It does
// nothing for a producer without pending offsets, so a marker may be told twice.
func (o *Offsets) EndTransaction(producer int64, commit bool) {
	for _, tp := range o.open[producer] {
		s := o.find(tp.Topic, tp.Partition)
		if s == nil {
			continue
		}
		v, ok := s.takePending(producer)
		if ok && commit && (!s.present || s.value.At < v.At) {
			o.Set(tp.Topic, tp.Partition, v)
		}
		o.prune(tp.Topic, tp.Partition, s)
	}
	delete(o.open, producer)
}

// takePending removes the producer's pending offset.
func (s *slot) takePending(producer int64) (Offset, bool) {
	for i := range s.pending {
		if s.pending[i].producer == producer {
			v := s.pending[i].value
			s.pending = append(s.pending[:i], s.pending[i+1:]...)
			return v, true
		}
	}
	return Offset{}, false
}

// dropOpen forgets that a producer has something pending at tp.
func (o *Offsets) dropOpen(producer int64, tp TopicPartition) {
	list := o.open[producer]
	if i := slices.Index(list, tp); i >= 0 {
		list = slices.Delete(list, i, i+1)
	}
	if o.open[producer] = list; len(list) == 0 {
		delete(o.open, producer)
	}
}

// Unstable says whether a transaction that has not ended wrote an offset of the
// partition.
func (o *Offsets) Unstable(topic string, partition int32) bool {
	s := o.find(topic, partition)
	return s != nil && len(s.pending) > 0
}

// Open says whether the producer has pending offsets here.
func (o *Offsets) Open(producer int64) bool { return len(o.open[producer]) > 0 }

// Producers lists the producers with pending offsets.
func (o *Offsets) Producers() []int64 { return slices.Collect(maps.Keys(o.open)) }

// Empty says whether there is neither a durable offset nor a pending one.
func (o *Offsets) Empty() bool { return o.count == 0 && len(o.open) == 0 }
