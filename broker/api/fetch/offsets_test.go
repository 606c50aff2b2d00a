package fetch_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api/apitest"
	"github.com/streamhouse/streamhouse/protocol"
)

func TestListOffsets(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	topic := b.Topic("t", 2, nil)
	now := time.Now().UnixMilli()
	for range 3 {
		b.Produce(topic, 0, apitest.Batch(2, 10))
	}
	apitest.Versions(t, protocol.KeyListOffsets, func(t *testing.T, version int16) {
		c := b.Dial()
		ask := func(name string, partition int32, ts int64, epoch int32) kmsg.ListOffsetsResponseTopicPartition {
			req := kmsg.NewPtrListOffsetsRequest()
			req.Version = version
			rt := kmsg.NewListOffsetsRequestTopic()
			rt.Topic = name
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Partition, p.Timestamp, p.CurrentLeaderEpoch = partition, ts, epoch
			rt.Partitions = append(rt.Partitions, p)
			req.Topics = append(req.Topics, rt)
			return c.Call(req).(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0]
		}
		for ts, want := range map[int64]struct {
			since  int16
			offset int64
		}{-1: {1, 6}, -2: {1, 0}, -3: {7, -2}, -4: {8, 0}, -5: {9, -1}, -6: {11, -1}, -7: {99, 0}} {
			p := ask("t", 0, ts, -1)
			switch {
			case version < want.since:
				apitest.Is(t, fmt.Sprint("timestamp ", ts), p.ErrorCode, protocol.UnsupportedVersion)
			case want.offset == -2: // the largest timestamp
				if p.ErrorCode != 0 || p.Offset < 0 || p.Timestamp < now {
					t.Errorf("max timestamp: %+v", p)
				}
			case p.ErrorCode != 0 || p.Offset != want.offset || p.Timestamp != -1:
				t.Errorf("timestamp %d: %+v", ts, p)
			}
		}
		if p := ask("t", 0, now, -1); p.Offset != 0 || p.Timestamp < now {
			t.Errorf("from now: %+v", p)
		}
		if p := ask("t", 0, now+1e9, -1); p.ErrorCode != 0 || p.Offset != -1 || p.Timestamp != -1 {
			t.Errorf("later than all: %+v", p)
		}
		apitest.Is(t, "unknown topic", ask("none", 0, -1, -1).ErrorCode, protocol.UnknownTopicOrPartition)
		apitest.Is(t, "unknown partition", ask("t", 2, -1, -1).ErrorCode, protocol.UnknownTopicOrPartition)
		if version >= 4 {
			apitest.Is(t, "epoch too high", ask("t", 0, -1, 4).ErrorCode, protocol.UnknownLeaderEpoch)
			if p := ask("t", 0, -1, 0); p.ErrorCode != 0 || p.LeaderEpoch != 0 {
				t.Errorf("in its epoch: %+v", p)
			}
		}
		req := latestTwice(version)
		for _, p := range c.Call(req).(*kmsg.ListOffsetsResponse).Topics[0].Partitions {
			apitest.Is(t, "twice", p.ErrorCode, protocol.InvalidRequest)
		}
	})
}

func latestTwice(version int16) *kmsg.ListOffsetsRequest {
	req := kmsg.NewPtrListOffsetsRequest()
	req.Version = version
	rt := kmsg.NewListOffsetsRequestTopic()
	rt.Topic = "t"
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Timestamp = -1
	rt.Partitions = append(rt.Partitions, p, p)
	req.Topics = append(req.Topics, rt)
	return req
}

func TestOffsetForLeaderEpoch(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	topic := b.Topic("t", 1, nil)
	b.Produce(topic, 0, apitest.Batch(4, 10))
	apitest.Versions(t, protocol.KeyOffsetForLeaderEpoch, func(t *testing.T, version int16) {
		c := b.Dial()
		ask := func(name string, current, epoch int32) kmsg.OffsetForLeaderEpochResponseTopicPartition {
			req := kmsg.NewPtrOffsetForLeaderEpochRequest()
			req.Version = version
			rt := kmsg.NewOffsetForLeaderEpochRequestTopic()
			rt.Topic = name
			p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
			p.CurrentLeaderEpoch, p.LeaderEpoch = current, epoch
			rt.Partitions = append(rt.Partitions, p)
			req.Topics = append(req.Topics, rt)
			return c.Call(req).(*kmsg.OffsetForLeaderEpochResponse).Topics[0].Partitions[0]
		}
		if p := ask("t", -1, 0); p.ErrorCode != 0 || p.LeaderEpoch != 0 || p.EndOffset != 4 {
			t.Errorf("%+v", p)
		}
		if p := ask("t", 0, 7); p.ErrorCode != 0 || p.LeaderEpoch != -1 || p.EndOffset != -1 {
			t.Errorf("above the latest: %+v", p)
		}
		apitest.Is(t, "fenced", ask("t", 3, 0).ErrorCode, protocol.UnknownLeaderEpoch)
		if p := ask("none", -1, 0); p.ErrorCode != 3 || p.LeaderEpoch != -1 || p.EndOffset != -1 {
			t.Errorf("%+v", p)
		}
	})
}
