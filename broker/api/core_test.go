package api_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api/apitest"
	"github.com/streamhouse/streamhouse/coordinator/transactions"
	"github.com/streamhouse/streamhouse/protocol"
)

// versions calls fn for every served version of an API.
func versions(t *testing.T, key int16, fn func(t *testing.T, version int16)) {
	t.Helper()
	spec := protocol.Lookup(key)
	for v := spec.Min; v <= spec.Max; v++ {
		t.Run(fmt.Sprint("v", v), func(t *testing.T) { fn(t, v) })
	}
}

func is(t *testing.T, what string, got int16, want protocol.Code) {
	t.Helper()
	if protocol.Code(got) != want {
		t.Errorf("%s: %v, want %v", what, protocol.Code(got), want)
	}
}

func TestApiVersions(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	versions(t, protocol.KeyApiVersions, func(t *testing.T, version int16) {
		c := b.Dial()
		req := kmsg.NewPtrApiVersionsRequest()
		req.Version, req.ClientSoftwareName, req.ClientSoftwareVersion = version, "some-client", "1.2.3"
		resp := c.Call(req).(*kmsg.ApiVersionsResponse)
		is(t, "answer", resp.ErrorCode, protocol.None)
		keys := map[int16][2]int16{}
		for _, k := range resp.ApiKeys {
			keys[k.ApiKey] = [2]int16{k.MinVersion, k.MaxVersion}
		}
		if keys[0] != [2]int16{0, 13} || keys[1] != [2]int16{4, 18} || keys[18] != [2]int16{0, 5} {
			t.Errorf("%v", keys)
		}
		if _, ok := keys[52]; ok {
			t.Error("an API that is not built is there")
		}
		if version >= 3 {
			supported := 2
			if version < 4 {
				supported = 1 // one that begins at level 0 is not shown
			}
			if len(resp.SupportedFeatures) != supported || len(resp.FinalizedFeatures) != 2 || resp.FinalizedFeaturesEpoch < 0 {
				t.Errorf("features %+v %+v %d", resp.SupportedFeatures, resp.FinalizedFeatures, resp.FinalizedFeaturesEpoch)
			}
			for _, bad := range []string{"", "-a", "a b", "a-"} {
				req.ClientSoftwareName = bad
				is(t, "software "+bad, c.Call(req).(*kmsg.ApiVersionsResponse).ErrorCode, protocol.InvalidRequest)
			}
			req.ClientSoftwareName = "x"
		}
		if version >= 5 {
			id, other := b.Node.ClusterID, "other"
			for _, tc := range []struct {
				cluster *string
				node    int32
				code    protocol.Code
			}{{&id, 1, 0}, {&other, 1, protocol.RebootstrapRequired}, {&id, 2, protocol.RebootstrapRequired}, {&id, -1, protocol.InvalidRequest}, {nil, 1, protocol.InvalidRequest}} {
				req.ClusterID, req.NodeID = tc.cluster, tc.node
				is(t, "expected broker", c.Call(req).(*kmsg.ApiVersionsResponse).ErrorCode, tc.code)
			}
		}
	})
}

