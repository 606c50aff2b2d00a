package admin_test

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api/apitest"
	"github.com/streamhouse/streamhouse/protocol"
)

func newTopic(name string, partitions int32, replicas int16, configs ...string) kmsg.CreateTopicsRequestTopic {
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, replicas
	for i := 0; i < len(configs); i += 2 {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = configs[i], &configs[i+1]
		t.Configs = append(t.Configs, c)
	}
	return t
}

func TestCreateTopics(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	apitest.Versions(t, protocol.KeyCreateTopics, func(t *testing.T, version int16) {
		c := b.Dial()
		create := func(validate bool, topics ...kmsg.CreateTopicsRequestTopic) []kmsg.CreateTopicsResponseTopic {
			req := kmsg.NewPtrCreateTopicsRequest()
			req.Version, req.Topics, req.ValidateOnly = version, topics, validate
			return c.Call(req).(*kmsg.CreateTopicsResponse).Topics
		}
		name := fmt.Sprint("t", version)
		planned := create(true, newTopic(name, 2, 1))[0]
		apitest.Is(t, "validate only", planned.ErrorCode, protocol.None)
		if b.Catalog.ByName(name) != nil {
			t.Error("validation made a topic")
		}
		if version >= 7 && planned.TopicID == [16]byte{} {
			t.Error("a planned topic has no id")
		}
		got := create(false, newTopic(name, 2, 3, "retention.ms", "1000"))[0]
		topic := b.Catalog.ByName(name)
		if got.ErrorCode != 0 || topic == nil || topic.Partitions != 2 || topic.Configs["retention.ms"] != "1000" {
			t.Fatalf("%+v, %+v", got, topic)
		}
		if version >= 7 && got.TopicID != topic.ID {
			t.Errorf("id %x", got.TopicID)
		}
		if version >= 5 {
			if got.NumPartitions != 2 || got.ReplicationFactor != 1 || len(got.Configs) < 20 {
				t.Errorf("%d partitions, %d replicas, %d configs", got.NumPartitions, got.ReplicationFactor, len(got.Configs))
			}
			for _, k := range got.Configs {
				if k.Source < 1 || k.Source > 8 || k.Name == "retention.ms" && (*k.Value != "1000" || k.Source != 1) {
					t.Errorf("config %+v", k)
				}
			}
		}
		// It can be used at once.
		if p := apitest.Produced(t, c.Call(apitest.ProduceTo(9, name, topic.ID, map[int32][]byte{1: apitest.Batch(1, 1)}))); p.ErrorCode != 0 {
			t.Errorf("produce at once: %v", protocol.Code(p.ErrorCode))
		}
		bad := create(false,
			newTopic(name, 1, 1), newTopic("a b", 1, 1), newTopic("x", 0, 1), newTopic("x2", 1, 0),
			newTopic("x3", 1, 1, "no.such", "1"), newTopic("x4", 1, 1, "retention.ms", "abc"),
			newTopic("dup", 1, 1), newTopic("dup", 2, 1), newTopic(fmt.Sprint("def", version), -1, -1))
		for i, want := range []protocol.Code{
			protocol.TopicAlreadyExists, protocol.InvalidTopicException, protocol.InvalidPartitions, protocol.InvalidReplicationFactor,
			protocol.InvalidConfig, protocol.InvalidConfig, protocol.InvalidRequest, protocol.None,
		} {
			apitest.Is(t, bad[i].Topic, bad[i].ErrorCode, want)
			if want != 0 && bad[i].ErrorMessage == nil {
				t.Errorf("%s: no message", bad[i].Topic)
			}
		}
		if len(bad) != 8 || b.Catalog.ByName("dup") != nil {
			t.Errorf("%d answers, want one for the name that was there twice", len(bad))
		}
		manual := newTopic(fmt.Sprint("manual", version), -1, -1)
		for _, p := range []int32{0, 1, 1} {
			a := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
			a.Partition, a.Replicas = p, []int32{1}
			manual.ReplicaAssignment = append(manual.ReplicaAssignment, a)
		}
		apitest.Is(t, "a partition assigned twice", create(false, manual)[0].ErrorCode, protocol.InvalidReplicaAssignment)
		manual.ReplicaAssignment = manual.ReplicaAssignment[:2]
		apitest.Is(t, "assigned", create(false, manual)[0].ErrorCode, protocol.None)
		if topic := b.Catalog.ByName(manual.Topic); topic == nil || topic.Partitions != 2 {
			t.Errorf("%+v", topic)
		}
	})
}

