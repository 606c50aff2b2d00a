package transactional

// WriteTxnMarkers (key 27): versions 1-2.
//
//	v1     flexible
//	v2     the version of the transaction protocol (KIP-1228)
//
// In Kafka coordinators send it to partitions' leaders; here only administrators do, to
// end what hangs (KIP-664).

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/coordinator/transactions"
	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/protocol"
)

// WriteTxnMarkers ends transactions in partitions.
func (x *Handlers) WriteTxnMarkers(ctx context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.WriteTxnMarkersRequest)
	resp := kmsg.NewPtrWriteTxnMarkersResponse()
	resp.Markers = []kmsg.WriteTxnMarkersResponseMarker{}
	denied := protocol.None
	if !r.SeesCluster(kmsg.ACLOperationAlter) {
		denied = r.Cluster(kmsg.ACLOperationClusterAction)
	}
	for i := range req.Markers {
		in := &req.Markers[i]
		m := &transactions.Markers{
			Producer: transactions.Producer{ID: in.ProducerID, Epoch: in.ProducerEpoch},
			Commit:   in.Committed, CoordinatorEpoch: in.CoordinatorEpoch,
		}
		if r.Version >= 2 {
			m.Version = int16(in.TransactionVersion)
		}
		for _, t := range in.Topics {
			for _, p := range t.Partitions {
				m.Partitions = append(m.Partitions, txn.TopicPartition{Topic: t.Topic, Partition: p})
			}
		}
		if len(m.Partitions) == 0 {
			continue // as in Kafka, not even named in the answer
		}
		codes := make([]protocol.Code, len(m.Partitions))
		if denied == protocol.None {
			codes = x.Coordinator.WriteMarkers(ctx, m)
		}
		for i := range codes {
			if denied != protocol.None {
				codes[i] = denied
			}
		}
		out := kmsg.NewWriteTxnMarkersResponseMarker()
		out.ProducerID, out.Topics = in.ProducerID, []kmsg.WriteTxnMarkersResponseMarkerTopic{}
		for _, t := range in.Topics {
			topic := kmsg.WriteTxnMarkersResponseMarkerTopic{Topic: t.Topic, Partitions: []kmsg.WriteTxnMarkersResponseMarkerTopicPartition{}}
			for _, p := range t.Partitions {
				e := kmsg.NewWriteTxnMarkersResponseMarkerTopicPartition()
				e.Partition, e.ErrorCode = p, int16(codes[0])
				codes = codes[1:]
				topic.Partitions = append(topic.Partitions, e)
			}
			out.Topics = append(out.Topics, topic)
		}
		resp.Markers = append(resp.Markers, out)
	}
	return resp, nil
}
