package admin_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api/apitest"
	"github.com/streamhouse/streamhouse/protocol"
)

// The codes and texts of these tests are what Apache Kafka 4.4 answers as a broker on
// its own.

func TestPartitionReassignments(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	b.Topic("a", 2, nil)
	c := b.Dial()
	cases := []struct {
		topic     string
		partition int32
		replicas  []int32
		code      protocol.Code
		message   string
	}{
		{"a", 0, []int32{1}, protocol.None, ""},
		{"a", 0, nil, protocol.NoReassignmentInProgress, ""},
		{"a", 2, nil, protocol.UnknownTopicOrPartition, "Unable to find partition a:2."},
		{"a", -1, []int32{1}, protocol.UnknownTopicOrPartition, "Unable to find partition a:-1."},
		{"none", 0, []int32{1}, protocol.UnknownTopicOrPartition, "Unable to find a topic named none."},
		{"a", 0, []int32{}, protocol.InvalidReplicaAssignment, "The manual partition assignment includes an empty replica list."},
		{"a", 0, []int32{1, 1}, protocol.InvalidReplicaAssignment, "The manual partition assignment includes the broker 1 more than once."},
		{"a", 0, []int32{3, 2}, protocol.InvalidReplicaAssignment, "The manual partition assignment includes broker 2, but no such broker is registered."},
		{"a", 0, []int32{1, -2}, protocol.InvalidReplicaAssignment, "The manual partition assignment includes broker -2, but no such broker is registered."},
	}
	apitest.Versions(t, protocol.KeyAlterPartitionReassignments, func(t *testing.T, version int16) {
		req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
		req.Version, req.AllowReplicationFactorChange = version, version == 0
		for _, x := range cases {
			p := kmsg.NewAlterPartitionAssignmentsRequestTopicPartition()
			p.Partition, p.Replicas = x.partition, x.replicas
			req.Topics = append(req.Topics, kmsg.AlterPartitionAssignmentsRequestTopic{
				Topic: x.topic, Partitions: []kmsg.AlterPartitionAssignmentsRequestTopicPartition{p}})
		}
		resp := c.Call(req).(*kmsg.AlterPartitionAssignmentsResponse)
		if resp.ErrorCode != 0 || len(resp.Topics) != len(cases) || resp.AllowReplicationFactorChange != (version == 0) {
			t.Fatalf("%+v", resp)
		}
		for i, x := range cases {
			got := resp.Topics[i].Partitions[0]
			if protocol.Code(got.ErrorCode) != x.code || text(got.ErrorMessage) != x.message || got.Partition != x.partition {
				t.Errorf("%+v: %v %q", x, protocol.Code(got.ErrorCode), text(got.ErrorMessage))
			}
		}
	})
	list := kmsg.NewPtrListPartitionReassignmentsRequest()
	if resp := c.Call(list).(*kmsg.ListPartitionReassignmentsResponse); resp.ErrorCode != 0 || len(resp.Topics) != 0 {
		t.Errorf("%+v", resp)
	}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func TestElectLeaders(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	b.Topic("a", 2, nil)
	b.Topic("b", 1, nil)
	c := b.Dial()
	apitest.Versions(t, protocol.KeyElectLeaders, func(t *testing.T, version int16) {
		ask := func(kind int8, topics []kmsg.ElectLeadersRequestTopic) *kmsg.ElectLeadersResponse {
			req := kmsg.NewPtrElectLeadersRequest()
			req.Version, req.ElectionType, req.Topics = version, kind, topics
			return c.Call(req).(*kmsg.ElectLeadersResponse)
		}
		some := []kmsg.ElectLeadersRequestTopic{{Topic: "a", Partitions: []int32{1, 2}}, {Topic: "none", Partitions: []int32{0}}}
		for _, kind := range []int8{0, 1} {
			all := ask(kind, nil)
			if all.ErrorCode != 0 || len(all.Topics) != 2 || len(all.Topics[0].Partitions) != 0 {
				t.Errorf("all: %+v", all)
			}
			got := ask(kind, some)
			apitest.Is(t, "leads", got.Topics[0].Partitions[0].ErrorCode, protocol.ElectionNotNeeded)
			for i, want := range []string{"Leader election not needed for topic partition.", "No such partition as a-2"} {
				if p := got.Topics[0].Partitions[i]; text(p.ErrorMessage) != want {
					t.Errorf("%q, want %q", text(p.ErrorMessage), want)
				}
			}
			apitest.Is(t, "no topic", got.Topics[1].Partitions[0].ErrorCode, protocol.UnknownTopicOrPartition)
		}
		bad := ask(2, some)
		if version == 0 {
			apitest.Is(t, "no kinds yet", bad.ErrorCode, protocol.None)
			return
		}
		apitest.Is(t, "kind", bad.ErrorCode, protocol.InvalidRequest)
		apitest.Is(t, "kind", bad.Topics[1].Partitions[0].ErrorCode, protocol.InvalidRequest)
		if all := ask(2, nil); all.ErrorCode != int16(protocol.InvalidRequest) || len(all.Topics) != 0 {
			t.Errorf("%+v", all)
		}
		apitest.Is(t, "nothing", ask(2, []kmsg.ElectLeadersRequestTopic{}).ErrorCode, protocol.None)
	})
}

func TestDescribeQuorum(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	c := b.Dial()
	apitest.Versions(t, protocol.KeyDescribeQuorum, func(t *testing.T, version int16) {
		ask := func(topic string, partitions ...int32) *kmsg.DescribeQuorumResponse {
			req := kmsg.NewPtrDescribeQuorumRequest()
			req.Version = version
			rt := kmsg.DescribeQuorumRequestTopic{Topic: topic}
			for _, p := range partitions {
				rt.Partitions = append(rt.Partitions, kmsg.DescribeQuorumRequestTopicPartition{Partition: p})
			}
			req.Topics = append(req.Topics, rt)
			return c.Call(req).(*kmsg.DescribeQuorumResponse)
		}
		got := ask("__cluster_metadata", 0)
		p := got.Topics[0].Partitions[0]
		if got.ErrorCode != 0 || p.ErrorCode != 0 || p.LeaderID != 1 || p.LeaderEpoch != 1 || len(p.CurrentVoters) != 1 || len(p.Observers) != 0 {
			t.Fatalf("%+v", got)
		}
		voter := p.CurrentVoters[0]
		if voter.ReplicaID != 1 || voter.LogEndOffset != p.HighWatermark || (version >= 1) != (voter.LastCaughtUpTimestamp > 0) {
			t.Errorf("%+v", voter)
		}
		if version >= 2 {
			at := b.Self.Listeners["PLAINTEXT"]
			if n := got.Nodes; len(n) != 1 || n[0].NodeID != 1 || len(n[0].Listeners) != 1 || int32(n[0].Listeners[0].Port) != at.Port || n[0].Listeners[0].Host != at.Host {
				t.Errorf("%+v", n)
			}
		}
		for _, bad := range []*kmsg.DescribeQuorumResponse{ask("a", 0), ask("__cluster_metadata", 1), ask("__cluster_metadata", 0, 1)} {
			if len(bad.Nodes) != 0 {
				t.Errorf("%+v", bad.Nodes)
			}
			for _, p := range bad.Topics[0].Partitions {
				apitest.Is(t, "unknown", p.ErrorCode, protocol.UnknownTopicOrPartition)
			}
		}
	})
}

func TestUpdateFeatures(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	c := b.Dial()
	const failed = "The update failed for all features since the following feature had an error: "
	cases := []struct {
		name    string
		level   int16
		kind    int8
		message string
	}{
		{"metadata.version", 33, 1, ""},
		{"metadata.version", 33, 3, ""},
		{"metadata.version", 33, 0, "Invalid update version 33 for feature metadata.version. The controller does not support the given upgrade type."},
		{"metadata.version", 33, 4, "Invalid update version 33 for feature metadata.version. The controller does not support the given upgrade type."},
		{"metadata.version", 34, 1, "Invalid update version 34 for feature metadata.version. Local controller 1 only supports versions 7-33"},
		{"metadata.version", 0, 3, "Invalid update version 0 for feature metadata.version. Local controller 1 only supports versions 7-33"},
		{"metadata.version", -1, 1, "Invalid update version -1 for feature metadata.version. A feature version cannot be less than 0."},
		{"metadata.version", 20, 1, "Invalid update version 20 for feature metadata.version. Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade."},
		{"metadata.version", 20, 2, "Unsupported metadata.version downgrade from 33 to 20. Refusing to perform the requested downgrade because it might delete metadata information."},
		{"metadata.version", 32, 3, "Unsupported metadata.version downgrade from 33 to 32. Unsafe metadata downgrade is not supported in this version."},
		{"no.such", 1, 1, "Invalid update version 1 for feature no.such. Local controller 1 does not support this feature."},
		{"no.such", 0, 2, "Invalid update version 0 for feature no.such. Feature no.such not found."},
	}
	apitest.Versions(t, protocol.KeyUpdateFeatures, func(t *testing.T, version int16) {
		for _, x := range cases {
			if version == 0 && x.kind != 1 {
				continue
			}
			req := kmsg.NewPtrUpdateFeaturesRequest()
			req.Version = version
			req.FeatureUpdates = []kmsg.UpdateFeaturesRequestFeatureUpdate{
				{Feature: "metadata.version", MaxVersionLevel: 33, UpgradeType: 1},
				{Feature: x.name, MaxVersionLevel: x.level, UpgradeType: x.kind},
			}
			resp := c.Call(req).(*kmsg.UpdateFeaturesResponse)
			want, code, results := "", protocol.None, 2
			if x.message != "" {
				want, code, results = failed+x.message, protocol.InvalidUpdateVersion, 0
			}
			if version >= 2 {
				results = 0
			}
			if protocol.Code(resp.ErrorCode) != code || text(resp.ErrorMessage) != want || len(resp.Results) != results {
				t.Errorf("%+v: %+v, %q", x, resp, text(resp.ErrorMessage))
			}
		}
	})
}

func TestUnregisterBroker(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	c := b.Dial()
	for id, want := range map[int32]protocol.Code{1: protocol.InvalidRequest, 2: protocol.BrokerIDNotRegistered, -1: protocol.BrokerIDNotRegistered} {
		req := kmsg.NewPtrUnregisterBrokerRequest()
		req.BrokerID = id
		resp := c.Call(req).(*kmsg.UnregisterBrokerResponse)
		apitest.Is(t, "unregister", resp.ErrorCode, want)
		if text(resp.ErrorMessage) == "" {
			t.Error("no message")
		}
	}
}