func TestDeleteTopics(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	apitest.Versions(t, protocol.KeyDeleteTopics, func(t *testing.T, version int16) {
		c := b.Dial()
		b.Topic("a", 1, nil)
		byID := b.Topic("b", 1, nil)
		req := kmsg.NewPtrDeleteTopicsRequest()
		req.Version = version
		if version < 6 {
			req.TopicNames = []string{"a", "none", "x", "x"}
			r := c.Call(req).(*kmsg.DeleteTopicsResponse).Topics
			apitest.Is(t, "a", r[0].ErrorCode, protocol.None)
			apitest.Is(t, "none", r[1].ErrorCode, protocol.UnknownTopicOrPartition)
			apitest.Is(t, "twice", r[2].ErrorCode, protocol.InvalidRequest)
			if len(r) != 3 || b.Catalog.ByName("a") != nil {
				t.Errorf("%+v", r)
			}
			req.TopicNames = []string{"b"}
			c.Call(req)
			return
		}
		name, none := "a", "none"
		for _, want := range []struct {
			name *string
			id   [16]byte
		}{{&name, [16]byte{}}, {nil, byID.ID}, {&none, [16]byte{}}, {nil, [16]byte{9}}, {&none, [16]byte{8}}, {nil, [16]byte{}}} {
			rt := kmsg.NewDeleteTopicsRequestTopic()
			rt.Topic, rt.TopicID = want.name, want.id
			req.Topics = append(req.Topics, rt)
		}
		r := c.Call(req).(*kmsg.DeleteTopicsResponse).Topics
		for i, want := range []protocol.Code{0, 0, protocol.UnknownTopicOrPartition, protocol.UnknownTopicID, protocol.InvalidRequest, protocol.InvalidRequest} {
			apitest.Is(t, fmt.Sprint(i), r[i].ErrorCode, want)
		}
		if *r[1].Topic != "b" || r[3].Topic != nil || b.Catalog.Snapshot().Len() != 0 {
			t.Errorf("%+v", r)
		}
	})
	disabled := apitest.Start(t, apitest.Options{Static: map[string]string{"delete.topic.enable": "false"}})
	disabled.Topic("a", 1, nil)
	for version, want := range map[int16]protocol.Code{1: protocol.InvalidRequest, 4: protocol.TopicDeletionDisabled} {
		req := kmsg.NewPtrDeleteTopicsRequest()
		req.Version, req.TopicNames = version, []string{"a"}
		apitest.Is(t, "disabled", disabled.Dial().Call(req).(*kmsg.DeleteTopicsResponse).Topics[0].ErrorCode, want)
	}
}

func TestCreatePartitions(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	apitest.Versions(t, protocol.KeyCreatePartitions, func(t *testing.T, version int16) {
		c := b.Dial()
		name := fmt.Sprint("t", version)
		b.Topic(name, 2, nil)
		raise := func(validate bool, name string, counts ...int32) []kmsg.CreatePartitionsResponseTopic {
			req := kmsg.NewPtrCreatePartitionsRequest()
			req.Version, req.ValidateOnly = version, validate
			for _, n := range counts {
				rt := kmsg.NewCreatePartitionsRequestTopic()
				rt.Topic, rt.Count = name, n
				req.Topics = append(req.Topics, rt)
			}
			return c.Call(req).(*kmsg.CreatePartitionsResponse).Topics
		}
		apitest.Is(t, "validate", raise(true, name, 4)[0].ErrorCode, protocol.None)
		apitest.Is(t, "same", raise(false, name, 2)[0].ErrorCode, protocol.InvalidPartitions)
		apitest.Is(t, "less", raise(false, name, 1)[0].ErrorCode, protocol.InvalidPartitions)
		apitest.Is(t, "unknown", raise(false, "none", 4)[0].ErrorCode, protocol.UnknownTopicOrPartition)
		if r := raise(false, name, 5, 6); len(r) != 1 || r[0].ErrorCode != int16(protocol.InvalidRequest) {
			t.Errorf("twice: %+v", r)
		}
		apitest.Is(t, "more", raise(false, name, 4)[0].ErrorCode, protocol.None)
		topic := b.Catalog.ByName(name)
		if topic.Partitions != 4 {
			t.Fatalf("%d partitions", topic.Partitions)
		}
		b.Produce(topic, 3, apitest.Batch(1, 1))
	})
}