func TestMetadata(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	topic := b.Topic("here", 3, nil)
	versions(t, protocol.KeyMetadata, func(t *testing.T, version int16) {
		c := b.Dial()
		ask := func(all bool, names ...string) *kmsg.MetadataResponse {
			req := kmsg.NewPtrMetadataRequest()
			req.Version, req.AllowAutoTopicCreation = version, false
			if !all {
				req.Topics = []kmsg.MetadataRequestTopic{}
			}
			for _, n := range names {
				rt := kmsg.NewMetadataRequestTopic()
				rt.Topic = &n
				req.Topics = append(req.Topics, rt)
			}
			return c.Call(req).(*kmsg.MetadataResponse)
		}
		resp := ask(false, "here")
		if len(resp.Brokers) != 1 || resp.Brokers[0].NodeID != 1 || resp.Brokers[0].Host != "127.0.0.1" {
			t.Fatalf("brokers %+v", resp.Brokers)
		}
		if version >= 1 && resp.ControllerID != 1 || version >= 2 && *resp.ClusterID != b.Node.ClusterID {
			t.Errorf("controller %d, cluster %v", resp.ControllerID, resp.ClusterID)
		}
		got := resp.Topics[0]
		if *got.Topic != "here" || len(got.Partitions) != 3 || version >= 10 && got.TopicID != topic.ID {
			t.Fatalf("%+v", got)
		}
		if p := got.Partitions[2]; p.Partition != 2 || p.Leader != 1 || !slices.Equal(p.Replicas, []int32{1}) || !slices.Equal(p.ISR, []int32{1}) || version >= 7 && p.LeaderEpoch != 0 {
			t.Errorf("%+v", p)
		}
		if got.AuthorizedOperations != -2147483648 {
			t.Errorf("operations that were not asked for: %x", got.AuthorizedOperations)
		}
		if n := len(ask(true).Topics); n != len(b.Catalog.Snapshot().Topics()) {
			t.Errorf("all topics: %d", n)
		}
		if version >= 1 && len(ask(false).Topics) != 0 {
			t.Error("no topics were asked for, some came")
		}
		is(t, "bad name", ask(false, "a b").Topics[0].ErrorCode, protocol.InvalidTopicException)
		if version >= 4 {
			is(t, "unknown", ask(false, "never").Topics[0].ErrorCode, protocol.UnknownTopicOrPartition)
			if b.Catalog.ByName("never") != nil {
				t.Error("a topic was made that nobody wanted")
			}
		}
		name := fmt.Sprint("made-", version)
		req := kmsg.NewPtrMetadataRequest()
		req.Version, req.AllowAutoTopicCreation = version, true
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = &name
		req.Topics = append(req.Topics, rt)
		is(t, "made just now", c.Call(req).(*kmsg.MetadataResponse).Topics[0].ErrorCode, protocol.UnknownTopicOrPartition)
		is(t, "made before", c.Call(req).(*kmsg.MetadataResponse).Topics[0].ErrorCode, protocol.None)
	})
}

func TestMetadataByID(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	topic := b.Topic("here", 1, nil)
	c := b.Dial()
	name := "here"
	for version := int16(10); version <= 13; version++ {
		req := kmsg.NewPtrMetadataRequest()
		req.Version = version
		for _, id := range [][16]byte{topic.ID, {9}} {
			rt := kmsg.NewMetadataRequestTopic()
			rt.TopicID = id
			if version < 12 {
				rt.Topic = &name
			}
			req.Topics = append(req.Topics, rt)
		}
		named := kmsg.NewMetadataRequestTopic()
		named.Topic = &name
		req.Topics = append(req.Topics, named)
		topics := c.Call(req).(*kmsg.MetadataResponse).Topics
		if version < 12 {
			is(t, "an id before its time", topics[0].ErrorCode, protocol.InvalidRequest)
			continue
		}
		if len(topics) != 2 || *topics[0].Topic != "here" || topics[0].ErrorCode != 0 {
			t.Fatalf("v%d: %+v", version, topics)
		}
		is(t, "unknown id", topics[1].ErrorCode, protocol.UnknownTopicID)
		if topics[1].Topic != nil || topics[1].TopicID != [16]byte{9} {
			t.Errorf("v%d: %+v", version, topics[1])
		}
	}
}

// TestMetadataCreatesOnce: many ask for the same new topic at once.
func TestMetadataCreatesOnce(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	var all sync.WaitGroup
	var mu sync.Mutex
	made := 0
	for range 20 {
		c := b.Dial()
		all.Go(func() {
			req := kmsg.NewPtrMetadataRequest()
			req.Version, req.AllowAutoTopicCreation = 12, true
			for _, n := range []string{"new", "new.a", "new_a"} {
				rt := kmsg.NewMetadataRequestTopic()
				rt.Topic = &n
				req.Topics = append(req.Topics, rt)
			}
			resp := c.Call(req).(*kmsg.MetadataResponse)
			mu.Lock()
			defer mu.Unlock()
			if resp.Topics[0].ErrorCode == int16(protocol.UnknownTopicOrPartition) {
				made++
			}
			is(t, "colliding", resp.Topics[2].ErrorCode, protocol.UnknownTopicOrPartition)
		})
	}
	all.Wait()
	if made != 1 {
		t.Errorf("%d of 20 were told that the topic is new", made)
	}
	if n := b.Catalog.Snapshot().Len(); n != 2 {
		t.Errorf("%d topics, want new and new.a", n)
	}
}

