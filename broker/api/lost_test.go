package api_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api/apitest"
	"github.com/streamhouse/streamhouse/protocol"
)

// TestPartitionThatCannotBeOpened: what asks for a partition whose log is not there is
// told what happened to it, at every version.
func TestPartitionThatCannotBeOpened(t *testing.T) {
	for _, lost := range []protocol.Code{protocol.KafkaStorageError, protocol.NotLeaderOrFollower} {
		b := apitest.Start(t, apitest.Options{})
		topic := b.Topic("t", 1, nil)
		c := b.Dial()
		b.Log.Lose(lost)
		ask := func(key int16, request func() kmsg.Request, code func(kmsg.Response) int16) {
			apitest.Versions(t, key, func(t *testing.T, version int16) {
				req := request()
				req.SetVersion(version)
				apitest.Is(t, protocol.Name(key), code(c.Call(req)), lost)
			})
		}
		ask(protocol.KeyProduce, func() kmsg.Request {
			return apitest.ProduceTo(9, "t", topic.ID, map[int32][]byte{0: apitest.Batch(1, 10)})
		}, func(r kmsg.Response) int16 { return apitest.Produced(t, r).ErrorCode })
		ask(protocol.KeyFetch, func() kmsg.Request {
			req := kmsg.NewPtrFetchRequest()
			req.MaxBytes, req.SessionEpoch = 1<<20, -1
			p := kmsg.NewFetchRequestTopicPartition()
			p.PartitionMaxBytes = 1 << 20
			req.Topics = []kmsg.FetchRequestTopic{{Topic: "t", TopicID: topic.ID, Partitions: []kmsg.FetchRequestTopicPartition{p}}}
			return req
		}, func(r kmsg.Response) int16 { return r.(*kmsg.FetchResponse).Topics[0].Partitions[0].ErrorCode })
		ask(protocol.KeyListOffsets, func() kmsg.Request {
			req := kmsg.NewPtrListOffsetsRequest()
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Timestamp = -1
			req.ReplicaID, req.Topics = -1, []kmsg.ListOffsetsRequestTopic{{Topic: "t", Partitions: []kmsg.ListOffsetsRequestTopicPartition{p}}}
			return req
		}, func(r kmsg.Response) int16 { return r.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0].ErrorCode })
		ask(protocol.KeyOffsetForLeaderEpoch, func() kmsg.Request {
			req := kmsg.NewPtrOffsetForLeaderEpochRequest()
			p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
			req.ReplicaID, req.Topics = -2, []kmsg.OffsetForLeaderEpochRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetForLeaderEpochRequestTopicPartition{p}}}
			return req
		}, func(r kmsg.Response) int16 {
			return r.(*kmsg.OffsetForLeaderEpochResponse).Topics[0].Partitions[0].ErrorCode
		})
		ask(protocol.KeyDeleteRecords, func() kmsg.Request {
			req := kmsg.NewPtrDeleteRecordsRequest()
			req.TimeoutMillis = 1000
			req.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: "t", Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Partition: 0, Offset: 0}}}}
			return req
		}, func(r kmsg.Response) int16 { return r.(*kmsg.DeleteRecordsResponse).Topics[0].Partitions[0].ErrorCode })
		ask(protocol.KeyDescribeProducers, func() kmsg.Request {
			req := kmsg.NewPtrDescribeProducersRequest()
			req.Topics = []kmsg.DescribeProducersRequestTopic{{Topic: "t", Partitions: []int32{0}}}
			return req
		}, func(r kmsg.Response) int16 {
			return r.(*kmsg.DescribeProducersResponse).Topics[0].Partitions[0].ErrorCode
		})
	}
}