func TestDeleteRecords(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	apitest.Versions(t, protocol.KeyDeleteRecords, func(t *testing.T, version int16) {
		c := b.Dial()
		topic := b.Topic(fmt.Sprint("t", version), 1, nil)
		compacted := b.Topic(fmt.Sprint("c", version), 1, map[string]string{"cleanup.policy": "compact"})
		for range 5 {
			b.Produce(topic, 0, apitest.Batch(2, 1))
		}
		to := func(name string, partition int32, offset int64) kmsg.DeleteRecordsResponseTopicPartition {
			req := kmsg.NewPtrDeleteRecordsRequest()
			req.Version, req.TimeoutMillis = version, 1000
			rt := kmsg.NewDeleteRecordsRequestTopic()
			rt.Topic = name
			p := kmsg.NewDeleteRecordsRequestTopicPartition()
			p.Partition, p.Offset = partition, offset
			rt.Partitions = append(rt.Partitions, p)
			req.Topics = append(req.Topics, rt)
			return c.Call(req).(*kmsg.DeleteRecordsResponse).Topics[0].Partitions[0]
		}
		for _, tc := range []struct {
			name      string
			partition int32
			offset    int64
			code      protocol.Code
			low       int64
		}{
			{topic.Name, 0, 3, 0, 3}, {topic.Name, 0, 2, 0, 3}, {topic.Name, 0, 11, protocol.OffsetOutOfRange, -1},
			{topic.Name, 0, -2, protocol.OffsetOutOfRange, -1}, {topic.Name, 0, -1, 0, 10},
			{topic.Name, 1, 0, protocol.UnknownTopicOrPartition, -1}, {"none", 0, 0, protocol.UnknownTopicOrPartition, -1},
			{compacted.Name, 0, 0, protocol.PolicyViolation, -1},
		} {
			if p := to(tc.name, tc.partition, tc.offset); p.ErrorCode != int16(tc.code) || p.LowWatermark != tc.low {
				t.Errorf("%s-%d to %d: %v, low watermark %d, want %v, %d", tc.name, tc.partition, tc.offset, protocol.Code(p.ErrorCode), p.LowWatermark, tc.code, tc.low)
			}
		}
	})
}

func TestDescribeTopicPartitions(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	want := map[string]int32{"a": 3, "b": 1, "c": 5}
	for name, n := range want {
		b.Topic(name, n, nil)
	}
	c := b.Dial()
	for _, all := range []bool{true, false} {
		for _, limit := range []int32{1, 2, 3, 4, 9, 100} {
			req := kmsg.NewPtrDescribeTopicPartitionsRequest()
			req.ResponsePartitionLimit = limit
			if !all {
				for _, name := range []string{"c", "a", "none", "b", "a"} {
					rt := kmsg.NewDescribeTopicPartitionsRequestTopic()
					rt.Topic = name
					req.Topics = append(req.Topics, rt)
				}
			}
			got, unknown := map[string]int32{}, 0
			for pages := 0; ; pages++ {
				r := c.Call(req).(*kmsg.DescribeTopicPartitionsResponse)
				n := int32(0)
				for _, topic := range r.Topics {
					if topic.ErrorCode != 0 {
						apitest.Is(t, *topic.Topic, topic.ErrorCode, protocol.UnknownTopicOrPartition)
						unknown++
						continue
					}
					if topic.AuthorizedOperations != 0x0DF8 {
						t.Errorf("operations %x", topic.AuthorizedOperations)
					}
					for _, p := range topic.Partitions {
						if p.Partition != got[*topic.Topic] || p.EligibleLeaderReplicas == nil || p.LastKnownELR == nil || p.LeaderID != 1 {
							t.Errorf("limit %d: %s: %+v, want partition %d", limit, *topic.Topic, p, got[*topic.Topic])
						}
						got[*topic.Topic]++
						n++
					}
				}
				if n > limit || pages > 20 {
					t.Fatalf("limit %d: %d partitions on page %d", limit, n, pages)
				}
				if r.NextCursor == nil {
					break
				}
				cursor := kmsg.NewDescribeTopicPartitionsRequestCursor()
				cursor.Topic, cursor.Partition = r.NextCursor.Topic, r.NextCursor.Partition
				req.Cursor = &cursor
			}
			for name, n := range want {
				if got[name] != n {
					t.Errorf("limit %d: %d partitions of %s", limit, got[name], name)
				}
			}
			if !all && unknown == 0 {
				t.Errorf("limit %d: nothing about the unknown topic", limit)
			}
		}
	}
}

