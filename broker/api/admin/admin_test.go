package admin_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api/apitest"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/pack"
)

func TestDescribeLogDirs(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	topic := b.Topic("a", 3, nil)
	b.Topic("b", 1, nil)
	c := b.Dial()
	if p := apitest.Produced(t, c.Call(apitest.ProduceTo(9, "a", topic.ID, map[int32][]byte{1: apitest.Batch(1, 1)}))); p.ErrorCode != 0 {
		t.Fatal(protocol.Code(p.ErrorCode))
	}
	size, err := b.Log.Size(t.Context(), pack.PartitionID{Topic: topic.ID, Partition: 1})
	if err != nil || size == 0 {
		t.Fatal(size, err)
	}
	apitest.Versions(t, protocol.KeyDescribeLogDirs, func(t *testing.T, version int16) {
		ask := func(topics []kmsg.DescribeLogDirsRequestTopic) kmsg.DescribeLogDirsResponseDir {
			req := kmsg.NewPtrDescribeLogDirsRequest()
			req.Version, req.Topics = version, topics
			resp := c.Call(req).(*kmsg.DescribeLogDirsResponse)
			if len(resp.Dirs) != 1 || resp.ErrorCode != 0 {
				t.Fatalf("%+v", resp)
			}
			return resp.Dirs[0]
		}
		all := ask(nil)
		if all.Dir != apitest.LogDir || all.IsCordoned || len(all.Topics) != 2 {
			t.Errorf("%+v", all)
		}
		if version >= 4 && (all.TotalBytes != 1000 || all.UsableBytes != 400) || version < 4 && all.TotalBytes != -1 {
			t.Errorf("%d of %d bytes", all.UsableBytes, all.TotalBytes)
		}
		want := []kmsg.DescribeLogDirsResponseDirTopicPartition{{Partition: 0}, {Partition: 1, Size: size}, {Partition: 2}}
		if got := all.Topics[0]; got.Topic != "a" || !reflect.DeepEqual(got.Partitions, want) {
			t.Errorf("%+v", got)
		}
		if none := ask([]kmsg.DescribeLogDirsRequestTopic{}); len(none.Topics) != 0 {
			t.Errorf("asked for nothing: %+v", none.Topics)
		}
		some := ask([]kmsg.DescribeLogDirsRequestTopic{
			{Topic: "a", Partitions: []int32{1, 7, -1, 1}}, {Topic: "none", Partitions: []int32{0}}, {Topic: "b"}, {Topic: "a", Partitions: []int32{0, 1}},
		})
		if len(some.Topics) != 1 || !reflect.DeepEqual(some.Topics[0].Partitions, want[:2]) {
			t.Errorf("%+v", some.Topics)
		}
	})
	b.Log.Refuse(protocol.KafkaStorageError)
	req := kmsg.NewPtrDescribeLogDirsRequest()
	req.Version = 5
	apitest.Is(t, "storage error", c.Call(req).(*kmsg.DescribeLogDirsResponse).Dirs[0].ErrorCode, protocol.KafkaStorageError)
}

func TestAlterReplicaLogDirs(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	b.Topic("a", 1, nil)
	c := b.Dial()
	dir := func(path, topic string, partitions ...int32) kmsg.AlterReplicaLogDirsRequestDir {
		return kmsg.AlterReplicaLogDirsRequestDir{Dir: path, Topics: []kmsg.AlterReplicaLogDirsRequestDirTopic{{Topic: topic, Partitions: partitions}}}
	}
	apitest.Versions(t, protocol.KeyAlterReplicaLogDirs, func(t *testing.T, version int16) {
		ask := func(dirs ...kmsg.AlterReplicaLogDirsRequestDir) map[string]map[int32]protocol.Code {
			req := kmsg.NewPtrAlterReplicaLogDirsRequest()
			req.Version, req.Dirs = version, dirs
			out := map[string]map[int32]protocol.Code{}
			for _, topic := range c.Call(req).(*kmsg.AlterReplicaLogDirsResponse).Topics {
				if out[topic.Topic] != nil {
					t.Errorf("%s is answered twice", topic.Topic)
				}
				out[topic.Topic] = map[int32]protocol.Code{}
				for _, p := range topic.Partitions {
					out[topic.Topic][p.Partition] = protocol.Code(p.ErrorCode)
				}
			}
			return out
		}
		for _, x := range []struct {
			dirs []kmsg.AlterReplicaLogDirsRequestDir
			want map[string]map[int32]protocol.Code
		}{
			{nil, map[string]map[int32]protocol.Code{}},
			{[]kmsg.AlterReplicaLogDirsRequestDir{dir(apitest.LogDir, "a", 0, 9, -1), dir(apitest.LogDir, "none", 0)}, map[string]map[int32]protocol.Code{
				"a":    {0: protocol.None, 9: protocol.UnknownTopicOrPartition, -1: protocol.UnknownTopicOrPartition},
				"none": {0: protocol.UnknownTopicOrPartition},
			}},
			{[]kmsg.AlterReplicaLogDirsRequestDir{dir(apitest.LogDir, "a", 0), dir("/other", "a", 0)}, map[string]map[int32]protocol.Code{"a": {0: protocol.LogDirNotFound}}},
			{[]kmsg.AlterReplicaLogDirsRequestDir{dir(apitest.LogDir, "a"), dir(apitest.LogDir, "none")}, map[string]map[int32]protocol.Code{}},
		} {
			if got := ask(x.dirs...); !reflect.DeepEqual(got, x.want) {
				t.Errorf("%+v: %v, want %v", x.dirs, got, x.want)
			}
		}
	})
}

