package main

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/tests/peers"
	"github.com/streamhouse/streamhouse/tests/wire"
)

// callMax bounds each request.
const callMax = time.Minute

func cases() []sizingCase {
	return []sizingCase{
		{name: "idle connections", number: 4000, make: connections},
		{name: "partitions", number: 20000, make: partitions},
		{name: "partitions written to", number: 20000, before: func(b *peers.Broker) error { _, err := partitions(b, 20000); return err }, make: write},
		{name: "batches not sealed", number: 200000, before: one, make: batches},
		{name: "packs not sealed", number: 5000, before: one, make: packs},
		{name: "producer ids", number: 100000, before: one, make: producers},
		{name: "consumers", number: 2000, before: begun, make: consumers},
		{name: "committed offsets", number: 100000, before: begun, make: offsets},
	}
}

// client is one connection whose every call has to succeed.
type client struct{ *wire.Conn }

func dial(b *peers.Broker) (client, error) {
	c, err := wire.Dial(b.Addr(), "sizing", callMax)
	return client{c}, err
}

func (c client) call(req kmsg.Request) (kmsg.Response, error) {
	resp, err := c.Call(req, callMax)
	if err != nil {
		err = fmt.Errorf("%s: %w", kmsg.NameForKey(req.Key()), err)
	}
	return resp, err
}

// connections have asked for the broker's versions, as every client does.
func connections(b *peers.Broker, number int) (func(), error) {
	var open []client
	end := func() {
		for _, c := range open {
			c.Close()
		}
	}
	for range number {
		c, err := dial(b)
		if err != nil {
			end()
			return nil, err
		}
		open = append(open, c)
		req := kmsg.NewPtrApiVersionsRequest()
		req.Version, req.ClientSoftwareName, req.ClientSoftwareVersion = 3, "sizing", "1"
		if _, err := c.call(req); err != nil {
			end()
			return nil, err
		}
	}
	return end, nil
}

func nothing() {}

// topicSize is how many partitions a topic has.
const topicSize = 100

func partitions(b *peers.Broker, number int) (func(), error) {
	c, err := dial(b)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	for i := range number / topicSize {
		if err := c.create(fmt.Sprintf("topic-%d", i), topicSize); err != nil {
			return nil, err
		}
	}
	return nothing, nil
}

func (c client) create(topic string, partitions int32) error {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version, req.TimeoutMillis = 5, 30000
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = topic, partitions, 1
	req.Topics = append(req.Topics, t)
	resp, err := c.call(req)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode)
}

// write appends one record to each partition.
func write(b *peers.Broker, number int) (func(), error) {
	c, err := dial(b)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	for i := range number / topicSize {
		records := map[int32][]byte{}
		for p := range int32(topicSize) {
			records[p] = wire.Batch(time.Now().UnixMilli(), make([]byte, 100))
		}
		if err := c.produce(fmt.Sprintf("topic-%d", i), records); err != nil {
			return nil, err
		}
	}
	return nothing, nil
}

func (c client) produce(topic string, records map[int32][]byte) error {
	resp, err := c.call(wire.ProduceRequest(topic, 30000, records))
	if err != nil {
		return err
	}
	for _, p := range resp.(*kmsg.ProduceResponse).Topics[0].Partitions {
		if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
			return err
		}
	}
	return nil
}

// one makes a topic of one partition and writes to it.
func one(b *peers.Broker) error {
	c, err := dial(b)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.create("one", 1); err != nil {
		return err
	}
	return c.produce("one", map[int32][]byte{0: wire.Batch(time.Now().UnixMilli(), make([]byte, 100))})
}

// window is how many produces are on their way at once, and share packs.
const window = 500

// stream sends number batches, window at a time, and checks every answer.
func stream(b *peers.Broker, number, window int, batch func(i int) []byte) (func(), error) {
	c, err := dial(b)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	for i := 0; i < number; i += window {
		if err := c.SetDeadline(time.Now().Add(callMax)); err != nil {
			return nil, err
		}
		var sent []*kmsg.ProduceRequest
		first := int32(0)
		for j := i; j < min(i+window, number); j++ {
			req := wire.ProduceRequest("one", 30000, map[int32][]byte{0: batch(j)})
			id, err := c.Send(req)
			if err != nil {
				return nil, err
			}
			if len(sent) == 0 {
				first = id
			}
			sent = append(sent, req)
		}
		for k, req := range sent {
			resp, err := c.Receive(first+int32(k), req)
			if err != nil {
				return nil, err
			}
			if err := kerr.ErrorForCode(resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode); err != nil {
				return nil, err
			}
		}
	}
	return nothing, nil
}

