package broker_test

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker"
	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/broker/api/apitest"
)

// longPoll asks for records of a topic that has none, for millis, in a request that is
// padded with size bytes.
func longPoll(topic string, millis int32, size int) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.MinBytes, req.MaxBytes, req.MaxWaitMillis, req.SessionEpoch = 12, 1, 1<<20, millis, -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic = topic
	p := kmsg.NewFetchRequestTopicPartition()
	p.PartitionMaxBytes = 1 << 20
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	req.UnknownTags.Set(99, bytes.Repeat([]byte{7}, size))
	return req
}

func smallBudget(c *broker.Config) { c.MaxQueuedBytes = 16 << 20 }

// TestLongPollsHoldNoRequestMemory: requests that wait have given back what they took,
// however large they were; else a few of them stop everybody.
func TestLongPollsHoldNoRequestMemory(t *testing.T) {
	b := apitest.Start(t, apitest.Options{Config: smallBudget})
	topic := b.Topic("t", 1, nil)
	for range 5 {
		b.Dial().Send(longPoll("t", 40_000, 9<<20))
	}
	if !apitest.Until(func() bool { return b.Log.Watchers() == 5 }) {
		t.Fatalf("%d of 5 polls wait", b.Log.Watchers())
	}
	if held := requestMemory(t, b); held != 0 {
		t.Errorf("requests that wait hold %.1f MiB", held/(1<<20))
	}
	c := b.Dial()
	c.Call(metadata())
	if r := c.Call(produceReq(topic, 0, batch(1, 900_000))); api.FirstError(r) != 0 {
		t.Error(api.FirstError(r))
	}
}

// TestSmallNeverBehindLarge: while slow uploads hold all memory that large requests may
// take, small ones are served.
func TestSmallNeverBehindLarge(t *testing.T) {
	b := apitest.Start(t, apitest.Options{Config: smallBudget})
	topic := b.Topic("t", 1, nil)
	head := binary.BigEndian.AppendUint32(nil, 15<<20)
	head = append(head, 0, 3, 0, 9, 0, 0, 0, 1, 0, 1, 'x', 0) // Metadata
	upload := append(head, make([]byte, 3<<20)...)
	for range 8 {
		conn := raw(t, b)
		go func() { _, _ = conn.Write(upload) }()
	}
	if !apitest.Until(func() bool { return requestMemory(t, b) >= 12<<20 }) {
		t.Fatalf("uploads hold %.1f MiB", requestMemory(t, b)/(1<<20))
	}
	c := b.Dial()
	c.Call(metadata())
	for _, size := range []int{10, 3000, 50_000} {
		if r := c.Call(produceReq(topic, 0, batch(1, size))); api.FirstError(r) != 0 {
			t.Errorf("%d bytes: %v", size, api.FirstError(r))
		}
	}
}

// TestWaitingNoticesLeave: what waits for others ends when its client has left.
func TestWaitingNoticesLeave(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	b.Topic("t", 1, nil)
	c := b.Dial()
	c.Send(longPoll("t", 3_600_000, 0))
	if !apitest.Until(func() bool { return b.Log.Watchers() == 1 }) {
		t.Fatal("the poll does not wait")
	}
	_ = c.Conn.Close()
	if !apitest.Until(func() bool { return b.Server.Connections() == 0 && b.Log.Watchers() == 0 }) {
		t.Errorf("%d connections, %d watchers", b.Server.Connections(), b.Log.Watchers())
	}
}

// TestAppendNoticesLeave: an append that waits for room in the log ends when its client has
// left, long before the request's timeout.
func TestAppendNoticesLeave(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	topic := b.Topic("t", 1, nil)
	b.Log.Fill()
	c := b.Dial()
	c.Send(produceReq(topic, 0, batch(1, 100)))
	if !apitest.Until(func() bool { return b.Log.Queued() == 1 }) {
		t.Fatal("the append does not wait")
	}
	_ = c.Conn.Close()
	if !apitest.Until(func() bool { return b.Server.Connections() == 0 && b.Log.Queued() == 0 }) {
		t.Errorf("%d connections, %d appends", b.Server.Connections(), b.Log.Queued())
	}
}

// TestSlowUploadsMakeWay: who sends a large request little by little, though not too
// slowly for one that is in nobody's way, is cut when others wait for the memory.
func TestSlowUploadsMakeWay(t *testing.T) {
	b := apitest.Start(t, apitest.Options{Config: func(c *broker.Config) {
		smallBudget(c)
		c.FirstFrame, c.Frame = 4*time.Second, 4*time.Second
	}})
	topic := b.Topic("t", 1, nil)
	head := binary.BigEndian.AppendUint32(nil, 15<<20)
	head = append(head, 0, 3, 0, 9, 0, 0, 0, 1, 0, 1, 'x', 0) // Metadata
	for range 4 {                                             // they fill what large requests may have, and one has more
		conn := raw(t, b)
		go func() {
			_, err := conn.Write(append(head, make([]byte, 3<<20)...))
			for part := make([]byte, 1<<10); err == nil; time.Sleep(100 * time.Millisecond) {
				_, err = conn.Write(part)
			}
		}()
	}
	if !apitest.Until(func() bool { return requestMemory(t, b) > 12<<20 }) {
		t.Fatalf("uploads hold %.1f MiB", requestMemory(t, b)/(1<<20))
	}
	// It may be cut itself while it waits behind some of them; then it comes again.
	if !apitest.Until(func() bool {
		c, req := b.Dial(), produceReq(topic, 0, batch(1, 900_000))
		_, _ = c.Conn.Write(c.Frame(req))
		resp, _, err := c.Receive(req)
		return err == nil && api.FirstError(resp) == 0
	}) {
		t.Error("a large request is not served beside slow uploads")
	}
}