func TestDescribeProducers(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	topic := b.Topic("a", 2, nil)
	c := b.Dial()
	builder := record.NewBuilder()
	builder.Producer = record.Producer{ID: 77, Epoch: 3, Sequence: 5}
	builder.Append(time.Now().UnixMilli(), nil, []byte("a"))
	builder.Append(time.Now().UnixMilli(), nil, []byte("b"))
	sent := bytes.Clone(builder.Batch())
	if p := apitest.Produced(t, c.Call(apitest.ProduceTo(9, "a", topic.ID, map[int32][]byte{1: sent}))); p.ErrorCode != 0 {
		t.Fatal(protocol.Code(p.ErrorCode))
	}
	req := kmsg.NewPtrDescribeProducersRequest()
	req.Topics = []kmsg.DescribeProducersRequestTopic{
		{Topic: "a", Partitions: []int32{0, 1, 2}}, {Topic: "none", Partitions: []int32{0}}, {Topic: "a b", Partitions: []int32{0}},
	}
	resp := c.Call(req).(*kmsg.DescribeProducersResponse)
	a := resp.Topics[0].Partitions
	if len(resp.Topics) != 3 || len(a) != 3 || len(a[0].ActiveProducers) != 0 || len(a[1].ActiveProducers) != 1 {
		t.Fatalf("%+v", resp.Topics)
	}
	p := a[1].ActiveProducers[0]
	if p.ProducerID != 77 || p.ProducerEpoch != 3 || p.LastSequence != 6 || p.CoordinatorEpoch != -1 || p.CurrentTxnStartOffset != -1 || p.LastTimestamp < 0 {
		t.Errorf("%+v", p)
	}
	apitest.Is(t, "no partition", a[2].ErrorCode, protocol.UnknownTopicOrPartition)
	apitest.Is(t, "no topic", resp.Topics[1].Partitions[0].ErrorCode, protocol.UnknownTopicOrPartition)
	bad := resp.Topics[2].Partitions[0]
	apitest.Is(t, "bad name", bad.ErrorCode, protocol.InvalidTopicException)
	if bad.ErrorMessage == nil || !strings.Contains(*bad.ErrorMessage, "'a b'") {
		t.Error(bad.ErrorMessage)
	}
}

func TestListConfigResources(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	b.Topic("a", 1, nil)
	c := b.Dial()
	ask := func(version int16, types ...int8) (protocol.Code, []kmsg.ListConfigResourcesResponseConfigResource) {
		req := kmsg.NewPtrListConfigResourcesRequest()
		req.Version, req.ResourceTypes = version, types
		resp := c.Call(req).(*kmsg.ListConfigResourcesResponse)
		return protocol.Code(resp.ErrorCode), resp.ConfigResources
	}
	expect := func(want []kmsg.ListConfigResourcesResponseConfigResource, version int16, types ...int8) {
		t.Helper()
		if code, got := ask(version, types...); code != 0 || !reflect.DeepEqual(got, want) {
			t.Errorf("%v of version %d: %v, %v, want %v", types, version, code, got, want)
		}
	}
	set(t, c, kmsg.ConfigResourceType(16), "sub", "interval.ms", "1000")
	set(t, c, kmsg.ConfigResourceType(32), "g", "consumer.session.timeout.ms", "50000")
	type named = kmsg.ListConfigResourcesResponseConfigResource
	expect([]named{{Name: "sub", Type: 16}}, 0)
	expect([]named{{Name: "g", Type: 32}, {Name: "sub", Type: 16}, {Name: "1", Type: 8}, {Name: "1", Type: 4}, {Name: "a", Type: 2}}, 1)
	expect([]named{{Name: "g", Type: 32}}, 1, 32)
	expect([]named{{Name: "1", Type: 4}, {Name: "a", Type: 2}}, 1, 2, 4, 2)
	for _, unknown := range []int8{0, 1, 64, -1} {
		if code, got := ask(1, 2, unknown); code != protocol.UnsupportedVersion || len(got) != 0 {
			t.Errorf("type %d: %v, %v", unknown, code, got)
		}
	}
}

// set changes a setting of a resource.
func set(t *testing.T, c *apitest.Client, kind kmsg.ConfigResourceType, name, key, value string) {
	t.Helper()
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.Version = 1
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kind, name
	k := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	k.Name, k.Value = key, &value
	r.Configs = append(r.Configs, k)
	req.Resources = append(req.Resources, r)
	if got := c.Call(req).(*kmsg.IncrementalAlterConfigsResponse).Resources[0]; got.ErrorCode != 0 {
		t.Fatalf("%s=%s: %v %s", key, value, protocol.Code(got.ErrorCode), *got.ErrorMessage)
	}
}
