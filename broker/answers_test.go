package broker_test

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker"
	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/broker/api/apitest"
	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/protocol"
)

func describeConfigs(topics ...string) *kmsg.DescribeConfigsRequest {
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.Version, req.IncludeDocumentation, req.IncludeSynonyms = 4, true, true
	for _, name := range topics {
		r := kmsg.NewDescribeConfigsRequestResource()
		r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeTopic, name
		req.Resources = append(req.Resources, r)
	}
	return req
}

func times(n int, name string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = name
	}
	return out
}

// answerMemory reads the gauge of the answers' budget.
func answerMemory(t testing.TB, b *apitest.Broker) float64 {
	return gauge(t, b, "streamhouse_answer_memory_bytes")
}

// TestAnswersDoNotMultiply: what is named again and again is not told as often, whatever
// the API.
func TestAnswersDoNotMultiply(t *testing.T) {
	b := apitest.Start(t, apitest.Options{Coordinator: &apitest.Coordinator{State: &txn.State{}}})
	b.Topic("t", 1, nil)
	producers := func(n int) kmsg.Request {
		req := kmsg.NewPtrDescribeProducersRequest()
		for range n {
			rt := kmsg.NewDescribeProducersRequestTopic()
			rt.Topic, rt.Partitions = "t", []int32{0}
			req.Topics = append(req.Topics, rt)
		}
		return req
	}
	transactions := func(n int) kmsg.Request {
		req := kmsg.NewPtrDescribeTransactionsRequest()
		req.TransactionalIDs = times(n, "x")
		return req
	}
	configs := func(n int) kmsg.Request { return describeConfigs(times(n, "t")...) }
	for _, named := range []func(int) kmsg.Request{producers, transactions, configs} {
		b.Dial().Call(named(101))
		c := b.Dial()
		c.Send(named(5000))
		c.Closed()
	}
}

// TestAnswersAreBounded: large answers share what all of them may take, from when they are
// made until clients have them; who gets none waits, and small ones do not. One that is
// larger than all is refused.
func TestAnswersAreBounded(t *testing.T) {
	const budget = 4 << 20
	b := apitest.Start(t, apitest.Options{Config: func(c *broker.Config) { c.MaxAnswerBytes = budget }})
	var names []string
	for i := range 400 {
		names = append(names, fmt.Sprint("t", i))
		b.Topic(names[i], 1, nil)
	}
	c := b.Dial()
	c.Send(describeConfigs(names...))
	c.Closed()
	large := describeConfigs(names[:50]...)
	var clients []*apitest.Client
	for range 8 {
		c := b.Dial()
		clients = append(clients, c)
		frame := c.Frame(large)
		if _, err := c.Conn.Write(bytes.Repeat(frame, 8)); err != nil { // and reads nothing
			t.Fatal(err)
		}
	}
	if !apitest.Until(func() bool { return answerMemory(t, b) > budget/4 }) {
		t.Fatal("large answers are not counted")
	}
	b.Dial().Call(metadata())
	if used := answerMemory(t, b); used > 2*budget {
		t.Errorf("answers take %.1f MiB", used/(1<<20))
	}
	var all sync.WaitGroup
	for _, c := range clients {
		all.Go(func() {
			for range 8 {
				resp, _, err := c.Receive(large)
				if err != nil || api.FirstError(resp) != protocol.None {
					t.Errorf("%v %v", err, resp)
					return
				}
			}
		})
	}
	all.Wait()
	if !apitest.Until(func() bool { return answerMemory(t, b) == 0 }) {
		t.Errorf("%.0f bytes are not given back", answerMemory(t, b))
	}
}

// TestEmptyPartitions: a Produce of millions of partitions that have nothing in them does
// not become as many results.
func TestEmptyPartitions(t *testing.T) {
	b := apitest.Start(t, apitest.Options{Config: func(c *broker.Config) { c.MaxAnswerBytes = 8 << 20 }})
	topic := b.Topic("t", 1, nil)
	many := func(n int) *kmsg.ProduceRequest {
		req := produceReq(topic, 0, nil)
		parts := make([]kmsg.ProduceRequestTopicPartition, n)
		for i := range parts {
			parts[i].Partition = int32(i)
		}
		req.Topics[0].Partitions = parts
		return req
	}
	b.Dial().Call(many(20_000))
	rise := peak(func() {
		c := b.Dial()
		frame := c.Frame(many(1_000_000))
		_, _ = c.Conn.Write(frame)
		c.Closed()
	})
	if rise > 150<<20 { // the client's request is in it
		t.Errorf("memory rose by %.1f MiB", mib(rise))
	}
	if !apitest.Until(func() bool { return answerMemory(t, b) == 0 }) {
		t.Errorf("%.0f bytes are not given back", answerMemory(t, b))
	}
}