func batches(b *peers.Broker, number int) (func(), error) {
	value := make([]byte, 100)
	return stream(b, number, window, func(int) []byte { return wire.Batch(time.Now().UnixMilli(), value) })
}

// packs have one batch each, since the next one is sent when the last is durable.
func packs(b *peers.Broker, number int) (func(), error) {
	value := make([]byte, 100)
	return stream(b, number, 1, func(int) []byte { return wire.Batch(time.Now().UnixMilli(), value) })
}

// producers write one batch each; ids that nobody gave out are taken as those of producers
// whose state has expired.
func producers(b *peers.Broker, number int) (func(), error) {
	value := make([]byte, 100)
	return stream(b, number, window, func(i int) []byte {
		return wire.IdempotentBatch(time.Now().UnixMilli(), int64(1_000_000+i), 0, 0, value)
	})
}

// begun makes the topic of groups.
func begun(b *peers.Broker) error {
	c, err := dial(b)
	if err != nil {
		return err
	}
	defer c.Close()
	find := kmsg.NewPtrFindCoordinatorRequest() // it makes the topic
	find.Version, find.CoordinatorKey = 3, "first"
	if _, err := c.call(find); err != nil {
		return err
	}
	return c.join("first")
}

// consumers are members of groups of one, on one connection.
func consumers(b *peers.Broker, number int) (func(), error) {
	c, err := dial(b)
	if err != nil {
		return nil, err
	}
	for i := range number {
		if err := c.join(fmt.Sprintf("group-%d", i)); err != nil {
			c.Close()
			return nil, err
		}
	}
	return func() { c.Close() }, nil
}

// subscription is as long as that of a consumer of two topics, with its assignment.
var subscription = make([]byte, 120)

// join makes a group with one member, which stays for half an hour.
func (c client) join(group string) error {
	join := kmsg.NewPtrJoinGroupRequest()
	join.Version, join.Group, join.ProtocolType = 5, group, "sizing"
	join.SessionTimeoutMillis, join.RebalanceTimeoutMillis = 1_800_000, 60_000
	p := kmsg.NewJoinGroupRequestProtocol()
	p.Name, p.Metadata = "range", subscription
	join.Protocols = append(join.Protocols, p)
	var joined *kmsg.JoinGroupResponse
	for deadline := time.Now().Add(callMax); ; {
		resp, err := c.call(join)
		if err != nil {
			return err
		}
		joined = resp.(*kmsg.JoinGroupResponse)
		err = kerr.ErrorForCode(joined.ErrorCode)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			return err
		}
		join.MemberID = joined.MemberID
		if err != kerr.MemberIDRequired {
			time.Sleep(20 * time.Millisecond) // the coordinator's topic is being made
		}
	}
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.Version, sync.Group, sync.MemberID, sync.Generation = 3, group, joined.MemberID, joined.Generation
	a := kmsg.NewSyncGroupRequestGroupAssignment()
	a.MemberID, a.MemberAssignment = joined.MemberID, subscription
	sync.GroupAssignment = append(sync.GroupAssignment, a)
	resp, err := c.call(sync)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.(*kmsg.SyncGroupResponse).ErrorCode)
}

// offsets are committed by groups that assign partitions themselves, 100 partitions each.
func offsets(b *peers.Broker, number int) (func(), error) {
	if _, err := partitions(b, topicSize); err != nil {
		return nil, err
	}
	c, err := dial(b)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	for i := range number / topicSize {
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Version, req.Group, req.Generation = 6, fmt.Sprintf("offsets-%d", i), -1
		t := kmsg.NewOffsetCommitRequestTopic()
		t.Topic = "topic-0"
		for p := range int32(topicSize) {
			q := kmsg.NewOffsetCommitRequestTopicPartition()
			q.Partition, q.Offset, q.LeaderEpoch = p, 42, -1
			t.Partitions = append(t.Partitions, q)
		}
		req.Topics = append(req.Topics, t)
		resp, err := c.call(req)
		if err != nil {
			return nil, err
		}
		for _, p := range resp.(*kmsg.OffsetCommitResponse).Topics[0].Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, err
			}
		}
	}
	return nothing, nil
}
