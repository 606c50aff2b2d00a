package transactions

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/buffer"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// offsetsTopic is where group offsets live, which the group coordinator has to hear of.
const offsetsTopic = "__consumer_offsets"

// ending is the end of a transaction that has partitions.
type ending struct {
	*txn.End
	// prepared is the record to write first if the markers do not fit one append.
	prepared txn.Record
	markers  []marker
}

// marker is the end of a transaction in one partition.
type marker struct {
	txn.TopicPartition
	partition Partition
}

// resolved are the partitions of a transaction as they were found; nil: it is deleted.
type resolved map[txn.TopicPartition]Partition

// resolve finds the partitions of a transaction, which may have to be loaded.
func (c *Coordinator) resolve(ctx context.Context, parts []txn.TopicPartition) (resolved, error) {
	found := make(resolved, len(parts))
	for _, tp := range parts {
		p, err := c.open(ctx, tp)
		if err != nil && !errors.Is(err, protocol.UnknownTopicOrPartition) {
			return nil, fmt.Errorf("open %s-%d: %w", tp.Topic, tp.Partition, err)
		}
		found[tp] = p
	}
	return found, nil
}

// open finds a partition by its topic's name: UNKNOWN_TOPIC_OR_PARTITION if there is
// none. If the topic was made again meanwhile the markers go into the new one, as they
// do in Kafka, and end nothing there.
func (c *Coordinator) open(ctx context.Context, tp txn.TopicPartition) (Partition, error) {
	t, ok := c.topics.ByName(tp.Topic)
	if !ok || tp.Partition < 0 || tp.Partition >= t.Partitions {
		return nil, protocol.UnknownTopicOrPartition
	}
	id := pack.PartitionID{Topic: t.ID, Partition: tp.Partition}
	epoch, ok := c.topics.LeaderEpoch(id)
	if !ok {
		return nil, protocol.UnknownTopicOrPartition
	}
	return c.log.Open(ctx, id, epoch)
}

// covers says whether all the partitions were looked for.
func (r resolved) covers(parts []txn.TopicPartition) bool {
	for _, tp := range parts {
		if _, ok := r[tp]; !ok {
			return false
		}
	}
	return true
}

// ending makes the write's end of the partitions that exist; nil if there are none.
func (s *shard) ending(id string, end *txn.End, found resolved) *ending {
	e := &ending{End: end, prepared: txn.Encode(id, end.Prepared, s.coordinator.opts.Level())}
	for _, tp := range end.Partitions {
		if p := found[tp]; p != nil {
			e.markers = append(e.markers, marker{tp, p})
		}
	}
	if len(e.markers) == 0 {
		return nil
	}
	return e
}

// finishTransaction appends the markers of a transaction and the record that it is
// complete: at once, or if there are too many in several appends between two records.
// They become durable in this order, so the next one need not wait for the last.
func (w *writer) finishTransaction(ctx context.Context, x *write) (last *flight) {
	left := x.end.markers
	if len(left) >= log.AtomicBatchesMax {
		w.batches.Begin()
		w.batches.Add(w.coordinator.nowMs(), x.end.prepared.Key, x.end.prepared.Value)
		w.append(ctx, &flight{record: 0}, []Append{w.built()})
		for len(left) >= log.AtomicBatchesMax {
			w.mark(ctx, x, left[:log.AtomicBatchesMax], false)
			left = left[log.AtomicBatchesMax:]
		}
	}
	return w.mark(ctx, x, left, true)
}

// mark appends markers, and with last the record that the transaction is complete. What
// keeps a marker out of its partition does not keep the transaction open. It returns the
// append that was made; nil if no marker was left for it.
func (w *writer) mark(ctx context.Context, x *write, markers []marker, last bool) *flight {
	for {
		f := &flight{record: -1, end: x.end, markers: markers}
		batches := w.markers(x, markers)
		if last {
			w.batches.Begin()
			w.batches.Add(w.coordinator.nowMs(), x.record.Key, x.record.Value)
			f.record, f.writes = len(batches), []*write{x}
			batches = append(batches, w.built())
		}
		if len(batches) == 0 {
			return nil
		}
		w.send(ctx, f, batches)
		if !f.over() || !f.refused() {
			w.launch(f)
			return f
		}
		markers = w.accepted(x, f)
	}
}

// markers are the batches of the markers.
func (w *writer) markers(x *write, markers []marker) []Append {
	now := w.coordinator.nowMs()
	m := &record.EndMarker{Commit: x.end.Commit, CoordinatorEpoch: w.leaderEpoch}
	list := make([]Append, 0, len(markers)+1)
	for i := range markers {
		b := markerBatch(x.end.ProducerID, x.end.Epoch, m, x.end.Prepared.ClientVersion >= txn.Version2, now)
		b.Guard = w.guard
		list = append(list, Append{markers[i].partition, b})
	}
	return list
}

func markerBatch(producerID int64, epoch int16, m *record.EndMarker, versionTwo bool, now int64) log.Batch {
	buf := buffer.Get(record.MarkerSize)
	record.AppendMarker(buf.Bytes()[:0], producerID, epoch, *m, now)
	h, err := record.ParseHeader(buf.Bytes())
	if err != nil {
		panic(err) // we have just built it
	}
	return log.Batch{Buf: buf, Bytes: buf.Bytes(), Header: h, Marker: m, VersionTwo: versionTwo}
}

// skippable says whether an error concerns one marker alone: the partition is gone, or
// somebody has ended the transaction there with a higher epoch. Kafka leaves those
// partitions out, too.
func skippable(err error) bool {
	for _, code := range []protocol.Code{
		protocol.UnknownTopicOrPartition, protocol.InvalidProducerEpoch, protocol.TransactionCoordinatorFenced,
	} {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}

// refused says whether the append was refused for one of its markers.
func (f *flight) refused() bool {
	for i := range f.results {
		if err := f.results[i].Err; i != f.record && err != nil && skippable(err) {
			return true
		}
	}
	return false
}

// accepted lists the markers of a refused append without those it was refused for.
func (w *writer) accepted(x *write, f *flight) []marker {
	var left []marker
	for i, m := range f.markers {
		err := f.results[i].Err
		if err == nil || !skippable(err) {
			left = append(left, m)
			continue
		}
		if !errors.Is(err, protocol.UnknownTopicOrPartition) {
			w.coordinator.opts.Logger.Warn("a transaction ends without its marker in a partition",
				zap.String("id", x.entry.id), zap.Int64("producer", x.end.ProducerID), zap.Int16("epoch", x.end.Epoch),
				zap.String("topic", m.Topic), zap.Int32("partition", m.Partition), zap.Error(err))
		}
	}
	return left
}