func TestListOffsets(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	topic := b.Topic("t", 2, nil)
	now := time.Now().UnixMilli()
	for range 3 {
		produce(t, b, topic, 0, batchOf(2, 10))
	}
	versions(t, protocol.KeyListOffsets, func(t *testing.T, version int16) {
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
				is(t, fmt.Sprint("timestamp ", ts), p.ErrorCode, protocol.UnsupportedVersion)
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
		is(t, "unknown topic", ask("none", 0, -1, -1).ErrorCode, protocol.UnknownTopicOrPartition)
		is(t, "unknown partition", ask("t", 2, -1, -1).ErrorCode, protocol.UnknownTopicOrPartition)
		if version >= 4 {
			is(t, "epoch too high", ask("t", 0, -1, 4).ErrorCode, protocol.UnknownLeaderEpoch)
			if p := ask("t", 0, -1, 0); p.ErrorCode != 0 || p.LeaderEpoch != 0 {
				t.Errorf("in its epoch: %+v", p)
			}
		}
		req := latestTwice(version)
		for _, p := range c.Call(req).(*kmsg.ListOffsetsResponse).Topics[0].Partitions {
			is(t, "twice", p.ErrorCode, protocol.InvalidRequest)
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
	produce(t, b, topic, 0, batchOf(4, 10))
	versions(t, protocol.KeyOffsetForLeaderEpoch, func(t *testing.T, version int16) {
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
		is(t, "fenced", ask("t", 3, 0).ErrorCode, protocol.UnknownLeaderEpoch)
		if p := ask("none", -1, 0); p.ErrorCode != 3 || p.LeaderEpoch != -1 || p.EndOffset != -1 {
			t.Errorf("%+v", p)
		}
	})
}

func TestInitProducerID(t *testing.T) {
	x := &apitest.Coordinator{}
	b := apitest.Start(t, apitest.Options{Coordinator: x})
	seen := map[int64]bool{}
	versions(t, protocol.KeyInitProducerId, func(t *testing.T, version int16) {
		c := b.Dial()
		req := kmsg.NewPtrInitProducerIDRequest()
		req.Version = version
		for range 3 {
			r := c.Call(req).(*kmsg.InitProducerIDResponse)
			if r.ErrorCode != 0 || r.ProducerEpoch != 0 || seen[r.ProducerID] {
				t.Errorf("%+v", r)
			}
			seen[r.ProducerID] = true
		}
		id, had := "tx", "{-1 -1}"
		req.TransactionalID, req.TransactionTimeoutMillis = &id, 77
		req.ProducerID, req.ProducerEpoch = 5, 6
		if version >= 3 {
			had = "{5 6}"
		}
		x.Code, x.Next = protocol.None, transactions.Producer{ID: 8, Epoch: 9}
		if r := c.Call(req).(*kmsg.InitProducerIDResponse); r.ErrorCode != 0 || r.ProducerID != 8 || r.ProducerEpoch != 9 {
			t.Errorf("%+v", r)
		}
		if got, want := x.Last(), "init tx 77 "+had; got != want {
			t.Errorf("asked %q, want %q", got, want)
		}
		x.Code, x.Next = protocol.ProducerFenced, transactions.Producer{ID: -1, Epoch: -1}
		want := protocol.ProducerFenced
		if version < 4 {
			want = protocol.InvalidProducerEpoch
		}
		r := c.Call(req).(*kmsg.InitProducerIDResponse)
		is(t, "fenced", r.ErrorCode, want)
		if r.ProducerID != -1 || r.ProducerEpoch != -1 {
			t.Errorf("%+v", r)
		}
		if version >= 3 {
			req.ProducerEpoch = -1
			is(t, "id without epoch", c.Call(req).(*kmsg.InitProducerIDResponse).ErrorCode, protocol.InvalidRequest)
			req.TransactionalID = nil
			is(t, "id without epoch", c.Call(req).(*kmsg.InitProducerIDResponse).ErrorCode, protocol.InvalidRequest)
		}
	})
}

func TestDescribeCluster(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	versions(t, protocol.KeyDescribeCluster, func(t *testing.T, version int16) {
		c := b.Dial()
		req := kmsg.NewPtrDescribeClusterRequest()
		req.Version, req.IncludeClusterAuthorizedOperations = version, true
		r := c.Call(req).(*kmsg.DescribeClusterResponse)
		if r.ErrorCode != 0 || r.ClusterID != b.Node.ClusterID || r.ControllerID != 1 || len(r.Brokers) != 1 || r.ClusterAuthorizedOperations != 0x1FA0 {
			t.Errorf("%+v", r)
		}
		if version >= 1 {
			req.EndpointType = 2
			is(t, "controllers", c.Call(req).(*kmsg.DescribeClusterResponse).ErrorCode, protocol.MismatchedEndpointType)
			req.EndpointType = 3
			is(t, "nonsense", c.Call(req).(*kmsg.DescribeClusterResponse).ErrorCode, protocol.UnsupportedEndpointType)
		}
	})
}
