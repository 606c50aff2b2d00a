package admin_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api/apitest"
	"github.com/streamhouse/streamhouse/protocol"
)

func TestApiVersions(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	apitest.Versions(t, protocol.KeyApiVersions, func(t *testing.T, version int16) {
		c := b.Dial()
		req := kmsg.NewPtrApiVersionsRequest()
		req.Version, req.ClientSoftwareName, req.ClientSoftwareVersion = version, "some-client", "1.2.3"
		resp := c.Call(req).(*kmsg.ApiVersionsResponse)
		apitest.Is(t, "answer", resp.ErrorCode, protocol.None)
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
				apitest.Is(t, "software "+bad, c.Call(req).(*kmsg.ApiVersionsResponse).ErrorCode, protocol.InvalidRequest)
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
				apitest.Is(t, "expected broker", c.Call(req).(*kmsg.ApiVersionsResponse).ErrorCode, tc.code)
			}
		}
	})
}

func TestMetadata(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	topic := b.Topic("here", 3, nil)
	apitest.Versions(t, protocol.KeyMetadata, func(t *testing.T, version int16) {
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
		apitest.Is(t, "bad name", ask(false, "a b").Topics[0].ErrorCode, protocol.InvalidTopicException)
		if version >= 4 {
			apitest.Is(t, "unknown", ask(false, "never").Topics[0].ErrorCode, protocol.UnknownTopicOrPartition)
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
		apitest.Is(t, "made just now", c.Call(req).(*kmsg.MetadataResponse).Topics[0].ErrorCode, protocol.UnknownTopicOrPartition)
		apitest.Is(t, "made before", c.Call(req).(*kmsg.MetadataResponse).Topics[0].ErrorCode, protocol.None)
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
			apitest.Is(t, "an id before its time", topics[0].ErrorCode, protocol.InvalidRequest)
			continue
		}
		if len(topics) != 2 || *topics[0].Topic != "here" || topics[0].ErrorCode != 0 {
			t.Fatalf("v%d: %+v", version, topics)
		}
		apitest.Is(t, "unknown id", topics[1].ErrorCode, protocol.UnknownTopicID)
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
			apitest.Is(t, "colliding", resp.Topics[2].ErrorCode, protocol.UnknownTopicOrPartition)
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

func TestDescribeCluster(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	apitest.Versions(t, protocol.KeyDescribeCluster, func(t *testing.T, version int16) {
		c := b.Dial()
		req := kmsg.NewPtrDescribeClusterRequest()
		req.Version, req.IncludeClusterAuthorizedOperations = version, true
		r := c.Call(req).(*kmsg.DescribeClusterResponse)
		if r.ErrorCode != 0 || r.ClusterID != b.Node.ClusterID || r.ControllerID != 1 || len(r.Brokers) != 1 || r.ClusterAuthorizedOperations != 0x1FA0 {
			t.Errorf("%+v", r)
		}
		if version >= 1 {
			req.EndpointType = 2
			apitest.Is(t, "controllers", c.Call(req).(*kmsg.DescribeClusterResponse).ErrorCode, protocol.MismatchedEndpointType)
			req.EndpointType = 3
			apitest.Is(t, "nonsense", c.Call(req).(*kmsg.DescribeClusterResponse).ErrorCode, protocol.UnsupportedEndpointType)
		}
	})
}