func TestConfigs(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	b.Topic("t", 1, map[string]string{"retention.ms": "1000", "cleanup.policy": "compact"})
	describe := func(t *testing.T, version int16, kind kmsg.ConfigResourceType, name string, keys ...string) kmsg.DescribeConfigsResponseResource {
		req := kmsg.NewPtrDescribeConfigsRequest()
		req.Version, req.IncludeSynonyms, req.IncludeDocumentation = version, true, true
		r := kmsg.NewDescribeConfigsRequestResource()
		r.ResourceType, r.ResourceName, r.ConfigNames = kind, name, keys
		req.Resources = append(req.Resources, r)
		c := b.Dial()
		defer func() { _ = c.Conn.Close() }()
		return c.Call(req).(*kmsg.DescribeConfigsResponse).Resources[0]
	}
	apitest.Versions(t, protocol.KeyDescribeConfigs, func(t *testing.T, version int16) {
		r := describe(t, version, 2, "t")
		if r.ErrorCode != 0 || len(r.Configs) < 30 {
			t.Fatalf("%d configs, %v", len(r.Configs), protocol.Code(r.ErrorCode))
		}
		for _, c := range r.Configs {
			if c.Source < 1 || version >= 3 && (c.ConfigType == 0 || c.Documentation == nil || *c.Documentation == "") {
				t.Errorf("%+v", c)
			}
			if c.Name == "retention.ms" && (*c.Value != "1000" || c.Source != 1 || len(c.ConfigSynonyms) == 0) {
				t.Errorf("%+v", c)
			}
		}
		if r := describe(t, version, 2, "t", "cleanup.policy"); len(r.Configs) != 1 || *r.Configs[0].Value != "compact" {
			t.Errorf("one key: %+v", r.Configs)
		}
		apitest.Is(t, "unknown topic", describe(t, version, 2, "none").ErrorCode, protocol.UnknownTopicOrPartition)
		apitest.Is(t, "the broker", describe(t, version, 4, "1").ErrorCode, protocol.None)
		apitest.Is(t, "another broker", describe(t, version, 4, "2").ErrorCode, protocol.InvalidRequest)
	})
	apitest.Versions(t, protocol.KeyIncrementalAlterConfigs, func(t *testing.T, version int16) {
		c := b.Dial()
		alter := func(name string, ops ...[3]string) kmsg.IncrementalAlterConfigsResponseResource {
			req := kmsg.NewPtrIncrementalAlterConfigsRequest()
			req.Version = version
			r := kmsg.NewIncrementalAlterConfigsRequestResource()
			r.ResourceType, r.ResourceName = 2, name
			for _, o := range ops {
				k := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
				k.Name, k.Op, k.Value = o[0], kmsg.IncrementalAlterConfigOp(o[1][0]-'0'), &o[2]
				r.Configs = append(r.Configs, k)
			}
			req.Resources = append(req.Resources, r)
			return c.Call(req).(*kmsg.IncrementalAlterConfigsResponse).Resources[0]
		}
		apitest.Is(t, "set", alter("t", [3]string{"retention.ms", "0", "2000"}).ErrorCode, protocol.None)
		apitest.Is(t, "append", alter("t", [3]string{"cleanup.policy", "2", "delete"}).ErrorCode, protocol.None)
		set := b.Catalog.ByName("t").Configs
		if set["retention.ms"] != "2000" || set["cleanup.policy"] != "compact,delete" {
			t.Errorf("%v", set)
		}
		apitest.Is(t, "append to a number", alter("t", [3]string{"retention.ms", "2", "1"}).ErrorCode, protocol.InvalidConfig)
		apitest.Is(t, "bad value", alter("t", [3]string{"retention.ms", "0", "x"}).ErrorCode, protocol.InvalidConfig)
		apitest.Is(t, "bad op", alter("t", [3]string{"retention.ms", "7", "x"}).ErrorCode, protocol.InvalidRequest)
		apitest.Is(t, "unknown topic", alter("none", [3]string{"retention.ms", "0", "1"}).ErrorCode, protocol.UnknownTopicOrPartition)
		apitest.Is(t, "subtract", alter("t", [3]string{"cleanup.policy", "3", "delete"}).ErrorCode, protocol.None)
		apitest.Is(t, "delete", alter("t", [3]string{"retention.ms", "1", ""}).ErrorCode, protocol.None)
		if set := b.Catalog.ByName("t").Configs; set["cleanup.policy"] != "compact" || set["retention.ms"] != "" {
			t.Errorf("%v", set)
		}
	})
	apitest.Versions(t, protocol.KeyAlterConfigs, func(t *testing.T, version int16) {
		c := b.Dial()
		req := kmsg.NewPtrAlterConfigsRequest()
		req.Version = version
		r := kmsg.NewAlterConfigsRequestResource()
		r.ResourceType, r.ResourceName = 2, "t"
		k := kmsg.NewAlterConfigsRequestResourceConfig()
		k.Name, k.Value = "segment.bytes", kmsg.StringPtr("2000000")
		r.Configs = append(r.Configs, k)
		req.Resources = append(req.Resources, r)
		req.ValidateOnly = true
		apitest.Is(t, "validate", c.Call(req).(*kmsg.AlterConfigsResponse).Resources[0].ErrorCode, protocol.None)
		req.ValidateOnly = false
		apitest.Is(t, "replace", c.Call(req).(*kmsg.AlterConfigsResponse).Resources[0].ErrorCode, protocol.None)
		if set := b.Catalog.ByName("t").Configs; len(set) != 1 || set["segment.bytes"] != "2000000" {
			t.Errorf("%v", set)
		}
		req.Resources = append(req.Resources, req.Resources[0])
		for _, r := range c.Call(req).(*kmsg.AlterConfigsResponse).Resources {
			apitest.Is(t, "twice", r.ErrorCode, protocol.InvalidRequest)
		}
	})
}
