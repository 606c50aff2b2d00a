package compat

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/tests/wire"
)

// Requests of transactions, as the cases make them. Topics are the lane's own.

func txnInit(id string, timeout int32) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		name := me(id).name(lane)
		return initProducer(&name, timeout, -1, -1)(w, lane)
	}
}

// txnResume is InitProducerId by one that has an id.
func txnResume(c claim) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		name := c.name(lane)
		id, epoch := c.of(w, lane)
		return initProducer(&name, 60000, id, epoch)(w, lane)
	}
}

// part is a partition of a topic of the lane, or of one that has no lane.
type part struct {
	topic     string
	partition int32
}

func (p part) name(lane int16) string {
	if p.topic == "" || p.topic[0] == '_' || p.topic == null || p.topic == "nowhere" {
		return p.topic
	}
	return each(p.topic, lane)
}

func txnAdd(c claim, parts ...part) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		req := kmsg.NewPtrAddPartitionsToTxnRequest()
		req.TransactionalID = c.name(lane)
		req.ProducerID, req.ProducerEpoch = c.of(w, lane)
		for _, p := range parts {
			t := kmsg.NewAddPartitionsToTxnRequestTopic()
			t.Topic, t.Partitions = p.name(lane), []int32{p.partition}
			req.Topics = append(req.Topics, t)
		}
		return req
	}
}

func txnAddOffsets(c claim, group string) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		req := kmsg.NewPtrAddOffsetsToTxnRequest()
		req.TransactionalID, req.Group = c.name(lane), named(group, lane)
		req.ProducerID, req.ProducerEpoch = c.of(w, lane)
		return req
	}
}

func txnEnd(c claim, commit bool) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		req := kmsg.NewPtrEndTxnRequest()
		req.TransactionalID, req.Commit = c.name(lane), commit
		req.ProducerID, req.ProducerEpoch = c.of(w, lane)
		return req
	}
}

// transactional marks a batch as part of a transaction.
func transactional(b []byte) []byte {
	return fixed(func(*world) []byte { b[22] |= 0x10; return b })(nil)
}

// txnBatch is a batch of a producer's transaction, of a value each.
func txnBatch(c claim, w *world, lane int16, sequence int32, values ...string) []byte {
	id, epoch := c.of(w, lane)
	var list [][]byte
	for _, v := range values {
		list = append(list, []byte(v))
	}
	return transactional(wire.IdempotentBatch(when, id, epoch, sequence, list...))
}

// txnSend produces two records to a partition as part of a transaction.
func txnSend(c claim, to part, sequence int32) func(*world, int16) kmsg.Request {
	return txnSendAs(c, to, func(w *world, lane int16) []byte { return txnBatch(c, w, lane, sequence, "a", "b") })
}

// txnSendAs produces any batch under a transactional id, which is left out if it is
// null.
func txnSendAs(c claim, to part, batch func(w *world, lane int16) []byte) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		req := wire.ProduceRequest(to.name(lane), 10000, map[int32][]byte{to.partition: batch(w, lane)})
		req.Topics[0].TopicID = w.topics[to.name(lane)]
		if c.id != null {
			name := c.name(lane)
			req.TransactionID = &name
		}
		return req
	}
}

type txnCommitOption func(w *world, lane int16, r *kmsg.TxnOffsetCommitRequest)

// txnOffsets commits an offset of a group in a transaction.
func txnOffsets(c claim, group string, to part, offset int64, options ...txnCommitOption) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		req := kmsg.NewPtrTxnOffsetCommitRequest()
		req.TransactionalID, req.Group = c.name(lane), named(group, lane)
		req.ProducerID, req.ProducerEpoch = c.of(w, lane)
		req.Generation = -1
		t, p := kmsg.NewTxnOffsetCommitRequestTopic(), kmsg.NewTxnOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset, p.Metadata = to.partition, offset, ptr("note")
		t.Topic, t.TopicID, t.Partitions = to.name(lane), w.topics[to.name(lane)], append(t.Partitions, p)
		req.Topics = append(req.Topics, t)
		for _, o := range options {
			o(w, lane, req)
		}
		return req
	}
}

// byMember commits as a member of a generation.
func byMember(member string, generation int32) txnCommitOption {
	return func(w *world, lane int16, r *kmsg.TxnOffsetCommitRequest) {
		r.MemberID, r.Generation = w.id(member, lane), generation
	}
}

