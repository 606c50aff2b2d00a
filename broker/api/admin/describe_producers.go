package admin

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/protocol"
)

// DescribeProducers (key 61), version 0 (KIP-664): who wrote to a partition with a
// producer id and is still remembered, and what transaction it has open.

// DescribeProducers shows the producers of partitions.
func (c *Handlers) DescribeProducers(ctx context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.DescribeProducersRequest)
	resp := kmsg.NewPtrDescribeProducersResponse()
	resp.Topics = []kmsg.DescribeProducersResponseTopic{}
	var repeats api.Repeats[producersKey]
	for i := range req.Topics {
		want := &req.Topics[i]
		out := kmsg.NewDescribeProducersResponseTopic()
		out.Topic, out.Partitions = want.Topic, []kmsg.DescribeProducersResponseTopicPartition{}
		for _, index := range want.Partitions {
			if err := repeats.Name(producersKey{want.Topic, index}); err != nil {
				return nil, err
			}
			p := kmsg.NewDescribeProducersResponseTopicPartition()
			p.Partition, p.ActiveProducers = index, []kmsg.DescribeProducersResponseTopicPartitionActiveProducer{}
			producers, err := c.producers(ctx, r, want.Topic, index)
			c.refuse(&p.ErrorCode, &p.ErrorMessage, err)
			if err := r.Bill.Add(r.Waits(ctx), 128+128*len(producers)); err != nil {
				return nil, err
			}
			p.ActiveProducers = append(p.ActiveProducers, producers...)
			out.Partitions = append(out.Partitions, p)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp, nil
}

// producersKey names a partition.
type producersKey struct {
	topic     string
	partition int32
}

func (c *Handlers) producers(ctx context.Context, r *api.Request, name string, index int32) ([]kmsg.DescribeProducersResponseTopicPartitionActiveProducer, error) {
	if err := catalog.CheckName(name); err != nil {
		return nil, err
	}
	t, code := r.Topic(c.Catalog, api.Named(name), kmsg.ACLOperationRead)
	switch code {
	case protocol.None:
	case protocol.UnknownTopicOrPartition:
		return nil, errNoPartition
	default:
		return nil, code
	}
	p, err := api.Open(ctx, c.Log, c.Leaders.View(), t, index, -1)
	if err != nil {
		return nil, err
	}
	var out []kmsg.DescribeProducersResponseTopicPartitionActiveProducer
	for _, info := range p.Producers() {
		a := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
		a.ProducerID, a.ProducerEpoch = info.ID, int32(info.Epoch)
		a.LastSequence, a.LastTimestamp = info.LastSequence, info.LastTimestamp
		a.CoordinatorEpoch, a.CurrentTxnStartOffset = info.CoordinatorEpoch, info.TxnStartOffset
		out = append(out, a)
	}
	return out, nil
}

// errNoPartition has the text that Kafka shows for UNKNOWN_TOPIC_OR_PARTITION by
// itself.
var errNoPartition = protocol.Errorf(protocol.UnknownTopicOrPartition, "This server does not host this topic-partition.")
