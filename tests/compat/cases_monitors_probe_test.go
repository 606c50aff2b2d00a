package compat

import "github.com/twmb/franz-go/pkg/kmsg"

// prober is a group of one member, as franz-go acts in it: cooperative-sticky, at the
// newest versions, its offsets committed by hand.
type prober struct{ group, topic string }

var probe = prober{"kminion-end-to-end-1", "kminion-end-to-end"}

// id is the member's, once a JoinGroup gave it one.
func (p prober) id(w *world) string { return seat{group: p.group, name: "member"}.id(w) }

func (p prober) keep(w *world, _ int16, r kmsg.Response) {
	if id := r.(*kmsg.JoinGroupResponse).MemberID; id != "" {
		w.members[id] = seat{group: p.group, name: "member"}.called()
	}
}

// joining is a JoinGroup, with the id that the first one was given, or without.
func (p prober) joining(id string) func(*world, int16) kmsg.Request {
	return func(w *world, _ int16) kmsg.Request {
		req := kmsg.NewPtrJoinGroupRequest()
		req.Group, req.ProtocolType, req.Reason = p.group, "consumer", ptr("joining for the first time")
		req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 45_000, 60_000
		if id != "" {
			req.MemberID = p.id(w)
		}
		subscription := kmsg.NewConsumerMemberMetadata()
		subscription.Version, subscription.Topics = 3, []string{p.topic}
		protocol := kmsg.NewJoinGroupRequestProtocol()
		protocol.Name, protocol.Metadata = "cooperative-sticky", subscription.AppendTo(nil)
		req.Protocols = append(req.Protocols, protocol)
		return req
	}
}

func (p prober) syncing(w *world, _ int16) kmsg.Request {
	req := kmsg.NewPtrSyncGroupRequest()
	req.Group, req.Generation, req.MemberID = p.group, 1, p.id(w)
	req.ProtocolType, req.Protocol = ptr("consumer"), ptr("cooperative-sticky")
	plan := kmsg.NewConsumerMemberAssignment()
	t := kmsg.NewConsumerMemberAssignmentTopic()
	t.Topic, t.Partitions = p.topic, []int32{0, 1}
	plan.Topics = append(plan.Topics, t)
	a := kmsg.NewSyncGroupRequestGroupAssignment()
	a.MemberID, a.MemberAssignment = req.MemberID, plan.AppendTo(nil)
	req.GroupAssignment = append(req.GroupAssignment, a)
	return req
}

func (p prober) offsets(w *world, _ int16) kmsg.Request {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.RequireStable = true
	g, t := kmsg.NewOffsetFetchRequestGroup(), kmsg.NewOffsetFetchRequestGroupTopic()
	t.Topic, t.TopicID, t.Partitions = p.topic, w.topics[p.topic], []int32{0, 1}
	g.Group, g.MemberEpoch, g.Topics = p.group, -1, append(g.Topics, t)
	req.Groups = append(req.Groups, g)
	return req
}

func (p prober) beats(w *world, _ int16) kmsg.Request {
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.Generation, req.MemberID = p.group, 1, p.id(w)
	return req
}

func (p prober) committing(w *world, _ int16) kmsg.Request {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation, req.MemberID = p.group, 1, p.id(w)
	t := kmsg.NewOffsetCommitRequestTopic()
	t.Topic, t.TopicID = p.topic, w.topics[p.topic]
	for number, offset := range []int64{2, 1} {
		one := kmsg.NewOffsetCommitRequestTopicPartition()
		one.Partition, one.Offset, one.LeaderEpoch, one.Metadata = int32(number), offset, 0, ptr(p.id(w))
		t.Partitions = append(t.Partitions, one)
	}
	req.Topics = append(req.Topics, t)
	return req
}

func (p prober) leaving(w *world, _ int16) kmsg.Request {
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group = p.group
	m := kmsg.NewLeaveGroupRequestMember()
	m.MemberID, m.Reason = p.id(w), ptr("client leaving group per normal operation")
	req.Members = append(req.Members, m)
	return req
}

// latestOf asks for the end of the first partitions of a topic.
func latestOf(name string, partitions int32) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := listOffsets(name, 0, -1)(nil, 0).(*kmsg.ListOffsetsRequest)
		for number := int32(1); number < partitions; number++ {
			p := req.Topics[0].Partitions[0]
			p.Partition = number
			req.Topics[0].Partitions = append(req.Topics[0].Partitions, p)
		}
		return req
	}
}

func configsOf(name string, keys ...string) func(*world, int16) kmsg.Request {
	return describe(ofTopic, name, keys...)
}

func deleteNamed(names ...string) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrDeleteGroupsRequest()
		req.Groups = names
		return req
	}
}