func byInstance(id string) txnCommitOption {
	return func(_ *world, _ int16, r *kmsg.TxnOffsetCommitRequest) { r.InstanceID = &id }
}

func noting(metadata string) txnCommitOption {
	return func(_ *world, _ int16, r *kmsg.TxnOffsetCommitRequest) {
		r.Topics[0].Partitions[0].Metadata = &metadata
	}
}

// txnFetchOffsets asks for what a group has committed of the lane's topics.
func txnFetchOffsets(group string, stable bool) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		req, g := kmsg.NewPtrOffsetFetchRequest(), kmsg.NewOffsetFetchRequestGroup()
		name := each("log", lane)
		t, u := kmsg.NewOffsetFetchRequestTopic(), kmsg.NewOffsetFetchRequestGroupTopic()
		t.Topic, t.Partitions = name, []int32{0, 1}
		u.Topic, u.TopicID, u.Partitions = name, w.topics[name], []int32{0, 1}
		g.Group, g.Topics = named(group, lane), append(g.Topics, u)
		req.Group, req.RequireStable, req.Topics, req.Groups = g.Group, stable, append(req.Topics, t), append(req.Groups, g)
		return req
	}
}

func txnDescribe(ids ...string) func(*world, int16) kmsg.Request {
	return func(_ *world, lane int16) kmsg.Request {
		req := kmsg.NewPtrDescribeTransactionsRequest()
		for _, id := range ids {
			req.TransactionalIDs = append(req.TransactionalIDs, me(id).name(lane))
		}
		return req
	}
}

// ended says that nothing described is being ended any more.
func ended(r kmsg.Response) bool {
	for _, s := range r.(*kmsg.DescribeTransactionsResponse).TransactionStates {
		if s.State == "PrepareCommit" || s.State == "PrepareAbort" || s.State == "PrepareEpochFence" {
			return false
		}
	}
	return settled(r)
}

// complete is a case that waits for the end of a transaction and shows it.
func complete(name string, ids ...string) testCase {
	return client(name, txnDescribe(ids...)).asking(ended)
}

func txnProducers(of part) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request { return producers(of.name(lane), of.partition)(w, lane) }
}

func txnFetch(of part, offset int64, options ...fetchOption) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		return fetch(of.name(lane), of.partition, offset, options...)(w, lane)
	}
}

func txnEndOf(of part, timestamp int64, isolation int8) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		return listOffsets(of.name(lane), of.partition, timestamp, isolated(isolation))(w, lane)
	}
}

// marker is one of a WriteTxnMarkers.
type marker struct {
	who     claim
	commit  bool
	epoch   int32 // the coordinator's
	version int8  // the protocol's
	parts   []part
}

func txnMark(markers ...marker) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		req := kmsg.NewPtrWriteTxnMarkersRequest()
		for _, m := range markers {
			out := kmsg.NewWriteTxnMarkersRequestMarker()
			out.ProducerID, out.ProducerEpoch = m.who.of(w, lane)
			out.Committed, out.CoordinatorEpoch, out.TransactionVersion = m.commit, m.epoch, m.version
			for _, p := range m.parts {
				if n := len(out.Topics); n > 0 && out.Topics[n-1].Topic == p.name(lane) {
					out.Topics[n-1].Partitions = append(out.Topics[n-1].Partitions, p.partition)
					continue
				}
				t := kmsg.NewWriteTxnMarkersRequestMarkerTopic()
				t.Topic, t.Partitions = p.name(lane), []int32{p.partition}
				out.Topics = append(out.Topics, t)
			}
			req.Markers = append(req.Markers, out)
		}
		return req
	}
}

// txnList lists transactions; a state, an id or a pattern that is empty is no filter.
func txnList(states []string, duration int64, pattern *string) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrListTransactionsRequest()
		req.StateFilters, req.DurationFilterMillis, req.TransactionalIDPattern = states, duration, pattern
		return req
	}
}

// txnDescribeOf and txnListOf name transactions that have no lane.
func txnDescribeOf(ids ...string) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrDescribeTransactionsRequest()
		req.TransactionalIDs = ids
		return req
	}
}

func txnListOf(ids ...string) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		req := txnList(nil, -1, nil)(w, lane).(*kmsg.ListTransactionsRequest)
		for _, id := range ids {
			producer, ok := w.values["ProducerID of "+id]
			if !ok {
				producer = strangersID
			}
			req.ProducerIDFilters = append(req.ProducerIDFilters, producer)
		}
		return req
	}
}
